//! Spellings that a reader of tokens gets wrong.

use crate::write_paths::case::But::{Inexact, NeedsClosure};
use crate::write_paths::case::Step::Run;
use crate::write_paths::case::{CHILDREN, JOURNAL, PARENT, READ_CHILD, READ_PARENT, READ_U, T, U, cases};

cases! {
    a_generated_key {
        setup: ["
            CREATE TABLE parent (id INT PRIMARY KEY, a INT, g INT AS (a + 1) STORED UNIQUE); INSERT INTO parent (id, a) VALUES (1, 0), (2, 1);
            CREATE TABLE child (id INT PRIMARY KEY, parent_id INT REFERENCES parent (g) ON UPDATE CASCADE);", CHILDREN],
        reads: [READ_CHILD],
        steps: [Run("UPDATE parent SET a = 7 WHERE id = 1")],
        but: [NeedsClosure],
    }
    a_virtual_generated_key {
        setup: ["
            CREATE TABLE parent (id INT PRIMARY KEY, a INT, g INT AS (a + 1) UNIQUE); INSERT INTO parent (id, a) VALUES (1, 0), (2, 1);
            CREATE TABLE child (id INT PRIMARY KEY, parent_id INT REFERENCES parent (g) ON UPDATE CASCADE);", CHILDREN],
        reads: [READ_CHILD],
        steps: [Run("UPDATE parent SET a = 7 WHERE id = 1")],
        but: [NeedsClosure],
    }
    a_name_with_a_dollar {
        setup: [T, JOURNAL, "
            CREATE TABLE journal$old (id INT, v TEXT);
            CREATE TRIGGER noted AFTER INSERT ON t BEGIN INSERT INTO journal$old VALUES (NEW.id, NEW.v); END;"],
        reads: ["SELECT id, v FROM \"journal$old\""],
        steps: [Run("INSERT INTO t VALUES (3, 'three')")],
        but: [NeedsClosure, Inexact],
    }
    a_view_of_a_name_with_a_dollar {
        setup: [T, "CREATE TABLE t$old (id INT, v TEXT); CREATE VIEW seen AS SELECT count(*) AS n FROM t$old;"],
        reads: [],
        also: ["SELECT n FROM seen"],
        steps: [Run("INSERT INTO \"t$old\" VALUES (3, 'three')")],
        but: [Inexact],
    }
    a_view_of_a_name_beyond_the_plane {
        setup: ["CREATE TABLE 😀 (id INT, v TEXT); CREATE VIEW seen AS SELECT count(*) AS n FROM 😀;"],
        reads: [],
        also: ["SELECT n FROM seen"],
        steps: [Run("INSERT INTO \"😀\" VALUES (3, 'three')")],
        but: [Inexact],
    }
    a_view_of_a_name_in_single_quotes {
        setup: [T, "CREATE VIEW seen AS SELECT count(*) AS n FROM 't' NOT INDEXED WHERE v ISNULL OR v NOTNULL;"],
        reads: [],
        also: ["SELECT n FROM seen"],
        steps: [Run("INSERT INTO t VALUES (3, 'three')")],
    }
    a_view_with_a_strange_join {
        setup: [T, U, "CREATE VIEW seen AS SELECT count(*) AS n FROM 't' NATURAL FULL JOIN (u), (SELECT 1 WHERE (1, 2) IS NOT (2, 3));"],
        reads: [],
        also: ["SELECT n FROM seen"],
        steps: [Run("INSERT INTO t VALUES (3, 'three')")],
    }
    a_table_called_of {
        setup: [T, "
            CREATE TABLE of (id INT, v TEXT); INSERT INTO of VALUES (1, 'one');
            CREATE TRIGGER noted AFTER INSERT ON t BEGIN UPDATE of SET v = 'ONE'; END;"],
        reads: ["SELECT id, v FROM \"of\""],
        steps: [Run("INSERT INTO t VALUES (3, 'three')")],
        but: [NeedsClosure],
    }
    tables_called_like_words {
        setup: [T, "
            CREATE TABLE key (id INT, v TEXT); INSERT INTO key VALUES (1, 'one');
            CREATE TABLE ignore (id INT, t TEXT); INSERT INTO ignore VALUES (1, 'one');
            CREATE TRIGGER noted AFTER INSERT ON t BEGIN UPDATE OR IGNORE key SET v = 'ONE'; DELETE FROM ignore WHERE id = 1; END;"],
        reads: ["SELECT id, v FROM \"key\"", "SELECT id, t FROM \"ignore\""],
        steps: [Run("INSERT INTO t VALUES (3, 'three')")],
        but: [NeedsClosure],
    }
    an_upsert_in_a_trigger {
        setup: [T, PARENT, "
            CREATE TABLE child (id INT PRIMARY KEY, parent_id INT REFERENCES parent (id) ON UPDATE CASCADE);", CHILDREN, "
            CREATE TRIGGER noted AFTER INSERT ON t BEGIN INSERT INTO parent VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET id = NEW.id; END;"],
        reads: [READ_CHILD, READ_PARENT],
        steps: [Run("INSERT INTO t VALUES (3, 'three')")],
        but: [NeedsClosure],
    }
    a_conflict_clause_from_outside {
        setup: [T, PARENT, "
            CREATE TABLE child (id INT PRIMARY KEY, parent_id INT REFERENCES parent (id) ON DELETE CASCADE);", CHILDREN, "
            CREATE TRIGGER noted AFTER INSERT ON t BEGIN INSERT INTO parent VALUES (1, 'x'); END;"],
        reads: [READ_CHILD, READ_PARENT],
        steps: [Run("INSERT OR REPLACE INTO t VALUES (1, 'ONE')")],
        but: [NeedsClosure],
    }
    a_rowid_by_another_name {
        setup: ["
            CREATE TABLE parent (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO parent VALUES (1, 'one'), (2, 'two');
            CREATE TABLE child (id INT PRIMARY KEY, parent_id INT REFERENCES parent ON UPDATE SET NULL);", CHILDREN],
        reads: [READ_CHILD],
        steps: [Run("UPDATE parent SET \"OID\" = 7 WHERE id = 1")],
        but: [NeedsClosure],
    }
    a_key_in_strange_letters {
        setup: ["
            CREATE TABLE parent (\"İd\" INT PRIMARY KEY, v TEXT); INSERT INTO parent VALUES (1, 'one'), (2, 'two');
            CREATE TABLE child (id INT PRIMARY KEY, parent_id INT REFERENCES parent ON UPDATE CASCADE);", CHILDREN],
        reads: [READ_CHILD],
        steps: [Run("UPDATE parent SET İD = 7 WHERE İd = 1")],
        but: [NeedsClosure],
    }
    a_trigger_of_a_view_over_a_view {
        setup: [T, U, "
            CREATE VIEW inner_one AS SELECT id, v FROM t;
            CREATE VIEW outer_one AS SELECT id, v FROM inner_one;
            CREATE TRIGGER first_one INSTEAD OF INSERT ON inner_one BEGIN INSERT INTO u VALUES (NEW.id + 10, NEW.v); END;
            CREATE TRIGGER second_one INSTEAD OF UPDATE OF v ON outer_one BEGIN INSERT INTO inner_one SELECT NEW.id, NEW.v; END;"],
        reads: [READ_U],
        steps: [Run("UPDATE outer_one SET v = 'x'")],
        but: [NeedsClosure],
    }
}
