//! Keys of the box: ledger, broker, sinks, HTTP server, inference.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{FromText, Least, bare, keys, within, words};
use crate::config::places::{
    At, Hidden, NamedMap, Node, Place, Problems, Read, entries, quoted, read_key, unknown_key,
};
use crate::config::{InputSize, Policy, Protocol};
use crate::infer::Provider;

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

words! { schema Provider:
    "cpu" => Provider::Cpu, "cuda" => Provider::Cuda, "tensorrt" => Provider::TensorRt,
    "openvino" => Provider::OpenVino, "migraphx" => Provider::MiGraphX, "rocm" => Provider::Rocm,
    "xnnpack" => Provider::Xnnpack, "qnn" => Provider::Qnn, "rknpu" => Provider::Rknpu, "cann" => Provider::Cann,
}
words! { schema Policy: "auto" => Policy::Auto, "spread" => Policy::Spread, "gather" => Policy::Gather }
words! { schema InputSize: "auto" => InputSize::Auto, "card" => InputSize::Card }
words! { schema Protocol: "5" => Protocol::V5, "3.1.1" => Protocol::V311 }

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

impl FromText for Mqtt {
    fn from_text(url: At<String>) -> Mqtt {
        Mqtt { url: Some(url), ..Mqtt::default() }
    }
}
