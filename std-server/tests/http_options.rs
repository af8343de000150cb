//! What options and hooks change in the answers over HTTP, over loopback (rows E1 and E13 to E19, T19 and those of section 1i of
//! the measured facts). The same against the official server, byte for byte: `tests/js/oracle/options.mjs`.

mod common;

use core::time::Duration;
use std::io::Read as _;
use std::net::TcpStream;
use std::sync::mpsc::channel;

use async_tungstenite::tungstenite::{self, WebSocket};
use common::{Answer, OPEN, PATIENCE, Running, run};
use sprat::config::{Cors, Origins};
use sprat::{Config, ErrorContext, Hooks, MiddlewareAnswer, ResponseHeaders, Step, smol};

/// A server that answers `echo`.
fn serve(config: Config, set_up: impl FnOnce(&mut Hooks) + Send + 'static) -> Running {
    run(config, |io| {
        let mut hooks = Hooks::new();
        set_up(&mut hooks);
        io.hooks(hooks);
        io.on("echo", |socket, text: String, _ack| socket.emit("echo", text));
        io.on("plain", |socket, text: String, _ack| socket.compress(false).emit("plain", text));
    })
}

impl Running {
    fn get(&self, target: &str, fields: &[&str]) -> Answer {
        self.request("GET", target, fields, "")
    }

    /// A request on a connection of its own, and its answer.
    fn request(&self, method: &str, target: &str, fields: &[&str], body: &str) -> Answer {
        let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
        let len = if body.is_empty() { "Content-Length: 0\r\n" } else { "" };
        let mut raw = self.connect();
        let answer = raw.ask(method, target, &format!("Connection: close\r\n{len}{fields}"), body);
        assert_eq!(raw.rest().expect("an end"), b"");
        answer
    }

    /// The session that a client over polling has begun, in `/`.
    fn session(&self) -> String {
        let open = self.get(OPEN, &[]).body;
        let sid = open.split('"').nth(3).expect("a sid");
        let target = format!("{OPEN}&sid={sid}");
        assert_eq!(self.request("POST", &target, &[], "40").body, "ok");
        assert!(self.get(&target, &[]).body.starts_with("40{"));
        target
    }
}

impl Answer {
    /// The values of a header field, in order.
    fn fields(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }
}

