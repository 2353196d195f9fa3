//! The numbers of lines in a margin, as transcripts, pleadings and manuscripts have them.
//!
//! They stand alone below each other and count up by one, or by five, down a page. What sets them apart from the first column of
//! a table and from the numbers of a list: the text beside them runs on from line to line. They become one line below the text,
//! so that its sentences are whole.

use super::furniture::{PageFrame, lines};
use super::pieces::TextPiece;

/// The steps by which numbers count, and how many there are at least on a page that alone shows that they are of lines.
const STEPS: [(u32, usize); 2] = [(1, 10), (5, 5)];
/// Where two pages of a document show it, and where the numbers go on from the page before, there may be fewer.
const FEWER_MIN: usize = 3;
/// A page with more has something else.
const NUMBERS_MAX: usize = 200;
/// Points by which their edges may differ.
const EDGE_POINTS: f32 = 2.0;
/// Of the distances between them, so many are as usual but for a fifth.
const EVEN_MIN: f32 = 0.8;
/// So many lines of a page may have no number, or a fifth of those that have one.
const UNNUMBERED_MAX: usize = 4;
/// So many lines run on at least, and such a share of those beside the numbers.
const RUNNING_MIN: usize = 3;
const RUNNING_SHARE_MIN: f32 = 0.15;
/// How wide a line is that runs on, in em.
const RUNNING_EM_MIN: f32 = 12.0;

/// The numbers of the lines of a page.
struct LineNumbers {
    /// Indices of their pieces, from top to bottom.
    pieces: Vec<usize>,
    /// The number before the first, and the last.
    before: u32,
    last: u32,
    /// Whether the page alone shows that they are numbers of lines.
    is_sure: bool,
}

/// Puts the numbers of lines below the text of their pages.
pub(super) fn put_below(pages: &mut [PageFrame<'_>]) {
    let found: Vec<Option<LineNumbers>> = pages.iter().map(|page| LineNumbers::find(page.pieces)).collect();
    let are_usual = found.iter().flatten().filter(|numbers| numbers.is_sure).count() > 1;
    let mut last = 0;
    for (page, numbers) in pages.iter_mut().zip(found) {
        let is_next = |before: u32| if before == 0 { are_usual } else { before == last };
        if let Some(numbers) = numbers.filter(|numbers| numbers.is_sure || is_next(numbers.before)) {
            last = numbers.last;
            numbers.put_below(page.pieces);
        }
    }
}

impl LineNumbers {
    fn find(pieces: &[TextPiece]) -> Option<Self> {
        let edges: [fn(&TextPiece) -> f32; 2] = [|piece| piece.right, |piece| piece.x];
        let runs = edges.into_iter().flat_map(|edge| STEPS.map(|step| (longest_run(pieces, edge, step.0), step)));
        let are_few = |(run, _): &(Vec<usize>, _)| (FEWER_MIN..=NUMBERS_MAX).contains(&run.len());
        let (run, (step, numbers_min)) = runs.filter(are_few).max_by_key(|(run, _)| run.len())?;
        let baselines: Vec<f32> = run.iter().map(|&index| pieces[index].y).collect();
        let (first, last) = (number(&pieces[run[0]])?, number(&pieces[run[run.len() - 1]])?);
        if first % step != 0 || first == 0 || !are_even(&baselines) {
            return None;
        }
        let others = lines((0..pieces.len()).filter(|index| !run.contains(index)).collect(), pieces);
        let near = |line: &[usize]| 0.5 * pieces[line[0]].size;
        let is_beside = |line: &&Vec<usize>| {
            let y = pieces[line[0]].y;
            y >= baselines[0] - near(line) && y <= baselines[baselines.len() - 1] + near(line)
        };
        let (beside, apart): (Vec<&Vec<usize>>, Vec<&Vec<usize>>) = others.iter().partition(is_beside);
        let (left, right) = edges_of(run.iter().map(|&index| &pieces[index]));
        let (text_left, text_right) = edges_of(beside.iter().copied().flatten().map(|&index| &pieces[index]));
        if text_left <= right && text_right >= left {
            return None; // in no margin
        }
        let has_number =
            |line: &&&Vec<usize>| baselines.iter().any(|y| (y - pieces[line[0]].y).abs() < near(line.as_slice()));
        let numbered = beside.iter().filter(has_number).count();
        let unnumbered = apart.len() + if step == 1 { beside.len() - numbered } else { 0 };
        let has_lines_between = step == 1 || beside.len() >= 3 * run.len();
        if unnumbered > UNNUMBERED_MAX.max(beside.len() / 5) || !has_lines_between {
            return None;
        }
        let running = running(&beside, pieces);
        let is_prose = running >= RUNNING_MIN && running as f32 >= RUNNING_SHARE_MIN * beside.len() as f32;
        Some(Self { is_sure: is_prose && run.len() >= numbers_min, pieces: run, before: first - step, last })
    }

    /// Makes them one piece of furniture, lower than all others.
    fn put_below(&self, pieces: &mut Vec<TextPiece>) {
        let own = || self.pieces.iter().map(|&index| &pieces[index]);
        let (x, right) = edges_of(own());
        let below = TextPiece {
            words: own().flat_map(|piece| piece.words.clone()).collect(),
            x,
            right,
            y: pieces.iter().map(|piece| piece.y + piece.size).fold(f32::MIN, f32::max),
            size: own().map(|piece| piece.size).fold(0.0, f32::max),
            is_furniture: true,
        };
        let mut index = 0;
        pieces.retain(|_| {
            index += 1;
            !self.pieces.contains(&(index - 1))
        });
        pieces.push(below);
    }
}

/// The left edge and the right edge of pieces together.
fn edges_of<'a>(pieces: impl Iterator<Item = &'a TextPiece>) -> (f32, f32) {
    pieces.fold((f32::MAX, f32::MIN), |(left, right), piece| (left.min(piece.x), right.max(piece.right)))
}

