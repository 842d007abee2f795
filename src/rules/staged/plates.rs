//! Plates of vehicles. Each picture reads `7 car 皖A12345 3 .99`: track, kind, text, readings of it, score; `-` has none.

use super::*;
use crate::base::plate::{Letter, Reading, Series, Settled, TrackPlate};
use crate::rules::plate::PlateReadSpec;

fn reading() -> NamedRule {
    let spec = PlateReadSpec { min_reads: 3, score_min: 0.6, allow: None, deny: None };
    rule("plate.read", &[Kind::Car, Kind::TruckBus], RuleSpec::PlateRead(spec))
}

/// What is told, as `text track`, and why something is not, as `word track`.
fn told(rule: &NamedRule, pictures: &[&str]) -> (Vec<String>, Vec<String>) {
    let (mut rules, mut out) = (build(std::slice::from_ref(rule), true), Told::new(true));
    let captured = Captured::of_clip(midnight(), Duration::ZERO);
    let scene = Scene {
        width: 640,
        height: 360,
        session: 1,
        pts: Pts(0),
        stream: Pts(0),
        captured,
        rested: Duration::ZERO,
        tracks: &[],
        plates: &[],
    };
    let (mut happened, mut missed) = (Vec::new(), Vec::new());
    let mut keep = |out: &mut Told| {
        happened.extend(out.happenings.iter().map(|happening| match &happening.fact {
            Fact::Plate { text, .. } => format!("{text} {}", happening.track),
            other => panic!("{other:?}"),
        }));
        missed.extend(out.near_misses().iter().map(|miss| format!("{} {}", miss.why.word(), miss.track)));
        out.clear();
    };
    for (i, picture) in pictures.iter().enumerate() {
        let pts = Pts::from_seconds(i as f64 / 5.0);
        let words: Vec<&str> = picture.split_whitespace().collect();
        let (mut tracks, mut plates) = (Vec::new(), Vec::new());
        if let [id, kind, text, reads, score] = words[..] {
            let (id, kind) = (id.parse().expect("an id"), Kind::from_word(kind).expect("a kind"));
            let (reads, score) = (reads.parse().expect("a number"), score.parse::<f32>().expect("a score"));
            let rect = Rect::new(0.1, 0.1, 0.3, 0.3);
            // A text's score is the product of its letters'.
            let each = score.powf(1.0 / text.chars().count() as f32);
            let letters = text.chars().map(|character| Letter { character, score: each }).collect();
            let settled = Settled { reading: Reading { letters }, reads, of: reads, series: Series::of(text) };
            tracks.push(Track { score: 0.9, ..Track::staged(id, kind, rect, pts) });
            plates.push(TrackPlate { track: id, settled, rect });
        }
        rules[0].observe(&Scene { pts, tracks: &tracks, plates: &plates, ..scene }, &mut out);
        keep(&mut out);
    }
    rules[0].finish(&scene, &mut out);
    keep(&mut out);
    (happened, missed)
}

#[test]
fn plate_scenes() {
    let cases: [(&str, &[&str], &[&str]); 11] = [
        (
            "three pictures agree",
            &["7 car 皖A12345 1 .9", "7 car 皖A12345 2 .9", "7 car 皖A12345 3 .9"],
            &["皖A12345 7"],
        ),
        ("two agree", &["7 car 皖A12345 1 .9", "7 car 皖A12345 2 .9"], &[]),
        ("never sure enough", &["7 car 皖A12345 3 .5", "7 car 皖A12345 9 .55"], &[]),
        ("sure at last", &["7 car 皖A12345 3 .5", "7 car 皖A12345 4 .7"], &["皖A12345 7"]),
        (
            "told once however often it is read",
            &["7 car 皖A12345 3 .9", "7 car 皖A12345 4 .9", "7 car 皖A12345 9 .9"],
            &["皖A12345 7"],
        ),
        (
            "the pictures come to agree on another one",
            &["7 car 皖A12345 3 .9", "7 car 皖A12346 4 .9"],
            &["皖A12345 7", "皖A12346 7"],
        ),
        (
            "hidden for two seconds",
            &["7 car 皖A12345 2 .9", "-", "-", "-", "-", "7 car 皖A12345 3 .9"],
            &["皖A12345 7"],
        ),
        ("hidden when it was told already", &["7 car 皖A12345 3 .9", "-", "-", "7 car 皖A12345 4 .9"], &["皖A12345 7"]),
        // Another track is another vehicle, as far as anybody can tell.
        ("another id", &["7 car 皖A12345 3 .9", "8 car 皖A12345 3 .9"], &["皖A12345 7", "皖A12345 8"]),
        ("no plate reads like this", &["7 car C00D 9 .99"], &[]),
        ("an e-bike", &["7 two_wheeler 皖A12345 9 .99"], &[]),
    ];
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|(name, pictures, expect)| {
            let (told, _) = told(&reading(), pictures);
            (told != *expect).then(|| format!("{name}: expected {expect:?}, told {told:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let why = |picture: &str| told(&reading(), &[picture]).1;
    assert_eq!(why("7 car 皖A12345 2 .9"), ["too_few_reads 7"]);
    assert_eq!(why("7 car 皖A12345 9 .5"), ["low_score 7"]);
    assert_eq!(why("7 car C00D 9 .99"), ["no_plate 7"]);
    assert_eq!(why("7 car 皖A12345 3 .9"), [""; 0]);
}
