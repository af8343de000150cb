//! What an application is told of the engine's own packets (Engine.IO server, events `heartbeat` and `upgrade`; row E19 of the
//! measured facts).

use sprat_core::app::Protocol;
use sprat_core::time::Duration;
use sprat_core::{App, Context, Limits, SessionId};
use sprat_tests::driver::sid_of;
use sprat_tests::{Driver, memory};

#[derive(Default)]
struct Notices {
    protocol: Protocol,
    told: Vec<(&'static str, SessionId)>,
}

impl App for Notices {
    fn protocol(&self) -> Protocol {
        self.protocol
    }

    fn on_heartbeat(&mut self, _: &mut dyn Context, session: SessionId) {
        self.told.push(("heartbeat", session));
    }

    fn on_upgrade(&mut self, _: &mut dyn Context, session: SessionId) {
        self.told.push(("upgrade", session));
    }
}

#[test]
fn heartbeats_and_upgrades_are_told() {
    for protocol in [Protocol::EngineIo, Protocol::SocketIo] {
        // It does not read what waits for it, which is not what this is about.
        let limits = Limits { unread_timeout: Duration::from_ms(60_000), ..Limits::default() };
        let app = Notices { protocol, told: Vec::new() };
        let mut bench = Driver::new(app, memory::roomy(3), limits);
        let handshake = bench.get("/socket.io/?EIO=4&transport=polling");
        let session = bench.session(handshake);
        let (_, body) = bench.http(handshake);
        let sid = sid_of(&body).to_owned();
        let target = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
        let mut expected = Vec::new();
        let mut check = |bench: &mut Driver<Notices, memory::Memory>, name: Option<&'static str>| {
            expected.extend(name.map(|name| (name, session.expect("a session"))));
            assert_eq!(bench.enter(|app, _| app.told.clone()), expected);
        };

        bench.post(&target, "40");
        if protocol == Protocol::SocketIo {
            // Whoever takes nothing for so long is no client any more.
            let poll = bench.get(&target);
            assert!(bench.http(poll).1.starts_with("40{"));
        }
        // Nobody asked for this one.
        bench.post(&target, "3");
        check(&mut bench, None);
        bench.advance(25_000);
        bench.post(&target, "3");
        check(&mut bench, Some("heartbeat"));

        let probe = bench.probe(&sid);
        let line = bench.line(probe);
        bench.send_text(line, "2probe");
        check(&mut bench, None);
        bench.send_text(line, "5");
        check(&mut bench, Some("upgrade"));
        bench.send_text(line, "5");
        check(&mut bench, None);
        bench.advance(25_000);
        bench.send_text(line, "3");
        check(&mut bench, Some("heartbeat"));
    }
}
