//! The reads: their texts, and the rows that they give.

use super::dialect::{Dialect, text};
use chrono::NaiveDateTime;
use moka::sync::Cache;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::FromRow;
use sqlx::mysql::MySqlRow;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use std::fmt::Debug;
use std::sync::Arc;

/// A row that every contender on every database can give.
pub trait Answer:
    for<'r> FromRow<'r, PgRow>
    + for<'r> FromRow<'r, MySqlRow>
    + for<'r> FromRow<'r, SqliteRow>
    + Serialize
    + DeserializeOwned
    + Debug
    + PartialEq
    + Send
    + Sync
    + Unpin
    + 'static
{
    /// Where moka holds such rows.
    fn held(moka: &Moka) -> &Held<Self>;
}

/// By workload and key.
pub type Held<T> = Cache<(usize, i64), Arc<Vec<T>>>;

/// One moka cache per type, as a program would have.
pub struct Moka {
    samples: Held<Sample>,
    wides: Held<Wide>,
    bodies: Held<Body>,
}

impl Moka {
    pub fn new(entries: u64) -> Self {
        fn held<T: Answer>(entries: u64) -> Held<T> {
            Cache::builder().max_capacity(entries).time_to_live(super::TTL).build()
        }
        Self { samples: held(entries), wides: held(entries), bodies: held(entries) }
    }
}

#[derive(Debug, PartialEq, FromRow, Serialize, serde::Deserialize)]
pub struct Sample {
    id: i64,
    name: String,
    category: String,
    price_cents: i64,
    stock: i64,
}

impl Answer for Sample {
    fn held(moka: &Moka) -> &Held<Self> {
        &moka.samples
    }
}

#[derive(Debug, PartialEq, FromRow, Serialize, serde::Deserialize)]
pub struct Body {
    id: i64,
    body: String,
}

impl Answer for Body {
    fn held(moka: &Moka) -> &Held<Self> {
        &moka.bodies
    }
}

/// 30 columns, some 4 KB.
#[derive(Debug, PartialEq, FromRow, Serialize, serde::Deserialize)]
pub struct Wide {
    id: i64,
    customer_id: i64,
    warehouse_id: i64,
    quantity: i64,
    price_cents: i64,
    tax_cents: i64,
    weight: f64,
    height: f64,
    width: f64,
    active: bool,
    visible: bool,
    fragile: bool,
    created: NaiveDateTime,
    updated: NaiveDateTime,
    deleted: Option<NaiveDateTime>,
    parent_id: Option<i64>,
    remark: Option<String>,
    title: String,
    subtitle: String,
    summary: String,
    description: String,
    instructions: String,
    ingredients: String,
    manufacturer: String,
    supplier: String,
    origin: String,
    keywords: String,
    warranty: String,
    image: String,
    properties: Value,
}

impl Answer for Wide {
    fn held(moka: &Moka) -> &Held<Self> {
        &moka.wides
    }
}

/// Which type its rows have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    Sample,
    Wide,
    Body,
}

#[derive(Clone, Copy)]
pub struct Workload {
    pub name: &'static str,
    pub number: usize,
    pub sql: &'static str,
    pub key: i64,
    /// How many rows it gives.
    pub rows: usize,
    pub of: Rows,
}

impl Workload {
    /// With the placeholder as this database writes it.
    pub fn on<D: Dialect>(self) -> Self {
        Self { sql: text::<D>(self.sql), ..self }
    }
}

const fn page(number: usize, name: &'static str, sql: &'static str, rows: usize) -> Workload {
    Workload { name, number, sql, key: 100_000, rows, of: Rows::Sample }
}

pub const POINT: Workload = Workload {
    name: "point read",
    number: 0,
    sql: "SELECT id, name, category, price_cents, stock FROM sample WHERE id = ?",
    key: 9_999,
    rows: 1,
    of: Rows::Sample,
};

/// Every text has one placeholder, for a number, and means something for each number up to 10,000.
pub const WORKLOADS: [Workload; 7] = [
    POINT,
    page(1, "20 rows", "SELECT id, name, category, price_cents, stock FROM sample WHERE id > ? ORDER BY id LIMIT 20", 20),
    page(2, "100 rows", "SELECT id, name, category, price_cents, stock FROM sample WHERE id > ? ORDER BY id LIMIT 100", 100),
    page(3, "1,000 rows", "SELECT id, name, category, price_cents, stock FROM sample WHERE id > ? ORDER BY id LIMIT 1000", 1000),
    Workload { name: "wide row", number: 4, sql: "SELECT * FROM wide WHERE id = ?", key: 9_999, rows: 1, of: Rows::Wide },
    Workload {
        name: "aggregate",
        number: 5,
        sql: "SELECT COUNT(*) AS id, MIN(name) AS name, category, MIN(price_cents) AS price_cents, MAX(stock) AS stock
            FROM sample WHERE id > ? GROUP BY category ORDER BY category",
        key: 0,
        rows: 5,
        of: Rows::Sample,
    },
    Workload {
        name: "4-table join",
        number: 6,
        sql: "SELECT item.id, sample.name, customer.name AS category, sample.price_cents, item.quantity AS stock
            FROM customer JOIN purchase ON purchase.customer_id = customer.id JOIN item ON item.purchase_id = purchase.id JOIN sample ON sample.id = item.sample_id
            WHERE customer.id = ? ORDER BY item.id LIMIT 20",
        key: 9_999,
        rows: 10,
        of: Rows::Sample,
    },
];
