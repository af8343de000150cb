//! A server in a thread of this process, and a client of the bare protocol to talk to it.

#![allow(dead_code, reason = "each program of tests uses its part")]
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use core::net::SocketAddr;
use core::time::Duration;
use std::net::TcpStream;
use std::thread::JoinHandle;

use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::Message;
use smol::future::FutureExt as _;
use smol::stream::StreamExt as _;
use smol::{Async, Timer};
use sprat::{Config, Handle, Io};

/// What a test waits for has to come in this time.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running server. It ends with the test.
pub(crate) struct Running {
    pub(crate) handle: Handle,
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

/// Starts a server with what `set_up` registers.
pub(crate) fn serve(set_up: impl FnOnce(&mut Io) + Send + 'static) -> Running {
    serve_with(Config::default(), set_up)
}

/// As [`serve`], with a configuration; where it listens is settled.
pub(crate) fn serve_with(config: Config, set_up: impl FnOnce(&mut Io) + Send + 'static) -> Running {
    let (started, is_started) = async_channel::bounded(1);
    let config = Config { listen: vec!["127.0.0.1:0".parse().unwrap()], ..config };
    let thread = std::thread::spawn(move || {
        let mut io = Io::with_queue(8);
        let handle = io.handle();
        io.on_ready(move |addresses| started.try_send((handle, addresses[0])).unwrap());
        set_up(&mut io);
        io.run(config).unwrap();
    });
    let (handle, address) = smol::block_on(is_started.recv()).unwrap();
    Running { handle, address, thread: Some(thread) }
}

impl Running {
    /// A client that has joined `/`.
    pub(crate) async fn join(&self) -> Client {
        let mut client = self.open("", &[]).await;
        client.join("/", "").await;
        client
    }

    /// A client that has not joined a namespace.
    pub(crate) async fn open(&self, query: &str, headers: &[(&'static str, &str)]) -> Client {
        Client::open(self.address, "/socket.io/", query, headers).await
    }

    /// Ends the server and waits for its end.
    pub(crate) fn end(mut self) -> Handle {
        self.handle.shut_down();
        self.thread.take().unwrap().join().unwrap();
        self.handle.clone()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.shut_down();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the server panicked");
        }
    }
}

/// A client on a WebSocket.
pub(crate) struct Client {
    stream: WebSocketStream<Async<TcpStream>>,
    /// Its id in the namespace that it joined last.
    pub(crate) id: String,
}

impl Client {
    /// A client with a session.
    pub(crate) async fn open(address: SocketAddr, path: &str, query: &str, headers: &[(&'static str, &str)]) -> Self {
        let mut request = async_tungstenite::tungstenite::http::Request::builder()
            .uri(format!("ws://{address}{path}?EIO=4&transport=websocket{query}"))
            .header("Host", "localhost")
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let stream = Async::<TcpStream>::connect(address).await.unwrap();
        let (stream, _) = async_tungstenite::client_async(request.body(()).unwrap(), stream).await.unwrap();
        let mut client = Self { stream, id: String::new() };
        assert!(client.engine_packet().await.starts_with("0{"));
        client
    }

    /// Joins a namespace.
    pub(crate) async fn join(&mut self, namespace: &str, auth: &str) {
        let name = if namespace == "/" { String::new() } else { format!("{namespace},") };
        self.send(&format!("0{name}{auth}")).await;
        let answer = self.receive().await;
        let sid = answer.strip_prefix(&format!("0{name}{{\"sid\":\"")).unwrap_or_else(|| panic!("{answer}"));
        self.id = sid[..20].to_owned();
    }

    /// Sends a Socket.IO packet.
    pub(crate) async fn send(&mut self, packet: &str) {
        self.stream.send(Message::text(format!("4{packet}"))).await.unwrap();
    }

    /// Sends an attachment.
    pub(crate) async fn attach(&mut self, bytes: &'static [u8]) {
        self.stream.send(Message::binary(bytes)).await.unwrap();
    }

    /// The next Socket.IO packet. Heartbeats before it are answered.
    pub(crate) async fn receive(&mut self) -> String {
        let mut packet = self.engine_packet().await;
        while packet == "2" {
            self.stream.send(Message::text("3")).await.unwrap();
            packet = self.engine_packet().await;
        }
        packet.strip_prefix('4').unwrap_or_else(|| panic!("{packet}")).to_owned()
    }

    /// The next attachment.
    pub(crate) async fn attachment(&mut self) -> Vec<u8> {
        match self.next().await {
            Some(Message::Binary(bytes)) => bytes.to_vec(),
            other => panic!("{other:?}"),
        }
    }

    /// Sends an event and returns its acknowledgement.
    pub(crate) async fn ask(&mut self, event: &str) -> String {
        self.send(&format!("277{event}")).await;
        let answer = self.receive().await;
        answer.strip_prefix("377").unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// Waits until the server has ended the connection.
    pub(crate) async fn ended(&mut self) {
        while let Some(message) = self.next().await {
            assert!(!matches!(message, Message::Text(_) | Message::Binary(_)), "{message:?}");
        }
    }

    /// The next Engine.IO packet that is text.
    pub(crate) async fn engine_packet(&mut self) -> String {
        match self.next().await {
            Some(Message::Text(text)) => text.to_string(),
            other => panic!("{other:?}"),
        }
    }

    async fn next(&mut self) -> Option<Message> {
        let message = async { self.stream.next().await.and_then(Result::ok) };
        let late = async {
            Timer::after(PATIENCE).await;
            panic!("nothing comes")
        };
        message.or(late).await
    }
}
