//! One model card: what an operator writes about a model, checked and resolved.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::CatalogError;
use crate::base::detection::Kind;
use crate::base::id::is_id;
use crate::base::model::{BoxUnit, ChannelOrder, Class, FitKind, Head, InputSpec, Model, Samples, Suppression};

pub const FILE: &str = "model.yml";

/// `models/<name>/model.yml` as it was typed.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Card {
    pub name: String,
    /// File name of the weights, without a folder.
    pub file: String,
    /// Lower-case hex.
    pub sha256: String,
    /// Pinned address; left out where there is none.
    #[serde(default)]
    pub url: Option<String>,
    pub licence: String,
    pub origin: String,
    input: Input,
    head: HeadText,
    classes: Classes,
    /// Class label -> our kind; classes that are not named are not tracked.
    #[serde(default)]
    kinds: BTreeMap<String, Kind>,
    pub precision: String,
    /// What was measured, and how; for people.
    #[serde(default)]
    pub measured: BTreeMap<String, String>,
    /// What `oriel models score` found, and how much less than another model this one may find.
    #[serde(default)]
    pub accuracy: Option<Accuracy>,
    /// What it was made from, where it is another model in fewer bits.
    #[serde(default)]
    pub quantised: Option<Quantised>,
    #[serde(skip)]
    pub folder: PathBuf,
}

/// Average precision after COCO's protocol, 0..1, and the rule that a quantised model has to keep.
#[derive(Debug, Clone, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Accuracy {
    /// mAP@[.5:.95].
    #[serde(default)]
    pub map: Option<f64>,
    #[serde(default)]
    pub ap50: Option<f64>,
    /// On which pictures.
    pub how: String,
    /// Card that this model is held against.
    #[serde(default)]
    pub baseline: Option<String>,
    /// So much less mAP than the baseline is allowed; `LOSS_MAX` where it is left out.
    #[serde(default)]
    pub loss_max: Option<f64>,
}

/// One point of mAP: less than what separates the small detectors from one another.
pub const LOSS_MAX: f64 = 0.01;

/// Where a quantised model comes from.
#[derive(Debug, Clone, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quantised {
    /// Card of the model in full precision.
    pub from: String,
    /// Of its file, lower-case hex.
    pub sha256: String,
    /// Method, and what was left as it was.
    pub how: String,
    /// The pictures that the ranges were read from, by count and kind.
    pub calibration: String,
}

#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    width: usize,
    height: usize,
    /// Both sides may be any multiple of this many pixels, up to `width` and `height`.
    #[serde(default)]
    free: Option<usize>,
    /// Type of the numbers; `u8` takes samples as they are, without mean and std.
    #[serde(default)]
    samples: Samples,
    order: ChannelOrder,
    mean: [f32; 3],
    std: [f32; 3],
    fit: FitText,
    #[serde(default)]
    pad: f32,
}

#[derive(Debug, Clone, Copy, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum FitText {
    Stretch,
    LetterboxTopLeft,
    LetterboxCentre,
}

/// The layout of the output. Which of the other keys there are depends on `type`.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct HeadText {
    r#type: HeadType,
    /// nanodet_plus, picodet: distances are distributions over 0..=reg_max.
    #[serde(default)]
    reg_max: Option<usize>,
    /// detr: what the numbers of a box count.
    #[serde(default)]
    unit: Option<BoxUnit>,
    /// ssd: class 0 of the output is nothing, class 1 the first of `classes`.
    #[serde(default)]
    background: Option<bool>,
    /// retinaface: sides of the two priors at strides 8, 16 and 32, model pixels.
    #[serde(default)]
    min_sizes: Option<[[f32; 2]; 3]>,
    /// ctc: label of the class that is no character.
    #[serde(default)]
    blank: Option<String>,
    /// vector: how many numbers.
    #[serde(default)]
    length: Option<usize>,
    /// How overlapping boxes are thinned out; not for heads whose net does it.
    #[serde(default)]
    suppression: Option<Suppression>,
    /// Names of the outputs in the order in which the head reads them; without it as the file has them.
    #[serde(default)]
    outputs: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum HeadType {
    Yolox,
    NanodetPlus,
    Picodet,
    Fastestdet,
    /// v7 too
    Yolov5,
    /// v11 too
    Yolov8,
    Yolov10,
    /// RT-DETR, D-FINE
    Detr,
    Ssd,
    Retinaface,
    Ctc,
    Attributes,
    Vector,
}

