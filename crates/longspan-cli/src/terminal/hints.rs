//! Errors as the user sees them: `error: …`, then `hint: …` with what would help. The one place that maps the library's
//! errors to hints.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use anstyle::AnsiColor;
use longspan::error::HubFault;
use longspan::hub::Hub;
use longspan::{Error, ErrorKind, FormatKind};
use longspan_ask::{AskError, ReadError, SourceError, SourceErrorKind, UnreadFormat, Warning};

use crate::terminal::printable;
pub use longspan_ask::text::io_message;

/// The hint to data that cannot be used.
pub const DATA_HINT: &str = "data are JSON in the form of SQuAD v1.1 or v2.0, plain or gzip";

/// The hint to files that cannot be written.
pub const WRITE_HINT: &str = "check that you may write there and that there is room";

/// The hint to documents of other formats and to binary files.
const FORMATS_HINT: &str = "PDF, DOCX, ODT, EPUB, HTML, Markdown and text are read: save or export it as one of these";

/// The hint to documents in the formats of office programs.
const OFFICE_HINT: &str = "convert it with LibreOffice, for example to PDF or DOCX";

/// The hint to pages without text.
const SCAN_HINT: &str = "`ocrmypdf IN OUT` recognizes the text on the pictures";

/// The hint to an error of standard input or output.
const STREAM_HINT: &str = "check where it comes from or goes to, and that there is room";

/// An error of the program itself, with its hint.
#[derive(Debug)]
pub struct Fault {
    message: String,
    hint: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

/// An error with a message and a hint.
pub fn fault(message: impl Into<String>, hint: &'static str) -> anyhow::Error {
    anyhow::Error::new(Fault { message: message.into(), hint })
}

/// An error of a file that must be plain text, with a hint to what it should hold where it is something else.
pub fn of_text(error: SourceError, hint: &'static str) -> anyhow::Error {
    match &error.kind {
        SourceErrorKind::Read(ReadError::NotOfFormat(_) | ReadError::Format(_) | ReadError::Binary { .. }) => {
            fault(error.to_string(), hint)
        }
        SourceErrorKind::Folder => fault(error.to_string(), hint),
        _ => error.into(),
    }
}

/// An error of the operating system about a file, with a hint.
pub fn io_fault(path: &Path, error: &io::Error, hint: &'static str) -> anyhow::Error {
    fault(format!("`{}`: {}", path.display(), io_message(error)), hint)
}

/// Prints an error and its hint to standard error.
pub fn report(error: &anyhow::Error) {
    let red = AnsiColor::Red.on_default().bold();
    let cyan = AnsiColor::Cyan.on_default().bold();
    let mut lines = format!("{red}error:{red:#} {}\n", message(error));
    if let Some(hint) = hint(error) {
        lines.push_str(&format!("{cyan}hint:{cyan:#} {hint}\n"));
    }
    // Where standard error is closed there is nobody to tell.
    let _ = anstream::stderr().write_all(lines.as_bytes());
}

/// Prints a warning to standard error.
pub fn warn(message: &str) {
    warn_of(message, None);
}

/// Prints a warning and what would help.
pub fn warn_of(message: &str, hint: Option<&str>) {
    let yellow = AnsiColor::Yellow.on_default().bold();
    let cyan = AnsiColor::Cyan.on_default().bold();
    let mut lines = format!("{yellow}warning:{yellow:#} {}\n", printable(message));
    if let Some(hint) = hint {
        lines.push_str(&format!("{cyan}hint:{cyan:#} {hint}\n"));
    }
    let _ = anstream::stderr().write_all(lines.as_bytes());
}

/// What would help against what a document warns of.
pub fn warning_hint(warning: &Warning) -> Option<&'static str> {
    match warning {
        Warning::NoText { .. } => Some(SCAN_HINT),
        Warning::Unmapped { .. } => {
            Some("`longspan text` shows the text; if it is bad, `ocrmypdf` can recognize it anew")
        }
        Warning::GuessedEncoding { .. } => Some("if the text is wrong, convert it to UTF-8 with `iconv`"),
        _ => None,
    }
}

/// The causes from the outermost to the first that is complete: the library's messages include their sources.
fn message(error: &anyhow::Error) -> String {
    let mut parts = Vec::new();
    for cause in error.chain() {
        let of_system = cause.downcast_ref().map(io_message);
        let message = match cause.downcast_ref::<Error>() {
            Some(Error::Option { name, message }) => format!("{} {message}", option(name)),
            Some(Error::Read { path, source } | Error::Write { path, source }) => {
                format!("`{}`: {}", path.display(), io_message(source))
            }
            _ => of_system.unwrap_or_else(|| cause.to_string()),
        };
        parts.push(printable(&message));
        if cause.is::<Error>() || cause.is::<SourceError>() || cause.is::<AskError>() || cause.is::<Fault>() {
            break;
        }
    }
    parts.join(": ")
}

