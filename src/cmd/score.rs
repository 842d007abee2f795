//! `oriel models score`: how well a model sees on labelled pictures, and whether a quantised one still sees as well as the
//! model that it was made from.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow};
use serde_json::json;

use super::stills::{Detector, images, input_size};
use super::{BadInput, Failure, Outcome, labels};
use crate::base::detection::Kind;
use crate::base::model::{Class, Model};
use crate::catalog::{Catalog, LOSS_MAX};
use crate::config::InputSize;
use crate::evidence::still;
use crate::heads::DecodeSpec;
use crate::score::{Claim, Precision, Score, Sheet, score};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name or folder of a model card
    name: String,
    /// Folder of JPEG and PNG files
    images: PathBuf,
    /// Folder of YOLO text files (`class x y width height` as fractions) or a COCO JSON; left out: `labels` beside the
    /// pictures' folder, or text files among the pictures
    #[arg(long, value_name = "DIR_OR_JSON")]
    labels: Option<PathBuf>,
    /// Model to hold this one against; left out: the one that its card names
    #[arg(long, value_name = "NAME")]
    baseline: Option<String>,
    /// So much less mAP than the baseline is allowed, 0..1; left out: as the card says, else 0.01
    #[arg(long, value_name = "X")]
    loss_max: Option<f64>,
    /// `auto` runs the model at the shape of each picture, where its card leaves the sides free, and, without another
    /// baseline, holds it against itself at the card's size: what the shape costs in accuracy and saves in time
    #[arg(long, default_value = "card", value_parser = input_size)]
    input: InputSize,
    /// Writes the numbers as one JSON object as well
    #[arg(long, value_name = "F")]
    json: Option<PathBuf>,
}

/// Precision is read over all scores: what this leaves out changes the third decimal. The service's own threshold would cost
/// several points of mAP.
const SCORE_MIN: f32 = 0.02;
const NMS_IOU: f32 = 0.6;

