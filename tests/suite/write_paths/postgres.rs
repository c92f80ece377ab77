//! PostgreSQL's table.

use super::case::{Case, Step};
pub use crate::databases::postgres::*;

mod adversary;
mod asked;
mod callables;
mod inheritance;
#[path = "common/keys.rs"]
mod keys;
mod more_keys;
mod more_triggers;
mod more_views;
mod names;
mod never;
mod partitions;
#[path = "common/rows.rs"]
mod rows;
#[path = "run.rs"]
mod run;
#[path = "common/schema.rs"]
mod schema;
mod statements;
#[path = "common/transactions.rs"]
mod transactions;
#[path = "common/triggers.rs"]
mod triggers;
#[path = "common/views.rs"]
mod views;

/// What `{db}` stands for.
const DATABASE: &str = "SELECT current_database()::text";

/// Empties a database: to make one takes much longer.
async fn afresh(home: Home) -> Home {
    let empty = "
        DO $$
        DECLARE name TEXT;
        BEGIN
            FOR name IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
                EXECUTE format('DROP SCHEMA %I CASCADE', name);
            END LOOP;
            CREATE SCHEMA public;
            EXECUTE format('ALTER DATABASE %I RESET ALL', current_database());
        END $$";
    sqlx::raw_sql(empty).execute(&home.pool().await).await.expect("an empty database");
    home
}

/// Every row.
const TABLE: &[&[(&str, Case)]] = &[
    rows::CASES,
    transactions::CASES,
    keys::CASES,
    triggers::CASES,
    views::CASES,
    schema::CASES,
    statements::CASES,
    asked::CASES,
    callables::CASES,
    more_keys::CASES,
    more_triggers::CASES,
    more_views::CASES,
    partitions::CASES,
    inheritance::CASES,
    adversary::CASES,
    names::CASES,
    never::CASES,
];

const FUNCTIONS: &str = "
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO journal VALUES (coalesce(NEW.id, OLD.id), coalesce(NEW.v, OLD.v));
        RETURN NULL;
    END $$;
    CREATE FUNCTION pass_on() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO archive VALUES (NEW.id, NEW.v);
        RETURN NULL;
    END $$;";
const NOTE_INSERTS: &str = "CREATE TRIGGER noted AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION note()";
const NOTE_UPDATES: &str = "CREATE TRIGGER noted AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION note()";
const NOTE_DELETES: &str = "CREATE TRIGGER noted AFTER DELETE ON t FOR EACH ROW EXECUTE FUNCTION note()";
const PASS_ON: &str = "CREATE TRIGGER passed_on AFTER INSERT ON journal FOR EACH ROW EXECUTE FUNCTION pass_on()";
const DROP_TRIGGER: &str = "DROP TRIGGER noted ON t";

const CYCLE: &str = "
    CREATE TABLE hen (id INT PRIMARY KEY, egg_id INT);
    CREATE TABLE egg (id INT PRIMARY KEY, hen_id INT REFERENCES hen (id) ON DELETE CASCADE);
    ALTER TABLE hen ADD FOREIGN KEY (egg_id) REFERENCES egg (id) ON DELETE CASCADE;";

const REPLACED_VIEW: [Step; 1] = [Step::Run("CREATE OR REPLACE VIEW seen AS SELECT id, v FROM u WHERE id > 1")];
const REPLACED_VIEW_AND_ITS_BASE_WRITTEN: [Step; 3] = [REPLACED_VIEW[0], Step::Fill, Step::Run("INSERT INTO u VALUES (4, 'vier')")];
