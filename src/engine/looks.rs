//! Closer looks at single tracks within a camera's turn: plates, attributes, appearance. The nets are a worker's, what they
//! said of whom is the camera's.

use super::crops::CropNet;
use super::plates::PlateReader;
use crate::base::event::Happening;
use crate::base::frame::Frame;
use crate::base::model::{Head, Model};
use crate::base::plate::TrackPlate;
use crate::base::time::Pts;
use crate::base::track::Track;
use crate::heads::describe;
use crate::infer::{Backend, InferError};
use crate::look::{self, Appearance, AppearanceSpec, AttributeSpec};
use crate::plate;
use crate::track::Tracker;

/// The nets of one worker; each is there if a camera asks for it.
#[derive(Default)]
pub struct Looks {
    pub plates: Option<PlateReader>,
    pub attributes: Option<Describer>,
    pub appearance: Option<Recogniser>,
}

impl Looks {
    pub(super) fn any(&self) -> bool {
        self.plates.is_some() || self.attributes.is_some() || self.appearance.is_some()
    }
}

/// What a camera asks for.
#[derive(Debug, Clone, Default)]
pub struct LookSpec {
    /// A rule asks for the plates of vehicles.
    pub plates: bool,
    pub attributes: Option<AttributeSpec>,
    pub appearance: Option<AppearanceSpec>,
}

/// Says what vehicles are like.
pub struct Describer {
    net: CropNet,
    groups: Vec<usize>,
    shares: Vec<f32>,
}

impl Describer {
    /// `model` is the one that `backend` runs; None if its head says nothing of the kind.
    pub fn new(model: &Model, backend: Box<dyn Backend>) -> Option<Describer> {
        let groups = model.groups().iter().map(|(_, words)| words.len()).collect();
        (model.head == Head::Attributes).then(|| Describer { net: CropNet::new(backend), groups, shares: Vec::new() })
    }
}

/// Tells people apart.
pub struct Recogniser {
    net: CropNet,
    length: usize,
    vector: Vec<f32>,
}

impl Recogniser {
    /// `model` is the one that `backend` runs; None if its head gives no vector.
    pub fn new(model: &Model, backend: Box<dyn Backend>) -> Option<Recogniser> {
        let Head::Vector { length } = model.head else { return None };
        Some(Recogniser { net: CropNet::new(backend), length, vector: Vec::new() })
    }
}

/// One camera's memory of what was seen of whom.
pub(super) struct LookDesk {
    plates: Option<plate::Lookout>,
    attributes: Option<look::Lookout>,
    appearance: Option<Appearance>,
}

impl LookDesk {
    pub fn new(spec: LookSpec) -> LookDesk {
        LookDesk {
            plates: spec.plates.then(plate::Lookout::default),
            attributes: spec.attributes.map(look::Lookout::new),
            appearance: spec.appearance.map(Appearance::new),
        }
    }

    /// People who were here before get their tracks back: before rules see `tracks`, which the tracker has just made.
    pub fn recognise(
        &mut self,
        looks: &mut Looks,
        frame: &Frame,
        pts: Pts,
        tracker: &mut Tracker,
        tracks: &mut Vec<Track>,
    ) {
        let (Some(desk), Some(Recogniser { net, length, vector })) = (&mut self.appearance, &mut looks.appearance)
        else {
            return;
        };
        let picture = frame.pixels.picture();
        for (track, rect) in desk.due(pts, picture.height as u32, tracks).to_vec() {
            let Some((crop, _)) = picture.region(&rect) else { continue };
            vector.clear();
            let looked = net.look(&[crop], |_, outputs| _ = describe::direction(outputs, *length, vector));
            told(looked);
            if let Some(reunion) = (!vector.is_empty()).then(|| desk.took(track, vector)).flatten() {
                let united = tracker.unite(reunion.newer, reunion.elder, reunion.born);
                tracks.clear();
                tracks.extend_from_slice(united);
            }
        }
    }

    /// Plates and attributes of vehicles that are due.
    pub fn look(&mut self, looks: &mut Looks, frame: &Frame, pts: Pts, tracks: &[Track]) {
        let picture = frame.pixels.picture();
        let width = picture.width as u32;
        if let (Some(desk), Some(reader)) = (&mut self.plates, &mut looks.plates) {
            for (track, rect) in desk.due(pts, width, tracks).to_vec() {
                let plates = told(reader.look(&picture, &rect)).unwrap_or_default();
                // A plate belongs to the vehicle that was looked at if it lies inside it.
                if let Some(plate) = plates.iter().find(|plate| rect.contains(plate.rect.centre())) {
                    desk.took(track, &plate.reading, plate.rect, plate.pixels, plate.score);
                }
            }
        }
        if let (Some(desk), Some(Describer { net, groups, shares })) = (&mut self.attributes, &mut looks.attributes) {
            for (track, rect) in desk.due(pts, width, tracks).to_vec() {
                let Some((crop, _)) = picture.region(&rect) else { continue };
                shares.clear();
                told(net.look(&[crop], |_, outputs| _ = describe::shares(outputs, groups, shares)));
                desk.took(track, crop.width, shares);
            }
        }
    }

    /// What was read so far of the plates of vehicles that are there.
    pub fn plates(&self) -> &[TrackPlate] {
        self.plates.as_ref().map_or(&[], plate::Lookout::plates)
    }

    /// Puts what is known of them beside the objects of what happened.
    pub fn describe(&self, happenings: &mut [Happening]) {
        let Some(desk) = &self.attributes else { return };
        for object in happenings.iter_mut().flat_map(|happening| &mut happening.objects) {
            object.attributes = desk.of(object.track_id);
        }
    }

    /// The stream was interrupted: its times begin anew.
    pub fn reset(&mut self) {
        self.plates.as_mut().map(plate::Lookout::reset);
        self.attributes.as_mut().map(look::Lookout::reset);
        self.appearance.as_mut().map(Appearance::reset);
    }
}

/// A look that failed shows nothing, and stops nobody.
fn told<T>(looked: Result<T, InferError>) -> Option<T> {
    looked.inspect_err(|error| tracing::error!("{error}")).ok()
}
