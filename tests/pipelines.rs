//! Every template in pipelines/ is one that GStreamer can parse, on whatever machine.

use oriel::media::{self, decoder};

/// Nothing else may stand in a template: what is not here has not been looked at.
const ALLOWED: [&str; 21] = [
    "videoconvert",
    "h264parse",
    "h265parse",
    "mpeg4videoparse",
    "jpegparse",
    "identity",
    "avdec_h264",
    "avdec_h265",
    "avdec_mpeg4",
    "avdec_msmpeg4v2",
    "avdec_mjpeg",
    "vah264dec",
    "vah265dec",
    "vapostproc",
    "nvh264dec",
    "nvh265dec",
    "cudadownload",
    "v4l2h264dec",
    "v4l2h265dec",
    "mppvideodec",
    "appsink",
];

#[test]
fn every_template_parses_and_has_its_named_places() {
    media::init().expect("GStreamer is installed");
    for (name, text) in decoder::templates() {
        let mut launch = decoder::launch_text(text);
        for element in decoder::elements(text) {
            assert!(ALLOWED.contains(&element.as_str()), "{name}: {element}");
            if !decoder::installed(&element) {
                // Its hardware is elsewhere; its properties cannot be checked here, its syntax can.
                let decoder = if name.starts_with("h264") { "avdec_h264" } else { "avdec_h265" };
                launch = launch.replace(&element, if element.contains("dec") { decoder } else { "videoconvert" });
            }
        }
        decoder::parse(&launch).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        for place in ["parse", "decoder", "sink"] {
            assert!(launch.contains(&format!("name={place}")), "{name} has no {place}");
        }
    }
}
