extern crate std;

use std::borrow::ToOwned;
use std::format;
use std::string::String;
use std::vec::Vec;

use super::*;
use crate::wire::chance::Chance;
use crate::wire::socket::{Body, Name, Packet};

/// What the official parsers write, made by tests/js/client/msgpack-vectors.mjs, which explains it.
const VECTORS: &str = include_str!("vectors.txt");

const LIMITS: PacketLimits = PacketLimits { json_depth_max: 128, attachments_max: 10 };

/// A packet in both forms.
struct Vector<'a> {
    is_two_way: bool,
    bytes: Vec<u8>,
    text: &'a str,
    attachments: Vec<Vec<u8>>,
}

fn vectors() -> impl Iterator<Item = Vector<'static>> {
    VECTORS.lines().map(|line| {
        let mut fields = line.split('\t');
        let direction = fields.next().expect("a direction");
        assert!(matches!(direction, "=" | "<"), "{line}");
        Vector {
            is_two_way: direction == "=",
            bytes: hex(fields.next().expect("MessagePack")),
            text: fields.next().expect("text"),
            attachments: fields.map(hex).collect(),
        }
    })
}

fn hex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(core::str::from_utf8(pair).expect("ASCII"), 16).expect("digits")).collect()
}

/// The text and the attachments of a packet, or why there are none.
fn decoded(bytes: &[u8], limits: &PacketLimits) -> Result<(String, Vec<Vec<u8>>), PeerError> {
    let message = Message::parse(bytes, limits)?;
    let mut text = Vec::new();
    message.put_text(&mut |piece| text.extend_from_slice(piece));
    assert_eq!(text.len(), message.text_len(), "counted is what is written");
    let text = String::from_utf8(text).expect("UTF-8");
    Packet::parse(&text, limits)?;
    Ok((text, message.attachments().map(<[u8]>::to_vec).collect()))
}

fn encoded(packet: &Packet<'_>, attachments: &[Vec<u8>]) -> Result<Vec<u8>, PeerError> {
    let attachments: Vec<&[u8]> = attachments.iter().map(Vec::as_slice).collect();
    let mut bytes = std::vec![0xc1; encoded_len(packet, None, &attachments)?];
    encode(packet, None, &attachments, &mut bytes)?;
    Ok(bytes)
}

/// The message of an event with one argument, which is `argument` in hexadecimal.
fn message_with(argument: &str) -> Vec<u8> {
    hex(&format!("83a47479706502a46461746192a165{argument}a36e7370a12f"))
}

fn decoded_argument(argument: &str) -> Result<String, PeerError> {
    let (text, _) = decoded(&message_with(argument), &LIMITS)?;
    let inside = text.split_once("[\"e\",").and_then(|(_, rest)| rest.strip_suffix(']'));
    Ok(inside.expect("an event with an argument").to_owned())
}

fn encoded_args(json: &str) -> Result<String, PeerError> {
    let body = Body::Event { id: None, name: Name::Plain("e"), args: json, attachments: 0 };
    let bytes = encoded(&Packet { namespace: "/", body }, &[])?;
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let inside = text.split_once("a46461746192a165").and_then(|(_, rest)| rest.strip_suffix("a36e7370a12f"));
    Ok(inside.expect("an event with an argument").to_owned())
}

#[test]
fn the_official_parsers_write_the_same() {
    let (mut both_ways, mut attachments) = (0, 0);
    for vector in vectors() {
        let found = decoded(&vector.bytes, &LIMITS);
        assert_eq!(found, Ok((vector.text.to_owned(), vector.attachments.clone())));
        if vector.is_two_way {
            let packet = Packet::parse(vector.text, &LIMITS).expect(vector.text);
            assert_eq!(encoded(&packet, &vector.attachments).expect(vector.text), vector.bytes, "{}", vector.text);
            both_ways += 1;
            attachments += vector.attachments.len();
        }
    }
    assert!(both_ways > 250 && attachments > 50, "the vectors are there: {both_ways}, {attachments}");
}

#[test]
fn a_message_cut_anywhere_or_with_something_behind_it_is_none() {
    for vector in vectors().filter(|vector| vector.bytes.len() < 200) {
        for at in 0..vector.bytes.len() {
            let cut = Message::parse(&vector.bytes[..at], &LIMITS).map(|_| ());
            assert!(matches!(cut, Err(PeerError::SocketPacket)), "{at} of {}: {cut:?}", vector.text);
        }
        for garbage in [0x00, 0x80, 0xc0, 0xc1, 0xff] {
            let long = [&vector.bytes[..], &[garbage]].concat();
            assert!(matches!(Message::parse(&long, &LIMITS), Err(PeerError::SocketPacket)), "{}", vector.text);
        }
    }
}

