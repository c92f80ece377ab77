//! What all three shops go through. The statements are those of the example that includes this file, in its database's dialect.

use super::shop::Answer::{Hit, Miss};
use super::shop::{Result, TABLES, compare, expect, heading, print_times};
use super::{Db, ORDER_HISTORY, RANDOM_PRODUCT, RECENT_ORDERS, bestsellers, cheapest_products, order_history, price, set_price, user};

pub async fn reads(db: &Db) -> Result {
    heading("The first read goes to the database, the next one does not");
    // A Redis may still have what a former run left.
    for table in TABLES {
        db.invalidate_table(table).await?;
    }
    for answer in [Miss, Hit] {
        expect(db, answer, "user 42", user(db, 42)).await?;
        expect(db, answer, "the 20 cheapest books", cheapest_products(db, "books")).await?;
        expect(db, answer, "the 10 bestsellers of 150,000 order items", bestsellers(db)).await?;
        expect(db, answer, "the order history of user 42: 75 rows from 4 tables", order_history(db, 42)).await?;
    }
    expect(db, Miss, "user 43: another argument, another answer", user(db, 43)).await?;
    Ok(())
}

pub async fn times(db: &Db) -> Result {
    heading("What a hit is worth");
    let pool = db.pool();
    print_times(&[
        compare(db, "user by id, 1 row", "users", || user(pool, 42), || user(db, 42)).await?,
        compare(db, "page of products, 20 rows", "products", || cheapest_products(pool, "books"), || cheapest_products(db, "books"))
            .await?,
        compare(db, "join of 4 tables, 75 rows", "orders", || order_history(pool, 42), || order_history(db, 42)).await?,
        compare(db, "aggregate of 150,000, 10 rows", "order_items", || bestsellers(pool), || bestsellers(db)).await?,
    ]);
    Ok(())
}

pub async fn a_write(db: &Db) -> Result {
    heading("A write forgets what it changed, and only that");
    user(db, 42).await?;
    cheapest_products(db, "books").await?;
    order_history(db, 42).await?;
    let old = price(db, 5).await?;
    expect(db, Hit, "the price of product 5", price(db, 5)).await?;

    let new = old + 100;
    set_price(db, 5, new).await?;
    println!("  UPDATE products SET price_cents = {new} WHERE id = 5");

    assert_eq!(expect(db, Miss, "the price of product 5", price(db, 5)).await?, new);
    println!("         it was {old}, it is {new}");
    expect(db, Miss, "the 20 cheapest books", cheapest_products(db, "books")).await?;
    expect(db, Miss, "the order history of user 42: it joins products", order_history(db, 42)).await?;
    expect(db, Hit, "user 42: another table", user(db, 42)).await?;
    Ok(())
}

