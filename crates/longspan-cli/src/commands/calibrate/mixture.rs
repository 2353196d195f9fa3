//! The mixture of questions that a model is calibrated on, and what it answers to them.

use std::ops::Range;

use anyhow::Result;
use longspan::evaluate::calibration::Observation;
use longspan::squad::{Dataset, SquadQuestion};
use longspan::tokenizer::Tokenizer;
use longspan::{ReadOptions, Reader};

use crate::cli::CalibrateArgs;
use crate::data::asking::{Asking, ask_all};
use crate::data::documents::short;
use crate::data::squad::{self, SquadData};
use crate::terminal::hints::fault;
use crate::terminal::{counted, thousands};

/// Without `--limit`, so many questions are asked about long documents, and as many of unrelated ones.
const QUESTIONS: usize = 1000;

/// Questions that are asked of documents of one kind and one length.
pub struct Part {
    /// Its name in the report.
    pub name: String,
    /// The file, by its number; one more for questions that are put to other articles.
    kind: usize,
    is_unrelated: bool,
    /// Tokens of the contexts; `None`: paragraphs as they are.
    tokens: Option<usize>,
    dataset: Dataset,
}

/// The parts: each file, and perhaps the questions put to other articles, as they are and at every length.
///
/// Where no article has a second paragraph, documents have one length, and there is one part.
///
/// # Errors
/// When all questions have an answer or none has one: each kind is fitted.
pub fn parts(args: &CalibrateArgs, data: &SquadData, tokenizer: &Tokenizer) -> Result<Vec<Part>> {
    let SquadData { dataset, articles: files, .. } = data;
    let has_neighbours =
        |file: &&Range<usize>| dataset.articles[(*file).clone()].iter().any(|a| a.paragraphs.len() > 1);
    let growing: Vec<Range<usize>> = files.iter().filter(has_neighbours).cloned().collect();
    let mut lengths = vec![None];
    lengths.extend(args.context_tokens.iter().copied().filter(|&tokens| tokens > 0).map(Some));
    lengths.dedup();

    let (limit, seed) = (args.sampling.limit, args.sampling.seed);
    let several = files.len() + usize::from(args.unrelated) > 1;
    let mut parts = Vec::new();
    let mut add = |kind: usize, tokens: Option<usize>, mut dataset: Dataset| -> Result<()> {
        if dataset.questions().next().is_none() {
            return Ok(());
        }
        let mut name = "as they are".to_owned();
        if let Some(tokens) = tokens {
            name = counted(tokens, "token");
            (dataset, _) = squad::lengthen(&dataset, tokens, seed, tokenizer)?;
        }
        if several {
            name = format!("{}, {name}", data.files.get(kind).map_or("unrelated".into(), |file| short(file)));
        }
        parts.push(Part { name, kind, is_unrelated: kind == files.len(), tokens, dataset });
        Ok(())
    };
    for (kind, file) in files.iter().enumerate() {
        for &tokens in lengths.iter().filter(|tokens| tokens.is_none() || growing.contains(file)) {
            add(kind, tokens, sampled(dataset, file, limit.or(tokens.map(|_| QUESTIONS)), seed))?;
        }
    }
    for &tokens in lengths.iter().filter(|_| args.unrelated) {
        let limit = limit.unwrap_or(QUESTIONS).div_ceil(files.len());
        let questions =
            files.iter().flat_map(|file| sampled(dataset, file, Some(limit), seed).articles[file.clone()].to_vec());
        let questions = Dataset { articles: questions.collect() };
        add(
            files.len(),
            tokens,
            questions.put_to_other_articles(if tokens.is_none() { files } else { &growing }, seed),
        )?;
    }
    check_kinds(args, dataset, &parts)?;
    Ok(parts)
}

/// The dataset with questions of one file only, at most `limit` of them.
fn sampled(dataset: &Dataset, file: &Range<usize>, limit: Option<usize>, seed: u64) -> Dataset {
    let mut own = dataset.clone();
    let others = (0..).zip(&mut own.articles).filter(|(a, _)| !file.contains(a));
    others.flat_map(|(_, article)| &mut article.paragraphs).for_each(|paragraph| paragraph.questions.clear());
    if let Some(limit) = limit {
        own.sample(limit, seed);
    }
    own
}

fn check_kinds(args: &CalibrateArgs, data: &Dataset, parts: &[Part]) -> Result<()> {
    if args.unrelated && !parts.iter().any(|part| part.is_unrelated) {
        return Err(fault("--unrelated: the data have one article, so no question has another", "give more data"));
    }
    for (kind, has_answer) in [("with", true), ("without", false)] {
        let mut questions = parts.iter().flat_map(|part| part.dataset.questions());
        let is_other = |(_, question): (_, &SquadQuestion)| question.answers.is_empty() == has_answer;
        if questions.all(is_other) {
            if let Some(limit) = args.sampling.limit.filter(|_| !data.questions().all(is_other)) {
                let drawn = counted(limit, "question");
                let message = format!("--limit {limit}: drew {drawn}, and none {kind} an answer");
                return Err(fault(message, "raise --limit, or draw others with --seed"));
            }
            let message = format!("the data have no question {kind} an answer");
            return Err(fault(message, "give data of both kinds, or let --unrelated make questions without an answer"));
        }
    }
    Ok(())
}

/// Asks all parts, and gives for each of the options what was answered.
pub fn observe(
    args: &CalibrateArgs,
    parts: &[Part],
    data: &mut SquadData,
    reader: &Reader,
    options: &[ReadOptions],
) -> Result<Vec<Vec<Observation>>> {
    let mut observed: Vec<Vec<Observation>> = options.iter().map(|_| Vec::new()).collect();
    for (p, Part { kind, dataset, .. }) in parts.iter().enumerate() {
        let asking = Asking { reader, options, dataset, skip_bad: args.sampling.skip_bad };
        let asked = ask_all(&asking, None, &mut data.skipped)?;
        for (observed, scored) in observed.iter_mut().zip(asked.scored) {
            observed.extend(scored.iter().map(|scored| Observation::new(scored, p, *kind)));
        }
    }
    Ok(observed)
}

/// The data in words.
///
/// - `observed`: what was answered to all parts
/// - `how`: how they were asked
pub fn fitted_on(data: &SquadData, parts: &[Part], observed: &[Observation], how: &str) -> String {
    let names: Vec<String> = data.files.iter().map(|file| short(file)).collect();
    let mut groups: Vec<(bool, Option<usize>, usize)> = Vec::new();
    for (p, Part { is_unrelated, tokens, .. }) in parts.iter().enumerate() {
        let count = observed.iter().filter(|observed| observed.part == p).count();
        match groups.iter_mut().find(|group| (group.0, group.1) == (*is_unrelated, *tokens)) {
            Some(group) => group.2 += count,
            None => groups.push((*is_unrelated, *tokens, count)),
        }
    }
    let mut is_first = true;
    let counts = groups.into_iter().map(|(is_unrelated, tokens, count)| {
        let count = if std::mem::take(&mut is_first) { counted(count, "question") } else { thousands(count) };
        match (is_unrelated, tokens) {
            (false, None) => format!("{count} as they are"),
            (false, Some(tokens)) => format!("{count} among neighbours up to {}", counted(tokens, "token")),
            (true, None) => format!("{count} put to other articles"),
            (true, Some(tokens)) => format!("{count} put to other articles up to {}", counted(tokens, "token")),
        }
    });
    format!("{}: {}, {how}", names.join(", "), counts.collect::<Vec<_>>().join(", "))
}
