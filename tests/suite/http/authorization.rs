//! Nobody gets through who is not let in, by whichever way that is decided; and no other site's page acts in a user's name.

use super::kit::{Answer, Shop, TOKEN, send};
use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sqlx_cached::http::{Authorization, admin};

const ROUTES: [(Method, &str); 14] = [
    (Method::GET, ""),
    (Method::GET, "/"),
    (Method::GET, "/info"),
    (Method::GET, "/stats"),
    (Method::GET, "/history"),
    (Method::GET, "/charts/reads"),
    (Method::GET, "/keys"),
    (Method::GET, "/explain?sql=SELECT+1"),
    (Method::POST, "/explain"),
    (Method::POST, "/clear"),
    (Method::POST, "/invalidate/books"),
    (Method::POST, "/reset-stats"),
    (Method::GET, "/nothing"),
    (Method::DELETE, "/clear"),
];

async fn ask(app: &Router, method: &Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let builder = Request::builder().method(method.clone()).uri(format!("/cache{path}"));
    let builder = headers.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value));
    send(app, builder.body(Body::empty()).unwrap()).await
}

fn basic(pair: &str) -> String {
    format!("Basic {}", STANDARD.encode(pair))
}

#[tokio::test]
async fn every_route_is_behind_the_token() {
    let shop = Shop::open().await;
    let app = shop.app();
    shop.title(1).await;
    let wrong = [
        String::new(),
        "Bearer".to_owned(),
        "Bearer wrong".to_owned(),
        format!("Bearer {}", &TOKEN[1..]),
        format!("Bearer {TOKEN}x"),
        format!("Bearer {}", TOKEN.to_uppercase()),
        TOKEN.to_owned(),
        basic(TOKEN),
        basic(&format!("{TOKEN}:")),
        basic("me:wrong"),
    ];
    for (method, path) in &ROUTES {
        let mut strangers = vec![ask(&app, method, path, &[]).await];
        for wrong in &wrong {
            strangers.push(ask(&app, method, path, &[("authorization", wrong)]).await);
        }
        strangers.push(ask(&app, method, path, &[("authorization", &format!("Bearer {TOKEN}")), ("authorization", "Bearer b")]).await);
        for answer in strangers {
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}");
            let challenges: Vec<_> = answer.headers.get_all("www-authenticate").iter().collect();
            assert_eq!(challenges, [r#"Basic realm="sqlx-cached", charset="UTF-8""#, r#"Bearer realm="sqlx-cached""#]);
            assert_eq!((answer.error().as_str(), answer.header("cache-control")), ("not authorized", "no-store"));
        }
        for right in [format!("Bearer {TOKEN}"), basic(&format!("anyone:{TOKEN}")), basic(&format!(":{TOKEN}"))] {
            let answer = ask(&app, method, path, &[("authorization", &right)]).await;
            assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}");
            for (name, value) in [
                ("cache-control", "no-store"),
                ("x-content-type-options", "nosniff"),
                ("x-frame-options", "DENY"),
                ("referrer-policy", "no-referrer"),
            ] {
                assert_eq!(answer.header(name), value, "{method} {path}");
            }
            assert!(answer.header("content-security-policy").starts_with("default-src 'none'"), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_stranger_changes_nothing() {
    let shop = Shop::open().await;
    let app = shop.app();
    shop.title(1).await;
    for path in ["/clear", "/invalidate/books", "/reset-stats"] {
        assert_eq!(ask(&app, &Method::POST, path, &[]).await.status, StatusCode::UNAUTHORIZED);
    }
    shop.title(1).await;
    assert_eq!((shop.db.stats().hits, shop.db.stats().misses), (1, 1));
}

#[tokio::test]
async fn a_function_decides_by_whatever_it_sees() {
    let shop = Shop::open().await;
    let db = shop.db.clone();
    // It may ask the database itself.
    let authorization = Authorization::by(move |parts| {
        let db = db.clone();
        async move {
            let Some(id) = parts.headers.get("x-book").and_then(|id| id.to_str().ok()?.parse::<i64>().ok()) else { return false };
            let found = sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM books WHERE id = ?").bind(id).fetch_one(&db.uncached()).await;
            parts.uri.path() != "/clear" && found.is_ok_and(|found| found == 1)
        }
    });
    let app = Router::new().nest_service("/cache", admin(&shop.db, authorization));
    assert_eq!(ask(&app, &Method::GET, "/stats", &[("x-book", "1")]).await.status, StatusCode::OK);
    for (method, path, headers) in [
        (Method::GET, "/stats", &[][..]),
        (Method::GET, "/stats", &[("x-book", "9")][..]),
        (Method::POST, "/clear", &[("x-book", "1")][..]),
    ] {
        let answer = ask(&app, &method, path, headers).await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (StatusCode::UNAUTHORIZED, r#"Bearer realm="sqlx-cached""#));
    }
    let nobody = Router::new().nest_service("/cache", admin(&shop.db, Authorization::by(async |_| false)));
    assert_eq!(ask(&nobody, &Method::GET, "/", &[]).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn anyone_is_anyone() {
    let shop = Shop::open().await;
    let app = Router::new().nest_service("/cache", admin(&shop.db, Authorization::anyone()));
    for (method, path) in &ROUTES[..12] {
        let status = ask(&app, method, path, &[]).await.status;
        assert!(status.is_success(), "{method} {path}: {status}");
    }
}

/// What a browser sends by itself must not be enough: a page of another site would empty the cache.
#[tokio::test]
async fn another_sites_page_changes_nothing() {
    let shop = Shop::open().await;
    let app = shop.app();
    let login = basic(&format!("me:{TOKEN}"));
    shop.title(1).await;
    for path in ["/clear", "/invalidate/books", "/reset-stats", "/explain"] {
        for said in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "cross-site"), ("origin", "http://cache.example")],
            &[("origin", "http://other.example")],
            &[("origin", "http://cache.example:81")],
            &[("origin", "null")],
        ] {
            let headers: Vec<_> = [("authorization", login.as_str()), ("host", "cache.example")].iter().chain(said).copied().collect();
            let answer = ask(&app, &Method::POST, path, &headers).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} {said:?}");
            assert!(answer.error().contains("another site"));
        }
    }
    shop.title(1).await;
    assert_eq!((shop.db.stats().hits, shop.db.stats().misses), (1, 1));
    for said in [&[("sec-fetch-site", "same-origin")][..], &[("origin", "https://cache.example")], &[]] {
        let headers: Vec<_> = [("authorization", login.as_str()), ("host", "cache.example")].iter().chain(said).copied().collect();
        assert_eq!(ask(&app, &Method::POST, "/reset-stats", &headers).await.status, StatusCode::OK, "{said:?}");
        assert_eq!(ask(&app, &Method::GET, "/stats", &headers).await.status, StatusCode::OK, "{said:?}");
    }
    // A link on another site's page may be followed.
    let link = [("authorization", login.as_str()), ("sec-fetch-site", "cross-site")];
    assert_eq!(ask(&app, &Method::GET, "", &link).await.status, StatusCode::OK);
}
