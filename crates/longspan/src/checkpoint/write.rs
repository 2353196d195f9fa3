//! Writing checkpoints: `model.safetensors` in f32, `config.json`, and the tokenizer of another checkpoint.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use safetensors::tensor::{Dtype, TensorInfo};
use serde::Serialize;

use super::files::{replace, write_whole};
use super::source::{CONFIG, Source, TOKENIZER, WEIGHTS};
use crate::config::Config;
use crate::{Error, Result};

/// The header of a safetensors file is padded with blanks, so that the numbers begin at a multiple of this.
const ALIGNMENT: usize = 8;

/// A tensor to write: Hugging Face's name, the row-major shape, and the numbers.
pub type NamedTensor<'a> = (&'a str, &'a [usize], &'a [f32]);

/// Writes a checkpoint in Hugging Face's layout into a folder, which is created if it is missing: the tokenizer of the
/// checkpoint `tokenizer`, `config.json`, and last the weights in f32. Each file is replaced atomically.
///
/// # Errors
/// [`Error::Read`] and [`Error::Write`].
pub fn write_checkpoint(folder: &Path, config: &Config, tensors: &[NamedTensor<'_>], tokenizer: &Source) -> Result<()> {
    let mut files = Vec::new();
    for name in TOKENIZER {
        files.extend(tokenizer.read(name)?.map(|content| (name, content)));
    }
    write_checkpoint_with(folder, config, tensors, &files)
}

/// Writes a checkpoint like [`write_checkpoint`], but with `files`, (name, content), instead of a tokenizer.
///
/// # Errors
/// [`Error::Write`].
pub fn write_checkpoint_with(
    folder: &Path,
    config: &Config,
    tensors: &[NamedTensor<'_>],
    files: &[(&str, impl AsRef<[u8]>)],
) -> Result<()> {
    make_folder(folder)?;
    for (name, content) in files {
        write_whole(&folder.join(name), content.as_ref())?;
    }
    write_whole(&folder.join(CONFIG), config.to_json().as_bytes())?;
    write_safetensors(&folder.join(WEIGHTS[0].file), tensors, &[])
}

fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(Error::write(folder))
}

/// Writes tensors in f32 as a safetensors file, atomically like [`write_whole`]. The same tensors give the same bytes.
///
/// `metadata` is added to the header, after the entry `format`: `pt`, which transformers requires.
///
/// # Errors
/// [`Error::Write`].
///
/// # Panics
/// If two tensors have the same name, or if a tensor does not have as many numbers as its shape.
pub fn write_safetensors(path: &Path, tensors: &[NamedTensor<'_>], metadata: &[(&str, &str)]) -> Result<()> {
    let header = header(tensors, metadata);
    let failed = Error::write(path);
    replace(path, |file| write(file, &header, tensors).map_err(failed))
}

fn write(file: &mut File, header: &[u8], tensors: &[NamedTensor<'_>]) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, file);
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(header)?;
    for value in tensors.iter().flat_map(|(_, _, values)| values.iter()) {
        out.write_all(&value.to_le_bytes())?;
    }
    out.flush()
}

#[derive(Serialize)]
#[serde(untagged)]
enum HeaderEntry<'a> {
    Metadata(BTreeMap<&'a str, &'a str>),
    Tensor(TensorInfo),
}

/// The JSON header. The safetensors crate could write the file, but without syncing it, and with a header in any order.
fn header(tensors: &[NamedTensor<'_>], metadata: &[(&str, &str)]) -> Vec<u8> {
    let mut entries = BTreeMap::new();
    let metadata = [("format", "pt")].iter().chain(metadata).copied().collect();
    entries.insert("__metadata__", HeaderEntry::Metadata(metadata));
    let mut end = 0;
    for (name, shape, values) in tensors {
        let count: usize = shape.iter().product();
        assert_eq!(values.len(), count, "`{name}`: {} numbers for the shape {shape:?}", values.len());
        let start = end;
        end += 4 * count;
        let info = TensorInfo { dtype: Dtype::F32, shape: shape.to_vec(), data_offsets: (start, end) };
        assert!(entries.insert(name, HeaderEntry::Tensor(info)).is_none(), "two tensors `{name}`");
    }
    let mut header = serde_json::to_vec(&entries).expect("strings and integers");
    header.resize(header.len().next_multiple_of(ALIGNMENT), b' ');
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Tensors;

    const TENSORS: [NamedTensor<'static>; 4] = [
        ("b", &[2, 3], &[1.0, -2.0, 3.5, 0.0, f32::MIN_POSITIVE, 1e30]),
        ("a", &[], &[7.0]),
        ("c", &[0], &[]),
        ("d.weight", &[1], &[-0.0]),
    ];

    #[test]
    fn written_tensors_are_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        fs::write(&path, "older").unwrap();
        write_safetensors(&path, &TENSORS, &[("step", "3")]).unwrap();
        let bytes = fs::read(&path).unwrap();
        write_safetensors(&path, &TENSORS, &[("step", "3")]).unwrap();
        assert_eq!(bytes, fs::read(&path).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

        let (length, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        assert_eq!(length % ALIGNMENT, 0);
        let metadata = metadata.metadata().clone().unwrap();
        assert_eq!((metadata["format"].as_str(), metadata["step"].as_str(), metadata.len()), ("pt", "3", 2));
        let read = Tensors::open(&Source::Folder(folder.path().into())).unwrap();
        assert_eq!(read.names().collect::<Vec<_>>(), ["a", "b", "c", "d.weight"]);
        for (name, shape, values) in TENSORS {
            let tensor = read.get(name).unwrap().unwrap();
            let mut found = vec![0.0; values.len()];
            tensor.copy_to(&mut found);
            let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!((tensor.shape.as_slice(), bits(&found)), (shape, bits(values)), "{name}");
        }
    }

    #[test]
    fn a_checkpoint_is_written_with_the_tokenizer_only() {
        const OTHER: Source =
            Source::Memory(&[("vocab.txt", b"[PAD]"), ("README.md", b"card"), ("config.json", b"{}")]);
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("new/model");
        let config = r#"{"model_type":"longformer","vocab_size":9,"num_hidden_layers":2,"layer_norm_eps":1e-12}"#;
        let config = Config::from_json(config.as_bytes()).unwrap();
        write_checkpoint(&folder, &config, &TENSORS, &OTHER).unwrap();
        let mut names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["config.json", "model.safetensors", "vocab.txt"]);
        assert_eq!(Source::Folder(folder).config().unwrap(), config);
    }

    #[test]
    fn a_failed_write_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none/model.safetensors");
        assert!(matches!(write_safetensors(&path, &TENSORS, &[]), Err(Error::Write { .. })));
        let path = folder.path().join("taken");
        fs::create_dir_all(path.join("inside")).unwrap();
        assert!(matches!(write_safetensors(&path, &TENSORS, &[]), Err(Error::Write { .. })));
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["taken"]);
    }
}
