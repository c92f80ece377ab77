//! A shop on SQLite whose pool was replaced by a `CachingExecutor`: what is a hit, what is a miss, and what each costs.
//!
//!     cargo run --example quickstart
//!
//! Entries are kept in this process's memory. To keep them in Redis, name it: `REDIS_URL=redis://localhost cargo run --example quickstart`.

mod shop;
#[path = "shop/story.rs"]
mod story;

use shop::{Bestseller, OrderLine, Product, Result, User};
use sqlx::sqlite::{SqliteConnectOptions, SqliteExecutor, SqliteJournalMode};
use sqlx::{Sqlite, SqlitePool};
use sqlx_cached::CachingExecutor;
use std::time::Instant;

type Db = CachingExecutor<Sqlite>;

// The data layer, as one writes it for sqlx: no trace of a cache.

async fn user(db: impl SqliteExecutor<'_>, id: i64) -> sqlx::Result<User> {
    sqlx::query_as("SELECT id, name, email, created_at FROM users WHERE id = ?").bind(id).fetch_one(db).await
}

async fn cheapest_products(db: impl SqliteExecutor<'_>, category: &str) -> sqlx::Result<Vec<Product>> {
    sqlx::query_as("SELECT id, name, category, price_cents, stock FROM products WHERE category = ? ORDER BY price_cents, id LIMIT 20")
        .bind(category)
        .fetch_all(db)
        .await
}

async fn bestsellers(db: impl SqliteExecutor<'_>) -> sqlx::Result<Vec<Bestseller>> {
    sqlx::query_as(
        "SELECT product_id, SUM(quantity) AS sold, SUM(quantity * price_cents) AS revenue_cents
         FROM order_items GROUP BY product_id ORDER BY revenue_cents DESC, product_id LIMIT 10",
    )
    .fetch_all(db)
    .await
}

const ORDER_HISTORY: &str = "
    SELECT o.id AS order_id, o.status, u.name AS user_name, p.name AS product_name, i.quantity, i.price_cents
    FROM users u
    JOIN orders o ON o.user_id = u.id
    JOIN order_items i ON i.order_id = o.id
    JOIN products p ON p.id = i.product_id
    WHERE u.id = ? ORDER BY i.id";

async fn order_history(db: impl SqliteExecutor<'_>, user: i64) -> sqlx::Result<Vec<OrderLine>> {
    sqlx::query_as(ORDER_HISTORY).bind(user).fetch_all(db).await
}

/// No two answers need be alike: not to be cached.
const RANDOM_PRODUCT: &str = "SELECT name FROM products ORDER BY random() LIMIT 1";

/// The answer changes with the clock, and no write tells: not to be cached, either.
const RECENT_ORDERS: &str = "SELECT COUNT(*) FROM orders WHERE created_at > datetime('now', '-1 day')";

async fn price(db: impl SqliteExecutor<'_>, product: i64) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT price_cents FROM products WHERE id = ?").bind(product).fetch_one(db).await
}

async fn set_price(db: impl SqliteExecutor<'_>, product: i64, cents: i64) -> sqlx::Result<()> {
    sqlx::query("UPDATE products SET price_cents = ? WHERE id = ?").bind(cents).bind(product).execute(db).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result {
    let directory = tempfile::tempdir()?;
    let file = SqliteConnectOptions::new().filename(directory.path().join("shop.db")).create_if_missing(true);
    let pool = SqlitePool::connect_with(file.journal_mode(SqliteJournalMode::Wal)).await?;

    // This is all there is to it: from here on `&db` stands where `&pool` stood.
    let db = CachingExecutor::from_env(pool).await?;

    db.migrate(&sqlx::migrate!("migrations/sqlite")).await?;
    let started = Instant::now();
    seed(&db).await?;
    println!("A shop in a SQLite file: 2,000 users, 500 products, 50,000 orders, 150,000 order items (in {:.1?}).", started.elapsed());
    shop::check(&db).await?;

    story::reads(&db).await?;
    story::times(&db).await?;
    println!(
        "  SQLite has no server to ask: what it finds by an index in this process's own page cache, it finds about as fast as any cache"
    );
    println!("  could. Let it; what pays is what it has to compute. (`db.uncached()` is a clone whose reads all go to the database.)");
    story::a_write(&db).await?;
    story::what_follows(&db).await?;
    story::transactions(&db).await?;
    story::explanations(&db)?;
    story::the_end(&db);
    db.close().await;
    Ok(())
}

async fn seed(db: &Db) -> Result {
    let mut tx = db.begin().await?;
    sqlx::raw_sql(include_str!("shop/sqlite.sql")).execute(&mut *tx).await?;
    Ok(tx.commit().await?)
}