#[test]
fn allow_request_takes_its_time_and_refuses_with_its_own_message() {
    let server = serve(Config::default(), |hooks| {
        hooks.allow_request(|request| async move {
            smol::future::yield_now().await;
            if request.query("token").as_deref() == Some("good") { Ok(()) } else { Err("no \"token\"".to_owned()) }
        });
    });
    let refused = server.get(OPEN, &[]);
    assert_eq!((refused.status(), refused.body.as_str()), ("403", r#"{"code":4,"message":"no \"token\""}"#));
    assert_eq!(refused.fields("Content-Type"), ["application/json"]);
    assert_eq!(server.get(&format!("{OPEN}&token=good"), &[]).status(), "200");
    // What is wrong anyway is not asked about.
    assert_eq!(server.get("/socket.io/?EIO=4", &[]).body, r#"{"code":0,"message":"Transport unknown"}"#);
}

#[test]
fn generate_id_chooses_the_id_or_refuses() {
    let server = serve(Config::default(), |hooks| {
        hooks.generate_id(|request| sprat::Sid::from_text(&request.query("wish")?));
    });
    let open = server.get(&format!("{OPEN}&wish=a-wish_of-20-letters"), &[]).body;
    assert!(open.starts_with(r#"0{"sid":"a-wish_of-20-letters","#), "{open}");
    assert_eq!(server.get(OPEN, &[]).body, r#"{"code":3,"message":"Bad request"}"#);
}

#[test]
fn response_headers_are_added_to_what_is_no_error() {
    let server = serve(Config::default(), |hooks| {
        hooks.response_headers(|_request, headers| assert!(headers.add("x-served-by", "sprat")));
    });
    assert_eq!(server.get(OPEN, &[]).fields("x-served-by"), ["sprat"]);
    assert_eq!(server.get("/socket.io/", &[]).fields("x-served-by"), [""; 0]);
}

#[test]
fn middlewares_answer_refuse_or_let_requests_go_on_in_their_order() {
    let (told, errors) = channel();
    let server = serve(Config::default(), move |hooks| {
        hooks.use_request(|request| async move {
            smol::future::yield_now().await;
            let mut headers = ResponseHeaders::default();
            headers.add("x-first", request.method());
            Step::NextWith(headers)
        });
        hooks.use_request(|request| async move {
            match request.head().query("step").as_deref() {
                Some("answer") => {
                    let mut answer = MiddlewareAnswer::new(401, "who are you?");
                    answer.headers.add("Content-Type", "text/plain");
                    Step::Answer(answer)
                }
                Some("fail") => Step::Fail,
                Some("nonsense") => Step::Answer(MiddlewareAnswer::new(0, "")),
                _ => Step::Next,
            }
        });
        hooks.use_request(|_| async { Step::Next });
        hooks.on_connection_error(move |error| told.send((error.code, error.context.clone())).unwrap());
    });
    let target = server.session();
    let post = server.request("POST", &target, &[], r#"42["echo","1"]"#);
    assert_eq!((post.body.as_str(), post.fields("x-first")), ("ok", vec!["POST"]));
    assert_eq!(server.get(&target, &[]).body, r#"42["echo","1"]"#);

    let answered = server.get(&format!("{OPEN}&step=answer"), &[]);
    assert_eq!((answered.status(), answered.body.as_str()), ("401", "who are you?"));
    assert_eq!((answered.fields("Content-Type"), answered.fields("x-first")), (vec!["text/plain"], vec!["GET"]));
    assert_eq!(server.get(&format!("{OPEN}&step=nonsense"), &[]).status(), "500");

    let failed = server.get(&format!("{OPEN}&step=fail"), &[]);
    assert_eq!((failed.status(), failed.body.as_str()), ("400", r#"{"code":3,"message":"Bad request"}"#));
    assert_eq!(errors.recv_timeout(PATIENCE), Ok((3, ErrorContext::MiddlewareFailure)));
    let upgrade = [
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ];
    let failed = server.get("/socket.io/?EIO=4&transport=websocket&step=fail", &upgrade);
    assert_eq!((failed.status(), failed.body.as_str()), ("400", "Bad request"));
    // Pages do not go that way.
    assert_eq!(server.get("/?step=fail", &[]).status(), "200");
}

#[test]
fn connection_errors_are_told_with_code_message_and_context() {
    let (told, errors) = channel();
    let server = serve(Config::default(), move |hooks| {
        hooks.on_connection_error(move |error| {
            told.send((error.code, error.message, error.context.clone())).expect("the test goes on");
        });
    });
    for (method, target, expected) in [
        ("GET", "/socket.io/?EIO=4&transport=abc", (0, "Transport unknown", ErrorContext::Transport("abc".into()))),
        (
            "GET",
            "/socket.io/?EIO=4&transport=polling&sid=x",
            (1, "Session ID unknown", ErrorContext::SessionId("x".into())),
        ),
        ("PUT", OPEN, (2, "Bad handshake method", ErrorContext::Method("PUT".into()))),
        ("GET", "/socket.io/?EIO=4&transport=websocket", (3, "Bad request", ErrorContext::TransportHandshakeError)),
        ("GET", "/socket.io/?EIO=3&transport=polling", (5, "Unsupported protocol version", ErrorContext::Protocol)),
    ] {
        assert_eq!(server.request(method, target, &[], "").status(), "400", "{target}");
        assert_eq!(errors.recv_timeout(PATIENCE), Ok(expected), "{target}");
    }
}

#[test]
fn the_cookie_is_set_by_the_handshake_alone() {
    let config = Config { cookie: Some("io".parse().expect("a cookie")), ..Config::default() };
    let server = serve(config, |_| ());
    let open = server.get(OPEN, &[]);
    let text = &open.body;
    let sid = text.split('"').nth(3).expect("a sid");
    assert_eq!(open.fields("Set-Cookie"), [format!("io={sid}; Path=/; HttpOnly; SameSite=Lax")]);
    let post = server.request("POST", &format!("{OPEN}&sid={sid}"), &[], "40");
    assert_eq!((post.status(), post.fields("Set-Cookie").len()), ("200", 0));
    assert!(serve(Config::default(), |_| ()).get(OPEN, &[]).fields("Set-Cookie").is_empty());
}

#[test]
fn cors_allows_the_origins_on_its_list_and_is_off_by_default() {
    const OURS: &str = "Origin: https://a.example";
    const PREFLIGHT: [&str; 2] = ["Access-Control-Request-Method: POST", "Access-Control-Request-Headers: x-test"];
    let cors = Cors { origins: Origins::List(vec!["https://a.example".into()]), credentials: true, ..Cors::default() };
    let server = serve(Config { cors, ..Config::default() }, |_| ());
    for target in [OPEN, "/socket.io/", "/socket.io/socket.io.js"] {
        let answer = server.get(target, &[OURS]);
        assert_eq!(answer.fields("Access-Control-Allow-Origin"), ["https://a.example"], "{target}");
        assert_eq!(answer.fields("Access-Control-Allow-Credentials"), ["true"], "{target}");
        assert!(answer.fields("Vary").contains(&"Origin"), "{target}");
        let other = server.get(target, &["Origin: https://b.example"]);
        assert_eq!(other.fields("Access-Control-Allow-Origin"), [""; 0], "{target}");
        assert_eq!(other.status(), answer.status(), "{target}");
    }
    let preflight = server.request("OPTIONS", OPEN, &[OURS, PREFLIGHT[0], PREFLIGHT[1]], "");
    assert_eq!((preflight.status(), preflight.fields("Content-Length")), ("204", vec!["0"]));
    assert_eq!(preflight.fields("Access-Control-Allow-Methods"), ["GET,HEAD,PUT,PATCH,POST,DELETE"]);
    assert_eq!(preflight.fields("Access-Control-Allow-Headers"), ["x-test"]);

    let server = serve(Config::default(), |_| ());
    assert_eq!(server.request("OPTIONS", OPEN, &[OURS], "").body, r#"{"code":2,"message":"Bad handshake method"}"#);
    assert!(server.get(OPEN, &[OURS]).fields("Access-Control-Allow-Origin").is_empty());
}

#[test]
fn polls_are_compressed_from_the_threshold_on() {
    let server = serve(Config::default(), |_| ());
    let target = server.session();
    for (len, accepted, coding) in [
        (2_000, "gzip", vec!["gzip"]),
        (2_000, "deflate", vec!["deflate"]),
        (100, "gzip", vec![]),
        (2_000, "br", vec![]),
    ] {
        let event = format!(r#"42["echo","{}"]"#, "x".repeat(len));
        assert_eq!(server.request("POST", &target, &[], &event).body, "ok");
        let answer = server.get(&target, &[&format!("Accept-Encoding: {accepted}")]);
        assert_eq!(answer.fields("Content-Encoding"), coding, "{len} {accepted}");
        let mut text = String::new();
        match coding.first() {
            Some(&"gzip") => flate2::read::GzDecoder::new(&answer.bytes[..]).read_to_string(&mut text),
            Some(_) => flate2::read::ZlibDecoder::new(&answer.bytes[..]).read_to_string(&mut text),
            None => (&answer.bytes[..]).read_to_string(&mut text),
        }
        .unwrap();
        assert_eq!(text, event, "{len} {accepted}");
    }
}

#[test]
fn a_poll_is_compressed_unless_no_packet_in_it_may_be() {
    let server = serve(Config::default(), |_| ());
    let target = server.session();
    let long = "x".repeat(2_000);
    for (body, coding) in [
        (format!(r#"42["plain","{long}"]"#), vec![]),
        (format!("42[\"plain\",\"{long}\"]\x1e42[\"plain\",\"a\"]"), vec![]),
        (format!("42[\"plain\",\"{long}\"]\x1e42[\"echo\",\"a\"]"), vec!["gzip"]),
    ] {
        assert_eq!(server.request("POST", &target, &[], &body).body, "ok");
        let answer = server.get(&target, &["Accept-Encoding: gzip"]);
        assert_eq!(answer.fields("Content-Encoding"), coding);
        if coding.is_empty() {
            assert_eq!(answer.body, body);
        }
    }
}

#[test]
fn the_path_is_a_prefix_with_or_without_a_slash() {
    let server = serve(Config::default(), |_| ());
    let answers = |server: &Running| {
        ["/socket.io/?", "/socket.io/below/it?", "/socket.io?", "/SOCKET.IO/?"]
            .map(|path| server.get(&format!("{path}EIO=4&transport=polling"), &[]).status().to_owned())
    };
    assert_eq!(answers(&server), ["200", "200", "404", "404"]);
    let server = serve(Config { trailing_slash: false, ..Config::default() }, |_| ());
    assert_eq!(answers(&server), ["200", "200", "200", "404"]);
}

#[test]
fn no_client_script_is_served_where_none_is_wanted() {
    let status = |server: &Running| server.get("/socket.io/socket.io.js", &[]).status().to_owned();
    assert_eq!(status(&serve(Config::default(), |_| ())), "200");
    let server = serve(Config { serve_client: false, ..Config::default() }, |_| ());
    assert_eq!(status(&server), "400");
    assert_eq!(server.get("/socket.io/socket.io.js", &[]).body, r#"{"code":0,"message":"Transport unknown"}"#);
}

#[test]
fn internet_explorer_is_told_not_to_take_answers_for_attacks() {
    let server = serve(Config::default(), |_| ());
    for (agent, expected) in
        [("Mozilla/5.0 (compatible;MSIE 10.0)", vec!["0"]), ("Trident/7.0", vec!["0"]), ("MSIE", vec![])]
    {
        let answer = server.get(OPEN, &[&format!("User-Agent: {agent}")]);
        assert_eq!(answer.fields("X-XSS-Protection"), expected, "{agent}");
    }
}

/// A server that tells what happens on its connections, and a check of what it tells next.
fn watched(config: Config) -> (Running, impl Fn(&str)) {
    let (told, events) = channel();
    let server = serve(config, move |hooks| {
        // What comes when the test is over, nobody wants to know.
        hooks.on_engine_event(move |_session, event| _ = told.send(format!("{event:?}")));
    });
    let next = move |expected: &str| {
        let event = events.recv_timeout(PATIENCE).expect("something happens");
        assert!(event.starts_with(expected), "{event}, not {expected}");
    };
    (server, next)
}

impl Running {
    fn websocket(&self, target: &str) -> WebSocket<TcpStream> {
        let stream = self.connect().stream;
        stream.set_read_timeout(Some(PATIENCE)).expect("a time that is not zero");
        let url = format!("ws://localhost{}", target.replace("transport=polling", "transport=websocket"));
        tungstenite::client(url, stream).expect("a WebSocket").0
    }
}

#[test]
fn packets_upgrades_and_ends_are_told_to_whoever_watches() {
    let (server, next) = watched(Config::default());
    let target = server.session();
    for event in ["Open", "PacketCreate(Text(\"0{", "Drain", "Packet(Text(\"40", "PacketCreate(Text(\"40{", "Drain"] {
        next(event);
    }
    let mut socket = server.websocket(&target);
    // All in one piece: the probe is answered when the WebSocket has taken over.
    for packet in ["2probe", "5", r#"42["echo","x"]"#] {
        socket.write(packet.into()).expect("there is room");
    }
    socket.flush().expect("it is sent");
    for event in ["Upgrading", "Upgrade", "Packet(Text(\"42[", "PacketCreate(Text(\"42[", "Drain"] {
        next(event);
    }
    socket.close(None).expect("it is closed");
    next("Close(TransportClose)");
}

#[test]
fn heartbeats_are_told_to_whoever_watches() {
    let (server, next) = watched(Config { ping_interval: Duration::from_millis(300), ..Config::default() });
    let mut socket = server.websocket(OPEN);
    for event in ["Open", "PacketCreate(Text(\"0{", "Drain", "PacketCreate(Text(\"2\"))", "Drain"] {
        next(event);
    }
    socket.send("3".into()).expect("it is sent");
    next("Packet(Text(\"3\"))");
    next("Heartbeat");
}
