//! A small subscriber, for `oriel watch` and the demo.

use std::time::Duration;

use super::dialect::Letter;
use super::pause::Pause;
use super::wire::{Heard, Line};
use super::{Cause, MqttError, Server};
use crate::base::stop::Stop;

/// Between two signs of life.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Owns the thread `subscriber`; ends when its `Stop` is asked.
pub struct Subscription {
    stop: Stop,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// Letters that may wait for the subscriber to send them.
const LETTERS_MAX: usize = 64;

/// Where a subscriber is given something to say.
#[derive(Clone)]
pub struct Outlet(tokio::sync::mpsc::Sender<(String, Vec<u8>)>);

/// The subscriber's end of it.
pub struct Inlet(tokio::sync::mpsc::Receiver<(String, Vec<u8>)>);

pub fn outlet() -> (Outlet, Inlet) {
    let (outlet, inlet) = tokio::sync::mpsc::channel(LETTERS_MAX);
    (Outlet(outlet), Inlet(inlet))
}

impl Outlet {
    /// Never waits; false if too much waits already.
    pub fn say(&self, topic: String, payload: Vec<u8>) -> bool {
        self.0.try_send((topic, payload)).is_ok()
    }
}

/// What a subscriber hears.
#[derive(Debug)]
pub enum News<'a> {
    /// Connected and subscribed.
    Connected,
    /// Not connected, or no longer; it will be tried again.
    Lost(&'a MqttError),
    Message {
        topic: &'a str,
        payload: &'a [u8],
    },
}

impl Subscription {
    /// The filter for all events of all boxes below a prefix.
    pub fn events(prefix: &str) -> String {
        format!("{prefix}/+/events/#")
    }

    /// The filter for the answers to all requests for events, of all boxes below a prefix.
    pub fn resent(prefix: &str) -> String {
        format!("{prefix}/+/resend/+")
    }

    /// Subscribes at QoS 1; connects again after a loss, until `stop` is asked.
    pub fn start(
        server: Server,
        filter: String,
        client: String,
        stop: Stop,
        on_news: impl FnMut(News) + Send + 'static,
    ) -> Result<Subscription, MqttError> {
        let (_, nothing) = outlet();
        Subscription::start_with(server, vec![filter], client, nothing, stop, on_news)
    }

    /// A subscriber that also says what is put into its outlet.
    pub fn start_with(
        server: Server,
        filters: Vec<String>,
        client: String,
        mut letters: Inlet,
        stop: Stop,
        mut on_news: impl FnMut(News) + Send + 'static,
    ) -> Result<Subscription, MqttError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(MqttError::Thread)?;
        let asked = stop.clone();
        let run = async move {
            let mut pause = Pause::default();
            while !asked.asked() {
                let attempt = listen(&server, &filters, &client, &mut letters, &mut pause, &mut on_news);
                tokio::select! {
                    Err(error) = attempt => {
                        on_news(News::Lost(&error));
                        let wait = pause.next(error.cause());
                        tokio::select! { () = tokio::time::sleep(wait) => {} () = until(&asked) => {} }
                    }
                    () = until(&asked) => return,
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("subscriber".into())
            .spawn(move || runtime.block_on(run))
            .map_err(MqttError::Thread)?;
        Ok(Subscription { stop, thread: Some(thread) })
    }

    /// Waits for the end.
    pub fn join(mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // a panic in the closure was already told by its own message
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.stop.ask();
            let _ = thread.join();
        }
    }
}

/// Never returns without an error.
async fn listen(
    server: &Server,
    filters: &[String],
    client: &str,
    letters: &mut Inlet,
    pause: &mut Pause,
    on_news: &mut impl FnMut(News),
) -> Result<std::convert::Infallible, MqttError> {
    let mut line = Line::open(server, client, None, KEEP_ALIVE, 0).await?;
    line.subscribe(filters)?;
    loop {
        let heard = tokio::select! {
            heard = line.hear() => heard?,
            Some((topic, payload)) = letters.0.recv() => {
                let (acknowledged, retain, content_type, correlation) = (true, false, None, None);
                line.publish(Letter { topic, payload, acknowledged, retain, content_type, correlation }, |_| true)?;
                continue;
            }
        };
        match heard {
            Heard::Message(message) => on_news(News::Message { topic: &message.topic, payload: &message.payload }),
            Heard::Subscribed(true) => {
                pause.worked();
                on_news(News::Connected);
            }
            Heard::Subscribed(false) => {
                return Err(MqttError::line(Cause::NotAuthorised, "the broker refuses the subscription"));
            }
            Heard::Acknowledged(_) | Heard::Refused(..) => {}
        }
    }
}

async fn until(stop: &Stop) {
    while !stop.asked() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
