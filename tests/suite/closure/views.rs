//! Random views: of one table, of several, of other views, materialized ones.

use super::world::{Flavour, View, World};
use crate::databases::Random;

impl World {
    /// The statements that create this schema's views.
    pub fn create_views(&mut self, random: &mut Random) -> Vec<String> {
        let mut statements = Vec::new();
        for number in 0..3 + random.below(4) {
            let materialized = self.is(Flavour::Postgres) && random.one_in(4);
            let name = format!("{}{number}", if materialized { "m" } else { "v" });
            let view = self.view(&name, materialized, random);
            // MariaDB refuses it over a view that can't be written to.
            let simple = view.of.is_some_and(|of| view.query.contains(&format!("FROM {} ", self.name(of))));
            let checks = simple && !materialized && !self.is(Flavour::Sqlite) && random.one_in(4);
            let check = if checks { " WITH CHECK OPTION" } else { "" };
            let algorithm = match self.flavour {
                Flavour::MariaDb if check.is_empty() => *random.pick(&["", "ALGORITHM = MERGE ", "ALGORITHM = TEMPTABLE "]),
                _ => "",
            };
            let kind = if materialized { "MATERIALIZED VIEW" } else { "VIEW" };
            statements.push(format!("CREATE {algorithm}{kind} {} AS {}{check}", view.name, view.query));
            if materialized && random.one_in(2) && view.of.is_some_and(|of| self.tables[of].keyed && !self.tables[of].inherited) {
                statements.push(format!("CREATE UNIQUE INDEX ON {} (id)", view.name));
            }
            self.views.push(view);
            let place = self.views.len() - 1;
            statements.extend(self.write_through(place, random));
        }
        statements
    }

    /// A view's definition. Every one has the columns `id, a, b, n, c`, or `id, many`.
    pub fn view(&self, name: &str, materialized: bool, random: &mut Random) -> View {
        let table = self.any_table(random);
        let (one, two) = (self.any_relation(random), self.any_relation(random));
        let plain = |query: String| View { name: name.to_owned(), columns: 5, writable: false, materialized, query, of: None };
        match random.below(8) {
            0..=2 => View {
                writable: !materialized && !self.is(Flavour::Sqlite),
                of: Some(table),
                ..plain(format!("SELECT id, a, b, n, c FROM {} WHERE id < 50", self.name(table)))
            },
            // MariaDB writes to the side whose columns are set.
            3 => View {
                writable: self.is(Flavour::MariaDb),
                ..plain(format!("SELECT x.id, x.a, x.b, y.n, y.c FROM {one} x JOIN {two} y ON y.id = x.id"))
            },
            4 => View { columns: 2, ..plain(format!("SELECT x.n AS id, COUNT(*) AS many FROM {one} x GROUP BY x.n")) },
            5 => plain(format!("SELECT id, a, b, n, c FROM {one} UNION ALL SELECT id, a, b, n, c FROM {two} WHERE n < 5")),
            6 => plain(format!("SELECT id, a, b, n, c FROM {one} x WHERE EXISTS (SELECT 1 FROM {two} y WHERE y.a = x.id)")),
            // A view of a view where there is one: it can be written to where the other can.
            _ => match self.views.iter().find(|view| view.of.is_some() && !view.materialized) {
                Some(below) => View {
                    writable: below.writable && !materialized,
                    of: below.of,
                    ..plain(format!("SELECT id, a, b, n, c FROM {} WHERE n > 0", below.name))
                },
                None => plain(format!("SELECT id, a, b, n, c FROM {one} WHERE n > 1")),
            },
        }
    }

    /// Perhaps something that takes the writes to a view in its place.
    fn write_through(&mut self, view: usize, random: &mut Random) -> Vec<String> {
        let View { name, materialized, columns, .. } = self.views[view].clone();
        if materialized || columns != 5 || self.is(Flavour::MariaDb) || !random.one_in(2) {
            return Vec::new();
        }
        let target = self.any_table(random);
        let table = self.name(target).to_owned();
        let other = self.name(self.any_table(random)).to_owned();
        let insert = format!("INSERT INTO {table} (id, n, c) VALUES (NEW.id, NEW.n, NEW.c)");
        let update = format!("UPDATE {table} SET n = NEW.n, c = 'through a view' WHERE id = OLD.id");
        let also = format!("UPDATE {other} SET n = COALESCE(n, 0) + 1 WHERE id = OLD.id");
        let delete = format!("DELETE FROM {table} WHERE id = OLD.id");
        self.views[view].writable = true;
        let number = self.fresh();
        match self.flavour {
            Flavour::Postgres if random.one_in(2) => {
                vec![
                    format!("CREATE RULE ru{number}i AS ON INSERT TO {name} DO INSTEAD {insert}"),
                    format!("CREATE RULE ru{number}u AS ON UPDATE TO {name} DO INSTEAD ({update}; {also})"),
                    format!("CREATE RULE ru{number}d AS ON DELETE TO {name} DO INSTEAD {delete}"),
                ]
            }
            Flavour::Postgres => vec![
                format!(
                    "CREATE FUNCTION vf{number}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                     IF TG_OP = 'INSERT' THEN {insert}; RETURN NEW; ELSIF TG_OP = 'UPDATE' THEN {update}; {also}; RETURN NEW; END IF; \
                     {delete}; RETURN OLD; END $$"
                ),
                format!(
                    "CREATE TRIGGER vt{number} INSTEAD OF INSERT OR UPDATE OR DELETE ON {name} FOR EACH ROW EXECUTE FUNCTION vf{number}()"
                ),
            ],
            _ => vec![
                format!("CREATE TRIGGER vt{number}i INSTEAD OF INSERT ON {name} BEGIN {insert}; END"),
                format!("CREATE TRIGGER vt{number}u INSTEAD OF UPDATE ON {name} BEGIN {update}; {also}; END"),
                format!("CREATE TRIGGER vt{number}d INSTEAD OF DELETE ON {name} BEGIN {delete}; END"),
            ],
        }
    }
}
