//! The quotations of an answer, checked against a document.
//!
//! ```console
//! cargo run --example two_texts
//! cargo build -p longspan-cite --example two_texts --release --target wasm32-unknown-unknown
//! ```

use std::hint::black_box;

use longspan_cite::{CitationCheck, CiteError, Finding, TextLayout, quotations_of_markdown};

const ANSWER: &str = "The board appoints “one person designated by JANA” within “thirty (30) days of notice”.";
const DOCUMENT: &str = "The Board will appoint one person desig-\nnated by JANA within sixty (60) days of notice.";

fn main() -> Result<(), CiteError> {
    let (answer, document) = (black_box(ANSWER), black_box(DOCUMENT));
    let quoted = quotations_of_markdown(answer, 3);
    let quotes: Vec<&str> = quoted.iter().map(|quoted| quoted.text.as_str()).collect();
    let findings = CitationCheck::new(&quotes)?.check(document, &TextLayout::of_plain(document));
    for (quote, finding) in quotes.iter().zip(findings) {
        match finding {
            Finding::Proven { passages, .. } => println!("proven: {quote} at byte {}", passages[0].bytes.start),
            Finding::Altered { edits, .. } => println!("altered: {quote}: {} → {}", edits[0].from, edits[0].to),
            other => println!("{quote}: {other:?}"),
        }
    }
    Ok(())
}
