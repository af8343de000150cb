extern crate std;

use std::vec;
use std::vec::Vec;

use super::*;
use crate::wire::chance::Chance;
use crate::wire::message::{Incoming, MESSAGE_OVERHEAD_BYTES, MessageReader};

const WRONG: PeerError = PeerError::WebSocketFrame;
const MESSAGE_BYTES_MAX: usize = 70_000;
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame with any first byte, in the shortest form.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..=125 => frame.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&KEY);
    let at = frame.len();
    frame.extend_from_slice(payload);
    unmask(&mut frame[at..], KEY, 0);
    frame
}

/// What is said about `bytes` that come in pieces of `step`: how many come before the first wrong one, and the error.
fn judged(bytes: &[u8], step: usize) -> Result<(), (PeerError, usize)> {
    let mut checker = FrameChecker::new(MESSAGE_BYTES_MAX as u32, 10);
    let mut passed = 0;
    for piece in bytes.chunks(step) {
        checker.check(piece).map_err(|wrong| (wrong.error, passed + wrong.good_len))?;
        passed += piece.len();
    }
    Ok(())
}

/// The bytes are judged alike however they are cut, but for the text of whole frames, which is the reader's to judge.
fn assert_error(frames: &[Vec<u8>], error: Option<PeerError>) {
    let bytes = frames.concat();
    for step in [1, 2, 3, 5, 13, 14, 15, bytes.len().max(1)] {
        assert_eq!(judged(&bytes, step).err().map(|(error, _)| error), error, "{frames:02x?} in pieces of {step}");
    }
}

#[test]
fn what_rfc_6455_allows_passes() {
    for frames in [
        vec![],
        vec![frame(0x81, b"Hello"), frame(0x82, &[0xff; 300]), frame(0x82, &[0xff; 70_000])],
        vec![frame(0x01, b"Hel"), frame(0x89, b"ping"), frame(0x00, b""), frame(0x8a, b""), frame(0x80, b"lo")],
        vec![frame(0x01, b"\xe2"), frame(0x00, b"\x82"), frame(0x89, b"\xff"), frame(0x80, b"\xac")],
        vec![frame(0x02, b"\xff"), frame(0x80, b"\xff"), frame(0x81, "€".as_bytes())],
        vec![frame(0x81, "€𝄞".repeat(200).as_bytes())],
        vec![frame(0x88, b"")],
        vec![frame(0x88, b"\x03\xe8"), frame(0xff, b"ignored"), frame(0x81, b"ignored")],
        vec![frame(0x88, b"\x0b\xb8\xe2\x82\xac")],
        vec![frame(0x01, b"\xe2\x82"), frame(0x88, b"\x03\xe8")],
    ] {
        assert_error(&frames, None);
    }
}

#[test]
fn what_rfc_6455_forbids_is_refused() {
    let long_form = |second, len: &[u8]| [&[0x82, second], len, &KEY, &[0; 200]].concat();
    for frames in [
        vec![frame(0xc1, b"x")],
        vec![frame(0xa1, b"x")],
        vec![frame(0x91, b"x")],
        vec![frame(0x83, b"")],
        vec![frame(0x8b, b"")],
        vec![frame(0x09, b"")],
        vec![frame(0x08, b"")],
        vec![frame(0x89, &[0; 126])],
        vec![b"\x81\x02hi".to_vec()],
        vec![long_form(0xfe, &[0, 125])],
        vec![long_form(0xff, &[0, 0, 0, 0, 0, 0, 0xff, 0xff])],
        vec![long_form(0xff, &[0x80, 0, 0, 0, 0, 0, 0, 0])],
        vec![frame(0x80, b"nothing was begun")],
        vec![frame(0x00, b"")],
        vec![frame(0x01, b"Hel"), frame(0x81, b"lo")],
        vec![frame(0x01, b"Hel"), frame(0x02, b"lo")],
        vec![frame(0x01, b"Hel"), frame(0x80, b"lo"), frame(0x80, b"lo")],
        vec![frame(0x88, b"\x03")],
        vec![frame(0x88, b"\x03\xed")],
        vec![frame(0x88, b"\x03\xee?")],
        vec![frame(0x88, b"\x07\xd0")],
    ] {
        assert_error(&frames, Some(WRONG));
    }
}

