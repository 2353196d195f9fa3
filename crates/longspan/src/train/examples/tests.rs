use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::teaching::TokenProbability;
use super::*;

/// Every letter and digit is a token, so the tokens give the text.
static TOKENIZER: LazyLock<Tokenizer> = LazyLock::new(|| {
    let mut vocab: Vec<String> = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(str::to_owned).into();
    vocab.extend(characters().map(|c| c.to_string()));
    vocab.extend(characters().map(|c| format!("##{c}")));
    let vocab = vocab.join("\n").into_bytes();
    Tokenizer::load(|name| Ok((name == "vocab.txt").then(|| Cow::Owned(vocab.clone())))).unwrap()
});

fn characters() -> impl Iterator<Item = char> {
    ('a'..='z').chain('0'..='9')
}

fn text_of(ids: &[u32]) -> String {
    ids.iter().map(|&id| characters().nth((id as usize - 5) % 36).unwrap()).collect()
}

fn without_spaces(text: &str) -> String {
    text.split_whitespace().collect()
}

fn config(positions: usize) -> Config {
    let json = format!(
        r#"{{"model_type": "longformer", "vocab_size": 100, "hidden_size": 8, "num_hidden_layers": 1,
        "num_attention_heads": 1, "intermediate_size": 8, "max_position_embeddings": {}, "pad_token_id": 0,
        "attention_window": 8}}"#,
        positions + 1
    );
    Config::from_json(json.as_bytes()).unwrap()
}

/// Articles whose paragraphs have these numbers of words. Each paragraph has a question with two answers and one without.
fn dataset(articles: &[Vec<usize>]) -> Dataset {
    let paragraph = |a: usize, p: usize, words: usize| {
        let words: Vec<String> = (0..words).map(|w| format!("a{a}p{p}w{w}")).collect();
        let context = words.join(" ");
        let gold = |w: usize, count: usize| {
            let start = words[..w].iter().map(|word| word.len() + 1).sum();
            let text = words[w..(w + count).min(words.len())].join(" ");
            squad::Gold { bytes: Some(ByteSpan { start, end: start + text.len() }), text }
        };
        let middle = gold(words.len() / 2, 2);
        let answers = vec![middle.clone(), gold(0, 1), middle];
        let question =
            |id: String, answers| squad::SquadQuestion { id, question: "q?".into(), answers, is_impossible: false };
        let questions = vec![question(format!("{a}/{p}/yes"), answers), question(format!("{a}/{p}/no"), Vec::new())];
        squad::Paragraph { context, questions }
    };
    let article = |(a, lengths): (usize, &Vec<usize>)| squad::Article {
        title: String::new(),
        paragraphs: lengths.iter().enumerate().map(|(p, &words)| paragraph(a, p, words)).collect(),
    };
    Dataset { articles: articles.iter().enumerate().map(article).collect() }
}

fn examples<'a>(dataset: &'a Dataset, positions: usize, settings: &QaSettings, seed: u64) -> Result<Examples<'a>> {
    Examples::new(dataset, &TOKENIZER, &config(positions), 2, settings, None, seed)
}

