//! A shop on SQLite whose pool was replaced by a `CachingExecutor`: what is a hit, what is a miss, and what each costs.
//!
//!     cargo run --example quickstart
//!
//! Entries are kept in this process's memory. To keep them in Redis, name it: `REDIS_URL=redis://localhost cargo run --example quickstart`.

mod shop;

use shop::Answer::{Hit, Miss};
use shop::{Bestseller, OrderLine, Product, Result, User, compare, expect, heading};
use sqlx::sqlite::{SqliteConnectOptions, SqliteExecutor, SqliteJournalMode};
use sqlx::{Sqlite, SqlitePool};
use sqlx_cached::CachingExecutor;
use std::time::Instant;

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
    println!("Answers are kept in {}.", shop::store());

    reads(&db).await?;
    times(&db).await?;
    a_write(&db).await?;
    transactions(&db).await?;
    explanations(&db);

    heading("What the cache did");
    print!("{}", db.stats());
    db.close().await;
    Ok(())
}

async fn seed(db: &CachingExecutor<Sqlite>) -> Result {
    let mut tx = db.begin().await?;
    sqlx::raw_sql(include_str!("shop/sqlite.sql")).execute(&mut *tx).await?;
    Ok(tx.commit().await?)
}

async fn reads(db: &CachingExecutor<Sqlite>) -> Result {
    heading("The first read goes to the database, the next one does not");
    for answer in [Miss, Hit] {
        expect(db, answer, "user 42", user(db, 42)).await?;
        expect(db, answer, "the 20 cheapest books", cheapest_products(db, "books")).await?;
        expect(db, answer, "the 10 bestsellers of 150,000 order items", bestsellers(db)).await?;
        expect(db, answer, "the order history of user 42: 75 rows from 4 tables", order_history(db, 42)).await?;
    }
    expect(db, Miss, "user 43: other arguments, another answer", user(db, 43)).await?;
    Ok(())
}

async fn times(db: &CachingExecutor<Sqlite>) -> Result {
    heading("What a hit is worth");
    let pool = db.pool();
    shop::print(&[
        compare(db, "user by id, 1 row", "users", || user(pool, 42), || user(db, 42)).await?,
        compare(db, "page of products, 20 rows", "products", || cheapest_products(pool, "books"), || cheapest_products(db, "books")).await?,
        compare(db, "join of 4 tables, 75 rows", "orders", || order_history(pool, 42), || order_history(db, 42)).await?,
        compare(db, "aggregate of 150,000, 10 rows", "order_items", || bestsellers(pool), || bestsellers(db)).await?,
    ]);
    println!("  SQLite reads from this process's own page cache: there is no server to ask, so what it finds by an index it finds about as fast");
    println!("  as any cache could. Cache what it has to compute; for the rest, `db.uncached()` is a clone that asks the database.");
    Ok(())
}

async fn a_write(db: &CachingExecutor<Sqlite>) -> Result {
    heading("A write forgets what it changed, and only that");
    user(db, 42).await?;
    cheapest_products(db, "books").await?;
    order_history(db, 42).await?;
    let old = price(db, 5).await?;
    expect(db, Hit, "the price of product 5", price(db, 5)).await?;

    set_price(db, 5, old + 100).await?;
    println!("  UPDATE products SET price_cents = {} WHERE id = 5", old + 100);

    let new = expect(db, Miss, "the price of product 5", price(db, 5)).await?;
    assert_eq!(new, old + 100);
    println!("         it was {old}, it is {new}");
    expect(db, Miss, "the 20 cheapest books", cheapest_products(db, "books")).await?;
    expect(db, Miss, "the order history of user 42: it joins products", order_history(db, 42)).await?;
    expect(db, Hit, "user 42: another table", user(db, 42)).await?;
    Ok(())
}

async fn transactions(db: &CachingExecutor<Sqlite>) -> Result {
    heading("A transaction sees its own writes; others see them when it commits");
    let old = price(db, 5).await?;

    let mut tx = db.begin().await?;
    set_price(&mut *tx, 5, 1).await?;
    assert_eq!(price(&mut *tx, 5).await?, 1);
    expect(db, Hit, "the price, while a transaction has written another", price(db, 5)).await?;
    tx.rollback().await?;
    let still = expect(db, Hit, "the price after its ROLLBACK", price(db, 5)).await?;
    assert_eq!(still, old);

    let mut tx = db.begin().await?;
    set_price(&mut *tx, 5, old + 250).await?;
    tx.commit().await?;
    let new = expect(db, Miss, "the price after a COMMIT", price(db, 5)).await?;
    assert_eq!(new, old + 250);
    println!("         it was {old}, it is {new}");
    Ok(())
}

fn explanations(db: &CachingExecutor<Sqlite>) {
    heading("Why a statement is cached, or not");
    let one_line = ORDER_HISTORY.split_whitespace().collect::<Vec<_>>().join(" ");
    for sql in [&one_line, "SELECT * FROM products ORDER BY random() LIMIT 1", "UPDATE products SET stock = stock - 1 WHERE id = 5"] {
        println!("  {sql}\n    {}", db.explain(sql));
    }
}
