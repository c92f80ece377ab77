//! Columns that must not be kept, and the ways by which a value leaves its column under another name.

use super::kit::{Asked, MARKER, Place};
use sqlx::{MySql, Postgres, Sqlite};
use sqlx_cached::{Builder, Reason};

/// Of `users.password_hash`, on every database.
const LEAVING: &[&str] = &[
    "SELECT * FROM users",
    "SELECT id, password_hash FROM users",
    "SELECT PASSWORD_HASH AS h FROM users",
    "SELECT u.password_hash AS h FROM users u",
    "SELECT u.* FROM users u JOIN orders o ON o.user_id = u.id",
    "SELECT * FROM orders o JOIN users u ON o.user_id = u.id",
    "SELECT o.note, (u.password_hash) AS h FROM orders o JOIN users u ON o.user_id = u.id",
    // Computed.
    "SELECT upper(password_hash) AS h FROM users",
    "SELECT max(password_hash) AS h FROM users",
    "SELECT coalesce(password_hash, '') AS h FROM users",
    "SELECT CASE WHEN id > 0 THEN password_hash END AS h FROM users",
    "SELECT substr(password_hash, 1, 4) AS h FROM users",
    "SELECT max(CASE WHEN o.id > 0 THEN u.password_hash END) AS h FROM orders o JOIN users u ON o.user_id = u.id",
    "SELECT first_value(password_hash) OVER (ORDER BY id) AS h FROM users",
    // Out of something that is no table.
    "SELECT h FROM (SELECT password_hash AS h FROM users) s",
    "SELECT s.h AS name FROM (SELECT max(password_hash) AS h FROM users) s",
    "SELECT h FROM (SELECT * FROM (SELECT password_hash AS h FROM users) s) t",
    "WITH s AS (SELECT password_hash AS h FROM users) SELECT h FROM s",
    "WITH s AS (SELECT id, password_hash AS h FROM users) SELECT s.h FROM orders o JOIN s ON s.id = o.user_id",
    // Named like a table, as which MariaDB tells of it.
    "SELECT orders.note FROM orders p JOIN (SELECT id, password_hash AS note FROM users) orders ON p.id = orders.id",
    "SELECT users.name FROM (SELECT id, password_hash AS name FROM users) users",
    "SELECT (SELECT password_hash FROM users WHERE id = 1) AS h FROM orders",
    "SELECT h FROM hashes",
    "SELECT id FROM hashes",
    "SELECT * FROM hashes",
    "SELECT n FROM joined",
    "SELECT o.note, v.h FROM orders o JOIN hashes v ON o.user_id = v.id",
    // Of which the first part's origin may be told.
    "SELECT id, note FROM orders UNION ALL SELECT id, password_hash FROM users",
    "SELECT note FROM orders UNION SELECT password_hash FROM users",
    "SELECT id, note FROM orders UNION ALL SELECT id, h FROM hashes",
    "SELECT note FROM (SELECT note FROM orders UNION ALL SELECT password_hash FROM users) s",
    // Other columns under its name.
    "SELECT id AS password_hash FROM users",
    "SELECT o.note AS password_hash FROM orders o JOIN users u ON o.user_id = u.id",
    // By no more than the rule is strict.
    "SELECT name FROM people",
    "SELECT id + 1 AS next FROM users",
    "SELECT count(*) AS n, max(id) AS m FROM users",
];

const STAYING: &[&str] = &[
    "SELECT id, name FROM users",
    "SELECT u.id AS user_id, u.name AS called FROM users u WHERE u.password_hash IS NOT NULL",
    "SELECT DISTINCT name FROM users",
    "SELECT name FROM users GROUP BY name",
    "SELECT id, name FROM users ORDER BY password_hash DESC",
    "SELECT o.id, o.note, u.name FROM orders o JOIN users u ON o.user_id = u.id",
    "SELECT o.*, u.name FROM orders o LEFT JOIN users u ON o.user_id = u.id",
    "SELECT * FROM orders WHERE user_id IN (SELECT id FROM users WHERE password_hash LIKE 'd%')",
    "SELECT note FROM orders o WHERE EXISTS (SELECT 1 FROM hashes h WHERE h.id = o.user_id)",
    "SELECT count(*) FROM users",
    "SELECT count(password_hash) FROM users",
    "SELECT count(*) FROM (SELECT password_hash FROM users UNION SELECT note FROM orders) s",
    // Nothing of the table.
    "SELECT * FROM orders",
    "SELECT upper(note) AS n FROM orders",
    "SELECT note FROM orders UNION ALL SELECT v FROM secrets",
    "SELECT note AS password_hash FROM orders",
];

