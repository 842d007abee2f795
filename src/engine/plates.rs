//! The plates of a picture or of a vehicle in it: a detector, and a reader that gets all of its crops as one batch.

use super::batch::Slab;
use super::crops::CropNet;
use crate::base::frame::Picture;
use crate::base::geometry::Rect;
use crate::base::model::{Head, InputSpec, Model};
use crate::base::plate::{Letter, Reading};
use crate::heads::ctc::{self, Glyph};
use crate::heads::{DecodeSpec, Decoder, Found};
use crate::infer::{Backend, InferError};
use crate::preprocess::Filler;

/// One plate as one picture shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenPlate {
    /// Fractions of the whole picture.
    pub rect: Rect,
    /// Of the detector, 0..1.
    pub score: f32,
    /// Width in the picture's pixels, on which the reading depends most.
    pub pixels: usize,
    pub reading: Reading,
}

/// Plates of one region at most; a truck has a handful.
const PLATES_MAX: usize = 8;

pub struct PlateReader {
    detector: Detector,
    reader: TextReader,
}

struct Detector {
    backend: Box<dyn Backend>,
    decoder: Decoder,
    filler: Filler,
    slot: Slab,
    found: Vec<Found>,
}

/// Reads crops that are plates.
pub struct TextReader {
    net: CropNet,
    alphabet: Vec<char>,
    blank: usize,
    glyphs: Vec<Glyph>,
}

impl TextReader {
    /// `model` is the one that `backend` runs; None if its head reads no text.
    pub fn new(model: &Model, backend: Box<dyn Backend>) -> Option<TextReader> {
        let Head::Ctc { blank } = model.head else { return None };
        Some(TextReader {
            net: CropNet::new(backend),
            alphabet: model.classes.iter().map(|class| class.label.chars().next().unwrap_or(' ')).collect(),
            blank,
            glyphs: Vec::new(),
        })
    }

    /// A reading for each crop, in order; an unreadable one is empty.
    pub fn read(&mut self, crops: &[Picture<'_>], mut give: impl FnMut(usize, Reading)) -> Result<(), InferError> {
        let TextReader { net, alphabet, blank, glyphs } = self;
        net.look(crops, |i, outputs| {
            let read = outputs.first().is_some_and(|logits| ctc::read(logits, alphabet.len(), *blank, glyphs));
            let glyphs = if read { &glyphs[..] } else { &[] };
            let letter = |glyph: &Glyph| Letter { character: alphabet[glyph.class as usize], score: glyph.score };
            give(i, Reading { letters: glyphs.iter().map(letter).collect() });
        })
    }
}

impl PlateReader {
    /// `input`: what the detector's session was opened with. Boxes below `score_min` are no plates.
    pub fn new(
        model: &Model,
        input: InputSpec,
        backend: Box<dyn Backend>,
        score_min: f32,
        reader: TextReader,
    ) -> PlateReader {
        let spec = DecodeSpec { score_min, nms_iou: 0.4, max: PLATES_MAX, all_classes: false, wanted: vec![] };
        let detector = Detector {
            decoder: Decoder::new(model, input, spec),
            filler: Filler::new(input),
            slot: Slab::new(input, 1),
            found: Vec::with_capacity(PLATES_MAX),
            backend,
        };
        PlateReader { detector, reader }
    }

    /// The plates inside `region` of the picture (fractions), best first.
    pub fn look(&mut self, picture: &Picture<'_>, region: &Rect) -> Result<Vec<SeenPlate>, InferError> {
        let Some((part, covered)) = picture.region(region) else { return Ok(Vec::new()) };
        let Detector { backend, decoder, filler, slot, found } = &mut self.detector;
        let fit = slot.fill(0, filler, &part);
        backend.run(slot.first(1), 1, &mut |_, outputs| _ = decoder.decode(outputs, &fit, found))?;
        let mut crops = Vec::new();
        let mut plates = Vec::new();
        for found in found.iter() {
            if let Some((crop, inside)) = part.region(&found.rect) {
                let rect = inside.placed_in(&covered);
                plates.push(SeenPlate { rect, score: found.score, pixels: crop.width, reading: Reading::default() });
                crops.push(crop);
            }
        }
        self.reader.read(&crops, |i, reading| plates[i].reading = reading)?;
        Ok(plates)
    }
}
