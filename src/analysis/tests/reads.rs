//! Reads that mean the same everywhere.

use super::*;

#[test]
fn every_place_a_table_can_stand_in() {
    check(
        &ALL,
        &[
            ("SELECT * FROM users", "data users"),
            ("select id from users where id = 1;", "data users"),
            ("SELECT * FROM users u, orders AS o", "data users,orders"),
            ("SELECT * FROM users JOIN orders ON users.id = orders.user_id LEFT JOIN posts USING (id)", "data users,orders,posts"),
            ("SELECT * FROM (SELECT id FROM users) x", "data users"),
            ("SELECT * FROM ((users JOIN orders ON 1 = 1) JOIN posts ON 1 = 1)", "data users,orders,posts"),
            ("SELECT (SELECT max(id) FROM orders) FROM users", "data orders,users"),
            ("SELECT id FROM users WHERE id IN (SELECT user_id FROM orders)", "data users,orders"),
            ("SELECT id FROM users WHERE EXISTS (SELECT 1 FROM orders WHERE EXISTS (SELECT 1 FROM posts))", "data users,orders,posts"),
            ("SELECT id FROM users WHERE (id, 1) IN (SELECT id, 1 FROM posts)", "data users,posts"),
            ("SELECT id FROM users GROUP BY id HAVING count(*) > (SELECT count(*) FROM orders)", "data users,orders"),
            ("SELECT id FROM users ORDER BY (SELECT max(id) FROM orders)", "data users,orders"),
            ("SELECT id FROM users LIMIT (SELECT 1 FROM orders)", "data users,orders"),
            ("SELECT id FROM users LIMIT 1 OFFSET (SELECT 1 FROM orders)", "data users,orders"),
            (
                "SELECT CASE WHEN id = (SELECT 1 FROM posts) THEN (SELECT 1 FROM tags) ELSE (SELECT 1 FROM orders) END FROM users",
                "data posts,tags,orders,users",
            ),
            ("SELECT coalesce((SELECT 1 FROM orders), 2) FROM users", "data orders,users"),
            (
                "SELECT sum(id) OVER (PARTITION BY (SELECT 1 FROM orders) ORDER BY (SELECT 1 FROM tags)) FROM users",
                "data orders,tags,users",
            ),
            ("SELECT sum(id) OVER w FROM users WINDOW w AS (PARTITION BY (SELECT 1 FROM orders))", "data users,orders"),
            ("SELECT * FROM users JOIN orders ON users.id = (SELECT 1 FROM tags)", "data users,orders,tags"),
            ("SELECT id BETWEEN (SELECT 1 FROM tags) AND (SELECT 2 FROM posts) FROM users", "data tags,posts,users"),
            ("SELECT id FROM users UNION SELECT id FROM orders UNION ALL SELECT id FROM posts", "data users,orders,posts"),
            ("SELECT id FROM users EXCEPT SELECT id FROM orders", "data users,orders"),
            ("SELECT id FROM users INTERSECT SELECT id FROM orders ORDER BY 1 LIMIT 3", "data users,orders"),
            ("SELECT cast((SELECT 1 FROM orders) AS char(3)) FROM users", "data orders,users"),
            ("SELECT users.* FROM users", "data users"),
            ("SELECT count(*) FROM users", "count users"),
            ("SELECT COUNT(DISTINCT id) AS n FROM users WHERE id > 3", "count users"),
            ("SELECT count(*) FROM users GROUP BY id", "data users"),
            ("SELECT count(*), 1 FROM users", "data users"),
            ("SELECT count(*) + 1 FROM users", "data users"),
            ("SELECT count(*) OVER () FROM users", "data users"),
            ("SELECT app.things.id FROM app.things", "data app.things"),
            ("SELECT DISTINCT lower(name), abs(-1), coalesce(a, b), nullif(a, b), round(x, 2), upper(trim(name)) FROM users", "data users"),
        ],
    );
}

