//! A way to a broker that can be shut: what passes is relayed byte by byte; while it is shut, connections are refused and
//! those there were are cut.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::process::free_port;

pub struct Door {
    pub port: u16,
    to: u16,
    passing: Arc<Mutex<Vec<TcpStream>>>,
    open: Option<(Arc<AtomicBool>, std::thread::JoinHandle<()>)>,
}

impl Door {
    /// Shut; whatever comes through it once it is open reaches `to`.
    pub fn to(to: u16) -> Door {
        Door { port: free_port(), to, passing: Arc::default(), open: None }
    }

    pub fn open(&mut self) {
        if self.open.is_some() {
            return;
        }
        let listener = TcpListener::bind(("127.0.0.1", self.port)).expect("the port is still free");
        let (passing, to, shut) = (Arc::clone(&self.passing), self.to, Arc::<AtomicBool>::default());
        let thread = std::thread::spawn({
            let shut = Arc::clone(&shut);
            move || {
                for inside in listener.incoming().flatten() {
                    if shut.load(SeqCst) {
                        break;
                    }
                    let Ok(outside) = TcpStream::connect(("127.0.0.1", to)) else { continue };
                    let both = [&inside, &outside].map(|stream| stream.try_clone().expect("a socket"));
                    passing.lock().expect("sound").extend(both);
                    relay(&inside, &outside);
                    relay(&outside, &inside);
                }
            }
        });
        self.open = Some((shut, thread));
    }

    pub fn shut(&mut self) {
        let Some((shut, thread)) = self.open.take() else { return };
        shut.store(true, SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port)); // wakes it
        thread.join().expect("no panic at the door");
        for stream in self.passing.lock().expect("sound").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Open and shut in turn.
    pub fn flap(&mut self, each: Duration, times: u32) {
        for _ in 0..times {
            self.shut();
            std::thread::sleep(each);
            self.open();
            std::thread::sleep(each);
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.shut();
    }
}

fn relay(from: &TcpStream, to: &TcpStream) {
    let (mut from, mut to) = (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
    std::thread::spawn(move || {
        let mut buffer = [0; 16 << 10];
        while let Ok(n) = from.read(&mut buffer) {
            if n == 0 || to.write_all(&buffer[..n]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}
