//! What must not be kept as the schema changes, and names that mean nothing in it.

use super::kit::{Asked, MARKER, Place};
use crate::support::log::Log;
use sqlx::{MySql, Postgres, Sqlite};
use sqlx_cached::{CachingExecutor, Reason};
use tracing::Level;

/// Of this, on each database: whoever changes the schema, what was kept before is denied thereafter.
async fn changes<DB: Asked>(denied: (&[&str], &[&str]), ddl: &[&str], before: Option<&str>, after: &[&str], by_another: bool) {
    let place = Place::<DB>::with(&["CREATE VIEW harmless AS SELECT id, note AS name FROM orders"]).await;
    let executor = place.executor(|builder| builder.deny_tables(denied.0).deny_columns(denied.1)).await;
    let another = place.executor(|builder| builder).await;
    if let Some(sql) = before {
        assert!(Place::is_kept(&executor, sql, false).await, "{}: {sql}: {}", DB::NAME, executor.explain(sql));
    }
    for sql in ddl {
        DB::run(if by_another { &another } else { &executor }, sql).await.unwrap();
    }
    for sql in after {
        executor.reset_stats();
        assert!(!Place::is_kept(&executor, sql, false).await, "{}: {sql} after {ddl:?}: {}", DB::NAME, executor.explain(sql));
        let stats = executor.stats();
        // A table that another made is unknown at first.
        let denied = [Reason::Denied, Reason::UnknownRelation].iter().any(|reason| stats.bypasses.contains_key(reason));
        assert!(denied || stats.not_stored.contains_key(&Reason::Denied), "{sql}: {stats}");
        assert_eq!(place.told(), Vec::<String>::new(), "{}: {sql}", DB::NAME);
    }
    // A column more of a table with denied ones is a column like others.
    executor.reset_stats();
    DB::run(&executor, "ALTER TABLE users ADD COLUMN town VARCHAR(80)").await.unwrap();
    assert!(Place::is_kept(&executor, "SELECT town FROM users", false).await, "{}: {}", DB::NAME, executor.stats());
}

async fn follow<DB: Asked>() {
    let name = "SELECT name FROM harmless";
    for by_another in [false, true] {
        let view = ["DROP VIEW harmless", "CREATE VIEW harmless AS SELECT id, v AS name FROM secrets"];
        changes::<DB>((&["secrets"], &["users.password_hash"]), &view, Some(name), &[name], by_another).await;
        let view = ["DROP VIEW harmless", "CREATE VIEW harmless AS SELECT id, password_hash AS name FROM users"];
        changes::<DB>((&[], &["users.password_hash"]), &view, Some(name), &[name], by_another).await;
        let column = [
            "DROP VIEW harmless",
            "DROP VIEW joined",
            "ALTER TABLE orders RENAME COLUMN note TO pin",
            "UPDATE orders SET pin = 'd41d8cd98f00b204e980-plain-marker'",
        ];
        let pins = ["SELECT pin FROM orders", "SELECT pin AS p FROM orders", "SELECT upper(pin) AS p FROM orders"];
        changes::<DB>((&[], &["pin", "users.password_hash"]), &column, Some("SELECT upper(note) AS n FROM orders"), &pins, by_another)
            .await;
        let table = ["CREATE TABLE later (v VARCHAR(80))", "INSERT INTO later SELECT v FROM secrets"];
        let later = ["SELECT v FROM later", "SELECT count(*) FROM later"];
        changes::<DB>((&["later"], &[]), &table, None, &later, by_another).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_are_followed_on_postgres() {
    follow::<Postgres>().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_are_followed_on_mariadb() {
    follow::<MySql>().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_are_followed_on_sqlite() {
    follow::<Sqlite>().await;
}

/// A typing error denies nothing, so it is said; once, however often the catalog is read.
async fn unknown_names_are_said<DB: Asked>() {
    let place = Place::<DB>::with(&["CREATE VIEW broken AS SELECT id FROM orders"]).await;
    let (log, listening) = Log::start(Level::WARN);
    let tables = ["secrets", "Opened", "secretz"];
    let columns = ["users.PASSWORD_HASH", "api_key", "k", "api_kee", "users.pasword", "nobody.password_hash"];
    let executor = place.executor(|builder| builder.deny_tables(&tables).deny_columns(&columns)).await;
    for name in ["more", "and_more"] {
        DB::run(&executor, &format!("CREATE TABLE {name} (id INT)")).await.unwrap();
    }
    drop(listening);
    let text = log.text();
    let said: Vec<&str> = text.lines().filter(|line| line.contains("nothing in the catalog has this name")).collect();
    let mut expected = vec!["secretz", "api_kee", "users.pasword", "nobody.password_hash"];
    assert_eq!(said.len(), expected.len(), "{text}");
    expected.retain(|name| !said.iter().any(|line| line.contains(&format!("name={name}"))));
    assert!(expected.is_empty(), "{expected:?}: {text}");
    // They are denied all the same, should they appear.
    DB::run(&executor, "CREATE TABLE secretz (id INT, v INT)").await.unwrap();
    assert_eq!(executor.explain("SELECT v FROM secretz").read, Err(Reason::Denied));
}

#[tokio::test]
async fn unknown_names_are_said_on_postgres() {
    unknown_names_are_said::<Postgres>().await;
}

#[tokio::test]
async fn unknown_names_are_said_on_mariadb() {
    unknown_names_are_said::<MySql>().await;
}

#[tokio::test]
async fn unknown_names_are_said_on_sqlite() {
    unknown_names_are_said::<Sqlite>().await;
}

/// A view that lost its table has no columns that could be asked for, and is no reason to cache nothing.
#[tokio::test]
async fn a_broken_view_does_no_harm() {
    let place =
        Place::<Sqlite>::with(&["CREATE TABLE gone (api_key)", "CREATE VIEW broken AS SELECT api_key FROM gone", "DROP TABLE gone"]).await;
    let executor = place.executor(|builder| builder.deny_columns(&["api_key"])).await;
    assert!(Place::is_kept(&executor, "SELECT note FROM orders", false).await, "{}", executor.stats());
}

/// What `explain` says of it.
#[tokio::test]
async fn it_is_explained() {
    let place = Place::<Sqlite>::new().await;
    let executor: CachingExecutor<Sqlite> =
        place.executor(|builder| builder.deny_tables(&["secrets"]).deny_columns(&["users.password_hash"])).await;
    for (sql, said) in [
        ("SELECT v FROM secrets", "not cached: reads secrets, of which nothing is to be kept"),
        ("SELECT x FROM opened_again", "not cached: view opened: reads secrets, of which nothing is to be kept"),
        ("SELECT * FROM users", "not cached: shows password_hash, which is not to be kept"),
        ("SELECT password_hash AS h FROM users", "not cached: shows password_hash, which is not to be kept"),
        (
            "SELECT upper(name) FROM users",
            "not cached: reads users, of which password_hash is not to be kept, and shows more than plain columns of tables",
        ),
    ] {
        let explained = executor.explain(sql);
        assert_eq!((explained.to_string().as_str(), explained.read), (said, Err(Reason::Denied)));
    }
    assert!(!format!("{executor:?}").contains(MARKER));
}