impl HeadText {
    fn head(&self, labels: &[String]) -> Result<Head, String> {
        use HeadType::*;
        let of = self.r#type;
        let given = [
            ("reg_max", self.reg_max.is_some(), [NanodetPlus, Picodet].contains(&of), true),
            ("unit", self.unit.is_some(), of == Detr, false),
            ("background", self.background.is_some(), of == Ssd, false),
            ("min_sizes", self.min_sizes.is_some(), of == Retinaface, true),
            ("blank", self.blank.is_some(), of == Ctc, true),
            ("length", self.length.is_some(), of == Vector, true),
        ];
        let name = format!("{of:?}").to_lowercase();
        for (key, given, known, needed) in given {
            match (given, known) {
                (true, false) => return Err(format!("head: {name} has no {key}")),
                (false, true) if needed => return Err(format!("head: {key} is missing, which {name} needs")),
                _ => {}
            }
        }
        if let Some(reg_max) = self.reg_max.filter(|reg_max| !(1..=32).contains(reg_max)) {
            return Err(format!("head: reg_max is {reg_max}, expected 1 to 32"));
        }
        if let Some(length) = self.length.filter(|length| !(1..=4096).contains(length)) {
            return Err(format!("head: length is {length}, expected 1 to 4096"));
        }
        if self.min_sizes.is_some_and(|sizes| sizes.iter().flatten().any(|size| !(1.0..=4096.0).contains(size))) {
            return Err("head: min_sizes are sides in pixels, expected 1 to 4096 each".into());
        }
        let whole = |number: Option<usize>| number.expect("missing keys were refused above");
        Ok(match of {
            Yolox => Head::YoloX,
            NanodetPlus => Head::NanoDetPlus { reg_max: whole(self.reg_max) },
            Picodet => Head::PicoDet { reg_max: whole(self.reg_max) },
            Fastestdet => Head::FastestDet,
            Yolov5 => Head::YoloV5,
            Yolov8 => Head::YoloV8,
            Yolov10 => Head::YoloV10,
            Detr => Head::Detr { unit: self.unit.unwrap_or_default() },
            Ssd => Head::Ssd { background: self.background.unwrap_or(false) },
            Retinaface => match labels.len() {
                1 => Head::RetinaFace { min_sizes: self.min_sizes.expect("missing keys were refused above") },
                other => return Err(format!("head: retinaface finds one class, the card has {other}")),
            },
            Ctc => {
                let blank = self.blank.as_deref().expect("missing keys were refused above");
                let row = labels.iter().rposition(|label| label == blank);
                let blank = row.ok_or_else(|| format!("head: blank: `{blank}` is none of the classes"))?;
                if let Some(label) = labels.iter().find(|label| label.chars().count() != 1) {
                    return Err(format!("classes: `{label}`, expected one character each for ctc"));
                }
                Head::Ctc { blank }
            }
            Attributes => Head::Attributes,
            Vector => Head::Vector { length: whole(self.length) },
        })
    }
}

/// `coco80`, or the labels in the order of the model's classes.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
enum Classes {
    Preset(String),
    Labels(Vec<String>),
}

