//! Errors: one enum for the whole library.
//!
//! A message is lower case, has no full stop, and names the thing and both values. Mistakes of the caller
//! (a slice of the wrong length, an index out of range) are assertions, not errors.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use longspan_kernels::UnknownIsa;

/// `Result` with Longspan's [`Error`], if no other is named.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong outside the code: files, checkpoints, options, documents, questions, the network.
///
/// A program decides by variant or by [`Error::kind`], never by the text of a message.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be read.
    #[error("`{}`: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: Arc<io::Error>,
    },
    /// A file or folder could not be written.
    #[error("`{}`: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: Arc<io::Error>,
    },
    /// A file does not contain what it should.
    #[error("`{}`: {message}", file.display())]
    Format {
        /// Path of the file, or its name where the folder is known to the caller.
        file: PathBuf,
        /// What the file is for.
        kind: FormatKind,
        /// What is wrong with it.
        message: String,
    },
    /// A folder already has something in it that this run would replace or cannot continue.
    #[error("`{}`: {}", path.display(), with_excerpts(message))]
    Conflict {
        /// The file or folder in question.
        path: PathBuf,
        /// What it belongs to.
        message: String,
    },
    /// Another run is writing there.
    #[error("`{}`: another run is using it", path.display())]
    InUse {
        /// The file or folder in question.
        path: PathBuf,
    },
    /// `config.json` describes another type of model than the one that is expected.
    #[error("`config.json`: model_type `{}`: {expected}", excerpt(found))]
    ModelType {
        /// The type in the file.
        found: String,
        /// The types that would do, as a phrase.
        expected: &'static str,
    },
    /// A checkpoint lacks a file.
    #[error("`{}`: no {wanted}", checkpoint.display())]
    MissingFile {
        /// Folder or name of the checkpoint.
        checkpoint: PathBuf,
        /// The file, or the alternatives.
        wanted: &'static str,
    },
    /// A checkpoint has no tokenizer of any known kind.
    #[error(
        "no tokenizer: neither tokenizer.json, nor vocab.json with merges.txt, nor vocab.txt, nor \
         sentencepiece.bpe.model, nor spiece.model"
    )]
    MissingTokenizer,
    /// A checkpoint lacks a tensor that its configuration asks for.
    #[error("tensor `{}`: not in the checkpoint", excerpt(name))]
    MissingTensor {
        /// Hugging Face's name of the tensor.
        name: String,
    },
    /// A checkpoint has no head for the task.
    #[error("the checkpoint has no head for {wanted}{}", with_other_head(*found))]
    MissingHead {
        /// What the head would be for, as a phrase.
        wanted: &'static str,
        /// What the head that it has instead is for; `None` for an encoder alone.
        found: Option<&'static str>,
    },
    /// A text has a token for which the model has no embedding.
    #[error("the text has the added token `{}`, for which the model has no embedding", excerpt(token))]
    UnknownToken {
        /// The token.
        token: String,
    },
    /// A tensor has another shape than the configuration asks for.
    #[error("tensor `{}`: expected shape {expected:?}, file has {}", excerpt(name), excerpt(&format!("{found:?}")))]
    TensorShape {
        /// Hugging Face's name of the tensor.
        name: String,
        /// The shape that `config.json` asks for.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// A tensor is stored in a number format that is not read as floating point.
    #[error("tensor `{}`: expected F32, F16 or BF16, file has {}", excerpt(name), excerpt(found))]
    TensorType {
        /// Hugging Face's name of the tensor.
        name: String,
        /// The format in the file, as safetensors spells it.
        found: String,
    },
    /// The model computed an infinity or NaN, so its weights are broken.
    #[error("the model computed a logit of {logit}: its weights are broken")]
    NotFinite {
        /// The logit.
        logit: f32,
    },
    /// A training run diverged. The weights are those before the step.
    #[error("step {step}: {message}")]
    Diverged {
        /// From 1.
        step: usize,
        /// What went wrong.
        message: String,
    },
    /// The question has no text.
    #[error("the question is empty")]
    EmptyQuestion,
    /// The document has no text.
    #[error("the document is empty")]
    EmptyDocument,
    /// A text is longer than 32-bit offsets reach.
    #[error("the text has {}, the most is {bytes_max}", counted(*bytes, "byte"))]
    TextTooLong {
        /// Length of its UTF-8.
        bytes: usize,
        /// The longest that can be read.
        bytes_max: usize,
    },
    /// The question leaves no room for a document.
    #[error("the question has {}, at most {tokens_max} would leave room for a document", counted(*tokens, "token"))]
    QuestionTooLong {
        /// Tokens of the question.
        tokens: usize,
        /// The most that leave room.
        tokens_max: usize,
    },
    /// A question of a dataset cannot be asked.
    #[error("question `{}`: {source}", excerpt(id))]
    Question {
        /// Its id.
        id: String,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// A dataset or a text has nothing to learn from or to measure.
    #[error("{0}")]
    NoData(String),
    /// An option is out of its range, or does not fit the model.
    #[error("{name} {message}")]
    Option {
        /// The option as the program names it, with `_` for `-`: `doc_stride`.
        name: &'static str,
        /// Its value and what is wrong with it.
        message: String,
    },
    /// `LONGSPAN_ISA` names an instruction set that this machine lacks.
    #[error(transparent)]
    InstructionSet(UnknownIsa),
    /// A converted model does not compute what its source does.
    #[error(
        "the converted model differs from its source by {difference:.1e} on inputs up to {}, at most \
         {difference_max:.1e} is allowed",
        counted(*tokens, "token")
    )]
    Conversion {
        /// The largest difference of a hidden state or a logit.
        difference: f64,
        /// The largest that rounding explains.
        difference_max: f64,
        /// The longest input.
        tokens: usize,
    },
    /// The Hugging Face hub, or the connection to it, failed.
    #[error("hub: `{}`: {}", excerpt(repository), with_excerpts(message))]
    Hub {
        /// `ORG/NAME` or `NAME`, with `@REVISION` where one was asked for.
        repository: String,
        /// The class of the failure.
        fault: HubFault,
        /// What went wrong, and what would help.
        message: String,
    },
    /// The caller stopped the work.
    #[error("cancelled")]
    Cancelled,
}