#[test]
fn common_table_expressions() {
    check(
        &ALL,
        &[
            ("WITH c AS (SELECT id FROM users) SELECT * FROM c", "data users"),
            ("WITH c AS (SELECT id FROM users), d AS (SELECT id FROM c JOIN orders ON 1 = 1) SELECT * FROM d", "data users,orders"),
            (
                "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 9) SELECT * FROM c JOIN users ON 1 = 1",
                "data users",
            ),
            ("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 9) SELECT * FROM c", "no NoTable"),
            // Shadowing: in its own body the name is surely the expression.
            ("WITH users AS (SELECT 1 AS id) SELECT * FROM users JOIN orders ON 1 = 1", "data orders"),
            ("WITH users AS (SELECT * FROM users) SELECT * FROM users", "data users"),
            ("WITH orders AS (SELECT * FROM users), users AS (SELECT * FROM orders) SELECT 1 FROM posts", "data users,orders,posts"),
            // Only in its scope.
            ("SELECT * FROM (WITH users AS (SELECT 1 AS id FROM posts) SELECT * FROM users) x JOIN users ON 1 = 1", "data posts,users"),
            ("WITH c AS (WITH users AS (SELECT 1 AS id FROM posts) SELECT * FROM users) SELECT * FROM c, users", "data posts,users"),
            ("WITH c AS (SELECT 1) SELECT * FROM users WHERE id IN (SELECT * FROM c)", "data users"),
            ("WITH c AS (SELECT 1 FROM v) SELECT * FROM users", "no NotATable"),
        ],
    );
    check(&[Dialect::MySql, Dialect::Sqlite], &[("WITH c AS (SELECT 1) SELECT * FROM elsewhere.c", "no UnknownRelation")]);
}

#[test]
fn what_is_not_a_plain_table() {
    check(
        &ALL,
        &[
            ("SELECT * FROM v", "no NotATable"),
            ("SELECT * FROM users JOIN v ON 1 = 1", "no NotATable"),
            ("SELECT * FROM hv", "no NotATable / *"),
        ],
    );
    check(&ALL, &[("SELECT * FROM fired", "data fired"), ("SELECT 1", "no NoTable"), ("SELECT 1 + 1 AS two", "no NoTable")]);
    check(
        &[Dialect::MySql, Dialect::Sqlite],
        &[("SELECT * FROM nowhere", "no UnknownRelation"), ("SELECT * FROM a.b.c", "no UnknownRelation")],
    );
    check(&[Dialect::Postgres], &[("SELECT * FROM nowhere", "no UnknownRelation / *"), ("SELECT * FROM a.b.c", "no UnknownRelation / *")]);
}

#[test]
fn schema_and_metadata() {
    check(
        &ALL,
        &[
            ("SELECT table_name FROM information_schema.tables", "schema _schema"),
            ("SELECT count(*) FROM information_schema.tables", "schema _schema"),
            ("SELECT * FROM information_schema.tables JOIN users ON 1 = 1", "data _schema,users"),
        ],
    );
    check(
        &[Dialect::Postgres],
        &[("SELECT relname FROM pg_class", "schema _schema"), ("SELECT relname FROM pg_catalog.pg_class", "schema _schema")],
    );
    check(
        &[Dialect::Sqlite],
        &[("SELECT sql FROM sqlite_master WHERE name = ?", "schema _schema"), ("SELECT sqlite_version()", "metadata _schema")],
    );
    check(
        &[Dialect::Postgres],
        &[("select version();", "metadata _schema"), ("SHOW server_version", "metadata _schema"), ("SELECT version(), 1", "no Function")],
    );
    check(
        &[Dialect::MySql],
        &[("SELECT VERSION()", "metadata _schema"), ("SELECT @@version", "metadata _schema"), ("SELECT @@sql_mode", "no Variable")],
    );
    check(&[Dialect::Sqlite], &[("SELECT version()", "no Function / *")]);
}

#[test]
fn user_functions_may_do_anything() {
    check(
        &ALL,
        &[
            ("SELECT my_func(id) FROM users", "no Function / *"),
            ("SELECT MY_FUNC(id) FROM users", "no Function / *"),
            ("SELECT unheard_of(id) FROM users", "no Function / *"),
            ("SELECT * FROM users WHERE EXISTS (SELECT 1 FROM orders ORDER BY my_func(1))", "no Function / *"),
            ("SELECT app.lower(name) FROM users", "no Function / *"),
            ("SELECT max(my_func(1)) OVER (PARTITION BY a) FROM users", "no Function / *"),
        ],
    );
}

