//! When everybody is gone nothing is left, however they went.

use sprat_core::time::Duration;
use sprat_core::{CloseReason, Limits, Payload, Target};
use sprat_tests::driver::head;
use sprat_tests::{Bench, Body, Chance, Link, Plan, Recorder, World, memory};

#[test]
fn a_full_life_leaves_nothing() {
    let mut bench = Bench::plain();
    let (line, _) = bench.connect_websocket();
    let socket = bench.newest();
    bench.enter(|_, context| {
        context.join(socket, "a").unwrap();
        context.join(socket, "b").unwrap();
        context.set_data(socket, b"data").unwrap();
        context.emit_with_ack(socket, "q", Payload::default(), Some(Duration::from_ms(1_000))).unwrap();
        let prepared = context.prepare("p", "1").unwrap();
        context.send_prepared(Target::all(), &prepared);
        context.discard(prepared);
    });
    bench.send_text(line, "40/custom,");
    bench.send_text(line, "40/pending,");
    bench.send_text(line, r#"452-["n"]"#);
    bench.send_binary(line, &[1]);
    assert!(!bench.server().is_idle());
    assert!(bench.frames_bytes() > 0);
    bench.lose_line(line, CloseReason::TransportClose);
    assert!(bench.server().is_idle());
    assert_eq!((bench.server().sessions(), bench.frames_bytes(), bench.server().deadline()), (0, 0, None));
}

#[test]
fn a_thousand_clients_one_after_another_leave_nothing_in_memory_for_four() {
    let resources = memory::sized::<4, 4, 4, 8, 16, 4, 16, 2_048, 0>(9);
    let mut bench = Bench::new(Recorder::default(), resources, Limits::default());
    for round in 0..1_000 {
        let (sid, _) = bench.connect_polling();
        let socket = bench.newest();
        bench.enter(|_, context| {
            context.join(socket, "room").unwrap();
            context.set_data(socket, b"data").unwrap();
            context.emit_with_ack(socket, "q", Payload::default(), Some(Duration::from_ms(1_000))).unwrap();
        });
        let target = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
        match round % 8 {
            0 => drop(bench.push(&sid, "1")),
            1 => {
                bench.push(&sid, "42[");
                bench.pull(&sid);
                assert_eq!(bench.pull(&sid), "6\x1e1");
            }
            2 => drop((bench.poll(&sid), bench.poll(&sid), bench.poll(&sid))),
            3 => {
                bench.pull(&sid);
                let poll = bench.poll(&sid);
                bench.lose_request(poll);
            }
            4 => bench.advance(45_000),
            5 => {
                let post = bench.request(&head("POST", &target, &[]), Body::Later);
                bench.lose_request(post);
            }
            6 => {
                let probe = bench.probe(&sid);
                let line = bench.line(probe);
                bench.send_text(line, "2probe");
                bench.send_text(line, "5");
                bench.lose_line(line, CloseReason::TransportError);
            }
            _ => {
                bench.enter(|_, context| context.disconnect(socket, true));
                bench.advance(30_000);
            }
        }
        assert!(bench.server().is_idle(), "round {round}");
        assert_eq!((bench.frames_bytes(), bench.server().deadline()), (0, None), "round {round}");
    }
    assert_eq!(bench.opened, 1_000);
    assert_eq!(bench.closed.len(), 1_000);
}

#[test]
fn crowds_that_come_and_go_over_a_slow_link_leave_nothing() {
    for seed in 0..10 {
        let link = Link { delay_min_ms: 5, delay_max_ms: 120 };
        let mut world = World::with(Recorder::default(), memory::roomy(seed), Limits::default(), link, seed);
        let mut chance = Chance::new(seed);
        let mut clients = Vec::new();
        for _ in 0..200 {
            match chance.below(6) {
                0 | 1 => {
                    let plan = *chance.pick(&[Plan::Polling, Plan::Upgrade, Plan::WebSocket]);
                    clients.push(world.start(plan, None));
                }
                2 if !clients.is_empty() => {
                    let client = clients.swap_remove(chance.below(clients.len() as u64) as usize);
                    world.leave(client);
                }
                3 if !clients.is_empty() => {
                    let client = clients.swap_remove(chance.below(clients.len() as u64) as usize);
                    world.vanish(client);
                }
                4 => {
                    world.enter(|_, context| context.emit(Target::all(), "n", Payload::json("1"))).unwrap();
                }
                _ => {
                    let ms = chance.below(400);
                    world.run(ms);
                }
            }
        }
        for client in clients {
            world.vanish(client);
        }
        // Whoever vanished without a connection is noticed by the heartbeat.
        world.run(120_000);
        assert!(world.driver.server().is_idle(), "seed {seed}");
        assert_eq!((world.driver.frames_bytes(), world.driver.server().deadline()), (0, None), "seed {seed}");
        assert_eq!(world.driver.opened, world.driver.closed.len(), "seed {seed}");
    }
}
