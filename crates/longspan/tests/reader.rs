//! The reader on real questions, against transformers' logits followed by the SQuAD script's rule, in slow Python.
//!
//! `tests/golden/reader/make.py` makes the golden file and explains its fields. Each embedded model has a new file.

use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use longspan::checkpoint::Source;
use longspan::config::Config;
use longspan::model::{Model, Precision, Task};
use longspan::reader::{Calibration, Logistic, ReaderSettings};
use longspan::tokenizer::Tokenizer;
use longspan::{
    Abstain, Answer, Document, DocumentReading, Error, GlobalAttention, Question, ReadOptions, ReadProgress, Reader,
    Span, SpanList,
};
use serde::Deserialize;

/// The embedded model without its settings, as the golden file has it.
static READER: LazyLock<Reader> = LazyLock::new(|| {
    let reader = Reader::from_source(&Source::Folder(embedded()), Precision::F32).unwrap();
    reader.with_settings(ReaderSettings::default())
});

fn embedded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/embedded")
}

#[derive(Deserialize)]
struct Golden {
    max_answer_length: usize,
    null_score_diff_threshold: f64,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    setting: String,
    question: String,
    context: String,
    max_tokens: Option<usize>,
    doc_stride: Option<usize>,
    verify_tokens: usize,
    windows: usize,
    tokens: usize,
    answered: bool,
    text: String,
    start_byte: usize,
    end_byte: usize,
    start_logit: f32,
    end_logit: f32,
    score: f64,
    no_answer_score: f64,
    null_odds: f64,
}

fn golden() -> Golden {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/reader/golden.json.gz");
    let mut json = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut json).unwrap();
    serde_json::from_str(&json).unwrap()
}

fn ask(question: &str, text: &str, options: &ReadOptions) -> Answer {
    READER.answer_with(question, &READER.document(text).unwrap(), options).unwrap()
}

/// Other options than the default ones.
fn options(set: impl FnOnce(&mut ReadOptions)) -> ReadOptions {
    let mut options = ReadOptions::default();
    set(&mut options);
    options
}

