//! PING and PONG (Engine.IO protocol, "Heartbeat"; section 1c of the measured facts).

use sprat_core::Limits;
use sprat_core::time::Duration;
use sprat_tests::{Bench, Frame};

const PING: &str = "2";

fn quick() -> Bench {
    let (ping_interval, ping_timeout) = (Duration::from_ms(300), Duration::from_ms(200));
    Bench::limited(Limits { ping_interval, ping_timeout, ..Limits::default() })
}

#[test]
fn the_first_ping_comes_after_a_full_interval_and_not_before() {
    let mut bench = Bench::plain();
    let (line, _) = bench.connect_websocket();
    bench.advance(24_999);
    assert_eq!(bench.all(line), []);
    bench.advance(1);
    assert_eq!(bench.text(line), PING);
    bench.advance(19_999);
    assert_eq!(bench.all(line), []);
    assert!(!bench.is_closed(line));
    bench.advance(1);
    assert!(bench.is_closed(line));
    assert_eq!(bench.closed.iter().map(|reason| reason.as_str()).collect::<Vec<_>>(), ["ping timeout"]);
    assert!(bench.server().is_idle());
}

#[test]
fn each_pong_is_followed_by_a_ping_a_full_interval_later() {
    let mut bench = quick();
    let (line, _) = bench.connect_websocket();
    bench.advance(300);
    assert_eq!(bench.text(line), PING);
    for round in 0..10 {
        bench.advance(199 - round);
        bench.send_text(line, "3");
        bench.advance(299);
        assert_eq!(bench.all(line), [], "round {round}");
        bench.advance(1);
        assert_eq!(bench.text(line), PING, "round {round}");
    }
}

#[test]
fn a_driver_that_is_a_little_late_gives_no_more_time_for_the_pong() {
    let mut bench = quick();
    let (line, _) = bench.connect_websocket();
    bench.jump(310);
    assert_eq!(bench.text(line), PING);
    bench.advance(189);
    assert!(!bench.is_closed(line));
    bench.advance(1);
    assert!(bench.is_closed(line));
}

#[test]
fn a_driver_that_is_very_late_gives_the_whole_time_for_the_pong() {
    let mut bench = quick();
    let (line, _) = bench.connect_websocket();
    bench.jump(450);
    assert_eq!(bench.text(line), PING);
    bench.advance(199);
    assert!(!bench.is_closed(line));
    bench.advance(1);
    assert!(bench.is_closed(line));
}

#[test]
fn a_silent_polling_session_is_unknown_when_its_time_is_over() {
    let mut bench = quick();
    let sid = bench.open_polling();
    bench.advance(499);
    assert_eq!(bench.pull(&sid), PING);
    bench.advance(1);
    let exchange = bench.poll(&sid);
    assert_eq!(bench.http(exchange), (400, r#"{"code":1,"message":"Session ID unknown"}"#.into()));
}

#[test]
fn a_waiting_poll_gets_the_ping_and_then_the_end() {
    let mut bench = quick();
    let sid = bench.open_polling();
    let poll = bench.poll(&sid);
    bench.advance(300);
    assert_eq!(bench.http(poll), (200, PING.into()));
    let poll = bench.poll(&sid);
    bench.advance(199);
    assert_eq!(bench.answer(poll), None);
    bench.advance(1);
    assert_eq!(bench.http(poll), (200, "1".into()));
}

#[test]
fn other_traffic_gives_the_full_time_again_but_once_for_each_ping() {
    let mut bench = quick();
    let (line, _) = bench.connect_websocket();
    for _ in 0..2 {
        bench.advance(300);
        assert_eq!(bench.text(line), PING);
        bench.advance(150);
        bench.send_text(line, r#"42["x"]"#);
        bench.advance(199);
        bench.send_text(line, "3");
    }
    bench.advance(300);
    assert_eq!(bench.text(line), PING);
    bench.advance(150);
    bench.send_text(line, r#"42["x"]"#);
    bench.advance(150);
    bench.send_text(line, r#"42["x"]"#);
    bench.advance(49);
    assert!(!bench.is_closed(line));
    bench.advance(1);
    assert!(bench.is_closed(line));
    assert_eq!(bench.reasons(), ["ping timeout"]);
}

#[test]
fn traffic_before_the_ping_does_not_put_it_off() {
    let mut bench = quick();
    let (line, _) = bench.connect_websocket();
    for _ in 0..2 {
        bench.advance(149);
        bench.send_text(line, r#"42["x"]"#);
        // Nobody asked for this one.
        bench.send_text(line, "3");
    }
    bench.advance(2);
    assert_eq!(bench.all(line), [Frame::Text(PING.into())]);
}

#[test]
fn an_upgrade_does_not_reset_the_interval_and_gives_time_for_an_open_ping() {
    let mut bench = quick();
    let sid = bench.open_polling();
    bench.advance(200);
    let probe = bench.probe(&sid);
    let line = bench.line(probe);
    bench.send_text(line, "2probe");
    bench.send_text(line, "5");
    assert_eq!(bench.text(line), "3probe");
    bench.advance(99);
    assert_eq!(bench.all(line), []);
    bench.advance(1);
    assert_eq!(bench.text(line), PING);

    let mut bench = quick();
    let sid = bench.open_polling();
    bench.advance(300);
    assert_eq!(bench.pull(&sid), PING);
    bench.advance(150);
    let probe = bench.probe(&sid);
    let line = bench.line(probe);
    bench.send_text(line, "2probe");
    bench.send_text(line, "5");
    bench.advance(199);
    assert!(!bench.is_closed(line));
    bench.send_text(line, "3");
    bench.advance(299);
    assert!(!bench.is_closed(line));
}

#[test]
fn pings_go_on_when_the_last_namespace_was_left() {
    let mut bench = quick();
    let (line, _) = bench.connect_websocket();
    bench.send_text(line, "41");
    for _ in 0..300 {
        bench.advance(300);
        assert_eq!(bench.text(line), PING);
        bench.send_text(line, "3");
    }
    assert!(!bench.is_closed(line));
}

#[test]
fn a_late_call_makes_nobody_lose_its_ping() {
    let mut bench = quick();
    let lines: Vec<_> = (0..5).map(|_| bench.connect_websocket().0).collect();
    bench.jump(450);
    for line in lines {
        assert_eq!(bench.text(line), PING);
        bench.send_text(line, "3");
    }
    bench.advance(100);
    assert_eq!(bench.closed, []);
}

#[test]
fn what_is_due_for_many_is_done_a_few_at_a_time_and_stays_due() {
    let mut bench = quick();
    for _ in 0..70 {
        bench.connect_websocket();
    }
    bench.advance(300);
    let mut closed = Vec::new();
    while !bench.server().is_idle() {
        let due = bench.server().deadline().expect("somebody who did not answer");
        assert!(due.as_ms() <= 500, "the rest is due on");
        bench.jump(501);
        closed.push(bench.closed.len());
    }
    assert_eq!(closed, [32, 64, 70]);
}
