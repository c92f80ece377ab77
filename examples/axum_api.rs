//! A small JSON API that was written for a `SqlitePool` and got the executor swapped in.
//!
//!     cargo run --example axum_api                    # http://127.0.0.1:3000, or another PORT
//!     cargo run --example axum_api -- --self-test     # sends requests to itself, and ends
//!
//! The whole diff, against the version with a pool:
//!
//! ```diff
//! -type Db = SqlitePool;
//! +type Db = CachingExecutor<Sqlite>;
//! ```
//!
//! ```diff
//!      let pool = SqlitePool::connect_with(file).await?;
//! -    sqlx::migrate!("migrations/sqlite").run(&pool).await?;
//! -    let db = pool;
//! +    let db = CachingExecutor::from_env(pool).await?;
//! +    db.migrate(&sqlx::migrate!("migrations/sqlite")).await?;
//! ```
//!
//! The statements, the transaction, the handlers, the errors: as they were. (`GET /stats` is new, since there is something to show.) The log tells
//! each hit and miss.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post};
use axum::{Json, Router};
use serde::Deserialize;
use sqlx::Sqlite;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use sqlx_cached::CachingExecutor;
use std::net::Ipv4Addr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

type Db = CachingExecutor<Sqlite>;
type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Result {
    let log = Targets::new().with_target("sqlx_cached", LevelFilter::DEBUG);
    tracing_subscriber::registry().with(tracing_subscriber::fmt::layer().without_time().with_filter(log)).init();

    let directory = tempfile::tempdir()?;
    let file = SqliteConnectOptions::new().filename(directory.path().join("shop.db")).create_if_missing(true);
    let pool = SqlitePool::connect_with(file).await?;
    let db = CachingExecutor::from_env(pool).await?;
    db.migrate(&sqlx::migrate!("migrations/sqlite")).await?;
    data::seed(&db).await?;

    if std::env::args().any(|argument| argument == "--self-test") {
        return self_test(db).await;
    }
    let port = std::env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("http://{}/users/42  /users/42/orders  /products?category=books  /stats", listener.local_addr()?);
    Ok(axum::serve(listener, app(db)).await?)
}

fn app(db: Db) -> Router {
    Router::new()
        .route("/users/{id}", get(user))
        .route("/users/{id}/orders", get(orders))
        .route("/products", get(products))
        .route("/products/{id}", patch(change_product))
        .route("/orders", post(place_order))
        .route("/stats", get(async |State(db): State<Db>| db.stats().to_string()))
        .with_state(db)
}

async fn user(State(db): State<Db>, Path(id): Path<i64>) -> Answer<Json<data::User>> {
    data::user(&db, id).await?.map(Json).ok_or(Failure::NotFound)
}

async fn orders(State(db): State<Db>, Path(user): Path<i64>) -> Answer<Json<Vec<data::Order>>> {
    Ok(Json(data::orders_of(&db, user).await?))
}

#[derive(Deserialize)]
struct Filter {
    category: String,
}

async fn products(State(db): State<Db>, Query(filter): Query<Filter>) -> Answer<Json<Vec<data::Product>>> {
    Ok(Json(data::products(&db, &filter.category).await?))
}

async fn change_product(State(db): State<Db>, Path(id): Path<i64>, Json(change): Json<data::Change>) -> Answer<Json<data::Product>> {
    data::change_product(&db, id, &change).await?.map(Json).ok_or(Failure::NotFound)
}

async fn place_order(State(db): State<Db>, Json(order): Json<data::NewOrder>) -> Answer<(StatusCode, Json<data::Placed>)> {
    let placed = data::place_order(&db, &order).await?.ok_or(Failure::OutOfStock)?;
    Ok((StatusCode::CREATED, Json(placed)))
}

type Answer<T> = std::result::Result<T, Failure>;

