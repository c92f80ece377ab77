//! Foreign keys as effects.

use super::{Catalog, Does, Effect, Key, Ops};

impl Catalog {
    /// Adds what a foreign key does to the rows that refer, by the words of its actions. `fires` is whether triggers see it: not so in MySQL.
    pub fn add_foreign_key(&mut self, parent: &Key, child: &Key, on_update: &str, on_delete: &str, fires: bool) {
        let follows = |action: &str| !matches!(action, "NO ACTION" | "RESTRICT");
        let changed = Ops::UPDATE | Ops::KEYS;
        if follows(on_delete) {
            let ops = if on_delete == "CASCADE" { Ops::DELETE } else { changed };
            self.add_consequence(parent, Ops::DELETE, format!("ON DELETE {on_delete} from {}", parent.1), child, ops, fires);
        }
        if follows(on_update) {
            self.add_consequence(parent, Ops::KEYS, format!("ON UPDATE {on_update} from {}", parent.1), child, changed, fires);
        }
    }

    fn add_consequence(&mut self, parent: &Key, on: Ops, because: String, child: &Key, ops: Ops, fires: bool) {
        let does = if fires { Does::Write(child.clone(), ops) } else { Does::Quietly(child.clone(), ops) };
        self.add_effect(parent, Effect { on, because: because.into(), does });
    }
}
