//! The last seconds of an encoded stream: whole groups of pictures, bounded by time and by bytes. Knows no codec.

use std::collections::VecDeque;
use std::time::Duration;

use crate::base::time::Pts;

/// One encoded picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Unit<T> {
    pub pts: Pts,
    /// Can be decoded without another.
    pub key: bool,
    pub bytes: usize,
    pub body: T,
}

/// Always begins with a key picture.
#[derive(Debug)]
pub struct Ring<T> {
    keep: Duration,
    bytes_max: usize,
    units: VecDeque<Unit<T>>,
    groups: VecDeque<Group>,
    bytes: usize,
    /// Groups that went early because of their bytes.
    cut: u64,
}

/// A key picture and what follows it.
#[derive(Debug)]
struct Group {
    key: Pts,
    units: usize,
    bytes: usize,
}

impl<T> Ring<T> {
    /// Holds at least the last `keep` of the stream, in whole groups, as far as `bytes_max` allows.
    pub fn new(keep: Duration, bytes_max: usize) -> Ring<T> {
        Ring { keep, bytes_max, units: VecDeque::new(), groups: VecDeque::new(), bytes: 0, cut: 0 }
    }

    /// Units come in the order of decoding. What comes before the first key picture is of no use to anybody.
    pub fn push(&mut self, unit: Unit<T>) {
        if unit.key {
            self.groups.push_back(Group { key: unit.pts, units: 0, bytes: 0 });
        }
        let Some(group) = self.groups.back_mut() else { return };
        group.units += 1;
        group.bytes += unit.bytes;
        self.bytes += unit.bytes;
        let newest = unit.pts;
        self.units.push_back(unit);
        while self.groups.get(1).is_some_and(|second| newest.since(second.key) >= self.keep) {
            self.drop_oldest();
        }
        // A single group that is too large goes too: the ring is empty until the next key picture.
        while self.bytes > self.bytes_max {
            self.drop_oldest();
            self.cut += 1;
        }
    }

    /// The units from the last key picture at or before `from` on, else from the oldest.
    pub fn since(&self, from: Pts) -> impl Iterator<Item = &Unit<T>> {
        let later = self.groups.iter().skip(1).take_while(|group| group.key <= from).count();
        self.units.iter().skip(self.groups.iter().take(later).map(|group| group.units).sum())
    }

    /// Of the unit that came last.
    pub fn newest(&self) -> Option<Pts> {
        self.units.back().map(|unit| unit.pts)
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many groups went early because of their bytes, since the beginning.
    pub fn cut(&self) -> u64 {
        self.cut
    }

    pub fn clear(&mut self) {
        self.units.clear();
        self.groups.clear();
        self.bytes = 0;
    }

    fn drop_oldest(&mut self) {
        let Some(group) = self.groups.pop_front() else { return };
        self.units.drain(..group.units);
        self.bytes -= group.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// 25 pictures a second of `bytes` each, a key picture every `gop`, from the `from`-th on.
    fn film(ring: &mut Ring<u64>, pictures: std::ops::Range<u64>, gop: u64, bytes: usize) {
        for n in pictures {
            ring.push(Unit { pts: Pts(n * SECOND / 25), key: n % gop == 0, bytes, body: n });
        }
    }

    fn bodies(ring: &Ring<u64>, from: Pts) -> Vec<u64> {
        ring.since(from).map(|unit| unit.body).collect()
    }

    #[test]
    fn it_holds_the_asked_seconds_and_the_rest_of_a_group() {
        let mut ring = Ring::new(Duration::from_secs(4), usize::MAX);
        film(&mut ring, 0..1000, 50, 10);
        let held = bodies(&ring, Pts(0));
        assert_eq!((held[0] % 50, *held.last().expect("some")), (0, 999));
        assert!((100..=150).contains(&held.len()), "{}", held.len());
        assert_eq!((ring.bytes(), ring.cut()), (10 * held.len(), 0));
    }

    #[test]
    fn it_starts_at_a_key_picture() {
        let mut ring = Ring::new(Duration::from_secs(4), usize::MAX);
        film(&mut ring, 7..50, 50, 10);
        assert!(bodies(&ring, Pts(0)).is_empty(), "no key picture yet");
        film(&mut ring, 50..180, 50, 10);
        assert_eq!(bodies(&ring, Pts(0))[0], 50);
        assert_eq!(bodies(&ring, Pts(4 * SECOND))[0], 100, "picture 100 is at 4 s");
        assert_eq!(bodies(&ring, Pts(4 * SECOND - 1))[0], 50);
        assert_eq!(bodies(&ring, Pts(99 * SECOND))[0], 150);
    }

    #[test]
    fn bytes_are_bounded_and_the_loss_is_counted() {
        let mut ring = Ring::new(Duration::from_secs(60), 1000);
        film(&mut ring, 0..200, 25, 10);
        assert!(ring.bytes() <= 1000);
        assert_eq!(bodies(&ring, Pts(0))[0] % 25, 0);
        assert_eq!(ring.cut(), 4);
        // One group alone is too large: nothing is held until the next one.
        film(&mut ring, 200..330, 1000, 10);
        assert_eq!(bodies(&ring, Pts(0)).len(), 0);
        film(&mut ring, 1000..1003, 1000, 10);
        assert_eq!(bodies(&ring, Pts(0)), [1000, 1001, 1002]);
    }
}
