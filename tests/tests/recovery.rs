//! Connection state recovery: who was cut off comes back with its id, its rooms and what it missed, or starts anew.

use sprat_core::app::Payload;
use sprat_core::time::Duration;
use sprat_core::{CloseReason, Limits, Target};
use sprat_tests::driver::sid_of;
use sprat_tests::memory::RECENT;
use sprat_tests::{Bench, Frame, Line};

fn bench() -> Bench {
    Bench::limited(Limits { recovery_timeout: Duration::from_ms(120_000), ..Limits::default() })
}

/// What a client remembers of itself.
struct Me {
    line: Line,
    sid: String,
    pid: String,
}

fn member(packet: &str, name: &str) -> String {
    let object: serde_json::Value = serde_json::from_str(packet.trim_start_matches("40")).expect("a CONNECT packet");
    object[name].as_str().unwrap_or_default().to_owned()
}

fn join(bench: &mut Bench) -> Me {
    let (line, _) = bench.open_websocket();
    bench.send_text(line, "40");
    let connect = bench.text(line);
    Me { line, sid: sid_of(&connect), pid: member(&connect, "pid") }
}

fn come_back(bench: &mut Bench, me: &Me, offset: &str) -> (Line, Vec<String>) {
    let (line, _) = bench.open_websocket();
    bench.send_text(line, &format!(r#"40{{"pid":"{}","offset":"{offset}"}}"#, me.pid));
    let texts = bench.all(line).into_iter().map(|frame| match frame {
        Frame::Text(text) => text,
        other => panic!("text expected, not {other:?}"),
    });
    (line, texts.collect())
}

fn emit(bench: &mut Bench, target: Target<'_>, n: u32) {
    let json = n.to_string();
    bench.enter(|_, context| context.emit(target, "n", Payload::json(&json))).expect("there is room");
}

/// The offset that an event carries as its last argument.
fn offset_of(text: &str) -> String {
    text.rsplit('"').nth(1).expect("a last argument that is a string").to_owned()
}

#[test]
fn what_was_missed_comes_before_the_connect_reply_and_the_id_stays() {
    let mut bench = bench();
    let me = join(&mut bench);
    assert_eq!(me.pid.len(), 20);
    let socket = bench.newest();
    bench.enter(|_, context| context.join(socket, "room")).expect("there is room");
    emit(&mut bench, Target::all(), 1);
    let got = bench.text(me.line);
    bench.lose_line(me.line, CloseReason::TransportError);
    emit(&mut bench, Target::all(), 2);
    emit(&mut bench, Target::all().rooms(&["other"]), 3);
    emit(&mut bench, Target::all().rooms(&["room"]), 4);
    emit(&mut bench, Target::socket(socket), 5);
    emit(&mut bench, Target::all().except(socket), 6);
    emit(&mut bench, Target::all().except_rooms(&["room"]), 7);
    emit(&mut bench, Target::all().rooms(&[&me.sid]), 8);
    emit(&mut bench, Target::all().volatile(), 9);
    let (line, texts) = come_back(&mut bench, &me, &offset_of(&got));
    let numbers: Vec<_> = texts.iter().map(|text| text.split([',', '[']).nth(2).unwrap_or(text)).collect();
    assert_eq!(numbers[..4], ["2", "4", "5", "8"]);
    assert_eq!(texts[4], format!(r#"40{{"sid":"{}","pid":"{}"}}"#, me.sid, me.pid));
    assert_eq!(texts.len(), 5);
    bench.enter(|_, context| {
        assert!(context.is_recovered(socket));
        assert_eq!(context.count(Target::all()), 1);
    });
    emit(&mut bench, Target::all().rooms(&["room"]), 10);
    assert!(bench.text(line).starts_with(r#"42["n",10,"#));
}

#[test]
fn a_pid_that_is_claimed_while_the_old_connection_is_up_ends_that_one() {
    let mut bench = bench();
    let me = join(&mut bench);
    emit(&mut bench, Target::all(), 1);
    let offset = offset_of(&bench.text(me.line));
    bench.stall(me.line, true);
    emit(&mut bench, Target::all(), 2);
    let (_, texts) = come_back(&mut bench, &me, &offset);
    assert_eq!(texts.len(), 2);
    assert!(texts[0].starts_with(r#"42["n",2,"#), "{texts:?}");
    assert_eq!(sid_of(&texts[1]), me.sid);
    assert_eq!(bench.reasons(), ["transport close"]);
    assert!(bench.is_closed(me.line));
}

#[test]
fn an_unknown_pid_or_an_offset_that_was_never_given_starts_anew() {
    let mut bench = bench();
    let me = join(&mut bench);
    emit(&mut bench, Target::all(), 1);
    let offset = offset_of(&bench.text(me.line));
    let stranger = Me { line: me.line, sid: String::new(), pid: "AAAAAAAAAAAAAAAAAAAA".into() };
    for (who, offset) in [(&stranger, offset.as_str()), (&me, "999"), (&me, "x")] {
        bench.lose_line(who.line, CloseReason::TransportClose);
        let (_, texts) = come_back(&mut bench, who, offset);
        assert_eq!(texts.len(), 1, "{texts:?}");
        assert_ne!(sid_of(&texts[0]), me.sid);
    }
}

#[test]
fn an_offset_that_has_aged_out_starts_anew() {
    let mut bench = bench();
    let me = join(&mut bench);
    emit(&mut bench, Target::all(), 0);
    let offset = offset_of(&bench.text(me.line));
    bench.lose_line(me.line, CloseReason::TransportError);
    for n in 0..=RECENT as u32 {
        emit(&mut bench, Target::all(), n);
    }
    let (_, texts) = come_back(&mut bench, &me, &offset);
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert_ne!(sid_of(&texts[0]), me.sid);
}

#[test]
fn who_stays_away_too_long_or_leaves_on_purpose_is_forgotten() {
    let mut bench = bench();
    let me = join(&mut bench);
    bench.lose_line(me.line, CloseReason::TransportError);
    bench.advance(120_000);
    let (line, texts) = come_back(&mut bench, &me, "0");
    assert_ne!(sid_of(&texts[0]), me.sid);
    let pid = member(&texts[0], "pid");
    bench.send_text(line, "41");
    let me = Me { line, sid: sid_of(&texts[0]), pid };
    let (_, texts) = come_back(&mut bench, &me, "0");
    assert_ne!(sid_of(&texts[0]), me.sid);
}

#[test]
fn events_with_acknowledgement_and_volatile_ones_carry_no_offset() {
    let mut bench = bench();
    let me = join(&mut bench);
    let socket = bench.newest();
    bench.enter(|_, context| {
        context.emit_with_ack(socket, "q", Payload::json("1"), None).expect("there is room");
    });
    assert_eq!(bench.text(me.line), r#"420["q",1]"#);
    emit(&mut bench, Target::all().volatile(), 1);
    assert_eq!(bench.text(me.line), r#"42["n",1]"#);
    emit(&mut bench, Target::all(), 2);
    assert_eq!(bench.text(me.line), r#"42["n",2,"1"]"#);
}

#[test]
fn nothing_is_left_when_everybody_has_been_away_too_long() {
    let mut bench = bench();
    let lines: Vec<_> = (0..5).map(|_| join(&mut bench).line).collect();
    emit(&mut bench, Target::all().rooms(&["a", "b"]), 1);
    for line in lines {
        bench.lose_line(line, CloseReason::TransportError);
    }
    bench.advance(240_000);
    assert!(bench.server().is_idle());
}

#[test]
fn what_was_sent_before_a_client_joined_is_not_for_it_whatever_it_claims() {
    let mut bench = bench();
    let first = join(&mut bench);
    for n in 1..=3 {
        emit(&mut bench, Target::all(), n);
    }
    let me = join(&mut bench);
    for offset in ["0", "1", "2"] {
        bench.lose_line(me.line, CloseReason::TransportError);
        let (line, texts) = come_back(&mut bench, &me, offset);
        assert_eq!(texts.len(), 1, "{texts:?}");
        assert_ne!(sid_of(&texts[0]), me.sid);
        bench.lose_line(line, CloseReason::TransportError);
    }
    let me = join(&mut bench);
    bench.lose_line(me.line, CloseReason::TransportError);
    emit(&mut bench, Target::all(), 4);
    let (_, texts) = come_back(&mut bench, &me, "3");
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert_eq!(sid_of(&texts[1]), me.sid);
    assert_eq!(bench.all(first.line).len(), 4);
}

#[test]
fn another_namespace_in_the_same_place_does_not_inherit_what_was_sent() {
    let mut bench = bench();
    let (line, _) = bench.open_websocket();
    bench.send_text(line, "40/custom,");
    bench.text(line);
    bench.enter(|_, context| context.emit(Target::namespace("/custom"), "secret", Payload::default())).expect("room");
    bench.send_text(line, "41/custom,");
    bench.send_text(line, "40/other,");
    let texts: Vec<String> = core::iter::from_fn(|| bench.receive(line)).map(|frame| format!("{frame:?}")).collect();
    let pid = texts.last().and_then(|text| text.rsplit("pid").next()).expect("a pid").to_owned();
    let pid: String = pid.chars().filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
    bench.lose_line(line, CloseReason::TransportError);
    for offset in ["0", "1"] {
        let (line, _) = bench.open_websocket();
        bench.send_text(line, &format!(r#"40/other,{{"pid":"{pid}","offset":"{offset}"}}"#));
        let frames = bench.all(line);
        assert!(!format!("{frames:?}").contains("secret"), "{frames:?}");
    }
}

#[test]
fn who_is_there_goes_before_who_may_come_back() {
    // 2 rooms and 3 memberships: with `/` one of each is left for two clients.
    let resources = sprat_tests::memory::sized::<4, 4, 2, 3, 16, 4, 32, 4_096, 8>(3);
    let limits = Limits { recovery_timeout: Duration::from_ms(120_000), ..Limits::default() };
    let mut bench = Bench::new(sprat_tests::Recorder::default(), resources, limits);
    let absent = join(&mut bench);
    let socket = bench.newest();
    bench.enter(|_, context| context.join(socket, "a")).expect("there is room");
    bench.lose_line(absent.line, CloseReason::TransportError);
    let here = join(&mut bench);
    let socket = bench.newest();
    assert_eq!(bench.enter(|_, context| context.join(socket, "b")), Ok(()));
    let (_, texts) = come_back(&mut bench, &absent, "0");
    assert_ne!(sid_of(&texts[0]), absent.sid, "{texts:?}");
    assert!(!bench.is_closed(here.line));
}

#[test]
fn a_new_client_finds_room_in_a_namespace_that_is_full_of_absent_ones() {
    // 8 sockets, but only 2 memberships.
    let resources = sprat_tests::memory::sized::<8, 8, 2, 2, 16, 4, 32, 4_096, 8>(3);
    let limits = Limits { recovery_timeout: Duration::from_ms(120_000), ..Limits::default() };
    let mut bench = Bench::new(sprat_tests::Recorder::default(), resources, limits);
    let (first, second) = (join(&mut bench), join(&mut bench));
    bench.lose_line(first.line, CloseReason::TransportError);
    bench.lose_line(second.line, CloseReason::TransportError);
    let third = join(&mut bench);
    assert!(!bench.is_closed(third.line));
    // Only as many were forgotten as it took: the second may still come back, and has heard of nothing.
    let (_, texts) = come_back(&mut bench, &second, "0");
    assert_eq!(sid_of(&texts[0]), second.sid, "{texts:?}");
}

/// Whether a client comes back that has missed `missed` events, within limits that `change` sets.
fn recovers(change: impl FnOnce(&mut Limits), missed: u32) -> bool {
    let mut limits = Limits { recovery_timeout: Duration::from_ms(120_000), ..Limits::default() };
    change(&mut limits);
    let mut bench = Bench::limited(limits);
    let me = join(&mut bench);
    emit(&mut bench, Target::all(), 100);
    let offset = offset_of(&bench.text(me.line));
    bench.lose_line(me.line, CloseReason::TransportError);
    for n in 0..missed {
        emit(&mut bench, Target::all(), 100 + n);
    }
    let (_, texts) = come_back(&mut bench, &me, &offset);
    sid_of(texts.last().expect("an answer")) == me.sid
}

#[test]
fn who_missed_more_events_than_are_kept_starts_anew() {
    for (missed, expected) in [(0, true), (5, true), (6, false)] {
        assert_eq!(recovers(|limits| limits.recovery_packets_max = 5, missed), expected, "{missed}");
    }
}

#[test]
fn who_missed_more_bytes_than_are_kept_starts_anew() {
    let one = r#"42["n",100,"1"]"#.len() as u32;
    for (missed, expected) in [(0, true), (5, true), (6, false)] {
        assert_eq!(recovers(|limits| limits.recovery_bytes_max = 5 * one, missed), expected, "{missed}");
    }
}

#[test]
fn of_too_many_that_may_come_back_the_one_that_is_away_longest_is_forgotten() {
    let limits = Limits { recovery_timeout: Duration::from_ms(120_000), recovery_clients_max: 2, ..Limits::default() };
    let mut bench = Bench::limited(limits);
    let clients: Vec<Me> = (0..3).map(|_| join(&mut bench)).collect();
    for me in &clients {
        bench.lose_line(me.line, CloseReason::TransportError);
    }
    let came_back: Vec<bool> = clients
        .iter()
        .map(|me| {
            let (_, texts) = come_back(&mut bench, me, "0");
            sid_of(texts.last().expect("an answer")) == me.sid
        })
        .collect();
    assert_eq!(came_back, [false, true, true]);
}
