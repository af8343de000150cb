//! The `Date` field of answers (RFC 9110, section 5.6.7).

use sprat_core::time::UnixTime;

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A `Date` field for a moment, its line end in front.
pub(super) fn field(now: UnixTime) -> String {
    let seconds = now.as_ms().div_euclid(1_000);
    let date = time::OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    let weekday = WEEKDAYS[usize::from(date.weekday().number_days_from_monday())];
    let month = MONTHS[usize::from(u8::from(date.month())) - 1];
    let (hour, minute, second) = date.to_hms();
    format!("\r\nDate: {weekday}, {:02} {month} {:04} {hour:02}:{minute:02}:{second:02} GMT", date.day(), date.year())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_http_wants_them() {
        assert_eq!(field(UnixTime::from_ms(784_111_777_999)), "\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
