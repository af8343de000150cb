//! The server of the comparison with the official implementation: `js/oracle/server.mjs` says the same in JavaScript, and
//! what its namespaces and events do. Takes the options of the program `sprat`, and those that stand for hooks.

use core::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsString;
use std::process::ExitCode;
use std::rc::Rc;

use serde_json::Value;
use sprat::config::{Config, Invocation};
use sprat::{ConnectionError, ErrorContext, Hooks, Service, Sid, logging};
use sprat_core::app::{Attachments, Connect, Context, Decision, Event, Name, Payload, Target};
use sprat_core::ids::{AckId, Reply};
use sprat_core::wire::json::member;
use sprat_core::{App, CloseReason, SocketId};

fn main() -> ExitCode {
    let mut args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let mut oracle = Oracle::default();
    let hooks = oracle.hooks(&mut args);
    let invocation = Config::from_args(args, |name| std::env::var_os(name));
    let Ok(Invocation::Run(config)) = invocation else {
        eprintln!("oracle: {invocation:?}");
        return ExitCode::from(2);
    };
    logging::start(config.log);
    let mut service = Service::new(oracle);
    service.hooks(hooks);
    match service.run(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("oracle: {problem}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Default)]
struct Oracle {
    sockets: HashMap<SocketId, Who>,
    reasons: HashMap<String, CloseReason>,
    asked: HashMap<String, Reply>,
    initial_packet: Option<String>,
    errors: Rc<RefCell<Vec<String>>>,
}

struct Who {
    namespace: String,
    /// What the client gave as auth.
    auth: String,
}

impl App for Oracle {
    fn initial_packet(&self) -> Option<&str> {
        self.initial_packet.as_deref()
    }

    fn has_namespace(&mut self, name: &str) -> bool {
        let number = name.strip_prefix("/dyn-");
        matches!(name, "/" | "/custom" | "/guarded")
            || number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    }

    fn on_connect(&mut self, _: &mut dyn Context, socket: SocketId, connect: &Connect<'_>) -> Decision<'_> {
        let auth = connect.auth.unwrap_or("{}");
        if connect.namespace == "/guarded" && member(auth, "token").is_none() {
            return Decision::Refuse { message: "not authorized", data: Some(r#"{"code":1}"#) };
        }
        let who = Who { namespace: connect.namespace.to_owned(), auth: auth.to_owned() };
        self.sockets.insert(socket, who);
        Decision::Accept
    }

    fn on_connected(&mut self, context: &mut dyn Context, socket: SocketId) {
        if let Some(who) = self.sockets.get(&socket)
            && who.namespace == "/custom"
        {
            emit(context, Target::socket(socket), "auth", Payload::json(&who.auth));
        }
    }

    fn on_event(&mut self, context: &mut dyn Context, socket: SocketId, event: Event<'_>) {
        let Name::Raw(raw) = event.name else { return };
        let name: String = serde_json::from_str(raw).unwrap_or_default();
        let (name, payload) = (name.as_str(), event.payload);
        match (name, event.reply) {
            ("errors", Some(reply)) => {
                let errors = format!("[{}]", core::mem::take(&mut *self.errors.borrow_mut()).join(","));
                context.acknowledge(reply, Payload::json(&errors)).unwrap_or_else(|problem| log::error!("{problem}"));
            }
            ("reason", Some(reply)) => self.tell_reason(context, &text(payload, 0), reply),
            (_, Some(reply)) => answer(context, socket, name, payload, reply),
            ("all" | "but" | "room" | "rooms", None) => Self::spread(context, socket, name, payload),
            (_, None) => act(context, socket, name, payload),
        }
    }

    fn on_ack(&mut self, context: &mut dyn Context, socket: SocketId, _: AckId, payload: &Payload<'_>) {
        emit(context, Target::socket(socket), "answered", *payload);
    }

    fn on_disconnect(&mut self, context: &mut dyn Context, socket: SocketId, reason: CloseReason) {
        let Some(who) = self.sockets.remove(&socket) else { return };
        let auth: Value = serde_json::from_str(&who.auth).unwrap_or_default();
        let Some(label) = auth["label"].as_str() else { return };
        if let Some(reply) = self.asked.remove(label) {
            tell(context, reply, reason);
        }
        self.reasons.insert(label.to_owned(), reason);
    }
}

impl Oracle {
    /// Takes out of the arguments what stands for hooks.
    fn hooks(&mut self, args: &mut Vec<OsString>) -> Hooks {
        let mut hooks = Hooks::new();
        args.retain(|arg| {
            let arg = arg.to_string_lossy();
            match arg.split_once('=').unwrap_or((&arg, "")) {
                ("--refuse", message) => {
                    let message = message.to_owned();
                    hooks.allow_request(move |request| {
                        let is_in = request.url().contains("let=in");
                        let message = message.clone();
                        async move { if is_in { Ok(()) } else { Err(message) } }
                    });
                }
                ("--ids", _) => _ = hooks.generate_id(|request| Sid::from_text(&request.query("id")?)),
                ("--headers", _) => {
                    hooks.response_headers(|request, headers| {
                        headers.add("x-all", "yes");
                        if request.query("sid").is_none() {
                            headers.add("x-initial", "yes");
                        }
                    });
                }
                ("--initial-packet", text) => self.initial_packet = Some(text.to_owned()),
                _ => return true,
            }
            false
        });
        let errors = Rc::clone(&self.errors);
        hooks.on_connection_error(move |error| errors.borrow_mut().push(shown(error)));
        hooks
    }

    fn tell_reason(&mut self, context: &mut dyn Context, label: &str, reply: Reply) {
        match self.reasons.get(label) {
            Some(reason) => tell(context, reply, *reason),
            None => _ = self.asked.insert(label.to_owned(), reply),
        }
    }

    /// Events for others than the sender.
    fn spread(context: &mut dyn Context, socket: SocketId, name: &str, payload: Payload<'_>) {
        let namespace = context.namespace(socket).to_owned();
        let (first, second) = (text(payload, 0), text(payload, 1));
        let (one, both) = ([first.as_str()], [first.as_str(), second.as_str()]);
        let here = Target::namespace(&namespace);
        match name {
            "all" => emit(context, here.except(socket), name, payload),
            "but" => emit(context, Target::all().except_rooms(&one), name, Payload::default()),
            "room" => {
                let rest = Payload { json: payload.json.split_once(',').map_or("", |(_, rest)| rest), ..payload };
                emit(context, here.rooms(&one).except(socket), name, rest);
            }
            _ => emit(context, Target::all().rooms(&both), name, Payload::default()),
        }
    }
}

/// A connection error as the official server has it.
fn shown(error: &ConnectionError) -> String {
    let transport = error.request.query("transport");
    let pairs = match &error.context {
        ErrorContext::Forbidden(message) => vec![("message", message.as_str())],
        ErrorContext::Method(method) => vec![("method", method.as_str())],
        ErrorContext::SessionId(sid) => vec![("sid", sid.as_str())],
        // A transport that is missing is left out of JSON.
        ErrorContext::Transport(_) => transport.iter().map(|name| ("transport", name.as_str())).collect(),
        ErrorContext::TransportHandshakeError => vec![("name", "TRANSPORT_HANDSHAKE_ERROR")],
        ErrorContext::TransportMismatch => {
            let asked = transport.as_deref().unwrap_or_default();
            vec![("name", "TRANSPORT_MISMATCH"), ("transport", asked), ("previousTransport", "polling")]
        }
        ErrorContext::IdGenerationError
        | ErrorContext::InvalidOrigin
        | ErrorContext::Protocol
        | ErrorContext::ProtocolMismatch
        | ErrorContext::TooManyClients
        | _ => Vec::new(),
    };
    let pairs: Vec<String> =
        pairs.into_iter().map(|(key, value)| format!("{}:{}", Value::from(key), Value::from(value))).collect();
    // Whatever is not 4 counts as 3 for the official server.
    let context = if error.code == 5 { r#""protocol":3"#.to_owned() } else { pairs.join(",") };
    format!(r#"{{"code":{},"message":"{}","context":{{{context}}}}}"#, error.code, error.message)
}

/// Events that want an acknowledgement.
fn answer(context: &mut dyn Context, socket: SocketId, name: &str, payload: Payload<'_>, reply: Reply) {
    let room = text(payload, 0);
    let answered = match name {
        "echo" => context.acknowledge(reply, payload),
        "join" => context.join(socket, &room).and_then(|()| context.acknowledge(reply, Payload::default())),
        "leave" => {
            context.leave(socket, &room);
            context.acknowledge(reply, Payload::default())
        }
        _ => Ok(()),
    };
    answered.unwrap_or_else(|problem| log::error!("{name}: {problem}"));
}

/// Events that concern their sender alone.
fn act(context: &mut dyn Context, socket: SocketId, name: &str, payload: Payload<'_>) {
    let sender = Target::socket(socket);
    match name {
        "back" => emit(context, sender, name, payload),
        "ask" => _ = context.emit_with_ack(socket, "question", payload, None),
        "three" => {
            let bytes =
                Payload { json: r#"{"_placeholder":true,"num":0}"#, attachments: Attachments::Bytes(&[&[1, 2, 3]]) };
            emit(context, sender, "a", Payload::json("1"));
            emit(context, sender, "b", bytes);
            emit(context, sender, "c", Payload::default());
        }
        "count" => {
            for n in 0..payload.json.parse().unwrap_or(0) {
                emit(context, sender, "n", Payload::json(&format!("{n}")));
            }
        }
        "many" => {
            let much = Value::from(text(payload, 0).repeat(20)).to_string();
            emit(context, sender, name, Payload::json(&much));
        }
        "flicker" => emit(context, sender.volatile(), name, Payload::default()),
        "bye" => context.disconnect(socket, false),
        "bye-all" => context.disconnect(socket, true),
        "drop" => context.drop_connection(socket),
        _ => {}
    }
}

fn emit(context: &mut dyn Context, target: Target<'_>, name: &str, payload: Payload<'_>) {
    context.emit(target, name, payload).unwrap_or_else(|problem| log::error!("{name}: {problem}"));
}

fn tell(context: &mut dyn Context, reply: Reply, reason: CloseReason) {
    let reason = Value::from(reason.as_str()).to_string();
    context.acknowledge(reply, Payload::json(&reason)).unwrap_or_else(|problem| log::error!("reason: {problem}"));
}

/// The argument at a place, if it is text.
fn text(payload: Payload<'_>, at: usize) -> String {
    let argument = payload.args().nth(at).unwrap_or_default();
    serde_json::from_str(argument).unwrap_or_default()
}
