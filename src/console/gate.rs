//! What every request passes before a route sees it, and what every answer wears.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::uri::Authority;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::routes::{Refusal, deletable};
use crate::base::hash::sha256;
use crate::base::secret::Secret;

/// Longer ones ask for nothing that is here.
const TARGET_MAX: usize = 1024;
/// The name a browser's user types; the password is the token.
const USER: &str = "oriel";

/// No page may be cached (pictures show people), framed, or read by other sites; only its own scripts and styles run.
const WORN: [(HeaderName, HeaderValue); 5] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'self' 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
    ),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

pub struct Gate {
    /// None: no token is asked for.
    passes: Option<Passes>,
}

/// Hashes of what may stand in `Authorization`, behind the scheme. Comparing hashes of one length takes the same time
/// wherever they differ.
struct Passes {
    bearer: [u8; 32],
    basic: [u8; 32],
}

impl Gate {
    pub fn new(token: Option<&Secret>) -> Arc<Gate> {
        let passes = token.map(|token| Passes {
            bearer: sha256(token.reveal().as_bytes()),
            basic: sha256(base64(format!("{USER}:{}", token.reveal()).as_bytes()).as_bytes()),
        });
        Arc::new(Gate { passes })
    }

    fn check(&self, request: &Request) -> Result<(), Refusal> {
        match &self.passes {
            Some(passes) if !passes.fit(request.headers()) => {
                let error = "expected `Authorization: Bearer <token>`, the token that `http` in oriel.yml names";
                return Err(Refusal::new(StatusCode::UNAUTHORIZED, error));
            }
            Some(_) => {}
            None => known_host(request)?,
        }
        own_origin(request.headers())?;
        match *request.method() {
            Method::GET | Method::HEAD => {}
            Method::DELETE if deletable(request.uri().path()) => {
                if self.passes.is_none() {
                    let error = "nothing is deleted without a token, not even on this machine; \
                                 set `http.token_file` or `http.token_env`";
                    return Err(Refusal::new(StatusCode::FORBIDDEN, error));
                }
            }
            _ => return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "expected GET or HEAD")),
        }
        if request.uri().to_string().len() > TARGET_MAX {
            let error = format!("expected a path and query of at most {TARGET_MAX} bytes");
            return Err(Refusal::new(StatusCode::URI_TOO_LONG, error));
        }
        let headers = request.headers();
        let empty = headers.get(header::CONTENT_LENGTH).is_none_or(|length| length == "0");
        if !empty || headers.contains_key(header::TRANSFER_ENCODING) {
            return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "expected a request without a body"));
        }
        Ok(())
    }
}

impl Passes {
    fn fit(&self, headers: &HeaderMap) -> bool {
        let mut given = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(given), None) = (given.next(), given.next()) else { return false };
        let Some((scheme, pass)) = given.to_str().ok().and_then(|given| given.split_once(' ')) else { return false };
        let expected = match scheme.to_ascii_lowercase().as_str() {
            "bearer" => &self.bearer,
            "basic" => &self.basic,
            _ => return false,
        };
        same(&sha256(pass.trim().as_bytes()), expected)
    }
}

/// In a time that does not depend on where they differ.
fn same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    std::hint::black_box(a.iter().zip(b).fold(0, |differing, (a, b)| differing | (a ^ b))) == 0
}

/// Without a token, being on this machine is the permission, and a browser on this machine can be led here by a name that a
/// foreign site controls (DNS rebinding). So the box must be called by an address or as `localhost`.
fn known_host(request: &Request) -> Result<(), Refusal> {
    let in_target = request.uri().authority().map(|authority| authority.host().to_owned());
    let in_headers = request.headers().get_all(header::HOST).iter().map(|host| {
        let authority = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
        authority.map(|authority| authority.host().to_owned()).unwrap_or_default()
    });
    for host in in_headers.chain(in_target) {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if bare.parse::<IpAddr>().is_err() && !bare.eq_ignore_ascii_case("localhost") {
            let error = "expected `localhost` or an IP address as the host: without a token no other name is answered";
            return Err(Refusal::new(StatusCode::MISDIRECTED_REQUEST, error));
        }
    }
    Ok(())
}

/// A page of another site says where it comes from, and has no business here; a page of ours may ask.
fn own_origin(headers: &HeaderMap) -> Result<(), Refusal> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    for origin in headers.get_all(header::ORIGIN) {
        let site = origin.to_str().ok().and_then(|origin| Some(origin.split_once("://")?.1));
        if site.is_none() || site != host {
            return Err(Refusal::new(StatusCode::FORBIDDEN, "requests from pages of other sites are refused"));
        }
    }
    Ok(())
}

/// Around all routes.
pub async fn guard(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let allowed = if deletable(request.uri().path()) { "DELETE" } else { "GET, HEAD" };
    let mut response = match gate.check(&request) {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            tracing::debug!(status = refusal.status.as_u16(), "request refused");
            refusal.into_response()
        }
    };
    let status = response.status();
    let headers = response.headers_mut();
    headers.extend(WORN);
    match status {
        StatusCode::UNAUTHORIZED => {
            headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"oriel\""));
            headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"oriel\""));
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            headers.insert(header::ALLOW, HeaderValue::from_static(allowed));
        }
        _ => {}
    }
    response
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits = three.iter().enumerate().fold(0u32, |bits, (i, byte)| bits | u32::from(*byte) << (16 - 8 * i));
        for i in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * i)) as usize & 63] as char;
            text.push(if i <= three.len() { letter } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_the_rfc_shows_it() {
        let shown = ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"];
        for (n, expected) in shown.iter().enumerate() {
            assert_eq!(base64(&b"foobar"[..n]), *expected);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }

    #[test]
    fn hashes_are_the_same_or_not() {
        let mut other = sha256(b"a");
        assert!(same(&sha256(b"a"), &other));
        other[31] ^= 1;
        assert!(!same(&sha256(b"a"), &other));
    }
}