/// What the program calls an option that the library names as its field: `--doc-stride` for `doc_stride`.
fn option(name: &str) -> String {
    match name {
        "task" => name.into(), // each command has one task
        _ => format!("--{}", name.replace('_', "-")),
    }
}

/// What would help.
pub fn hint(error: &anyhow::Error) -> Option<&'static str> {
    error.chain().find_map(|cause| {
        let of_program = cause.downcast_ref().map(|fault: &Fault| fault.hint);
        let of_source = || cause.downcast_ref().map(|error: &SourceError| source_hint(&error.kind));
        let of_document = || match cause.downcast_ref()? {
            AskError::Source(error) => Some(source_hint(&error.kind)),
            _ => None, // its source is the next cause
        };
        let of_library = || cause.downcast_ref().map(library_hint);
        let of_stream = || cause.is::<io::Error>().then_some(STREAM_HINT);
        of_program.or_else(of_source).or_else(of_document).or_else(of_library).or_else(of_stream)
    })
}

fn source_hint(kind: &SourceErrorKind) -> &'static str {
    match kind {
        SourceErrorKind::Io(_) => class_hint(ErrorKind::Io),
        SourceErrorKind::Folder => {
            "give the files in it; `longspan ask` and `longspan cite` read those in folders with --recursive"
        }
        SourceErrorKind::Address => "download it first, for example with `curl -O`, then give the file",
        SourceErrorKind::Read(error) => read_hint(error),
        _ => class_hint(ErrorKind::Cancelled), // `Stopped`
    }
}

fn read_hint(error: &ReadError) -> &'static str {
    match error {
        ReadError::TooLong { .. } => "split the document into parts, and give them all",
        ReadError::PackedTooWell(_) => "no text packs so well: unpack it first if you know what is in it",
        ReadError::GzipCut => "the file is cut off, or has other bytes behind its data: copy or download it again",
        ReadError::GzipDamaged(_) => "copy or download it again",
        ReadError::Format(format) => unread_format_hint(*format),
        ReadError::Encoding { is_cut: true, .. } => {
            "the text ends within a character of UTF-8: copy or download the file again"
        }
        ReadError::Encoding { is_cut: false, .. } => {
            "most of the text is UTF-8: correct that place, or copy or download the file again"
        }
        ReadError::NotUtf8(_) => "convert it with `iconv -f ENCODING -t UTF-8`, where ENCODING is the one that it has",
        ReadError::Empty | ReadError::Blank => class_hint(ErrorKind::Document),
        ReadError::TooMany { .. } | ReadError::TooMuchMemory { .. } | ReadError::TooSlow(_) => {
            "split the document, or save it as another format, such as text"
        }
        ReadError::PasswordRequired | ReadError::PasswordWrong | ReadError::PasswordNotAscii => {
            "--password-file FILE names a file with the password; without it, that of a file is asked for at a terminal"
        }
        ReadError::Encrypted(_) => "open it in the program that it was made for, and save it without encryption",
        ReadError::NoText { .. } => SCAN_HINT,
        ReadError::Damaged { .. } => "copy or download it again, or open it in another program and save it",
        ReadError::NotOfFormat(_) => "leave --format out: the format is then found out",
        ReadError::Failed(_) => "this is a bug: report it on the page of Longspan's repository, with the file",
        _ => FORMATS_HINT,
    }
}

fn unread_format_hint(format: UnreadFormat) -> &'static str {
    match format {
        UnreadFormat::Utf32 => "text must be UTF-8: convert it with `iconv -f UTF-32 -t UTF-8`",
        UnreadFormat::OldOffice
        | UnreadFormat::Rtf
        | UnreadFormat::Slides
        | UnreadFormat::Spreadsheet
        | UnreadFormat::Drawing => OFFICE_HINT,
        UnreadFormat::PostScript | UnreadFormat::DjVu => "convert it to PDF first",
        UnreadFormat::Kindle => "convert it to EPUB first, for example with Calibre",
        UnreadFormat::Picture => "it has no text: recognize it first, for example with `ocrmypdf`",
        UnreadFormat::Zip
        | UnreadFormat::Xz
        | UnreadFormat::Bzip2
        | UnreadFormat::Zstd
        | UnreadFormat::SevenZip
        | UnreadFormat::Rar
        | UnreadFormat::Tar
        | UnreadFormat::DoubleGzip => "unpack it first: only gzip is unpacked here, and only once",
        _ => FORMATS_HINT,
    }
}

