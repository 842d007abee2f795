//! Model files that no box should load: each is refused with its reason, before ONNX Runtime sees it where that could hurt.

mod common;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use oriel::base::hash::sha256_hex;
use oriel::base::model::{InputSpec, Model, Samples};
use oriel::catalog::Catalog;
use oriel::infer::{Onnx, Provider, RuntimeSpec, SessionSpec, find_library, load_library};
use oriel::service::plan::open_session;

// Protocol buffers by hand.

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

fn field(number: u64, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [varint(number << 3 | 2), varint(bytes.len() as u64), bytes.to_vec()].concat()
}

fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

fn read_varint(bytes: &[u8], at: &mut usize) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let byte = bytes[*at];
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

/// Top-level fields as they lie, with their numbers.
fn fields(message: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let (mut at, mut out) = (0, Vec::new());
    while at < message.len() {
        let begin = at;
        let tag = read_varint(message, &mut at);
        match tag & 7 {
            0 => _ = read_varint(message, &mut at),
            2 => {
                let len = read_varint(message, &mut at) as usize;
                at += len;
            }
            other => panic!("wire type {other} in a test's model"),
        }
        out.push((tag >> 3, message[begin..at].to_vec()));
    }
    out
}

/// The bytes inside a length-delimited field.
fn inside(field: &[u8]) -> Vec<u8> {
    let mut at = 0;
    read_varint(field, &mut at);
    let len = read_varint(field, &mut at) as usize;
    field[at..at + len].to_vec()
}

/// The model with its graph changed.
fn with_graph(model: &[u8], change: impl Fn(Vec<u8>) -> Vec<u8>) -> Vec<u8> {
    let parts = fields(model).into_iter().map(|(number, bytes)| match number {
        7 => field(7, change(inside(&bytes))),
        _ => bytes,
    });
    parts.collect::<Vec<_>>().concat()
}

fn and(model: &[u8], more: Vec<u8>) -> Vec<u8> {
    with_graph(model, |graph| [graph, more.clone()].concat())
}

fn tensor(sides: &[u64], kind: u64, name: &str, more: Vec<u8>) -> Vec<u8> {
    let sides: Vec<u8> = sides.iter().flat_map(|side| number(1, *side)).collect();
    [sides, number(2, kind), field(8, name), more].concat()
}

fn external(place: &str) -> Vec<u8> {
    let entry = [field(1, "location"), field(2, place)].concat();
    tensor(&[4], 1, "w", [field(13, entry), number(14, 1)].concat())
}

fn node(operator: &str, inputs: &[&str], output: &str, more: Vec<u8>) -> Vec<u8> {
    let inputs: Vec<u8> = inputs.iter().flat_map(|input| field(1, input)).collect();
    field(1, [inputs, field(2, output), field(4, operator), more].concat())
}

