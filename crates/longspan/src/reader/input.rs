//! The input of the model for a question and a window of a document.

use crate::tokenizer::Tokenizer;

/// `<s> question </s></s> document </s>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReaderInput {
    /// Token ids: (T).
    pub ids: Vec<u32>,
    /// As in BERT's pairs, 0 through the last separator before the document and 1 after it; models with one type ignore
    /// them: (T).
    pub token_type_ids: Vec<u32>,
    /// Tokens before the document.
    pub before: usize,
}

impl ReaderInput {
    /// - `separators`: how many stand between question and document
    /// - `question`, `document`: token ids
    pub fn new(tokenizer: &Tokenizer, separators: usize, question: &[u32], document: &[u32]) -> Self {
        let before = 1 + question.len() + separators;
        let mut ids = Vec::with_capacity(before + document.len() + 1);
        ids.push(tokenizer.cls_token_id);
        ids.extend(question);
        ids.resize(before, tokenizer.sep_token_id);
        ids.extend(document);
        ids.push(tokenizer.sep_token_id);
        let mut token_type_ids = vec![0; before];
        token_type_ids.resize(ids.len(), 1);
        Self { ids, token_type_ids, before }
    }
}
