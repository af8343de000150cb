//! The one place that reads a clock. Everything else is told what time it is.

use std::time::SystemTime;

use sprat_core::time::{Instant, Now, UnixTime};

/// The clocks of this machine: monotonic time since the server started, and the wall time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: std::time::Instant,
}

impl Clock {
    /// Starts the monotonic clock at zero.
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the clock")]
    pub fn start() -> Self {
        Self { origin: std::time::Instant::now() }
    }

    /// What both clocks say now.
    pub fn now(&self) -> Now {
        Now { instant: self.instant(), wall: Some(wall()) }
    }

    /// The monotonic clock alone, for deadlines.
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the clock")]
    pub fn instant(&self) -> Instant {
        let elapsed = self.origin.elapsed();
        Instant::from_ms(elapsed.as_secs().saturating_mul(1_000).saturating_add(elapsed.subsec_millis().into()))
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
    std::time::Instant::now()
}

/// What the wall clock says now.
#[expect(clippy::disallowed_methods, reason = "this is the place that reads the clock")]
pub fn wall() -> UnixTime {
    unix_time(SystemTime::now())
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
