//! Numbers into advice: what is right, what to change on the camera, and why. The limits are those of docs/doctor.md.

use super::measure::Measured;
use crate::ballistics::{Calibration, FloorNeed, Grid, PIXELS_MIN, needs};
use crate::base::time::TimeSource;
use crate::facade::Stand;
use crate::media::Header;

/// How serious a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Ok,
    /// Cannot be told from the stream.
    Unknown,
    Warn,
    Bad,
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Finding {
    /// reach, codec, size, fps, jitter, bit_rate, gop, b_frames, clock, light, shutter, floors, stand
    pub what: &'static str,
    pub level: Level,
    /// What was seen.
    pub text: String,
    /// What to change and why; None where all is well.
    pub advice: Option<String>,
}

/// All that is known of a stream.
#[derive(Debug, Clone)]
pub struct Seen {
    pub facade: bool,
    pub live: bool,
    pub header: Header,
    pub measured: Measured,
    /// From asking for the stream to its first picture.
    pub first_picture_s: f64,
    pub time_source: Option<TimeSource>,
    /// Camera clock minus ours at arrival: the age of the picture, below 0, where both clocks are right.
    pub clock_offset_ms: Option<f64>,
    /// Mean luma, 0..255.
    pub luma: Option<f64>,
    pub ruler: Option<(Calibration, Grid)>,
    /// How the picture lies to the one of the calibration; None where there is none.
    pub stand: Option<Stand>,
}

/// Pixels of 2560 x 1440, which the limits are given for.
const FOUR_MP: f64 = 3_686_400.0;
/// Longer side of 8 MP, pixels.
const EIGHT_MP_LONG: f64 = 3840.0;

pub fn judge(seen: &Seen) -> Vec<Finding> {
    let mut findings = vec![reach(seen), codec(seen), size(seen), rate(seen), jitter(seen), bits(seen), group(seen)];
    findings.extend(reordered(seen));
    findings.extend(clock(seen));
    findings.extend(light(seen));
    if seen.facade {
        findings.push(shutter(seen));
        findings.extend(floors(seen));
        findings.extend(seen.ruler.as_ref().map(|_| stand(seen)));
    }
    findings
}

fn finding(what: &'static str, level: Level, text: String, advice: impl Into<String>) -> Finding {
    let advice = Some(advice.into()).filter(|advice| !advice.is_empty() && level != Level::Ok);
    Finding { what, level, text, advice }
}

fn reach(seen: &Seen) -> Finding {
    let text = format!("first picture after {:.1} s", seen.first_picture_s);
    let level = if seen.live && seen.first_picture_s > 4.0 { Level::Warn } else { Level::Ok };
    finding(
        "reach",
        level,
        text,
        "after a reconnect the camera is blind for so long: shorten the interval of key pictures, look at the network",
    )
}

fn codec(seen: &Seen) -> Finding {
    let header = &seen.header;
    let mut text = header.codec.to_uppercase().replace('H', "H.").replace("MJPEG", "Motion JPEG");
    if let Some(profile) = &header.profile {
        text += &format!(", profile {profile}");
    }
    if let Some(level) = &header.level {
        text += &format!(", level {level}");
    }
    if header.interlaced {
        let advice =
            "switch to progressive pictures: half pictures tear what moves, and a fall is one line thick in them";
        return finding("codec", Level::Bad, format!("{text}, interlaced"), advice);
    }
    match header.codec.as_str() {
        "h264" | "h265" => finding("codec", Level::Ok, text, ""),
        _ => finding(
            "codec",
            Level::Warn,
            text,
            "choose H.264 or H.265 on the camera: the same picture in a tenth of the bits",
        ),
    }
}

fn size(seen: &Seen) -> Finding {
    let (width, height) = (seen.header.width, seen.header.height);
    let text = format!("{width} x {height}");
    if seen.facade && ((width * height) as f64) < 0.5 * FOUR_MP {
        let advice = "use the main stream: 4 MP (2560 x 1440) or 8 MP. A 10 cm object on floor 20, 30 m away, needs them for 3 pixels";
        return finding("size", Level::Bad, text, advice);
    }
    if !seen.facade && height.min(width) < 360 {
        return finding("size", Level::Warn, text, "people far away get too small: at least 640 x 360");
    }
    finding("size", Level::Ok, text, "")
}

