//! Answers for people: the answer, its score and place, and its sentence with the answer marked.
//!
//! ```text
//! 1848
//!   score 0.934 (bf16)  trains.txt:12  characters 345–349
//!   It first ran in »1848«.
//!     0.021  trains.txt:40  characters 901–905  …and again in »1851«, when the…
//! ```
//!
//! With colours the answer is set off by them, without by `»…«`. The place in a document with pages or headings is one that
//! people look up:
//!
//! ```text
//! JANA
//!   score 0.812 (bf16)  agreement.pdf, page 1, line 19, under "3. Board Nomination"
//!   The Board will appoint one person designated by »JANA«.
//! ```

use anstyle::{AnsiColor, Style};

use longspan::error::shortened;
use longspan_ask::text::one_line;
use longspan_ask::{Candidate, DocumentAnswer, Format, Snippet};

use super::numbers::counted;
use super::places::{Located, location, name};

/// How much of the sentence is shown on either side of further answers, in characters.
const COMPACT_MAX: usize = 40;
/// The lowest score of a guess that is shown where there is no answer: one that is not 0.00 in two decimals.
const GUESS_SCORE_MIN: f64 = 0.005;
/// How much of a heading is shown, in characters.
const HEADING_MAX: usize = 60;

/// The styles of the parts.
#[derive(Default)]
pub struct Palette {
    heading: Style,
    answer: Style,
    no_answer: Style,
    place: Style,
    marked: Style,
    marks: (&'static str, &'static str),
    dimmed: Style,
}

impl Palette {
    /// For a terminal with colours.
    pub fn coloured() -> Self {
        Self {
            heading: Style::new().bold().underline(),
            answer: AnsiColor::Green.on_default().bold(),
            no_answer: AnsiColor::Yellow.on_default().bold(),
            place: AnsiColor::Cyan.on_default(),
            marked: AnsiColor::Green.on_default().bold().underline(),
            marks: ("", ""),
            dimmed: Style::new().dimmed(),
        }
    }

    /// For output without colours.
    pub fn plain() -> Self {
        Self { marks: ("»", "«"), ..Self::default() }
    }
}

/// Answers to one question that are shown together.
pub struct Results<'a> {
    /// The question, where there are several.
    pub heading: Option<&'a str>,
    /// In the order in which they are shown.
    pub answers: &'a [DocumentAnswer],
    /// How many more there are.
    pub hidden: usize,
}

/// The answers to one question, apart by blank lines; above them the question, if it is given, and below them how many more
/// there are.
pub fn shown(palette: &Palette, precision: &str, results: &Results<'_>) -> String {
    let Palette { heading: style, dimmed, .. } = palette;
    let heading = results.heading.map(|question| format!("{style}# {}{style:#}\n", one_line(question)));
    let answers = results.answers.iter().map(|answer| block(palette, precision, answer));
    let hidden = Some(results.hidden).filter(|&hidden| hidden > 0);
    let hidden = hidden.map(|hidden| format!("{dimmed}{} not shown{dimmed:#}\n", counted(hidden, "result")));
    heading.into_iter().chain(answers).chain(hidden).collect::<Vec<_>>().join("\n")
}

fn block(palette: &Palette, precision: &str, answer: &DocumentAnswer) -> String {
    let mut block = match answer.best() {
        Some(best) => {
            let Palette { answer: style, place: path, .. } = palette;
            let (text, score, place) = (one_line(&best.text), score(best.score), place(*path, answer, best));
            let place = place + &heading(best);
            let sentence = sentence(palette, &best.snippet);
            format!("{style}{text}{style:#}\n  score {score} ({precision})  {place}\n  {sentence}\n")
        }
        None => abstention(palette, precision, answer),
    };
    for further in answer.candidates.iter().skip(1) {
        let (score, place) = (score(further.score), place(palette.place, answer, further));
        let sentence = sentence(palette, &further.snippet.shortened(COMPACT_MAX));
        block.push_str(&format!("    {score}  {place}  {sentence}\n"));
    }
    block
}

