//! `oriel.yml` as it may be typed: every key with its text, bounds and default, once. The schema, the reader and the
//! defaults all come from here.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::places::{At, Hidden, NamedMap, Node, Place, Problems, Read, Value};
use super::places::{entries, quoted, read_key, read_numbers, unknown_key};
use super::{CameraKind, InputSize, Policy, Protocol};
use crate::base::detection::Kind;
use crate::base::event::{Direction, Severity};
use crate::base::geometry::Anchor;
use crate::infer::Provider;
use crate::media::{Decode, Transport};

/// A struct of keys: `name: type in bounds = default`. Makes the struct, its schema, its reader (which tells unknown keys,
/// keys given twice, wrong types and numbers out of bounds, all of them) and, for each key with a default, a function
/// of the key's name that gives the value or the default.
macro_rules! keys {
    ($(#[doc = $doc:literal])* $name:ident {
        $($(#[$attribute:meta])* $key:ident: $type:ty $(, in $low:literal to $high:literal)? $(, default $default:literal)?;)*
    }) => {
        $(#[doc = $doc])*
        #[derive(Default, JsonSchema)]
        #[schemars(deny_unknown_fields)]
        pub struct $name {
            $(
                $(#[$attribute])*
                $(#[schemars(range(min = $low, max = $high))])?
                $(#[schemars(extend("default" = $default))])?
                pub $key: Option<At<$type>>,
            )*
        }

        impl $name {
            const KEYS: &'static [&'static str] = &[$(bare(stringify!($key))),*];

            $($(
                pub fn $key(&self) -> $type {
                    self.$key.as_ref().map_or_else(|| <$type>::from($default), |at| at.value.clone())
                }
            )?)*
        }

        impl Read for $name {
            fn read(node: &Node, place: &Place, problems: &Problems) -> Option<$name> {
                let mut read = $name { $($key: None),* };
                for (key, place, node) in entries(node, place, problems)? {
                    match key {
                        $(key if key == bare(stringify!($key)) => {
                            read.$key = read_key(node, &place, problems);
                            $(if let Some(at) = &read.$key {
                                within(at.value as f64, $low as f64, $high as f64, &place, problems);
                            })?
                        })*
                        _ => unknown_key(key, $name::KEYS, &place, problems),
                    }
                }
                Some(read)
            }
        }
    };
}

/// `r#in` is the key `in`.
pub(super) const fn bare(ident: &'static str) -> &'static str {
    match ident.as_bytes() {
        [b'r', b'#', rest @ ..] => match std::str::from_utf8(rest) {
            Ok(rest) => rest,
            Err(_) => ident,
        },
        _ => ident,
    }
}

pub(super) fn within(value: f64, low: f64, high: f64, place: &Place, problems: &Problems) {
    if !(low..=high).contains(&value) {
        problems.tell(place, format!("expected a number from {low} to {high}, got {value}"));
    }
}

/// An enum that is one word in the file.
macro_rules! words {
    ($type:ty: $($word:literal => $value:path),+ $(,)?) => {
        impl Read for $type {
            fn read(node: &Node, place: &Place, problems: &Problems) -> Option<$type> {
                match String::read(node, place, problems)?.as_str() {
                    $($word => Some($value),)+
                    other => {
                        problems.tell(place, format!("expected one of {}, got {}", [$($word),+].join(", "), quoted(other)));
                        None
                    }
                }
            }
        }
    };
    (schema $type:ty: $($word:literal => $value:path),+ $(,)?) => {
        words!($type: $($word => $value),+);

        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "enum": [$($word),+] })
            }
        }
    };
}

pub(super) use {keys, words};

keys! {
    /// oriel.yml: one box, its broker, its models and its cameras.
    Root {
        /// Version of this file's form.
        #[schemars(extend("const" = 1), required)]
        version: u64;
        /// Id of this box: first topic level after the prefix, part of every event's source.
        #[schemars(required)]
        node: String;
        /// Folder of the ledger and of snapshots, relative to the folder the service is started in.
        data: String, default "data";
        /// Most that snapshots, clips and pictures of falls may take of the disk, GB; the oldest go.
        media_gb: f64, in 0.1 to 100000, default 10.0;
        /// Days after which they go in any case.
        media_days: f64, in 0.01 to 3650, default 30.0;
        /// How long events are kept, and how many.
        ledger: Ledger;
        /// The broker: `embedded`, a URL `mqtt://[user[:password]@]host[:port]` (or `mqtts://`), or a map.
        mqtt: OrText<Mqtt>;
        /// The page, the metrics and the events over HTTP.
        http: Http;
        /// Where else events go.
        sinks: Sinks;
        /// Folders with model cards (`<folder>/<name>/model.yml`), searched in this order.
        #[schemars(extend("default" = ["models"]))]
        models: Vec<At<String>>;
        /// Time zone of schedules, such as Asia/Shanghai; without it the box's own.
        time_zone: String;
        /// How models are run.
        inference: Inference;
        /// Models for the plates of vehicles, where a rule asks for them.
        plates: Plates;
        /// Cameras by id.
        #[schemars(required)]
        cameras: NamedMap<Camera>;
    }
}

keys! {
    /// How long the ledger keeps events, and how many. Pictures and clips have limits of their own.
    Ledger {
        /// Most days that an event waits for the broker; days in which the service does not run do not count.
        waiting_days: f64, in 0.1 to 365, default 7.0;
        /// Most that waits for the broker, MB. A fifth is for alarms (WARN and above) alone; what is lost is told, exactly.
        waiting_mb: f64, in 1 to 100000, default 256.0;
        /// Days that delivered events stay, for `oriel events` and subscribers that ask again.
        delivered_days: f64, in 0 to 3650, default 30.0;
        /// Most that delivered events take, MB; the oldest go.
        delivered_mb: f64, in 1 to 100000, default 1000.0;
    }
}

keys! {
    /// The connection to the MQTT broker.
    Mqtt {
        /// `embedded` (our own broker, in this process), `mqtt://host[:port]`, or `mqtts://host[:port]` with TLS.
        #[schemars(extend("default" = "embedded"))]
        url: String;
        /// Address the embedded broker listens on. It knows neither users nor TLS: keep it on loopback.
        listen: String, default "127.0.0.1:1883";
        /// User name at the broker.
        user: String;
        /// Password at the broker; better kept out of this file with `password_file` or `password_env`.
        password: Hidden;
        /// File that holds the password and nothing else.
        password_file: String;
        /// Environment variable that holds the password.
        password_env: String;
        /// PEM file of the authority that signed the broker's certificate; without it the system's authorities count.
        ca: String;
        /// PEM file of our own certificate, where the broker asks for one; goes with `key`.
        cert: String;
        /// PEM file of the certificate's private key, in PKCS#8 and without a password.
        key: String;
        /// Sends the password readable to a broker on another machine.
        allow_plaintext: bool, default false;
        /// Takes commands and switches from the broker: whoever may publish there may use them.
        commands: bool, default false;
        /// Keeps a small JPEG of each camera's newest snapshot retained at the broker, on `cameras/<camera>/snapshot`.
        snapshots: bool, default false;
        /// MQTT version spoken.
        #[schemars(extend("default" = "5"))]
        protocol: Protocol;
        /// First level of every topic.
        prefix: String, default "oriel";
    }
}

keys! {
    /// Where events go besides the topics of `mqtt`.
    Sinks {
        /// Servers that get each event as an HTTP POST, by id.
        webhooks: NamedMap<Webhook>;
        /// Cameras and their events as devices of Home Assistant, at the same broker.
        home_assistant: HomeAssistant;
        /// Events in the words of Frigate, for automations that were written for its topics.
        frigate: Frigate;
    }
}

keys! {
    /// Frigate's topics, as far as they can be told.
    Frigate {
        /// false keeps the keys in the file.
        enabled: bool, default true;
        /// First level of its topics.
        prefix: String, default "frigate";
    }
}

keys! {
    /// Topics that Home Assistant finds by itself.
    HomeAssistant {
        /// false keeps the keys in the file and clears what was published.
        enabled: bool, default true;
        /// Its discovery prefix.
        prefix: String, default "homeassistant";
    }
}

keys! {
    /// A server that gets each event as an HTTP POST: in order, at least once, from the ledger.
    Webhook {
        /// `https://` or `http://` URL.
        #[schemars(required)]
        url: String;
        /// File that holds the secret that signs each request, and nothing else.
        secret_file: String;
        /// Environment variable that holds the secret.
        secret_env: String;
        /// Types that are sent, such as gate.crossing; without it all.
        types: Vec<At<String>>;
        /// Less severe events are not sent.
        #[schemars(extend("default" = "debug"))]
        min_severity: Least;
        /// PEM file of the authority that signed the server's certificate; without it the system's authorities count.
        ca: String;
        /// Seconds for one request; then it is tried again.
        timeout_s: f64, in 1 to 60, default 10.0;
    }
}

keys! {
    /// The page, the metrics and the events over HTTP.
    Http {
        /// false starts no HTTP server.
        enabled: bool, default true;
        /// Address and port it listens on. One that is not loopback needs a token.
        listen: String, default "127.0.0.1:8642";
        /// File that holds the token and nothing else: each request must bring it.
        token_file: String;
        /// Environment variable that holds the token.
        token_env: String;
    }
}

keys! {
    /// How models are run. What is left out is chosen by a probe of the box at start, which says what it chose.
    Inference {
        /// What runs the models; all but `cpu` need a libonnxruntime that was built with it.
        #[schemars(extend("default" = "cpu"))]
        provider: Provider;
        /// `spread`: small batches to one-thread sessions, at once. `gather`: batches wait for company, with a deadline.
        #[schemars(extend("default" = "auto"))]
        policy: Policy;
        /// Sessions that run side by side.
        workers: u64, in 1 to 256;
        /// Threads of one session.
        threads: u64, in 1 to 64;
        /// Pictures, of whichever cameras have a fresh one, that a session takes at once.
        max_batch: u64, in 1 to 128;
        /// Longest wait of a picture for others to fill its batch, milliseconds; `gather` alone waits.
        max_wait_ms: f64, in 0 to 1000, default 10.0;
        /// Size of a model's input where its card leaves it free: `auto` takes the shape of the picture, `card` the card's.
        #[schemars(extend("default" = "auto"))]
        input: InputSize;
        /// Share of the workers' time by model name, where there is not enough for all; 1 is ordinary.
        weights: Weights;
        /// libonnxruntime.so; without it the usual places are searched.
        library: String;
    }
}

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
    /// Hours of the week.
    HoursRow {
        /// Such as mon-fri, sat, or daily, which it is if absent. Hours over midnight belong to the day they begin on.
        days: String;
        /// "22:00"; midnight if absent.
        from: String;
        /// "06:00"; "24:00" if absent.
        to: String;
    }
}

keys! {
    /// What makes an event.
    Rule {
        /// Which of the other keys it needs and may have stands in docs/rules.md.
        #[schemars(required)]
        r#type: RuleType;
        /// Id of a line of this camera.
        line: String;
        /// Id of a zone of this camera.
        zone: String;
        /// Kinds the rule looks at; without it the kinds the camera tracks.
        kinds: Vec<At<Kind>>;
        /// gate.speeding: id of the other line.
        to_line: String;
        /// gate.speeding: metres on the ground between the two lines.
        distance_m: f64, in 0.1 to 1000;
        /// gate.speeding: kilometres an hour.
        limit_kmh: f64, in 1 to 300;
        /// gate.wrong_way: the direction that is right.
        allowed: Direction;
        /// gate.tailgating, gate.forced: the direction that counts; without it both, each on its own.
        direction: Direction;
        /// gate.tailgating: a follower comes no later than so many seconds behind the one before. 3 if absent.
        gap_s: f64, in 0 to 60;
        /// gate.tailgating, gate.forced: id of the gate in the messages of an access control system.
        access: String;
        /// gate.tailgating, gate.forced: a grant counts for who passes no later than so many seconds after it. 10 if absent.
        window_s: f64, in 1 to 600;
        /// object.left, object.removed: a person no farther than this is with the thing; heights of the picture.
        owner_distance: f64, in 0 to 2;
        /// zone.crowd: so many at once are a crowd.
        count: u64, in 1 to 1000;
        /// lane.blocked, lane.fire_lane_parking: standing for so many seconds is a warning, before the alarm.
        warn_seconds: f64, in 0 to 86400;
        /// Lowest box that is looked at, and highest: shares of the picture's height.
        min_size: f64, in 0 to 1;
        max_size: f64, in 0 to 1;
        /// Usual score (the median of the last nine) from which a subject is believed.
        min_score: f64, in 0 to 1;
        /// A subject is looked at once it was seen in so many pictures.
        min_frames: u64, in 1 to 1000;
        /// A subject is looked at once it was followed for so many seconds.
        persistence_s: f64, in 0 to 60;
        /// Seconds after an event in which the rule tells no other one at the same place; the next event counts them.
        cool_down_s: f64, in 0 to 86400;
        /// When the rule holds; without it always. Rows of hours, by the clock of `time_zone`.
        schedule: Vec<At<HoursRow>>;
        /// plate.read: pictures that have to agree on a plate.
        min_reads: u64, in 1 to 100;
        /// plate.read: how sure the text has to be.
        score_min: f64, in 0 to 1;
        /// plate.read: plates that may pass, such as 皖A12345. With a list each event says `allow`, `deny` or `unknown`.
        allow: Vec<At<String>>;
        /// plate.read: plates that may not; their events are warnings.
        deny: Vec<At<String>>;
        /// Seconds in the zone before it counts. 0 if absent for intrusion, 2 for a crowd; the other types need it.
        seconds: f64, in 0 to 86400;
        /// As the camera's `anchor`, which it replaces for this rule.
        anchor: Anchor;
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleType {
    Crossing,
    Intrusion,
    Loitering,
    PlateRead,
    Crowd,
    LaneBlocked,
    FireLaneParking,
    WrongWay,
    Tailgating,
    Speeding,
    Forced,
    ObjectLeft,
    ObjectRemoved,
}

/// Direction of a way from a line's left to its right.
#[derive(Debug, Clone, Copy)]
pub struct Way(pub Direction);

impl Way {
    const LEFT_TO_RIGHT: Way = Way(Direction::In);
    const RIGHT_TO_LEFT: Way = Way(Direction::Out);
}

/// Nothing less severe; in lower case as all words of this file.
#[derive(Debug, Clone, Copy)]
pub struct Least(pub Severity);

impl Least {
    const DEBUG: Least = Least(Severity::Debug);
    const INFO: Least = Least(Severity::Info);
    const WARN: Least = Least(Severity::Warn);
    const ERROR: Least = Least(Severity::Error);
    const FATAL: Least = Least(Severity::Fatal);
}

impl RuleType {
    pub const ALL: [RuleType; 13] = [
        RuleType::Crossing,
        RuleType::WrongWay,
        RuleType::Tailgating,
        RuleType::Speeding,
        RuleType::Forced,
        RuleType::Intrusion,
        RuleType::Loitering,
        RuleType::Crowd,
        RuleType::LaneBlocked,
        RuleType::FireLaneParking,
        RuleType::ObjectLeft,
        RuleType::ObjectRemoved,
        RuleType::PlateRead,
    ];

    pub fn word(self) -> &'static str {
        match self {
            RuleType::Crossing => "gate.crossing",
            RuleType::Intrusion => "zone.intrusion",
            RuleType::Loitering => "zone.loitering",
            RuleType::PlateRead => "plate.read",
            RuleType::Crowd => "zone.crowd",
            RuleType::LaneBlocked => "lane.blocked",
            RuleType::FireLaneParking => "lane.fire_lane_parking",
            RuleType::WrongWay => "gate.wrong_way",
            RuleType::Tailgating => "gate.tailgating",
            RuleType::Speeding => "gate.speeding",
            RuleType::Forced => "gate.forced",
            RuleType::ObjectLeft => "object.left",
            RuleType::ObjectRemoved => "object.removed",
        }
    }
}

words! { schema Provider:
    "cpu" => Provider::Cpu, "cuda" => Provider::Cuda, "tensorrt" => Provider::TensorRt,
    "openvino" => Provider::OpenVino, "migraphx" => Provider::MiGraphX, "rocm" => Provider::Rocm,
    "xnnpack" => Provider::Xnnpack, "qnn" => Provider::Qnn, "rknpu" => Provider::Rknpu, "cann" => Provider::Cann,
}
words! { schema Policy: "auto" => Policy::Auto, "spread" => Policy::Spread, "gather" => Policy::Gather }
words! { schema InputSize: "auto" => InputSize::Auto, "card" => InputSize::Card }
words! { schema CameraKind: "gate" => CameraKind::Gate, "facade" => CameraKind::Facade }
words! { schema Protocol: "5" => Protocol::V5, "3.1.1" => Protocol::V311 }
words! { schema Transport: "tcp" => Transport::Tcp, "udp" => Transport::Udp }
words! { schema Decode:
    "auto" => Decode::Auto, "software" => Decode::Software, "vaapi" => Decode::Vaapi, "nvidia" => Decode::Nvidia,
    "v4l2" => Decode::V4l2, "rockchip" => Decode::Rockchip,
}
words! { schema Way: "left_to_right" => Way::LEFT_TO_RIGHT, "right_to_left" => Way::RIGHT_TO_LEFT }
words! { schema RuleType:
    "gate.crossing" => RuleType::Crossing, "gate.wrong_way" => RuleType::WrongWay,
    "gate.tailgating" => RuleType::Tailgating, "gate.speeding" => RuleType::Speeding,
    "gate.forced" => RuleType::Forced,
    "zone.intrusion" => RuleType::Intrusion, "zone.loitering" => RuleType::Loitering,
    "zone.crowd" => RuleType::Crowd, "lane.blocked" => RuleType::LaneBlocked,
    "lane.fire_lane_parking" => RuleType::FireLaneParking, "object.left" => RuleType::ObjectLeft,
    "object.removed" => RuleType::ObjectRemoved, "plate.read" => RuleType::PlateRead,
}
words! { Direction: "in" => Direction::In, "out" => Direction::Out }
words! { schema Least:
    "debug" => Least::DEBUG, "info" => Least::INFO, "warn" => Least::WARN, "error" => Least::ERROR, "fatal" => Least::FATAL,
}
words! { Anchor: "bottom_centre" => Anchor::BottomCentre, "centre" => Anchor::Centre }
words! { Kind:
    "person" => Kind::Person, "two_wheeler" => Kind::TwoWheeler, "car" => Kind::Car, "truck_bus" => Kind::TruckBus,
    "animal" => Kind::Animal, "bird" => Kind::Bird, "object" => Kind::Object,
}

/// Numbers above zero by name of a model, which need not be an id.
pub struct Weights(pub Vec<(String, At<f64>)>);

impl Read for Weights {
    fn read(node: &Node, place: &Place, problems: &Problems) -> Option<Weights> {
        let mut weights = Vec::new();
        for (name, place, node) in entries(node, place, problems)? {
            if let Some(value) = f64::read(node, &place, problems) {
                within(value, 0.01, 100.0, &place, problems);
                weights.push((name.to_owned(), At { value, place }));
            }
        }
        Some(Weights(weights))
    }
}

impl JsonSchema for Weights {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Weights".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "additionalProperties": { "type": "number", "minimum": 0.01, "maximum": 100 },
        })
    }
}