fn of_users<DB: Asked>(builder: Builder<DB>) -> Builder<DB> {
    builder.deny_columns(&["Users.Password_Hash"])
}

async fn leave_by_no_way<DB: Asked>(more: &[&str], leaving: &[&str], staying: &[&str]) {
    let place = Place::<DB>::with(more).await;
    let all = |common: &[&'static str], own: &[&str]| common.iter().chain(own).map(|sql| (*sql).to_owned()).collect::<Vec<_>>();
    for (statements, kept) in [(all(LEAVING, leaving), false), (all(STAYING, staying), true)] {
        let statements: Vec<_> = statements.iter().map(String::as_str).collect();
        place.denies(of_users, &statements, kept).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leave_postgres_by_no_way() {
    let more = [
        "CREATE FUNCTION hash_of(bigint) RETURNS text STABLE LANGUAGE sql AS 'SELECT password_hash FROM users WHERE id = $1'",
        "CREATE FUNCTION all_hashes() RETURNS TABLE (h text) STABLE LANGUAGE sql AS 'SELECT password_hash FROM users'",
        "CREATE MATERIALIZED VIEW stored_hashes AS SELECT id, password_hash AS h FROM users",
        "CREATE TABLE staff (desk int) INHERITS (users)",
        "INSERT INTO staff VALUES (2, 'Grace', 'MARKER', 7)",
    ];
    let leaving = [
        "SELECT u::text AS h FROM users u",
        "SELECT to_jsonb(u) AS h FROM users u",
        "SELECT u.to_jsonb AS h FROM users u",
        "SELECT row_to_json(u) AS h FROM users u",
        "SELECT jsonb_agg(u) AS h FROM users u",
        "SELECT (u).password_hash AS h FROM users u",
        "SELECT concat(u) AS h FROM users u",
        "SELECT u.name || u.password_hash AS h FROM users u",
        "SELECT string_agg(password_hash, ',') AS h FROM users",
        "SELECT ARRAY(SELECT password_hash FROM users) AS h FROM orders",
        "SELECT x.h FROM users u, LATERAL (SELECT u.password_hash AS h) x",
        "SELECT c FROM users AS u(a, b, c)",
        "SELECT hash_of(user_id) AS h FROM orders",
        "SELECT o.id, f.h FROM orders o, LATERAL hash_of(o.user_id) AS f(h)",
        "SELECT h FROM stored_hashes",
        "SELECT password_hash AS h FROM staff",
        "SELECT * FROM staff",
        "SELECT staff.* FROM staff JOIN orders ON true",
        "TABLE users",
        "WITH orders AS (SELECT id, password_hash AS note FROM users) SELECT note FROM orders",
        "SELECT note FROM (SELECT id, password_hash AS note FROM users) orders",
        "(SELECT password_hash AS h FROM users)",
        "WITH RECURSIVE s(h) AS (SELECT password_hash FROM users UNION SELECT h FROM s) SELECT h FROM s",
    ];
    let staying = [
        "SELECT id, desk FROM staff",
        "SELECT DISTINCT ON (password_hash) id FROM users",
        "SELECT users.id FROM users JOIN orders USING (id)",
    ];
    leave_by_no_way::<Postgres>(&more, &leaving, &staying).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leave_mariadb_by_no_way() {
    let more = [
        "CREATE FUNCTION hash_of(wanted BIGINT) RETURNS VARCHAR(80) DETERMINISTIC READS SQL DATA RETURN (SELECT password_hash FROM users WHERE id = wanted)",
        "CREATE ALGORITHM = MERGE VIEW merged AS SELECT id, password_hash AS h FROM users",
        "CREATE ALGORITHM = TEMPTABLE VIEW apart AS SELECT id, password_hash AS h FROM users",
    ];
    let leaving = [
        "SELECT CONCAT(name, password_hash) AS h FROM users",
        "SELECT GROUP_CONCAT(password_hash) AS h FROM users",
        "SELECT JSON_OBJECT('h', password_hash) AS h FROM users",
        "SELECT `password_hash` `h` FROM `users`",
        "SELECT h FROM merged",
        "SELECT h FROM apart",
        "SELECT hash_of(user_id) AS h FROM orders",
        "SELECT ANY_VALUE_OF.h FROM (SELECT password_hash AS h FROM users GROUP BY h) ANY_VALUE_OF",
        "(SELECT password_hash AS h FROM users)",
    ];
    let staying =
        ["SELECT users.id FROM users JOIN orders USING (id)", "SELECT u.name FROM users u GROUP BY u.name ORDER BY max(u.password_hash)"];
    leave_by_no_way::<MySql>(&more, &leaving, &staying).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leave_sqlite_by_no_way() {
    let leaving = [
        "SELECT name || password_hash AS h FROM users",
        "WITH orders AS (SELECT id, password_hash AS note FROM users) SELECT note FROM orders",
        "SELECT note FROM (SELECT id, password_hash AS note FROM users) orders",
        "SELECT group_concat(password_hash) AS h FROM users",
        "SELECT json_object('h', password_hash) AS h FROM users",
        "SELECT [password_hash] AS h FROM main.users",
        "SELECT h FROM (SELECT note AS h FROM orders EXCEPT SELECT 'a note' UNION ALL SELECT password_hash FROM users)",
        "SELECT name FROM (SELECT password_hash AS name FROM users)",
        "VALUES ((SELECT password_hash FROM users))",
        "SELECT h FROM (SELECT max(id), password_hash AS h FROM users)",
    ];
    let staying = ["SELECT users.rowid FROM users", "SELECT users.id FROM users JOIN orders USING (id)"];
    leave_by_no_way::<Sqlite>(&[], &leaving, &staying).await;
}

/// Named without a table: in whichever one, and as a result's column.
async fn are_denied_anywhere<DB: Asked>() {
    let place = Place::<DB>::with(&["CREATE VIEW renamed (api_key) AS SELECT v FROM secrets"]).await;
    let leaving = [
        "SELECT * FROM orders",
        "SELECT api_key AS k FROM orders",
        "SELECT upper(note) AS n FROM orders",
        "SELECT k FROM keyring",
        "SELECT * FROM renamed",
        "SELECT api_key AS k FROM renamed",
        "SELECT name AS api_key FROM users",
        "SELECT name AS API_KEY FROM users",
        "SELECT count(*) AS api_key FROM users",
    ];
    let staying = [
        "SELECT id, note FROM orders",
        "SELECT upper(name) AS n FROM users",
        "SELECT name FROM people",
        "SELECT v FROM secrets",
        "SELECT count(api_key) FROM orders",
    ];
    for (statements, kept) in [(&leaving[..], false), (&staying[..], true)] {
        place.denies(|builder| builder.deny_columns(&["API_KEY"]), statements, kept).await;
    }
}

/// A result that was denied once is read by each for himself, and by those who decode it for all.
async fn are_denied_at_once_and_shared<DB: Asked>() {
    let place = Place::<DB>::new().await;
    // What the text does not tell, so that the result has to.
    let executor = place.executor(|builder| builder.deny_columns(&["h"])).await;
    let embedded = place.home.build(|builder| builder.deny_columns(&["h"])).await;
    let sql = "SELECT password_hash AS h FROM users";
    for executor in [&executor, &embedded] {
        for _ in 0..3 {
            let texts = futures_util::future::join_all((0..8).map(|_| DB::text(executor, sql))).await;
            assert!(texts.iter().all(|text| text == MARKER));
            assert_eq!(DB::shared_text(executor, sql).await, MARKER);
        }
        let stats = executor.stats();
        assert!(stats.fills == 0 && stats.hits == 0 && stats.not_stored[&Reason::Denied] > 0, "{stats}");
        assert_eq!(executor.health().await.near.unwrap().entries, 0);
    }
    assert_eq!(place.told(), Vec::<String>::new());
    let usual = place.executor(|builder| builder).await;
    assert_eq!(DB::shared_text(&usual, sql).await, MARKER);
    assert_eq!(place.told().len(), 1, "the search finds it");
}

macro_rules! everywhere {
    ($($test:ident: $what:ident, $Db:ty;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            $what::<$Db>().await;
        }
    )*};
}

everywhere! {
    are_denied_anywhere_on_postgres: are_denied_anywhere, Postgres;
    are_denied_anywhere_on_mariadb: are_denied_anywhere, MySql;
    are_denied_anywhere_on_sqlite: are_denied_anywhere, Sqlite;
    are_denied_at_once_and_shared_on_postgres: are_denied_at_once_and_shared, Postgres;
    are_denied_at_once_and_shared_on_mariadb: are_denied_at_once_and_shared, MySql;
    are_denied_at_once_and_shared_on_sqlite: are_denied_at_once_and_shared, Sqlite;
}
