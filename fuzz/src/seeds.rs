//! The cases to start from: golden files of the library, small texts, and the cases in `regressions`, which once found
//! a fault.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::case::{golden, golden_path, join};
use crate::targets::{FuzzTarget, saved_state, tiny_model};

/// Cases that a target takes or refuses; most are taken.
///
/// # Panics
/// If a golden file is missing.
pub fn seeds(target: &FuzzTarget) -> Vec<Vec<u8>> {
    match target.name {
        "safetensors" => [golden_files("checkpoints", "safetensors"), vec![small_safetensors()]].concat(),
        "pickle" => golden_files("checkpoints", "bin"),
        "index" => vec![
            golden("checkpoints/sharded-safetensors-f16/model.safetensors.index.json"),
            br#"{"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}}"#.into(),
        ],
        "tokenizer_json" => tokenizers(),
        "vocab_txt" => of_settings(&[golden("convert/bert-qa/vocab.txt")], r#"{"zz":15}"#),
        "vocab_json" => of_settings(&[vocab_json(), golden("convert/roberta-qa/merges.txt")], r#"{"zz":16}"#),
        "pieces" => pieces(),
        "config" => configs().collect(),
        "settings" => settings(),
        "squad" => squad(),
        "predictions" => predictions(),
        "teacher_answers" => teacher_answers(),
        "document" => documents(),
        "html" => corpus(&["museum.html", "soup.html", "russian.htm"]),
        "xhtml" => corpus(&["book.xhtml"]),
        "markdown" => corpus(&["notes.md", "lines.markdown"]),
        "table" => corpus(&["table.csv"]),
        "office" => ["docx", "odt", "fodt", "epub"].map(|kind| golden_files(OFFICE, kind)).concat(),
        "pdf" => files_of_documents("pdf", "pdf"),
        "cite" => quotations(),
        "token_file" => vec![token_file(2, &[&[1, 2, 3], &[], &[7]]), token_file(4, &[&(0..50).collect::<Vec<_>>()])],
        "hub" => vec![hub(&[]), hub(&[("longspan.json", "{}")])],
        "state" => vec![saved_state()],
        "reader" => questions(),
        "convert" => conversions(),
        other => panic!("no seeds of {other}"),
    }
}

/// The cases of a target that once found a fault, with their names.
///
/// # Panics
/// If they cannot be read.
pub fn regressions(target: &FuzzTarget) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions").join(target.name);
    read_folder(&folder)
}

fn read_folder(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.expect("a readable folder").path());
    let mut paths: Vec<_> = entries.filter(|path| path.is_file()).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let content = fs::read(&path).expect("a readable file");
        (path.file_name().unwrap_or_default().to_string_lossy().into_owned(), content)
    };
    paths.into_iter().map(read).collect()
}

/// Texts, and quotations that are exact, damaged, elided, bracketed, forged and cut.
fn quotations() -> Vec<Vec<u8>> {
    let case = |text: &str, quotations: &[&str]| join(&[text.as_bytes(), quotations.join("\n").as_bytes()]);
    vec![
        case(
            "The pump shall run for twelve (12)\nmonths, not 10² days.\n\n1\n\nIt “stopped” in 1,923.5 by Infor-\nmation of O’Neil.\n\n2\n\nEnd.",
            &[
                "twelve (12) months",
                "the pump … months",
                "pump [shall] run",
                "it 'stopped' in 1,923.5",
                "Infor- mation of O'Neil",
                "shall not run",
                "923",
                "for ten months",
                "days. It “stopped” in",
                "[T]he pump",
                "by Information.",
            ],
        ),
        case(
            "本合同三十天\n内生效。 a\u{ad}b c-\nd ﬁn e\u{301} — x--y . . . z",
            &["三十天内", "ab cd", "fin é", "x—y … z", "c-d", "二十天"],
        ),
        case(
            "Head 1\na b\n\u{c}Head 2\nc d\n\u{c}Head 3\ne \"f g\" h\n> i j k",
            &["b c", "d e", "a b Head 2 c", "“f g”"],
        ),
    ]
}

