//! A small subscriber, for `oriel watch` and the demo.

use std::time::Duration;

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

    /// Subscribes at QoS 1; connects again after a loss, until `stop` is asked.
    pub fn start(
        server: Server,
        filter: String,
        client: String,
        stop: Stop,
        mut on_news: impl FnMut(News) + Send + 'static,
    ) -> Result<Subscription, MqttError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(MqttError::Thread)?;
        let asked = stop.clone();
        let run = async move {
            let mut pause = Pause::default();
            while !asked.asked() {
                let attempt = listen(&server, &filter, &client, &mut pause, &mut on_news);
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
    filter: &str,
    client: &str,
    pause: &mut Pause,
    on_news: &mut impl FnMut(News),
) -> Result<std::convert::Infallible, MqttError> {
    let mut line = Line::open(server, client, None, KEEP_ALIVE, 0).await?;
    line.subscribe(&[filter.to_string()])?;
    loop {
        match line.hear().await? {
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
