//! The one place that reads a clock. Everything else is told what time it is.
//!
//! On the thread of a reactor time passes in steps: all that is done between two looks at the sockets happens at the time of the
//! first. A clock is read once for all of it, and what came together has the same time, however long the work for it takes.

use core::cell::Cell;
use std::time::SystemTime;

use sprat_core::time::{Instant, Now, UnixTime};

/// The clocks of this machine: monotonic time since the server started, and the wall time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: std::time::Instant,
}

impl Clock {
    /// Starts the monotonic clock at zero.
    pub fn start() -> Self {
        Self { origin: instant() }
    }

    /// What both clocks say now.
    pub fn now(&self) -> Now {
        Now { instant: self.instant(), wall: Some(wall()) }
    }

    /// The monotonic clock alone, for deadlines.
    pub fn instant(&self) -> Instant {
        let elapsed = instant().saturating_duration_since(self.origin);
        Instant::from_ms(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
    }

    /// Where the monotonic clock's `instant` is for the timers of the runtime.
    ///
    /// `None` if that is further away than the system's clock can count.
    pub fn deadline(&self, instant: Instant) -> Option<std::time::Instant> {
        self.origin.checked_add(core::time::Duration::from_millis(instant.as_ms()))
    }
}

/// The system's monotonic clock, for timers.
#[expect(clippy::disallowed_methods, reason = "this is the place that reads the clock")]
pub fn instant() -> std::time::Instant {
    STEP.with(|step| step.instant.of(std::time::Instant::now))
}

/// What the wall clock says now.
#[expect(clippy::disallowed_methods, reason = "this is the place that reads the clock")]
pub fn wall() -> UnixTime {
    STEP.with(|step| step.wall.of(|| unix_time(SystemTime::now())))
}

std::thread_local! {
    static STEP: Step = const { Step { instant: Reading::new(), wall: Reading::new() } };
}

/// What this thread's clocks have said in the step of time that goes on.
struct Step {
    instant: Reading<std::time::Instant>,
    wall: Reading<UnixTime>,
}

struct Reading<T> {
    is_kept: Cell<bool>,
    kept: Cell<Option<T>>,
}

impl<T: Copy> Reading<T> {
    const fn new() -> Self {
        Self { is_kept: Cell::new(false), kept: Cell::new(None) }
    }

    fn begin(&self, is_kept: bool) {
        self.is_kept.set(is_kept);
        self.kept.set(None);
    }

    fn of(&self, read: impl FnOnce() -> T) -> T {
        if !self.is_kept.get() {
            return read();
        }
        let now = self.kept.get().unwrap_or_else(read);
        self.kept.set(Some(now));
        now
    }
}

/// While there is one, time passes in steps on its thread; afterwards by itself again.
pub(crate) struct Steps;

impl Steps {
    /// Begins with the first step.
    pub(crate) fn begin() -> Self {
        Self::next();
        Self
    }

    /// Begins with the next one.
    pub(crate) fn next() {
        Self::set(true);
    }

    fn set(is_kept: bool) {
        STEP.with(|step| {
            step.instant.begin(is_kept);
            step.wall.begin(is_kept);
        });
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        Self::set(false);
    }
}

fn unix_time(time: SystemTime) -> UnixTime {
    let ms = match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()),
        Err(before) => i64::try_from(before.duration().as_nanos().div_ceil(1_000_000)).map(|ms| -ms),
    };
    UnixTime::from_ms(ms.unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monotonic_time_starts_at_zero_and_does_not_go_backwards() {
        let clock = Clock::start();
        let first = clock.now().instant;
        assert!(first < Instant::from_ms(60_000), "{first:?}");
        assert!(clock.now().instant >= first);
    }

    #[test]
    fn time_stands_still_within_a_step_and_passes_between_two() {
        let passes = |other: bool| {
            let before = instant();
            let began = wall();
            std::thread::park_timeout(core::time::Duration::from_millis(2));
            if other {
                Steps::next();
            }
            assert_eq!(instant() > before, wall() > began);
            instant() > before
        };
        let steps = Steps::begin();
        assert_eq!([passes(false), passes(true), passes(false)], [false, true, false]);
        drop(steps);
        assert!(passes(false));
    }

    #[test]
    fn a_deadline_is_the_instant_on_the_clock_of_the_runtime() {
        let clock = Clock::start();
        assert_eq!(clock.deadline(Instant::from_ms(0)), Some(clock.origin));
        let later = clock.deadline(Instant::from_ms(1500)).map(|at| at.duration_since(clock.origin));
        assert_eq!(later, Some(core::time::Duration::from_millis(1500)));
        assert!(clock.deadline(clock.instant()).is_some());
    }

    #[test]
    fn wall_time_agrees_with_the_clock_of_the_file_system() {
        // A file's time of change comes from the same clock by another way.
        let path = std::env::temp_dir().join(format!("sprat-clock-{}", std::process::id()));
        std::fs::write(&path, b"now").unwrap();
        let changed = std::fs::metadata(&path).unwrap().modified().unwrap();
        std::fs::remove_file(&path).unwrap();
        let file_ms = changed.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
        assert!((wall().as_ms() - file_ms).abs() < 10_000);
    }

    #[test]
    fn milliseconds_round_down_also_before_the_epoch() {
        for (ns, ms) in [(0, 0), (1_999_999, 1), (-1, -1), (-1_000_000, -1), (-1_000_001, -2)] {
            let date_time = time::OffsetDateTime::from_unix_timestamp_nanos(ns).unwrap();
            assert_eq!(unix_time(date_time.into()).as_ms(), ms, "{ns}");
        }
    }
}
