//! The arguments of events and acknowledgements: Rust values to JSON and attachments, and back.

mod de;
mod ser;

use core::cell::RefCell;
use core::fmt;
use core::ops::Deref;

use bytes::Bytes;
use serde::de::{DeserializeOwned, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sprat_core::Payload;
use sprat_core::app::Attachments;

use super::error::ArgsError;

/// Arguments that own what they are made of: what several threads can hand around.
///
/// ```
/// use sprat::{Args, Binary, IntoArgs};
///
/// let args = ("report.png", Binary::from(vec![1, 2, 3])).into_args()?;
/// assert_eq!(args.json(), r#""report.png",{"_placeholder":true,"num":0}"#);
/// let (name, picture): (String, Binary) = args.parse()?;
/// assert_eq!((name.as_str(), &picture[..]), ("report.png", &[1, 2, 3][..]));
/// # Ok::<(), sprat::ArgsError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Args {
    json: String,
    /// Whether `json` has the brackets of an array around it that are not part of the arguments.
    is_bracketed: bool,
    attachments: Vec<Bytes>,
}

impl Args {
    pub(super) fn new(json: &str, attachments: Vec<Bytes>) -> Self {
        Self { json: json.to_owned(), is_bracketed: false, attachments }
    }

    /// The arguments as JSON values separated by commas, with a placeholder for each binary one.
    pub fn json(&self) -> &str {
        if self.is_bracketed {
            let inside = self.json.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            return inside.unwrap_or_default();
        }
        &self.json
    }

    /// The binary arguments, in the order of their placeholders' numbers.
    pub fn attachments(&self) -> &[Bytes] {
        &self.attachments
    }

    /// Reads the arguments: a tuple takes several, any other type the first.
    ///
    /// # Errors
    /// [`ArgsError`] if they are of other types, or an argument is missing that is not an [`Option`].
    pub fn parse<T: FromArgs>(&self) -> Result<T, ArgsError> {
        T::from_args(self.json(), &self.attachments)
    }

