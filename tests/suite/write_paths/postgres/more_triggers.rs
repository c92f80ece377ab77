//! Triggers and rules, as only PostgreSQL has them.

use super::{FUNCTIONS, NOTE_INSERTS};
use crate::write_paths::case::But::{Inexact, NeedsClosure};
use crate::write_paths::case::Step::{Fill, Run, Transaction};
use crate::write_paths::case::{ARCHIVE, End, JOURNAL, READ_ARCHIVE, READ_JOURNAL, READ_T, READ_U, T, U, cases};

const WRITE: crate::write_paths::case::Step = Run("INSERT INTO t VALUES (3, 'three')");
const NOTE_ONCE: &str = "
    CREATE FUNCTION note_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO journal VALUES (9, TG_OP); RETURN NULL; END $$;";
const DYNAMIC: &str = "
    CREATE FUNCTION note_somewhere() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN EXECUTE format('INSERT INTO %I VALUES ($1, $2)', TG_ARGV[0]) USING NEW.id, NEW.v; RETURN NULL; END $$;
    CREATE TRIGGER noted AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION note_somewhere('journal');";

cases! {
    for_each_statement {
        setup: [T, JOURNAL, U, NOTE_ONCE, "CREATE TRIGGER noted AFTER INSERT ON t FOR EACH STATEMENT EXECUTE FUNCTION note_once();"],
        reads: [READ_T, READ_JOURNAL],
        bystanders: [READ_U],
        steps: [WRITE],
        but: [NeedsClosure],
    }
    for_each_statement_that_changes_nothing {
        setup: [T, JOURNAL, NOTE_ONCE, "CREATE TRIGGER noted AFTER DELETE ON t FOR EACH STATEMENT EXECUTE FUNCTION note_once();"],
        reads: [READ_JOURNAL],
        steps: [Run("DELETE FROM t WHERE id = 1000")],
        but: [NeedsClosure],
    }
    before {
        setup: [T, JOURNAL, U, "
            CREATE FUNCTION note_first() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO journal VALUES (NEW.id, NEW.v); RETURN NEW; END $$;
            CREATE TRIGGER noted BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION note_first();"],
        reads: [READ_T, READ_JOURNAL],
        bystanders: [READ_U],
        steps: [Run("UPDATE t SET v = 'TWO' WHERE id = 2")],
        but: [NeedsClosure],
    }
    before_and_instead {
        setup: [T, JOURNAL, "
            CREATE FUNCTION divert() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO journal VALUES (NEW.id, NEW.v); RETURN NULL; END $$;
            CREATE TRIGGER diverted BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION divert();"],
        reads: [READ_JOURNAL],
        steps: [WRITE],
        but: [NeedsClosure],
    }
    truncate {
        setup: [T, JOURNAL, U, NOTE_ONCE, "CREATE TRIGGER noted AFTER TRUNCATE ON t EXECUTE FUNCTION note_once();"],
        reads: [READ_T, READ_JOURNAL],
        bystanders: [READ_U],
        steps: [Run("TRUNCATE t")],
        but: [NeedsClosure],
    }
    truncate_is_no_delete {
        setup: [T, JOURNAL, NOTE_ONCE, "CREATE TRIGGER noted AFTER TRUNCATE OR INSERT ON t EXECUTE FUNCTION note_once();"],
        reads: [READ_T],
        bystanders: [READ_JOURNAL],
        steps: [Run("DELETE FROM t")],
    }
    of_a_column {
        setup: [T, JOURNAL, FUNCTIONS, "CREATE TRIGGER noted AFTER UPDATE OF v ON t FOR EACH ROW WHEN (OLD.v <> NEW.v) EXECUTE FUNCTION note();"],
        reads: [READ_T, READ_JOURNAL],
        steps: [Run("UPDATE t SET v = 'TWO' WHERE id = 2")],
        but: [NeedsClosure],
    }
    with_transition_tables {
        setup: [T, JOURNAL, U, "
            CREATE FUNCTION note_all() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO journal SELECT id, v FROM fresh; RETURN NULL; END $$;
            CREATE TRIGGER noted AFTER INSERT ON t REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION note_all();"],
        reads: [READ_T, READ_JOURNAL],
        bystanders: [READ_U],
        steps: [WRITE],
        but: [NeedsClosure],
    }
    disabled {
        setup: [T, JOURNAL, FUNCTIONS, NOTE_INSERTS, "ALTER TABLE t DISABLE TRIGGER noted;"],
        reads: [READ_T],
        bystanders: [READ_JOURNAL],
        steps: [WRITE],
    }
    disabled_through_the_executor {
        setup: [T, JOURNAL, FUNCTIONS, NOTE_INSERTS],
        reads: [READ_T],
        bystanders: [READ_JOURNAL],
        steps: [Run("ALTER TABLE t DISABLE TRIGGER ALL"), Fill, WRITE],
    }
    enabled_through_the_executor {
        setup: [T, JOURNAL, U, FUNCTIONS, NOTE_INSERTS, "ALTER TABLE t DISABLE TRIGGER noted;"],
        reads: [READ_T, READ_JOURNAL],
        bystanders: [READ_U],
        steps: [Run("ALTER TABLE t ENABLE ALWAYS TRIGGER noted"), Fill, WRITE],
        but: [NeedsClosure],
    }
    a_constraint_trigger_that_is_deferred {
        setup: [T, JOURNAL, U, FUNCTIONS, "
            CREATE CONSTRAINT TRIGGER noted AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note();"],
        reads: [READ_T, READ_JOURNAL],
        bystanders: [READ_U],
        steps: [Transaction(&[WRITE], End::Commit)],
        but: [NeedsClosure],
    }
    a_constraint_trigger_that_is_deferred_without_a_transaction {
        setup: [T, JOURNAL, U, FUNCTIONS, "
            CREATE CONSTRAINT TRIGGER noted AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note();"],
        reads: [READ_T, READ_JOURNAL],
        bystanders: [READ_U],
        steps: [WRITE],
        but: [NeedsClosure],
    }
    a_function_replaced_through_the_executor {
        setup: [T, JOURNAL, ARCHIVE, U, FUNCTIONS, NOTE_INSERTS],
        reads: [READ_T, READ_ARCHIVE],
        bystanders: [READ_U],
        steps: [
            Run("CREATE OR REPLACE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO archive VALUES (NEW.id, NEW.v); RETURN NULL; END $$"),
            Fill,
            WRITE,
        ],
        but: [NeedsClosure],
    }
    with_dynamic_sql {
        setup: [T, JOURNAL, DYNAMIC],
        reads: [READ_T, READ_JOURNAL],
        steps: [WRITE],
        but: [NeedsClosure, Inexact],
    }
    that_calls_another_function {
        setup: [T, JOURNAL, "
            CREATE FUNCTION record(a INT, b VARCHAR) RETURNS void LANGUAGE sql AS $$ INSERT INTO journal VALUES (a, b) $$;
            CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM record(NEW.id, NEW.v); RETURN NULL; END $$;", NOTE_INSERTS],
        reads: [READ_T, READ_JOURNAL],
        steps: [WRITE],
        but: [NeedsClosure, Inexact],
    }
    that_calls_a_procedure {
        setup: [T, JOURNAL, "
            CREATE PROCEDURE record(a INT, b VARCHAR) LANGUAGE sql AS $$ INSERT INTO journal VALUES (a, b) $$;
            CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN CALL record(NEW.id, NEW.v); RETURN NULL; END $$;", NOTE_INSERTS],
        reads: [READ_T, READ_JOURNAL],
        steps: [WRITE],
        but: [NeedsClosure, Inexact],
    }
    on_a_search_path_of_its_own {
        setup: [T, JOURNAL, "
            CREATE SCHEMA aside;
            CREATE TABLE aside.journal (id INT, v VARCHAR(40));
            CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql SET search_path = aside, public AS $$
            BEGIN INSERT INTO journal VALUES (NEW.id, NEW.v); RETURN NULL; END $$;", NOTE_INSERTS],
        reads: [READ_T, "SELECT id, v FROM aside.journal"],
        steps: [WRITE],
        but: [NeedsClosure],
    }
    one_function_of_two_tables {
        setup: [T, U, JOURNAL, FUNCTIONS, NOTE_INSERTS, "CREATE TRIGGER noted AFTER INSERT ON u FOR EACH ROW EXECUTE FUNCTION note();"],
        reads: [READ_U, READ_JOURNAL],
        bystanders: [READ_T],
        steps: [Run("INSERT INTO u VALUES (9, 'neun')")],
        but: [NeedsClosure],
    }
    through_a_writing_cte {
        setup: [T, U, JOURNAL, FUNCTIONS, NOTE_INSERTS],
        reads: [READ_T, READ_JOURNAL],
        bystanders: [READ_U],
        steps: [Run("WITH made AS (INSERT INTO t VALUES (3, 'three') RETURNING id) SELECT u.id FROM u JOIN made ON true")],
        but: [NeedsClosure],
    }
    a_rule_that_writes_as_well {
        setup: [T, JOURNAL, U, "CREATE RULE noted AS ON INSERT TO t DO ALSO INSERT INTO journal VALUES (NEW.id, NEW.v);"],
        reads: [READ_T, READ_JOURNAL],
        bystanders: [READ_U],
        steps: [WRITE],
        but: [NeedsClosure],
    }
    a_rule_that_writes_instead {
        setup: [T, JOURNAL, U, "CREATE RULE kept AS ON DELETE TO t DO INSTEAD UPDATE journal SET v = OLD.v;"],
        reads: [READ_JOURNAL],
        bystanders: [READ_U],
        steps: [Run("DELETE FROM t WHERE id = 2")],
        but: [NeedsClosure],
    }
    a_rule_of_another_event {
        setup: [T, JOURNAL, "CREATE RULE noted AS ON UPDATE TO t DO ALSO INSERT INTO journal VALUES (NEW.id, NEW.v);"],
        reads: [READ_T],
        bystanders: [READ_JOURNAL],
        steps: [WRITE],
    }
    a_rule_of_a_rule {
        setup: [T, JOURNAL, ARCHIVE, U, "
            CREATE RULE noted AS ON INSERT TO t DO ALSO INSERT INTO journal VALUES (NEW.id, NEW.v);
            CREATE RULE passed_on AS ON INSERT TO journal DO ALSO INSERT INTO archive VALUES (NEW.id, NEW.v);"],
        reads: [READ_T, READ_JOURNAL, READ_ARCHIVE],
        bystanders: [READ_U],
        steps: [WRITE],
        but: [NeedsClosure],
    }
    a_rule_that_is_disabled {
        setup: [T, JOURNAL, "
            CREATE RULE noted AS ON INSERT TO t DO ALSO INSERT INTO journal VALUES (NEW.id, NEW.v);
            ALTER TABLE t DISABLE RULE noted;"],
        reads: [READ_T],
        bystanders: [READ_JOURNAL],
        steps: [WRITE],
    }
    a_rule_made_through_the_executor {
        setup: [T, JOURNAL, U],
        reads: [READ_T, READ_JOURNAL],
        bystanders: [READ_U],
        steps: [Run("CREATE RULE noted AS ON INSERT TO t DO ALSO INSERT INTO journal VALUES (NEW.id, NEW.v)"), Fill, WRITE],
        but: [NeedsClosure],
    }
}
