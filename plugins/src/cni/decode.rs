//! Reads JSON as the reference does (Go's `encoding/json`), so that existing configuration means the same here.
//!
//! A key of ours matches regardless of case and the last one wins; `null` is as if the key were absent; unknown keys are
//! ignored, and keys of free-form maps keep their case. An error says which key it is about.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeSeed, IntoDeserializer, Visitor},
    forward_to_deserialize_any,
};
use serde_json::Value;

/// As much of a value or a key as a person needs to find it.
const MAX_TEXT: usize = 200;

/// Why a value could not be read: the way to it, and what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError {
    /// From the inside out: `["subnet", "[0]", "ranges"]`.
    path: Vec<String>,
    text: String,
}

/// Reads a value as `T`.
pub fn decode<'de, T: Deserialize<'de>>(value: &'de Value) -> Result<T, DecodeError> {
    T::deserialize(Node(value))
}

/// The value of a key in any case, as [`decode`] finds it; none where it is null.
pub fn find<'de>(value: &'de Value, key: &str) -> Option<&'de Value> {
    let found = value.as_object()?.iter().rfind(|(name, _)| name.eq_ignore_ascii_case(key));
    found.map(|(_, value)| value).filter(|value| !value.is_null())
}

impl std::error::Error for DecodeError {}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            f.write_str("key \"")?;
            for (depth, part) in self.path.iter().rev().enumerate() {
                let dot = if depth == 0 || part.starts_with('[') { "" } else { "." };
                write!(f, "{dot}{part}")?;
            }
            f.write_str("\": ")?;
        }
        f.write_str(&self.text)
    }
}

impl DecodeError {
    fn within(mut self, key: &str) -> Self {
        self.path.push(key.chars().take(MAX_TEXT).collect());
        self
    }
}

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self { path: Vec::new(), text: text.to_string().chars().take(MAX_TEXT).collect() }
    }
}

impl From<serde_json::Error> for DecodeError {
    fn from(error: serde_json::Error) -> Self {
        de::Error::custom(error)
    }
}

/// A value on its way into a type.
#[derive(Clone, Copy)]
struct Node<'de>(&'de Value);

impl<'de> Deserializer<'de> for Node<'de> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.0 {
            Value::Array(values) => visitor.visit_seq(Elements { values: values.iter().enumerate() }),
            Value::Object(map) => {
                visitor.visit_map(Entries::new(map.iter().map(|(key, value)| (key.as_str(), value)).collect()))
            }
            scalar => Ok(scalar.deserialize_any(visitor)?),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        asked::note(name, fields, self.0);
        let Value::Object(map) = self.0 else {
            let shown: String = self.0.to_string().chars().take(64).collect();
            return Err(de::Error::custom(format!("{shown} is not an object")));
        };
        let mut entries: Vec<(&'de str, &'de Value)> = Vec::with_capacity(fields.len());
        for (key, value) in map.iter().filter(|(_, value)| !value.is_null()) {
            let Some(field) = fields.iter().find(|field| field.eq_ignore_ascii_case(key)) else { continue };
            entries.retain(|(earlier, _)| earlier != field);
            entries.push((field, value));
        }
        visitor.visit_map(Entries::new(entries))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        Ok(self.0.deserialize_enum(name, variants, visitor)?)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, DecodeError> for Node<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// The elements of an array.
struct Elements<'de> {
    values: std::iter::Enumerate<std::slice::Iter<'de, Value>>,
}

impl<'de> de::SeqAccess<'de> for Elements<'de> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, DecodeError> {
        let Some((index, value)) = self.values.next() else { return Ok(None) };
        seed.deserialize(Node(value)).map(Some).map_err(|error| error.within(&format!("[{index}]")))
    }
}

/// The entries of an object.
struct Entries<'de> {
    entries: std::vec::IntoIter<(&'de str, &'de Value)>,
    value: Option<(&'de str, &'de Value)>,
}

impl<'de> Entries<'de> {
    fn new(entries: Vec<(&'de str, &'de Value)>) -> Self {
        Self { entries: entries.into_iter(), value: None }
    }
}

impl<'de> de::MapAccess<'de> for Entries<'de> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        self.value = self.entries.next();
        let Some((key, _)) = self.value else { return Ok(None) };
        seed.deserialize(de::value::BorrowedStrDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, DecodeError> {
        let (key, value) =
            self.value.take().ok_or_else(|| <DecodeError as de::Error>::custom("a value without a key"))?;
        seed.deserialize(Node(value)).map_err(|error| error.within(key))
    }
}

