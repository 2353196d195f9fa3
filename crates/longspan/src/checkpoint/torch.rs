//! `pytorch_model.bin`: a pickled state dict, and storages, of which its tensors are views.
//!
//! torch has two formats. Since version 1.6, the file is a zip archive, uncompressed and aligned, with the pickle in
//! `ROOT/data.pkl` and each storage in `ROOT/data/KEY`. Before, it was a sequence of pickles (a magic number, the
//! version 1001, properties of the machine, the state dict, the list of storage keys), followed for each key by a count
//! (i64) and the numbers. Both are read in place; the entries of the archive are compared with their checksums. Source: `torch/serialization.py`.

use std::collections::{HashMap, HashSet};
use std::io::Cursor;
use std::ops::Range;

use memchr::memmem;
use zip::{CompressionMethod, ZipArchive};

use super::pickle::{
    self, Element, Id, NAME_BYTES_MAX, Object, PICKLE_BYTES_MAX, Pickle, Storage, TENSORS_MAX, Tensor,
};
use super::stored::{StoredTensor, TensorData};

/// The magic number of the older format, 0x1950a86a20f9469cfc6c, in the byte order of a pickle.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
/// With these bytes begins each entry of the directory of a zip archive.
const ENTRY: &[u8] = b"PK\x01\x02";
/// The most entries of an archive. Each takes half a kilobyte of memory.
const ENTRIES_MAX: usize = TENSORS_MAX + 1024;
/// The version of the older format.
const VERSION: i64 = 1001;

/// Lists the tensors of a file.
pub(super) fn tensors(content: &[u8]) -> Result<Vec<(String, StoredTensor)>, String> {
    if content.starts_with(b"PK") { zip_tensors(content) } else { legacy_tensors(content) }
}

fn zip_tensors(content: &[u8]) -> Result<Vec<(String, StoredTensor)>, String> {
    // A hostile directory may stand anywhere, so the whole file is searched; the checksums of its storages take longer.
    let entries = memmem::find_iter(content, ENTRY).take(ENTRIES_MAX + 1).count();
    if entries > ENTRIES_MAX {
        return Err(format!("a zip archive of more than {ENTRIES_MAX} entries"));
    }
    let mut archive = ZipArchive::new(Cursor::new(content)).map_err(|e| {
        format!("truncated or damaged: it begins as a zip archive, but the directory at its end cannot be read ({e})")
    })?;
    let is_root = |name: &&str| name.strip_suffix("/data.pkl").is_some_and(|root| !root.contains('/'));
    let pickle_name = archive.file_names().flatten().find_map(|name| is_root(&&*name).then(|| name.into_owned()));
    let pickle_name = pickle_name.ok_or("a zip archive, but not one of torch: it has no `data.pkl`")?;
    let root = pickle_name.trim_end_matches("data.pkl");
    if archive.index_for_name(&format!("{root}constants.pkl")).is_some() {
        return Err("a TorchScript program: save the model's `state_dict()` instead".to_owned());
    }
    if let Some(order) = entry(&mut archive, content, &format!("{root}byteorder"))?
        && content[order.clone()] != *b"little"
    {
        return Err("written on a big-endian machine, which is not supported".to_owned());
    }
    let range = entry(&mut archive, content, &pickle_name)?.ok_or("damaged: its `data.pkl` cannot be found")?;
    if range.len() > PICKLE_BYTES_MAX {
        return Err(format!("its pickle has {} bytes, at most {PICKLE_BYTES_MAX} are read", range.len()));
    }
    let pickle = pickle::read(&content[range])?;
    let (mut storages, mut bytes_left) = (HashMap::new(), content.len());
    for storage in pickle.storages() {
        if !storages.contains_key(storage.key) {
            let name = format!("{root}data/{}", storage.key);
            let range = entry(&mut archive, content, &name)?;
            let range = range.ok_or_else(|| format!("truncated or damaged: it lacks `{name}`"))?;
            bytes_left = bytes_left.checked_sub(range.len()).ok_or("damaged: its storages overlap")?;
            storages.insert(storage.key, range);
        }
    }
    state_dict(content, &pickle, &storages)
}

/// The bytes of an entry, compared with its checksum, or `None` if no entry has this name.
fn entry(archive: &mut ZipArchive<Cursor<&[u8]>>, content: &[u8], name: &str) -> Result<Option<Range<usize>>, String> {
    let Some(index) = archive.index_for_name(name) else { return Ok(None) };
    // This reads the local header of the entry, from which the start of the data follows.
    let file = archive.by_index_raw(index).map_err(|e| format!("damaged: `{name}` cannot be read ({e})"))?;
    if file.compression() != CompressionMethod::Stored || file.encrypted() {
        return Err(format!("`{name}` is compressed or encrypted, which torch does not do"));
    }
    let start = file.data_start().and_then(|start| usize::try_from(start).ok());
    let bytes = usize::try_from(file.size()).ok();
    let range = start.zip(bytes).and_then(|(start, bytes)| Some(start..start.checked_add(bytes)?));
    let range = range.filter(|range| range.end <= content.len());
    let range =
        range.ok_or_else(|| format!("truncated: `{name}` has {} bytes, the file ends before that", file.size()))?;
    let (expected, found) = (file.crc32(), crc32fast::hash(&content[range.clone()]));
    if found != expected {
        return Err(format!("damaged: the checksum of `{name}` is {expected:08x}, its bytes have {found:08x}"));
    }
    Ok(Some(range))
}

