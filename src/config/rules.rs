//! Rules: each type with the keys that it needs and may have, resolved into what `crate::rules` works with.

use std::time::Duration;

use super::places::{At, Place, check_id, nearest, quoted};
use super::raw::{self, RuleType};
use super::resolve::{Desk, Scope};
use crate::base::detection::Kind;
use crate::base::event::Direction;
use crate::base::plate::Series;
use crate::base::schedule::{Hours, Schedule, days, minutes};
use crate::rules::access::AccessSpec;
use crate::rules::crowd::CrowdSpec;
use crate::rules::filters::Filters;
use crate::rules::forced::ForcedSpec;
use crate::rules::line::CrossingSpec;
use crate::rules::object::ObjectSpec;
use crate::rules::parking::ParkingSpec;
use crate::rules::passage::LineSpec;
use crate::rules::plate::PlateReadSpec;
use crate::rules::speeding::SpeedingSpec;
use crate::rules::tailgating::TailgatingSpec;
use crate::rules::wrong_way::WrongWaySpec;
use crate::rules::zone::{IntrusionSpec, LoiteringSpec};
use crate::rules::{NamedRule, RuleSpec};

/// A follower comes no later than this where the config says nothing.
const GAP_S: f64 = 3.0;
/// A grant counts for who passes no later than this after it.
const WINDOW_S: f64 = 10.0;
/// A person no farther from a thing is with it, in heights of the picture: an arm's length or two where people are a third
/// of the picture high.
const OWNER_DISTANCE: f32 = 0.2;

/// Keys that a type has beside `type`, `kinds`, `schedule` and the filters, which all have.
fn keys_of(rule: RuleType) -> &'static [&'static str] {
    match rule {
        RuleType::Crossing => &["line", "anchor"],
        RuleType::Intrusion | RuleType::Loitering => &["zone", "seconds", "anchor"],
        RuleType::Crowd => &["zone", "count", "seconds", "anchor"],
        RuleType::LaneBlocked | RuleType::FireLaneParking => &["zone", "seconds", "warn_seconds", "anchor"],
        RuleType::WrongWay => &["line", "allowed", "anchor"],
        RuleType::Tailgating => &["line", "direction", "gap_s", "access", "window_s", "anchor"],
        RuleType::Forced => &["line", "direction", "access", "window_s", "anchor"],
        RuleType::ObjectLeft | RuleType::ObjectRemoved => &["zone", "seconds", "owner_distance", "anchor"],
        RuleType::Speeding => &["line", "to_line", "distance_m", "limit_kmh", "anchor"],
        RuleType::PlateRead => &["min_reads", "score_min", "allow", "deny"],
    }
}

