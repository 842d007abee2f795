//! `oriel plate`: the plates of still images.

use std::path::PathBuf;

use anyhow::{Context, anyhow};

use super::stills::images;
use super::{BadInput, Failure, Outcome};
use crate::base::frame::Pixels;
use crate::base::geometry::Rect;
use crate::base::model::{Model, Purpose};
use crate::base::plate::{Letter, Series};
use crate::catalog::Catalog;
use crate::engine::{PlateReader, SeenPlate, TextReader};
use crate::evidence::still;
use crate::infer::{Provider, RuntimeSpec, SessionSpec, find_library, load_library};
use crate::service::plan::open_session;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// JPEG and PNG files, or folders of them
    #[arg(required = true)]
    path: Vec<PathBuf>,
    /// Writes one JSON object instead of the table
    #[arg(long, value_name = "F")]
    json: Option<PathBuf>,
    /// The images are plates already: read them, look for none
    #[arg(long)]
    crops: bool,
    /// Name or folder of the card of the model that finds plates
    #[arg(long, value_name = "DIR_OR_NAME", default_value = DETECTOR)]
    detector: String,
    /// Name or folder of the card of the model that reads them
    #[arg(long, value_name = "DIR_OR_NAME", default_value = READER)]
    reader: String,
    /// Plates found with less are left out, 0..1
    #[arg(long, default_value_t = 0.5)]
    score: f32,
    /// Folder with model cards; may be given again
    #[arg(long, value_name = "DIR")]
    models: Vec<PathBuf>,
}

const DETECTOR: &str = "plate_mnet_640";
const READER: &str = "plate_lprnet_94x24";
const WHOLE: Rect = Rect { left: 0.0, top: 0.0, right: 1.0, bottom: 1.0 };

pub fn run(args: Args) -> Outcome {
    let folders = if args.models.is_empty() { vec![Catalog::default_folder()] } else { args.models.clone() };
    let catalog = Catalog::new(folders);
    let load = |name: &str, purpose: Purpose| -> Result<Model, Failure> {
        let model = catalog.load(name).bad_input()?;
        match model.head.purpose() {
            found if found == purpose => Ok(model),
            found => Err(anyhow!("model `{name}` {found}, expected one that {purpose}")).bad_input(),
        }
    };
    let reader = load(&args.reader, Purpose::Text)?;
    let files = images(&args.path).bad_input()?;
    let library = find_library(&RuntimeSpec::default()).map_err(anyhow::Error::from)?;
    load_library(&library).map_err(anyhow::Error::from)?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let session = SessionSpec { threads, max_batch: 16, provider: Provider::Cpu };
    let backend = open_session(&reader, reader.input, session).map_err(anyhow::Error::from)?;
    let mut text = TextReader::new(&reader, Box::new(backend)).expect("its purpose was checked above");
    let mut answers = Vec::new();
    let mut tell = |file: &PathBuf, plates: &[SeenPlate]| {
        if args.json.is_none() {
            print(file, plates);
        }
        answers.push(answer(file, plates));
    };
    if args.crops {
        for files in files.chunks(256) {
            let loaded = files.iter().map(|file| still::load(file)).collect::<Result<Vec<_>, _>>().bad_input()?;
            let crops: Vec<_> = loaded.iter().map(|picture| picture.picture()).collect();
            let mut readings = vec![None; files.len()];
            text.read(&crops, |i, reading| readings[i] = Some(reading)).map_err(anyhow::Error::from)?;
            for ((file, crop), reading) in files.iter().zip(&crops).zip(readings) {
                let reading = reading.unwrap_or_default();
                tell(file, &[SeenPlate { rect: WHOLE, score: 1.0, pixels: crop.width, reading }]);
            }
        }
    } else {
        let detector = load(&args.detector, Purpose::Boxes)?;
        let one = SessionSpec { max_batch: 1, ..session };
        let backend = open_session(&detector, detector.input, one).map_err(anyhow::Error::from)?;
        let mut plates = PlateReader::new(&detector, detector.input, Box::new(backend), args.score, text);
        for file in &files {
            let picture = still::load(file).bad_input()?;
            tell(file, &plates.look(&picture.picture(), &WHOLE).map_err(anyhow::Error::from)?);
        }
    }
    if let Some(path) = &args.json {
        let whole = serde_json::json!({
            "detector": (!args.crops).then_some(&args.detector),
            "reader": {"name": reader.name, "sha256": reader.sha256},
            "images": answers,
        });
        std::fs::write(path, whole.to_string())
            .with_context(|| format!("{}: cannot be written", path.display()))
            .map_err(Failure::Input)?;
    }
    Ok(())
}

fn print(file: &std::path::Path, plates: &[SeenPlate]) {
    println!("{}", file.display());
    for plate in plates {
        let text = plate.reading.text();
        let series = Series::of(&text).map_or("no form of a plate", Series::word);
        let r = plate.rect;
        println!(
            "  {text:<9} {:.3}  {series}  {:.3} {:.3} {:.3} {:.3}",
            score(plate),
            r.left,
            r.top,
            r.right,
            r.bottom
        );
    }
}

/// How sure it is that there is a plate and that it says this.
fn score(plate: &SeenPlate) -> f32 {
    plate.score * plate.reading.score()
}

fn answer(file: &std::path::Path, plates: &[SeenPlate]) -> serde_json::Value {
    let plates = plates.iter().map(|plate| {
        let (text, r) = (plate.reading.text(), plate.rect);
        let letter =
            |letter: &Letter| serde_json::json!({"character": letter.character.to_string(), "score": letter.score});
        serde_json::json!({
            "series": Series::of(&text).map(Series::word),
            "text": text,
            "score": score(plate),
            "box": [r.left, r.top, r.right, r.bottom],
            "characters": plate.reading.letters.iter().map(letter).collect::<Vec<_>>(),
        })
    });
    serde_json::json!({
        "file": file.file_name().map(|name| name.to_string_lossy()),
        "plates": plates.collect::<Vec<_>>(),
    })
}
