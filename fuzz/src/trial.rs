//! One target, one case: what was wrong, if anything.

use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use peak_alloc::PeakAlloc;

use crate::targets::FuzzTarget;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Memory of a trial, at most: so much, and so many times the length of the case.
const BYTES_MAX: usize = 64 << 20;
const TIMES_MAX: usize = 4;

/// Whether a trial is under way, in which other crates may panic and be caught.
static IS_TRYING: AtomicBool = AtomicBool::new(false);
static PANIC: Mutex<String> = Mutex::new(String::new());

/// Tries a case. Returns whether the target took it, that is, read it without an error.
///
/// Trials of several threads come one after the other, since memory is counted for the whole process.
///
/// # Errors
/// A panic, with its place, or more memory than the budget.
pub fn trial(target: &FuzzTarget, case: &[u8]) -> Result<bool, String> {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = locked(&TURN);
    prepare();
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    IS_TRYING.store(true, Ordering::Relaxed);
    let ran = catch_unwind(AssertUnwindSafe(|| (target.run)(case)));
    IS_TRYING.store(false, Ordering::Relaxed);
    let taken = ran.map_err(|_| std::mem::take(&mut *locked(&PANIC)))?;
    let bytes = MEMORY.peak_usage().saturating_sub(before);
    let bytes_max = BYTES_MAX + TIMES_MAX * case.len();
    if bytes > bytes_max {
        return Err(format!("over the budget: {bytes} bytes of memory for {}, at most {bytes_max}", case.len()));
    }
    Ok(taken)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes panics of trials in place of printing them, and computes on one thread.
fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = rayon::ThreadPoolBuilder::new().num_threads(1).build_global();
        let print = take_hook();
        set_hook(Box::new(move |info| if IS_TRYING.load(Ordering::Relaxed) { note(info) } else { print(info) }));
    });
}

fn note(info: &PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("a panic");
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    *locked(&PANIC) = format!("{place}: {message}");
}
