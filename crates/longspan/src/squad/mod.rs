//! SQuAD v1.1 and v2.0: reading the data, and the official exact match and F1.
//!
//! ```text
//! data         articles, paragraphs, questions, checked
//! score        exact match and F1 of one answer, as evaluate-v2.0.py normalises them
//! evaluate     the official figures of a data set
//! ```

mod data;
mod evaluate;
mod score;

pub use data::{Article, GoldAnswer, Paragraph, Question, parse};
pub use evaluate::{Figures, Group, evaluate};
pub use score::{exact_match, f1, normalize_answer};
