//! Gets a pinned file: from a folder where it already lies, else from its address; checked before it is put in place. What an
//! interrupted download has brought so far stays beside the target as `.part`, and the next one goes on from there.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::CatalogError;
use crate::base::hash::sha256_hex;

/// Where the file came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pulled {
    AlreadyThere,
    Copied(PathBuf),
    Downloaded(String),
}

/// No pinned file is larger.
const BYTES_MAX: u64 = 512 << 20;
/// Once a connection stands, an answer that is silent for so long is given up; `.part` keeps what came.
const SILENCE: Duration = Duration::from_secs(60);

/// Puts the file with `sha256` at `target`: a candidate with the right hash is copied, else `url` is fetched. `target` is either
/// as it was or the whole right file, never a part of one.
pub fn pull(target: &Path, sha256: &str, candidates: &[PathBuf], url: Option<&str>) -> Result<Pulled, CatalogError> {
    let fail = |what: String| CatalogError(format!("{}: {what}", target.display()));
    let right = |path: &Path| std::fs::read(path).ok().filter(|bytes| sha256_hex(bytes) == sha256);
    if right(target).is_some() {
        return Ok(Pulled::AlreadyThere);
    }
    std::fs::create_dir_all(target.parent().unwrap_or(Path::new("."))).map_err(|error| fail(error.to_string()))?;
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = target.with_file_name(name);
    let here = candidates.iter().find_map(|path| Some((path.clone(), right(path)?)));
    let pulled = match (here, url) {
        (Some((path, bytes)), _) => {
            std::fs::write(&part, &bytes).map_err(|error| fail(error.to_string()))?;
            Pulled::Copied(path)
        }
        (None, Some(url)) => {
            download(url, &part).map_err(|error| fail(format!("{url}: {error}")))?;
            Pulled::Downloaded(url.into())
        }
        (None, None) => {
            return Err(fail(
                "has no address to pull it from; expected it in $ORIEL_MODELS with the card's sha256".into(),
            ));
        }
    };
    let bytes = std::fs::read(&part).map_err(|error| fail(error.to_string()))?;
    let found = sha256_hex(&bytes);
    if found != sha256 {
        // Going on from wrong bytes would never come right.
        _ = std::fs::remove_file(&part);
        return Err(fail(format!("sha256 of what came is {found}, expected {sha256}; nothing was written")));
    }
    std::fs::rename(&part, target).map_err(|error| fail(error.to_string()))?;
    Ok(pulled)
}

