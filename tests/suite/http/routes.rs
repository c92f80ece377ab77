//! Each route says and does what it is for.

use super::kit::{Shop, get, post, request, send};
use crate::support::Redis;
use axum::Router;
use axum::body::Body;
use axum::http::{Method, StatusCode};
use serde_json::json;
use sqlx_cached::http::{Authorization, admin};
use sqlx_cached::{Cache, CachingExecutor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test]
async fn stats_are_the_executors_and_can_be_set_to_zero() {
    let shop = Shop::open().await;
    let app = shop.app();
    for _ in 0..3 {
        shop.title(1).await;
    }
    sqlx::query("UPDATE books SET title = 'Emma' WHERE id = 1").execute(&shop.db).await.unwrap();
    shop.db.cache().set("a", &1).await.unwrap();
    shop.db.cache().get::<i32>("a").await.unwrap();
    let stats = get(&app, "/cache/stats").await.json();
    assert_eq!(stats["sql"]["hits"], 2);
    assert_eq!(stats["sql"]["misses"], 1);
    assert_eq!(stats["sql"]["writes"], 1);
    assert_eq!(stats["sql"]["tables"][0]["table"], "books");
    assert_eq!(stats["sql"]["latency"]["miss"]["count"], 1);
    assert!((stats["hit_ratio"].as_f64().unwrap() - 2.0 / 3.0).abs() < 1e-9);
    assert_eq!(stats["slow_misses"][0]["sql"], "SELECT title FROM books WHERE id = ?");
    assert_eq!((&stats["values"]["hits"], &stats["values"]["sets"]), (&json!(1), &json!(1)));

    assert_eq!(post(&app, "/cache/reset-stats").await.json(), json!({ "reset": true }));
    let stats = get(&app, "/cache/stats").await.json();
    assert_eq!((&stats["sql"]["hits"], &stats["values"]["hits"], &stats["slow_misses"]), (&json!(0), &json!(0), &json!([])));
    assert_eq!(shop.db.stats().misses, 0);
    assert_eq!(get(&app, "/cache/history").await.json(), serde_json::to_value(shop.db.history()).unwrap());
}

