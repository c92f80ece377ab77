//! Views that are written, and views that keep their rows.

use super::{FUNCTIONS, NOTE_INSERTS};
use crate::write_paths::case::But::{Inexact, NeedsClosure};
use crate::write_paths::case::Step::{Fetch, Fill, Run};
use crate::write_paths::case::{JOURNAL, READ_JOURNAL, READ_T, READ_U, T, U, cases};

const SEEN: &str = "CREATE VIEW seen AS SELECT id, v FROM t WHERE id > 1;";
const READ_SEEN: &str = "SELECT id, v FROM seen ORDER BY id";
const KEPT: &str = "CREATE MATERIALIZED VIEW kept AS SELECT id, v FROM t;";
const READ_KEPT: &str = "SELECT id, v FROM kept ORDER BY id";
const WRITE: crate::write_paths::case::Step = Run("INSERT INTO t VALUES (3, 'three')");

cases! {
    an_updatable_view_written {
        setup: [T, U, SEEN],
        reads: [READ_T, READ_SEEN],
        bystanders: [READ_U],
        steps: [Run("UPDATE seen SET v = 'TWO'")],
        but: [NeedsClosure],
    }
    insert_into_a_view_of_a_view {
        setup: [T, U, SEEN, "CREATE VIEW seen_twice AS SELECT id, v FROM seen WHERE id < 10;"],
        reads: [READ_T, READ_SEEN, "SELECT id, v FROM seen_twice ORDER BY id"],
        bystanders: [READ_U],
        steps: [Run("INSERT INTO seen_twice VALUES (3, 'three')")],
        but: [NeedsClosure],
    }
    a_trigger_of_the_base_of_a_view {
        setup: [T, U, JOURNAL, SEEN, FUNCTIONS, NOTE_INSERTS],
        reads: [READ_T, READ_JOURNAL],
        bystanders: [READ_U],
        steps: [Run("INSERT INTO seen VALUES (3, 'three')")],
        but: [NeedsClosure],
    }
    instead_of_a_trigger {
        setup: [T, U, JOURNAL, SEEN, "
            CREATE FUNCTION divert() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO journal VALUES (NEW.id, NEW.v); RETURN NEW; END $$;
            CREATE TRIGGER diverted INSTEAD OF INSERT ON seen FOR EACH ROW EXECUTE FUNCTION divert();"],
        reads: [READ_JOURNAL],
        bystanders: [READ_U],
        steps: [Run("INSERT INTO seen VALUES (3, 'three')")],
        but: [NeedsClosure],
    }
    instead_by_a_rule {
        setup: [T, U, JOURNAL, "CREATE VIEW joined AS SELECT t.id, u.v FROM t JOIN u ON u.id = t.id;
            CREATE RULE split AS ON DELETE TO joined DO INSTEAD (DELETE FROM t WHERE t.id = OLD.id; INSERT INTO journal VALUES (OLD.id, OLD.v));"],
        reads: [READ_T, "SELECT id, v FROM joined"],
        bystanders: [READ_U],
        steps: [Run("DELETE FROM joined WHERE id = 2")],
        but: [NeedsClosure],
    }
    a_materialized_view_is_none_of_its_base {
        setup: [T, U, KEPT],
        reads: [READ_T],
        bystanders: [READ_KEPT, READ_U],
        steps: [WRITE],
    }
    a_materialized_view_refreshed {
        setup: [T, U, KEPT, "INSERT INTO t VALUES (3, 'three');"],
        reads: [READ_KEPT],
        bystanders: [READ_T, READ_U],
        steps: [Run("REFRESH MATERIALIZED VIEW kept")],
    }
    a_materialized_view_refreshed_concurrently {
        setup: [T, U, KEPT, "CREATE UNIQUE INDEX ON kept (id); INSERT INTO t VALUES (3, 'three');"],
        reads: [READ_KEPT],
        bystanders: [READ_T, READ_U],
        steps: [Run("REFRESH MATERIALIZED VIEW CONCURRENTLY kept")],
    }
    a_base_written_and_its_materialized_view_refreshed {
        setup: [T, U, KEPT],
        reads: [READ_T, READ_KEPT],
        bystanders: [READ_U],
        steps: [WRITE, Run("REFRESH MATERIALIZED VIEW kept")],
    }
    a_view_of_a_materialized_view {
        setup: [T, KEPT, "CREATE VIEW of_kept AS SELECT id FROM kept; INSERT INTO t VALUES (3, 'three');"],
        reads: ["SELECT id FROM of_kept ORDER BY id"],
        bystanders: [READ_T],
        steps: [Run("REFRESH MATERIALIZED VIEW kept")],
    }
    a_materialized_view_refreshed_in_passing {
        setup: [T, KEPT, "
            CREATE FUNCTION renew() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN REFRESH MATERIALIZED VIEW kept; RETURN NULL; END $$;
            CREATE TRIGGER renewed AFTER INSERT ON t FOR EACH STATEMENT EXECUTE FUNCTION renew();"],
        reads: [READ_T, READ_KEPT],
        steps: [WRITE],
        but: [NeedsClosure, Inexact],
    }
    a_view_through_rows_of_which_it_knows_by_name {
        setup: [T, U, "CREATE VIEW whole AS SELECT t FROM t WHERE EXISTS (TABLE u);"],
        reads: ["SELECT (t).id FROM whole ORDER BY 1"],
        steps: [Fetch("DELETE FROM u RETURNING id")],
        but: [NeedsClosure],
    }
    a_column_of_the_base_renamed {
        setup: [T, U, SEEN],
        reads: [READ_SEEN],
        bystanders: [READ_U],
        steps: [Run("ALTER TABLE t RENAME COLUMN v TO w"), Fill, Run("UPDATE t SET w = 'TWO'")],
        but: [NeedsClosure],
    }
    the_base_renamed {
        setup: [T, U, SEEN],
        reads: [READ_SEEN],
        bystanders: [READ_U],
        steps: [Run("ALTER TABLE t RENAME TO renamed"), Fill, Run("UPDATE renamed SET v = 'TWO'")],
        but: [NeedsClosure],
    }
}