#[test]
fn text_in_pieces_is_refused_at_its_first_wrong_byte() {
    for (frames, wrong_at) in [
        // RFC 3629, section 3: no surrogates, no overlong forms, nothing beyond U+10FFFF.
        (vec![frame(0x01, b"ok"), frame(0x00, b"\xed\xa0\x80"), frame(0x80, b"")], 8 + 6 + 1),
        (vec![frame(0x01, b"\xf4"), frame(0x00, b"\x90")], 7 + 6),
        (vec![frame(0x01, b"\xe2\x82"), frame(0x80, b"")], 8 + 5),
        (vec![frame(0x01, b"\xe2\x82"), frame(0x00, b""), frame(0x80, b"x")], 8 + 6 + 6),
        (vec![frame(0x01, b"\xc0"), frame(0x80, b"")], 6),
        (vec![frame(0x88, b"\x03\xe8fine\xff")], 12),
    ] {
        let bytes = frames.concat();
        let failed = (1..=bytes.len()).find(|&len| judged(&bytes[..len], 1).is_err());
        assert_eq!(failed, Some(wrong_at + 1), "{frames:02x?}");
        assert_error(&frames, Some(PeerError::Utf8));
    }
}

#[test]
fn a_wrong_byte_of_a_long_text_is_found_before_its_frame_is_complete() {
    let mut text = vec![b'x'; 3_000];
    text[1_234] = 0xff;
    let bytes = frame(0x81, &text);
    let mut checker = FrameChecker::new(u32::MAX, 0);
    assert_eq!(checker.check(&bytes[..1_242]), Ok(0));
    assert_eq!(checker.check(&bytes[1_242..1_243]), Err(WrongFrame { error: PeerError::Utf8, good_len: 0 }));
    // Whole it is the reader's.
    assert_eq!(FrameChecker::new(u32::MAX, 0).check(&bytes), Ok(bytes.len()));
}

#[test]
fn frames_before_the_wrong_one_are_good() {
    let good = [frame(0x81, b"Hello"), frame(0x01, b"Hel"), frame(0x89, b"ping")].concat();
    let bytes = [good.clone(), frame(0x00, b"lo\xff"), frame(0x89, b"")].concat();
    for step in 1..bytes.len() {
        let (error, good_len) = judged(&bytes, step).unwrap_err();
        assert_eq!(error, PeerError::Utf8);
        // What was passed on of the wrong frame before it was known to be wrong never makes a frame.
        let begun = good_len - good.len();
        assert!(begun < 9, "{step}: {begun}");
    }
}

#[test]
fn it_knows_when_nothing_has_come_in_part() {
    let begun = [frame(0x01, b"a"), frame(0x89, b"ping")].concat();
    let whole = [frame(0x81, b"a"), frame(0x89, b"ping"), begun.clone(), frame(0x80, b"b")].concat();
    for step in [1, whole.len()] {
        let mut checker = FrameChecker::new(u32::MAX, 1_000);
        assert!(checker.is_between_messages());
        for piece in whole.chunks(step) {
            assert!(checker.check(piece).is_ok());
        }
        assert!(checker.is_between_messages());
        // Neither behind a piece of a message nor in a frame.
        for part in [&begun[..], &begun[..3], &begun[..begun.len() - 1], &frame(0x82, b"abc")[..8]] {
            let mut checker = checker.clone();
            assert!(checker.check(part).is_ok());
            assert!(!checker.is_between_messages(), "{part:?}");
        }
    }
}

#[test]
fn a_flood_of_frames_that_carry_nothing_is_refused() {
    let judge = |frames: &[Vec<u8>]| {
        let mut checker = FrameChecker::new(u32::MAX, 3);
        frames.iter().try_for_each(|frame| checker.check(frame).map(drop)).map_err(|wrong| wrong.error)
    };
    let (ping, pong, message) = (frame(0x89, b"x"), frame(0x8a, b""), frame(0x81, b""));
    let (begin, piece, end) = (frame(0x01, b""), frame(0x00, b""), frame(0x80, b"x"));
    let flood = Err(PeerError::EmptyFrames);
    assert_eq!(judge(&[ping.clone(), pong.clone(), ping.clone(), message.clone(), ping.clone()]), Ok(()));
    assert_eq!(judge(&[ping.clone(), pong.clone(), ping.clone(), ping.clone()]), flood);
    assert_eq!(judge(&[begin.clone(), piece.clone(), ping.clone(), end.clone(), ping.clone(), ping.clone()]), Ok(()));
    assert_eq!(judge(&[begin.clone(), piece.clone(), piece.clone(), piece.clone()]), flood);
    // A piece that has something in it is bounded by the length of the message: it makes up for one, but is no message yet.
    let full = frame(0x00, b"x");
    assert_eq!(judge(&[begin.clone(), full.clone(), ping.clone(), ping.clone(), ping.clone()]), Ok(()));
    assert_eq!(judge(&[begin.clone(), full.clone(), ping.clone(), ping.clone(), ping.clone(), ping.clone()]), flood);
    assert_eq!(judge(&[begin.clone(), ping.clone(), ping.clone(), full.clone(), ping.clone(), ping.clone()]), flood);
    let by_turns = [vec![begin], vec![[ping, full].concat(); 50], vec![end]].concat();
    assert_eq!(judge(&by_turns), Ok(()));
}

