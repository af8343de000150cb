//! Rooms as a map of sets: plainly right, and slow.

use std::collections::{BTreeMap, BTreeSet};

/// Who is in which room of one namespace. Members are numbers of the test's choosing.
#[derive(Clone, Debug, Default)]
pub struct Rooms {
    members: BTreeSet<usize>,
    rooms: BTreeMap<String, BTreeSet<usize>>,
}

impl Rooms {
    /// Somebody joins the namespace, and with it the room of its own id.
    pub fn enter(&mut self, member: usize, id: &str) {
        self.members.insert(member);
        self.join(member, id);
    }

    /// Somebody leaves the namespace and all its rooms.
    pub fn exit(&mut self, member: usize) {
        self.members.remove(&member);
        for room in self.rooms.values_mut() {
            room.remove(&member);
        }
        self.rooms.retain(|_, room| !room.is_empty());
    }

    /// Somebody joins a room.
    pub fn join(&mut self, member: usize, room: &str) {
        self.rooms.entry(room.into()).or_default().insert(member);
    }

    /// Somebody leaves a room.
    pub fn leave(&mut self, member: usize, room: &str) {
        if let Some(members) = self.rooms.get_mut(room) {
            members.remove(&member);
        }
    }

    /// Who is in at least one of `rooms`, or anywhere if there are none, but not in any of `except_rooms`, and is not
    /// `except`.
    pub fn select(&self, rooms: &[&str], except_rooms: &[&str], except: Option<usize>) -> BTreeSet<usize> {
        let mut selected = if rooms.is_empty() { self.members.clone() } else { self.union(rooms) };
        let excepted = self.union(except_rooms);
        selected.retain(|member| !excepted.contains(member) && Some(*member) != except);
        selected
    }

    fn union(&self, rooms: &[&str]) -> BTreeSet<usize> {
        rooms.iter().filter_map(|room| self.rooms.get(*room)).flatten().copied().collect()
    }
}
