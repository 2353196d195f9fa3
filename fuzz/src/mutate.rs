//! A case → another one. Files of known structure are changed within it: a value of JSON, a member of an archive, the
//! header of a safetensors file; others byte by byte.

use std::io::{Cursor, Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use longspan::random;
use serde_json::{Map, Value, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::case;
use crate::mend::mend;
use crate::targets::FuzzTarget;

/// Changes the bytes of a file, whose new length is at most the given one.
pub type ChangeBytes<'a> = &'a mut dyn FnMut(&mut Vec<u8>, usize);

/// A file that is unpacked to be changed, at most.
const UNPACKED_MAX: u64 = 1 << 20;

/// Random numbers, which are a function of the seed.
pub struct Draws {
    seed: u64,
    drawn: u64,
}

impl Draws {
    /// Begins with a seed.
    pub fn new(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }

    /// A number below `count`; 0, if that is 0.
    pub fn below(&mut self, count: usize) -> usize {
        self.drawn += 1;
        (random::number(self.seed, &[self.drawn]) % (count.max(1) as u64)) as usize
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    /// True one time in `count`.
    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

/// Another case, of at most `target.bytes_max` bytes. Mostly, its checksums are right.
pub fn mutated(target: &FuzzTarget, from: &[u8], draws: &mut Draws, change: ChangeBytes<'_>) -> Vec<u8> {
    let bytes_max = target.bytes_max;
    let mut files: Vec<Vec<u8>> = match target.files {
        1 => vec![from.to_vec()],
        _ => case::split(from).into_iter().map(<[u8]>::to_vec).collect(),
    };
    let which = draws.below(files.len());
    let file = &mut files[which];
    if draws.one_in(2) || !within(file, draws, change) {
        change(file, bytes_max);
    }
    if !draws.one_in(8) {
        mend(file);
    }
    let mut case = case::join(&files);
    case.truncate(bytes_max);
    case
}

/// Changes something within a file of known structure. Returns false if it has none.
fn within(file: &mut Vec<u8>, draws: &mut Draws, change: ChangeBytes<'_>) -> bool {
    let changed = if file.starts_with(b"PK") {
        within_zip(file, draws, change)
    } else if file.starts_with(b"\x1f\x8b") {
        within_gzip(file, draws, change)
    } else if file.get(8) == Some(&b'{') {
        within_safetensors(file, draws)
    } else {
        within_json(file, draws)
    };
    let is_changed = changed.is_some();
    *file = changed.unwrap_or_else(|| std::mem::take(file));
    is_changed
}

fn within_zip(file: &[u8], draws: &mut Draws, change: ChangeBytes<'_>) -> Option<Vec<u8>> {
    let mut archive = ZipArchive::new(Cursor::new(file)).ok()?;
    let mut members = Vec::new();
    for index in 0..archive.len().min(64) {
        let mut member = archive.by_index(index).ok()?;
        let mut content = Vec::new();
        member.by_ref().take(UNPACKED_MAX).read_to_end(&mut content).ok()?;
        members.push((member.name().ok()?.into_owned(), content));
    }
    let which = draws.below(members.len());
    members.get(which)?;
    // The pickle is the first that a reader looks at, so it is changed most.
    let pickle = members.iter().position(|(name, _)| name.ends_with("data.pkl")).filter(|_| !draws.one_in(3));
    match draws.below(12) {
        0 => drop(members.remove(which)),
        1 => members.push(members[which].clone()),
        2 => {
            let mut name = std::mem::take(&mut members[which].0).into_bytes();
            change(&mut name, 200);
            members[which].0 = String::from_utf8_lossy(&name).into_owned();
        }
        _ => change(&mut members.get_mut(pickle.unwrap_or(which))?.1, UNPACKED_MAX as usize),
    }
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, content) in members {
        writer.start_file(name, options).ok()?;
        writer.write_all(&content).ok()?;
    }
    Some(writer.finish().ok()?.into_inner())
}

fn within_gzip(file: &[u8], draws: &mut Draws, change: ChangeBytes<'_>) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    GzDecoder::new(file).take(UNPACKED_MAX).read_to_end(&mut text).ok()?;
    if draws.one_in(2) || !within(&mut text, draws, change) {
        change(&mut text, UNPACKED_MAX as usize);
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&text).ok()?;
    encoder.finish().ok()
}

/// Changes the header, whose length stands before it.
fn within_safetensors(file: &[u8], draws: &mut Draws) -> Option<Vec<u8>> {
    let bytes = usize::try_from(u64::from_le_bytes(*file.first_chunk()?)).ok()?;
    let end = bytes.checked_add(8).filter(|&end| end <= file.len())?;
    let header = within_json(&file[8..end], draws)?;
    Some([&(header.len() as u64).to_le_bytes()[..], &header, &file[end..]].concat())
}

fn within_json(text: &[u8], draws: &mut Draws) -> Option<Vec<u8>> {
    let mut value: Value = serde_json::from_slice(text).ok()?;
    for _ in 0..=draws.below(2) {
        change_value(&mut value, draws);
    }
    let mut text = serde_json::to_vec(&value).ok()?;
    if let Value::Object(map) = &value
        && let Some((key, value)) = map.iter().nth(draws.below(16 * map.len()))
    {
        // A key that comes twice.
        let again = format!(",{}:{value}}}", Value::from(key.as_str()));
        text.pop();
        text.extend_from_slice(again.as_bytes());
    }
    Some(text)
}

const NUMBERS: [&str; 24] = [
    "0",
    "-1",
    "1",
    "2",
    "7",
    "255",
    "256",
    "65535",
    "65536",
    "16777216",
    "16777217",
    "2147483648",
    "4294967295",
    "4294967296",
    "-9223372036854775808",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "1e308",
    "-1e308",
    "1e-320",
    "0.5",
    "-0.0",
    "1E5",
];
const STRINGS: [&str; 20] = [
    "",
    " ",
    "\0",
    "\u{feff}",
    "é",
    "e\u{301}",
    "👩‍👩‍👧",
    "\u{202e}abc",
    "[CLS]",
    "</s>",
    "##",
    "a\nb",
    "../../x",
    "\u{10ffff}",
    "İ",
    "ﬃ",
    "\u{1d15e}",
    "\u{2581}",
    "\u{1b}[31m",
    "a",
];

fn leaf(draws: &mut Draws) -> Value {
    match draws.below(8) {
        0 => Value::Null,
        1 => true.into(),
        2 => false.into(),
        3 => json!([]),
        4 => json!({}),
        5 => draws.of(&STRINGS).into(),
        _ => serde_json::from_str(draws.of(&NUMBERS)).unwrap_or_default(),
    }
}

/// The number of values in a value, itself among them.
fn count(value: &Value) -> usize {
    match value {
        Value::Array(list) => 1 + list.iter().map(count).sum::<usize>(),
        Value::Object(map) => 1 + map.values().map(count).sum::<usize>(),
        _ => 1,
    }
}

/// The value with this number, depth first.
fn nth<'v>(value: &'v mut Value, number: &mut usize) -> Option<&'v mut Value> {
    if *number == 0 {
        return Some(value);
    }
    *number -= 1;
    match value {
        Value::Array(list) => list.iter_mut().find_map(|value| nth(value, number)),
        Value::Object(map) => map.values_mut().find_map(|value| nth(value, number)),
        _ => None,
    }
}

/// Changes one value anywhere in another.
fn change_value(root: &mut Value, draws: &mut Draws) {
    let values = count(root);
    let copied = nth(root, &mut draws.below(values)).map(|value| value.clone()).unwrap_or_default();
    let copied = if count(&copied) > 500 { Value::Null } else { copied };
    let Some(value) = nth(root, &mut draws.below(values)) else { return };
    match draws.below(8) {
        0 | 1 => *value = leaf(draws),
        2 => *value = copied,
        3 => *value = nested(draws),
        _ => match value {
            Value::Array(list) => change_list(list, copied, draws),
            Value::Object(map) => change_map(map, copied, draws),
            Value::String(text) => change_text(text, draws),
            Value::Number(number) if draws.one_in(2) && number.is_i64() => {
                let near = draws.below(5) as i64 - 2;
                *value = number.as_i64().unwrap_or_default().wrapping_add(near).into();
            }
            other => *other = leaf(draws),
        },
    }
}

fn change_list(list: &mut Vec<Value>, copied: Value, draws: &mut Draws) {
    let (at, other) = (draws.below(list.len()), draws.below(list.len()));
    match draws.below(4) {
        0 if !list.is_empty() => drop(list.remove(at)),
        1 if !list.is_empty() => list.swap(at, other),
        2 if list.len() < 300 => list.extend(list.clone()),
        _ => list.insert(at, copied),
    }
}

fn change_map(map: &mut Map<String, Value>, copied: Value, draws: &mut Draws) {
    let (at, other) = (draws.below(map.len()), draws.below(map.len()));
    let key = |at: usize| map.keys().nth(at).cloned().unwrap_or_default();
    let (key, other) = (key(at), key(other));
    match draws.below(4) {
        0 => drop(map.remove(&key)),
        1 => drop(map.insert(draws.of(&STRINGS).into(), copied)),
        2 => {
            let value = map.get(&key).cloned().unwrap_or_default();
            map.insert(other, value);
        }
        _ => {
            // Another name for a key.
            let value = map.remove(&key).unwrap_or_default();
            let mut key = key;
            change_text(&mut key, draws);
            map.insert(key, value);
        }
    }
}

fn change_text(text: &mut String, draws: &mut Draws) {
    let mut characters: Vec<char> = text.chars().collect();
    let (at, other) = (draws.below(characters.len()), draws.below(characters.len()));
    match draws.below(5) {
        0 if !characters.is_empty() => drop(characters.remove(at)),
        1 if !characters.is_empty() => characters.insert(at, characters[other]),
        2 if !characters.is_empty() => characters.swap(at, other),
        3 if characters.len() < 2000 => characters = characters.repeat(1 << draws.below(6)),
        _ => drop(characters.splice(at..at, draws.of(&STRINGS).chars())),
    }
    *text = characters.into_iter().collect();
}

fn nested(draws: &mut Draws) -> Value {
    let mut value = leaf(draws);
    for _ in 0..draws.below(200) {
        value = if draws.one_in(3) { json!({"a": value}) } else { json!([value]) };
    }
    value
}

/// Changes bytes without libFuzzer.
pub fn change_bytes(file: &mut Vec<u8>, bytes_max: usize, draws: &mut Draws) {
    for _ in 0..=draws.below(2) {
        let at = draws.below(file.len());
        let length = (1 << draws.below(8)).min(file.len() - at);
        let copied = file[at..at + length].to_vec();
        match draws.below(9) {
            0 if length > 0 => file[at] ^= 1 << draws.below(8),
            1 if length > 0 => file[at] = draws.below(256) as u8,
            2 => drop(file.drain(at..at + length)),
            3 => drop(file.splice(at..at, copied.repeat(1 + draws.below(8)))),
            4 => {
                let to = draws.below(file.len());
                file.splice(to..to, copied);
            }
            5 if draws.one_in(4) => file.truncate(at),
            6 => change_number(file, at, draws),
            7 => drop(file.splice(at..at, draws.of(&STRINGS).bytes())),
            _ => {
                let number: [u8; 8] = random::number(draws.seed, &[draws.drawn, 1]).to_le_bytes();
                let end = at + length.min(draws.below(8));
                file.splice(at..end, number.into_iter().take(end - at));
            }
        }
    }
    file.truncate(bytes_max);
}

/// Replaces a number in text, or its binary form.
fn change_number(file: &mut Vec<u8>, at: usize, draws: &mut Draws) {
    let text = draws.of(&NUMBERS);
    let digits = file[at..].iter().position(u8::is_ascii_digit).map(|from| at + from);
    match digits {
        Some(from) if draws.one_in(2) => {
            let count = file[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            file.splice(from..from + count, text.bytes());
        }
        _ => {
            let bytes = text.parse::<u64>().unwrap_or(u64::MAX).to_le_bytes();
            let width = (1 << draws.below(4)).min(file.len() - at);
            file.splice(at..at + width, bytes.into_iter().take(width));
        }
    }
}
