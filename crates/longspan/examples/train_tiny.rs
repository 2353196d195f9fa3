//! Fine-tunes the embedded model for a few steps on four questions, and asks the result.
//!
//! ```console
//! cargo run --release --example train_tiny -- /tmp/tiny
//! ```

use std::error::Error;
use std::ops::ControlFlow;
use std::path::PathBuf;

use longspan::checkpoint::Source;
use longspan::squad::Dataset;
use longspan::train::{QaJob, QaSettings, RunEvent, TrainSettings, run};
use longspan::{ReadOptions, Reader};

const TEXT: &str = "The mill on the Ilme was built in 1848 by Ada Brown. Its wheel turned until the flood of 1911.";

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(std::env::args().nth(1).ok_or("usage: train_tiny FOLDER, which is new or empty")?);

    // Data in the format of SQuAD v2.0. `answer_start` counts characters.
    let question = |id: usize, question: &str, answer: &str| {
        let answers = match TEXT.find(answer) {
            Some(start) if !answer.is_empty() => format!(r#"[{{"text": "{answer}", "answer_start": {start}}}]"#),
            _ => "[]".into(),
        };
        format!(r#"{{"id": "{id}", "question": "{question}", "answers": {answers}}}"#)
    };
    let questions = [
        question(1, "When was the mill built?", "1848"),
        question(2, "Who built the mill?", "Ada Brown"),
        question(3, "What ended its work?", "the flood of 1911"),
        question(4, "How deep is the Ilme?", ""),
    ];
    let json =
        format!(r#"{{"data": [{{"paragraphs": [{{"context": "{TEXT}", "qas": [{}]}}]}}]}}"#, questions.join(", "));
    let train = Dataset::parse("mill.json", json.as_bytes())?;

    let base = Source::Folder("models/embedded".into());
    let job = QaJob {
        base: &base,
        train: &train,
        dev: None,
        dev_options: &ReadOptions::default(),
        teacher: None,
        qa: &QaSettings::default(),
        settings: &TrainSettings { steps: 5, ..Default::default() },
        out: &out,
        resume: false,
    };
    // `Break` would stop the run after this step; `resume` continues it.
    run(&job, &mut |event| {
        if let RunEvent::Step(report) = event {
            println!("step {} of {}: loss {:.3}", report.step, report.steps, report.loss);
        }
        ControlFlow::Continue(())
    })?;

    let reader = Reader::open(&out.to_string_lossy())?;
    let answer = reader.answer("What ended its work?", TEXT)?;
    println!("{}", answer.best().map_or("no answer", |span| span.text(TEXT)));
    Ok(())
}
