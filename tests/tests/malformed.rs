//! What clients must not send, and what they may although it looks odd (section 3 of the measured facts, as a table).

use sprat_tests::{Bench, Call};

/// After CONNECT, each of these ends the connection.
const CLOSING: &[&[&str]] = &[
    // CONNECT
    &["40[1]"],
    &[r#"40"abc""#],
    &["40"],
    &["40{"],
    &[r#"40{"a":1}x"#],
    // Where there is no socket
    &[r#"42/custom,["x"]"#],
    &["41", r#"42["x"]"#],
    &["41/custom,"],
    // EVENT
    &["42[]"],
    &["42[null]"],
    &["42[true]"],
    &["42[{}]"],
    &["42[[]]"],
    &[r#"42["disconnect"]"#],
    &[r#"42["connect"]"#],
    &[r#"42["connect_error"]"#],
    &[r#"42["disconnecting"]"#],
    &[r#"42["newListener"]"#],
    &[r#"42["removeListener"]"#],
    &[r#"42["\u0064isconnect"]"#],
    &["42{}"],
    &["42null"],
    &[r#"42["m","#],
    &[r#"42["m"]x"#],
    &[r#"42["m",]"#],
    &[r#"42["m",01]"#],
    &[r#"42['m']"#],
    &["42[\"m\",\"\n\"]"],
    &[r#"421a["m"]"#],
    &[r#"42-1["m"]"#],
    &[r#"421.5["m"]"#],
    // ACK, DISCONNECT, CONNECT_ERROR, and what is none of them
    &["43{}"],
    &[r#"431"x""#],
    &[r#"44{"message":"x"}"#],
    &["41{}"],
    &["41[]"],
    &["47"],
    &["49"],
    &["4"],
    &["4x"],
    // BINARY_EVENT
    &[r#"450-["m"]"#],
    &[r#"4511-["m",{"_placeholder":true,"num":0}]"#],
    &[r#"451["m",{"_placeholder":true,"num":0}]"#],
    &[r#"45-1-["m",{"_placeholder":true,"num":0}]"#],
    &[r#"451.5-["m",{"_placeholder":true,"num":0}]"#],
    &[r#"45-["m"]"#],
    &[r#"4599999999999999999999-["m"]"#],
    &[r#"451-["m",{"_placeholder":true,"num":5}]"#],
    &[r#"451-["m",{"_placeholder":true,"num":1}]"#],
    &[r#"451-["m",{"_placeholder":true,"num":-1}]"#],
    &[r#"451-["m",{"_placeholder":true,"num":"splice"}]"#],
    &[r#"451-["m",{"_placeholder":true}]"#],
    &[r#"451-["disconnect",{"_placeholder":true,"num":0}]"#],
    &[r#"451-["m",{"_placeholder":true,"num":0}]"#, r#"42["x"]"#],
    &[r#"451-["m",{"_placeholder":true,"num":0}]"#, "41"],
    &[r#"451-["m",{"_placeholder":true,"num":0}]"#, r#"451-["m",{"_placeholder":true,"num":0}]"#],
    // An attachment that nobody announced
    &["bAQID"],
    // Engine.IO
    &["2"],
    &["2probe"],
    &["1"],
    &[""],
    &["9"],
    &["x"],
    &["\u{20ac}"],
];

/// After CONNECT, these are no reason to end it.
const HARMLESS: &[&str] =
    &["43999[1]", "43[1]", "43", "42", "42[1,2]", "42[-1]", "0", "3", "3x", "5", "6", "6x", r#"42["m","\ud800"]"#];

#[test]
fn each_of_these_ends_the_connection_and_nobody_elses() {
    for packets in CLOSING {
        let mut bench = Bench::plain();
        let (neighbour, _) = bench.connect_websocket();
        let (line, _) = bench.connect_websocket();
        let (last, before) = packets.split_last().unwrap();
        for packet in before {
            bench.send_text(line, packet);
            assert!(!bench.is_closed(line), "{packets:?}");
        }
        bench.calls();
        bench.send_text(line, last);
        assert!(bench.is_closed(line), "{packets:?}");
        assert!(!bench.calls().iter().any(|call| matches!(call, Call::Event(..))), "{packets:?}");
        bench.send_text(neighbour, r#"42["echo",1]"#);
        assert_eq!(bench.text(neighbour), r#"42["echo",1]"#, "{packets:?}");
        assert_eq!(bench.server().sessions(), 1, "{packets:?}");
    }
}

#[test]
fn each_of_these_ends_the_connection_over_polling_too() {
    for packets in CLOSING {
        let mut bench = Bench::plain();
        let (sid, _) = bench.connect_polling();
        let poll = bench.poll(&sid);
        let post = bench.push(&sid, packets.join("\x1e"));
        assert_eq!(bench.http(post), (200, "ok".into()), "{packets:?}");
        let (status, body) = bench.http(poll);
        assert_eq!((status, body == "1" || body == "6"), (200, true), "{packets:?}: {body}");
        assert!(bench.server().is_idle(), "{packets:?}");
    }
}

#[test]
fn these_end_nothing() {
    for packet in HARMLESS {
        let mut bench = Bench::plain();
        let (line, _) = bench.connect_websocket();
        bench.send_text(line, packet);
        bench.send_text(line, r#"42["echo",1]"#);
        assert_eq!(bench.text(line), r#"42["echo",1]"#, "{packet}");
    }
}

#[test]
fn one_hundred_thousand_levels_of_json_end_the_connection_and_a_hundred_do_not() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let nested = |levels: usize| format!("42[\"echo\",{}1{}]", open.repeat(levels), close.repeat(levels));
        let mut bench = Bench::plain();
        let (line, _) = bench.connect_websocket();
        bench.send_text(line, &nested(127));
        assert_eq!(bench.text(line), nested(127));
        bench.send_text(line, &nested(128));
        assert!(bench.is_closed(line));
        for levels in [100_000, 1_000_000] {
            let (line, _) = bench.connect_websocket();
            bench.send_text(line, &nested(levels));
            assert!(bench.is_closed(line), "{levels}");
            let (line, _) = bench.connect_websocket();
            bench.send_text(line, &format!("40{}", open.repeat(levels)));
            assert!(bench.is_closed(line), "{levels}");
            let (line, _) = bench.connect_websocket();
            bench.send_text(line, &format!("451-[\"m\",{}", open.repeat(levels)));
            assert!(bench.is_closed(line), "{levels}");
        }
    }
}
