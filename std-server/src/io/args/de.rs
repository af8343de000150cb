//! Arguments from JSON: serde_json reads each, and a tuple at the top takes several.

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, SeqAccess, Visitor};
use sprat_core::wire::json::{self, Elements};

/// Reads JSON values separated by commas.
pub(super) fn from_json<T: DeserializeOwned>(json: &str) -> Result<T, serde_json::Error> {
    T::deserialize(Top { args: json::elements(json) })
}

struct Top<'de> {
    args: Elements<'de>,
}

/// Stands for an argument that is missing.
const MISSING: &str = "null";

/// Methods that read the first argument.
macro_rules! first {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {
        $(fn $method<V: Visitor<'de>>(mut self, $($argument: $type,)* visitor: V) -> Result<V::Value, serde_json::Error> {
            let first = self.args.next().unwrap_or(MISSING);
            serde_json::Deserializer::from_str(first).$method($($argument,)* visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Top<'de> {
    type Error = serde_json::Error;

    first! {
        deserialize_any();
        deserialize_bool();
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_i128();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_u128();
        deserialize_f32();
        deserialize_f64();
        deserialize_char();
        deserialize_str();
        deserialize_string();
        deserialize_bytes();
        deserialize_byte_buf();
        deserialize_option();
        deserialize_unit_struct(name: &'static str);
        deserialize_seq();
        deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_map();
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier();
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, serde_json::Error> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, serde_json::Error> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, serde_json::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, serde_json::Error> {
        visitor.visit_seq(Tuple { args: self.args, left: len })
    }
}

/// As many arguments as a tuple takes. What a client leaves out reads as `null`, what it sends beyond them is not looked at.
struct Tuple<'de> {
    args: Elements<'de>,
    left: usize,
}

impl<'de> SeqAccess<'de> for Tuple<'de> {
    type Error = serde_json::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, serde_json::Error> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        let raw = self.args.next().unwrap_or(MISSING);
        seed.deserialize(&mut serde_json::Deserializer::from_str(raw)).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}
