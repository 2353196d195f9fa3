//! Writing checkpoints: `model.safetensors`, `config.json`, and the tokenizer of another checkpoint.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use half::{bf16, f16};
use safetensors::tensor::{Dtype, TensorInfo};
use serde::Serialize;

use super::files::{write_whole, write_whole_with};
use super::safetensors::SCALE;
use super::source::{CONFIG, Source, TOKENIZER, WEIGHTS};
use crate::config::Config;
use crate::tensor::DType;
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
    write_safetensors(&folder.join(WEIGHTS[0].file), DType::F32, tensors, &[])
}

fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(Error::write(folder))
}

/// Writes tensors as a safetensors file, atomically like [`write_whole`]. The same tensors give the same bytes.
///
/// - `dtype`: the format of all numbers; for [`DType::Int8`], that of matrices, which have their scales beside them
/// - `metadata`: added to the header, after the entry `format`: `pt`, which transformers requires
///
/// # Errors
/// [`Error::Write`].
///
/// # Panics
/// If two tensors have the same name, or if a tensor does not have as many numbers as its shape.
pub fn write_safetensors(
    path: &Path,
    dtype: DType,
    tensors: &[NamedTensor<'_>],
    metadata: &[(&str, &str)],
) -> Result<()> {
    let written: Vec<WrittenTensor> = tensors.iter().flat_map(|tensor| WrittenTensor::of(tensor, dtype)).collect();
    let header = header(&written, metadata);
    let failed = Error::write(path);
    write_whole_with(path, |file| write(file, &header, &written).map_err(failed)).map(drop)
}

/// A tensor as it is written.
struct WrittenTensor<'a> {
    name: Cow<'a, str>,
    shape: Cow<'a, [usize]>,
    dtype: DType,
    numbers: &'a [f32],
    role: TensorRole,
}

/// What of a tensor is written.
enum TensorRole {
    Numbers,
    /// The scale of each row.
    Scales,
}

impl<'a> WrittenTensor<'a> {
    /// The tensor, and for a matrix in bytes its scales.
    fn of(&(name, shape, numbers): &NamedTensor<'a>, dtype: DType) -> Vec<Self> {
        let count: usize = shape.iter().product();
        assert_eq!(numbers.len(), count, "`{name}`: {} numbers for the shape {shape:?}", numbers.len());
        let has_scales = dtype == DType::Int8 && shape.len() == 2;
        let dtype = if dtype == DType::Int8 && !has_scales { DType::F32 } else { dtype };
        let own = Self { name: name.into(), shape: shape.into(), dtype, numbers, role: TensorRole::Numbers };
        let scales = has_scales.then(|| Self {
            name: format!("{name}{SCALE}").into(),
            shape: vec![shape[0], 1].into(),
            dtype: DType::F32,
            numbers,
            role: TensorRole::Scales,
        });
        [Some(own), scales].into_iter().flatten().collect()
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let rows = || self.numbers.chunks(self.numbers.len().checked_div(self.shape[0]).unwrap_or(0).max(1));
        match (&self.role, self.dtype) {
            (TensorRole::Scales, _) => rows().try_for_each(|row| out.write_all(&scale(row).to_le_bytes())),
            (_, DType::F32) => self.numbers.iter().try_for_each(|x| out.write_all(&x.to_le_bytes())),
            (_, DType::F16) => self.numbers.iter().try_for_each(|x| out.write_all(&f16::from_f32(*x).to_le_bytes())),
            (_, DType::BF16) => self.numbers.iter().try_for_each(|x| out.write_all(&bf16::from_f32(*x).to_le_bytes())),
            (_, DType::Int8) => rows().try_for_each(|row| {
                let scale = scale(row);
                row.iter().try_for_each(|x| out.write_all(&((x / scale).round_ties_even() as i8).to_le_bytes()))
            }),
        }
    }
}

/// The scale of a row in bytes: its largest number is 127 times it. It is 1 for zeros.
fn scale(row: &[f32]) -> f32 {
    let largest = row.iter().fold(0.0, |largest: f32, x| largest.max(x.abs()));
    if largest / 127.0 > 0.0 { largest / 127.0 } else { 1.0 }
}

fn write(file: &mut File, header: &[u8], tensors: &[WrittenTensor<'_>]) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, file);
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(header)?;
    tensors.iter().try_for_each(|tensor| tensor.write(&mut out))?;
    out.flush()
}

#[derive(Serialize)]
#[serde(untagged)]
enum HeaderEntry<'a> {
    Metadata(BTreeMap<&'a str, &'a str>),
    Tensor(TensorInfo),
}

