//! `X-Cache` and `Cache-Control`.

use super::kit::{Answer, Shop, send};
use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode};
use axum::routing::get;
use sqlx_cached::http::CacheStatusLayer;
use std::convert::Infallible;
use std::time::Duration;
use tower::{Layer, ServiceExt, service_fn};

const MINUTE: Duration = Duration::from_secs(60);

/// What a handler reads, by its path.
fn app(shop: &Shop, layer: CacheStatusLayer) -> Router {
    let (db, uncached, cache) = (shop.db.clone(), shop.db.uncached(), shop.db.cache());
    let read = async |db: &sqlx_cached::CachingExecutor<sqlx::Sqlite>, id: i64| {
        sqlx::query_scalar::<_, String>("SELECT title FROM books WHERE id = ?").bind(id).fetch_one(db).await.expect("a title")
    };
    let both = (db.clone(), uncached.clone());
    let streamed = db.clone();
    let spawned = db.clone();
    Router::new()
        .route("/one", get(async move || read(&db, 1).await))
        .route("/uncached", get(async move || read(&uncached, 1).await))
        .route("/both", get(async move || read(&both.0, 1).await + &read(&both.1, 2).await))
        .route("/value", get(async move || cache.get_or_set("v", async || Ok::<_, sqlx::Error>("v".to_owned())).await.expect("a value")))
        .route("/spawned", get(async move || tokio::spawn(async move { read(&spawned, 1).await }).await.expect("a title")))
        .route(
            "/stream",
            get(async move || {
                let rows = async_stream::stream! { yield Ok::<_, Infallible>(read(&streamed, 1).await) };
                Response::new(Body::from_stream(rows))
            }),
        )
        .route("/nothing", get("nothing").post("nothing"))
        .route("/cookie", get(([("set-cookie", "session=1")], "nothing")))
        .route("/own", get(([("cache-control", "no-cache"), ("x-cache", "OWN")], "nothing")))
        .route("/failed", get(StatusCode::INTERNAL_SERVER_ERROR))
        .route("/moved", get(axum::response::Redirect::to("/one")))
        .layer(layer)
}

async fn ask(app: &Router, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let builder = headers.iter().fold(Request::builder().method(method).uri(path), |builder, (name, value)| builder.header(*name, *value));
    send(app, builder.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn each_response_says_how_its_reads_went() {
    let shop = Shop::open().await;
    let app = app(&shop, CacheStatusLayer::new());
    let status = async |path: &str| ask(&app, Method::GET, path, &[]).await.header("x-cache").to_owned();
    assert_eq!((status("/one").await, status("/one").await), ("MISS".into(), "HIT".into()));
    sqlx::query("UPDATE books SET title = 'Emma' WHERE id = 1").execute(&shop.db).await.unwrap();
    assert_eq!((status("/one").await, status("/one").await), ("MISS".into(), "HIT".into()));
    assert_eq!(status("/uncached").await, "BYPASS");
    assert_eq!(status("/both").await, "BYPASS", "a hit and a bypass");
    shop.db.clear().await.unwrap();
    assert_eq!(status("/both").await, "MISS", "a miss and a bypass");
    assert_eq!((status("/value").await, status("/value").await), ("MISS".into(), "HIT".into()));
    assert_eq!(status("/own").await, "OWN");
    for path in ["/nothing", "/failed", "/absent", "/stream", "/spawned"] {
        let answer = ask(&app, Method::GET, path, &[]).await;
        assert!(!answer.headers.contains_key("x-cache") && !answer.headers.contains_key("cache-control"), "{path}: {:?}", answer.headers);
    }
    // Requests at the same time are kept apart.
    let (one, nothing, value) = tokio::join!(status("/one"), status("/nothing"), status("/uncached"));
    assert_eq!((one.as_str(), nothing.as_str(), value.as_str()), ("HIT", "", "BYPASS"));
}

#[tokio::test]
async fn cache_control_is_set_where_the_response_may_be_kept() {
    let shop = Shop::open().await;
    let private = app(&shop, CacheStatusLayer::new().private(MINUTE));
    let public = app(&shop, CacheStatusLayer::new().public(MINUTE));
    let said = async |app: &Router, method: Method, path: &str, headers: &[(&str, &str)]| {
        ask(app, method, path, headers).await.header("cache-control").to_owned()
    };
    for path in ["/one", "/nothing", "/value"] {
        assert_eq!(said(&private, Method::GET, path, &[]).await, "private, max-age=60");
        assert_eq!(said(&public, Method::GET, path, &[]).await, "public, max-age=60");
        assert_eq!(said(&public, Method::HEAD, path, &[]).await, "public, max-age=60");
        // Who asks with credentials may be told what others may not.
        for credentials in [("authorization", "Bearer x"), ("cookie", "session=1")] {
            assert_eq!(said(&public, Method::GET, path, &[credentials]).await, "private, max-age=60");
        }
    }
    for app in [&private, &public] {
        for path in ["/cookie", "/failed", "/moved", "/absent"] {
            assert_eq!(said(app, Method::GET, path, &[]).await, "", "{path}");
        }
        assert_eq!(said(app, Method::POST, "/nothing", &[]).await, "");
        assert_eq!(said(app, Method::GET, "/own", &[]).await, "no-cache");
    }
    for (time, seconds) in [(Duration::ZERO, "0"), (Duration::from_millis(1999), "1"), (Duration::MAX, "2147483648")] {
        let app = app(&shop, CacheStatusLayer::new().private(time));
        assert_eq!(said(&app, Method::GET, "/nothing", &[]).await, format!("private, max-age={seconds}"));
    }
}

/// Nothing of axum is needed around it.
#[tokio::test]
async fn any_tower_service_will_do() {
    let shop = Shop::open().await;
    let db = shop.db.clone();
    let service = service_fn(move |request: Request<String>| {
        let db = db.clone();
        async move {
            if request.body() == "fail" {
                return Err("failed");
            }
            let titles: Vec<String> = sqlx::query_scalar("SELECT title FROM books").fetch_all(&db).await.map_err(|_| "no titles")?;
            Ok(Response::new(titles))
        }
    });
    let service = CacheStatusLayer::new().layer(service);
    let ask = async |body: &str| service.clone().oneshot(Request::new(body.to_owned())).await;
    assert_eq!(ask("").await.unwrap().headers()["x-cache"], "MISS");
    let hit = ask("").await.unwrap();
    assert_eq!((&hit.headers()["x-cache"], hit.body().len()), (&"HIT".parse().unwrap(), 2));
    assert_eq!(ask("fail").await.unwrap_err(), "failed");
}

/// One within another: both see the read, and the inner one says it.
#[tokio::test]
async fn layers_within_layers_agree() {
    let shop = Shop::open().await;
    let app = app(&shop, CacheStatusLayer::new()).layer(CacheStatusLayer::new().public(MINUTE));
    let answer = ask(&app, Method::GET, "/one", &[]).await;
    assert_eq!((answer.header("x-cache"), answer.header("cache-control")), ("MISS", "public, max-age=60"));
    assert_eq!(answer.headers.get_all("x-cache").iter().count(), 1);
}
