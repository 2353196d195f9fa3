//! Questions asked of documents that have nothing to do with them.

use std::ops::Range;

use super::{Article, Dataset, Paragraph, SquadQuestion, place};
use crate::random;

impl Dataset {
    /// Every question put to a paragraph of another article, which does not answer it: no question has a gold answer.
    ///
    /// The paragraph is drawn at random; the draw depends on the seed and the id alone. First a group of articles is drawn,
    /// then one of its articles, then one of its paragraphs. An article of the same title counts as the same article.
    /// Paragraphs and articles stay. A question that has no other article is left out.
    ///
    /// - `groups`: runs of articles that give documents equally often, such as those of each file
    pub fn put_to_other_articles(&self, groups: &[Range<usize>], seed: u64) -> Self {
        let alone = |article: &Article| {
            let paragraph =
                |paragraph: &Paragraph| Paragraph { context: paragraph.context.clone(), questions: Vec::new() };
            Article { title: article.title.clone(), paragraphs: article.paragraphs.iter().map(paragraph).collect() }
        };
        let mut put = Dataset { articles: self.articles.iter().map(alone).collect() };
        for (a, article) in self.articles.iter().enumerate() {
            let is_other = |&b: &usize| {
                let Article { title, paragraphs } = &self.articles[b];
                b != a && !paragraphs.is_empty() && (title.is_empty() || *title != article.title)
            };
            let others: Vec<Vec<usize>> = groups.iter().map(|group| group.clone().filter(is_other).collect()).collect();
            let others: Vec<Vec<usize>> = others.into_iter().filter(|group| !group.is_empty()).collect();
            for question in article.paragraphs.iter().flat_map(|p| &p.questions).filter(|_| !others.is_empty()) {
                let draw = |which: u64, count: usize| {
                    let fraction = random::fraction(seed, &[&place(question)[..], &[which]].concat());
                    (fraction * count as f64) as usize
                };
                let group = &others[draw(0, others.len())];
                let paragraphs = &mut put.articles[group[draw(1, group.len())]].paragraphs;
                let p = draw(2, paragraphs.len());
                let question = SquadQuestion { answers: Vec::new(), is_impossible: true, ..question.clone() };
                paragraphs[p].questions.push(question);
            }
        }
        put
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::Gold;
    use super::*;

    /// Articles with these titles, each of three paragraphs with `count` questions, whose ids begin with the article.
    fn dataset(titles: &[&str], count: usize) -> Dataset {
        let question = |a: usize, p: usize, q: usize| SquadQuestion {
            id: format!("{a} {p} {q}"),
            answers: vec![Gold::default()],
            ..Default::default()
        };
        let paragraph = |a: usize, p: usize| Paragraph {
            context: format!("{a} {p}"),
            questions: (0..count).map(|q| question(a, p, q)).collect(),
        };
        let article = |(a, title): (usize, &&str)| Article {
            title: (*title).into(),
            paragraphs: (0..3).map(|p| paragraph(a, p)).collect(),
        };
        Dataset { articles: titles.iter().enumerate().map(article).collect() }
    }

    #[test]
    fn every_question_is_asked_of_another_article_and_has_no_answer() {
        let data = dataset(&["A", "B", "A", "", ""], 100);
        let put = data.put_to_other_articles(&[0..4, 4..5], 1);
        let mut counts: BTreeMap<(usize, &str), usize> = BTreeMap::new();
        for (paragraph, question) in put.questions() {
            assert!(question.answers.is_empty() && question.is_impossible);
            let own = question.id[..1].parse::<usize>().unwrap();
            *counts.entry((own, &paragraph.context[..1])).or_default() += 1;
        }
        // 300 questions of each article; half of them go to each group, where that has another article.
        for ((own, other), count) in &counts {
            let other: usize = other.parse().unwrap();
            let wanted = match (own, other) {
                (0 | 2, 4) | (1, 4) | (3, 4) => 150,
                (0 | 2, 1 | 3) => 75,
                (1, 0 | 2 | 3) | (3, 0..=2) => 50,
                (4, 0..=3) => 75,
                _ => panic!("question of article {own} asked of article {other}"),
            };
            assert!(count.abs_diff(wanted) < 30, "{own} {other}: {count}");
        }
        assert_eq!(counts.values().sum::<usize>(), 1500);
        assert_eq!(put, data.put_to_other_articles(&[0..4, 4..5], 1));
        assert_ne!(put, data.put_to_other_articles(&[0..4, 4..5], 2));

        let mut fewer = data.clone();
        fewer.sample(200, 3);
        let fewer = fewer.put_to_other_articles(&[0..4, 4..5], 1);
        let places = |data: &Dataset| -> BTreeMap<String, String> {
            data.questions().map(|(paragraph, question)| (question.id.clone(), paragraph.context.clone())).collect()
        };
        let (all, some) = (places(&put), places(&fewer));
        assert!(some.len() == 200 && some.iter().all(|(id, context)| all[id] == *context));
    }

    #[test]
    fn a_question_without_another_article_is_left_out() {
        let questions = |titles: &[&str], groups: &[Range<usize>]| {
            dataset(titles, 1).put_to_other_articles(groups, 1).questions().count()
        };
        assert_eq!(questions(&["A"], &[0..1, 1..1]), 0);
        assert_eq!(questions(&["A", "A"], &[0..2, 2..2]), 0);
        assert_eq!(questions(&["A", "B"], &[0..1, 1..2]), 6);
        assert_eq!(questions(&["A", "B"], &[0..1, 1..1]), 3);
    }
}
