extern crate std;

use std::format;
use std::string::String;
use std::vec::Vec;

use super::*;
use crate::wire::chance::Chance;

const LIMITS: PacketLimits = PacketLimits { json_depth_max: 128, attachments_max: 10 };

fn encoded(packet: &Packet<'_>) -> String {
    let mut bytes = Vec::new();
    packet.encode(&mut |piece| bytes.extend_from_slice(piece));
    assert_eq!(packet.encoded_len(), bytes.len());
    String::from_utf8(bytes).unwrap()
}

const fn packet<'a>(namespace: &'a str, body: Body<'a>) -> Packet<'a> {
    Packet { namespace, body }
}

const fn event<'a>(id: Option<u64>, name: &'a str, args: &'a str, attachments: u8) -> Body<'a> {
    Body::Event { id, name: Name::Raw(name), args, attachments }
}

/// Text as it is sent, and the packet it is.
const BOTH_WAYS: &[(&str, Packet<'_>)] = &[
    ("0", packet("/", Body::Connect { auth: None })),
    (r#"0{"token":"123"}"#, packet("/", Body::Connect { auth: Some(r#"{"token":"123"}"#) })),
    ("0/admin,", packet("/admin", Body::Connect { auth: None })),
    (r#"0/custom?a=b,{"x":[]}"#, packet("/custom?a=b", Body::Connect { auth: Some(r#"{"x":[]}"#) })),
    ("1", packet("/", Body::Disconnect)),
    ("1/admin,", packet("/admin", Body::Disconnect)),
    ("2", packet("/", Body::Event { id: None, name: Name::None, args: "", attachments: 0 })),
    (r#"2["hello"]"#, packet("/", event(None, "\"hello\"", "", 0))),
    (r#"2["hello",1,{"a":[2]}]"#, packet("/", event(None, "\"hello\"", r#"1,{"a":[2]}"#, 0))),
    ("20[\"a\"]", packet("/", event(Some(0), "\"a\"", "", 0))),
    (r#"2/admin,456["project:delete",123]"#, packet("/admin", event(Some(456), "\"project:delete\"", "123", 0))),
    ("2[1,2]", packet("/", event(None, "1", "2", 0))),
    ("2[-1.5e3]", packet("/", event(None, "-1.5e3", "", 0))),
    ("218446744073709551615[\"a\"]", packet("/", event(Some(u64::MAX), "\"a\"", "", 0))),
    (
        r#"2["a",{"_placeholder":true,"num":7}]"#,
        packet("/", event(None, "\"a\"", r#"{"_placeholder":true,"num":7}"#, 0)),
    ),
    ("3[]", packet("/", Body::Ack { id: None, args: "", attachments: 0 })),
    ("3999[\"text\",1]", packet("/", Body::Ack { id: Some(999), args: "\"text\",1", attachments: 0 })),
    ("3/admin,456[]", packet("/admin", Body::Ack { id: Some(456), args: "", attachments: 0 })),
    (
        r#"4{"message":"Not authorized"}"#,
        packet("/", Body::ConnectError { data: Some(r#"{"message":"Not authorized"}"#) }),
    ),
    ("4", packet("/", Body::ConnectError { data: None })),
    (r#"4/a,"no""#, packet("/a", Body::ConnectError { data: Some("\"no\"") })),
    (
        r#"51-["hello",{"_placeholder":true,"num":0}]"#,
        packet("/", event(None, "\"hello\"", r#"{"_placeholder":true,"num":0}"#, 1)),
    ),
    (
        r#"510-/admin,456["a",[{"num":9,"_placeholder":true}]]"#,
        packet("/admin", event(Some(456), "\"a\"", r#"[{"num":9,"_placeholder":true}]"#, 10)),
    ),
    ("51-", packet("/", Body::Event { id: None, name: Name::None, args: "", attachments: 1 })),
    ("2/a[\"a\"],", packet("/a[\"a\"]", Body::Event { id: None, name: Name::None, args: "", attachments: 0 })),
    (
        r#"61-/admin,456[{"_placeholder":true,"num":0}]"#,
        packet("/admin", Body::Ack { id: Some(456), args: r#"{"_placeholder":true,"num":0}"#, attachments: 1 }),
    ),
];

#[test]
fn packets_are_read_as_they_are_written() {
    for (text, packet) in BOTH_WAYS {
        assert_eq!(Packet::parse(text, &LIMITS), Ok(*packet), "{text}");
        assert_eq!(encoded(packet), *text);
    }
}

#[test]
fn a_packet_cut_anywhere_is_refused_or_has_lost_its_whole_payload() {
    for (text, _) in BOTH_WAYS {
        for end in 0..text.len() {
            let has_payload = match Packet::parse(&text[..end], &LIMITS).map(|packet| packet.body) {
                Ok(Body::Ack { args, .. }) => !args.is_empty(),
                Ok(Body::Connect { auth: payload } | Body::ConnectError { data: payload }) => payload.is_some(),
                Ok(Body::Event { name, .. }) => name != Name::None,
                Ok(Body::Disconnect) | Err(_) => false,
            };
            assert!(!has_payload, "{text} cut at {end}");
        }
    }
}

#[test]
fn nothing_may_follow_the_payload() {
    for (text, _) in BOTH_WAYS.iter().filter(|(text, _)| text.ends_with([']', '}', '"'])) {
        for garbage in ["x", "]", "}", ",", "1", "\u{a0}", "\u{0}", text] {
            assert!(Packet::parse(&format!("{text}{garbage}"), &LIMITS).is_err(), "{text}{garbage}");
        }
        assert!(Packet::parse(&format!("{text} \r\n\t"), &LIMITS).is_ok(), "{text}");
    }
}

#[test]
fn other_spellings_are_tolerated_as_the_reference_parser_does() {
    let table = [
        // The comma may be missing at the end.
        ("0/nope", "0/nope,"),
        ("0/", "0"),
        ("0/,", "0"),
        ("1/a", "1/a,"),
        // An id that means nothing.
        ("11", "1"),
        ("012{}", "0{}"),
        // Ids as ECMAScript reads numbers.
        ("2 7[\"echo\",1]", "27[\"echo\",1]"),
        ("2007[\"echo\"]", "27[\"echo\"]"),
        ("27 [\"echo\"]", "27[\"echo\"]"),
        ("2\u{a0}\u{feff}7\u{2028}[\"echo\"]", "27[\"echo\"]"),
        ("2 [\"echo\"]", "20[\"echo\"]"),
        ("2 ", "20"),
        ("2\n", "20"),
        ("299999999999999999999999[\"a\"]", "218446744073709551615[\"a\"]"),
        // Blanks around the pieces of the payload.
        ("2[ \"a\" , 1 , 2 ] ", "2[\"a\",1 , 2]"),
        ("3[ ]", "3[]"),
        // No payload where one is usual.
        ("3", "3[]"),
        ("37", "37[]"),
        ("501-[\"a\"]", "51-[\"a\"]"),
    ];
    for (text, plain) in table {
        let packet = Packet::parse(text, &LIMITS).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert_eq!(encoded(&packet), plain, "{text:?}");
    }
}

#[test]
fn what_closes_the_connection_is_refused() {
    use PeerError::{Attachments, Json, SocketPacket};
    let table = [
        ("", SocketPacket),
        ("7", SocketPacket),
        ("9[]", SocketPacket),
        ("x", SocketPacket),
        ("\u{e9}", SocketPacket),
        (" {}", SocketPacket),
        ("0[1]", SocketPacket),
        ("0\"abc\"", SocketPacket),
        ("0null", SocketPacket),
        ("0{", Json),
        ("1{}", SocketPacket),
        ("1[]", SocketPacket),
        ("1/a,null", SocketPacket),
        ("2[]", SocketPacket),
        ("2[null]", SocketPacket),
        ("2[true]", SocketPacket),
        ("2[{}]", SocketPacket),
        ("2[[\"a\"]]", SocketPacket),
        ("2{}", SocketPacket),
        ("2null", SocketPacket),
        ("2\"a\"", SocketPacket),
        ("2[\"m\",", Json),
        ("2[\"m\"]x", Json),
        ("2[\"m\"]]", Json),
        ("2[01]", Json),
        ("21a[\"a\"]", SocketPacket),
        ("2-1[\"a\"]", SocketPacket),
        ("21 2[\"a\"]", SocketPacket),
        ("2,[\"a\"]", SocketPacket),
        ("3{}", SocketPacket),
        ("3null", SocketPacket),
        ("4[]", SocketPacket),
        ("4null", SocketPacket),
        ("5[\"a\"]", SocketPacket),
        ("51[\"a\"]", SocketPacket),
        ("5-[\"a\"]", SocketPacket),
        ("5-1-[\"a\"]", SocketPacket),
        ("51.5-[\"a\"]", SocketPacket),
        ("5 1-[\"a\"]", SocketPacket),
        ("50-[\"a\"]", Attachments),
        ("511-[\"a\"]", Attachments),
        ("5256-[\"a\"]", Attachments),
        ("5257-[\"a\"]", Attachments),
        ("599999999999999999999999-[\"a\"]", Attachments),
        ("60-[]", Attachments),
        (r#"51-["a",{"_placeholder":true,"num":1}]"#, Attachments),
        (r#"51-["a",{"_placeholder":true,"num":"splice"}]"#, Attachments),
        (r#"61-[{"_placeholder":true}]"#, Attachments),
        (r#"51-[{"_placeholder":true,"num":0}]"#, SocketPacket),
    ];
    for (text, error) in table {
        assert_eq!(Packet::parse(text, &LIMITS), Err(error), "{text:?}");
    }
}

#[test]
fn reserved_names_are_refused_however_they_are_written() {
    for name in RESERVED_NAMES {
        let escaped: String = name.chars().map(|character| format!("\\u{:04x}", u32::from(character))).collect();
        for name in [String::from(name), escaped] {
            for (packet_type, id) in [("2", ""), ("2", "7"), ("51-", "")] {
                let text = format!("{packet_type}{id}[\"{name}\",1]");
                assert_eq!(Packet::parse(&text, &LIMITS), Err(PeerError::SocketPacket), "{text}");
            }
            let longer = format!("2[\"{name}x\"]");
            assert!(Packet::parse(&longer, &LIMITS).is_ok(), "{longer}");
        }
        // As an argument, or in an acknowledgement, it is text like any other.
        assert!(Packet::parse(&format!("2[\"a\",\"{name}\"]"), &LIMITS).is_ok());
        assert!(Packet::parse(&format!("31[\"{name}\"]"), &LIMITS).is_ok());
    }
}

#[test]
fn limits_are_inclusive() {
    let limits = PacketLimits { json_depth_max: 3, attachments_max: 2 };
    assert!(Packet::parse("2[\"a\",[[]]]", &limits).is_ok());
    assert_eq!(Packet::parse("2[\"a\",[[[]]]]", &limits), Err(PeerError::JsonDepth));
    assert_eq!(Packet::parse(&format!("2{}", "[".repeat(100_000)), &LIMITS), Err(PeerError::JsonDepth));
    assert!(Packet::parse("52-[\"a\"]", &limits).is_ok());
    assert_eq!(Packet::parse("53-[\"a\"]", &limits), Err(PeerError::Attachments));
    let widest = PacketLimits { attachments_max: u8::MAX, ..limits };
    assert!(Packet::parse("5255-[\"a\"]", &widest).is_ok());
}

#[test]
fn names_are_compared_by_what_they_stand_for() {
    assert!(Name::Plain("a\"b").is("a\"b") && !Name::Plain("a").is("b"));
    assert!(Name::Raw(r#""\u0061\"b""#).is("a\"b") && !Name::Raw("\"a\"").is("\"a\""));
    assert!(Name::Raw("12").is("12") && !Name::Raw("12").is("1"));
    assert!(!Name::None.is(""));
}

#[test]
fn plain_names_are_escaped_when_they_are_sent() {
    let body = Body::Event { id: Some(3), name: Name::Plain("say \"hi\"\n"), args: "1", attachments: 0 };
    assert_eq!(encoded(&packet("/x", body)), r#"2/x,3["say \"hi\"\n",1]"#);
}

#[test]
fn placeholders_stand_for_attachments_that_exist() {
    let good = [
        "",
        "1,\"_placeholder\"",
        r#"{"_placeholder":true,"num":0}"#,
        r#"{"num":1,"_placeholder":true}"#,
        r#"{ "_placeholder" : true , "num" : 1 }"#,
        r#"{"_placeholder":true,"num":1},{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}"#,
        r#"{"a":[{"b":{"_placeholder":true,"num":1}}],"num":77}"#,
        r#"{"_placeholder":false,"num":9}"#,
        r#"{"_placeholder":"true","num":9}"#,
        r#"{"_placeholder":1}"#,
        r#"{"num":9}"#,
        r#"{"_placeholder":true,"num":9,"num":1}"#,
        r#"{"_placeholder":true,"_placeholder":false}"#,
        r#"{"_placeholder":true,"x":{"y":[{}]},"num":0}"#,
        r#"["_placeholder",true,"num",9]"#,
        r#"{"a":"{\"_placeholder\":true}"}"#,
    ];
    for args in good {
        assert_eq!(check_placeholders(args, 2), Ok(()), "{args}");
    }
    let bad = [
        r#"{"_placeholder":true}"#,
        r#"{"_placeholder":true,"num":2}"#,
        r#"{"_placeholder":true,"num":-1}"#,
        r#"{"_placeholder":true,"num":0.5}"#,
        r#"{"_placeholder":true,"num":1e0}"#,
        r#"{"_placeholder":true,"num":"0"}"#,
        r#"{"_placeholder":true,"num":null}"#,
        r#"{"_placeholder":true,"num":[0]}"#,
        r#"{"_placeholder":true,"num":{"num":0}}"#,
        r#"{"_placeholder":true,"num":99999999999999999999999999}"#,
        r#"{"num":0,"_placeholder":true,"num":2}"#,
        r#"{"_placeholder":false,"num":2,"_placeholder":true}"#,
        r#"{"\u005fplaceholder":true,"num":2}"#,
        r#"{"_placeholder":true,"n\u0075m":2}"#,
        r#"1,[[{"a":{"_placeholder":true,"num":2}}]]"#,
        r#"{"_placeholder":true,"a":{"num":0}}"#,
        r#"{"a":{"num":0},"_placeholder":true}"#,
    ];
    for args in bad {
        assert_eq!(check_placeholders(args, 2), Err(PeerError::Attachments), "{args}");
    }
    assert_eq!(check_placeholders(&"[".repeat(100_000), 1), Err(PeerError::JsonDepth));
}

#[test]
fn what_passes_is_written_as_something_that_reads_the_same() {
    let pieces = [
        "[", "]", "{", "}", "\"", ",", ":", "\\", "0", "7", "-", "/", " ", "\u{e9}", "null", "5", "1-", "\"a\"",
        "\u{2028}",
    ];
    let mut chance = Chance::seeded(5);
    let mut accepted = 0;
    for _ in 0..20_000 {
        let (text, _) = BOTH_WAYS[chance.below(BOTH_WAYS.len())];
        let text = chance.mutated(text, &pieces);
        if let Ok(packet) = Packet::parse(&text, &LIMITS) {
            accepted += 1;
            assert_eq!(Packet::parse(&encoded(&packet), &LIMITS), Ok(packet), "{text:?}");
        }
    }
    assert!(accepted > 5_000, "{accepted} accepted");
}