/// From the golden files of the library.
const OFFICE: &str = "../../../longspan-documents/tests/golden/office";

fn golden_files(folder: &str, extension: &str) -> Vec<Vec<u8>> {
    let end = format!(".{extension}");
    let files = read_folder(&golden_path(folder)).into_iter().filter(|(name, _)| name.ends_with(&end));
    files.map(|(_, content)| content).collect()
}

/// Golden files of the readers of formats.
fn files_of_documents(folder: &str, extension: &str) -> Vec<Vec<u8>> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/longspan-documents/tests/golden").join(folder);
    let end = format!(".{extension}");
    read_folder(&golden).into_iter().filter(|(name, _)| name.ends_with(&end)).map(|(_, content)| content).collect()
}

fn small_safetensors() -> Vec<u8> {
    let header = br#"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},
        "b":{"dtype":"BF16","shape":[0,3],"data_offsets":[4,4]},"c":{"dtype":"I64","shape":[1],"data_offsets":[4,12]}}"#;
    [&(header.len() as u64).to_le_bytes()[..], header, &[0; 12]].concat()
}

/// Small JSON is changed in more ways than large, white space included.
fn compact(json: &[u8]) -> Vec<u8> {
    serde_json::from_slice::<Value>(json).expect("sound JSON").to_string().into_bytes()
}

const TOKENIZER_SETTINGS: [&str; 4] = [
    "{}",
    r#"{"add_prefix_space":true,"cls_token":"[CLS]","sep_token":{"content":"[SEP]","lstrip":false}}"#,
    r#"{"do_lower_case":false,"strip_accents":true,"tokenize_chinese_chars":false}"#,
    r#"{"added_tokens_decoder":{"5":{"content":" a ","lstrip":true,"rstrip":true,"special":true}}}"#,
];

/// - `added`: `added_tokens.json`, whose ids follow those of the vocabulary
fn of_settings(files: &[Vec<u8>], added: &str) -> Vec<Vec<u8>> {
    let with = |settings: &&str| {
        let files = files.iter().map(Vec::as_slice).chain([settings.as_bytes(), b"{}", added.as_bytes()]);
        join(&files.collect::<Vec<_>>())
    };
    TOKENIZER_SETTINGS.iter().map(with).chain([join(files)]).collect()
}

fn vocab_json() -> Vec<u8> {
    compact(&golden("convert/roberta-qa/vocab.json"))
}

fn tokenizers() -> Vec<Vec<u8>> {
    let folders = ["bert", "roberta-sequence", "xlm-roberta-qa"];
    let whole = folders.map(|folder| {
        let file = |name: &str| compact(&golden(&format!("convert/{folder}/{name}")));
        join(&[file("tokenizer.json"), file("tokenizer_config.json")])
    });
    let bert: Value = serde_json::from_slice(&golden("convert/bert/tokenizer.json")).expect("sound JSON");
    let sequence = json!({"type": "Sequence", "normalizers": [
        {"type": "NFKC"}, {"type": "Replace", "pattern": {"String": "a"}, "content": "b"}, {"type": "Lowercase"},
        {"type": "StripAccents"}, {"type": "Strip", "strip_left": true, "strip_right": true},
        {"type": "Prepend", "prepend": "b"}]});
    let pretokenizers = json!({"type": "Sequence", "pretokenizers": [
        {"type": "Whitespace"}, {"type": "Digits", "individual_digits": true},
        {"type": "Punctuation", "behavior": "Isolated"}]});
    let split = json!({"type": "Split", "pattern": {"Regex": " ?\\p{L}+|\\s+(?!\\S)|\\s+"},
        "behavior": "MergedWithPrevious", "invert": false});
    let byte_level = json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": false});
    let altered = [
        (sequence, pretokenizers),
        (json!({"type": "NFD"}), split),
        (json!({"type": "ByteLevel"}), byte_level),
        (json!({"type": "Nmt"}), json!({"type": "UnicodeScripts"})),
        (Value::Null, json!({"type": "CharDelimiterSplit", "delimiter": "a"})),
        (
            json!({"type": "NFC"}),
            json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": true}),
        ),
        (Value::Null, json!({"type": "WhitespaceSplit"})),
    ];
    let altered = altered.into_iter().map(|(normalizer, pre_tokenizer)| {
        let mut json = bert.clone();
        json["normalizer"] = normalizer;
        json["pre_tokenizer"] = pre_tokenizer;
        json.to_string().into_bytes()
    });
    let mut words = bert.clone();
    words["model"] = json!({"type": "WordLevel", "vocab": bert["model"]["vocab"], "unk_token": "[UNK]"});
    whole.into_iter().chain(altered).chain([words.to_string().into_bytes()]).collect()
}

