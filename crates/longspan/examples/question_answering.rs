//! Extractive question answering in one file: everything between a model's logits and an answer, by hand.
//!
//! [`Reader`](longspan::Reader) does the same, but faster, in little memory, with more options and with calibrated scores.
//!
//! ```console
//! cargo run --release --example question_answering -- "When was the license published?" LICENSE
//! ```
//!
//! The method is that of SQuAD v2.0 and BERT (Devlin et al., arXiv 1810.04805, section 4.3), on Longformer's inputs
//! (Beltagy et al., arXiv 2004.05150), with one softmax over all windows of a document.

use std::error::Error;

use longspan::best_precision;
use longspan::checkpoint::{Source, Tensors};
use longspan::model::{Batch, Model, Sequence, Task};
use longspan::tokenizer::Tokenizer;

/// Tokens of the longest answer.
const MAX_ANSWER_LENGTH: usize = 30;
/// Tokens that neighbouring windows share.
const DOC_STRIDE: usize = 128;

/// A span of tokens of the document that may be the answer.
struct SpanCandidate {
    first: usize,
    last: usize,
    /// S: start logit of the first token plus end logit of the last.
    logit: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(question), Some(file)) = (arguments.next(), arguments.next()) else {
        return Err("usage: question_answering QUESTION FILE [FOLDER]".into());
    };
    let text = std::fs::read_to_string(file)?;

    // 1. The model: sizes, tokenizer and weights from the files of a checkpoint.
    let source = Source::Folder(arguments.next().unwrap_or("models/embedded".into()).into());
    let tokenizer = Tokenizer::load(|name| source.read(name))?;
    let model = Model::load(source.config()?, Task::QuestionAnswering, best_precision()?, &Tensors::open(&source)?)?;

    // 2. Tokens. Each token of the document knows its bytes in the text.
    let question = tokenizer.encode(&question)?.ids;
    let document = tokenizer.encode(&text)?;

    // 3. Windows. An input is `[CLS] question [SEP][SEP] part of the document [SEP]`. A document that is too long for one
    //    input is read in windows that overlap, so that every answer has context on both sides in one of them.
    let before = 1 + question.len() + 2; // tokens before the document
    let room = model.config().max_tokens() - before - 1;
    let mut candidates = Vec::new();
    let mut null_logit = f64::INFINITY; // n: how strongly the least certain window says 'no answer'
    let mut first = 0; // token of the document with which the window begins
    loop {
        let last = (first + room).min(document.ids.len());

        // 4. Logits: for each token of the input, how likely an answer starts and ends there.
        let logits = window_logits(&model, &tokenizer, &question, &document.ids[first..last])?; // (T, 2)
        let start = |token: usize| f64::from(logits[2 * token]);
        let end = |token: usize| f64::from(logits[2 * token + 1]);

        // 5. Candidates: spans of the document that are not too long. A span that two windows contain counts in the one
        //    that shows more context around its first token. The first token of the input, `[CLS]`, stands for
        //    'no answer'.
        null_logit = null_logit.min(start(0) + end(0));
        for token in first..last {
            let shared_half = DOC_STRIDE / 2;
            let early = first > 0 && token < first + shared_half;
            let late = last < document.ids.len() && token >= last - shared_half;
            if early || late {
                continue; // the neighbouring window shows more context
            }
            for final_token in token..last.min(token + MAX_ANSWER_LENGTH) {
                let logit = start(before + token - first) + end(before + final_token - first);
                candidates.push(SpanCandidate { first: token, last: final_token, logit });
            }
        }
        if last == document.ids.len() {
            break;
        }
        first = last - DOC_STRIDE;
    }

    // 6. One softmax over 'no answer' and all candidates of all windows, relative to the largest logit.
    let best = candidates.iter().max_by(|a, b| a.logit.total_cmp(&b.logit)).ok_or("the document is empty")?;
    let largest = best.logit.max(null_logit);
    let exp = |logit: f64| (logit - largest).exp();
    let sum = exp(null_logit) + candidates.iter().map(|candidate| exp(candidate.logit)).sum::<f64>();

    // 7. The decision. The threshold of an uncalibrated model is 0: it abstains if 'no answer' beats the best span.
    let begin = document.spans[best.first].start;
    let end = document.spans[best.last].end;
    let answer = &text[begin as usize..end as usize];
    if null_logit - best.logit > 0.0 {
        println!("no answer (score {:.3}, best guess {answer:?})", exp(null_logit) / sum);
    } else {
        println!("{answer} (score {:.3}, bytes {begin} to {end})", exp(best.logit) / sum);
    }
    Ok(())
}

/// The start and end logits of each token of an input, (T, 2). The question has global attention: its tokens see the whole
/// input, and the whole input sees them. All other tokens see their neighbours.
fn window_logits(model: &Model, tokenizer: &Tokenizer, question: &[u32], window: &[u32]) -> longspan::Result<Vec<f32>> {
    let mut ids = vec![tokenizer.cls_token_id];
    ids.extend(question);
    ids.extend([tokenizer.sep_token_id; 2]);
    let before = ids.len(); // tokens before the document
    ids.extend(window);
    ids.push(tokenizer.sep_token_id);
    let types: Vec<u32> = (0..ids.len()).map(|token| u32::from(token >= before)).collect();
    let globals: Vec<usize> = (0..=question.len()).collect();
    Ok(model.logits(&Batch::of(Sequence { ids: &ids, token_type_ids: Some(&types), globals: &globals }))?.values)
}
