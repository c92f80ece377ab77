//! Spellings that a reader of tokens gets wrong.

use crate::write_paths::case::But::{Inexact, NeedsClosure};
use crate::write_paths::case::Step::{Raw, Run, Transaction};
use crate::write_paths::case::{End, JOURNAL, READ_JOURNAL, READ_T, READ_U, T, U, cases};

cases! {
    a_name_in_double_quotes_that_is_read {
        setup: [T, "SET sql_mode = 'ANSI_QUOTES'; CREATE FUNCTION tell() RETURNS BIGINT DETERMINISTIC READS SQL DATA RETURN (SELECT count(*) FROM \"t\");"],
        reads: ["SELECT tell(), count(*) FROM unrelated"],
        steps: [Run("INSERT INTO t VALUES (3, 'three')")],
    }
    a_name_in_double_quotes_that_is_written {
        setup: [T, U, "
            SET sql_mode = 'ANSI_QUOTES'; CREATE PROCEDURE alter_both() UPDATE t JOIN \"u\" ON t.id = \"u\".id SET \"u\".v = 'TWO';"],
        reads: [READ_U],
        steps: [Run("CALL alter_both()")],
    }
    a_call_in_double_quotes {
        setup: [JOURNAL, "
            SET sql_mode = 'ANSI_QUOTES';
            CREATE FUNCTION writer() RETURNS INT BEGIN INSERT INTO journal VALUES (9, 'written'); RETURN 9; END;
            CREATE PROCEDURE change_it() BEGIN DECLARE x INT; SET x = \"writer\"(); END;"],
        reads: [READ_JOURNAL],
        steps: [Run("CALL change_it()")],
    }
    a_call_without_call {
        setup: [JOURNAL, "
            SET sql_mode = 'ORACLE';
            CREATE PROCEDURE writer AS BEGIN INSERT INTO journal VALUES (9, 'written'); END;
            CREATE PROCEDURE change_it AS BEGIN writer; END;"],
        reads: [READ_JOURNAL],
        steps: [Run("CALL change_it()")],
    }
    a_handler_that_renames {
        setup: [T, U, "
            CREATE PROCEDURE change_it() BEGIN
                DECLARE EXIT HANDLER FOR SQLEXCEPTION RENAME TABLE t TO t2, u TO t;
                SIGNAL SQLSTATE '45000';
            END;"],
        reads: [READ_T],
        steps: [Run("CALL change_it()")],
        but: [Inexact],
    }
    a_handler_for_a_condition_called_after {
        setup: [T, "
            CREATE PROCEDURE change_it() BEGIN
                DECLARE after CONDITION FOR SQLSTATE '45000';
                DECLARE EXIT HANDLER FOR after UPDATE t SET v = 'TWO' WHERE id = 2;
                SIGNAL after;
            END;"],
        reads: [READ_T],
        steps: [Run("CALL change_it()")],
    }
    a_portion_of_a_period {
        setup: [JOURNAL, "
            CREATE TABLE p (id INT, a DATE, b DATE, PERIOD FOR x (a, b)); INSERT INTO p VALUES (1, '2020-01-01', '2021-01-01');
            CREATE TRIGGER noted AFTER INSERT ON p FOR EACH ROW INSERT INTO journal VALUES (NEW.id, 'split');
            CREATE PROCEDURE change_it() DELETE FROM p FOR PORTION OF x FROM '2020-03-01' TO '2020-04-01';"],
        reads: [READ_JOURNAL],
        steps: [Run("CALL change_it()")],
    }
    a_portion_of_a_period_at_the_top {
        setup: [JOURNAL, "
            CREATE TABLE p (id INT, a DATE, b DATE, PERIOD FOR x (a, b)); INSERT INTO p VALUES (1, '2020-01-01', '2021-01-01');
            CREATE TRIGGER noted AFTER INSERT ON p FOR EACH ROW INSERT INTO journal VALUES (NEW.id, 'split');"],
        reads: [READ_JOURNAL],
        steps: [Raw("UPDATE p FOR PORTION OF x FROM '2020-03-01' TO '2020-04-01' SET id = 2")],
        but: [Inexact],
    }
    names_that_begin_with_digits {
        setup: ["
            CREATE TABLE 2024_orders (id INT, v VARCHAR(40));
            CREATE FUNCTION tell() RETURNS BIGINT DETERMINISTIC READS SQL DATA RETURN (SELECT count(*) FROM 2024_orders);"],
        reads: ["SELECT tell(), count(*) FROM unrelated"],
        steps: [Run("INSERT INTO 2024_orders VALUES (3, 'three')")],
    }
    qualified_names_that_begin_with_digits {
        setup: ["
            CREATE TABLE 2024_orders (id INT, v VARCHAR(40));
            CREATE FUNCTION tell() RETURNS BIGINT DETERMINISTIC READS SQL DATA RETURN (SELECT count(*) FROM {db}.2024_orders);"],
        reads: ["SELECT tell(), count(*) FROM unrelated"],
        steps: [Run("INSERT INTO `2024_orders` VALUES (3, 'three')")],
    }
    names_that_look_like_numbers {
        setup: ["
            CREATE TABLE 1e (id INT, v VARCHAR(40));
            CREATE FUNCTION tell() RETURNS BIGINT DETERMINISTIC READS SQL DATA RETURN (SELECT count(*) FROM {db}.1e);"],
        reads: ["SELECT tell(), count(*) FROM unrelated"],
        steps: [Run("INSERT INTO `1e` VALUES (3, 'three')")],
    }
    hexadecimal_names {
        setup: ["
            CREATE TABLE `0xg` (id INT, v VARCHAR(40));
            CREATE FUNCTION tell() RETURNS BIGINT DETERMINISTIC READS SQL DATA RETURN (SELECT count(*) FROM 0xg);"],
        reads: ["SELECT tell(), count(*) FROM unrelated"],
        steps: [Run("INSERT INTO `0xg` VALUES (3, 'three')")],
    }
    a_function_called_key {
        setup: [JOURNAL, "
            CREATE FUNCTION `key`(x INT) RETURNS INT BEGIN INSERT INTO journal VALUES (x, 'key'); RETURN x; END;
            CREATE PROCEDURE change_it() BEGIN DECLARE x INT; SET x = `key`(1); END;"],
        reads: [READ_JOURNAL],
        steps: [Run("CALL change_it()")],
    }
    a_replace_that_deletes {
        setup: [T, U, JOURNAL, "
            CREATE TRIGGER noted AFTER DELETE ON t FOR EACH ROW INSERT INTO journal VALUES (OLD.id, OLD.v);
            CREATE TRIGGER also_noted BEFORE UPDATE ON u FOR EACH ROW REPLACE t VALUES (NEW.id, NEW.v);"],
        reads: [READ_T, READ_JOURNAL],
        steps: [Run("INSERT INTO u VALUES (2, 'x') ON DUPLICATE KEY UPDATE v = 'ZWEI'")],
        but: [NeedsClosure],
    }
    a_generated_key {
        setup: ["
            CREATE TABLE parent (id INT PRIMARY KEY, a INT, g INT AS (a + 1) STORED UNIQUE); INSERT INTO parent (id, a) VALUES (1, 1), (2, 2);
            CREATE TABLE child (id INT PRIMARY KEY, parent_id INT, FOREIGN KEY (parent_id) REFERENCES parent (g) ON UPDATE CASCADE);
            INSERT INTO child VALUES (11, 2), (12, 3);"],
        reads: ["SELECT id, parent_id FROM child ORDER BY id"],
        steps: [Run("UPDATE parent SET a = 7 WHERE id = 1")],
        but: [NeedsClosure],
    }
    a_read_of_a_view_under_another_quote {
        setup: [T, "SET sql_mode = 'ANSI_QUOTES'; CREATE VIEW seen AS SELECT count(*) AS n, 'it\\\\' AS s FROM \"t\";"],
        reads: ["SELECT n FROM seen"],
        steps: [Run("INSERT INTO t VALUES (3, 'three')")],
        but: [NeedsClosure],
    }
    a_cursor_and_a_labelled_loop {
        setup: [T, U, JOURNAL, "
            CREATE PROCEDURE change_it() `begin`: BEGIN
                DECLARE done INT DEFAULT 0; DECLARE `update` INT;
                DECLARE c CURSOR FOR SELECT id FROM t;
                DECLARE CONTINUE HANDLER FOR NOT FOUND SET done = 1;
                OPEN c;
                again: LOOP
                    FETCH c INTO `update`;
                    IF done THEN LEAVE again; ELSE DELETE x FROM t y JOIN u AS x ON x.id = y.id; END IF;
                END LOOP again;
                CASE done WHEN 1 THEN INSERT journal SET id = 5; ELSE BEGIN END; END CASE;
            END `begin`;"],
        reads: [READ_U, READ_JOURNAL],
        steps: [Run("CALL change_it()")],
    }
    a_truncate_in_a_procedure_commits {
        setup: [T, U, "CREATE PROCEDURE change_it() BEGIN TRUNCATE TABLE t; END"],
        reads: [READ_T, READ_U],
        steps: [Transaction(&[Run("DELETE FROM u"), Run("CALL change_it()")], End::Rollback)],
        but: [Inexact],
    }
    a_statement_with_settings {
        setup: [T, "CREATE PROCEDURE change_it() SET STATEMENT max_statement_time = 10 FOR UPDATE t SET v = 'TWO' WHERE id = 2;"],
        reads: [READ_T],
        steps: [Run("CALL change_it()")],
        but: [Inexact],
    }
    a_function_called_from_a_call {
        setup: [T, JOURNAL, "
            CREATE FUNCTION writer() RETURNS INT BEGIN INSERT INTO journal VALUES (9, 'written'); RETURN 9; END;
            CREATE PROCEDURE change_it(x INT) UPDATE t SET v = 'TWO' WHERE id = 2;"],
        reads: [READ_T, READ_JOURNAL],
        steps: [Run("CALL change_it(writer())")],
    }
}

/// Wherever in a statement a call stands, what it writes is seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_seen_wherever_it_stands() {
    let home = super::Home::new().await;
    let pool = home.pool().await;
    let writer = "CREATE FUNCTION writer() RETURNS INT BEGIN INSERT INTO journal VALUES (9, 'written'); RETURN 9; END";
    for script in
        [T, U, JOURNAL, writer, "CREATE VIEW calling AS SELECT writer() AS id, 'x' AS v", "CREATE PROCEDURE nothing(x INT) BEGIN END"]
    {
        sqlx::raw_sql(script).execute(&pool).await.expect(script);
    }
    let executor = sqlx_cached::CachingExecutor::builder(pool).build().await.expect("an executor");
    let mut missed = Vec::new();
    for sql in PLACES.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match executor.explain(sql).invalidates {
            sqlx_cached::Invalidates::Everything => {}
            sqlx_cached::Invalidates::Tables(tables) if tables.iter().any(|table| table == "journal") => {}
            other => missed.push(format!("{sql}: {other:?}")),
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

const PLACES: &str = "
    SELECT writer()
    SELECT writer ()
    SELECT `writer`()
    SELECT writer() FROM DUAL
    SELECT id FROM t WHERE id = writer()
    SELECT id FROM t WHERE v REGEXP writer()
    SELECT id FROM t WHERE v LIKE 'x' ESCAPE writer()
    SELECT id FROM t WHERE MATCH (v) AGAINST (writer())
    SELECT id FROM t WHERE id DIV writer() = 1
    SELECT id FROM t WHERE id <=> writer()
    SELECT id FROM t WHERE id = 1 XOR writer()
    SELECT id FROM t WHERE NOT writer()
    SELECT id FROM t WHERE id IN (SELECT writer())
    SELECT id FROM t ORDER BY writer()
    SELECT id FROM t GROUP BY writer() WITH ROLLUP
    SELECT id FROM t HAVING writer() = 1
    SELECT group_concat(v ORDER BY writer() SEPARATOR ',') FROM t
    SELECT sum(id) OVER (PARTITION BY writer()) FROM t
    SELECT IF(id, writer(), 1) FROM t
    SELECT CASE id WHEN 1 THEN writer() END FROM t
    SELECT CAST(writer() AS CHAR) FROM t
    SELECT CONVERT(writer(), CHAR) FROM t
    SELECT CONVERT(writer() USING utf8mb4) FROM t
    SELECT BINARY writer() FROM t
    SELECT now() + INTERVAL writer() DAY FROM t
    SELECT date_add(now(), INTERVAL writer() DAY) FROM t
    SELECT extract(YEAR FROM from_days(writer())) FROM t
    SELECT trim(writer() FROM v) FROM t
    SELECT substring(v FROM writer()) FROM t
    SELECT position(writer() IN v) FROM t
    SELECT v COLLATE utf8mb4_bin, writer() FROM t
    SELECT json_extract(writer(), '$.a') FROM t
    SELECT @x := writer() FROM t
    SELECT id FROM t PROCEDURE ANALYSE(writer())
    SELECT * FROM calling
    SELECT * FROM JSON_TABLE(writer(), '$[*]' COLUMNS (a INT PATH '$')) j
    SELECT t.id FROM t LEFT JOIN u ON writer() = u.id
    SELECT STRAIGHT_JOIN t.id FROM t, u WHERE writer()
    SELECT id FROM t UNION SELECT writer()
    SELECT id FROM t INTERSECT SELECT writer()
    VALUES (1), (writer())
    WITH x AS (SELECT writer()) SELECT id FROM t
    SELECT writer() INTO @x
    SELECT id FROM t WHERE id = writer() LOCK IN SHARE MODE
    SELECT id FROM t WHERE id = writer() FOR UPDATE
    INSERT INTO t VALUES (writer(), 'x')
    INSERT INTO t SET id = writer()
    INSERT INTO t SELECT writer(), 'x'
    INSERT INTO t VALUES (1, 'x') ON DUPLICATE KEY UPDATE id = writer()
    INSERT INTO t VALUES (1, 'x') RETURNING writer()
    INSERT IGNORE INTO t VALUES (writer(), 'x')
    REPLACE INTO t VALUES (writer(), 'x')
    REPLACE t SET id = writer()
    UPDATE t SET id = writer()
    UPDATE t SET v = 'x' WHERE id = writer()
    UPDATE t SET v = 'x' ORDER BY writer() LIMIT 1
    UPDATE t, u SET t.v = writer() WHERE t.id = u.id
    UPDATE t JOIN u ON t.id = writer() SET t.v = 'x'
    DELETE FROM t WHERE id = writer()
    DELETE FROM t ORDER BY writer() LIMIT 1
    DELETE t FROM t JOIN u ON t.id = writer()
    DELETE FROM t RETURNING writer()
    DELETE FROM t USING t JOIN u ON t.id = writer()
    CALL nothing(writer())
    DO writer()
    SET @x = writer()
    ANALYZE SELECT writer()
    ANALYZE FORMAT=JSON SELECT writer()
    SELECT 1 /*! , writer() */ FROM t
    CREATE TABLE x AS SELECT writer()
    CREATE TEMPORARY TABLE x SELECT writer() AS a
";
