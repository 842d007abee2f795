//! Keys of a camera.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{FromSwitch, FromText, OrSwitch, OrText, Regions, Rule, Spot, Spots, Way, bare, keys, within, words};
use crate::base::detection::Kind;
use crate::base::geometry::Anchor;
use crate::config::CameraKind;
use crate::config::places::{
    At, Hidden, NamedMap, Node, Place, Problems, Read, entries, quoted, read_key, unknown_key,
};
use crate::media::{Decode, Transport};

keys! {
    /// One camera.
    Camera {
        /// `gate`: people and vehicles at an entrance. `facade`: a wall of windows, things that fall.
        #[schemars(required)]
        kind: CameraKind;
        /// false keeps the camera in the file and out of work.
        enabled: bool, default true;
        /// `rtsp://` or `rtsps://` URL, path of a clip, or a map.
        source: OrText<Source>;
        /// Name of a model card. A gate camera needs one.
        model: String;
        /// How often its pictures are analysed.
        detect: Detect;
        /// Still pictures are not analysed; without it all are. Gate cameras only.
        motion: Motion;
        /// Key pictures alone are decoded while nothing moves; without it all are. Needs `motion`.
        idle: Idle;
        /// Kinds that are tracked; without it person, two_wheeler, car, truck_bus and animal, as far as the model sees them.
        kinds: Vec<At<Kind>>;
        /// Detections below start no track.
        score_min: f64, in 0.0 to 1.0, default 0.4;
        /// Point of a box that stands for the subject: bottom_centre (feet, wheels) or centre.
        #[schemars(extend("default" = "bottom_centre"))]
        anchor: Anchor;
        /// Lines by id.
        lines: NamedMap<Line>;
        /// Zones by id.
        zones: NamedMap<Zone>;
        /// Rules by id.
        rules: NamedMap<Rule>;
        /// What a facade camera watches.
        facade: Facade;
        /// A JPEG with each event: `true` (as without a word), `false`, or a map.
        snapshots: OrSwitch<Snapshots>;
        /// The seconds around an event as a video, cut from the camera's own stream. Without it `true`, but `false` where
        /// `snapshots` has `blur`: a video is never blurred.
        clips: bool;
        /// How long those are.
        clip: Clip;
    }
}

keys! {
    /// Pictures of events.
    Snapshots {
        /// false makes none.
        enabled: bool, default true;
        /// The object's box and a word of what it is are drawn into the picture.
        boxes: bool, default true;
        /// Areas made unrecognisable in every picture that is kept: a window, a neighbour's door.
        blur: Vec<At<Spots>>;
    }
}

keys! {
    /// Length of clips, and the memory for what was before an event.
    Clip {
        /// Seconds before the event. 10 if absent at a facade, 5 at a gate.
        before_s: f64, in 0 to 30;
        /// Seconds after it. 10 if absent at a facade, 5 at a gate.
        after_s: f64, in 0 to 30;
        /// Most memory for the seconds before, MB; where it is too small, clips begin later.
        ring_mb: u64, in 1 to 1024, default 32u64;
    }
}

keys! {
    /// Where a camera's pictures come from.
    Source {
        /// `rtsp://` or `rtsps://` URL, or path of a clip.
        #[schemars(required)]
        url: String;
        /// RTSP over TCP or UDP.
        #[schemars(extend("default" = "tcp"))]
        transport: Transport;
        /// User name at the camera.
        user: String;
        /// Password at the camera; better kept out of this file with `password_file` or `password_env`.
        password: Hidden;
        /// File that holds the password and nothing else.
        password_file: String;
        /// Environment variable that holds the password.
        password_env: String;
        /// Decoder; auto takes the first that is installed, hardware before software.
        #[schemars(extend("default" = "auto"))]
        decode: Decode;
        /// Jitter buffer of a live source, milliseconds.
        latency_ms: u64, in 0 to 10000, default 150u64;
        /// Longest time from the first packet out to the first picture in, seconds.
        connect_s: f64, in 1 to 120, default 10.0;
        /// Longest time without a picture on a running source before it is connected anew, seconds.
        stall_s: f64, in 1 to 120, default 10.0;
        /// Pictures with more pixels are refused before they reach the decoder.
        pixels_max: u64, in 4096 to 67108864, default 8912896u64;
    }
}

keys! {
    /// A line from `a` to `b`, in fractions of the picture; (0, 0) is its top left corner.
    Line {
        /// Start.
        #[schemars(required)]
        a: Spot;
        /// End.
        #[schemars(required)]
        b: Spot;
        /// Which way counts as `in`, for somebody who looks along the line from `a` to `b`.
        #[schemars(extend("default" = "left_to_right"))]
        r#in: Way;
    }
}

keys! {
    /// An area, in fractions of the picture.
    Zone {
        /// Three corners or more, in order; no edge may cross another.
        #[schemars(required)]
        polygon: Spots;
    }
}

