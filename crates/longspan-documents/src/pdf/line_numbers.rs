//! The numbers of lines in a margin, as transcripts, pleadings, bills and manuscripts have them.
//!
//! They stand alone below each other and count up by one, or by five, down a page. What sets them apart from the first column of
//! a table: they begin again on another page, or some have no text beside them, or the text beside them is one wide piece. They
//! become one line below the text, so that sentences run on.

use super::furniture::{PageFrame, lines};
use super::pieces::TextPiece;

/// Numbers of a page at least, where they count up by one; half as many by five. On the other pages of a document that has
/// such pages, there may be fewer.
const NUMBERS_MIN: usize = 10;
const FEWER_MIN: usize = 3;
/// A page with more has something else.
const NUMBERS_MAX: usize = 200;
/// The steps by which they count.
const STEPS: [u32; 2] = [1, 5];
/// Points by which their edges may differ.
const EDGE: f32 = 2.0;
/// Of the distances between them, so many are as usual but for a fifth.
const EVEN_MIN: f32 = 0.8;
/// So many lines of a page may have no number, or a fifth of those that have one.
const UNNUMBERED_MAX: usize = 4;
/// Numbers without text beside them, which tables do not have.
const BLANK_MIN: usize = 2;
/// A wide line, in em.
const WIDE_EM: f32 = 18.0;

/// The numbers of the lines of a page.
struct LineNumbers {
    /// Indices of their pieces, from top to bottom.
    pieces: Vec<usize>,
    /// Whether they begin with the page.
    begins: bool,
    /// Whether this page alone shows that they are no table's.
    is_sure: bool,
}

/// Puts the numbers of lines below the text of their pages.
pub(super) fn put_below(pages: &mut [PageFrame<'_>]) {
    let mut found: Vec<Option<LineNumbers>> =
        pages.iter().map(|page| LineNumbers::find(page.pieces, NUMBERS_MIN)).collect();
    let is_usual = found.iter().flatten().filter(|numbers| numbers.begins).count() > 1;
    if is_usual {
        for (found, page) in found.iter_mut().zip(pages.iter()).filter(|(found, _)| found.is_none()) {
            *found = LineNumbers::find(page.pieces, FEWER_MIN);
        }
    }
    for (page, numbers) in pages.iter_mut().zip(found) {
        if let Some(numbers) = numbers.filter(|numbers| is_usual || numbers.is_sure) {
            let below = joined(numbers.pieces.iter().map(|&index| &page.pieces[index]));
            let mut index = 0;
            page.pieces.retain(|_| {
                index += 1;
                !numbers.pieces.contains(&(index - 1))
            });
            page.pieces.push(below);
        }
    }
}

/// One piece of furniture, at the place of the last.
fn joined<'a>(pieces: impl Iterator<Item = &'a TextPiece> + Clone) -> TextPiece {
    TextPiece {
        words: pieces.clone().flat_map(|piece| piece.words.clone()).collect(),
        x: pieces.clone().map(|piece| piece.x).fold(f32::MAX, f32::min),
        right: pieces.clone().map(|piece| piece.right).fold(f32::MIN, f32::max),
        y: pieces.clone().map(|piece| piece.y).fold(f32::MIN, f32::max),
        size: pieces.map(|piece| piece.size).fold(0.0, f32::max),
        is_furniture: true,
    }
}

impl LineNumbers {
    fn find(pieces: &[TextPiece], numbers_min: usize) -> Option<Self> {
        let edges: [fn(&TextPiece) -> f32; 2] = [|piece| piece.right, |piece| piece.x];
        let runs = edges.into_iter().flat_map(|edge| STEPS.map(|step| longest_run(pieces, edge, step)));
        let min = |step: u32| if step == 1 { numbers_min } else { numbers_min.div_ceil(2) };
        let are_enough = |(numbers, step): &(Vec<usize>, u32)| (min(*step)..=NUMBERS_MAX).contains(&numbers.len());
        let (numbers, step) = runs.filter(are_enough).max_by_key(|(numbers, _)| numbers.len())?;
        let first = number(&pieces[numbers[0]])?;
        if !is_even(&numbers.iter().map(|&index| pieces[index].y).collect::<Vec<_>>()) || first % step != 0 {
            return None;
        }
        let others: Vec<usize> = (0..pieces.len()).filter(|index| !numbers.contains(index)).collect();
        let others = lines(others, pieces);
        let (top, bottom) = (pieces[numbers[0]].y, pieces[numbers[numbers.len() - 1]].y);
        let is_beside = |line: &&Vec<usize>| {
            let near = 0.5 * pieces[line[0]].size;
            (top - near..=bottom + near).contains(&pieces[line[0]].y)
        };
        let (beside, apart): (Vec<&Vec<usize>>, Vec<&Vec<usize>>) = others.iter().partition(is_beside);
        let left = numbers.iter().map(|&index| pieces[index].x).fold(f32::MAX, f32::min);
        let right = numbers.iter().map(|&index| pieces[index].right).fold(f32::MIN, f32::max);
        let all = || beside.iter().flat_map(|line| line.iter()).map(|&index| &pieces[index]);
        if beside.len() < FEWER_MIN || !(all().all(|piece| piece.x > right) || all().all(|piece| piece.right < left)) {
            return None; // in no margin
        }
        let is_on =
            |number: usize, line: &[usize]| (pieces[number].y - pieces[line[0]].y).abs() < 0.5 * pieces[line[0]].size;
        let numbered = beside.iter().filter(|line| numbers.iter().any(|&number| is_on(number, line))).count();
        let unnumbered = apart.len() + if step == 1 { beside.len() - numbered } else { 0 };
        if unnumbered > UNNUMBERED_MAX.max(beside.len() / 5) {
            return None;
        }
        let blank = numbers.iter().filter(|&&number| !beside.iter().any(|line| is_on(number, line))).count();
        let is_wide = |line: &&&Vec<usize>| {
            line.len() == 1 && pieces[line[0]].right - pieces[line[0]].x >= WIDE_EM * pieces[line[0]].size
        };
        let are_wide = 2 * beside.iter().filter(is_wide).count() > beside.len();
        Some(Self { pieces: numbers, begins: first == step, is_sure: step > 1 || blank >= BLANK_MIN || are_wide })
    }
}

