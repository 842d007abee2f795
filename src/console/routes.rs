//! Paths and what they answer.

use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{StatusCode, Uri};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware};

use super::gate::{Gate, guard};
use super::{Pages, exposition};
use crate::base::event::Body;
use crate::ledger::{Filter, Reader};

/// Events of one answer, unless `limit` asks for another number.
const EVENTS_USUAL: usize = 50;
const EVENTS_MAX: usize = 500;
/// A file is in memory while it is sent. More than the longest clip that a reel makes.
const MEDIA_BYTES_MAX: u64 = 128 << 20;
const PAGE: &str = include_str!("page.html");
const JSON: &str = "application/json";

/// What the routes have at hand.
pub struct House {
    pub pages: Pages,
    /// Used on the reading threads alone.
    pub reader: Arc<Mutex<Reader>>,
    pub media: PathBuf,
}

pub fn router(house: House, gate: Arc<Gate>) -> Router {
    Router::new()
        .route("/", get(async || Html(PAGE)))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/stats", get(stats))
        .route("/api/events", get(events))
        .route("/media/{file}", get(media))
        .fallback(async || Refusal::new(StatusCode::NOT_FOUND, "nothing is here"))
        .layer(middleware::from_fn_with_state(gate, guard))
        .with_state(Arc::new(house))
}

type Hand = State<Arc<House>>;

/// An answer that is none: a JSON object whose `error` says what was expected.
pub struct Refusal {
    pub status: StatusCode,
    error: String,
}

impl Refusal {
    pub fn new(status: StatusCode, error: impl Into<String>) -> Refusal {
        Refusal { status, error: error.into() }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, [(CONTENT_TYPE, JSON)], serde_json::json!({ "error": self.error }).to_string()).into_response()
    }
}

async fn healthz(State(house): Hand) -> Result<Response, Refusal> {
    sound((house.pages.healthy)())
}

async fn readyz(State(house): Hand) -> Result<Response, Refusal> {
    sound((house.pages.ready)())
}

