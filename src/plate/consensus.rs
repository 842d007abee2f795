//! Several readings of one plate into one text. Characters vote, weighted by how sure they were; but only a text that was
//! read as a whole at least once can win: a plate that no picture showed is never put together.

use crate::base::plate::{Letter, Reading, Series, Settled};

/// Different texts of one vehicle that are remembered; a plate that is read in more ways is not readable.
const TEXTS_MAX: usize = 16;

/// The readings of one vehicle so far.
#[derive(Debug, Clone, Default)]
pub struct Consensus {
    texts: Vec<Read>,
}

#[derive(Debug, Clone)]
struct Read {
    characters: Vec<char>,
    /// Sum over the readings of each character's score.
    weights: Vec<f32>,
    /// Sum of what the readings were worth.
    quality: f32,
    count: u32,
    valid: bool,
}

impl Consensus {
    /// Takes one reading; empty ones count for nothing. `quality`: how much it is worth, 0..1 (size and sharpness).
    pub fn add(&mut self, reading: &Reading, quality: f32) {
        let quality = if quality.is_nan() { 0.0 } else { quality.min(1.0) };
        if reading.letters.is_empty() || quality <= 0.0 {
            return;
        }
        let characters: Vec<char> = reading.letters.iter().map(|letter| letter.character).collect();
        let at = match self.texts.iter().position(|text| text.characters == characters) {
            Some(at) => at,
            None => {
                if self.texts.len() == TEXTS_MAX {
                    let weakest = |text: &Read| text.weights.iter().sum::<f32>();
                    let all = self.texts.iter().enumerate();
                    let weakest = all.min_by(|a, b| weakest(a.1).total_cmp(&weakest(b.1))).map(|(at, _)| at);
                    self.texts.swap_remove(weakest.unwrap_or(0));
                }
                let valid = Series::of(&reading.text()).is_some();
                self.texts.push(Read {
                    weights: vec![0.0; characters.len()],
                    characters,
                    quality: 0.0,
                    count: 0,
                    valid,
                });
                self.texts.len() - 1
            }
        };
        let text = &mut self.texts[at];
        text.count += 1;
        text.quality += quality;
        for (weight, letter) in text.weights.iter_mut().zip(&reading.letters) {
            *weight += letter.score * quality;
        }
    }

    /// Readings so far.
    pub fn reads(&self) -> u32 {
        self.texts.iter().map(|text| text.count).sum()
    }

    /// The best text that was read: of those that a plate can have, if there is one; then the one whose characters have the
    /// most votes. None before the first reading.
    pub fn settled(&self) -> Option<Settled> {
        let any_valid = self.texts.iter().any(|text| text.valid);
        let candidates = self.texts.iter().filter(|text| text.valid == any_valid);
        let mean = |text: &Read| self.votes(text).iter().sum::<f32>() / text.characters.len() as f32;
        // Ties go to the text that sorts first, so that the order of readings does not matter.
        let best =
            candidates.max_by(|a, b| mean(a).total_cmp(&mean(b)).then_with(|| b.characters.cmp(&a.characters)))?;
        // All readings count against it, also those of another length: they saw another plate.
        let whole: f32 = self.texts.iter().map(|text| text.quality).sum();
        let letter = |(character, votes): (&char, f32)| Letter { character: *character, score: votes / whole };
        let reading = Reading { letters: best.characters.iter().zip(self.votes(best)).map(letter).collect() };
        let series = Series::of(&reading.text());
        Some(Settled { reading, reads: best.count, of: self.reads(), series })
    }

    /// Votes for each character of `text`, from all readings of its length.
    fn votes(&self, text: &Read) -> Vec<f32> {
        let mut votes = vec![0.0; text.characters.len()];
        for other in self.texts.iter().filter(|other| other.characters.len() == text.characters.len()) {
            for (i, vote) in votes.iter_mut().enumerate() {
                if other.characters[i] == text.characters[i] {
                    *vote += other.weights[i];
                }
            }
        }
        votes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reading(text: &str, score: f32) -> Reading {
        Reading { letters: text.chars().map(|character| Letter { character, score }).collect() }
    }

    fn settled(texts: &[(&str, f32)]) -> Settled {
        let mut consensus = Consensus::default();
        texts.iter().for_each(|(text, score)| consensus.add(&reading(text, *score), 1.0));
        consensus.settled().expect("something was read")
    }

    #[test]
    fn characters_vote_and_the_best_text_that_was_read_wins() {
        // The third text is right in every place where the others differ from each other.
        let all = settled(&[("皖A12845", 0.9), ("皖A72345", 0.9), ("皖A12345", 0.5)]);
        assert_eq!((all.reading.text().as_str(), all.reads, all.of), ("皖A12345", 1, 3));
        assert_eq!(all.series, Some(Series::Standard));
        let scores: Vec<_> = all.reading.letters.iter().map(|letter| letter.score).collect();
        assert!(scores[0] > 0.75 && scores[2] < scores[0] && scores[4] < scores[0], "{scores:?}");
    }

    #[test]
    fn a_plate_that_no_picture_showed_is_never_put_together() {
        // By characters alone it would be 皖A12345.
        let all = settled(&[("皖A12349", 0.9), ("皖A12395", 0.9), ("皖A12945", 0.9), ("皖A19345", 0.9)]);
        let seen = ["皖A12349", "皖A12395", "皖A12945", "皖A19345"];
        assert!(seen.contains(&all.reading.text().as_str()), "{}", all.reading.text());
    }

    #[test]
    fn what_no_plate_has_wins_only_where_nothing_else_was_read() {
        assert_eq!(settled(&[("C00D", 0.9), ("C00D", 0.9)]).series, None);
        assert_eq!(settled(&[("皖A1234", 0.99), ("皖A1234", 0.99), ("皖A12345", 0.6)]).reading.text(), "皖A12345");
    }

    #[test]
    fn readings_of_another_length_make_it_less_sure() {
        let alone = settled(&[("皖A12345", 0.9), ("皖A12345", 0.9)]);
        let doubted = settled(&[("皖A12345", 0.9), ("皖A12345", 0.9), ("皖AD12345", 0.9)]);
        assert_eq!(doubted.reading.text(), "皖A12345");
        assert!(doubted.reading.score() < 0.4 * alone.reading.score());
        assert!((alone.reading.letters[0].score - 0.9).abs() < 1e-6);
    }

    proptest! {
        #[test]
        fn the_winner_was_read_and_the_order_does_not_matter(
            texts in prop::collection::vec(("[皖京][AB][0-2]{3,4}", 0.01f32..1.0), 1..12)
        ) {
            let texts: Vec<(&str, f32)> = texts.iter().map(|(text, score)| (text.as_str(), *score)).collect();
            let one = settled(&texts);
            let turned = settled(&texts.iter().rev().copied().collect::<Vec<_>>());
            prop_assert!(texts.iter().any(|(text, _)| *text == one.reading.text()));
            prop_assert_eq!(one.reading.text(), turned.reading.text());
            prop_assert!(one.reading.letters.iter().all(|letter| (0.0..=1.0).contains(&letter.score)));
            prop_assert!(one.reads <= one.of && one.of as usize == texts.len());
        }
    }
}
