//! Tables of which nothing must be kept.

use super::kit::{Asked, Place};
use sqlx::{MySql, Postgres, Sqlite};

const DENIED: &[&str] = &[
    "SELECT v FROM secrets",
    "SELECT 1 AS one FROM secrets",
    "SELECT count(*) FROM secrets",
    "SELECT w FROM opened",
    "SELECT x FROM opened_again",
    "SELECT id FROM opened_again",
    "SELECT o.note FROM orders o JOIN secrets s ON s.id = o.id",
    "SELECT note FROM orders WHERE id IN (SELECT id FROM secrets)",
    "SELECT note FROM orders WHERE EXISTS (SELECT 1 FROM opened)",
    "SELECT (SELECT max(v) FROM secrets) AS m FROM orders",
    "SELECT note FROM orders UNION ALL SELECT v FROM secrets",
    "WITH s AS (SELECT v FROM secrets) SELECT v FROM s",
    "SELECT v FROM (SELECT v FROM secrets) s",
];

const KEPT: &[&str] = &[
    "SELECT password_hash FROM users",
    "SELECT * FROM orders",
    "SELECT s.name FROM (SELECT name FROM users) s",
    "SELECT secrets.note FROM orders secrets",
];

/// MariaDB calls its columns the table's, so nobody keeps them there.
const NAMESAKE: &str = "WITH secrets AS (SELECT name FROM users) SELECT name FROM secrets";

async fn denied<DB: Asked>(more: &[&str], own: &[&str], kept: &[&str]) {
    let place = Place::<DB>::with(more).await;
    for (statements, is_kept) in [([DENIED, own].concat(), false), ([KEPT, kept].concat(), true)] {
        place.denies(|builder| builder.deny_tables(&["SECRETS"]), &statements, is_kept).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres() {
    let more = [
        "CREATE FUNCTION value_of(bigint) RETURNS text STABLE LANGUAGE sql AS 'SELECT v FROM secrets WHERE id = $1'",
        "CREATE MATERIALIZED VIEW kept_apart AS SELECT w AS y FROM opened",
        "CREATE MATERIALIZED VIEW kept_again AS SELECT y AS z FROM kept_apart",
        "CREATE SCHEMA app",
        "CREATE TABLE app.secrets (id bigint, v text)",
        "INSERT INTO app.secrets VALUES (1, 'MARKER')",
    ];
    let own = [
        "SELECT value_of(id) AS v FROM orders",
        "SELECT note FROM orders WHERE value_of(id) <> ''",
        "SELECT y FROM kept_apart",
        "SELECT z FROM kept_again",
        // A name without a schema is meant in any.
        "SELECT v FROM app.secrets",
    ];
    denied::<Postgres>(&more, &own, &[NAMESAKE]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_mariadb() {
    let more = [
        "CREATE FUNCTION value_of(wanted BIGINT) RETURNS VARCHAR(80) DETERMINISTIC READS SQL DATA RETURN (SELECT v FROM secrets WHERE id = wanted)",
        "CREATE ALGORITHM = TEMPTABLE VIEW apart AS SELECT w AS y FROM opened",
    ];
    denied::<MySql>(&more, &["SELECT value_of(id) AS v FROM orders", "SELECT y FROM apart"], &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    denied::<Sqlite>(&[], &["SELECT v FROM main.secrets", "SELECT v FROM \"Secrets\""], &[NAMESAKE]).await;
}

/// A partition's rows are the whole's, and an heir's are its parent's; of their siblings nothing was said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_their_parts_and_wholes() {
    let more = [
        "CREATE TABLE visits (id int, day int, who text) PARTITION BY RANGE (day)",
        "CREATE TABLE visits_1 PARTITION OF visits FOR VALUES FROM (0) TO (100)",
        "CREATE TABLE visits_2 PARTITION OF visits FOR VALUES FROM (100) TO (200) PARTITION BY RANGE (day)",
        "CREATE TABLE visits_2a PARTITION OF visits_2 FOR VALUES FROM (100) TO (150)",
        "CREATE TABLE persons (id int, who text)",
        "CREATE TABLE heirs (extra int) INHERITS (persons)",
        "INSERT INTO visits VALUES (1, 1, 'MARKER'), (2, 120, 'MARKER')",
        "INSERT INTO heirs VALUES (1, 'MARKER', 2)",
    ];
    let place = Place::<Postgres>::with(&more).await;
    let [whole, one, two, part, parent, heir] = [
        "SELECT who FROM visits",
        "SELECT who FROM visits_1",
        "SELECT who FROM visits_2",
        "SELECT who FROM visits_2a",
        "SELECT who FROM persons",
        "SELECT who FROM heirs",
    ];
    for (table, denied, kept) in [
        ("visits_2a", &[whole, two, part][..], &[one][..]),
        ("visits_2", &[whole, two, part], &[one]),
        ("visits", &[whole, one, two, part], &[heir]),
        ("public.heirs", &[parent, heir], &[whole]),
        ("persons", &[parent, heir], &[one]),
    ] {
        place.denies(|builder| builder.deny_tables(&[table]), denied, false).await;
        place.denies(|builder| builder.deny_tables(&[table]), kept, true).await;
        // A column, too, and under another name.
        let column = format!("{table}.who");
        let renamed: Vec<String> = denied.iter().map(|sql| sql.replace("who FROM", "who AS w FROM")).collect();
        let renamed: Vec<&str> = renamed.iter().map(String::as_str).collect();
        place.denies(|builder| builder.deny_columns(&[&column]), &renamed, false).await;
        place.denies(|builder| builder.deny_columns(&[&column]), kept, true).await;
    }
}

/// With its schema a name means that table alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_one_schema() {
    let more = ["CREATE SCHEMA app", "CREATE TABLE app.secrets (id bigint, v text)", "INSERT INTO app.secrets VALUES (1, 'x')"];
    let place = Place::<Postgres>::with(&more).await;
    let (own, other) = ("SELECT v FROM secrets", "SELECT v FROM app.secrets");
    for (name, denied, kept) in [("app.secrets", other, own), ("public.Secrets", own, other)] {
        place.denies(|builder| builder.deny_tables(&[name]), &[denied], false).await;
        place.denies(|builder| builder.deny_tables(&[name]), &[kept], true).await;
    }
}

/// What a database notes of values to plan its queries by is kept of no table.
async fn notes<DB: Asked>(analyze: &str, sql: &str) {
    let place = Place::<DB>::new().await;
    place.home.run(analyze).await;
    let executor = place.executor(|builder| builder).await;
    assert!(!Place::is_kept(&executor, sql, false).await && place.told().is_empty(), "{}: {}", DB::NAME, executor.explain(sql));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn are_not_kept_by_their_statistics() {
    let copies = "INSERT INTO secrets SELECT id + 1, v FROM secrets; ANALYZE secrets";
    notes::<Postgres>(copies, "SELECT most_common_vals::text FROM pg_stats WHERE tablename = 'secrets' AND attname = 'v'").await;
    notes::<MySql>("ANALYZE TABLE secrets PERSISTENT FOR ALL", "SELECT min_value FROM mysql.column_stats WHERE table_name = 'secrets'")
        .await;
    // Which names no table, but reads one.
    notes::<Postgres>("SELECT 1", "SELECT table_to_xml('secrets', true, false, '')::text FROM orders").await;
    notes::<Sqlite>("CREATE INDEX by_v ON secrets (v); ANALYZE", "SELECT * FROM sqlite_stat1").await;
}
