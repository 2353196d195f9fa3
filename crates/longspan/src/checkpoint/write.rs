//! Checkpoints as they are written: `model.safetensors` in f32, `config.json`, and the tokenizer of another checkpoint.

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

/// The header of a safetensors file is filled up with blanks, so that the numbers begin at a multiple of this.
const ALIGNMENT: usize = 8;

/// A tensor to be written: Hugging Face's name, row-major sizes, and the numbers.
pub type NamedTensor<'a> = (&'a str, &'a [usize], &'a [f32]);

/// Writes a checkpoint in Hugging Face's layout into a folder, which is made where it is missing: `config.json`, the
/// files of the tokenizer of `tokenizer`, and last the weights in f32. Each file is replaced at once and whole.
///
/// # Errors
/// [`Error::Read`] and [`Error::Write`].
pub fn write_checkpoint(folder: &Path, config: &Config, tensors: &[NamedTensor<'_>], tokenizer: &Source) -> Result<()> {
    let mut files = Vec::new();
    for name in TOKENIZER {
        files.extend(tokenizer.read(name)?.map(|content| (name, content)));
    }
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, content)| (*name, &content[..])).collect();
    write_checkpoint_with(folder, config, tensors, &files)
}

/// The same with other files beside the weights: names and contents.
///
/// # Errors
/// [`Error::Write`].
pub fn write_checkpoint_with(
    folder: &Path,
    config: &Config,
    tensors: &[NamedTensor<'_>],
    files: &[(&str, &[u8])],
) -> Result<()> {
    make_folder(folder)?;
    for (name, content) in files {
        write_whole(&folder.join(name), content)?;
    }
    write_whole(&folder.join(CONFIG), config.to_json().as_bytes())?;
    write_safetensors(&folder.join(WEIGHTS[0].file), tensors, &[])
}

/// Lets `fill` write into a folder that is new or empty, and keeps what it wrote only where it succeeds: files are
/// written into a folder inside, and moved out of it at the end.
///
/// # Errors
/// [`Error::Write`], where the folder cannot be made or has files in it too, and what `fill` says.
pub fn fill_folder<T>(folder: &Path, fill: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    let was_there = folder.exists();
    make_folder(folder)?;
    let failed = Error::write(folder);
    if fs::read_dir(folder).map_err(failed)?.next().is_some() {
        return Err(failed(io::ErrorKind::DirectoryNotEmpty.into()));
    }
    let draft = folder.join(DRAFT);
    let filled = make_folder(&draft).and_then(|()| fill(&draft)).and_then(|made| {
        for entry in fs::read_dir(&draft).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            fs::rename(entry.path(), folder.join(entry.file_name())).map_err(failed)?;
        }
        Ok(made)
    });
    // What cannot be removed does no harm, and the error that is told says more.
    let _ = fs::remove_dir_all(&draft);
    if filled.is_err() && !was_there {
        let _ = fs::remove_dir(folder);
    }
    filled
}

/// Where files lie until all of them are right.
const DRAFT: &str = ".unfinished";

fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(Error::write(folder))
}

/// Writes tensors in f32 as a safetensors file: under a temporary name first, then synced and renamed, so that whatever
/// happens the old file or the new one is there, and whole. The same tensors give the same bytes.
///
/// `metadata` stands in the header, after `format`: `pt`, without which transformers reads no file.
///
/// # Errors
/// [`Error::Write`].
///
/// # Panics
/// If two tensors have one name, or one has another number of numbers than its shape says.
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

/// The JSON before the numbers. The writer of the safetensors crate syncs nothing, and its header comes in any order.
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
    let mut header = serde_json::to_vec(&entries).expect("text and whole numbers");
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
    fn what_is_written_is_read() {
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
    fn a_checkpoint_takes_the_tokenizer_along_and_nothing_else() {
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
    fn a_folder_is_filled_as_a_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("a/out");
        let write = |folder: &Path| write_whole(&folder.join("x"), b"1");
        let fails = |folder: &Path| write(folder).and(Err::<(), _>(Error::EmptyDocument));
        assert!(matches!(fill_folder(&out, fails), Err(Error::EmptyDocument)));
        assert!(!out.exists());
        fs::create_dir_all(&out).unwrap();
        assert!(matches!(fill_folder(&out, fails), Err(Error::EmptyDocument)));
        assert_eq!(fs::read_dir(&out).unwrap().count(), 0);
        fill_folder(&out, write).unwrap();
        assert_eq!((fs::read(out.join("x")).unwrap(), fs::read_dir(&out).unwrap().count()), (b"1".to_vec(), 1));
        assert!(matches!(fill_folder(&out, write), Err(Error::Write { .. })));
    }

    #[test]
    fn what_fails_leaves_what_was_there() {
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
