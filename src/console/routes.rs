//! Paths and what they answer.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::body::Body as Answer;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::{self, CONTENT_TYPE, HeaderMap, HeaderValue};
use axum::http::{StatusCode, Uri};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{delete, get};
use axum::{Router, middleware};

use super::gate::{Gate, guard};
use super::pieces::{self, Pieces};
use super::range::{self, Part};
use super::{Pages, exposition};
use crate::base::event::{Body, Event};
use crate::base::time::Timestamp;
use crate::ledger::{Filter, LedgerError, Reader, Row};

/// Events of one answer, unless `limit` asks for another number.
const EVENTS_USUAL: usize = 50;
const EVENTS_MAX: usize = 500;
/// Of a page before the newest, so many events are looked at, so many at a time; an answer says where the next one begins.
const LOOKED_AT_MAX: i64 = 4000;
const LOOKED_AT_ONCE: i64 = 500;
const PAGE: &str = include_str!("page.html");
const OPENAPI: &str = include_str!("../../docs/openapi.json");
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
        .route("/api/openapi.json", get(async || ([(CONTENT_TYPE, JSON)], OPENAPI)))
        .route("/api/events", get(events))
        .route("/api/events/{id}", get(event))
        .route("/api/events/{id}/media", delete(forget).fallback(not_this_way))
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
    let wanted = wanted_of(&query).map_err(bad)?;
    let page = house.read(move |reader| Ok((wanted.page(reader)?, reader.waiting()?))).await?;
    let (Page { rows, next }, waiting) = page;
    let damaged = rows.iter().filter(|row| !row.intact).count();
    let next = next.map_or("null".to_owned(), |next| next.to_string());
    let mut body = format!(r#"{{"waiting":{waiting},"damaged":{damaged},"next":{next},"events":["#).into_bytes();
    for (n, row) in rows.iter().filter(|row| row.intact).enumerate() {
        body.extend_from_slice(if n == 0 { b"\n" } else { b",\n" });
        body.extend_from_slice(&row.payload);
    }
    body.extend_from_slice(b"]}\n");
    Ok(([(CONTENT_TYPE, JSON)], body).into_response())
}

impl House {
    /// Waits for the ledger on a reading thread.
    async fn read<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Reader) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, Refusal> {
        let reader = Arc::clone(&self.reader);
        let read =
            tokio::task::spawn_blocking(move || ask(&reader.lock().expect("nobody panics while reading the ledger")));
        read.await.map_err(|_| went_wrong())?.map_err(|error| {
            tracing::error!("events could not be read: {error}");
            went_wrong()
        })
    }

    /// The event of an id that is one, if the ledger has it whole.
    async fn event(&self, id: &str) -> Result<Row, Refusal> {
        let gone = || Refusal::new(StatusCode::NOT_FOUND, "no event has this id, or it is no longer kept");
        if !is_event_id(id) {
            return Err(gone());
        }
        let id = id.to_owned();
        self.read(move |reader| reader.get(&id)).await?.filter(|row| row.intact).ok_or_else(gone)
    }
}

async fn event(State(house): Hand, uri: Uri) -> Result<Response, Refusal> {
    let row = house.event(uri.path().strip_prefix("/api/events/").unwrap_or_default()).await?;
    Ok(([(CONTENT_TYPE, "application/cloudevents+json")], row.payload).into_response())
}

async fn not_this_way() -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "expected DELETE")
}

/// The one path that may be deleted. As it came: nothing is decoded.
pub fn deletable(path: &str) -> bool {
    path.strip_prefix("/api/events/").and_then(|rest| rest.strip_suffix("/media")).is_some_and(is_event_id)
}

/// Deletes the files that an event names; the event stays. What it shares with its neighbours is gone for them too.
async fn forget(State(house): Hand, uri: Uri) -> Result<Response, Refusal> {
    let id = uri.path().strip_prefix("/api/events/").and_then(|rest| rest.strip_suffix("/media"));
    let row = house.event(id.unwrap_or_default()).await?;
    let media = house.media.clone();
    let forgotten = tokio::task::spawn_blocking(move || -> std::io::Result<(Vec<String>, Vec<String>)> {
        let (mut deleted, mut absent) = (Vec::new(), Vec::new());
        for name in files_of(&row.payload) {
            match std::fs::remove_file(media.join(&name)) {
                Ok(()) => deleted.push(name),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => absent.push(name),
                Err(error) => return Err(error),
            }
        }
        Ok((deleted, absent))
    });
    let (deleted, absent) = forgotten.await.map_err(|_| went_wrong())?.map_err(|error| {
        tracing::error!("an event's files could not be deleted: {error}");
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "not all of it could be deleted; the service's log says why")
    })?;
    tracing::info!(event = id, files = deleted.len(), "an event's files were deleted over HTTP");
    Ok(([(CONTENT_TYPE, JSON)], serde_json::json!({ "deleted": deleted, "absent": absent }).to_string())
        .into_response())
}