enum Failure {
    NotFound,
    OutOfStock,
    Database(sqlx::Error),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND.into_response(),
            Self::OutOfStock => (StatusCode::CONFLICT, "no such user, or not in stock").into_response(),
            Self::Database(error) => {
                eprintln!("{error}");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

/// The data layer. Not a line of it knows of a cache.
mod data {
    use super::Db;
    use serde::{Deserialize, Serialize};
    use sqlx::FromRow;

    #[derive(FromRow, Serialize)]
    pub struct User {
        id: i64,
        name: String,
        email: String,
    }

    #[derive(FromRow, Serialize)]
    pub struct Product {
        id: i64,
        name: String,
        category: String,
        price_cents: i64,
        stock: i64,
    }

    #[derive(FromRow, Serialize)]
    pub struct Order {
        id: i64,
        status: String,
        created_at: String,
        total_cents: i64,
    }

    /// What is left out stays as it is.
    #[derive(Deserialize)]
    pub struct Change {
        price_cents: Option<i64>,
        stock: Option<i64>,
    }

    #[derive(Deserialize)]
    pub struct NewOrder {
        user_id: i64,
        product_id: i64,
        quantity: i64,
    }

    #[derive(Serialize)]
    pub struct Placed {
        id: i64,
    }

    pub async fn user(db: &Db, id: i64) -> sqlx::Result<Option<User>> {
        sqlx::query_as("SELECT id, name, email FROM users WHERE id = ?").bind(id).fetch_optional(db).await
    }

    pub async fn products(db: &Db, category: &str) -> sqlx::Result<Vec<Product>> {
        let sql = "SELECT id, name, category, price_cents, stock FROM products WHERE category = ? ORDER BY id LIMIT 20";
        sqlx::query_as(sql).bind(category).fetch_all(db).await
    }

    pub async fn orders_of(db: &Db, user: i64) -> sqlx::Result<Vec<Order>> {
        sqlx::query_as(
            "SELECT o.id, o.status, o.created_at, SUM(i.quantity * i.price_cents) AS total_cents
             FROM orders o JOIN order_items i ON i.order_id = o.id
             WHERE o.user_id = ? GROUP BY o.id ORDER BY o.id DESC",
        )
        .bind(user)
        .fetch_all(db)
        .await
    }

    pub async fn change_product(db: &Db, id: i64, change: &Change) -> sqlx::Result<Option<Product>> {
        sqlx::query_as(
            "UPDATE products SET price_cents = COALESCE(?, price_cents), stock = COALESCE(?, stock) WHERE id = ?
             RETURNING id, name, category, price_cents, stock",
        )
        .bind(change.price_cents)
        .bind(change.stock)
        .bind(id)
        .fetch_optional(db)
        .await
    }

    /// `None` if there is no such user, no such product, or not enough of it.
    pub async fn place_order(db: &Db, order: &NewOrder) -> sqlx::Result<Option<Placed>> {
        let mut tx = db.begin().await?;
        let price: Option<i64> =
            sqlx::query_scalar("UPDATE products SET stock = stock - ?1 WHERE id = ?2 AND ?1 > 0 AND stock >= ?1 RETURNING price_cents")
                .bind(order.quantity)
                .bind(order.product_id)
                .fetch_optional(&mut *tx)
                .await?;
        let Some(price) = price else { return Ok(None) };
        let placed: Option<i64> = sqlx::query_scalar(
            "INSERT INTO orders (user_id, status, created_at) SELECT id, 'new', datetime('now') FROM users WHERE id = ? RETURNING id",
        )
        .bind(order.user_id)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(id) = placed else { return Ok(None) };
        sqlx::query("INSERT INTO order_items (order_id, product_id, quantity, price_cents) VALUES (?, ?, ?, ?)")
            .bind(id)
            .bind(order.product_id)
            .bind(order.quantity)
            .bind(price)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(Some(Placed { id }))
    }

    pub async fn seed(db: &Db) -> sqlx::Result<()> {
        let mut tx = db.begin().await?;
        sqlx::raw_sql(include_str!("shop/sqlite.sql")).execute(&mut *tx).await?;
        tx.commit().await
    }
}

/// Plays a client: each request with the status that must come, what the answer must contain, and the hits and misses that it must have taken.
async fn self_test(db: Db) -> Result {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(axum::serve(listener, app(db.clone())).into_future());

    let get = |path: &str| format!("GET {path}");
    let script = [
        (get("/users/42"), "", 200, r#""name":"User 42""#, (0, 1)),
        (get("/users/42"), "", 200, r#""name":"User 42""#, (1, 0)),
        (get("/users/4711"), "", 404, "", (0, 1)),
        (get("/users/4711"), "", 404, "", (1, 0)),
        (
            get("/products?category=books"),
            "",
            200,
            r#"{"id":5,"name":"Product 5","category":"books","price_cents":685,"stock":105}"#,
            (0, 1),
        ),
        (get("/products?category=books"), "", 200, r#""price_cents":685"#, (1, 0)),
        ("PATCH /products/5".into(), r#"{"price_cents":699}"#, 200, r#""price_cents":699,"stock":105"#, (0, 0)),
        (
            get("/products?category=books"),
            "",
            200,
            r#"{"id":5,"name":"Product 5","category":"books","price_cents":699,"stock":105}"#,
            (0, 1),
        ),
        (get("/users/42/orders"), "", 200, r#""total_cents""#, (0, 1)),
        (get("/users/42/orders"), "", 200, r#""total_cents""#, (1, 0)),
        ("POST /orders".into(), r#"{"user_id":42,"product_id":5,"quantity":2}"#, 201, r#"{"id":50001}"#, (0, 0)),
        (get("/users/42/orders"), "", 200, r#"[{"id":50001,"status":"new""#, (0, 1)),
        (get("/products?category=books"), "", 200, r#""price_cents":699,"stock":103"#, (0, 1)),
        // A transaction that is rolled back changes nothing, and nothing is forgotten.
        ("POST /orders".into(), r#"{"user_id":4711,"product_id":5,"quantity":2}"#, 409, "", (0, 0)),
        (get("/products?category=books"), "", 200, r#""price_cents":699,"stock":103"#, (1, 0)),
        (get("/users/42"), "", 200, r#""name":"User 42""#, (1, 0)),
    ];
    for (request, body, status, part, (hits, misses)) in script {
        let before = db.stats();
        let answer = send(address, &request, body).await?;
        let after = db.stats();
        let first = answer.lines().next().unwrap_or_default();
        println!("{request} {body} -> {first}");
        let as_it_must = first.contains(&format!(" {status} ")) && answer.contains(part);
        if !as_it_must || (after.hits - before.hits, after.misses - before.misses) != (hits, misses) {
            return Err(format!("expected {status} with {part:?}, {hits} hits and {misses} misses:\n{answer}\n{after}").into());
        }
    }
    println!("\n{}", db.stats());
    Ok(())
}

/// An HTTP client of the smallest sort.
async fn send(address: std::net::SocketAddr, request: &str, body: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let head = format!("{request} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    let content = format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(format!("{head}{content}").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
