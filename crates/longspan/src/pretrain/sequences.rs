//! The documents of a file joined with separators and cut into inputs: `<s>`, as many tokens as there is room for, `</s>`.
//! Inputs cross the borders of documents, and documents those of inputs.

use std::sync::Arc;

use super::masking::Masking;
use super::{MlmSettings, TokenFile};
use crate::model::{Batch, Masked, Sequence};
use crate::random;
use crate::tokenizer::Tokenizer;

/// Documents in an order, and where each starts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layout {
    order: Vec<u32>,
    /// The end of each document, separator included: (documents).
    ends: Vec<usize>,
    /// Tokens of an input between its first and its last.
    room: usize,
}

/// Some inputs of an epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MlmPass {
    layout: Arc<Layout>,
    epoch: u64,
    sequences: Vec<u32>,
}

/// The inputs made from a file.
pub(super) struct Sequences<'a> {
    file: &'a TokenFile,
    masking: &'a Masking,
    /// `<s>` and `</s>`.
    first_and_last: [u32; 2],
    room: usize,
    seed: u64,
}

#[derive(Clone, Copy)]
enum SequenceDraw {
    Documents,
    Sequences,
    Masks,
}

impl Layout {
    fn new(order: Vec<u32>, lengths: &[usize], room: usize) -> Self {
        let mut end = 0;
        let ends = order.iter().map(|&document| {
            end += lengths[document as usize] + 1;
            end
        });
        Self { ends: ends.collect(), order, room }
    }

    /// Number of tokens, separators included.
    fn tokens(&self) -> usize {
        self.ends.last().map_or(0, |end| end - 1)
    }

    /// Number of inputs.
    pub fn count(&self) -> usize {
        self.tokens().div_ceil(self.room)
    }
}

impl<'a> Sequences<'a> {
    /// All inputs of a file.
    ///
    /// # Panics
    /// If an input has no room for a token.
    pub fn new(
        file: &'a TokenFile,
        masking: &'a Masking,
        tokenizer: &Tokenizer,
        settings: &MlmSettings,
        seed: u64,
    ) -> Self {
        let room = settings.max_tokens - 2;
        assert!(room > 0, "inputs of {} tokens", settings.max_tokens);
        let first_and_last = [tokenizer.cls_token_id, tokenizer.sep_token_id];
        let seed = random::number(seed, &[u64::from_le_bytes(*b"language")]);
        Self { file, masking, first_and_last, room, seed }
    }

    /// The documents in their own order.
    pub fn in_order(&self) -> Layout {
        let lengths: Vec<usize> = self.file.lengths().collect();
        let order = (0..lengths.len() as u32).filter(|&document| lengths[document as usize] > 0);
        Layout::new(order.collect(), &lengths, self.room)
    }

    /// The inputs of an epoch in random order, made from documents in random order, in steps of at most `batch_tokens` and
    /// passes of at most `pass_tokens`, but at least one input.
    pub fn epoch(&self, epoch: u64, batch_tokens: usize, pass_tokens: usize) -> Vec<Vec<MlmPass>> {
        let Layout { mut order, .. } = self.in_order();
        let lengths: Vec<usize> = self.file.lengths().collect();
        let shuffle = |all: &mut [u32], what: SequenceDraw| {
            all.sort_by_cached_key(|&i| random::number(self.seed, &[what as u64, epoch, u64::from(i)]));
        };
        shuffle(&mut order, SequenceDraw::Documents);
        let layout = Arc::new(Layout::new(order, &lengths, self.room));
        let mut sequences: Vec<u32> = (0..layout.count() as u32).collect();
        shuffle(&mut sequences, SequenceDraw::Sequences);
        let of = |tokens: usize| (tokens / (self.room + 2)).max(1);
        let part = |sequences: &[u32]| MlmPass { layout: layout.clone(), epoch, sequences: sequences.to_vec() };
        let step = |step: &[u32]| step.chunks(of(pass_tokens)).map(part).collect();
        sequences.chunks(of(batch_tokens)).map(step).collect()
    }

    /// One input without masking, `<s>` and `</s>` included.
    pub fn plain(&self, layout: &Layout, sequence: usize) -> Vec<u32> {
        let [first, last] = self.first_and_last;
        let (mut at, end) = (sequence * self.room, layout.tokens().min((sequence + 1) * self.room));
        let mut ids = Vec::with_capacity(self.room + 2);
        ids.push(first);
        let mut i = layout.ends.partition_point(|&end| end <= at);
        while at < end {
            let begin = if i == 0 { 0 } else { layout.ends[i - 1] };
            let separator = layout.ends[i] - 1;
            let to = separator.min(end);
            self.file.copy(layout.order[i] as usize, at - begin..to - begin, &mut ids);
            at = to;
            if at < end {
                ids.push(last);
                at += 1;
            }
            i += 1;
        }
        ids.push(last);
        ids
    }

