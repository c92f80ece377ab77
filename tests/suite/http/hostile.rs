//! Whatever is sent, there is an answer, and what is hostile in it is text.

use super::kit::{HOSTILE, Shop, get, post, request, send};
use axum::body::Body;
use axum::http::{Method, StatusCode};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn a_name_is_never_markup() {
    let shop = Shop::open().await;
    let app = shop.app();
    shop.hostile().await;
    let name = shop.db.stats().tables.keys().next().unwrap().0.clone();
    assert!(name.starts_with("<script>"), "{name}");
    let path = format!("/cache/invalidate/{}", encoded(HOSTILE));
    for (answer, kind) in [
        (get(&app, "/cache/stats").await, "application/json"),
        (get(&app, "/cache/keys").await, "application/json"),
        (get(&app, &format!("/cache/explain?sql={}", encoded(HOSTILE))).await, "application/json"),
        (post(&app, &path).await, "application/json"),
        (get(&app, &format!("/cache/charts/{}", encoded(HOSTILE))).await, "application/json"),
        (get(&app, &format!("/cache/{}", encoded(HOSTILE))).await, "application/json"),
        (get(&app, &format!("/cache/keys?limit={}", encoded(HOSTILE))).await, "application/json"),
    ] {
        assert_eq!((answer.header("content-type"), answer.header("x-content-type-options")), (kind, "nosniff"), "{}", answer.body);
    }
    shop.hostile().await;
    assert_eq!(shop.db.stats().misses, 2, "it was invalidated by its name");
    post(&app, &format!("/cache/invalidate/{}", encoded(&name))).await;
    shop.hostile().await;
    assert_eq!(shop.db.stats().misses, 3, "and as keys and counters spell it");
    shop.hostile().await;
    assert_eq!(shop.db.stats().misses, 3);
    let page = get(&app, "/cache").await.body;
    assert!(!page.contains("owned"), "nothing of the data is in the page");
}

#[tokio::test]
async fn odd_names_and_statements_are_no_faults() {
    let shop = Shop::open().await;
    let app = shop.app();
    let long = "a".repeat(10_000);
    for name in
        ["", " ", "*", "_all", "_schema", "a:b", "a/b", "..", "\"", "\0", "\r\nX-Evil: 1", "\u{202e}", "é", "main.books", long.as_str()]
    {
        for answer in [
            post(&app, &format!("/cache/invalidate/{}", encoded(name))).await,
            get(&app, &format!("/cache/explain?sql={}", encoded(name))).await,
            send(&app, request(Method::POST, "/cache/explain", name.to_owned())).await,
            get(&app, &format!("/cache/keys?pattern=sql:{}", encoded(name))).await,
            get(&app, &format!("/cache/keys?pattern={}", encoded(name))).await,
            get(&app, &format!("/cache/charts/{}", encoded(name))).await,
        ] {
            assert!(!answer.status.is_server_error(), "{name:?}: {} {}", answer.status, answer.body);
            assert!(!answer.headers.contains_key("x-evil"));
        }
    }
    shop.title(1).await;
}

/// Paths, queries and bodies that nobody means.
#[tokio::test]
async fn noise_is_answered() {
    let shop = Shop::open().await;
    let app = shop.app();
    let mut random = SmallRng::seed_from_u64(7);
    let parts = [
        "/keys",
        "/explain",
        "/invalidate/",
        "/charts/",
        "/charts/reads",
        "/clear",
        "/info",
        "?",
        "&",
        "=",
        "limit=",
        "pattern=",
        "sql=",
        "width=",
        "sql:*",
        "%",
        "%ff",
        "%00",
        "99999999999999999999",
        "-1",
        "true",
        "books",
        "(",
    ];
    for _ in 0..2000 {
        let path: String = (0..random.random_range(1..8)).map(|_| parts[random.random_range(0..parts.len())]).collect();
        let Ok(uri) = format!("/cache{path}").parse::<axum::http::Uri>() else { continue };
        let method = if random.random() { Method::GET } else { Method::POST };
        let body: Vec<u8> = (0..random.random_range(0..64)).map(|_| random.random()).collect();
        let answer = send(&app, request(method.clone(), &uri.to_string(), Body::from(body))).await;
        assert!(!answer.status.is_server_error(), "{method} {uri}: {} {}", answer.status, answer.body);
        assert_ne!(answer.status, StatusCode::UNAUTHORIZED);
    }
}
