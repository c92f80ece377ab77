//! What is MySQL's and MariaDB's own.

use super::*;

const MYSQL: [Dialect; 1] = [Dialect::MySql];

#[test]
fn names() {
    check(
        &MYSQL,
        &[
            ("SELECT * FROM `users`", "data users"),
            ("SELECT * FROM Users", "no UnknownRelation"),
            ("SELECT * FROM `Mixed`", "data mixed"),
            ("SELECT * FROM shop.users", "data users"),
            ("SELECT * FROM `shop`.`users`", "data users"),
            ("SELECT * FROM other.users", "no UnknownRelation"),
            ("SELECT 1 FROM DUAL", "no NoTable"),
            ("SELECT * FROM users PARTITION (p0)", "data users"),
            ("SELECT * FROM users USE INDEX (i) WHERE a = ?", "data users"),
            ("SELECT * FROM users FORCE INDEX (i) JOIN orders IGNORE INDEX (j) ON 1 = 1", "data users,orders"),
            ("SELECT STRAIGHT_JOIN * FROM users, orders", "data users,orders"),
            ("SELECT * FROM users STRAIGHT_JOIN orders", "data users,orders"),
            ("SELECT SQL_NO_CACHE * FROM users", "data users"),
            ("SELECT SQL_CALC_FOUND_ROWS * FROM users LIMIT 1", "no Function"),
            ("SELECT * FROM users LIMIT 5, 10", "data users"),
            ("SELECT a DIV 2, a <=> b, a XOR b, a && b, BINARY a FROM users", "data users"),
            ("SELECT * FROM users WHERE a REGEXP 'x' AND b RLIKE 'y' AND c LIKE 'z' ESCAPE '|'", "data users"),
            ("SELECT a->'$.x', a->>'$.y' FROM users", "data users"),
            ("SELECT id FROM users GROUP BY id WITH ROLLUP", "data users"),
            ("SELECT * FROM users, JSON_TABLE(users.a, '$[*]' COLUMNS (x INT PATH '$')) t", "data users"),
            ("SELECT MATCH (a) AGAINST ('x' IN BOOLEAN MODE) FROM users", "data users"),
            ("SELECT GROUP_CONCAT(DISTINCT a ORDER BY b SEPARATOR ',') FROM users", "data users"),
            ("SELECT _utf8mb4'x' FROM users", "data users"),
            ("SELECT * FROM users FOR SYSTEM_TIME ALL", "no Unparsed"),
        ],
    );
}

#[test]
fn locks_and_variables() {
    check(
        &MYSQL,
        &[
            ("SELECT * FROM users FOR UPDATE", "no Locking"),
            ("SELECT * FROM users LOCK IN SHARE MODE", "no Locking"),
            ("SELECT * FROM users WHERE id = 1 LOCK IN SHARE MODE;", "no Locking"),
            ("SELECT @x FROM users", "no Variable"),
            ("SELECT @@session.sql_mode FROM users", "no Variable"),
            ("SELECT @x := 1 FROM users", "no Variable"),
            ("SELECT @`x` FROM users", "no Variable"),
            ("SELECT id INTO @x FROM users", "no NotAQuery / * schema"),
            ("SELECT * FROM users INTO OUTFILE 'x'", "no Unparsed / * schema"),
            ("SELECT * FROM users PROCEDURE ANALYSE()", "no Unparsed / * schema"),
        ],
    );
}

#[test]
fn functions() {
    check(
        &MYSQL,
        &[
            ("SELECT NOW() FROM users", "no Function"),
            ("SELECT CURRENT_TIMESTAMP, CURDATE() FROM users", "no Function"),
            ("SELECT UTC_TIMESTAMP FROM users", "no Function"),
            ("SELECT UNIX_TIMESTAMP() FROM users", "no Function"),
            ("SELECT RAND() FROM users", "no Function"),
            // An XPath can name a variable of the session's.
            ("SELECT ExtractValue(a, '//b[$@i]') FROM users", "no Function"),
            ("SELECT UUID() FROM users", "no Function"),
            ("SELECT s.nextval FROM users", "no Function"),
            ("SELECT SLEEP(1) FROM users", "no Function"),
            ("SELECT LAST_INSERT_ID()", "no Function"),
            ("SELECT FOUND_ROWS()", "no Function"),
            ("SELECT USER(), DATABASE()", "no Function"),
            ("SELECT shop.f(1) FROM users", "no Function / *"),
            ("SELECT IF(a, 1, 2), IFNULL(a, b), CONCAT(a, b), FIND_IN_SET(a, b), JSON_EXTRACT(a, '$.x') FROM users", "data users"),
            ("SELECT CAST(a AS SIGNED), CONVERT(a, CHAR), CONVERT(a USING utf8mb4) FROM users", "data users"),
            // A time of day turns into a date of today, and this catalog has not ruled such columns out.
            ("SELECT DATE(at) FROM users", "no Function"),
            ("SELECT CAST(at AS DATE) FROM users", "no Function"),
            ("SELECT at + INTERVAL 1 DAY FROM users", "no Function"),
            ("SELECT EXTRACT(YEAR FROM at) FROM users", "no Function"),
        ],
    );
    let mut timeless = catalog(Dialect::MySql);
    timeless.without_time_of_day();
    let say = |sql| say(&analyse(Dialect::MySql, sql, &timeless));
    assert_eq!(say("SELECT DATE(at), YEAR(at), UNIX_TIMESTAMP(at) FROM users WHERE at > ? - INTERVAL 1 DAY"), "data users");
    assert_eq!(say("SELECT CAST(at AS DATE), DATE_FORMAT(at, '%Y') FROM users"), "data users");
    assert_eq!(say("SELECT DATE(SEC_TO_TIME(1)) FROM users"), "no Function");
    assert_eq!(say("SELECT TIME(at) FROM users"), "data users");
    assert_eq!(say("SELECT CAST(CAST(a AS TIME) AS DATETIME) FROM users"), "no Function");
}

