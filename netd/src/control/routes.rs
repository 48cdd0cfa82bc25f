//! What may be asked, and what answers.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{
        DefaultBodyLimit, Path, Query, State,
        rejection::{BytesRejection, PathRejection, QueryRejection},
    },
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, put},
};
use netd_model::{attachment::AttachmentId, health::Health, name::NetworkName};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::{Desk, metrics, query};
use crate::{
    event::Event,
    health::{By, Heard, Word},
    show::{self, Recorded, Row},
};

/// The description of all that is below.
const OPENAPI: &str = include_str!("../../openapi.json");

/// The largest body of a request, in bytes.
const BODY_BYTES: usize = 16 << 10;

/// An answer, or why there is none.
type Reply<T> = Result<T, Refusal>;

/// Why a request is not answered, as `{"error": "..."}`.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    error: String,
}

#[derive(Serialize)]
struct Said<'a> {
    error: &'a str,
}

/// What a list is of.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Filter {
    network: Option<NetworkName>,
}

/// How a container is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    state: Health,
}

/// Each path with what answers it.
pub(super) fn routes() -> [(&'static str, MethodRouter<Desk>); 8] {
    [
        ("/metrics", get(figures)),
        ("/v1/openapi.json", get(openapi)),
        ("/v1/networks", get(networks)),
        ("/v1/attachments", get(attachments)),
        ("/v1/attachments/{network}/{container}/{ifname}/health", put(health)),
        ("/v1/dns/query", get(query)),
        ("/v1/names", get(names)),
        ("/v1/peers", get(peers)),
    ]
}

/// All of it.
pub(super) fn router(desk: Desk) -> Router {
    let router = routes().into_iter().fold(Router::new(), |router, (path, methods)| router.route(path, methods));
    let router = router.fallback(|| async { refuse(StatusCode::NOT_FOUND, "no such path, see /v1/openapi.json") });
    let router = router.method_not_allowed_fallback(|| async {
        refuse(StatusCode::METHOD_NOT_ALLOWED, "not done with this path, see /v1/openapi.json")
    });
    router.layer(DefaultBodyLimit::max(BODY_BYTES)).with_state(desk)
}

async fn figures(State(desk): State<Desk>) -> Reply<impl IntoResponse> {
    let figures = desk.server.figures();
    let known = desk.known.load_full();
    let text = blocking(move || metrics::text(figures, &known, &desk.boot)).await?;
    let text = text.map_err(|error| refuse(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text))
}

async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI)
}

async fn networks(State(desk): State<Desk>, filter: Result<Query<Filter>, QueryRejection>) -> Reply<Response> {
    rows(desk, filter, Recorded::networks).await
}

async fn attachments(State(desk): State<Desk>, filter: Result<Query<Filter>, QueryRejection>) -> Reply<Response> {
    rows(desk, filter, |recorded| Ok(recorded.attachments())).await
}

async fn names(State(desk): State<Desk>, filter: Result<Query<Filter>, QueryRejection>) -> Reply<Response> {
    rows(desk, filter, |recorded| Ok(recorded.names())).await
}

async fn peers(State(desk): State<Desk>, filter: Result<Query<Filter>, QueryRejection>) -> Reply<Response> {
    rows(desk, filter, |recorded| Ok(show::peers(&recorded.peers()?))).await
}

async fn query(
    State(desk): State<Desk>,
    inquiry: Result<Query<query::Inquiry>, QueryRejection>,
) -> Reply<impl IntoResponse> {
    let Query(inquiry) = inquiry.map_err(|error| refuse(StatusCode::BAD_REQUEST, error.body_text()))?;
    let heard = blocking(move || query::answer(&desk, &inquiry)).await?;
    heard.map(Json).map_err(|why| refuse(StatusCode::BAD_REQUEST, why))
}

/// How a container is, from who runs it; answered when it is served.
async fn health(
    State(desk): State<Desk>,
    id: Result<Path<AttachmentId>, PathRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Reply<StatusCode> {
    let Path(id) = id.map_err(|error| refuse(StatusCode::BAD_REQUEST, error.body_text()))?;
    let body = body.map_err(|error| refuse(error.status(), error.body_text()))?;
    let Wanted { state } = serde_json::from_slice(&body).map_err(|error| {
        let like = r#"the body is like {"state": "unhealthy"}"#;
        refuse(StatusCode::BAD_REQUEST, format!("{like}: {error}"))
    })?;
    let owner = id.owner();
    let (reply, heard) = oneshot::channel();
    let stops = || refuse(StatusCode::SERVICE_UNAVAILABLE, "netd stops");
    desk.events.send(Event::Health(Word { id, by: By::Runtime, health: state, reply })).await.map_err(|_| stops())?;
    match heard.await.map_err(|_| stops())? {
        Heard::Served => Ok(StatusCode::NO_CONTENT),
        Heard::Unknown => {
            let why = format!("there is no attachment {owner}, see /v1/attachments");
            Err(refuse(StatusCode::NOT_FOUND, why))
        }
        Heard::NotWritten(why) => Err(refuse(StatusCode::INTERNAL_SERVER_ERROR, why)),
    }
}

/// What `netd show` says, of one network or of all.
async fn rows<R: Row + Serialize + Send + 'static>(
    desk: Desk,
    filter: Result<Query<Filter>, QueryRejection>,
    of: impl FnOnce(&Recorded) -> netd_store::Result<Vec<R>> + Send + 'static,
) -> Reply<Response> {
    let Query(filter) = filter.map_err(|error| refuse(StatusCode::BAD_REQUEST, error.body_text()))?;
    let turn = Arc::clone(&desk.reading).lock_owned().await;
    let read = move || {
        let _turn = turn;
        of(&Recorded::read(desk.store)?)
    };
    let rows =
        blocking(read).await?.map_err(|error| refuse(StatusCode::INTERNAL_SERVER_ERROR, crate::logs::chain(&error)))?;
    Ok(Json(show::of_network(rows, filter.network.as_ref())).into_response())
}

/// Does what takes its time on a thread that no question waits for.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Reply<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| refuse(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

fn refuse(status: StatusCode, error: impl Into<String>) -> Refusal {
    Refusal { status, error: error.into() }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(Said { error: &self.error })).into_response()
    }
}
