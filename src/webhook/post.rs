//! One attempt: the request, its signature, and what the answer means.

use std::io::Read;
use std::time::Duration;

use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};

use super::Spec;
use crate::base::hash::hmac_sha256_hex;
use crate::base::secret::Secret;
use crate::base::time::{Timestamp, http_date};

/// What is read of an answer; its text means nothing here, but a connection whose answer was read can be used again.
const ANSWER_MAX: u64 = 16 << 10;
const HEAD_MAX: usize = 16 << 10;

pub enum Outcome {
    Delivered,
    /// For good: the event's fault, or the address's.
    Refused(u16),
    /// Why, and how long the server asks to be left alone.
    Later(String, Option<Duration>),
}

pub struct Post {
    agent: ureq::Agent,
    url: Secret,
    secret: Option<Secret>,
}

impl Post {
    pub fn new(spec: &Spec) -> Result<Post, String> {
        let roots = match &spec.ca {
            None => RootCerts::PlatformVerifier,
            Some(path) => {
                let pem = std::fs::read(path).map_err(|why| format!("{}: {why}", path.display()))?;
                let certificate = |item| match item {
                    Ok(PemItem::Certificate(certificate)) => Some(certificate),
                    _ => None,
                };
                let certificates: Vec<Certificate<'static>> = parse_pem(&pem).filter_map(certificate).collect();
                if certificates.is_empty() {
                    return Err(format!("{}: expected a certificate in PEM", path.display()));
                }
                RootCerts::from(certificates)
            }
        };
        let tls = TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(roots).build();
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(spec.timeout))
            // Whoever answers must be who was named.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .max_response_header_size(HEAD_MAX)
            .user_agent(concat!("oriel/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls)
            .build();
        Ok(Post { agent: ureq::Agent::new_with_config(config), url: spec.url.clone(), secret: spec.secret.clone() })
    }

    pub fn send(&self, body: &[u8], now: Timestamp) -> Outcome {
        let mut request = self.agent.post(self.url.reveal()).content_type("application/cloudevents+json");
        if let Some(secret) = &self.secret {
            request = request.header("Oriel-Signature", signature(secret, now.as_second(), body));
        }
        match request.send(body) {
            Ok(mut answer) => {
                let outcome = outcome_of(answer.status().as_u16(), answer.headers().get("retry-after"), now);
                let _ = std::io::copy(&mut answer.body_mut().as_reader().take(ANSWER_MAX), &mut std::io::sink());
                outcome
            }
            // None of these messages has more of the URL than its host.
            Err(ureq::Error::BadUri(_)) => Outcome::Later("the address cannot be used".into(), None),
            Err(error) => Outcome::Later(error.to_string(), None),
        }
    }
}

/// `t=<unix>,v1=<hex>`: the time is signed too, so that an old request cannot be sent again as a new one.
fn signature(secret: &Secret, unix: i64, body: &[u8]) -> String {
    let mac = hmac_sha256_hex(secret.reveal().as_bytes(), &[unix.to_string().as_bytes(), b".", body]);
    format!("t={unix},v1={mac}")
}

fn outcome_of(status: u16, retry_after: Option<&ureq::http::HeaderValue>, now: Timestamp) -> Outcome {
    match status {
        200..=299 => Outcome::Delivered,
        // The server's state, not the event's fault. A redirect is a wrong address in the config: nothing is lost over it.
        408 | 425 | 429 | 500..=599 | 300..=399 => {
            let after = retry_after.and_then(|text| wait_of(text.to_str().ok()?, now));
            Outcome::Later(format!("the server answers {status}"), after)
        }
        400..=499 => Outcome::Refused(status),
        _ => Outcome::Later(format!("the server answers {status}"), None),
    }
}

/// `Retry-After`: seconds, or a date.
fn wait_of(text: &str, now: Timestamp) -> Option<Duration> {
    match text.trim().parse::<u32>() {
        Ok(seconds) => Some(Duration::from_secs(seconds.into())),
        Err(_) => Duration::try_from(http_date(text.trim())?.duration_since(now)).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_means() {
        let now: Timestamp = "1994-11-06T08:49:00Z".parse().expect("a time");
        let word = |status: u16| match outcome_of(status, None, now) {
            Outcome::Delivered => "delivered",
            Outcome::Refused(_) => "refused",
            Outcome::Later(..) => "later",
        };
        for (statuses, expected) in [
            (vec![200, 201, 202, 204, 299], "delivered"),
            (vec![400, 401, 403, 404, 405, 410, 413, 422, 451], "refused"),
            (vec![301, 302, 307, 308, 408, 425, 429, 500, 502, 503, 504], "later"),
        ] {
            statuses.into_iter().for_each(|status| assert_eq!(word(status), expected, "{status}"));
        }
        let wait = |text: &str| wait_of(text, now).map(|wait| wait.as_secs());
        assert_eq!(wait("120"), Some(120));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT"), Some(37));
        assert_eq!(wait("Sun, 06 Nov 1994 08:40:00 GMT"), None, "it is over");
        assert_eq!([wait("soon"), wait("-5"), wait("")], [None; 3]);
    }

    #[test]
    fn the_signature_covers_time_and_body() {
        let sign = |unix, body: &[u8]| signature(&Secret::new("key"), unix, body);
        // printf '1700000000.{}' | openssl dgst -sha256 -hmac key
        assert_eq!(
            sign(1_700_000_000, b"{}"),
            "t=1700000000,v1=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae"
        );
        assert_ne!(sign(1, b"{}")[4..], sign(2, b"{}")[4..]);
        assert_ne!(sign(1, b"{}"), sign(1, b"[]"));
    }
}
