//! The reads: every shape of statement, every way to ask for its rows.

use super::{Db, Query, RESULT_IS_COMPARABLE, TypeInfo, sql, value};
use crate::databases::{Random, Snapshot};
use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, Either, Error, Executor, FromRow, QueryBuilder, SqlSafeStr, Statement as _};

/// What an argument is drawn from.
#[derive(Clone, Copy)]
enum Domain {
    User,
    Product,
    Order,
    Item,
    Review,
    Status,
    Category,
    Limit,
    Page,
    Cents,
}
use Domain::{Category, Cents, Item, Limit, Order, Page, Product, Review, Status, User};

#[derive(Clone, Debug)]
pub enum Argument {
    Number(i64),
    Text(String),
}

pub const STATUSES: [&str; 3] = ["new", "paid", "shipped"];
pub const CATEGORIES: [&str; 4] = ["books", "music", "garden", "Äpfel, \"süß\""];

impl Domain {
    fn draw(self, random: &mut Random) -> Argument {
        let (first, count) = match self {
            User => (1, 60),
            Product | Review => (1, 40),
            Order => (1, 80),
            Item => (1, 100),
            Limit => (1, 6),
            Page => (0, 3),
            Cents => (0, 4),
            Status => return Argument::Text((*random.pick(&STATUSES)).to_owned()),
            Category => return Argument::Text(CATEGORIES[random.skewed(CATEGORIES.len())].to_owned()),
        };
        let number = i64::try_from(first + random.skewed(count)).expect("a small number");
        Argument::Number(match self {
            Limit => number * 5,
            Page => number * 10,
            Cents => number * 2_500,
            _ => number,
        })
    }
}

/// How the rows of a shape can be asked for besides as plain rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Typed {
    Not,
    /// `query_as` of a derived [`FromRow`] with `id` and `name`.
    Named,
    /// `query_scalar` of a number.
    Number,
    /// `query_scalar` of a text.
    Text,
    /// `query_as` of a tuple with a derived enum.
    Status,
    /// Read rarely, since it is long.
    Long,
    /// Its columns change from time to time: only for statements that are not kept prepared, which would fail, on the pool as well.
    Shifting,
}

#[derive(Debug, FromRow)]
#[expect(dead_code, reason = "compared as text")]
struct Named {
    id: i64,
    name: String,
}

#[derive(Debug, sqlx::Type)]
#[sqlx(type_name = "order_status", rename_all = "lowercase")]
enum OrderStatus {
    New,
    Paid,
    Shipped,
}

type Shape = (&'static str, &'static [Domain], Typed);

