//! One place per camera between its decoder and the batch loop. Live: the newest frame wins and the older one is counted.
//! Clips: the decoder waits until its frame is taken, so that none is lost.
//!
//! Cameras of one model are a lane. Lanes share the workers by weight, in work time: each has a virtual clock that runs
//! the slower the heavier the lane is, and the lane that is furthest behind is served next (start-time fair queueing, Goyal,
//! Vin and Cheng 1996). So a lane of many small pieces cannot starve one of few large ones.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::regions::RegionSpec;
use super::tally::{Drop, Tally};
use crate::base::frame::{CameraId, Frame};
use crate::base::model::InputSpec;

/// A frame on its way through the loop, with its place in its camera's order.
pub struct Taken {
    pub frame: Frame,
    /// Counts the frames of one camera that were taken, from 0 without gaps: results are handed back in this order.
    pub ticket: u64,
    /// Parts of it may be looked at once more.
    pub regions: Option<Arc<RegionSpec>>,
}

/// What the places know of a lane.
#[derive(Debug, Clone, Copy)]
pub struct LaneTerms {
    /// The model's input as its card says.
    pub input: InputSpec,
    /// The shape of the picture may choose the input's, in multiples of this many pixels.
    pub free: Option<usize>,
    /// Share of the workers' time when there is not enough for all; 1.0 is ordinary.
    pub weight: f64,
    /// Most frames of a batch.
    pub max_batch: usize,
    /// How long a frame may wait for others to fill its batch; zero takes what is there.
    pub max_wait: Duration,
}

/// Frames that may share a batch: one lane, one size of input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Batch {
    pub lane: usize,
    pub input: InputSpec,
}

pub struct Newest {
    state: Mutex<State>,
    /// Told when a frame was put or the loop is to end.
    fresh: Condvar,
    /// By camera: told when its place became free. One each, because 64 feeders woken for one place would cost more than
    /// the loop itself.
    room: Box<[Condvar]>,
    tallies: Vec<Arc<Tally>>,
}

struct State {
    places: Vec<Place>,
    lanes: Vec<Lane>,
    /// What the clock of the lane that is served last said when its turn came: the time of the whole.
    now: f64,
    closed: bool,
    pressure: Pressure,
}

struct Place {
    lane: usize,
    regions: Option<Arc<RegionSpec>>,
    tally: Arc<Tally>,
    waiting: Option<(Frame, InputSpec)>,
    tickets: u64,
}

struct Lane {
    terms: LaneTerms,
    /// The camera that is asked first next time, so that none starves.
    next: usize,
    /// Places of this lane that hold a frame.
    waiting: usize,
    /// Seconds of work, divided by weight, that this lane has had.
    clock: f64,
    /// Seconds of work that one frame cost lately.
    cost: f64,
    /// Sizes of input that were asked for so far.
    sizes: Vec<(usize, usize)>,
}

/// Whether the box is behind, from how many pictures of all cameras are replaced.
#[derive(Default)]
struct Pressure {
    /// Share of the pictures lately that replaced an unread one.
    replaced: f64,
    /// Second looks are left out until then.
    until: Option<Instant>,
}

/// Second looks are the first to go: a quarter of what makes a camera `degraded`.
const PRESSED: f64 = 0.05;
/// They come back after this; if they are what is too much, a picture in twenty is lost for a second of this time.
const RELIEF: Duration = Duration::from_secs(30);
/// Pictures of each camera that `Pressure::replaced` is a mean of.
const PRESSURE_PICTURES: f64 = 32.0;

/// Each size has a session of its own on every worker; cameras have few shapes. Further ones take the card's.
const SIZES_MAX: usize = 8;

impl Newest {
    /// `cameras`: the lane and the counters of each camera, by `CameraId`; None for a camera without a lane.
    pub fn new(
        lanes: impl IntoIterator<Item = LaneTerms>,
        cameras: impl IntoIterator<Item = (Option<usize>, Arc<Tally>)>,
    ) -> Newest {
        let (places, tallies) = cameras
            .into_iter()
            // A lane that is not there is never asked for: the engine drops such a camera's frames before.
            .map(|(lane, tally)| {
                let (lane, counted) = (lane.unwrap_or(usize::MAX), Arc::clone(&tally));
                (Place { lane, regions: None, tally: counted, waiting: None, tickets: 0 }, tally)
            })
            .collect::<(Vec<_>, Vec<_>)>();
        let lane = |terms| Lane { terms, next: 0, waiting: 0, clock: 0.0, cost: 0.0, sizes: Vec::new() };
        let lanes = lanes.into_iter().map(lane).collect();
        Newest {
            state: Mutex::new(State { places, lanes, now: 0.0, closed: false, pressure: Pressure::default() }),
            fresh: Condvar::new(),
            room: tallies.iter().map(|_| Condvar::new()).collect(),
            tallies,
        }
    }