#[test]
fn a_changed_message_is_refused_or_gives_a_packet_that_can_be_written_again() {
    let mut chance = Chance::seeded(10);
    let (mut refused, mut accepted) = (0, 0);
    for vector in vectors().filter(|vector| vector.bytes.len() < 400) {
        for _ in 0..50 {
            let mut bytes = vector.bytes.clone();
            for _ in 0..=chance.below(3) {
                let at = chance.below(bytes.len());
                bytes[at] = chance.number() as u8;
            }
            match decoded(&bytes, &LIMITS) {
                Err(_) => refused += 1,
                Ok((text, attachments)) => {
                    let packet = Packet::parse(&text, &LIMITS).expect("it was parsed before");
                    let again = encoded(&packet, &attachments).expect("checked JSON can be encoded");
                    // What a Date was is a text now, and so on: a second time nothing changes any more.
                    assert_eq!(decoded(&again, &LIMITS), Ok((text, attachments)));
                    accepted += 1;
                }
            }
        }
    }
    assert!(refused > 1_000 && accepted > 1_000, "both happen: {refused}, {accepted}");
}

#[test]
fn bytes_by_chance_are_refused_or_understood() {
    let mut chance = Chance::seeded(11);
    for _ in 0..20_000 {
        let mut bytes = [0; 24];
        let len = chance.below(bytes.len() + 1);
        chance.fill(&mut bytes[..len]);
        // Mostly such that the value of `data` is what is left to chance.
        let argument: String = bytes[..len].iter().map(|byte| format!("{byte:02x}")).collect();
        let _ = decoded_argument(&argument);
        let _ = decoded(&bytes[..len], &LIMITS);
    }
}