fn rate(seen: &Seen) -> Finding {
    let fps = seen.measured.fps;
    let promised = seen.header.fps.filter(|promised| (promised / fps - 1.0).abs() > 0.1);
    let promised = promised.map(|promised| format!(", its header promises {promised:.0}")).unwrap_or_default();
    let text = format!("{fps:.1} pictures a second{promised}");
    let level = match (seen.facade, fps) {
        (true, fps) if fps < 14.5 => Level::Bad,
        (true, fps) if fps < 24.0 => Level::Warn,
        (false, fps) if fps < 7.5 => Level::Warn,
        _ => Level::Ok,
    };
    let advice = if seen.facade {
        "set 25 pictures a second: with fewer, what falls past the lower floors jumps too far from one picture to the next"
    } else {
        "set 10 pictures a second or more: with fewer, people and cars swap places between two pictures"
    };
    finding("fps", level, text, advice)
}

fn jitter(seen: &Seen) -> Finding {
    let m = &seen.measured;
    let text = format!(
        "{:.1} ms of jitter, {} gaps (longest {:.0} ms), {} repeated times",
        m.jitter_ms, m.gaps, m.longest_ms, m.repeated
    );
    let usual_ms = 1e3 / m.fps.max(0.1);
    let missing = m.gaps as f64 / m.pictures.max(1) as f64;
    let level = if missing > 0.02 || m.longest_ms > 1000.0 {
        Level::Bad
    } else if m.gaps > 0 || m.repeated > 0 || m.jitter_ms > 0.25 * usual_ms {
        Level::Warn
    } else {
        Level::Ok
    };
    let advice = "pictures are lost or come unevenly: look at cable and Wi-Fi, at the camera's load (fewer viewers, smart \
                  functions off), and use TCP";
    finding("jitter", level, text, advice)
}

/// Bits a second that a facade's stream of this size needs: 6 Mb/s at 4 MP, 10 at 8 MP.
fn bits_needed(pixels: f64) -> f64 {
    6e6 * (pixels / FOUR_MP).powf(0.63)
}

fn bits(seen: &Seen) -> Finding {
    let m = &seen.measured;
    let pixels = (seen.header.width * seen.header.height) as f64;
    let text = format!("{:.2} Mb/s, at most {:.2} in a second", m.bit_rate / 1e6, m.bit_rate_peak / 1e6);
    if seen.facade {
        let needed = bits_needed(pixels);
        let advice = format!(
            "set a constant bit rate (CBR) of {:.0} Mb/s or more: with too few bits the encoder smooths away what is a few pixels \
             wide, at night first",
            (needed / 1e6).ceil()
        );
        // The limits: 6 Mb/s at 4 MP, and below 4 the stream is of no use.
        if m.bit_rate < needed * 2.0 / 3.0 {
            return finding("bit_rate", Level::Bad, text, advice);
        }
        if m.bit_rate < needed {
            return finding("bit_rate", Level::Warn, text, advice);
        }
        if m.bit_rate_peak > 1.8 * m.bit_rate {
            let advice =
                "set a constant bit rate (CBR): a variable one saves its bits exactly while the facade is still";
            return finding("bit_rate", Level::Warn, text, advice);
        }
    } else if m.bit_rate < 0.4 * pixels {
        let advice = format!("set at least {:.1} Mb/s: small faces and plates smear first", 0.5 * pixels / 1e6);
        return finding("bit_rate", Level::Warn, text, advice);
    }
    finding("bit_rate", Level::Ok, text, "")
}

