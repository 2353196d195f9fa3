//! Findings as JSON, one object per line: the wire format, which lives here and not in the library.

use std::io::{self, Write};

use serde::Serialize;

use crate::finding::{Finding, Found};

#[derive(Serialize)]
struct Line<'a> {
    document: &'a str,
    question: &'a str,
    answer: Option<&'a str>,
    score: f64,
    no_answer_score: f64,
    null_odds: f64,
    start: Option<usize>,
    end: Option<usize>,
    start_byte: Option<usize>,
    end_byte: Option<usize>,
    line: Option<usize>,
    answers: Vec<Span<'a>>,
    tokens: usize,
    windows: usize,
    model: &'a str,
    precision: &'a str,
    seconds: f64,
}

#[derive(Serialize)]
struct Span<'a> {
    text: &'a str,
    score: f64,
    start: usize,
    end: usize,
    start_logit: f32,
    end_logit: f32,
}

/// Writes one line for each finding.
pub fn show(out: &mut dyn Write, model: &str, precision: &str, findings: &[Finding]) -> io::Result<()> {
    for finding in findings {
        serde_json::to_writer(&mut *out, &line(finding, model, precision))?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn line<'a>(finding: &'a Finding, model: &'a str, precision: &'a str) -> Line<'a> {
    let answer = finding.answer();
    let place = answer.map(|found| found.place);
    Line {
        document: &finding.document,
        question: &finding.question,
        answer: answer.map(|found| found.text.as_str()),
        score: finding.score,
        no_answer_score: finding.no_answer_score,
        null_odds: finding.null_odds,
        start: place.map(|place| place.start),
        end: place.map(|place| place.end),
        start_byte: place.map(|place| place.bytes.start),
        end_byte: place.map(|place| place.bytes.end),
        line: place.map(|place| place.line),
        answers: finding.spans.iter().map(span).collect(),
        tokens: finding.tokens,
        windows: finding.windows,
        model,
        precision,
        seconds: finding.seconds,
    }
}

fn span(found: &Found) -> Span<'_> {
    Span {
        text: &found.text,
        score: found.score,
        start: found.place.start,
        end: found.place.end,
        start_logit: found.start_logit,
        end_logit: found.end_logit,
    }
}

#[cfg(test)]
mod tests {
    use crate::finding::tests::finding;

    fn shown(answered: bool) -> String {
        let found = finding("é.txt", "\u{feff}é\r\nzwei \u{1b}[1m\n", answered, &["zwei", "é"], 0.75);
        let mut out = Vec::new();
        super::show(&mut out, "m (embedded)", "f32", &[found]).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn keys_stand_in_their_order() {
        assert_eq!(
            shown(true),
            concat!(
                r#"{"document":"é.txt","question":"Which?","answer":"zwei","score":0.75,"no_answer_score":0.25,"#,
                r#""null_odds":-1.5,"start":4,"end":8,"start_byte":7,"end_byte":11,"line":2,"#,
                r#""answers":[{"text":"zwei","score":0.75,"start":4,"end":8,"start_logit":2.5,"end_logit":3.0},"#,
                r#"{"text":"é","score":0.375,"start":1,"end":2,"start_logit":2.5,"end_logit":3.0}],"#,
                r#""tokens":7,"windows":1,"model":"m (embedded)","precision":"f32","seconds":0.25}"#,
                "\n"
            )
        );
    }

    #[test]
    fn an_abstention_has_no_place_but_lists_its_spans() {
        let line = shown(false);
        let nulls = r#""answer":null,"score":0.25,"no_answer_score":0.25,"null_odds":1.5,"start":null,"end":null,"#;
        assert!(line.contains(nulls), "{line}");
        assert!(line.contains(r#""start_byte":null,"end_byte":null,"line":null,"answers":[{"text":"zwei""#), "{line}");
    }
}
