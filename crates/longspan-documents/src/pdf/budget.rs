//! What the interpreter of a page may use. It keeps no budget itself, so that whatever it calls of ours counts, and unwinds
//! when there is too much.

use std::panic::resume_unwind;
use std::time::Instant;

use crate::{Limits, ReadError};

/// What is left of the time and the glyphs of a document.
pub(super) struct Budget<'a> {
    limits: &'a Limits,
    start: Instant,
    glyphs: usize,
}

impl<'a> Budget<'a> {
    pub fn new(limits: &'a Limits) -> Self {
        Self { limits, start: Instant::now(), glyphs: 0 }
    }

    /// Unwinds when the time is over.
    pub fn look(&self) {
        if self.start.elapsed() > self.limits.time_max {
            stop(ReadError::TooSlow(self.limits.time_max));
        }
    }

    /// Counts a glyph. Unwinds when there are too many.
    pub fn glyph(&mut self) {
        self.glyphs += 1;
        if self.glyphs > self.limits.glyphs_max {
            stop(ReadError::TooMany { what: "glyphs".into(), limit: self.limits.glyphs_max as u64 });
        }
    }
}

/// Unwinds with an error, which the border of the crate returns. No hook of panics is called.
fn stop(error: ReadError) -> ! {
    resume_unwind(Box::new(error))
}
