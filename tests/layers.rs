//! The floors of the house, checked: a module may name the modules of ours and the foreign crates listed beside it, and
//! nothing else. A new dependency is a visible line here. `config`, `service` and `cmd` (floor 4) may use everything of
//! ours; they are listed for the foreign crates that are theirs alone.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// All of our modules.
const ALL: &[&str] = &["*"];

/// Module, the modules it may name, the foreign crates it may name.
const HOUSE: &[(&str, &[&str], &[&str])] = &[
    // 0 values
    ("base", &[], &["jiff", "schemars", "serde", "serde_json", "sha2", "thiserror", "uuid"]),
    // 1 judgement: pure and total
    ("preprocess", &["base"], &[]),
    ("heads", &["base"], &["ndarray"]),
    ("motion", &["base"], &[]),
    ("facade", &["base", "ballistics"], &[]),
    ("track", &["base"], &[]),
    ("rules", &["base"], &[]),
    ("look", &["base"], &[]),
    ("plate", &["base", "look"], &[]),
    ("score", &["base"], &[]),
    ("fallbench", &["base"], &["serde"]),
    ("ballistics", &["base"], &["nalgebra"]),
    // 2 doors: one foreign thing each
    (
        "media",
        &["base"],
        &[
            "gstreamer",
            "gstreamer_app",
            "gstreamer_rtsp_server",
            "gstreamer_video",
            "gst",
            "gst_app",
            "gst_rtsp_server",
            "gst_video",
            "thiserror",
            "tracing",
        ],
    ),
    ("infer", &["base"], &["ndarray", "ort", "thiserror", "tracing"]),
    ("evidence", &["base"], &["font8x8", "image", "thiserror", "tracing"]),
    ("ledger", &["base"], &["rusqlite", "serde_json", "thiserror", "tracing"]),
    ("mqtt", &["base", "ledger"], &["bytes", "rumqttc", "serde", "serde_json", "thiserror", "tokio", "tracing"]),
    ("broker", &["base"], &["rumqttd", "thiserror", "tracing"]),
    ("catalog", &["base"], &["schemars", "serde", "serde_saphyr", "thiserror", "toml", "tracing", "ureq"]),
    ("console", &["base", "ledger"], &["axum", "futures_core", "serde_json", "thiserror", "tokio", "tracing"]),
    ("webhook", &["base", "ledger"], &["serde_json", "thiserror", "tracing", "ureq"]),
    ("system", &[], &["rustix"]),
    // 3 engine: threads and queues
    (
        "engine",
        &["base", "preprocess", "heads", "motion", "track", "rules", "look", "plate", "facade", "infer"],
        &["ndarray", "thiserror", "tracing"],
    ),
    // 4 wiring
    ("config", ALL, &["schemars", "serde", "serde_json", "serde_saphyr", "thiserror", "tracing"]),
    ("service", ALL, &["anyhow", "serde", "serde_json", "thiserror", "tokio", "tracing", "tracing_subscriber"]),
    (
        "cmd",
        ALL,
        &[
            "anyhow",
            "clap",
            "indicatif",
            "jiff",
            "rumqttc",
            "schemars",
            "serde",
            "serde_json",
            "thiserror",
            "tokio",
            "tracing",
            "tracing_subscriber",
            "unicode_width",
        ],
    ),
];

