//! Rooms and targets against a map of sets, with random steps.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use sprat_core::{CloseReason, Limits, Payload, SocketId, Target};
use sprat_tests::model::Rooms;
use sprat_tests::{Bench, Frame, Line, Recorder, memory};

/// Names that rooms are made of; `@` stands for the id of some client.
const NAMES: [&str; 6] = ["a", "b", "c", "", "/", "@"];

#[derive(Clone, Debug)]
enum Step {
    Come,
    Emit { rooms: Vec<Name>, except_rooms: Vec<Name>, except: Option<usize> },
    EmitTo { member: usize, except_rooms: Vec<Name> },
    Go { member: usize },
    Join { member: usize, name: Name },
    Leave { member: usize, name: Name },
}

/// An index into [`NAMES`], and whose id it is if that is `@`.
#[derive(Clone, Copy, Debug)]
struct Name(usize, usize);

struct Member {
    line: Line,
    socket: SocketId,
    id: String,
}

struct Both {
    bench: Bench,
    model: Rooms,
    members: BTreeMap<usize, Member>,
    ids: Vec<String>,
}

fn name() -> impl Strategy<Value = Name> {
    (0..NAMES.len(), 0..8_usize).prop_map(|(name, whose)| Name(name, whose))
}

fn step() -> impl Strategy<Value = Step> {
    let names = || prop::collection::vec(name(), 0..4);
    prop_oneof![
        2 => Just(Step::Come),
        4 => (names(), names(), prop::option::of(0..8_usize))
            .prop_map(|(rooms, except_rooms, except)| Step::Emit { rooms, except_rooms, except }),
        1 => (0..8_usize, names()).prop_map(|(member, except_rooms)| Step::EmitTo { member, except_rooms }),
        1 => (0..8_usize).prop_map(|member| Step::Go { member }),
        6 => (0..8_usize, name()).prop_map(|(member, name)| Step::Join { member, name }),
        2 => (0..8_usize, name()).prop_map(|(member, name)| Step::Leave { member, name }),
    ]
}

impl Both {
    /// The name of a room. A socket's own room is left only together with the namespace, so nobody is told to.
    fn name(&self, name: Name) -> String {
        match NAMES[name.0] {
            "@" => self.ids.get(name.1).cloned().unwrap_or_else(|| "nobody".into()),
            plain => plain.into(),
        }
    }

    fn names(&self, names: &[Name]) -> Vec<String> {
        names.iter().map(|name| self.name(*name)).collect()
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Come if self.ids.len() < 8 => {
                let (line, id) = self.bench.connect_websocket();
                let (member, socket) = (self.ids.len(), self.bench.newest());
                self.model.enter(member, &id);
                self.ids.push(id.clone());
                self.members.insert(member, Member { line, socket, id });
            }
            Step::Come => {}
            Step::Emit { rooms, except_rooms, except } => {
                let (rooms, except_rooms) = (self.names(rooms), self.names(except_rooms));
                let rooms: Vec<&str> = rooms.iter().map(String::as_str).collect();
                let except_rooms: Vec<&str> = except_rooms.iter().map(String::as_str).collect();
                let except = except.filter(|member| self.members.contains_key(member));
                let expected = self.model.select(&rooms, &except_rooms, except);
                let mut target = Target::all().rooms(&rooms).except_rooms(&except_rooms);
                if let Some(member) = except {
                    target = target.except(self.members[&member].socket);
                }
                self.emit(target, &expected);
            }
            Step::EmitTo { member, except_rooms } => {
                let Some(Member { socket, .. }) = self.members.get(member) else { return };
                let socket = *socket;
                let except_rooms = self.names(except_rooms);
                let except_rooms: Vec<&str> = except_rooms.iter().map(String::as_str).collect();
                let mut expected = self.model.select(&[], &except_rooms, None);
                expected.retain(|other| other == member);
                self.emit(Target::socket(socket).except_rooms(&except_rooms), &expected);
            }
            Step::Go { member } => {
                if let Some(Member { line, .. }) = self.members.remove(member) {
                    self.bench.lose_line(line, CloseReason::TransportClose);
                    self.model.exit(*member);
                }
            }
            Step::Join { member, name } => {
                let name = self.name(*name);
                if let Some(Member { socket, .. }) = self.members.get(member) {
                    self.bench.enter(|_, context| context.join(*socket, &name)).expect("room");
                    self.model.join(*member, &name);
                }
            }
            Step::Leave { member, name } => {
                let name = self.name(*name);
                if let Some(Member { socket, id, .. }) = self.members.get(member)
                    && *id != name
                {
                    self.bench.enter(|_, context| context.leave(*socket, &name));
                    self.model.leave(*member, &name);
                }
            }
        }
    }

    /// Emits, and compares who is counted, who is visited and who gets it with who is meant.
    fn emit(&mut self, target: Target<'_>, expected: &BTreeSet<usize>) {
        let mut visited = Vec::new();
        let count = self.bench.enter(|_, context| {
            context.visit(target, &mut |socket, _, _| {
                visited.push(socket);
                true
            });
            context.emit(target, "x", Payload::json("")).expect("room");
            context.count(target)
        });
        let mut got = BTreeSet::new();
        for (at, member) in &self.members {
            let frames = self.bench.all(member.line);
            if !frames.is_empty() {
                assert_eq!(frames, [Frame::Text(r#"42["x"]"#.into())], "{target:?}");
                got.insert(*at);
            }
        }
        assert_eq!(&got, expected, "{target:?}");
        let mut meant: Vec<SocketId> = got.iter().map(|member| self.members[member].socket).collect();
        let key = |socket: &SocketId| format!("{socket:?}");
        meant.sort_by_key(key);
        visited.sort_by_key(key);
        assert_eq!(visited, meant, "{target:?}");
        assert_eq!(count, got.len(), "{target:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn targets_mean_whom_the_model_says(steps in prop::collection::vec(step(), 1..80), seed in any::<u64>()) {
        let resources = memory::sized::<8, 8, 32, 128, 64, 4, 64, 8_192, 0>(seed);
        let bench = Bench::new(Recorder::default(), resources, Limits::default());
        let mut both = Both { bench, model: Rooms::default(), members: BTreeMap::new(), ids: Vec::new() };
        for step in &steps {
            both.step(step);
        }
        for (_, member) in core::mem::take(&mut both.members) {
            both.bench.lose_line(member.line, CloseReason::TransportClose);
        }
        prop_assert!(both.bench.server().is_idle());
        prop_assert_eq!(both.bench.frames_bytes(), 0);
    }
}
