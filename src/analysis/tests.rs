//! Tables of statements and what they mean, per database; see [`say`] for the notation.

mod bodies;
mod hostile;
mod mysql;
mod postgres;
mod reads;
mod sqlite;
mod writes;

use super::*;
use crate::catalog::{Reach, Reads, Relation};

pub(super) const ALL: [Dialect; 3] = [Dialect::Postgres, Dialect::MySql, Dialect::Sqlite];

/// A small database: tables, a view, a view that calls a user's function, a table with triggers, the catalog's own tables, an enum, a function.
pub(super) fn catalog(dialect: Dialect) -> Catalog {
    let (path, home) = match dialect {
        Dialect::Postgres => (vec!["pg_catalog", "public"], "public"),
        Dialect::MySql => (vec!["shop"], "shop"),
        Dialect::Sqlite => (vec!["main"], "main"),
    };
    let mut catalog = Catalog::new(dialect, path.into_iter().map(str::to_owned).collect(), dialect == Dialect::Sqlite);
    let mut add = |schema: &str, name: &str, tag: Tag, reads, writes| {
        catalog.add(schema, name, None, Relation::new(tag, reads, writes));
    };
    for name in ["users", "orders", "posts", "tags", "only"] {
        add(home, name, Tag::table(name), Reads::Plain, Reach::Itself);
    }
    if dialect != Dialect::Sqlite {
        add(home, "Mixed", Tag::table("Mixed"), Reads::Plain, Reach::Itself);
    }
    add(home, "fired", Tag::table("fired"), Reads::Plain, Reach::Unknown);
    add(home, "v", Tag::table("v"), Reads::Opaque, Reach::Unknown);
    add(home, "hv", Tag::table("hv"), Reads::Hazard, Reach::Unknown);
    add("app", "things", Tag::table("app.things"), Reads::Plain, Reach::Itself);
    add("pg_catalog", "pg_class", Tag::schema(), Reads::Schema, Reach::Unknown);
    add("information_schema", "tables", Tag::schema(), Reads::Schema, Reach::Unknown);
    add("main", "sqlite_master", Tag::schema(), Reads::Schema, Reach::Unknown);
    catalog.add_function("my_func");
    catalog.add_enum("mood");
    catalog
}

/// An analysis in short: the category and the tables, or `no` and the reason; after `/` what it writes (`*` is everything), unless nothing;
/// then `schema`, `session` or `temp:name`, `commits`.
pub(super) fn say(analysis: &Analysis) -> String {
    let list = |tags: &[Tag]| tags.iter().map(Tag::as_str).collect::<Vec<_>>().join(",");
    let mut text = match &analysis.read {
        Ok(read) => format!("{:?} {}", read.category, list(&read.tables)).to_lowercase(),
        Err(bypass) => format!("no {bypass:?}"),
    };
    match &analysis.writes {
        Writes::Nothing => {}
        Writes::Tables(tables) => text = format!("{text} / {}", list(tables)),
        Writes::Everything => text += " / *",
    }
    if analysis.changes_schema {
        text += " schema";
    }
    match &analysis.session {
        Session::Unchanged => {}
        Session::TemporaryTable(name) => text = format!("{text} temp:{name}"),
        Session::Local => text += " local",
        Session::LocalNames => text += " local-names",
        Session::Changed => text += " session",
    }
    if analysis.commits {
        text += " commits";
    }
    text
}

/// Holds a table of statements against what they mean on some databases, and reports all differences at once.
pub(super) fn check(dialects: &[Dialect], cases: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for &dialect in dialects {
        let catalog = catalog(dialect);
        for (sql, expected) in cases {
            let said = say(&analyse(dialect, sql, &catalog));
            if said != *expected {
                wrong.push(format!("{dialect:?}: {sql}\n    is       {said}\n    expected {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