/// The classes of errors that front ends map to hints, exit statuses, HTTP status codes or Python classes.
///
/// Deliberately exhaustive: a new class must be mapped everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request cannot be met by any question or document: an option or an output folder must be changed.
    Option,
    /// The checkpoint is incomplete, damaged or of another kind.
    Model,
    /// The question must be changed.
    Question,
    /// The document must be changed.
    Document,
    /// A file of questions, predictions, teacher answers or training text must be changed.
    Dataset,
    /// A training run failed, or its saved state is damaged.
    Training,
    /// The operating system refused to read or write.
    Io,
    /// The Hugging Face hub refused, or could not be reached.
    Hub,
    /// The caller stopped the work.
    Cancelled,
}

/// What a malformed file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FormatKind {
    /// `config.json`.
    Config,
    /// Tensors of a checkpoint, or their index.
    Weights,
    /// A file of the tokenizer.
    Tokenizer,
    /// `longspan.json`: Longspan's own settings of a checkpoint.
    Settings,
    /// Questions in the form of SQuAD.
    Dataset,
    /// The same, of which an answer is not where it is stated to be.
    AnswerPlace,
    /// Predictions or null odds.
    Predictions,
    /// Answers of teachers.
    TeacherAnswers,
    /// The state of a training run.
    TrainingState,
    /// A tokenized text, which can be made again.
    TokenFile,
}

/// The classes of failures of the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HubFault {
    /// No model on the hub can have this name or revision.
    Name,
    /// The address of the hub, `HF_ENDPOINT`, is none.
    Endpoint,
    /// The hub asks for a token, or for another one.
    Access,
    /// The hub does not accept the token.
    Token,
    /// The hub has no such model, revision or file.
    NotFound,
    /// The model lacks files that every model must have, such as weights in a format that is read.
    Incomplete,
    /// The name of the hub's host cannot be resolved.
    Host,
    /// There is no secure connection to the hub: its certificate is not trusted, or it does not use TLS.
    Certificate,
    /// The hub cannot be reached.
    Unreachable,
    /// The hub asks to come back later: it has too many requests.
    Busy,
    /// The hub, or what is in its place, does not answer as a hub does.
    Answer,
    /// A download broke off too often. Another fetch resumes it.
    Interrupted,
    /// The cache lacks the files or has damaged ones, and the network is not used.
    NotCached,
}

