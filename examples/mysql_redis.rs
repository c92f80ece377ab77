//! The shop on MySQL or MariaDB, with answers in Redis: both are named by the environment, as in production.
//!
//!     DATABASE_URL=mysql://root@localhost/scratch REDIS_URL=redis://localhost cargo run --example mysql_redis --features mysql
//!
//! **It creates its tables in that database and leaves them there**: `users`, `products`, `orders`, `order_items`, `price_changes`, two views, a trigger,
//! and sqlx's own `_sqlx_migrations`. Give it one that was made for trying things. A database that has tables of these names already is refused
//! by the migration, and stays as it is. Where the server keeps a binary log, the trigger needs a privileged user or `log_bin_trust_function_creators`.

mod shop;
#[path = "shop/story.rs"]
mod story;

use shop::{Bestseller, OrderLine, Product, Result, User};
use sqlx::mysql::{MySqlExecutor, MySqlPool};
use sqlx::{Column, MySql, Row, TypeInfo};
use sqlx_cached::CachingExecutor;
use std::time::Instant;

type Db = CachingExecutor<MySql>;

// The data layer, as one writes it for sqlx: no trace of a cache.

async fn user(db: impl MySqlExecutor<'_>, id: i64) -> sqlx::Result<User> {
    sqlx::query_as("SELECT id, name, email, created_at FROM users WHERE id = ?").bind(id).fetch_one(db).await
}

async fn cheapest_products(db: impl MySqlExecutor<'_>, category: &str) -> sqlx::Result<Vec<Product>> {
    sqlx::query_as("SELECT id, name, category, price_cents, stock FROM products WHERE category = ? ORDER BY price_cents, id LIMIT 20")
        .bind(category)
        .fetch_all(db)
        .await
}

async fn bestsellers(db: impl MySqlExecutor<'_>) -> sqlx::Result<Vec<Bestseller>> {
    sqlx::query_as(
        "SELECT product_id, CAST(SUM(quantity) AS SIGNED) AS sold, CAST(SUM(quantity * price_cents) AS SIGNED) AS revenue_cents
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

async fn order_history(db: impl MySqlExecutor<'_>, user: i64) -> sqlx::Result<Vec<OrderLine<String>>> {
    sqlx::query_as(ORDER_HISTORY).bind(user).fetch_all(db).await
}

/// No two answers need be alike: not to be cached.
const RANDOM_PRODUCT: &str = "SELECT name FROM products ORDER BY RAND() LIMIT 1";

/// The answer changes with the clock, and no write tells: not to be cached, either.
const RECENT_ORDERS: &str = "SELECT COUNT(*) FROM orders WHERE created_at > NOW() - INTERVAL 1 DAY";

async fn price(db: impl MySqlExecutor<'_>, product: i64) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT price_cents FROM products WHERE id = ?").bind(product).fetch_one(db).await
}

async fn set_price(db: impl MySqlExecutor<'_>, product: i64, cents: i64) -> sqlx::Result<()> {
    sqlx::query("UPDATE products SET price_cents = ? WHERE id = ?").bind(cents).bind(product).execute(db).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result {
    let Ok(url) = dotenvy::var("DATABASE_URL") else {
        return Err("set DATABASE_URL to a MySQL or MariaDB database for trying things: tables are created in it, and stay".into());
    };
    let pool = MySqlPool::connect(&url).await?;

    // This is all there is to it: from here on `&db` stands where `&pool` stood.
    let db = CachingExecutor::from_env(pool).await?;

    db.migrate(&sqlx::migrate!("migrations/mysql")).await?;
    seed(&db).await?;
    shop::check(&db).await?;

    story::reads(&db).await?;
    a_type_of_ones_own(&db).await?;
    story::times(&db).await?;
    story::a_write(&db).await?;
    story::what_follows(&db).await?;
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
        println!("A shop in MySQL, as a former run left it: {items} order items.");
        return Ok(());
    }
    let started = Instant::now();
    let mut tx = db.begin().await?;
    sqlx::raw_sql(include_str!("shop/mysql.sql")).execute(&mut *tx).await?;
    tx.commit().await?;
    println!("A shop in MySQL: 2,000 users, 500 products, 50,000 orders, 150,000 order items (in {:.1?}).", started.elapsed());
    Ok(())
}

/// The driver tells an ENUM from text, a DATETIME from a TIMESTAMP. Rows from the cache are its own, so they tell the same.
async fn a_type_of_ones_own(db: &Db) -> Result {
    shop::heading("Rows from the cache are genuine rows");
    for answer in [shop::Answer::Miss, shop::Answer::Hit] {
        let read = sqlx::query("SELECT status, created_at FROM orders WHERE id = ?").bind(3_i64).fetch_one(db);
        let row = shop::expect(db, answer, "order 3", read).await?;
        let status: String = row.try_get("status")?;
        let types = row.columns().iter().map(|column| format!("{} {}", column.name(), column.type_info().name())).collect::<Vec<_>>();
        println!("         {status}; columns: {}", types.join(", "));
        assert_eq!(status, "shipped");
    }
    Ok(())
}
