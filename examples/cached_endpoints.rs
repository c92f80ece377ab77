//! Endpoints whose answers are cached, with headers that say so, and ready-made ones to look after the cache.
//!
//!     cargo run --example cached_endpoints --features axum
//!
//! Sends requests to itself, prints what it got, and ends. With `REDIS_URL` all processes share the answers; with a Redis that is down every answer is a MISS, and right.

mod habits;

use axum::body::{Body, to_bytes};
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use habits::{Db, Failure, Result};
use serde::{Deserialize, Serialize};
use sqlx_cached::http::{Authorization, CacheStatusLayer, admin};
use sqlx_cached::segment;
use std::time::Duration;
use tower::ServiceExt;

const PAGED: Duration = Duration::from_mins(5);
const SYSTEM_INFO: Duration = Duration::from_mins(1);
/// A program reads it from where it keeps its secrets.
const TOKEN: &str = "letmein";

#[tokio::main]
async fn main() -> Result {
    let (db, _directory) = habits::database(
        "CREATE TABLE titles (id INTEGER PRIMARY KEY, name TEXT NOT NULL, size INTEGER NOT NULL);
         WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 500)
         INSERT INTO titles SELECT i, 'Title ' || i, i * 7919 % 1000 FROM n",
    )
    .await?;
    let caching = habits::caching(&db.cache()).await;
    db.cache().clear().await;
    let app = app(db.clone())?;
    let hit = if caching { "HIT" } else { "MISS" };
    // What has no answer without the store says so; the invalidation is kept until it can be delivered.
    let done = if caching { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };

    let page = "/api/library/paged?page=2&per_page=20&sort_by=name&order=asc";
    let first = expect(&app, page, "MISS").await?;
    assert_eq!(expect(&app, page, hit).await?, first);
    expect(&app, "/api/library/paged?page=3&per_page=20&sort_by=name&order=asc", "MISS").await?;
    expect(&app, "/api/system/info", "MISS").await?;
    expect(&app, "/api/system/info", hit).await?;

    // Where nobody thinks of the cache: the pages depend on the table.
    sqlx::query("UPDATE titles SET name = 'A new name' WHERE id = 1").execute(&db).await?;
    assert_ne!(expect(&app, "/api/library/paged?page=1&per_page=20&sort_by=name&order=asc", "MISS").await?, first);
    expect(&app, page, "MISS").await?;

    // And where somebody does.
    expect(&app, page, hit).await?;
    assert_eq!(send(&app, Request::post("/api/cache/invalidate/titles"), TOKEN).await?.0, done);
    expect(&app, page, "MISS").await?;
    assert_eq!(send(&app, Request::post("/api/cache/clear?values=true"), TOKEN).await?.0, done);
    expect(&app, "/api/system/info", "MISS").await?;

    let (status, _, info) = send(&app, Request::get("/api/cache/info"), TOKEN).await?;
    println!("{info}");
    let info: serde_json::Value = serde_json::from_str(&info)?;
    assert_eq!((status, info["caching"] == true), (StatusCode::OK, caching));
    let stats =
        async || Ok::<serde_json::Value, Failure>(serde_json::from_str(&send(&app, Request::get("/api/cache/stats"), TOKEN).await?.2)?);
    assert_eq!(stats().await?["values"]["hits"], if caching { 3 } else { 0 });
    send(&app, Request::post("/api/cache/reset-stats"), TOKEN).await?;
    assert_eq!(stats().await?["values"]["hits"], 0);
    // The dashboard, for a browser: `/api/cache`, any name, the token as the password.
    let (status, headers, _) = send(&app, Request::get("/api/cache"), TOKEN).await?;
    assert!(status == StatusCode::OK && headers["Content-Type"] == "text/html; charset=utf-8");
    assert_eq!(send(&app, Request::get("/api/cache/info"), "stranger").await?.0, StatusCode::UNAUTHORIZED);
    Ok(())
}

fn app(db: Db) -> Result<Router> {
    let admin = admin(&db, Authorization::bearer(TOKEN)?);
    Ok(Router::new()
        .route("/api/library/paged", get(paged).layer(CacheStatusLayer::new().public(PAGED)))
        .route("/api/system/info", get(system_info).layer(CacheStatusLayer::new().public(SYSTEM_INFO)))
        .with_state(db)
        .nest_service("/api/cache", admin))
}

#[derive(Deserialize)]
struct Wanted {
    page: i64,
    per_page: i64,
    sort_by: String,
    order: String,
}

#[derive(Serialize, Deserialize, sqlx::FromRow)]
struct Title {
    id: i64,
    name: String,
    size: i64,
}

/// The key names whatever the answer depends on; each part that a caller gives is one part of it.
async fn paged(State(db): State<Db>, Query(page): Query<Wanted>) -> Result<Json<Vec<Title>>, Failed> {
    let (column, descending) = (if page.sort_by == "size" { "size" } else { "name" }, page.order == "desc");
    let key = format!("library_paged:{}:{}:{}:{}", page.page, page.per_page, segment(&page.sort_by), segment(&page.order));
    let titles = db
        .cache()
        .time_to_live(PAGED)
        .depends_on(["titles"])
        .get_or_set(&key, || {
            let mut query = sqlx::QueryBuilder::new("SELECT id, name, size FROM titles ORDER BY ");
            query.push(column).push(if descending { " DESC" } else { "" }).push(", id LIMIT ").push_bind(page.per_page);
            query.push(" OFFSET ").push_bind((page.page - 1) * page.per_page);
            // Cached as a whole below: the query's own answer need not be kept as well.
            let db = db.uncached();
            async move { query.build_query_as::<Title>().fetch_all(&db).await }
        })
        .await?;
    Ok(Json(titles))
}

/// Nothing of a database: a value that is computed, and kept for a minute.
async fn system_info(State(db): State<Db>) -> Result<Json<serde_json::Value>, Failed> {
    let info = async || {
        Ok::<_, sqlx::Error>(
            serde_json::json!({ "version": env!("CARGO_PKG_VERSION"), "threads": std::thread::available_parallelism()?.get() }),
        )
    };
    Ok(Json(db.cache().time_to_live(SYSTEM_INFO).get_or_set("system_info", info).await?))
}

struct Failed(Failure);

impl<E: Into<Failure>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.0.to_string()).into_response()
    }
}

async fn send(app: &Router, request: axum::http::request::Builder, token: &str) -> Result<(StatusCode, HeaderMap, String)> {
    let request = if token.is_empty() { request } else { request.header("Authorization", format!("Bearer {token}")) };
    let response = app.clone().oneshot(request.body(Body::empty())?).await?;
    let (parts, body) = response.into_parts();
    Ok((parts.status, parts.headers, String::from_utf8(to_bytes(body, usize::MAX).await?.into())?))
}

/// Sends a request whose answer must be this; returns its body.
async fn expect(app: &Router, uri: &str, hit_or_miss: &str) -> Result<String> {
    let (status, headers, body) = send(app, Request::get(uri), "").await?;
    println!("{uri}: {status}, X-Cache: {:?}, Cache-Control: {:?}, {} bytes", headers["X-Cache"], headers["Cache-Control"], body.len());
    assert!(status == StatusCode::OK && headers["X-Cache"] == hit_or_miss, "{uri}: {status} {headers:?} {body}");
    Ok(body)
}
