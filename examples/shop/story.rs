//! What all three shops go through. The statements are those of the example that includes this file, in its database's dialect.

use super::shop::Answer::{Hit, Miss};
use super::shop::{Result, TABLES, compare, expect, heading, print_times};
use super::{Db, ORDER_HISTORY, RANDOM_PRODUCT, bestsellers, cheapest_products, order_history, price, set_price, user};

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

pub fn explanations(db: &Db) {
    heading("Why a statement is cached, or not");
    let order_history = ORDER_HISTORY.split_whitespace().collect::<Vec<_>>().join(" ");
    for sql in [&order_history, RANDOM_PRODUCT, "UPDATE products SET stock = stock - 1 WHERE id = 5"] {
        println!("  {sql}\n      {}", db.explain(sql));
    }
}

pub fn the_end(db: &Db) {
    heading("What the cache did");
    print!("{}", db.stats());
}
