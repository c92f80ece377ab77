//! The writes: every kind of statement, every way to send it.

use super::reads::{CATEGORIES, STATUSES};
use super::{Connection, Db, NAME, sql};
use crate::databases::Random;
use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, Error, Executor};

/// How many rows each table begins with.
const USERS: usize = 120;
const PRODUCTS: usize = 100;
const ORDERS: usize = 200;
const ITEMS: usize = 400;
const REVIEWS: usize = 100;
const CAMPAIGNS: usize = 40;

/// How a write is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Execute,
    All,
    /// The first row only, though there may be more.
    Optional,
    Stream,
    Raw,
}

/// One write.
#[derive(Clone, Debug)]
pub struct Write {
    pub sql: String,
    way: Way,
    /// It is meant to fail.
    pub fails: bool,
}

impl Write {
    fn new(text: &str) -> Self {
        Self { sql: sql(text), way: Way::Execute, fails: false }
    }

    fn by(self, way: Way) -> Self {
        Self { way, ..self }
    }

    /// Its rows are asked for in one of the ways.
    fn returning(self, random: &mut Random) -> Self {
        self.by(*random.pick(&[Way::All, Way::Optional, Way::Stream, Way::Execute]))
    }

    /// A write of any kind; `fresh` gives numbers that no row has.
    pub fn random(random: &mut Random, fresh: &mut usize) -> Self {
        let (postgres, mariadb) = (NAME == "postgres", NAME == "mariadb");
        let next = *fresh + 1;
        *fresh += 10;
        let user = random.skewed(60) + 1;
        let product = random.skewed(40) + 1;
        let order = random.skewed(80) + 1;
        let item = random.skewed(100) + 1;
        let review = random.skewed(40) + 1;
        let some = random.below(1_000);
        let status = random.pick(&STATUSES);
        let category = random.pick(&CATEGORIES);
        match random.below(26) {
            0 => Self::new(&format!("UPDATE users SET name = 'name {some}' WHERE id = {user}")),
            1 => Self::new(&format!("UPDATE products SET price_cents = price_cents + {some}, stock = stock - 1 WHERE id = {product}")),
            2 => Self::new(&format!("UPDATE orders SET status = '{status}' WHERE id = {order}")),
            3 => Self::new(&format!("UPDATE order_items SET quantity = quantity + 1 WHERE order_id = {order}")),
            4 => Self::new(&format!("UPDATE products SET stock = stock + 1 WHERE category = '{category}'")),
            5 => Self::new(&format!(
                "UPDATE products SET stock = stock - 1 WHERE id IN (SELECT product_id FROM order_items WHERE order_id = {order})"
            )),
            6 => Self::new(&format!("INSERT INTO users VALUES ({next}, 'name {next}', 'mail{next}', '2024-02-03 04:05:06')")),
            7 => Self::new(&format!(
                "INSERT INTO orders (id, user_id, status, created_at) VALUES ({next}, {user}, 'new', '2024-02-03 04:05:06')"
            )),
            8 => {
                let rows: Vec<_> = (0..5).map(|at| format!("({}, {order}, {}, {at}, {some})", next + at, product + at)).collect();
                Self::new(&format!("INSERT INTO order_items (id, order_id, product_id, quantity, price_cents) VALUES {}", rows.join(", ")))
            }
            9 => Self::new(&format!("INSERT INTO reviews VALUES ({next}, {product}, NULL, {}.5)", some % 5)),
            10 => Self::new(&format!(
                "INSERT INTO order_items SELECT id + {next}000, order_id, product_id, quantity, price_cents FROM order_items WHERE id < 4"
            )),
            11 => Self::new(&format!("DELETE FROM order_items WHERE id = {}", item + 5)),
            12 => Self::new(&format!("DELETE FROM order_items WHERE quantity > {}", 20 + some)),
            13 => Self::new(&format!("DELETE FROM reviews WHERE id = {review}")),
            14 => {
                Self::new(&format!("DELETE FROM order_items WHERE order_id = {order} AND id > 20 RETURNING id, quantity")).returning(random)
            }
            15 => {
                let rows: Vec<_> = (0..5).map(|at| format!("({}, {product}, 'text', {at})", next + at)).collect();
                Self::new(&format!("INSERT INTO reviews VALUES {} RETURNING *", rows.join(", "))).returning(random)
            }
            16 if mariadb => Self::new(&format!(
                "UPDATE orders o JOIN users u ON u.id = o.user_id SET o.status = '{status}', u.name = 'n{some}' WHERE u.id = {user}"
            )),
            16 => Self::new(&format!("UPDATE products SET stock = {some} WHERE id < {product} RETURNING id, stock")).returning(random),
            17 if mariadb => Self::new(&format!(
                "INSERT INTO reviews VALUES ({review}, {product}, 'upserted', 1) ON DUPLICATE KEY UPDATE body = 'was there', rating = {}",
                some % 5
            )),
            17 => Self::new(&format!(
                "INSERT INTO reviews VALUES ({review}, {product}, 'upserted', 1) ON CONFLICT (id) DO UPDATE SET body = 'was there', rating = {}",
                some % 5
            )),
            18 if postgres => Self::new(&format!(
                "WITH done AS (UPDATE orders SET status = '{status}' WHERE user_id = {user} RETURNING id) SELECT id FROM done ORDER BY id"
            ))
            .returning(random),
            18 => Self::new(&format!("REPLACE INTO order_items VALUES ({item}, {order}, {product}, {some}, 100)")),
            19 if mariadb => {
                Self::new(&format!("DELETE i FROM order_items i JOIN orders o ON o.id = i.order_id WHERE o.id = {order} AND i.id > 200"))
            }
            19 if postgres => {
                Self::new(&format!("DELETE FROM order_items i USING orders o WHERE o.id = i.order_id AND o.id = {order} AND i.id > 200"))
            }
            19 => Self::new(&format!(
                "UPDATE order_items SET price_cents = p.price_cents FROM products p WHERE p.id = product_id AND order_id = {order}"
            )),
            20 => {
                let two =
                    format!("UPDATE users SET name = 'a{some}' WHERE id = {user}; UPDATE products SET stock = {some} WHERE id = {product}");
                Self::new(&two).by(Way::Raw)
            }
            21 => Self { fails: true, ..Self::new("INSERT INTO users VALUES (1, 'twice', 'twice', '2024-02-03 04:05:06')") },
            22 => Self { fails: true, ..Self::new("UPDATE no_such_table SET a = 1") },
            23 => Self::new("UPDATE users SET name = name"),
            24 => Self::new(&format!("UPDATE \"reviews\" SET \"body\" = NULL, rating = NULL WHERE id = {review}")),
            _ => {
                let tag = if mariadb || NAME == "sqlite" { "" } else { "public." };
                Self::new(&format!("update {tag}users set NAME = 'shouted {some}' where ID in ({user}, {})", user + 1))
            }
        }
    }