fn pieces() -> Vec<Vec<u8>> {
    let model = |name: &str| {
        let mut content = Vec::new();
        let packed = golden(&format!("tokenizer/pieces-{name}.model.gz"));
        GzDecoder::new(&packed[..]).read_to_end(&mut content).expect("a sound file");
        content
    };
    let camembert: &[u8] = br#"{"tokenizer_class":"CamembertTokenizer","do_lower_case":false,"keep_accents":true}"#;
    let alone = ["plain", "french", "albert"].map(model).into_iter();
    alone.chain([join(&[&model("french")[..], camembert])]).collect()
}

fn configs() -> impl Iterator<Item = Vec<u8>> {
    let folders = ["convert/bert-qa", "convert/longformer-qa", "models/qa", "models/sequence-classification"];
    let made = fs::read(tiny_model().join("config.json")).expect("a model");
    folders.into_iter().map(|folder| compact(&golden(&format!("{folder}/config.json")))).chain([compact(&made)])
}

const CALIBRATED: &str = r#"{"null_score_diff_threshold":-2.5,
    "abstain":{"strict":-4,"balanced":-2.5,"eager":1},"max_answer_length":7,"separators":1,"verify_tokens":8,
    "calibration":{"score":{"logit":0.9,"ln_tokens":-0.1,"constant":0.5},
    "no_answer_score":{"logit":1.1,"ln_tokens":0,"constant":-1},"fitted_on":"some data"}}"#;

