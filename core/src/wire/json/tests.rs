extern crate std;

use std::string::String;
use std::vec::Vec;
use std::{format, vec};

use serde::de::IgnoredAny;

use super::*;
use crate::wire::chance::Chance;

const GOOD: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "-0",
    "10",
    "-1.5",
    "1e5",
    "1E+5",
    "0.0e-0",
    "1e400",
    "\"\"",
    "\"a\"",
    "\"\u{7f}\u{80}\u{2028}\"",
    r#""\"\\\/\b\f\n\r\t\u0000\uD83D\uDE00\ud83d""#,
    "[]",
    "[ ]",
    "{}",
    "{ }",
    "[1,\t2 ,\n3\r]",
    r#"{"a":1,"a":[{}]}"#,
    r#"{ "" : [ ] , "b" : { "c" : null } }"#,
    "  1  ",
    "[[[[[]]]]]",
    r#"["plain text that is longer than a word of the machine"]"#,
];

const BAD: &[&str] = &[
    "",
    " ",
    "nul",
    "nulll",
    "True",
    "01",
    "-",
    "-a",
    "+1",
    "1.",
    ".5",
    "1.e1",
    "1e",
    "1e+",
    "0x1",
    "1_0",
    "NaN",
    "Infinity",
    "\"",
    "\"a",
    "\"\\\"",
    "\"\\x\"",
    "\"\\u12\"",
    "\"\\u12g4\"",
    "\"\t\"",
    "\"\n\"",
    "\"\u{0}\"",
    "\"\u{1f}\"",
    "\"long enough for a word\u{1}\"",
    "'a'",
    "[",
    "]",
    "[1",
    "[1,",
    "[1,]",
    "[,1]",
    "[1 2]",
    "[1}",
    "{",
    "}",
    "{1:2}",
    "{a:1}",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{\"a\" 1}",
    "{\"a\":1 \"b\":2}",
    "{\"a\":1]",
    "{,}",
    "[]]",
    "{}{}",
    "1 2",
    "\u{feff}1",
    "\u{a0}1",
    "1\u{b}",
    "/* */1",
    "[1]//",
    "\u{e9}",
];

#[test]
fn what_rfc_8259_allows_passes_and_nothing_else() {
    for text in GOOD {
        assert_eq!(validate(text, 128), Ok(()), "{text:?}");
    }
    for text in BAD {
        assert_eq!(validate(text, 128), Err(PeerError::Json), "{text:?}");
    }
}

#[test]
fn a_value_cut_anywhere_is_none() {
    for text in GOOD.iter().filter(|text| text.starts_with(['[', '{', '"', 't', 'f', 'n'])) {
        for end in (0..text.len()).filter(|&end| text.is_char_boundary(end)) {
            assert_eq!(scan(&text[..end], 128), Err(PeerError::Json), "{text:?} cut at {end}");
        }
    }
}

#[test]
fn a_scan_ends_where_the_value_ends() {
    for text in GOOD {
        for garbage in ["", ",", "]", "}", "x", " 1", "\"", "\u{0}"] {
            assert_eq!(scan(&format!("{text}{garbage}"), 128), Ok(text.trim_end().len()), "{text:?} and {garbage:?}");
        }
        assert_eq!(validate(&format!("{text},"), 128), Err(PeerError::Json));
    }
}

#[test]
fn nesting_is_limited_to_what_was_asked_for() {
    for limit in [0, 1, 2, 31, 32, 33, 128, DEPTH_MAX] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let nested = |depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
            assert_eq!(validate(&nested(limit), limit), Ok(()));
            assert_eq!(validate(&nested(limit + 1), limit), Err(PeerError::JsonDepth));
        }
    }
    // The kinds of brackets are told apart at every depth.
    let mixed = "[{\"a\":".repeat(DEPTH_MAX / 2);
    assert_eq!(validate(&format!("{mixed}1{}", "}]".repeat(DEPTH_MAX / 2)), DEPTH_MAX), Ok(()));
    assert_eq!(validate(&format!("{mixed}1{}", "]}".repeat(DEPTH_MAX / 2)), DEPTH_MAX), Err(PeerError::Json));
}

