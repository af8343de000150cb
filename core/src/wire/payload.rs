//! The body of a long-polling request or response (Engine.IO protocol 4, "HTTP long-polling"): packets with a separator between them.

use super::base64;

/// Stands between two packets. It cannot occur in one: JSON writes control characters as escapes.
pub const SEPARATOR: u8 = 0x1e;

/// The packets of a body, as text. An empty body is one empty packet.
pub fn packets(body: &str) -> Packets<'_> {
    Packets { pieces: body.split(char::from(SEPARATOR)) }
}

/// The iterator of [`packets`].
#[derive(Clone, Debug)]
pub struct Packets<'a> {
    pieces: core::str::Split<'a, char>,
}

impl<'a> Iterator for Packets<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        self.pieces.next()
    }
}

/// The bytes that a packet of text takes in a body, its type included, the separator not.
pub const fn text_len(packet: &str) -> usize {
    packet.len()
}

/// The bytes that a binary message of `message_len` bytes takes in a body: `b` and base64.
pub const fn binary_len(message_len: usize) -> usize {
    base64::encoded_len(message_len).saturating_add(1)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;

    #[test]
    fn a_body_is_cut_at_each_separator() {
        let table: [(&str, &[&str]); 6] = [
            ("", &[""]),
            ("42[\"a\"]", &["42[\"a\"]"]),
            ("4\u{20ac}\u{1e}2\u{1e}bAQID", &["4\u{20ac}", "2", "bAQID"]),
            ("\u{1e}", &["", ""]),
            ("6\u{1e}", &["6", ""]),
            ("\u{1e}\u{1e}6", &["", "", "6"]),
        ];
        for (body, pieces) in table {
            assert_eq!(packets(body).collect::<Vec<_>>(), pieces, "{body:?}");
        }
    }

    #[test]
    fn lengths_are_those_of_the_encoded_packets() {
        assert_eq!(text_len("42[\"\u{20ac}\"]"), 9);
        for len in 0..50 {
            let mut encoded = 1;
            base64::encode(&[0; 50][..len], &mut |piece| encoded += piece.len());
            assert_eq!(binary_len(len), encoded);
        }
    }
}