impl Error {
    /// The class of the error.
    ///
    /// ```
    /// use longspan::{Error, ErrorKind};
    ///
    /// assert_eq!(Error::EmptyQuestion.kind(), ErrorKind::Question);
    /// ```
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Read { .. } | Self::Write { .. } => ErrorKind::Io,
            Self::Format { kind, .. } => match kind {
                FormatKind::Config | FormatKind::Weights | FormatKind::Tokenizer | FormatKind::Settings => {
                    ErrorKind::Model
                }
                FormatKind::Dataset
                | FormatKind::AnswerPlace
                | FormatKind::Predictions
                | FormatKind::TeacherAnswers => ErrorKind::Dataset,
                FormatKind::TrainingState | FormatKind::TokenFile => ErrorKind::Training,
            },
            Self::ModelType { .. }
            | Self::MissingFile { .. }
            | Self::MissingTokenizer
            | Self::MissingTensor { .. }
            | Self::MissingHead { .. }
            | Self::TensorShape { .. }
            | Self::TensorType { .. }
            | Self::NotFinite { .. }
            | Self::Conversion { .. } => ErrorKind::Model,
            Self::Diverged { .. } => ErrorKind::Training,
            Self::EmptyQuestion | Self::QuestionTooLong { .. } => ErrorKind::Question,
            Self::EmptyDocument | Self::TextTooLong { .. } | Self::UnknownToken { .. } => ErrorKind::Document,
            Self::Question { .. } | Self::NoData(_) => ErrorKind::Dataset,
            Self::Option { .. } | Self::InstructionSet(_) | Self::Conflict { .. } | Self::InUse { .. } => {
                ErrorKind::Option
            }
            Self::Hub { .. } => ErrorKind::Hub,
            Self::Cancelled => ErrorKind::Cancelled,
        }
    }

    /// The file or folder that the message names: absolute, as the caller gave it, or only the name of a file of a checkpoint.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Read { path, .. } | Self::Write { path, .. } | Self::Conflict { path, .. } | Self::InUse { path } => {
                Some(path)
            }
            Self::Format { file: path, .. } | Self::MissingFile { checkpoint: path, .. } => Some(path),
            _ => None,
        }
    }

    pub(crate) fn read(path: &Path) -> impl Fn(io::Error) -> Self + Copy {
        |source| Self::Read { path: path.to_owned(), source: Arc::new(source) }
    }

    pub(crate) fn write(path: &Path) -> impl Fn(io::Error) -> Self + Copy {
        |source| Self::Write { path: path.to_owned(), source: Arc::new(source) }
    }

    pub(crate) fn format(file: impl Into<PathBuf>, kind: FormatKind, message: impl AsRef<str>) -> Self {
        Self::Format { file: file.into(), kind, message: with_excerpts(message.as_ref()) }
    }

    pub(crate) fn option(name: &'static str, message: impl AsRef<str>) -> Self {
        Self::Option { name, message: with_excerpts(message.as_ref()) }
    }
}

/// Most characters of foreign text that a message repeats in one place.
const EXCERPT_CHARACTERS: usize = 100;
/// Most characters of a message between its quotes. What is quoted without backticks, such as a number, is cut there.
const PART_CHARACTERS: usize = 300;
/// Most characters of a message.
const MESSAGE_CHARACTERS: usize = 1000;

/// Foreign text as a message repeats it: one line, at most 100 characters of it. Control characters are escaped, and `…`
/// stands for what is left out.
///
/// ```
/// use longspan::error::excerpt;
///
/// assert_eq!(excerpt("two\nlines"), "two\\nlines");
/// assert_eq!(excerpt("\u{202e}fdp.txt"), "\\u{202e}fdp.txt");
/// assert_eq!(excerpt(&"ab".repeat(1000)), "ab".repeat(50) + "…");
/// ```
pub fn excerpt(text: &str) -> String {
    shortened(text, EXCERPT_CHARACTERS)
}

/// A message of one line, with excerpts of what it quotes between backticks.
fn with_excerpts(message: &str) -> String {
    let mut shown = String::new();
    for (i, part) in message.split('`').enumerate() {
        if i > 0 {
            shown.push('`');
        }
        shown += &shortened(part, if i % 2 == 1 { EXCERPT_CHARACTERS } else { PART_CHARACTERS });
        if shown.len() > 4 * MESSAGE_CHARACTERS {
            break;
        }
    }
    shortened(&shown, MESSAGE_CHARACTERS)
}

