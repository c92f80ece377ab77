//! What must not be cached although it looks like tables: its rows depend on the clock, on chance, on who asks, or vanish by themselves.

use crate::write_paths::case::But::Inexact;
use crate::write_paths::case::Step::Run;
use crate::write_paths::case::{READ_T, Step, T, cases};

const WRITE: Step = Run("INSERT INTO t VALUES (3, 'three')");

cases! {
    views_of_the_clock {
        setup: [T, "
            CREATE VIEW by_now AS SELECT id FROM t WHERE now() > '2000-01-01';
            CREATE VIEW by_date AS SELECT id FROM t WHERE CURRENT_DATE > '2000-01-01';
            CREATE VIEW by_clock AS SELECT id FROM t WHERE clock_timestamp() > '2000-01-01';
            CREATE VIEW by_age AS SELECT id FROM t WHERE age('2000-01-01'::timestamp) > '1 day';
            CREATE VIEW by_offset AS SELECT id FROM t WHERE '12:00'::time::timetz > '00:00+14'::timetz;
            CREATE VIEW twice AS SELECT id FROM by_now;"],
        reads: [READ_T],
        never: [
            "SELECT id FROM by_now ORDER BY id",
            "SELECT id FROM by_date ORDER BY id",
            "SELECT id FROM by_clock ORDER BY id",
            "SELECT id FROM by_age ORDER BY id",
            "SELECT id FROM by_offset ORDER BY id",
            "SELECT id FROM twice ORDER BY id",
            "SELECT COUNT(*) FROM t WHERE id IN (SELECT id FROM twice)",
        ],
        steps: [WRITE],
    }
    views_of_chance {
        setup: [T, "
            CREATE VIEW by_chance AS SELECT id FROM t WHERE random() >= 0;
            CREATE VIEW sampled AS SELECT id FROM t TABLESAMPLE BERNOULLI (100);
            CREATE VIEW placed AS SELECT id, ctid::text FROM t;
            CREATE VIEW versioned AS SELECT id, xmin::text FROM t;"],
        reads: [READ_T],
        never: [
            "SELECT id FROM by_chance ORDER BY id",
            "SELECT id FROM sampled ORDER BY id",
            "SELECT id, ctid FROM placed ORDER BY id",
            "SELECT id, xmin FROM versioned ORDER BY id",
        ],
        steps: [WRITE],
    }
    views_of_the_session {
        setup: [T, "
            CREATE VIEW by_user AS SELECT id FROM t WHERE CURRENT_USER <> 'nobody';
            CREATE VIEW by_setting AS SELECT id FROM t WHERE current_setting('app.none', true) IS NULL;
            CREATE VIEW by_backend AS SELECT id FROM t WHERE pg_backend_pid() > 0;
            CREATE VIEW by_activity AS SELECT count(*) > 0 AS some FROM pg_stat_activity;
            CREATE FUNCTION rolled() RETURNS INT VOLATILE LANGUAGE sql AS $$ SELECT 1 $$;
            CREATE VIEW by_function AS SELECT id FROM t WHERE rolled() = 1;"],
        reads: [READ_T],
        never: [
            "SELECT id FROM by_user ORDER BY id",
            "SELECT id FROM by_setting ORDER BY id",
            "SELECT id FROM by_backend ORDER BY id",
            "SELECT * FROM by_activity",
            "SELECT id FROM by_function ORDER BY id",
        ],
        steps: [WRITE],
    }
    policies_of_rows {
        setup: [T, "
            ALTER TABLE t ENABLE ROW LEVEL SECURITY;
            CREATE POLICY own ON t USING (CURRENT_USER = v);
            CREATE VIEW seen AS SELECT id FROM t;"],
        never: [READ_T, "SELECT id FROM seen ORDER BY id"],
        steps: [WRITE],
        but: [Inexact],
    }
    tables_that_a_crash_empties {
        setup: [T, "
            CREATE UNLOGGED TABLE passing (id INT);
            CREATE VIEW seen AS SELECT id FROM passing;
            CREATE TABLE parted (id INT) PARTITION BY RANGE (id);
            CREATE UNLOGGED TABLE low PARTITION OF parted FOR VALUES FROM (0) TO (100);
            INSERT INTO parted VALUES (1);"],
        reads: [READ_T],
        never: ["SELECT id FROM passing", "SELECT id FROM seen", "SELECT id FROM low", "SELECT id FROM parted"],
        steps: [WRITE],
    }
    a_partition_that_lies_elsewhere {
        setup: [T, "
            CREATE EXTENSION file_fdw;
            CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
            CREATE TABLE parted (id TEXT) PARTITION BY LIST (id);
            CREATE FOREIGN TABLE elsewhere PARTITION OF parted DEFAULT SERVER files OPTIONS (program 'echo far');
            CREATE VIEW seen AS SELECT id FROM parted;"],
        reads: [READ_T],
        never: ["SELECT id FROM elsewhere", "SELECT id FROM parted", "SELECT id FROM seen"],
        steps: [WRITE],
    }
}