const SHAPES: &[Shape] = &[
    // Point reads.
    ("SELECT id, name, email, created_at FROM users WHERE id = ?", &[User], Typed::Named),
    ("SELECT * FROM products WHERE id = ?", &[Product], Typed::Named),
    ("SELECT * FROM orders WHERE id = ?", &[Order], Typed::Not),
    ("SELECT * FROM order_items WHERE id = ?", &[Item], Typed::Not),
    ("SELECT * FROM reviews WHERE id = ?", &[Review], Typed::Not),
    ("SELECT name FROM users WHERE id = ?", &[User], Typed::Text),
    ("SELECT id, status FROM orders WHERE id = ?", &[Order], Typed::Status),
    ("SELECT stock FROM products WHERE id = ?", &[Product], Typed::Number),
    ("SELECT \"id\", \"name\" AS \"the name, quoted\" FROM \"users\" WHERE \"id\" = ?", &[User], Typed::Not),
    ("SELECT id, name FROM {schema}users WHERE id = ?", &[User], Typed::Named),
    ("SELECT * FROM users WHERE id = ? AND 1 = 0", &[User], Typed::Not),
    // Lists.
    (
        "SELECT id, name, price_cents, stock FROM products WHERE category = ? ORDER BY id LIMIT ? OFFSET ?",
        &[Category, Limit, Page],
        Typed::Named,
    ),
    ("SELECT * FROM users ORDER BY id LIMIT ? OFFSET ?", &[Limit, Page], Typed::Named),
    ("SELECT * FROM orders WHERE user_id = ? ORDER BY id", &[User], Typed::Not),
    ("SELECT id, name FROM users WHERE id IN (?, ?, ?) ORDER BY id", &[User, User, User], Typed::Named),
    ("SELECT DISTINCT category FROM products ORDER BY category", &[], Typed::Text),
    (
        "SELECT id, COALESCE(body, 'nothing') AS body, CASE WHEN rating > 2 THEN 'good' ELSE 'bad' END AS verdict FROM reviews WHERE product_id = ? ORDER BY id",
        &[Product],
        Typed::Not,
    ),
    ("SELECT id, LOWER(name) AS name, LENGTH(email) AS length FROM users WHERE id < ? ORDER BY 2, 1", &[User], Typed::Named),
    ("SELECT * FROM order_items ORDER BY id", &[], Typed::Long),
    // Joins.
    ("SELECT o.id, o.status, u.name FROM orders o JOIN users u ON u.id = o.user_id WHERE o.id = ?", &[Order], Typed::Named),
    ("SELECT o.*, u.* FROM orders o, users u WHERE u.id = o.user_id AND u.id = ? ORDER BY o.id", &[User], Typed::Not),
    (
        "SELECT i.id, p.name, i.quantity FROM order_items i JOIN products p ON p.id = i.product_id JOIN orders o ON o.id = i.order_id WHERE o.id = ? ORDER BY i.id",
        &[Order],
        Typed::Named,
    ),
    (
        "SELECT u.name, p.name, p.category, i.quantity, o.created_at FROM users u JOIN orders o ON o.user_id = u.id JOIN order_items i ON i.order_id = o.id JOIN products p ON p.id = i.product_id WHERE u.id = ? ORDER BY i.id",
        &[User],
        Typed::Not,
    ),
    (
        "SELECT a.id, b.id FROM orders a JOIN orders b ON a.user_id = b.user_id AND a.id < b.id WHERE a.user_id = ? ORDER BY a.id, b.id",
        &[User],
        Typed::Not,
    ),
    (
        "SELECT p.id, p.name, r.body, r.rating FROM products p LEFT JOIN reviews r ON r.product_id = p.id WHERE p.id = ? ORDER BY r.id",
        &[Product],
        Typed::Named,
    ),
    (
        "SELECT c.id, c.name, n.body FROM campaigns c LEFT JOIN notices n ON n.campaign_id = c.id WHERE c.id < ? ORDER BY c.id, n.id",
        &[Review],
        Typed::Not,
    ),
    ("SELECT id, name FROM paid WHERE id < ? ORDER BY id", &[Order], Typed::Named),
    // Aggregates.
    ("SELECT COUNT(*) FROM users", &[], Typed::Number),
    ("SELECT COUNT(*) AS many FROM orders WHERE {status} = ?", &[Status], Typed::Number),
    ("SELECT COUNT(*) FROM notices", &[], Typed::Number),
    (
        "SELECT COUNT(*), SUM(quantity), MIN(price_cents), MAX(price_cents), AVG(quantity) FROM order_items WHERE product_id = ?",
        &[Product],
        Typed::Not,
    ),
    (
        "SELECT category, COUNT(*), SUM(stock) FROM products WHERE price_cents >= ? GROUP BY category HAVING COUNT(*) > 1 ORDER BY category",
        &[Cents],
        Typed::Not,
    ),
    (
        "SELECT u.id, u.name, COUNT(o.id) AS orders FROM users u LEFT JOIN orders o ON o.user_id = u.id WHERE u.id < ? GROUP BY u.id, u.name ORDER BY u.id",
        &[User],
        Typed::Named,
    ),
    (
        "SELECT id, name, ROW_NUMBER() OVER (PARTITION BY category ORDER BY price_cents, id) AS place FROM products WHERE category = ? ORDER BY id",
        &[Category],
        Typed::Named,
    ),
    ("SELECT AVG(rating), COUNT(body) FROM reviews", &[], Typed::Not),
    // Subqueries.
    ("SELECT EXISTS (SELECT 1 FROM orders WHERE user_id = ?)", &[User], Typed::Not),
    (
        "SELECT id, name FROM users u WHERE EXISTS (SELECT 1 FROM orders o WHERE o.user_id = u.id AND {status} = ?) ORDER BY id LIMIT 10",
        &[Status],
        Typed::Named,
    ),
    (
        "SELECT id, name FROM users u WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE o.user_id = u.id) ORDER BY id LIMIT ?",
        &[Limit],
        Typed::Named,
    ),
    (
        "SELECT p.id, p.name, (SELECT COUNT(*) FROM order_items i WHERE i.product_id = p.id) AS sold FROM products p WHERE p.category = ? ORDER BY p.id",
        &[Category],
        Typed::Named,
    ),
    (
        "SELECT id, name FROM products WHERE id IN (SELECT product_id FROM order_items WHERE order_id = ?) ORDER BY id",
        &[Order],
        Typed::Named,
    ),
    (
        "SELECT id, name FROM products WHERE price_cents > (SELECT AVG(price_cents) FROM products WHERE category = ?) ORDER BY id LIMIT 10",
        &[Category],
        Typed::Named,
    ),
    ("SELECT t.id, t.name FROM (SELECT id, name FROM users WHERE id < ?) AS t ORDER BY t.id", &[User], Typed::Named),
    // Common table expressions and set operations.
    (
        "WITH spent AS (SELECT o.user_id, SUM(i.quantity * i.price_cents) AS cents FROM orders o JOIN order_items i ON i.order_id = o.id GROUP BY o.user_id) SELECT u.id, u.name, s.cents FROM spent s JOIN users u ON u.id = s.user_id ORDER BY s.cents DESC, u.id LIMIT ?",
        &[Limit],
        Typed::Named,
    ),
    ("WITH users AS (SELECT id, name FROM products WHERE id < ?) SELECT id, name FROM users ORDER BY id", &[Product], Typed::Named),
    (
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 5) SELECT n.x, COUNT(o.id) FROM n LEFT JOIN orders o ON o.user_id = n.x GROUP BY n.x ORDER BY n.x",
        &[],
        Typed::Not,
    ),
    (
        "SELECT id, name FROM users WHERE id < ? UNION ALL SELECT id, name FROM products WHERE id < ? ORDER BY 1, 2",
        &[User, Product],
        Typed::Named,
    ),
    (
        "SELECT user_id FROM orders WHERE {status} = 'new' UNION SELECT user_id FROM orders WHERE {status} = ? ORDER BY 1",
        &[Status],
        Typed::Not,
    ),
    ("SELECT id FROM users WHERE id < ? EXCEPT SELECT user_id FROM orders ORDER BY 1", &[User], Typed::Not),
    // Hints.
    ("/* cache: off */ SELECT * FROM products WHERE id = ?", &[Product], Typed::Named),
    ("/* cache: ttl=30s */ SELECT * FROM products WHERE id = ?", &[Product], Typed::Named),
    ("SELECT {shifting} FROM shifting ORDER BY 1", &[], Typed::Shifting),
];

