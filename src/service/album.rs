//! Pictures of events, and those that are asked for: they become JPEG files in the media folder, and the newest of each camera a
//! small one at the broker.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::archive::note;
use super::gates::Ask;
use crate::base::command::Refusal;
use crate::base::event::{Event, Media};
use crate::base::frame::{Frame, Pixels};
use crate::base::geometry::{Point, Polygon, Rect};
use crate::base::id;
use crate::base::time::Timestamp;
use crate::evidence::{Blur, Canvas, small_jpeg, write_jpeg};
use crate::mqtt::Link;

/// Good enough to recognise a face-sized patch, a tenth of the raw size.
pub(super) const JPEG_QUALITY: u8 = 85;
/// Pixels of the longer side of the picture that is kept at the broker: for dashboards, and within what brokers take.
const SMALL_PX: u32 = 1280;

pub struct Picture {
    pub frame: Frame,
    /// The main object's box, and what it is.
    pub rect: Rect,
    pub words: String,
    pub look: Look,
}

/// A picture that was asked for.
pub struct Still {
    pub camera: String,
    pub pixels: Arc<dyn Pixels>,
    pub at: Timestamp,
    pub blur: Arc<[Polygon]>,
    pub asks: Vec<Ask>,
}

/// How pictures of a camera's events are made.
#[derive(Clone)]
pub struct Look {
    /// Boxes and words are drawn.
    pub boxes: bool,
    /// What nobody is to recognise.
    pub blur: Arc<[Polygon]>,
}

/// Where pictures go.
pub struct Album {
    pub folder: PathBuf,
    /// Where the newest of each camera is kept at the broker too.
    pub link: Option<Arc<Link>>,
}

impl Album {
    /// Writes an event's picture; the name of its file. `let_go`: called once the decoder has its buffer back.
    pub fn snapshot(
        &self,
        event: &Event,
        picture: Picture,
        canvas: &mut Canvas,
        let_go: impl FnOnce(),
    ) -> Option<String> {
        canvas.take(&picture.frame.pixels.picture());
        drop(picture.frame);
        let_go();
        Blur::new(Arc::clone(&picture.look.blur)).apply(canvas);
        if picture.look.boxes {
            canvas.draw_rect(&picture.rect, [255, 60, 60]);
            canvas.draw_words(Point::new(picture.rect.left, picture.rect.top - 0.04), &picture.words, [255, 255, 255]);
        }
        self.keep(event.camera(), &event.id, canvas)
    }

    /// A picture that was asked for: who asked is told where it lies.
    pub fn still(&self, still: Still, canvas: &mut Canvas, link: &Link) {
        let Still { camera, pixels, at, blur, asks } = still;
        canvas.take(&pixels.picture());
        drop(pixels);
        Blur::new(blur).apply(canvas);
        let file = self.keep(&camera, &id::fresh(), canvas).and_then(|file| note(&self.folder, &file));
        for ask in asks {
            let Some(file) = &file else {
                ask.refuse(link, Refusal::NoPicture);
                continue;
            };
            let json = serde_json::json!({
                "request": ask.request, "ok": true, "camera": camera, "time": at.to_string(), "snapshot": file.url,
                "bytes": file.bytes, "sha256": file.sha256, "width": canvas.width(), "height": canvas.height(),
            });
            ask.answer(link, json.to_string());
        }
    }

    fn keep(&self, camera: &str, id: &str, canvas: &Canvas) -> Option<String> {
        let file = format!("{id}.jpg");
        let written = write_jpeg(&self.folder.join(&file), canvas, JPEG_QUALITY);
        if let Some(link) = &self.link {
            let small = small_jpeg(canvas, SMALL_PX, JPEG_QUALITY);
            small.into_iter().for_each(|bytes| link.state(&picture_topic(camera), bytes));
        }
        written.inspect_err(|error| tracing::warn!("snapshot not kept: {error}")).ok()?;
        Some(file)
    }
}

/// The newest picture of a camera, retained.
pub fn picture_topic(camera: &str) -> String {
    format!("cameras/{camera}/snapshot")
}

/// `noted`: as evidence, with its hash.
pub fn attach(event: &mut Event, folder: &Path, file: &str, noted: bool) {
    let Some(common) = event.body.common_mut() else { return };
    let media = common.media.get_or_insert_with(Media::default);
    media.snapshot = Some(format!("/media/{file}"));
    media.files.extend(noted.then(|| note(folder, file)).flatten());
}
