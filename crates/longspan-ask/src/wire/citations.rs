//! A quotation that was checked, as a JSON object, and its JSON Schema.

use schemars::{JsonSchema, Schema, generate::SchemaSettings};
use serde::Serialize;

use super::answers::{BoxObject, Reference};
use crate::text::one_line;
use crate::{CheckedDocuments, Citation, CitedEdit, CitedPassage, UnreadDocument};

/// So much of what was not read is listed with each quotation.
const UNREAD_MAX: usize = 10;

/// A quotation, and what documents say of it.
// The comments of the fields are the descriptions in the schema. Keys come in this order.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(title = "Citation")]
#[non_exhaustive]
pub struct CitationObject<'a> {
    /// What its author calls it, or its number in the text, from 1.
    pub id: &'a str,
    /// The quotation, without marks around it.
    pub quote: &'a str,
    /// First character of the quotation in the text that quotes: Unicode scalar values before it; null if there is no such text.
    pub start: Option<usize>,
    /// One past its last character.
    pub end: Option<usize>,
    /// `exact`: a document has it letter for letter. `normalised`: in another form. `altered`: a passage is surely meant and
    /// was changed. `not_found`: everything was read and no document has it. `unchecked`: not everything was read, or the
    /// quotation cannot be looked for.
    pub status: &'static str,
    /// In what the quotation differs in form from its first passage, such as `line_end` or `hyphenation`; of a quotation that
    /// cannot be looked for, why: `no_words` or `too_long`.
    pub reasons: Vec<&'static str>,
    /// What an altered quotation changes, changes of the meaning first; of an unchecked one, what it would change if `nearest`
    /// is meant.
    pub edits: Vec<EditObject<'a>>,
    /// Name of the document of the first passage; null if there is none.
    pub document: Option<&'a str>,
    /// Page of the first passage, from 1; null if there is none, or the document has no pages.
    pub page: Option<usize>,
    /// The passages that have it, at most ten, those that are the same letter for letter first; of an altered one, the
    /// passage that is meant.
    pub places: Vec<PassageObject<'a>>,
    /// How many such passages there are, listed or not.
    pub places_count: usize,
    /// What comes nearest to a quotation that was not found, which proves nothing; null if nothing does.
    pub nearest: Option<PassageObject<'a>>,
    /// What the author named, and whether the first passage is there; absent if nothing was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "NamedObject<'a>")]
    pub named: Option<NamedObject<'a>>,
    /// What was read.
    pub checked: CheckedObject<'a>,
}

/// A passage of a document.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(title = "Passage")]
#[non_exhaustive]
pub struct PassageObject<'a> {
    /// Name of the document.
    pub document: &'a str,
    /// The id of the document in a server; absent elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&'a str")]
    pub document_id: Option<&'a str>,
    /// The passage, as it stands in the text of the document.
    pub text: &'a str,
    /// First character: Unicode scalar values before it.
    pub start: usize,
    /// One past its last character.
    pub end: usize,
    /// First UTF-16 code unit, as JavaScript and Java count.
    pub start_utf16: usize,
    /// One past its last UTF-16 code unit.
    pub end_utf16: usize,
    /// First byte in the UTF-8 text.
    pub start_byte: usize,
    /// One past its last byte.
    pub end_byte: usize,
    /// Line of the text on which it begins, from 1.
    pub line: usize,
    /// Where it is for a reader of the document.
    #[serde(flatten)]
    pub reference: Reference<'a>,
    /// Where it is printed, a rectangle for each line of the page; absent if the file does not say so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub boxes: Vec<BoxObject>,
    /// In what the quotation differs from it in form; absent if it is the same letter for letter.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<&'static str>,
    /// Of what comes nearest, the share of the words of the quotation, by their length, that it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64")]
    pub agreement: Option<f64>,
}

/// One change of an altered quotation.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(title = "Edit")]
#[non_exhaustive]
pub struct EditObject<'a> {
    /// What it changes: `number`, `date`, `amount`, `name`, `negation`, `unit`, `modal`, `words`, `case` or `punctuation`.
    pub kind: &'static str,
    /// The words of the quotation; empty if it leaves words out.
    pub from: &'a str,
    /// The words of the document; empty if the quotation adds words.
    pub to: &'a str,
    /// First character of what was changed, in the quotation: Unicode scalar values before it.
    pub start: usize,
    /// One past its last character.
    pub end: usize,
    /// First character of the words of the document, in its text.
    pub document_start: usize,
    /// One past their last character.
    pub document_end: usize,
}

/// What an author named.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(title = "Named")]
#[non_exhaustive]
pub struct NamedObject<'a> {
    /// The document; null if none was named.
    pub document: Option<&'a str>,
    /// The page; null if none was named.
    pub page: Option<&'a str>,
    /// Whether the first passage is there; null if there is no passage.
    pub agrees: Option<bool>,
}

/// What was read.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(title = "Checked")]
#[non_exhaustive]
pub struct CheckedObject<'a> {
    /// Documents.
    pub documents: usize,
    /// Their pages, of those that have pages.
    pub pages: usize,
    /// Documents, and parts of documents, that were not read, at most ten.
    pub unread: Vec<UnreadObject<'a>>,
    /// How many there are.
    pub unread_count: usize,
}

/// A document, or a part of one, that was not read.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(title = "Unread")]
#[non_exhaustive]
pub struct UnreadObject<'a> {
    /// Name of the document.
    pub document: &'a str,
    /// What was not read, and why.
    pub reason: String,
}

