//! Asks a checkpoint all questions of a SQuAD file and prints the official figures.
//!
//! `cargo run --release --example squad -- CHECKPOINT DATA.json[.gz]`

use std::collections::HashMap;
use std::io::Read;
use std::time::Instant;

use longspan::{Document, ReadOptions, Reader, squad};

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
    let articles = squad::parse(&json, data)?;
    let paragraphs: Vec<_> = articles.iter().flat_map(|article| &article.paragraphs).collect();
    let documents = paragraphs.iter().map(|p| reader.document(&p.context)).collect::<Result<Vec<Document>, _>>()?;
    let asked = || paragraphs.iter().zip(&documents).flat_map(|(p, d)| p.questions.iter().map(move |q| (q, d)));
    let pairs: Vec<_> = asked().map(|(question, document)| (question.text.as_str(), document)).collect();

    let start = Instant::now();
    let mut tokens = 0;
    let answers =
        reader.answer_batch(&pairs, &ReadOptions::default(), &mut |progress| tokens = progress.tokens_done)?;
    let seconds = start.elapsed().as_secs_f64();
    let predictions: HashMap<String, String> = asked()
        .zip(&answers)
        .map(|((question, document), answer)| {
            let text = answer.best().map_or("", |span| &document.text()[span.bytes.start..span.bytes.end]);
            (question.id.clone(), text.to_string())
        })
        .collect();

    let figures = squad::evaluate(&articles, &predictions);
    let rows = [("", Some(figures.all)), ("HasAns_", figures.has_answer), ("NoAns_", figures.no_answer)];
    for (prefix, group) in rows {
        if let Some(group) = group {
            let squad::Group { exact, f1, total } = group;
            println!("{prefix}exact {exact:.2}  {prefix}f1 {f1:.2}  {prefix}total {total}");
        }
    }
    let questions = pairs.len() as f64 / seconds;
    println!("{questions:.1} questions/s, {:.0} tokens/s", tokens as f64 / seconds);
    Ok(())
}
