//! Time as the core knows it: numbers that the driver brings with every call.
//!
//! The core reads no clock. Monotonic time decides deadlines; wall time, where the host has one, is what people see.

/// A point on the driver's monotonic clock, in milliseconds since an origin the driver chose (start-up, as a rule).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant {
    ms: u64,
}

impl Instant {
    /// The instant `ms` milliseconds after the driver's origin.
    pub const fn from_ms(ms: u64) -> Self {
        Self { ms }
    }

    /// Milliseconds since the driver's origin.
    pub const fn as_ms(self) -> u64 {
        self.ms
    }

    /// The time from `earlier` to this instant; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_ms(self.ms.saturating_sub(earlier.ms))
    }
}

impl core::ops::Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self::from_ms(self.ms.saturating_add(duration.ms))
    }
}

/// A span of time in milliseconds. Arithmetic saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration {
    ms: u64,
}

impl Duration {
    /// A span of `ms` milliseconds.
    pub const fn from_ms(ms: u64) -> Self {
        Self { ms }
    }

    /// The span in milliseconds.
    pub const fn as_ms(self) -> u64 {
        self.ms
    }
}

/// Wall time: milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixTime {
    ms: i64,
}

impl UnixTime {
    /// The time `ms` milliseconds after the epoch.
    pub const fn from_ms(ms: i64) -> Self {
        Self { ms }
    }

    /// Milliseconds since the epoch.
    pub const fn as_ms(self) -> i64 {
        self.ms
    }

    /// RFC 3339 in UTC with milliseconds, as in `2026-11-24T16:50:37.123Z`.
    ///
    /// A time outside the years 0 to 9999, which RFC 3339 cannot write, is moved to the nearest that it can.
    pub fn rfc3339(self) -> Rfc3339 {
        const MIN_MS: i64 = -62_167_219_200_000;
        const MAX_MS: i64 = 253_402_300_799_999;
        let ms = self.ms.clamp(MIN_MS, MAX_MS);
        let date_time =
            time::OffsetDateTime::from_unix_timestamp(ms.div_euclid(1000)).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
        let (year, month, day) = date_time.to_calendar_date();
        let (hour, minute, second) = date_time.to_hms();
        let mut text = Rfc3339 { text: *b"0000-00-00T00:00:00.000Z" };
        text.put(0, 4, year.unsigned_abs());
        text.put(5, 2, u32::from(u8::from(month)));
        text.put(8, 2, u32::from(day));
        text.put(11, 2, u32::from(hour));
        text.put(14, 2, u32::from(minute));
        text.put(17, 2, u32::from(second));
        text.put(20, 3, ms.rem_euclid(1000) as u32);
        text
    }
}

impl UnixTime {
    /// As the `Date` field of HTTP has it (RFC 9110, section 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`, always 29 bytes.
    pub fn http_date(self) -> [u8; 29] {
        const NAMES: &[u8] = b"MonTueWedThuFriSatSunJanFebMarAprMayJunJulAugSepOctNovDec";
        let date = time::OffsetDateTime::from_unix_timestamp(self.ms.div_euclid(1_000));
        let date = date.unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
        let rfc3339 = self.rfc3339();
        let digits = |from: usize, len: usize| rfc3339.text.iter().skip(from).take(len);
        let name = |number: u8| NAMES.iter().skip(usize::from(number) * 3).take(3);
        let parts = name(date.weekday().number_days_from_monday()).chain(b", ").chain(digits(8, 2)).chain(b" ");
        let parts = parts.chain(name(6 + u8::from(date.month()))).chain(b" ").chain(digits(0, 4)).chain(b" ");
        let parts = parts.chain(digits(11, 8)).chain(b" GMT");
        let mut text = [0; 29];
        text.iter_mut().zip(parts).for_each(|(place, byte)| *place = *byte);
        text
    }
}

/// A time written out as RFC 3339 text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rfc3339 {
    text: [u8; 24],
}

impl Rfc3339 {
    /// The text, always 24 bytes of ASCII.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.text).unwrap_or_default()
    }

    fn put(&mut self, at: usize, digits: usize, mut value: u32) {
        for place in self.text.iter_mut().skip(at).take(digits).rev() {
            *place = b'0' + (value % 10) as u8;
            value /= 10;
        }
    }
}

/// What the driver's clocks say at the moment of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Monotonic time. It must not go backwards between calls; if it does, deadlines are only late.
    pub instant: Instant,
    /// Wall time, where there is a clock that knows it.
    pub wall: Option<UnixTime>,
}

impl Now {
    /// A moment of a driver without a wall clock.
    pub const fn monotonic(instant: Instant) -> Self {
        Self { instant, wall: None }
    }

    /// A moment of a driver that knows what wall time it was at the origin of its monotonic clock, if it does.
    pub fn since_origin(instant: Instant, origin: Option<UnixTime>) -> Self {
        let since_ms = i64::try_from(instant.as_ms()).unwrap_or(i64::MAX);
        Self { instant, wall: origin.map(|origin| UnixTime::from_ms(origin.as_ms().saturating_add(since_ms))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_is_written_in_utc_with_milliseconds() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (1_795_539_037_123, "2026-11-24T16:50:37.123Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
            (i64::MAX, "9999-12-31T23:59:59.999Z"),
            (i64::MIN, "0000-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(UnixTime::from_ms(ms).rfc3339().as_str(), text);
        }
    }

    #[test]
    fn dates_of_http_are_written_as_http_wants_them() {
        for (ms, text) in [
            (784_111_777_999, b"Sun, 06 Nov 1994 08:49:37 GMT"),
            (0, b"Thu, 01 Jan 1970 00:00:00 GMT"),
            (1_795_539_037_123, b"Tue, 24 Nov 2026 16:50:37 GMT"),
            (1_798_761_599_999, b"Thu, 31 Dec 2026 23:59:59 GMT"),
        ] {
            assert_eq!(&UnixTime::from_ms(ms).http_date(), text);
        }
    }

    #[test]
    fn wall_time_is_counted_from_the_origin() {
        let (second, origin) = (Instant::from_ms(1_000), UnixTime::from_ms(-400));
        assert_eq!(Now::since_origin(second, Some(origin)).wall, Some(UnixTime::from_ms(600)));
        assert_eq!(Now::since_origin(second, None), Now::monotonic(second));
        let last = Now::since_origin(Instant::from_ms(u64::MAX), Some(UnixTime::from_ms(1)));
        assert_eq!(last.wall, Some(UnixTime::from_ms(i64::MAX)));
    }

    #[test]
    fn instants_saturate() {
        let late = Instant::from_ms(u64::MAX);
        assert_eq!(late + Duration::from_ms(5), late);
        assert_eq!(Instant::from_ms(3).since(late), Duration::from_ms(0));
    }
}