fn longs(values: &[i64]) -> Vec<u8> {
    field(9, values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
}

fn value(name: &str, kind: u64, sides: &[i64]) -> Vec<u8> {
    let sides: Vec<u8> = sides.iter().flat_map(|side| field(1, number(1, *side as u64))).collect();
    field(11, [field(1, name), field(2, field(1, [number(1, kind), field(2, sides)].concat()))].concat())
}

/// An attribute with a graph in which a node has an attribute with a graph ..
fn nested(depth: usize) -> Vec<u8> {
    (0..depth).fold(field(2, "leaf"), |graph, _| {
        let attribute = field(5, [field(1, "body"), field(6, graph)].concat());
        field(1, [field(4, "Loop"), attribute].concat())
    })
}

fn good() -> Model {
    load_library(&find_library(&RuntimeSpec::default()).expect("set up")).expect("a library");
    Catalog::new(vec![Catalog::default_folder()]).load("demo_figures").expect("our own model")
}

fn open(model: &Model, bytes: Vec<u8>, input: InputSpec) -> Result<Onnx, String> {
    let model = Model { bytes: Arc::from(bytes), ..model.clone() };
    let spec = SessionSpec { threads: 1, max_batch: 2, provider: Provider::Cpu };
    open_session(&model, input, spec).map_err(|error| error.to_string())
}

/// (what it is, bytes, words of the refusal)
fn bad(good: &[u8]) -> Vec<(String, Vec<u8>, &'static str)> {
    let mut cases: Vec<(String, Vec<u8>, &'static str)> = Vec::new();
    let mut case = |what: &str, bytes: Vec<u8>, words: &'static str| cases.push((what.into(), bytes, words));
    for twentieth in 0..20 {
        let len = good.len() * twentieth / 20 + usize::from(twentieth > 0);
        let words = if twentieth == 0 { "empty" } else { "cut off" };
        case(&format!("cut off at {len}"), good[..len].to_vec(), words);
    }
    case("text", b"this is no model\n".repeat(40), "not an ONNX model");
    case("a web page", b"<!DOCTYPE html><html><body>404</body></html>".to_vec(), "not an ONNX model");
    case(
        "a pointer of Git LFS",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n".to_vec(),
        "not an ONNX model",
    );
    case("zeros", vec![0; 4096], "not an ONNX model");
    case("ones", vec![0xff; 4096], "not an ONNX model");
    case("a picture", b"\x89PNG\r\n\x1a\n".repeat(99), "not an ONNX model");
    case("no graph", number(1, 8), "0 graphs");
    case("two graphs", [good, &field(7, field(2, "g"))].concat(), "2 graphs");
    case("no opset", fields(good).into_iter().filter(|(n, _)| *n != 8).flat_map(|(_, b)| b).collect(), "no opset");
    case("opset of the future", [good.to_vec(), field(8, number(2, 99))].concat(), "opset 99");
    case("opset of the past", [good.to_vec(), field(8, number(2, 1))].concat(), "opset 1,");
    case("a node of a foreign domain", and(good, node("Run", &[], "x", field(7, "evil"))), "`evil`");
    case(
        "a machine-learning operator",
        and(good, node("TreeEnsemble", &[], "x", field(7, "ai.onnx.ml"))),
        "ai.onnx.ml",
    );
    for place in ["weights.bin", "/etc/passwd", "../../../etc/shadow", "link", "a/../b", ""] {
        case(&format!("weights in `{place}`"), and(good, field(5, external(place))), "external data");
        let hidden = field(5, [field(1, "value"), field(5, external(place))].concat());
        case(&format!("a constant in `{place}`"), and(good, node("Constant", &[], "x", hidden)), "external data");
    }
    case("sparse weights", and(good, field(15, field(1, tensor(&[1], 1, "s", vec![])))), "sparse");
    let sparse = field(5, [field(1, "sparse_value"), field(22, b"")].concat());
    case("a sparse constant", and(good, node("Constant", &[], "x", sparse)), "sparse");
    case("local functions", [good.to_vec(), field(25, field(1, "f"))].concat(), "local functions");
    case("training information", [good.to_vec(), field(20, b"")].concat(), "training");
    case("a depth of 3000", and(good, nested(3000)), "graphs inside of graphs");
    case("a depth of 6", and(good, nested(6)), "graphs inside of graphs");
    let nodes: Vec<u8> = (0..30_000).flat_map(|_| node("Relu", &["a"], "b", vec![])).collect();
    case("30,000 nodes", and(good, nodes), "nodes");
    let bomb = |operator: &str, sizes: &[i64]| {
        let sides = field(5, tensor(&[sizes.len() as u64], 7, "sides", longs(sizes)));
        and(good, [sides, node(operator, &["sides"], "x", vec![])].concat())
    };
    case("ConstantOfShape of 10^10", bomb("ConstantOfShape", &[100_000, 100_000]), "ConstantOfShape asks for");
    case("ConstantOfShape of 2^62", bomb("ConstantOfShape", &[1 << 31, 1 << 31]), "ConstantOfShape asks for");
    case("ConstantOfShape of less than nothing", bomb("ConstantOfShape", &[-1, 1 << 40]), "ConstantOfShape asks for");
    case("Expand", bomb("Expand", &[1 << 20, 1 << 20]), "Expand asks for");
    case("Tile", bomb("Tile", &[1 << 30]), "Tile asks for");
    case("Range", bomb("Range", &[1 << 40]), "Range asks for");
    let constant = field(5, [field(1, "value"), field(5, tensor(&[2], 7, "", longs(&[1 << 30, 8])))].concat());
    let through = [node("Constant", &[], "c", constant), node("ConstantOfShape", &["c"], "x", vec![])].concat();
    case("ConstantOfShape of a constant", and(good, through), "ConstantOfShape asks for");
    let shape = field(5, [field(1, "shape"), field(8, [varint(1 << 30), varint(64)].concat())].concat());
    case("RandomNormal", and(good, node("RandomNormal", &[], "x", shape)), "RandomNormal asks for");
    for side in [0, -1, 1 << 31, i64::MIN] {
        case(&format!("an input with a side of {side}"), and(good, value("more", 1, &[1, 3, side, 4])), "a side of");
    }
    for sides in [vec![1u64 << 31], vec![u64::MAX], vec![1 << 20, 1 << 20]] {
        case(&format!("weights of {sides:?}"), and(good, field(5, tensor(&sides, 1, "w", vec![]))), "a side of");
    }
    let short = tensor(&[1000], 1, "w", field(9, [0; 16]));
    case("weights shorter than their sides", and(good, field(5, short)), "1000 numbers");
    case("weights of no bytes", and(good, field(5, tensor(&[1000], 1, "w", vec![]))), "1000 numbers");
    case("a second input", and(good, value("more", 1, &[1, 3, 32, 32])), "2 inputs");
    cases
}

#[test]
fn bad_model_files_are_refused_with_their_reason() {
    let model = good();
    open(&model, model.bytes.to_vec(), model.input).map(drop).expect("our own model is loaded");
    let cases = bad(&model.bytes);
    assert!(cases.len() >= 60, "{} cases", cases.len());
    for (what, bytes, words) in cases {
        let told = open(&model, bytes, model.input).map(drop).expect_err(&what);
        assert!(told.contains(words) && told.contains("demo_figures"), "{what}: `{words}` is not in: {told}");
    }
}

#[test]
fn a_model_that_is_not_what_its_card_says_is_refused() {
    let model = good();
    let refused = |changed: Model, words: &str| {
        let told = open(&changed, changed.bytes.to_vec(), changed.input).map(drop).expect_err(words);
        assert!(told.contains(words), "`{words}` is not in: {told}");
    };
    let input = |input: InputSpec| Model { input, free: None, ..model.clone() };
    refused(input(InputSpec { samples: Samples::U8, ..model.input }), "the card expects u8");
    refused(Model { outputs: vec!["nothing".into()], ..model.clone() }, "has no output nothing");
    let fewer = Model { classes: model.classes[1..].into(), ..model.clone() };
    refused(fewer, "its head expects");
    let head = oriel::base::model::Head::PicoDet { reg_max: 7 };
    refused(Model { head, ..model.clone() }, "its head expects 8");
}

/// What an operator sees, and what it costs: by the command, in a folder of its own.
#[test]
fn the_command_names_the_reason_and_stays_small() {
    let model = good();
    let folder = tempfile::tempdir().expect("a folder");
    let card = folder.path().join("bad");
    std::fs::create_dir(&card).expect("a folder");
    let picture = folder.path().join("picture.png");
    image::RgbImage::new(64, 48).save(&picture).expect("a picture");
    let text = std::fs::read_to_string(Catalog::default_folder().join("demo_figures/model.yml")).expect("a card");
    let detect = |bytes: &[u8], sha256: &str| {
        std::fs::write(card.join("bad.onnx"), bytes).expect("a file");
        let lines = text.lines().map(|line| match line.split_once(':') {
            Some(("name", _)) => "name: bad".into(),
            Some(("file", _)) => "file: bad.onnx".into(),
            Some(("sha256", _)) => format!("sha256: {sha256}"),
            _ => line.to_owned(),
        });
        std::fs::write(card.join("model.yml"), lines.collect::<Vec<_>>().join("\n")).expect("a card");
        run(&card, &picture)
    };
    let (code, told) = detect(&model.bytes, &sha256_hex(&model.bytes));
    assert_eq!(code, Some(0), "{told}");
    let (code, told) = detect(&model.bytes, &"0".repeat(64));
    assert!(code == Some(2) && told.contains("sha256 is"), "{code:?} {told}");
    for (what, bytes, words) in bad(&model.bytes).into_iter().step_by(6) {
        let (code, told) = detect(&bytes, &sha256_hex(&bytes));
        assert!(code == Some(2) && told.contains(words), "{what}: {code:?} {told}");
    }
}

/// `oriel detect` with 200 MB of memory that it may touch; longer than a minute is a hang.
fn run(card: &Path, picture: &Path) -> (Option<i32>, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_oriel"))
        .args(["detect", "--model"])
        .arg(format!("{}/", card.display()))
        .arg(picture)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("our own binary");
    let mut most = 0;
    let begun = std::time::Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("our own child") {
            break status;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "it hangs");
        most = most.max(resident(child.id()));
        std::thread::sleep(Duration::from_millis(2));
    };
    assert!(most < 200_000, "{most} kB");
    let output = child.wait_with_output().expect("our own child");
    (status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// kB.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