fn settings() -> Vec<Vec<u8>> {
    [CALIBRATED, "{}", r#"{"verify_tokens":256}"#].map(|json| json.as_bytes().to_vec()).into()
}

fn squad() -> Vec<Vec<u8>> {
    let data: Value = serde_json::from_str(crate::targets::DATASET).expect("sound JSON");
    let text = data.to_string();
    let nested = vec![text.clone(), format!("\u{feff}{data:#}"), text.replace('é', "\\u00e9")];
    // As Hugging Face's datasets are written.
    let rows = [
        r#"{"id":"a","title":"T","context":"Café 🚰 of 1911","question":"When?","answers":{"text":["1911"],"answer_start":[10]}}"#,
        r#"{"id":"b","context":"Café 🚰 of 1911","question":"Who?","answers":{"text":[],"answer_start":[]},"title":"T"}"#,
        r#"{"id":7,"context":"a\u00a0b","question":"?","answers":[{"text":"a b","answer_start":0}],"is_impossible":false}"#,
        r#"{"id":"c","context":"x","question":"?","is_impossible":true}"#,
    ];
    let flat = [rows.join("\n"), format!("[{}]", rows.join(",")), format!("{{\"data\":[{}]}}", rows.join(","))];
    nested.into_iter().chain(flat).map(String::into_bytes).collect()
}

fn predictions() -> Vec<Vec<u8>> {
    vec![
        join(&[r#"{"a":"Café","b":"","7":"Second","c":"z"}"#, r#"{"a":-3.5,"b":2,"7":1e-7,"c":0}"#]),
        join(&[r#"[{"id":"a","prediction_text":"Café","no_answer_probability":0.5},{"id":"b","prediction_text":""}]"#]),
        join(&[r#"{"a":"","b":"the a","c":""}"#, r#"{"a":0.5,"b":0.5,"c":0.5,"zz":1}"#]),
    ]
}

fn teacher_answers() -> Vec<Vec<u8>> {
    let first = "{\"id\":\"a\",\"starts\":[[2,0.9],[16,0.0125]],\"ends\":[[14,0.5],[22,1e-7]],\"no_answer\":[0.05,0.06]}\n\
                 {\"id\":\"7\",\"starts\":[],\"ends\":[],\"no_answer\":[1,1]}\n";
    let second = r#"{"no_answer": [0, 0], "id": "a", "ends": [[1, 1]], "starts": [[0, 0.25], [31, 0.25], [0, 0.25]]}"#;
    vec![
        first.into(),
        join(&[first, second]),
        join(&[second, "{\"id\":\"c\",\"starts\":[[0,1]],\"ends\":[[1,1]],\"no_answer\":[0,0]}"]),
    ]
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).and_then(|()| encoder.finish()).expect("a vector")
}

fn documents() -> Vec<Vec<u8>> {
    let text = "Some text é 😀\r\nline two.\n\nIt stands in Leeds. \u{feff}e\u{301}\n".as_bytes();
    vec![text.to_vec(), gzip(text), gzip(&text.repeat(20)), [gzip(text), gzip(b"two")].concat(), gzip(&[0; 20_000])]
}

/// Golden files of markup.
fn corpus(names: &[&str]) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/longspan-documents/tests/golden/markup");
    names.iter().map(|name| fs::read(folder.join(name)).expect("a golden file")).collect()
}

/// The format: `longspan::pretrain::TokenFile`.
fn token_file(width: u32, documents: &[&[u32]]) -> Vec<u8> {
    let identity = b"text 00";
    let head = [&b"longspan tokens\n"[..], &width.to_le_bytes(), &(identity.len() as u32).to_le_bytes(), identity];
    let mut file = head.concat();
    for ids in documents {
        file.extend((ids.len() as u64).to_le_bytes());
        file.extend(9_u64.to_le_bytes());
        ids.iter().for_each(|id| file.extend(&id.to_le_bytes()[..width as usize]));
        file.extend([0; 4]);
    }
    file.extend([0xff; 8]);
    file.extend([0; 4]);
    crate::mend::mend(&mut file);
    file
}

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// The answers of a hub to a whole fetch, in the order of the requests: the list of files, and for each of them what
/// `HEAD` and `GET` bring.
fn hub(more: &[(&str, &str)]) -> Vec<u8> {
    let mut files = vec![("config.json", "{}"), ("vocab.txt", "[UNK]\n")];
    files.push(("model.safetensors", "weights"));
    files.extend(more);
    let names: Vec<Value> = files.iter().map(|(name, _)| json!({"rfilename": name})).collect();
    let listing = json!({"sha": COMMIT, "siblings": names}).to_string();
    let answer =
        |headers: &str, body: &str| format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len());
    let mut answers = vec![answer("", &listing)];
    for (_, content) in files {
        let digest: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
        let tag = format!("ETag: \"{digest}\"\r\nX-Repo-Commit: {COMMIT}\r\n");
        answers.push(answer(&tag, content));
        answers.push(answer(&tag, content));
    }
    join(&answers)
}

fn questions() -> Vec<Vec<u8>> {
    let text = "bread is a b c . é😀 what is bread ? aabbcc . b b b b is is\n\na c c c abc bread what";
    let question = "what is bread ?";
    vec![
        join(&["{}", r#"{"top":3,"endpoints":5}"#, question, text]),
        join(&[CALIBRATED, r#"{"max_tokens":24,"doc_stride":4,"threshold":0.5}"#, question, text]),
        join(&[CALIBRATED, r#"{"abstain":"eager"}"#, question, text]),
        join(&["{}", r#"{"global":[0,1,5],"top":1,"verify_tokens":16,"max_tokens":32}"#, "a", text]),
        join(&["{}", r#"{"global":null,"max_answer_length":2}"#, question, text]),
    ]
}

fn conversions() -> Vec<Vec<u8>> {
    let config = compact(&golden("convert/bert-qa/config.json"));
    let options = [r#"{"max_tokens":32,"windows":[8]}"#, r#"{"max_tokens":16,"windows":[4,8]}"#];
    options.iter().map(|options| join(&[&config, options.as_bytes()])).collect()
}