impl<'a> CitationObject<'a> {
    /// The object of a quotation.
    pub fn new(citation: &'a Citation, checked: &'a CheckedDocuments) -> Self {
        let (given, first) = (&citation.given, citation.passages.first());
        let is_named = given.document.is_some() || given.page.is_some();
        Self {
            id: &given.id,
            quote: &given.quote,
            start: given.characters.as_ref().map(|characters| characters.start),
            end: given.characters.as_ref().map(|characters| characters.end),
            status: citation.status.name(),
            reasons: first
                .into_iter()
                .flat_map(|first| first.reasons.iter().map(|reason| reason.name()))
                .chain(citation.fault.map(|fault| fault.name()))
                .collect(),
            edits: citation.edits.iter().map(EditObject::new).collect(),
            document: first.map(|first| first.document.as_str()),
            page: first.and_then(|first| first.place.page),
            places: citation.passages.iter().map(|passage| PassageObject::new(passage, None)).collect(),
            places_count: citation.count,
            nearest: citation
                .nearest
                .as_ref()
                .map(|(passage, agreement)| PassageObject::new(passage, Some(*agreement))),
            named: is_named.then_some(NamedObject {
                document: given.document.as_deref(),
                page: given.page.as_deref(),
                agrees: citation.is_where_named,
            }),
            checked: CheckedObject::new(checked),
        }
    }

    /// The JSON Schema of the object, draft 2020-12. New keys may join it; those that are in it stay.
    pub fn schema() -> Schema {
        SchemaSettings::draft2020_12()
            .for_serialize()
            .into_generator()
            .into_root_schema_for::<CitationObject<'static>>()
    }
}

impl<'a> PassageObject<'a> {
    fn new(passage: &'a CitedPassage, agreement: Option<f64>) -> Self {
        let place = &passage.place;
        Self {
            document: &passage.document,
            document_id: passage.document_id.as_deref(),
            text: &passage.text,
            start: place.characters.start,
            end: place.characters.end,
            start_utf16: place.utf16.start,
            end_utf16: place.utf16.end,
            start_byte: place.bytes.start,
            end_byte: place.bytes.end,
            line: place.line,
            reference: Reference::new(place),
            boxes: passage.boxes.iter().map(BoxObject::new).collect(),
            reasons: passage.reasons.iter().map(|reason| reason.name()).collect(),
            agreement,
        }
    }
}

impl<'a> EditObject<'a> {
    fn new(edit: &'a CitedEdit) -> Self {
        Self {
            kind: edit.kind.name(),
            from: &edit.from,
            to: &edit.to,
            start: edit.quotation.start,
            end: edit.quotation.end,
            document_start: edit.document.start,
            document_end: edit.document.end,
        }
    }
}

impl<'a> CheckedObject<'a> {
    fn new(checked: &'a CheckedDocuments) -> Self {
        let object =
            |unread: &'a UnreadDocument| UnreadObject { document: &unread.document, reason: one_line(&unread.reason) };
        Self {
            documents: checked.documents,
            pages: checked.pages,
            unread: checked.unread.iter().take(UNREAD_MAX).map(object).collect(),
            unread_count: checked.unread.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::{CitationRun, Content, GivenQuotation};

    #[test]
    fn keys_stand_in_their_order_and_are_in_the_schema() {
        let mut quote = GivenQuotation::new("a", "é ran in 1912 or so");
        (quote.characters, quote.page, quote.document) = (Some(3..9), Some("2".into()), Some("é.txt".into()));
        let mut run = CitationRun::new(vec![quote, GivenQuotation::new("b", "no word of it")]).unwrap();
        run.read("é.txt", &Content::plain("Z\u{c}é ran\nin 1911 or so"));
        (0..12).for_each(|_| run.unread("x", "no\nfile"));
        let (citations, checked) = run.finish();
        let unread = [r#"{"document":"x","reason":"no file"}"#; 10].join(",");
        let checked_json = format!(r#""checked":{{"documents":1,"pages":2,"unread":[{unread}],"unread_count":12}}"#);
        let json = |index: usize| serde_json::to_string(&CitationObject::new(&citations[index], &checked)).unwrap();
        assert_eq!(
            json(0),
            format!(
                "{}{}{}{}{checked_json}}}",
                r#"{"id":"a","quote":"é ran in 1912 or so","start":3,"end":9,"status":"altered","reasons":[],"#,
                r#""edits":[{"kind":"date","from":"1912","to":"1911","start":9,"end":13,"document_start":11,"document_end":15}],"#,
                concat!(
                    r#""document":"é.txt","page":2,"places":[{"document":"é.txt","text":"é ran\nin 1911 or so","start":2,"#,
                    r#""end":21,"start_utf16":2,"end_utf16":21,"start_byte":2,"end_byte":22,"line":1,"page":2,"page_line":1}],"#
                ),
                r#""places_count":1,"nearest":null,"named":{"document":"é.txt","page":"2","agrees":true},"#,
            )
        );
        assert!(
            json(1)
                .contains(r#""status":"unchecked","reasons":[],"edits":[],"document":null,"page":null,"places":[],"#)
        );
        let mut run = CitationRun::new(["…", "it rains"].map(|quote| GivenQuotation::new("", quote)).into()).unwrap();
        run.read("a", &Content::plain("it rains"));
        let (faulty, all) = run.finish();
        let object = serde_json::to_value(CitationObject::new(&faulty[0], &all)).unwrap();
        assert_eq!((&object["status"], &object["reasons"][0]), (&"unchecked".into(), &"no_words".into()));
        assert_eq!(faulty[1].status.name(), "exact");
        let schema = CitationObject::schema().to_value();
        let object: Value = serde_json::from_str(&json(0)).unwrap();
        assert!(schema["properties"].as_object().unwrap().keys().eq(object.as_object().unwrap().keys()));
        assert_eq!(schema["required"].as_array().unwrap().len(), 13);
    }
}
