//! `query!`, `query_as!` and `query_scalar!` with the executor: checked against the schema when compiled, answered from the cache when run.
//!
//!     cargo run --example query_macros
//!
//! No database is needed to compile: the folder `.sqlx` holds what the macros need to know of each statement. After changing one, `examples/prepare`
//! asks SQLite anew (it does what `cargo sqlx prepare` does).

use sqlx::Sqlite;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx_cached::CachingExecutor;
use std::sync::Arc;

type Db = CachingExecutor<Sqlite>;

#[derive(Debug, PartialEq)]
struct Product {
    id: i64,
    name: String,
    price_cents: i64,
}

async fn products(db: &Db, category: &str) -> sqlx::Result<Vec<Product>> {
    sqlx::query_as!(Product, "SELECT id, name, price_cents FROM products WHERE category = ? ORDER BY id", category).fetch_all(db).await
}

/// The same products for all who ask: made once, as long as nobody writes.
async fn shared(db: &Db, category: &str) -> sqlx::Result<Arc<[Product]>> {
    let products = sqlx::query_as!(Product, "SELECT id, name, price_cents FROM products WHERE category = ? ORDER BY id", category);
    db.fetch_all_shared(products).await
}

async fn stock(db: &Db) -> sqlx::Result<i64> {
    sqlx::query_scalar!(r#"SELECT COALESCE(SUM(stock), 0) AS "stock!: i64" FROM products"#).fetch_one(db).await
}

async fn add(db: &Db, name: &str, category: &str, price_cents: i64) -> sqlx::Result<i64> {
    let added = sqlx::query!(
        "INSERT INTO products (name, category, price_cents, stock) VALUES (?, ?, ?, 10) RETURNING id",
        name,
        category,
        price_cents
    );
    Ok(added.fetch_one(db).await?.id)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Each connection to `:memory:` is a database of its own, so there must be one only, for good.
    let pool = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None).connect("sqlite::memory:").await?;
    let db = CachingExecutor::from_env(pool).await?;
    db.migrate(&sqlx::migrate!("migrations/sqlite")).await?;

    add(&db, "The Left Hand of Darkness", "books", 1299).await?;
    add(&db, "Invisible Cities", "books", 1099).await?;

    let missed = products(&db, "books").await?;
    let hit = products(&db, "books").await?;
    assert_eq!(missed, hit);
    assert_eq!((stock(&db).await?, stock(&db).await?), (20, 20));
    println!("{hit:#?}");
    assert_eq!((db.stats().misses, db.stats().hits), (2, 2));

    let third = add(&db, "The Dispossessed", "books", 999).await?;
    println!("... and number {third}, which the cache had to notice:");
    let books = products(&db, "books").await?;
    assert_eq!(books.len(), 3);
    assert_eq!((books[2].id, books[2].name.as_str(), books[2].price_cents), (third, "The Dispossessed", 999));
    assert_eq!(stock(&db).await?, 30);
    assert_eq!((db.stats().misses, db.stats().hits), (4, 2));

    let same = shared(&db, "books").await?;
    assert!(*same == books && Arc::ptr_eq(&same, &shared(&db, "books").await?));

    println!("{}", db.stats());
    Ok(())
}
