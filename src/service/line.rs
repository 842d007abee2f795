//! Trouble on the line to the broker as an incident of the box: `node.health` starts once it has stood for a while, and ends
//! with it. What is recorded while nobody can be told goes out when the line is back.

use std::time::{Duration, Instant};

use crate::base::event::Phase;
use crate::base::id;
use crate::mqtt::{Cause, Trouble};

/// A broker that restarts is back sooner, and no incident.
const STANDS: Duration = Duration::from_secs(10);

#[derive(Default)]
pub struct LineWatch {
    open: Option<Incident>,
}

struct Incident {
    correlation: String,
    trouble: Trouble,
}

/// What is to be told: the incident's start or end.
#[derive(Debug, PartialEq, Eq)]
pub struct LineNews {
    pub phase: Phase,
    pub correlation: String,
    pub cause: Cause,
}

impl LineWatch {
    pub fn observe(&mut self, trouble: Option<Trouble>, now: Instant) -> Option<LineNews> {
        if let Some(open) = &mut self.open {
            match trouble.filter(|trouble| trouble.began == open.trouble.began) {
                Some(trouble) => {
                    open.trouble = trouble;
                    return None;
                }
                None => {
                    let Incident { correlation, trouble } = self.open.take()?;
                    return Some(LineNews { phase: Phase::End, correlation, cause: trouble.cause });
                }
            }
        }
        let trouble = trouble.filter(|trouble| now.duration_since(trouble.began) >= STANDS)?;
        let correlation = id::fresh();
        self.open = Some(Incident { correlation: correlation.clone(), trouble });
        Some(LineNews { phase: Phase::Start, correlation, cause: trouble.cause })
    }
}

impl LineNews {
    /// The `state` of the event.
    pub fn state(&self) -> &'static str {
        match self.phase {
            Phase::End => "online",
            _ if self.cause.is_partial() => "degraded",
            _ => "broker_unreachable",
        }
    }
}

/// Stands long enough to be reported.
pub fn stands(trouble: &Trouble) -> bool {
    trouble.began.elapsed() >= STANDS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Timestamp;

    fn trouble(cause: Cause, began: Instant) -> Option<Trouble> {
        Some(Trouble { cause, since: Timestamp::UNIX_EPOCH, began })
    }

    #[test]
    fn one_incident_from_ten_seconds_on() {
        let (mut watch, start) = (LineWatch::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(watch.observe(None, start), None);
        assert_eq!(watch.observe(trouble(Cause::Unreachable, start), after(9)), None);
        let news = watch.observe(trouble(Cause::Unreachable, start), after(10)).expect("a start");
        assert_eq!((news.phase, news.state()), (Phase::Start, "broker_unreachable"));
        assert_eq!(watch.observe(trouble(Cause::BadCredentials, start), after(20)), None, "the same trouble goes on");
        let end = watch.observe(None, after(30)).expect("an end");
        assert_eq!((end.phase, end.state(), end.cause), (Phase::End, "online", Cause::BadCredentials));
        assert_eq!(end.correlation, news.correlation);
        assert_eq!(watch.observe(None, after(31)), None);
    }

    #[test]
    fn another_trouble_is_another_incident() {
        let (mut watch, start) = (LineWatch::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        watch.observe(trouble(Cause::Unreachable, start), after(10)).expect("a start");
        let next = trouble(Cause::RefusedPublish, after(15));
        assert_eq!(watch.observe(next, after(16)).map(|news| news.phase), Some(Phase::End));
        assert_eq!(watch.observe(next, after(16)), None);
        assert_eq!(watch.observe(next, after(25)).map(|news| news.state()), Some("degraded"));
    }

    #[test]
    fn a_broker_that_restarts_is_no_incident() {
        let (mut watch, start) = (LineWatch::default(), Instant::now());
        for n in 0..20 {
            let began = start + Duration::from_secs(10 * n);
            assert_eq!(watch.observe(trouble(Cause::Closed, began), began + Duration::from_secs(5)), None);
            assert_eq!(watch.observe(None, began + Duration::from_secs(8)), None);
        }
    }
}
