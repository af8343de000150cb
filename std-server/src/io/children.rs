//! Sending to all namespaces that have the same handlers, from anywhere.

use super::Io;
use super::args::IntoArgs;
use super::error::HandleError;
use super::group::Group;
use super::handle::{Command, Handle};
use super::state::is_reserved;

/// All who are in a namespace that one set of handlers is for: what the official server calls the children of a dynamic
/// namespace. From [`Namespace::children`](crate::Namespace::children); cheap to clone, and `Send`.
///
/// ```
/// use sprat::{Children, HandleError, Io};
///
/// let mut io = Io::new();
/// let teams = io.of_dynamic(|name, _auth| name.starts_with("/team-")).children();
///
/// async fn begin(teams: &Children) -> Result<(), HandleError> {
///     teams.clone().to("players").except("referees").emit("begin", ()).await
/// }
/// ```
#[derive(Clone, Debug)]
#[must_use = "it says who is meant, and nothing happens until it is told what"]
pub struct Children {
    /// Whom it means in each of the namespaces.
    group: Group,
    /// The number of the handlers.
    parent: usize,
}

impl Children {
    pub(super) const fn new(handle: Handle, parent: usize) -> Self {
        Self { group: Group::new(handle), parent }
    }

    /// Only members of this room, in each namespace; of this or another, if there are several.
    pub fn to(self, room: impl Into<String>) -> Self {
        Self { group: self.group.to(room), ..self }
    }

    /// No member of this room.
    pub fn except(self, room: impl Into<String>) -> Self {
        Self { group: self.group.except(room), ..self }
    }

    /// Only those to whom it can be sent at once; the others never get it.
    pub fn volatile(self) -> Self {
        Self { group: self.group.volatile(), ..self }
    }

    /// Whether to compress it: see [`Group::compress`].
    pub fn compress(self, compress: bool) -> Self {
        Self { group: self.group.compress(compress), ..self }
    }

    /// Sends an event. It is encoded once for each namespace. Waits while the server's queue is full.
    ///
    /// # Errors
    /// As [`Group::emit`].
    pub async fn emit(&self, event: &str, args: impl IntoArgs) -> Result<(), HandleError> {
        let command = self.emission(event, args)?;
        self.group.handle().submit(command).await
    }

    /// Sends an event, unless the server's queue is full.
    ///
    /// # Errors
    /// As [`Group::try_emit`].
    pub fn try_emit(&self, event: &str, args: impl IntoArgs) -> Result<(), HandleError> {
        self.group.handle().try_submit(self.emission(event, args)?)
    }

    fn emission(&self, event: &str, args: impl IntoArgs) -> Result<Command, HandleError> {
        if is_reserved(event) {
            return Err(HandleError::Reserved);
        }
        let (group, parent) = (self.group.clone(), self.parent);
        let (event, args) = (event.to_owned(), args.into_args()?);
        Ok(Box::new(move |io: &mut Io, context| {
            for name in io.namespaces[parent].inhabited.clone() {
                group.in_namespace(&name).send(io, context, &event, &args);
            }
        }))
    }
}
