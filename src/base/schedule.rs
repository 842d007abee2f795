//! Hours of the week in which something holds, by the clock on the wall: `days mon-fri, from 22:00 to 06:00`.

use crate::base::time::{Clockface, Timestamp, Zone};

/// One row of a schedule. `from` after `to` goes over midnight and belongs to the day it begins on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// Monday first.
    pub days: [bool; 7],
    /// Minutes of the day, 0..=1440. Equal ones are the whole day.
    pub from: u16,
    pub to: u16,
}

/// True in any of its rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    pub rows: Vec<Hours>,
    pub zone: Zone,
}

impl Schedule {
    pub fn holds(&self, at: Timestamp) -> bool {
        let Clockface { weekday, minute, .. } = self.zone.clockface(at);
        self.rows.iter().any(|row| row.holds(weekday, minute))
    }
}

impl Hours {
    fn holds(&self, weekday: usize, minute: u16) -> bool {
        let (today, yesterday) = (self.days[weekday % 7], self.days[(weekday + 6) % 7]);
        if self.from < self.to {
            return today && (self.from..self.to).contains(&minute);
        }
        today && minute >= self.from || yesterday && minute < self.to
    }
}

/// `mon`, `tue` ..: Monday is 0.
pub const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// `mon-fri`, `sat`, `fri-mon` (over the week's end), `daily`.
pub fn days(word: &str) -> Option<[bool; 7]> {
    let word = word.trim().to_ascii_lowercase();
    if matches!(&*word, "daily" | "all") {
        return Some([true; 7]);
    }
    let day = |name: &str| DAYS.iter().position(|day| *day == name.trim());
    let (first, last) = match word.split_once('-') {
        Some((first, last)) => (day(first)?, day(last)?),
        None => (day(&word)?, day(&word)?),
    };
    let mut days = [false; 7];
    let mut at = first;
    loop {
        days[at] = true;
        if at == last {
            return Some(days);
        }
        at = (at + 1) % 7;
    }
}

/// `06:30`, up to `24:00`: minutes of the day.
pub fn minutes(word: &str) -> Option<u16> {
    let (hours, minutes) = word.trim().split_once(':')?;
    let two = |text: &str| (1..=2).contains(&text.len()).then(|| text.parse::<u16>().ok()).flatten();
    let (hours, minutes) = (two(hours)?, two(minutes).filter(|_| minutes.len() == 2)?);
    let total = hours * 60 + minutes;
    (minutes < 60 && total <= 1440).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn night() -> Schedule {
        let zone = Zone::named("Asia/Shanghai").expect("a time zone");
        Schedule { rows: vec![Hours { days: days("mon-fri").unwrap(), from: 22 * 60, to: 6 * 60 }], zone }
    }

    #[test]
    fn a_night_belongs_to_the_day_it_begins_on_and_to_the_zone_of_the_box() {
        let at = |text: &str| night().holds(text.parse().expect("a time"));
        // 2026-11-23 is a Monday. Shanghai is eight hours ahead.
        assert!(!at("2026-11-23T13:59:59Z"), "21:59 on Monday");
        assert!(at("2026-11-23T14:00:00Z"), "22:00 on Monday");
        assert!(at("2026-11-23T21:59:59Z"), "05:59 on Tuesday");
        assert!(!at("2026-11-23T22:00:00Z"), "06:00 on Tuesday");
        assert!(at("2026-11-27T21:00:00Z"), "05:00 on Saturday, the night of Friday");
        assert!(!at("2026-11-28T14:30:00Z"), "22:30 on Saturday");
        assert!(!at("2026-11-22T21:00:00Z"), "05:00 on Monday, the night of Sunday");
    }

    #[test]
    fn words_for_days_and_hours() {
        assert_eq!(days("fri-mon"), Some([true, false, false, false, true, true, true]));
        assert_eq!(days("Sun"), Some([false, false, false, false, false, false, true]));
        assert_eq!((days("someday"), days("mon-")), (None, None));
        assert_eq!((minutes("06:30"), minutes("24:00"), minutes("0:05")), (Some(390), Some(1440), Some(5)));
        assert_eq!((minutes("24:01"), minutes("6:3"), minutes("630"), minutes("-1:00")), (None, None, None, None));
    }
}
