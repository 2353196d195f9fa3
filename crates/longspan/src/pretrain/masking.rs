//! Which tokens of an input are masked, and what replaces them: 80% by the mask token, 10% by a random token, and 10% stay
//! as they are. All of it is a function of a seed and the place in the input.

use crate::random;
use crate::tokenizer::Tokenizer;
use crate::{Error, FormatKind, Result};

use super::MlmSettings;
use crate::train::SettingsTable;

/// How inputs are masked.
#[derive(Debug)]
pub(super) struct Masking {
    share: f64,
    mask_token_id: u32,
    /// Never masked.
    special: [u32; 2],
    vocab_size: usize,
    /// For each id whether it continues a word; empty if tokens are masked one by one.
    continues: Vec<bool>,
}

#[derive(Clone, Copy)]
enum MaskDraw {
    IsMasked,
    Instead,
    Which,
}

impl Masking {
    /// Masking with the ids of a tokenizer.
    ///
    /// - `vocab_size`: how many embeddings the model has; added tokens may lie beyond them
    ///
    /// # Errors
    /// [`Error::Option`] for a share that is out of its range, [`Error::Format`] for a tokenizer without a mask token that
    /// the model knows.
    pub(super) fn new(settings: &MlmSettings, tokenizer: &Tokenizer, vocab_size: usize) -> Result<Self> {
        settings.check_ranges()?;
        let wrong = |message: String| Error::format("tokenizer", FormatKind::Tokenizer, message);
        let mask_token_id = tokenizer.mask_token_id.ok_or_else(|| wrong("no mask token".into()))?;
        if mask_token_id as usize >= vocab_size {
            return Err(wrong(format!(
                "the mask token has the id {mask_token_id}, the model has {vocab_size} embeddings"
            )));
        }
        Ok(Self {
            share: settings.mask_share,
            mask_token_id,
            special: [tokenizer.cls_token_id, tokenizer.sep_token_id],
            vocab_size,
            continues: if settings.whole_words { tokenizer.continues_word() } else { Vec::new() },
        })
    }

    /// Masks tokens of an input. Gives their places and original ids, in ascending order.
    ///
    /// Of an input that has other tokens than special ones, at least one token is masked, or one word.
    pub(super) fn mask(&self, seed: u64, ids: &mut [u32]) -> Vec<(usize, u32)> {
        let masks = self.mask_share(self.share, seed, ids);
        if !masks.is_empty() {
            return masks;
        }
        let places = (0..ids.len()).filter(|&place| !self.special.contains(&ids[place]) && !self.continues(ids[place]));
        let least = places.map(|place| draw(seed, MaskDraw::IsMasked, place)).reduce(f64::min);
        least.map_or(masks, |least| self.mask_share(least.next_up(), seed, ids))
    }

    fn continues(&self, id: u32) -> bool {
        self.continues.get(id as usize).is_some_and(|continues| *continues)
    }

    fn mask_share(&self, share: f64, seed: u64, ids: &mut [u32]) -> Vec<(usize, u32)> {
        let draw = |what, place| draw(seed, what, place);
        let mut masks = Vec::new();
        let mut word = 0; // where the word of the token starts
        for (place, id) in ids.iter_mut().enumerate() {
            let own = *id;
            if !self.continues(own) {
                word = place;
            }
            if self.special.contains(&own) || draw(MaskDraw::IsMasked, word) >= share {
                continue;
            }
            let instead = draw(MaskDraw::Instead, place);
            if instead < 0.8 {
                *id = self.mask_token_id;
            } else if instead < 0.9 {
                *id = (draw(MaskDraw::Which, place) * self.vocab_size as f64) as u32;
            }
            masks.push((place, own));
        }
        masks
    }
}

