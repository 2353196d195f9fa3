//! JSON of strangers, read as far as it is wanted: of an object the values of some keys, of a list one value at a time. What
//! is not wanted takes no memory, whatever it is and however deep it is nested; what is wanted keeps to a budget.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::excerpt;

/// The numbers that Python's `json` writes, and JSON has not.
const NUMBERS_OF_PYTHON: [&str; 3] = ["NaN", "-Infinity", "Infinity"];

/// JSON with texts such as "NaN" in the place of the numbers that Python's `json` writes so.
pub(crate) fn of_python(json: &[u8]) -> Cow<'_, [u8]> {
    if !NUMBERS_OF_PYTHON.iter().any(|name| memchr::memmem::find(json, name.as_bytes()).is_some()) {
        return Cow::Borrowed(json);
    }
    let (mut out, mut at, mut in_text) = (Vec::with_capacity(json.len() + 64), 0, false);
    while let Some(&byte) = json.get(at) {
        let number = NUMBERS_OF_PYTHON.iter().find(|name| !in_text && json[at..].starts_with(name.as_bytes()));
        let count = match (number, byte) {
            (Some(name), _) => {
                out.extend(format!("\"{name}\"").bytes());
                at += name.len();
                continue;
            }
            (None, b'\\') if in_text => 2, // with what it escapes
            _ => 1,
        };
        in_text ^= byte == b'"';
        out.extend(&json[at..json.len().min(at + count)]);
        at += count;
    }
    Cow::Owned(out)
}

/// The values of some keys of an object, each as its JSON text; `None` where it is null or missing. Of equal keys the last
/// counts.
///
/// # Errors
/// Where this is not the JSON of one object.
pub(crate) fn fields<'a, const N: usize>(
    json: &'a [u8],
    keys: [&str; N],
) -> serde_json::Result<[Option<&'a RawValue>; N]> {
    let mut reading = serde_json::Deserializer::from_slice(json);
    let fields = reading.deserialize_map(Fields(keys))?;
    reading.end().map(|()| fields)
}

struct Fields<'k, const N: usize>([&'k str; N]);

impl<'de, const N: usize> Visitor<'de> for Fields<'_, N> {
    type Value = [Option<&'de RawValue>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with `{}`", self.0[0])
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut values: Self::Value = [None; N];
        while let Some(key) = object.next_key_seed(KeyOf(&self.0))? {
            match key {
                Some(key) => values[key] = Some(object.next_value()?),
                None => drop(object.next_value::<IgnoredAny>()?),
            }
        }
        Ok(values.map(|value| value.filter(|value| value.get() != "null")))
    }
}

/// The index of a key, if it is one of these.
struct KeyOf<'k>(&'k [&'k str]);

impl<'de> DeserializeSeed<'de> for KeyOf<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<Self::Value, D::Error> {
        key.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyOf<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|known| *known == key))
    }
}

/// The values of a list, one by one.
pub(crate) struct Elements<'a>(&'a str);

/// The values of a list; `None` where this is something else.
pub(crate) fn elements(value: &RawValue) -> Option<Elements<'_>> {
    value.get().strip_prefix('[')?.strip_suffix(']').map(Elements)
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a RawValue;

    fn next(&mut self) -> Option<&'a RawValue> {
        let rest = self.0.trim_ascii_start();
        let rest = rest.strip_prefix(',').unwrap_or(rest);
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
        let value = values.next()?.ok(); // a raw value was checked when it was made, and so were the values in it
        self.0 = &rest[values.byte_offset()..];
        value
    }
}

/// The text of a JSON string; an error says what it is instead.
pub(crate) fn text(value: &RawValue) -> Result<String, String> {
    if !value.get().starts_with('"') {
        return Err(format!("is {}, expected text", kind(value)));
    }
    serde_json::from_str(value.get()).map_err(|error| without_place(&error)) // it would count from the start of the value
}

/// An error of the parser, with a short excerpt of what it quotes.
pub(crate) fn message(error: &serde_json::Error) -> String {
    format!("{} at line {} column {}", without_place(error), error.line(), error.column())
}

/// The same for JSON that is one line of a file.
pub(crate) fn message_of_line(error: &serde_json::Error) -> String {
    format!("{} at column {}", without_place(error), error.column())
}

fn without_place(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |parts| parts.0);
    match message.rsplit_once(", expected ") {
        Some((found, expected)) => format!("{}, expected {}", excerpt(found), excerpt(expected)),
        None => excerpt(message),
    }
}

/// What a value is, in words.
pub(crate) fn kind(value: &RawValue) -> String {
    let json = value.get();
    match json.as_bytes().first() {
        Some(b'"') => "a text".into(),
        Some(b'[') => "a list".into(),
        Some(b'{') => "an object".into(),
        Some(b'n' | b't' | b'f') => json.into(),
        _ => format!("the number {}", excerpt(json)),
    }
}

/// Adds to a list that grows by a quarter at a time, so that it takes little more than its values.
pub(crate) fn push<T>(list: &mut Vec<T>, value: T) {
    if list.len() == list.capacity() {
        list.reserve_exact(more(list.len()));
    }
    list.push(value);
}