/// Names of files that an event's `media` gives, each once; whatever else stands there is no name.
fn files_of(payload: &[u8]) -> Vec<String> {
    let event: Option<Event> = serde_json::from_slice(payload).ok();
    let media = event.and_then(|event| event.body.common().and_then(|common| common.media.clone())).unwrap_or_default();
    let urls = [media.snapshot, media.clip, media.crop, media.strobe].into_iter().flatten();
    let urls = urls.chain(media.files.into_iter().map(|file| file.url));
    let names = urls.filter_map(|url| Some(url.strip_prefix("/media/")?.to_owned()));
    let mut names: Vec<String> = names.filter(|name| kind_of(name).is_some()).collect();
    names.sort();
    names.dedup();
    names
}

fn went_wrong() -> Refusal {
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "it could not be read; the service's log says why")
}

const PARAMETERS: &str = "`limit`, `camera`, `type`, `since`, `before_sequence`";

/// Which events of the ledger.
#[derive(Debug)]
struct Wanted {
    filter: Filter,
    limit: usize,
    before: Option<i64>,
}

/// Newest first, and what to ask for to go on; None where there is nothing older.
struct Page {
    rows: Vec<Row>,
    next: Option<i64>,
}

impl Wanted {
    fn page(&self, reader: &Reader) -> Result<Page, LedgerError> {
        let Some(before) = self.before else {
            let mut rows = reader.query(&self.filter)?;
            rows.reverse();
            let next = rows.last().map(|row| row.sequence).filter(|_| rows.len() == self.limit);
            return Ok(Page { rows, next });
        };
        let (mut rows, mut before) = (Vec::new(), before.min(reader.last()?.saturating_add(1)));
        let end = (before - LOOKED_AT_MAX).max(1);
        while before > end {
            let from = (before - LOOKED_AT_ONCE).max(end);
            let some = reader.after(from - 1, (before - from) as usize)?;
            for row in some.into_iter().rev().filter(|row| row.sequence < before && self.fits(row)) {
                rows.push(row);
                if rows.len() == self.limit {
                    let next = rows.last().map(|row| row.sequence);
                    return Ok(Page { rows, next });
                }
            }
            before = from;
        }
        Ok(Page { rows, next: Some(before).filter(|before| *before > 1) })
    }

    /// As the ledger's own filter does.
    fn fits(&self, row: &Row) -> bool {
        let captured = || -> Option<Timestamp> {
            let event: serde_json::Value = serde_json::from_slice(&row.payload).ok()?;
            event["time"].as_str()?.parse().ok()
        };
        let Filter { since, camera, kind, .. } = &self.filter;
        camera.as_ref().is_none_or(|camera| *camera == row.camera)
            && kind.as_ref().is_none_or(|kind| *kind == row.short_type)
            && since.is_none_or(|since| captured().is_some_and(|at| at >= since))
    }
}

fn wanted_of(query: &[(String, String)]) -> Result<Wanted, String> {
    let mut filter = Filter::default();
    let (mut limit, mut before) = (EVENTS_USUAL, None);
    for (n, (key, value)) in query.iter().enumerate() {
        if query[..n].iter().any(|(before, _)| before == key) {
            return Err(format!("`{}`: expected once, it is here twice", short(key)));
        }
        let wrong = |expected: &str| format!("`{key}`: expected {expected}, got `{}`", short(value));
        let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        match key.as_str() {
            "limit" => {
                let given = value.parse().ok().filter(|limit| digits && (1..=EVENTS_MAX).contains(limit));
                limit = given.ok_or_else(|| wrong(&format!("a number from 1 to {EVENTS_MAX}")))?;
            }
            "before_sequence" => {
                let given = value.parse::<i64>().ok().filter(|before| digits && *before > 0);
                before = Some(given.ok_or_else(|| wrong("the number of an event, from 1"))?);
            }
            "since" => {
                let given = value.parse::<Timestamp>().ok();
                filter.since = Some(given.ok_or_else(|| wrong("a time such as 2026-11-23T07:15:04Z"))?);
            }
            "camera" => {
                if !crate::base::id::is_id(value) {
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
    filter.limit = Some(limit);
    Ok(Wanted { filter, limit, before })
}

/// As it may be repeated in a message.
fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

async fn media(State(house): Hand, uri: Uri, headers: HeaderMap) -> Result<Response, Refusal> {
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
    // No file has a validator here, so `If-Range` never holds.
    let range = headers.get(header::RANGE).filter(|_| !headers.contains_key(header::IF_RANGE));
    let range = range.and_then(|range| range.to_str().ok()).map(str::to_owned);
    let open = tokio::task::spawn_blocking(move || -> std::io::Result<(Pieces, Part, u64)> {
        let (file, length) = pieces::open(&path)?;
        let part = range::part(range.as_deref(), length);
        let (first, many) = match part {
            Part::Whole => (0, length),
            Part::Bytes(first, last) => (first, last - first + 1),
            Part::Outside => (0, 0),
        };
        Ok((Pieces::new(file, first, many)?, part, length))
    });
    let (pieces, part, length) = open.await.map_err(|_| went_wrong())?.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => gone(),
        _ => {
            tracing::warn!(file = name, "media could not be read: {error}");
            went_wrong()
        }
    })?;
    let (status, many, range) = match part {
        Part::Whole => (StatusCode::OK, length, None),
        Part::Bytes(first, last) => {
            (StatusCode::PARTIAL_CONTENT, last - first + 1, Some(format!("bytes {first}-{last}/{length}")))
        }
        Part::Outside => {
            let refusal = Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, format!("the file has {length} bytes"));
            return Ok(([(header::CONTENT_RANGE, format!("bytes */{length}"))], refusal).into_response());
        }
    };
    let mut answer = Response::new(Answer::from_stream(pieces));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_LENGTH, many.into());
    headers.extend(range.and_then(|range| Some((header::CONTENT_RANGE, range.parse().ok()?))));
    Ok(answer)
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
    is_event_id(id).then_some(kind)
}

