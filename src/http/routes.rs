//! The routes of [`admin`](super::admin).

use super::chart::Chart;
use super::dashboard::Page;
use super::failure::Failure;
use super::keys::KEYS;
use super::subject::Subject;
use axum::extract::rejection::{PathRejection, QueryRejection, StringRejection};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

type Answer = Result<Json<Value>, Failure>;
type Of = State<Arc<dyn Subject>>;

pub(super) fn routes(subject: Arc<dyn Subject>) -> Router {
    let page = Page::new();
    let lost = {
        let page = page.clone();
        async move |uri: Uri| match uri.path() {
            // Where the router is nested, this is its own path with a slash behind it.
            "/" | "" => page.into_response(),
            path => Failure::new(StatusCode::NOT_FOUND, format!("there is no {path:?}")).into_response(),
        }
    };
    Router::new()
        .route("/", get(async move || page))
        .route("/info", get(async |State(subject): Of| Json(subject.info().await)))
        .route("/stats", get(async |State(subject): Of| Json(subject.stats())))
        .route("/history", get(async |State(subject): Of| Json(subject.history())))
        .route("/charts/{name}", get(chart))
        .route("/keys", get(keys))
        .route("/explain", get(explain).post(explain_body))
        .route("/clear", post(clear))
        .route("/invalidate/{table}", post(invalidate))
        .route("/reset-stats", post(reset_stats))
        .fallback(lost)
        .method_not_allowed_fallback(async || Failure::new(StatusCode::METHOD_NOT_ALLOWED, "there is no such method here"))
        .with_state(subject)
}

#[derive(Deserialize)]
struct Wanted {
    pattern: Option<String>,
    limit: Option<usize>,
}

async fn keys(State(subject): Of, query: Result<Query<Wanted>, QueryRejection>) -> Answer {
    let Query(wanted) = query?;
    Ok(Json(subject.keys(wanted.pattern.as_deref(), wanted.limit.unwrap_or(KEYS)).await?))
}

#[derive(Deserialize)]
struct Statement {
    sql: String,
}

async fn explain(State(subject): Of, query: Result<Query<Statement>, QueryRejection>) -> Answer {
    let Query(statement) = query?;
    Ok(Json(subject.explain(&statement.sql)?))
}

async fn explain_body(State(subject): Of, body: Result<String, StringRejection>) -> Answer {
    Ok(Json(subject.explain(&body?)?))
}

#[derive(Deserialize)]
struct What {
    #[serde(default)]
    values: bool,
}

async fn clear(State(subject): Of, query: Result<Query<What>, QueryRejection>) -> Answer {
    let Query(what) = query?;
    Ok(Json(json!({ "deleted": subject.clear(what.values).await? })))
}

async fn invalidate(State(subject): Of, table: Result<Path<String>, PathRejection>) -> Answer {
    let Path(table) = table?;
    subject.invalidate(&table).await?;
    Ok(Json(json!({ "invalidated": table })))
}

async fn reset_stats(State(subject): Of) -> Json<Value> {
    subject.reset_stats();
    Json(json!({ "reset": true }))
}

#[derive(Deserialize)]
struct Size {
    width: Option<u32>,
}

/// No content where there is nothing to draw yet.
async fn chart(
    State(subject): Of,
    name: Result<Path<String>, PathRejection>,
    size: Result<Query<Size>, QueryRejection>,
) -> Result<Response, Failure> {
    let (Path(name), Query(size)) = (name?, size?);
    let chart = Chart::named(&name).ok_or_else(|| Failure::new(StatusCode::NOT_FOUND, format!("there is no chart {name:?}")))?;
    let width = size.width.unwrap_or(640).clamp(240, 1600);
    let drawn =
        chart.draw(&subject.history(), width).map_err(|error| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(match drawn {
        Some(svg) => ([(header::CONTENT_TYPE, "image/svg+xml")], svg).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}

macro_rules! rejected {
    ($($rejection:ty),*) => {
        $(impl From<$rejection> for Failure {
            fn from(rejection: $rejection) -> Self {
                Self::new(rejection.status(), rejection.body_text())
            }
        })*
    };
}

rejected!(PathRejection, QueryRejection, StringRejection);
