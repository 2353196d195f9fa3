//! Errors as the user sees them: `error: …`, then `hint: …` with what would help. The one place that maps the library's
//! errors to hints.

use std::fmt;
use std::io::{self, Write};

use anstyle::AnsiColor;
use longspan::Error;
use longspan::error::HubFault;

use crate::terminal::printable;

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

/// What the operating system says, in the words of the other messages.
pub fn io_message(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".into(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        _ => error.to_string(),
    }
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

/// Prints what is not as it should be, but ends nothing, to standard error.
pub fn warn(message: &str) {
    let yellow = AnsiColor::Yellow.on_default().bold();
    let line = format!("{yellow}warning:{yellow:#} {}\n", printable(message));
    let _ = anstream::stderr().write_all(line.as_bytes());
}

/// The causes from the outermost to the first that tells the whole: the library's messages include their sources.
fn message(error: &anyhow::Error) -> String {
    let mut parts = Vec::new();
    for cause in error.chain() {
        let message = match cause.downcast_ref::<Error>() {
            Some(Error::Option(message)) => as_typed(message),
            _ => cause.to_string(),
        };
        parts.push(printable(&message));
        if cause.is::<Error>() || cause.is::<Fault>() {
            break;
        }
    }
    parts.join(": ")
}

/// The library names an option as its field, `doc_stride`; here it is `--doc-stride`.
pub fn as_typed(message: &str) -> String {
    match message.split_once(' ') {
        Some((field, rest)) if field.contains('_') && !field.starts_with('`') => {
            format!("--{} {rest}", field.replace('_', "-"))
        }
        _ => message.to_string(),
    }
}

fn hint(error: &anyhow::Error) -> Option<&'static str> {
    error.chain().find_map(|cause| {
        if let Some(fault) = cause.downcast_ref::<Fault>() {
            return Some(fault.hint);
        }
        cause.downcast_ref::<Error>().and_then(library_hint)
    })
}

fn library_hint(error: &Error) -> Option<&'static str> {
    Some(match error {
        Error::Read { .. } => "check the path, and that you may read it",
        Error::Format { file, .. } if file.ends_with("longspan.json") => {
            "correct the file or take it away: it holds Longspan's own settings of the model"
        }
        Error::Format { file, .. } if file.ends_with(".bin") && file.contains("tokens") => {
            "remove it: the text is tokenized again"
        }
        Error::Format { .. } => {
            "the model must be a Longformer checkpoint in Hugging Face's layout; if it is one, fetch or copy it again"
        }
        Error::MissingFile { .. } => {
            "a checkpoint has config.json, weights (model.safetensors or pytorch_model.bin) and a tokenizer \
             (tokenizer.json, or vocab.json with merges.txt, or vocab.txt)"
        }
        Error::MissingTensor { .. } | Error::TensorShape { .. } => {
            "config.json and the weights must be those of one Longformer, with the head that is asked for"
        }
        Error::Diverged { .. } => {
            "the weights and the state from before are in the folder; a lower --learning-rate or a longer --warmup helps"
        }
        Error::Question { .. } => "correct the question or take it out of the data",
        Error::NotFinite { .. } => "fetch or copy the checkpoint again, or try another model",
        Error::EmptyQuestion => "the question is the first argument, in quotes",
        Error::EmptyDocument => "give a document with some text",
        Error::TextTooLong { .. } => "split the document into parts, and give them all",
        Error::QuestionTooLong { .. } => "shorten the question, raise --max-tokens, or lower --doc-stride",
        Error::Option(_) => "`--help` explains the options, `longspan info` shows the model's limits",
        Error::Write { .. } => "check that you may write there and that there is room; HF_HOME names another cache",
        Error::Conversion { .. } => "config.json and the weights of the source may be those of two models",
        Error::TensorType { .. } => "store the weights as f32, f16 or bf16",
        Error::MissingTokenizer => "a checkpoint has a tokenizer.json, or a vocab.json with merges.txt, or a vocab.txt",
        Error::Hub { fault, .. } => match fault {
            HubFault::Name => "a model is a folder, or ORG/NAME[@REVISION] on the Hugging Face hub",
            HubFault::Access => "set HF_TOKEN to a token that may read the model, and accept its terms on the hub",
            HubFault::NotFound => "check the name and the revision on https://huggingface.co",
            HubFault::NotCached => "run `longspan fetch ORG/NAME` once with a network",
            _ => "check the network; with --offline or HF_HUB_OFFLINE=1 the cache alone is used",
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn a_message_says_each_thing_once() {
        let source = io::Error::from(io::ErrorKind::PermissionDenied);
        let error = anyhow::Error::new(Error::Read { path: "m".into(), source }).context("outer");
        assert_eq!(message(&error), "outer: `m`: permission denied");
        assert!(hint(&error).is_some());
        let error = Err::<(), _>(fault("inner", "do this")).context("outer").unwrap_err();
        assert_eq!((message(&error).as_str(), hint(&error)), ("outer: inner", Some("do this")));
        assert_eq!(hint(&anyhow::anyhow!("else")), None);
        let error = anyhow::Error::new(Error::Option("doc_stride 9: too much".into()));
        assert_eq!(message(&error), "--doc-stride 9: too much");
    }

    #[test]
    fn a_message_cannot_steer_the_terminal() {
        assert_eq!(message(&fault("`a\x1b[2J\nb`: bad", "")), "`a\u{fffd}[2J\u{fffd}b`: bad");
    }
}
