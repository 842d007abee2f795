//! One place per camera between its decoder and the batch loop. Live: the newest frame wins and the older one is counted.
//! Clips: the decoder waits until the place is free, so that no frame is lost.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use super::tally::{Drop, Tally};
use crate::base::frame::{CameraId, Frame};

/// A frame on its way through the loop, with its place in its camera's order.
pub struct Taken {
    pub frame: Frame,
    /// Counts the frames of one camera that were taken, from 0 without gaps: results are handed back in this order.
    pub ticket: u64,
}

pub struct Newest {
    state: Mutex<State>,
    /// Told when a frame was put or the loop is to end.
    fresh: Condvar,
    /// Told when a place became free.
    room: Condvar,
    tallies: Vec<Arc<Tally>>,
}

struct State {
    places: Vec<Place>,
    /// The camera that is asked first next time, so that none starves.
    next: usize,
    closed: bool,
}

struct Place {
    /// Cameras of one lane share a model and may share a batch.
    lane: usize,
    frame: Option<Frame>,
    tickets: u64,
}

impl Newest {
    /// `cameras`: the lane and the counters of each camera, by `CameraId`.
    pub fn new(cameras: impl IntoIterator<Item = (usize, Arc<Tally>)>) -> Newest {
        let (places, tallies) = cameras
            .into_iter()
            .map(|(lane, tally)| (Place { lane, frame: None, tickets: 0 }, tally))
            .collect::<(Vec<_>, Vec<_>)>();
        Newest {
            state: Mutex::new(State { places, next: 0, closed: false }),
            fresh: Condvar::new(),
            room: Condvar::new(),
            tallies,
        }
    }

    /// Puts a frame in its camera's place. An unread one is replaced and counted. Never waits.
    pub fn put(&self, frame: Frame) {
        let CameraId(camera) = frame.camera;
        let camera = camera as usize;
        self.tallies[camera].decoded();
        let mut state = self.lock();
        let displaced = if state.closed { Some((frame, Drop::Late)) } else { self.replace(&mut state, camera, frame) };
        drop(state);
        self.fresh.notify_one();
        // What was displaced is dropped here, after the lock: freeing decoder memory can be slow.
        if let Some((_frame, why)) = displaced {
            self.tallies[camera].dropped(why);
        }
    }

    fn replace(&self, state: &mut State, camera: usize, frame: Frame) -> Option<(Frame, Drop)> {
        state.places[camera].frame.replace(frame).map(|old| (old, Drop::Replaced))
    }

    /// Waits until the camera's place is free, then puts the frame there. Returns false if the loop has ended.
    pub fn put_waiting(&self, frame: Frame) -> bool {
        let CameraId(camera) = frame.camera;
        let camera = camera as usize;
        self.tallies[camera].decoded();
        let mut state = self.lock();
        while state.places[camera].frame.is_some() && !state.closed {
            state = self.room.wait(state).expect("nobody panics while holding the places");
        }
        if state.closed {
            self.tallies[camera].dropped(Drop::Late);
            return false;
        }
        state.places[camera].frame = Some(frame);
        drop(state);
        self.fresh.notify_one();
        true
    }

    /// Waits for at least one fresh frame, then moves up to `max(lane)` frames of one lane into `into`, the camera that
    /// waited longest for its turn first. Returns the lane, or None once closed and empty.
    pub fn take(&self, into: &mut Vec<Taken>, max: impl Fn(usize) -> usize) -> Option<usize> {
        let mut state = self.lock();
        loop {
            let State { places, next, .. } = &mut *state;
            let (cameras, start) = (places.len(), *next);
            let mut lane = None;
            for step in 0..cameras {
                let camera = (start + step) % cameras;
                let place = &mut places[camera];
                if place.frame.is_none() || lane.is_some_and(|lane| lane != place.lane) {
                    continue;
                }
                if lane.is_some_and(|lane| into.len() >= max(lane)) {
                    break;
                }
                lane = Some(place.lane);
                let frame = place.frame.take().expect("seen two lines above, under the same lock");
                into.push(Taken { frame, ticket: place.tickets });
                place.tickets += 1;
                *next = (camera + 1) % cameras;
            }
            if lane.is_some() {
                drop(state);
                self.room.notify_all();
                return lane;
            }
            if state.closed {
                return None;
            }
            state = self.fresh.wait(state).expect("nobody panics while holding the places");
        }
    }

