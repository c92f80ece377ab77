//! What must not be cached although it looks like tables: its rows depend on the clock, on chance or on the connection.

use crate::write_paths::case::Step::Run;
use crate::write_paths::case::{READ_T, T, cases};

cases! {
    views_of_the_clock {
        setup: [T, "
            CREATE VIEW by_now AS SELECT id FROM t WHERE datetime('now') > '2000-01-01';
            CREATE VIEW by_nothing AS SELECT id FROM t WHERE date() > '2000-01-01';
            CREATE VIEW by_word AS SELECT id FROM t WHERE CURRENT_TIMESTAMP > '2000-01-01';
            CREATE VIEW by_seconds AS SELECT id FROM t WHERE strftime('%s', 'now') > '1';
            CREATE VIEW twice AS SELECT id FROM by_now;"],
        reads: [READ_T],
        never: [
            "SELECT id FROM by_now ORDER BY id",
            "SELECT id FROM by_nothing ORDER BY id",
            "SELECT id FROM by_word ORDER BY id",
            "SELECT id FROM by_seconds ORDER BY id",
            "SELECT id FROM twice ORDER BY id",
            "SELECT COUNT(*) FROM t WHERE id IN (SELECT id FROM twice)",
        ],
        steps: [Run("INSERT INTO t VALUES (3, 'three')")],
    }
    views_of_chance_and_the_connection {
        setup: [T, "
            CREATE VIEW by_chance AS SELECT id FROM t WHERE random() IS NOT NULL;
            CREATE VIEW by_bytes AS SELECT id FROM t WHERE length(randomblob(4)) = 4;
            CREATE VIEW by_changes AS SELECT id FROM t WHERE changes() >= 0;
            CREATE VIEW by_last AS SELECT id FROM t WHERE last_insert_rowid() >= 0;
            CREATE VIEW by_cache AS SELECT cache_size <> 0 AS some FROM pragma_cache_size;"],
        reads: [READ_T],
        never: [
            "SELECT id FROM by_chance ORDER BY id",
            "SELECT id FROM by_bytes ORDER BY id",
            "SELECT id FROM by_changes ORDER BY id",
            "SELECT id FROM by_last ORDER BY id",
            "SELECT some FROM by_cache",
        ],
        steps: [Run("INSERT INTO t VALUES (3, 'three')")],
    }
}