fn is_event_id(id: &str) -> bool {
    id.len() == 36 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'))
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
    fn one_path_may_be_deleted() {
        let id = "0199c0de-0000-7000-8000-000000000001";
        assert!(deletable(&format!("/api/events/{id}/media")));
        for bad in ["", "/", "/media", "/media/", "x/media"] {
            assert!(!deletable(&format!("/api/events/{id}{bad}")) || bad == "/media", "{bad}");
        }
        for bad in ["/api/events//media", "/api/events/../media", "/api/events/x/media", "/media/x.jpg", "/"] {
            assert!(!deletable(bad), "{bad}");
        }
    }

    #[test]
    fn an_event_names_its_files_and_nothing_else() {
        let examples: Vec<Event> =
            serde_json::from_str(include_str!("../../docs/event-examples.json")).expect("events");
        let fall = examples.iter().find(|event| event.short_type() == "facade.falling_object").expect("an example");
        let names = files_of(fall.to_json().as_bytes());
        assert_eq!(names.len(), 4, "{names:?}");
        let mut forged = fall.clone();
        let media = forged.body.common_mut().and_then(|common| common.media.as_mut()).expect("it has media");
        media.snapshot = Some("/media/../ledger.db".into());
        media.clip = Some("/etc/passwd".into());
        media.files[0].url = "/media//etc/passwd".into();
        assert_eq!(files_of(forged.to_json().as_bytes()).len(), 2);
        assert_eq!(files_of(b"{}"), [""; 0]);
    }

    #[test]
    fn parameters() {
        let pairs = |query: &[(&str, &str)]| -> Vec<(String, String)> {
            query.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
        };
        let wanted = wanted_of(&pairs(&[("limit", "500"), ("camera", "-"), ("type", "node.health")])).expect("good");
        assert_eq!((wanted.filter.limit, wanted.filter.camera.as_deref()), (Some(500), Some("-")));
        assert_eq!(wanted_of(&[]).expect("good").limit, EVENTS_USUAL);
        let wanted =
            wanted_of(&pairs(&[("before_sequence", "7"), ("since", "2026-11-23T08:00:00+08:00")])).expect("good");
        assert_eq!(wanted.filter.since.map(|since| since.to_string()).as_deref(), Some("2026-11-23T00:00:00Z"));
        assert_eq!(wanted.before, Some(7));
        for (bad, told) in [
            (vec![("limit", "0")], "`limit`: expected a number from 1 to 500, got `0`"),
            (vec![("limit", "+5")], "`limit`: expected a number from 1 to 500, got `+5`"),
            (vec![("limit", "99999999999999999999")], "`limit`: expected a number from 1 to 500"),
            (vec![("limit", "5"), ("limit", "6")], "`limit`: expected once"),
            (vec![("camera", "")], "`camera`: expected a camera's id"),
            (vec![("camera", "a' OR 1=1")], "`camera`: expected a camera's id"),
            (vec![("type", "gate")], "`type`: expected one of gate.crossing, zone.intrusion"),
            (vec![("limt", "5")], "`limt`: unknown; expected `limit`, `camera`, `type`"),
            (vec![("before_sequence", "0")], "`before_sequence`: expected the number of an event"),
            (vec![("before_sequence", "9223372036854775808")], "`before_sequence`: expected the number of an event"),
            (vec![("since", "1d")], "`since`: expected a time such as 2026-11-23T07:15:04Z, got `1d`"),
            (vec![("since", "2026-11-23T07:15:04")], "`since`: expected a time"),
        ] {
            let error = wanted_of(&pairs(&bad)).expect_err("bad");
            assert!(error.starts_with(told), "{error}");
        }
    }
}
