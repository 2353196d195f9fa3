//! Which windows go through the model next, when many askers wait: the part of a server that needs no thread and no async.
//!
//! Active readings stand in the order in which they came. A pass takes one window of each in turn until the batch is full;
//! readings that have waited for more passes come first, then those that need the fewest tokens. So a short question waits
//! for one pass and not for a book, and a book is never left behind. The composition of a batch changes no bit of an answer.

use longspan::ReadProgress;

use crate::{AskError, Asker, PairReading};

/// Someone who waits for the answer of a reading.
pub trait ReadingWaiter {
    /// Whether nobody waits any more. The reading is dropped before the next pass.
    fn is_gone(&self) -> bool;

    /// The model has read more of it.
    fn progress(&mut self, progress: ReadProgress);

    /// Everything is read, and [`PairReading::finish`] has the answer: for a long document this takes a while, in which the
    /// others should not wait. Or the model has failed.
    fn done(self, read: Result<PairReading, AskError>);
}

/// Readings that share the passes of a model.
pub struct ReadingScheduler<W> {
    asker: Asker,
    tokens_max: usize,
    /// The oldest first.
    active: Vec<ActiveReading<W>>,
}

struct ActiveReading<W> {
    reading: PairReading,
    waiter: W,
}

impl<W> ActiveReading<W> {
    fn tokens_left(&self) -> usize {
        let ReadProgress { tokens_done, tokens, .. } = self.reading.progress();
        tokens - tokens_done
    }
}

impl<W: ReadingWaiter> ReadingScheduler<W> {
    /// A scheduler without readings.
    ///
    /// - `asker`: one of the reader that begins the readings, with whatever options
    /// - `tokens_max`: the most tokens of a batch, see [`Asker::pass`]
    pub fn new(asker: Asker, tokens_max: usize) -> Self {
        Self { asker, tokens_max, active: Vec::new() }
    }

    /// Adds a reading.
    pub fn add(&mut self, reading: PairReading, waiter: W) {
        self.active.push(ActiveReading { reading, waiter });
    }

    /// Whether there is nothing to read.
    pub fn is_empty(&self) -> bool {
        self.active.is_empty()
    }

    /// Number of readings.
    pub fn readings(&self) -> usize {
        self.active.len()
    }

    /// One step: drops the readings that nobody waits for, takes the others further by one pass, reports, and hands back
    /// those that are done. Returns the tokens that were read. An error of the model ends every reading with that error.
    pub fn step(&mut self) -> usize {
        self.active.retain(|active| !active.waiter.is_gone());
        // Ties among readings that have waited equally long are broken by this order. The sort is stable: by age then.
        let mut order: Vec<&mut ActiveReading<W>> = self.active.iter_mut().collect();
        order.sort_by_key(|active| active.tokens_left());
        let before: Vec<usize> = order.iter().map(|active| active.reading.progress().tokens_done).collect();
        let passed = self.asker.pass(order.iter_mut().map(|active| &mut active.reading), self.tokens_max);
        let mut tokens_read = 0;
        for (active, before) in order.iter_mut().zip(before) {
            let progress = active.reading.progress();
            if progress.tokens_done > before {
                tokens_read += progress.tokens_done - before;
                active.waiter.progress(progress);
            }
        }
        let is_over = |active: &mut ActiveReading<W>| passed.is_err() || active.reading.is_done();
        let over: Vec<ActiveReading<W>> = self.active.extract_if(.., is_over).collect();
        for ActiveReading { reading, waiter } in over {
            waiter.done(match &passed {
                Err(error) if !reading.is_done() => Err(AskError::about(reading.document().name(), error.clone())),
                _ => Ok(reading),
            });
        }
        tokens_read
    }

    /// Ends every reading, without an answer.
    pub fn clear(&mut self) {
        self.active.clear();
    }
}