#[test]
fn modules_name_only_what_the_house_allows() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for (module, ours, foreign) in HOUSE {
        let files = rust_files(&src, module);
        assert!(!files.is_empty(), "the house lists `{module}`, but it has no files");
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            for problem in strangers(&text, module, ours, foreign) {
                wrong.push(format!("{}: {problem}", file.strip_prefix(&src).unwrap_or(&file).display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_module_has_its_line() {
    let lib = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let modules: BTreeSet<&str> =
        lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let listed: BTreeSet<&str> = HOUSE.iter().map(|(module, ..)| *module).collect();
    assert_eq!(modules, listed, "left: src/lib.rs, right: the house");
}

#[test]
fn every_dependency_has_its_room() {
    let manifest = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    let listed: BTreeSet<&str> = HOUSE.iter().flat_map(|(_, _, foreign)| *foreign).copied().collect();
    for line in dependencies.lines() {
        let Some((name, _)) = line.split_once('=').filter(|(name, _)| !name.starts_with('#')) else { continue };
        let name = name.trim().replace('-', "_");
        assert!(listed.contains(name.as_str()), "no module of the house may use `{name}`, so why is it in Cargo.toml?");
    }
}

#[test]
fn strangers_are_noticed() {
    let found = |code: &str| strangers(code, "engine", &["base", "infer"], &["tracing"]);
    assert!(
        found("use crate::base::frame::Frame;\nuse crate::{infer::Backend, base};\ntracing::warn!(\"\");").is_empty()
    );
    assert_eq!(found("use crate::mqtt::Publisher;"), ["crate::mqtt"]);
    assert_eq!(found("use crate::{base::x, ledger::{Ledger, Row}, console};"), ["crate::ledger", "crate::console"]);
    assert_eq!(found("let x = rusqlite::Connection::open(p);"), ["rusqlite"]);
    assert_eq!(found("use rusqlite as sql;\nuse ort;"), ["ort", "rusqlite"]);
    assert!(found("// rusqlite::Connection\nlet a = my_ort::x; crate::base::ort::y();").is_empty());
    assert!(found("#[cfg(test)]\nmod tests { use crate::media::Shot; }").is_empty(), "tests may look further");
    assert_eq!(found("#[cfg(test)]\nuse crate::media::Shot;\nfn f() { crate::ledger::x() }"), ["crate::ledger"]);
}

/// What `text`, a file of `module`, names and may not.
fn strangers(text: &str, module: &str, ours: &[&str], foreign: &[&str]) -> Vec<String> {
    let mut wrong = Vec::new();
    let code = without_tests(text);
    for name in code.split("crate::").skip(1).flat_map(first_names) {
        if name != module && ours != ALL && !ours.contains(&name.as_str()) {
            wrong.push(format!("crate::{name}"));
        }
    }
    let crates: BTreeSet<&str> = HOUSE.iter().flat_map(|(_, _, foreign)| *foreign).copied().collect();
    for name in crates.into_iter().filter(|name| !foreign.contains(name)) {
        let in_path = code.match_indices(&format!("{name}::")).any(|(at, _)| {
            let before = &code[..at];
            // A path's later part is no crate, except after a leading `::`.
            let begins = !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
            begins || before.ends_with(" ::") || before.ends_with("(::")
        });
        let in_use = code.lines().map(str::trim_start).any(|line| {
            line.strip_prefix("use ").or_else(|| line.strip_prefix("pub use ")).is_some_and(|rest| {
                rest.strip_prefix(name).is_some_and(|rest| rest.starts_with(';') || rest.starts_with(" as "))
            })
        });
        if in_path || in_use {
            wrong.push(name.to_string());
        }
    }
    wrong
}

/// The code without comments and without what is under `#[cfg(test)]`: the item that follows, up to its `;` or its last `}`.
fn without_tests(text: &str) -> String {
    let code: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let code = code.join("\n");
    let mut parts = code.split("#[cfg(test)]");
    let mut kept = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let end = match (part.find(';'), part.find('{')) {
            (Some(semicolon), open) if open.is_none_or(|open| semicolon < open) => semicolon + 1,
            (_, None) => part.len(),
            (_, Some(open)) => {
                let mut depth = 0;
                let closes = |(_, c): &(usize, char)| {
                    depth += match c {
                        '{' => 1,
                        '}' => -1,
                        _ => 0,
                    };
                    depth == 0
                };
                part[open..].char_indices().find(closes).map_or(part.len(), |(at, _)| open + at + 1)
            }
        };
        kept.push_str(&part[end..]);
    }
    kept
}

/// `base::x` gives `base`; `{a::b, c}` gives `a`, `c`.
fn first_names(after: &str) -> Vec<String> {
    let ident = |s: &str| s.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    if !after.starts_with('{') {
        return vec![ident(after)];
    }
    let (mut depth, mut part, mut out) = (0, String::new(), Vec::new());
    for c in after.chars() {
        match c {
            '{' => {
                depth += 1;
                if depth > 1 {
                    part.push(c)
                }
            }
            '}' => {
                depth -= 1;
                if depth == 0 {
                    break;
                }
            }
            ',' if depth == 1 => out.push(std::mem::take(&mut part)),
            _ => part.push(c),
        }
    }
    out.push(part);
    out.iter().map(|s| ident(s)).filter(|s| !s.is_empty()).collect()
}

/// Of `src/<module>.rs` and of `src/<module>/`.
fn rust_files(src: &Path, module: &str) -> Vec<PathBuf> {
    let mut files = files_in(&src.join(module));
    files.extend(Some(src.join(format!("{module}.rs"))).filter(|path| path.is_file()));
    files
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| {
            let path = entry.path();
            if path.is_dir() {
                files_in(&path)
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                vec![path]
            } else {
                vec![]
            }
        })
        .collect()
}