/// A number from 0 to 1 for a place of an input.
fn draw(seed: u64, what: MaskDraw, place: usize) -> f64 {
    random::fraction(seed, &[what as u64, place as u64])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Source;

    fn masking(continues: Vec<bool>) -> Masking {
        Masking { share: 0.15, mask_token_id: 4, special: [2, 3], vocab_size: 1000, continues }
    }

    #[test]
    fn tokens_are_masked_in_the_right_shares() {
        let before: Vec<u32> = (0..100_000).map(|i| if i % 100 == 0 { 2 } else { 10 + i % 900 }).collect();
        let mut ids = before.clone();
        let masks = masking(Vec::new()).mask(7, &mut ids);
        assert!(masks.windows(2).all(|pair| pair[0].0 < pair[1].0));
        let share = masks.len() as f64 / 99_000.0;
        assert!((share - 0.15).abs() < 0.003, "{share}");
        let (mut replaced, mut kept) = (0.0, 0.0);
        for &(place, own) in &masks {
            assert!(before[place] == own && own != 2);
            replaced += f64::from(u8::from(ids[place] == 4)) / masks.len() as f64;
            kept += f64::from(u8::from(ids[place] == own)) / masks.len() as f64;
        }
        assert!((replaced - 0.8).abs() < 0.01 && (kept - 0.1).abs() < 0.01, "{replaced} {kept}");
        let changed = (0..ids.len()).filter(|&i| ids[i] != before[i]);
        assert!(changed.into_iter().all(|place| masks.iter().any(|(own, _)| *own == place)));
        let mut again = before.clone();
        assert_eq!(masking(Vec::new()).mask(7, &mut again), masks);
        assert_eq!(again, ids);
        let mut other = before;
        assert_ne!(masking(Vec::new()).mask(8, &mut other), masks);
    }

    #[test]
    fn every_replacement_has_an_embedding() {
        let source = Source::Folder(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/embedded").into());
        let tokenizer = Tokenizer::load(|name| source.read(name)).unwrap();
        let settings = MlmSettings { mask_share: 0.9, ..Default::default() };
        let mask = tokenizer.mask_token_id.unwrap();
        let beyond = Masking::new(&settings, &tokenizer, mask as usize).unwrap_err().to_string();
        let expected = format!("the mask token has the id {mask}, the model has {mask} embeddings");
        assert!(beyond.ends_with(&expected), "{beyond}");
        let rows = mask as usize + 1; // fewer than the tokenizer has tokens
        assert!(rows < tokenizer.vocab_size);
        let mut ids = vec![mask; 10_000];
        Masking::new(&settings, &tokenizer, rows).unwrap().mask(3, &mut ids);
        assert!(ids.iter().any(|&id| id != mask) && ids.iter().all(|&id| id <= mask), "{:?}", ids.iter().max());
    }

    #[test]
    fn something_is_masked_however_small_the_share() {
        for (continues, ids, masked) in [
            (Vec::new(), &[2, 10, 11, 12, 3][..], 1),
            ((0..1000).map(|id| id >= 500).collect(), &[2, 10, 500, 501, 3], 3),
            (Vec::new(), &[2, 3], 0),
        ] {
            let masking = Masking { share: 1e-320, ..masking(continues) };
            for seed in 0..20 {
                assert_eq!(masking.mask(seed, &mut ids.to_vec()).len(), masked, "{ids:?}");
            }
        }
    }

    #[test]
    fn words_are_masked_as_a_whole() {
        // Ids from 500 on continue a word.
        let before: Vec<u32> = (0..30_000).map(|i| if i % 3 == 0 { 10 } else { 500 + i % 7 }).collect();
        let mut ids = before.clone();
        let masks = masking((0..1000).map(|id| id >= 500).collect()).mask(1, &mut ids);
        let share = masks.len() as f64 / before.len() as f64;
        assert!((share - 0.15).abs() < 0.01, "{share}");
        assert!(masks.chunks(3).all(|word| word[0].0 % 3 == 0 && word[2].0 == word[0].0 + 2));
    }
}
