//! What the core tells an application, and which handlers it goes to.

use sprat_core::app::{Connect, Context, Name, RoomChange, Target};
use sprat_core::ids::AckId;
use sprat_core::wire::json;
use sprat_core::{App, CloseReason, Decision, Payload, SessionId, SocketId};

use super::Io;
use super::error::{AckError, Refusal};
use super::event::Event;
use super::namespace::Middleware;
use super::remote::SocketRef;
use super::room::RoomEvent;
use super::socket::Socket;
use super::state::Aim;

impl App for Io {
    fn has_namespace(&mut self, name: &str) -> bool {
        // Predicates want to know more: they are asked when the client is there.
        !self.dynamic.is_empty() || self.number_of(name).is_some()
    }

    fn on_connect(&mut self, context: &mut dyn Context, socket: SocketId, connect: &Connect<'_>) -> Decision<'_> {
        if let Some(unsuccessful) = self.joining.take() {
            self.state.sockets.remove(&unsuccessful);
        }
        let Some(namespace) = self.resolve(connect.namespace, connect.auth) else {
            return Decision::Refuse { message: "Invalid namespace", data: None };
        };
        if namespace != 0 || connect.auth.is_some() {
            let per_socket = self.state.sockets.entry(socket).or_default();
            per_socket.namespace = namespace;
            per_socket.auth = connect.auth.map(Box::from);
        }
        match self.ask_middlewares(context, socket, 0) {
            Verdict::Accept => {
                self.joining = Some(socket);
                Decision::Accept
            }
            Verdict::Pending => Decision::Pending,
            Verdict::Refuse(refusal) => {
                self.state.sockets.remove(&socket);
                self.refusal = refusal;
                Decision::Refuse { message: self.refusal.message(), data: self.refusal.data() }
            }
        }
    }

    fn on_return(
        &mut self,
        context: &mut dyn Context,
        socket: SocketId,
        session: SessionId,
        connect: &Connect<'_>,
    ) -> Decision<'_> {
        if connect.auth.is_some() {
            if !self.state.sockets.contains_key(&socket) {
                // It may still be that it does not come back.
                self.absent.push_back(socket);
            }
            self.state.sockets.entry(socket).or_default().auth = connect.auth.map(Box::from);
        }
        if self.skips_middlewares {
            return Decision::Accept;
        }
        let namespace = self.state.namespace(socket);
        if self.namespaces[namespace].has_async_middleware() {
            return Decision::Pending;
        }
        // Its old session is gone: what it says of itself now counts.
        self.state.moving = Some((socket, session));
        match self.ask_middlewares(context, socket, 0) {
            Verdict::Accept => Decision::Accept,
            Verdict::Pending => Decision::Pending,
            Verdict::Refuse(refusal) => {
                self.refusal = refusal;
                Decision::Refuse { message: self.refusal.message(), data: self.refusal.data() }
            }
        }
    }

    fn on_connected(&mut self, context: &mut dyn Context, socket: SocketId) {
        if self.joining == Some(socket) {
            self.joining = None;
        }
        self.forget_absent(context);
        let namespace = self.state.namespace(socket);
        self.inhabit(context.namespace(socket), namespace);
        for room in self.state.take_rooms_wanted(socket) {
            Socket::new(context, &mut self.state, socket).join(&room);
        }
        for handler in self.namespaces[namespace].on_connection.iter_mut() {
            handler(&mut Socket::new(context, &mut self.state, socket));
        }
        self.state.settle(socket);
    }

    fn on_event(&mut self, context: &mut dyn Context, socket: SocketId, event: sprat_core::Event<'_>) {
        let namespace = self.state.namespace(socket);
        let unescaped: String;
        let name = match event.name {
            Name::None => None,
            Name::Plain(name) => Some(name),
            Name::Raw(raw) => match raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
                Some(text) if text.contains('\\') => {
                    unescaped = json::unescaped_chars(raw).collect();
                    Some(unescaped.as_str())
                }
                Some(text) => Some(text),
                // A number.
                None => Some(raw),
            },
        };
        let event = Event::new(name.unwrap_or_default(), event.payload, event.reply);
        self.namespaces[namespace].dispatch(&mut Socket::new(context, &mut self.state, socket), name, event);
    }

    fn on_room(&mut self, context: &mut dyn Context, change: &RoomChange<'_>) {
        let event = RoomEvent::new(context, change);
        for listener in &mut self.on_room {
            listener(&event);
        }
    }

    fn on_room_changes_lost(&mut self, _context: &mut dyn Context, count: u32) {
        log::warn!("{count} changes of rooms were too many to be told");
    }

    fn on_ack(&mut self, context: &mut dyn Context, socket: SocketId, ack: AckId, payload: &Payload<'_>) {
        self.state.answered(context, socket, ack, Ok(payload));
    }

    fn on_ack_timeout(&mut self, context: &mut dyn Context, socket: SocketId, ack: AckId) {
        self.state.answered(context, socket, ack, Err(AckError::Timeout));
    }

    fn on_disconnecting(&mut self, context: &mut dyn Context, socket: SocketId, reason: CloseReason) {
        let namespace = self.state.namespace(socket);
        self.state.moving = context.session(socket).map(|session| (socket, session));
        for handler in self.namespaces[namespace].on_disconnecting.iter_mut() {
            handler(&mut Socket::new(context, &mut self.state, socket), reason);
        }
    }

    fn on_disconnect(&mut self, context: &mut dyn Context, socket: SocketId, reason: CloseReason) {
        let namespace = self.state.namespace(socket);
        for handler in self.namespaces[namespace].on_disconnect.iter_mut() {
            handler(&mut Socket::new(context, &mut self.state, socket), reason);
        }
        self.state.drop_acks(context, socket);
        self.state.take_rooms_wanted(socket);
        self.desert(context, socket, namespace);
        self.forget_absent(context);
        let may_come_back = context.session(socket).is_none();
        if !may_come_back {
            self.state.sockets.remove(&socket);
        } else if self.state.sockets.contains_key(&socket) {
            self.absent.push_back(socket);
        }
    }
}

