//! The `Date` field of answers (RFC 9110, section 5.6.7).

use core::cell::{Cell, RefCell};

use sprat_core::time::UnixTime;

use crate::clock;

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The field of the second that it was asked for last: many answers have the same.
#[derive(Debug, Default)]
pub(crate) struct Date {
    second: Cell<Option<i64>>,
    field: RefCell<String>,
}

impl Date {
    /// A `Date` field for now, its line end in front.
    pub(crate) fn field(&self) -> String {
        self.field_at(clock::wall())
    }

    /// Lends such a field.
    pub(crate) fn with_field<R>(&self, look: impl FnOnce(&str) -> R) -> R {
        self.refresh(clock::wall());
        look(&self.field.borrow())
    }

    fn field_at(&self, now: UnixTime) -> String {
        self.refresh(now);
        self.field.borrow().clone()
    }

    fn refresh(&self, now: UnixTime) {
        let second = Some(now.as_ms().div_euclid(1_000));
        if self.second.replace(second) != second {
            self.field.replace(field(now));
        }
    }
}

fn field(now: UnixTime) -> String {
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
        let date = Date::default();
        for (ms, second) in [(784_111_777_999, 37), (784_111_777_000, 37), (784_111_778_000, 38), (784_111_777_999, 37)]
        {
            let expected = format!("\r\nDate: Sun, 06 Nov 1994 08:49:{second} GMT");
            assert_eq!(date.field_at(UnixTime::from_ms(ms)), expected);
        }
    }
}