    /// No frame is accepted from now on; what lies in the places is still taken.
    pub fn close(&self) {
        self.lock().closed = true;
        self.fresh.notify_all();
        self.room.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding the places")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::base::frame::{Colour, OwnedPicture, OwnedPlanes};
    use crate::base::time::{Captured, Pts, TimeSource, Timestamp};

    fn frame(camera: u32, pts: u64) -> Frame {
        Frame {
            camera: CameraId(camera),
            session: 1,
            pts: Pts(pts),
            captured: Captured { at: Timestamp::UNIX_EPOCH, source: TimeSource::File, clock_offset_ms: None },
            decoded: Instant::now(),
            pixels: Arc::new(OwnedPicture {
                width: 2,
                height: 2,
                colour: Colour::default(),
                bytes: OwnedPlanes::I420(vec![0; 6]),
            }),
        }
    }

    fn places(lanes: &[usize]) -> (Newest, Vec<Arc<Tally>>) {
        let tallies: Vec<_> = lanes.iter().map(|_| Arc::new(Tally::default())).collect();
        (Newest::new(lanes.iter().copied().zip(tallies.iter().cloned())), tallies)
    }

    fn taken(newest: &Newest, max: usize) -> (Option<usize>, Vec<(u32, u64, u64)>) {
        let mut into = Vec::new();
        let lane = newest.take(&mut into, |_| max);
        (lane, into.iter().map(|t| (t.frame.camera.0, t.frame.pts.0, t.ticket)).collect())
    }

    #[test]
    fn the_newest_frame_wins_and_the_older_one_is_counted() {
        let (newest, tallies) = places(&[0]);
        newest.put(frame(0, 1));
        newest.put(frame(0, 2));
        assert_eq!(taken(&newest, 4), (Some(0), vec![(0, 2, 0)]));
        let reading = tallies[0].read();
        assert_eq!((reading.decoded, reading.dropped_total()), (2, 1));
    }

    #[test]
    fn a_camera_that_waited_goes_first() {
        let (newest, _) = places(&[0, 0, 0]);
        for camera in 0..3 {
            newest.put(frame(camera, 1));
        }
        assert_eq!(taken(&newest, 2).1, vec![(0, 1, 0), (1, 1, 0)]);
        newest.put(frame(0, 2));
        assert_eq!(taken(&newest, 2).1, vec![(2, 1, 0), (0, 2, 1)]);
    }

    #[test]
    fn a_batch_holds_one_lane_only() {
        let (newest, _) = places(&[0, 1, 0]);
        for camera in 0..3 {
            newest.put(frame(camera, 1));
        }
        assert_eq!(taken(&newest, 4), (Some(0), vec![(0, 1, 0), (2, 1, 0)]));
        assert_eq!(taken(&newest, 4), (Some(1), vec![(1, 1, 0)]));
    }

    #[test]
    fn after_closing_what_lies_there_is_taken_and_then_it_ends() {
        let (newest, tallies) = places(&[0]);
        newest.put(frame(0, 1));
        newest.close();
        newest.put(frame(0, 2));
        assert_eq!(taken(&newest, 1).1, vec![(0, 1, 0)]);
        assert_eq!(taken(&newest, 1), (None, vec![]));
        assert_eq!(tallies[0].read().dropped[Drop::Late as usize], 1);
    }

    #[test]
    fn a_clip_waits_for_its_place_and_loses_nothing() {
        let (newest, tallies) = places(&[0]);
        let newest = Arc::new(newest);
        let feeder = std::thread::spawn({
            let newest = Arc::clone(&newest);
            move || {
                for pts in 0..100 {
                    assert!(newest.put_waiting(frame(0, pts)));
                }
                newest.close();
            }
        });
        let mut seen = Vec::new();
        let mut into = Vec::new();
        while newest.take(&mut into, |_| 1).is_some() {
            seen.extend(into.drain(..).map(|t| t.frame.pts.0));
        }
        feeder.join().expect("the feeder does not panic");
        assert_eq!(seen, (0..100).collect::<Vec<_>>());
        assert_eq!(tallies[0].read().dropped_total(), 0);
    }
}
