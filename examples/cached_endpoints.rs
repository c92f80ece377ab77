//! Endpoints whose answers are cached, with headers that say so, and endpoints to look after the cache.
//!
//!     cargo run --example cached_endpoints
//!
//! Sends requests to itself, prints what it got, and ends. With `REDIS_URL` all processes share the answers; with a Redis that is down every answer is a MISS, and right.

mod habits;

use axum::body::{Body, to_bytes};
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use habits::{Db, Failure, Result};
use serde::{Deserialize, Serialize};
use sqlx_cached::segment;
use std::time::Duration;
use tower::ServiceExt;

const PAGED: Duration = Duration::from_mins(5);
const SYSTEM_INFO: Duration = Duration::from_mins(1);
const ADMIN: &str = "Bearer admin";

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
    let app = app(db.clone());
    let hit = if caching { "HIT" } else { "MISS" };

    let page = "/api/library/paged?page=2&per_page=20&sort_by=name&order=asc";
    let first = expect(&app, get_(page), "MISS").await?;
    assert_eq!(expect(&app, get_(page), hit).await?, first);
    expect(&app, get_("/api/library/paged?page=3&per_page=20&sort_by=name&order=asc"), "MISS").await?;
    expect(&app, get_("/api/system/info"), "MISS").await?;
    expect(&app, get_("/api/system/info"), hit).await?;

    // Where nobody thinks of the cache: the pages depend on the table.
    sqlx::query("UPDATE titles SET name = 'A new name' WHERE id = 1").execute(&db).await?;
    assert_ne!(expect(&app, get_("/api/library/paged?page=1&per_page=20&sort_by=name&order=asc"), "MISS").await?, first);
    expect(&app, get_(page), "MISS").await?;

    // And where somebody does.
    expect(&app, get_(page), hit).await?;
    assert_eq!(send(&app, post_("/api/cache/invalidate/library")).await?.0, StatusCode::OK);
    expect(&app, get_(page), "MISS").await?;
    assert_eq!(send(&app, post_("/api/cache/clear")).await?.0, StatusCode::OK);
    expect(&app, get_("/api/system/info"), "MISS").await?;

    let (status, _, info) = send(&app, get_("/api/cache/info")).await?;
    println!("{info}");
    let info: serde_json::Value = serde_json::from_str(&info)?;
    assert_eq!((status, info["status"] == "enabled"), (StatusCode::OK, caching));
    assert_eq!(info["stats"]["hits"], if caching { 3 } else { 0 });
    send(&app, post_("/api/cache/reset-stats")).await?;
    assert!(send(&app, get_("/api/cache/info")).await?.2.contains(r#""hits":0"#));
    let stranger = Request::get("/api/cache/info").body(Body::empty())?;
    assert_eq!(send(&app, stranger).await?.0, StatusCode::UNAUTHORIZED);
    Ok(())
}

fn app(db: Db) -> Router {
    let admin = Router::new()
        .route("/api/cache/info", get(cache_info))
        .route("/api/cache/clear", post(async |State(db): State<Db>| Json(db.cache().clear().await)))
        .route("/api/cache/invalidate/library", post(invalidate_library))
        .route("/api/cache/reset-stats", post(async |State(db): State<Db>| db.cache().reset_stats()))
        .layer(from_fn(admins));
    Router::new().route("/api/library/paged", get(paged)).route("/api/system/info", get(system_info)).merge(admin).with_state(db)
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
async fn paged(State(db): State<Db>, Query(page): Query<Wanted>) -> Result<Response, Failed> {
    let (column, descending) = (if page.sort_by == "size" { "size" } else { "name" }, page.order == "desc");
    let key = format!("library_paged:{}:{}:{}:{}", page.page, page.per_page, segment(&page.sort_by), segment(&page.order));
    let mut hit = true;
    let titles = db
        .cache()
        .time_to_live(PAGED)
        .depends_on(["titles"])
        .get_or_set(&key, || {
            hit = false;
            let mut query = sqlx::QueryBuilder::new("SELECT id, name, size FROM titles ORDER BY ");
            query.push(column).push(if descending { " DESC" } else { "" }).push(", id LIMIT ").push_bind(page.per_page);
            query.push(" OFFSET ").push_bind((page.page - 1) * page.per_page);
            // Cached as a whole below: the query's own answer need not be kept as well.
            let db = db.uncached();
            async move { query.build_query_as::<Title>().fetch_all(&db).await }
        })
        .await?;
    Ok(cached(hit, PAGED, &titles))
}

/// Nothing of a database: a value that is computed, and kept for a minute.
async fn system_info(State(db): State<Db>) -> Result<Response, Failed> {
    let mut hit = true;
    let info = db
        .cache()
        .time_to_live(SYSTEM_INFO)
        .get_or_set("system_info", || {
            hit = false;
            async {
                Ok::<_, sqlx::Error>(
                    serde_json::json!({ "version": env!("CARGO_PKG_VERSION"), "threads": std::thread::available_parallelism()?.get() }),
                )
            }
        })
        .await?;
    Ok(cached(hit, SYSTEM_INFO, &info))
}

fn cached(hit: bool, ttl: Duration, body: &impl Serialize) -> Response {
    let headers =
        [("X-Cache", if hit { "HIT" } else { "MISS" }.to_owned()), ("Cache-Control", format!("public, max-age={}", ttl.as_secs()))];
    (headers, Json(body)).into_response()
}

async fn cache_info(State(db): State<Db>) -> Json<serde_json::Value> {
    let (health, stats) = (db.cache().health().await, db.cache().stats());
    let keys = db.cache().keys("*", 100_000).await.map_or(0, |keys| keys.len());
    Json(serde_json::json!({
        "status": if health.is_healthy() { "enabled" } else { "unavailable" },
        "keys": keys,
        "stats": { "hits": stats.hits, "misses": stats.misses, "sets": stats.sets, "deletes": stats.deletes },
    }))
}

async fn invalidate_library(State(db): State<Db>) -> Result<Json<u64>, Failed> {
    let mut deleted = 0;
    for pattern in ["library:*", "library_paged:*", "library_search:*"] {
        deleted += db.cache().delete_pattern(pattern).await?;
    }
    Ok(Json(deleted))
}

async fn admins(headers: HeaderMap, request: Request, next: Next) -> Response {
    if headers.get("Authorization").is_some_and(|token| token == ADMIN) {
        next.run(request).await
    } else {
        StatusCode::UNAUTHORIZED.into_response()
    }
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

fn get_(uri: &str) -> Request {
    Request::get(uri).header("Authorization", ADMIN).body(Body::empty()).unwrap_or_default()
}

fn post_(uri: &str) -> Request {
    Request::post(uri).header("Authorization", ADMIN).body(Body::empty()).unwrap_or_default()
}

async fn send(app: &Router, request: Request) -> Result<(StatusCode, HeaderMap, String)> {
    let response = app.clone().oneshot(request).await?;
    let (parts, body) = response.into_parts();
    Ok((parts.status, parts.headers, String::from_utf8(to_bytes(body, usize::MAX).await?.into())?))
}

/// Sends a request whose answer must be this; returns its body.
async fn expect(app: &Router, request: Request, hit_or_miss: &str) -> Result<String> {
    let uri = request.uri().to_string();
    let (status, headers, body) = send(app, request).await?;
    println!("{uri}: {status}, X-Cache: {:?}, Cache-Control: {:?}, {} bytes", headers["X-Cache"], headers["Cache-Control"], body.len());
    assert!(status == StatusCode::OK && headers["X-Cache"] == hit_or_miss, "{uri}: {status} {headers:?} {body}");
    Ok(body)
}