/// Compares an input with one that is made in a slow and simple way.
fn check_example(examples: &Examples<'_>, key: &ExampleKey, dataset: &Dataset) {
    let (paragraphs, p, question) = {
        let id = examples.id(key);
        let [a, p] = [0, 1].map(|part| id.split('/').nth(part).unwrap().parse::<usize>().unwrap());
        let questions = &dataset.articles[a].paragraphs[p].questions;
        (&dataset.articles[a].paragraphs, p, questions.iter().find(|question| question.id == id).unwrap())
    };
    let Example { ids, token_type_ids, globals, shift, answers, taught } = examples.example(key).unwrap();
    assert_eq!(taught, None);
    assert_eq!((ids.len(), shift.from), (key.tokens as usize, 5)); // [CLS] q ? [SEP][SEP] has 5, `?` being unknown
    assert_eq!(ids[0], TOKENIZER.cls_token_id);
    assert_eq!([ids[3], ids[4], ids[ids.len() - 1]], [TOKENIZER.sep_token_id; 3]);
    assert_eq!(globals, [0, 1, 2]);
    assert_eq!(token_type_ids.iter().filter(|&&of| of == 0).count(), 5);
    assert!(ids.len() + shift.by <= examples.positions && shift.by <= key.shift as usize);

    let document = &ids[5..ids.len() - 1];
    let own = &paragraphs[p].context;
    match key.kind {
        ExampleKind::InContext { first, end } => {
            let (first, end) = (first as usize, end as usize);
            assert!((first..end).contains(&p) && end - first > 1);
            let texts: Vec<_> = paragraphs[first..end].iter().map(|paragraph| paragraph.context.as_str()).collect();
            assert_eq!(document, TOKENIZER.encode(&texts.join("\n\n")).unwrap().ids);
        }
        ExampleKind::Window(w) => {
            let tokens = TOKENIZER.encode(own).unwrap();
            let room = examples.settings.max_tokens - 6;
            let windows = windows(tokens.ids.len(), room, 8.min(room / 4));
            assert_eq!(document, &tokens.ids[windows[w as usize].tokens.clone()]);
        }
    }
    let found: Vec<String> = answers.iter().map(|answer| text_of(&ids[answer.start..=answer.end])).collect();
    let golds: BTreeSet<String> = question.answers.iter().map(|gold| without_spaces(&gold.text)).collect();
    // No word occurs twice, so an answer is in the input if its text is.
    let text = text_of(document);
    let inside: BTreeSet<String> = golds.into_iter().filter(|gold| text.contains(gold)).collect();
    assert_eq!(found.len(), inside.len());
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), inside);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_epoch_has_every_input_once_with_its_answers(
        articles in prop::collection::vec(prop::collection::vec(1..30usize, 1..6), 1..4),
        max_tokens in 24..200usize, long_share in 0..3usize, seed in 0..9u64,
    ) {
        let dataset = dataset(&articles);
        let settings = QaSettings {
            max_tokens, long_share: long_share as f64 / 2.0, context_tokens: 50..=250, random_positions: 0.5,
            ..QaSettings::default()
        };
        let examples = examples(&dataset, 210, &settings, seed).unwrap();
        for epoch in 0..2 {
            let keys = examples.keys(epoch);
            let mut seen = BTreeSet::new();
            for key in &keys {
                check_example(&examples, key, &dataset);
                let ExampleKind::Window(w) = key.kind else {
                    prop_assert!(long_share > 0);
                    prop_assert!(seen.insert((key.question, usize::MAX)));
                    continue;
                };
                prop_assert!(seen.insert((key.question, w as usize)));
            }
            for (q, question) in examples.questions.iter().enumerate() {
                let own: Vec<usize> = seen.iter().filter(|(of, _)| *of as usize == q).map(|(_, w)| *w).collect();
                let windows = examples.windows(question).len();
                prop_assert!(own == [usize::MAX] && windows == 1 || own == (0..windows).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn steps_and_passes_have_at_most_their_tokens(
        lengths in prop::collection::vec(1..30usize, 1..20), batch_tokens in 1..2000usize, pass_tokens in 1..600usize,
    ) {
        let dataset = dataset(&[lengths]);
        let settings = QaSettings { max_tokens: 100, ..QaSettings::default() };
        let examples = examples(&dataset, 100, &settings, 1).unwrap();
        let steps = examples.epoch(3, batch_tokens, pass_tokens);
        let keys: Vec<ExampleKey> = steps.iter().flat_map(|step| step.passes.concat()).collect();
        prop_assert_eq!(&keys, &examples.keys(3));
        let tokens = |keys: &[ExampleKey]| keys.iter().map(|key| key.tokens as usize).sum::<usize>();
        let inputs: Vec<Vec<ExampleKey>> = steps.iter().map(|step| step.passes.concat()).collect();
        prop_assert!(inputs.iter().all(|step| tokens(step) <= batch_tokens || step.len() == 1));
        prop_assert!(inputs.windows(2).all(|pair| tokens(&pair[0]) + tokens(&pair[1][..1]) > batch_tokens));
        for step in &steps {
            prop_assert!(step.passes.iter().all(|pass| tokens(pass) <= pass_tokens || pass.len() == 1));
        }
    }
}

#[test]
fn the_order_depends_on_seed_and_epoch() {
    let dataset = dataset(&vec![(1..20).collect(); 5]);
    let settings =
        QaSettings { long_share: 0.5, context_tokens: 100..=300, random_positions: 0.5, ..QaSettings::default() };
    let plan = |seed, epoch| examples(&dataset, 4096, &settings, seed).unwrap().epoch(epoch, 1000, 500);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(plan(1, 0), pool.install(|| plan(1, 0)));
    assert_ne!(plan(1, 0), plan(1, 1));
    assert_ne!(plan(1, 0), plan(2, 0));
}

#[test]
fn a_batch_has_the_inputs_of_its_keys() {
    let dataset = dataset(&[vec![3, 9, 27]]);
    let settings = QaSettings { max_tokens: 64, random_positions: 0.5, ..QaSettings::default() };
    let examples = examples(&dataset, 128, &settings, 1).unwrap();
    for step in examples.epoch(0, 400, 200) {
        for pass in step.passes {
            let ExampleBatch { batch, answers, taught } = examples.batch(&pass).unwrap();
            assert_eq!([batch.sequences(), answers.len(), taught.len()], [pass.len(); 3]);
            for (s, key) in pass.iter().enumerate() {
                let example = examples.example(key).unwrap();
                assert_eq!(batch.ids[batch.range(s)], example.ids);
                assert_eq!((batch.globals(s), &answers[s]), (&example.globals[..], &example.answers));
                let positions: Vec<usize> = batch.positions(s, &config(128)).collect();
                let PositionShift { from, by } = example.shift;
                assert_eq!([positions[0], positions[from]], [1, 1 + from + by]);
                assert!(*positions.last().unwrap() <= 128);
            }
        }
    }
}

/// Articles of paragraphs of 5 to 34 words, and one of a long paragraph.
fn large() -> Dataset {
    let lengths = |a: usize| (0..40).map(|p| 5 + random::number(a as u64, &[p]) as usize % 30).collect();
    let mut articles: Vec<Vec<usize>> = (0..40).map(lengths).collect();
    articles.push(vec![2000]);
    dataset(&articles)
}

#[test]
fn long_inputs_have_their_share_of_the_tokens() {
    let dataset = large();
    for (long_share, negative_windows) in [(0.0, 1.0), (0.1, 0.2), (0.3, 1.0), (0.6, 0.0), (1.0, 1.0)] {
        let settings = QaSettings {
            max_tokens: 1000,
            long_share,
            negative_windows,
            context_tokens: 300..=1500,
            ..QaSettings::default()
        };
        let examples = examples(&dataset, 1000, &settings, 1).unwrap();
        let (mut long, mut all) = (0, 0);
        for key in (0..4).flat_map(|epoch| examples.keys(epoch)) {
            let is_long = matches!(key.kind, ExampleKind::InContext { .. });
            assert!(key.tokens <= 1000, "{key:?}");
            long += if is_long { key.tokens } else { 0 };
            all += key.tokens;
        }
        let share = f64::from(long) / f64::from(all);
        // The windows of the long paragraph cannot become long, so the whole share is not reached.
        let error_max = if long_share == 1.0 { 0.05 } else { 0.03 * long_share };
        assert!((share - long_share).abs() <= error_max, "{share} of the tokens instead of {long_share}");
    }
}

#[test]
fn negative_windows_are_kept_in_their_share() {
    let dataset = dataset(&[vec![3000], vec![4]]);
    let all = QaSettings { max_tokens: 64, ..QaSettings::default() };
    let some = QaSettings { negative_windows: 0.25, ..all.clone() };
    let [all, some] = [all, some].map(|settings| examples(&dataset, 64, &settings, 1).unwrap());
    let teaches = |key: &&ExampleKey| !all.example(key).unwrap().answers.is_empty();
    let is_short = |key: &&ExampleKey| all.id(key).starts_with("1/");
    let (keys, kept) = (all.keys(0), some.keys(0));
    assert!(kept.iter().all(|key| keys.contains(key)));
    assert_eq!(kept.iter().filter(is_short).count(), 2);
    assert_eq!(kept.iter().filter(teaches).count(), keys.iter().filter(teaches).count());
    let negative = |keys: &[ExampleKey]| keys.iter().filter(|key| !teaches(key) && !is_short(key)).count() as f64;
    let share = negative(&kept) / negative(&keys);
    assert!((0.2..0.3).contains(&share), "{share} of the windows are kept");
    let windows = |epoch| some.keys(epoch).into_iter().map(|key| (key.question, key.kind.number()));
    assert_ne!(windows(0).collect::<BTreeSet<_>>(), windows(1).collect::<BTreeSet<_>>());
}

#[test]
fn random_positions_cover_the_table() {
    let dataset = large();
    let settings = QaSettings { max_tokens: 1000, random_positions: 0.3, ..QaSettings::default() };
    let examples = examples(&dataset, 1000, &settings, 1).unwrap();
    let keys = examples.keys(0);
    let shares: Vec<f64> = keys
        .iter()
        .filter(|key| key.shift > 0)
        .map(|key| f64::from(key.shift) / f64::from(1000 - key.tokens))
        .collect();
    let share = shares.len() as f64 / keys.len() as f64;
    assert!((0.28..0.32).contains(&share), "{share} are shifted");
    let mean = shares.iter().sum::<f64>() / shares.len() as f64;
    assert!((0.48..0.52).contains(&mean), "by {mean} of the room");
    assert!(shares.iter().any(|share| *share > 0.99));
}

#[test]
fn answers_become_the_tokens_of_their_text() {
    let text = "  caf\u{e9}s  and x";
    //          01 2..8      8 10..13 14
    let token = |(start, end)| ByteSpan32 { start, end };
    let spans = [(2, 2), (2, 5), (5, 7), (5, 8), (10, 10), (10, 13), (14, 15)].map(token);
    for (bytes, expected) in [
        (2..8, Some((1, 3))),
        (0..8, Some((1, 3))),
        (0..10, Some((1, 3))),
        (5..7, Some((2, 3))),
        (8..10, None),
        (3..3, None),
        (7..11, Some((3, 5))),
        (13..15, Some((6, 6))),
        (0..15, Some((1, 6))),
    ] {
        let bytes = ByteSpan { start: bytes.start, end: bytes.end };
        let expected = expected.map(|(start, end)| GoldSpan { start, end });
        assert_eq!(tokens_of(text, bytes, &spans), expected, "{bytes:?}");
    }
    assert_eq!(tokens_of("a\u{0}b", ByteSpan { start: 1, end: 2 }, &[(0, 1), (2, 3)].map(token)), None);
}

#[test]
fn an_answer_of_white_space_counts_as_no_answer() {
    let mut dataset = dataset(&[vec![3]]);
    dataset.articles[0].paragraphs[0].questions[0].answers =
        vec![squad::Gold { text: " ".into(), bytes: Some(ByteSpan { start: 6, end: 7 }) }];
    let examples = examples(&dataset, 100, &QaSettings { max_tokens: 100, ..QaSettings::default() }, 1).unwrap();
    assert!(examples.keys(0).iter().all(|key| examples.example(key).unwrap().answers.is_empty()));
}

#[test]
fn unusable_data_are_named() {
    let check = |change: &dyn Fn(&mut Dataset, &mut QaSettings), expected: &str| {
        let mut dataset = dataset(&[vec![3, 4], vec![5]]);
        let mut settings = QaSettings { max_tokens: 50, ..QaSettings::default() };
        change(&mut dataset, &mut settings);
        assert_eq!(examples(&dataset, 60, &settings, 1).expect_err("no error").to_string(), expected);
    };
    let question = |dataset: &mut Dataset, text: &str| {
        for p in 0..2 {
            dataset.articles[0].paragraphs[p].questions[1].question = text.into();
        }
    };
    check(&|dataset, _| question(dataset, " "), "question `0/0/no`: the question is empty");
    check(
        &|dataset, _| question(dataset, &"why ".repeat(20)),
        "question `0/0/no`: the question has 60 tokens, at most 45 would leave room for a document",
    );
    check(
        &|dataset, _| dataset.articles[1].paragraphs[0].context = " \n".into(),
        "question `1/0/yes`: the document is empty",
    );
    check(&|dataset, _| dataset.articles.clear(), "the data have no question");
    check(&|_, settings| settings.max_tokens = 61, "max_tokens 61: the model has positions for 60");
    check(&|_, settings| settings.long_share = 1.5, "long_share 1.5: expected a share from 0 to 1");
    check(&|_, settings| settings.random_positions = f64::NAN, "random_positions NaN: expected a share from 0 to 1");
    check(&|_, settings| settings.negative_windows = -0.1, "negative_windows -0.1: expected a share from 0 to 1");
    #[expect(clippy::reversed_empty_ranges)]
    let reversed = 9..=8;
    check(
        &|_, settings| settings.context_tokens = reversed.clone(),
        "context_tokens 9..8: expected numbers from 1 to 16777216, the smaller first",
    );
}

/// The line of a file of teacher answers.
fn taught_line(id: &str, starts: &[(usize, f64)], ends: &[(usize, f64)], no_answer: [f64; 2]) -> String {
    serde_json::json!({"id": id, "starts": starts, "ends": ends, "no_answer": no_answer}).to_string() + "\n"
}

/// What a teacher gives the middle word of each paragraph, as starts and as ends: two letters of it with their probabilities.
const TAUGHT: [[(usize, f64); 2]; 2] = [[(0, 0.5), (1, 0.25)], [(3, 0.1), (5, 0.4)]];
const NO_ANSWER: [f64; 2] = [0.05, 0.4];

/// The characters before the middle word of a paragraph, with or without spaces.
fn before_middle(context: &str) -> [usize; 2] {
    let words: Vec<&str> = context.split(' ').collect();
    let before = words[..words.len() / 2].iter().map(|word| word.len()).sum();
    [before + words.len() / 2, before]
}

fn taught(dataset: &Dataset) -> TeacherAnswers<'_> {
    let line = |(paragraph, question): (&squad::Paragraph, &squad::SquadQuestion)| {
        let [character, _] = before_middle(&paragraph.context);
        let starts = TAUGHT[0].map(|(letter, p)| (character + letter, p));
        let ends = TAUGHT[1].map(|(letter, p)| (character + letter + 1, p));
        taught_line(&question.id, &starts, &ends, NO_ANSWER)
    };
    let mut answers = TeacherAnswers::new(dataset);
    answers.add("f", dataset.questions().map(line).collect::<String>().as_bytes()).unwrap();
    answers
}

/// Compares the probabilities of an input with some that are made in a slow and simple way, and says whether the word is in it.
fn check_taught(examples: &Examples<'_>, key: &ExampleKey, dataset: &Dataset) -> bool {
    let [a, p] = [0, 1].map(|part| examples.id(key).split('/').nth(part).unwrap().parse::<usize>().unwrap());
    let contexts: Vec<&str> = dataset.articles[a].paragraphs.iter().map(|paragraph| &*paragraph.context).collect();
    let Example { ids, taught, .. } = examples.example(key).unwrap();
    // Every letter is a token.
    let before = match key.kind {
        ExampleKind::InContext { first, .. } => {
            contexts[first as usize..p].iter().map(|context| without_spaces(context).len() as isize).sum()
        }
        ExampleKind::Window(w) => {
            let room = examples.settings.max_tokens - 6;
            let windows = windows(without_spaces(contexts[p]).len(), room, 8.min(room / 4));
            -(windows[w as usize].tokens.start as isize)
        }
    };
    let token = |letter: usize| 5 + before + (before_middle(contexts[p])[1] + letter) as isize;
    let inside = |letter: usize| (5..ids.len() as isize - 1).contains(&token(letter));
    let mut expected = vec![0.0; 2 * ids.len()];
    for (side, (letters, no_answer)) in TAUGHT.iter().zip(NO_ANSWER).enumerate() {
        let raised = |p: f64| p.powf(1.0 / examples.settings.teacher_temperature);
        let total = raised(no_answer) + letters.iter().map(|(_, p)| raised(*p)).sum::<f64>();
        expected[side] = 1.0;
        for &(letter, p) in letters.iter().filter(|(letter, _)| inside(*letter)) {
            expected[2 * token(letter) as usize + side] = raised(p) / total;
            expected[side] -= raised(p) / total;
        }
    }
    let taught = taught.expect("every question is taught");
    assert!(taught.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6), "{key:?}: {taught:?}, not {expected:?}");
    assert_eq!(taught.len(), expected.len());
    inside(0)
}

#[test]
fn teacher_answers_become_the_tokens_of_their_letters() {
    let dataset = dataset(&[vec![3, 20, 7, 1], vec![60], vec![9, 9]]);
    let teacher = taught(&dataset);
    for teacher_temperature in [1.0, 2.0] {
        let settings = QaSettings {
            max_tokens: 160,
            long_share: 0.5,
            context_tokens: 100..=160,
            teacher_temperature,
            ..QaSettings::default()
        };
        let examples = Examples::new(&dataset, &TOKENIZER, &config(200), 2, &settings, Some(&teacher), 1).unwrap();
        let mut seen = BTreeSet::new(); // whether an input is in context, and whether it has the word
        for key in (0..8).flat_map(|epoch| examples.keys(epoch)) {
            let in_context = matches!(key.kind, ExampleKind::InContext { .. });
            seen.insert((in_context, check_taught(&examples, &key, &dataset)));
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [(false, false), (false, true), (true, true)]);
    }
}

#[test]
fn offsets_go_to_the_tokens_that_have_them() {
    let mut dataset = dataset(&[vec![1]]);
    dataset.articles[0].paragraphs[0].context = "  caf\u{e9}s  and x".into();
    let spans = [(2, 2), (2, 5), (5, 7), (7, 8), (10, 10), (10, 13), (14, 15)];
    let spans = spans.map(|(start, end)| ByteSpan32 { start, end });
    let shifted = spans.map(|span| ByteSpan32 { start: span.start + 100, end: span.end + 100 });
    let starts = [(0, 1), (2, 1), (3, 1), (5, 2), (6, 3), (7, 5), (12, 6), (13, 6)];
    let ends = [(1, 0), (3, 1), (5, 1), (6, 2), (7, 3), (9, 3), (10, 5), (12, 5), (13, 5), (14, 6)];
    let mut answers = TeacherAnswers::new(&dataset);
    for (number, (character, _)) in starts.iter().chain(&ends).enumerate() {
        let [start, end] = if number < starts.len() { [*character, 1] } else { [0, *character] };
        let mut alone = TeacherAnswers::new(&dataset);
        alone.add("f", taught_line("0/0/yes", &[(start, 1.0)], &[(end, 1.0)], [0.0, 0.0]).as_bytes()).unwrap();
        let side = usize::from(number >= starts.len());
        let expected = [&starts[..], &ends].concat()[number].1;
        for (at, spans) in [(0, &spans), (100, &shifted)] {
            let found = Teaching { answers: &alone, temperature: 1.0 }.of("0/0/yes", at, spans).unwrap();
            assert_eq!(found[side], [TokenProbability { token: expected, probability: 1.0 }], "{character} of {side}");
        }
    }
    // Two offsets of one token are added, and so are those of two teachers; each file counts alike.
    let files = [("[[3, 0.2], [2, 0.3]]", "[0.5, 0]"), ("[[13, 0.1]]", "[0.1, 0.25]")];
    for (starts, no_answer) in files {
        let line =
            format!(r#"{{"id": "0/0/yes", "starts": {starts}, "ends": [[14, 0.25]], "no_answer": {no_answer}}}"#);
        answers.add("f", line.as_bytes()).unwrap();
    }
    let [starts, ends] = Teaching { answers: &answers, temperature: 1.0 }.of("0/0/yes", 0, &spans).unwrap();
    let near = |found: &[TokenProbability], expected: &[(u32, f32)]| {
        let pairs = found.iter().zip(expected);
        found.len() == expected.len()
            && pairs.into_iter().all(|(a, b)| a.token == b.0 && (a.probability - b.1).abs() < 1e-6)
    };
    assert!(near(&starts, &[(1, 0.25), (6, 0.25)]), "{starts:?}");
    assert!(near(&ends, &[(6, 0.75)]), "{ends:?}");
    assert_eq!(Teaching { answers: &answers, temperature: 1.0 }.of("0/0/no", 0, &spans), None);
}
