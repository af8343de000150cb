//! From polling to a WebSocket (Engine.IO protocol, "Upgrade"; rows T14 to T18 of the measured facts).

use sprat_core::Payload;
use sprat_core::{CloseReason, Target};
use sprat_tests::{Answered, Bench, Frame, Link, Plan, Recorder, World, memory};

#[test]
fn a_probe_is_answered_and_the_websocket_takes_over() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    let probe = bench.probe(&sid);
    let line = bench.line(probe);
    assert_eq!(bench.all(line), []);
    bench.send_text(line, "2probe");
    assert_eq!(bench.all(line), [Frame::Text("3probe".into())]);
    bench.send_text(line, "5");
    bench.send_text(line, r#"42["echo",1]"#);
    assert_eq!(bench.all(line), [Frame::Text(r#"42["echo",1]"#.into())]);
}

#[test]
fn a_probe_is_answered_first_though_the_websocket_has_taken_over() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    let probe = bench.probe(&sid);
    let line = bench.line(probe);
    bench.send_together(line, &["2probe", "5", r#"42["echo",1]"#]);
    let expected = ["3probe", r#"42["echo",1]"#].map(|text| Frame::Text(text.into()));
    assert_eq!(bench.all(line), expected);
    assert_eq!(bench.all(line), []);
}

#[test]
fn every_poll_is_answered_with_noop_within_100_ms_of_the_probe() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    let poll = bench.poll(&sid);
    let probe = bench.probe(&sid);
    let line = bench.line(probe);
    bench.advance(500);
    assert_eq!(bench.answer(poll), None, "nothing is known of the WebSocket yet");
    bench.send_text(line, "2probe");
    bench.advance(99);
    assert_eq!(bench.answer(poll), None);
    bench.advance(1);
    assert_eq!(bench.http(poll), (200, "6".into()));
    for wait_ms in [100, 50, 1, 99, 100] {
        bench.advance(100 - wait_ms);
        let poll = bench.poll(&sid);
        bench.advance(wait_ms - 1);
        assert_eq!(bench.answer(poll), None, "{wait_ms}");
        bench.advance(1);
        assert_eq!(bench.http(poll), (200, "6".into()), "{wait_ms}");
    }
}

#[test]
fn a_waiting_poll_is_answered_with_noop_when_the_websocket_takes_over() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    let probe = bench.probe(&sid);
    let line = bench.line(probe);
    bench.send_text(line, "2probe");
    let poll = bench.poll(&sid);
    bench.send_text(line, "5");
    assert_eq!(bench.http(poll), (200, "6".into()));
}

#[test]
fn nothing_but_the_answer_to_the_probe_goes_over_a_probing_websocket() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    let probe = bench.probe(&sid);
    let line = bench.line(probe);
    bench.push(&sid, r#"42["echo",1]"#);
    bench.send_text(line, "2probe");
    bench.push(&sid, r#"42["echo",2]"#);
    bench.advance(1_000);
    assert_eq!(bench.all(line), [Frame::Text("3probe".into())]);
    bench.send_text(line, "5");
    let expected = [r#"42["echo",1]"#, r#"42["echo",2]"#].map(|text| Frame::Text(text.into()));
    assert_eq!(bench.all(line), expected);
}

#[test]
fn an_upgrade_that_is_not_finished_in_10_s_is_given_up_and_polling_goes_on() {
    for probes in [false, true] {
        let mut bench = Bench::plain();
        let (sid, _) = bench.connect_polling();
        let probe = bench.probe(&sid);
        let line = bench.line(probe);
        if probes {
            bench.send_text(line, "2probe");
        }
        bench.advance(9_999);
        assert!(!bench.is_closed(line));
        // Within a probe's rhythm of 100 ms.
        bench.advance(101);
        assert!(bench.is_closed(line), "{probes}");
        let poll = bench.poll(&sid);
        bench.advance(1_000);
        assert_eq!(bench.answer(poll), None);
        bench.push(&sid, r#"42["echo",1]"#);
        assert_eq!(bench.http(poll), (200, r#"42["echo",1]"#.into()));
        let again = bench.probe(&sid);
        let line = bench.line(again);
        bench.send_text(line, "2probe");
        bench.send_text(line, "5");
        assert!(!bench.is_closed(line));
    }
}

#[test]
fn probing_again_and_again_does_not_put_the_end_off() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    let probe = bench.probe(&sid);
    let line = bench.line(probe);
    let poll = bench.poll(&sid);
    for _ in 0..202 {
        bench.send_text(line, "2probe");
        bench.advance(50);
    }
    assert_eq!(bench.http(poll), (200, "6".into()));
    assert!(bench.is_closed(line));
}

#[test]
fn any_other_packet_closes_the_probing_websocket_and_polling_goes_on() {
    for packet in ["5", "4x", "2", "2prob", "3", "6", "1", "0", "", "9", r#"42["echo",1]"#] {
        let mut bench = Bench::plain();
        let (sid, _) = bench.connect_polling();
        let probe = bench.probe(&sid);
        let line = bench.line(probe);
        bench.send_text(line, packet);
        assert!(bench.is_closed(line), "{packet:?}");
        bench.push(&sid, r#"42["echo",1]"#);
        assert_eq!(bench.pull(&sid), r#"42["echo",1]"#, "{packet:?}");
    }
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    let probe = bench.probe(&sid);
    let line = bench.line(probe);
    bench.send_text(line, "2probe");
    bench.send_binary(line, &[1]);
    assert!(bench.is_closed(line));
    let poll = bench.poll(&sid);
    bench.advance(1_000);
    assert_eq!(bench.answer(poll), None);
}

#[test]
fn a_lost_probing_websocket_leaves_polling_alone() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    let probe = bench.probe(&sid);
    let line = bench.line(probe);
    bench.send_text(line, "2probe");
    bench.lose_line(line, CloseReason::TransportError);
    let poll = bench.poll(&sid);
    bench.advance(12_000);
    assert_eq!(bench.answer(poll), None);
    bench.push(&sid, r#"42["echo",1]"#);
    assert_eq!(bench.http(poll), (200, r#"42["echo",1]"#.into()));
}

#[test]
fn a_second_websocket_is_closed_at_once_during_and_after_an_upgrade() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    let probe = bench.probe(&sid);
    let line = bench.line(probe);
    for step in ["2probe", "5", r#"42["echo",1]"#] {
        let second = bench.probe(&sid);
        assert_eq!(bench.answer(second), Some(&Answered::WebSocketClosed), "before {step}");
        bench.send_text(line, step);
    }
    assert_eq!(bench.all(line), ["3probe", r#"42["echo",1]"#].map(|text| Frame::Text(text.into())));
    let (_, sid) = bench.open_websocket();
    let second = bench.probe(&sid);
    assert_eq!(bench.answer(second), Some(&Answered::WebSocketClosed));
}

#[test]
fn polling_is_refused_after_the_upgrade() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    let probe = bench.probe(&sid);
    let line = bench.line(probe);
    bench.send_text(line, "2probe");
    bench.send_text(line, "5");
    for exchange in [bench.poll(&sid), bench.push(&sid, "42[\"x\"]")] {
        assert_eq!(bench.http(exchange), (400, r#"{"code":3,"message":"Bad request"}"#.into()));
    }
    bench.send_text(line, r#"42["echo",1]"#);
    assert_eq!(bench.all(line), ["3probe", r#"42["echo",1]"#].map(|text| Frame::Text(text.into())));
}

#[test]
fn the_probing_websocket_ends_with_the_session() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    let probe = bench.probe(&sid);
    let line = bench.line(probe);
    bench.push(&sid, "1");
    assert!(bench.is_closed(line));
    assert!(bench.server().is_idle());
}

#[test]
fn binary_is_text_on_the_websocket_of_a_client_that_wants_it_so() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    let probe = bench.upgrade(&format!("/socket.io/?EIO=4&transport=websocket&b64=1&sid={sid}"));
    let line = bench.line(probe);
    bench.send_text(line, "2probe");
    bench.send_text(line, "5");
    bench.send_text(line, r#"451-["echo",{"_placeholder":true,"num":0}]"#);
    bench.send_text(line, "bAQID");
    let texts = ["3probe", r#"451-["echo",{"_placeholder":true,"num":0}]"#, "bAQID"];
    assert_eq!(bench.all(line), texts.map(|text| Frame::Text(text.into())));
}

#[test]
fn what_is_sent_during_an_upgrade_arrives_once_and_in_order_both_ways() {
    for seed in 0..60 {
        let link = Link { delay_min_ms: 1, delay_max_ms: 60 };
        let resources = memory::roomy(seed);
        let mut world = World::with(Recorder::default(), resources, sprat_core::Limits::default(), link, seed);
        let client = world.start(Plan::Upgrade, None);
        let mut sent = 0;
        for step in 0..150 {
            world.run(7);
            if world.client(client).is_connected() {
                let json = step.to_string();
                world.enter(|_, context| context.emit(Target::all(), "n", Payload::json(&json))).unwrap();
                world.emit(client, &format!("\"up\",{sent}"));
                sent += 1;
            }
        }
        world.settle();
        assert!(world.client(client).line().is_some(), "seed {seed}: no upgrade");
        let got: Vec<usize> = world.client(client).args_of("n").iter().map(|args| args.parse().unwrap()).collect();
        assert_eq!(got.len(), sent, "seed {seed}");
        assert_eq!(got, (150 - sent..150).collect::<Vec<_>>(), "seed {seed}");
        let calls = world.enter(|app, _| core::mem::take(&mut app.calls));
        let up: Vec<String> = calls
            .into_iter()
            .filter_map(|call| if let sprat_tests::Call::Event(_, _, args, ..) = call { Some(args) } else { None })
            .collect();
        assert_eq!(up, (0..sent).map(|number| number.to_string()).collect::<Vec<_>>(), "seed {seed}");
    }
}

#[test]
fn what_the_last_poll_took_is_given_back_when_the_websocket_takes_over() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    let before = bench.frames_bytes();
    let probe = bench.probe(&sid);
    let line = bench.line(probe);
    bench.send_text(line, "2probe");
    bench.slow_polls = true;
    bench.push(&sid, r#"42["echo",1]"#);
    let poll = bench.poll(&sid);
    assert!(bench.is_sending(poll) && bench.frames_bytes() > before);
    bench.send_text(line, "5");
    assert_eq!(bench.frames_bytes(), before);
    assert_eq!(bench.all(line), [Frame::Text("3probe".into())], "it is not sent twice");
    bench.finish_poll(poll);
    bench.send_text(line, r#"42["echo",2]"#);
    assert_eq!(bench.text(line), r#"42["echo",2]"#);
}
