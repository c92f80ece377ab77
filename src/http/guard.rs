//! What holds for every answer, and what keeps other sites' pages from acting in the name of whoever looks at them.

use super::failure::Failure;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// What no answer is without. The page replaces the policy by one that lets its own script and style run.
const ALWAYS: [(HeaderName, HeaderValue); 5] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
];

pub(super) async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in ALWAYS {
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}

/// Refuses what changes something and was sent by another site's page. A browser adds its user's credentials to that by itself, and so would let any page empty the cache.
pub(super) async fn same_site(request: Request, next: Next) -> Response {
    if request.method().is_safe() || is_own(request.headers(), request.uri().authority().map(axum::http::uri::Authority::as_str)) {
        return next.run(request).await;
    }
    Failure::new(StatusCode::FORBIDDEN, "sent by a page of another site").into_response()
}

/// Whether a request comes from a page of the same origin, or from no page. Browsers say where it comes from in `Sec-Fetch-Site`, which no script can set; over plain HTTP, and old ones, in `Origin`. What sends
/// neither is no browser, and has only the credentials that it was given.
fn is_own(headers: &HeaderMap, authority: Option<&str>) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).or(authority);
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    matches!((origin, host), (Some((_, origin)), Some(host)) if origin.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_sites_pages_are_told_by_what_browsers_say() {
        let own = |pairs: &[(&'static str, &'static str)]| {
            let headers = pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            is_own(&headers.collect(), None)
        };
        assert!(own(&[]) && own(&[("host", "a")]));
        assert!(own(&[("sec-fetch-site", "same-origin")]) && own(&[("sec-fetch-site", "none")]));
        for site in ["same-site", "cross-site", "", "SAME-ORIGIN"] {
            assert!(!own(&[("sec-fetch-site", site), ("host", "a"), ("origin", "http://a")]), "{site}");
        }
        assert!(own(&[("host", "a:8080"), ("origin", "http://a:8080")]) && own(&[("host", "A"), ("origin", "https://a")]));
        for origin in ["http://b", "http://a", "null", "", "http://a:8080.b", "http://a:8080/"] {
            assert!(!own(&[("host", "a:8080"), ("origin", origin)]), "{origin}");
        }
        assert!(!own(&[("origin", "http://a")]));
    }
}