fn abstention(palette: &Palette, precision: &str, answer: &DocumentAnswer) -> String {
    let Palette { no_answer: style, place: path, dimmed, .. } = palette;
    let (no_answer_score, name) = (score(answer.no_answer_score), name(&answer.document));
    let decision =
        format!("{style}no answer{style:#}\n  score {no_answer_score} ({precision})  {path}{name}{path:#}\n");
    // Where several spans were asked for, all are listed.
    let is_shown = |guess: &&Candidate| guess.score >= GUESS_SCORE_MIN || answer.candidates.len() > 1;
    let Some(guess) = answer.candidates.first().filter(is_shown) else { return decision };
    let (score, place) = (score(guess.score), place(*path, answer, guess));
    let sentence = sentence(palette, &guess.snippet.shortened(COMPACT_MAX));
    format!("{decision}  {dimmed}closest, but not sure enough ({score}):{dimmed:#} {sentence}  {place}\n")
}

fn sentence(palette: &Palette, snippet: &Snippet) -> String {
    let Palette { marked, marks: (open, close), .. } = palette;
    format!("{}{marked}{open}{}{close}{marked:#}{}", snippet.before, snippet.answer, snippet.after)
}

/// Where it is; of text as it is, the characters too.
fn place(path: Style, answer: &DocumentAnswer, candidate: &Candidate) -> String {
    let DocumentAnswer { document, format, .. } = answer;
    let location = location(path, &Located { document, format: *format, place: &candidate.place });
    let (start, end) = (candidate.place.characters.start, candidate.place.characters.end);
    if *format == Format::Text { format!("{location}  characters {start}–{end}") } else { location }
}

/// The heading that the answer stands under.
fn heading(candidate: &Candidate) -> String {
    let heading = candidate.place.headings.last();
    heading.map_or(String::new(), |heading| format!(", under \"{}\"", shortened(&one_line(heading), HEADING_MAX)))
}

