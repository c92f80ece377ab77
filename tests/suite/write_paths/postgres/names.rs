//! Names: in quotes, with a schema, found by the search path.

use crate::write_paths::case::But::{Inexact, NeedsClosure, OneConnection};
use crate::write_paths::case::Step::{Fill, Raw, Run};
use crate::write_paths::case::{READ_T, READ_U, T, U, cases};

const MIXED: &str = "
    CREATE TABLE \"Mixed Case\" (id INT PRIMARY KEY, \"Value\" VARCHAR(40)); INSERT INTO \"Mixed Case\" VALUES (1, 'one');
    CREATE TABLE \"mixed case\" (id INT PRIMARY KEY, \"Value\" VARCHAR(40)); INSERT INTO \"mixed case\" VALUES (1, 'one');";
const TWO_SCHEMAS: &str = "
    CREATE SCHEMA one; CREATE TABLE one.t (id INT, v VARCHAR(40)); INSERT INTO one.t VALUES (1, 'in one');
    CREATE SCHEMA two; CREATE TABLE two.t (id INT, v VARCHAR(40)); INSERT INTO two.t VALUES (1, 'in two');";
const SEARCH_TWO: &str = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = two, public', current_database()); END $$;";
const READ_ONE: &str = "SELECT id, v FROM one.t";
const READ_TWO: &str = "SELECT id, v FROM two.t";

cases! {
    in_quotes {
        setup: [MIXED],
        reads: ["SELECT id, \"Value\" FROM \"Mixed Case\""],
        bystanders: ["SELECT id, \"Value\" FROM \"mixed case\""],
        steps: [Run("UPDATE \"Mixed Case\" SET \"Value\" = 'ONE'")],
    }
    folded_unless_in_quotes {
        setup: [T, "CREATE TABLE \"T\" (id INT); INSERT INTO \"T\" VALUES (1);"],
        reads: [READ_T, "SELECT ID, V FROM T ORDER BY ID", "SELECT id FROM \"t\" ORDER BY id"],
        bystanders: ["SELECT id FROM \"T\""],
        steps: [Run("DELETE FROM T WHERE ID = 2")],
    }
    with_dots_and_quotes {
        setup: ["
            CREATE TABLE \"public.t\" (id INT); INSERT INTO \"public.t\" VALUES (1);
            CREATE TABLE \"say \"\"hi\"\"\" (id INT); INSERT INTO \"say \"\"hi\"\"\" VALUES (1);", T],
        reads: ["SELECT id FROM \"public.t\"", "SELECT id FROM public.\"say \"\"hi\"\"\""],
        bystanders: [READ_T],
        steps: [Run("DELETE FROM \"public.t\""), Run("DELETE FROM \"say \"\"hi\"\"\"")],
    }
    in_unicode_escapes {
        setup: [T],
        reads: [READ_T],
        steps: [Run("DELETE FROM U&\"\\0074\"")],
        but: [Inexact],
    }
    with_a_schema {
        setup: [T, TWO_SCHEMAS],
        reads: [READ_TWO],
        bystanders: [READ_ONE, READ_T],
        steps: [Run("UPDATE two.t SET v = 'changed'")],
    }
    with_the_schema_that_is_the_default {
        setup: [T, TWO_SCHEMAS],
        reads: [READ_T, "SELECT id, v FROM public.t ORDER BY id"],
        bystanders: [READ_ONE, READ_TWO],
        steps: [Run("DELETE FROM public.t WHERE id = 2")],
    }
    found_by_the_search_path {
        setup: [T, TWO_SCHEMAS, SEARCH_TWO],
        reads: [READ_TWO, "SELECT id, v FROM t"],
        bystanders: [READ_ONE, "SELECT id, v FROM public.t ORDER BY id"],
        steps: [Run("UPDATE t SET v = 'changed'")],
    }
    read_by_the_search_path {
        setup: [T, TWO_SCHEMAS, SEARCH_TWO],
        reads: [READ_TWO, "SELECT id, v FROM t"],
        bystanders: [READ_ONE, "SELECT id, v FROM public.t ORDER BY id"],
        steps: [Run("UPDATE two.t SET v = 'changed'")],
    }
    another_schema_than_the_search_path_finds {
        setup: [T, TWO_SCHEMAS, SEARCH_TWO],
        reads: ["SELECT id, v FROM public.t ORDER BY id"],
        bystanders: [READ_ONE, READ_TWO, "SELECT id, v FROM t"],
        steps: [Run("DELETE FROM public.t")],
    }
    a_view_in_another_schema {
        setup: [T, TWO_SCHEMAS, "CREATE VIEW one.seen AS SELECT id, v FROM two.t;"],
        reads: ["SELECT id, v FROM one.seen"],
        bystanders: [READ_T, READ_ONE],
        steps: [Run("UPDATE two.t SET v = 'changed'")],
        but: [NeedsClosure],
    }
    moved_to_another_schema {
        setup: [T, TWO_SCHEMAS, "DROP TABLE one.t;"],
        reads: [READ_T],
        also: [READ_ONE],
        steps: [Run("ALTER TABLE t SET SCHEMA one")],
        but: [Inexact],
    }
    swapped_on_a_connection_that_knew_them_before {
        setup: [T, U],
        reads: [READ_T],
        bystanders: [READ_U],
        steps: [
            Raw("ALTER TABLE t RENAME TO swapping; ALTER TABLE u RENAME TO t; ALTER TABLE swapping RENAME TO u"),
            Fill,
            Run("UPDATE t SET v = 'both' WHERE id = 2"),
        ],
        but: [OneConnection],
    }
}
