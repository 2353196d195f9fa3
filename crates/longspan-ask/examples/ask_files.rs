//! Asks several files two questions, shows the progress, and stops after a time limit. Run it in the root of the
//! repository; elsewhere use `Reader::embedded`, with the feature `embedded` of `longspan`.
//!
//! ```console
//! cargo run --release --example ask_files -- 10 README.md STYLE.md LICENSE
//! ```

use std::error::Error;
use std::io::Write;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use longspan::{ErrorKind, ReadOptions, Reader};
use longspan_ask::{AskEvent, Asker, DocumentSource, SourceOptions, rank};

const QUESTIONS: [&str; 2] = ["When was the license published?", "How many lines does a file have at most?"];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().ok_or("usage: ask_files SECONDS FILE...")?.parse()?;
    let files: Vec<_> = arguments.map(|file| DocumentSource::File(file.into())).collect();

    let reader = Arc::new(Reader::open("models/embedded")?);
    let asker = Asker::new(reader, ReadOptions::default());
    let questions: Vec<_> = QUESTIONS.iter().map(|text| asker.question(text)).collect::<Result<_, _>>()?;

    let deadline = Instant::now() + Duration::from_secs(seconds);
    let mut answers = [Vec::new(), Vec::new()]; // of each question
    let flow = asker.ask_sources(&questions, files, &SourceOptions::default(), &mut |event| {
        match event {
            AskEvent::Begin(documents) => eprintln!("reading {} documents", documents.len()),
            AskEvent::Progress(progress) => {
                eprint!("\r{} of {} tokens", progress.tokens_done, progress.tokens);
                let _ = std::io::stderr().flush();
            }
            AskEvent::Answer { question, answer } => answers[question].push(answer),
            AskEvent::Error { question: Some(question), error } if error.kind() == ErrorKind::Cancelled => {
                eprintln!("\n{}: too late for: {}", error.document(), QUESTIONS[question]);
            }
            AskEvent::Error { error, .. } => eprintln!("\n{error}"),
            _ => {}
        }
        // `Break` stops the model. Answers that are complete by then still come.
        if Instant::now() < deadline { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    eprintln!();

    for (question, answers) in QUESTIONS.iter().zip(&mut answers) {
        println!("{question}");
        rank(answers); // the best first, documents without an answer last
        for answer in answers {
            match answer.best() {
                Some(best) => {
                    let (line, snippet) = (best.place.line, &best.snippet);
                    let sentence = format!("{}»{}«{}", snippet.before, snippet.answer, snippet.after);
                    println!("  {}:{line}: {sentence} (score {:.2})", answer.document, best.score)
                }
                None => println!("  {}: no answer (score {:.2})", answer.document, answer.no_answer_score),
            }
        }
    }
    if flow.is_break() {
        println!("stopped by the time limit");
    }
    Ok(())
}
