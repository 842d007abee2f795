//! The only module that serves HTTP: the page for people, the figures for machines, the box's health for both. Reads the
//! ledger and the snapshots itself; everything else it shows comes from the closures in `Pages`. It changes nothing but on
//! one path, where who has the token may delete an event's files; all else is GET and HEAD.

pub mod exposition;
mod gate;
mod pieces;
mod range;
mod routes;
mod visit;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::base::secret::Secret;
use crate::ledger::{LedgerError, Reader};

/// Time for answers in work when the server ends.
const FAREWELL: Duration = Duration::from_secs(1);
/// Threads that wait for the disk. Two, so that a picture need not wait for a long look into the ledger.
const READERS: usize = 2;

/// A running server. It ends when it is stopped or dropped.
pub struct Server {
    addr: SocketAddr,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Where and for whom.
pub struct Spec {
    /// From `listen`.
    pub listener: TcpListener,
    /// What every request must bring, as `Authorization: Bearer <token>`, or from browsers as the password of user `oriel`.
    pub token: Option<Secret>,
    /// The folder with the ledger, which must be there, and with `media`.
    pub data: PathBuf,
}

/// What the server cannot know by itself. Called on the server's one thread: they must not wait.
pub struct Pages {
    /// Is the process sound? The error says what is not.
    pub healthy: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
    /// Does the service do its work? The error says what is missing.
    pub ready: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
    /// Prometheus text, from `exposition`.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// A JSON object.
    pub stats: Box<dyn Fn() -> String + Send + Sync>,
}

/// How much the server bears.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Connections at once; more wait in the system's own queue.
    pub connections: usize,
    /// A connection on which nothing was answered for so long is closed, whether it is idle, sends its request drop by drop
    /// or does not take its answer.
    pub patience: Duration,
}

impl Default for Bounds {
    fn default() -> Bounds {
        // Twice the usual pause of a Prometheus server, so that its connection lasts.
        Bounds { connections: 64, patience: Duration::from_secs(30) }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    #[error("the HTTP server cannot listen on {addr}: {why}; choose another address with `http.listen`")]
    Taken { addr: SocketAddr, why: std::io::Error },
    #[error("the HTTP server cannot start: {0}")]
    Start(std::io::Error),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Takes the address, so that a taken one is known before anything else is started. Port 0 takes a free one. Who connects
/// before the server is started waits.
pub fn listen(addr: SocketAddr) -> Result<TcpListener, ConsoleError> {
    TcpListener::bind(addr).map_err(|why| ConsoleError::Taken { addr, why })
}

impl Server {
    pub fn start(spec: Spec, pages: Pages) -> Result<Server, ConsoleError> {
        Server::start_with(spec, pages, Bounds::default())
    }

    pub fn start_with(spec: Spec, pages: Pages, bounds: Bounds) -> Result<Server, ConsoleError> {
        let Spec { listener, token, data } = spec;
        let reader = Arc::new(Mutex::new(Reader::open(&data)?));
        let gate = gate::Gate::new(token.as_ref());
        let router = routes::router(routes::House { pages, reader, media: data.join("media") }, gate);
        let addr = listener.local_addr().map_err(ConsoleError::Start)?;
        listener.set_nonblocking(true).map_err(ConsoleError::Start)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(READERS)
            .thread_name("http-reader")
            .build()
            .map_err(ConsoleError::Start)?;
        let door = {
            let _inside = runtime.enter();
            let listener = tokio::net::TcpListener::from_std(listener).map_err(ConsoleError::Start)?;
            visit::Door::new(listener, bounds)
        };
        let (end, ended) = oneshot::channel();
        let run = async move {
            let (tell, told) = oneshot::channel::<()>();
            let asked = async move {
                let _ = ended.await; // asked, or the server was dropped
                drop(tell);
            };
            let late = async move {
                let _ = told.await;
                tokio::time::sleep(FAREWELL).await;
            };
            let serve = axum::serve(door, router).with_graceful_shutdown(asked).into_future();
            tokio::select! {
                result = serve => if let Err(error) = result { tracing::error!("the HTTP server ended: {error}") },
                () = late => tracing::warn!("connections were cut at the end of the HTTP server"),
            }
        };
        let thread = std::thread::Builder::new()
            .name("http".into())
            .spawn(move || runtime.block_on(run))
            .map_err(ConsoleError::Start)?;
        Ok(Server { addr, end: Some(end), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Answers what is in work, for a second at most, and ends. The closures of `Pages` are gone afterwards.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the HTTP server panicked");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}
