//! What must not be cached although it looks like tables: its rows depend on the clock, on chance, on who asks, or vanish by themselves.

use crate::write_paths::case::But::Inexact;
use crate::write_paths::case::Step::Run;
use crate::write_paths::case::{READ_T, Step, T, cases};

const WRITE: Step = Run("INSERT INTO t VALUES (3, 'three')");

cases! {
    views_of_the_clock {
        setup: [T, "
            CREATE VIEW by_now AS SELECT id FROM t WHERE NOW() > '2000-01-01';
            CREATE VIEW by_date AS SELECT id FROM t WHERE CURRENT_DATE > '2000-01-01';
            CREATE VIEW by_clock AS SELECT id FROM t WHERE SYSDATE() > '2000-01-01';
            CREATE VIEW by_seconds AS SELECT id FROM t WHERE UNIX_TIMESTAMP() > 1;
            CREATE VIEW twice AS SELECT id FROM by_now;
            CREATE TABLE late (id INT PRIMARY KEY, is_late BOOL AS (NOW() > '2000-01-01') VIRTUAL);
            INSERT INTO late (id) VALUES (1);
            CREATE VIEW seen AS SELECT is_late FROM late;"],
        reads: [READ_T],
        never: [
            "SELECT id FROM by_now ORDER BY id",
            "SELECT id FROM by_date ORDER BY id",
            "SELECT id FROM by_clock ORDER BY id",
            "SELECT id FROM by_seconds ORDER BY id",
            "SELECT id FROM twice ORDER BY id",
            "SELECT COUNT(*) FROM t WHERE id IN (SELECT id FROM twice)",
            "SELECT is_late FROM late",
            "SELECT is_late FROM seen",
        ],
        steps: [WRITE],
    }
    views_of_chance_and_the_session {
        setup: [T, "
            CREATE VIEW by_chance AS SELECT id FROM t WHERE RAND() >= 0;
            CREATE VIEW by_user AS SELECT id FROM t WHERE CURRENT_USER() <> 'nobody';
            CREATE VIEW by_asker AS SELECT id FROM t WHERE USER() <> 'nobody';
            CREATE VIEW by_connection AS SELECT id FROM t WHERE CONNECTION_ID() > 0;
            CREATE VIEW by_processes AS SELECT COUNT(*) > 0 AS busy FROM information_schema.PROCESSLIST;
            CREATE FUNCTION rolled() RETURNS INT NOT DETERMINISTIC NO SQL RETURN 1;
            CREATE VIEW by_function AS SELECT id FROM t WHERE rolled() = 1;"],
        reads: [READ_T],
        never: [
            "SELECT id FROM by_chance ORDER BY id",
            "SELECT id FROM by_user ORDER BY id",
            "SELECT id FROM by_asker ORDER BY id",
            "SELECT id FROM by_connection ORDER BY id",
            "SELECT busy FROM by_processes",
            "SELECT id FROM by_function ORDER BY id",
        ],
        steps: [WRITE],
    }
    tables_that_a_restart_empties {
        setup: [T, "
            CREATE TABLE passing (id INT) ENGINE = MEMORY;
            INSERT INTO passing VALUES (1);
            CREATE VIEW seen AS SELECT id FROM passing;"],
        reads: [READ_T],
        never: ["SELECT id FROM passing", "SELECT id FROM seen"],
        steps: [WRITE],
    }
    tables_that_hold_the_rows_of_others {
        setup: ["
            CREATE TABLE one (id INT) ENGINE = MyISAM;
            CREATE TABLE two (id INT) ENGINE = MyISAM;
            INSERT INTO one VALUES (1);
            CREATE TABLE both_of_them (id INT) ENGINE = MERGE UNION = (one, two) INSERT_METHOD = LAST;
            CREATE VIEW seen AS SELECT id FROM both_of_them;"],
        reads: ["SELECT id FROM two"],
        never: ["SELECT id FROM both_of_them ORDER BY id", "SELECT id FROM seen ORDER BY id"],
        steps: [Run("INSERT INTO both_of_them VALUES (2)")],
        but: [Inexact],
    }
}