/// The hint to an error of the library: its own where there is a better one than that of its class.
fn library_hint(error: &Error) -> &'static str {
    match error {
        Error::Write { path, source } => {
            let is_full = matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
            match (is_full, path.starts_with(Hub::from_env().cache)) {
                (true, true) => "make room there and run the command again, or name another cache in HF_HOME",
                (true, false) => "make room there and run the command again",
                (false, true) => {
                    "check that you may write there and that there is room, or name another cache in HF_HOME"
                }
                (false, false) => WRITE_HINT,
            }
        }
        Error::Format { kind, .. } => format_hint(*kind),
        Error::ModelType { .. } => {
            "choose a reader of one of these types, such as deepset/roberta-base-squad2, or `longspan convert` what can be a \
             Longformer: other types compute attention or positions in other ways, or are no encoders"
        }
        Error::MissingFile { .. } | Error::MissingTokenizer => FILES_HINT,
        Error::MissingTensor { .. } | Error::TensorShape { .. } => {
            "config.json and the weights must belong to one model, with the head that the command needs"
        }
        Error::MissingHead { .. } => {
            "`longspan train` gives an encoder a head for question answering; or choose a model that has one"
        }
        Error::UnknownToken { .. } => "take it out of the text, or choose a model that has an embedding for it",
        Error::TensorType { .. } => "store the weights as f32, f16 or bf16",
        Error::Conversion { .. } => "config.json and the weights of the source may be those of two models",
        Error::EmptyQuestion => "a question has words; on the command line it is the first argument, in quotes",
        Error::TextTooLong { .. } => "shorten the question, or split the document into parts and give them all",
        Error::Question { .. } => "correct the question in the data, or train on data without it",
        Error::NoData(_) => "give more data, or longer texts",
        Error::Conflict { .. } => {
            "name another folder, or continue what is there with the data and options it began with"
        }
        Error::InUse { .. } => "wait until it has ended, or name another place",
        Error::InstructionSet(_) => {
            "the environment variable LONGSPAN_ISA says which one to use: unset it for the fastest"
        }
        Error::Hub { fault, .. } => hub_hint(*fault),
        _ => class_hint(error.kind()),
    }
}

fn class_hint(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Option => "`--help` explains the options, `longspan info` shows the model's limits",
        ErrorKind::Model => "fetch or copy the checkpoint again, or try another model",
        ErrorKind::Question => "shorten the question; where --max-tokens or --doc-stride is given, leave it out",
        ErrorKind::Document => "give a document with some text",
        ErrorKind::Dataset => DATA_HINT,
        ErrorKind::Training => {
            "a lower --learning-rate or a longer --warmup helps, unless the weights were broken before the first step"
        }
        ErrorKind::Io => "check the path, and that you may read it",
        ErrorKind::Hub => {
            "check the network, and HTTPS_PROXY if there is a proxy; with --offline or HF_HUB_OFFLINE=1 the cache alone is used"
        }
        ErrorKind::Cancelled => "run the command again for the whole result",
    }
}

fn format_hint(kind: FormatKind) -> &'static str {
    match kind {
        FormatKind::Config => {
            "the model has a part that is not known here, or the file is damaged: choose another model, or fetch or copy it again"
        }
        FormatKind::Weights => {
            "fetch or copy it again; where it holds more than tensors, save the model's `state_dict()` as safetensors"
        }
        FormatKind::Tokenizer => {
            "its files and the model must belong together: fetch or copy it again, or save `tokenizer.json` with transformers"
        }
        FormatKind::Settings => "correct the file or move it away: it holds Longspan's own settings of the model",
        FormatKind::Dataset | FormatKind::AnswerPlace => DATA_HINT,
        FormatKind::Predictions => {
            "check that it is a file of predictions or null odds, such as `longspan eval --out` writes"
        }
        FormatKind::TeacherAnswers => {
            "give files that `longspan eval --save-teacher-answers` wrote about the training data as they are now"
        }
        FormatKind::TrainingState => "the run cannot continue from a damaged state: start it again in another folder",
        FormatKind::TokenFile => "move the file away: the text is then tokenized again",
    }
}

/// What every model has.
const FILES_HINT: &str = "a checkpoint has config.json, weights (model.safetensors or pytorch_model.bin) and a tokenizer \
                          (tokenizer.json, or vocab.json with merges.txt, vocab.txt, sentencepiece.bpe.model or \
                          spiece.model); transformers writes them by `save_pretrained`, also of weights that it loads \
                          with `from_tf` or `from_flax`";

