//! What went wrong, as an answer.

use crate::error::Error;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// `{ "error": ... }`.
#[derive(Debug)]
pub struct Failure {
    status: StatusCode,
    reason: String,
}

impl Failure {
    pub(super) fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into() }
    }

    pub(super) fn bad_request(reason: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, reason)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = match () {
            () if error.is_key() || error.is_value() || error.is_setting() => StatusCode::BAD_REQUEST,
            () if error.is_store() => StatusCode::SERVICE_UNAVAILABLE,
            () if error.is_unsupported() => StatusCode::NOT_IMPLEMENTED,
            () => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status, Json(serde_json::json!({ "error": self.reason }))).into_response()
    }
}