/// Foreign text as [`excerpt`] shows it, at most so many characters of it.
pub fn shortened(text: &str, characters_max: usize) -> String {
    let (mut shown, mut left) = (String::new(), characters_max);
    for c in text.chars() {
        let width = if is_escaped(c) { c.escape_default().count() } else { 1 };
        if width > left {
            shown.truncate(shown.trim_end().len());
            shown.push('…');
            break;
        }
        left -= width;
        if is_escaped(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

/// Whether a character would control a terminal, or the direction of the text behind it.
fn is_escaped(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The end of the message of [`Error::MissingHead`].
fn with_other_head(found: Option<&str>) -> String {
    found.map_or(": it is an encoder alone".into(), |found| format!(", but one for {found}"))
}

/// A number of things, such as `1 token` or `2 tokens`.
pub(crate) fn counted(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// The result, or `None` if it panics: crates that read files of strangers do so on some that contradict themselves. The
/// hook of panics stays as the program has it.
pub(crate) fn unless_it_panics<T>(run: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn a_copy_keeps_message_path_and_source() {
        let error = Error::read(Path::new("m/config.json"))(io::ErrorKind::PermissionDenied.into());
        let copy = error.clone();
        assert_eq!(copy.to_string(), "`m/config.json`: permission denied");
        assert_eq!((copy.kind(), copy.path()), (ErrorKind::Io, Some(Path::new("m/config.json"))));
        assert_eq!(copy.source().unwrap().to_string(), "permission denied");
        let question = Error::Question { id: "7".into(), source: Box::new(Error::EmptyQuestion) }.clone();
        assert_eq!(question.source().unwrap().to_string(), "the question is empty");
        assert_eq!(Error::option("doc_stride", "5: too much").to_string(), "doc_stride 5: too much");
    }

    #[test]
    fn messages_repeat_no_more_than_an_excerpt_of_foreign_text() {
        let long = "x\n".repeat(1 << 20);
        let (name, path) = (long.clone(), PathBuf::from("f"));
        let source = Arc::new(io::Error::from(io::ErrorKind::NotFound));
        let format = |message: String| Error::format("f", FormatKind::Dataset, message);
        for error in [
            format(format!("no `{long}`, expected `{long}`")),
            format(long.clone()),
            format("`a".repeat(1 << 20)),
            Error::option("doc_stride", format!("`{long}`: too much")),
            Error::Conflict { path, message: format!("seed was {long} when the run began") },
            Error::ModelType { found: long.clone(), expected: "expected longformer" },
            Error::MissingTensor { name: name.clone() },
            Error::UnknownToken { token: name.clone() },
            Error::TensorShape { name: name.clone(), expected: vec![1], found: vec![1; 1 << 20] },
            Error::TensorType { name, found: long.clone() },
            Error::Question { id: long.clone(), source: Box::new(Error::EmptyQuestion) },
            Error::Hub { repository: long.clone(), fault: HubFault::Answer, message: long },
            Error::Read { path: "f".into(), source },
        ] {
            let message = error.to_string();
            let parts = || message.split(['`', ' ', '…']).map(|part| part.chars().count());
            assert!(message.len() < 4096 && message.lines().count() == 1, "{} bytes: {message}", message.len());
            assert!(parts().all(|count| count <= PART_CHARACTERS), "{message}");
        }
        let short = "`a`: no `b c`, it has 12";
        assert_eq!(with_excerpts(short), short);
    }

    #[test]
    fn paths_stay_as_they_are() {
        let path = Path::new("caf\u{e9}/x.json");
        assert_eq!(Error::format(path, FormatKind::Config, "no JSON").path(), Some(path));
        #[cfg(unix)]
        {
            use std::os::unix::ffi::OsStrExt;
            let path = Path::new(std::ffi::OsStr::from_bytes(b"x\xff"));
            let missing = Error::MissingFile { checkpoint: path.into(), wanted: "weights" };
            for error in [missing, Error::format(path, FormatKind::Config, "no JSON")] {
                assert_eq!(error.path(), Some(path));
            }
        }
    }
}
