//! Gates that an access control system speaks for. Its messages read `1.5 granted`: the second, and what.

use std::time::Duration;

use super::*;
use crate::rules::access::AccessSpec;
use crate::rules::forced::ForcedSpec;
use crate::rules::tailgating::TailgatingSpec;

const WHO: [Kind; 2] = [Kind::Person, Kind::Car];

/// Name, messages, who walks where, what is told.
type Case<'a> = (&'a str, &'a [&'a str], &'a [&'a str], &'a [&'a str]);

fn access() -> AccessSpec {
    AccessSpec { gate: "door-7".into(), window: Duration::from_secs(4) }
}

fn note(text: &str) -> AccessNote {
    let (at, event) = text.split_once(' ').expect("second event");
    let (event, gate) = event.split_once(' ').unwrap_or((event, "door-7"));
    let at = midnight() + Duration::from_secs_f64(at.parse().expect("a number"));
    let json = format!(r#"{{"at":"{at}","gate":"{gate}","event":"{event}"}}"#);
    AccessNote::read(json.as_bytes(), None).expect("a message")
}

fn told(rule: &NamedRule, notes: &[&str], walks: &[&str]) -> Vec<(f64, Happening)> {
    let notes: Vec<AccessNote> = notes.iter().map(|text| note(text)).collect();
    play(rule, Fps(10.0), walks, &notes).0
}

fn check_all(rule: &NamedRule, cases: &[Case<'_>]) {
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|(name, notes, walks, expect)| {
            let told: Vec<String> = told(rule, notes, walks).iter().map(words).collect();
            (told != *expect).then(|| format!("{name}: expected {expect:?}, told {told:?}"))
        })
        .collect();
    assert!(cases.len() >= 8, "{} scenes", cases.len());
    assert!(wrong.is_empty(), "{}\n{}", rule.id, wrong.join("\n"));
}

#[test]
fn forced_scenes() {
    let spec = ForcedSpec { line: line(0.5), direction: Some(Direction::In), access: access() };
    let rule = rule("gate.forced", &WHO, RuleSpec::Forced(spec));
    // On the line just before one second, or just before eleven.
    let (early, late) = ("1 person 0:.31 2:.71 6:.71", "1 person 10:.31 12:.71 16:.71");
    check_all(
        &rule,
        &[
            ("nobody was let through", &["0 closed"], &[late], &["13.0 event 1"]),
            ("one was let through", &["9 granted"], &[late], &[]),
            ("one was let through long before", &["4 granted"], &[late], &["13.0 event 1"]),
            ("the gate stands open", &["2 opened"], &[late], &[]),
            ("the gate was closed long before", &["1 opened", "2 closed"], &[late], &["13.0 event 1"]),
            ("it closes behind the one before", &["1 opened", "9 closed"], &[late], &[]),
            ("held open", &["1 opened", "4 held_open"], &[late], &[]),
            ("refused", &["10 denied"], &[late], &["13.0 event 1"]),
            ("refused, then let through", &["8 denied", "9 granted"], &[late], &[]),
            ("the clock of the gate is a second ahead", &["11.9 granted"], &[late], &[]),
            ("let through only afterwards", &["0 closed", "12.5 granted"], &[late], &["13.0 event 1"]),
            ("another gate's grant", &["0 closed", "9 granted door-8"], &[late], &["13.0 event 1"]),
            ("the gate has never said anything", &[], &[early], &["3.0 perhaps 1"]),
            ("out is not asked", &["0 closed"], &["1 person 10:.7 12:.3 16:.3"], &[]),
            ("turns back on the line", &["0 closed"], &["1 person 10:.3 11:.501 12:.501 13:.3 16:.3"], &[]),
            ("hidden on the line", &["0 closed"], &["1 person 10:.3 10.8:.46 | 12:.6 16:.6"], &["13.2 event 1"]),
            ("the clip ends before the judgement is due", &["0 closed"], &["1 person 10:.3 12:.7"], &["12.0 event 1"]),
        ],
    );
    let refused = told(&rule, &["0 closed", "10 denied"], &[late]);
    let Fact::Forced { denied_ref, passed, vision_only, .. } = &refused[0].1.fact else { panic!("another fact") };
    assert_eq!((denied_ref.as_deref(), *vision_only), (Some("door-7/2026-11-23T00:00:10Z"), false));
    assert!((passed.seconds() - 10.95).abs() < 0.02, "{passed:?}");
    assert_eq!(refused[0].1.severity, Severity::Error);
    let unheard = told(&rule, &[], &[early]);
    assert_eq!(unheard[0].1.severity, Severity::Warn, "silence is a weak witness");
    let notes = [note("9 granted")];
    let (_, missed) = play(&rule, Fps(10.0), &[late], &notes);
    assert_eq!(missed.iter().map(|(_, miss)| miss.why.word()).collect::<Vec<_>>(), ["granted"]);
}

#[test]
fn tailgating_scenes() {
    let gap = Duration::from_secs(2);
    let spec = TailgatingSpec { line: line(0.5), direction: None, gap, access: Some(access()) };
    let rule = rule("gate.tailgating", &WHO, RuleSpec::Tailgating(spec));
    let (first, second) = ("1 person 4:.31 6:.71 9:.71", "2 person 5:.31 7:.71 9:.71");
    let third = "3 person 6:.31 8:.71 11:.71";
    check_all(
        &rule,
        &[
            ("one grant for two", &["4 granted"], &[first, second], &["8.0 event 2"]),
            ("a grant for each", &["4 granted", "5 granted"], &[first, second], &[]),
            ("two grants for three", &["4 granted", "5 granted"], &[first, second, third], &["9.0 event 3"]),
            ("three grants for three", &["3 granted", "4 granted", "5 granted"], &[first, second, third], &[]),
            ("no grant at all: by sight", &[], &[first, second], &["8.0 event 2"]),
            ("a grant that was long before", &["0 granted", "4 granted"], &[first, second], &["8.0 event 2"]),
            ("the same grant twice is one", &["4 granted", "4 granted"], &[first, second], &["8.0 event 2"]),
            ("another gate's grant", &["4 granted", "5 granted door-8"], &[first, second], &["8.0 event 2"]),
            ("refused and followed", &["4 granted", "5 denied"], &[first, second], &["8.0 event 2"]),
            ("one alone", &["4 granted"], &[first], &[]),
            ("the follower turns back", &["4 granted"], &[first, "2 person 5:.3 6:.501 7:.3 9:.3"], &[]),
            ("far behind with one grant", &["4 granted"], &[first, "2 person 9:.3 11:.7 14:.7"], &[]),
        ],
    );
    let facts = |notes: &[&str]| match &told(&rule, notes, &[first, second, third])[0].1.fact {
        Fact::Tailgating { authorised, passed, release_ref, vision_only, .. } => {
            (*authorised, *passed, release_ref.clone(), *vision_only)
        }
        other => panic!("{other:?}"),
    };
    let release = Some("door-7/2026-11-23T00:00:05Z".to_owned());
    assert_eq!(facts(&["4 granted", "5 granted"]), (2, 3, release, Some(false)));
    assert_eq!(facts(&[]), (1, 2, None, Some(true)), "nothing was heard of this opening");
}
