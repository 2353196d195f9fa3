//! What can go wrong: one enum for the whole library.
//!
//! A message is lower case, has no full stop, and names the thing and both values. Mistakes of the caller
//! (a slice of the wrong length, an index out of range) are assertions, not errors.

use std::path::PathBuf;

/// `Result` with Longspan's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// The world's faults: files, checkpoints, documents, questions, the network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be read.
    #[error("`{}`: {source}", path.display())]
    Read {
        /// What was to be read.
        path: PathBuf,
        /// The operating system's word.
        source: std::io::Error,
    },
    /// A file or folder could not be written.
    #[error("`{}`: {source}", path.display())]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// The operating system's word.
        source: std::io::Error,
    },
    /// A file is there but its content is not what it should be.
    #[error("`{file}`: {message}")]
    Format {
        /// Name of the file, as short as it is clear.
        file: String,
        /// What is wrong with it.
        message: String,
    },
    /// A checkpoint lacks a file.
    #[error("`{checkpoint}`: no {wanted}")]
    MissingFile {
        /// Folder or name of the checkpoint.
        checkpoint: String,
        /// Which file, or which of several.
        wanted: &'static str,
    },
    /// A checkpoint has no tokenizer of any known kind.
    #[error("no tokenizer: neither tokenizer.json, nor vocab.json with merges.txt, nor vocab.txt")]
    MissingTokenizer,
    /// A checkpoint lacks a tensor that its configuration asks for.
    #[error("tensor `{name}`: not in the checkpoint")]
    MissingTensor {
        /// Hugging Face's name of the tensor.
        name: String,
    },
    /// A tensor has another shape than the configuration says.
    #[error("tensor `{name}`: expected shape {expected:?}, file has {found:?}")]
    TensorShape {
        /// Hugging Face's name of the tensor.
        name: String,
        /// The shape that `config.json` asks for.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// The model computed what is no number: its weights are broken.
    #[error("the model computed a logit of {logit}: its weights are broken")]
    NotFinite {
        /// Infinite or not a number.
        logit: f32,
    },
    /// Training went astray: the weights are those before the step.
    #[error("step {step}: {message}")]
    Diverged {
        /// From 1.
        step: usize,
        /// What went wrong.
        message: String,
    },
    /// A tensor is stored in a number format that is not read as floating point.
    #[error("tensor `{name}`: expected F32, F16 or BF16, file has {found}")]
    TensorType {
        /// Hugging Face's name of the tensor.
        name: String,
        /// The format in the file, as safetensors spells it.
        found: String,
    },
    /// The question has no text.
    #[error("the question is empty")]
    EmptyQuestion,
    /// The document has no text.
    #[error("the document is empty")]
    EmptyDocument,
    /// A text is longer than offsets reach.
    #[error("the text has {bytes} bytes, the most is {bytes_max}")]
    TextTooLong {
        /// Length of its UTF-8.
        bytes: usize,
        /// The longest that can be read.
        bytes_max: usize,
    },
    /// The question leaves no room for a document.
    #[error("the question has {tokens} tokens, at most {tokens_max} leave room for a document")]
    QuestionTooLong {
        /// Tokens of the question.
        tokens: usize,
        /// The most that would do.
        tokens_max: usize,
    },
    /// A question of a dataset cannot be asked.
    #[error("question `{id}`: {source}")]
    Question {
        /// Its id.
        id: String,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// An option is out of its range.
    #[error("{0}")]
    Option(String),
    /// A converted model does not compute what its source does.
    #[error(
        "the converted model differs from its source by {difference:.1e} on inputs up to {tokens} tokens, at most \
         {difference_max:.1e} is allowed"
    )]
    Conversion {
        /// The largest difference of a hidden state or a logit.
        difference: f64,
        /// The largest that rounding explains.
        difference_max: f64,
        /// The longest input.
        tokens: usize,
    },
    /// The Hugging Face hub, or the way to it.
    #[error("hub: `{repository}`: {message}")]
    Hub {
        /// `ORG/NAME`, with `@REVISION` where one was asked for.
        repository: String,
        /// Which kind of trouble it is: what a program gives its hint by.
        fault: HubFault,
        /// What went wrong, and what would help.
        message: String,
    },
}

/// The kinds of trouble with the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HubFault {
    /// The name or the revision is not one that the hub could have.
    Name,
    /// The hub asks for a token, or for another one.
    Access,
    /// The hub has no such model, revision or file.
    NotFound,
    /// The hub cannot be reached, or does not answer as a hub does.
    Unreachable,
    /// The network may not be used and the cache lacks the files.
    NotCached,
}
