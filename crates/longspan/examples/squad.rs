//! Asks a checkpoint all questions of a SQuAD file and prints the official figures.
//!
//! `cargo run --release --example squad -- CHECKPOINT DATA.json[.gz]`

use std::collections::HashMap;
use std::io::Read;
use std::time::Instant;

use longspan::squad::Dataset;
use longspan::squad::metrics::Scores;
use longspan::{Answer, Document, ReadOptions, Reader};

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, data] = arguments.as_slice() else {
        return Err("usage: squad CHECKPOINT DATA.json[.gz]".into());
    };
    let reader = Reader::open(model)?;
    let mut json = std::fs::read(data)?;
    if json.starts_with(&[0x1f, 0x8b]) {
        let packed = std::mem::take(&mut json);
        flate2::read::MultiGzDecoder::new(packed.as_slice()).read_to_end(&mut json)?;
    }
    let dataset = Dataset::parse(data, &json)?;
    // Questions of one paragraph follow each other: each document is tokenized once.
    let mut documents: Vec<Document> = Vec::new();
    let mut pairs = Vec::new(); // (question, document)
    for (paragraph, question) in dataset.questions() {
        if documents.last().is_none_or(|last| !std::ptr::eq(last.text(), paragraph.context.as_str())) {
            documents.push(reader.document(&paragraph.context)?);
        }
        pairs.push((question, documents.len() - 1));
    }
    let pairs: Vec<_> = pairs.into_iter().map(|(question, d)| (question, &documents[d])).collect();
    let asked: Vec<_> = pairs.iter().map(|(question, document)| (question.question.as_str(), *document)).collect();

    let start = Instant::now();
    let mut tokens = 0;
    let answers =
        reader.answer_batch(&asked, &ReadOptions::default(), &mut |progress| tokens = progress.tokens_done)?;
    let seconds = start.elapsed().as_secs_f64();
    let text = |document: &Document, answer: &Answer| {
        answer.best().map_or(String::new(), |span| document.text()[span.bytes.start..span.bytes.end].to_string())
    };
    let predictions: HashMap<String, String> =
        pairs.iter().zip(&answers).map(|((question, document), a)| (question.id.clone(), text(document, a))).collect();
    for (key, figure) in Scores::of(&dataset, &predictions).figures() {
        println!("{key} {figure}");
    }
    let questions = pairs.len() as f64 / seconds;
    println!("{questions:.1} questions/s, {:.0} tokens/s", tokens as f64 / seconds);
    Ok(())
}