/// A map, or its most used key alone as text.
pub struct OrText<T>(pub T);

pub trait FromText {
    fn from_text(text: At<String>) -> Self;
}

impl FromText for Mqtt {
    fn from_text(url: At<String>) -> Mqtt {
        let mut mqtt = Mqtt::nothing();
        mqtt.url = Some(url);
        mqtt
    }
}

impl FromText for Source {
    fn from_text(url: At<String>) -> Source {
        Source { url: Some(url), ..Source::nothing() }
    }
}

impl Mqtt {
    pub fn nothing() -> Mqtt {
        Mqtt {
            url: None,
            listen: None,
            user: None,
            password: None,
            password_file: None,
            password_env: None,
            ca: None,
            cert: None,
            key: None,
            allow_plaintext: None,
            commands: None,
            snapshots: None,
            protocol: None,
            prefix: None,
        }
    }
}

impl Source {
    pub fn nothing() -> Source {
        Source {
            url: None,
            transport: None,
            user: None,
            password: None,
            password_file: None,
            password_env: None,
            decode: None,
            latency_ms: None,
            connect_s: None,
            stall_s: None,
            pixels_max: None,
        }
    }
}

impl<T: Read + FromText> Read for OrText<T> {
    fn read(node: &Node, place: &Place, problems: &Problems) -> Option<OrText<T>> {
        match node.value() {
            Value::Map(_) => T::read(node, place, problems).map(OrText),
            _ => {
                let value = String::read(node, place, problems)?;
                Some(OrText(T::from_text(At { value, place: place.clone() })))
            }
        }
    }
}