    /// Which parts of a camera's pictures may be looked at once more, by `CameraId`.
    pub fn with_regions(mut self, regions: impl IntoIterator<Item = Option<Arc<RegionSpec>>>) -> Newest {
        let state = self.state.get_mut().expect("nobody else has it yet");
        for (place, regions) in state.places.iter_mut().zip(regions) {
            place.regions = regions;
        }
        self
    }

    /// Puts a frame in its camera's place. An unread one is replaced and counted. Never waits.
    pub fn put(&self, frame: Frame) {
        let CameraId(camera) = frame.camera;
        let camera = camera as usize;
        let mut state = self.lock();
        let displaced = if state.closed {
            Some((frame, Drop::Late))
        } else {
            let old = state.put(camera, frame);
            state.press(old.is_some());
            old.map(|old| (old, Drop::Replaced))
        };
        drop(state);
        self.fresh.notify_one();
        // What was displaced is dropped here, after the lock: freeing decoder memory can be slow.
        if let Some((_frame, why)) = displaced {
            self.tallies[camera].dropped(why);
        }
    }

    /// Puts the frame in its camera's place and waits until it has been taken. (Waiting before, for the place to be free,
    /// would hold one picture more of each camera: 3 MB at 1080p.) Returns false if the loop has ended.
    pub fn put_waiting(&self, frame: Frame) -> bool {
        let CameraId(camera) = frame.camera;
        let camera = camera as usize;
        let mut state = self.lock();
        if state.closed {
            self.tallies[camera].dropped(Drop::Late);
            return false;
        }
        let displaced = state.put(camera, frame);
        debug_assert!(displaced.is_none(), "a clip has one thread, which waited for the frame before");
        self.fresh.notify_one();
        while state.places[camera].waiting.is_some() && !state.closed {
            state = self.room[camera].wait(state).expect("nobody panics while holding the places");
        }
        true
    }

    /// Waits for a batch that is due, then moves its frames into `into` (empty before), the camera that waited longest for its turn first.
    /// Returns what they share, or None once closed and empty.
    pub fn take(&self, into: &mut Vec<Taken>) -> Option<Batch> {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            let closed = state.closed;
            let mut soonest = None;
            let mut due: Option<usize> = None;
            for (index, lane) in state.lanes.iter().enumerate().filter(|(_, lane)| lane.waiting > 0) {
                let left = if closed { Duration::ZERO } else { lane.left_to_wait(index, &state.places, now) };
                if left.is_zero() {
                    due = due.filter(|best| state.lanes[*best].clock <= lane.clock).or(Some(index));
                } else {
                    soonest = Some(soonest.map_or(left, |soonest: Duration| soonest.min(left)));
                }
            }
            if let Some(lane) = due {
                let batch = state.collect(lane, into);
                let more = state.lanes.iter().any(|lane| lane.waiting > 0);
                drop(state);
                for taken in into.iter() {
                    self.room[taken.frame.camera.0 as usize].notify_one();
                }
                // One frame wakes one worker; what is left over wakes the next.
                if more {
                    self.fresh.notify_one();
                }
                return Some(batch);
            }
            if closed {
                return None;
            }
            let expect = "nobody panics while holding the places";
            state = match soonest {
                Some(left) => self.fresh.wait_timeout(state, left).expect(expect).0,
                None => self.fresh.wait(state).expect(expect),
            };
        }
    }

    /// What a batch of `lane` really cost, in a worker's time; `take` went by what earlier ones did.
    pub fn charge(&self, lane: usize, frames: usize, took: Duration) {
        let mut state = self.lock();
        let lane = &mut state.lanes[lane];
        let each = took.as_secs_f64() / frames.max(1) as f64;
        lane.clock += (each - lane.cost) * frames as f64 / lane.terms.weight;
        // A mean over the last eight or so: smooth, yet soon right after a change of picture size.
        lane.cost += (each - lane.cost) / 8.0;
    }

    /// The lane's model cannot be given another size than its card's.
    pub fn fix_size(&self, lane: usize) {
        self.lock().lanes[lane].terms.free = None;
    }

    /// No frame is accepted from now on; what lies in the places is still taken.
    pub fn close(&self) {
        self.lock().closed = true;
        self.fresh.notify_all();
        self.room.iter().for_each(Condvar::notify_one);
    }

    /// How long the frame in each camera's place has waited since it was decoded; None for an empty place.
    pub fn ages(&self) -> Vec<Option<Duration>> {
        let state = self.lock();
        state.places.iter().map(|place| Some(place.waiting.as_ref()?.0.decoded.elapsed())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding the places")
    }
}

