//! Which views may call stored functions, and so write when they are read.

use std::collections::{HashMap, HashSet};

/// A view as its stored text shows it.
pub struct View {
    /// It may do anything: the text is hidden, calls a stored function or reads something of another database.
    unknown: bool,
    text: String,
}

impl View {
    /// Reads the text that the server made of a view's definition, in which stored functions and tables are quoted and built-in functions are not.
    pub fn new(database: &str, text: &str) -> Self {
        let own = format!("`{}`.`", database.replace('`', "``"));
        let calls = text.contains("`(") || text.contains("` (");
        let mut foreign = !text.contains('`');
        for keyword in ["from ", "join "] {
            for (at, _) in text.match_indices(keyword) {
                let table = text[at + keyword.len()..].trim_start_matches(['(', ' ']);
                // Without a schema it is a common table expression or another view's output; with the own one, a table or a view, looked up by name below.
                foreign |= if table.starts_with('`') {
                    qualified(table) && !table.starts_with(&own)
                } else {
                    // Made in a session that quotes only what needs it (sql_quote_show_create): then calls can't be told either.
                    !table.starts_with("select ") && !table.starts_with("dual")
                };
            }
        }
        Self { unknown: text.is_empty() || calls || foreign, text: text.to_owned() }
    }
}

/// Whether a quoted name is followed by a dot.
fn qualified(text: &str) -> bool {
    let mut rest = &text[1..];
    while let Some((_, after)) = rest.split_once('`') {
        match after.strip_prefix('`') {
            Some(after) => rest = after,
            None => return after.starts_with('.'),
        }
    }
    // No end: not a name as the server writes them.
    true
}

/// The names of the views that may do anything, also through others.
pub fn hazards(views: &HashMap<String, View>) -> HashSet<String> {
    let mut hazards: HashSet<String> = views.iter().filter(|(_, view)| view.unknown).map(|(name, _)| name.clone()).collect();
    let mut found: Vec<String> = hazards.iter().cloned().collect();
    while let Some(next) = found.pop() {
        let quoted = format!("`{}`", next.replace('`', "``")).to_lowercase();
        for (name, view) in views {
            if !hazards.contains(name) && view.text.to_lowercase().contains(&quoted) {
                hazards.insert(name.clone());
                found.push(name.clone());
            }
        }
    }
    hazards
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_view_calls_reaches_those_that_read_it() {
        let views = [
            (
                "plain",
                "select `app`.`t`.`id` AS `id`,concat(`app`.`t`.`a`) AS `a` from (`app`.`t` join `app`.`u` on(`app`.`t`.`a` in (1,2)))",
            ),
            ("calls", "select `f`(`app`.`t`.`id`) AS `x` from `app`.`t`"),
            ("reads_calls", "select `calls`.`x` AS `x` from `app`.`calls`"),
            ("reads_that", "select 1 AS `1` from `app`.`reads_calls` `r`"),
            ("away", "select 1 AS `1` from (`app`.`t` join `other`.`v`)"),
            ("hidden", ""),
            ("unquoted", "select f(app.t.id) AS `my x` from app.t"),
            ("nested", "select `x`.`a` AS `a` from (select `app`.`t`.`a` AS `a` from `app`.`t`) `x`"),
            ("cte", "with c as (select 1 AS `z`)select `c`.`z` AS `z` from `c`"),
        ];
        let views = views.into_iter().map(|(name, text)| (name.to_owned(), View::new("app", text))).collect();
        let mut hazards: Vec<_> = hazards(&views).into_iter().collect();
        hazards.sort_unstable();
        assert_eq!(hazards, ["away", "calls", "hidden", "reads_calls", "reads_that", "unquoted"]);
    }
}
