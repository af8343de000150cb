//! The server of the comparison with the official implementation: `js/oracle/server.mjs` says the same in JavaScript, and
//! what its namespaces and events do. Takes the options of the program `sprat`.

use std::collections::HashMap;
use std::process::ExitCode;

use serde_json::Value;
use sprat::config::{Config, Invocation};
use sprat::{logging, serve};
use sprat_core::app::{Attachments, Connect, Context, Decision, Event, Name, Payload, Target};
use sprat_core::ids::{AckId, Reply};
use sprat_core::wire::json;
use sprat_core::{App, CloseReason, SocketId};

fn main() -> ExitCode {
    let invocation = Config::from_args(std::env::args_os().skip(1), |name| std::env::var_os(name));
    let Ok(Invocation::Run(config)) = invocation else {
        eprintln!("oracle: {invocation:?}");
        return ExitCode::from(2);
    };
    logging::start(config.log);
    match serve(&config, Oracle::default()) {
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
}

struct Who {
    namespace: String,
    /// What the client gave as auth.
    auth: String,
}

impl App for Oracle {
    fn has_namespace(&mut self, name: &str) -> bool {
        let number = name.strip_prefix("/dyn-");
        matches!(name, "/" | "/custom" | "/guarded")
            || number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    }

    fn on_connect(&mut self, _: &mut dyn Context, socket: SocketId, connect: &Connect<'_>) -> Decision<'_> {
        let auth = connect.auth.unwrap_or("{}");
        if connect.namespace == "/guarded" && json::member(auth, "token").is_none() {
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
            ("reason", Some(reply)) => self.tell_reason(context, &text(payload, 0), reply),
            (_, Some(reply)) => answer(context, socket, name, payload, reply),
            ("all" | "but" | "room" | "rooms", None) => self.spread(context, socket, name, payload),
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
    fn tell_reason(&mut self, context: &mut dyn Context, label: &str, reply: Reply) {
        match self.reasons.get(label) {
            Some(reason) => tell(context, reply, *reason),
            None => _ = self.asked.insert(label.to_owned(), reply),
        }
    }

    /// Events for others than the sender.
    fn spread(&self, context: &mut dyn Context, socket: SocketId, name: &str, payload: Payload<'_>) {
        let Some(who) = self.sockets.get(&socket) else { return };
        let (first, second) = (text(payload, 0), text(payload, 1));
        let (one, both) = ([first.as_str()], [first.as_str(), second.as_str()]);
        let here = Target::namespace(&who.namespace);
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
            let bytes = Payload {
                json: r#"{"_placeholder":true,"num":0}"#,
                attachments: Attachments::Bytes(&[&[1, 2, 3]]),
            };
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
