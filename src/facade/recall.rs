//! What a camera's eye tests found where and when: parts of the wall by hours of the day.

use std::collections::BTreeMap;

use super::probe::{ProbeFall, ProbeReport};
use crate::base::health::{RecallCell, RecallRow};

/// A cell that holds so many falls forgets half of them: what was weeks ago counts little.
const FULL: u32 = 48;

/// Counts of made-up falls.
#[derive(Default)]
pub struct Recall(BTreeMap<Part, [RecallCell; 24]>);

/// Where a body was let go: from the top of the picture down, or by floor from the top down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Floor(std::cmp::Reverse<i32>),
    Top,
    Middle,
    Bottom,
}

impl Recall {
    /// `hour` of the day, 0..24.
    pub fn note(&mut self, report: &ProbeReport, hour: u16) {
        for fall in &report.falls {
            let cell = &mut self.0.entry(Part::of(fall)).or_default()[usize::from(hour) % 24];
            if cell.falls >= FULL {
                *cell = RecallCell { falls: cell.falls / 2, found: cell.found / 2 };
            }
            cell.falls += 1;
            cell.found += u32::from(fall.found_after.is_some());
        }
    }

    /// Hours without a test are left out.
    pub fn table(&self) -> Vec<RecallRow> {
        let row = |(part, cells): (&Part, &[RecallCell; 24])| RecallRow {
            part: part.name(),
            hours: (0..24).map(|hour| format!("{hour:02}")).zip(*cells).filter(|(_, cell)| cell.falls > 0).collect(),
        };
        self.0.iter().map(row).collect()
    }
}

impl Part {
    fn of(fall: &ProbeFall) -> Part {
        match (fall.floor, fall.height) {
            (Some(floor), _) => Part::Floor(std::cmp::Reverse(floor)),
            // Nothing is let go below the middle, so that it has room to fall.
            (None, y) if y < 0.2 => Part::Top,
            (None, y) if y < 0.35 => Part::Middle,
            (None, _) => Part::Bottom,
        }
    }

    fn name(self) -> String {
        match self {
            Part::Floor(number) => number.0.to_string(),
            Part::Top => "top".into(),
            Part::Middle => "middle".into(),
            Part::Bottom => "bottom".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::geometry::Point;
    use crate::base::time::Pts;

    fn report(floor: Option<i32>, y: f32, found: bool) -> ProbeReport {
        let found_after = found.then_some(Duration::from_secs(1));
        let fall = ProbeFall { began: Pts(0), from: Point::new(0.5, y), floor, height: y, size_px: 6.0, found_after };
        ProbeReport { ended: Pts(0), falls: vec![fall], contrast: 1.0 }
    }

    #[test]
    fn falls_are_counted_by_floor_and_hour_and_old_ones_forgotten() {
        let mut recall = Recall::default();
        for _ in 0..200 {
            recall.note(&report(Some(20), 0.3, false), 3);
        }
        for _ in 0..100 {
            recall.note(&report(Some(20), 0.3, true), 3);
        }
        recall.note(&report(Some(9), 0.3, true), 23);
        let table = recall.table();
        assert_eq!(table.iter().map(|row| row.part.as_str()).collect::<Vec<_>>(), ["20", "9"], "the highest first");
        let cell = table[0].hours["03"];
        assert!(cell.falls <= FULL && cell.found * 10 > cell.falls * 9, "what it sees lately counts: {cell:?}");
        assert_eq!((table[0].hours.len(), table[1].hours["23"]), (1, RecallCell { falls: 1, found: 1 }));
    }

    #[test]
    fn without_floors_the_parts_of_the_picture_have_names() {
        let mut recall = Recall::default();
        for (y, hour) in [(0.4, 0), (0.1, 12), (0.3, 12)] {
            recall.note(&report(None, y, true), hour);
        }
        let names: Vec<String> = recall.table().into_iter().map(|row| row.part).collect();
        assert_eq!(names, ["top", "middle", "bottom"]);
    }
}
