//! The program under test, and connections to it that say what no client would.

use core::net::SocketAddr;
use core::time::Duration;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};

/// What a test waits for has to come in this time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const OPEN: &str = "/socket.io/?EIO=4&transport=polling";
pub(crate) const TEXT: u8 = 0x81;

pub(crate) const CLOSE: u8 = 0x88;

/// A started server. It ends with the test.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    log: Receiver<String>,
}

impl Server {
    pub(crate) fn start(options: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sprat"))
            .args(["--listen", "127.0.0.1:0"])
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a server");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let url = lines.find_map(|line| line.ok()?.split_once("http://").map(|(_, rest)| rest.to_owned()));
        let address = url.expect("an address").trim_end_matches('/').parse().expect("an address");
        let (written, log) = channel();
        let errors = BufReader::new(child.stderr.take().expect("its log"));
        std::thread::spawn(move || errors.lines().map_while(Result::ok).try_for_each(|line| written.send(line)));
        Self { child, address, log }
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(crate) fn connect(&self) -> Raw {
        let stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Raw { stream, received: Vec::new() }
    }

    /// A client over a WebSocket that has joined the chat.
    pub(crate) fn join(&self) -> Raw {
        let mut raw = self.upgrade("");
        assert_eq!(raw.answer().status(), "101");
        raw.take(|text| text.starts_with('0'));
        raw.frame(TEXT, b"40");
        raw.take(|text| text.starts_with("42[\"hello\""));
        raw
    }

    /// A connection that has asked for a WebSocket.
    pub(crate) fn upgrade(&self, fields: &str) -> Raw {
        let mut raw = self.connect();
        raw.send(websocket_head(fields).as_bytes());
        raw
    }

    /// The id of a new session over polling that has joined the chat.
    pub(crate) fn join_polling(&self) -> String {
        let opened = self.connect().ask("GET", OPEN, "", "");
        let sid = opened.body.split('"').nth(3).expect("a sid").to_owned();
        let target = format!("{OPEN}&sid={sid}");
        assert_eq!(self.connect().ask("POST", &target, "", "40").body, "ok");
        target
    }

    /// Waits for a line of the log that has `part` in it.
    pub(crate) fn logged(&self, part: &str) -> String {
        loop {
            let line = self.log.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("the log does not say {part:?}"));
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Resident memory now, and its peak since [`Self::forget_peak`], in bytes.
    pub(crate) fn memory_bytes(&self) -> (usize, usize) {
        let status = self.proc("status");
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).expect("a field");
            line.split_whitespace().nth(1).and_then(|kb| kb.parse::<usize>().ok()).expect("a number") << 10
        };
        (field("VmRSS:"), field("VmHWM:"))
    }

    pub(crate) fn forget_peak(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").expect("a peak that can be reset");
    }

    /// Processor time used so far, in hundredths of a second.
    pub(crate) fn processor_ticks(&self) -> u64 {
        let stat = self.proc("stat");
        let (_, fields) = stat.rsplit_once(')').expect("fields");
        fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
    }

    /// Leaves the process `spare` descriptors more than it has open; none: as many as it had.
    pub(crate) fn limit_descriptors(&self, spare: Option<u64>) {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("descriptors").count() as u64;
        let current = Some(spare.map_or(10_000, |spare| open + spare));
        prlimit(Some(self.pid()), Resource::Nofile, Rlimit { current, maximum: Some(10_000) }).expect("a limit");
    }

    /// Asks it to end, and waits for that.
    pub(crate) fn terminate(&mut self) -> Option<i32> {
        kill_process(self.pid(), Signal::TERM).expect("a process");
        self.child.wait().expect("an end").code()
    }

    fn proc(&self, name: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{name}", self.child.id())).expect("a process")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection.
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
    received: Vec<u8>,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn status(&self) -> &str {
        &self.head["HTTP/1.1 ".len()..][..3]
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

impl Raw {
    /// Sends as much as the server takes: who is refused may be cut off in the middle.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Sends a request, with `fields` that end in line ends, and reads its answer.
    pub(crate) fn ask(&mut self, method: &str, target: &str, fields: &str, body: &str) -> Answer {
        self.send(request(method, target, fields, body).as_bytes());
        self.answer()
    }

    pub(crate) fn answer(&mut self) -> Answer {
        self.try_answer().expect("an answer")
    }

    /// The next answer; `None` if the connection ends before.
    pub(crate) fn try_answer(&mut self) -> Option<Answer> {
        let end = loop {
            match self.received.windows(4).position(|window| window == b"\r\n\r\n") {
                Some(at) => break at + 4,
                None if !self.more() => return None,
                None => {}
            }
        };
        let head: Vec<u8> = self.received.drain(..end).collect();
        let mut answer = Answer { head: String::from_utf8(head).expect("ASCII"), body: String::new() };
        let len = answer.field("Content-Length").map_or(0, |len| len.parse().expect("a number"));
        while self.received.len() < len {
            assert!(self.more(), "a body in part");
        }
        answer.body = String::from_utf8_lossy(&self.received[..len]).into_owned();
        self.received.drain(..len);
        Some(answer)
    }

    /// Sends a WebSocket frame, masked with zeros (RFC 6455, section 5.3).
    pub(crate) fn frame(&mut self, first: u8, payload: &[u8]) -> bool {
        self.send(&frame(first, payload))
    }

    /// The next frame, its first byte and its payload; `None` if the connection ends before.
    pub(crate) fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let header = self.exactly(2)?;
        let len = match header[1] {
            126 => self.exactly(2)?.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)),
            127 => self.exactly(8)?.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)),
            len => usize::from(len),
        };
        Some((header[0], self.exactly(len)?))
    }

    /// The next text for which `is_it` holds. Pings are answered meanwhile.
    pub(crate) fn take(&mut self, is_it: impl Fn(&str) -> bool) -> String {
        loop {
            let (first, payload) = self.next().expect("the connection goes on");
            assert_eq!(first, TEXT);
            let text = String::from_utf8(payload).expect("text");
            if text == "2" {
                self.frame(TEXT, b"3");
            }
            if is_it(&text) {
                return text;
            }
        }
    }

    /// Asks the chat for something small, and waits for the answer.
    pub(crate) fn echo(&mut self, number: usize) {
        self.frame(TEXT, format!(r#"42{number}["name","echo {number}"]"#).as_bytes());
        let expected = format!(r#"43{number}[{{"name":"echo {number}"}}]"#);
        self.take(|text| text == expected);
    }

    /// Whether the server ends the connection, whatever it says before.
    pub(crate) fn ends(&mut self) -> bool {
        while self.more() {
            self.received.clear();
        }
        true
    }

    fn exactly(&mut self, len: usize) -> Option<Vec<u8>> {
        while self.received.len() < len {
            if !self.more() {
                return None;
            }
        }
        Some(self.received.drain(..len).collect())
    }

    fn more(&mut self) -> bool {
        let mut bytes = [0; 65_536];
        match self.stream.read(&mut bytes) {
            Ok(len) => {
                self.received.extend_from_slice(&bytes[..len]);
                len > 0
            }
            Err(problem) if problem.kind() == std::io::ErrorKind::ConnectionReset => false,
            Err(problem) => panic!("nothing came: {problem}"),
        }
    }
}

pub(crate) fn request(method: &str, target: &str, fields: &str, body: &str) -> String {
    let len = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{fields}{len}\r\n{body}")
}

pub(crate) fn websocket_head(fields: &str) -> String {
    format!(
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
    )
}

pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..126 => frame.push(0x80 | len as u8),
        len @ 126..65_536 => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}