#[test]
fn deep_nesting_takes_no_stack_and_no_limit_is_beyond_the_cap() {
    for text in ["[".repeat(100_000), "{\"\":".repeat(100_000), "[{\"\":".repeat(100_000)] {
        assert_eq!(scan(&text, 128), Err(PeerError::JsonDepth));
        assert_eq!(scan(&text, usize::MAX), Err(PeerError::JsonDepth));
        assert_eq!(elements(&text).count(), 1);
    }
}

#[test]
fn the_same_is_accepted_as_serde_json_accepts() {
    let pieces = [
        "[", "]", "{", "}", "\"", ",", ":", "\\", "0", "1", "-", ".", "e", "t", "null", " ", "\n", "\u{1}", "\u{e9}",
        "\\u", "\\\"",
    ];
    let mut chance = Chance::seeded(1);
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..20_000 {
        let document = random_value(&mut chance, 0);
        let text = chance.mutated(&document, &pieces);
        let expected = serde_json::from_str::<IgnoredAny>(&text).is_ok();
        assert_eq!(validate(&text, 128).is_ok(), expected, "{text:?}");
        if expected { accepted += 1 } else { refused += 1 }
    }
    assert!(accepted > 5_000 && refused > 5_000, "{accepted} accepted, {refused} refused");
}

fn random_value(chance: &mut Chance, depth: usize) -> String {
    let blank = chance.pick(&["", "", "", " ", "\n", "\t "]);
    let value = match chance.below(if depth > 4 { 6 } else { 10 }) {
        0 => format!("{}", chance.number()),
        1 => String::from(chance.pick(&["0", "-0", "-1.25", "1e9", "2E-3", "0.5e+7"])),
        2 => String::from(chance.pick(&["true", "false", "null"])),
        3..=5 => random_string(chance),
        6 | 7 => {
            let items: Vec<_> = (0..chance.below(4)).map(|_| random_value(chance, depth + 1)).collect();
            format!("[{blank}{}{blank}]", items.join(","))
        }
        _ => {
            let items: Vec<_> = (0..chance.below(4))
                .map(|_| format!("{blank}{}{blank}:{}", random_string(chance), random_value(chance, depth + 1)))
                .collect();
            format!("{{{blank}{}{blank}}}", items.join(","))
        }
    };
    format!("{blank}{value}{blank}")
}

fn random_string(chance: &mut Chance) -> String {
    let pieces = [
        "a",
        "plain text",
        "\u{e9}",
        "\u{20ac}",
        "\u{1f600}",
        "\\n",
        "\\\"",
        "\\\\",
        "\\/",
        "\\u0041",
        "\\u00e9",
        "\\ud83d\\ude00",
        "\\b",
        "\\f",
        ",",
        ":",
        "[",
        "}",
        " ",
        "\\u0000",
        "\u{7f}",
        "\\t",
        "\\r",
    ];
    let inside: String = (0..chance.below(6)).map(|_| chance.pick(&pieces)).collect();
    format!("\"{inside}\"")
}

#[test]
fn strings_are_decoded_as_serde_json_decodes_them() {
    let mut chance = Chance::seeded(2);
    for _ in 0..5_000 {
        let raw = random_string(&mut chance);
        let expected: String = serde_json::from_str(&raw).unwrap();
        let mut buffer = [0; 256];
        assert_eq!(unescape(&raw, &mut buffer), Ok(expected.as_str()), "{raw}");
        assert!(unescaped_chars(&raw).eq(expected.chars()), "{raw}");
        assert!(str_eq(&raw, &expected), "{raw}");
        assert!(!str_eq(&raw, &format!("{expected}x")) && !str_eq(&raw, &format!("x{expected}")), "{raw}");
        let mut exact = vec![0; expected.len()];
        assert_eq!(unescape(&raw, &mut exact), Ok(expected.as_str()));
        if let Some((_, short)) = exact.split_last_mut() {
            assert_eq!(unescape(&raw, short), Err(UnescapeError::Buffer));
        }
        assert_eq!(escaped(&expected), serde_json::to_string(&expected).unwrap());
    }
}

fn escaped(text: &str) -> String {
    let mut bytes = Vec::new();
    escape(text, &mut |piece| {
        assert!(!piece.is_empty());
        bytes.extend_from_slice(piece);
    });
    String::from_utf8(bytes).unwrap()
}