/// Namespaces in which there is somebody.
impl Io {
    fn inhabit(&mut self, name: &str, namespace: usize) {
        let inhabited = &mut self.namespaces[namespace].inhabited;
        if inhabited.contains(name) {
            return;
        }
        inhabited.insert(name.into());
        if !self.by_name.contains_key(name) {
            for handler in &mut self.on_new_namespace {
                handler(name);
            }
        }
    }

    /// Whoever is the last to leave takes the namespace along.
    fn desert(&mut self, context: &mut dyn Context, socket: SocketId, namespace: usize) {
        let name = context.namespace(socket);
        let is_there = self.namespaces[namespace].inhabited.contains(name);
        if is_there {
            let name = name.to_owned();
            if context.count(Target::namespace(&name)) == 0 {
                self.namespaces[namespace].inhabited.remove(name.as_str());
            }
        }
    }
}

/// What the middlewares say about a client.
enum Verdict {
    Accept,
    /// One of them is not done.
    Pending,
    Refuse(Refusal),
}

/// Clients that want to join.
impl Io {
    /// Asks the middlewares of a namespace, from one on.
    fn ask_middlewares(&mut self, context: &mut dyn Context, socket: SocketId, from: usize) -> Verdict {
        let namespace = self.state.namespace(socket);
        for (at, middleware) in self.namespaces[namespace].use_connect.iter_mut().enumerate().skip(from) {
            match middleware {
                Middleware::Sync(check) => {
                    if let Err(refusal) = check(&mut Socket::new(context, &mut self.state, socket)) {
                        return Verdict::Refuse(refusal);
                    }
                }
                Middleware::Async(check) => {
                    let check = check(SocketRef::new(context, &self.state, socket));
                    let handle = self.state.handle.clone();
                    let task = async move {
                        let checked = check.await;
                        let go_on = move |io: &mut Self, context: &mut dyn Context| {
                            io.resume_joining(context, socket, at + 1, checked);
                        };
                        // An error says that the server has ended.
                        let _ = handle.submit(Box::new(go_on)).await;
                    };
                    let is_started = self.state.spawn(socket, task);
                    return if is_started { Verdict::Pending } else { Verdict::Refuse(Refusal::new("Server is busy")) };
                }
            }
        }
        Verdict::Accept
    }

    /// Goes on with a client's joining when an asynchronous middleware has decided.
    fn resume_joining(
        &mut self,
        context: &mut dyn Context,
        socket: SocketId,
        from: usize,
        checked: Result<(), Refusal>,
    ) {
        if context.socket_id(socket).is_none() {
            // It has left meanwhile; the application never heard of it.
            self.state.sockets.remove(&socket);
            return;
        }
        let verdict = match checked {
            Ok(()) => self.ask_middlewares(context, socket, from),
            Err(refusal) => Verdict::Refuse(refusal),
        };
        match verdict {
            Verdict::Pending => {}
            Verdict::Accept => {
                context.accept(socket);
                if context.count(Aim::socket(socket).target()) == 0 {
                    self.state.sockets.remove(&socket);
                }
            }
            Verdict::Refuse(refusal) => {
                self.state.sockets.remove(&socket);
                context.refuse(socket, refusal.message(), refusal.data());
            }
        }
    }

    /// Lets go of what is kept of clients that did not come back.
    fn forget_absent(&mut self, context: &dyn Context) {
        while let Some(socket) = self.absent.front().copied() {
            let is_gone = context.socket_id(socket).is_none();
            if !is_gone && context.session(socket).is_none() {
                return;
            }
            self.absent.pop_front();
            if is_gone {
                self.state.sockets.remove(&socket);
            }
        }
    }
}
