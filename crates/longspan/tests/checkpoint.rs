//! Reads checkpoints that torch, safetensors and transformers wrote (`golden/checkpoints/make.py`), and files that are
//! damaged, of another kind, or hostile.

use std::fs;
use std::path::{Path, PathBuf};

use longspan::Error;
use longspan::checkpoint::{Source, Tensors};
use longspan::tensor::DType;
use proptest::prelude::*;
use serde_json::Value;

const DTYPES: [(&str, DType); 3] = [("f32", DType::F32), ("f16", DType::F16), ("bf16", DType::BF16)];

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/checkpoints").join(name)
}

fn expected() -> Value {
    serde_json::from_slice(&fs::read(golden("expected.json")).unwrap()).unwrap()
}

/// A checkpoint of one file in memory, which is leaked.
fn memory(name: &'static str, content: Vec<u8>) -> Source {
    Source::Memory(Box::leak(Box::new([(name, &*content.leak())])))
}

/// A checkpoint of one file, in a folder of its own.
fn folder(name: &str, content: &[u8]) -> (tempfile::TempDir, Source) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(name), content).unwrap();
    let source = Source::Folder(folder.path().to_owned());
    (folder, source)
}

fn error(source: &Source) -> String {
    Tensors::open(source).err().expect("an error").to_string()
}

fn bin_error(content: Vec<u8>) -> String {
    error(&memory("pytorch_model.bin", content))
}

fn numbers(tensors: &Tensors, name: &str) -> Vec<f32> {
    let view = tensors.get(name).unwrap().unwrap();
    let mut numbers = vec![f32::NAN; view.shape.iter().product()];
    view.copy_to(&mut numbers);
    numbers
}

fn shape(value: &Value) -> Vec<usize> {
    serde_json::from_value(value["shape"].clone()).unwrap()
}

/// Every tensor has the same bits as in torch, and integers are listed.
fn check_tiny(source: &Source, dtype: DType, expected: &Value) {
    let tensors = Tensors::open(source).unwrap();
    let expected = expected.as_object().unwrap();
    let mut names: Vec<&str> = expected.keys().map(String::as_str).chain(["embeddings.position_ids"]).collect();
    names.sort_unstable();
    assert_eq!(tensors.names().collect::<Vec<_>>(), names);
    for (name, value) in expected {
        let view = tensors.get(name).unwrap().unwrap();
        assert_eq!((view.dtype, &view.shape), (dtype, &shape(value)), "{name}");
        let wanted: Vec<f32> = serde_json::from_value(value["values"].clone()).unwrap();
        assert_eq!(numbers(&tensors, name), wanted, "{name}");
    }
    let integers = tensors.get("embeddings.position_ids").unwrap_err().to_string();
    assert_eq!(integers, "tensor `embeddings.position_ids`: expected F32, F16 or BF16, file has I64");
    assert!(tensors.get("pooler").unwrap().is_none());
}

#[test]
fn every_format_and_every_dtype() {
    let expected = expected();
    for (name, dtype) in DTYPES {
        for (file, read_as) in [
            (format!("tiny-{name}.safetensors"), "model.safetensors"),
            (format!("tiny-zip-{name}.bin"), "pytorch_model.bin"),
            (format!("tiny-legacy-{name}.bin"), "pytorch_model.bin"),
        ] {
            let content = fs::read(golden(&file)).unwrap();
            let (_folder, source) = folder(read_as, &content);
            check_tiny(&source, dtype, &expected["tiny"][name]);
            check_tiny(&memory(read_as, content), dtype, &expected["tiny"][name]);
        }
    }
}

#[test]
fn shards_make_one_checkpoint() {
    let expected = expected();
    let folders = [("f32", "bin"), ("f32", "safetensors"), ("f16", "safetensors"), ("bf16", "safetensors")];
    for (name, format) in folders {
        let tensors = Tensors::open(&Source::Folder(golden(&format!("sharded-{format}-{name}")))).unwrap();
        let expected = expected["sharded"][name].as_object().unwrap();
        assert_eq!(tensors.names().count(), expected.len());
        for (name, value) in expected {
            assert_eq!(tensors.get(name).unwrap().unwrap().shape, shape(value), "{name}");
            let numbers = numbers(&tensors, name).into_iter().map(f64::from);
            let (sum, weighted) = numbers
                .enumerate()
                .fold((0.0, 0.0), |(sum, weighted), (i, number)| (sum + number, weighted + number * (i + 1) as f64));
            assert!((sum - value["sum"].as_f64().unwrap()).abs() < 1e-9, "{name}");
            assert!((weighted - value["weighted_sum"].as_f64().unwrap()).abs() < 1e-7, "{name}");
        }
    }
}

