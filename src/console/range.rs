//! `Range` of RFC 9110, as far as a player needs it: one range of bytes.

/// Which part of a file is wanted.
#[derive(Debug, PartialEq, Eq)]
pub enum Part {
    Whole,
    /// First and last byte, both inside the file.
    Bytes(u64, u64),
    /// Nothing of the file lies there.
    Outside,
}

/// Of a file of `length` bytes. What is not understood, several ranges too, is answered with all of it, as the RFC allows.
pub fn part(header: Option<&str>, length: u64) -> Part {
    let Some(range) = header.and_then(|header| header.strip_prefix("bytes=")) else { return Part::Whole };
    let Some((first, last)) = range.split_once('-') else { return Part::Whole };
    let number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
    match (first, number(first), last, number(last)) {
        // The last so many.
        ("", _, _, Some(many)) => match many.min(length) {
            0 => Part::Outside,
            many => Part::Bytes(length - many, length - 1),
        },
        (_, Some(first), "", _) if first < length => Part::Bytes(first, length - 1),
        (_, Some(first), _, Some(last)) if first <= last && first < length => Part::Bytes(first, last.min(length - 1)),
        (_, Some(first), _, Some(last)) if first > last => Part::Whole,
        (_, Some(_), "", _) | (_, Some(_), _, Some(_)) => Part::Outside,
        _ => Part::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let of = |range: &str| part(Some(range), 100);
        for (range, first, last) in [
            ("bytes=0-", 0, 99),
            ("bytes=0-0", 0, 0),
            ("bytes=10-19", 10, 19),
            ("bytes=90-500", 90, 99),
            ("bytes=99-", 99, 99),
            ("bytes=-1", 99, 99),
            ("bytes=-500", 0, 99),
            ("bytes=0-18446744073709551615", 0, 99),
        ] {
            assert_eq!(of(range), Part::Bytes(first, last), "{range}");
        }
        for range in ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=18446744073709551615-"] {
            assert_eq!(of(range), Part::Outside, "{range}");
        }
        for range in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-4",
            "bytes=+1-5",
            "bytes= 1-5",
            "bytes=1-5,7-9",
            "Bytes=1-5",
            "items=1-5",
            "bytes=1",
            "bytes=1-99999999999999999999",
            "bytes=1--5",
            "bytes=0x1-5",
            "bytes=１-5",
        ] {
            assert_eq!(of(range), Part::Whole, "{range}");
        }
        assert_eq!(part(None, 100), Part::Whole);
        assert_eq!(part(Some("bytes=0-"), 0), Part::Outside, "an empty file has no first byte");
        assert_eq!(part(Some("bytes=-5"), 0), Part::Outside);
    }
}