impl<T: JsonSchema> JsonSchema for OrText<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("{}OrText", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let map = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [{ "type": "string" }, map] })
    }
}

/// A map that is on, or the word that switches it on or off alone.
pub struct OrSwitch<T>(pub T);

pub trait FromSwitch {
    fn from_switch(on: At<bool>) -> Self;
}

impl FromSwitch for Snapshots {
    fn from_switch(on: At<bool>) -> Snapshots {
        Snapshots { enabled: Some(on), boxes: None, blur: None }
    }
}

impl<T: Read + FromSwitch> Read for OrSwitch<T> {
    fn read(node: &Node, place: &Place, problems: &Problems) -> Option<OrSwitch<T>> {
        match node.value() {
            Value::Map(_) => T::read(node, place, problems).map(OrSwitch),
            _ => {
                let value = bool::read(node, place, problems)?;
                Some(OrSwitch(T::from_switch(At { value, place: place.clone() })))
            }
        }
    }
}

impl<T: JsonSchema> JsonSchema for OrSwitch<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("{}OrSwitch", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let map = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [{ "type": "boolean" }, map] })
    }
}

/// One point: `[x, y]` or `"x,y"`.
#[derive(Debug, Clone)]
pub struct Spot(pub [f64; 2]);

/// Some points: `[[x, y], ...]` or `"x,y,x,y,..."`.
#[derive(Debug, Clone)]
pub struct Spots(pub Vec<[f64; 2]>);

impl Read for Spot {
    fn read(node: &Node, place: &Place, problems: &Problems) -> Option<Spot> {
        match read_numbers(node, place, problems)?.as_slice() {
            [point] => Some(Spot(*point)),
            points => {
                problems.tell(place, format!("expected one point as [x, y], got {}", points.len()));
                None
            }
        }
    }
}

impl Read for Spots {
    fn read(node: &Node, place: &Place, problems: &Problems) -> Option<Spots> {
        read_numbers(node, place, problems).map(Spots)
    }
}

impl JsonSchema for Spot {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Point".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "array", "items": { "type": "number", "minimum": 0, "maximum": 1 }, "minItems": 2, "maxItems": 2 },
            { "type": "string", "description": "x,y" },
        ] })
    }
}

impl JsonSchema for Spots {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Points".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let point = Spot::json_schema(generator);
        let pair = point.get("anyOf").and_then(|forms| forms.get(0)).cloned();
        json_schema!({ "anyOf": [
            { "type": "array", "items": pair, "minItems": 3 },
            { "type": "string", "description": "x,y,x,y,..." },
        ] })
    }
}