#[test]
fn tied_weights_share_their_bytes() {
    for file in ["tiny-zip-f32.bin", "tiny-legacy-f32.bin"] {
        let tensors = Tensors::open(&memory("pytorch_model.bin", fs::read(golden(file)).unwrap())).unwrap();
        let data = |name: &str| tensors.get(name).unwrap().unwrap().data.as_ptr();
        assert_eq!(data("embeddings.weight"), data("decoder.weight"));
        assert_eq!(data("view.first").wrapping_add(12 * 4), data("view.second"));
    }
}

#[test]
fn views_of_storages_and_nested_state_dicts() {
    let open = |file: &str| Tensors::open(&memory("pytorch_model.bin", fs::read(golden(file)).unwrap())).unwrap();
    assert_eq!(numbers(&open("views-legacy-f32.bin"), "weight"), [3.0, 5.0, 4.0, 6.0]);
    assert_eq!(numbers(&open("lightning-zip.bin"), "model.weight"), [1.0, 2.0]);
}

#[test]
fn safetensors_come_first() {
    let (folder, source) = folder("pytorch_model.bin", b"never looked at");
    fs::copy(golden("tiny-f32.safetensors"), folder.path().join("model.safetensors")).unwrap();
    assert!(Tensors::open(&source).is_ok());
    fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    assert!(error(&source).contains("pytorch_model.bin"));
}

#[test]
fn missing_files_and_folders() {
    let folder = tempfile::tempdir().unwrap();
    let source = Source::Folder(folder.path().to_owned());
    assert!(matches!(source.read("config.json"), Ok(None)));
    let message = error(&source);
    let wanted = "no weights: `model.safetensors` or `pytorch_model.bin`, whole or with an index";
    assert_eq!(message, format!("`{}`: {wanted}", folder.path().display()));
    assert_eq!(error(&Source::Memory(&[])), format!("`checkpoint in memory`: {wanted}"));

    let nowhere = Source::Folder(folder.path().join("nowhere"));
    for result in [nowhere.read("config.json").map(drop), Tensors::open(&nowhere).map(drop)] {
        assert!(matches!(result, Err(Error::Read { path, .. }) if path.ends_with("nowhere")));
    }
}

#[test]
fn the_length_of_read_files_is_bounded() {
    let (folder, source) = folder("config.json", b"{}");
    assert_eq!(source.read("config.json").unwrap().as_deref(), Some(&b"{}"[..]));
    let file = fs::File::create(folder.path().join("tokenizer.json")).unwrap();
    file.set_len((64 << 20) + 1).unwrap();
    let message = source.read("tokenizer.json").unwrap_err().to_string();
    assert!(message.ends_with("tokenizer.json`: longer than 67108864 bytes"), "{message}");
}

#[test]
fn other_kinds_of_files_are_recognised() {
    let mut tar = vec![b'x'; 1024];
    tar[257..262].copy_from_slice(b"ustar");
    let cases: [(&[u8], &str); 9] = [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "is a pointer of Git LFS"),
        (b"<!DOCTYPE html>\n<html><head><title>Hugging Face</title>", "is a web page"),
        (b"\n <HTML><body>504 Gateway Time-out</body>", "is a web page"),
        (b"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code>", "is an XML text"),
        (b"{\"error\":\"Repository not found\"}", "is a JSON text"),
        (b"\x89HDF\r\n\x1a\n of TensorFlow", "is an HDF5 file"),
        (&[0; 5000], "is full of zeros"),
        (&tar, "is a tar archive"),
    ];
    for (content, wanted) in cases {
        for name in ["model.safetensors", "pytorch_model.bin"] {
            let (folder, source) = folder(name, content);
            let message = error(&source);
            let path = folder.path().join(name).display().to_string();
            assert!(message.starts_with(&format!("`{path}`: {wanted}")), "{message}");
        }
    }
}