/// Nothing is noted where nobody asks.
#[cfg(not(test))]
mod asked {
    pub(super) fn note(_: &'static str, _: &'static [&'static str], _: &super::Value) {}
}

/// Which keys were asked for, for tests that must know all of them.
#[cfg(test)]
pub(crate) mod asked {
    use std::{cell::RefCell, collections::BTreeMap};

    use serde_json::Value;

    /// A type with one of its keys, and whether that was there when it was asked for.
    pub(crate) type Asked = BTreeMap<(&'static str, &'static str), bool>;

    thread_local! {
        static ASKED: RefCell<Asked> = RefCell::default();
    }

    pub(super) fn note(name: &'static str, fields: &'static [&'static str], value: &Value) {
        ASKED.with_borrow_mut(|asked| {
            for field in fields {
                *asked.entry((name, field)).or_default() |= super::find(value, field).is_some();
            }
        });
    }

    /// What was asked for since the last call.
    pub(crate) fn taken() -> Asked {
        ASKED.take()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, PartialEq, serde::Deserialize)]
    #[serde(default)]
    struct Outer {
        #[serde(rename = "isGateway")]
        is_gateway: bool,
        mtu: Option<u32>,
        ipam: Inner,
        list: Vec<Inner>,
        sysctl: BTreeMap<String, String>,
        args: Option<Value>,
    }

    #[derive(Debug, Default, PartialEq, serde::Deserialize)]
    #[serde(default)]
    struct Inner {
        subnet: String,
    }

    fn read(value: &Value) -> Result<Outer, String> {
        decode(value).map_err(|error| error.to_string())
    }

    #[test]
    fn keys_of_ours_match_in_any_case_at_every_depth() {
        let outer = read(&json!({"ISGATEWAY": true, "Ipam": {"SubNet": "a"}, "LIST": [{"Subnet": "b"}]})).unwrap();
        assert!(outer.is_gateway);
        assert_eq!((outer.ipam.subnet.as_str(), outer.list[0].subnet.as_str()), ("a", "b"));
    }

    #[test]
    fn keys_of_free_maps_keep_their_case() {
        let outer = read(&json!({"sysctl": {"net.A": "1", "net.a": "2"}, "args": {"MTU": {"Mtu": null}}})).unwrap();
        assert_eq!(outer.sysctl.len(), 2);
        assert_eq!(outer.args, Some(json!({"MTU": {"Mtu": null}})));
    }

    #[test]
    fn the_last_spelling_of_a_key_wins() {
        for (text, mtu) in
            [(r#"{"mtu": 1, "MTU": 2}"#, 2), (r#"{"MTU": 2, "mtu": 1}"#, 1), (r#"{"mtu": 3, "mtu": 4}"#, 4)]
        {
            let value: Value = serde_json::from_str(text).unwrap();
            assert_eq!(read(&value).unwrap().mtu, Some(mtu), "{text}");
            assert_eq!(find(&value, "Mtu"), Some(&json!(mtu)), "{text}");
        }
    }

    #[test]
    fn null_is_as_if_the_key_were_absent() {
        assert_eq!(read(&json!({"isGateway": null, "mtu": null, "list": null, "ipam": null})), Ok(Outer::default()));
        assert_eq!(find(&json!({"mtu": null}), "mtu"), None);
    }

    #[test]
    fn an_error_is_short_whatever_it_is_about() {
        let long = "x".repeat(1 << 20);
        for value in [json!({"mtu": long}), json!({"sysctl": {long.as_str(): 1}})] {
            assert!(read(&value).unwrap_err().len() < 500);
        }
    }

    #[test]
    fn an_error_names_the_key_and_the_value() {
        for (value, expected) in [
            (json!({"MTU": "big"}), r#"key "mtu": invalid type: string "big", expected u32"#),
            (json!({"mtu": -1}), r#"key "mtu": invalid value: integer `-1`, expected u32"#),
            (
                json!({"list": [{}, {"subnet": 7}]}),
                r#"key "list[1].subnet": invalid type: integer `7`, expected a string"#,
            ),
            (json!({"sysctl": {"net.A": 1}}), r#"key "sysctl.net.A": invalid type: integer `1`, expected a string"#),
            (json!({"ipam": []}), r#"key "ipam": [] is not an object"#),
            (json!([]), "[] is not an object"),
        ] {
            assert_eq!(read(&value), Err(expected.to_owned()));
        }
    }
}