pub fn run(args: Args, catalog: &Catalog) -> Outcome {
    if let Some(loss) = args.loss_max.filter(|loss| !(0.0..=1.0).contains(loss)) {
        return Err(Failure::Input(anyhow!("--loss-max {loss}: expected 0 to 1")));
    }
    let card = catalog.card(&args.name).bad_input()?;
    let model = catalog.load(&args.name).bad_input()?;
    let rule = card.accuracy.as_ref();
    let baseline = args.baseline.as_ref().or(rule.and_then(|rule| rule.baseline.as_ref()));
    if args.loss_max.is_some() && baseline.is_none() && args.input == InputSize::Card {
        return Err(Failure::Input(anyhow!("--loss-max needs --baseline: the card of {} names none", card.name)));
    }
    let baseline = baseline.map(|name| catalog.load(name)).transpose().bad_input()?;
    if let Some(baseline) = &baseline {
        may_be_compared(&model, baseline).bad_input()?;
        let made_from = card.quantised.as_ref().filter(|quantised| quantised.from == baseline.name);
        if let Some(made_from) = made_from.filter(|made_from| made_from.sha256 != baseline.sha256) {
            return Err(Failure::Input(anyhow!(
                "{} was made from a {} with sha256 {}, the one here has {}",
                card.name,
                baseline.name,
                made_from.sha256,
                baseline.sha256
            )));
        }
    }
    if !args.images.is_dir() {
        return Err(Failure::Input(anyhow!("{}: expected a folder of pictures", args.images.display())));
    }
    let files = images(std::slice::from_ref(&args.images)).bad_input()?;
    let (marked, crowds) = labels::read(&files, &args.images, args.labels.as_deref(), &model.classes).bad_input()?;
    let total: usize = marked.iter().map(Vec::len).sum();
    if total == 0 {
        return Err(Failure::Input(anyhow!("{}: no box is marked in any picture", args.images.display())));
    }

    // Picture by picture through all models, so that what else the machine does meets them alike.
    if args.input == InputSize::Auto && model.free.is_none() {
        return Err(Failure::Input(anyhow!("--input auto: the card of {} does not leave its sides free", model.name)));
    }
    let shaped = args.input == InputSize::Auto && baseline.is_none();
    let mut contenders = Vec::new();
    for model in baseline.iter().chain(shaped.then_some(&model)) {
        contenders.push(Contender::open(model, InputSize::Card)?);
    }
    contenders.push(Contender::open(&model, args.input)?);
    for (file, marked) in files.iter().zip(&marked) {
        let picture = still::load(file).bad_input()?;
        for contender in &mut contenders {
            let (found, cpu) = contender.detector.look(&picture)?;
            let claims = found.iter().map(|f| Claim { class: f.class, score: f.score, rect: f.rect }).collect();
            contender.sheets.push(Sheet { marked: marked.clone(), claims });
            contender.cpu.push(cpu);
        }
    }
    let results: Vec<_> = contenders.into_iter().map(Contender::result).collect();
    let (own, held_against) = match results.as_slice() {
        [baseline, own] => (own, Some(baseline)),
        [own] => (own, None),
        _ => unreachable!("one or two models were opened"),
    };

    println!("{} pictures, {total} marked boxes, COCO protocol; CPU time of the model alone, one thread", files.len());
    if crowds > 0 {
        println!("{crowds} crowd regions were left out: boxes on them count as false");
    }
    table(&results);
    let loss_max = args.loss_max.or(rule.and_then(|rule| rule.loss_max)).unwrap_or(LOSS_MAX);
    let loss = held_against.map(|baseline| baseline.map - own.map);
    if let Some(path) = &args.json {
        let mut whole = json!({"pictures": files.len(), "marked": total, "model": own.json()});
        if let Some((baseline, loss)) = held_against.zip(loss) {
            whole["baseline"] = baseline.json();
            whole["loss"] = json!(loss);
            whole["loss_max"] = json!(loss_max);
        }
        std::fs::write(path, whole.to_string())
            .with_context(|| format!("{}: cannot be written", path.display()))
            .map_err(Failure::Input)?;
    }
    let Some((baseline, loss)) = held_against.zip(loss) else { return Ok(()) };
    let (name, against) = (own.title(), baseline.title());
    if loss > loss_max {
        return Err(Failure::Running(anyhow!(
            "{name} loses {loss:.4} mAP against {against}, more than the {loss_max} that is allowed"
        )));
    }
    let ratio = own.cpu_median.as_secs_f64() / baseline.cpu_median.as_secs_f64().max(f64::MIN_POSITIVE);
    let words = if loss > 0.0 { format!("loses {loss:.4}") } else { format!("gains {:.4}", -loss) };
    println!(
        "{name} {words} mAP against {against}, a loss of {loss_max} is allowed; it takes {ratio:.2} of the CPU time"
    );
    Ok(())
}

/// Marked classes are rows of the class list: two models need the same list.
fn may_be_compared(model: &Model, baseline: &Model) -> anyhow::Result<()> {
    let differs = model.classes.iter().zip(baseline.classes.iter()).find(|(a, b)| a.label != b.label);
    match differs {
        Some((a, b)) => Err(anyhow!(
            "{} and {} have different classes: `{}` and `{}` in the same place",
            model.name,
            baseline.name,
            a.label,
            b.label
        )),
        None if model.classes.len() != baseline.classes.len() => Err(anyhow!(
            "{} has {} classes, {} has {}",
            model.name,
            model.classes.len(),
            baseline.name,
            baseline.classes.len()
        )),
        None => Ok(()),
    }
}

/// A model on its way through the pictures.
struct Contender<'a> {
    model: &'a Model,
    input: InputSize,
    detector: Detector,
    sheets: Vec<Sheet>,
    cpu: Vec<Duration>,
}

struct Scored<'a> {
    model: &'a Model,
    input: InputSize,
    score: Score,
    map: f64,
    /// Of one picture.
    cpu_median: Duration,
    cpu_min: Duration,
}