fn group(seen: &Seen) -> Finding {
    let m = &seen.measured;
    let smart = "switch off the smart codec (Smart264/265, H.264+, H.265+, Zipstream, dynamic GOP): it spends no bits on small \
                 things that move, and key pictures come when it likes";
    let (Some(low), Some(high)) = (m.groups.iter().min(), m.groups.iter().max()) else {
        let text = format!("no two key pictures in {} pictures", m.pictures);
        let long = m.open_group as f64 / m.fps.max(1.0) > 6.0;
        let level = if long { Level::Warn } else { Level::Unknown };
        return finding("gop", level, text, if long { smart } else { "listen longer: --seconds 30" });
    };
    let mean = m.groups.iter().sum::<usize>() as f64 / m.groups.len() as f64;
    let longest = (*high).max(m.open_group) as f64;
    let varies = m.groups.len() > 1 && (high - low) as f64 > 0.3 * mean;
    let text =
        if low == high { format!("{low} pictures a group") } else { format!("{low} to {high} pictures a group") };
    // A recorded clip may have been cut together.
    if seen.live && varies {
        let level = if seen.facade { Level::Bad } else { Level::Warn };
        return finding("gop", level, format!("{text}, it varies"), smart);
    }
    if seen.facade && (longest > 100.0 || mean < 45.0) {
        let advice = if longest > 100.0 {
            smart
        } else {
            "set a key picture every 50 to 100 pictures (2 to 4 s): each one makes the whole picture twitch"
        };
        return finding("gop", Level::Warn, text, advice);
    }
    if longest / m.fps.max(1.0) > 5.0 {
        return finding("gop", Level::Warn, text, format!("set a key picture every 2 to 4 s; {smart}"));
    }
    finding("gop", Level::Ok, text, "")
}

fn reordered(seen: &Seen) -> Option<Finding> {
    let level = if seen.live { Level::Warn } else { Level::Ok };
    let advice = "switch off B-frames (profile Baseline, or `low latency`): every picture waits for later ones, and alarms with it";
    seen.measured
        .reordered
        .then(|| finding("b_frames", level, "pictures are sent out of order (B-frames)".into(), advice))
}

fn clock(seen: &Seen) -> Option<Finding> {
    if !seen.live {
        return None;
    }
    Some(match (seen.time_source, seen.clock_offset_ms) {
        (Some(TimeSource::RtcpNtp | TimeSource::Onvif), Some(offset)) if (-2000.0..=100.0).contains(&offset) => {
            finding(
                "clock",
                Level::Ok,
                format!("times by the camera's clock; a picture is {:.0} ms old on arrival", -offset),
                "",
            )
        }
        (Some(TimeSource::RtcpNtp | TimeSource::Onvif), offset) => finding(
            "clock",
            Level::Warn,
            format!("the camera's clock is {:.1} s off", offset.unwrap_or(0.0) / 1e3),
            "give camera and box the same NTP server: the times in events are the camera's",
        ),
        _ => finding(
            "clock",
            Level::Warn,
            "times by arrival: the camera sends no sender reports (RTCP)".into(),
            "switch on RTCP or ONVIF time stamps if the camera has them; times are else late by what the network takes",
        ),
    })
}

fn light(seen: &Seen) -> Option<Finding> {
    let luma = seen.luma?;
    let text = format!("mean brightness {luma:.0} of 255");
    let dark = "the picture is dark: the camera exposes longer and amplifies more. Add light (not at the lens, for insects), and \
                fix the longest exposure";
    let level = if luma < 45.0 { Level::Warn } else { Level::Ok };
    Some(finding("light", level, text, dark))
}

fn shutter(seen: &Seen) -> Finding {
    let blur = seen.ruler.as_ref().and_then(|(calibration, grid)| {
        let at = |shutter| needs(calibration, grid, seen.measured.fps.max(1.0), shutter);
        let worst = |found: Vec<FloorNeed>| {
            found.iter().filter(|floor| floor.visible).map(|floor| floor.blur_px).fold(0.0, f64::max)
        };
        Some((worst(at(1.0 / 250.0)), worst(at(1.0 / 25.0)))).filter(|(day, _)| *day > 0.0)
    });
    let blur = blur.map(|(day, slow)| {
        format!("; on the lowest floor in view that smears a fall over {day:.0} px, 1/25 over {slow:.0} px")
    });
    let text = "a stream does not tell its exposure".to_string();
    let advice = format!(
        "set 1/250 s or shorter by day, 1/100 s at most by night, never 1/25; WDR off, noise reduction (3D-DNR) medium at most, \
         no stabiliser, no text over the facade{}",
        blur.unwrap_or_default()
    );
    finding("shutter", Level::Unknown, text, advice)
}

