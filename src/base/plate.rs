//! Plates as values: what was read, what several readings agree on, and the forms of plates on the mainland (GA 36-2018 and
//! its amendment for new-energy vehicles, GA/T 16.7 for the codes). Tells what a text could be; never what it should have been.

use crate::base::geometry::Rect;
use crate::base::track::TrackId;

/// One character as it was read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Letter {
    pub character: char,
    /// 0..1
    pub score: f32,
}

/// One reading of one plate, left to right.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reading {
    pub letters: Vec<Letter>,
}

impl Reading {
    pub fn text(&self) -> String {
        self.letters.iter().map(|letter| letter.character).collect()
    }

    /// How sure all of it is: the product of its characters' scores, 0 for an empty one.
    pub fn score(&self) -> f32 {
        match self.letters.is_empty() {
            true => 0.0,
            false => self.letters.iter().map(|letter| letter.score).product(),
        }
    }
}

/// What the readings agree on.
#[derive(Debug, Clone, PartialEq)]
pub struct Settled {
    /// The text, each character with its share of all votes: how many readings agree on it, and how sure they were.
    pub reading: Reading,
    /// Readings of exactly this text.
    pub reads: u32,
    /// Readings in all.
    pub of: u32,
    /// What the text could be; None: a text that no plate has.
    pub series: Option<Series>,
}

/// What is known of one vehicle's plate.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackPlate {
    pub track: TrackId,
    pub settled: Settled,
    /// Where it was read last, fractions of the picture.
    pub rect: Rect,
}

/// A series of plates, as far as the text alone tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Series {
    /// 皖A12345: small and large vehicles, told apart by colour only.
    Standard,
    /// 皖AD12345, eight characters
    NewEnergySmall,
    /// 皖A12345D, eight characters
    NewEnergyLarge,
    /// 皖A1234警
    Police,
    /// 皖A1234学
    Learner,
    /// 皖A1234挂
    Trailer,
    /// 粤Z1234港
    HongKong,
    /// 粤Z1234澳
    Macau,
    /// 使014578, 224578使
    Embassy,
    /// 沪A1234领
    Consulate,
    /// 皖S1234应急, 皖X1234应急
    Emergency,
    /// WJ皖1234X
    ArmedPolice,
    /// VA12345
    Military,
}

const PROVINCES: &str = "京沪津渝冀晋蒙辽吉黑苏浙皖闽赣鲁豫鄂湘粤桂琼川贵云藏陕甘青宁新";

fn is_province(c: char) -> bool {
    PROVINCES.contains(c)
}

/// I and O are not used: they would be taken for 1 and 0.
fn is_letter(c: char) -> bool {
    c.is_ascii_uppercase() && !matches!(c, 'I' | 'O')
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

fn is_mark(c: char) -> bool {
    is_letter(c) || is_digit(c)
}

/// The letters of new-energy plates: electric ones A to E, others F to K.
fn is_energy(c: char) -> bool {
    matches!(c, 'A'..='H' | 'J' | 'K')
}

impl Series {
    /// What a plate of this text could be; None if no plate has it.
    pub fn of(text: &str) -> Option<Series> {
        let c: Vec<char> = text.chars().collect();
        let digits = |range: std::ops::Range<usize>| c[range].iter().all(|c| is_digit(*c));
        let marks = |range: std::ops::Range<usize>| c[range].iter().all(|c| is_mark(*c));
        // At most two letters among the five, as they are given out.
        let serial = |range: std::ops::Range<usize>| {
            marks(range.clone()) && c[range].iter().filter(|c| is_letter(**c)).count() <= 2
        };
        let begins = c.len() >= 2 && is_province(c[0]) && is_letter(c[1]);
        match c.len() {
            7 if begins && serial(2..7) => Some(Series::Standard),
            7 if begins && marks(2..6) => match c[6] {
                '警' => Some(Series::Police),
                '学' => Some(Series::Learner),
                '挂' => Some(Series::Trailer),
                '领' => Some(Series::Consulate),
                '港' if c[0] == '粤' && c[1] == 'Z' => Some(Series::HongKong),
                '澳' if c[0] == '粤' && c[1] == 'Z' => Some(Series::Macau),
                _ => None,
            },
            7 if c[0] == '使' && digits(1..7) || c[6] == '使' && digits(0..6) => Some(Series::Embassy),
            7 if is_letter(c[0]) && is_letter(c[1]) && marks(2..7) && !text.starts_with("WJ") => Some(Series::Military),
            8 if begins && c[6] == '应' && c[7] == '急' && marks(2..6) => Some(Series::Emergency),
            8 if begins && is_energy(c[2]) && is_mark(c[3]) && digits(4..8) => Some(Series::NewEnergySmall),
            8 if begins && digits(2..7) && is_energy(c[7]) => Some(Series::NewEnergyLarge),
            8 if text.starts_with("WJ") && is_province(c[2]) && marks(3..8) => Some(Series::ArmedPolice),
            _ => None,
        }
    }

    /// Code of the plate's kind in GA/T 16.7, where the text alone decides it.
    pub fn code(self) -> Option<&'static str> {
        Some(match self {
            Series::Standard | Series::Military | Series::ArmedPolice => return None,
            Series::Embassy => "03",
            Series::Consulate => "04",
            Series::Trailer => "15",
            Series::Learner => "16",
            Series::Police => "23",
            Series::HongKong => "26",
            Series::Macau => "27",
            Series::NewEnergyLarge => "51",
            Series::NewEnergySmall => "52",
            Series::Emergency => return None,
        })
    }

    pub fn word(self) -> &'static str {
        match self {
            Series::Standard => "standard",
            Series::NewEnergySmall => "new_energy_small",
            Series::NewEnergyLarge => "new_energy_large",
            Series::Police => "police",
            Series::Learner => "learner",
            Series::Trailer => "trailer",
            Series::HongKong => "hong_kong",
            Series::Macau => "macau",
            Series::Embassy => "embassy",
            Series::Consulate => "consulate",
            Series::Emergency => "emergency",
            Series::ArmedPolice => "armed_police",
            Series::Military => "military",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_told_by_their_form() {
        let cases = [
            ("皖A12345", Some(Series::Standard)),
            ("京AF0236", Some(Series::Standard)),
            ("皖AD12345", Some(Series::NewEnergySmall)),
            ("粤BDF1234", Some(Series::NewEnergySmall)),
            ("粤BZD1234", None),
            ("沪ADH1234", Some(Series::NewEnergySmall)),
            ("皖A12345D", Some(Series::NewEnergyLarge)),
            ("皖A1234警", Some(Series::Police)),
            ("皖A1234学", Some(Series::Learner)),
            ("皖A1234挂", Some(Series::Trailer)),
            ("粤Z1A34港", Some(Series::HongKong)),
            ("粤Z1234澳", Some(Series::Macau)),
            ("使014578", Some(Series::Embassy)),
            ("沪A1234领", Some(Series::Consulate)),
            ("皖X1234应急", Some(Series::Emergency)),
            ("WJ皖1234X", Some(Series::ArmedPolice)),
            ("VA12345", Some(Series::Military)),
            // What logos, clocks and half-seen plates are read as.
            ("C00D", None),
            ("2026112", None),
            ("皖A1234", None),
            ("皖A123456", None),
            ("皖O12345", None),
            ("皖AI2345", None),
            ("A皖12345", None),
            ("皖ABCD45", None),
            ("", None),
        ];
        for (text, series) in cases {
            assert_eq!(Series::of(text), series, "{text}");
        }
    }
}
