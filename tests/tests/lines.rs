//! Connections of an asynchronous driver: answers and signals reach the right one, and wake it.

use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Context, Poll, Waker};
use std::sync::Arc;
use std::task::Wake;

use sprat_core::app::Message;
use sprat_core::lines::{Attached, Line, Lines, Signals};
use sprat_core::memory::Lend;
use sprat_core::time::{Instant, Now};
use sprat_core::wire::http::{self, HeadStatus};
use sprat_core::{Answer, CloseReason, Limits, OutgoingPacket, RequestId, Server, TransportId};
use sprat_tests::Recorder;
use sprat_tests::driver::{head, websocket_head};
use sprat_tests::memory::{self, Memory};

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A task that counts how often it is woken.
struct Task {
    count: Arc<Count>,
    waker: Waker,
}

impl Task {
    fn new() -> Self {
        let count = Arc::new(Count::default());
        Self { waker: Arc::clone(&count).into(), count }
    }

    fn context(&self) -> Context<'_> {
        Context::from_waker(&self.waker)
    }

    fn wakes(&self) -> usize {
        self.count.0.load(Ordering::Relaxed)
    }
}

const NOW: Now = Now::monotonic(Instant::from_ms(5));

type Rig = Lines<Recorder, Memory>;

fn lines() -> Rig {
    let lines = Box::leak(Box::new(heapless::Vec::<Line, 8>::new()));
    let websockets = Box::leak(Box::new(heapless::Vec::<Option<Attached>, 8>::new()));
    let server = Server::new(Recorder::default(), memory::roomy(1), Limits::default()).expect("good limits");
    let mut lines = Lines::new(server, Lend::new(lines), Lend::new(websockets));
    for line in 0..8 {
        assert!(lines.open(line));
    }
    assert!(!lines.open(8), "there is no memory for more");
    lines
}

fn request(lines: &mut Rig, line: u32, head: &str) -> RequestId {
    let Ok(HeadStatus::Complete { head, .. }) = http::parse(head.as_bytes()) else { panic!("no HTTP: {head}") };
    lines.request(NOW, line, &head)
}