/// The longest run of numbers below each other that count up by a step, and the step.
fn longest_run(pieces: &[TextPiece], edge: fn(&TextPiece) -> f32, step: u32) -> (Vec<usize>, u32) {
    let mut all: Vec<usize> = (0..pieces.len()).filter(|&index| number(&pieces[index]).is_some()).collect();
    all.sort_by(|&a, &b| edge(&pieces[a]).total_cmp(&edge(&pieces[b])));
    let is_level = |a: &usize, b: &usize| edge(&pieces[*b]) - edge(&pieces[*a]) <= EDGE;
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
    (longest, step)
}

/// The number that a piece is.
fn number(piece: &TextPiece) -> Option<u32> {
    let [word] = piece.words.as_slice() else { return None };
    let is_number = word.text.len() <= 5 && word.text.bytes().all(|byte| byte.is_ascii_digit());
    word.text.parse().ok().filter(|_| is_number && !piece.is_furniture)
}

/// Whether baselines are equally far apart, but for a few.
fn is_even(baselines: &[f32]) -> bool {
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
        let all: Vec<usize> = pages.iter().map(|page| page.iter().map(|piece| piece.words.len()).sum()).collect();
        put_below(&mut pages.iter_mut().map(|pieces| PageFrame { pieces, height: 800.0 }).collect::<Vec<_>>());
        for ((page, below), all) in pages.iter().zip(below).zip(all) {
            assert_eq!(page.iter().map(|piece| piece.words.len()).sum::<usize>(), all, "no word is lost");
            let found: Vec<usize> =
                page.iter().filter(|piece| piece.is_furniture).map(|piece| piece.words.len()).collect();
            assert_eq!(found, if *below > 0 { vec![*below] } else { vec![] });
        }
    }

    const NUMBERS: [&str; 12] = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"];
    const WIDE: &[&str] = &["the motion of the petitioner is denied"];
    const NARROW: &[&str] = &["Denmark"];

    #[test]
    fn numbers_of_lines_are_put_below_the_text() {
        let page = |text: &'static [&'static str]| NUMBERS.map(|number| (number, text)).to_vec();
        check(&[page(WIDE)], &[12]);
        check(&[page(NARROW)], &[0]); // a list of countries
        check(&[page(NARROW), page(NARROW)], &[12, 12]);
        check(&[page(&["Denmark", "42,951", "5.8"])], &[0]); // a table
        let mut blank = page(NARROW);
        blank[9..].iter_mut().for_each(|line| line.1 = &[]);
        check(&[blank], &[12]);
        check(&[page(WIDE), page(WIDE)[..5].to_vec()], &[12, 0]); // only one page begins with a whole run
        check(&[page(WIDE), page(WIDE), page(WIDE)[..5].to_vec()], &[12, 12, 5]);
        let mut heads = page(WIDE);
        heads.insert(0, ("", &["Official Transcript"]));
        heads.push(("", &["Reporting Company"]));
        check(&[heads], &[12]);
        let unnumbered = [page(WIDE), vec![("", WIDE); 12]].concat(); // a numbered part of a page
        check(&[unnumbered], &[0]);
        let by_five = |line: usize| {
            (["", "", "", "", "5", "10", "15", "20", "25"][if line % 5 == 4 { 4 + line / 5 } else { 0 }], WIDE)
        };
        check(&[(0..25).map(by_five).collect()], &[5]);
    }
}