/// How many lines go on with the sentence of the line above: in a lower-case letter, after a wide line without an end.
fn running(lines: &[&Vec<usize>], pieces: &[TextPiece]) -> usize {
    let goes_on = |pair: &&[&Vec<usize>]| {
        let ([above], [below]) = (pair[0].as_slice(), pair[1].as_slice()) else { return false };
        let (above, below) = (&pieces[*above], &pieces[*below]);
        above.right - above.x >= RUNNING_EM_MIN * above.size
            && !above.text().ends_with(['.', '!', '?', ':'])
            && below.text().starts_with(char::is_lowercase)
    };
    lines.windows(2).filter(goes_on).count()
}

/// The longest run of numbers below each other that count up by a step.
fn longest_run(pieces: &[TextPiece], edge: fn(&TextPiece) -> f32, step: u32) -> Vec<usize> {
    let mut all: Vec<usize> = (0..pieces.len()).filter(|&index| number(&pieces[index]).is_some()).collect();
    all.sort_by(|&a, &b| edge(&pieces[a]).total_cmp(&edge(&pieces[b])));
    let is_level = |a: &usize, b: &usize| edge(&pieces[*b]) - edge(&pieces[*a]) <= EDGE_POINTS;
    let mut longest = Vec::new();
    for level in all.chunk_by(is_level) {
        let mut level = level.to_vec();
        level.sort_by(|&a, &b| pieces[a].y.total_cmp(&pieces[b].y));
        let goes_on = |a: &usize, b: &usize| number(&pieces[*a]).map(|number| number + step) == number(&pieces[*b]);
        let run = level.chunk_by(goes_on).max_by_key(|run| run.len()).unwrap_or_default();
        if run.len() > longest.len() {
            longest = run.to_vec();
        }
    }
    longest
}

/// The number that a piece is.
fn number(piece: &TextPiece) -> Option<u32> {
    let [word] = piece.words.as_slice() else { return None };
    let is_number = word.text.len() <= 5 && word.text.bytes().all(|byte| byte.is_ascii_digit());
    word.text.parse().ok().filter(|_| is_number && !piece.is_furniture)
}