#[test]
fn damaged_safetensors() {
    let whole = fs::read(golden("tiny-f32.safetensors")).unwrap();
    let header_bytes = u64::from_le_bytes(whole[..8].try_into().unwrap());
    let with_header = |length: u64, header: &str| [&length.to_le_bytes()[..], header.as_bytes()].concat();
    let overlap = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#;
    let huge = r#"{"a":{"dtype":"F32","shape":[4611686018427387904,8],"data_offsets":[0,0]}}"#;
    let cases = [
        (whole[..5].to_vec(), "truncated: 5 bytes".to_owned()),
        (whole[..60].to_vec(), format!("truncated: the header has {header_bytes} bytes, the file 52 after it")),
        (whole[..whole.len() - 1].to_vec(), "truncated: its tensors have".to_owned()),
        ([&whole[..], b"x"].concat(), "its tensors have".to_owned()),
        (with_header(u64::MAX, "{}"), "not a safetensors file: it would have a header of".to_owned()),
        (with_header(2, "[]"), "not a safetensors file: its header does not begin with `{`".to_owned()),
        (with_header(2, "{]"), "the header is invalid".to_owned()),
        (with_header(overlap.len() as u64, overlap), "tensor \"a\": its offsets do not follow".to_owned()),
        (with_header(huge.len() as u64, huge), "the header is invalid".to_owned()),
    ];
    for (content, wanted) in cases {
        let message = error(&memory("model.safetensors", content));
        assert!(message.starts_with(&format!("`model.safetensors`: {wanted}")), "{wanted}: {message}");
    }
}

