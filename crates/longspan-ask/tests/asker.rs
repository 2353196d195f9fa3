//! Questions asked of documents, with the embedded model.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use longspan::checkpoint::Source;
use longspan::{ErrorKind, Precision, ReadOptions, Reader};
use longspan_ask::{
    AskEvent, Asker, Content, DocumentAnswer, DocumentSource, NamedDocument, ReadingProcess, SourceOptions, error_code,
};

const PUMP: &str = "The pump was installed in May 1911 by Ada Brown 🚰.\nIt stopped in 1923.\n";
const BREAD: &str = "Bread is made from flour, water and salt. It is baked in an oven.\n";
const WHO: &str = "Who installed the pump?";
const WHEN: &str = "When was the pump installed?";

fn reader() -> Arc<Reader> {
    static READER: OnceLock<Arc<Reader>> = OnceLock::new();
    READER
        .get_or_init(|| {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/embedded");
            Arc::new(Reader::from_source(&Source::Folder(folder.into()), Precision::F32).unwrap())
        })
        .clone()
}

fn asker() -> Asker {
    Asker::new(reader(), ReadOptions::default())
}

/// An asker whose documents have many windows.
fn asker_of_small_windows() -> Asker {
    let mut options = ReadOptions::default();
    (options.max_tokens, options.doc_stride) = (Some(24), Some(4));
    Asker::new(reader(), options)
}

fn document(asker: &Asker, name: &str, text: &str) -> NamedDocument {
    asker.document(name, Content::plain(text)).unwrap()
}

fn bytes(name: &str, bytes: &[u8]) -> DocumentSource {
    DocumentSource::Bytes { name: name.into(), bytes: bytes.to_vec() }
}

fn go_on<T>(_: T) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// What must be the same, however a pair was asked.
fn bits(answer: &DocumentAnswer) -> Vec<u64> {
    let spans = answer.candidates.iter().flat_map(|found| [found.place.bytes.start as u64, found.score.to_bits()]);
    spans.chain([answer.null_odds.to_bits(), answer.no_answer_score.to_bits()]).collect()
}

#[test]
fn each_pair_gets_the_answer_that_it_gets_alone() {
    let asker = asker();
    let [pump, bread] = [document(&asker, "pump", PUMP), document(&asker, "bread", BREAD)];
    let [who, when] = [WHO, WHEN].map(|question| asker.question(question).unwrap());
    let pairs = [(&who, &pump), (&who, &bread), (&when, &pump)];
    let together: Vec<DocumentAnswer> = asker.ask(&pairs, &mut go_on).into_iter().map(Result::unwrap).collect();
    for (pair, together) in pairs.iter().zip(&together) {
        let alone = asker.ask(&[*pair], &mut go_on).remove(0).unwrap();
        assert_eq!(bits(together), bits(&alone));
        assert!(together.seconds > 0.0);
    }
    let said = |answer: &DocumentAnswer| answer.best().map(|best| (best.text.clone(), best.place.line));
    let expected = [Some(("Ada Brown".to_string(), 1)), None, Some(("May 1911".to_string(), 1))];
    assert_eq!(together.iter().map(said).collect::<Vec<_>>(), expected);
    assert_eq!((together[1].document.as_str(), together[2].question.as_str()), ("bread", WHEN));
    assert_eq!(together[0].best().unwrap().snippet.after, " 🚰.");
}

#[test]
fn an_error_of_one_document_leaves_the_others() {
    let (asker, mut log) = (asker(), Vec::new());
    let questions = [WHO, WHEN].map(|question| asker.question(question).unwrap());
    let sources = [
        DocumentSource::File("missing.txt".into()),
        bytes("pump", PUMP.as_bytes()),
        bytes("damaged", b"\xc3\xa9t\xc3\xa9 \xff"),
        bytes("mark", "\u{feff} \u{200b}".as_bytes()),
    ];
    let flow = asker.ask_sources(&questions, sources, &SourceOptions::default(), &mut |event| {
        log.push(match event {
            AskEvent::Begin(documents) => format!("begin {}", documents.len()),
            AskEvent::Progress(progress) => format!("read {}", progress.tokens_done == progress.tokens),
            AskEvent::Answer { question, answer } => format!("{question} {}", answer.best().unwrap().text),
            AskEvent::Error { question, error } => format!("{question:?} {}: {:?}", error.document(), error.kind()),
            _ => unreachable!(),
        });
        ControlFlow::Continue(())
    });
    let (errors, rest) = log.split_at(3);
    assert_eq!(errors, ["None missing.txt: Io", "None damaged: Document", "None mark: Document"]);
    assert_eq!(rest, ["begin 1", "read true", "0 Ada Brown", "1 May 1911"]);
    assert!(flow.is_continue());
}

#[test]
fn questions_and_options_are_checked_before_any_document() {
    for (options, question, code) in [
        (ReadOptions::default(), " ", "empty_question"),
        (ReadOptions::default(), &*"why ".repeat(5000), "question_too_long"),
        (ReadOptions::default().top(0), WHO, "option"),
    ] {
        let error = Asker::new(reader(), options).question(question).unwrap_err();
        assert_eq!(error_code(&error), code);
        assert_eq!(error.kind() == ErrorKind::Option, code == "option");
    }
}

