//! The program under test, and connections to it that say what no client would.

use core::net::SocketAddr;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};

pub(crate) use crate::common::{CLOSE, OPEN, Raw, TEXT, frame, request};
use crate::common::{PATIENCE, websocket_head};

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
        Raw::connect(self.address)
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
        raw.send(websocket_head("/socket.io/?EIO=4&transport=websocket", fields));
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

impl Raw {
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
        self.frame(TEXT, format!(r#"42{number}["name","echo {number}"]"#));
        let expected = format!(r#"43{number}[{{"name":"echo {number}"}}]"#);
        self.take(|text| text == expected);
    }
}
