//! Makes the next items in the background while earlier ones are used.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use rayon::{Scope, Yield};

/// How long a waiting worker of the pool goes without looking for work to help with.
const NAP: Duration = Duration::from_millis(1);

/// Makes items in order as tasks of the current `rayon` pool while `take` uses the earlier ones; at most `ready_max`, or
/// one, are ready. A task makes half of them while `take` uses the other half. Once `take` has
/// returned, no further task begins.
///
/// A caller that is itself a worker of the pool never blocks it: while it waits for items it runs tasks of the pool, so
/// that one worker is enough.
pub(crate) fn prefetch<I, R>(items: I, ready_max: usize, take: impl FnOnce(&mut dyn Iterator<Item = I::Item>) -> R) -> R
where
    I: Iterator<Item: Send> + Send,
{
    rayon::in_place_scope(|scope| {
        let count = ready_max.div_ceil(2).max(1);
        let mut made = make(scope, items.fuse(), count);
        let batches = std::iter::from_fn(|| {
            let (items, batch) = wait(&made)?;
            made = make(scope, items, count);
            (!batch.is_empty()).then_some(batch)
        });
        take(&mut batches.flatten())
    })
}

/// Starts a task that makes the next `count` items and sends them with the iterator. If it panics, nothing is sent.
fn make<'scope, I>(scope: &Scope<'scope>, mut items: I, count: usize) -> Receiver<(I, Vec<I::Item>)>
where
    I: Iterator<Item: Send> + Send + 'scope,
{
    let (sender, made) = channel();
    scope.spawn(move |_| {
        let batch = items.by_ref().take(count).collect();
        let _ = sender.send((items, batch)); // perhaps `take` has ended
    });
    made
}

/// Waits for a task; `None` when it has panicked.
fn wait<T>(made: &Receiver<T>) -> Option<T> {
    loop {
        let nap = match rayon::yield_now() {
            None => return made.recv().ok(), // this is no worker
            Some(Yield::Executed) => Duration::ZERO,
            Some(Yield::Idle) => NAP,
        };
        match made.recv_timeout(nap) {
            Err(RecvTimeoutError::Timeout) => {}
            received => return received.ok(),
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
    fn only_a_bounded_number_of_items_is_made_ahead() {
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
