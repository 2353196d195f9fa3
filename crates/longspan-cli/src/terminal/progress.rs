//! Bars on standard error while a long document is read, a model is fetched or the machine is measured; indicatif hides
//! them where that is no terminal.

use std::io::Write;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use longspan::evaluate::Done;
use longspan::pretrain::Tokenized;
use longspan::{ReadProgress, hub};

use crate::terminal::one_line;
use crate::terminal::thousands;

const TEMPLATE: &str = "{bar:30} {percent:>3}% of {len} tokens, {eta} left  {wide_msg}";

/// How often the time left is shown anew.
const TICK: Duration = Duration::from_millis(500);
const FETCH_TEMPLATE: &str = "{bar:30} {bytes} of {total_bytes}, {eta} left  {wide_msg}";

/// Shown from the first step that is not the last and ends after a tick, cleared when dropped: short documents show none.
pub struct Bar {
    label: String,
    started: Instant,
    bar: Option<ProgressBar>,
}

impl Bar {
    /// A bar that is not yet shown.
    pub fn new(label: &str) -> Self {
        Self { label: one_line(label), started: Instant::now(), bar: None }
    }

    /// Shows how far it has come.
    pub fn update(&mut self, progress: ReadProgress) {
        let is_short = self.bar.is_none() && self.started.elapsed() < TICK;
        if is_short || progress.tokens_done >= progress.tokens {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::new(progress.tokens as u64).with_style(style).with_message(self.label.clone());
            // The first step is over: without its time there would be nothing to tell the rest from.
            let bar = bar.with_elapsed(self.started.elapsed());
            bar.enable_steady_tick(TICK);
            bar
        });
        bar.set_position(progress.tokens_done as u64);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

const QUESTIONS_TEMPLATE: &str = "{bar:20} {percent:>3}% {eta:>4} left  {wide_msg}";

/// A bar while the questions of a dataset are asked, cleared when dropped. What is left is told by the length of the
/// documents.
pub struct QuestionBar {
    questions: usize,
    started: Instant,
    bar: ProgressBar,
}

impl QuestionBar {
    /// A bar for all that is to be done; its tokens are not known before.
    pub fn new(all: Done) -> Self {
        let Done { questions, bytes, .. } = all;
        let style = ProgressStyle::with_template(QUESTIONS_TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(bytes as u64).with_style(style).with_message(format!("{questions} questions"));
        bar.enable_steady_tick(TICK);
        Self { questions, started: Instant::now(), bar }
    }

    /// Shows how far it has come, and how fast.
    pub fn update(&self, done: Done) {
        self.bar.set_position(done.bytes as u64);
        let seconds = self.started.elapsed().as_secs_f64();
        let (asked, all) = (thousands(done.questions), thousands(self.questions));
        let (questions, tokens) = (done.questions as f64 / seconds, done.tokens as f64 / seconds);
        let tokens = thousands(tokens as usize);
        self.bar.set_message(format!("{asked} of {all} questions, {questions:.1}/s, {tokens} tokens/s"));
    }

    /// Does something that writes to the terminal.
    pub fn suspend(&self, write: impl FnOnce()) {
        self.bar.suspend(write);
    }
}

impl Drop for QuestionBar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

const TEXT_TEMPLATE: &str = "{bar:20} {percent:>3}% {eta:>4} left  {wide_msg}";

/// A bar while texts are tokenized, cleared when dropped.
pub struct TextBar(ProgressBar);

impl TextBar {
    /// A bar for files of so many bytes.
    pub fn new(bytes: u64) -> Self {
        let style = ProgressStyle::with_template(TEXT_TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
        Self(ProgressBar::new(bytes).with_style(style))
    }

    /// Shows how far it has come.
    pub fn update(&self, bytes: u64, done: Tokenized) {
        let Tokenized { documents, tokens, .. } = done;
        self.0.set_position(bytes);
        self.0.set_message(format!("{} documents, {} tokens", thousands(documents), thousands(tokens)));
    }
}

impl Drop for TextBar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

const STEPS_TEMPLATE: &str = "{bar:10} {wide_msg}";

/// Where standard error is no terminal, about so many lines tell of a run's steps.
const STEP_LINES: usize = 100;

/// A bar while a model is trained, cleared when dropped; where standard error is no terminal, a line now and then.
pub struct StepBar {
    bar: ProgressBar,
}

impl StepBar {
    /// A bar that is shown with the first step.
    pub fn new() -> Self {
        let style = ProgressStyle::with_template(STEPS_TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
        Self { bar: ProgressBar::no_length().with_style(style) }
    }

    /// Shows how far it has come, and what there is to say of the step.
    pub fn update(&self, step: usize, steps: usize, said: &str) {
        if self.bar.is_hidden() {
            let every = (steps / STEP_LINES).max(1);
            if step == 1 || step == steps || step.is_multiple_of(every) {
                self.say(said);
            }
            return;
        }
        self.bar.set_length(steps as u64);
        self.bar.set_position(step as u64);
        self.bar.set_message(one_line(said));
    }

    /// Says something that stays.
    pub fn say(&self, line: &str) {
        // Where standard error is closed there is nobody to tell.
        self.bar.suspend(|| {
            let _ = writeln!(anstream::stderr(), "{}", one_line(line));
        });
    }
}

impl Drop for StepBar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A line that says what is being measured, cleared when dropped. Nothing draws it while a measurement runs.
pub struct Note(ProgressBar);

impl Note {
    /// A line that is not yet shown.
    pub fn new() -> Self {
        let style = ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
        Self(ProgressBar::no_length().with_style(style))
    }

    /// Shows another text.
    pub fn say(&self, text: &str) {
        self.0.set_message(one_line(text));
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A bar for each file that comes from the hub, cleared when the file is there.
#[derive(Default)]
pub struct Downloads {
    bar: Option<(String, ProgressBar)>,
}

impl Downloads {
    /// Shows how far a file has come.
    pub fn update(&mut self, progress: hub::DownloadProgress<'_>) {
        if self.bar.as_ref().is_none_or(|(file, _)| file != progress.file) {
            self.clear();
            let style = ProgressStyle::with_template(FETCH_TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::no_length().with_style(style).with_message(one_line(progress.file));
            self.bar = Some((progress.file.to_string(), bar));
        }
        if let Some((_, bar)) = &self.bar {
            if let Some(total) = progress.bytes_total {
                bar.set_length(total);
            }
            bar.set_position(progress.bytes_done);
        }
    }

    fn clear(&mut self) {
        if let Some((_, bar)) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Downloads {
    fn drop(&mut self) {
        self.clear();
    }
}
