//! MariaDB's table.

use super::case::{Case, Step};
pub use crate::databases::mysql::*;

mod adversary;
mod callables;
#[path = "common/keys.rs"]
mod keys;
mod more_schema;
mod more_transactions;
mod more_triggers;
mod names;
mod never;
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
const DATABASE: &str = "SELECT DATABASE()";

/// Another database.
async fn afresh(_: Home) -> Home {
    Home::new().await
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
    callables::CASES,
    more_triggers::CASES,
    more_transactions::CASES,
    more_schema::CASES,
    adversary::CASES,
    names::CASES,
    never::CASES,
];

/// Triggers bring their bodies along.
const FUNCTIONS: &str = "";
const NOTE_INSERTS: &str = "CREATE TRIGGER noted AFTER INSERT ON t FOR EACH ROW INSERT INTO journal VALUES (NEW.id, NEW.v)";
const NOTE_UPDATES: &str = "CREATE TRIGGER noted AFTER UPDATE ON t FOR EACH ROW INSERT INTO journal VALUES (NEW.id, NEW.v)";
const NOTE_DELETES: &str = "CREATE TRIGGER noted AFTER DELETE ON t FOR EACH ROW INSERT INTO journal VALUES (OLD.id, OLD.v)";
const PASS_ON: &str = "CREATE TRIGGER passed_on AFTER INSERT ON journal FOR EACH ROW INSERT INTO archive VALUES (NEW.id, NEW.v)";
const DROP_TRIGGER: &str = "DROP TRIGGER noted";

const CYCLE: &str = "
    CREATE TABLE hen (id INT PRIMARY KEY, egg_id INT);
    CREATE TABLE egg (id INT PRIMARY KEY, hen_id INT, FOREIGN KEY (hen_id) REFERENCES hen (id) ON DELETE CASCADE);
    ALTER TABLE hen ADD FOREIGN KEY (egg_id) REFERENCES egg (id) ON DELETE CASCADE;";

const REPLACED_VIEW: [Step; 1] = [Step::Run("CREATE OR REPLACE VIEW seen AS SELECT id, v FROM u WHERE id > 1")];
const REPLACED_VIEW_AND_ITS_BASE_WRITTEN: [Step; 3] = [REPLACED_VIEW[0], Step::Fill, Step::Run("INSERT INTO u VALUES (4, 'vier')")];
