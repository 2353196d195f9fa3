//! Answers as a table of documents × questions, in CSV (RFC 4180).

use std::io;

use csv::Writer;
use longspan::Question;
use longspan_ask::DocumentAnswer;

/// What stands behind the answer to a question, by the names that JSON has.
const COLUMNS: [&str; 6] = ["score", "page", "page_line", "heading", "line", "no_answer_score"];

/// A row for each document: its name, and for each question the answer, its score and place, and the score of 'no answer'.
/// Without an answer only the last is there; after an error none is. Of several questions, each column has the number of its
/// question in front, since a table has each name once.
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
    let several = questions.len() > 1;
    let columns = (1usize..).zip(questions).flat_map(|(number, question)| {
        let names = std::iter::once(question.text()).chain(COLUMNS);
        names.map(move |name| if several { format!("{number}: {name}") } else { name.to_owned() })
    });
    table.write_record(std::iter::once("document".to_owned()).chain(columns))?;
    for (document, row) in documents.iter().zip(answers.chunks(questions.len().max(1))) {
        if only_answers && row.iter().all(Option::is_none) {
            continue;
        }
        let mut cells = vec![document.clone()];
        for answer in row {
            let best = answer.as_ref().and_then(DocumentAnswer::best);
            let place = best.map(|best| &best.place);
            let number = |number: Option<usize>| number.map_or(String::new(), |number| number.to_string());
            let score = |score: Option<f64>| score.map_or(String::new(), |score| format!("{score:.3}"));
            cells.push(best.map_or(String::new(), |best| best.text.clone()));
            cells.push(score(best.map(|best| best.score)));
            cells.push(number(place.and_then(|place| place.page)));
            cells.push(number(place.and_then(|place| place.page_line)));
            cells.push(place.and_then(|place| place.headings.last().cloned()).unwrap_or_default());
            cells.push(number(place.map(|place| place.line)));
            cells.push(score(answer.as_ref().map(|answer| answer.no_answer_score)));
        }
        table.write_record(cells)?;
    }
    let table = table.into_inner().map_err(|error| error.into_error())?;
    String::from_utf8(table).map_err(io::Error::other)
}