    /// One input with masked tokens, and their places and ids.
    pub fn masked(&self, layout: &Layout, epoch: u64, sequence: usize) -> (Vec<u32>, Vec<(usize, u32)>) {
        let mut ids = self.plain(layout, sequence);
        let seed = random::number(self.seed, &[SequenceDraw::Masks as u64, epoch, sequence as u64]);
        let masks = self.masking.mask(seed, &mut ids);
        (ids, masks)
    }

    /// The batch of some inputs.
    pub fn batch(&self, part: &MlmPass) -> (Batch, Masked) {
        let (mut batch, mut masked) = (Batch::new(), Masked::default());
        for &sequence in &part.sequences {
            let (ids, masks) = self.masked(&part.layout, part.epoch, sequence as usize);
            push(&mut batch, &mut masked, &ids, &masks);
        }
        (batch, masked)
    }
}

/// Adds an input; no token is global.
pub(super) fn push(batch: &mut Batch, masked: &mut Masked, ids: &[u32], masks: &[(usize, u32)]) {
    let from = batch.tokens();
    batch.push(Sequence { ids, token_type_ids: None, globals: &[] });
    masked.places.extend(masks.iter().map(|(place, _)| from + place));
    masked.targets.extend(masks.iter().map(|(_, id)| *id));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Source;

    #[test]
    fn inputs_are_the_documents_end_to_end() {
        let source = Source::Folder(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/embedded").into());
        let tokenizer = Tokenizer::load(|name| source.read(name)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let text = |words: usize, seed: u64| {
            let word = |i: usize| ["mill", "door", "boat", "lamp"][random::number(seed, &[i as u64]) as usize % 4];
            (0..words).map(word).collect::<Vec<_>>().join(" ")
        };
        let texts: Vec<String> =
            [3, 0, 40, 1, 7, 14, 2].iter().enumerate().map(|(i, &words)| text(words, i as u64)).collect();
        let documents = texts.iter().map(|text| Ok::<_, crate::Error>(text.clone()));
        let path = folder.path().join("tokens");
        let file = TokenFile::build(&path, "", &tokenizer, documents, &mut |_| {}).unwrap();
        let ids: Vec<Vec<u32>> = texts.iter().map(|text| tokenizer.encode(text).unwrap().ids).collect();
        let (cls, sep) = (tokenizer.cls_token_id, tokenizer.sep_token_id);
        for max_tokens in [3, 7, 10, 16, 200] {
            let settings = MlmSettings { max_tokens, ..Default::default() };
            let masking = Masking::new(&settings, &tokenizer, tokenizer.vocab_size).unwrap();
            let sequences = Sequences::new(&file, &masking, &tokenizer, &settings, 1);
            let joined = |layout: &Layout| -> Vec<u32> {
                (0..layout.count())
                    .flat_map(|i| {
                        let ids = sequences.plain(layout, i);
                        assert!(ids[0] == cls && ids[ids.len() - 1] == sep);
                        assert!(ids.len() == max_tokens || i + 1 == layout.count() && ids.len() < max_tokens);
                        ids[1..ids.len() - 1].to_vec()
                    })
                    .collect()
            };
            let wanted = |order: &[u32]| order.iter().map(|&i| &ids[i as usize][..]).collect::<Vec<_>>().join(&sep);
            let layout = sequences.in_order();
            assert_eq!(layout.order, [0, 2, 3, 4, 5, 6]);
            assert_eq!(joined(&layout), wanted(&layout.order));

            // An epoch has each input once, in steps and passes of at most the given tokens.
            let steps = sequences.epoch(3, 4 * max_tokens, 2 * max_tokens + 1);
            assert_eq!(steps, sequences.epoch(3, 4 * max_tokens, 2 * max_tokens + 1));
            assert!(steps.iter().flatten().all(|part| part.sequences.len() <= 2));
            let layout = &steps[0][0].layout;
            assert_eq!(joined(layout), wanted(&layout.order));
            let mut all: Vec<u32> = steps.iter().flatten().flat_map(|part| part.sequences.clone()).collect();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..layout.count() as u32));
            assert!(max_tokens > 16 || steps != sequences.epoch(4, 4 * max_tokens, 2 * max_tokens + 1));

            let part = &steps[0][0];
            let (batch, masked) = sequences.batch(part);
            assert_eq!(batch.sequences(), part.sequences.len());
            let plain: Vec<u32> = part.sequences.iter().flat_map(|&i| sequences.plain(layout, i as usize)).collect();
            for (&place, &target) in masked.places.iter().zip(&masked.targets) {
                assert_eq!(plain[place], target);
            }
            let differ = (0..plain.len()).filter(|&t| plain[t] != batch.ids[t]);
            assert!(differ.into_iter().all(|t| masked.places.contains(&t)));
        }
    }
}
