//! A database with its tables, a Redis and, in front of PostgreSQL, pgpool-II: private servers, gone with the process.

use super::dialect::{Dialect, text};
use super::pgpool::PgPool;
use super::{Result, support};
use sqlx::pool::PoolOptions;
use sqlx::{Connection, MySql, Pool, Postgres, Sqlite};
use std::any::Any;

/// The bodies, by ascending key from 1.
pub const BODIES: [(usize, &str); 5] = [(100, "100 B"), (1_000, "1 KB"), (10_000, "10 KB"), (100_000, "100 KB"), (1_000_000, "1 MB")];

pub struct Stage<D: Dialect> {
    /// As on the command line.
    pub word: &'static str,
    pub name: &'static str,
    pub redis: support::Redis,
    options: <D::Connection as Connection>::Options,
    pgpool: Option<(PgPool, <D::Connection as Connection>::Options)>,
    _keeps: Box<dyn Any + Send + Sync>,
}

impl<D: Dialect> Stage<D> {
    async fn fill(
        word: &'static str,
        name: &'static str,
        options: <D::Connection as Connection>::Options,
        keeps: impl Any + Send + Sync,
    ) -> Result<Self> {
        let redis = support::Redis::configured().tcp().start();
        let stage = Self { word, name, redis, options, pgpool: None, _keeps: Box::new(keeps) };
        let pool = stage.pool().await?;
        for statement in tables::<D>() {
            D::script(&pool, statement).await?;
        }
        for (key, (bytes, _)) in (1..).zip(BODIES) {
            D::insert(&pool, text::<D>("INSERT INTO body (id, body) VALUES (?, ?)"), key, &words(bytes)).await?;
        }
        for statement in after::<D>() {
            D::script(&pool, (*statement).to_owned()).await?;
        }
        pool.close().await;
        Ok(stage)
    }

    /// As many connections as sqlx opens by default.
    pub async fn pool(&self) -> Result<Pool<D>> {
        Ok(PoolOptions::new().connect_with(self.options.clone()).await?)
    }

    /// The same through pgpool-II.
    pub async fn pgpool(&self) -> Result<Option<Pool<D>>> {
        match &self.pgpool {
            Some((_, options)) => Ok(Some(PoolOptions::new().connect_with(options.clone()).await?)),
            None => Ok(None),
        }
    }
}

pub async fn postgres() -> Result<Stage<Postgres>> {
    let server = support::Postgres::start();
    let direct = server.options("postgres");
    let behind = PgPool::start(&direct)?.map(|pgpool| {
        let through = direct.clone().socket(pgpool.directory()).port(super::pgpool::PORT);
        (pgpool, through)
    });
    let stage = Stage::fill("postgres", "PostgreSQL", direct, server).await?;
    Ok(Stage { pgpool: behind, ..stage })
}

/// The database and Redis by loopback TCP, as from another machine but for the wire.
pub async fn postgres_tcp() -> Result<Stage<Postgres>> {
    let port = support::redis::free_port();
    let server = support::Postgres::start_with(&["listen_addresses=127.0.0.1", &format!("port={port}")]);
    let options =
        sqlx::postgres::PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(port).username("postgres").database("postgres");
    Stage::fill("postgres-tcp", "PostgreSQL by TCP", options, server).await
}

pub async fn mariadb() -> Result<Stage<MySql>> {
    let server = support::MariaDb::start();
    let database = server.database().await;
    Stage::fill("mariadb", "MariaDB", database.options, server).await
}

pub async fn sqlite() -> Result<Stage<Sqlite>> {
    let directory = support::Scratch::new();
    let file = sqlx::sqlite::SqliteConnectOptions::new().filename(directory.join("bench.db")).create_if_missing(true);
    Stage::fill("sqlite", "SQLite", file.journal_mode(sqlx::sqlite::SqliteJournalMode::Wal), directory).await
}

/// Text that compresses as prose does, more or less.
fn words(bytes: usize) -> String {
    const WORDS: [&str; 16] = [
        "warehouse",
        "delivery",
        "the",
        "of",
        "customer",
        "blue",
        "large",
        "order",
        "and",
        "with",
        "return",
        "paper",
        "invoice",
        "seventeen",
        "under",
        "metal",
    ];
    let mut text = String::with_capacity(bytes + 16);
    while text.len() < bytes {
        text.push_str(WORDS[rand::random_range(0..WORDS.len())]);
        text.push_str([" ", ", ", " 4", " 17 "][rand::random_range(0..4)]);
    }
    text.truncate(bytes);
    text
}

fn after<D: Dialect>() -> &'static [&'static str] {
    match D::NAME {
        "PostgreSQL" => &["VACUUM ANALYZE"],
        "SQLite" => &["ANALYZE"],
        _ => &["ANALYZE TABLE sample, wide, customer, purchase, item"],
    }
}

