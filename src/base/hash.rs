//! SHA-256, for pinned files, for ids that are made from content, and for signatures (HMAC).

use std::io::Read;

use sha2::{Digest, Sha256};

pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&sha256(bytes))
}

/// Reads to the end in pieces, so that a large file needs little memory.
pub fn sha256_hex_of(mut reader: impl Read) -> std::io::Result<String> {
    let mut digest = Sha256::new();
    let mut piece = [0; 64 * 1024];
    loop {
        match reader.read(&mut piece)? {
            0 => return Ok(hex(&digest.finalize())),
            n => digest.update(&piece[..n]),
        }
    }
}

/// HMAC-SHA-256 (RFC 2104) over the parts one after the other, lower case hex.
pub fn hmac_sha256_hex(key: &[u8], parts: &[&[u8]]) -> String {
    const BLOCK: usize = 64;
    let mut padded = [0; BLOCK];
    match key.len() {
        0..=BLOCK => padded[..key.len()].copy_from_slice(key),
        _ => padded[..32].copy_from_slice(&sha256(key)),
    }
    let keyed = |pad: u8| Sha256::new_with_prefix(padded.map(|byte| byte ^ pad));
    let inner = parts.iter().fold(keyed(0x36), |digest, part| digest.chain_update(part)).finalize();
    hex(&keyed(0x5c).chain_update(inner).finalize())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_as_rfc_4231_shows_it() {
        let key_4: Vec<u8> = (1..=25).collect();
        let long = b"This is a test using a larger than block-size key and a larger than block-size data. The key needs to be \
                     hashed before being used by the HMAC algorithm.";
        let cases: [(&[u8], &[u8], &str); 6] = [
            (&[0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (&[0xaa; 20], &[0xdd; 50], "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
            (&key_4, &[0xcd; 50], "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
            (
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
            (&[0xaa; 131], long, "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"),
        ];
        for (key, text, expected) in cases {
            assert_eq!(hmac_sha256_hex(key, &[text]), expected);
            let (a, b) = text.split_at(text.len() / 2);
            assert_eq!(hmac_sha256_hex(key, &[a, b]), expected, "in parts");
        }
    }
}
