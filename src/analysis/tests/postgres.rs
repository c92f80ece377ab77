//! What is PostgreSQL's own.

use super::*;

const POSTGRES: [Dialect; 1] = [Dialect::Postgres];

#[test]
fn names() {
    check(
        &POSTGRES,
        &[
            ("SELECT * FROM USERS", "data users"),
            ("SELECT * FROM \"users\"", "data users"),
            ("SELECT * FROM \"Users\"", "no UnknownRelation / *"),
            ("SELECT * FROM \"Mixed\"", "data mixed"),
            ("SELECT * FROM Mixed", "no UnknownRelation / *"),
            ("SELECT * FROM public.users", "data users"),
            ("SELECT * FROM ONLY users", "data users"),
            ("SELECT * FROM ONLY (users) WHERE id = 1", "data users"),
            ("SELECT * FROM \"only\"", "data only"),
            ("SELECT * FROM users*", "data users"),
            ("SELECT 1 FROM users * WHERE id = 2 * 3", "data users"),
            ("TABLE users", "data users"),
            ("TABLE app.things", "data app.things"),
            ("TABLE users UNION TABLE orders", "data users,orders"),
            ("TABLE \"Mixed\"", "data mixed"),
            ("(TABLE users)", "data users"),
            ("VALUES (1), (2)", "no NoTable"),
            ("SELECT * FROM users u, LATERAL (SELECT * FROM orders o WHERE o.id = u.id) x", "data users,orders"),
            ("SELECT * FROM users JOIN LATERAL (SELECT 1 FROM orders) x ON true", "data users,orders"),
            ("SELECT ARRAY(SELECT id FROM orders) FROM users", "data orders,users"),
            ("SELECT ARRAY[1, (SELECT 1 FROM orders)], a[1:(SELECT 1 FROM tags)], (b).c FROM users", "data orders,tags,users"),
        ],
    );
    check(&POSTGRES, &[("SELECT count(*) FILTER (WHERE id IN (SELECT id FROM orders)) FROM users", "count orders,users")]);
    check(
        &POSTGRES,
        &[
            ("SELECT DISTINCT ON (a) * FROM users ORDER BY a, b DESC NULLS LAST", "data users"),
            ("SELECT * FROM users FETCH FIRST 3 ROWS ONLY", "data users"),
            ("SELECT id FROM users GROUP BY GROUPING SETS ((id), ())", "data users"),
            ("SELECT users FROM users", "data users"),
            ("SELECT string_agg(a, ',' ORDER BY (SELECT 1 FROM orders)) FROM users", "data orders,users"),
            ("SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY a) FROM users", "data users"),
        ],
    );
}

#[test]
fn locks_and_details() {
    check(
        &POSTGRES,
        &[
            ("SELECT * FROM users FOR UPDATE", "no Locking"),
            ("SELECT * FROM users FOR NO KEY UPDATE", "no Locking"),
            ("SELECT * FROM users FOR SHARE SKIP LOCKED", "no Locking"),
            ("SELECT * FROM (SELECT * FROM users FOR UPDATE) x", "no Locking"),
            ("SELECT * FROM users FOR KEY SHARE", "no Locking"),
            ("SELECT ctid FROM users", "no Volatile"),
            ("SELECT users.xmin FROM users", "no Volatile"),
            ("SELECT \"xmax\" FROM users", "no Volatile"),
            ("SELECT tableoid::text FROM users", "no Volatile"),
            ("SELECT * FROM users TABLESAMPLE system (10)", "no Function"),
            ("SELECT users.my_func FROM users", "no Function / *"),
            ("SELECT (u).my_func FROM users u", "no Function / *"),
            ("SELECT a FROM users ORDER BY b <-> $1 LIMIT 5", "data users"),
            ("SELECT a FROM users WHERE b <<<>>> c", "no Function / *"),
        ],
    );
}

