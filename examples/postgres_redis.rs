//! The shop on PostgreSQL, with answers in Redis: both are named by the environment, as in production.
//!
//!     DATABASE_URL=postgres://localhost/scratch REDIS_URL=redis://localhost cargo run --example postgres_redis --features postgres
//!
//! **It creates its tables in that database and leaves them there**: `users`, `products`, `orders`, `order_items`, `price_changes`, `visits`, two views, a
//! trigger, and sqlx's own `_sqlx_migrations`. Give it one that was made for trying things. A database that has tables of these names
//! already is refused by the migration, and stays as it is.

mod shop;
#[path = "shop/story.rs"]
mod story;

use shop::{Bestseller, OrderLine, OrderStatus, Product, Result, User};
use sqlx::postgres::{PgExecutor, PgPool};
use sqlx::{Postgres, Row, TypeInfo, ValueRef};
use sqlx_cached::CachingExecutor;
use std::time::Instant;

type Db = CachingExecutor<Postgres>;

// The data layer, as one writes it for sqlx: no trace of a cache.

async fn user(db: impl PgExecutor<'_>, id: i64) -> sqlx::Result<User> {
    sqlx::query_as("SELECT id, name, email, created_at FROM users WHERE id = $1").bind(id).fetch_one(db).await
}

async fn cheapest_products(db: impl PgExecutor<'_>, category: &str) -> sqlx::Result<Vec<Product>> {
    sqlx::query_as("SELECT id, name, category, price_cents, stock FROM products WHERE category = $1 ORDER BY price_cents, id LIMIT 20")
        .bind(category)
        .fetch_all(db)
        .await
}

async fn bestsellers(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<Bestseller>> {
    sqlx::query_as(
        "SELECT product_id, SUM(quantity)::bigint AS sold, SUM(quantity * price_cents)::bigint AS revenue_cents
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
    WHERE u.id = $1 ORDER BY i.id";

async fn order_history(db: impl PgExecutor<'_>, user: i64) -> sqlx::Result<Vec<OrderLine>> {
    sqlx::query_as(ORDER_HISTORY).bind(user).fetch_all(db).await
}

/// No two answers need be alike: not to be cached.
const RANDOM_PRODUCT: &str = "SELECT name FROM products ORDER BY random() LIMIT 1";

/// The answer changes with the clock, and no write tells: not to be cached, either.
const RECENT_ORDERS: &str = "SELECT COUNT(*) FROM orders WHERE created_at > now() - interval '1 day'";

async fn price(db: impl PgExecutor<'_>, product: i64) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT price_cents FROM products WHERE id = $1").bind(product).fetch_one(db).await
}

async fn set_price(db: impl PgExecutor<'_>, product: i64, cents: i64) -> sqlx::Result<()> {
    sqlx::query("UPDATE products SET price_cents = $1 WHERE id = $2").bind(cents).bind(product).execute(db).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result {
    let Ok(url) = dotenvy::var("DATABASE_URL") else {
        return Err("set DATABASE_URL to a PostgreSQL database for trying things: tables are created in it, and stay".into());
    };
    let pool = PgPool::connect(&url).await?;

    // This is all there is to it: from here on `&db` stands where `&pool` stood.
    let db = CachingExecutor::from_env(pool).await?;

    db.migrate(&sqlx::migrate!("migrations/postgres")).await?;
    seed(&db).await?;
    shop::check(&db).await?;

    story::reads(&db).await?;
    a_type_of_ones_own(&db).await?;
    story::times(&db).await?;
    story::a_write(&db).await?;
    story::what_follows(&db).await?;
    partitions(&db).await?;
    story::transactions(&db).await?;
    story::explanations(&db)?;
    story::the_end(&db);
    println!("\nThe tables stay in the database: a second run finds them.");
    db.close().await;
    Ok(())
}

/// Unless a former run did it.
async fn seed(db: &Db) -> Result {
    let items: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM order_items").fetch_one(db.pool()).await?;
    if items > 0 {
        println!("A shop in PostgreSQL, as a former run left it: {items} order items.");
        return Ok(());
    }
    let started = Instant::now();
    let mut tx = db.begin().await?;
    sqlx::raw_sql(include_str!("shop/postgres.sql")).execute(&mut *tx).await?;
    tx.commit().await?;
    println!("A shop in PostgreSQL: 2,000 users, 500 products, 50,000 orders, 150,000 order items (in {:.1?}).", started.elapsed());
    Ok(())
}

/// Whoever writes to a part writes to the whole, and the other way round; one part is no other.
async fn partitions(db: &Db) -> Result {
    shop::heading("A partitioned table: visits, kept by the month");
    let visitors = || story::number(db, "SELECT COALESCE(SUM(visitors), 0)::bigint FROM visits WHERE product_id = 5");
    let january = || story::number(db, "SELECT COALESCE(SUM(visitors), 0)::bigint FROM visits_2026_01");
    // A Redis may still have what a former run left.
    db.invalidate_table("visits").await?;
    let old = shop::expect(db, shop::Answer::Miss, "the visitors of product 5", visitors()).await?;
    assert_eq!(shop::expect(db, shop::Answer::Hit, "the visitors of product 5", visitors()).await?, old);
    january().await?;
    story::write(db, "INSERT INTO visits_2026_02 (product_id, day, visitors) VALUES (5, '2026-02-07', 3)").await?;
    assert_eq!(shop::expect(db, shop::Answer::Miss, "the visitors of product 5", visitors()).await?, old + 3);
    println!("         it was {old}, it is {}", old + 3);
    shop::expect(db, shop::Answer::Hit, "the visits of January: another part", january()).await?;
    Ok(())
}

/// `order_status` is a type that only this database knows. Rows from the cache are the driver's own, so they know it, too.
async fn a_type_of_ones_own(db: &Db) -> Result {
    shop::heading("Rows from the cache are genuine rows");
    for answer in [shop::Answer::Miss, shop::Answer::Hit] {
        let read = sqlx::query("SELECT status, created_at FROM orders WHERE id = $1").bind(3_i64).fetch_one(db);
        let row = shop::expect(db, answer, "order 3", read).await?;
        let status: OrderStatus = row.try_get("status")?;
        let (name, kind) =
            row.try_get_raw("status").map(|value| (value.type_info().name().to_owned(), value.type_info().kind().clone()))?;
        println!("         {status:?}, of type {name}: {kind:?}");
        assert_eq!(status, OrderStatus::Shipped);
    }
    Ok(())
}
