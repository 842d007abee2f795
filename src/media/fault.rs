//! GStreamer's messages in our words.

use gst::prelude::*;

use super::Fault;
use crate::base::health::Reason;

impl Fault {
    pub(super) fn new(reason: Reason, detail: String) -> Fault {
        Fault { reason, detail: without_credentials(&detail) }
    }
}

/// The fault that an error message tells of; None for other messages.
pub fn of_message(message: &gst::Message) -> Option<Fault> {
    let gst::MessageView::Error(error) = message.view() else { return None };
    let text = error.error().to_string();
    let debug = error.debug().map(|debug| debug.to_string()).unwrap_or_default();
    let both = format!("{text} {debug}").to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| both.contains(word));
    let cause = error.error();
    let reason = if cause.matches(gst::ResourceError::NotAuthorized) || says(&["unauthorized", "(401)"]) {
        Reason::Unauthorised
    } else if says(&["connection refused"]) {
        Reason::Refused
    } else if cause.matches(gst::ResourceError::NotFound) || says(&["not found (404)"]) {
        Reason::NotFound
    } else if says(&["no route", "unreachable", "could not resolve", "resolving", "timed out", "timeout"]) {
        Reason::NoRoute
    } else if says(&["failed to connect", "could not connect"]) {
        Reason::Refused
    } else if cause.matches(gst::StreamError::Decode)
        || cause.matches(gst::StreamError::Format)
        || message.src().is_some_and(|source| source.type_().name().contains("dec"))
    {
        Reason::DecodeError
    } else {
        Reason::StreamError
    };
    Some(Fault::new(reason, text))
}

/// `rtsp://user:pass@host` loses what stands before the `@`. Our URLs hold none; a camera's own answer might.
fn without_credentials(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || c == '/' || c == '\'').unwrap_or(after.len());
        let host = after[..end].rfind('@').map_or(0, |at| at + 1);
        out.push_str(&after[host..end]);
        rest = &after[end..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_cut_out_of_any_text() {
        let told = without_credentials("cannot open rtsp://admin:S3cr3t@10.0.0.7/a and rtsp://b:c@d");
        assert_eq!(told, "cannot open rtsp://10.0.0.7/a and rtsp://d");
    }
}