#[test]
fn functions() {
    check(
        &POSTGRES,
        &[
            ("SELECT now() FROM users", "no Function"),
            ("SELECT pg_catalog.now() FROM users", "no Function"),
            ("SELECT current_date FROM users", "no Function"),
            ("SELECT CURRENT_TIMESTAMP(3) FROM users", "no Function"),
            ("SELECT localtime, LOCALTIMESTAMP FROM users", "no Function"),
            ("SELECT current_user, session_user FROM users", "no Function"),
            ("SELECT user FROM users", "no Function"),
            ("SELECT u.user, \"user\" FROM users u", "data users"),
            ("SELECT current_schema FROM users", "no Function"),
            ("SELECT current_catalog FROM users", "no Function"),
            ("SELECT current_role FROM users", "no Function"),
            ("SELECT * FROM users ORDER BY random()", "no Function"),
            ("SELECT gen_random_uuid() FROM users", "no Function"),
            ("SELECT nextval('s')", "no Function"),
            ("SELECT setval('s', 1)", "no Function / *"),
            ("SELECT current_setting('x') FROM users", "no Function"),
            ("SELECT txid_current()", "no Function"),
            ("SELECT pg_sleep(1)", "no Function"),
            ("SELECT pg_advisory_lock(1)", "no Function"),
            ("SELECT ts_rewrite(a, 'SELECT x, y FROM orders') FROM users", "no Function / *"),
            ("SELECT lo_unlink(1)", "no Function / *"),
            ("SELECT dblink_exec('x')", "no Function / *"),
            ("SELECT age(born) FROM users", "no Function"),
            ("SELECT age(died, born) FROM users", "data users"),
            ("SELECT public.lower(name) FROM users", "no Function / *"),
            ("SELECT pg_catalog.lower(name) FROM users", "data users"),
            ("SELECT \"lower\"(name) FROM users", "data users"),
            ("SELECT date_trunc('day', at), extract(epoch FROM at), to_char(at, 'YYYY'), at AT TIME ZONE 'UTC' FROM users", "data users"),
            ("SELECT jsonb_agg(to_jsonb(u)), array_agg(DISTINCT a), row_to_json(u), json_build_object('a', 1) FROM users u", "data users"),
            ("SELECT * FROM generate_series(1, 3) g, users", "data users"),
            ("SELECT * FROM users, unnest(tags) AS t(x)", "data users"),
            ("SELECT * FROM users, unnest($1::int[]) WITH ORDINALITY", "data users"),
            ("SELECT * FROM users CROSS JOIN LATERAL jsonb_array_elements(a) e", "data users"),
            ("SELECT * FROM users, my_func(1)", "no Function / *"),
            ("SELECT * FROM users, LATERAL my_func(1) x", "no Function / *"),
            ("SELECT * FROM generate_series(now(), now(), '1 day'), users", "no Function"),
            ("SELECT * FROM users, jsonb_to_recordset(a) AS x(b timestamptz)", "no Function"),
            ("SELECT * FROM users WHERE a @> $1 AND b ? 'x' AND c && d AND e ~* 'f' AND g || h <> i #>> '{a}'", "data users"),
            ("SELECT * FROM users WHERE a = ANY($1) AND b <> ALL($2)", "data users"),
            ("SELECT * FROM users WHERE a OPERATOR(pg_catalog.=) b", "no Function / *"),
            (
                "SELECT substring(a FROM 1 FOR 2), position('x' IN a), overlay(a PLACING 'b' FROM 1), trim(BOTH 'x' FROM a), ceil(a) FROM users",
                "data users",
            ),
        ],
    );
}

