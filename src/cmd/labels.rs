//! What somebody marked in pictures, from files: YOLO's text files or COCO's JSON.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use serde::Deserialize;

use crate::base::geometry::Rect;
use crate::base::model::Class;
use crate::score::Marked;

/// The boxes of each of `files`, pictures of `folder`, in their order, and how many crowd regions were left out.
///
/// `labels` is a folder of text files or a COCO JSON; without it the text files lie in the folder `labels` beside `folder`
/// or with the pictures. A picture without a text file holds nothing that is marked.
pub fn read(
    files: &[PathBuf],
    folder: &Path,
    labels: Option<&Path>,
    classes: &[Class],
) -> anyhow::Result<(Vec<Vec<Marked>>, usize)> {
    match labels {
        Some(path) if path.is_dir() => Ok((yolo(files, path, classes)?, 0)),
        Some(path) => coco(files, path, classes),
        None => {
            // The folder as a whole path: `.` has no parent that could be named.
            let whole = std::path::absolute(folder).with_context(|| format!("{}", folder.display()))?;
            let beside = whole.parent().map(|parent| parent.join("labels")).filter(|beside| beside.is_dir());
            Ok((yolo(files, beside.as_deref().unwrap_or(folder), classes)?, 0))
        }
    }
}

fn yolo(files: &[PathBuf], folder: &Path, classes: &[Class]) -> anyhow::Result<Vec<Vec<Marked>>> {
    let mut read = 0;
    let mut all = Vec::with_capacity(files.len());
    for file in files {
        let path = folder.join(format!("{}.txt", file.file_stem().unwrap_or_default().to_string_lossy()));
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                all.push(vec![]);
                continue;
            }
            Err(error) => return Err(anyhow!("{}: {error}", path.display())),
        };
        read += 1;
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let marked = lines.map(|(i, line)| {
            yolo_line(line, classes.len()).map_err(|what| anyhow!("{}:{}: {what}", path.display(), i + 1))
        });
        all.push(marked.collect::<Result<_, _>>()?);
    }
    if read == 0 {
        return Err(anyhow!(
            "{}: holds no label file for any of {} pictures, expected NAME.txt with lines `class x y width height`",
            folder.display(),
            files.len()
        ));
    }
    Ok(all)
}

/// `class x y width height`: the middle of the box and its sides, as fractions of the picture.
fn yolo_line(line: &str, classes: usize) -> Result<Marked, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [class, geometry @ ..] = words.as_slice() else { return Err("an empty line".into()) };
    if geometry.len() != 4 {
        return Err(format!("{} columns, expected 5: class x y width height", words.len()));
    }
    let class = class
        .parse::<u16>()
        .ok()
        .filter(|class| usize::from(*class) < classes)
        .ok_or_else(|| format!("class `{class}`, the model has 0 to {}", classes - 1))?;
    let mut numbers = [0.0f64; 4];
    for (number, word) in numbers.iter_mut().zip(geometry) {
        let parsed = word.parse().ok().filter(|n| (0.0..=1.0).contains(n));
        *number = parsed.ok_or_else(|| format!("`{word}`, expected a fraction of the picture, 0 to 1"))?;
    }
    let [x, y, w, h] = numbers;
    Ok(Marked { class, rect: rect(x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0) })
}

fn rect(left: f64, top: f64, right: f64, bottom: f64) -> Rect {
    Rect::new(left as f32, top as f32, right as f32, bottom as f32)
}

/// `instances_*.json` of COCO, as far as it is needed here.
#[derive(Deserialize)]
struct Coco {
    images: Vec<CocoImage>,
    annotations: Vec<CocoAnnotation>,
    categories: Vec<CocoCategory>,
}

#[derive(Deserialize)]
struct CocoImage {
    id: u64,
    file_name: String,
    width: f64,
    height: f64,
}

#[derive(Deserialize)]
struct CocoAnnotation {
    image_id: u64,
    category_id: u64,
    /// Left, top, width, height in pixels.
    bbox: [f64; 4],
    #[serde(default)]
    iscrowd: u8,
}

#[derive(Deserialize)]
struct CocoCategory {
    id: u64,
    name: String,
}

fn coco(files: &[PathBuf], path: &Path, classes: &[Class]) -> anyhow::Result<(Vec<Vec<Marked>>, usize)> {
    let text = std::fs::read(path).with_context(|| format!("{}", path.display()))?;
    let whole: Coco =
        serde_json::from_slice(&text).with_context(|| format!("{}: no COCO annotations", path.display()))?;
    let class_of = categories(whole.categories, classes).map_err(|what| anyhow!("{}: {what}", path.display()))?;
    let images: HashMap<u64, &CocoImage> = whole.images.iter().map(|image| (image.id, image)).collect();
    let mut by_image: HashMap<u64, Vec<Marked>> = HashMap::new();
    let mut crowds = HashMap::new();
    for (i, annotation) in whole.annotations.iter().enumerate() {
        let fail = |what: String| anyhow!("{}: annotations[{i}]: {what}", path.display());
        let image =
            images.get(&annotation.image_id).ok_or_else(|| fail(format!("no image {}", annotation.image_id)))?;
        let class = class_of.get(&annotation.category_id);
        let class = *class.ok_or_else(|| fail(format!("no category {}", annotation.category_id)))?;
        if annotation.iscrowd != 0 {
            *crowds.entry(image.id).or_insert(0) += 1;
            continue;
        }
        let [x, y, w, h] = annotation.bbox;
        let (iw, ih) = (image.width, image.height);
        if !(iw > 0.0 && ih > 0.0 && [x, y, w, h].iter().all(|n| n.is_finite()) && w >= 0.0 && h >= 0.0) {
            return Err(fail(format!("bbox {:?} of {iw} x {ih}, expected left, top, width, height", annotation.bbox)));
        }
        let marked = Marked { class, rect: rect(x / iw, y / ih, (x + w) / iw, (y + h) / ih) };
        by_image.entry(image.id).or_default().push(marked);
    }
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let ids: HashMap<String, u64> = whole.images.iter().map(|i| (name(Path::new(&i.file_name)), i.id)).collect();
    let mut left_out = 0;
    let mut all = Vec::with_capacity(files.len());
    for file in files {
        let id = ids.get(&name(file)).ok_or_else(|| anyhow!("{}: does not list {}", path.display(), name(file)))?;
        left_out += crowds.get(id).copied().unwrap_or(0);
        all.push(by_image.remove(id).unwrap_or_default());
    }
    Ok((all, left_out))
}

