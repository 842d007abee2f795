//! Whether a camera loses pictures because the box is behind, said once when it begins and once when it is over.

/// Share of the pictures of a window that are replaced: above it the camera is overloaded ..
const ENTER: f64 = 0.2;
/// .. and below it no longer. Between the two nothing changes, so that a box at its limit does not flap.
const LEAVE: f64 = 0.05;
/// A window with fewer pictures says nothing.
const OFFERED_MIN: u64 = 10;

#[derive(Debug, Default)]
pub struct Overload {
    behind: bool,
}

impl Overload {
    /// A window in which `offered` pictures were worth analysing and `replaced` of them were lost to a newer one. Returns the
    /// new state if it changed.
    pub fn observe(&mut self, offered: u64, replaced: u64) -> Option<bool> {
        if offered < OFFERED_MIN {
            return None;
        }
        let share = replaced as f64 / offered as f64;
        let behind = if self.behind { share > LEAVE } else { share > ENTER };
        let changed = behind != self.behind;
        self.behind = behind;
        changed.then_some(behind)
    }

    /// The camera went away: what it was does not count any more.
    pub fn reset(&mut self) {
        self.behind = false;
    }

    pub fn behind(&self) -> bool {
        self.behind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_once_and_does_not_flap() {
        let mut overload = Overload::default();
        let windows = [(250, 10), (250, 100), (250, 90), (250, 30), (250, 10), (250, 40), (5, 5), (250, 51)];
        let said: Vec<_> = windows.iter().map(|(offered, replaced)| overload.observe(*offered, *replaced)).collect();
        assert_eq!(said, [None, Some(true), None, None, Some(false), None, None, Some(true)]);
        overload.reset();
        assert!(!overload.behind());
        assert_eq!(overload.observe(250, 100), Some(true));
    }
}
