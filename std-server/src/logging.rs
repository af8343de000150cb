//! The log: one line a record on standard error, for a terminal, a file or the journal of systemd.

use core::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};

use log::{Level, LevelFilter, Log, Metadata, Record};
use sprat_core::time::UnixTime;

use crate::clock;

/// Starts logging at `level`. Other crates are heard from `warn` on, and in full at `trace`.
///
/// A program that has a logger of its own keeps it.
pub fn start(level: LevelFilter) {
    let logger = Logger { level, style: Style::of_stderr() };
    if log::set_boxed_logger(Box::new(logger)).is_ok() {
        log::set_max_level(level);
    }
}

/// What a peer is refused or cut off for. Of each kind there is one line in a while, which says how many there were: peers
/// must not be able to fill a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// A connection is refused because of its address.
    Connection,
    /// A handshake is refused because of its address.
    Handshake,
    /// A request is refused because it is malformed, too long or too slow.
    Request,
    /// A page of another site is refused a WebSocket.
    Origin,
    /// A connection is cut off: it did not take an answer, or its body did not come.
    Cut,
    /// A client is cut off: it does not read, or has more queued than it may.
    Client,
    /// A client is cut off: what it sent on its WebSocket breaks the protocol, or is too long.
    Frames,
    /// A client is cut off: what it sent is no packet, or beyond a limit for packets.
    Packets,
    /// A client is cut off: it has joined no namespace.
    Namespace,
    /// A client is refused: there is no room for another.
    Full,
    /// A client is read more slowly: it sends more than it may.
    Flood,
    /// A connection is cut off: all that has come in part is too much.
    Incoming,
    /// A file is not sent: all that are being sent are too much.
    Page,
}

/// Time between two lines of one kind, in milliseconds.
const NOTICE_INTERVAL_MS: i64 = 10_000;

/// Writes a warning, unless one of its kind was written lately; the next that is written counts those left out.
pub(crate) fn notice(kind: Notice, what: core::fmt::Arguments<'_>) {
    thread_local!(static LAST: core::cell::RefCell<[Seldom; 13]> = const { core::cell::RefCell::new([Seldom::NEVER; 13]) });
    let now_ms = clock::wall().as_ms();
    if let Some(left_out) = LAST.with_borrow_mut(|last| last[kind as usize].admit(now_ms)) {
        match left_out {
            0 => log::warn!(target: "sprat", "{what}"),
            1 => log::warn!(target: "sprat", "{what} (and one more like this since the last line)"),
            _ => log::warn!(target: "sprat", "{what} (and {left_out} more like this since the last line)"),
        }
    } else {
        log::debug!(target: "sprat", "{what}");
    }
}

/// When there was a line of some kind, and how many were left out since.
#[derive(Clone, Copy, Debug)]
struct Seldom {
    last_ms: Option<i64>,
    left_out: u64,
}

impl Seldom {
    const NEVER: Self = Self { last_ms: None, left_out: 0 };

    /// How many were left out before this one, if this one is to be written. A clock that is set back counts as time passed.
    fn admit(&mut self, now_ms: i64) -> Option<u64> {
        if self.last_ms.is_some_and(|last_ms| (0..NOTICE_INTERVAL_MS).contains(&(now_ms - last_ms))) {
            self.left_out += 1;
            return None;
        }
        self.last_ms = Some(now_ms);
        Some(core::mem::take(&mut self.left_out))
    }
}

struct Logger {
    level: LevelFilter,
    style: Style,
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let own = metadata.target().starts_with("sprat");
        let limit =
            if own || self.level == LevelFilter::Trace { self.level } else { self.level.min(LevelFilter::Warn) };
        metadata.level() <= limit
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let text = line(self.style, clock::wall(), record);
            // A log that cannot be written must not stop the server, and there is nowhere else to say so.
            let _ = std::io::stderr().write_all(text.as_bytes());
        }
    }

    fn flush(&self) {}
}

fn line(style: Style, time: UnixTime, record: &Record<'_>) -> String {
    let level = record.level();
    let mut text = String::with_capacity(128);
    // Writing into a String cannot fail.
    let _ = match style {
        Style::Journal => write!(text, "<{}>{}: ", syslog_severity(level), record.target()),
        Style::Plain => write!(text, "{} {level:<5} {}: ", time.rfc3339().as_str(), record.target()),
        Style::Colour => {
            write!(text, "{} \x1b[{}m{level:<5}\x1b[0m {}: ", time.rfc3339().as_str(), colour(level), record.target())
        }
    };
    let _ = write!(OneLine(&mut text), "{}", record.args());
    text.push('\n');
    text
}