#[test]
fn hints() {
    let hints = |sql: &str| analyse(Dialect::Sqlite, sql, &catalog(Dialect::Sqlite)).hints;
    let ttl = |millis| Hints { ttl: Some(Duration::from_millis(millis)), ..Hints::default() };
    let off = Hints { off: true, ..Hints::default() };
    assert_eq!(hints("SELECT * FROM users /* cache: off */"), off);
    assert_eq!(hints("SELECT * FROM users -- cache: OFF"), off);
    assert_eq!(hints("/*CACHE:ttl=30s*/ SELECT * FROM users"), ttl(30_000));
    assert_eq!(hints("/* Cache: TTL = 5 ms */ SELECT * FROM users"), ttl(5));
    assert_eq!(hints("/* cache: ttl=2m */ SELECT * FROM users"), ttl(120_000));
    assert_eq!(hints("-- cache: ttl=1h\nSELECT * FROM users"), ttl(3_600_000));
    assert_eq!(hints("/* cache: ttl=1h, off */ SELECT 1"), Hints { off: true, ..ttl(3_600_000) });
    assert_eq!(hints("/* cache: ttl=5ms, SWR = 2s */ SELECT 1"), Hints { stale: Some(Duration::from_secs(2)), ..ttl(5) });
    assert_eq!(hints("SELECT 1 /* cache: swr=0s */"), Hints { stale: Some(Duration::ZERO), ..Hints::default() });
    for malformed in [
        "/* cache: */",
        "/* cache: on */",
        "/* cache: ttl */",
        "/* cache: ttl=5 */",
        "/* cache: ttl=5d */",
        "/* cache: ttl=-1s */",
        "/* cache:ttl=99999999999999999999h */",
        "/* cache: ttl=18446744073709551615h */",
        "/* cache: ttl=0s */",
        "/* cache: swr */",
        "/* cache: swr=x */",
    ] {
        assert!(hints(&format!("SELECT * FROM users {malformed}")).off, "{malformed}");
    }
    for none in [
        "SELECT '/* cache: off */' FROM users",
        "SELECT \"-- cache: off\" FROM users",
        "/* caches: off */ SELECT 1",
        "/* the cache: off */ SELECT 1",
        "SELECT 1 -- cache\n",
    ] {
        assert_eq!(hints(none), Hints::default(), "{none}");
    }
    check(&ALL, &[("SELECT * FROM users /* cache: off */", "no Hint"), ("UPDATE users SET a = 1 /* cache: off */", "no Write / users")]);
    check(&ALL, &[("SELECT * FROM users /* cache: ttl=30s */", "data users"), ("SELECT * FROM users -- cache: ttl=30s", "data users")]);
}

/// The visitor must reach a call wherever one can stand.
#[test]
fn no_place_hides_a_call() {
    let places = [
        "SELECT @ FROM users",
        "SELECT a FROM users WHERE @ = 1",
        "SELECT a FROM users WHERE a IN (1, @)",
        "SELECT a FROM users WHERE a BETWEEN @ AND 2",
        "SELECT a FROM users WHERE a LIKE @",
        "SELECT a FROM users WHERE a IS NULL AND NOT (@ > 1)",
        "SELECT a FROM users WHERE EXISTS (SELECT @)",
        "SELECT a FROM users WHERE (a, @) IN (SELECT 1, 2)",
        "SELECT CASE @ WHEN 1 THEN 2 END FROM users",
        "SELECT CASE WHEN a THEN @ END FROM users",
        "SELECT CASE WHEN a THEN 1 ELSE @ END FROM users",
        "SELECT cast(@ AS char(3)) FROM users",
        "SELECT -@ FROM users",
        "SELECT lower(upper(@)) FROM users",
        "SELECT count(DISTINCT @) FROM users",
        "SELECT sum(a) OVER (PARTITION BY @) FROM users",
        "SELECT sum(a) OVER (ORDER BY @) FROM users",
        "SELECT sum(a) OVER w FROM users WINDOW w AS (ORDER BY @)",
        "SELECT a FROM users JOIN orders ON @ = 1",
        "SELECT a FROM (users JOIN orders ON @ = 1)",
        "SELECT a FROM (SELECT @ AS a FROM users) x",
        "SELECT a FROM users GROUP BY @",
        "SELECT a FROM users GROUP BY a HAVING @ = 1",
        "SELECT a FROM users ORDER BY @ DESC",
        "SELECT a FROM users LIMIT @",
        "SELECT a FROM users LIMIT 1 OFFSET @",
        "SELECT a FROM users UNION SELECT @",
        "SELECT a FROM users UNION SELECT 1 ORDER BY @",
        "WITH c AS (SELECT @) SELECT a FROM users",
        "SELECT a || @ COLLATE x FROM users",
        "SELECT substring(a, @, 2), ceil(@), position(@ IN a) FROM users",
    ];
    for place in places {
        for dialect in ALL {
            let said = say(&analyse(dialect, &place.replace('@', "my_func(1)"), &catalog(dialect)));
            assert!(!said.starts_with("data") && said.contains("/ *"), "{dialect:?} {place}: {said}");
        }
    }
}
