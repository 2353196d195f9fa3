//! The index of a sharded checkpoint.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::sniff;
use crate::Result;

/// The most shards that one index may name.
const SHARDS_MAX: usize = 1024;
/// The longest name of a file that file systems have.
const SHARD_NAME_BYTES_MAX: usize = 255;

/// The index of a sharded checkpoint.
#[derive(Deserialize)]
pub(crate) struct ShardIndex {
    /// The name of the file that holds each tensor.
    pub(super) weight_map: BTreeMap<String, String>,
}

impl ShardIndex {
    /// Reads an index. Checks that it names only files beside it, because an untrusted name becomes a path.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, String> {
        let index: ShardIndex = serde_json::from_slice(json)
            .map_err(|e| sniff::describe_text(json).map_or_else(|| e.to_string(), str::to_owned))?;
        let shards = index.shards();
        if shards.is_empty() {
            return Err("names no shards".to_owned());
        }
        if shards.len() > SHARDS_MAX {
            return Err(format!("names {} shards, at most {SHARDS_MAX} are read", shards.len()));
        }
        if let Some(shard) = shards.into_iter().find(|shard| !is_plain_file_name(shard)) {
            return Err(format!("names the shard {shard:?}, which is not a plain `.safetensors` or `.bin` file"));
        }
        Ok(index)
    }

    /// The names of the files, without duplicates.
    pub(crate) fn shards(&self) -> BTreeSet<&str> {
        self.weight_map.values().map(String::as_str).collect()
    }
}

fn is_plain_file_name(name: &str) -> bool {
    let weights = name.ends_with(".safetensors") || name.ends_with(".bin");
    let fits = name.len() <= SHARD_NAME_BYTES_MAX && !name.starts_with('.');
    weights && fits && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}