/// sd-daemon(3): the severity of syslog in front of a line.
fn syslog_severity(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

fn colour(level: Level) -> &'static str {
    match level {
        Level::Error => "31",
        Level::Warn => "33",
        Level::Info => "32",
        Level::Debug => "36",
        Level::Trace => "2",
    }
}

/// Keeps a record in its line: text from strangers must be able neither to forge a line nor to control a terminal.
struct OneLine<'a>(&'a mut String);

impl core::fmt::Write for OneLine<'_> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for character in text.chars() {
            if character.is_control() {
                self.0.extend(character.escape_default());
            } else {
                self.0.push(character);
            }
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// The journal has time and level of its own.
    Journal,
    Plain,
    Colour,
}

impl Style {
    fn of_stderr() -> Self {
        let variable = |name| std::env::var(name).ok();
        if variable("JOURNAL_STREAM").is_some_and(|stream| is_stderr(&stream)) {
            return Self::Journal;
        }
        let no_colour = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = variable("TERM").is_none_or(|term| term == "dumb");
        if std::io::stderr().is_terminal() && !no_colour && !dumb { Self::Colour } else { Self::Plain }
    }
}

/// systemd.exec(5), `$JOURNAL_STREAM`: device and inode tell whether it is still our own standard error that goes to the journal.
fn is_stderr(journal_stream: &str) -> bool {
    let Ok(stat) = rustix::fs::fstat(std::io::stderr()) else {
        return false;
    };
    journal_stream == format!("{}:{}", stat.st_dev, stat.st_ino)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(style: Style, level: Level, message: &str) -> String {
        let time = UnixTime::from_ms(1_795_539_037_123);
        line(
            style,
            time,
            &Record::builder().level(level).target("sprat::engine").args(format_args!("{message}")).build(),
        )
    }

    #[test]
    fn each_style_has_its_line() {
        for (style, expected) in [
            (Style::Plain, "2026-11-24T16:50:37.123Z WARN  sprat::engine: full\n"),
            (Style::Colour, "2026-11-24T16:50:37.123Z \x1b[33mWARN \x1b[0m sprat::engine: full\n"),
            (Style::Journal, "<4>sprat::engine: full\n"),
        ] {
            assert_eq!(written(style, Level::Warn, "full"), expected);
        }
        assert!(written(Style::Journal, Level::Error, "x").starts_with("<3>"));
        assert!(written(Style::Journal, Level::Info, "x").starts_with("<6>"));
        assert!(written(Style::Journal, Level::Trace, "x").starts_with("<7>"));
    }

    #[test]
    fn a_message_cannot_leave_its_line() {
        assert_eq!(
            written(Style::Journal, Level::Info, "a\n<3>forged\x1b[2J\r\u{9b}中"),
            "<6>sprat::engine: a\\n<3>forged\\u{1b}[2J\\r\\u{9b}中\n"
        );
    }

    #[test]
    fn of_one_kind_there_is_a_line_in_ten_seconds_and_it_counts_the_others() {
        let mut seldom = Seldom::NEVER;
        assert_eq!(seldom.admit(5), Some(0));
        assert_eq!([5, 6, 10_004].map(|now_ms| seldom.admit(now_ms)), [None; 3]);
        assert_eq!(seldom.admit(10_005), Some(3));
        assert_eq!(seldom.admit(10_006), None);
        assert_eq!(seldom.admit(1), Some(1), "the clock was set back");
    }

    #[test]
    fn other_crates_are_heard_from_warn_on_and_in_full_at_trace() {
        let enabled = |filter, level, target| {
            let logger = Logger { level: filter, style: Style::Plain };
            logger.enabled(&Metadata::builder().level(level).target(target).build())
        };
        assert!(enabled(LevelFilter::Debug, Level::Debug, "sprat::engine"));
        assert!(enabled(LevelFilter::Debug, Level::Debug, "sprat_core"));
        assert!(!enabled(LevelFilter::Info, Level::Debug, "sprat"));
        assert!(!enabled(LevelFilter::Debug, Level::Info, "polling"));
        assert!(enabled(LevelFilter::Debug, Level::Warn, "polling"));
        assert!(!enabled(LevelFilter::Error, Level::Warn, "polling"));
        assert!(enabled(LevelFilter::Trace, Level::Trace, "polling"));
        assert!(!enabled(LevelFilter::Off, Level::Error, "sprat"));
    }

    #[test]
    fn the_journal_is_known_by_device_and_inode() {
        let stat = rustix::fs::fstat(std::io::stderr()).unwrap();
        assert!(is_stderr(&format!("{}:{}", stat.st_dev, stat.st_ino)));
        assert!(!is_stderr(&format!("{}:{}", stat.st_dev, stat.st_ino + 1)));
        assert!(!is_stderr(""));
    }
}
