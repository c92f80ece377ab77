//! SQLite's table.

use super::case::{Case, Step};
pub use crate::databases::sqlite::*;

mod adversary;
mod asked;
#[path = "common/keys.rs"]
mod keys;
mod more_keys;
mod more_schema;
mod more_triggers;
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
const DATABASE: &str = "SELECT 'main'";

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
    asked::CASES,
    more_keys::CASES,
    more_triggers::CASES,
    more_schema::CASES,
    adversary::CASES,
    never::CASES,
];

/// Triggers bring their bodies along.
const FUNCTIONS: &str = "";
const NOTE_INSERTS: &str = "CREATE TRIGGER noted AFTER INSERT ON t BEGIN INSERT INTO journal VALUES (NEW.id, NEW.v); END";
const NOTE_UPDATES: &str = "CREATE TRIGGER noted AFTER UPDATE ON t BEGIN INSERT INTO journal VALUES (NEW.id, NEW.v); END";
const NOTE_DELETES: &str = "CREATE TRIGGER noted AFTER DELETE ON t BEGIN INSERT INTO journal VALUES (OLD.id, OLD.v); END";
const PASS_ON: &str = "CREATE TRIGGER passed_on AFTER INSERT ON journal BEGIN INSERT INTO archive VALUES (NEW.id, NEW.v); END";
const DROP_TRIGGER: &str = "DROP TRIGGER noted";

const CYCLE: &str = "
    CREATE TABLE hen (id INT PRIMARY KEY, egg_id INT REFERENCES egg (id) ON DELETE CASCADE);
    CREATE TABLE egg (id INT PRIMARY KEY, hen_id INT REFERENCES hen (id) ON DELETE CASCADE);";

const REPLACED_VIEW: [Step; 2] = [Step::Run("DROP VIEW seen"), Step::Run("CREATE VIEW seen AS SELECT id, v FROM u WHERE id > 1")];
const REPLACED_VIEW_AND_ITS_BASE_WRITTEN: [Step; 4] =
    [REPLACED_VIEW[0], REPLACED_VIEW[1], Step::Fill, Step::Run("INSERT INTO u VALUES (4, 'vier')")];