fn legacy_tensors(content: &[u8]) -> Result<Vec<(String, StoredTensor)>, String> {
    let mut position = 0;
    let mut next = || -> Result<Pickle<'_>, String> {
        let pickle = pickle::read(&content[position..])?;
        position += pickle.bytes;
        Ok(pickle)
    };
    if !matches!(next()?.root(), Object::Long(number) if *number == MAGIC) {
        return Err("not a checkpoint of torch: it does not begin with torch's magic number".to_owned());
    }
    match next()?.root() {
        Object::Int(VERSION) => {}
        Object::Int(version) => return Err(format!("version of the format: expected {VERSION}, file has {version}")),
        _ => return Err("damaged: it lacks the version of the format".to_owned()),
    }
    let machine = next()?;
    if let Some(Object::Bool(false)) = machine.item(machine.root(), "little_endian") {
        return Err("written on a big-endian machine, which is not supported".to_owned());
    }
    let pickle = next()?;
    let keys = next()?;
    let storages = legacy_storages(content, position, &pickle, &keys)?;
    state_dict(content, &pickle, &storages)
}

/// Finds the storages, which are stored in the order of their keys.
fn legacy_storages<'a>(
    content: &[u8],
    mut position: usize,
    pickle: &Pickle<'a>,
    keys: &Pickle<'a>,
) -> Result<HashMap<&'a str, Range<usize>>, String> {
    let elements: HashMap<&str, &Element> = pickle.storages().map(|storage| (storage.key, storage.element)).collect();
    let Object::List(ids) = keys.root() else {
        return Err("damaged: it lacks the list of its storages".to_owned());
    };
    let mut storages = HashMap::new();
    for id in ids {
        let Object::Text(key) = keys.get(*id) else {
            return Err("damaged: the key of a storage is not a text".to_owned());
        };
        if key.len() > NAME_BYTES_MAX {
            return Err(format!("the key of a storage has {} bytes, at most {NAME_BYTES_MAX} are read", key.len()));
        }
        let element = elements.get(key).ok_or_else(|| format!("damaged: no tensor uses the storage {key:?}"))?;
        let (count, rest) = content[position..]
            .split_first_chunk::<8>()
            .ok_or_else(|| format!("truncated: the storage {key:?} begins at byte {position}, the file ends there"))?;
        let count = i64::from_le_bytes(*count);
        let bytes = usize::try_from(count).ok().and_then(|count| count.checked_mul(element.bytes));
        let bytes = bytes.filter(|bytes| *bytes <= rest.len()).ok_or_else(|| {
            format!(
                "truncated: the storage {key:?} has {count} numbers of {}, the file {} bytes",
                element.name,
                rest.len()
            )
        })?;
        storages.insert(*key, position + 8..position + 8 + bytes);
        position += 8 + bytes;
    }
    Ok(storages)
}

/// The tensors of a state dict, which is the root, or its item `state_dict`, as in checkpoints of Lightning, or
/// `model_state_dict` or `model`.
fn state_dict(
    content: &[u8],
    pickle: &Pickle<'_>,
    storages: &HashMap<&str, Range<usize>>,
) -> Result<Vec<(String, StoredTensor)>, String> {
    let root = pickle.root();
    // As training scripts nest it.
    let nested = ["state_dict", "model_state_dict", "model"]
        .into_iter()
        .find_map(|key| pickle.item(root, key).filter(|nested| matches!(nested, Object::Dict(_))));
    let Object::Dict(items) = nested.unwrap_or(root) else {
        return Err("not a state dict: the pickle holds something other than a dictionary".to_owned());
    };
    let mut copies = Copies { content, bytes_left: content.len() };
    let mut tensors = Vec::new();
    for (name, value) in last_values(pickle, items)? {
        if let Object::Tensor(tensor) = pickle.get(value) {
            let stored =
                stored(tensor, storages, &mut copies).map_err(|message| format!("tensor {name:?}: {message}"))?;
            tensors.push((name.to_owned(), stored));
        }
    }
    if tensors.is_empty() {
        return Err("not a state dict: the dictionary holds no tensors".to_owned());
    }
    Ok(tensors)
}