#[test]
fn sources_are_read_group_by_group() {
    let (asker, text) = (asker(), "Bread is made from flour. ".repeat(2000));
    let (read, mut groups) = (AtomicUsize::new(0), Vec::new());
    let sources = (0..99).map(|_| {
        read.fetch_add(1, Ordering::SeqCst);
        bytes("bread", text.as_bytes())
    });
    let flow = asker.ask_sources(&[], sources, &SourceOptions::default(), &mut |event| {
        let AskEvent::Begin(documents) = event else { return ControlFlow::Continue(()) };
        groups.push(documents.len());
        if groups.len() == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    // Six documents are the first to have 256 KiB; at most one group is read ahead of the one that is asked.
    assert_eq!((groups, flow), (vec![6, 6], ControlFlow::Break(())));
    assert!((12..=18).contains(&read.into_inner()));
}

#[test]
fn the_work_can_be_stopped() {
    let asker = asker_of_small_windows();
    let text = PUMP.repeat(300);
    let (short, long) = (document(&asker, "short", "Ada Brown built it."), document(&asker, "long", &text));
    let who = asker.question(WHO).unwrap();
    let answers = asker.ask(&[(&who, &short), (&who, &long)], &mut |_| ControlFlow::Break(()));
    assert!(answers[0].is_ok());
    let error = answers[1].as_ref().unwrap_err();
    assert_eq!((error.code(), error.to_string().as_str()), ("cancelled", "`long`: cancelled"));

    // What is complete is not lost.
    let (questions, mut log) = ([who, asker.question(WHEN).unwrap()], Vec::new());
    let flow = asker.ask_documents(&questions, &[short, long], &mut |event| {
        log.push(match event {
            AskEvent::Begin(_) => return ControlFlow::Continue(()),
            AskEvent::Progress(_) => "read".to_string(),
            AskEvent::Answer { question, answer } => format!("{question} {}", answer.document),
            AskEvent::Error { question, error } => format!("{question:?} {}: {:?}", error.document(), error.kind()),
            _ => unreachable!(),
        });
        ControlFlow::Break(())
    });
    let cancelled = ["Some(0) long: Cancelled", "Some(1) long: Cancelled"];
    assert_eq!(log, [&["read", "0 short", "1 short"], &cancelled[..]].concat());
    assert!(flow.is_break());
}

#[test]
fn an_answer_comes_as_soon_as_those_before_it_are_done() {
    let asker = asker_of_small_windows();
    let documents =
        [document(&asker, "short", BREAD), document(&asker, "long", &PUMP.repeat(300)), document(&asker, "last", PUMP)];
    let (questions, mut log) = ([asker.question(WHO).unwrap()], Vec::new());
    let flow = asker.ask_documents(&questions, &documents, &mut |event| {
        match event {
            AskEvent::Progress(read) => log.push(format!("read {}", read.tokens_done == read.tokens)),
            AskEvent::Answer { answer, .. } => log.push(answer.document),
            _ => {}
        }
        ControlFlow::Continue(())
    });
    log.dedup();
    assert_eq!(log, ["read false", "short", "read false", "read true", "long", "last"]);
    assert!(flow.is_continue());
}

#[test]
fn readings_of_several_askers_share_a_pass_and_may_be_dropped() {
    let (plain, small) = (asker(), asker_of_small_windows());
    let text = PUMP.repeat(30);
    let mut open = Vec::new();
    for asker in [&plain, &small] {
        let (who, pump) = (asker.question(WHO).unwrap(), document(asker, "pump", &text));
        let alone = asker.ask(&[(&who, &pump)], &mut go_on).remove(0).unwrap();
        open.push((bits(&alone), asker.begin(&who, &pump).unwrap()));
    }
    let when = small.question(WHEN).unwrap();
    let gone = small.begin(&when, &document(&small, "pump", &text)).unwrap();
    open.insert(0, (Vec::new(), gone));
    let tokens_max = reader().model().batch_tokens();
    plain.pass(open.iter_mut().map(|(_, reading)| reading), tokens_max).unwrap();
    assert!(open.iter().all(|(_, reading)| reading.progress().tokens_done > 0));
    open.remove(0);
    while open.iter().any(|(_, reading)| !reading.is_done()) {
        plain.pass(open.iter_mut().map(|(_, reading)| reading), 1).unwrap();
    }
    for (alone, reading) in open {
        assert_eq!(bits(&reading.finish().unwrap()), alone);
    }
}

/// Without the stop it would wait for the child for ever.
#[cfg(unix)]
#[test]
fn a_stop_ends_the_file_that_is_being_read() {
    let asker = asker();
    let mut options = SourceOptions::default();
    options.process = Some(Arc::new(ReadingProcess::new("sh", &["-c", "exec cat > /dev/null"])));
    options.limits.time_max = Duration::MAX;
    let texts = (0..1024).map(|number| bytes(&number.to_string(), b"It ran."));
    let sources: Vec<_> = texts.chain([bytes("page.html", b"<html>")]).collect();
    let questions = [asker.question(WHO).unwrap()];
    let flow = asker.ask_sources(&questions, sources, &options, &mut |event| {
        assert!(matches!(event, AskEvent::Begin(documents) if documents.len() == 1024));
        ControlFlow::Break(())
    });
    assert!(flow.is_break());
}
