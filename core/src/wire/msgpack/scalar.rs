//! Numbers and dates as JavaScript writes and reads them.

use core::fmt::Write;

use super::read::Item;
use crate::time::UnixTime;
use crate::wire::{decimal, json};

/// Writes a scalar as JSON.stringify writes it. Containers and binary values are not its affair.
pub(super) fn put_scalar(item: Item<'_>, put: &mut dyn FnMut(&[u8])) {
    match item {
        Item::Bool(true) => put(b"true"),
        Item::Bool(false) => put(b"false"),
        Item::Date(ms) => put_date(ms, put),
        Item::Float(value) => put_float(value, put),
        Item::Signed(value) => {
            put(b"-");
            put(decimal(value.unsigned_abs(), &mut [0; 20]));
        }
        Item::Text(text) => json::escape(text, put),
        Item::Unsigned(value) => put(decimal(value, &mut [0; 20])),
        Item::Array(_) | Item::Bytes(_) | Item::Map(_) | Item::Nil | Item::Undefined => put(b"null"),
    }
}

/// `value` as an integer, if it is one of 0 to 2^64, exclusive.
pub(super) fn whole_u64(value: f64) -> Option<u64> {
    let whole = value as u64;
    ((0.0..18_446_744_073_709_551_616.0).contains(&value) && whole as f64 == value).then_some(whole)
}

/// `value` as an integer, if it is one of -2^63 to 2^63, exclusive.
pub(super) fn whole_i64(value: f64) -> Option<i64> {
    let whole = value as i64;
    let range = -9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0;
    (range.contains(&value) && whole as f64 == value).then_some(whole)
}

/// The times that an ECMAScript Date can hold, in milliseconds to both sides of the epoch.
const DATE_MS_MAX: u64 = 8_640_000_000_000_000;

/// As Date.prototype.toISOString, or `null` as JSON.stringify writes an invalid Date.
fn put_date(ms: i64, put: &mut dyn FnMut(&[u8])) {
    // The calendar repeats itself.
    const CYCLE_YEARS: i64 = 400;
    const CYCLE_MS: i64 = 146_097 * 86_400_000;
    if ms.unsigned_abs() > DATE_MS_MAX {
        return put(b"null");
    }
    let moved = UnixTime::from_ms(ms.rem_euclid(CYCLE_MS)).rfc3339();
    let (year, rest) = moved.as_str().split_at_checked(4).unwrap_or_default();
    let year = year.parse().unwrap_or(0) + ms.div_euclid(CYCLE_MS) * CYCLE_YEARS;
    let mut text = Short::new();
    let written = if (0..=9_999).contains(&year) {
        write!(text, "\"{year:04}{rest}\"")
    } else {
        write!(text, "\"{year:+07}{rest}\"")
    };
    debug_assert!(written.is_ok(), "a date is longer than its buffer");
    put(text.as_bytes());
}

/// In the notation of ECMAScript's Number::toString; `null` for what JSON cannot write.
///
/// The digits are as few as that writes, and as near, but of two equally near it takes the even one.
fn put_float(value: f64, put: &mut dyn FnMut(&[u8])) {
    if !value.is_finite() {
        return put(b"null");
    }
    let mut text = Short::new();
    let written = write!(text, "{:e}", value.abs());
    debug_assert!(written.is_ok(), "a number is longer than its buffer");
    if value < 0.0 {
        put(b"-");
    }
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (first, more) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let (first, more) = (first.as_bytes(), more.as_bytes());
    match exponent.parse::<i32>().unwrap_or(0) {
        0 if more.is_empty() => put(first),
        exponent @ 0..=20 => {
            let (whole, fraction) = more.split_at_checked(exponent as usize).unwrap_or((more, &[]));
            put(first);
            put(whole);
            put_zeros(exponent as usize - whole.len(), put);
            put_behind(b".", fraction, put);
        }
        exponent @ -6..=-1 => {
            put(b"0.");
            put_zeros(exponent.unsigned_abs() as usize - 1, put);
            put(first);
            put(more);
        }
        exponent => {
            put(first);
            put_behind(b".", more, put);
            put(if exponent < 0 { b"e-" } else { b"e+" });
            put(decimal(u64::from(exponent.unsigned_abs()), &mut [0; 20]));
        }
    }
}

fn put_zeros(count: usize, put: &mut dyn FnMut(&[u8])) {
    put([b'0'; 21].get(..count).unwrap_or_default());
}

fn put_behind(point: &[u8], digits: &[u8], put: &mut dyn FnMut(&[u8])) {
    if !digits.is_empty() {
        put(point);
        put(digits);
    }
}

/// Room for any number, and for any date with its quotes.
type Short = heapless::String<32>;