#[test]
fn schema_questions() {
    check(
        &MYSQL,
        &[
            ("SHOW TABLES", "schema _schema"),
            ("SHOW COLUMNS FROM users", "schema _schema,users"),
            ("SHOW FIELDS IN `users`;", "schema _schema,users"),
            ("DESCRIBE users", "schema _schema,users"),
            ("DESC users", "schema _schema,users"),
            ("SHOW CREATE TABLE users", "schema _schema,users"),
            ("DESCRIBE v", "no NotAQuery"),
            ("DESCRIBE nowhere", "no NotAQuery"),
            ("SHOW TABLE STATUS", "no NotAQuery"),
            ("SHOW VARIABLES LIKE 'x'", "no NotAQuery"),
            ("SHOW TABLES FROM other", "no NotAQuery"),
            ("EXPLAIN SELECT * FROM users", "no NotAQuery"),
            ("EXPLAIN UPDATE users SET a = 1", "no NotAQuery"),
            ("DESC SELECT 1", "no NotAQuery"),
            ("SHOW TABLES; DROP TABLE users", "no NotAQuery / * schema commits"),
        ],
    );
}

#[test]
fn comments_and_quotes() {
    check(
        &MYSQL,
        &[
            ("SELECT * FROM users # orders", "data users"),
            ("SELECT 5--3 FROM users", "data users"),
            ("SELECT 5 -- 3 FROM users", "no NoTable"),
            ("SELECT 'it''s', \"x\" FROM users", "data users"),
            ("SELECT 'a\\\\' FROM users", "data users"),
            ("SELECT 'a\\n' FROM users", "data users"),
            // Whether the backslash hides the quote is a setting.
            ("SELECT 'it\\'s' FROM users", "no Unparsed / * schema"),
            ("SELECT '\\' FROM users; DROP TABLE users -- '", "no Unparsed / * schema session commits"),
            ("SELECT * FROM users /*! , orders */", "no Unparsed / * schema"),
            ("SELECT * FROM users /*!50000 WHERE 1 */", "no Unparsed / * schema"),
            ("SELECT * FROM users /*M! WHERE 1 */", "no Unparsed / * schema"),
            ("/*!40101 SET NAMES utf8 */", "no Unparsed / * schema session commits"),
            ("SELECT 1 FROM users /*!; SET sql_mode = '' */", "no Unparsed / * schema session commits"),
            ("SELECT '/*! x */' FROM users", "data users"),
            ("SELECT /*+ NO_INDEX_MERGE(users) */ * FROM users", "data users"),
            ("SELECT * FROM users /* /* */", "no Unparsed / * schema"),
            ("SELECT x'1f', 0x1f, b'1', n'x' FROM users", "data users"),
            ("SELECT 'a' 'b' FROM users", "data users"),
        ],
    );
}

/// Both call what they name: SHOW for each row, EXPLAIN what is declared deterministic.
#[test]
fn looking_can_write() {
    check(
        &MYSQL,
        &[
            ("SHOW STATUS WHERE my_func() = 1", "no NotAQuery / *"),
            ("SHOW TABLES WHERE `my_func`()", "no NotAQuery / *"),
            ("SHOW VARIABLES WHERE Variable_name IN ('a', 'b')", "no NotAQuery"),
            ("EXPLAIN SELECT * FROM users WHERE id = my_func()", "no NotAQuery / *"),
            ("EXPLAIN SELECT * FROM users WHERE id = 1", "no NotAQuery"),
        ],
    );
}