/// The names of a dictionary, each with the last of its values, which is the one that counts in Python.
///
/// Most names that come twice are one object, recalled: comparing objects first keeps the time in proportion to the file.
fn last_values<'a>(pickle: &Pickle<'a>, items: &[(Id, Id)]) -> Result<Vec<(&'a str, Id)>, String> {
    let (mut keys, mut names, mut values) = (HashSet::new(), HashSet::new(), Vec::new());
    for (key, value) in items.iter().rev() {
        let Object::Text(name) = *pickle.get(*key) else { continue };
        if !keys.insert(*key) {
            continue;
        }
        if name.len() > NAME_BYTES_MAX {
            return Err(format!("a name of {} bytes, at most {NAME_BYTES_MAX} are read", name.len()));
        }
        if names.insert(name) {
            values.push((name, *value));
        }
        if keys.len() > TENSORS_MAX {
            return Err(format!("a state dict of more than {TENSORS_MAX} names"));
        }
    }
    values.reverse();
    Ok(values)
}

/// Finds the numbers of a tensor and checks that the file has all of them.
fn stored(
    tensor: &Tensor,
    storages: &HashMap<&str, Range<usize>>,
    copies: &mut Copies,
) -> Result<StoredTensor, String> {
    let Tensor { storage, offset, shape, strides } = tensor;
    let element = storage.element;
    let range = storages.get(storage.key).ok_or_else(|| format!("its storage {:?} is not in the file", storage.key))?;
    let range = view(storage, range)?;
    let numbers = shape.iter().try_fold(1usize, |product, size| product.checked_mul(*size));
    // One past the furthest number; not used if a size is 0.
    let reach = shape.iter().zip(strides).try_fold(*offset, |reach, (size, stride)| {
        size.saturating_sub(1).checked_mul(*stride).and_then(|steps| reach.checked_add(steps))
    });
    let (Some(numbers), Some(reach)) = (numbers, reach.and_then(|last| last.checked_add(1))) else {
        return Err(format!("shape {shape:?} with strides {strides:?} is larger than any memory"));
    };
    let available = range.len() / element.bytes;
    if numbers > 0 && reach > available {
        return Err(format!("shape {shape:?} reaches to number {reach}, its storage has {available}"));
    }
    let data = match element.float {
        _ if numbers == 0 => TensorData::Range(0..0),
        _ if is_contiguous(shape, strides) => {
            let start = range.start + offset * element.bytes;
            TensorData::Range(start..start + numbers * element.bytes)
        }
        Some(_) => TensorData::Copy(copies.gather(tensor, range.start, numbers)?),
        None => TensorData::Range(0..0), // The tensor is listed but never read, so it is not copied.
    };
    let format = element.float.ok_or_else(|| element.name.to_owned());
    Ok(StoredTensor { format, shape: shape.clone(), data, scales: 0..0 })
}

/// The bytes of a view of a storage.
fn view(storage: &Storage, range: &Range<usize>) -> Result<Range<usize>, String> {
    let bytes = |count: usize| count.checked_mul(storage.element.bytes).filter(|bytes| *bytes <= range.len());
    let (offset, count) = storage.view;
    let view = bytes(storage.count)
        .and_then(|_| bytes(offset))
        .and_then(|start| bytes(offset.checked_add(count)?).map(|end| range.start + start..range.start + end));
    view.ok_or_else(|| {
        let Storage { key, element, count, .. } = storage;
        format!("its storage {key:?} should have {count} numbers of {}, file has {} bytes", element.name, range.len())
    })
}

/// Whether the numbers are in order and without gaps. The stride of a dimension of size 1 is ignored.
fn is_contiguous(shape: &[usize], strides: &[usize]) -> bool {
    let mut expected = 1;
    shape.iter().zip(strides).rev().all(|(&size, &stride)| {
        let fits = size == 1 || stride == expected;
        expected *= size;
        fits
    })
}

/// Copies tensors in order, up to a number of bytes: an expanded tensor (stride 0) may be far larger than its file.
struct Copies<'a> {
    content: &'a [u8],
    bytes_left: usize,
}

impl Copies<'_> {
    /// Copies a tensor, all numbers of which must be in the file. `start` is the first byte of its storage.
    fn gather(&mut self, tensor: &Tensor, start: usize, numbers: usize) -> Result<Vec<u8>, String> {
        let Tensor { storage, offset, shape, strides } = tensor;
        let width = storage.element.bytes;
        let bytes = numbers.checked_mul(width).filter(|bytes| *bytes <= self.bytes_left).ok_or_else(|| {
            format!("shape {shape:?} with strides {strides:?} would need a copy larger than the whole file")
        })?;
        self.bytes_left -= bytes;
        let mut copy = Vec::with_capacity(bytes);
        let mut index = vec![0; shape.len()];
        let mut at = *offset;
        for _ in 0..numbers {
            copy.extend_from_slice(&self.content[start + at * width..start + (at + 1) * width]);
            for dimension in (0..shape.len()).rev() {
                index[dimension] += 1;
                at += strides[dimension];
                if index[dimension] < shape[dimension] {
                    break;
                }
                at -= strides[dimension] * shape[dimension];
                index[dimension] = 0;
            }
        }
        Ok(copy)
    }
}
