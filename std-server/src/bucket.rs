//! Allowances that fill up again with time: so much a second, and at most so much at once.

use core::time::Duration;

use sprat_core::time::Instant;

/// How fast an allowance fills, and how much it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    /// What is added each second; 0 is no limit at all.
    pub(crate) per_s: u64,
    /// What there is at most.
    pub(crate) burst: u64,
}

/// What is left of an allowance, in thousandths, so that each millisecond adds a whole number of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    level: i64,
    filled: Instant,
}

impl Bucket {
    /// A full one.
    pub(crate) fn new(rate: Rate, now: Instant) -> Self {
        Self { level: thousandths(rate.burst), filled: now }
    }

    /// Takes one, if there is one.
    pub(crate) fn take_one(&mut self, rate: Rate, now: Instant) -> bool {
        if rate.per_s == 0 {
            return true;
        }
        self.fill(rate, now);
        let is_there = self.level >= thousandths(1);
        if is_there {
            self.level -= thousandths(1);
        }
        is_there
    }

    /// Takes what was used already, more than there is if need be, and says how long to wait until nothing is owed.
    pub(crate) fn charge(&mut self, amount: u64, rate: Rate, now: Instant) -> Duration {
        if rate.per_s == 0 {
            return Duration::ZERO;
        }
        self.fill(rate, now);
        self.level = self.level.saturating_sub(thousandths(amount));
        if self.level >= 0 {
            return Duration::ZERO;
        }
        Duration::from_millis(self.level.unsigned_abs().div_ceil(rate.per_s))
    }

    /// Whether it is as if it had never been used.
    pub(crate) fn is_full(&mut self, rate: Rate, now: Instant) -> bool {
        self.fill(rate, now);
        rate.per_s == 0 || self.level == thousandths(rate.burst)
    }

    fn fill(&mut self, rate: Rate, now: Instant) {
        if now == self.filled {
            return;
        }
        let elapsed_ms = now.as_ms().saturating_sub(self.filled.as_ms());
        let added = i64::try_from(elapsed_ms.saturating_mul(rate.per_s)).unwrap_or(i64::MAX);
        self.level = self.level.saturating_add(added).min(thousandths(rate.burst));
        self.filled = now;
    }
}

fn thousandths(amount: u64) -> i64 {
    i64::try_from(amount.saturating_mul(1_000)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_s: 10, burst: 3 };

    fn at(ms: u64) -> Instant {
        Instant::from_ms(ms)
    }

    #[test]
    fn a_burst_passes_and_then_the_rate_counts() {
        let mut bucket = Bucket::new(RATE, at(0));
        let taken = |bucket: &mut Bucket, ms| (0..9).filter(|_| bucket.take_one(RATE, at(ms))).count();
        assert_eq!(taken(&mut bucket, 0), 3);
        assert_eq!(taken(&mut bucket, 99), 0);
        assert_eq!(taken(&mut bucket, 100), 1);
        assert_eq!(taken(&mut bucket, 350), 2);
        assert_eq!(taken(&mut bucket, 1_000_000), 3);
        assert!(!bucket.is_full(RATE, at(1_000_000)) && bucket.is_full(RATE, at(1_000_300)));
    }

    #[test]
    fn what_is_owed_takes_as_long_as_the_rate_says() {
        let mut bucket = Bucket::new(RATE, at(0));
        assert_eq!(bucket.charge(3, RATE, at(0)), Duration::ZERO);
        assert_eq!(bucket.charge(5, RATE, at(0)), Duration::from_millis(500));
        assert_eq!(bucket.charge(0, RATE, at(499)), Duration::from_millis(1));
        assert_eq!(bucket.charge(0, RATE, at(500)), Duration::ZERO);
        // A message as large as there may be: nothing overflows.
        assert!(bucket.charge(u64::MAX, RATE, at(500)) > Duration::from_secs(1));
    }

    #[test]
    fn a_rate_of_zero_is_no_limit() {
        let rate = Rate { per_s: 0, burst: 1 };
        let mut bucket = Bucket::new(rate, at(0));
        assert!((0..9).all(|_| bucket.take_one(rate, at(0))));
        assert_eq!(bucket.charge(1_000, rate, at(0)), Duration::ZERO);
    }
}
