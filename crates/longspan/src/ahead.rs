//! Things made on the side, in order, while those made before are used.

use std::sync::mpsc::sync_channel;
use std::thread;

/// Makes the next things on a thread of their own while `take` uses the earlier ones; at most `ready_max` are ready. What
/// is still to be made when `take` returns is not made any more.
pub(crate) fn ahead<T: Send, R>(
    things: impl Iterator<Item = T> + Send,
    ready_max: usize,
    take: impl FnOnce(&mut dyn Iterator<Item = T>) -> R,
) -> R {
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel(ready_max);
        scope.spawn(move || {
            for thing in things {
                if sender.send(thing).is_err() {
                    return; // nobody takes it any more
                }
            }
        });
        let mut received = receiver.into_iter();
        take(&mut received)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_come_in_order() {
        for (count, ready_max) in [(0, 2), (1, 0), (100, 3)] {
            let taken = ahead(0..count, ready_max, |things| things.collect::<Vec<_>>());
            assert_eq!(taken, (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_nobody_takes_is_not_made() {
        let mut made = 0;
        let taken = ahead((0..).inspect(|_| made += 1), 2, |things| things.nth(4));
        assert_eq!(taken, Some(4));
        assert!((5..=9).contains(&made), "{made} were made");
    }
}