#[test]
fn indexes_name_plain_files_that_exist() {
    let shard: &'static [u8] = fs::read(golden("tiny-f32.safetensors")).unwrap().leak();
    let index = |shard: &str| format!(r#"{{"weight_map":{{"scalar":"{shard}"}}}}"#);
    let elsewhere = r#"{"weight_map":{"scalar":"a.safetensors","missing":"a.safetensors"}}"#;
    let cases = [
        (index("../secret.safetensors"), "model.safetensors.index.json`: names the shard \"../secret"),
        (index("/etc/passwd"), "model.safetensors.index.json`: names the shard \"/etc/passwd\", which is not a plain"),
        (index(&format!("{}.bin", "a".repeat(252))), "model.safetensors.index.json`: names the shard \"aaa"),
        (
            index("b.safetensors"),
            "model.safetensors.index.json`: names the shard `b.safetensors`, which does not exist",
        ),
        (elsewhere.to_owned(), "a.safetensors`: lacks the tensor `missing`"),
        (r#"{"weight_map":{}}"#.to_owned(), "model.safetensors.index.json`: names no shards"),
        ("<html>".to_owned(), "model.safetensors.index.json`: is a web page"),
        ("[1".to_owned(), "model.safetensors.index.json`: "),
    ];
    for (index, wanted) in cases {
        let files = [("model.safetensors.index.json", &*index.into_bytes().leak()), ("a.safetensors", shard)];
        let message = error(&Source::Memory(Box::leak(Box::new(files))));
        assert!(message.starts_with(&format!("`{wanted}")), "{message}");
    }
}

#[test]
fn nothing_is_executed() {
    let refused = [
        ("hostile-pickle-0.bin", "posix system"),
        ("hostile-pickle-2.bin", "posix system"),
        ("hostile-pickle-4.bin", "posix system"),
        ("hostile-zip.bin", "posix system"),
        ("hostile-legacy.bin", "posix system"),
        ("hostile-eval.bin", "__builtin__ eval"),
        ("module-zip.bin", "torch.nn.modules.linear Linear"),
    ];
    for (file, global) in refused {
        let message = bin_error(fs::read(golden(file)).unwrap());
        let wanted = "which no state dict needs: refused, nothing was executed";
        assert_eq!(message, format!("`pytorch_model.bin`: the pickle names `{global}`, {wanted}"), "{file}");
    }
    // Control characters of a name do not reach the terminal.
    let message = bin_error(b"\x80\x02cos\x1b[2J\nsystem\n.".to_vec());
    assert!(message.contains(r"`os\u{1b}[2J system`"), "{message}");
}

#[test]
fn other_things_that_torch_saves() {
    let list = bin_error(fs::read(golden("list-zip.bin")).unwrap());
    assert!(list.ends_with("not a state dict: the pickle holds something other than a dictionary"), "{list}");
    let script = bin_error(fs::read(golden("torchscript.bin")).unwrap());
    assert!(script.ends_with("a TorchScript program: save the model's `state_dict()` instead"), "{script}");
}

#[test]
fn damaged_pickles() {
    let bytes = |parts: &[&[u8]]| parts.concat();
    let many = (1 << 20) + 1;
    let cases = [
        (b"\x80\x02K\x01.".to_vec(), "not a checkpoint of torch: it does not begin with torch's magic number"),
        (b"\x80\x02}q\x00X\xff\xff\xff\xffabc".to_vec(), "truncated: the pickle asks for 4294967295 bytes"),
        (b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xffabc".to_vec(), "truncated: the pickle asks for"),
        (b"\x80\x02".to_vec(), "truncated: the pickle asks for 1 bytes at byte 2 of 2"),
        (b"\x80\x02ctorch".to_vec(), "truncated: the pickle ends within a name"),
        (b"\x80\x02.".to_vec(), "damaged: the pickle takes from an empty stack"),
        (b"\x80\x02K\x01(0.".to_vec(), "not a state dict of torch: pickle opcode 0x30 at byte 5 is refused"),
        (b"\x80\x02K\x01(\x85.".to_vec(), "damaged: the pickle takes from an empty stack"),
        (b"\x80\x02K\x01t.".to_vec(), "damaged: the pickle lacks a mark"),
        (b"\x80\x02h\x07.".to_vec(), "damaged: the pickle recalls entry 7, which was never stored"),
        (b"\x80\x02K\x01K\x02a.".to_vec(), "damaged: the pickle appends to a number"),
        (b"\x80\x02}(K\x01u.".to_vec(), "damaged: the pickle sets a key without a value"),
        (b"\x80\x02K\x01)R.".to_vec(), "the pickle calls a number: refused"),
        (b"\x80\x02]}b.".to_vec(), "the pickle sets attributes of a list"),
        (b"\x80\x02(X\x06\x00\x00\x00moduletQ.".to_vec(), "holds a whole module with its code"),
        // A list that contains itself, and a million nested tuples.
        (b"\x80\x02]q\x00h\x00a.".to_vec(), "not a checkpoint of torch"),
        (bytes(&[b"\x80\x02N", &vec![0x85; many - 2], b"."]), "not a checkpoint of torch"),
        (bytes(&[b"\x80\x02", &vec![b')'; many], b"."]), "pickle of more than 1048576 objects"),
        (bytes(&[b"\x80\x02", &vec![b'('; many], b"."]), "pickle of more than 1048576 objects"),
        (bytes(&[b"\x80\x02Nq\x00", &b"h\x00".repeat(many), b"."]), "pickle of more than 1048576 objects"),
        (bytes(&[b"\x80\x02", &b"N0".repeat(9 << 20)]), "not a state dict of torch: pickle opcode 0x30 at byte 3"),
        (bytes(&[b"\x80\x02", &b"\x80\x02".repeat(8 << 20)]), "pickle of more than 16777216 bytes"),
        (b"PK\x03\x04 and no more".to_vec(), "truncated or damaged: it begins as a zip archive"),
    ];
    for (content, wanted) in cases {
        let message = bin_error(content);
        assert!(message.starts_with(&format!("`pytorch_model.bin`: {wanted}")), "{wanted}: {message}");
    }
}

/// Tensors larger than their storage: one number in the pickle of a file of torch is changed.
#[test]
fn tensors_beyond_their_storage() {
    // The pickle of `views-legacy-f32.bin` has (offset 1, shape (2, 2), strides (1, 2)), view (2, 6), storage of 8.
    let whole = fs::read(golden("views-legacy-f32.bin")).unwrap();
    let find = |pattern: &[u8]| whole.windows(pattern.len()).position(|window| window == pattern).unwrap();
    let changed = |at: usize, value: u8| {
        let mut content = whole.clone();
        content[at] = value;
        content
    };
    let geometry = find(b"K\x01K\x02K\x02\x86");
    let view = find(b"K\x02K\x06\x87");
    let data = whole.len() - 8 * 4 - 8;
    let cases = [
        (changed(geometry + 1, 3), "tensor \"weight\": shape [2, 2] reaches to number 7, its storage has 6"),
        (changed(geometry + 3, 200), "tensor \"weight\": shape [200, 2] reaches to number 203, its storage has 6"),
        (changed(view + 1, 3), "tensor \"weight\": its storage \"the root\" should have 8 numbers of F32"),
        (changed(data, 9), "truncated: the storage \"the root\" has 9 numbers of F32, the file 32 bytes"),
        (changed(data + 7, 0xff), "truncated: the storage \"the root\" has"),
        (whole[..data + 3].to_vec(), "truncated: the storage \"the root\" begins at byte"),
    ];
    for (content, wanted) in cases {
        let message = bin_error(content);
        assert!(message.starts_with(&format!("`pytorch_model.bin`: {wanted}")), "{wanted}: {message}");
    }
}

/// A tensor with a stride of 0 is copied only if the copy is not larger than the file.
#[test]
fn expanded_tensors_have_a_bound() {
    let whole = fs::read(golden("views-legacy-f32.bin")).unwrap();
    let geometry = whole.windows(7).position(|window| window == b"K\x01K\x02K\x02\x86").unwrap();
    let strides = whole.windows(5).position(|window| window == b"K\x01K\x02\x86").unwrap();
    // (2, 2) becomes (1e9, 2) with strides (0, 2). An opcode of two bytes becomes five bytes, so the rest moves.
    let mut content = whole[..geometry + 2].to_vec();
    content.extend_from_slice(b"J\x00\xca\x9a\x3b");
    content.extend_from_slice(&whole[geometry + 4..strides]);
    content.extend_from_slice(b"K\x00");
    content.extend_from_slice(&whole[strides + 2..]);
    let message = bin_error(content);
    assert!(message.contains("would need a copy larger than the whole file"), "{message}");
}

const BIN_FILES: &[&str] = &[
    "tiny-zip-f32.bin",
    "tiny-legacy-f16.bin",
    "views-legacy-f32.bin",
    "lightning-zip.bin",
    "hostile-legacy.bin",
    "torchscript.bin",
];

const OPCODES: &[&[u8]] = &[
    b"N",
    b"K\x01",
    b"K\x00",
    b"J\xff\xff\xff\xff",
    b"\x8a\x01\xff",
    b"X\x01\x00\x00\x00a",
    b"X\x07\x00\x00\x00storage",
    b"(",
    b")",
    b"\x85",
    b"\x86",
    b"\x87",
    b"t",
    b"]",
    b"a",
    b"e",
    b"}",
    b"s",
    b"u",
    b"q\x00",
    b"h\x00",
    b"\x94",
    b"ctorch\nFloatStorage\n",
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"ccollections\nOrderedDict\n",
    b"Q",
    b"R",
    b"b",
    b"\x93",
    b"\x90",
    b"\x8f",
];

/// Opens a file and reads all of its tensors. For any file, this succeeds or returns an error.
fn read_all(name: &'static str, content: Vec<u8>) {
    let source = memory(name, content);
    if let Ok(tensors) = Tensors::open(&source) {
        for name in tensors.names() {
            if let Ok(Some(view)) = tensors.get(name) {
                let mut numbers = vec![0.0; view.shape.iter().product()];
                view.copy_to(&mut numbers);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        read_all("pytorch_model.bin", bytes.clone());
        read_all("pytorch_model.bin", [b"\x80\x02", &bytes[..]].concat());
        read_all("pytorch_model.bin", [b"PK\x03\x04", &bytes[..]].concat());
        read_all("model.safetensors", [&(bytes.len() as u64).to_le_bytes()[..], b"{", &bytes].concat());
        read_all("model.safetensors.index.json", bytes);
    }

    /// Pickles of known opcodes get further than random bytes.
    #[test]
    fn random_pickles_never_panic(
        opcodes in prop::collection::vec(prop::sample::select(OPCODES), 0..60)
    ) {
        let magic = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.\x80\x02";
        read_all("pytorch_model.bin", [&magic[..], &opcodes.concat(), b"."].concat());
    }

    #[test]
    fn changed_and_cut_files_never_panic(
        file in prop::sample::select(BIN_FILES),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut content = fs::read(golden(file)).unwrap();
        for (at, value) in changes {
            let at = at.index(content.len());
            content[at] = value;
        }
        if let Some(cut) = cut {
            content.truncate(cut.index(content.len()));
        }
        read_all("pytorch_model.bin", content);
    }

    #[test]
    fn changed_and_cut_safetensors_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut content = fs::read(golden("tiny-bf16.safetensors")).unwrap();
        for (at, value) in changes {
            let at = at.index(content.len());
            content[at] = value;
        }
        if let Some(cut) = cut {
            content.truncate(cut.index(content.len()));
        }
        read_all("model.safetensors", content);
    }
}

/// A file of torch that is truncated anywhere is an error, never a checkpoint with fewer or other tensors.
#[test]
fn every_truncation_is_an_error() {
    for file in ["tiny-zip-f16.bin", "tiny-legacy-f16.bin", "tiny-f16.safetensors"] {
        let name = if file.ends_with("bin") { "pytorch_model.bin" } else { "model.safetensors" };
        let content: &'static [u8] = fs::read(golden(file)).unwrap().leak();
        for length in 0..content.len() {
            let files = Box::leak(Box::new([(name, &content[..length])]));
            assert!(Tensors::open(&Source::Memory(files)).is_err(), "{file} cut at {length}");
        }
    }
}
