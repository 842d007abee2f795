//! Where events wait for the disk: bounded, and when it is full alarms outlive ordinary events. Nobody waits to enter.

use std::collections::VecDeque;
use std::sync::mpsc::SyncSender;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::loss::{Loss, Losses};
use super::{Class, Refused};
use crate::base::event::{Event, LossReason};

/// At 100 events a second, a stall of ten seconds.
pub(super) const WAITING_MAX: usize = 1024;

#[derive(Default)]
pub(super) struct Room {
    inside: Mutex<Inside>,
    news: Condvar,
}

#[derive(Default)]
struct Inside {
    events: VecDeque<Box<Event>>,
    /// Answered once everything that waits now is committed.
    flushes: Vec<SyncSender<()>>,
    losses: Losses,
    closed: bool,
}

/// What came of an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entered {
    Waits,
    /// It waits, in the place of an ordinary event that was lost.
    Displaced,
}

/// What the recorder is to write next.
pub(super) struct Batch {
    /// Oldest first.
    #[expect(clippy::vec_box, reason = "events arrive boxed and go on as they are")]
    pub events: Vec<Box<Event>>,
    pub flushes: Vec<SyncSender<()>>,
    pub losses: Vec<Loss>,
    /// More can come.
    pub open: bool,
}

impl Room {
    pub fn enter(&self, event: Box<Event>) -> Result<Entered, Refused> {
        let mut inside = self.lock();
        if inside.closed {
            return Err(Refused::Closed);
        }
        let mut entered = Entered::Waits;
        if inside.events.len() >= WAITING_MAX {
            let ordinary = inside.events.iter().position(|waits| Class::of(waits) == Class::Ordinary);
            let displaced = ordinary.filter(|_| Class::of(&event) == Class::Alarm);
            match displaced.and_then(|oldest| inside.events.remove(oldest)) {
                Some(oldest) => inside.losses.add(LossReason::Disk, &oldest),
                None => {
                    inside.losses.add(LossReason::Disk, &event);
                    return Err(Refused::Full);
                }
            }
            entered = Entered::Displaced;
        }
        inside.events.push_back(event);
        drop(inside);
        self.news.notify_one();
        Ok(entered)
    }

    /// False: nobody will answer.
    pub fn flush(&self, done: SyncSender<()>) -> bool {
        let mut inside = self.lock();
        if inside.closed {
            return false;
        }
        inside.flushes.push(done);
        drop(inside);
        self.news.notify_one();
        true
    }

    pub fn close(&self) {
        self.lock().closed = true;
        self.news.notify_one();
    }

    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Waits for news, at most `idle`; from the first event on until `due`, for more of them to share its commit.
    pub fn next(&self, group_max: usize, idle: Duration, due: Instant) -> Batch {
        let start = Instant::now();
        let mut inside = self.lock();
        loop {
            let full = inside.events.len() >= group_max || !inside.flushes.is_empty() || inside.closed;
            let until = if inside.events.is_empty() { start + idle } else { due };
            let now = Instant::now();
            if full || now >= until {
                break;
            }
            inside = self.news.wait_timeout(inside, until - now).expect("nobody panics inside the room").0;
        }
        let count = inside.events.len().min(group_max);
        let events: Vec<_> = inside.events.drain(..count).collect();
        // Whoever asked for a flush asked for all of them.
        let flushes = if inside.events.is_empty() { std::mem::take(&mut inside.flushes) } else { Vec::new() };
        let open = !(inside.closed && inside.events.is_empty());
        Batch { events, flushes, losses: inside.losses.take(), open }
    }

    /// Something the recorder itself had to give up.
    pub fn lost(&self, reason: LossReason, event: &Event) {
        self.lock().losses.add(reason, event);
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().expect("nobody panics inside the room")
    }
}
