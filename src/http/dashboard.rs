//! The dashboard: one page, which asks the other routes for what it shows.

use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

const PAGE: &str = include_str!("dashboard/page.html");
const STYLE: &str = include_str!("dashboard/style.css");
const SCRIPT: &str = include_str!("dashboard/script.js");

/// The page with its style and its script in it, so that it works wherever it is mounted; and the policy that lets these two run, by their hashes, and nothing else.
#[derive(Clone)]
pub(super) struct Page {
    html: axum::body::Bytes,
    policy: HeaderValue,
}

impl Page {
    pub(super) fn new() -> Self {
        let html = PAGE.replace("{style}", STYLE).replace("{script}", SCRIPT);
        let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
        let policy = format!(
            "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            hash(SCRIPT),
            hash(STYLE)
        );
        // Base64 is a header's text; were it none, nothing would run.
        let policy = HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
        Self { html: html.into(), policy }
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        ([(header::CONTENT_SECURITY_POLICY, self.policy)], Html(self.html)).into_response()
    }
}
