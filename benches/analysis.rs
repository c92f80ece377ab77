//! What it costs to know what a statement means: the first time, when its text is read and closed over the catalog, and ever after, when the plan is found
//! by a hash of the text. And what it costs to read the catalog of a schema of some size.
//!
//!     cargo bench --bench analysis --all-features
//!
//! The contenders take turns, and a ratio is taken within each round; the median over all rounds is printed. SQLite in memory, no servers.

use sqlx::SqlitePool;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx_cached::CachingExecutor;
use std::fmt::Write;
use std::hint::black_box;
use std::time::Instant;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Tables of the schema. Every one refers to the one before, but for the first of each group of ten, and leaves a trace in a log; every group has a view.
const TABLES: usize = 200;

/// What a known statement may cost, in nanoseconds.
const KNOWN: f64 = 300.0;

/// A statement, and how many tables its read depends on and its write changes.
const STATEMENTS: [(&str, &str, usize, usize); 3] = [
    ("point read", "SELECT id, name, price FROM t0 WHERE id = ?", 1, 0),
    (
        "join over a view, 10 lines",
        "SELECT a.id, a.name, b.name AS other, s.total,
       CASE WHEN a.price > ? THEN 'dear' ELSE 'cheap' END AS label
  FROM t11 AS a
  JOIN t12 AS b ON b.parent = a.id
  LEFT JOIN summary1 AS s ON s.id = a.id
 WHERE a.name LIKE ? || '%'
   AND a.price BETWEEN ? AND ?
   AND EXISTS (SELECT 1 FROM t13 AS c WHERE c.parent = b.id)
 ORDER BY a.price DESC, a.id
 LIMIT 20 OFFSET ?",
        5,
        0,
    ),
    // The group's ten tables, their logs, and what the triggers count.
    ("delete: cascades, triggers", "DELETE FROM t20 WHERE id = ? AND price < (SELECT max(price) FROM t30)", 0, 21),
];

fn schema() -> String {
    let mut sql = "CREATE TABLE counts (id INTEGER PRIMARY KEY, n INTEGER NOT NULL);".to_owned();
    for i in 0..TABLES {
        let parent = if i % 10 == 0 { String::new() } else { format!(" REFERENCES t{} ON DELETE CASCADE", i - 1) };
        let _ = write!(
            sql,
            "CREATE TABLE t{i} (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price INTEGER NOT NULL DEFAULT 0, parent INTEGER{parent});
             CREATE INDEX by_name{i} ON t{i} (name);
             CREATE TABLE log{i} (id INTEGER PRIMARY KEY, what TEXT NOT NULL);
             CREATE TRIGGER logs{i} AFTER DELETE ON t{i} BEGIN
                 INSERT INTO log{i} (what) SELECT 'gone: ' || old.name WHERE old.price > 0;
                 UPDATE counts SET n = n + 1 WHERE id = {i};
             END;"
        );
    }
    for group in 0..TABLES / 10 {
        let first = group * 10;
        let _ = write!(
            sql,
            "CREATE VIEW summary{group} AS SELECT a.id, sum(b.price) AS total FROM t{first} AS a JOIN t{} AS b ON b.parent = a.id GROUP BY a.id;",
            first + 1
        );
    }
    sql
}

/// Nanoseconds that each of so many operations took.
fn time(operations: u32, mut operation: impl FnMut(u32)) -> f64 {
    let started = Instant::now();
    for turn in 0..operations {
        operation(turn);
    }
    started.elapsed().as_secs_f64() * 1e9 / f64::from(operations)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Prints a statement's costs, and says what it costs once it is known.
fn bench(db: &CachingExecutor<sqlx::Sqlite>, name: &str, sql: &str) -> f64 {
    let (mut known, mut new, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..200 {
        let hit = time(2_000, |_| _ = black_box(db.plan_alone(black_box(sql))));
        // Texts that nobody has seen, made before they are timed.
        let texts: Vec<String> = (0..10).map(|turn| format!("{sql} -- {round} {turn}")).collect();
        let mut texts = texts.iter();
        let miss = time(10, |_| _ = black_box(texts.next().map(|text| db.plan_alone(text))));
        known.push(hit);
        new.push(miss);
        ratios.push(miss / hit);
    }
    let known = median(known);
    println!("{name:<28}{:>7}{known:>12.0}{:>12.1}{:>10.0}", sql.len(), median(new) / 1e3, median(ratios));
    known
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result {
    if cfg!(debug_assertions) {
        println!("A debug build: the numbers mean nothing. `cargo bench` makes a release build.");
    }
    // One connection: each has a database of its own.
    let pool: SqlitePool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
    sqlx::raw_sql(sqlx::AssertSqlSafe(schema())).execute(&pool).await?;
    let db = CachingExecutor::builder(pool.clone()).build().await?;

    println!("{:<28}{:>7}{:>12}{:>12}{:>10}", "statement", "bytes", "known, ns", "new, us", "new/known");
    let mut slowest = 0.0_f64;
    for (name, sql, reads, writes) in STATEMENTS {
        let (generations, bumped) = db.plan_alone(sql);
        // Besides the tables a read depends on everything and on the schema.
        assert_eq!((generations.saturating_sub(2), bumped), (reads, writes), "{name}: {}", db.explain(sql));
        slowest = slowest.max(bench(&db, name, sql));
    }

    let mut loads = Vec::new();
    let mut relations = 0;
    for _ in 0..30 {
        let started = Instant::now();
        relations = db.load_catalog_alone().await;
        loads.push(started.elapsed().as_secs_f64() * 1e3);
    }
    println!("\ncatalog of {relations} relations, {TABLES} triggers, {} foreign keys: {:.1} ms", TABLES - TABLES / 10, median(loads));

    if slowest > KNOWN {
        println!("\na known statement costs {slowest:.0} ns, more than the {KNOWN:.0} that it may");
    }
    Ok(())
}
