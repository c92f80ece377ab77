//! Headers that say where an answer came from: [`CacheStatusLayer`].

use crate::insight::tally;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tower_layer::Layer;
use tower_service::Service;

const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// More seconds mean the same (RFC 9111, 1.2.2).
const LONGEST: u64 = 1 << 31;

/// A tower layer that says on each response how its reads went: `X-Cache: HIT` if all of them were answered by the cache, `MISS` if one went to the database, `BYPASS` if one was not looked up and none was a miss. Reads of
/// SQL through an executor and of plain values through a [`Cache`](crate::Cache) count alike. Where nothing was read there is no such header, nor where the handler set its own.
///
/// Seen is what the handler reads before it returns, on the task that it runs on: not what it spawned, nor what is read while the body is being sent.
///
/// ```
/// # use axum::{Router, routing::get};
/// use sqlx_cached::http::CacheStatusLayer;
/// use std::time::Duration;
///
/// let app: Router = Router::new().route("/books", get("...")).layer(CacheStatusLayer::new().private(Duration::from_secs(30)));
/// # drop(app);
/// ```
///
/// A router's layer goes around the routes that were added before it. Add what nobody may keep after it: an endpoint that tells of the program's health, for one.
///
/// It works with any tower service over [`http::Request`](axum::http::Request) whose future is `Send`.
#[derive(Clone, Debug, Default)]
#[must_use = "a layer does nothing until it is put around a service"]
pub struct CacheStatusLayer {
    keep: Option<Keep>,
}

/// What is said to caches on the way.
#[derive(Clone, Copy, Debug)]
struct Keep {
    public: bool,
    seconds: u64,
}

impl CacheStatusLayer {
    /// Sets `X-Cache` alone.
    pub fn new() -> Self {
        Self::default()
    }

    /// Also sets `Cache-Control: private, max-age=<seconds>`: the browser may keep the response so long, and caches on the way may not. Only where GET or HEAD succeeded, and not where the response has such a header of its own, or
    /// sets a cookie.
    ///
    /// What a browser keeps no write invalidates: it is as old as this allows, whatever this crate promises.
    ///
    /// Defaults to no such header. Fractions of a second are dropped.
    pub fn private(self, max_age: Duration) -> Self {
        self.keep(false, max_age)
    }

    /// The same with `public`: proxies and content delivery networks may keep the response, too, and give it to others. Where the request had credentials (`Authorization` or `Cookie`) it is `private` all the same.
    pub fn public(self, max_age: Duration) -> Self {
        self.keep(true, max_age)
    }

    fn keep(mut self, public: bool, max_age: Duration) -> Self {
        self.keep = Some(Keep { public, seconds: max_age.as_secs().min(LONGEST) });
        self
    }
}

impl<S> Layer<S> for CacheStatusLayer {
    type Service = CacheStatusService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CacheStatusService { inner, keep: self.keep }
    }
}

/// The service that [`CacheStatusLayer`] makes.
#[derive(Clone, Debug)]
pub struct CacheStatusService<S> {
    inner: S,
    keep: Option<Keep>,
}

impl<S, Body, Answer> Service<Request<Body>> for CacheStatusService<S>
where
    S: Service<Request<Body>, Response = Response<Answer>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let keep = self.keep.and_then(|keep| keep.for_request(request.method(), request.headers()));
        let answer = self.inner.call(request);
        Box::pin(async move {
            let (answer, tally) = tally(answer).await;
            let mut response = answer?;
            if let Some(status) = tally.status() {
                response.headers_mut().entry(X_CACHE).or_insert(HeaderValue::from_static(status.as_str()));
            }
            let cookie = response.headers().contains_key(header::SET_COOKIE);
            if let Some(keep) = keep.filter(|_| response.status().is_success() && !cookie) {
                response.headers_mut().entry(header::CACHE_CONTROL).or_insert_with(|| keep.value());
            }
            Ok(response)
        })
    }
}

impl Keep {
    fn for_request(self, method: &Method, headers: &HeaderMap) -> Option<Self> {
        let for_all = !headers.contains_key(header::AUTHORIZATION) && !headers.contains_key(header::COOKIE);
        matches!(*method, Method::GET | Method::HEAD).then_some(Self { public: self.public && for_all, ..self })
    }

    fn value(self) -> HeaderValue {
        let who = if self.public { "public" } else { "private" };
        HeaderValue::try_from(format!("{who}, max-age={}", self.seconds)).unwrap_or(HeaderValue::from_static("private"))
    }
}
