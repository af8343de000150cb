//! What may happen, and how often.

use proptest::prelude::*;

/// Packets of clients: good, odd and wrong.
pub(super) const PACKETS: &[&str] = &[
    "40",
    "40",
    r#"40{"token":1}"#,
    "40/custom,",
    "40/other,",
    "40/pending,",
    "40/refuse,",
    "40/nope,",
    "41",
    "41/custom,",
    "41/pending,",
    r#"42["echo",1]"#,
    r#"42["echo",1]"#,
    r#"427["echo",{"a":[1,2,3]}]"#,
    r#"42/custom,3["echo"]"#,
    r#"428["later"]"#,
    r#"42["x","abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"]"#,
    r#"451-["echo",{"_placeholder":true,"num":0}]"#,
    r#"452-["echo",{"_placeholder":true,"num":1}]"#,
    r#"461-0[{"_placeholder":true,"num":0}]"#,
    "bAQID",
    "bAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLi8wMTIzNDU2Nzg5Ojs8PT4/QA==",
    "430[]",
    "431[1]",
    "43/custom,0[]",
    "3",
    "3",
    "2",
    "2probe",
    "2probe",
    "5",
    "5",
    "6",
    "1",
    "0",
    "",
    "9",
    "42[",
    "42[null]",
    r#"42["disconnect"]"#,
    r#"44{"message":"x"}"#,
    "450-[]",
];

/// Something that happens. Numbers choose among the clients, connections and requests that there are.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "their names say what they are")]
pub enum Step {
    Advance(u64),
    App(AppStep),
    ComeBack(usize, bool),
    Finish(usize),
    Later(usize),
    Line(usize, LineStep),
    LoseRequest(usize),
    OpenPolling,
    OpenWebSocket,
    Poll(usize),
    Probe(usize),
    Push(usize, Vec<usize>),
    SendBody(usize, usize),
    Slow(bool),
    Stale(usize, usize),
}

/// Something that happens on a WebSocket.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "their names say what they are")]
pub enum LineStep {
    Binary(usize),
    Lose,
    Stall(bool),
    Text(usize),
}

/// Something that the application does.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "their names say what they are")]
pub enum AppStep {
    Accept(usize),
    Acknowledge,
    Ask(usize, u64),
    Broadcast { rooms: usize, volatile: bool, len: usize },
    BroadcastBinary,
    Disconnect(usize, bool),
    Drop(usize),
    Join(usize, usize),
    Leave(usize, usize),
    Refuse(usize),
    SetData(usize, usize),
    Tell(usize, usize),
    Timer(u64),
}

/// Any step.
pub fn step() -> impl Strategy<Value = Step> {
    let at = || 0..64_usize;
    let packet = || 0..PACKETS.len();
    prop_oneof![
        3 => prop_oneof![0..200_u64, 0..30_000_u64].prop_map(Step::Advance),
        22 => app_step().prop_map(Step::App),
        8 => (at(), prop::bool::weighted(0.1)).prop_map(|(at, is_wrong)| Step::ComeBack(at, is_wrong)),
        4 => at().prop_map(Step::Finish),
        1 => at().prop_map(Step::Later),
        15 => (at(), line_step()).prop_map(|(at, step)| Step::Line(at, step)),
        1 => at().prop_map(Step::LoseRequest),
        3 => Just(Step::OpenPolling),
        3 => Just(Step::OpenWebSocket),
        6 => at().prop_map(Step::Poll),
        2 => at().prop_map(Step::Probe),
        6 => (at(), prop::collection::vec(packet(), 1..6)).prop_map(|(at, packets)| Step::Push(at, packets)),
        2 => (at(), packet()).prop_map(|(at, packet)| Step::SendBody(at, packet)),
        1 => any::<bool>().prop_map(Step::Slow),
        2 => (at(), at()).prop_map(|(kind, at)| Step::Stale(kind, at)),
    ]
}

fn line_step() -> impl Strategy<Value = LineStep> {
    prop_oneof![
        2 => (0..60_usize).prop_map(LineStep::Binary),
        1 => Just(LineStep::Lose),
        2 => any::<bool>().prop_map(LineStep::Stall),
        10 => (0..PACKETS.len()).prop_map(LineStep::Text),
    ]
}

fn app_step() -> impl Strategy<Value = AppStep> {
    let at = || 0..64_usize;
    prop_oneof![
        1 => at().prop_map(AppStep::Accept),
        1 => Just(AppStep::Acknowledge),
        1 => (at(), 0..30_000_u64).prop_map(|(at, ms)| AppStep::Ask(at, ms)),
        3 => (at(), any::<bool>(), 0..120_usize)
            .prop_map(|(rooms, volatile, len)| AppStep::Broadcast { rooms, volatile, len }),
        1 => Just(AppStep::BroadcastBinary),
        1 => (at(), any::<bool>()).prop_map(|(at, close)| AppStep::Disconnect(at, close)),
        1 => at().prop_map(AppStep::Drop),
        2 => (at(), at()).prop_map(|(at, room)| AppStep::Join(at, room)),
        1 => (at(), at()).prop_map(|(at, room)| AppStep::Leave(at, room)),
        1 => at().prop_map(AppStep::Refuse),
        1 => (at(), 0..60_usize).prop_map(|(at, len)| AppStep::SetData(at, len)),
        8 => (at(), 0..60_usize).prop_map(|(at, len)| AppStep::Tell(at, len)),
        1 => (0..60_000_u64).prop_map(AppStep::Timer),
    ]
}
