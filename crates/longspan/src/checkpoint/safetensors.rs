//! `model.safetensors`: the length of the header, the header in JSON, and the numbers.
//! <https://github.com/huggingface/safetensors>
//!
//! A matrix NAME in bytes is an I8 tensor of shape [N, K] beside an F32 tensor NAME_scale of shape [N, 1]: number (i, j) is
//! byte (i, j) times scale i. The names are those of the library compressed-tensors.

use std::collections::HashMap;

use safetensors::tensor::{Dtype, Metadata, SafeTensorError, SafeTensors};
use serde::Deserialize;

use super::stored::{StoredTensor, TensorData};
use crate::tensor::DType;

/// The longest header that is read. A model with a thousand tensors has a header of 100 KB; in memory it is ten times as
/// large.
const HEADER_BYTES_MAX: u64 = 4 << 20;
/// The most dimensions of a tensor. The crate `safetensors` takes eighty bytes for each size.
const DIMENSIONS_MAX: usize = 16;
/// The end of the name of a matrix's scales.
pub(super) const SCALE: &str = "_scale";
/// Bytes of the length of the header, which precedes it.
const LENGTH_BYTES: usize = 8;

/// Lists the tensors of a file.
pub(super) fn tensors(content: &[u8]) -> Result<Vec<(String, StoredTensor)>, String> {
    let (header_bytes, metadata) = header(content)?;
    let start = LENGTH_BYTES + header_bytes;
    let stored = metadata.tensors().into_iter().map(|(name, info)| {
        let format = match info.dtype {
            Dtype::F32 => Ok(DType::F32),
            Dtype::F16 => Ok(DType::F16),
            Dtype::BF16 => Ok(DType::BF16),
            Dtype::I8 => Ok(DType::Int8),
            other => Err(format!("{other:?}")),
        };
        // `read_metadata` has checked that offsets, shapes and the length of the file agree.
        let data = TensorData::Range(start + info.data_offsets.0..start + info.data_offsets.1);
        (name, StoredTensor { format, shape: info.shape.clone(), data, scales: 0..0 })
    });
    Ok(with_scales(stored.collect()))
}

/// Gives matrices in bytes their scales, which are no tensors of their own then. Bytes without scales are numbers of a format
/// that is not read.
fn with_scales(mut stored: HashMap<String, StoredTensor>) -> Vec<(String, StoredTensor)> {
    let in_bytes = stored.iter().filter(|(_, tensor)| tensor.format == Ok(DType::Int8));
    for name in in_bytes.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
        let scale_name = format!("{name}{SCALE}");
        let rows = if let [rows, _] = stored[&name].shape[..] { Some(rows) } else { None };
        let fits =
            |scale: &&StoredTensor| scale.format == Ok(DType::F32) && rows.is_some_and(|n| scale.shape == [n, 1]);
        let scales = match stored.get(&scale_name).filter(fits).map(|scale| &scale.data) {
            Some(TensorData::Range(range)) => Some(range.clone()),
            _ => None,
        };
        let tensor = stored.get_mut(&name).expect("it is in the list");
        match scales {
            None => tensor.format = Err("I8 without scales".into()),
            Some(scales) => {
                tensor.scales = scales;
                stored.remove(&scale_name);
            }
        }
    }
    stored.into_iter().collect()
}

/// The metadata of the header.
pub(super) fn metadata(content: &[u8]) -> Result<HashMap<String, String>, String> {
    let (_, metadata) = header(content)?;
    Ok(metadata.metadata().clone().unwrap_or_default())
}

/// The length of the header, checked before any use, and its content.
fn header(content: &[u8]) -> Result<(usize, Metadata), String> {
    let Some((length, rest)) = content.split_first_chunk::<LENGTH_BYTES>() else {
        return Err(format!("truncated: {} bytes, a safetensors file has more than {LENGTH_BYTES}", content.len()));
    };
    let header_bytes = u64::from_le_bytes(*length);
    if header_bytes > HEADER_BYTES_MAX {
        return Err(format!(
            "not a safetensors file: it would have a header of {header_bytes} bytes, at most {HEADER_BYTES_MAX} are read"
        ));
    }
    let header_bytes = header_bytes as usize;
    match rest.get(..header_bytes) {
        None => Err(format!("truncated: the header has {header_bytes} bytes, the file {} after it", rest.len())),
        Some(header) if !header.starts_with(b"{") => {
            Err("not a safetensors file: its header does not begin with `{`".to_owned())
        }
        Some(header) if sizes(header) > DIMENSIONS_MAX => {
            Err(format!("a tensor of {} dimensions, at most {DIMENSIONS_MAX} are read", sizes(header)))
        }
        Some(_) => SafeTensors::read_metadata(content).map_err(|e| explain(content, header_bytes, e)),
    }
}

/// The entries of the longest list of a header, those of lists in it included, without reading it. A list may lack its end.
fn sizes(header: &[u8]) -> usize {
    let (mut longest, mut entries, mut depth, mut in_text) = (0, 0, 0_usize, false);
    let mut bytes = header.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if in_text => _ = bytes.next(),
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'[' => {
                entries = if depth == 0 { 1 } else { entries };
                depth += 1;
            }
            b',' if depth > 0 => entries += 1,
            b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        longest = longest.max(entries);
    }
    longest
}

fn explain(content: &[u8], header_bytes: usize, error: SafeTensorError) -> String {
    match error {
        SafeTensorError::MetadataIncompleteBuffer => {
            let wanted = data_bytes_wanted(&content[LENGTH_BYTES..LENGTH_BYTES + header_bytes]);
            let found = content.len() - LENGTH_BYTES - header_bytes;
            match wanted {
                Some(wanted) if wanted > found => format!("truncated: its tensors have {wanted} bytes, it has {found}"),
                Some(wanted) => format!("its tensors have {wanted} bytes, it has {found}"),
                None => format!("its tensors do not have the {found} bytes that the file has"),
            }
        }
        SafeTensorError::InvalidHeader(e) => format!("the header is not UTF-8: {e}"),
        SafeTensorError::InvalidHeaderDeserialization(e) => format!("the header is invalid: {e}"),
        SafeTensorError::InvalidOffset(name) => {
            format!("tensor {name:?}: its offsets do not follow those of the previous tensor")
        }
        SafeTensorError::TensorInvalidInfo => "a tensor's offsets contradict its shape".to_owned(),
        other => format!("the header is invalid: {other}"),
    }
}

/// The end of the last tensor. It parses the header again, but only for an error message.
fn data_bytes_wanted(header: &[u8]) -> Option<usize> {
    #[derive(Deserialize)]
    struct TensorOffsets {
        data_offsets: Option<(usize, usize)>,
    }
    let infos: HashMap<String, TensorOffsets> = serde_json::from_slice(header).ok()?;
    infos.values().filter_map(|info| info.data_offsets).map(|(_, end)| end).max()
}