#[test]
fn moments() {
    check(
        &POSTGRES,
        &[
            ("SELECT * FROM users WHERE at > 'now'", "no Function"),
            ("SELECT * FROM users WHERE at > 'now'::timestamptz", "no Function"),
            ("SELECT * FROM users WHERE at > timestamp 'Yesterday'", "no Function"),
            ("SELECT * FROM users WHERE at > date ' TOMORROW '", "no Function"),
            ("SELECT * FROM users WHERE at > CAST('today 12:00' AS timestamptz)", "no Function"),
            ("SELECT * FROM users WHERE at > E'to\\x64ay'", "no Function"),
            ("SELECT * FROM users WHERE at > $$now$$", "no Function"),
            ("SELECT * FROM users WHERE span && '[now,]'", "no Function"),
            ("SELECT * FROM users WHERE at > 'to'\n'day'", "no Unparsed / * schema"),
            ("SELECT * FROM users WHERE name = 'known'", "data users"),
            ("SELECT * FROM users WHERE at > '2024-01-01'::date", "data users"),
            ("SELECT * FROM users WHERE at > timestamp '2024-01-01'", "data users"),
            ("SELECT * FROM users WHERE at > interval '1 day' + $1", "data users"),
            ("SELECT * FROM users WHERE at > $1::timestamptz", "no Function"),
            ("SELECT * FROM users WHERE at > $1", "data users"),
            ("SELECT at::date FROM users", "no Function"),
            ("SELECT date(at) FROM users", "no Function"),
            ("SELECT date_trunc('day', at)::date, (at AT TIME ZONE 'UTC')::timestamp FROM users", "data users"),
            ("SELECT $1::timestamptz[] FROM users", "no Function"),
            (
                "SELECT a::text, a::int, a::varchar(3), $1::uuid, $2::jsonb, a::text[], a::numeric(3, 2), a::citext, a::inet FROM users",
                "data users",
            ),
            ("SELECT * FROM users WHERE m = $1::mood", "data users"),
            ("SELECT a::unknown_type FROM users", "no Function"),
            ("SELECT 'users'::regclass, a::regtype FROM users", "no Function"),
            ("SELECT a::my_func FROM users", "no Function / *"),
        ],
    );
}

#[test]
fn comments_and_quotes() {
    check(
        &POSTGRES,
        &[
            ("SELECT * FROM users -- , orders", "data users"),
            ("SELECT * FROM users -- x\n, orders", "data users,orders"),
            ("SELECT * FROM users -- x\r, orders", "data users,orders"),
            ("SELECT * FROM users /* /* , orders */ , posts */", "data users"),
            ("SELECT * FROM users /* /* */", "no Unparsed / * schema"),
            ("SELECT $$ FROM orders $$ FROM users", "data users"),
            ("SELECT $a$ $$ ' \" $a$ FROM users", "data users"),
            ("SELECT $1 FROM users WHERE a = $2", "data users"),
            ("SELECT a$b$c FROM users", "data users"),
            ("SELECT E'it\\'s' FROM users", "data users"),
            ("SELECT 'a\\' FROM users", "no Unparsed / * schema"),
            ("SELECT 'a\\b' FROM users", "data users"),
            ("SELECT U&'\\0061' FROM users", "no Unparsed / * schema"),
            ("SELECT * FROM U&\"us\\0065rs\"", "no Unparsed / * schema"),
            ("SELECT B'01', X'1f' FROM users", "data users"),
            ("SELECT \"a\"\"b\" FROM users", "data users"),
            ("SELECT '", "no Unparsed / * schema"),
            ("COPY users FROM STDIN; DELETE FROM orders", "no Write / users,orders"),
        ],
    );
}

#[test]
fn a_time_of_day_with_a_zone_knows_today() {
    check(
        &POSTGRES,
        &[
            ("SELECT '10:00'::timetz FROM users", "no Function"),
            ("SELECT TIME '10:00'::timetz FROM users", "no Function"),
            ("SELECT time with time zone '10:00 Europe/Berlin' FROM users", "no Function"),
            ("SELECT CAST('10:00' AS time with time zone) FROM users", "no Function"),
            ("SELECT TIME '10:00', DATE '2026-01-01', '10:00'::time FROM users", "data users"),
        ],
    );
}

/// `CREATE DOMAIN string AS timestamptz`: the parser has a type of that name, PostgreSQL has not.
#[test]
fn other_databases_types_are_users_own() {
    check(
        &POSTGRES,
        &[
            ("SELECT a::string FROM users", "no Function"),
            ("SELECT a::tinyint, b FROM users", "no Function"),
            ("SELECT CAST(a AS blob) FROM users", "no Function"),
            ("SELECT a::text, b::varchar(3), c::double precision, d::int8, e::char(2), f::bit(3), g::real FROM users", "data users"),
        ],
    );
}