/// The JSON header. The safetensors crate could write the file, but without syncing it, and with a header in any order.
fn header(tensors: &[WrittenTensor<'_>], metadata: &[(&str, &str)]) -> Vec<u8> {
    let mut entries = BTreeMap::new();
    let metadata = [("format", "pt")].iter().chain(metadata).copied().collect();
    entries.insert("__metadata__", HeaderEntry::Metadata(metadata));
    let mut end = 0;
    for WrittenTensor { name, shape, dtype, .. } in tensors {
        let start = end;
        end += dtype.bytes() * shape.iter().product::<usize>();
        let dtype = match dtype {
            DType::F32 => Dtype::F32,
            DType::F16 => Dtype::F16,
            DType::BF16 => Dtype::BF16,
            DType::Int8 => Dtype::I8,
        };
        let info = TensorInfo { dtype, shape: shape.to_vec(), data_offsets: (start, end) };
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
        write_safetensors(&path, DType::F32, &TENSORS, &[("step", "3")]).unwrap();
        let bytes = fs::read(&path).unwrap();
        write_safetensors(&path, DType::F32, &TENSORS, &[("step", "3")]).unwrap();
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
    fn tensors_are_rounded_to_the_format_that_is_asked_for() {
        const ROWS: NamedTensor<'static> = ("w", &[3, 2], &[1.0, -127.4, 0.0, 0.0, 0.5, 63.5]);
        const VECTOR: NamedTensor<'static> = ("v", &[2], &[1.001, -3.0]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        for (dtype, bytes, rows, vector) in [
            (DType::F32, 8 * 4, ROWS.2, VECTOR.2),
            (DType::F16, 8 * 2, &[1.0, -127.375, 0.0, 0.0, 0.5, 63.5], &[1.0009766, -3.0]),
            (DType::BF16, 8 * 2, &[1.0, -127.5, 0.0, 0.0, 0.5, 63.5], &[1.0, -3.0]),
            (DType::Int8, 6 + 3 * 4 + 2 * 4, &[1.0031496, -127.4, 0.0, 0.0, 0.5, 63.5], VECTOR.2),
        ] {
            write_safetensors(&path, dtype, &[ROWS, VECTOR], &[]).unwrap();
            let content = fs::read(&path).unwrap();
            let header = u64::from_le_bytes(content[..8].try_into().unwrap()) as usize;
            assert_eq!(content.len() - 8 - header, bytes, "{dtype}");
            let read = Tensors::open(&Source::Folder(folder.path().into())).unwrap();
            assert_eq!(read.names().collect::<Vec<_>>(), ["v", "w"]);
            for (name, wanted) in [("w", rows), ("v", vector)] {
                let tensor = read.get(name).unwrap().unwrap();
                let mut found = vec![0.0; wanted.len()];
                tensor.copy_to(&mut found);
                assert_eq!(found, wanted, "{name} in {dtype}");
            }
            let mut row = [0.0; 2];
            read.get("w").unwrap().unwrap().row(2).copy_to(&mut row);
            assert_eq!(row, rows[4..]);
        }
    }

    #[test]
    fn bytes_without_scales_are_no_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let write = |scale: &str| {
            let header = format!(r#"{{"w":{{"dtype":"I8","shape":[2,1],"data_offsets":[0,2]}}{scale}}}"#);
            let content = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[1, 2], &[0; 8]].concat();
            let end = content.len() - if scale.is_empty() { 8 } else { 0 };
            fs::write(folder.path().join("model.safetensors"), &content[..end]).unwrap();
            Tensors::open(&Source::Folder(folder.path().into())).unwrap().get("w").map(drop).err()
        };
        let scale = |name: &str, shape: &str| {
            write(&format!(r#","{name}":{{"dtype":"F32","shape":{shape},"data_offsets":[2,10]}}"#))
        };
        assert!(scale("w_scale", "[2,1]").is_none());
        for error in [write(""), scale("w_scale", "[2]"), scale("w_scale", "[1,2]"), scale("scale", "[2,1]")] {
            let expected = "tensor `w`: expected F32, F16 or BF16, file has I8 without scales";
            assert_eq!(error.unwrap().to_string(), expected);
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
        assert!(matches!(write_safetensors(&path, DType::F32, &TENSORS, &[]), Err(Error::Write { .. })));
        let path = folder.path().join("taken");
        fs::create_dir_all(path.join("inside")).unwrap();
        assert!(matches!(write_safetensors(&path, DType::F32, &TENSORS, &[]), Err(Error::Write { .. })));
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["taken"]);
    }
}