/// How the rows are asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Way {
    All,
    One,
    Optional,
    Stream,
    /// A stream that is dropped after so many rows.
    Part(usize),
    Many,
    Statement,
    Unprepared,
    Builder,
    Raw,
    Typed,
}

const WAYS: [Way; 14] = [
    Way::All,
    Way::All,
    Way::All,
    Way::One,
    Way::Optional,
    Way::Optional,
    Way::Stream,
    Way::Many,
    Way::Statement,
    Way::Unprepared,
    Way::Builder,
    Way::Typed,
    Way::Typed,
    Way::Typed,
];

/// One read, as often as one likes.
#[derive(Clone, Debug)]
pub struct Read {
    text: &'static str,
    pub sql: String,
    pub arguments: Vec<Argument>,
    pub way: Way,
    typed: Typed,
}

/// What a read gave.
#[derive(Debug, PartialEq)]
pub enum Answer {
    Rows(Snapshot<TypeInfo>),
    /// With the rows that the database counted for each statement.
    Results(Snapshot<TypeInfo>, Vec<u64>),
    /// Values of types of the caller's own.
    Values(String),
    Error(String),
}

impl Answer {
    /// Where two answers differ.
    pub fn difference(&self, other: &Self) -> Option<String> {
        match (self, other) {
            (Self::Rows(one), Self::Rows(two)) => one.difference(two),
            (Self::Results(one, _), Self::Results(two, _)) if one != two => one.difference(two),
            _ => (self != other).then(|| format!("{self:?} / {other:?}")),
        }
    }
}

impl Read {
    pub fn random(random: &mut Random) -> Self {
        let (text, domains, typed) = loop {
            let shape = random.pick(SHAPES);
            if shape.2 != Typed::Long || random.one_in(10) {
                break *shape;
            }
        };
        let arguments: Vec<_> = domains.iter().map(|domain| domain.draw(random)).collect();
        Self { text, sql: sql(text), arguments, way: Way::All, typed }.in_another_way(random)
    }

    pub fn in_another_way(mut self, random: &mut Random) -> Self {
        self.way = *random.pick(&WAYS);
        if random.one_in(40) {
            self.way = if self.arguments.is_empty() { Way::Raw } else { Way::Part(random.below(3)) };
        }
        if self.typed == Typed::Shifting {
            self.way = Way::Unprepared;
        } else if self.way == Way::Typed && matches!(self.typed, Typed::Not | Typed::Long) {
            self.way = Way::All;
        }
        self
    }