fn hub_hint(fault: HubFault) -> &'static str {
    match fault {
        HubFault::Name => "a model is a folder, or ORG/NAME[@REVISION] on the Hugging Face hub",
        HubFault::Endpoint => "correct HF_ENDPOINT, or unset it for https://huggingface.co",
        HubFault::Access => "set HF_TOKEN to a token that may read the model, and accept its terms on the hub",
        HubFault::Token => {
            "make a new token at https://huggingface.co/settings/tokens, or do without (unset HF_TOKEN, move the file \
             `token` in HF_HOME away): most models need none"
        }
        HubFault::NotFound => {
            "check the name and the revision on https://huggingface.co, or the path of the model's folder; a private \
             model needs a token in HF_TOKEN"
        }
        HubFault::Incomplete => FILES_HINT,
        HubFault::Host => {
            "check the network and its name server (DNS), and the spelling of HF_ENDPOINT if it is set; with --offline \
             the cache alone is used"
        }
        HubFault::Certificate => {
            "check the clock of this machine, whether a proxy opens secure connections (only Mozilla's root \
             certificates are trusted), and HF_ENDPOINT if it is set"
        }
        HubFault::Unreachable => class_hint(ErrorKind::Hub),
        HubFault::Busy => {
            "run the command again later: it keeps what it has; with a token in HF_TOKEN the hub allows more requests"
        }
        HubFault::Answer => {
            "run the command again later; if nothing changes, HF_ENDPOINT or a proxy leads to something else than a hub"
        }
        HubFault::Interrupted => "run the command again: the download goes on where it stopped",
        HubFault::NotCached => "run `longspan fetch ORG/NAME` once with a network",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;
    use std::collections::BTreeSet;
    use std::sync::Arc;

    #[test]
    fn a_message_says_each_thing_once() {
        let source = io::Error::from(io::ErrorKind::PermissionDenied).into();
        let error = anyhow::Error::new(Error::Read { path: "m".into(), source }).context("outer");
        assert_eq!(message(&error), "outer: `m`: permission denied");
        assert!(hint(&error).is_some());
        let error = Err::<(), _>(fault("inner", "do this")).context("outer").unwrap_err();
        assert_eq!((message(&error).as_str(), hint(&error)), ("outer: inner", Some("do this")));
        assert_eq!(hint(&anyhow::anyhow!("else")), None);
        let error = anyhow::Error::new(Error::Option { name: "doc_stride", message: "9: too much".into() });
        assert_eq!(message(&error), "--doc-stride 9: too much");
    }

    /// Every file of Rust in a folder.
    fn sources(folder: &Path) -> String {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let texts = entries.map(|path| match path.is_dir() {
            true => sources(&path),
            false => std::fs::read_to_string(path).unwrap(),
        });
        texts.collect()
    }

    /// The options of training are made from the table of the library, under the names that its errors have.
    #[test]
    fn options_in_messages_and_hints_are_those_of_the_command_line() {
        let mut commands = crate::cli::command();
        commands.build();
        let options = commands.get_subcommands().flat_map(clap::Command::get_arguments);
        let options: BTreeSet<&str> = options.filter_map(clap::Arg::get_long).collect();
        let library = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../longspan/src"));
        let names = library.split("Error::option(\"").skip(1).map(|rest| rest.split('"').next().unwrap());
        let mut of_messages: BTreeSet<String> = names.map(option).collect();
        assert!(of_messages.remove("task") && of_messages.contains("--doc-stride"), "{of_messages:?}");
        let of_hints = include_str!("hints.rs").split("--").skip(1);
        let of_hints = of_hints.map(|rest| rest.split(|c: char| c != '-' && !c.is_ascii_lowercase()).next().unwrap());
        let named = of_messages.iter().map(|option| option.strip_prefix("--").unwrap()).chain(of_hints);
        let unknown: Vec<&str> = named.filter(|option| !option.is_empty() && !options.contains(option)).collect();
        assert_eq!(unknown, [""; 0]);
    }

    #[test]
    fn a_full_disk_and_a_closed_folder_have_two_hints() {
        let hint = |path: &Path, kind: io::ErrorKind| {
            library_hint(&Error::Write { path: path.into(), source: Arc::new(kind.into()) })
        };
        for (path, is_cache) in [(Path::new("m"), false), (&Hub::from_env().cache.join("m"), true)] {
            let hints = [io::ErrorKind::StorageFull, io::ErrorKind::PermissionDenied].map(|kind| hint(path, kind));
            assert!(hints[0].starts_with("make room") && hints[1].starts_with("check that you may write there"));
            assert!(hints.iter().all(|hint| hint.contains("HF_HOME") == is_cache));
        }
    }

    #[test]
    fn a_message_cannot_steer_the_terminal() {
        assert_eq!(message(&fault("`a\x1b[2J\nb`: bad", "")), "`a\u{fffd}[2J\u{fffd}b`: bad");
    }
}
