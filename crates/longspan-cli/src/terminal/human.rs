//! Findings for people: the answer, its score and place, and its sentence with the answer marked.
//!
//! ```text
//! 1848
//!   score 0.934 (bf16)  trains.txt:12  characters 345–349
//!   It first ran in »1848«.
//!     0.021  trains.txt:40  characters 901–905  …and again in »1851«, when the…
//! ```
//!
//! With colours the answer is set off by them, without by `»…«`.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::{one_line, printable};
use crate::excerpt::Excerpt;
use crate::finding::{Finding, Found};

/// What is shown around further answers, in characters on either side.
const COMPACT_MAX: usize = 40;

/// The styles of the parts.
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

    /// For a file, a pipe, or whoever wants no colours.
    pub fn plain() -> Self {
        let none = Style::new();
        Self {
            heading: none,
            answer: none,
            no_answer: none,
            place: none,
            marked: none,
            marks: ("»", "«"),
            dimmed: none,
        }
    }
}

/// Shows the findings of one question; `first` unless something was shown before.
pub fn show(
    out: &mut dyn Write,
    palette: &Palette,
    precision: &str,
    first: bool,
    heading: Option<&str>,
    findings: &[Finding],
) -> io::Result<()> {
    let mut apart = !first;
    if let Some(question) = heading {
        let Palette { heading: style, .. } = palette;
        if apart {
            writeln!(out)?;
        }
        writeln!(out, "{style}# {}{style:#}", one_line(question))?;
        apart = true;
    }
    for finding in findings {
        if apart {
            writeln!(out)?;
        }
        apart = true;
        match finding.answer() {
            Some(answer) => show_answer(out, palette, precision, finding, answer)?,
            None => show_no_answer(out, palette, precision, finding)?,
        }
        for further in finding.spans.iter().skip(1) {
            show_further(out, palette, finding, further)?;
        }
    }
    Ok(())
}

fn show_answer(
    out: &mut dyn Write,
    palette: &Palette,
    precision: &str,
    finding: &Finding,
    answer: &Found,
) -> io::Result<()> {
    let style = palette.answer;
    writeln!(out, "{style}{}{style:#}", one_line(&answer.text))?;
    writeln!(out, "  score {} ({precision})  {}", score(answer.score), place(palette.place, finding, answer))?;
    writeln!(out, "  {}", sentence(palette, &answer.excerpt))
}

fn show_no_answer(out: &mut dyn Write, palette: &Palette, precision: &str, finding: &Finding) -> io::Result<()> {
    let Palette { no_answer, place: path, dimmed, .. } = palette;
    writeln!(out, "{no_answer}no answer{no_answer:#}")?;
    let odds = score(finding.no_answer_score);
    writeln!(out, "  no-answer score {odds} ({precision})  {path}{}{path:#}", document(finding))?;
    let Some(guess) = finding.spans.first() else { return Ok(()) };
    let (text, score, place) = (one_line(&guess.text), score(guess.score), place(Style::new(), finding, guess));
    writeln!(out, "  {dimmed}best guess: {text}  score {score}  {place}{dimmed:#}")
}

fn show_further(out: &mut dyn Write, palette: &Palette, finding: &Finding, further: &Found) -> io::Result<()> {
    let place = place(palette.place, finding, further);
    let sentence = sentence(palette, &further.excerpt.shortened(COMPACT_MAX));
    writeln!(out, "    {}  {place}  {sentence}", score(further.score))
}

fn sentence(palette: &Palette, excerpt: &Excerpt) -> String {
    let Palette { marked, marks: (open, close), .. } = palette;
    format!("{}{marked}{open}{}{close}{marked:#}{}", excerpt.before, excerpt.answer, excerpt.after)
}

/// `file:line`, as terminals and editors open it, and the characters.
fn place(path: Style, finding: &Finding, found: &Found) -> String {
    let place = found.place;
    format!("{path}{}:{}{path:#}  characters {}–{}", document(finding), place.line, place.start, place.end)
}

fn document(finding: &Finding) -> String {
    if finding.document == "-" { "<stdin>".into() } else { printable(&finding.document) }
}

/// Three decimals; what they cannot tell from 0 or 1 is said as such.
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
    use crate::finding::tests::finding;

    const TEXT: &str = "One. The old\x1b[31m\n  pump ran in\r\nMay 1911. It\nstopped in 1923 for good.\n";

    fn shown(palette: &Palette, heading: Option<&str>, findings: &[Finding]) -> String {
        let mut out = Vec::new();
        show(&mut out, palette, "f32", true, heading, findings).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn plain_output_marks_the_answer() {
        let answered = finding("a\x1b.txt", TEXT, true, &["May 1911", "1923"], 0.9);
        let abstained = finding("-", TEXT, false, &["in\r\nMay"], 0.0001);
        let expected = "\
May 1911
  score 0.900 (f32)  a\u{fffd}.txt:3  characters 33–41
  The old\u{fffd}[31m pump ran in »May 1911«.
    0.450  a\u{fffd}.txt:4  characters 57–61  It stopped in »1923« for good.

no answer
  no-answer score >0.999 (f32)  <stdin>
  best guess: in May  score <0.001  <stdin>:2  characters 29–36
";
        assert_eq!(shown(&Palette::plain(), None, &[answered, abstained]), expected);
    }

    #[test]
    fn several_questions_are_headings() {
        let abstained = finding("b", "x", false, &[], 0.25);
        let expected = "# Who\nwas  it?\n\nno answer\n  no-answer score 0.750 (f32)  b\n".replace("\nwas  ", " was ");
        assert_eq!(shown(&Palette::plain(), Some("Who\nwas  it?"), &[abstained]), expected);
    }

    #[test]
    fn colours_take_the_place_of_marks_and_are_closed() {
        let both = [finding("a", TEXT, true, &["1923"], 0.9), finding("b", TEXT, false, &["1923"], 0.1)];
        let coloured = shown(&Palette::coloured(), Some("When?"), &both);
        assert!(!coloured.contains('»') && coloured.contains("\x1b["));
        let plain = anstream::adapter::strip_str(&coloured).to_string();
        assert_eq!(plain, shown(&Palette::plain(), Some("When?"), &both).replace(['»', '«'], ""));
        for line in coloured.lines().filter(|line| line.contains('\x1b')) {
            let last = line.rfind('\x1b').unwrap();
            assert!(line[last..].starts_with("\x1b[0m"), "{line:?}");
        }
    }
}
