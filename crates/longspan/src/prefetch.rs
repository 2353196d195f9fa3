//! Makes the next items in the background while earlier ones are used.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use rayon::{Scope, Yield};

/// How long a waiting worker of the pool goes without looking for work to help with.
const NAP: Duration = Duration::from_millis(1);

/// Makes items in order as tasks of the current `rayon` pool while `take` uses the earlier ones; at most `ready_max`, or
/// one, are ready. Items that `take` leaves are not made, but for those under way.
///
/// A caller that is itself a worker of the pool never blocks it: while it waits for an item it runs tasks of the pool, so
/// that one worker is enough.
pub(crate) fn prefetch<I, R>(items: I, ready_max: usize, take: impl FnOnce(&mut dyn Iterator<Item = I::Item>) -> R) -> R
where
    I: Iterator<Item: Send> + Send,
{
    rayon::in_place_scope(|scope| {
        let (sender, made) = channel();
        let producer = Some(Producer { items, sender, count: ready_max.div_ceil(2).max(1) });
        let mut prefetched = Prefetched { scope, producer, made, ready: VecDeque::new(), ready_max };
        take(&mut prefetched)
    })
}

/// The source of the items. Only one task has it at a time.
struct Producer<I: Iterator> {
    items: I,
    sender: Sender<Made<I>>,
    /// Items that a task makes.
    count: usize,
}

/// What a task sends. One that panics drops its sender, so that nobody waits for it.
enum Made<I: Iterator> {
    Item(I::Item),
    /// The task is over, and the next one may begin.
    Pause(Producer<I>),
}

impl<I: Iterator<Item: Send> + Send> Producer<I> {
    fn run(mut self) {
        for _ in 0..self.count {
            let Some(item) = self.items.next() else { return };
            if self.sender.send(Made::Item(item)).is_err() {
                return; // nobody takes it any more
            }
        }
        let sender = self.sender.clone();
        let _ = sender.send(Made::Pause(self));
    }
}

/// The items as `take` sees them.
struct Prefetched<'a, 'scope, I: Iterator> {
    scope: &'a Scope<'scope>,
    /// `None` while a task has it, and after the last item.
    producer: Option<Producer<I>>,
    made: Receiver<Made<I>>,
    ready: VecDeque<I::Item>,
    ready_max: usize,
}

impl<'scope, I: Iterator<Item: Send> + Send + 'scope> Iterator for Prefetched<'_, 'scope, I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        while let Ok(made) = self.made.try_recv() {
            self.store(made);
        }
        loop {
            let item = self.ready.pop_front();
            let count = self.producer.as_ref().map(|producer| producer.count);
            if count.is_some_and(|count| self.ready.is_empty() || self.ready.len() + count <= self.ready_max) {
                let producer = self.producer.take().expect("it has a count");
                self.scope.spawn(move |_| producer.run());
            }
            if item.is_some() {
                return item;
            }
            let made = self.wait()?;
            self.store(made);
        }
    }
}

impl<I: Iterator> Prefetched<'_, '_, I> {
    fn store(&mut self, made: Made<I>) {
        match made {
            Made::Item(item) => self.ready.push_back(item),
            Made::Pause(producer) => self.producer = Some(producer),
        }
    }

    /// Waits for the task; `None` when there are no more items.
    fn wait(&self) -> Option<Made<I>> {
        loop {
            let nap = match rayon::yield_now() {
                None => return self.made.recv().ok(), // this is no worker
                Some(Yield::Executed) => Duration::ZERO,
                Some(Yield::Idle) => NAP,
            };
            match self.made.recv_timeout(nap) {
                Ok(made) => return Some(made),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn items_come_in_order() {
        for (count, ready_max) in [(0, 2), (1, 0), (100, 3)] {
            let taken = prefetch(0..count, ready_max, |items| items.collect::<Vec<_>>());
            assert_eq!(taken, (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn items_that_nobody_takes_are_not_made() {
        let made = AtomicUsize::new(0);
        let count = (0..).inspect(|_| {
            made.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(prefetch(count, 2, |items| items.nth(4)), Some(4));
        let made = made.into_inner();
        assert!((5..=9).contains(&made), "{made} were made");
    }

    #[test]
    fn a_panic_reaches_the_caller() {
        let items = (0..9).inspect(|&item| assert!(item < 3, "no item {item}"));
        let caught = std::panic::catch_unwind(|| prefetch(items, 2, |items| items.count()));
        assert!(caught.is_err());
    }
}