/// Whether baselines are equally far apart, but for a few.
fn are_even(baselines: &[f32]) -> bool {
    let mut gaps: Vec<f32> = baselines.windows(2).map(|pair| pair[1] - pair[0]).collect();
    gaps.sort_by(f32::total_cmp);
    let usual = gaps[gaps.len() / 2];
    let even = gaps.iter().filter(|&&gap| (gap - usual).abs() <= 0.2 * usual).count();
    even as f32 >= EVEN_MIN * gaps.len() as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pdf::pieces::PieceWord;

    fn piece(x: f32, line: usize, text: &str) -> TextPiece {
        let (y, size) = (100.0 + 12.0 * line as f32, 10.0);
        let words = text.split(' ').map(|word| PieceWord { text: word.into(), ..PieceWord::default() }).collect();
        TextPiece { words, x, right: x + 5.0 * text.len() as f32, y, size, ..TextPiece::default() }
    }

    /// How many numbers are put below the text of each page, whose lines have a number, or none, and pieces beside it.
    fn check(pages: &[Vec<(&str, &[&str])>], below: &[usize]) {
        let page = |lines: &Vec<(&str, &[&str])>| -> Vec<TextPiece> {
            let line = |(line, (number, texts)): (usize, &(&str, &[&str]))| {
                let number = (!number.is_empty()).then(|| piece(60.0 - 5.0 * number.len() as f32, line, number));
                let texts =
                    texts.iter().enumerate().map(move |(cell, text)| piece(80.0 + 100.0 * cell as f32, line, text));
                number.into_iter().chain(texts).collect::<Vec<_>>()
            };
            lines.iter().enumerate().flat_map(line).collect()
        };
        let mut pages: Vec<Vec<TextPiece>> = pages.iter().map(page).collect();
        let words =
            |page: &Vec<TextPiece>| page.iter().flat_map(|piece| &piece.words).map(|word| word.text.clone()).collect();
        let all: Vec<Vec<String>> = pages.iter().map(words).collect();
        put_below(&mut pages.iter_mut().map(|pieces| PageFrame { pieces, height: 800.0 }).collect::<Vec<_>>());
        for ((page, below), all) in pages.iter().zip(below).zip(all) {
            let words: Vec<&str> = page.iter().flat_map(|piece| &piece.words).map(|word| word.text.as_str()).collect();
            let sorted = |mut words: Vec<&str>| {
                words.sort_unstable();
                words.join(" ")
            };
            assert_eq!(sorted(words), sorted(all.iter().map(String::as_str).collect()), "no word is lost");
            let found: Vec<usize> =
                page.iter().filter(|piece| piece.is_furniture).map(|piece| piece.words.len()).collect();
            assert_eq!(found, if *below > 0 { vec![*below] } else { vec![] });
        }
    }

    const NUMBERS: [&str; 12] = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"];
    const PROSE: &[&str] = &["the motion of the petitioner is denied"];
    const LIST: &[&str] = &["Declaration of John Smith of 3 May 2019"];
    const TABLE: &[&str] = &["denmark and its islands", "42,951", "5.8"];

    #[test]
    fn numbers_of_lines_are_put_below_the_text() {
        let page = |text: &'static [&'static str]| NUMBERS.map(|number| (number, text)).to_vec();
        check(&[page(PROSE)], &[12]);
        for text in [LIST, TABLE, &["denmark"], &[]] {
            check(&[page(text)], &[0]);
            check(&[page(text), page(text)], &[0, 0]);
        }
        // A page with a title and blank lines, between others.
        let mut title = page(LIST);
        title[7..].iter_mut().for_each(|line| line.1 = &[]);
        check(&[page(PROSE), title, page(PROSE)], &[12, 12, 12]);
        check(&[page(PROSE), page(PROSE)[..5].to_vec()], &[12, 0]);
        check(&[page(PROSE), page(PROSE), page(PROSE)[..5].to_vec()], &[12, 12, 5]);
        check(&[page(PROSE), page(PROSE), page(LIST)[4..8].to_vec()], &[12, 12, 0]); // a list that begins with 5
        let further = ["13", "14", "15", "16"].map(|number| (number, LIST)).to_vec();
        check(&[page(PROSE), further.clone()], &[12, 4]);
        check(&[further, page(PROSE)], &[0, 12]);
        let mut heads = page(PROSE);
        heads.insert(0, ("", &["Official Transcript"]));
        heads.push(("", &["Reporting Company"]));
        check(&[heads], &[12]);
        let unnumbered = [page(PROSE), vec![("", PROSE); 12]].concat(); // a numbered part of a page
        check(&[unnumbered], &[0]);
        let by_five = |text: &'static [&'static str]| {
            let number = |line: usize| if line % 5 == 4 { ["5", "10", "15", "20", "25"][line / 5] } else { "" };
            (0..25).map(|line| (number(line), text)).collect::<Vec<_>>()
        };
        check(&[by_five(PROSE)], &[5]);
        check(&[by_five(LIST)], &[0]);
        check(&[by_five(PROSE).into_iter().filter(|(number, _)| !number.is_empty()).collect()], &[0]);
    }
}