keys! {
    /// Models that find and read the plates of vehicles; loaded only where a rule asks for plates.
    Plates {
        /// Card of the model that finds plates.
        #[schemars(extend("default" = "plate_mnet_640"))]
        detector: String;
        /// Card of the model that reads them.
        #[schemars(extend("default" = "plate_lprnet_94x24"))]
        reader: String;
        /// Plates found with less are not read.
        score_min: f64, in 0 to 1, default 0.5;
    }
}

keys! {
    /// What a facade camera watches for things that fall.
    Facade {
        /// The part of the picture where falls are looked for: the wall and the ground before it. Without it all of it.
        detect: Spots;
        /// Parts of the picture where nothing is looked for, by name: a tree, a flag, a road.
        shield: NamedMap<Spots>;
        /// Metres and floors of the wall: the file that `oriel calibrate` wrote, beside this one or with its whole path. Without
        /// it falls are found, but no floors.
        calibration: String;
        /// What people call the building; comes back in the event.
        building: String;
        /// How the camera is rolled, degrees clockwise as seen from behind it: 90 if down is right in its picture, -90 if down is
        /// left, 180 if it hangs. A calibration knows it by itself.
        roll_deg: f64, in -180 to 180, default 0.0;
        /// Minutes between two tests of the camera's eye: made-up falls in copies of its pictures, found or not. 0 is never.
        probe_minutes: f64, in 0 to 10080, default 60.0;
        /// Minutes between two looks at whether a calibrated camera still stands as it did when it was calibrated. 0 is never.
        drift_minutes: f64, in 0 to 10080, default 60.0;
    }
}

keys! {
    /// How often a camera's pictures are analysed.
    Detect {
        /// Analysed pictures a second, at most; without it every picture the camera sends.
        fps: f64, in 0.1 to 120;
        /// Pictures that no other refers to are not decoded. Spares a fifth of the decoding where the stream has B-frames.
        skip_non_reference: bool, default false;
        /// Parts of the picture that are analysed once more, larger, for what is small and far: `auto` (around what was not seen
        /// clearly near a rule's line or zone, in a third of the pictures at most), `off`, or boxes, each of every picture.
        #[schemars(extend("default" = "auto"))]
        regions: Regions;
    }
}

keys! {
    /// What counts as something moving.
    Motion {
        /// false keeps the keys in the file and analyses every picture.
        enabled: bool, default true;
        /// Grey levels above its own learned noise from which a spot counts as moving.
        threshold: u64, in 1 to 255, default 5u64;
        /// Share of the picture (without masks) that has to move.
        area_min: f64, in 0 to 1, default 0.0001;
        /// Seconds for which pictures are analysed after the last motion.
        hold_s: f64, in 0 to 600, default 3.0;
        /// A still picture is analysed at least this often, seconds: so what is parked or stands is not forgotten.
        max_still_s: f64, in 1 to 3600, default 10.0;
        /// Areas by id in which nothing counts as moving: a clock in the picture, a tree, the road behind the fence.
        masks: NamedMap<Spots>;
    }
}

keys! {
    /// How little is decoded while nothing goes on.
    Idle {
        /// Seconds after the last motion from which key pictures alone are decoded; the next motion is seen at the next key
        /// picture, so as late as the camera's key picture interval.
        #[schemars(required)]
        after_s: f64, in 1 to 86400;
    }
}

words! { schema CameraKind: "gate" => CameraKind::Gate, "facade" => CameraKind::Facade }
words! { schema Transport: "tcp" => Transport::Tcp, "udp" => Transport::Udp }
words! { schema Decode:
    "auto" => Decode::Auto, "software" => Decode::Software, "vaapi" => Decode::Vaapi, "nvidia" => Decode::Nvidia,
    "v4l2" => Decode::V4l2, "rockchip" => Decode::Rockchip,
}
words! { Anchor: "bottom_centre" => Anchor::BottomCentre, "centre" => Anchor::Centre }
words! { Kind:
    "person" => Kind::Person, "two_wheeler" => Kind::TwoWheeler, "car" => Kind::Car, "truck_bus" => Kind::TruckBus,
    "animal" => Kind::Animal, "bird" => Kind::Bird, "object" => Kind::Object,
}

impl FromText for Source {
    fn from_text(url: At<String>) -> Source {
        Source { url: Some(url), ..Source::default() }
    }
}

impl FromSwitch for Snapshots {
    fn from_switch(on: At<bool>) -> Snapshots {
        Snapshots { enabled: Some(on), ..Snapshots::default() }
    }
}

keys! {
    /// Models that take a closer look at single subjects; without their names nobody does.
    Looks {
        /// Card of a model that says what vehicles are like: `objects[].attributes` of events.
        attributes: String;
        /// Attributes that the looks are less sure of are not told.
        score_min: f64, in 0 to 1, default 0.6;
        /// Card of a model that tells people apart: who comes out from behind something keeps their track.
        appearance: String;
        /// Two people are taken for one from this likeness up: the cosine of their vectors.
        similar_min: f64, in 0 to 1, default 0.75;
        /// Cameras that look; all that have a model if absent.
        cameras: Vec<At<String>>;
    }
}
