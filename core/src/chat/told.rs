//! What the chat tells its clients, as JSON.

use serde::Serialize;

use super::Refused;
use crate::app::{Context, Target};
use crate::time::{Now, Rfc3339};

/// The moment of something that happened, as clients are told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time {
    wall: Option<Rfc3339>,
    uptime_ms: u64,
}

impl Time {
    pub(super) fn of(now: Now) -> Self {
        Self { wall: now.wall.map(crate::time::UnixTime::rfc3339), uptime_ms: now.instant.as_ms() }
    }

    pub(super) fn text(&self) -> Option<&str> {
        self.wall.as_ref().map(Rfc3339::as_str)
    }

    pub(super) fn uptime_ms(&self) -> Option<u64> {
        self.wall.is_none().then_some(self.uptime_ms)
    }
}

#[derive(Serialize)]
pub(super) struct Hello<'a> {
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) time: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) uptime_ms: Option<u64>,
    pub(super) count: usize,
    pub(super) limits: HelloLimits,
}

#[derive(Serialize)]
pub(super) struct HelloLimits {
    pub(super) name_chars: usize,
    pub(super) text_chars: usize,
}

#[derive(Serialize)]
struct User<'a> {
    id: &'a str,
    name: &'a str,
}

/// `online`, `offline` and `name`.
#[derive(Serialize)]
pub(super) struct Presence<'a> {
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) time: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) uptime_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) count: Option<usize>,
}

/// `message` and `history`.
#[derive(Serialize)]
pub(super) struct Said<'a> {
    pub(super) id: &'a str,
    pub(super) from: &'a str,
    pub(super) name: &'a str,
    pub(super) text: &'a str,
    pub(super) time: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) uptime_ms: Option<u64>,
}

#[derive(Serialize)]
pub(super) struct Delivered<'a> {
    pub(super) id: &'a str,
    pub(super) time: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) uptime_ms: Option<u64>,
}

#[derive(Serialize)]
pub(super) struct Named<'a> {
    pub(super) name: &'a str,
}

#[derive(Serialize)]
pub(super) struct Failed<'a> {
    pub(super) error: &'a str,
}

/// Writes a value as JSON.
pub(super) fn write<'b>(value: &impl Serialize, buffer: &'b mut [u8]) -> Result<&'b str, Refused> {
    let len = serde_json_core::to_slice(value, buffer).map_err(|_| Refused::Busy)?;
    Ok(text(buffer, len))
}

/// Appends who is there to the object of `len` bytes in `buffer`. Those who do not fit are left out.
pub(super) fn write_users(
    context: &mut dyn Context,
    most: usize,
    buffer: &mut [u8],
    len: usize,
) -> Result<usize, Refused> {
    const OPEN: &[u8] = br#","users":["#;
    // The object's closing brace is written over.
    let mut at = len.checked_sub(1).ok_or(Refused::Busy)?;
    put(buffer, &mut at, OPEN).ok_or(Refused::Busy)?;
    let (mut shown, end) = (0, buffer.len().saturating_sub(2));
    context.visit(Target::all(), &mut |_, id, name| {
        let user = User { id, name: core::str::from_utf8(name).unwrap_or_default() };
        let start = if shown > 0 { at + 1 } else { at };
        let Some(place) = buffer.get_mut(start..end) else { return false };
        let Ok(len) = serde_json_core::to_slice(&user, place) else { return false };
        if shown > 0
            && let Some(comma) = buffer.get_mut(at)
        {
            *comma = b',';
        }
        at = start + len;
        shown += 1;
        shown < most
    });
    put(buffer, &mut at, b"]}").ok_or(Refused::Busy)?;
    Ok(at)
}

pub(super) fn put(buffer: &mut [u8], at: &mut usize, bytes: &[u8]) -> Option<()> {
    buffer.get_mut(*at..*at + bytes.len())?.copy_from_slice(bytes);
    *at += bytes.len();
    Some(())
}

pub(super) fn text(bytes: &[u8], len: usize) -> &str {
    core::str::from_utf8(bytes.get(..len).unwrap_or_default()).unwrap_or_default()
}
