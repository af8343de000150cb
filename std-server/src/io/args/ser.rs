//! Arguments to JSON: serde_json does it, but a tuple at the top is several arguments.

use serde::{Serialize, Serializer};

type Json<'a> = serde_json::Serializer<&'a mut Vec<u8>>;

/// Writes arguments as JSON. Returns whether they stand in the brackets of an array that is not part of them.
pub(super) fn to_json<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<bool, serde_json::Error> {
    let mut is_tuple = false;
    let mut json = serde_json::Serializer::new(out);
    // JSON's null serializes as `()` does, but is an argument; it is not of a type without values besides.
    let is_unit = size_of_val(value) == 0;
    value.serialize(Top { json: &mut json, is_tuple: &mut is_tuple, is_unit })?;
    Ok(is_tuple)
}

struct Top<'a, 'b> {
    json: &'a mut Json<'b>,
    is_tuple: &'a mut bool,
    /// A unit is no argument.
    is_unit: bool,
}

/// Methods that leave everything to serde_json.
macro_rules! plain {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {
        $(fn $method(self, $($argument: $type),*) -> Result<(), serde_json::Error> {
            self.json.$method($($argument),*)
        })*
    };
}

/// As [`plain`], for values of several parts.
macro_rules! compound {
    ($($method:ident -> $part:ident($($argument:ident: $type:ty),*);)*) => {
        $(fn $method(self, $($argument: $type),*) -> Result<Self::$part, serde_json::Error> {
            self.json.$method($($argument),*)
        })*
    };
}

impl<'a, 'b> Serializer for Top<'a, 'b> {
    type Ok = ();
    type Error = serde_json::Error;
    type SerializeSeq = <&'a mut Json<'b> as Serializer>::SerializeSeq;
    type SerializeTuple = <&'a mut Json<'b> as Serializer>::SerializeTuple;
    type SerializeTupleStruct = <&'a mut Json<'b> as Serializer>::SerializeTupleStruct;
    type SerializeTupleVariant = <&'a mut Json<'b> as Serializer>::SerializeTupleVariant;
    type SerializeMap = <&'a mut Json<'b> as Serializer>::SerializeMap;
    type SerializeStruct = <&'a mut Json<'b> as Serializer>::SerializeStruct;
    type SerializeStructVariant = <&'a mut Json<'b> as Serializer>::SerializeStructVariant;

    plain! {
        serialize_bool(value: bool);
        serialize_i8(value: i8);
        serialize_i16(value: i16);
        serialize_i32(value: i32);
        serialize_i64(value: i64);
        serialize_i128(value: i128);
        serialize_u8(value: u8);
        serialize_u16(value: u16);
        serialize_u32(value: u32);
        serialize_u64(value: u64);
        serialize_u128(value: u128);
        serialize_f32(value: f32);
        serialize_f64(value: f64);
        serialize_char(value: char);
        serialize_str(value: &str);
        serialize_bytes(value: &[u8]);
        serialize_none();
        serialize_unit_struct(name: &'static str);
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str);
    }

    compound! {
        serialize_seq -> SerializeSeq(len: Option<usize>);
        serialize_tuple_struct -> SerializeTupleStruct(name: &'static str, len: usize);
        serialize_tuple_variant -> SerializeTupleVariant(name: &'static str, index: u32, variant: &'static str, len: usize);
        serialize_map -> SerializeMap(len: Option<usize>);
        serialize_struct -> SerializeStruct(name: &'static str, len: usize);
        serialize_struct_variant -> SerializeStructVariant(name: &'static str, index: u32, variant: &'static str, len: usize);
    }

    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, serde_json::Error> {
        *self.is_tuple = true;
        self.json.serialize_tuple(len)
    }

    fn serialize_unit(self) -> Result<(), serde_json::Error> {
        if self.is_unit { Ok(()) } else { self.json.serialize_unit() }
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), serde_json::Error> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), serde_json::Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), serde_json::Error> {
        self.json.serialize_newtype_variant(name, index, variant, value)
    }

    fn collect_str<T: core::fmt::Display + ?Sized>(self, value: &T) -> Result<(), serde_json::Error> {
        self.json.collect_str(value)
    }
}
