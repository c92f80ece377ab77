//! What calling a function can do, by its name.
//!
//! A function that nobody listed may do anything. `PURE` holds what is decided by its arguments, the session's settings (time
//! zone, date style, collation) and the schema; `HARMLESS` what is certain not to write. PostgreSQL's list was checked against `pg_proc.provolatile` of
//! version 15, SQLite's against the deterministic flag in `PRAGMA function_list`; MySQL has nothing to check against but its manual.

mod mysql;
mod postgres;
mod sqlite;

use super::Dialect;
use std::collections::HashSet;
use std::sync::LazyLock;

/// What calling a function can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Decided by its arguments.
    Pure,
    /// As `Pure`, unless MySQL converts a time of day to a date, adding today's (see `mysql::DATE`).
    Date,
    /// Makes a time of day.
    TimeOfDay,
    /// Depends on time, session, user or chance, but writes nothing.
    Harmless,
    /// Changes a setting of the session.
    Setting,
    /// Anything.
    Unknown,
}

type Names = LazyLock<HashSet<&'static str>>;

fn set(lists: &[&'static str]) -> HashSet<&'static str> {
    lists.iter().flat_map(|list| list.split_ascii_whitespace()).collect()
}

static PURE: [Names; 3] = [LazyLock::new(|| set(postgres::PURE)), LazyLock::new(|| set(mysql::PURE)), LazyLock::new(|| set(sqlite::PURE))];
static HARMLESS: [Names; 3] =
    [LazyLock::new(|| set(postgres::HARMLESS)), LazyLock::new(|| set(mysql::HARMLESS)), LazyLock::new(|| set(sqlite::HARMLESS))];
static DATE: Names = LazyLock::new(|| set(mysql::DATE));
static TIME_OF_DAY: Names = LazyLock::new(|| set(mysql::TIME_OF_DAY));

/// What a built-in function of this (lower-case) name does, called with so many arguments.
pub(super) fn effect(dialect: Dialect, name: &str, arguments: usize) -> Effect {
    let index = match dialect {
        Dialect::Postgres => 0,
        Dialect::MySql => 1,
        Dialect::Sqlite => 2,
    };
    match (dialect, name) {
        (Dialect::Postgres, "set_config") => Effect::Setting,
        // One argument: the age as of today.
        (Dialect::Postgres, "age") if arguments == 1 => Effect::Harmless,
        // Without an argument: now. With one: a conversion.
        (Dialect::MySql, "unix_timestamp") if arguments == 0 => Effect::Harmless,
        (Dialect::MySql, "unix_timestamp") => Effect::Date,
        _ if PURE[index].contains(name) => Effect::Pure,
        (Dialect::MySql, _) if DATE.contains(name) => Effect::Date,
        (Dialect::MySql, _) if TIME_OF_DAY.contains(name) => Effect::TimeOfDay,
        _ if HARMLESS[index].contains(name) => Effect::Harmless,
        // Whole families that only look things up.
        (Dialect::Postgres, _) if ["pg_get_", "pg_stat_get_", "has_"].iter().any(|family| name.starts_with(family)) => Effect::Harmless,
        _ => Effect::Unknown,
    }
}

/// Whether a function can stand in FROM and is decided by its arguments there.
pub(super) fn is_pure_table_function(dialect: Dialect, name: &str) -> bool {
    match dialect {
        Dialect::Postgres => effect(dialect, name, 1) == Effect::Pure,
        Dialect::MySql => false,
        Dialect::Sqlite => matches!(name, "json_each" | "json_tree" | "jsonb_each" | "jsonb_tree" | "generate_series"),
    }
}

/// Words that are calls without parentheses, or read the session: `CURRENT_DATE` and its kin.
pub(super) fn is_special_word(dialect: Dialect, word: &str) -> bool {
    let words: &[&str] = match dialect {
        Dialect::Postgres => &[
            "current_date",
            "current_time",
            "current_timestamp",
            "localtime",
            "localtimestamp",
            "current_user",
            "session_user",
            "system_user",
            "current_role",
            "current_catalog",
            "current_schema",
        ],
        Dialect::MySql => &[
            "current_date",
            "current_time",
            "current_timestamp",
            "localtime",
            "localtimestamp",
            "utc_date",
            "utc_time",
            "utc_timestamp",
            "current_user",
            "current_role",
            "session_user",
            "system_user",
            // MariaDB's Oracle mode.
            "sysdate",
        ],
        Dialect::Sqlite => &["current_date", "current_time", "current_timestamp"],
    };
    words.iter().any(|special| special.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_on_two_lists() {
        for (pure, harmless) in PURE.iter().zip(&HARMLESS) {
            assert_eq!(pure.intersection(harmless).collect::<Vec<_>>(), Vec::<&&str>::new());
        }
        for name in DATE.iter().chain(TIME_OF_DAY.iter()) {
            assert!(!PURE[1].contains(name) && !HARMLESS[1].contains(name), "{name}");
        }
    }

    #[test]
    fn arguments_decide() {
        assert_eq!(effect(Dialect::Postgres, "age", 1), Effect::Harmless);
        assert_eq!(effect(Dialect::Postgres, "age", 2), Effect::Pure);
        assert_eq!(effect(Dialect::MySql, "unix_timestamp", 0), Effect::Harmless);
        assert_eq!(effect(Dialect::MySql, "unix_timestamp", 1), Effect::Date);
        assert_eq!(effect(Dialect::Sqlite, "date", 2), Effect::Harmless);
        assert_eq!(effect(Dialect::Postgres, "my_function", 0), Effect::Unknown);
    }
}
