//! [`Dataset`] → JSON of version 2.0.

use std::io::{self, Write};

use serde::Serialize;

use super::{Article, Dataset, Paragraph, SquadQuestion};

#[derive(Serialize)]
struct JsonDataset<'a> {
    version: &'static str,
    data: Vec<JsonArticle<'a>>,
}

#[derive(Serialize)]
struct JsonArticle<'a> {
    title: &'a str,
    paragraphs: Vec<JsonParagraph<'a>>,
}

#[derive(Serialize)]
struct JsonParagraph<'a> {
    context: &'a str,
    qas: Vec<JsonQuestion<'a>>,
}

#[derive(Serialize)]
struct JsonQuestion<'a> {
    id: &'a str,
    question: &'a str,
    answers: Vec<JsonAnswer<'a>>,
    is_impossible: bool,
}

#[derive(Serialize)]
struct JsonAnswer<'a> {
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer_start: Option<usize>,
}

impl Dataset {
    /// Writes a file of version 2.0, on one line.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, mut out: impl Write) -> io::Result<()> {
        let file = JsonDataset { version: "v2.0", data: self.articles.iter().map(article).collect() };
        serde_json::to_writer(&mut out, &file)?;
        out.write_all(b"\n")?;
        out.flush()
    }
}

fn article(article: &Article) -> JsonArticle<'_> {
    JsonArticle { title: &article.title, paragraphs: article.paragraphs.iter().map(paragraph).collect() }
}

fn paragraph(paragraph: &Paragraph) -> JsonParagraph<'_> {
    let Paragraph { context, questions } = paragraph;
    JsonParagraph { context, qas: questions.iter().map(|asked| question(asked, context)).collect() }
}

fn question<'a>(question: &'a SquadQuestion, context: &str) -> JsonQuestion<'a> {
    let answers = question.answers.iter().map(|gold| {
        let answer_start = gold.bytes.map(|bytes| context[..bytes.start].chars().count());
        JsonAnswer { text: &gold.text, answer_start }
    });
    let SquadQuestion { id, question, is_impossible, .. } = question;
    JsonQuestion { id, question, answers: answers.collect(), is_impossible: *is_impossible }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_dataset_reads_back_equal() {
        let json = "{\"data\": [{\"title\": \"T\", \"paragraphs\": [{\"context\": \"\u{1f600} Caf\u{e9}\\n\u{301}\", \"qas\": [
            {\"id\": \"a\", \"question\": \"\\\"Which\\\"?\", \"answers\": [{\"text\": \"Caf\u{e9}\", \"answer_start\": 2}]},
            {\"id\": \"b\", \"question\": \"?\", \"answers\": [], \"is_impossible\": true}]}]}]}";
        let dataset = Dataset::parse("a", json.as_bytes()).unwrap();
        let mut written = Vec::new();
        dataset.write(&mut written).unwrap();
        assert_eq!(Dataset::parse("b", &written).unwrap(), dataset);
    }
}
