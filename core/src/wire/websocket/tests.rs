extern crate std;

use std::vec;
use std::vec::Vec;

use super::*;
use crate::wire::chance::Chance;

const OPCODES: [Opcode; 6] =
    [Opcode::Binary, Opcode::Close, Opcode::Continuation, Opcode::Ping, Opcode::Pong, Opcode::Text];

const WRONG: Result<Option<FrameHeader>, PeerError> = Err(PeerError::WebSocketFrame);

#[test]
fn the_examples_of_rfc_6455_are_read() {
    let mut hello = *b"\x7f\x9f\x4d\x51\x58";
    let header = FrameHeader {
        fin: true,
        opcode: Opcode::Text,
        masked: Some([0x37, 0xfa, 0x21, 0x3d]),
        payload_len: 5,
        header_len: 6,
    };
    assert_eq!(parse_header(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", true), Ok(Some(header)));
    unmask(&mut hello, [0x37, 0xfa, 0x21, 0x3d], 0);
    assert_eq!(&hello, b"Hello");

    let plain = |fin, opcode, payload_len, header_len| {
        Ok(Some(FrameHeader { fin, opcode, masked: None, payload_len, header_len }))
    };
    assert_eq!(parse_header(b"\x81\x05Hello", false), plain(true, Opcode::Text, 5, 2));
    assert_eq!(parse_header(b"\x01\x03Hel", false), plain(false, Opcode::Text, 3, 2));
    assert_eq!(parse_header(b"\x80\x02lo", false), plain(true, Opcode::Continuation, 2, 2));
    assert_eq!(parse_header(b"\x89\x05Hello", false), plain(true, Opcode::Ping, 5, 2));
    assert_eq!(parse_header(b"\x82\x7e\x01\x00", false), plain(true, Opcode::Binary, 256, 4));
    assert_eq!(parse_header(b"\x82\x7f\0\0\0\0\0\x01\0\0", false), plain(true, Opcode::Binary, 65_536, 10));
    assert_eq!(&accept_key("dGhlIHNhbXBsZSBub25jZQ=="), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#[test]
fn headers_are_read_as_they_are_written_and_incomplete_when_cut() {
    for payload_len in [0, 1, 125, 126, 127, 255, 256, 65_535, 65_536, u64::from(u32::MAX) + 1, i64::MAX as u64] {
        for opcode in OPCODES {
            for fin in [false, true] {
                let mut buffer = [0xaa; 10];
                let written = encode_header(opcode, fin, payload_len, &mut buffer).to_vec();
                let header = FrameHeader { fin, opcode, masked: None, payload_len, header_len: written.len() };
                let is_wrong = opcode.is_control() && (!fin || payload_len > 125);
                let expected = if is_wrong { WRONG } else { Ok(Some(header)) };
                assert_eq!(parse_header(&written, false), expected);
                assert_eq!(parse_header(&[&written[..], b"\xff\xff"].concat(), false), expected);

                let mut masked = written.clone();
                masked[1] |= 0x80;
                masked.extend_from_slice(b"key!");
                let header = FrameHeader { masked: Some(*b"key!"), header_len: masked.len(), ..header };
                assert!(header.header_len <= HEADER_LEN_MAX);
                assert_eq!(parse_header(&masked, true), if is_wrong { WRONG } else { Ok(Some(header)) });
                for end in 0..masked.len() {
                    let seen = if is_wrong && end > usize::from(fin) { WRONG } else { Ok(None) };
                    assert_eq!(parse_header(&masked[..end], true), seen, "{masked:?} cut at {end}");
                    if end < written.len() {
                        assert_eq!(parse_header(&written[..end], false), seen, "{written:?} cut at {end}");
                    }
                }
                // Who masks is not free to choose.
                if !is_wrong {
                    assert_eq!(parse_header(&written, true), WRONG);
                    assert_eq!(parse_header(&masked, false), WRONG);
                }
            }
        }
    }
}

#[test]
fn every_first_byte_is_judged_alone() {
    for first in 0..=u8::MAX {
        let (reserved, opcode, fin) = (first & 0x70, first & 0x0f, first & 0x80 != 0);
        let is_good = reserved == 0 && (opcode <= 2 || fin && (8..=10).contains(&opcode));
        assert_eq!(parse_header(&[first], true), if is_good { Ok(None) } else { WRONG }, "{first:#x}");
    }
}

#[test]
fn lengths_have_one_form_each() {
    for bytes in [
        b"\x82\x7e\x00\x00\0\0\0\0\0\0".as_slice(),
        b"\x82\x7e\x00\x7d",
        b"\x82\x7f\0\0\0\0\0\0\0\x01",
        b"\x82\x7f\0\0\0\0\0\0\xff\xff",
        b"\x82\x7f\x80\0\0\0\0\0\0\0",
        b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff",
    ] {
        assert_eq!(parse_header(bytes, false), WRONG, "{bytes:?}");
    }
    assert_eq!(parse_header(b"\x88\xfe", true), WRONG);
}

#[test]
fn a_payload_can_be_unmasked_in_any_pieces() {
    let mut chance = Chance::seeded(9);
    for len in [0, 1, 3, 4, 7, 8, 9, 63, 64, 65, 200] {
        let mut payload = vec![0; len];
        let mut key = [0; 4];
        chance.fill(&mut payload);
        chance.fill(&mut key);
        let expected: Vec<_> = payload.iter().enumerate().map(|(at, byte)| byte ^ key[at % 4]).collect();
        for cut in 0..=len {
            let mut pieces = payload.clone();
            let (before, behind) = pieces.split_at_mut(cut);
            unmask(before, key, 0);
            unmask(behind, key, cut);
            assert_eq!(pieces, expected, "cut at {cut}");
        }
    }
}

#[test]
fn closes_have_no_code_or_one_that_may_be_sent() {
    assert_eq!(parse_close(b""), Ok(None));
    assert_eq!(parse_close(b"\x03"), Err(PeerError::WebSocketFrame));
    assert_eq!(parse_close(b"\x03\xe8bye \xe2\x82\xac"), Ok(Some(1000)));
    assert_eq!(parse_close(b"\x03\xe8\xe2\x82"), Err(PeerError::Utf8));
    assert_eq!(parse_close(b"\x03\xe8\xed\xa0\x80"), Err(PeerError::Utf8));
    for code in 0..=u16::MAX {
        let is_reserved = matches!(code, 1004 | 1005 | 1006 | 1015..=2999);
        let is_good = (1000..5000).contains(&code) && !is_reserved;
        let expected = if is_good { Ok(Some(code)) } else { Err(PeerError::WebSocketFrame) };
        assert_eq!(parse_close(&code.to_be_bytes()), expected, "{code}");
    }
}

/// The offset of the first byte that cannot be part of text, if there is one.
fn first_wrong(bytes: &[u8]) -> Option<usize> {
    (0..bytes.len()).find(|&at| core::str::from_utf8(&bytes[..=at]).is_err_and(|error| error.error_len().is_some()))
}

fn check_utf8(bytes: &[u8]) {
    let mut validator = Utf8Validator::new();
    let failed = bytes.iter().position(|&byte| validator.feed(&[byte]).is_err());
    assert_eq!(failed, first_wrong(bytes), "{bytes:x?}");
    for cut in 0..=bytes.len() {
        let mut validator = Utf8Validator::new();
        let (before, behind) = bytes.split_at(cut);
        let fed = validator.feed(before).and_then(|()| validator.feed(b"")).and_then(|()| validator.feed(behind));
        assert_eq!(fed.is_err(), failed.is_some(), "{bytes:x?} cut at {cut}");
        if failed.is_none() {
            assert_eq!(validator.finish().is_ok(), core::str::from_utf8(bytes).is_ok(), "{bytes:x?} cut at {cut}");
        }
    }
}

#[test]
fn text_in_pieces_fails_at_its_first_wrong_byte() {
    let edges =
        [0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef];
    let edges = [edges.as_slice(), &[0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff]].concat();
    for first in 0..=u8::MAX {
        for second in 0..=u8::MAX {
            check_utf8(&[first, second]);
        }
    }
    for &a in &edges {
        for &b in &edges {
            for &c in &edges {
                check_utf8(&[a, b, c]);
                check_utf8(&[a, b, c, 0x80]);
                check_utf8(&[0xf1, a, b, c, b'x']);
            }
        }
    }
    for text in ["", "plain", "\u{e9}\u{20ac}\u{1f600}\u{10ffff} and \u{feff}"] {
        check_utf8(text.as_bytes());
    }
}