    /// Lends the arguments in the form that [`sprat_core::Context`] takes.
    pub fn with_payload<R>(&self, act: impl FnOnce(Payload<'_>) -> R) -> R {
        if self.attachments.is_empty() {
            return act(Payload::json(self.json()));
        }
        let bytes: Vec<&[u8]> = self.attachments.iter().map(|bytes| &bytes[..]).collect();
        act(Payload { json: self.json(), attachments: Attachments::Bytes(&bytes) })
    }
}

/// What can be sent with an event: everything that serde can serialize, and [`Args`].
///
/// A tuple is several arguments, `()` is none, and anything else is one. serde cannot tell an array of fixed length from a
/// tuple: write `([1, 2],)`, or use a slice or a vector, to send an array as one argument.
///
/// ```
/// use sprat::{IntoArgs, json};
///
/// assert_eq!(("a", 1).into_args()?.json(), r#""a",1"#);
/// assert_eq!(json!(["a", 1]).into_args()?.json(), r#"["a",1]"#);
/// assert_eq!(().into_args()?.json(), "");
/// # Ok::<(), sprat::ArgsError>(())
/// ```
pub trait IntoArgs {
    /// Serializes.
    ///
    /// # Errors
    /// [`ArgsError`] if serde cannot: a map whose keys are no strings, for example.
    fn into_args(self) -> Result<Args, ArgsError>;
}

impl<T: Serialize> IntoArgs for T {
    fn into_args(self) -> Result<Args, ArgsError> {
        let mut json = Vec::new();
        let (is_bracketed, attachments) = collect(|| ser::to_json(&self, &mut json));
        let is_bracketed = is_bracketed.map_err(ArgsError)?;
        let json = String::from_utf8(json).unwrap_or_default();
        Ok(Args { json, is_bracketed, attachments })
    }
}

impl IntoArgs for Args {
    fn into_args(self) -> Result<Args, ArgsError> {
        Ok(self)
    }
}

impl IntoArgs for &Args {
    fn into_args(self) -> Result<Args, ArgsError> {
        Ok(self.clone())
    }
}

/// What arguments can be read as: everything that serde can deserialize, and [`Args`].
///
/// A tuple takes several arguments: those beyond it are ignored, and for one that is missing an [`Option`] is `None`. `()`
/// takes whatever comes. Any other type takes the first argument.
///
/// ```
/// use sprat::FromArgs;
///
/// let (name, age): (String, Option<u8>) = FromArgs::from_args(r#""Ada""#, &[])?;
/// assert_eq!((name.as_str(), age), ("Ada", None));
/// assert_eq!(u8::from_args("36,true", &[])?, 36);
/// # Ok::<(), sprat::ArgsError>(())
/// ```
pub trait FromArgs: Sized {
    /// Reads arguments: JSON values separated by commas, and the binary ones that placeholders in them refer to.
    ///
    /// # Errors
    /// [`ArgsError`] if they are of other types.
    fn from_args(json: &str, attachments: &[Bytes]) -> Result<Self, ArgsError>;
}

impl<T: DeserializeOwned> FromArgs for T {
    fn from_args(json: &str, attachments: &[Bytes]) -> Result<Self, ArgsError> {
        provide(attachments, || de::from_json(json)).map_err(ArgsError)
    }
}

impl FromArgs for Args {
    fn from_args(json: &str, attachments: &[Bytes]) -> Result<Self, ArgsError> {
        Ok(Self::new(json, attachments.to_vec()))
    }
}

/// A binary value, anywhere in the arguments of an event or an acknowledgement.
///
/// It travels as an attachment, not as JSON (Socket.IO protocol, "Binary event").
///
/// ```
/// use sprat::{Binary, Io};
///
/// let mut io = Io::new();
/// io.on("upload", |socket, (name, file): (String, Binary), _ack| {
///     socket.broadcast("file", (name, file));
/// });
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Binary(pub Bytes);

impl Deref for Binary {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Binary {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl From<Bytes> for Binary {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl From<&[u8]> for Binary {
    fn from(bytes: &[u8]) -> Self {
        Self(Bytes::copy_from_slice(bytes))
    }
}

// serde has no way to hand something besides the value to a `Serialize` or `Deserialize`, so the attachments of the arguments
// that are just being written or read stand here. Neither is ever suspended half-way.
thread_local! {
    static ATTACHMENTS: RefCell<Option<Vec<Bytes>>> = const { RefCell::new(None) };
}

/// Serializes with a place for attachments, and returns what was put there.
fn collect<R>(serialize: impl FnOnce() -> R) -> (R, Vec<Bytes>) {
    let outer = ATTACHMENTS.replace(Some(Vec::new()));
    let result = serialize();
    (result, ATTACHMENTS.replace(outer).unwrap_or_default())
}

/// Deserializes with attachments at hand.
fn provide<R>(attachments: &[Bytes], deserialize: impl FnOnce() -> R) -> R {
    if attachments.is_empty() {
        return deserialize();
    }
    let outer = ATTACHMENTS.replace(Some(attachments.to_vec()));
    let result = deserialize();
    ATTACHMENTS.set(outer);
    result
}

const PLACEHOLDER: &str = "_placeholder";
const NUMBER: &str = "num";

impl Serialize for Binary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let number = ATTACHMENTS.with_borrow_mut(|attachments| {
            let attachments = attachments.as_mut()?;
            attachments.push(self.0.clone());
            Some(attachments.len() - 1)
        });
        let Some(number) = number else { return serializer.serialize_bytes(&self.0) };
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry(PLACEHOLDER, &true)?;
        map.serialize_entry(NUMBER, &number)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Binary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BinaryVisitor)
    }
}

struct BinaryVisitor;

impl<'de> Visitor<'de> for BinaryVisitor {
    type Value = Binary;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a binary value")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Binary, E> {
        Ok(Binary::from(bytes))
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Binary, S::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = seq.next_element()? {
            bytes.push(byte);
        }
        Ok(Binary::from(bytes))
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Binary, M::Error> {
        let (mut is_placeholder, mut number) = (false, None);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                PLACEHOLDER => is_placeholder = map.next_value()?,
                NUMBER => number = Some(map.next_value::<usize>()?),
                _ => return Err(serde::de::Error::unknown_field(&key, &[PLACEHOLDER, NUMBER])),
            }
        }
        let number = number.filter(|_| is_placeholder);
        let attachment = number.and_then(|number| {
            ATTACHMENTS.with_borrow(|attachments| attachments.as_ref().and_then(|all| all.get(number).cloned()))
        });
        attachment.map(Binary).ok_or_else(|| serde::de::Error::custom("there is no such attachment"))
    }
}

#[cfg(test)]
mod tests;
