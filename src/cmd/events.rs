//! `oriel events`

use std::io::Write;
use std::path::PathBuf;

use anyhow::anyhow;
use serde_json::Value;

use super::watch::{camera_of, column, plain, short, summary, text};
use super::{BadInput, Failure, Outcome};
use crate::base::time::Timestamp;
use crate::ledger::{Filter, LedgerError, Reader, Row};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The data directory
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,
    /// Captured since: RFC 3339, or an age such as 15m, 2h, 1d
    #[arg(long, value_name = "T")]
    since: Option<String>,
    /// Only events of this camera
    #[arg(long, value_name = "ID")]
    camera: Option<String>,
    /// Only events of this type, e.g. gate.crossing
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// The newest so many
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    Table,
    /// One event a line, as published
    Json,
    Csv,
}

pub fn run(args: Args) -> Outcome {
    let since = args.since.as_deref().map(|text| since(text, Timestamp::now())).transpose();
    let since = since.map_err(|error| anyhow!("--since: {error}")).bad_input()?;
    let filter = Filter {
        since,
        camera: args.camera,
        kind: args.kind.as_deref().map(|kind| short(kind).to_string()),
        limit: args.limit,
    };
    let reader = Reader::open(&args.data).map_err(|error| match error {
        LedgerError::Sql { .. } | LedgerError::Io { .. } => Failure::Running(error.into()),
        _ => Failure::Input(error.into()),
    })?;
    let rows = reader.query(&filter).map_err(anyhow::Error::from)?;
    let damaged = rows.iter().filter(|row| !row.intact).count();
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    // A closed pipe (`| head`) is an end like any other.
    let _ = print(&mut out, &rows, args.format).and_then(|()| out.flush());
    match damaged {
        0 => Ok(()),
        _ => Err(Failure::Running(anyhow!("{damaged} of {} events are damaged and were not shown", rows.len()))),
    }
}

fn print(out: &mut impl Write, rows: &[Row], format: Format) -> std::io::Result<()> {
    if let Format::Csv = format {
        writeln!(out, "sequence,time,severity,camera,type,phase,rule,summary,delivered,id")?;
    }
    for row in rows.iter().filter(|row| row.intact) {
        let event: Value = serde_json::from_slice(&row.payload).unwrap_or_default();
        let time = text(&event, "/time");
        match format {
            Format::Json => {
                out.write_all(&row.payload)?;
                writeln!(out)?;
            }
            Format::Table => {
                let line = [
                    column(&row.sequence.to_string(), 8),
                    column(time.get(..19).unwrap_or(time), 19),
                    column(text(&event, "/severitytext"), 5),
                    column(camera_of(&event), 16),
                    column(&row.short_type, 16),
                    column(text(&event, "/data/phase"), 6),
                    column(if row.delivered { "sent" } else { "waits" }, 5),
                    plain(&summary(&event)),
                ];
                writeln!(out, "{}", line.join("  ").trim_end())?;
            }
            Format::Csv => {
                let (sequence, summary) = (row.sequence.to_string(), summary(&event));
                let cells = [
                    sequence.as_str(),
                    time,
                    text(&event, "/severitytext"),
                    camera_of(&event),
                    &row.short_type,
                    text(&event, "/data/phase"),
                    text(&event, "/data/rule"),
                    &summary,
                    if row.delivered { "yes" } else { "no" },
                    text(&event, "/id"),
                ];
                writeln!(out, "{}", cells.map(cell).join(","))?;
            }
        }
    }
    Ok(())
}

/// Quoted where RFC 4180 asks for it.
fn cell(text: &str) -> String {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_string(),
    }
}

fn since(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse() {
        return Ok(at);
    }
    let expected =
        || format!("expected RFC 3339 such as 2026-11-23T07:00:00Z, or an age such as 15m, 2h, 1d, got `{text}`");
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 60 * 60,
        Some('d') => 24 * 60 * 60,
        _ => return Err(expected()),
    };
    let seconds = text[..text.len() - 1].parse::<u32>().map_err(|_| expected())?;
    now.checked_sub(jiff::SignedDuration::from_secs(i64::from(seconds) * unit)).map_err(|_| expected())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_ages() {
        let now: Timestamp = "2026-11-23T07:15:00Z".parse().expect("a time");
        let at = |text: &str| since(text, now).map(|at| at.to_string());
        assert_eq!(at("15m").as_deref(), Ok("2026-11-23T07:00:00Z"));
        assert_eq!(at("1d").as_deref(), Ok("2026-11-22T07:15:00Z"));
        assert_eq!(at("2026-01-01T00:00:00+08:00").as_deref(), Ok("2025-12-31T16:00:00Z"));
        for bad in ["", "yesterday", "m", "-5m", "5w", "4门"] {
            assert!(at(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn csv_cells() {
        assert_eq!(cell("a"), "a");
        assert_eq!(cell("a, \"b\""), "\"a, \"\"b\"\"\"");
    }
}
