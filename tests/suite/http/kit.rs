//! What these tests share: an executor over a few tables, its routes, and requests to them.

use crate::support::Scratch;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use serde_json::Value;
use sqlx::Sqlite;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use sqlx_cached::http::{Authorization, admin};
use sqlx_cached::{Admission, Builder, CachingExecutor};
use tower::ServiceExt;

pub const TOKEN: &str = "correct-horse-battery-staple";

/// A name that would be seen at once where it is taken for markup.
pub const HOSTILE: &str = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">";

pub struct Shop {
    pub db: CachingExecutor<Sqlite>,
    _folder: Scratch,
}

impl Shop {
    pub async fn open() -> Self {
        Self::with(|builder| builder).await
    }

    pub async fn with(configure: impl FnOnce(Builder<Sqlite>) -> Builder<Sqlite>) -> Self {
        let folder = Scratch::new();
        let file = SqliteConnectOptions::new().filename(folder.join("shop.db")).create_if_missing(true);
        let pool = SqlitePool::connect_with(file).await.expect("a database");
        let tables = format!(
            "CREATE TABLE books (id INTEGER PRIMARY KEY, title TEXT NOT NULL);
             INSERT INTO books VALUES (1, 'Emma'), (2, 'Ulysses');
             CREATE TABLE orders (id INTEGER PRIMARY KEY, book_id INTEGER REFERENCES books (id) ON DELETE CASCADE);
             CREATE TABLE \"{}\" (id INTEGER PRIMARY KEY); INSERT INTO \"{0}\" VALUES (1)",
            HOSTILE.replace('"', "\"\"")
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(tables)).execute(&pool).await.expect("tables");
        // Whatever the database answers sooner is passed on otherwise.
        let builder = CachingExecutor::builder(pool).admission(Admission::Always);
        Self { db: configure(builder).build().await.expect("an executor"), _folder: folder }
    }

    pub async fn title(&self, id: i64) -> String {
        sqlx::query_scalar("SELECT title FROM books WHERE id = ?").bind(id).fetch_one(&self.db).await.expect("a title")
    }

    pub async fn hostile(&self) -> i64 {
        let sql = format!("SELECT id FROM \"{}\"", HOSTILE.replace('"', "\"\""));
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&self.db).await.expect("a row")
    }

    /// The routes, below `/cache`, for whoever knows the token.
    pub fn app(&self) -> Router {
        Router::new().nest_service("/cache", admin(&self.db, Authorization::bearer(TOKEN).expect("a token")))
    }
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/json", "{}", self.body);
        serde_json::from_str(&self.body).expect("JSON")
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a header's text"))
    }

    pub fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_else(|| panic!("no error: {}", self.body)).to_owned()
    }
}

pub async fn send(app: &Router, request: Request<Body>) -> Answer {
    let (parts, body) = app.clone().oneshot(request).await.expect("an answer").into_parts();
    let body = to_bytes(body, usize::MAX).await.expect("a body");
    Answer { status: parts.status, headers: parts.headers, body: String::from_utf8(body.into()).expect("UTF-8") }
}

/// A request of somebody who knows the token.
pub fn request(method: Method, path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::builder().method(method).uri(path).header("authorization", format!("Bearer {TOKEN}")).body(body.into()).expect("a request")
}

pub async fn get(app: &Router, path: &str) -> Answer {
    send(app, request(Method::GET, path, Body::empty())).await
}

pub async fn post(app: &Router, path: &str) -> Answer {
    send(app, request(Method::POST, path, Body::empty())).await
}
