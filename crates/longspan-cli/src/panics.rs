//! Panics. One that reaches the end of the program is a bug, and reported as one error. One that the library catches,
//! around the crates that read files of strangers, is silent.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::collections::BTreeMap;
use std::io::Write;
use std::panic::{AssertUnwindSafe, PanicHookInfo};
use std::sync::{Mutex, PoisonError};

use crate::status::Status;
use crate::terminal::hints::{fault, report};
use crate::terminal::one_line;

/// A message shows at most so many characters of that of a panic.
const MESSAGE_MAX: usize = 200;

const HINT: &str = "this is a bug: report it on the page of Longspan's repository, with the command and the files that it \
                    reads; RUST_BACKTRACE=1 shows more";

/// The panics by their messages, which tell the one that ends the program from those that are caught: the last one with
/// its place, and its backtrace where the user asks for one.
static PANICS: Mutex<BTreeMap<String, (String, Backtrace)>> = Mutex::new(BTreeMap::new());

/// Runs the program.
pub fn reported(run: impl FnOnce() -> Status) -> Status {
    std::panic::set_hook(Box::new(|panic| {
        let described = (described(panic), Backtrace::capture());
        PANICS.lock().unwrap_or_else(PoisonError::into_inner).insert(message(panic.payload()), described);
    }));
    std::panic::catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|payload| {
        let panic = PANICS.lock().unwrap_or_else(PoisonError::into_inner).remove(&message(&*payload));
        let (message, backtrace) = panic.expect("the hook was called");
        report(&fault(format!("internal error: {message}"), HINT));
        if backtrace.status() == BacktraceStatus::Captured {
            let _ = write!(anstream::stderr(), "{backtrace}");
        }
        Status::Failed
    })
}

fn described(panic: &PanicHookInfo<'_>) -> String {
    let message = message(panic.payload());
    let place = panic.location().map_or(String::new(), |place| format!(" ({}:{})", place.file(), place.line()));
    message + &place
}

/// The start of its message, so that little is kept of panics that are caught.
fn message(payload: &dyn Any) -> String {
    let text = payload.downcast_ref::<&str>().copied().or(payload.downcast_ref::<String>().map(String::as_str));
    one_line(text.unwrap_or("no message")).chars().take(MESSAGE_MAX).collect()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Names the case in the process that panics: a hook is one of a whole process.
    const CASE: &str = "LONGSPAN_TEST_PANIC";

    fn run(case: &str) -> Status {
        match case {
            "caught" => drop(std::panic::catch_unwind(|| panic!("silence"))),
            "here" => panic!("first line\n  second line {}", "x".repeat(1000)),
            "before another" => {
                let first = std::panic::catch_unwind(|| panic!("first line")).unwrap_err();
                drop(std::panic::catch_unwind(|| panic!("silence")));
                std::panic::resume_unwind(first)
            }
            "in a pool" => drop(rayon::join(|| assert!(case.is_empty(), "in a pool"), || ())),
            other => panic!("no case: {other}"),
        }
        Status::Answered
    }

    #[test]
    fn a_panic_is_one_error_unless_it_is_caught() {
        let _alone = crate::folder::PROCESSES.write();
        if let Ok(case) = std::env::var(CASE) {
            std::process::exit(reported(|| run(&case)) as i32);
        }
        for (case, backtrace, status, message) in [
            ("caught", "1", 0, None),
            ("here", "0", 2, Some(format!("first line second line {} (", "x".repeat(177)))),
            ("before another", "0", 2, Some("first line (".into())),
            ("in a pool", "0", 2, Some("in a pool (".into())),
            ("here", "1", 2, Some("first line second line ".into())),
        ] {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["--exact", "panics::tests::a_panic_is_one_error_unless_it_is_caught", "--nocapture"]);
            command.env(CASE, case).env("RUST_BACKTRACE", backtrace).env_remove("RUST_LIB_BACKTRACE");
            let ran = command.output().unwrap();
            let stderr = String::from_utf8(ran.stderr).unwrap();
            assert_eq!(ran.status.code(), Some(status), "{case}: {stderr}");
            let Some(message) = message else {
                assert_eq!(stderr, "", "{case}");
                continue;
            };
            let lines: Vec<&str> = stderr.lines().collect();
            assert!(lines[0].starts_with(&format!("error: internal error: {message}")), "{case}: {stderr}");
            assert!(
                lines[0].contains("panics.rs:") && lines[1].starts_with("hint: this is a bug: "),
                "{case}: {stderr}"
            );
            assert_eq!(lines.len() > 2, backtrace == "1", "{case}: {stderr}");
        }
    }
}
