//! What is SQLite's own.

use super::*;

const SQLITE: [Dialect; 1] = [Dialect::Sqlite];

#[test]
fn names() {
    check(
        &SQLITE,
        &[
            ("SELECT * FROM USERS", "data users"),
            ("SELECT * FROM \"Users\"", "data users"),
            ("SELECT * FROM `users`, [orders]", "data users,orders"),
            ("SELECT * FROM main.users", "data users"),
            ("SELECT * FROM temp.users", "no UnknownRelation"),
            ("SELECT * FROM 'users'", "data users"),
            ("SELECT rowid, * FROM users", "data users"),
            ("SELECT * FROM users INDEXED BY i WHERE id = 1", "data users"),
            ("SELECT * FROM users WHERE id = ?1 AND a = :a AND b = @b AND c = $c AND d = ?", "data users"),
            ("SELECT * FROM users WHERE a GLOB 'x*' AND b REGEXP 'y' AND c IS NOT NULL AND d MATCH 'z'", "data users"),
            ("SELECT a ->> '$.x', a -> 'y' FROM users", "data users"),
            ("SELECT \"not a column\" FROM users", "data users"),
            ("SELECT * FROM users WHERE id IN orders", "no Unparsed"),
            ("SELECT * FROM users WHERE a IS ? AND b IS NOT ?2 AND c IS NULL AND d IS NOT NULL AND e IS NOT DISTINCT FROM f", "data users"),
            ("SELECT * FROM users WHERE a IS NOT (SELECT 1 FROM orders)", "data users,orders"),
            ("VALUES (1), (2)", "no NoTable"),
        ],
    );
}

#[test]
fn functions() {
    check(
        &SQLITE,
        &[
            ("SELECT date('now') FROM users", "no Function"),
            ("SELECT datetime(at) FROM users", "no Function"),
            ("SELECT strftime('%s', at) FROM users", "no Function"),
            ("SELECT julianday() FROM users", "no Function"),
            ("SELECT unixepoch(?) FROM users", "no Function"),
            ("SELECT CURRENT_TIMESTAMP FROM users", "no Function"),
            ("SELECT * FROM users WHERE at < current_date", "no Function"),
            ("SELECT random() FROM users", "no Function"),
            ("SELECT * FROM users ORDER BY RANDOM() LIMIT 1", "no Function"),
            ("SELECT last_insert_rowid()", "no Function"),
            ("SELECT changes()", "no Function"),
            ("SELECT load_extension('x')", "no Function / *"),
            (
                "SELECT iif(a, 1, 2), printf('%d', a), instr(a, 'b'), substr(a, 1, 2), group_concat(a, ','), total(a) FROM users",
                "data users",
            ),
            ("SELECT json_extract(a, '$.x'), json_group_array(b) FROM users", "data users"),
            ("SELECT * FROM users, json_each(users.a)", "data users"),
            ("SELECT value FROM json_each('[1]')", "no NoTable"),
            ("SELECT * FROM pragma_table_info('users')", "no Function"),
            ("SELECT CAST(a AS date) FROM users", "data users"),
        ],
    );
}

#[test]
fn pragmas() {
    check(
        &SQLITE,
        &[
            ("PRAGMA table_info(users)", "schema _schema"),
            ("PRAGMA main.table_xinfo('users');", "schema _schema"),
            ("pragma index_list(\"users\")", "schema _schema"),
            ("PRAGMA foreign_key_list(users)", "schema _schema"),
            ("PRAGMA table_list", "schema _schema"),
            ("PRAGMA temp.table_info(users)", "no NotAQuery"),
            ("PRAGMA table_info = users", "no NotAQuery"),
            ("PRAGMA foreign_keys", "no NotAQuery"),
            ("PRAGMA foreign_keys = ON", "no NotAQuery"),
            ("PRAGMA journal_mode = WAL", "no NotAQuery"),
            ("PRAGMA busy_timeout(5000)", "no NotAQuery"),
            ("PRAGMA user_version", "no NotAQuery"),
            ("PRAGMA user_version = 3", "no NotAQuery / * schema session"),
            ("PRAGMA writable_schema = ON", "no NotAQuery / * schema session"),
            ("PRAGMA case_sensitive_like = ON", "no NotAQuery / * schema session"),
            ("PRAGMA encoding = 'UTF-16'", "no NotAQuery / * schema session"),
            ("PRAGMA", "no NotAQuery / * schema session"),
            ("PRAGMA table_info(users); DROP TABLE users", "no NotAQuery / * schema"),
        ],
    );
}

#[test]
fn a_temporary_trigger_by_its_schema() {
    check(
        &SQLITE,
        &[(
            "CREATE TRIGGER IF NOT EXISTS temp.x AFTER UPDATE ON main.users BEGIN UPDATE posts SET a = 1; END",
            "no Unparsed / * schema session",
        )],
    );
}
