use super::*;
use serde_json::{Value, json};

#[derive(Serialize)]
struct Point {
    x: i32,
    y: i32,
}

#[test]
fn tuples_are_several_arguments_and_everything_else_is_one() {
    let cases = [
        (().into_args(), ""),
        (1.into_args(), "1"),
        ("a\"b".into_args(), r#""a\"b""#),
        (("a",).into_args(), r#""a""#),
        ((1, "a", [2]).into_args(), r#"1,"a",[2]"#),
        (([1, 2],).into_args(), "[1,2]"),
        (vec![1, 2].into_args(), "[1,2]"),
        (json!(null).into_args(), "null"),
        (None::<u8>.into_args(), "null"),
        (Some((1, 2)).into_args(), "1,2"),
        (Point { x: 1, y: 2 }.into_args(), r#"{"x":1,"y":2}"#),
        ((Point { x: 1, y: 2 }, ()).into_args(), r#"{"x":1,"y":2},null"#),
    ];
    for (args, json) in cases {
        assert_eq!(args.unwrap().json(), json);
    }
}

#[test]
fn a_map_with_keys_that_are_no_strings_is_an_error() {
    let map = std::collections::BTreeMap::from([((1, 2), 3)]);
    assert!(map.into_args().is_err());
}

#[test]
fn arguments_are_read_as_they_are_written() {
    assert_eq!(<(u8, String)>::from_args(r#" 1 , "a" "#, &[]).unwrap(), (1, "a".to_owned()));
    assert_eq!(<(u8,)>::from_args("1,2,3", &[]).unwrap(), (1,), "what is too much is ignored");
    assert_eq!(<(u8, Option<u8>)>::from_args("1", &[]).unwrap(), (1, None));
    assert!(<(u8, u8)>::from_args("1", &[]).is_err());
    assert!(<(u8, u8)>::from_args(r#"1,"2""#, &[]).is_err());
    assert_eq!(Vec::<u8>::from_args("[1,2]", &[]).unwrap(), [1, 2]);
    assert_eq!(<[u8; 2]>::from_args("1,2", &[]).unwrap(), [1, 2]);
    assert_eq!(Option::<u8>::from_args("", &[]).unwrap(), None);
    assert_eq!(Value::from_args(r#"{"a":[1]}"#, &[]).unwrap(), json!({ "a": [1] }));
    <()>::from_args("1,2", &[]).unwrap();
    assert!(String::from_args(r#""\ud800""#, &[]).is_err(), "half a character is no text");
}

#[test]
fn binary_values_travel_beside_the_json() {
    let args = (json!({ "a": 1 }), vec![Binary::from(vec![1]), Binary::default()]).into_args().unwrap();
    assert_eq!(args.json(), r#"{"a":1},[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#);
    assert_eq!(args.attachments(), [Bytes::from_static(&[1]), Bytes::new()]);
    let (_, back): (Value, Vec<Binary>) = args.parse().unwrap();
    assert_eq!(back, [Binary::from(vec![1]), Binary::default()]);
}

#[test]
fn a_placeholder_without_its_attachment_is_an_error() {
    let placeholder = r#"{"num":0,"_placeholder":true}"#;
    assert!(Binary::from_args(placeholder, &[]).is_err());
    assert_eq!(Binary::from_args(placeholder, &[Bytes::from_static(b"x")]).unwrap(), Binary::from(&b"x"[..]));
    for other in [r#"{"num":1,"_placeholder":true}"#, r#"{"num":0}"#, r#"{"a":0}"#, "1", r#""x""#] {
        assert!(Binary::from_args(other, &[Bytes::from_static(b"x")]).is_err(), "{other}");
    }
}

#[test]
fn outside_of_arguments_a_binary_value_is_bytes() {
    let json = serde_json::to_string(&Binary::from(vec![1, 2])).unwrap();
    assert_eq!(json, "[1,2]");
    assert_eq!(serde_json::from_str::<Binary>(&json).unwrap(), Binary::from(vec![1, 2]));
}
