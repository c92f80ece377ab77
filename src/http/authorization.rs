//! Who may look, and act.

use super::failure::Failure;
use crate::error::Error;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;
use subtle::ConstantTimeEq;

type Check = dyn Fn(Parts) -> BoxFuture<'static, bool> + Send + Sync;

/// Who may use the routes of [`admin`](super::admin). There is no default: they show statements and names of tables, and empty the cache.
#[derive(Clone)]
pub struct Authorization(Kind);

#[derive(Clone)]
enum Kind {
    /// The token's SHA-256: all of one length, so that comparing them tells nothing about the token's.
    Token([u8; 32]),
    Check(Arc<Check>),
    Anyone,
}

impl Authorization {
    /// Whoever knows the token: as `Authorization: Bearer <token>`, or by HTTP Basic with the token as the password and any name, which is how a browser asks for it. It is compared in constant time, and
    /// kept as its SHA-256.
    ///
    /// A short token can be guessed, and nothing here counts attempts: take 32 random characters. Over plain HTTP everybody on the way reads it.
    ///
    /// # Errors
    ///
    /// A token that is empty, or has characters that no header can carry: other than printable ASCII without spaces.
    pub fn bearer(token: impl AsRef<str>) -> Result<Self, Error> {
        let token = token.as_ref();
        if token.is_empty() {
            return Err(Error::secret_setting("Authorization::bearer", "the token is empty"));
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::secret_setting("Authorization::bearer", "the token has a character other than printable ASCII"));
        }
        Ok(Self(Kind::Token(Sha256::digest(token).into())))
    }

    /// Whoever this function lets in: by a session, a role, an address that a layer put into the extensions. It is asked before every request, and nothing is done before it has answered.
    ///
    /// ```
    /// use sqlx_cached::http::Authorization;
    ///
    /// let operators = Authorization::by(async |parts| parts.headers.get("x-role").is_some_and(|role| role == "operator"));
    /// # drop(operators);
    /// ```
    pub fn by<F, Answer>(check: F) -> Self
    where
        F: Fn(Parts) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = bool> + Send + 'static,
    {
        Self(Kind::Check(Arc::new(move |parts| check(parts).boxed())))
    }

    /// Anyone who can send a request: can read which tables there are, which statements are slow, and what keys are called, and can empty the cache as often as he likes, so that the database answers every read. For a
    /// listener that nobody else reaches, or behind a proxy that asks. A listener on loopback is reached by every program of the machine, and through a browser on it by any page whose host's name is made to
    /// mean 127.0.0.1.
    pub fn anyone() -> Self {
        Self(Kind::Anyone)
    }

    async fn lets_in(&self, parts: &Parts) -> bool {
        match &self.0 {
            Kind::Token(token) => {
                presented(&parts.headers).is_some_and(|presented| bool::from(Sha256::digest(presented)[..].ct_eq(&token[..])))
            }
            Kind::Check(check) => check(parts.clone()).await,
            Kind::Anyone => true,
        }
    }

    /// What a stranger is asked for.
    fn challenges(&self) -> &'static [&'static str] {
        match self.0 {
            // The first is what a browser asks its user for.
            Kind::Token(_) => &[r#"Basic realm="sqlx-cached", charset="UTF-8""#, r#"Bearer realm="sqlx-cached""#],
            Kind::Check(_) | Kind::Anyone => &[r#"Bearer realm="sqlx-cached""#],
        }
    }
}

/// Without the token.
impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Token(_) => "Authorization::bearer(..)",
            Kind::Check(_) => "Authorization::by(..)",
            Kind::Anyone => "Authorization::anyone()",
        })
    }
}

/// The token that a request brings. More than one header of the kind is nobody's: proxies differ in which one they look at.
fn presented(headers: &HeaderMap) -> Option<Vec<u8>> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?.to_str().ok()?, values.next()) else { return None };
    let (scheme, credentials) = value.split_once(' ')?;
    let credentials = credentials.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(credentials.into());
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let pair = STANDARD.decode(credentials).ok()?;
        let colon = pair.iter().position(|byte| *byte == b':')?;
        return Some(pair[colon + 1..].to_vec());
    }
    None
}

/// Lets nobody else through.
pub(super) async fn authorize(State(authorization): State<Authorization>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    if authorization.lets_in(&parts).await {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let mut response = Failure::new(StatusCode::UNAUTHORIZED, "not authorized").into_response();
    for challenge in authorization.challenges() {
        response.headers_mut().append(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (header::AUTHORIZATION, HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn a_token_is_found_in_either_form_and_in_nothing_else() {
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        assert_eq!(presented(&headers(&["Bearer a:b"])).unwrap(), b"a:b");
        assert_eq!(presented(&headers(&["bEARER  a "])).unwrap(), b"a");
        assert_eq!(presented(&headers(&[&basic("me:a:b")])).unwrap(), b"a:b");
        assert_eq!(presented(&headers(&[&basic(":a")])).unwrap(), b"a");
        for wrong in ["", "a", "Bearer", "Digest a", "Basic", "Basic !", &basic("a"), "Basic \u{e9}"] {
            assert_eq!(presented(&headers(&[wrong])), None, "{wrong}");
        }
        assert_eq!(presented(&headers(&["Bearer a", "Bearer b"])), None);
        assert_eq!(presented(&headers(&[])), None);
    }

    #[test]
    fn tokens_that_no_header_can_carry_are_refused_unseen() {
        for wrong in ["", " ", "a b", "se\ncret", "sécret"] {
            let error = Authorization::bearer(wrong).unwrap_err();
            assert!(error.is_setting() && error.to_string().contains("Authorization::bearer"), "{error}");
            assert!(wrong.trim().is_empty() || !format!("{error} {error:?}").contains(wrong), "{error:?}");
        }
        assert!(!format!("{:?}", Authorization::bearer("secret").unwrap()).contains("secret"));
    }
}
