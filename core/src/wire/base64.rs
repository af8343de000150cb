//! Base64 (RFC 4648) in the standard alphabet, as long-polling carries binary messages, and in the URL-safe one for ids.

use super::Writer;
use crate::error::CapacityError;

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The length of `bytes_len` bytes as base64 with padding.
pub const fn encoded_len(bytes_len: usize) -> usize {
    bytes_len.div_ceil(3).saturating_mul(4)
}

/// Hands over `bytes` as base64 with padding, piece by piece.
pub fn encode(bytes: &[u8], put: &mut dyn FnMut(&[u8])) {
    let (groups, rest) = bytes.as_chunks::<3>();
    for run in groups.chunks(16) {
        let mut piece = [[0; 4]; 16];
        for (text, group) in piece.iter_mut().zip(run) {
            *text = encode_group(*group, STANDARD);
        }
        put(piece.get(..run.len()).unwrap_or_default().as_flattened());
    }
    match *rest {
        [first] => {
            let [a, b, ..] = encode_group([first, 0, 0], STANDARD);
            put(&[a, b, b'=', b'=']);
        }
        [first, second] => {
            let [a, b, c, _] = encode_group([first, second, 0], STANDARD);
            put(&[a, b, c, b'=']);
        }
        _ => {}
    }
}

/// An id of 20 URL-safe characters, the form that Engine.IO session ids have, of 15 bytes of entropy.
pub fn encode_id(random: &[u8; 15]) -> [u8; 20] {
    let mut id = [0; 20];
    let (texts, _) = id.as_chunks_mut::<4>();
    let (groups, _) = random.as_chunks::<3>();
    for (text, group) in texts.iter_mut().zip(groups) {
        *text = encode_group(*group, URL_SAFE);
    }
    id
}

fn encode_group([first, second, third]: [u8; 3], alphabet: &[u8; 64]) -> [u8; 4] {
    let bits = u32::from_be_bytes([0, first, second, third]);
    [18, 12, 6, 0].map(|shift| alphabet.get((bits >> shift & 63) as usize).copied().unwrap_or(b'A'))
}

/// The most bytes that `text_len` characters of base64 can stand for: room of this size is always enough for [`decode`].
pub const fn decoded_len_max(text_len: usize) -> usize {
    text_len / 4 * 3 + text_len % 4 * 6 / 8
}

/// Decodes `text` into `buffer`, as leniently as the reference server: both alphabets, with padding or without, anything
/// else between skipped, an incomplete last byte dropped. The first `=` is the end.
///
/// # Errors
///
/// [`CapacityError::Buffer`] if the bytes do not fit.
pub fn decode<'b>(text: &str, buffer: &'b mut [u8]) -> Result<&'b [u8], CapacityError> {
    let mut writer = Writer::new(buffer);
    let mut rest = text.as_bytes();
    while let Some((group, behind)) = rest.split_first_chunk::<4>() {
        let Some(bytes) = decode_group(*group) else {
            break;
        };
        writer.put(&bytes)?;
        rest = behind;
    }
    decode_irregular(rest, &mut writer)?;
    Ok(writer.into_bytes())
}

/// Three bytes of four characters, if all are of the alphabet.
fn decode_group(group: [u8; 4]) -> Option<[u8; 3]> {
    let [a, b, c, d] = group.map(sextet);
    // Of a value and of the mark for none, only the mark has one of the two top bits.
    if (a | b | c | d) & !63 != 0 {
        return None;
    }
    let [_, first, second, third] = (a << 18 | b << 12 | c << 6 | d).to_be_bytes();
    Some([first, second, third])
}

/// What is left when there is something else than whole groups of the alphabet.
fn decode_irregular(text: &[u8], writer: &mut Writer<'_>) -> Result<(), CapacityError> {
    let mut bits = 0_u32;
    let mut bits_len = 0;
    for value in text.iter().take_while(|&&byte| byte != b'=').map(|&byte| sextet(byte)).filter(|&value| value < 64) {
        bits = bits << 6 | value;
        bits_len += 6;
        if bits_len >= 8 {
            bits_len -= 8;
            writer.put(&[(bits >> bits_len) as u8])?;
        }
    }
    Ok(())
}

