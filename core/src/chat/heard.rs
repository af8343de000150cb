//! What the chat takes from its clients: nicknames and their own ids of messages.

use super::{Name, Refused};
use crate::wire::json;

/// The client's own id of a message: 1 to 36 characters of base64url.
pub(super) fn client_id(raw: &str) -> Result<&str, Refused> {
    let id = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')).ok_or(Refused::BadRequest)?;
    let plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if plain && (1..=36).contains(&id.len()) { Ok(id) } else { Err(Refused::BadRequest) }
}

/// A nickname as a client wants it, made presentable.
#[derive(Default)]
pub(super) struct Cleaned {
    pub(super) name: Name,
    /// It was longer; the rest is left out.
    pub(super) cut: bool,
}

/// A nickname from a raw JSON string: without control characters, and without blanks around it.
pub(super) fn clean(raw: &str, chars_max: usize) -> Cleaned {
    let mut cleaned = Cleaned::default();
    let mut blanks = 0;
    let chars = json::unescaped_chars(raw).filter(|character| is_plain(*character));
    for (at, character) in chars.skip_while(|character| character.is_whitespace()).enumerate() {
        if character.is_whitespace() {
            blanks += 1;
            continue;
        }
        let wanted = core::iter::repeat_n(' ', core::mem::take(&mut blanks)).chain([character]);
        if at >= chars_max || wanted.into_iter().any(|character| cleaned.name.push(character).is_err()) {
            cleaned.cut = true;
            return cleaned;
        }
    }
    cleaned
}

/// No control character, and none that turns the direction of the text around it.
fn is_plain(character: char) -> bool {
    !character.is_control()
        && !matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}
