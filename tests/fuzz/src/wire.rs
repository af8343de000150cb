//! The formats: what is read is written again, and it makes no difference how the bytes are cut.

use serde::de::IgnoredAny;
use serde_json::Value;
use sprat_core::error::PeerError;
use sprat_core::time::Instant;
use sprat_core::wire::ethernet::begins_connection;
use sprat_core::wire::frame_check::FrameChecker;
use sprat_core::wire::http::{Body, Chunk, ChunkedDecoder, HeadStatus, Query};
use sprat_core::wire::message::{Incoming, MESSAGE_OVERHEAD_BYTES, MessageReader};
use sprat_core::wire::msgpack::{self, Message};
use sprat_core::wire::sntp::{PACKET_BYTES, Question};
use sprat_core::wire::socket::{self, Packet, PacketLimits};
use sprat_core::wire::utf8::Utf8Validator;
use sprat_core::wire::{
    base64 as base64_text, engine as engine_packet, http as http_head, json as json_text, payload as body, websocket,
};

/// Bytes become text and bytes again; text that is no base64 does no harm.
pub fn base64(data: &[u8]) {
    let mut text = Vec::new();
    base64_text::encode(data, &mut |piece| text.extend_from_slice(piece));
    assert_eq!(text.len(), base64_text::encoded_len(data.len()));
    let mut room = vec![0; base64_text::decoded_len_max(text.len())];
    let text = String::from_utf8(text).expect("ASCII");
    assert_eq!(base64_text::decode(&text, &mut room), Ok(data));
    let text = String::from_utf8_lossy(data);
    let mut room = vec![0; base64_text::decoded_len_max(text.len())];
    let _ = base64_text::decode(&text, &mut room);
}

/// A chunked body is the same whole and in pieces.
pub fn chunked(data: &[u8]) {
    let Some((&step, data)) = data.split_first() else { return };
    assert_eq!(dechunked(data, usize::from(step) + 1), dechunked(data, usize::MAX));
}

/// The body and what is behind it, as far as it is known after all bytes.
fn dechunked(data: &[u8], step: usize) -> Result<(Vec<u8>, Option<usize>), PeerError> {
    let (mut decoder, mut body, mut used) = (ChunkedDecoder::new(), Vec::new(), 0);
    for piece in data.chunks(step.min(data.len()).max(1)) {
        let mut rest = piece;
        loop {
            let (len, chunk) = decoder.decode(rest)?;
            used += len;
            rest = &rest[len..];
            match chunk {
                Chunk::Data(bytes) => body.extend_from_slice(bytes),
                Chunk::End => return Ok((body, Some(used))),
                Chunk::Partial => break,
            }
        }
    }
    Ok((body, None))
}

/// A packet of Engine.IO is written as it was read, but for data where there should be none.
pub fn engine(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(packet) = engine_packet::parse(&text) else { return };
    let mut written = Vec::new();
    packet.encode(&mut |piece| written.extend_from_slice(piece));
    let written = String::from_utf8(written).expect("UTF-8");
    assert!(text.starts_with(&written));
    assert_eq!(engine_packet::parse(&written), Ok(packet));
}

/// A frame begins a connection from the byte on that says so.
pub fn ethernet(data: &[u8]) {
    let begins = |len: usize| begins_connection(&data[..len]);
    match (0..=data.len()).find(|len| begins(*len)) {
        Some(first) => assert!((48..=88).contains(&first) && (first..=data.len()).all(begins), "from byte {first} on"),
        None => assert!(!begins_connection(data)),
    }
}

/// Of a message of which frames are judged and read.
const MESSAGE_BYTES_MAX: usize = 8_192;

/// Frames of a WebSocket are judged while they come as they are read afterwards.
pub fn frames(data: &[u8]) {
    let Some((&step, data)) = data.split_first() else { return };
    for step in [1, usize::from(step) + 1] {
        let mut checker = FrameChecker::new(MESSAGE_BYTES_MAX as u32, u16::MAX);
        let judged =
            data.chunks(step).try_for_each(|piece| checker.check(piece).map(drop).map_err(|wrong| wrong.error));
        match (judged, read_frames(data, step)) {
            // Text that is whole in a piece is the reader's to judge, and whatever comes behind it is not read any more.
            (_, Err(PeerError::Utf8)) if step > 1 => {}
            // The reader judges a control frame when it is complete.
            (Err(_), Ok(())) => assert!(ends_in_control_frame(data), "in pieces of {step}"),
            (judged, read) => assert_eq!(judged, read, "in pieces of {step}"),
        }
    }
}