    /// The statements that replace the table whose columns shift.
    pub fn shift(random: &mut Random) -> Vec<Self> {
        let columns = ["a bigint", "b text", "c double precision", "d smallint"];
        let first = random.below(columns.len());
        let columns: Vec<_> = (0..=random.below(columns.len())).map(|at| columns[(first + at) % columns.len()]).collect();
        // Named: without names, SQLite compiles an INSERT by the columns that this connection last saw, and complains.
        let names: Vec<_> = columns.iter().map(|column| &column[..1]).collect();
        let (names, values) = (names.join(", "), vec!["1"; columns.len()].join(", "));
        vec![
            Self::new("DROP TABLE shifting"),
            Self::new(&format!("CREATE TABLE shifting ({})", columns.join(", "))),
            Self::new(&format!("INSERT INTO shifting ({names}) VALUES ({values}), ({values})")),
        ]
    }

    /// What reaches further than its text says: a trigger, a cascade, a whole table.
    pub fn far_reaching(random: &mut Random, fresh: &mut usize) -> Self {
        *fresh += 1;
        match random.below(4) {
            0 => Self::new(&format!("INSERT INTO deliveries VALUES ({fresh}, {}, 7)", random.skewed(40) + 1)),
            1 => Self::new(&format!("DELETE FROM campaigns WHERE id = {}", random.below(40) + 1)),
            2 => Self::new(&format!("INSERT INTO notices VALUES ({fresh}, (SELECT MIN(id) FROM campaigns), 'another')")),
            _ if NAME == "sqlite" => Self::new("DELETE FROM reviews"),
            _ => Self::new("TRUNCATE TABLE reviews"),
        }
    }

    /// Sends it.
    pub async fn run<'e, E: Executor<'e, Database = Db>>(&self, executor: E) -> Result<(), Error> {
        let text = AssertSqlSafe(self.sql.clone());
        match self.way {
            Way::Execute => sqlx::query(text).execute(executor).await.map(|_| ()),
            Way::All => sqlx::query(text).fetch_all(executor).await.map(|_| ()),
            Way::Optional => sqlx::query(text).fetch_optional(executor).await.map(|_| ()),
            Way::Stream => sqlx::query(text).fetch(executor).try_collect::<Vec<_>>().await.map(|_| ()),
            Way::Raw => sqlx::raw_sql(text).execute(executor).await.map(|_| ()),
        }
    }

    /// The same by a function of the user's that was written for a plain connection.
    pub async fn on_connection(&self, connection: &mut Connection) -> Result<(), Error> {
        self.run(connection).await
    }
}

/// The rows that a run begins with.
pub fn rows() -> String {
    let list = |table: &str, count: usize, row: &dyn Fn(usize) -> String| {
        let rows: Vec<_> = (1..=count).map(|id| format!("({id}, {})", row(id))).collect();
        format!("INSERT INTO {table} VALUES {};\n", rows.join(", "))
    };
    [
        list("users", USERS, &|id| format!("'user {id}', 'user{id}@example.org', '2024-01-01 00:00:{:02}'", id % 60)),
        list("products", PRODUCTS, &|id| {
            format!("'product {id}', '{}', {}, {}", CATEGORIES[id % CATEGORIES.len()], id * 1_237 % 10_000, id % 17)
        }),
        list("orders", ORDERS, &|id| {
            format!("{}, '{}', '2024-01-02 00:00:{:02}'", id * 7 % USERS * 2 / 3 + 1, STATUSES[id % STATUSES.len()], id % 60)
        }),
        list("order_items", ITEMS, &|id| {
            format!("{}, {}, {}, {}", id * 11 % ORDERS + 1, id * 13 % PRODUCTS + 1, id % 5 + 1, id * 997 % 10_000)
        }),
        list("reviews", REVIEWS, &|id| match id % 3 {
            0 => format!("{}, NULL, NULL", id * 3 % PRODUCTS + 1),
            1 => format!("NULL, 'review {id}', {}.25", id % 5),
            _ => format!("{}, '', {}", id * 3 % PRODUCTS + 1, id % 5),
        }),
        list("campaigns", CAMPAIGNS, &|id| format!("'campaign {id}'")),
        list("notices", CAMPAIGNS, &|id| format!("{}, 'notice {id}'", id * 7 % CAMPAIGNS + 1)),
        "INSERT INTO shifting VALUES (1), (2)".to_owned(),
    ]
    .concat()
}
