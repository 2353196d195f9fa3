//! A switch that ends readings from another thread.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Ends readings from another thread: those that wait for a child, and those that wait for its result, of which the child is
/// killed. It stays stopped. A clone is the same switch.
#[derive(Clone, Default)]
pub struct ReadingStop(Arc<StopState>);

#[derive(Default)]
struct StopState {
    is_stopped: AtomicBool,
    /// What is done when it is stopped, by number.
    actions: Mutex<BTreeMap<u64, Box<dyn Fn() + Send>>>,
}

impl ReadingStop {
    /// Ends the readings that have this switch, and those that are begun later.
    pub fn stop(&self) {
        self.0.is_stopped.store(true, Ordering::SeqCst);
        self.actions().values().for_each(|action| action());
    }

    /// Whether it was stopped.
    pub fn is_stopped(&self) -> bool {
        self.0.is_stopped.load(Ordering::SeqCst)
    }

    /// Stops when what is returned is dropped.
    pub fn when_dropped(self) -> StopWhenDropped {
        StopWhenDropped(self)
    }

    /// Does something when it is stopped, or at once if it was, unless what is returned is dropped before.
    pub(crate) fn on_stop(&self, action: impl Fn() + Send + 'static) -> StopAction {
        let number = {
            let mut actions = self.actions();
            let number = actions.last_key_value().map_or(0, |(last, _)| last + 1);
            if self.is_stopped() {
                action();
            } else {
                actions.insert(number, Box::new(action));
            }
            number
        };
        StopAction { stop: self.clone(), number }
    }

    fn actions(&self) -> MutexGuard<'_, BTreeMap<u64, Box<dyn Fn() + Send>>> {
        self.0.actions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ReadingStop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadingStop").field("is_stopped", &self.is_stopped()).finish_non_exhaustive()
    }
}

/// Stops readings when it is dropped, such as with the request of which they are a part.
#[derive(Debug)]
#[must_use = "the readings stop when it is dropped"]
pub struct StopWhenDropped(ReadingStop);

impl Drop for StopWhenDropped {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Something that is done when readings stop, as long as this is not dropped.
#[must_use]
pub(crate) struct StopAction {
    stop: ReadingStop,
    number: u64,
}

impl Drop for StopAction {
    fn drop(&mut self) {
        self.stop.actions().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn what_is_not_dropped_is_done_once() {
        let (stop, (sender, done)) = (ReadingStop::default(), mpsc::channel());
        let on_stop = |name: &'static str| {
            let sender = sender.clone();
            stop.on_stop(move || sender.send(name).unwrap())
        };
        let (first, second, third) = (on_stop("first"), on_stop("second"), on_stop("third"));
        drop(second);
        assert!(!stop.is_stopped());
        drop(stop.clone().when_dropped());
        assert!(stop.is_stopped());
        drop((first, third, on_stop("late")));
        assert_eq!(done.try_iter().collect::<Vec<_>>(), ["first", "third", "late"]);
    }
}
