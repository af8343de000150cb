//! What a server may be told about its entrance: which transports there are, whether they may be changed, and the ids of
//! sessions (options `transports` and `allowUpgrades`, rows E11 and E14 of the measured facts).

use sprat_core::frames::Frames as _;
use sprat_core::ids::Sid;
use sprat_core::time::{Instant, Now};
use sprat_core::wire::http::{self, HeadStatus};
use sprat_core::{Answer, Input, Limits, OutgoingPacket, Output, Refusal, RequestId, Server, Transports};
use sprat_tests::driver::{head, sid_of};
use sprat_tests::memory::Memory;
use sprat_tests::{Answered, Bench, Recorder, memory};

#[test]
fn a_transport_that_is_switched_off_is_unknown() {
    let unknown = (400, r#"{"code":0,"message":"Transport unknown"}"#.to_owned());
    let mut bench = Bench::limited(Limits { transports: Transports::WebSocket, ..Limits::default() });
    let polling = bench.get("/socket.io/?EIO=4&transport=polling");
    assert_eq!(bench.http(polling), unknown);
    let (line, _) = bench.connect_websocket();
    assert!(!bench.is_closed(line));

    let mut bench = Bench::limited(Limits { transports: Transports::Polling, ..Limits::default() });
    let (sid, _) = bench.connect_polling();
    for query in ["EIO=4&transport=websocket".to_owned(), format!("EIO=4&transport=websocket&sid={sid}")] {
        let websocket = bench.upgrade(&format!("/socket.io/?{query}"));
        let expected = Answered::Http(400, Some("text/html"), "Transport unknown".into());
        assert_eq!(bench.answer(websocket), Some(&expected), "{query}");
    }
    bench.push(&sid, r#"42["echo"]"#);
    assert_eq!(bench.pull(&sid), r#"42["echo"]"#);
}

#[test]
fn an_upgrade_is_offered_only_where_one_is_possible_and_allowed() {
    for (transports, upgrades, expected) in [
        (Transports::Both, true, r#""upgrades":["websocket"]"#),
        (Transports::Both, false, r#""upgrades":[]"#),
        (Transports::Polling, true, r#""upgrades":[]"#),
    ] {
        let mut bench = Bench::limited(Limits { transports, upgrades, ..Limits::default() });
        let handshake = bench.get("/socket.io/?EIO=4&transport=polling");
        let (_, open) = bench.http(handshake);
        assert!(open.contains(expected), "{open}");
    }
    // Who upgrades all the same is not stopped: the official server looks at the list nowhere else.
    let mut bench = Bench::limited(Limits { upgrades: false, ..Limits::default() });
    let sid = bench.open_polling();
    let probe = bench.probe(&sid);
    let line = bench.line(probe);
    bench.send_text(line, "2probe");
    assert_eq!(bench.text(line), "3probe");
}

/// A server without a driver, which shows what drivers can ask of it.
struct Bare(Server<Recorder, Memory>);

impl Bare {
    fn request(&mut self, number: u32, query: &str) -> Vec<Output> {
        let head = head("GET", &format!("/socket.io/?{query}"), &[]);
        let Ok(HeadStatus::Complete { head, .. }) = http::parse(head.as_bytes()) else { panic!("no HTTP: {head}") };
        let request = RequestId::new(number, 0);
        let now = Now { instant: Instant::from_ms(0), wall: None };
        self.0.handle(now, Input::Request { request, head: &head });
        core::iter::from_fn(|| self.0.poll()).collect()
    }

    /// The id of the session that a request begins.
    fn open(&mut self, number: u32) -> String {
        let outputs = self.request(number, "EIO=4&transport=polling");
        let Some(Output::Respond { answer: Answer::Packets { transport }, .. }) = outputs.first() else {
            panic!("{outputs:?}")
        };
        let Some(OutgoingPacket::Text(frame)) = self.0.next(*transport, usize::MAX).map(|outgoing| outgoing.packet)
        else {
            panic!("no OPEN")
        };
        sid_of(core::str::from_utf8(self.0.frames().bytes(frame)).expect("text"))
    }
}

#[test]
fn a_session_has_the_id_that_was_chosen_for_it_unless_another_has_it() {
    let mut bare = Bare(Server::new(Recorder::default(), memory::roomy(5), Limits::default()).expect("good limits"));
    let chosen = "chosen-by-the_driver";
    let sid = Sid::from_text(chosen).expect("an id");
    bare.0.propose_sid(sid);
    assert_eq!(bare.open(0), chosen);
    bare.0.propose_sid(sid);
    let other = bare.open(1);
    assert_ne!(other, chosen);
    // It was meant for that request alone.
    bare.0.propose_sid(Sid::from_text("another-by-the_drive").expect("an id"));
    let refused = bare.request(2, "EIO=5&transport=polling");
    assert!(matches!(refused[..], [Output::Respond { answer: Answer::Refuse(Refusal::UnsupportedVersion), .. }]));
    assert_ne!(bare.open(3), "another-by-the_drive");
    for text in ["", "too-short", "one-character-too-long", "a-blank-among-the rest", "no-plus-in-it-please+"] {
        assert!(Sid::from_text(text).is_none(), "{text}");
    }
}