/// Category id -> class of the model: by name, or by order of the ids where the names are others but as many.
fn categories(categories: Vec<CocoCategory>, classes: &[Class]) -> Result<BTreeMap<u64, u16>, String> {
    let row = |name: &str| classes.iter().position(|class| class.label == name).map(|row| row as u16);
    let by_name: Option<BTreeMap<u64, u16>> = categories.iter().map(|c| Some((c.id, row(&c.name)?))).collect();
    if let Some(by_name) = by_name {
        return Ok(by_name);
    }
    let ids: std::collections::BTreeSet<u64> = categories.iter().map(|category| category.id).collect();
    if ids.len() == classes.len() {
        return Ok(ids.into_iter().zip(0..).collect());
    }
    let stranger = categories.iter().find(|category| row(&category.name).is_none());
    let stranger = stranger.map_or("", |category| &category.name);
    Err(format!(
        "category `{stranger}` is no class of this model, and {} categories are not its {}",
        ids.len(),
        classes.len()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(labels: &[&str]) -> Vec<Class> {
        labels.iter().map(|label| Class { label: (*label).into(), kind: None }).collect()
    }

    #[test]
    fn a_line_is_a_box_around_its_middle() {
        let marked = yolo_line("1 0.5 0.25 0.5 0.25", 2).unwrap();
        assert_eq!(marked, Marked { class: 1, rect: Rect::new(0.25, 0.125, 0.75, 0.375) });
        let cases = [
            ("2 0.5 0.5 0.1 0.1", "class `2`, the model has 0 to 1"),
            ("x 0.5 0.5 0.1 0.1", "class `x`"),
            ("0 0.5 0.5 0.1", "4 columns, expected 5"),
            ("0 0.5 0.5 10 0.1", "`10`, expected a fraction"),
            ("0 0.5 nan 0.1 0.1", "`nan`, expected a fraction"),
        ];
        for (line, words) in cases {
            let told = yolo_line(line, 2).unwrap_err();
            assert!(told.contains(words), "`{words}` is not in: {told}");
        }
    }

    #[test]
    fn text_files_lie_beside_the_folder_or_with_the_pictures() {
        let folder = tempfile::tempdir().unwrap();
        let images = folder.path().join("images");
        std::fs::create_dir(&images).unwrap();
        let files = [images.join("a.b.png"), images.join("c.png")];
        let of = |labels| read(&files, &images, labels, &classes(&["person"]));
        assert!(of(None).unwrap_err().to_string().contains("no label file for any of 2 pictures"));
        std::fs::write(images.join("a.b.txt"), "0 0.5 0.5 1 1\n\n").unwrap();
        let (marked, _) = of(None).unwrap();
        assert_eq!((marked[0].len(), marked[1].len()), (1, 0));
        std::fs::create_dir(folder.path().join("labels")).unwrap();
        std::fs::write(folder.path().join("labels/c.txt"), "0 0.5 0.5 1 1\n0 0.5 0.5").unwrap();
        let told = of(None).unwrap_err().to_string();
        assert!(told.contains("c.txt:2: 3 columns"), "{told}");
        assert_eq!(of(Some(&images)).unwrap().0[0].len(), 1, "named folders come first");
    }

    #[test]
    fn coco_annotations_find_their_classes_by_name_or_by_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("instances.json");
        let write = |categories: &str| {
            let text = format!(
                r#"{{"images": [{{"id": 7, "file_name": "val/a.png", "width": 200, "height": 100}}],
                   "annotations": [{{"image_id": 7, "category_id": 3, "bbox": [50, 25, 100, 50], "iscrowd": 0, "area": 1}},
                                   {{"image_id": 7, "category_id": 1, "bbox": [0, 0, 1, 1], "iscrowd": 1}}],
                   "categories": {categories}}}"#
            );
            std::fs::write(&path, text).unwrap();
        };
        let of = |file: &str, labels: &[&str]| read(&[file.into()], Path::new("."), Some(&path), &classes(labels));
        write(r#"[{"id": 1, "name": "person"}, {"id": 3, "name": "car"}]"#);
        let (marked, crowds) = of("a.png", &["car", "person", "bird"]).unwrap();
        assert_eq!(marked, [[Marked { class: 0, rect: Rect::new(0.25, 0.25, 0.75, 0.75) }]]);
        assert_eq!(crowds, 1);
        assert_eq!(of("a.png", &["human", "auto"]).unwrap().0[0][0].class, 1, "as many, so by order");
        let told = of("a.png", &["car"]).unwrap_err().to_string();
        assert!(told.contains("category `person` is no class"), "{told}");
        let told = of("b.png", &["car", "person"]).unwrap_err().to_string();
        assert!(told.contains("does not list b.png"), "{told}");
        std::fs::write(&path, "[]").unwrap();
        assert!(of("a.png", &["car"]).unwrap_err().to_string().contains("no COCO annotations"));
    }
}