    fn query(&self) -> Query {
        let mut query = sqlx::query(AssertSqlSafe(self.sql.clone()));
        for argument in self.arguments.clone() {
            query = match argument {
                Argument::Number(number) => query.bind(number),
                Argument::Text(text) => query.bind(text),
            };
        }
        query
    }

    /// Reads; the same on the pool and on what stands in its place.
    pub async fn run<'e, E: Executor<'e, Database = Db> + Copy>(&self, executor: E) -> Answer {
        let mut answer = self.answer(executor).await;
        // sqlx loses an unnamed statement when it has to ask a connection about a type it has not met there.
        while self.way == Way::Unprepared && answer.as_ref().is_err_and(|error| code(error).as_deref() == Some("26000")) {
            answer = self.answer(executor).await;
        }
        answer.unwrap_or_else(|error| Answer::Error(format!("{error:?}")))
    }

    async fn answer<'e, E: Executor<'e, Database = Db> + Copy>(&self, executor: E) -> Result<Answer, Error> {
        let rows = match self.way {
            Way::All => self.query().fetch_all(executor).await?,
            Way::One => vec![self.query().fetch_one(executor).await?],
            Way::Optional => self.query().fetch_optional(executor).await?.into_iter().collect(),
            Way::Stream => self.query().fetch(executor).try_collect().await?,
            Way::Part(count) => {
                let mut stream = self.query().fetch(executor);
                let mut rows = Vec::new();
                while rows.len() < count
                    && let Some(row) = stream.try_next().await?
                {
                    rows.push(row);
                }
                rows
            }
            Way::Many => {
                let (mut rows, mut counts) = (Vec::new(), Vec::new());
                let mut steps = executor.fetch_many(self.query());
                while let Some(step) = steps.try_next().await? {
                    match step {
                        Either::Left(result) => counts.push(if RESULT_IS_COMPARABLE { result.rows_affected() } else { 0 }),
                        Either::Right(row) => rows.push(row),
                    }
                }
                return Ok(Answer::Results(Snapshot::of(&rows, value), counts));
            }
            Way::Statement => {
                let statement = executor.prepare(AssertSqlSafe(self.sql.clone()).into_sql_str()).await?;
                let mut query = statement.query();
                for argument in self.arguments.clone() {
                    query = match argument {
                        Argument::Number(number) => query.bind(number),
                        Argument::Text(text) => query.bind(text),
                    };
                }
                query.fetch_all(executor).await?
            }
            Way::Unprepared => self.query().persistent(false).fetch_all(executor).await?,
            Way::Builder => {
                let mut builder = QueryBuilder::<Db>::new("");
                let mut arguments = self.arguments.clone().into_iter();
                for part in self.text.split('?') {
                    builder.push(sql(part));
                    match arguments.next() {
                        Some(Argument::Number(number)) => drop(builder.push_bind(number)),
                        Some(Argument::Text(text)) => drop(builder.push_bind(text)),
                        None => {}
                    }
                }
                builder.build().fetch_all(executor).await?
            }
            Way::Raw => sqlx::raw_sql(AssertSqlSafe(self.sql.clone())).fetch_all(executor).await?,
            Way::Typed => return self.values(executor).await.map(Answer::Values),
        };
        Ok(Answer::Rows(Snapshot::of(&rows, value)))
    }

    async fn values<'e, E: Executor<'e, Database = Db> + Copy>(&self, executor: E) -> Result<String, Error> {
        /// Binds, then reads all or one: the row counts differ, and so do the entries.
        macro_rules! read {
            ($query:expr) => {{
                let mut query = $query;
                for argument in self.arguments.clone() {
                    query = match argument {
                        Argument::Number(number) => query.bind(number),
                        Argument::Text(text) => query.bind(text),
                    };
                }
                if self.arguments.len() == 1 {
                    format!("{:?}", query.fetch_optional(executor).await?)
                } else {
                    format!("{:?}", query.fetch_all(executor).await?)
                }
            }};
        }
        let sql = AssertSqlSafe(self.sql.clone());
        Ok(match self.typed {
            Typed::Number => read!(sqlx::query_scalar::<_, i64>(sql)),
            Typed::Text => read!(sqlx::query_scalar::<_, String>(sql)),
            Typed::Status => read!(sqlx::query_as::<_, (i64, OrderStatus)>(sql)),
            _ => read!(sqlx::query_as::<_, Named>(sql)),
        })
    }
}

fn code(error: &Error) -> Option<String> {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).map(Into::into)
}
