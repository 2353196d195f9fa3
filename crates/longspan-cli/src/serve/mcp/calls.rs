//! What each tool does.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use longspan_ask::text::quoted;
use longspan_ask::{Asker, Content, PairReading};
use rmcp::model::{CallToolResult, ContentBlock, JsonObject, ProgressNotificationParam, ProgressToken};
use rmcp::{Peer, RoleServer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::super::access::RequestRecord;
use super::super::ask::{AskRequest, DocumentChoice, answer_object};
use super::super::body::BodyShare;
use super::super::cite::{self, CitationsObject};
use super::super::engine::WorkEvent;
use super::super::error::HttpError;
use super::super::state::{ServerState, WorkLength};
use super::super::store::HeldDocument;
use super::library::{DocumentLibrary, DocumentNames};
use super::shown;
use super::tools::{
    AskDocumentRequest, DocumentTextObject, ListDocumentsRequest, ReadDocumentRequest, TEXT_CHARACTERS_MAX,
    VerifyQuotesRequest,
};

/// A call of a tool. To give it up, drop its future: the reading ends before the next pass.
pub struct ToolCall {
    /// The server.
    pub state: Arc<ServerState>,
    /// Its documents.
    pub library: Arc<DocumentLibrary>,
    /// The request over HTTP, where it is one.
    pub record: Option<Arc<RequestRecord>>,
    /// Who is told how far it is, and under which token; nobody, if the client did not ask for it.
    pub progress: Option<(Peer<RoleServer>, ProgressToken)>,
}

impl ToolCall {
    /// Calls a tool.
    ///
    /// # Errors
    /// `malformed`, and those of the tool.
    pub async fn run(&self, tool: &str, arguments: JsonObject) -> Result<CallToolResult, HttpError> {
        match tool {
            "ask_document" => self.ask_document(parsed(arguments)?).await,
            "verify_quotes" => self.verify_quotes(parsed(arguments)?).await,
            "read_document" => self.read_document(parsed(arguments)?).await,
            "list_documents" => self.list_documents(parsed(arguments)?).await,
            _ => Err(HttpError::new("malformed", format!("unknown tool: {tool:.60}"))),
        }
    }

    async fn open(&self, document: &str) -> Result<Arc<HeldDocument>, HttpError> {
        self.library.open(&self.state, document).await
    }

    async fn tell(&self, done: usize, total: usize) {
        let Some((peer, token)) = &self.progress else { return };
        let progress = ProgressNotificationParam::new(token.clone(), done as f64).with_total(total as f64);
        let _ = peer.notify_progress(progress).await; // a client that has left is noticed elsewhere
    }

    async fn ask_document(&self, request: AskDocumentRequest) -> Result<CallToolResult, HttpError> {
        let held = self.open(&request.document).await?;
        let (own, of_reading) = (self.state.clone(), held.clone());
        let reading = self.state.block_on(WorkLength::Short, move || begun(&own, &of_reading, request)).await?;
        let mut work = self.state.model()?.engine.submit(vec![reading])?;
        let mut answer = None;
        while let Some(event) = work.next().await? {
            match event {
                WorkEvent::Progress => self.tell(work.tokens_done(), work.tokens).await,
                WorkEvent::Done(pair) => answer = Some(pair.answer),
            }
        }
        if let Some(record) = &self.record {
            record.set_work(work.tokens, work.queue_time());
        }
        let answer = answer.ok_or_else(|| HttpError::new("internal", "a reading without an answer: this is a bug"))?;
        let answer = answer.map_err(|error| HttpError::of_document(&error))?;
        result([shown::answer(&answer)], &answer_object(&self.state, &answer)?)
    }

    async fn verify_quotes(&self, request: VerifyQuotesRequest) -> Result<CallToolResult, HttpError> {
        let VerifyQuotesRequest { text, quotes, min_words, documents } = request;
        let mut work = cite::begun(&self.state, text, quotes, min_words, BodyShare::default()).await?;
        let (DocumentNames { names, errors }, is_all) = match documents {
            DocumentChoice::Ids(names) => (DocumentNames { names, errors: Vec::new() }, false),
            DocumentChoice::Word(_) => {
                let (own, library) = (self.state.clone(), self.library.clone());
                (self.state.block_on(WorkLength::Long, move || Ok(library.names(&own))).await?, true)
            }
        };
        errors.iter().for_each(|error| work.run.unread("a folder", error.as_str()));
        if names.is_empty() && errors.is_empty() {
            return Err(HttpError::new("unknown_document", "no document is named, or there is none"));
        }
        let steps = 2 * names.len(); // each is read, and then searched for what comes nearest
        let mut ids = HashSet::new();
        for (index, name) in names.iter().enumerate() {
            self.tell(index, steps).await;
            match self.open(name).await {
                Ok(held) => {
                    // A document may have several names.
                    if ids.insert(held.id().to_owned()) {
                        work = cite::read(&self.state, work, held).await?;
                    }
                }
                // It has nothing that could be quoted.
                Err(error) if is_all && error.is_of_no_document => {}
                Err(error) if is_all => work.run.unread(name, &error.message),
                Err(error) => return Err(error),
            }
        }
        for step in names.len().. {
            self.tell(step.min(steps), steps).await;
            let (rest, is_done) = cite::nearest_found(&self.state, work).await?;
            work = rest;
            if is_done {
                break;
            }
        }
        let (citations, checked) = work.run.finish();
        result([shown::quotations(&citations, &checked)], &CitationsObject::new(&citations, &checked))
    }

    async fn read_document(&self, request: ReadDocumentRequest) -> Result<CallToolResult, HttpError> {
        let held = self.open(&request.document).await?;
        let content = held.document.content();
        let (asked, characters) = part(content, &request)?;
        let end = asked.end.min(asked.start + TEXT_CHARACTERS_MAX);
        let bytes = bytes_of(content.text(), asked.start..end);
        let part = DocumentTextObject {
            document: held.document.name(),
            document_id: held.id(),
            text: &content.text()[bytes.clone()],
            start: asked.start,
            end,
            next_start: (end < asked.end).then_some(end),
            characters,
            page: content.place(bytes).page,
            pages: Some(content.pages().len()).filter(|pages| *pages > 0),
        };
        result(shown::text(&part), &part)
    }

    async fn list_documents(&self, request: ListDocumentsRequest) -> Result<CallToolResult, HttpError> {
        let (own, library) = (self.state.clone(), self.library.clone());
        let list =
            self.state.block_on(WorkLength::Long, move || Ok(library.list(&own, request.cursor.as_deref()))).await?;
        result([shown::documents(&list)], &list)
    }
}

/// Arguments of a tool.
fn parsed<T: DeserializeOwned>(arguments: JsonObject) -> Result<T, HttpError> {
    let malformed = |error: serde_json::Error| HttpError::new("malformed", format!("the arguments: {error}"));
    serde_json::from_value(Value::Object(arguments)).map_err(malformed)
}

/// A result as an object, and as text.
fn result(text: impl IntoIterator<Item = String>, object: &impl Serialize) -> Result<CallToolResult, HttpError> {
    let internal = |error: serde_json::Error| HttpError::new("internal", error.to_string());
    // By way of text, so that a number in f32 has the digits that it has in every other output.
    let written = serde_json::to_string(object).map_err(internal)?;
    let mut result = CallToolResult::structured(serde_json::from_str(&written).map_err(internal)?);
    result.content = text.into_iter().map(ContentBlock::text).collect();
    Ok(result)
}

/// Tokenizes a question, and begins to ask it.
fn begun(state: &ServerState, held: &HeldDocument, request: AskDocumentRequest) -> Result<PairReading, HttpError> {
    let AskDocumentRequest { question, top_k, threshold, abstain, max_answer_length, respect_borders, .. } = request;
    let options = AskRequest { top_k, threshold, abstain, max_answer_length, respect_borders, ..AskRequest::default() };
    let asker = Asker::new(state.model()?.reader.clone(), options.options()?);
    let question = asker.question(&question).map_err(|error| HttpError::of_question(&error))?;
    asker.begin(&question, &held.document).map_err(|error| HttpError::of_document(&error))
}

/// The characters that a request asks for, and how many the text has.
fn part(content: &Content, request: &ReadDocumentRequest) -> Result<(Range<usize>, usize), HttpError> {
    let text = content.text();
    let characters = content.place(text.len()..text.len()).characters.end;
    let pages = request.pages.as_deref().map(|pages| of_pages(content, pages, characters)).transpose()?;
    let whole = pages.unwrap_or(0..characters);
    let (start, end) = (request.start.unwrap_or(0).max(whole.start), request.end.unwrap_or(characters).min(whole.end));
    if start > end || request.start.is_some_and(|start| start > whole.end) {
        let message = format!("`start`, `end`: expected characters from {} to {}", whole.start, whole.end);
        return Err(HttpError::new("option", message));
    }
    Ok((start..end, characters))
}

/// The characters of pages such as `3` or `3-5`.
fn of_pages(content: &Content, asked: &str, characters: usize) -> Result<Range<usize>, HttpError> {
    let pages = content.pages();
    let (first, last) = asked.split_once(['-', '–']).unwrap_or((asked, asked));
    let number = |text: &str| text.trim().parse::<usize>().ok().filter(|number| (1..=pages.len()).contains(number));
    let (Some(first), Some(last)) = (number(first), number(last)) else {
        let message = match pages.len() {
            0 => "`pages`: the document has no pages: use `start` and `end`".to_owned(),
            count => format!("`pages`: {}: expected pages from 1 to {count}, such as 1 or 1-2", quoted(asked)),
        };
        return Err(HttpError::new("option", message));
    };
    if first > last {
        return Err(HttpError::new("option", format!("`pages`: {}: the last page is before the first", quoted(asked))));
    }
    let start_of = |page: usize| {
        let start = pages[page].start as usize;
        content.place(start..start).characters.start
    };
    Ok(start_of(first - 1)..if last < pages.len() { start_of(last) } else { characters })
}

/// The bytes of characters, all of which the text has.
fn bytes_of(text: &str, characters: Range<usize>) -> Range<usize> {
    let mut starts = text.char_indices().map(|(start, _)| start).chain([text.len()]);
    let start = starts.nth(characters.start).unwrap_or(text.len());
    let end = characters.len().checked_sub(1).map_or(start, |before| starts.nth(before).unwrap_or(text.len()));
    start..end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_given_by_its_pages_and_characters() {
        let content = Content::plain("é🚰\u{c}two\u{c}drei");
        let check = |pages: Option<&str>, start: Option<usize>, end: Option<usize>, expected: Result<&str, &str>| {
            let pages = pages.map(str::to_owned);
            let found = part(&content, &ReadDocumentRequest { document: String::new(), pages, start, end });
            let found = found.map(|(part, _)| content.text()[bytes_of(content.text(), part)].to_owned());
            let found = found.map_err(|error| error.message);
            match (&found, expected) {
                (Ok(text), Ok(expected)) => assert_eq!(text, expected),
                (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
                _ => panic!("{found:?}, expected {expected:?}"),
            }
        };
        check(None, None, None, Ok("é🚰\u{c}two\u{c}drei"));
        check(None, Some(1), Some(4), Ok("🚰\u{c}t"));
        check(None, Some(11), None, Ok(""));
        check(None, Some(12), None, Err("from 0 to 11"));
        check(None, Some(4), Some(2), Err("from 0 to 11"));
        check(Some("2"), None, None, Ok("two\u{c}"));
        check(Some("2-3"), Some(5), None, Ok("o\u{c}drei"));
        check(Some("3"), None, Some(9), Ok("dr"));
        check(Some("3"), Some(12), None, Err("from 7 to 11"));
        for bad in ["0", "4", "2-9", "x", "", "-1"] {
            check(Some(bad), None, None, Err("from 1 to 3"));
        }
        check(Some("3-2"), None, None, Err("before the first"));
        let flat = Content::plain("flat");
        assert!(of_pages(&flat, "1", 4).unwrap_err().message.contains("no pages"));
    }
}
