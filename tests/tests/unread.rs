//! Clients that live and do not read, that begin and do not go on, or that come in and join nothing.

use sprat_core::app::Payload;
use sprat_core::time::Duration;
use sprat_core::{CloseReason, Context, Limits, Target};
use sprat_tests::Bench;

const TIMEOUT_MS: u64 = 22_000;

/// Something for all, which sockets take as it comes.
fn emit(bench: &mut Bench) {
    bench.enter(|_, context: &mut dyn Context| context.emit(Target::all(), "n", Payload::json("1"))).expect("room");
}

#[test]
fn a_websocket_that_takes_nothing_is_closed_though_it_answers_pings() {
    let mut bench = Bench::plain();
    let (line, _) = bench.connect_websocket();
    bench.stall(line, true);
    emit(&mut bench);
    bench.advance(TIMEOUT_MS - 1);
    bench.send_text(line, "3");
    assert!(!bench.is_closed(line));
    bench.advance(1);
    assert!(bench.is_closed(line));
    assert_eq!((bench.closed.as_slice(), bench.frames_bytes()), (&[CloseReason::Stalled][..], 0));
    assert_eq!(bench.reasons(), ["stalled"]);
}

#[test]
fn a_poller_that_only_answers_pings_is_closed() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    // The ping waits for a poll that never comes. Answering it all the same shows nothing.
    bench.advance(25_000);
    for _ in 0..21 {
        let post = bench.push(&sid, "3");
        assert_eq!(bench.http(post).1, "ok");
        bench.advance(1_000);
    }
    assert!(bench.closed.is_empty());
    bench.advance(1_000);
    assert_eq!(bench.closed, [CloseReason::Stalled]);
}

#[test]
fn who_takes_something_now_and_then_stays() {
    let mut bench = Bench::plain();
    let (line, _) = bench.connect_websocket();
    for _ in 0..10 {
        bench.stall(line, true);
        emit(&mut bench);
        emit(&mut bench);
        bench.advance(TIMEOUT_MS - 1);
        bench.stall(line, false);
        assert!(!bench.all(line).is_empty());
        bench.send_text(line, "3");
    }
    assert!(!bench.is_closed(line));
    let (sid, _) = bench.connect_polling();
    for _ in 0..10 {
        emit(&mut bench);
        bench.all(line);
        bench.advance(TIMEOUT_MS - 1);
        assert!(bench.pull(&sid).contains("42[\"n\",1]"));
        let (post, _) = (bench.push(&sid, "3"), bench.send_text(line, "3"));
        assert_eq!(bench.http(post).0, 200);
    }
}

#[test]
fn pings_do_not_pile_up_for_a_client_that_does_not_read_them() {
    let limits = Limits {
        ping_interval: Duration::from_ms(1),
        ping_timeout: Duration::from_ms(1_000),
        unread_timeout: Duration::from_ms(1_000_000),
        ..Limits::default()
    };
    let mut bench = Bench::limited(limits);
    let (sid, _) = bench.connect_polling();
    for _ in 0..1_000 {
        bench.advance(1);
        bench.push(&sid, "3");
    }
    assert_eq!(bench.server().queued(), 1);
    assert_eq!(bench.pull(&sid), "2");
}

#[test]
fn a_binary_packet_that_is_not_finished_ends_and_each_attachment_gives_time_again() {
    let mut bench = Bench::plain();
    let (line, _) = bench.connect_websocket();
    let announce = |bench: &mut Bench| bench.send_text(line, r#"453-["n"]"#);
    announce(&mut bench);
    for _ in 0..2 {
        bench.advance(TIMEOUT_MS - 1);
        bench.send_binary(line, &[1]);
        bench.send_text(line, "3");
        bench.all(line);
    }
    bench.advance(TIMEOUT_MS - 1);
    assert!(!bench.is_closed(line));
    bench.send_binary(line, &[1]);
    bench.all(line);
    announce(&mut bench);
    bench.advance(TIMEOUT_MS - 1);
    bench.all(line);
    assert!(!bench.is_closed(line));
    bench.advance(1);
    assert!(bench.is_closed(line));
    assert_eq!(bench.closed, [CloseReason::Stalled]);
}

#[test]
fn of_too_many_that_join_nothing_the_one_that_waited_longest_goes() {
    let mut bench = Bench::limited(Limits { unconnected_clients_max: 3, ..Limits::default() });
    let (joined, _) = bench.connect_websocket();
    let lines: Vec<_> = (0..5).map(|_| bench.open_websocket().0).collect();
    let closed: Vec<bool> = lines.iter().map(|line| bench.is_closed(*line)).collect();
    assert_eq!(closed, [true, true, false, false, false]);
    assert!(!bench.is_closed(joined));
    assert_eq!(bench.closed, [CloseReason::Stalled; 2]);
    // Whoever joins makes room.
    bench.send_text(lines[2], "40");
    let (_, _) = bench.open_websocket();
    assert_eq!(bench.closed.len(), 2);
}
