//! Stopping politely: SIGINT and SIGTERM ask the server to close its clients and go; a second one makes it go at once.

use core::fmt;
use std::io;

use async_channel::{Receiver, Sender};
use async_signal::{Signal, Signals};
use smol::stream::StreamExt as _;

/// The exit status after a second signal: what a shell reports for a program that Ctrl-C ended.
const EXIT_STATUS_AT_ONCE: i32 = 130;

/// Takes both signals over from the system and returns where the first one is announced.
///
/// The future has to be spawned: it waits for the first signal, announces it, and ends the process when a second one comes. From this
/// call on a signal no longer ends the process by itself, and none is lost in between.
pub fn watch() -> io::Result<(Receiver<StopSignal>, impl Future<Output = ()> + Send + 'static)> {
    let signals = Signals::new([Signal::Int, Signal::Term])?;
    let (sender, receiver) = async_channel::bounded(1);
    Ok((receiver, announce(signals, sender)))
}

async fn announce(mut signals: Signals, told: Sender<StopSignal>) {
    let Some(first) = next(&mut signals).await else {
        return;
    };
    // Nobody listening any more means that the server is on its way out already.
    let _ = told.try_send(first);
    if next(&mut signals).await.is_some() {
        std::process::exit(EXIT_STATUS_AT_ONCE);
    }
}

async fn next(signals: &mut Signals) -> Option<StopSignal> {
    loop {
        match signals.next().await? {
            Ok(Signal::Int) => return Some(StopSignal::Interrupt),
            Ok(Signal::Term) => return Some(StopSignal::Terminate),
            Ok(_) => {}
            Err(problem) => {
                log::error!("signals can no longer be received: {problem}");
                return None;
            }
        }
    }
}

/// Which signal asked the server to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopSignal {
    /// SIGINT: Ctrl-C in a terminal.
    Interrupt,
    /// SIGTERM: a service manager, a container runtime, or `kill`.
    Terminate,
}

impl fmt::Display for StopSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Pid, Signal as RawSignal, kill_process};
    use std::io::{BufRead as _, BufReader};
    use std::process::{Child, Command, Stdio};

    /// The program that the other tests signal: it says when it listens and what it heard.
    #[test]
    #[ignore = "started by the other tests as a process of its own"]
    fn signalled_process() {
        smol::block_on(async {
            let (receiver, task) = watch().unwrap();
            let task = smol::spawn(task);
            println!("\nlistening");
            println!("heard {}", receiver.recv().await.unwrap());
            task.await;
        });
    }

    fn start() -> (Child, impl FnMut() -> String) {
        let (_, module) = module_path!().split_once("::").unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--nocapture", "--exact", &format!("{module}::signalled_process")])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let next = move || {
            lines
                .find_map(|line| line.ok().filter(|line| line.starts_with("listening") || line.starts_with("heard")))
                .unwrap()
        };
        (child, next)
    }

    #[test]
    fn the_first_signal_is_announced_and_the_second_exits_at_once() {
        for (signal, name) in [(RawSignal::INT, "heard SIGINT"), (RawSignal::TERM, "heard SIGTERM")] {
            let (mut child, mut line) = start();
            let pid = Pid::from_child(&child);
            assert_eq!(line(), "listening");
            kill_process(pid, signal).unwrap();
            assert_eq!(line(), name);
            assert!(child.try_wait().unwrap().is_none(), "the first signal must not end the process");
            kill_process(pid, signal).unwrap();
            assert_eq!(child.wait().unwrap().code(), Some(130));
        }
    }
}