fn sound(state: Result<(), String>) -> Result<Response, Refusal> {
    state.map_err(|why| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, why))?;
    Ok(([(CONTENT_TYPE, JSON)], r#"{"status":"ok"}"#).into_response())
}

async fn metrics(State(house): Hand) -> Response {
    ([(CONTENT_TYPE, exposition::CONTENT_TYPE)], (house.pages.metrics)()).into_response()
}

async fn stats(State(house): Hand) -> Response {
    ([(CONTENT_TYPE, JSON)], (house.pages.stats)()).into_response()
}

async fn events(
    State(house): Hand,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Response, Refusal> {
    let bad = |error: String| Refusal::new(StatusCode::BAD_REQUEST, error);
    let Query(query) = query.map_err(|_| bad(format!("expected a query of {PARAMETERS}")))?;
    let filter = filter_of(&query).map_err(bad)?;
    let reader = Arc::clone(&house.reader);
    let read = tokio::task::spawn_blocking(move || {
        let reader = reader.lock().expect("nobody panics while reading the ledger");
        Ok::<_, crate::ledger::LedgerError>((reader.query(&filter)?, reader.waiting()?))
    });
    let (rows, waiting) = read.await.map_err(|_| went_wrong())?.map_err(|error| {
        tracing::error!("events could not be read: {error}");
        went_wrong()
    })?;
    let damaged = rows.iter().filter(|row| !row.intact).count();
    let mut body = format!(r#"{{"waiting":{waiting},"damaged":{damaged},"events":["#).into_bytes();
    for (n, row) in rows.iter().rev().filter(|row| row.intact).enumerate() {
        body.extend_from_slice(if n == 0 { b"\n" } else { b",\n" });
        body.extend_from_slice(&row.payload);
    }
    body.extend_from_slice(b"]}\n");
    Ok(([(CONTENT_TYPE, JSON)], body).into_response())
}

fn went_wrong() -> Refusal {
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "it could not be read; the service's log says why")
}

const PARAMETERS: &str = "`limit`, `camera`, `type`";

fn filter_of(query: &[(String, String)]) -> Result<Filter, String> {
    let mut filter = Filter { limit: Some(EVENTS_USUAL), ..Filter::default() };
    for (n, (key, value)) in query.iter().enumerate() {
        if query[..n].iter().any(|(before, _)| before == key) {
            return Err(format!("`{}`: expected once, it is here twice", short(key)));
        }
        let wrong = |expected: &str| format!("`{key}`: expected {expected}, got `{}`", short(value));
        match key.as_str() {
            "limit" => {
                let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
                let limit = value.parse().ok().filter(|limit| digits && (1..=EVENTS_MAX).contains(limit));
                filter.limit = Some(limit.ok_or_else(|| wrong(&format!("a number from 1 to {EVENTS_MAX}")))?);
            }
            "camera" => {
                let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
                if !(1..=64).contains(&value.len()) || !value.bytes().all(allowed) {
                    return Err(wrong("a camera's id: 1 to 64 characters of a-z, 0-9, `_` and `-`"));
                }
                filter.camera = Some(value.clone());
            }
            "type" => {
                if !Body::SHORT_TYPES.contains(&value.as_str()) {
                    return Err(wrong(&format!("one of {}", Body::SHORT_TYPES.join(", "))));
                }
                filter.kind = Some(value.clone());
            }
            _ => return Err(format!("`{}`: unknown; expected {PARAMETERS}", short(key))),
        }
    }
    Ok(filter)
}

/// As it may be repeated in a message.
fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

async fn media(State(house): Hand, uri: Uri) -> Result<Response, Refusal> {
    // As it came: percent signs are no part of these names, so nothing is decoded.
    let name = uri.path().strip_prefix("/media/").unwrap_or_default();
    let gone = || {
        Refusal::new(
            StatusCode::NOT_FOUND,
            "expected the name of a kept file, such as <event id>.jpg; a clip is there once it is complete",
        )
    };
    let kind = kind_of(name).ok_or_else(gone)?;
    let path = house.media.join(name);
    let read = tokio::task::spawn_blocking(move || -> std::io::Result<Vec<u8>> {
        // What is written here is a plain file; a link would lead elsewhere.
        if !std::fs::symlink_metadata(&path)?.is_file() {
            return Err(std::io::ErrorKind::NotFound.into());
        }
        let mut bytes = Vec::new();
        std::fs::File::open(&path)?.take(MEDIA_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MEDIA_BYTES_MAX {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        Ok(bytes)
    });
    let bytes = read.await.map_err(|_| went_wrong())?.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => gone(),
        _ => {
            tracing::warn!(file = name, "media could not be read: {error}");
            went_wrong()
        }
    })?;
    Ok(([(CONTENT_TYPE, kind)], bytes).into_response())
}

/// The content type of a name that is 36 characters of 0-9, a-f and `-`, and `.jpg` or `.mp4`. Any other name has none, and
/// never becomes part of a path.
fn kind_of(name: &str) -> Option<&'static str> {
    let (id, kind) = match name.rsplit_once('.')? {
        (id, "jpg") => (id, "image/jpeg"),
        (id, "mp4") => (id, "video/mp4"),
        _ => return None,
    };
    // Pictures of a fall have a word of what they show.
    let of_fall = (kind == "image/jpeg").then(|| id.strip_suffix("-strobe").or(id.strip_suffix("-origin"))).flatten();
    let id = of_fall.unwrap_or(id);
    let plain = id.len() == 36 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'));
    plain.then_some(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_media() {
        let id = "0199c0de-0000-7000-8000-000000000001";
        assert_eq!(kind_of(&format!("{id}.jpg")), Some("image/jpeg"));
        assert_eq!(kind_of(&format!("{id}.mp4")), Some("video/mp4"));
        assert_eq!(kind_of(&format!("{id}-strobe.jpg")), Some("image/jpeg"));
        assert_eq!(kind_of(&format!("{id}-origin.jpg")), Some("image/jpeg"));
        for bad in ["-strobe.mp4", "-strobe-strobe.jpg", "-other.jpg"] {
            assert_eq!(kind_of(&format!("{id}{bad}")), None, "{bad}");
        }
        let long = format!("{id}0.jpg");
        let upper = format!("{}.jpg", id.to_uppercase());
        for bad in ["", ".jpg", "x.jpg", "../ledger.db", id, &long, &upper, &format!("{id}.db"), &format!("{id}.JPG")] {
            assert_eq!(kind_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn parameters() {
        let pairs = |query: &[(&str, &str)]| -> Vec<(String, String)> {
            query.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
        };
        let filter = filter_of(&pairs(&[("limit", "500"), ("camera", "-"), ("type", "node.health")])).expect("good");
        assert_eq!((filter.limit, filter.camera.as_deref()), (Some(500), Some("-")));
        assert_eq!(filter_of(&[]).expect("good").limit, Some(EVENTS_USUAL));
        for (bad, told) in [
            (vec![("limit", "0")], "`limit`: expected a number from 1 to 500, got `0`"),
            (vec![("limit", "+5")], "`limit`: expected a number from 1 to 500, got `+5`"),
            (vec![("limit", "99999999999999999999")], "`limit`: expected a number from 1 to 500"),
            (vec![("limit", "5"), ("limit", "6")], "`limit`: expected once"),
            (vec![("camera", "")], "`camera`: expected a camera's id"),
            (vec![("camera", "a' OR 1=1")], "`camera`: expected a camera's id"),
            (vec![("type", "gate")], "`type`: expected one of gate.crossing, zone.intrusion"),
            (vec![("limt", "5")], "`limt`: unknown; expected `limit`, `camera`, `type`"),
        ] {
            let error = filter_of(&pairs(&bad)).expect_err("bad");
            assert!(error.starts_with(told), "{error}");
        }
    }
}