/// Three decimals; `<` and `>` where they would round to 0 or 1.
fn score(score: f64) -> String {
    if score > 0.0 && score < 0.001 {
        "<0.001".into()
    } else if score < 1.0 && score > 0.999 {
        ">0.999".into()
    } else {
        format!("{score:.3}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use longspan::tokenizer::ByteSpan;
    use longspan::{Answer, Span};
    use longspan_ask::Content;

    const TEXT: &str = "One. The old\x1b[31m\n  pump ran in\r\nMay 1911. It\nstopped in 1923 for good.\n";

    /// An answer whose candidates are the given parts of the text, with scores that fall from `score`.
    fn document_answer(document: &str, text: &str, answered: bool, parts: &[&str], score: f64) -> DocumentAnswer {
        let span = |(rank, part): (usize, &&str)| {
            let start = text.find(part).unwrap();
            let bytes = ByteSpan { start, end: start + part.len() };
            let mut span = Span::default();
            (span.bytes, span.score) = (bytes, score / (1 + rank) as f64);
            (span.start_logit, span.end_logit) = (2.5, 3.0);
            span
        };
        let mut answer = Answer::default();
        answer.answered = answered;
        answer.spans = parts.iter().enumerate().map(span).collect();
        answer.no_answer_score = 1.0 - score;
        DocumentAnswer::new(document, &Content::plain(text), "Which?", &answer, 0.25)
    }

    #[test]
    fn plain_output_marks_the_answer() {
        let answered = document_answer("a\x1b.txt", TEXT, true, &["May 1911", "1923"], 0.9);
        let mut abstained = document_answer("-", TEXT, false, &["in\r\nMay"], 0.0001);
        abstained.candidates[0].score = 0.03;
        let hopeless = document_answer("b.txt", TEXT, false, &["1923"], 0.004);
        let expected = "\
May 1911
  score 0.900 (f32)  a\u{fffd}.txt:3  characters 33–41
  The old\u{fffd}[31m pump ran in »May 1911«.
    0.450  a\u{fffd}.txt:4  characters 57–61  It stopped in »1923« for good.

no answer
  score >0.999 (f32)  <stdin>
  closest, but not sure enough (0.030): The old\u{fffd}[31m pump ran »in May« 1911.  <stdin>:2  characters 29–36

no answer
  score 0.996 (f32)  b.txt

1,204 results not shown
";
        let results = Results { heading: None, answers: &[answered, abstained, hopeless], hidden: 1204 };
        assert_eq!(shown(&Palette::plain(), "f32", &results), expected);
    }

    #[test]
    fn a_place_on_a_page_is_one_that_people_look_up() {
        let mut answer =
            document_answer("a.pdf", "One.\u{c}\nTwo.\n\nJANA won. Then it ended.", true, &["JANA", "ended"], 0.9);
        let check = |answer: &DocumentAnswer, first: &str, second: &str| {
            let answers = std::slice::from_ref(answer);
            let shown = shown(&Palette::plain(), "f32", &Results { heading: None, answers, hidden: 0 });
            let expected =
                format!("JANA\n  score 0.900 (f32)  {first}\n  »JANA« won.\n    0.450  {second}  Then it »ended«.\n");
            assert_eq!(shown, expected);
        };
        check(&answer, "a.pdf:4, page 2  characters 12–16", "a.pdf:4, page 2  characters 30–35");
        answer.format = Format::Pdf;
        answer.candidates[0].place.headings = vec!["1. All".into(), "2. The \n  Board\u{7}".into()];
        answer.candidates[1].place.page_label = Some("2".into());
        check(&answer, "a.pdf, page 2, line 2, under \"2. The Board\u{fffd}\"", "a.pdf, page 2, line 2");
        answer.candidates.iter_mut().for_each(|candidate| candidate.place.page_label = Some("iv\u{1b}".into()));
        answer.candidates[0].place.headings = vec!["word ".repeat(20)];
        let under = format!("under \"{}…\"", "word ".repeat(12).trim_end());
        let page = "a.pdf, page iv\u{fffd} (2 in the file), line 2";
        check(&answer, &format!("{page}, {under}"), page);
        for candidate in &mut answer.candidates {
            (candidate.place.page, candidate.place.page_label, candidate.place.page_line) = (None, None, None);
            candidate.place.headings.clear();
        }
        check(&answer, "a.pdf, line 4", "a.pdf, line 4");
    }

    #[test]
    fn several_questions_are_headings() {
        let abstained = document_answer("b", "x", false, &[], 0.25);
        let expected = "# Who\nwas  it?\n\nno answer\n  score 0.750 (f32)  b\n".replace("\nwas  ", " was ");
        let results = Results { heading: Some("Who\nwas  it?"), answers: &[abstained], hidden: 0 };
        assert_eq!(shown(&Palette::plain(), "f32", &results), expected);
    }

    #[test]
    fn colours_take_the_place_of_marks_and_are_closed() {
        let both =
            [document_answer("a", TEXT, true, &["1923"], 0.9), document_answer("b", TEXT, false, &["1923"], 0.1)];
        let results = Results { heading: Some("When?"), answers: &both, hidden: 2 };
        let coloured = shown(&Palette::coloured(), "f32", &results);
        assert!(!coloured.contains('»') && coloured.contains("\x1b["));
        let plain = anstream::adapter::strip_str(&coloured).to_string();
        assert_eq!(plain, shown(&Palette::plain(), "f32", &results).replace(['»', '«'], ""));
        for line in coloured.lines().filter(|line| line.contains('\x1b')) {
            let last = line.rfind('\x1b').unwrap();
            assert!(line[last..].starts_with("\x1b[0m"), "{line:?}");
        }
    }
}