impl State {
    fn put(&mut self, camera: usize, frame: Frame) -> Option<Frame> {
        let index = self.places[camera].lane;
        let lane = &mut self.lanes[index];
        let input = lane.input_for(&frame);
        let old = self.places[camera].waiting.replace((frame, input));
        if old.is_none() {
            if lane.waiting == 0 {
                // A lane that comes back from idleness starts with the others: time it did not use is gone.
                lane.clock = lane.clock.max(self.now);
            }
            lane.waiting += 1;
        }
        old.map(|(frame, _)| frame)
    }

    /// Notes whether a picture that was put has replaced one.
    fn press(&mut self, replaced: bool) {
        let step = 1.0 / (PRESSURE_PICTURES * self.places.len().max(1) as f64);
        let pressure = &mut self.pressure;
        pressure.replaced += (f64::from(u8::from(replaced)) - pressure.replaced) * step;
        if pressure.replaced > PRESSED {
            *pressure = Pressure { replaced: 0.0, until: Some(Instant::now() + RELIEF) };
        }
    }

    fn collect(&mut self, index: usize, into: &mut Vec<Taken>) -> Batch {
        let State { places, lanes, now, pressure, .. } = self;
        let pressed = pressure.until.is_some_and(|until| Instant::now() < until);
        let lane = &mut lanes[index];
        *now = lane.clock;
        let (cameras, start) = (places.len(), lane.next);
        let mut shared = None;
        for step in 0..cameras {
            let camera = (start + step) % cameras;
            let place = &mut places[camera];
            let fits = |(_, input): &mut (Frame, InputSpec)| shared.is_none_or(|shared| shared == *input);
            if place.lane != index || into.len() == lane.terms.max_batch {
                continue;
            }
            if let Some((frame, input)) = place.waiting.take_if(fits) {
                shared = Some(input);
                let mut regions = place.regions.as_ref().filter(|regions| regions.due(place.tickets));
                if pressed && regions.take().is_some() {
                    place.tally.regions_shed();
                }
                into.push(Taken { frame, ticket: place.tickets, regions: regions.map(Arc::clone) });
                place.tickets += 1;
                lane.waiting -= 1;
                lane.next = (camera + 1) % cameras;
            }
        }
        lane.clock += lane.cost * into.len() as f64 / lane.terms.weight;
        Batch { lane: index, input: shared.unwrap_or(lane.terms.input) }
    }
}

impl Lane {
    fn input_for(&mut self, frame: &Frame) -> InputSpec {
        let card = self.terms.input;
        let picture = frame.pixels.picture();
        let input = card.for_picture(self.terms.free, (picture.width, picture.height));
        if input == card {
            return card;
        }
        let size = (input.width, input.height);
        if self.sizes.contains(&size) {
            return input;
        }
        if self.sizes.len() == SIZES_MAX {
            return card;
        }
        self.sizes.push(size);
        input
    }