#[test]
fn each_form_of_a_value_is_read_as_javascript_reads_it() {
    for (argument, json) in [
        ("00", "0"),
        ("7f", "127"),
        ("e0", "-32"),
        ("ff", "-1"),
        ("cc00", "0"),
        ("cd0001", "1"),
        ("ceffffffff", "4294967295"),
        ("cfffffffffffffffff", "18446744073709551615"),
        ("d005", "5"),
        ("d080", "-128"),
        ("d1ffff", "-1"),
        ("d280000000", "-2147483648"),
        ("d38000000000000000", "-9223372036854775808"),
        ("ca3dcccccd", "0.10000000149011612"),
        ("ca7f800000", "null"),
        ("cb7ff8000000000000", "null"),
        ("cb3ff0000000000000", "1"),
        ("cb8000000000000000", "0"),
        ("cb7e37e43c8800759c", "1e+300"),
        ("cb444b1ae4d6e2ef50", "1e+21"),
        ("cb4415af1d78b58c40", "100000000000000000000"),
        ("cb3eb0c6f7a0b5ed8d", "0.000001"),
        ("cb3e7ad7f29abcaf48", "1e-7"),
        ("cb0000000000000001", "5e-324"),
        ("cb7fefffffffffffff", "1.7976931348623157e+308"),
        ("cbc05edd2f1a9fbe77", "-123.456"),
        ("c0", "null"),
        ("d40000", "null"),
        ("d400ff", "null"),
        ("91d40000", "[null]"),
        ("81a161d40000", "{}"),
        ("82a161d40000a16201", r#"{"b":1}"#),
        ("82a16101a161d40000", r#"{"a":1}"#),
        ("c403010203", r#"{"_placeholder":true,"num":0}"#),
        ("c500020102", r#"{"_placeholder":true,"num":0}"#),
        ("c60000000101", r#"{"_placeholder":true,"num":0}"#),
        ("c70000", r#"{"_placeholder":true,"num":0}"#),
        ("c800010001", r#"{"_placeholder":true,"num":0}"#),
        ("c9000000020001ff", r#"{"_placeholder":true,"num":0}"#),
        ("d9026869", r#""hi""#),
        ("da00026869", r#""hi""#),
        ("db000000026869", r#""hi""#),
        ("a3221f5c", r#""\"\u001f\\""#),
        ("dc000101", "[1]"),
        ("dd0000000101", "[1]"),
        ("de0001a16101", r#"{"a":1}"#),
        ("df00000001a16101", r#"{"a":1}"#),
        ("d7000000000000000000", r#""1970-01-01T00:00:00.000Z""#),
        ("d700ffffffffffffffff", r#""1969-12-31T23:59:59.999Z""#),
        ("d700001eb208c2dc0000", r#""+275760-09-13T00:00:00.000Z""#),
        ("d700001eb208c2dc0001", "null"),
        ("d700ffe14df73d240000", r#""-271821-04-20T00:00:00.000Z""#),
        ("d7008000000000000000", "null"),
        ("d6ff00000001", r#""1970-01-01T00:00:01.000Z""#),
        ("d7ffee6b27fc00000001", r#""1970-01-01T00:00:01.999Z""#),
        ("c70cff3b9ac9ffffffffffffffffff", r#""1969-12-31T23:59:59.999Z""#),
        ("c70cff000000007fffffffffffffff", "null"),
    ] {
        assert_eq!(decoded_argument(argument).as_deref(), Ok(json), "{argument}");
    }
}

#[test]
fn what_has_no_meaning_is_refused() {
    for (argument, error) in [
        ("c1", PeerError::SocketPacket),
        ("d40100", PeerError::SocketPacket),
        ("d5000000", PeerError::SocketPacket),
        ("d60000000001", PeerError::SocketPacket),
        ("d7010000000000000000", PeerError::SocketPacket),
        ("d7fffffffffc00000001", PeerError::SocketPacket),
        ("d80000000000000000000000000000000000", PeerError::SocketPacket),
        ("c7010100", PeerError::SocketPacket),
        ("c704ff00000001", PeerError::SocketPacket),
        ("c70cff3b9aca000000000000000000", PeerError::SocketPacket),
        ("810101", PeerError::SocketPacket),
        ("81c0c0", PeerError::SocketPacket),
        ("8181a1610101", PeerError::SocketPacket),
        ("81c4016101", PeerError::SocketPacket),
        ("a1ff", PeerError::Utf8),
        ("a3eda080", PeerError::Utf8),
        ("81a1ff01", PeerError::Utf8),
        ("ddffffffff", PeerError::SocketPacket),
        ("dfffffffff", PeerError::SocketPacket),
        ("dbffffffff", PeerError::SocketPacket),
        ("c6ffffffff", PeerError::SocketPacket),
    ] {
        assert_eq!(decoded_argument(argument), Err(error), "{argument}");
    }
}

#[test]
fn packets_keep_to_the_protocol() {
    let all = |members: &str| decoded(&hex(members), &LIMITS).map(|(text, _)| text);
    for (members, text) in [
        // Any order, a member that is given twice, and what nobody knows.
        ("83a36e7370a22f61a464617461920107a47479706502", "2/a,[1,7]"),
        ("84a36e7370a12fa36e7370a22f61a47479706501a178c0", "1/a,"),
        // As Python's client leaves.
        ("83a47479706501a464617461c0a36e7370a12f", "1"),
        ("83a47479706501a464617461d40000a36e7370a12f", "1"),
        ("84a47479706503a46461746190a269640fa36e7370a12f", "315[]"),
        ("84a47479706503a46461746190a26964d40000a36e7370a12f", "3[]"),
        ("84a47479706503a46461746190a26964cb4008000000000000a36e7370a12f", "33[]"),
        ("83a474797065cb0000000000000000a46461746180a36e7370a12f", "0{}"),
    ] {
        assert_eq!(all(members).as_deref(), Ok(text), "{members}");
    }
    for members in [
        "80",
        "90",
        "c0",
        "a0",
        "82a47479706501a464617461c0",
        "82a36e7370a12fa46461746190",
        // Type 5, -1, 0.5, "0".
        "83a47479706505a46461746191a165a36e7370a12f",
        "82a474797065ffa36e7370a12f",
        "82a474797065cb3fe0000000000000a36e7370a12f",
        "82a474797065a130a36e7370a12f",
        // Namespaces that are no text, without a slash, with a comma.
        "82a47479706501a36e737001",
        "82a47479706501a36e7370a0",
        "82a47479706501a36e7370a161",
        "82a47479706501a36e7370a42f612c62",
        // CONNECT with a list, with nothing, with a binary value inside.
        "83a47479706500a46461746190a36e7370a12f",
        "83a47479706500a464617461c0a36e7370a12f",
        "83a47479706500a46461746181a161c40100a36e7370a12f",
        // DISCONNECT with an object.
        "83a47479706501a46461746180a36e7370a12f",
        // EVENT with an object, with nothing, with an empty list; its name reserved, null, binary.
        "83a47479706502a46461746180a36e7370a12f",
        "82a47479706502a36e7370a12f",
        "83a47479706502a46461746190a36e7370a12f",
        "83a47479706502a46461746191a7636f6e6e656374a36e7370a12f",
        "83a47479706502a46461746191c0a36e7370a12f",
        "83a47479706502a46461746191c40100a36e7370a12f",
        // CONNECT_ERROR without data.
        "82a47479706504a36e7370a12f",
        // Ids: -1, 0.5, null, text.
        "84a47479706503a46461746190a26964ffa36e7370a12f",
        "84a47479706503a46461746190a26964cb3fe0000000000000a36e7370a12f",
        "84a47479706503a46461746190a26964c0a36e7370a12f",
        "84a47479706503a46461746190a26964a131a36e7370a12f",
        // A key that is no text.
        "83a47479706501a36e7370a12f0000",
    ] {
        assert_eq!(all(members), Err(PeerError::SocketPacket), "{members}");
    }
}

#[test]
fn attachments_are_counted() {
    let limits = PacketLimits { attachments_max: 2, ..LIMITS };
    let two = message_with("92c40101c40102");
    assert_eq!(decoded(&two, &limits).map(|(_, attachments)| attachments), Ok(std::vec![hex("01"), hex("02")]));
    for many in [message_with("93c40101c40102c40103"), message_with(&format!("dc0101{}", "c400".repeat(257)))] {
        assert_eq!(decoded(&many, &limits), Err(PeerError::Attachments));
    }
    // What looks like a placeholder is one as soon as there are attachments, as with the default parser.
    let own = "82ac5f706c616365686f6c646572c3a36e756d";
    assert!(decoded(&message_with(&format!("{own}05")), &LIMITS).is_ok());
    assert!(decoded(&message_with(&format!("92c400{own}00")), &LIMITS).is_ok());
    assert_eq!(decoded(&message_with(&format!("92c400{own}05")), &LIMITS), Err(PeerError::Attachments));
}

#[test]
fn nesting_has_a_limit_in_both_directions() {
    let nested = |depth: usize| message_with(&format!("{}90", "91".repeat(depth - 2)));
    assert!(decoded(&nested(128), &LIMITS).is_ok());
    assert_eq!(decoded(&nested(129), &LIMITS), Err(PeerError::JsonDepth));
    let deep = PacketLimits { json_depth_max: json::DEPTH_MAX, ..LIMITS };
    assert!(decoded(&nested(DEPTH_MAX), &deep).is_ok());
    assert_eq!(decoded(&nested(DEPTH_MAX + 1), &deep), Err(PeerError::JsonDepth));
    assert_eq!(decoded(&nested(1_000_000), &deep), Err(PeerError::JsonDepth));
    // What is not for us does not nest deeper either.
    let options = format!("83a47479706501a36e7370a12fa16f{}90", "91".repeat(128));
    assert_eq!(decoded(&hex(&options), &LIMITS), Err(PeerError::JsonDepth));

    let json = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(encoded_args(&json(DEPTH_MAX)).as_deref(), Ok(&*format!("{}90", "91".repeat(DEPTH_MAX - 1))));
    assert_eq!(encoded_args(&json(DEPTH_MAX + 1)), Err(PeerError::JsonDepth));
}

#[test]
fn each_form_of_json_is_written_as_javascript_would() {
    for (json, argument) in [
        ("1.0", "01"),
        ("1e3", "cd03e8"),
        ("1E+2", "64"),
        ("-0", "00"),
        ("-0.0", "00"),
        ("10e-1", "01"),
        ("-1.28e2", "d080"),
        ("0.5", "cb3fe0000000000000"),
        ("1e-400", "00"),
        ("1e400", "cb7ff0000000000000"),
        ("-1e400", "cbfff0000000000000"),
        ("1e19", "cf8ac7230489e80000"),
        ("1e300", "cb7e37e43c8800759c"),
        // Exact, although no float is: who reads it as a float gets the nearest.
        ("9007199254740993", "cf0020000000000001"),
        ("-9007199254740993", "d3ffdfffffffffffff"),
        ("18446744073709551615", "cfffffffffffffffff"),
        ("18446744073709551616", "cb43f0000000000000"),
        ("-9223372036854775809", "d38000000000000000"),
        ("-1e19", "cbc3e158e460913d00"),
        (r#""\u0041\n\ud83d\ude00\ud800\/""#, "aa410af09f9880efbfbd2f"),
        (r#""\"""#, "a122"),
        (r#""\\""#, "a15c"),
        (r#""\\\"""#, "a25c22"),
        (r#"["\\","\"",{"\\\"":"\\"}]"#, "93a15ca12281a25c22a15c"),
        (" [ 1 , { \"a\" : [ ] , \"b\" : { } } ]\r\n\t", "920182a16190a16280"),
        (r#"{"_placeholder":true,"num":0}"#, "82ac5f706c616365686f6c646572c3a36e756d00"),
    ] {
        assert_eq!(encoded_args(json).as_deref(), Ok(argument), "{json}");
    }
}

#[test]
fn placeholders_become_what_they_stand_for() {
    let attachments = [hex("01"), hex("0202")];
    let with = |args: &str| {
        let body = Body::Event { id: None, name: Name::Plain("e"), args, attachments: 2 };
        encoded(&Packet { namespace: "/", body }, &attachments)
    };
    for (args, argument) in [
        (r#"{"_placeholder":true,"num":1}"#, "c4020202"),
        (r#"{ "num" : 0 , "_placeholder" : true }"#, "c40101"),
        (r#"{"num":0,"_placeholder":true,"more":"x"}"#, "c40101"),
        (r#"{"_placeholder":false,"_placeholder":true,"num":9,"num":1}"#, "c4020202"),
        (r#"{"\u005fplaceholder":true,"n\u0075m":1}"#, "c4020202"),
        (r#"[{"_placeholder":true,"num":1},{"a":{"_placeholder":true,"num":1}}]"#, "92c402020281a161c4020202"),
        (
            r#"{"_placeholder":true,"_placeholder":1,"num":9}"#,
            "83ac5f706c616365686f6c646572c3ac5f706c616365686f6c64657201a36e756d09",
        ),
        (r#"{"_placeholder":true,"num":0,"a":[]}"#, "83ac5f706c616365686f6c646572c3a36e756d00a16190"),
    ] {
        assert_eq!(with(args), Ok(message_with(argument)), "{args}");
    }
    for args in [
        r#"{"_placeholder":true,"num":2}"#,
        r#"{"_placeholder":true,"num":-1}"#,
        r#"{"_placeholder":true,"num":"0"}"#,
        r#"{"_placeholder":true,"num":256}"#,
        r#"{"_placeholder":true}"#,
    ] {
        assert_eq!(with(args), Err(PeerError::Attachments), "{args}");
    }
}

#[test]
fn text_that_is_no_json_is_no_message() {
    for json in ["x", "tru", "nan", "inf", "-", "1-", "[", "]", "[1", "1]", "{\"a\"}", "{1:2}", "\"", "a\"", "[[]:1]"] {
        assert_eq!(encoded_args(json), Err(PeerError::Json), "{json}");
    }
    // More than was promised, and not valid, but one whole message all the same.
    let mut chance = Chance::seeded(12);
    let pieces = ["[", "]", "{", "}", ",", ":", "\"a\"", "1", "null", " ", "\"", "\\", "{}", "0.5"];
    for _ in 0..20_000 {
        let json: String = (0..chance.below(8)).map(|_| chance.pick(&pieces)).collect();
        let body = Body::Event { id: None, name: Name::Plain("e"), args: &json, attachments: 0 };
        if let Ok(bytes) = encoded(&Packet { namespace: "/", body }, &[]) {
            let mut reader = Reader::new(&bytes);
            let mut awaited = 1_usize;
            while awaited > 0 {
                awaited -= 1;
                let item = reader.item().expect(&json);
                let inside = if let Item::Map(len) = item { len * 2 } else { 0 };
                awaited += if let Item::Array(len) = item { len as usize } else { inside as usize };
            }
            assert!(reader.is_at_end(), "{json}");
        }
    }
}

#[test]
fn a_buffer_of_another_length_is_refused() {
    let packet = Packet { namespace: "/", body: Body::Connect { auth: Some(r#"{"sid":"abc"}"#) } };
    let len = encoded_len(&packet, None, &[]).expect("JSON");
    for other in [0, 1, len - 1, len + 1] {
        assert_eq!(encode(&packet, None, &[], &mut std::vec![0; other]), Err(PeerError::TooLarge), "{other}");
    }
    assert_eq!(encode(&packet, None, &[], &mut std::vec![0; len]), Ok(()));
}

#[test]
fn an_offset_is_one_more_argument() {
    for (args, more) in [("", r#""5""#), ("1,[2]", r#"1,[2],"5""#)] {
        let body = |args| Body::Event { id: None, name: Name::Plain("e"), args, attachments: 0 };
        let packet = Packet { namespace: "/", body: body(args) };
        let mut bytes = std::vec![0; encoded_len(&packet, Some("5"), &[]).expect("JSON")];
        encode(&packet, Some("5"), &[], &mut bytes).expect("JSON");
        assert_eq!(bytes, encoded(&Packet { namespace: "/", body: body(more) }, &[]).expect("JSON"));
    }
}
