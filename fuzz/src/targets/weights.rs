//! Weights: every tensor that is listed can be read.

use longspan::checkpoint::Tensors;

use super::checks::{presentable, taken};
use crate::case::{Folder, golden};

/// Numbers that are read of a case, at most: many tensors may be views of one storage.
const NUMBERS_MAX: usize = 1 << 18;

pub fn safetensors(case: &[u8]) -> bool {
    thread_local!(static FOLDER: Folder = Folder::new());
    FOLDER.with(|folder| read(folder, "model.safetensors", case))
}

pub fn pickle(case: &[u8]) -> bool {
    thread_local!(static FOLDER: Folder = Folder::new());
    FOLDER.with(|folder| read(folder, "pytorch_model.bin", case))
}

/// An index of shards, beside the shards of a golden model.
pub fn index(case: &[u8]) -> bool {
    thread_local!(static FOLDER: Folder = with_shards());
    FOLDER.with(|folder| read(folder, "model.safetensors.index.json", case))
}

fn with_shards() -> Folder {
    let folder = Folder::new();
    for shard in ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"] {
        folder.put(shard, Some(&golden(&format!("checkpoints/sharded-safetensors-f16/{shard}"))));
    }
    folder
}

fn read(folder: &Folder, name: &str, case: &[u8]) -> bool {
    folder.put(name, Some(case));
    let Some(tensors) = taken(Tensors::open(&folder.source())) else { return false };
    let (mut out, mut numbers) = (Vec::new(), 0);
    for name in tensors.names() {
        let view = match tensors.get(name) {
            Ok(view) => view.expect("a tensor that is listed"),
            Err(error) => {
                presentable(&error);
                continue;
            }
        };
        let count = if view.shape.contains(&0) { 0 } else { view.shape.iter().product::<usize>() };
        assert_eq!(view.data.len(), count * view.dtype.bytes(), "bytes of shape {:?}", view.shape);
        numbers += count;
        if numbers <= NUMBERS_MAX {
            out.resize(count, 0.0);
            view.copy_to(&mut out);
        }
    }
    true
}