/// In a dialect that all three know but for what is replaced here.
fn tables<D: Dialect>() -> Vec<String> {
    let (json, datetime, long) = match D::NAME {
        "PostgreSQL" => ("JSONB", "TIMESTAMP", "TEXT"),
        "SQLite" => ("TEXT", "DATETIME", "TEXT"),
        _ => ("JSON", "DATETIME", "LONGTEXT"),
    };
    let now = if D::NAME == "PostgreSQL" { "CAST('2026-01-02 03:04:05' AS TIMESTAMP)" } else { "'2026-01-02 03:04:05'" };
    let object = format!(
        r#"CONCAT('{{"id": ', i, ', "tags": ["new", "blue", "large"], "dimensions": {{"width": 17.5, "height": ', i % 90, '}}, "specification": "{}"}}')"#,
        words(1_900)
    );
    let object = if json == "JSONB" { format!("CAST({object} AS JSONB)") } else { object };
    let prose = |bytes: usize| format!("CONCAT('{} ', i)", words(bytes));
    let numbers = |rows: &str| {
        format!(
            "WITH d AS (SELECT 0 AS i UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7
                UNION SELECT 8 UNION SELECT 9),
                n AS (SELECT 1 + a.i + b.i * 10 + c.i * 100 + e.i * 1000 + f.i * 10000 + g.i * 100000 AS i FROM d a, d b, d c, d e, d f, d g {rows})"
        )
    };
    let (all, half) = (numbers("WHERE g.i < 2"), numbers("WHERE g.i < 1"));
    let (fifty, ten) = (numbers("WHERE f.i < 5 AND g.i < 1"), numbers("WHERE f.i < 1 AND g.i < 1"));
    vec![
        "CREATE TABLE sample (id BIGINT PRIMARY KEY, name VARCHAR(100) NOT NULL, category VARCHAR(50) NOT NULL, price_cents BIGINT NOT NULL,
            stock BIGINT NOT NULL)"
            .to_owned(),
        format!(
            "INSERT INTO sample (id, name, category, price_cents, stock) {all}
            SELECT i, CONCAT('Product number ', i), CONCAT('category ', i % 5), 500 + i * 37 % 9000, i % 50 FROM n"
        ),
        "CREATE TABLE customer (id BIGINT PRIMARY KEY, name VARCHAR(100) NOT NULL)".to_owned(),
        format!("INSERT INTO customer (id, name) {ten} SELECT i, CONCAT('Customer ', i) FROM n"),
        "CREATE TABLE purchase (id BIGINT PRIMARY KEY, customer_id BIGINT NOT NULL)".to_owned(),
        format!("INSERT INTO purchase (id, customer_id) {fifty} SELECT i, 1 + i % 10000 FROM n"),
        "CREATE INDEX purchase_of ON purchase (customer_id)".to_owned(),
        "CREATE TABLE item (id BIGINT PRIMARY KEY, purchase_id BIGINT NOT NULL, sample_id BIGINT NOT NULL, quantity BIGINT NOT NULL)".to_owned(),
        format!("INSERT INTO item (id, purchase_id, sample_id, quantity) {half} SELECT i, 1 + i % 50000, i, 1 + i % 7 FROM n"),
        "CREATE INDEX item_of ON item (purchase_id)".to_owned(),
        format!("CREATE TABLE body (id BIGINT PRIMARY KEY, body {long} NOT NULL)"),
        format!(
            "CREATE TABLE wide (id BIGINT PRIMARY KEY, customer_id BIGINT NOT NULL, warehouse_id BIGINT NOT NULL, quantity BIGINT NOT NULL,
            price_cents BIGINT NOT NULL, tax_cents BIGINT NOT NULL, weight DOUBLE PRECISION NOT NULL, height DOUBLE PRECISION NOT NULL,
            width DOUBLE PRECISION NOT NULL, active BOOLEAN NOT NULL, visible BOOLEAN NOT NULL, fragile BOOLEAN NOT NULL, created {datetime} NOT NULL,
            updated {datetime} NOT NULL, deleted {datetime}, parent_id BIGINT, remark VARCHAR(200), title VARCHAR(300) NOT NULL,
            subtitle VARCHAR(300) NOT NULL, summary VARCHAR(300) NOT NULL, description VARCHAR(300) NOT NULL, instructions VARCHAR(300) NOT NULL,
            ingredients VARCHAR(300) NOT NULL, manufacturer VARCHAR(300) NOT NULL, supplier VARCHAR(300) NOT NULL, origin VARCHAR(300) NOT NULL,
            keywords VARCHAR(300) NOT NULL, warranty VARCHAR(300) NOT NULL, image VARCHAR(300) NOT NULL, properties {json} NOT NULL)"
        ),
        format!(
            "INSERT INTO wide {ten} SELECT i, i * 3, i % 12, i % 50, 500 + i % 9000, i % 400, i * 0.25, i * 0.5, i * 1.5, i % 2 = 0, i % 3 = 0, i % 5 = 0,
            {now}, {now}, NULL, NULL, NULL, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {object} FROM n",
            prose(60), prose(90), prose(180), prose(250), prose(250), prose(200), prose(60), prose(60), prose(80), prose(120), prose(160), prose(70)
        ),
    ]
}
