//! The dashboard, in a real browser: headless Chromium, which reaches nothing but this machine.

use super::browser::Browser;
use super::kit::{Shop, TOKEN};
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Serves the routes below `/cache`, until it is dropped.
struct Served {
    address: SocketAddr,
    server: JoinHandle<std::io::Result<()>>,
}

impl Served {
    async fn start(shop: &Shop) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { address, server: tokio::spawn(axum::serve(listener, shop.app()).into_future()) }
    }

    /// With the credentials that a browser would ask its user for.
    fn url(&self) -> String {
        format!("http://me:{TOKEN}@{}/cache", self.address)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn text(id: &str, text: &str) -> String {
    format!("document.getElementById({id:?}).textContent === {text:?}")
}

/// Nothing was complained about, and nobody else was asked for anything.
async fn harmless(browser: &Browser, served: &Served) {
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    let own = format!("http://{}/", served.address);
    let requests = browser.requests().await;
    assert!(requests.iter().any(|url| url.ends_with("/cache/stats")), "{requests:?}");
    let foreign: Vec<_> =
        requests.iter().filter(|url| !url.starts_with(&own) && !url.contains(&format!("@{}/cache", served.address))).collect();
    assert!(foreign.iter().all(|url| url.starts_with("data:")), "{foreign:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_shows_what_is_counted_and_does_what_its_buttons_say() {
    let shop = Shop::open().await;
    let served = Served::start(&shop).await;
    let browser = Browser::start(1280, 800, false).await;
    browser.client.goto(&served.url()).await.unwrap();

    // Nothing yet, and it says so.
    browser.until(&text("state", "caching")).await;
    browser.until(&text("hit-ratio-of", "no reads yet")).await;
    browser.until("document.querySelector('[data-chart=reads]').textContent.includes('Nothing to draw yet')").await;
    assert_eq!(browser.value("document.getElementById('tables-note').textContent").await, "No reads yet.");

    // The figures are the executor's.
    for _ in 0..4 {
        shop.title(1).await;
    }
    shop.title(2).await;
    sqlx::query("INSERT INTO orders VALUES (1, 1)").execute(&shop.db).await.unwrap();
    let stats = shop.db.stats();
    assert_eq!((stats.hits, stats.misses), (3, 2));
    for (id, shown) in [
        ("hits", "3"),
        ("misses", "2"),
        ("hit-ratio", "60.0 %"),
        ("hit-ratio-of", "of 5 look-ups"),
        ("invalidations", "1"),
        ("stale-of", "none checked yet"),
    ] {
        browser.until(&text(id, shown)).await;
    }
    let cells = "[...document.querySelectorAll('#tables tr:first-child td')].map((cell) => cell.textContent)";
    assert_eq!(browser.value(cells).await, serde_json::json!(["books", "data", "60.0 %", "3", "2", "2", "Invalidate"]));
    assert_eq!(browser.value("document.querySelector('#slow code').textContent").await, "SELECT title FROM books WHERE id = ?");
    assert_eq!(browser.value("document.querySelectorAll('#latency tr').length").await, 4);

    // A point comes after ten seconds.
    browser.until("document.querySelector('[data-chart=hit-ratio] svg :is(circle, polyline)')").await;
    let label = browser.value("document.querySelector('[data-chart=hit-ratio] svg').getAttribute('aria-label')").await;
    assert!(label.as_str().unwrap().starts_with("hit ratio in per cent over the last "), "{label}");
    let words = browser.value("document.querySelector('[data-chart=hit-ratio] svg').textContent").await;
    assert!(words.as_str().unwrap().contains("100 %") && words.as_str().unwrap().contains("now"), "{words}");

    // A button asks first, and no is no.
    browser.click("#tables button").await;
    browser.until("document.getElementById('ask').open").await;
    assert_eq!(browser.value("document.getElementById('question').textContent").await, "Forget what depends on books?");
    browser.click("#no").await;
    browser.until("!document.getElementById('ask').open").await;
    shop.title(1).await;
    assert_eq!(shop.db.stats().misses, 2, "nothing was invalidated");
    browser.click("#tables button").await;
    browser.click("#yes").await;
    browser.until(&text("done", "Forgot what depends on books.")).await;
    shop.title(1).await;
    assert_eq!(shop.db.stats().misses, 3, "it was");

    browser.click("#clear").await;
    browser.click("#yes").await;
    browser.until("document.getElementById('done').textContent.startsWith('Forgot everything: ')").await;
    shop.title(1).await;
    assert_eq!(shop.db.stats().misses, 4);
    browser.click("#reset").await;
    browser.click("#yes").await;
    browser.until(&text("done", "The counters are at zero.")).await;
    browser.until(&text("hits", "0")).await;
    assert_eq!(shop.db.stats().misses, 0);

    let statement = browser.client.find(fantoccini::Locator::Id("sql")).await.unwrap();
    statement.send_keys("DELETE FROM books").await.unwrap();
    browser.click("#explain button").await;
    browser.until("document.getElementById('explanation').textContent.includes('orders: ON DELETE CASCADE from books')").await;
    harmless(&browser, &served).await;

    // The server is gone: it says so, and keeps what it showed.
    drop(served);
    browser.until("!document.getElementById('alert').hidden").await;
    browser.until(&text("state", "no answer")).await;
    assert_eq!(browser.value("document.querySelector('#tables td').textContent").await, "books");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_name_is_text_in_the_page() {
    let shop = Shop::open().await;
    shop.hostile().await;
    let name = &shop.db.stats().tables.keys().next().unwrap().0.clone();
    assert!(name.starts_with("<script>") && name.contains("<img"), "{name}");
    let served = Served::start(&shop).await;
    let browser = Browser::start(400, 800, true).await;
    // With a slash at the end it is the same page.
    browser.client.goto(&format!("{}/", served.url())).await.unwrap();
    browser.until(&format!("document.querySelector('#tables td')?.textContent === {name:?}")).await;
    browser.click("#tables button").await;
    browser.until(&format!("document.getElementById('question').textContent === {:?}", format!("Forget what depends on {name}?"))).await;
    browser.click("#yes").await;
    browser.until(&text("done", &format!("Forgot what depends on {name}."))).await;
    shop.hostile().await;
    assert_eq!(shop.db.stats().misses, 2, "that table was invalidated, and no other");
    assert_eq!(browser.value("document.title").await, "sqlx-cached");
    assert_eq!(browser.value("document.querySelectorAll('main script, main img').length").await, 0);
    // Not wider than the window, and as dark as its user likes it.
    assert_eq!(browser.value("document.documentElement.scrollWidth").await, browser.value("window.innerWidth").await);
    assert_eq!(browser.value("getComputedStyle(document.body).backgroundColor").await, "rgb(15, 20, 26)");
    harmless(&browser, &served).await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_without_the_token_sees_nothing() {
    let shop = Shop::open().await;
    let served = Served::start(&shop).await;
    let browser = Browser::start(800, 600, false).await;
    browser.client.goto(&format!("http://me:wrong@{}/cache", served.address)).await.unwrap();
    let source = browser.client.source().await.unwrap();
    assert!(!source.contains("Hit ratio"), "{source}");
    browser.close().await;
}