fn floors(seen: &Seen) -> Option<Finding> {
    let Some((calibration, grid)) = &seen.ruler else {
        let advice = "calibrate it (`oriel calibrate`, docs/calibration.md) and give --calibration: it tells pixels for each floor";
        return Some(finding("floors", Level::Unknown, "no calibration".into(), advice));
    };
    let view = calibration.view();
    let (width, height) = (seen.header.width as f64, seen.header.height as f64);
    if width > 0.0 && height > 0.0 && (width / height - view.width / view.height).abs() > 0.02 * (width / height) {
        let text =
            format!("calibrated at {:.0} x {:.0}, the stream is {width:.0} x {height:.0}", view.width, view.height);
        return Some(finding("floors", Level::Bad, text, "calibrate it again with a picture of this stream"));
    }
    let sized = calibration.resized(seen.header.width, seen.header.height);
    let found = needs(&sized, grid, seen.measured.fps.max(1.0), 1.0 / 250.0);
    let visible: Vec<&FloorNeed> = found.iter().filter(|floor| floor.visible).collect();
    let (Some(low), Some(high)) = (visible.first(), visible.last()) else {
        return Some(finding("floors", Level::Bad, "no floor is in the picture".into(), "calibrate it again"));
    };
    let text = format!(
        "a 10 cm object is {:.1} px on floor {}, {:.1} px on floor {}",
        low.object_px, low.number, high.object_px, high.number
    );
    let small: Vec<&FloorNeed> = visible.into_iter().filter(|floor| floor.too_small()).collect();
    let (Some(first), Some(last)) = (small.first(), small.last()) else {
        return Some(finding("floors", Level::Ok, text, ""));
    };
    let also = match small.len() {
        1 => String::new(),
        _ => format!(", and so on up to floor {}: {:.1} px", last.number, last.object_px),
    };
    let advice = format!(
        "floor {}: a 10 cm object is {:.1} px, below {PIXELS_MIN}{also}; {}",
        first.number,
        first.object_px,
        larger(seen, &small)
    );
    Some(finding("floors", Level::Warn, text, advice))
}

/// What makes things on these floors large enough. Something always helps: each floor can have a camera of its own.
fn larger(seen: &Seen, small: &[&FloorNeed]) -> String {
    let least = small.iter().map(|floor| floor.object_px).fold(f64::INFINITY, f64::min);
    let zoom = PIXELS_MIN / least;
    let eight = EIGHT_MP_LONG / seen.header.width.max(seen.header.height) as f64;
    let zoom_in = format!("zoom in {:.1} times", (10.0 * zoom).ceil() / 10.0);
    if eight >= zoom {
        return format!("{zoom_in} or use 8 MP");
    }
    let up_to = small.iter().rev().find(|floor| floor.object_px * eight >= PIXELS_MIN && eight > 1.0);
    let up_to = up_to.map(|floor| format!(" (8 MP would do up to floor {})", floor.number)).unwrap_or_default();
    format!("{zoom_in} or give the upper floors a camera of their own{up_to}")
}

fn stand(seen: &Seen) -> Finding {
    let Some(stand) = seen.stand else {
        let advice = "run `oriel calibrate` again: it keeps the picture beside the calibration, and from then on it is told when the \
                      camera was moved";
        return finding("stand", Level::Unknown, "the picture of the calibration is not there".into(), advice);
    };
    let again =
        "floors and columns are wrong: set the camera back as it was, or calibrate it again (docs/calibration.md)";
    let long = seen.header.width.max(seen.header.height) as f32;
    match (stand, stand.moved()) {
        (Stand::Found(shift), Some(true)) => {
            let text = format!(
                "moved since it was calibrated: {:.1} % of the longer side ({:.0} px; {:+.0} px to the right, {:+.0} px down, turned {:+.1} \
                 degrees, {:+.1} % larger)",
                100.0 * shift.far,
                shift.far * long,
                shift.right * long,
                shift.down * long,
                shift.turned_deg,
                100.0 * shift.larger
            );
            finding("stand", Level::Bad, text, again)
        }
        (Stand::Found(shift), _) => {
            let text = format!("as it was calibrated, within {:.0} px", (shift.far * long).ceil());
            finding("stand", Level::Ok, text, "")
        }
        (Stand::Another, _) => {
            finding("stand", Level::Bad, "the picture is not the one that was calibrated".into(), again)
        }
        (Stand::Unclear, _) => finding(
            "stand",
            Level::Unknown,
            "too little to see: dark, fog, or a wall without lines".into(),
            "look again by day",
        ),
    }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