fn answer(lines: &mut Rig, line: u32) -> Option<Answer> {
    match lines.poll_answer(line, &Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}

/// The packets that wait for a transport, sent.
fn packets(lines: &mut Rig, line: u32, transport: TransportId) -> Vec<String> {
    use sprat_core::frames::Frames;
    let mut packets = Vec::new();
    while let Some(outgoing) = lines.next(transport, usize::MAX) {
        packets.push(match outgoing.packet {
            OutgoingPacket::Static(text) => text.into(),
            OutgoingPacket::Binary(frame) | OutgoingPacket::BinaryAsText(frame) | OutgoingPacket::Text(frame) => {
                String::from_utf8_lossy(lines.server().frames().bytes(frame)).into_owned()
            }
        });
    }
    lines.flushed(NOW, line, transport);
    packets
}

fn websocket(lines: &mut Rig, line: u32) -> TransportId {
    request(lines, line, &websocket_head("/socket.io/?EIO=4&transport=websocket"));
    let Some(Answer::Upgrade { transport }) = answer(lines, line) else { panic!("no WebSocket") };
    transport
}

fn open_polling(lines: &mut Rig, line: u32) -> (String, TransportId) {
    request(lines, line, &head("GET", "/socket.io/?EIO=4&transport=polling", &[]));
    let Some(Answer::Packets { transport }) = answer(lines, line) else { panic!("no handshake") };
    let open = packets(lines, line, transport).remove(0);
    (sprat_tests::driver::sid_of(&open), transport)
}

#[test]
fn a_parked_poll_is_woken_by_what_another_connection_brings() {
    let mut lines = lines();
    let (sid, transport) = open_polling(&mut lines, 0);
    let target = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    request(&mut lines, 1, &head("GET", &target, &[]));
    assert!(matches!(answer(&mut lines, 1), Some(Answer::Park { .. })));
    let (poller, poster) = (Task::new(), Task::new());
    assert!(lines.poll_parked(1, &poller.context()).is_pending());
    assert!(lines.poll_answer(2, &poster.context()).is_pending());
    let post = request(&mut lines, 2, &head("POST", &target, &[("Content-Length", "2")]));
    let Some(Answer::ReadBody { session }) = answer(&mut lines, 2) else { panic!("no POST") };
    lines.body(NOW, 2, post, session, Some(b"40"));
    assert_eq!((poller.wakes(), poster.wakes()), (1, 0), "who brings something looks for itself");
    assert_eq!(answer(&mut lines, 2), Some(Answer::Ok));
    assert!(lines.poll_parked(1, &poller.context()).is_ready());
    assert_eq!(answer(&mut lines, 1), Some(Answer::Packets { transport }));
    assert!(packets(&mut lines, 1, transport)[0].starts_with("40{"));
}

#[test]
fn an_answer_to_a_connection_that_is_gone_does_not_reach_the_next_one() {
    let mut lines = lines();
    let (sid, _) = open_polling(&mut lines, 0);
    let target = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    request(&mut lines, 1, &head("GET", &target, &[]));
    assert!(matches!(answer(&mut lines, 1), Some(Answer::Park { .. })));
    lines.close(1);
    let next = Task::new();
    assert!(lines.poll_answer(1, &next.context()).is_pending());
    // The other poll ends the session, and the parked one would be told.
    request(&mut lines, 2, &head("GET", &target, &[]));
    assert_eq!(answer(&mut lines, 2), Some(Answer::Status(400)));
    assert_eq!((next.wakes(), answer(&mut lines, 1)), (0, None));
}

#[test]
fn a_websocket_is_woken_for_packets_and_for_its_end() {
    let mut lines = lines();
    let transport = websocket(&mut lines, 3);
    lines.attach(3, transport);
    let task = Task::new();
    assert_eq!(lines.take_signals(3, &task.context()), Signals { wake: true, close: false });
    assert!(packets(&mut lines, 3, transport)[0].starts_with("0{"));
    lines.message(NOW, 3, transport, Message::Text("40"));
    assert_eq!(lines.take_signals(3, &task.context()), Signals { wake: true, close: false });
    assert!(packets(&mut lines, 3, transport)[0].starts_with("40{"));
    assert!(lines.poll_signaled(3, &task.context()).is_pending());
    assert_eq!(task.wakes(), 0);
    lines.shut_down(NOW);
    assert_eq!(task.wakes(), 1);
    assert!(lines.poll_close(3, &task.context()).is_ready());
    assert!(lines.take_signals(3, &task.context()).close);
}

#[test]
fn a_websocket_whose_session_ends_before_it_is_attached_is_closed() {
    let mut lines = lines();
    let transport = websocket(&mut lines, 3);
    lines.shut_down(NOW);
    lines.attach(3, transport);
    let task = Task::new();
    assert!(lines.take_signals(3, &task.context()).close);
}

#[test]
fn signals_for_a_websocket_do_not_reach_its_successor() {
    let mut lines = lines();
    let first = websocket(&mut lines, 3);
    lines.attach(3, first);
    lines.lost(NOW, 3, first, CloseReason::TransportClose);
    lines.close(3);
    let second = websocket(&mut lines, 3);
    assert_eq!(second.session().index(), first.session().index());
    lines.attach(3, second);
    let task = Task::new();
    assert!(!lines.take_signals(3, &task.context()).close);
    lines.message(NOW, 3, first, Message::Text("1"));
    lines.lost(NOW, 3, first, CloseReason::TransportClose);
    assert_eq!(lines.take_signals(3, &task.context()), Signals::default());
    assert!(packets(&mut lines, 3, second)[0].starts_with("0{"));
}

#[test]
fn whoever_keeps_the_time_is_woken_when_something_is_due_earlier() {
    let mut lines = lines();
    let keeper = Task::new();
    let scheduled = lines.tick(NOW);
    assert_eq!(scheduled, None);
    assert!(lines.poll_earlier(scheduled, &keeper.context()).is_pending());
    websocket(&mut lines, 0);
    assert_eq!(keeper.wakes(), 1);
    assert!(lines.poll_earlier(scheduled, &keeper.context()).is_ready());
    let scheduled = lines.tick(NOW);
    // Until then its client may leave the first packet unread; the first ping comes later.
    assert_eq!(scheduled, Some(Instant::from_ms(22_005)));
    assert!(lines.poll_earlier(scheduled, &keeper.context()).is_pending());
    websocket(&mut lines, 1);
    assert_eq!(keeper.wakes(), 1, "nothing is due earlier than before");
}