/// Reads that name no table that is written to: what lies in between, only the database knows.
pub async fn what_follows(db: &Db) -> Result {
    const GUEST: [&str; 3] = [
        "INSERT INTO users (id, name, email, created_at) VALUES (1000000, 'A guest', 'guest@example.com', '2026-07-01 12:00:00')",
        "INSERT INTO orders (id, user_id, status, created_at) VALUES (1000000, 1000000, 'new', '2026-07-01 12:00:00')",
        "INSERT INTO order_items (id, order_id, product_id, quantity, price_cents) VALUES (1000000, 1000000, 5, 1, 100)",
    ];
    let items = || number(db, "SELECT COUNT(*) FROM order_items WHERE order_id = 1000000");
    let spent = || number(db, "SELECT spent_cents FROM customers WHERE id = 42");
    let changes = || number(db, "SELECT COUNT(*) FROM price_changes WHERE product_id = 5");

    heading("A foreign key cascades: from users to orders, from orders to their items");
    sqlx::query(LEAVE).execute(db).await?;
    let mut tx = db.begin().await?;
    for sql in GUEST {
        sqlx::query(sql).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    assert_eq!(expect(db, Miss, "the items of a guest's order", items()).await?, 1);
    assert_eq!(expect(db, Hit, "the items of a guest's order", items()).await?, 1);
    price(db, 5).await?;
    write(db, LEAVE).await?;
    assert_eq!(expect(db, Miss, "the items of a guest's order: there are none", items()).await?, 0);
    expect(db, Hit, "the price of product 5: no user's", price(db, 5)).await?;

    heading("A view of a view: customers reads order_totals, which reads order_items");
    let old = expect(db, Miss, "what user 42 spent", spent()).await?;
    assert_eq!(expect(db, Hit, "what user 42 spent", spent()).await?, old);
    write(db, "UPDATE order_items SET quantity = quantity + 1 WHERE id = 126").await?;
    let new = expect(db, Miss, "what user 42 spent", spent()).await?;
    assert!(new > old, "{new} is not more than {old}");
    println!("         it was {old}, it is {new}");
    expect(db, Hit, "the price of product 5: the view does not show products", price(db, 5)).await?;

    heading("A trigger keeps a record of every price");
    let old = expect(db, Miss, "how often the price of product 5 changed", changes()).await?;
    assert_eq!(expect(db, Hit, "how often the price of product 5 changed", changes()).await?, old);
    write(db, "UPDATE products SET price_cents = price_cents + 1 WHERE id = 5").await?;
    assert_eq!(expect(db, Miss, "how often the price of product 5 changed", changes()).await?, old + 1);
    println!("         it was {old}, it is {}", old + 1);
    expect(db, Hit, "what user 42 spent: at the price of that day", spent()).await?;
    Ok(())
}

const LEAVE: &str = "DELETE FROM users WHERE id = 1000000";

/// A single number.
pub async fn number(db: &Db, sql: &'static str) -> sqlx::Result<i64> {
    sqlx::query_scalar(sql).fetch_one(db).await
}

/// Writes, and says so.
pub async fn write(db: &Db, sql: &'static str) -> Result {
    sqlx::query(sql).execute(db).await?;
    println!("  {sql}");
    Ok(())
}

pub async fn transactions(db: &Db) -> Result {
    heading("A transaction sees its own writes; others see them when it commits");
    let old = price(db, 5).await?;

    let mut tx = db.begin().await?;
    set_price(&mut *tx, 5, 1).await?;
    assert_eq!(price(&mut *tx, 5).await?, 1);
    expect(db, Hit, "the price, while a transaction has written another", price(db, 5)).await?;
    tx.rollback().await?;
    assert_eq!(expect(db, Hit, "the price after its ROLLBACK", price(db, 5)).await?, old);

    let new = old + 250;
    let mut tx = db.begin().await?;
    set_price(&mut *tx, 5, new).await?;
    tx.commit().await?;
    assert_eq!(expect(db, Miss, "the price after a COMMIT", price(db, 5)).await?, new);
    println!("         it was {old}, it is {new}");
    Ok(())
}

pub fn explanations(db: &Db) -> Result {
    heading("Why a statement is cached, or not, and what it forgets");
    let order_history = ORDER_HISTORY.split_whitespace().collect::<Vec<_>>().join(" ");
    for (sql, part) in [
        (order_history.as_str(), "depends on users, orders, order_items, products"),
        ("SELECT spent_cents FROM customers WHERE id = 42", "order_totals: view customers"),
        (RANDOM_PRODUCT, "not cached: calls "),
        (RECENT_ORDERS, "not cached: calls "),
        ("UPDATE products SET price_cents = 1 WHERE id = 5", "price_changes: trigger price_changed on products"),
        (LEAVE, "orders: ON DELETE CASCADE from users"),
    ] {
        let explanation = db.explain(sql).to_string();
        println!("  {sql}\n      {}", explanation.replace("; ", "\n      "));
        if !explanation.contains(part) {
            return Err(format!("nothing of {part:?}: {explanation}").into());
        }
    }
    Ok(())
}

pub fn the_end(db: &Db) {
    heading("What the cache did");
    print!("{}", db.stats());
}