impl Desk<'_> {
    /// A rule without its id.
    pub(super) fn rule(
        &self,
        at: &At<raw::Rule>,
        camera: &raw::Camera,
        camera_place: &Place,
        scope: &Scope<'_>,
    ) -> Option<NamedRule> {
        let (raw, place) = (&at.value, &at.place);
        let words: Vec<&str> = RuleType::ALL.map(RuleType::word).to_vec();
        let kinds = match &raw.kinds {
            Some(kinds) => {
                let all = (scope.seen.is_some() && !scope.kinds.is_empty()).then_some(scope.kinds);
                self.listed_kinds(kinds, all, "the camera tracks")
            }
            // Who moves by itself is not left behind.
            None if self.is_of_things(raw) => self.things(raw, place, scope),
            None => scope.kinds.to_vec(),
        };
        let schedule = raw.schedule.as_ref().and_then(|rows| self.schedule(rows, scope));
        let rule_type = self.needed(&raw.r#type, "type", place, &format!("one of {}", words.join(", ")))?.value;
        self.misplaced(raw, rule_type);
        let anchor = raw.anchor.as_ref().map_or(scope.anchor, |at| at.value);
        let line = |id: &At<String>| -> Option<LineSpec> {
            let line = self.named_part(id, "line", scope.lines, camera_place)?;
            let way = camera.lines.as_ref().and_then(|lines| {
                let (_, line) = lines.value.0.iter().find(|(name, _)| *name == id.value)?;
                line.value.r#in.as_ref().map(|way| way.value.0)
            });
            let left_to_right = way.unwrap_or(Direction::In);
            Some(LineSpec { line_id: id.value.clone(), line, left_to_right, anchor })
        };
        let its_line = || self.needed(&raw.line, "line", place, "the id of a line of this camera").and_then(line);
        let zone = || {
            let zone = self.needed(&raw.zone, "zone", place, "the id of a zone of this camera")?;
            Some((zone.value.clone(), self.named_part(zone, "zone", scope.zones, camera_place)?))
        };
        let seconds = |value: &Option<At<f64>>, usual: f64| {
            Duration::try_from_secs_f64(value.as_ref().map_or(usual, |at| at.value)).ok()
        };
        let spec = match rule_type {
            RuleType::Crossing => {
                RuleSpec::Crossing(CrossingSpec { line: its_line()?, time_zone: scope.time_zone.clone() })
            }
            RuleType::WrongWay => {
                let allowed = self.needed(&raw.allowed, "allowed", place, "the direction that is right: in or out");
                RuleSpec::WrongWay(WrongWaySpec { line: its_line()?, allowed: allowed?.value })
            }
            RuleType::Tailgating => RuleSpec::Tailgating(TailgatingSpec {
                line: its_line()?,
                direction: raw.direction.as_ref().map(|at| at.value),
                gap: seconds(&raw.gap_s, GAP_S)?,
                access: self.access(raw),
            }),
            RuleType::Forced => {
                self.needed(&raw.access, "access", place, "the id of the gate in the messages of access control");
                let (line, access) = (its_line(), self.access(raw));
                let direction = raw.direction.as_ref().map(|at| at.value);
                RuleSpec::Forced(ForcedSpec { line: line?, direction, access: access? })
            }
            RuleType::ObjectLeft | RuleType::ObjectRemoved => {
                let after = self.needed(&raw.seconds, "seconds", place, "how long a thing has to stand there");
                let ((zone_id, polygon), after) = (zone()?, Duration::try_from_secs_f64(after?.value).ok()?);
                if scope.seen.is_some() && !scope.kinds.contains(&Kind::Person) {
                    self.tell(place, "needs `person` among the camera's kinds: nobody else is an owner");
                }
                let owner_distance = raw.owner_distance.as_ref().map_or(OWNER_DISTANCE, |at| at.value as f32);
                let removed = rule_type == RuleType::ObjectRemoved;
                RuleSpec::Object(ObjectSpec { zone_id, polygon, anchor, after, owner_distance, removed })
            }
            RuleType::Speeding => {
                let first = its_line();
                let second = self.needed(&raw.to_line, "to_line", place, "the id of the other line").and_then(line);
                let distance = self.needed(&raw.distance_m, "distance_m", place, "metres between the two lines");
                let limit = self.needed(&raw.limit_kmh, "limit_kmh", place, "kilometres an hour");
                let (first, second) = (first?, second?);
                if first.line_id == second.line_id {
                    self.tell(&raw.to_line.as_ref()?.place, "is the same line; a speed needs two");
                }
                let (distance_m, limit_kmh) = (distance?.value as f32, limit?.value as f32);
                RuleSpec::Speeding(SpeedingSpec { lines: [first, second], distance_m, limit_kmh })
            }
            RuleType::Crowd => {
                let count = self.needed(&raw.count, "count", place, "how many are a crowd");
                let (zone_id, polygon) = zone()?;
                let (count, after) = (count?.value as u32, seconds(&raw.seconds, 2.0)?);
                RuleSpec::Crowd(CrowdSpec { zone_id, polygon, anchor, count, after })
            }
            RuleType::LaneBlocked | RuleType::FireLaneParking => {
                let after = self.needed(&raw.seconds, "seconds", place, "how long a vehicle may stand");
                let (zone_id, polygon) = zone()?;
                let after = Duration::try_from_secs_f64(after?.value).ok()?;
                let warn = raw.warn_seconds.as_ref();
                if let Some(late) = warn.filter(|warn| warn.value >= after.as_secs_f64()) {
                    self.tell(
                        &late.place,
                        format!("{} s come after the alarm at {} s", late.value, after.as_secs_f64()),
                    );
                }
                let warn_after = warn.and_then(|warn| Duration::try_from_secs_f64(warn.value).ok());
                let fire_lane = rule_type == RuleType::FireLaneParking;
                RuleSpec::Parking(ParkingSpec { zone_id, polygon, anchor, after, warn_after, fire_lane })
            }
            RuleType::PlateRead => RuleSpec::PlateRead(PlateReadSpec {
                min_reads: raw.min_reads.as_ref().map_or(3, |at| at.value as u32),
                score_min: raw.score_min.as_ref().map_or(0.6, |at| at.value as f32),
                allow: raw.allow.as_ref().map(|list| self.listed_plates(list)),
                deny: raw.deny.as_ref().map(|list| self.listed_plates(list)),
            }),
            RuleType::Intrusion => {
                let ((zone_id, polygon), after) = (zone()?, seconds(&raw.seconds, 0.0)?);
                RuleSpec::Intrusion(IntrusionSpec { zone_id, polygon, anchor, after })
            }
            RuleType::Loitering => {
                self.needed(&raw.seconds, "seconds", place, "how long is too long in this zone");
                if let Some(nothing) = raw.seconds.as_ref().filter(|at| at.value <= 0.0) {
                    self.tell(&nothing.place, "loitering needs more than 0 seconds; `zone.intrusion` counts at once");
                }
                let ((zone_id, polygon), after) = (zone()?, seconds(&raw.seconds, 0.0)?);
                RuleSpec::Loitering(LoiteringSpec { zone_id, polygon, anchor, after })
            }
        };
        Some(NamedRule { id: String::new(), kinds, spec, filters: self.filters(raw), schedule })
    }

    fn is_of_things(&self, raw: &raw::Rule) -> bool {
        let rule_type = raw.r#type.as_ref().map(|at| at.value);
        matches!(rule_type, Some(RuleType::ObjectLeft | RuleType::ObjectRemoved))
    }

    /// What a rule about things looks at without a word: things.
    fn things(&self, raw: &raw::Rule, place: &Place, scope: &Scope<'_>) -> Vec<Kind> {
        if scope.seen.is_some() && !scope.kinds.contains(&Kind::Object) {
            let place = raw.r#type.as_ref().map_or(place, |at| &at.place);
            self.tell(
                place,
                "needs `object` among the camera's kinds, and a model that sees it; or `kinds` of this rule",
            );
        }
        vec![Kind::Object]
    }

    fn access(&self, raw: &raw::Rule) -> Option<AccessSpec> {
        let Some(gate) = &raw.access else {
            if let Some(window) = raw.window_s.as_ref() {
                self.tell(&window.place, "needs `access`: without it nobody grants anything");
            }
            return None;
        };
        check_id(&gate.value, &gate.place, self.problems());
        let window = raw.window_s.as_ref().map_or(WINDOW_S, |at| at.value);
        Some(AccessSpec { gate: gate.value.clone(), window: Duration::try_from_secs_f64(window).ok()? })
    }

    fn filters(&self, raw: &raw::Rule) -> Filters {
        let number = |at: &Option<At<f64>>| at.as_ref().map(|at| at.value as f32);
        let seconds = |at: &Option<At<f64>>| {
            at.as_ref().and_then(|at| Duration::try_from_secs_f64(at.value).ok()).filter(|length| !length.is_zero())
        };
        if let (Some(least), Some(most)) = (&raw.min_size, &raw.max_size)
            && least.value >= most.value
        {
            self.tell(&most.place, format!("is not above `min_size` {}, so nothing has this size", least.value));
        }
        Filters {
            min_size: number(&raw.min_size),
            max_size: number(&raw.max_size),
            min_score: number(&raw.min_score),
            min_frames: raw.min_frames.as_ref().map_or(0, |at| at.value as u32),
            persistence: seconds(&raw.persistence_s).unwrap_or_default(),
            cool_down: seconds(&raw.cool_down_s),
        }
    }

    /// Tells keys that the rule's type has no use for: whoever wrote them expects something of them.
    fn misplaced(&self, raw: &raw::Rule, rule: RuleType) {
        let of = |at: Option<&Place>| at.cloned();
        let given = [
            ("zone", of(raw.zone.as_ref().map(|at| &at.place))),
            ("line", of(raw.line.as_ref().map(|at| &at.place))),
            ("to_line", of(raw.to_line.as_ref().map(|at| &at.place))),
            ("seconds", of(raw.seconds.as_ref().map(|at| &at.place))),
            ("warn_seconds", of(raw.warn_seconds.as_ref().map(|at| &at.place))),
            ("count", of(raw.count.as_ref().map(|at| &at.place))),
            ("allowed", of(raw.allowed.as_ref().map(|at| &at.place))),
            ("access", of(raw.access.as_ref().map(|at| &at.place))),
            ("window_s", of(raw.window_s.as_ref().map(|at| &at.place))),
            ("owner_distance", of(raw.owner_distance.as_ref().map(|at| &at.place))),
            ("direction", of(raw.direction.as_ref().map(|at| &at.place))),
            ("gap_s", of(raw.gap_s.as_ref().map(|at| &at.place))),
            ("distance_m", of(raw.distance_m.as_ref().map(|at| &at.place))),
            ("limit_kmh", of(raw.limit_kmh.as_ref().map(|at| &at.place))),
            ("min_reads", of(raw.min_reads.as_ref().map(|at| &at.place))),
            ("score_min", of(raw.score_min.as_ref().map(|at| &at.place))),
            ("allow", of(raw.allow.as_ref().map(|at| &at.place))),
            ("deny", of(raw.deny.as_ref().map(|at| &at.place))),
            ("anchor", of(raw.anchor.as_ref().map(|at| &at.place))),
        ];
        for (key, place) in given {
            if let Some(place) = place.filter(|_| !keys_of(rule).contains(&key)) {
                self.tell(&place, format!("`{key}` has no meaning for {}", rule.word()));
            }
        }
    }

    fn schedule(&self, rows: &At<Vec<At<raw::HoursRow>>>, scope: &Scope<'_>) -> Option<Schedule> {
        if rows.value.is_empty() && !self.blamed(&rows.place.path) {
            self.tell(&rows.place, "an empty schedule never holds; leave the key out for always");
        }
        let row = |at: &At<raw::HoursRow>| -> Option<Hours> {
            let time = |value: &Option<At<String>>, usual: u16| match value {
                None => Some(usual),
                Some(at) => minutes(&at.value).or_else(|| {
                    let shown = quoted(&at.value);
                    self.tell(&at.place, format!("{shown} is no time of the day; expected one such as \"22:30\""));
                    None
                }),
            };
            let (from, to) = (time(&at.value.from, 0), time(&at.value.to, 1440));
            let which = match &at.value.days {
                None => Some([true; 7]),
                Some(at) => days(&at.value).or_else(|| {
                    let shown = quoted(&at.value);
                    self.tell(&at.place, format!("{shown} are no days; expected such as mon-fri, sat or daily"));
                    None
                }),
            };
            Some(Hours { days: which?, from: from?, to: to? })
        };
        let rows = rows.value.iter().map(row).collect::<Option<Vec<_>>>()?;
        Some(Schedule { rows, zone: scope.time_zone.clone() })
    }

    /// Plates as they are compared: no separators, upper case. What no plate can be is told.
    fn listed_plates(&self, list: &At<Vec<At<String>>>) -> Vec<String> {
        let bare = |at: &At<String>| {
            let separator = |c: &char| c.is_whitespace() || matches!(c, '.' | '-' | '·' | '•' | '・');
            let text: String = at.value.chars().filter(|c| !separator(c)).flat_map(char::to_uppercase).collect();
            if Series::of(&text).is_none() {
                self.tell(&at.place, format!("no plate reads {}; expected one such as 皖A12345", quoted(&at.value)));
            }
            text
        };
        list.value.iter().map(bare).collect()
    }

    /// The line or zone that a rule names.
    fn named_part<T: Clone>(&self, id: &At<String>, what: &str, parts: &[(String, T)], camera: &Place) -> Option<T> {
        if let Some((_, part)) = parts.iter().find(|(name, _)| *name == id.value) {
            return Some(part.clone());
        }
        // A part that is there but wrong was told at its own place.
        if !self.blamed(&format!("{}.{what}s.{}", camera.path, id.value)) {
            let names: Vec<&str> = parts.iter().map(|(name, _)| name.as_str()).collect();
            let there = match (names.as_slice(), nearest(&id.value, names.iter().copied())) {
                ([], _) => format!("this camera has no {what}s"),
                (_, Some(near)) if names.len() > 1 => format!("did you mean `{near}`? there are {}", names.join(", ")),
                _ => format!("there is {}", names.join(", ")),
            };
            self.tell(&id.place, format!("no {what} {}; {there}", quoted(&id.value)));
        }
        None
    }
}