#[tokio::test]
async fn info_says_how_things_are_and_how_they_are_set() {
    let shop =
        Shop::with(|builder| builder.namespace("library").ttl(sqlx_cached::Category::Data, std::time::Duration::from_secs(42))).await;
    let info = get(&shop.app(), "/cache/info").await.json();
    assert_eq!(info["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&info["database"], &info["caching"]), (&json!("SQLite"), &json!(true)));
    assert!(info["health"]["database"]["seconds"].as_f64().unwrap() > 0.0, "{info}");
    assert_eq!(info["health"]["breaker_open"], false);
    let settings = &info["settings"];
    assert_eq!((&settings["CACHE_NAMESPACE"], &settings["CACHE_TTL_DATA"]), (&json!("library"), &json!("42s")));
    assert_eq!((&settings["CACHE_CONSISTENCY"], &settings["REDIS_URL"]), (&json!("fenced"), &json!("none")));
}

#[tokio::test]
async fn clearing_and_invalidating_end_answers() {
    let shop = Shop::open().await;
    let app = shop.app();
    let misses = async || {
        shop.title(1).await;
        let misses = shop.db.stats().misses;
        shop.db.reset_stats();
        misses
    };
    assert_eq!((misses().await, misses().await), (1, 0));
    assert_eq!(post(&app, "/cache/invalidate/books").await.json(), json!({ "invalidated": "books" }));
    assert_eq!((misses().await, misses().await), (1, 0));
    assert_eq!(post(&app, "/cache/invalidate/main%2Ebooks").await.status, StatusCode::OK);
    assert_eq!((misses().await, misses().await), (1, 0));
    // What a foreign key brings about reaches orders, and not books.
    post(&app, "/cache/invalidate/orders").await;
    assert_eq!(misses().await, 0);
    shop.db.cache().set("counter", &1).await.unwrap();
    assert!(post(&app, "/cache/clear").await.json()["deleted"].as_u64().unwrap() > 0);
    assert_eq!((misses().await, misses().await), (1, 0));
    assert!(shop.db.cache().exists("counter").await.unwrap(), "plain values are cleared only where that is said");
    post(&app, "/cache/clear?values=true").await;
    assert!(!shop.db.cache().exists("counter").await.unwrap());
    assert_eq!(misses().await, 1);
}

#[tokio::test]
async fn keys_are_those_of_a_pattern_and_never_others() {
    let redis = Redis::start();
    let shop = Shop::with(|builder| builder.redis_url(&redis.url())).await;
    let app = shop.app();
    for id in 1..=5 {
        shop.db.cache().set(&format!("n:{id}"), &id).await.unwrap();
    }
    redis.cli::<String>(&["SET", "others", "1"]);
    redis.cli::<String>(&["SET", "kvothers", "1"]);
    shop.title(1).await;
    let keys = get(&app, "/cache/keys").await.json();
    let names: Vec<_> = keys["keys"].as_array().unwrap().iter().filter_map(|key| key.as_str()).collect();
    assert!(names.iter().any(|key| key.starts_with("sql:books:data:")), "{names:?}");
    assert!(names.iter().all(|key| key.starts_with("sql:")) && keys["truncated"] == false, "{names:?}");
    let keys = get(&app, "/cache/keys?pattern=kv:n:*&limit=3").await.json();
    assert_eq!((keys["keys"].as_array().unwrap().len(), &keys["truncated"]), (3, &json!(true)));
    let keys = get(&app, "/cache/keys?pattern=kv:n:*&limit=5").await.json();
    assert_eq!((keys["keys"].as_array().unwrap().len(), &keys["truncated"]), (5, &json!(false)));
    for path in ["?pattern=*", "?pattern=others", "?pattern=kv*", "?pattern=sq?:*", "?limit=0", "?limit=1001", "?limit=many", "?limit=-1"] {
        let answer = get(&app, &format!("/cache/keys{path}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
        assert!(!answer.error().is_empty());
    }
}

#[tokio::test]
async fn statements_are_explained_however_they_come() {
    let shop = Shop::open().await;
    let app = shop.app();
    let by_query = get(&app, "/cache/explain?sql=SELECT%20title%20FROM%20books").await.json();
    assert_eq!(by_query["explanation"]["read"]["cached"]["tables"], json!(["books"]));
    assert_eq!(by_query["text"], shop.db.explain("SELECT title FROM books").to_string());
    let by_body = send(&app, request(Method::POST, "/cache/explain", "DELETE FROM books")).await.json();
    assert!(by_body["text"].as_str().unwrap().contains("ON DELETE CASCADE from books"), "{by_body}");
    assert_eq!(get(&app, "/cache/explain").await.status, StatusCode::BAD_REQUEST);
    let largest = "x".repeat(64 << 10);
    assert_eq!(send(&app, request(Method::POST, "/cache/explain", largest.clone())).await.status, StatusCode::OK);
    let answer = send(&app, request(Method::POST, "/cache/explain", largest + "x")).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(!answer.error().is_empty());
    assert_eq!(send(&app, request(Method::POST, "/cache/explain", vec![0xff, 0xfe])).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_store_out_of_reach_is_said_and_nothing_hangs() {
    let redis = Redis::start();
    let shop = Shop::with(|builder| builder.redis_url(&redis.url())).await;
    let app = shop.app();
    shop.title(1).await;
    drop(redis);
    for (method, path) in [(Method::POST, "clear"), (Method::POST, "invalidate/books"), (Method::GET, "keys")] {
        let answer = send(&app, request(method, &format!("/cache/{path}"), Body::empty())).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}: {}", answer.body);
        assert!(!answer.error().is_empty());
    }
    let info = get(&app, "/cache/info").await;
    assert_eq!(info.status, StatusCode::OK);
    assert_eq!(info.json()["caching"], false);
    assert!(info.json()["health"]["store"]["error"].is_string(), "{}", info.body);
    assert_eq!(get(&app, "/cache/stats").await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_is_not_there_and_what_is_not_to_be_done_is_said() {
    let shop = Shop::open().await;
    let app = shop.app();
    for (method, path, status) in [
        (Method::GET, "clear", StatusCode::METHOD_NOT_ALLOWED),
        (Method::GET, "invalidate/books", StatusCode::METHOD_NOT_ALLOWED),
        (Method::GET, "reset-stats", StatusCode::METHOD_NOT_ALLOWED),
        (Method::POST, "stats", StatusCode::METHOD_NOT_ALLOWED),
        (Method::POST, "", StatusCode::METHOD_NOT_ALLOWED),
        (Method::DELETE, "keys", StatusCode::METHOD_NOT_ALLOWED),
        (Method::GET, "nothing", StatusCode::NOT_FOUND),
        (Method::POST, "invalidate/", StatusCode::NOT_FOUND),
        (Method::GET, "charts/other", StatusCode::NOT_FOUND),
        (Method::GET, "charts/reads?width=wide", StatusCode::BAD_REQUEST),
        (Method::POST, "clear?values=perhaps", StatusCode::BAD_REQUEST),
        (Method::POST, "invalidate/%ff", StatusCode::BAD_REQUEST),
    ] {
        let path = if path.is_empty() { "/cache".to_owned() } else { format!("/cache/{path}") };
        let answer = send(&app, request(method.clone(), &path, Body::empty())).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
        assert!(!answer.error().is_empty(), "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
    }
    shop.title(1).await;
    shop.title(1).await;
    assert_eq!(shop.db.stats().hits, 1, "none of it did anything");
}

#[tokio::test]
async fn an_executor_that_is_switched_off_has_its_routes_as_well() {
    let shop = Shop::with(|builder| builder.enabled(false)).await;
    let app = shop.app();
    shop.title(1).await;
    assert_eq!(get(&app, "/cache/info").await.json()["caching"], false);
    assert_eq!(get(&app, "/cache/stats").await.json()["sql"]["hits"], 0);
    assert_eq!(get(&app, "/cache/keys").await.status, StatusCode::NOT_IMPLEMENTED);
    assert_eq!(post(&app, "/cache/clear").await.json(), json!({ "deleted": 0 }));
}

#[tokio::test]
async fn a_cache_without_a_database_has_those_that_make_sense() {
    let cache = Cache::builder().prefix("shop").build().await.unwrap();
    let app = Router::new().nest_service("/cache", admin(&cache, Authorization::anyone()));
    cache.set("a", &1).await.unwrap();
    cache.scope("other").set("b", &2).await.unwrap();
    assert_eq!(get(&app, "/cache/keys").await.json()["keys"], json!(["shop:a"]));
    assert_eq!(get(&app, "/cache/keys?pattern=shop/other:*").await.json()["keys"], json!(["shop/other:b"]));
    assert_eq!(get(&app, "/cache/keys?pattern=sql:*").await.status, StatusCode::BAD_REQUEST);
    let stats = get(&app, "/cache/stats").await.json();
    assert_eq!((&stats["values"]["sets"], stats.get("sql")), (&json!(2), None));
    assert_eq!(get(&app, "/cache/info").await.json()["caching"], true);
    assert_eq!(get(&app, "/cache/explain?sql=SELECT").await.status, StatusCode::NOT_IMPLEMENTED);
    assert_eq!(get(&app, "/cache/charts/reads").await.status, StatusCode::NO_CONTENT);
    assert_eq!(post(&app, "/cache/clear").await.json(), json!({ "deleted": 2 }));
}

/// The page is at the router's root, with or without a slash, and at a server's root, too.
#[tokio::test]
async fn the_page_is_found_wherever_it_is_mounted() {
    let shop = Shop::open().await;
    let root = admin(&shop.db, Authorization::anyone());
    let nested = Router::new().nest("/cache", root.clone());
    for (app, path) in [(shop.app(), "/cache"), (shop.app(), "/cache/"), (nested, "/cache"), (root, "/")] {
        let page = get(&app, path).await;
        assert_eq!((page.status, page.header("content-type")), (StatusCode::OK, "text/html; charset=utf-8"), "{path}");
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
    }
}

/// As a program runs it: over TCP, by axum's own server.
#[tokio::test]
async fn a_real_server_answers() {
    let shop = Shop::open().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(axum::serve(listener, shop.app()).into_future());
    let ask = async |head: &str| {
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(format!("{head}\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let stranger = ask("GET /cache/stats HTTP/1.1").await;
    assert!(stranger.starts_with("HTTP/1.1 401 "), "{stranger}");
    let known = ask(&format!("GET /cache/stats HTTP/1.1\r\nAuthorization: Bearer {}", super::kit::TOKEN)).await;
    assert!(known.starts_with("HTTP/1.1 200 ") && known.contains("cache-control: no-store"), "{known}");
    let head = ask(&format!("HEAD /cache HTTP/1.1\r\nAuthorization: Bearer {}", super::kit::TOKEN)).await;
    assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
    server.abort();
}

/// Neither where things are nor how to get in.
#[tokio::test]
async fn no_secret_is_told() {
    const SECRET: &str = "hunter2-Tr0ub4dor";
    let redis = Redis::configured().tcp().password(SECRET).start();
    for password in [SECRET, "wrong-hunter2-Tr0ub4dor"] {
        let pool = sqlx::SqlitePool::connect("sqlite::memory:").await.unwrap();
        let url = format!("redis://:{password}@127.0.0.1:{}", redis.port());
        let db = CachingExecutor::builder(pool).redis_url(&url).encryption_keys(&[[7; 32]]).build().await.unwrap();
        let app = Router::new().nest_service("/cache", admin(&db, Authorization::bearer(SECRET).unwrap()));
        for path in ["", "/info", "/stats", "/keys", "/history", "/explain?sql=SELECT+1"] {
            let asked = axum::http::Request::get(format!("/cache{path}")).header("authorization", format!("Bearer {SECRET}"));
            let answer = send(&app, asked.body(Body::empty()).unwrap()).await;
            assert_ne!(answer.status, StatusCode::UNAUTHORIZED);
            let all = format!("{:?} {}", answer.headers, answer.body);
            assert!(!all.contains(SECRET) && !all.contains(&redis.port().to_string()), "{path}: {all}");
        }
    }
}
