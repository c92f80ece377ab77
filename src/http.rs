//! HTTP around the cache (feature `axum`): a [router](admin) to look after it, with a dashboard, and a [layer](CacheStatusLayer) that says on each response where it came from.
//!
#![cfg_attr(feature = "sqlite", doc = "```no_run")]
#![cfg_attr(not(feature = "sqlite"), doc = "```ignore")]
//! use axum::{Router, extract::State, routing::get};
//! use sqlx_cached::{CachingExecutor, http};
//!
//! type Db = CachingExecutor<sqlx::Sqlite>;
//!
//! async fn titles(State(db): State<Db>) -> Result<String, String> {
//!     let titles: Vec<String> =
//!         sqlx::query_scalar("SELECT title FROM books").fetch_all(&db).await.map_err(|error| error.to_string())?;
//!     Ok(titles.join("\n"))
//! }
//!
//! fn app(db: Db, token: &str) -> Result<Router, sqlx_cached::Error> {
//!     let admin = http::admin(&db, http::Authorization::bearer(token)?);
//!     Ok(Router::new()
//!         .route("/titles", get(titles))
//!         .layer(http::CacheStatusLayer::new()) // X-Cache: HIT
//!         .with_state(db)
//!         .nest_service("/cache", admin)) // the dashboard is at /cache
//! }
//! ```

mod authorization;
mod chart;
mod dashboard;
mod failure;
mod guard;
mod keys;
mod layer;
mod routes;
mod subject;

pub use self::authorization::Authorization;
pub use self::layer::{CacheStatusLayer, CacheStatusService};
pub use self::subject::Administered;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};

/// Bytes of the largest statement to explain.
const BODY: usize = 64 << 10;

/// Routes for those who look after the cache. Mount them where you like; a browser finds the dashboard at their root. By `nest_service("/cache", ..)` that is `/cache` and `/cache/`, by `nest("/cache", ..)` the former alone.
///
/// | route | |
/// |---|---|
/// | `GET /` | the dashboard |
/// | `GET /info` | version, settings, how the database and the store are |
/// | `GET /stats` | the counters: `sql` as [`Stats`](crate::Stats), `values` as [`CacheStats`](crate::CacheStats), and the slowest misses |
/// | `GET /history` | the last hour in samples of ten seconds |
/// | `GET /days` | what was counted [by the day](crate::CachingExecutor::days), by all processes that share the store |
/// | `GET /metrics` | an executor's [metrics](crate::metrics) in Prometheus' text format, without the labels `backend` and `cache` |
/// | `GET /charts/{name}?width=` | `hit-ratio`, `reads`, `writes` or `freshness` as SVG, 240 to 1600 pixels wide; 204 as long as there is nothing to draw |
/// | `GET /keys?pattern=&limit=` | keys that match a glob pattern, which begins with the namespace or the prefix: `sql:users:*`, `kv:*`, or `sql:*` if none is given; 100 of them, or up to 1000. Takes a SCAN of the store |
/// | `GET /explain?sql=`, `POST /explain` | what the cache makes of a statement, in the query or as the body, of at most 64 KiB |
/// | `POST /clear?values=` | forgets all answers, and with `values=true` plain values, too: counters among them, [queues](crate::WriteBehind) not |
/// | `POST /invalidate/{table}` | forgets what depends on a table |
/// | `POST /reset-stats` | sets the counters to zero |
///
/// Answers are JSON, errors too: `{ "error": ... }` with 400 for what can't be meant, 401 for strangers, 403 for other sites' pages, 413 for a body that is too large, 501 for what this cache can't do, 503 for a store that is out of
/// reach. No password, argument or value is shown; why the database or the store does not answer is shown in their drivers' words. What is slow is shown as its statement's text, without arguments: literals in it are shown.
///
/// The routes are about an executor and all of its clones; a clone's [`scope`](crate::CachingExecutor::scope) narrows which plain values they show and clear. For a [`Cache`](crate::Cache) without a database there is no history, and nothing to
/// explain.
///
/// # Other sites' pages
///
/// A browser sends its user's credentials along with whatever request any page makes. What is not GET or HEAD is therefore refused where the browser says that a page of another origin sent it (`Sec-Fetch-Site`, else `Origin`
/// compared with `Host`). A proxy in front must pass `Host` on, or be reached over HTTPS. No answer may be kept by a cache, shown in a frame, or taken for another type than it has.
pub fn admin(subject: &impl Administered, authorization: Authorization) -> Router {
    // The last layer is the first to see a request.
    routes::routes(subject::sealed::Subjects::subject(subject))
        .layer(DefaultBodyLimit::max(BODY))
        .layer(from_fn(guard::same_site))
        .layer(from_fn_with_state(authorization, authorization::authorize))
        .layer(from_fn(guard::headers))
}