/// What the core's own reader makes of bytes that come in pieces.
fn read(bytes: &[u8], step: usize) -> Result<(), PeerError> {
    let mut buffer = [0; MESSAGE_BYTES_MAX + MESSAGE_OVERHEAD_BYTES];
    let mut reader = MessageReader::new(&mut buffer, 0, MESSAGE_BYTES_MAX);
    for piece in bytes.chunks(step) {
        reader.spare()[..piece.len()].copy_from_slice(piece);
        reader.advance(piece.len());
        loop {
            match reader.next()? {
                None => break,
                Some(Incoming::Close(_)) => return Ok(()),
                Some(_) => {}
            }
        }
    }
    Ok(())
}

/// Frames that are mostly right.
fn random_frames(chance: &mut Chance) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..1 + chance.below(6) {
        let firsts = [0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x80, 0x89, 0x8a, 0x88, 0xc1, 0x0a];
        let payloads =
            [&b""[..], b"a", b"\x03\xe8", b"\x03\xe8bye", "€𝄞".as_bytes(), b"\xe2\x82", b"\xac", b"\xff", &[b'x'; 130]];
        let payload = payloads[chance.below(payloads.len())];
        bytes.extend_from_slice(&frame(firsts[chance.below(firsts.len())], payload));
    }
    bytes
}

#[test]
fn it_says_the_same_as_a_reader_of_messages() {
    let mut chance = Chance::seeded(7);
    let mut wrong = 0;
    for _ in 0..20_000 {
        let bytes = random_frames(&mut chance);
        // Byte by byte, so that no frame is whole.
        let (said, expected) = (judged(&bytes, 1).map_err(|(error, _)| error), read(&bytes, 1));
        // The one knows at the header, the other at the end, that a text is cut.
        assert_eq!(said, expected, "{bytes:02x?}");
        wrong += u32::from(said.is_err());
    }
    assert!((5_000..19_000).contains(&wrong), "{wrong} of the inputs are wrong");
}

#[test]
fn a_message_that_announces_too_much_is_refused_at_the_header_that_does() {
    let pieces = |lens: &[usize]| {
        let mut checker = FrameChecker::new(1_000, 10);
        for (at, len) in lens.iter().enumerate() {
            let first = [0x02, 0x00][usize::from(at > 0)];
            let bytes = frame(first, &vec![b'x'; *len]);
            if at + 1 == lens.len() {
                // No more of the last than its header, which says its length in four bytes at most.
                return checker.check(&bytes[..8.min(bytes.len())]).map(drop).map_err(|wrong| wrong.error);
            }
            assert!(checker.check(&bytes).is_ok());
            assert!(checker.check(&frame(0x89, &[b'x'; 125])).is_ok(), "a ping is no part of the message");
        }
        Ok(())
    };
    let refused = Err(PeerError::TooLarge);
    for (lens, said) in [
        (&[1_000][..], Ok(())),
        (&[1_001], refused),
        (&[999, 1], Ok(())),
        (&[999, 2], refused),
        (&[400, 400, 200], Ok(())),
        (&[400, 400, 201], refused),
        (&[1_000, 60_000], refused),
    ] {
        assert_eq!(pieces(lens), said, "{lens:?}");
    }
    // Every message begins anew, and no length is too long for the count.
    let mut checker = FrameChecker::new(1_000, 10);
    for _ in 0..3 {
        assert!(checker.check(&frame(0x82, &[0; 1_000])).is_ok());
        assert!(checker.check(&[frame(0x02, &[0; 600]), frame(0x80, &[0; 400])].concat()).is_ok());
    }
    let longest = [&[0x80, 0xff, 0x7f][..], &[0xff; 7], &KEY].concat();
    assert!(checker.check(&frame(0x02, b"x")).is_ok());
    assert_eq!(checker.check(&longest).unwrap_err().error, PeerError::TooLarge);
}

#[test]
fn it_is_known_whether_a_message_comes_in_several_frames() {
    let mut checker = FrameChecker::new(u32::MAX, 10);
    let mut is_in_pieces = |bytes: &[u8]| {
        checker.check(bytes).expect("frames that a client may send");
        checker.is_in_pieces()
    };
    let (whole, first) = (frame(0x82, b"abc"), frame(0x02, b"abc"));
    let (ping, last) = (frame(0x89, b""), frame(0x80, b"abc"));
    for (bytes, expected) in [
        (&whole[..7], false),
        (&whole[7..], false),
        (&first[..7], true),
        (&first[7..], true),
        (&ping, true),
        (&last[..7], true),
        (&last[7..], false),
    ] {
        assert_eq!(is_in_pieces(bytes), expected, "{bytes:?}");
    }
}