/// The memory that the values of a file may take, beside its JSON.
pub(crate) struct MemoryBudget {
    bytes: usize,
    bytes_max: usize,
    json_bytes: usize,
}

/// The part of the budget that does not depend on the length of the JSON.
const BUDGET_BYTES: usize = 56_000_000;
/// The memory for each byte of JSON.
const BUDGET_BYTES_A_BYTE: usize = 3;
/// What an allocation takes beside its content.
const ALLOCATION_BYTES: usize = 32;
/// Numerator and denominator of the share of a list's values that it takes while it grows: the old list, and the new one.
const LIST_SHARE: [usize; 2] = [9, 4];

/// How many more values a full list gets room for.
pub(crate) fn more(values: usize) -> usize {
    values / 4 + 1
}

impl MemoryBudget {
    /// The budget of a file.
    pub fn of(json: &[u8]) -> Self {
        let bytes_max = BUDGET_BYTES + BUDGET_BYTES_A_BYTE * json.len();
        Self { bytes: 0, bytes_max, json_bytes: json.len() }
    }

    /// Takes memory for a value in a list, and for its texts.
    ///
    /// # Errors
    /// When too much is taken.
    pub fn take(&mut self, value_bytes: usize, texts: &[&str]) -> Result<(), String> {
        self.bytes += value_bytes * LIST_SHARE[0] / LIST_SHARE[1];
        self.bytes += texts.iter().map(|text| text.len() + ALLOCATION_BYTES).sum::<usize>();
        if self.bytes > self.bytes_max {
            let Self { bytes_max, json_bytes, .. } = self;
            return Err(format!("too many values: {json_bytes} bytes of JSON may take {bytes_max} bytes of memory"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: Option<&RawValue>) -> &str {
        value.map_or("-", RawValue::get)
    }

    #[test]
    fn wanted_values_are_found_among_others() {
        for (json, expected) in [
            (r#"{"a": 1, "b": "x"}"#, ["1", "\"x\""]),
            (r#" {"c": [{"a": 2}], "b" : null , "a":{"b":3}} "#, ["{\"b\":3}", "-"]),
            (r#"{"a": 1, "\u0061": [1, 2], "b": 0, "b": 1e999}"#, ["[1, 2]", "1e999"]),
            ("{}", ["-", "-"]),
        ] {
            assert_eq!(fields(json.as_bytes(), ["a", "b"]).unwrap().map(shown), expected, "{json}");
        }
        let deep = format!(r#"{{"c": {}{}, "a": 1}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(fields(deep.as_bytes(), ["a"]).unwrap().map(shown), ["1"]);
        for (json, expected) in [
            ("[]", "invalid type: sequence, expected an object with `a` at line 1 column 0"),
            (r#"{"a": 1} 2"#, "trailing characters at line 1 column 10"),
            (r#"{"a": }"#, "expected value at line 1 column 7"),
            ("{1: 2}", "key must be a string at line 1 column 2"),
        ] {
            assert_eq!(fields(json.as_bytes(), ["a"]).unwrap_err().to_string(), expected, "{json}");
        }
    }

    #[test]
    fn numbers_of_python_become_texts() {
        for (json, expected) in [
            (r#"{"a": NaN, "b": -Infinity,"c":[Infinity]}"#, r#"{"a": "NaN", "b": "-Infinity","c":["Infinity"]}"#),
            (r#"{"NaN": "Infinity \" NaN", "b": NaN}"#, r#"{"NaN": "Infinity \" NaN", "b": "NaN"}"#),
            (r#"{"a": "NaN\"#, r#"{"a": "NaN\"#),
            (r#"{"a": 1}"#, r#"{"a": 1}"#),
        ] {
            assert_eq!(String::from_utf8_lossy(&of_python(json.as_bytes())), expected);
        }
    }

    #[test]
    fn lists_come_value_by_value() {
        for (json, expected) in [
            ("[]", &[][..]),
            (" [ ] ", &[]),
            ("[1]", &["1"]),
            ("[ 1,\"a,]\" ,[2, [3]],{} , -1e5,null\n]", &["1", "\"a,]\"", "[2, [3]]", "{}", "-1e5", "null"]),
        ] {
            let value: &RawValue = serde_json::from_str(json).unwrap();
            let found: Vec<&str> = elements(value).unwrap().map(RawValue::get).collect();
            assert_eq!(found, expected, "{json}");
        }
        for json in ["1", "\"[]\"", "{}", "null"] {
            assert!(elements(serde_json::from_str(json).unwrap()).is_none(), "{json}");
        }
    }

    #[test]
    fn texts_and_kinds() {
        for (json, expected) in [
            (r#""caf\u00e9""#, Ok("café")),
            (r#""\ud800""#, Err("unexpected end of hex escape")),
            ("[1]", Err("is a list, expected text")),
            ("{}", Err("is an object, expected text")),
            ("true", Err("is true, expected text")),
            ("1.50", Err("is the number 1.50, expected text")),
        ] {
            let found = text(serde_json::from_str(json).unwrap());
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{json}");
        }
    }
}
