//! Answers as a table of documents × questions, in CSV (RFC 4180).

use std::io;

use csv::Writer;
use longspan::Question;
use longspan_ask::DocumentAnswer;

/// A row for each document: its name, and for each question the answer, its score, its line and its page. Without an answer
/// the score is that of 'no answer'; after an error all four are empty.
///
/// - `answers`: (documents, questions)
/// - `only_answers`: leave out documents without any answer
///
/// # Errors
/// None, while there is memory.
pub fn csv(
    questions: &[Question],
    documents: &[String],
    answers: &[Option<DocumentAnswer>],
    only_answers: bool,
) -> io::Result<String> {
    let mut table = Writer::from_writer(Vec::new());
    let columns = questions.iter().flat_map(|question| [question.text(), "score", "line", "page"]);
    table.write_record(["document"].into_iter().chain(columns))?;
    for (document, row) in documents.iter().zip(answers.chunks(questions.len().max(1))) {
        if only_answers && row.iter().all(Option::is_none) {
            continue;
        }
        let mut cells = vec![document.clone()];
        for answer in row {
            let best = answer.as_ref().and_then(DocumentAnswer::best);
            cells.push(best.map_or(String::new(), |best| best.text.clone()));
            cells.push(answer.as_ref().map_or(String::new(), |answer| format!("{:.3}", answer.score)));
            cells.push(best.map_or(String::new(), |best| best.place.line.to_string()));
            cells.push(best.and_then(|best| best.place.page).map_or(String::new(), |page| page.to_string()));
        }
        table.write_record(cells)?;
    }
    let table = table.into_inner().map_err(|error| error.into_error())?;
    String::from_utf8(table).map_err(io::Error::other)
}