#[test]
fn every_character_survives_being_escaped() {
    let mut buffer = [0; 4];
    for character in (0..0x800).chain([0x2028, 0x2029, 0xfeff, 0xffff, 0x1_0000, 0x10_ffff]).filter_map(char::from_u32)
    {
        let text = String::from(character);
        let raw = escaped(&text);
        assert_eq!(validate(&raw, 0), Ok(()), "{raw}");
        assert_eq!(unescape(&raw, &mut buffer), Ok(text.as_str()));
        let needs_it = character < ' ' || character == '"' || character == '\\';
        assert_eq!(raw.len() == text.len() + 2, !needs_it, "{raw}");
    }
}

#[test]
fn surrogates_without_their_other_half_become_replacement_characters() {
    let table = [
        (r#""\ud83d""#, "\u{fffd}"),
        (r#""\ude00""#, "\u{fffd}"),
        (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
        (r#""\ude00\ud83d""#, "\u{fffd}\u{fffd}"),
        (r#""\ud83dx""#, "\u{fffd}x"),
        (r#""\ud83d\n""#, "\u{fffd}\n"),
        (r#""\ud83d\u0041""#, "\u{fffd}A"),
        (r#""\uD800\uDC00\uDBFF\uDFFF""#, "\u{10000}\u{10ffff}"),
    ];
    for (raw, expected) in table {
        let mut buffer = [0; 32];
        assert_eq!(unescape(raw, &mut buffer), Ok(expected), "{raw}");
        assert!(str_eq(raw, expected), "{raw}");
    }
}

#[test]
fn other_values_are_no_strings() {
    for raw in ["", "\"", "1", "null", "[\"a\"]", "a\"", "\"a", "\"\\\"", "\"\\u00\""] {
        assert_eq!(unescape(raw, &mut [0; 32]), Err(UnescapeError::NotString), "{raw}");
        assert!(!str_eq(raw, raw), "{raw}");
    }
    assert_eq!(unescaped_chars("12").count(), 0);
}

#[test]
fn lists_and_objects_are_cut_where_they_were_joined() {
    let mut chance = Chance::seeded(3);
    for _ in 0..3_000 {
        let values: Vec<_> = (0..chance.below(5)).map(|_| random_value(&mut chance, 1)).collect();
        let list = values.join(",");
        let trimmed: Vec<_> = values.iter().map(|value| trim(value)).collect();
        assert_eq!(elements(&list).collect::<Vec<_>>(), trimmed, "{list}");

        let keys: Vec<_> = values.iter().map(|_| random_string(&mut chance)).collect();
        let pairs: Vec<_> = keys.iter().zip(&values).map(|(key, value)| format!(" {key} :{value}")).collect();
        let expected: Vec<_> = keys.iter().map(String::as_str).zip(trimmed).collect();
        assert_eq!(members(&format!(" {{{}}} ", pairs.join(","))).collect::<Vec<_>>(), expected, "{pairs:?}");
    }
}

#[test]
fn the_rest_of_a_list_is_what_was_not_handed_out() {
    let mut list = elements(" 1 , [2,3] , {\"a\":\",\"} ");
    for (value, rest) in [("1", "[2,3] , {\"a\":\",\"}"), ("[2,3]", "{\"a\":\",\"}"), ("{\"a\":\",\"}", "")] {
        assert_eq!(list.next(), Some(value));
        assert_eq!(list.rest(), rest);
    }
    assert_eq!(list.next(), None);
}

#[test]
fn the_last_of_equal_keys_counts() {
    assert_eq!(member(r#"{"a":1,"b":2,"\u0061":3}"#, "a"), Some("3"));
    assert_eq!(member(r#"{"a":{"b":2}}"#, "b"), None);
    assert_eq!(member("[1]", "a"), None);
}

#[test]
fn garbage_is_cut_into_pieces_without_an_end_that_never_comes() {
    let pieces = ["[", "]", "{", "}", "\"", ",", ":", "\\", "\u{e9}", " ", "1", "\\u", "\\ud83d"];
    let mut chance = Chance::seeded(4);
    for _ in 0..5_000 {
        let text: String = (0..chance.below(12)).map(|_| chance.pick(&pieces)).collect();
        assert!(elements(&text).count() <= text.len());
        assert!(members(&text).count() <= text.len());
        assert!(unescaped_chars(&text).count() <= text.len());
        let _ = unescape(&text, &mut [0; 8]);
        assert!(scan(&text, 3).is_err() || scan(&text, 3).unwrap() <= text.len());
    }
}
