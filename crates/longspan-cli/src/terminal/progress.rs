//! Bars on standard error. indicatif clears them when they are dropped, and hides them where that is no terminal.

use std::io::Write;
use std::ops::Deref;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use longspan::{ReadProgress, hub};

use crate::terminal::one_line;

/// How often the time left is redrawn.
const TICK: Duration = Duration::from_millis(500);

/// Where standard error is no terminal, a run prints about so many lines.
const STEP_LINES: usize = 100;

/// A bar that is not shown before its first change and is cleared when dropped.
pub struct Bar(ProgressBar);

impl Bar {
    fn new(template: &str) -> Self {
        let style = ProgressStyle::with_template(template).expect("templates are constants");
        Self(ProgressBar::no_length().with_style(style))
    }

    /// A line of text. Nothing redraws it while a measurement runs.
    pub fn note() -> Self {
        Self::new("{wide_msg}")
    }

    /// The share of `length` that is done, and the time left.
    pub fn share(length: u64) -> Self {
        let bar = Self::new("{bar:20} {percent:>3}% {eta:>4} left  {wide_msg}");
        bar.set_length(length);
        bar.enable_steady_tick(TICK);
        bar
    }

    /// Shows another text.
    pub fn say(&self, text: &str) {
        self.set_message(one_line(text));
    }
}

impl Deref for Bar {
    type Target = ProgressBar;

    fn deref(&self) -> &ProgressBar {
        &self.0
    }
}

/// A bar while documents are read. It appears after the first step that ends later than a tick and is not the last, so
/// short documents show none.
pub struct ReadingBar {
    label: String,
    started: Instant,
    bar: Option<Bar>,
}

impl ReadingBar {
    /// A bar that is not yet shown.
    pub fn new(label: &str) -> Self {
        Self { label: one_line(label), started: Instant::now(), bar: None }
    }

    /// Shows how far reading has come.
    pub fn update(&mut self, progress: ReadProgress) {
        let is_short = self.bar.is_none() && self.started.elapsed() < TICK;
        if is_short || progress.tokens_done >= progress.tokens {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let bar = Bar::new("{bar:30} {percent:>3}%, {eta} left  {wide_msg}");
            bar.set_length(progress.tokens as u64);
            bar.say(&self.label);
            // The time of the first step, which is over, is needed to estimate the rest.
            bar.0.clone().with_elapsed(self.started.elapsed()).enable_steady_tick(TICK);
            bar
        });
        bar.set_position(progress.tokens_done as u64);
    }
}

/// A bar while a model is trained; where standard error is no terminal, a line now and then.
pub struct StepBar(Bar);

impl StepBar {
    /// A bar that is shown with the first step.
    pub fn new() -> Self {
        Self(Bar::new("{bar:10} {wide_msg}"))
    }

    /// Shows how far training has come, and a line about the step.
    pub fn update(&self, step: usize, steps: usize, line: &str) {
        if self.0.is_hidden() {
            let every = (steps / STEP_LINES).max(1);
            if step == 1 || step == steps || step.is_multiple_of(every) {
                self.say(line);
            }
            return;
        }
        self.0.set_length(steps as u64);
        self.0.set_position(step as u64);
        self.0.say(line);
    }

    /// Prints a line that stays.
    pub fn say(&self, line: &str) {
        self.0.suspend(|| print_line(line));
    }
}

/// A bar for each file that comes from the hub, until the file is complete, and a line for each notice.
#[derive(Default)]
pub struct DownloadBar(Option<Bar>);

impl DownloadBar {
    /// Shows how far a file has come, or what the fetch waits for.
    pub fn update(&mut self, event: hub::FetchEvent<'_>) {
        let progress = match event {
            hub::FetchEvent::Download(progress) => progress,
            hub::FetchEvent::Notice(text) => {
                self.0 = None; // the next progress shows it again
                print_line(text);
                return;
            }
        };
        let file = one_line(progress.file);
        self.0.take_if(|bar| bar.message() != file); // clears the bar of the last file
        let new = || Bar::new("{bar:30} {bytes} of {total_bytes}, {eta} left  {wide_msg}");
        let bar = self.0.get_or_insert_with(new);
        bar.set_message(file);
        bar.set_length(progress.bytes_total);
        bar.set_position(progress.bytes_done);
    }
}

/// Prints a line to standard error. That it is closed is no reason to stop.
fn print_line(line: &str) {
    let _ = writeln!(anstream::stderr(), "{}", one_line(line));
}