impl<'a> Contender<'a> {
    fn open(model: &'a Model, input: InputSize) -> Result<Contender<'a>, Failure> {
        let spec = DecodeSpec {
            score_min: SCORE_MIN,
            nms_iou: NMS_IOU,
            max: crate::score::CLAIMS_MAX,
            all_classes: true,
            wanted: vec![],
        };
        let detector = Detector::open(model, 1, spec, input)?;
        Ok(Contender { model, input, detector, sheets: vec![], cpu: vec![] })
    }

    fn result(mut self) -> Scored<'a> {
        self.cpu.sort_unstable();
        let score = score(&self.sheets, self.model.classes.len());
        let map = score.map().expect("something is marked");
        let cpu_median = self.cpu[self.cpu.len() / 2];
        Scored { model: self.model, input: self.input, score, map, cpu_median, cpu_min: self.cpu[0] }
    }
}

impl Scored<'_> {
    fn title(&self) -> String {
        match self.input {
            InputSize::Card => self.model.name.clone(),
            InputSize::Auto => format!("{} at the picture's shape", self.model.name),
        }
    }

    fn size(&self) -> String {
        match self.input {
            InputSize::Card => format!("{}x{}", self.model.input.width, self.model.input.height),
            InputSize::Auto => "picture's".into(),
        }
    }

    fn all(&self, what: impl Fn(&Precision) -> f64) -> f64 {
        self.score.mean_of(0..self.model.classes.len(), what).expect("something is marked")
    }

    /// Mean over the classes of a kind that occur.
    fn of_kind(&self, kind: Kind, what: impl Fn(&Precision) -> f64) -> Option<f64> {
        self.score.mean_of(rows_of(&self.model.classes, kind), what)
    }

    fn json(&self) -> serde_json::Value {
        let kinds = Kind::ALL.into_iter().filter_map(|kind| {
            let (ap, ap50) = (self.of_kind(kind, Precision::ap)?, self.of_kind(kind, Precision::ap50)?);
            Some((kind.word().to_owned(), json!({"ap": ap, "ap50": ap50})))
        });
        let classes = self.model.classes.iter().zip(&self.score.classes).filter_map(|(class, precision)| {
            let precision = precision.as_ref()?;
            let numbers = json!({"marked": precision.marked, "ap": precision.ap(), "ap50": precision.ap50()});
            Some((class.label.clone(), numbers))
        });
        json!({
            "name": self.model.name,
            "sha256": self.model.sha256,
            "precision": self.model.precision,
            "map": self.map,
            "ap50": self.all(Precision::ap50),
            "ap75": self.all(Precision::ap75),
            "kinds": kinds.collect::<serde_json::Map<_, _>>(),
            "classes": classes.collect::<serde_json::Map<_, _>>(),
            "cpu_ms": {"median": ms(self.cpu_median), "min": ms(self.cpu_min)},
        })
    }
}

fn rows_of(classes: &[Class], kind: Kind) -> impl Iterator<Item = usize> {
    classes.iter().enumerate().filter(move |(_, class)| class.kind == Some(kind)).map(|(row, _)| row)
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// A column a model.
fn table(results: &[Scored<'_>]) {
    let row = |name: &str, cells: Vec<String>| {
        let cells: String =
            results.iter().zip(cells).map(|(r, cell)| format!("  {cell:>w$}", w = r.model.name.len().max(9))).collect();
        println!("{name:<16}{cells}");
    };
    let each = |of: &dyn Fn(&Scored<'_>) -> String| results.iter().map(of).collect::<Vec<_>>();
    row("", each(&|r| r.model.name.clone()));
    row("input", each(&|r| r.size()));
    row("precision", each(&|r| r.model.precision.clone()));
    row("mAP@[.5:.95]", each(&|r| format!("{:.3}", r.map)));
    row("AP50", each(&|r| format!("{:.3}", r.all(Precision::ap50))));
    row("AP75", each(&|r| format!("{:.3}", r.all(Precision::ap75))));
    for kind in Kind::ALL {
        let cell = |r: &Scored<'_>| r.of_kind(kind, Precision::ap).map_or("-".into(), |ap| format!("{ap:.3}"));
        if results.iter().any(|r| r.of_kind(kind, Precision::ap).is_some()) {
            row(&format!("AP {kind}"), each(&cell));
        }
    }
    row("CPU ms", each(&|r| format!("{:.2}", ms(r.cpu_median))));
}