fn go_on(_: ReadProgress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn real_questions_are_answered_as_the_script_answers_them() {
    let golden = golden();
    let mut largest: f64 = 0.0;
    for case in &golden.cases {
        let options = options(|options| {
            options.max_tokens = case.max_tokens;
            options.doc_stride = case.doc_stride;
            options.max_answer_length = Some(golden.max_answer_length);
            options.threshold = Some(golden.null_score_diff_threshold);
            options.verify_tokens = Some(case.verify_tokens);
        });
        let answer = ask(&case.question, &case.context, &options);
        let what = format!("{}: {}", case.setting, case.question);
        assert_eq!(
            (answer.answered, answer.windows, answer.tokens),
            (case.answered, case.windows, case.tokens),
            "{what}"
        );
        let span = &answer.spans[0];
        assert_eq!((span.bytes.start, span.bytes.end), (case.start_byte, case.end_byte), "{what}");
        assert_eq!(span.text(&case.context), case.text, "{what}");
        let numbers = [
            (span.start_logit.into(), case.start_logit.into()),
            (span.end_logit.into(), case.end_logit.into()),
            (span.score, case.score),
            (answer.no_answer_score, case.no_answer_score),
            (answer.null_odds, case.null_odds),
        ];
        for (found, expected) in numbers {
            let difference: f64 = found - expected;
            assert!(difference.abs() < 1e-4, "{what}: {found} for {expected}");
            largest = largest.max(difference.abs());
        }
    }
    println!("{} questions, largest difference {largest:e}", golden.cases.len());
}

/// Twelve questions, each about its own paragraph.
fn paragraphs(golden: &Golden) -> Vec<(Question, Document)> {
    let cases = golden.cases.iter().filter(|case| case.setting == "paragraph").take(12);
    let of = |case: &Case| (READER.question(&case.question).unwrap(), READER.document(case.context.as_str()).unwrap());
    cases.map(of).collect()
}

/// Several short windows and a verification window a document.
fn short_windows() -> ReadOptions {
    options(|options| (options.max_tokens, options.verify_tokens) = (Some(120), Some(50))).top(3)
}

fn alone(question: &Question, document: &Document, options: &ReadOptions) -> Answer {
    READER.answer_batch(&[(question, document)], options, &mut go_on).remove(0).unwrap()
}

#[test]
fn a_batch_gives_what_each_pair_gives_alone() {
    let paragraphs = paragraphs(&golden());
    let pairs: Vec<_> = paragraphs.iter().map(|(question, document)| (question, document)).collect();
    let mut heard = Vec::new();
    let together = READER.answer_batch(&pairs, &short_windows(), &mut |progress| {
        heard.push(progress);
        ControlFlow::Continue(())
    });
    for ((question, document), answer) in pairs.iter().zip(together) {
        assert_eq!(alone(question, document, &short_windows()), answer.unwrap());
    }
    let last = heard[heard.len() - 1];
    assert_eq!(last.tokens_done, last.tokens);
    assert!(heard.iter().all(|progress| progress.tokens == last.tokens));
}

#[test]
fn a_question_asked_again_has_the_answer_that_it_has_alone() {
    let wide = |options: &mut ReadOptions| {
        (options.max_tokens, options.verify_tokens, options.max_answer_length) = (Some(120), Some(30), Some(20));
    };
    let (mut again, mut read) = (0, 0);
    for (question, document) in paragraphs(&golden()) {
        let commas: Vec<usize> = document.text().match_indices(',').map(|(offset, _)| offset).collect();
        let document = document.with_borders(&commas);
        let mut first = READER.begin(&question, &document, &options(wide)).unwrap();
        let part_read = |first: &mut DocumentReading| READER.pass(&mut [first], 1).unwrap();
        part_read(&mut first);
        for whole in [false, true] {
            if whole {
                READER.read(&mut [&mut first], &mut go_on);
            }
            for (length, respect_borders, verify_tokens) in
                [(20, false, 30), (1, false, 30), (2, true, 0), (10, true, 50)]
            {
                let options = options(|options| {
                    wide(options);
                    options.max_answer_length = Some(length);
                    options.respect_borders = Some(respect_borders);
                    options.verify_tokens = Some(verify_tokens);
                });
                let mut second = READER.begin_again(&first, &options.clone().top(3)).unwrap();
                let left = second.progress().tokens;
                READER.read(&mut [&mut second], &mut go_on);
                assert_eq!(second.progress().tokens_done, left);
                assert_eq!(second.finish().unwrap(), alone(&question, &document, &options.top(3)));
                if whole && verify_tokens == 30 {
                    (again, read) = (again + 1, read + usize::from(left > 0));
                }
            }
        }
    }
    // The verification window lies elsewhere where the best short span does, and nothing else is read again.
    assert!(0 < read && read <= again / 2, "{read} of {again}");
}

#[test]
#[should_panic(expected = "options that change the inputs of the model")]
fn a_question_cannot_be_asked_again_with_other_windows() {
    let (question, document) = (READER.question("Who?").unwrap(), READER.document("Ada built it.").unwrap());
    let reading = READER.begin(&question, &document, &ReadOptions::default()).unwrap();
    let _ = READER.begin_again(&reading, &options(|options| options.max_tokens = Some(100)));
}

#[test]
fn a_threshold_has_a_name() {
    let text = "The pump was installed in May 1911 by Ada Brown.";
    let reader = Reader::from_source(&Source::Folder(embedded()), Precision::F32).unwrap();
    let ask = |reader: &Reader, abstain: Option<Abstain>, threshold: Option<f64>| {
        let options = options(|options| (options.abstain, options.threshold) = (abstain, threshold));
        reader.answer_with("Who installed the pump?", &reader.document(text).unwrap(), &options)
    };
    let odds = ask(&reader, None, None).unwrap().null_odds;
    let mut settings = reader.settings().clone();
    settings.null_score_diff_threshold = odds;
    settings.abstain = [(Abstain::Strict, odds - 1.0), (Abstain::Balanced, odds)].into();
    let reader = reader.with_settings(settings);
    assert!(!ask(&reader, Some(Abstain::Strict), None).unwrap().answered);
    assert!(ask(&reader, Some(Abstain::Balanced), None).unwrap().answered);
    let error = |abstain, threshold| ask(&reader, Some(abstain), threshold).unwrap_err().to_string();
    assert_eq!(
        error(Abstain::Eager, None),
        "abstain eager: the checkpoint has no such threshold: `longspan calibrate` fits it"
    );
    assert!(error(Abstain::Strict, Some(2.5)).contains("strict: the threshold 2.5 is given too"));
}

/// Readings join and leave between passes of any size, as in a server.
#[test]
fn readings_in_steps_give_what_each_pair_gives_alone() {
    let paragraphs = paragraphs(&golden());
    let options = short_windows();
    for tokens_max in [1, 300, 1000] {
        let mut waiting = paragraphs.iter().enumerate();
        let mut open: Vec<(usize, DocumentReading)> = Vec::new();
        let mut passes = 0;
        let mut finished = 0;
        loop {
            if let Some((p, (question, document))) = waiting.next() {
                open.push((p, READER.begin(question, document, &options).unwrap()));
            }
            if passes == 5 {
                open.remove(0); // cancelled
            }
            let done: Vec<_> = open.extract_if(.., |(_, reading)| reading.is_done()).collect();
            for (p, reading) in done {
                let (question, document) = &paragraphs[p];
                assert_eq!(reading.progress().tokens_done, reading.progress().tokens);
                assert_eq!(reading.finish().unwrap(), alone(question, document, &options));
                finished += 1;
            }
            if open.is_empty() {
                break;
            }
            let before: usize = open.iter().map(|(_, reading)| reading.progress().tokens_done).sum();
            READER.pass(&mut open.iter_mut().map(|(_, reading)| reading).collect::<Vec<_>>(), tokens_max).unwrap();
            let after: usize = open.iter().map(|(_, reading)| reading.progress().tokens_done).sum();
            assert!(after > before && (after - before <= tokens_max || tokens_max == 1));
            passes += 1;
        }
        assert_eq!(finished, paragraphs.len() - 1, "batches of {tokens_max}");
    }
}

#[test]
fn a_short_document_waits_for_one_pass_of_a_long_one() {
    let text = "The pump was installed in May 1911. ".repeat(100);
    let question = READER.question("When was the pump installed?").unwrap();
    let options = options(|options| options.max_tokens = Some(100));
    let begin = |text: &str| READER.begin(&question, &READER.document(text).unwrap(), &options).unwrap();
    let (mut long, mut short) = (begin(&text), begin(&text[..35]));
    for pass in 1..=3 {
        READER.pass(&mut [&mut long, &mut short], 100).unwrap();
        assert_eq!(short.is_done(), pass >= 2, "pass {pass}");
    }
    assert_eq!(long.progress().tokens_done, 200, "the first pass and the third");
    assert!(matches!(long.finish(), Err(Error::Cancelled)));
    assert!(short.finish().unwrap().answered);
}

#[test]
fn the_caller_may_stop_the_work() {
    let paragraphs = paragraphs(&golden());
    let pairs: Vec<_> = paragraphs.iter().map(|(question, document)| (question, document)).collect();
    // The tokens of all windows that cover the documents are less than a batch.
    let options = options(|options| options.verify_tokens = Some(50));
    let mut calls = 0;
    let stopped = READER.answer_batch(&pairs[..3], &options, &mut |progress| {
        calls += 1;
        assert!(progress.tokens_done < progress.tokens);
        ControlFlow::Break(())
    });
    assert_eq!((calls, stopped.len()), (1, 3));
    assert!(stopped.iter().all(|answer| matches!(answer, Err(Error::Cancelled))));
    let mut answers = READER.answer_batch(&pairs[..3], &ReadOptions::default(), &mut |_| ControlFlow::Break(()));
    assert!(answers.remove(0).is_ok(), "documents read before the stop are answered");
}

#[test]
fn a_verification_window_is_read_of_documents_that_have_more_tokens() {
    let golden = golden();
    let case = &golden.cases[0];
    let (question, document) = (READER.question(&case.question).unwrap(), READER.document(&*case.context).unwrap());
    let read = |verify_tokens| {
        let options = options(|options| options.verify_tokens = Some(verify_tokens));
        READER.begin(&question, &document, &options).unwrap().progress().tokens
    };
    let (whole, window) = (read(0), case.tokens - 1);
    assert_eq!([case.tokens, 5000].map(read), [whole; 2]);
    assert_eq!(read(window), whole + (whole - case.tokens) + window);
}

/// In texts that are hard for tokenizers, every answer is a slice of the text without white space at its ends.
#[test]
fn places_are_exact_in_any_text() {
    for text in [
        "Der Zug fährt um 8 Uhr.\r\nEr hält in Köln.\r\n",
        "e\u{301}cole e\u{301}le\u{300}ve 🚂👩‍👩‍👧‍👦🏳️‍🌈 the train leaves at noon 🚂",
        "\u{feff}zero\u{200b}width\u{200d} joined, the answer is\u{a0}forty\u{a0}two\u{2009}!",
        "He wrote </s> and <mask> and [SEP] [CLS] [MASK] in the text. The answer is [SEP].",
        "   \n\n\t  leading and trailing   \n\n",
        "中文的問題是什麼?答案是四十二。",
        "a",
        "?",
    ] {
        for question in ["What is the answer?", "When does the train leave?", "</s> [SEP] <mask>"] {
            for max_tokens in [None, Some(24)] {
                let options = options(|options| {
                    options.max_tokens = max_tokens;
                    options.threshold = Some(1e9);
                });
                let answer = ask(question, text, &options.top(50));
                assert!(answer.answered);
                let mut total = answer.no_answer_score;
                for (i, span) in answer.spans.iter().enumerate() {
                    let found = span.text(text);
                    assert!(!found.is_empty() && found.trim() == found, "{text:?}: {found:?}");
                    let free = |other: &longspan::Span| {
                        span.bytes.end <= other.bytes.start || other.bytes.end <= span.bytes.start
                    };
                    assert!(answer.spans[..i].iter().all(free), "{text:?}: {found:?} overlaps a better one");
                    assert!(i == 0 || answer.spans[i - 1].score >= span.score);
                    total += span.score;
                }
                assert!(total <= 1.0 + 1e-9, "{total}");
            }
        }
    }
}

#[test]
fn all_lists_what_is_above_the_threshold() {
    let text = &golden().cases[0].context;
    let question = &golden().cases[0].question;
    let ask = |threshold, spans| {
        let options = options(|options| {
            (options.threshold, options.spans) = (Some(threshold), spans);
        });
        ask(question, text, &options)
    };
    let top = ask(0.0, SpanList::Top(1000));
    let null = |answer: &Answer| answer.null_odds + f64::from(answer.spans[0].start_logit + answer.spans[0].end_logit);
    for threshold in [2.0, 5.0, 12.0] {
        let all = ask(threshold, SpanList::All(usize::MAX));
        let above =
            |span: &&longspan::Span| null(&top) - f64::from(span.start_logit) - f64::from(span.end_logit) <= threshold;
        assert_eq!(all.spans, top.spans.iter().filter(above).cloned().collect::<Vec<_>>(), "threshold {threshold}");
    }
    let none = ask(-100.0, SpanList::All(usize::MAX));
    assert!(!none.answered && none.spans.len() == 1 && none.best().is_none());
    assert_eq!(none.score(), none.no_answer_score);
}

#[test]
fn verification_may_reject_an_answer_but_not_move_it() {
    let golden = golden();
    let mut doubted = 0;
    for case in golden.cases.iter().filter(|case| case.setting == "paragraph").take(6) {
        let ask = |verify_tokens| {
            let options = options(|options| options.verify_tokens = Some(verify_tokens)).top(3);
            ask(&case.question, &case.context, &options)
        };
        let (plain, verified) = (ask(0), ask(40));
        assert!(verified.null_odds >= plain.null_odds);
        doubted += usize::from(verified.null_odds > plain.null_odds);
        // All scores fall by the same factor.
        let factor = (1.0 - verified.no_answer_score) / (1.0 - plain.no_answer_score);
        assert_eq!(plain.spans.len(), verified.spans.len());
        for (plain, verified) in plain.spans.iter().zip(&verified.spans) {
            assert_eq!((plain.bytes, plain.start_logit, plain.end_logit), {
                (verified.bytes, verified.start_logit, verified.end_logit)
            });
            assert!((plain.score * factor - verified.score).abs() < 1e-9);
        }
        // A verification window that is the whole document changes nothing.
        for tokens in [case.tokens, 5000] {
            assert_eq!(ask(tokens), plain);
        }
        // It has room for the longest answer.
        assert_eq!(ask(1), ask(30));
    }
    assert!((1..6).contains(&doubted), "{doubted} of 6");
}

#[test]
fn all_lists_what_is_above_the_threshold_of_a_verified_answer() {
    let golden = golden();
    let case = golden.cases.iter().find(|case| case.setting == "verified" && case.answered).unwrap();
    let ask = |threshold, spans| {
        let options = options(|options| {
            (options.max_tokens, options.verify_tokens) = (case.max_tokens, Some(case.verify_tokens));
            (options.threshold, options.spans) = (Some(threshold), spans);
        });
        ask(&case.question, &case.context, &options)
    };
    let top = ask(0.0, SpanList::Top(1000));
    let sum = |span: &longspan::Span| f64::from(span.start_logit) + f64::from(span.end_logit);
    for threshold in [top.null_odds - 0.1, top.null_odds + 0.1, top.null_odds + 5.0] {
        let all = ask(threshold, SpanList::All(usize::MAX));
        let above = |span: &&longspan::Span| top.null_odds + sum(&top.spans[0]) - sum(span) <= threshold;
        let wanted: Vec<_> = top.spans.iter().filter(above).cloned().collect();
        assert_eq!(all.answered, !wanted.is_empty());
        assert_eq!(all.spans, if wanted.is_empty() { top.spans[..1].to_vec() } else { wanted });
    }
}

#[test]
fn every_kind_of_global_attention_reads() {
    let case = &golden().cases[0];
    let ask = |global_attention| {
        ask(&case.question, &case.context, &options(|options| options.global_attention = global_attention))
    };
    let question = ask(GlobalAttention::Question);
    let tokens = READER.question(&case.question).unwrap().tokens();
    assert_eq!(question, ask(GlobalAttention::List((0..=tokens).rev().collect())));
    assert_eq!(ask(GlobalAttention::First), ask(GlobalAttention::List(vec![0, 0])));
    assert_ne!(question, ask(GlobalAttention::None));
}

#[test]
fn unusable_questions_documents_and_options_are_errors() {
    let document = READER.document("Some text.").unwrap();
    let fails = |question: &str, options: &ReadOptions| {
        READER.answer_with(question, &document, options).unwrap_err().to_string()
    };
    assert!(matches!(READER.answer("Why?", ""), Err(Error::EmptyDocument)));
    assert!(matches!(READER.answer("Why?", " \n\t\u{a0}"), Err(Error::EmptyDocument)));
    assert!(matches!(READER.answer(" ", "Some text."), Err(Error::EmptyQuestion)));
    let long = "why ".repeat(5000);
    let default = ReadOptions::default();
    assert_eq!(fails(&long, &default), "the question has 5000 tokens, at most 4091 would leave room for a document");
    let with = |set: &dyn Fn(&mut ReadOptions)| fails("Why?", &options(set));
    assert_eq!(with(&|o| o.max_tokens = Some(5000)), "max_tokens 5000: the model has positions for 4096");
    assert_eq!(
        with(&|o| o.max_tokens = Some(6)),
        "the question has 2 tokens, at most 1 would leave room for a document"
    );
    let stride = |n| options(|o| (o.max_tokens, o.doc_stride) = (Some(20), Some(n)));
    assert_eq!(fails("Why?", &stride(15)), "doc_stride 15: windows have room for 14 tokens of the document");
    assert_eq!(
        fails("Why is it so?", &stride(12)),
        "the question has 5 tokens, at most 3 would leave room for a document"
    );
    assert_eq!(
        with(&|o| o.global_attention = GlobalAttention::List(vec![4096])),
        "global_attention 4096: inputs have 4096 tokens"
    );
}

#[test]
fn an_error_in_one_pair_does_not_affect_the_others() {
    let documents = ["Ada Brown built it in May 1911.", "Nobody knows."].map(|text| READER.document(text).unwrap());
    let long = "why ".repeat(5000);
    let questions = ["Who built it?", &long, "When was it built?"].map(|text| READER.question(text).unwrap());
    let pairs: Vec<_> = questions.iter().flat_map(|question| documents.iter().map(move |d| (question, d))).collect();
    let results = READER.answer_batch(&pairs, &ReadOptions::default(), &mut go_on);
    assert_eq!(results.len(), pairs.len());
    for ((question, document), result) in pairs.iter().zip(results) {
        match result {
            Ok(answer) => assert_eq!(answer, READER.answer(question.text(), document.text()).unwrap()),
            Err(Error::QuestionTooLong { .. }) => assert_eq!(question.text(), long),
            Err(error) => panic!("{}: {error}", question.text()),
        }
    }
}

#[test]
fn calibration_changes_scores_and_nothing_else() {
    let score = Logistic { logit: 0.5, ln_tokens: -0.25, constant: 1.0 };
    let no_answer_score = Logistic { logit: 2.0, ln_tokens: 0.125, constant: 0.0 };
    let calibration = Calibration { score, no_answer_score, fitted_on: "a test".into() };
    let reader = Reader::from_source(&Source::Folder(embedded()), Precision::F32).unwrap();
    let mut settings = READER.settings().clone();
    settings.calibration = Some(calibration);
    let reader = reader.with_settings(settings);
    let options = ReadOptions::default().top(4);
    let text = "Ada Brown built it in May 1911. It stopped in 1923, and Ben Black built another.";
    let (document, question) = (READER.document(text).unwrap(), "Who built it?");
    let of = |reader: &Reader| reader.answer_with(question, &document, &options).unwrap();
    let (plain, mut found) = (of(&READER), of(&reader));
    assert_eq!(found.spans.len(), 4);
    for (found, plain) in found.spans.iter_mut().zip(&plain.spans) {
        assert_eq!(found.score, score.probability(plain.score, document.tokens()));
        found.score = plain.score;
    }
    assert_eq!(found.no_answer_score, no_answer_score.probability(plain.no_answer_score, document.tokens()));
    found.no_answer_score = plain.no_answer_score;
    assert_eq!(found, plain);
}

/// A small model with random weights.
fn config(vocab_size: usize) -> String {
    format!(
        r#"{{"model_type": "longformer", "vocab_size": {vocab_size}, "hidden_size": 8, "num_hidden_layers": 1,
        "num_attention_heads": 2, "intermediate_size": 8, "max_position_embeddings": 66, "type_vocab_size": 2,
        "attention_window": 8}}"#
    )
}