/// The six bits of a character, or a larger number.
fn sextet(byte: u8) -> u32 {
    u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => 255,
    })
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::String;
    use std::vec;
    use std::vec::Vec;

    use super::*;
    use crate::wire::chance::Chance;

    fn encoded(bytes: &[u8]) -> String {
        let mut text = Vec::new();
        encode(bytes, &mut |piece| text.extend_from_slice(piece));
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn the_vectors_of_rfc_4648_are_met_both_ways() {
        let table = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (bytes, text) in table {
            assert_eq!(encoded(bytes.as_bytes()), text);
            assert_eq!(encoded_len(bytes.len()), text.len());
            assert_eq!(decode(text, &mut [0; 6]), Ok(bytes.as_bytes()));
            assert_eq!(decode(text.trim_end_matches('='), &mut [0; 6]), Ok(bytes.as_bytes()));
        }
    }

    #[test]
    fn bytes_of_every_length_survive() {
        let mut chance = Chance::seeded(6);
        for len in (0..200).chain([1_000, 4_096, 10_001]) {
            let mut bytes = vec![0; len];
            chance.fill(&mut bytes);
            let text = encoded(&bytes);
            assert_eq!(text.len(), encoded_len(len));
            let mut buffer = vec![0; decoded_len_max(text.trim_end_matches('=').len())];
            assert_eq!(buffer.len(), len);
            assert_eq!(decode(&text, &mut buffer), Ok(bytes.as_slice()));
            if let Some((_, short)) = buffer.split_last_mut() {
                assert_eq!(decode(&text, short), Err(CapacityError::Buffer));
            }
        }
    }

    #[test]
    fn what_is_not_base64_is_read_as_node_reads_it() {
        let table: [(&str, &[u8]); 22] = [
            ("A", b""),
            ("QQ", b"A"),
            ("QQ=", b"A"),
            ("QUI", b"AB"),
            ("Q U\nJD", b"ABC"),
            ("QQ==QUJD", b"A"),
            ("QUJD=QUJD", b"ABC"),
            ("QQ==QQ==", b"A"),
            ("=QUJD", b""),
            ("QU-_", b"AO\xbf"),
            ("QU+/", b"AO\xbf"),
            ("Q*U*J*D", b"ABC"),
            ("QQ=A", b"A"),
            ("A=", b""),
            ("QUJDR", b"ABC"),
            ("QUJDRR", b"ABCE"),
            ("QUJD\u{e9}", b"ABC"),
            ("QQ==\n", b"A"),
            ("Q=Q=Q=", b""),
            ("QU=JD", b"A"),
            ("QUJDQQ==QUJDQUJD", b"ABCA"),
            ("QUJD QQ== ", b"ABCA"),
        ];
        for (text, bytes) in table {
            assert_eq!(decode(text, &mut [0; 32]), Ok(bytes), "{text:?}");
        }
    }

    #[test]
    fn room_for_the_longest_is_always_enough() {
        let mut chance = Chance::seeded(7);
        for _ in 0..5_000 {
            let pieces = ["A", "b", "9", "-", "_", "+", "/", " ", "\u{e9}", "QUJD", "QUJD", "QUJD", "="];
            let text: String = (0..chance.below(12)).map(|_| chance.pick(&pieces)).collect();
            let mut buffer = vec![0; decoded_len_max(text.len())];
            assert!(decode(&text, &mut buffer).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn ids_are_url_safe_and_keep_all_their_bits() {
        let mut chance = Chance::seeded(8);
        for random in [[0; 15], [0xff; 15], *b"0123456789abcde"] {
            assert_eq!(decode(core::str::from_utf8(&encode_id(&random)).unwrap(), &mut [0; 15]), Ok(random.as_slice()));
        }
        for _ in 0..1_000 {
            let mut random = [0; 15];
            chance.fill(&mut random);
            let id = encode_id(&random);
            assert!(id.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
            assert_eq!(decode(core::str::from_utf8(&id).unwrap(), &mut [0; 15]), Ok(random.as_slice()));
        }
        assert_eq!(&encode_id(&[0xfb; 15]), b"-_v7-_v7-_v7-_v7-_v7");
    }
}
