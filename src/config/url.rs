//! URLs of cameras and brokers, taken apart: credentials leave the text here and never come back into it.

use crate::base::secret::Secret;

pub struct Url {
    pub scheme: String,
    pub user: Option<String>,
    pub password: Option<Secret>,
    pub host: String,
    pub port: Option<u16>,
    /// Path and query, from the first `/` or `?`; empty if there is none.
    pub rest: String,
}

impl Url {
    /// Without user and password.
    pub fn bare(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{host}{port}{}", self.scheme, self.rest)
    }
}

/// Takes a URL apart; the error says what is wrong without quoting anything that may be a credential.
pub fn split(text: &str) -> Result<Url, String> {
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("a URL has no spaces; write a space as %20".to_string());
    }
    if let Some(odd) = text.chars().find(|c| matches!(c, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}')) {
        return Err(format!("a URL has no `{odd}`; write it percent-encoded"));
    }
    let Some((scheme, after)) = text.split_once("://") else {
        return Err("a URL has the form scheme://host".to_string());
    };
    let end = after.find(['/', '?', '#']).unwrap_or(after.len());
    let (authority, rest) = after.split_at(end);
    if !authority.contains('@') && rest.contains('@') {
        return Err("an `@` after the host, or a `/`, `?` or `#` before it: in a user name, password or path write \
             `/` as %2F, `?` as %3F, `#` as %23 and `@` as %40"
            .to_string());
    }
    if rest.contains('#') {
        return Err("no `#` is expected in this URL; write it as %23".to_string());
    }
    let (userinfo, address) = match authority.rsplit_once('@') {
        Some((userinfo, address)) => (Some(userinfo), address),
        None => (None, authority),
    };
    let (user, password) = match userinfo {
        None => (None, None),
        Some(userinfo) => {
            let (user, password) = match userinfo.split_once(':') {
                Some((user, password)) => (user, Some(password)),
                None => (userinfo, None),
            };
            let password = password.map(|text| decoded(text).map(Secret::new)).transpose()?;
            (Some(decoded(user)?).filter(|user| !user.is_empty()), password)
        }
    };
    let (host, port) = if let Some(bracketed) = address.strip_prefix('[') {
        let (host, after) = bracketed.split_once(']').ok_or("the `[` of the host has no `]`")?;
        if host.parse::<std::net::Ipv6Addr>().is_err() {
            return Err("between `[` and `]` an IPv6 address is expected".to_string());
        }
        (host, if after.is_empty() { None } else { Some(after.strip_prefix(':').ok_or("expected `:port` after `]`")?) })
    } else {
        match address.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        }
    };
    if host.is_empty() {
        return Err("the host is missing".to_string());
    }
    let name = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if !host.chars().all(name) {
        return Err("the host has letters, digits, `.`, `-` and `_` only".to_string());
    }
    let port = match port {
        None => None,
        Some(text) => match text.parse::<u16>() {
            Ok(port) if port > 0 => Some(port),
            _ => return Err("the port is a number from 1 to 65535".to_string()),
        },
    };
    let scheme = scheme.to_ascii_lowercase();
    Ok(Url { scheme, user, password, host: host.to_string(), port, rest: rest.to_string() })
}

/// `%40` is `@`.
fn decoded(text: &str) -> Result<String, String> {
    let wrong = || "a `%` in a user name or password is followed by two hex digits, or written %25".to_string();
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|byte| (byte as char).to_digit(16)).ok_or_else(wrong);
        let (high, low) = (digit()?, digit()?);
        bytes.push((high * 16 + low) as u8);
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

/// The text as it may be shown: whatever stands between `://` and the last `@`, and the values of query fields that
/// some cameras take a password in, are stars.
pub fn scrubbed(text: &str) -> String {
    let text = match (text.find("://"), text.rfind('@')) {
        (Some(start), Some(end)) if start + 3 <= end => format!("{}***{}", &text[..start + 3], &text[end..]),
        // Somebody forgot the scheme.
        (None, Some(end)) if text[..end].contains(':') => format!("***{}", &text[end..]),
        _ => text.to_string(),
    };
    let mut shown = String::with_capacity(text.len());
    for piece in text.split_inclusive(['?', '&', '/', ';']) {
        let lower = piece.to_ascii_lowercase();
        if piece.contains('=') && ["pass", "pwd", "secret", "token", "auth"].iter().any(|word| lower.contains(word)) {
            let end = piece.chars().last().filter(|c| matches!(c, '?' | '&' | '/' | ';'));
            shown.push_str(&format!(
                "{}=***{}",
                piece.split('=').next().unwrap_or_default(),
                end.map(String::from).unwrap_or_default()
            ));
        } else {
            shown.push_str(piece);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_leave_the_url() {
        let url = split("rtsp://admin:p%40ss%3Aw%C3%A9@[fe80::1]:8554/stream?ch=1").unwrap();
        assert_eq!(url.user.as_deref(), Some("admin"));
        assert_eq!(url.password.as_ref().unwrap().reveal(), "p@ss:wé");
        assert_eq!(url.bare(), "rtsp://[fe80::1]:8554/stream?ch=1");
        let url = split("rtsp://admin:a:b@c@10.0.0.7").unwrap();
        assert_eq!(url.password.as_ref().unwrap().reveal(), "a:b@c");
        assert_eq!(url.bare(), "rtsp://10.0.0.7");
    }

    #[test]
    fn what_is_no_url_is_refused_without_quoting_it() {
        for bad in [
            "rtsp://admin:canary/x@10.0.0.7/stream",
            "rtsp://admin:canary#x@10.0.0.7",
            "rtsp://admin:canary%zz@10.0.0.7",
            "rtsp://admin:canary@",
            "rtsp://admin:canary@host:0",
            "rtsp://admin:canary@host:65536",
            "rtsp://admin:canary@host/a b",
            "rtsp://ho|st/canary",
            "rtsp://[1::zz]/canary",
            "admin:canary@host",
        ] {
            let error = split(bad).map(|url| url.bare()).unwrap_err();
            assert!(!error.contains("canary"), "{error}");
            if bad.contains("canary@") || bad.contains("canary/x") || bad.contains('%') {
                assert!(!scrubbed(bad).contains("canary"), "{}", scrubbed(bad));
            }
        }
    }

    #[test]
    fn passwords_in_a_query_are_not_shown() {
        assert_eq!(scrubbed("rtsp://h/user=admin&password=x&channel=1"), "rtsp://h/user=admin&password=***&channel=1");
        assert_eq!(scrubbed("rtsp://u:p@h/s"), "rtsp://***@h/s");
        assert_eq!(scrubbed("gate.mp4"), "gate.mp4");
    }
}