impl Card {
    pub fn read(path: &Path) -> Result<Card, CatalogError> {
        let fail = |what: String| CatalogError(format!("{}: {what}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
        let mut card: Card = serde_saphyr::from_str(&text).map_err(|error| fail(error.to_string()))?;
        card.folder = path.parent().map(Path::to_owned).unwrap_or_default();
        card.check().map_err(fail)?;
        Ok(card)
    }

    /// `416x416`, width first.
    pub fn size(&self) -> String {
        format!("{}x{}", self.input.width, self.input.height)
    }

    fn check(&self) -> Result<(), String> {
        let in_folder = self.folder.file_name().is_some_and(|folder| *folder == *self.name);
        if !is_id(&self.name.replace('.', "_")) || !in_folder {
            return Err(format!("name: `{}`, expected the name of its folder, [a-z0-9_.-]", self.name));
        }
        if self.file.is_empty() || self.file.contains(['/', '\\']) || self.file.starts_with('.') {
            return Err(format!("file: `{}`, expected a file name without a folder", self.file));
        }
        let hashes =
            [("sha256", Some(&self.sha256)), ("quantised: sha256", self.quantised.as_ref().map(|q| &q.sha256))];
        for (place, hash) in hashes {
            if let Some(hash) = hash.filter(|hash| !is_sha256(hash)) {
                return Err(format!("{place}: `{hash}`, expected 64 lower-case hex digits"));
            }
        }
        if let Some(Accuracy { map, ap50, baseline, loss_max, .. }) = &self.accuracy {
            let numbers = [("map", map), ("ap50", ap50), ("loss_max", loss_max)];
            if let Some((key, Some(number))) =
                numbers.iter().find(|(_, n)| n.is_some_and(|n| !(0.0..=1.0).contains(&n)))
            {
                return Err(format!("accuracy: {key}: {number}, expected 0 to 1"));
            }
            if loss_max.is_some() && baseline.is_none() {
                return Err("accuracy: loss_max without baseline, the card that this model is held against".into());
            }
            if baseline.as_ref() == Some(&self.name) {
                return Err(format!("accuracy: baseline: `{}` is this card, expected another", self.name));
            }
        }
        if let Some(url) = self.url.as_ref().filter(|url| !url.starts_with("https://")) {
            return Err(format!("url: `{url}`, expected https://"));
        }
        let Input { width, height, mean, std, .. } = &self.input;
        if !(16..=4096).contains(width) || !(16..=4096).contains(height) {
            return Err(format!("input: {width} x {height}, expected 16 to 4096 each"));
        }
        if !mean.iter().chain(std).all(|x| x.is_finite()) || std.contains(&0.0) {
            return Err("input: mean and std have to be finite, std not 0".into());
        }
        if let Some(step) = self.input.free.filter(|step| *step == 0 || width % step != 0 || height % step != 0) {
            return Err(format!(
                "input: free: {step}, expected a step in pixels of which {width} and {height} are multiples"
            ));
        }
        if self.input.samples == Samples::U8 && (*mean != [0.0; 3] || *std != [1.0; 3]) {
            return Err("input: samples u8 are taken as they are; expected mean [0, 0, 0] and std [1, 1, 1]".into());
        }
        let labels = self.labels()?;
        if let Some(strange) = self.kinds.keys().find(|label| !labels.contains(label)) {
            return Err(format!("kinds: `{strange}` is no class of this model"));
        }
        self.head.head(&labels).map(drop)
    }

    fn labels(&self) -> Result<Vec<String>, String> {
        match &self.classes {
            Classes::Preset(preset) if preset == "coco80" => Ok(COCO80.map(str::to_owned).to_vec()),
            Classes::Preset(other) => Err(format!("classes: `{other}`, expected coco80 or a list of labels")),
            Classes::Labels(labels) if (1..=1000).contains(&labels.len()) => Ok(labels.clone()),
            Classes::Labels(labels) => Err(format!("classes: {} labels, expected 1 to 1000", labels.len())),
        }
    }

    /// The card with its weights.
    pub fn model(&self, bytes: Arc<[u8]>) -> Result<Model, CatalogError> {
        let labels = self.labels().map_err(CatalogError)?;
        let kind = |label: &String| self.kinds.get(label).copied();
        let input = &self.input;
        let pad = input.pad;
        Ok(Model {
            name: self.name.clone(),
            sha256: self.sha256.clone(),
            bytes,
            input: InputSpec {
                width: input.width,
                height: input.height,
                samples: input.samples,
                order: input.order,
                mean: input.mean,
                scale: input.std.map(|std| 1.0 / std),
                fit: match input.fit {
                    FitText::Stretch => FitKind::Stretch,
                    FitText::LetterboxTopLeft => FitKind::LetterboxTopLeft { pad },
                    FitText::LetterboxCentre => FitKind::LetterboxCentre { pad },
                },
            },
            head: self.head.head(&labels).map_err(CatalogError)?,
            suppression: self.head.suppression.unwrap_or_default(),
            outputs: self.head.outputs.clone(),
            classes: labels.iter().map(|label| Class { label: label.clone(), kind: kind(label) }).collect(),
            precision: self.precision.clone(),
            free: input.free,
        })
    }
}

fn is_sha256(hash: &str) -> bool {
    hash.len() == 64 && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Class names of the COCO detectors, in their usual order.
const COCO80: [&str; 80] = [
    "person",
    "bicycle",
    "car",
    "motorbike",
    "aeroplane",
    "bus",
    "train",
    "truck",
    "boat",
    "traffic light",
    "fire hydrant",
    "stop sign",
    "parking meter",
    "bench",
    "bird",
    "cat",
    "dog",
    "horse",
    "sheep",
    "cow",
    "elephant",
    "bear",
    "zebra",
    "giraffe",
    "backpack",
    "umbrella",
    "handbag",
    "tie",
    "suitcase",
    "frisbee",
    "skis",
    "snowboard",
    "sports ball",
    "kite",
    "baseball bat",
    "baseball glove",
    "skateboard",
    "surfboard",
    "tennis racket",
    "bottle",
    "wine glass",
    "cup",
    "fork",
    "knife",
    "spoon",
    "bowl",
    "banana",
    "apple",
    "sandwich",
    "orange",
    "broccoli",
    "carrot",
    "hot dog",
    "pizza",
    "donut",
    "cake",
    "chair",
    "sofa",
    "pottedplant",
    "bed",
    "diningtable",
    "toilet",
    "tvmonitor",
    "laptop",
    "mouse",
    "remote",
    "keyboard",
    "cell phone",
    "microwave",
    "oven",
    "toaster",
    "sink",
    "refrigerator",
    "book",
    "clock",
    "vase",
    "scissors",
    "teddy bear",
    "hair drier",
    "toothbrush",
];

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "name: small\nfile: small.onnx\nsha256: HASH\nlicence: Apache-2.0\norigin: here\n\
        input: {width: 64, height: 64, order: bgr, mean: [0, 0, 0], std: [1, 1, 1], fit: stretch}\n\
        head: {type: yolox}\nclasses: [person]\nkinds: {person: person}\nprecision: int8\n";

    /// Reads the card `small` with `more` lines below.
    fn read(more: &str) -> Result<Card, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("small").join(FILE);
        std::fs::create_dir(folder.path().join("small")).unwrap();
        std::fs::write(&path, (WHOLE.to_owned() + more).replace("HASH", &"a".repeat(64))).unwrap();
        Card::read(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn a_card_says_what_its_model_may_lose() {
        assert_eq!(read("").unwrap().accuracy, None);
        let card = read(
            "quantised: {from: large, sha256: HASH, how: minmax, calibration: 8 frames of 1 clip}\n\
             accuracy: {map: 0.5, ap50: 0.75, how: on 8 pictures, baseline: large, loss_max: 0.02}\n",
        );
        let card = card.unwrap();
        let accuracy = card.accuracy.unwrap();
        assert_eq!((accuracy.map, accuracy.ap50, accuracy.loss_max), (Some(0.5), Some(0.75), Some(0.02)));
        assert_eq!((accuracy.baseline.as_deref(), card.quantised.unwrap().from.as_str()), (Some("large"), "large"));
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_place() {
        let cases = [
            ("accuracy: {map: 50.5, how: x}", "accuracy: map: 50.5, expected 0 to 1"),
            ("accuracy: {how: x, baseline: large, loss_max: -0.01}", "accuracy: loss_max: -0.01, expected 0 to 1"),
            ("accuracy: {how: x, loss_max: 0.01}", "loss_max without baseline"),
            ("accuracy: {how: x, baseline: small}", "`small` is this card"),
            ("accuracy: {map: 0.5}", "how"),
            ("quantised: {from: large, sha256: 12, how: x, calibration: x}", "quantised: sha256: `12`"),
        ];
        for (more, words) in cases {
            let told = read(more).unwrap_err();
            assert!(told.contains(words) && told.contains(FILE), "`{words}` is not in: {told}");
        }
    }
}
