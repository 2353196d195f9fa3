//! Asks one text file many questions. The document is tokenized once, and all questions share the batches of the model.
//!
//! ```console
//! cargo run --release --example many_questions -- LICENSE "When was it published?" "What does it govern?"
//! ```

use std::error::Error;
use std::ops::ControlFlow;

use longspan::{Document, Question, ReadOptions, Reader};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("usage: many_questions FILE QUESTION...")?;
    let texts: Vec<String> = arguments.collect();

    let reader = Reader::open("models/embedded")?;
    let document = reader.document(std::fs::read_to_string(file)?)?;
    let questions: Vec<Question> = texts.iter().map(|text| reader.question(text)).collect::<longspan::Result<_>>()?;
    let pairs: Vec<(&Question, &Document)> = questions.iter().map(|question| (question, &document)).collect();

    // Up to three spans for each question.
    let options = ReadOptions::default().top(3);
    let answers = reader.answer_batch(&pairs, &options, &mut |_| ControlFlow::Continue(()));
    for (text, answer) in texts.iter().zip(answers) {
        let answer = answer?;
        println!("{text}\n  {}", answer.text(&document).unwrap_or("no answer"));
        for span in &answer.spans {
            println!("    {:.3}  {:?}", span.score, span.text(document.text()));
        }
    }
    Ok(())
}
