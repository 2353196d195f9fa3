//! Asks several files several questions, shows the progress, and stops after a time limit.
//!
//! ```console
//! cargo run --release --example progress -- 10 README.md ARCHITECTURE.md LICENSE
//! ```

use std::error::Error;
use std::io::Write;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use longspan::{Document, Question, ReadOptions, Reader};

const QUESTIONS: [&str; 3] = [
    "When was the license published?",
    "What is the largest number of lines of a file?",
    "Who wrote Pride and Prejudice?",
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().ok_or("usage: progress SECONDS FILE...")?.parse()?;
    let files: Vec<String> = arguments.collect();

    let reader = Reader::open("models/embedded")?;
    let open = |file| Ok::<_, Box<dyn Error>>(reader.document(std::fs::read_to_string(file)?)?);
    let documents: Vec<Document> = files.iter().map(open).collect::<Result<_, _>>()?;
    let questions: Vec<Question> =
        QUESTIONS.iter().map(|text| reader.question(text)).collect::<longspan::Result<_>>()?;
    let pairs: Vec<(&Question, &Document)> =
        questions.iter().flat_map(|question| documents.iter().map(move |document| (question, document))).collect();

    // Called after every pass of the model over a batch of windows. `Break` stops the work.
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let answers = reader.answer_batch(&pairs, &ReadOptions::default(), &mut |progress| {
        eprint!("\r{} of {} tokens", progress.tokens_done, progress.tokens);
        let _ = std::io::stderr().flush();
        if Instant::now() < deadline { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    eprintln!();

    // Each pair has its own result: those that were finished before the deadline have an answer.
    let names = QUESTIONS.iter().flat_map(|question| files.iter().map(move |file| (question, file)));
    for (((question, file), (_, document)), answer) in names.zip(&pairs).zip(answers) {
        match answer {
            Ok(answer) => println!("{file}: {question} {}", answer.text(document).unwrap_or("no answer")),
            Err(longspan::Error::Cancelled) => println!("{file}: {question} (stopped by the time limit)"),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