fn ends_in_control_frame(data: &[u8]) -> bool {
    let mut rest = data;
    while let Ok(Some(header)) = websocket::parse_header(rest, true) {
        match rest.get(header.header_len + header.payload_len as usize..) {
            Some(behind) => rest = behind,
            None => return header.opcode.is_control(),
        }
    }
    false
}

fn read_frames(data: &[u8], step: usize) -> Result<(), PeerError> {
    let mut buffer = vec![0; MESSAGE_BYTES_MAX + MESSAGE_OVERHEAD_BYTES];
    let mut reader = MessageReader::new(&mut buffer, 0, MESSAGE_BYTES_MAX);
    for piece in data.chunks(step) {
        let mut rest = piece;
        while !rest.is_empty() {
            let room = reader.spare();
            let len = room.len().min(rest.len());
            assert!(len > 0, "a reader that needs more has room for it");
            room[..len].copy_from_slice(&rest[..len]);
            reader.advance(len);
            rest = &rest[len..];
            while let Some(incoming) = reader.next()? {
                if matches!(incoming, Incoming::Close(_)) {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// A head is complete where it says, and at no byte before.
pub fn http(data: &[u8]) {
    let Ok(HeadStatus::Complete { head, len }) = http_head::parse(data) else { return };
    for cut in [len - 1, len / 2, 0] {
        assert!(matches!(http_head::parse(&data[..cut]), Ok(HeadStatus::Partial)), "cut at {cut}");
    }
    let Ok(HeadStatus::Complete { len: same_len, .. }) = http_head::parse(&data[..len]) else { panic!("not complete") };
    assert_eq!(same_len, len);
    assert!(head.headers().count() <= http_head::HEADERS_MAX);
    let lengths = head.headers().filter(|(name, _)| name.eq_ignore_ascii_case("content-length")).count();
    let is_chunked = head.header("transfer-encoding").is_some();
    match head.body() {
        Body::Chunked => assert!(is_chunked && lengths == 0, "a length beside chunks"),
        Body::Length(_) => assert!(!is_chunked && lengths >= 1),
        Body::None => assert!(!is_chunked),
    }
    assert!(!head.is_http11() || head.headers().filter(|(name, _)| name.eq_ignore_ascii_case("host")).count() == 1);
    let _ = (head.keep_alive(), head.expects_continue(), head.path());
    if let Some(Ok(key)) = head.websocket() {
        assert_eq!(websocket::accept_key(key).len(), 28);
    }
    query(head.query().as_bytes());
}

/// JSON is what serde_json takes for it; what its parts are, too.
pub fn json(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match json_text::validate(&text, 100) {
        // Another one may come before the end.
        Err(PeerError::JsonDepth) => return,
        Err(_) => return assert!(serde_json::from_str::<IgnoredAny>(&text).is_err(), "{text:?}"),
        Ok(()) => assert!(serde_json::from_str::<IgnoredAny>(&text).is_ok(), "{text:?}"),
    }
    let value = json_text::trim(&text);
    if value.starts_with('"') {
        return same_string(value);
    }
    // Numbers beyond what a double holds and single surrogates are JSON, and nothing that serde_json has a value for.
    let Ok(parsed) = serde_json::from_str::<Value>(value) else { return };
    if let Some(list) = parsed.as_array() {
        let inside = &value[1..value.len() - 1];
        assert_eq!(json_text::elements(inside).count(), list.len(), "{value}");
        assert!(json_text::elements(inside).all(|element| json_text::validate(element, 100).is_ok()));
    }
    if let Some(object) = parsed.as_object() {
        for (key, member) in object {
            let raw = json_text::member(value, key).expect("a member that serde_json finds");
            assert_eq!(serde_json::from_str::<Value>(raw).ok().as_ref(), Some(member));
        }
    }
}

fn same_string(raw: &str) {
    let text: String = json_text::unescaped_chars(raw).collect();
    if let Ok(parsed) = serde_json::from_str::<String>(raw) {
        assert_eq!(text, parsed);
    }
    assert!(json_text::str_eq(raw, &text));
    let mut room = vec![0; raw.len()];
    assert_eq!(json_text::unescape(raw, &mut room).ok(), Some(&text[..]));
    let mut written = Vec::new();
    json_text::escape(&text, &mut |piece| written.extend_from_slice(piece));
    let parsed = serde_json::from_slice::<String>(&written).expect("a string");
    assert_eq!(parsed, text);
}

const LIMITS: PacketLimits = PacketLimits { json_depth_max: 128, attachments_max: 10 };

/// A packet of the other parser is one of the default parser, and comes back from it.
pub fn msgpack(data: &[u8]) {
    let Ok(message) = Message::parse(data, &LIMITS) else { return };
    let mut text = Vec::new();
    message.put_text(&mut |piece| text.extend_from_slice(piece));
    assert_eq!(text.len(), message.text_len());
    let text = String::from_utf8(text).expect("UTF-8");
    let Ok(packet) = Packet::parse(&text, &LIMITS) else { return };
    let attachments: Vec<&[u8]> = message.attachments().collect();
    let len = msgpack::encoded_len(&packet, None, &attachments).expect("a packet that can be written");
    let mut bytes = vec![0xc1; len];
    msgpack::encode(&packet, None, &attachments, &mut bytes).expect("as long as it was said");
    let again = Message::parse(&bytes, &LIMITS).expect("what was written is read");
    assert_eq!(again.attachments().collect::<Vec<_>>(), attachments);
}

/// A body is its packets.
pub fn payload(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let packets: Vec<&str> = body::packets(&text).collect();
    assert_eq!(packets.join("\x1e"), text);
    for packet in packets {
        let _ = engine_packet::parse(packet);
    }
}

/// A query is read the same in every way there is.
pub fn query(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let query = Query::new(&text);
    for (name, value) in query.pairs() {
        let plain: String = value.chars().collect();
        let mut room = vec![0; 3 * value.raw().len()];
        assert_eq!(value.decode(&mut room), Ok(&plain[..]));
        assert!(value.is(&plain));
        let name: String = name.chars().collect();
        assert!(query.value(&name).is_some());
    }
}

/// A server of time is believed if it brings the question's nonce back, and the time is the one that it says.
pub fn sntp(data: &[u8]) {
    const NONCE: u64 = u64::from_be_bytes(*b"a nonce!");
    let [asked, now] = [1_000, 1_200].map(Instant::from_ms);
    let question = Question::new(NONCE, asked);
    let Some(origin) = question.origin(data, now) else { return };
    assert_eq!((data.len(), &data[24..32]), (PACKET_BYTES, &question.packet()[40..]));
    let sent_s = (origin.as_ms() + 1_100).div_euclid(1_000) + 2_208_988_800;
    assert_eq!((sent_s as u32).to_be_bytes(), data[40..44]);
    assert_eq!(Question::new(!NONCE, asked).origin(data, now), None);
}

/// A packet is written as it was read, but for blanks.
pub fn socket(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(packet) = Packet::parse(&text, &LIMITS) else { return };
    let mut written = Vec::new();
    packet.encode(&mut |piece| written.extend_from_slice(piece));
    assert_eq!(written.len(), packet.encoded_len());
    let written = String::from_utf8(written).expect("UTF-8");
    let again = Packet::parse(&written, &LIMITS);
    assert_eq!(again, Ok(packet), "{text:?} is written {written:?}");
    if let socket::Body::Event { args, attachments: attachments @ 1.., .. } = packet.body {
        assert_eq!(socket::check_placeholders(args, attachments), Ok(()));
    }
}

/// Text in pieces is judged as it is whole, and at the first wrong byte.
pub fn utf8(data: &[u8]) {
    let Some((&step, data)) = data.split_first() else { return };
    let mut validator = Utf8Validator::new();
    let mut fed = 0;
    for piece in data.chunks(usize::from(step) + 1) {
        let is_good = validator.feed(piece).is_ok();
        fed += piece.len();
        let whole = core::str::from_utf8(&data[..fed]);
        assert_eq!(is_good, whole.is_ok() || whole.is_err_and(|error| error.error_len().is_none()));
        if !is_good {
            return;
        }
    }
    assert_eq!(validator.finish().is_ok(), core::str::from_utf8(data).is_ok());
}

/// The head of a frame, from either side: complete at one byte and at none before.
pub fn websocket(data: &[u8]) {
    for from_client in [false, true] {
        let whole = websocket::parse_header(data, from_client);
        for cut in 0..data.len().min(websocket::HEADER_LEN_MAX) {
            match (websocket::parse_header(&data[..cut], from_client), whole) {
                (Ok(None), _) => {}
                (Err(cut), Err(whole)) => assert_eq!(cut, whole),
                (Ok(Some(header)), Ok(Some(whole))) => assert_eq!((header, header.header_len <= cut), (whole, true)),
                (cut_header, whole) => panic!("{cut_header:?} at {cut}, and {whole:?}"),
            }
        }
        let Ok(Some(header)) = whole else { continue };
        if from_client {
            continue;
        }
        let mut room = [0; 10];
        let written = websocket::encode_header(header.opcode, header.fin, header.payload_len, &mut room);
        assert_eq!(written, &data[..header.header_len]);
    }
    let _ = websocket::parse_close(data);
    let mut masked = data.to_vec();
    websocket::unmask(&mut masked, *b"key!", 3);
    websocket::unmask(&mut masked, *b"key!", 3);
    assert_eq!(masked, data);
}
