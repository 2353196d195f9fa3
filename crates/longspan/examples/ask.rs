//! Asks a text file one question.
//!
//! ```console
//! cargo run --release --example ask -- "When was the license published?" LICENSE
//! ```

use std::error::Error;

use longspan::Reader;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(question), Some(file)) = (arguments.next(), arguments.next()) else {
        return Err("usage: ask QUESTION FILE [MODEL]".into());
    };
    // A folder, or a model on the Hugging Face hub such as "mrm8488/longformer-base-4096-finetuned-squadv2".
    let model = arguments.next().unwrap_or("models/embedded".into());

    let reader = Reader::open(&model)?;
    let text = std::fs::read_to_string(file)?;
    let answer = reader.answer(&question, &text)?;
    match answer.best() {
        Some(span) => println!("{} (score {:.3}, byte {})", span.text(&text), span.score, span.bytes.start),
        None => println!("no answer (score {:.3})", answer.no_answer_score),
    }
    Ok(())
}