fn parts(vocab_size: usize, task: Task) -> longspan::Result<Reader> {
    let model = Model::random(Config::from_json(config(vocab_size).as_bytes())?, task, Precision::F32)?;
    let source = Source::Folder(embedded());
    Reader::from_parts(Tokenizer::load(|name| source.read(name))?, model, ReaderSettings::default())
}

#[test]
fn a_reader_needs_parts_that_fit_each_other() {
    let answer = parts(30522, Task::QuestionAnswering).unwrap().answer("Who?", "Ada built it.").unwrap();
    assert_eq!(answer.spans.len(), 1);
    for (vocab_size, task, message) in [
        (30522, Task::Encoder, "task Encoder: expected QuestionAnswering"),
        (30522, Task::MaskedLm, "task MaskedLm: expected QuestionAnswering"),
        (30521, Task::QuestionAnswering, "`tokenizer`: 30522 tokens, the model has 30521"),
    ] {
        assert_eq!(parts(vocab_size, task).err().unwrap().to_string(), message);
    }
}

#[test]
fn a_tokenizer_that_does_not_fit_is_noticed_before_the_weights() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(embedded().join("tokenizer.json"), folder.path().join("tokenizer.json")).unwrap();
    for (vocab_size, said) in [(30521, "`tokenizer`: 30522 tokens, the model has 30521"), (30522, "no weights")] {
        std::fs::write(folder.path().join("config.json"), config(vocab_size)).unwrap();
        let error = Reader::from_source(&Source::Folder(folder.path().into()), Precision::F32).err().unwrap();
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[test]
#[should_panic(expected = "another reader has begun reading 1 of 2")]
fn readings_of_two_models_share_no_pass() {
    let readers = [0, 1].map(|_| parts(30522, Task::QuestionAnswering).unwrap());
    let [mut own, mut foreign] = readers.each_ref().map(|reader| {
        let (question, document) = (reader.question("Who?").unwrap(), reader.document("Ada built it.").unwrap());
        reader.begin(&question, &document, &ReadOptions::default()).unwrap()
    });
    let _ = readers[0].pass(&mut [&mut own, &mut foreign], 100);
}

#[test]
fn an_answer_runs_over_no_border_if_that_is_asked_for() {
    let pages = "Revenue rose to 71 million kroner. The chief executive is Mrs\n\u{c}ACME Annual Report 2019      Page 3\n\n\
        Anneliese Vogt, who joined in 2011.";
    let cells = "Mayor of Odde: Kari Moen Mayor of Ribe: Jens Lund";
    for (question, text, borders, best_without, best_with) in [
        ("Who is the chief executive?", pages, &[61, 98][..], &pages[58..114], "Anneliese Vogt"),
        ("Who is the mayor of Ribe?", cells, &[25, 40], "Jens Lund", "Jens Lund"),
    ] {
        let document = READER.document(text).unwrap();
        let document = if text == cells { document.with_borders(borders) } else { document };
        for (respect_borders, verify_tokens) in [(false, 0), (false, 12), (true, 0), (true, 12)] {
            let options = options(|options| {
                options.respect_borders = Some(respect_borders);
                options.verify_tokens = Some(verify_tokens);
            });
            let answer = READER.answer_with(question, &document, &options.top(99)).unwrap();
            let best = if respect_borders { best_with } else { best_without };
            assert_eq!(answer.spans[0].text(text), best);
            let crosses =
                |span: &Span| borders.iter().any(|&border| span.bytes.start < border && border < span.bytes.end);
            assert!(!respect_borders || !answer.spans.iter().any(crosses), "{:?}", answer.spans);
        }
    }
}
