//! Who joins and leaves which room.

use sprat_core::app::{Context, RoomChange};

/// How many changes may wait to be told: more than any one event of a client makes, but a broadcast to all can make more.
pub(super) const CHANGES_MAX: u32 = 65_536;

pub(super) type RoomListener = Box<dyn FnMut(&RoomEvent<'_>)>;

/// A client joined or left a room.
///
/// ```
/// let mut io = sprat::Io::new();
/// io.on_room(|event| match (event.has_joined, event.is_only_member) {
///     (true, true) => println!("{} begins", event.room),
///     (false, true) => println!("{} ends", event.room),
///     (true, false) | (false, false) => {}
/// });
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RoomEvent<'a> {
    /// The room.
    pub room: &'a str,
    /// The id of the client; `None` if it is gone already.
    pub id: Option<&'a str>,
    /// The namespace of the client; `None` if it is gone already.
    pub namespace: Option<&'a str>,
    /// It joined; otherwise it left.
    pub has_joined: bool,
    /// It was alone there: the room began with it, or ended.
    pub is_only_member: bool,
}

impl<'a> RoomEvent<'a> {
    pub(super) fn new(context: &'a dyn Context, change: &RoomChange<'a>) -> Self {
        let id = context.socket_id(change.socket);
        Self {
            room: change.room,
            id,
            namespace: id.map(|_| context.namespace(change.socket)),
            has_joined: change.has_joined,
            is_only_member: change.is_only_member,
        }
    }
}
