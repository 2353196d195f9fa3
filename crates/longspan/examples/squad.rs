//! Asks a checkpoint all questions of a SQuAD file, in one precision or several, and prints the official figures.
//!
//! `cargo run --release --example squad -- CHECKPOINT DATA.json[.gz] [f32,bf16,int8]`
//!
//! From the second precision on it says how many answers are those of the first.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::time::Instant;

use longspan::checkpoint::Source;
use longspan::squad::Dataset;
use longspan::squad::metrics::Scores;
use longspan::{Answer, Document, Precision, ReadOptions, Reader};

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (model, data, precisions) = match arguments.as_slice() {
        [model, data] => (model, data, "f32"),
        [model, data, precisions] => (model, data, precisions.as_str()),
        _ => return Err("usage: squad CHECKPOINT DATA.json[.gz] [f32,bf16,int8]".into()),
    };
    let mut json = std::fs::read(data)?;
    if json.starts_with(&[0x1f, 0x8b]) {
        let packed = std::mem::take(&mut json);
        flate2::read::MultiGzDecoder::new(packed.as_slice()).read_to_end(&mut json)?;
    }
    let dataset = Dataset::parse(data, &json)?;
    let mut first: Option<HashMap<String, String>> = None;
    for precision in precisions.split(',') {
        let precision: Precision = precision.parse()?;
        let reader = Reader::from_source(&Source::Folder(Path::new(model).into()), precision)?;
        println!("{precision}");
        let predictions = ask(&reader, &dataset)?;
        for (key, figure) in Scores::of(&dataset, &predictions).figures() {
            println!("{key} {figure}");
        }
        let first = first.get_or_insert_with(|| predictions.clone());
        let same = predictions.iter().filter(|(id, answer)| first[*id] == **answer).count();
        println!("{same} of {} answers are those of the first precision", predictions.len());
    }
    Ok(())
}

/// The answer to each question, by its id; empty on abstention.
fn ask(reader: &Reader, dataset: &Dataset) -> Result<HashMap<String, String>, Error> {
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
    println!("{:.1} questions/s, {:.0} tokens/s", pairs.len() as f64 / seconds, tokens as f64 / seconds);
    let text = |document: &Document, answer: &Answer| {
        answer.best().map_or(String::new(), |span| document.text()[span.bytes.start..span.bytes.end].to_string())
    };
    Ok(pairs.iter().zip(&answers).map(|((q, document), a)| (q.id.clone(), text(document, a))).collect())
}