    /// Until a batch is due: at once if it is full or need not wait, else when its oldest frame has waited long enough.
    fn left_to_wait(&self, index: usize, places: &[Place], now: Instant) -> Duration {
        if self.terms.max_wait.is_zero() || self.waiting >= self.terms.max_batch {
            return Duration::ZERO;
        }
        let waiting = places.iter().filter(|place| place.lane == index).filter_map(|place| place.waiting.as_ref());
        let longest = waiting.map(|(frame, _)| now.saturating_duration_since(frame.decoded)).max();
        self.terms.max_wait.saturating_sub(longest.unwrap_or_default())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::base::frame::{Colour, OwnedPicture, OwnedPlanes, Stirs};
    use crate::base::model::{ChannelOrder, FitKind, Samples};
    use crate::base::time::{Captured, Pts, TimeSource, Timestamp};

    pub fn frame_of(camera: u32, pts: u64, width: usize, height: usize, age: Duration) -> Frame {
        let now = Instant::now();
        Frame {
            camera: CameraId(camera),
            session: 1,
            pts: Pts(pts),
            captured: Captured { at: Timestamp::UNIX_EPOCH, source: TimeSource::File, clock_offset_ms: None },
            decoded: now.checked_sub(age).unwrap_or(now),
            decode_cpu: Duration::ZERO,
            rested: Duration::ZERO,
            stirs: Stirs::default(),
            pixels: Arc::new(OwnedPicture {
                width,
                height,
                colour: Colour::default(),
                bytes: OwnedPlanes::I420(vec![0; width * height * 2]),
            }),
        }
    }

    fn frame(camera: u32, pts: u64) -> Frame {
        frame_of(camera, pts, 2, 2, Duration::ZERO)
    }

    fn terms(max_batch: usize) -> LaneTerms {
        let input = InputSpec {
            width: 64,
            height: 64,
            samples: Samples::F32,
            order: ChannelOrder::Bgr,
            mean: [0.0; 3],
            scale: [1.0; 3],
            fit: FitKind::Stretch,
        };
        LaneTerms { input, free: None, weight: 1.0, max_batch, max_wait: Duration::ZERO }
    }

    /// Cameras by their lanes.
    fn places(terms: &[LaneTerms], lanes: &[usize]) -> (Newest, Vec<Arc<Tally>>) {
        let tallies: Vec<_> = lanes.iter().map(|_| Arc::new(Tally::default())).collect();
        let cameras = lanes.iter().map(|lane| Some(*lane)).zip(tallies.iter().cloned());
        (Newest::new(terms.iter().copied(), cameras), tallies)
    }

    fn taken(newest: &Newest) -> (Option<usize>, Vec<(u32, u64, u64)>) {
        let mut into = Vec::new();
        let batch = newest.take(&mut into);
        let frames = into.iter().map(|t| (t.frame.camera.0, t.frame.pts.0, t.ticket)).collect();
        (batch.map(|batch| batch.lane), frames)
    }

    #[test]
    fn the_newest_frame_wins_and_the_older_one_is_counted() {
        let (newest, tallies) = places(&[terms(4)], &[0]);
        newest.put(frame(0, 1));
        newest.put(frame(0, 2));
        assert_eq!(taken(&newest), (Some(0), vec![(0, 2, 0)]));
        assert_eq!(tallies[0].read().dropped_total(), 1);
    }

    #[test]
    fn a_camera_that_waited_goes_first() {
        let (newest, _) = places(&[terms(2)], &[0, 0, 0]);
        for camera in 0..3 {
            newest.put(frame(camera, 1));
        }
        assert_eq!(taken(&newest).1, vec![(0, 1, 0), (1, 1, 0)]);
        newest.put(frame(0, 2));
        assert_eq!(taken(&newest).1, vec![(2, 1, 0), (0, 2, 1)]);
    }

    #[test]
    fn a_batch_holds_one_lane_only() {
        let (newest, _) = places(&[terms(4), terms(4)], &[0, 1, 0]);
        for camera in 0..3 {
            newest.put(frame(camera, 1));
        }
        assert_eq!(taken(&newest), (Some(0), vec![(0, 1, 0), (2, 1, 0)]));
        assert_eq!(taken(&newest), (Some(1), vec![(1, 1, 0)]));
    }

    #[test]
    fn pictures_of_one_shape_share_a_batch_and_shapes_are_bounded() {
        let free = LaneTerms { free: Some(8), ..terms(4) };
        let (newest, _) = places(&[free], &[0, 0, 0]);
        newest.put(frame_of(0, 1, 32, 16, Duration::ZERO));
        newest.put(frame_of(1, 1, 16, 16, Duration::ZERO));
        newest.put(frame_of(2, 1, 64, 32, Duration::ZERO));
        let mut into = Vec::new();
        let size = |batch: Option<Batch>| batch.map(|batch| (batch.input.width, batch.input.height));
        assert_eq!(size(newest.take(&mut into)), Some((64, 32)));
        assert_eq!(into.drain(..).map(|t| t.frame.camera.0).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(size(newest.take(&mut into)), Some((64, 64)));
        for side in 1..20 {
            newest.put(frame_of(0, 1, 64, 4 * side, Duration::ZERO));
            newest.take(&mut into);
        }
        assert_eq!(newest.lock().lanes[0].sizes.len(), SIZES_MAX);
        newest.fix_size(0);
        newest.put(frame_of(0, 1, 32, 16, Duration::ZERO));
        assert_eq!(size(newest.take(&mut into)), Some((64, 64)));
    }

    #[test]
    fn lanes_share_the_workers_time_by_weight() {
        // Lane 0: dear frames of weight 1. Lane 1: frames of a tenth of the cost, weight 3.
        let (newest, _) = places(&[terms(1), LaneTerms { weight: 3.0, ..terms(1) }], &[0, 1]);
        let mut spent = [0.0f64; 2];
        newest.put(frame(0, 0));
        newest.put(frame(1, 0));
        for pts in 1..4000 {
            let lane = taken(&newest).0.expect("both always have a frame");
            let took = [Duration::from_millis(10), Duration::from_millis(1)][lane];
            spent[lane] += took.as_secs_f64();
            newest.charge(lane, 1, took);
            newest.put(frame(lane as u32, pts));
        }
        let ratio = spent[1] / spent[0];
        assert!((2.9..3.1).contains(&ratio), "{ratio}");
    }

    #[test]
    fn a_lane_that_was_idle_has_saved_nothing_up() {
        let (newest, _) = places(&[terms(1), terms(1)], &[0, 1]);
        for pts in 0..100 {
            newest.put(frame(0, pts));
            taken(&newest);
            newest.charge(0, 1, Duration::from_millis(10));
        }
        let mut served = [0; 2];
        newest.put(frame(0, 0));
        newest.put(frame(1, 0));
        for pts in 0..20 {
            let lane = taken(&newest).0.expect("both always have a frame");
            served[lane] += 1;
            newest.charge(lane, 1, Duration::from_millis(10));
            newest.put(frame(lane as u32, pts));
        }
        assert!(served[0] >= 9, "{served:?}");
    }

    #[test]
    fn a_gathered_batch_waits_until_it_is_full_or_old() {
        let gather = LaneTerms { max_wait: Duration::from_secs(3600), ..terms(3) };
        let (newest, _) = places(&[gather], &[0, 0, 0, 0]);
        let newest = Arc::new(newest);
        let taker = std::thread::spawn({
            let newest = Arc::clone(&newest);
            move || taken(&newest).1
        });
        for camera in 0..3 {
            newest.put(frame(camera, 1));
        }
        assert_eq!(taker.join().expect("the taker does not panic").len(), 3, "full");
        newest.put(frame_of(3, 2, 2, 2, Duration::from_secs(7200)));
        assert_eq!(taken(&newest).1, vec![(3, 2, 0)], "old");
        newest.put(frame(0, 3));
        newest.close();
        assert_eq!(taken(&newest).1, vec![(0, 3, 1)], "closed");
    }

    #[test]
    fn after_closing_what_lies_there_is_taken_and_then_it_ends() {
        let (newest, tallies) = places(&[terms(1)], &[0]);
        newest.put(frame(0, 1));
        newest.close();
        newest.put(frame(0, 2));
        assert_eq!(taken(&newest).1, vec![(0, 1, 0)]);
        assert_eq!(taken(&newest), (None, vec![]));
        assert_eq!(tallies[0].read().dropped[Drop::Late as usize], 1);
    }

    #[test]
    fn a_clip_waits_for_its_place_and_loses_nothing() {
        let (newest, tallies) = places(&[terms(1)], &[0]);
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
        while newest.take(&mut into).is_some() {
            seen.extend(into.drain(..).map(|t| t.frame.pts.0));
        }
        feeder.join().expect("the feeder does not panic");
        assert_eq!(seen, (0..100).collect::<Vec<_>>());
        assert_eq!(tallies[0].read().dropped_total(), 0);
    }

    #[test]
    fn second_looks_are_the_first_to_go_and_are_counted() {
        let (newest, tallies) = places(&[terms(4)], &[0, 0]);
        let around = crate::base::geometry::Rect::new(0.2, 0.2, 0.4, 0.4);
        let regions =
            Arc::new(RegionSpec { fixed: vec![crate::engine::Square::over(&around)], ..RegionSpec::default() });
        let newest = newest.with_regions([Some(regions), None]);
        let take = || {
            let mut into = Vec::new();
            newest.take(&mut into);
            into.iter().map(|taken| (taken.frame.camera.0, taken.regions.is_some())).collect::<Vec<_>>()
        };
        newest.put(frame(0, 1));
        newest.put(frame(1, 1));
        assert_eq!(take(), [(0, true), (1, false)]);
        // One picture in a hundred is lost to a newer one: no reason to look less closely.
        for moment in 2..200 {
            newest.put(frame(1, moment));
            newest.put(frame(0, moment));
            if moment % 50 == 0 {
                newest.put(frame(0, moment));
            }
            assert_eq!(take().iter().filter(|(_, regions)| *regions).count(), 1, "{moment}");
        }
        // One in four is, at another camera: the box is behind.
        for moment in 200..230 {
            newest.put(frame(1, moment));
            newest.put(frame(1, moment));
            newest.put(frame(0, moment));
            take();
        }
        newest.put(frame(0, 300));
        assert_eq!(take(), [(0, false)]);
        let tally = tallies[0].read();
        assert!((1..40).contains(&tally.regions_shed), "{tally:?}");
        assert_eq!(tallies[1].read().regions_shed, 0, "it has none to lose");
    }
}
