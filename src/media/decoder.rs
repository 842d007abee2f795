//! Which pipeline text decodes a stream: trusted templates from `pipelines/`, chosen by codec and by what is installed.

use gst::prelude::*;

use super::{Decode, Fault};
use crate::base::health::Reason;

/// (codec, variant, text), hardware before software.
const TEMPLATES: [(&str, Decode, &str); 13] = [
    ("h264", Decode::Vaapi, include_str!("../../pipelines/h264-vaapi.launch")),
    ("h264", Decode::Nvidia, include_str!("../../pipelines/h264-nvidia.launch")),
    ("h264", Decode::Rockchip, include_str!("../../pipelines/h264-rockchip.launch")),
    ("h264", Decode::V4l2, include_str!("../../pipelines/h264-v4l2.launch")),
    ("h264", Decode::Software, include_str!("../../pipelines/h264-software.launch")),
    ("h265", Decode::Vaapi, include_str!("../../pipelines/h265-vaapi.launch")),
    ("h265", Decode::Nvidia, include_str!("../../pipelines/h265-nvidia.launch")),
    ("h265", Decode::Rockchip, include_str!("../../pipelines/h265-rockchip.launch")),
    ("h265", Decode::V4l2, include_str!("../../pipelines/h265-v4l2.launch")),
    ("h265", Decode::Software, include_str!("../../pipelines/h265-software.launch")),
    ("mpeg4", Decode::Software, include_str!("../../pipelines/mpeg4-software.launch")),
    ("msmpeg4v2", Decode::Software, include_str!("../../pipelines/msmpeg4v2-software.launch")),
    ("mjpeg", Decode::Software, include_str!("../../pipelines/mjpeg-software.launch")),
];

/// Our name for the codec of `caps`, None for what this service does not decode.
pub fn codec_of(caps: &gst::CapsRef) -> Option<&'static str> {
    let structure = caps.structure(0)?;
    match structure.name().as_str() {
        "video/x-h264" => Some("h264"),
        "video/x-h265" => Some("h265"),
        "video/mpeg" if structure.get::<i32>("mpegversion") == Ok(4) => Some("mpeg4"),
        "video/x-divx" | "video/x-xvid" => Some("mpeg4"),
        "video/x-msmpeg" if structure.get::<i32>("msmpegversion") == Ok(42) => Some("msmpeg4v2"),
        "image/jpeg" => Some("mjpeg"),
        _ => None,
    }
}

/// The tail for `codec` as a bin with one sink pad, and the variant that was chosen.
/// Fails where the wanted variant's elements are not installed, naming those that are missing.
pub fn tail(codec: &str, wanted: Decode) -> Result<(gst::Bin, Decode), Fault> {
    let fitting =
        TEMPLATES.iter().filter(|(c, variant, _)| *c == codec && (wanted == Decode::Auto || wanted == *variant));
    let mut missing = Vec::new();
    for (_, variant, text) in fitting {
        let lacks: Vec<_> = elements(text).filter(|name| !installed(name)).collect();
        if !lacks.is_empty() {
            missing.push(format!("{variant:?} lacks {}", lacks.join(", ")));
            continue;
        }
        return Ok((parse(&launch_text(text))?, *variant));
    }
    let detail = if missing.is_empty() {
        format!("no template decodes {codec} as {wanted:?}")
    } else {
        format!(
            "{codec} cannot be decoded: {}; scripts/setup.sh installs what software decoding needs",
            missing.join("; ")
        )
    };
    Err(Fault::new(Reason::DecodeError, detail))
}

/// Every template by name, for the tests.
pub fn templates() -> impl Iterator<Item = (String, &'static str)> {
    TEMPLATES.iter().map(|(codec, variant, text)| (format!("{codec}-{variant:?}").to_lowercase(), *text))
}

/// Is this element here?
pub fn installed(element: &str) -> bool {
    gst::ElementFactory::find(element).is_some()
}

/// A tail's text as a bin with its open end as the sink pad.
pub fn parse(launch: &str) -> Result<gst::Bin, Fault> {
    gst::parse::bin_from_description(launch, true).map_err(|error| Fault::new(Reason::StreamError, error.to_string()))
}

/// The template without its lines for people.
pub fn launch_text(template: &str) -> String {
    template.lines().filter(|line| !line.trim_start().starts_with('#')).collect::<Vec<_>>().join(" ")
}

/// Names of the elements in a template; caps filters are none.
pub fn elements(template: &str) -> impl Iterator<Item = String> {
    let text = launch_text(template);
    let names =
        text.split('!').filter_map(|part| part.split_whitespace().next().map(str::to_owned)).collect::<Vec<_>>();
    names.into_iter().filter(|name| !name.contains('/'))
}

/// A named element of a template.
pub fn named(bin: &gst::Bin, name: &str) -> Result<gst::Element, Fault> {
    bin.by_name(name).ok_or_else(|| Fault::new(Reason::StreamError, format!("a template has no element named {name}")))
}
