//! The scheduler of readings, with the embedded model and without a server.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;

use longspan::checkpoint::Source;
use longspan::{Precision, ReadOptions, ReadProgress, Reader};
use longspan_ask::{
    AskError, Asker, Content, DocumentAnswer, NamedDocument, PairReading, ReadingScheduler, ReadingWaiter,
};

const PUMP: &str = "The pump was installed in May 1911 by Ada Brown.\nIt stopped in 1923.\n";
const WHO: &str = "Who installed the pump?";
/// Tokens of an input, and of a batch: a window of a long document fills a batch.
const TOKENS: usize = 64;

fn asker() -> Asker {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/embedded");
    let reader = Reader::from_source(&Source::Folder(folder.into()), Precision::F32).unwrap();
    let mut options = ReadOptions::default();
    (options.max_tokens, options.doc_stride, options.verify_tokens) = (Some(TOKENS), Some(4), Some(0));
    Asker::new(Arc::new(reader), options)
}

/// What happens, in its order.
type Log = Rc<RefCell<Vec<String>>>;

struct Waiting {
    name: &'static str,
    log: Log,
    /// Leaves once so many tokens were read.
    leaves_at: usize,
    is_gone: bool,
}

impl ReadingWaiter for Waiting {
    fn is_gone(&self) -> bool {
        self.is_gone
    }

    fn progress(&mut self, progress: ReadProgress) {
        self.is_gone = progress.tokens_done >= self.leaves_at;
        self.log.borrow_mut().push(self.name.to_owned());
    }

    fn done(self, read: Result<PairReading, AskError>) {
        let answer = read.unwrap().finish().unwrap();
        self.log.borrow_mut().push(format!("{}: {}", self.name, bits(&answer)));
    }
}

/// What must be the same, however a pair was asked.
fn bits(answer: &DocumentAnswer) -> String {
    let spans = answer.candidates.iter().map(|found| (found.text.as_str(), found.score.to_bits()));
    format!("{:?} {:x}", spans.collect::<Vec<_>>(), answer.null_odds.to_bits())
}

struct Scheduled {
    asker: Asker,
    scheduler: ReadingScheduler<Waiting>,
    log: Log,
}

impl Scheduled {
    fn new() -> Self {
        let asker = asker();
        Self { scheduler: ReadingScheduler::new(asker.clone(), TOKENS), asker, log: Log::default() }
    }

    fn document(&self, repeated: usize) -> NamedDocument {
        self.asker.document("pump", Content::plain(PUMP.repeat(repeated))).unwrap()
    }

    fn add(&mut self, name: &'static str, document: &NamedDocument, leaves_at: usize) {
        let reading = self.asker.begin(&self.asker.question(WHO).unwrap(), document).unwrap();
        let waiter = Waiting { name, log: self.log.clone(), leaves_at, is_gone: leaves_at == 0 };
        self.scheduler.add(reading, waiter);
    }

    fn alone(&self, name: &str, document: &NamedDocument) -> String {
        let question = self.asker.question(WHO).unwrap();
        let answer = self.asker.ask(&[(&question, document)], &mut |_| ControlFlow::Continue(())).remove(0);
        format!("{name}: {}", bits(&answer.unwrap()))
    }

    /// What the next step reports.
    fn step(&mut self) -> Vec<String> {
        self.scheduler.step();
        self.log.take()
    }
}

#[test]
fn a_short_question_waits_for_one_pass_and_a_book_moves_on() {
    let mut scheduled = Scheduled::new();
    let (book, short) = (scheduled.document(20), scheduled.document(1));
    scheduled.add("book", &book, usize::MAX);
    assert_eq!(scheduled.step(), ["book"]);
    for name in ["first", "second", "third"] {
        scheduled.add(name, &short, usize::MAX);
        let alone = scheduled.alone(name, &short);
        assert_eq!(scheduled.step(), [name, &alone]);
        assert_eq!(scheduled.step(), ["book"]);
    }
    let mut log = Vec::new();
    while !scheduled.scheduler.is_empty() {
        log = scheduled.step();
    }
    assert_eq!(log.last().unwrap(), &scheduled.alone("book", &book));
    assert_eq!(scheduled.scheduler.step(), 0);
}

#[test]
fn readings_of_one_length_take_turns_by_their_age() {
    let mut scheduled = Scheduled::new();
    let book = scheduled.document(8);
    for name in ["a", "b", "c"] {
        scheduled.add(name, &book, usize::MAX);
    }
    let turns: Vec<_> = (0..6).flat_map(|_| scheduled.step()).collect();
    assert_eq!(turns, ["a", "b", "c", "a", "b", "c"]);
}

#[test]
fn who_leaves_stops_paying_before_the_next_pass() {
    let mut scheduled = Scheduled::new();
    let book = scheduled.document(20);
    scheduled.add("stays", &book, usize::MAX);
    scheduled.add("leaves", &book, 1);
    scheduled.add("left", &book, 0);
    let mut turns = Vec::new();
    while !scheduled.scheduler.is_empty() {
        turns.extend(scheduled.step());
    }
    assert_eq!(&turns[..4], ["stays", "leaves", "stays", "stays"]);
    assert_eq!((turns.iter().filter(|turn| *turn == "leaves").count(), turns.contains(&"left".into())), (1, false));
    assert_eq!(turns.last().unwrap(), &scheduled.alone("stays", &book));
}

#[test]
fn nothing_is_left_after_the_end() {
    let mut scheduled = Scheduled::new();
    scheduled.add("book", &scheduled.document(20), usize::MAX);
    assert_eq!(scheduled.scheduler.readings(), 1);
    scheduled.scheduler.clear();
    assert_eq!((scheduled.scheduler.step(), scheduled.step().is_empty()), (0, true));
}
