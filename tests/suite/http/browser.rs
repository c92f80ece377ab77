//! A browser of a test's own: headless Chromium behind chromedriver, which reaches this machine and nothing else.

use crate::support::Scratch;
use crate::support::process::{ServerProcess, binary};
use fantoccini::error::CmdError;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use std::ffi::OsString;
use url::{ParseError, Url};

/// Milliseconds that a page may take to show something; only an overloaded machine needs more than a few.
const PATIENCE: u64 = 120_000;

/// One window. [`close`](Self::close) ends it properly; where a test fails before that, it ends with chromedriver, over whose pipe it is steered.
pub struct Browser {
    pub client: Client,
    _driver: ServerProcess,
    _folder: Scratch,
}

impl Browser {
    /// Opens a window of this size; `dark` is the user's preference.
    pub async fn start(width: u32, height: u32, dark: bool) -> Self {
        let chromium = binary("chromium", "chromium");
        let (folder, driver, port) = tokio::task::spawn_blocking(drive).await.expect("chromedriver");
        let scheme = if dark { "--blink-settings=preferredColorScheme=0" } else { "--blink-settings=preferredColorScheme=1" };
        let arguments = json!([
            "--headless=new",
            // Root may not have one.
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-default-browser-check",
            "--remote-debugging-pipe",
            "--hide-scrollbars",
            "--force-device-scale-factor=1",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            format!("--user-data-dir={}", folder.join("profile").display()),
            format!("--window-size={width},{height}"),
            scheme,
        ]);
        let capabilities = json!({
            "goog:chromeOptions": { "args": arguments, "binary": chromium },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
            "timeouts": { "script": PATIENCE, "pageLoad": PATIENCE },
        });
        let Value::Object(capabilities) = capabilities else { unreachable!("an object") };
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let client = builder.capabilities(capabilities).connect(&format!("http://127.0.0.1:{port}")).await;
        let client = client.unwrap_or_else(|error| panic!("no window: {error}\n{}", driver.log()));
        Self { client, _driver: driver, _folder: folder }
    }

    /// Waits until this expression is true, looking whenever the page changes.
    pub async fn until(&self, expression: &str) {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             const look = () => {{ if ({expression}) {{ watch.disconnect(); done(true); }} }};
             const watch = new MutationObserver(look);
             watch.observe(document, {{ subtree: true, childList: true, characterData: true, attributes: true }});
             look();"
        );
        if let Err(error) = self.client.execute_async(&script, Vec::new()).await {
            let page = self.client.source().await.unwrap_or_default();
            panic!("{expression} never came true: {error}\n{page}");
        }
    }

    /// What an expression gives.
    pub async fn value(&self, expression: &str) -> Value {
        self.client.execute(&format!("return {expression}"), Vec::new()).await.unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// Clicks on the element that an expression gives, as a user would.
    pub async fn click(&self, selector: &str) {
        let element = self.client.find(fantoccini::Locator::Css(selector)).await;
        element.unwrap_or_else(|error| panic!("{selector}: {error}")).click().await.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// What the page complained about since the last call.
    pub async fn complaints(&self) -> Vec<String> {
        self.log("browser").await.iter().map(ToString::to_string).collect()
    }

    /// Every address that was asked for since the last call.
    pub async fn requests(&self) -> Vec<String> {
        let events = self.log("performance").await;
        let events = events.iter().filter_map(|entry| serde_json::from_str::<Value>(entry["message"].as_str()?).ok());
        let events = events.map(|event| event["message"].clone()).filter(|message| message["method"] == "Network.requestWillBeSent");
        events.filter_map(|message| message["params"]["request"]["url"].as_str().map(str::to_owned)).collect()
    }

    async fn log(&self, kind: &'static str) -> Vec<Value> {
        let answer: Result<Value, CmdError> = self.client.issue_cmd(Extension { path: "se/log", body: json!({ "type": kind }) }).await;
        answer.expect("a log of the browser's").as_array().cloned().expect("a list")
    }

    /// Ends the browser, and waits until it is gone.
    pub async fn close(self) {
        self.client.clone().close().await.expect("the end of the window");
    }
}

/// Starts chromedriver in a folder of its own, on a port that is free.
fn drive() -> (Scratch, ServerProcess, u16) {
    let folder = Scratch::new();
    let driver = binary("chromedriver", "chromium-driver");
    let home = |name: &str| OsString::from(format!("{name}={}", folder.path().display()));
    let mut arguments: Vec<OsString> = ["HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"].map(home).into();
    arguments.extend([driver.into(), "--port=0".into()]);
    let log = folder.join("chromedriver.log");
    let mut server = ServerProcess::spawn(None, &binary("env", "coreutils"), &arguments, &log, "KILL");
    let port = || {
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        let (_, rest) = said.split_once("successfully on port ")?;
        rest.split_once('.')?.0.parse().ok()
    };
    server.wait_until(|| port().is_some());
    let port = port().expect("chromedriver's port");
    (folder, server, port)
}

/// A command that only chromedriver knows.
#[derive(Debug)]
struct Extension {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Extension {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (axum::http::Method, Option<String>) {
        (axum::http::Method::POST, Some(self.body.to_string()))
    }
}
