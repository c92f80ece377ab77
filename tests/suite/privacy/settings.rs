//! Settings that can't be used: the error names them, and shows no key.

use super::kit::Place;
use crate::faults::killed::Child;
use crate::support::Scratch;
use sqlx::Sqlite;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx_cached::{Builder, CachingExecutor, Reason};

const ONE: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const TWO: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

fn builder() -> Builder<Sqlite> {
    CachingExecutor::builder(SqlitePoolOptions::new().max_connections(1).connect_lazy("sqlite::memory:").unwrap())
}

#[tokio::test]
async fn of_a_builder() {
    for (setting, builder) in [
        ("encryption_keys", builder().encryption_keys(&[])),
        ("encryption_keys", builder().encryption_keys(&[[0xab; 32]; 3])),
        ("deny_tables", builder().deny_tables(&[""])),
        ("deny_tables", builder().deny_tables(&["a", "app."])),
        ("deny_columns", builder().deny_columns(&["users."])),
        ("deny_columns", builder().deny_columns(&[".password_hash"])),
        ("deny_columns", builder().deny_columns(&[" "])),
    ] {
        let error = builder.build().await.map(|_| ()).expect_err(setting);
        assert!(error.is_setting() && error.to_string().contains(setting), "{error}");
        assert!(!format!("{error:?}{error}").contains("171"), "{error:?}");
    }
    let usable = builder().encryption_keys(&[[0xab; 32], [0xcd; 32]]);
    let shown = format!("{usable:?} {usable:#?}");
    assert!(!shown.contains("171") && !shown.contains("abab") && !shown.contains("205"), "{shown}");
    // What goes nowhere is not encrypted.
    usable.build().await.unwrap();
}

/// Of a process's environment, and of what the library says of it.
#[test]
fn of_the_environment() {
    let scratch = Scratch::new();
    let url = [("url", "sqlite::memory:")];
    let [three, short, half] = [format!("{ONE},{TWO},{ONE}"), ONE[..40].to_owned(), format!("{ONE},hunter2-Tr0ub4dor")];
    for (name, value, shown) in [
        ("CACHE_ENCRYPTION_KEY", "hunter2-Tr0ub4dor", false),
        ("CACHE_ENCRYPTION_KEY", &three, false),
        ("CACHE_ENCRYPTION_KEY", &short, false),
        ("CACHE_ENCRYPTION_KEY", &half, false),
        ("CACHE_DENY_TABLES", "a,,b", true),
        ("CACHE_DENY_COLUMNS", "users.", true),
    ] {
        let error = Child::start_in("SQLite", "from_env", &url, &[(name, value)], scratch.path()).says("error:");
        assert!(error.contains(name), "{error}");
        for part in value.split(',').filter(|part| part.len() > 6) {
            assert_eq!(error.contains(part), shown, "{error}");
        }
    }
}

/// Who names more of it does not take back what was named before: by the environment, perhaps.
#[tokio::test]
async fn setters_add_up() {
    let place = Place::<Sqlite>::new().await;
    let build =
        |builder: Builder<Sqlite>| builder.deny_tables(&["SECRETS"]).deny_tables(&["a"]).deny_columns(&["users.name"]).deny_columns(&["x"]);
    let executor = place.executor(build).await;
    for sql in ["SELECT v FROM secrets", "SELECT count(*) FROM opened", "SELECT name FROM users"] {
        assert_eq!(executor.explain(sql).read, Err(Reason::Denied), "{sql}");
    }
}