/// Brings `url` into `part`, from where an earlier try ended if the server can.
fn download(url: &str, part: &Path) -> Result<(), String> {
    let config = ureq::Agent::config_builder()
        .timeout_connect(Some(Duration::from_secs(20)))
        .timeout_recv_response(Some(SILENCE))
        .timeout_recv_body(Some(Duration::from_secs(1800)))
        .http_status_as_error(false)
        .tls_config(ureq::tls::TlsConfig::builder().provider(ureq::tls::TlsProvider::NativeTls).build())
        .build();
    let agent = ureq::Agent::new_with_config(config);
    let had = part.metadata().map_or(0, |metadata| metadata.len());
    let ask = |from: u64| {
        let asked = agent.get(url);
        let asked = if from > 0 { asked.header("Range", format!("bytes={from}-")) } else { asked };
        asked.call().map_err(|error| error.to_string())
    };
    let mut answer = ask(had)?;
    // The part is longer than the file, or the file has changed: from the start.
    if had > 0 && answer.status() == 416 {
        answer = ask(0)?;
    }
    let begins_at = |answer: &ureq::http::Response<ureq::Body>| -> Option<u64> {
        let range = answer.headers().get("content-range")?.to_str().ok()?;
        range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
    };
    let (file, have) = match answer.status().as_u16() {
        200 => (File::create(part), 0),
        206 if begins_at(&answer) == Some(had) => (OpenOptions::new().append(true).open(part), had),
        status => return Err(format!("the server answers {status}, expected 200 or 206")),
    };
    let mut file = file.map_err(|error| format!("{}: {error}", part.display()))?;
    let mut body = answer.body_mut().as_reader().take(BYTES_MAX.saturating_sub(have) + 1);
    let mut chunk = vec![0; 64 << 10];
    let mut length = have;
    loop {
        let n = body.read(&mut chunk).map_err(|error| {
            format!("broke off after {length} bytes: {error}; run the same command again to go on from there")
        })?;
        if n == 0 {
            break;
        }
        length += n as u64;
        if length > BYTES_MAX {
            _ = std::fs::remove_file(part);
            return Err(format!("more than {BYTES_MAX} bytes, expected a pinned file"));
        }
        file.write_all(&chunk[..n]).map_err(|error| format!("{}: {error}", part.display()))?;
    }
    file.sync_all().map_err(|error| format!("{}: {error}", part.display()))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;

    use super::*;

    /// A server that gives `bytes`, at most `most` of them a connection although it promises all; answers ranges if `ranges`.
    /// Ends with the process.
    fn serve(bytes: Vec<u8>, most: usize, ranges: bool) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/file", listener.local_addr().expect("an address"));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut from = 0;
                let mut lines = BufReader::new(&stream);
                let mut line = String::new();
                while lines.read_line(&mut line).is_ok_and(|n| n > 2) {
                    let range = line.to_lowercase();
                    if let Some(range) = range.strip_prefix("range: bytes=").filter(|_| ranges) {
                        from = range.trim().trim_end_matches('-').parse().unwrap_or(0);
                    }
                    line.clear();
                }
                let rest = bytes.get(from..).unwrap_or_default();
                let head = match from {
                    _ if from > bytes.len() => "HTTP/1.1 416 No\r\n".to_string(),
                    0 => "HTTP/1.1 200 OK\r\n".to_string(),
                    _ => format!(
                        "HTTP/1.1 206 Part\r\nContent-Range: bytes {from}-{}/{}\r\n",
                        bytes.len() - 1,
                        bytes.len()
                    ),
                };
                let head = format!("{head}Content-Length: {}\r\nConnection: close\r\n\r\n", rest.len());
                _ = (&stream).write_all(head.as_bytes());
                _ = (&stream).write_all(&rest[..rest.len().min(most)]);
            }
        });
        url
    }

    fn file() -> (Vec<u8>, String) {
        let bytes: Vec<u8> = (0..200_000u32).map(|i| ((i * 7919) >> 3) as u8).collect();
        let hash = sha256_hex(&bytes);
        (bytes, hash)
    }

    #[test]
    fn a_download_that_breaks_off_goes_on_and_leaves_no_part() {
        let (bytes, hash) = file();
        for ranges in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let target = folder.path().join("models/m.onnx");
            let broken = serve(bytes.clone(), 70_000, ranges);
            let told = pull(&target, &hash, &[], Some(&broken)).unwrap_err().to_string();
            assert!(told.contains("broke off after 70000 bytes"), "{told}");
            assert!(!target.exists() && target.with_file_name("m.onnx.part").exists());
            let whole = serve(bytes.clone(), usize::MAX, ranges);
            assert_eq!(pull(&target, &hash, &[], Some(&whole)).unwrap(), Pulled::Downloaded(whole.clone()));
            assert_eq!(std::fs::read(&target).unwrap(), bytes);
            assert!(!target.with_file_name("m.onnx.part").exists());
            assert_eq!(pull(&target, &hash, &[], Some(&whole)).unwrap(), Pulled::AlreadyThere);
        }
    }

    #[test]
    fn wrong_bytes_are_not_kept() {
        let (bytes, hash) = file();
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("m.onnx");
        std::fs::write(&target, b"an older file").unwrap();
        let told =
            pull(&target, &hash, &[], Some(&serve(b"<html>404</html>".to_vec(), 99, true))).unwrap_err().to_string();
        assert!(told.contains("sha256 of what came is") && told.contains(&hash), "{told}");
        assert_eq!(std::fs::read(&target).unwrap(), b"an older file", "what was there stays");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        // A part that is longer than the file.
        std::fs::write(target.with_file_name("m.onnx.part"), vec![0; bytes.len() + 5]).unwrap();
        pull(&target, &hash, &[], Some(&serve(bytes.clone(), usize::MAX, true))).unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), bytes);
    }

    #[test]
    fn a_file_that_lies_in_a_folder_is_copied() {
        let (bytes, hash) = file();
        let folder = tempfile::tempdir().unwrap();
        let (wrong, there) = (folder.path().join("wrong"), folder.path().join("there"));
        std::fs::write(&wrong, b"x").unwrap();
        std::fs::write(&there, &bytes).unwrap();
        let target = folder.path().join("m.onnx");
        let pulled = pull(&target, &hash, &[wrong, there.clone()], None).unwrap();
        assert_eq!((pulled, std::fs::read(&target).unwrap()), (Pulled::Copied(there), bytes));
        assert!(
            pull(&folder.path().join("n"), &"0".repeat(64), &[], None).unwrap_err().to_string().contains("no address")
        );
    }
}
