//! `/v1/documents`: files that are uploaded once and asked many times, their texts and their pages.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Bytes;
use axum::extract::{FromRequest, Multipart, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use longspan::{ErrorKind, ReadOptions};
use longspan_ask::text::quoted;
use longspan_ask::{AskError, Asker, ContentObject, DocumentSource, Format, PageTextObject, PictureSize, ReadingStop};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::body::{self, BodyShare, ReceivedBody, json_response};
use super::error::HttpError;
use super::state::{ServerState, WorkLength};
use super::store::{DocumentKey, DocumentObject, HeldDocument, PictureKey};
use crate::data::documents::SECRET_BYTES_MAX;

/// The name of an upload without one.
const NO_NAME: &str = "document";
/// The longest name of an upload.
const NAME_BYTES_MAX: usize = 1 << 10;
/// The widths of a picture, in pixels.
const WIDTHS: std::ops::RangeInclusive<u16> = 16..=4000;
/// The width of a picture, unless a request states one.
const WIDTH: u16 = 1200;
/// The header with the password of an upload.
pub const PASSWORD_HEADER: &str = "X-Document-Password";

/// The documents of the server.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "Documents")]
pub struct DocumentsObject<'a> {
    /// By their names.
    pub documents: Vec<DocumentObject<'a>>,
}

/// What the query of an upload may say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UploadQuery {
    name: Option<String>,
    format: Option<String>,
}

/// What the query of a picture may say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PictureQuery {
    width: Option<u16>,
}

/// The path of a page.
#[derive(Debug, Deserialize)]
pub struct PagePath {
    document_id: String,
    page: String,
}

/// A file on its way to a document.
pub struct Upload {
    /// Its bytes.
    pub bytes: Bytes,
    /// Its name.
    pub name: String,
    /// Its format; without one, it is found out.
    pub format: Option<Format>,
    /// Its password.
    pub password: Option<String>,
    /// Its share of the memory for bodies.
    pub share: BodyShare,
}

type QueryParameters<T> = Result<Query<T>, axum::extract::rejection::QueryRejection>;

type PathParameters<T> = Result<Path<T>, axum::extract::rejection::PathRejection>;

fn of_path<T>(path: PathParameters<T>) -> Result<T, HttpError> {
    path.map(|Path(path)| path).map_err(|error| HttpError::new("malformed", error.body_text()))
}

fn parameters<T>(query: QueryParameters<T>) -> Result<T, HttpError> {
    query.map(|Query(query)| query).map_err(|error| HttpError::new("malformed", error.body_text()))
}

/// Takes a file: 201 with its object, or 200 if it is there already.
pub async fn upload(
    State(state): State<Arc<ServerState>>,
    query: QueryParameters<UploadQuery>,
    request: Request,
) -> Result<Response, HttpError> {
    state.model()?;
    let query = parameters(query)?;
    state
        .in_time(async {
            let upload = received(&state, query, request).await?;
            let (held, is_new) = document_of(&state, upload).await?;
            if !is_new {
                return Ok(json_response(held.object()));
            }
            let mut response = json_response(held.object());
            *response.status_mut() = StatusCode::CREATED;
            if let Ok(place) = HeaderValue::from_str(&format!("/v1/documents/{}", held.id())) {
                response.headers_mut().insert(header::LOCATION, place);
            }
            Ok(response)
        })
        .await
}

/// The file of a request: its body, or the part `file` of a form.
async fn received(state: &ServerState, query: UploadQuery, request: Request) -> Result<Upload, HttpError> {
    let malformed = |message: String| HttpError::new("malformed", message);
    let unknown = |name: &str| HttpError::new("option", format!("`format`: {name:?}: no such format"));
    let format = query
        .format
        .map(|name| Format::ALL.into_iter().find(|format| format.name() == name).ok_or_else(|| unknown(&name)));
    let format = format.transpose()?;
    let (parts, body) = request.into_parts();
    let text = |value: &HeaderValue| value.to_str().map(str::to_owned);
    let password = parts.headers.get(PASSWORD_HEADER).map(text).transpose();
    let mut password =
        password.map_err(|_| malformed(format!("`{PASSWORD_HEADER}`: expected ASCII; a form takes any text")))?;
    let is_form = |kind: &HeaderValue| kind.as_bytes().to_ascii_lowercase().starts_with(b"multipart/");
    let is_form = parts.headers.get(header::CONTENT_TYPE).is_some_and(is_form);
    let ReceivedBody { bytes, share } = body::read(body, state.limits.max_upload, state).await?;
    if !is_form {
        let upload = Upload { bytes, name: query.name.unwrap_or(NO_NAME.into()), format, password, share };
        return upload.checked();
    }
    let form = Multipart::from_request(Request::from_parts(parts, bytes.into()), &()).await;
    let mut form = form.map_err(|error| malformed(error.body_text()))?;
    let (mut file, mut secret, mut name) = (None, None, query.name);
    while let Some(field) = form.next_field().await.map_err(|error| malformed(error.body_text()))? {
        let field_name = field.name().unwrap_or_default().to_owned();
        let file_name = field.file_name().map(str::to_owned);
        let bytes = field.bytes().await.map_err(|error| malformed(error.body_text()))?;
        let part = match field_name.as_str() {
            "file" => &mut file,
            "password" => &mut secret,
            other => {
                return Err(malformed(format!("the form: {}: expected `file` and perhaps `password`", quoted(other))));
            }
        };
        if part.replace(bytes).is_some() {
            return Err(malformed(format!("the form: several parts `{field_name}`: expected one")));
        }
        if field_name == "file" {
            name = name.or(file_name);
        }
    }
    password = secret.map(|secret| String::from_utf8_lossy(&secret).into_owned()).or(password);
    let bytes = file.ok_or_else(|| malformed("the form has no part `file`".into()))?;
    let upload = Upload { bytes, name: name.unwrap_or(NO_NAME.into()), format, password, share };
    upload.checked()
}

impl Upload {
    /// Checks what is kept of it beside its document.
    fn checked(mut self) -> Result<Self, HttpError> {
        // Clients call what they read from a pipe `-`.
        if matches!(self.name.as_str(), "" | "-") {
            self.name = NO_NAME.to_owned();
        }
        let of_password = self.password.as_ref().map_or(0, String::len);
        for (what, bytes, bytes_max) in
            [("name", self.name.len(), NAME_BYTES_MAX), ("password", of_password, SECRET_BYTES_MAX as usize)]
        {
            if bytes > bytes_max {
                let message = format!("the {what} has {bytes} bytes, at most {bytes_max} are taken");
                return Err(HttpError::new("malformed", message));
            }
        }
        Ok(self)
    }
}

/// The document of a file: the one that is kept, or a new one, which is read now. When this is dropped, since whoever sent
/// the file has left, the reading ends.
///
/// # Errors
/// Those of reading.
pub async fn document_of(state: &Arc<ServerState>, upload: Upload) -> Result<(Arc<HeldDocument>, bool), HttpError> {
    let id = DocumentKey {
        bytes: &upload.bytes,
        name: &upload.name,
        format: upload.format.map(Format::name),
        password: upload.password.as_deref(),
    }
    .id();
    if let Ok(held) = state.store.get(&id) {
        return Ok((held, false));
    }
    let (own, stop) = (state.clone(), ReadingStop::default());
    let _stop = stop.clone().when_dropped();
    let document = state.block_on(WorkLength::Long, move || read(&own, upload, &id, Some(stop))).await?;
    Ok((state.store.add(document)?, true))
}

/// Reads and tokenizes a file, which takes a while.
fn read(state: &ServerState, upload: Upload, id: &str, stop: Option<ReadingStop>) -> Result<HeldDocument, HttpError> {
    let asker = Asker::new(state.model()?.reader.clone(), ReadOptions::default());
    let Upload { bytes, name, format, password, share: _share } = upload;
    let mut options = state.sources.clone();
    (options.format, options.password, options.stop) = (format, password.clone(), stop);
    let started = Instant::now();
    let source = DocumentSource::Bytes { name, bytes: bytes.to_vec() };
    let failed = |error: AskError| {
        let is_stopped = error.kind() == ErrorKind::Cancelled; // its client has left
        let error = HttpError::of_document(&error);
        if !is_stopped {
            state.metrics.document_error(error.error_type);
        }
        error
    };
    let document = asker.read(&source, &options).map_err(failed)?.with_id(id);
    state.metrics.document(document.content().format().name(), started.elapsed());
    state.check_length(&document)?;
    let file = Some(bytes).filter(|_| document.content().format() == Format::Pdf);
    Ok(HeldDocument { document, file, password, is_of_folder: false })
}

/// Reads a file of the folder that is served.
///
/// # Errors
/// As an upload.
pub fn read_of_folder(state: &ServerState, name: &str, bytes: Vec<u8>) -> Result<HeldDocument, HttpError> {
    let id = DocumentKey { bytes: &bytes, name, format: None, password: None }.id();
    let (bytes, share) = (bytes.into(), BodyShare::default());
    let upload = Upload { bytes, name: name.to_owned(), format: None, password: None, share };
    Ok(HeldDocument { is_of_folder: true, ..read(state, upload, &id, None)? })
}

/// All documents.
pub async fn list(State(state): State<Arc<ServerState>>) -> Response {
    let all = state.store.all();
    json_response(DocumentsObject { documents: all.iter().map(|held| held.object()).collect() })
}

/// One document.
pub async fn get(State(state): State<Arc<ServerState>>, id: PathParameters<String>) -> Result<Response, HttpError> {
    Ok(json_response(state.store.get(&of_path(id)?)?.object()))
}

/// Forgets a document.
pub async fn delete(
    State(state): State<Arc<ServerState>>,
    id: PathParameters<String>,
) -> Result<StatusCode, HttpError> {
    state.store.remove(&of_path(id)?)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Its text.
pub async fn text(State(state): State<Arc<ServerState>>, id: PathParameters<String>) -> Result<Response, HttpError> {
    let held = state.store.get(&of_path(id)?)?;
    let content_type = [(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"))];
    let text = Arc::<[u8]>::from(held.document.content().text().clone()); // not copied for each request
    Ok((content_type, Bytes::from_owner(text)).into_response())
}

/// The map of its text, as `longspan text --json` prints it.
pub async fn map(State(state): State<Arc<ServerState>>, id: PathParameters<String>) -> Result<Response, HttpError> {
    let held = state.store.get(&of_path(id)?)?;
    Ok(json_response(ContentObject::new(held.document.name(), held.document.content())))
}

/// A page: `N` its lines and words, `N.png` its picture.
pub async fn page(
    State(state): State<Arc<ServerState>>,
    path: PathParameters<PagePath>,
    query: QueryParameters<PictureQuery>,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    let PagePath { document_id, page } = of_path(path)?;
    let held = state.store.get(&document_id)?;
    let number = page.strip_suffix(".png").unwrap_or(&page);
    let pages = held.document.content().pages().len();
    let Some(number) = number.parse().ok().filter(|number| (1..=pages).contains(number)) else {
        return Err(HttpError::new("unknown_document", format!("the document has no page {number:.20}")));
    };
    let width = parameters(query)?.width.unwrap_or(WIDTH);
    if !page.ends_with(".png") {
        return Ok(json_response(PageTextObject::new(held.document.content(), number)));
    }
    if !WIDTHS.contains(&width) {
        let message = format!("`width`: {width}: expected {} to {}", WIDTHS.start(), WIDTHS.end());
        return Err(HttpError::new("option", message));
    }
    let key = PictureKey { document_id: held.id().to_owned(), page: number, width };
    let tag = format!("\"{}-{number}-{width}\"", held.id());
    let known = headers.get(header::IF_NONE_MATCH);
    let mut response = if known.is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let picture = match state.store.picture(&key) {
            Some(picture) => picture,
            None => state.in_time(drawn(&state, held, key)).await?,
        };
        ([(header::CONTENT_TYPE, HeaderValue::from_static("image/png"))], picture).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=31536000, immutable"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    Ok(response)
}

/// Draws a page in the child, and keeps the picture. When this is dropped, the drawing ends.
async fn drawn(state: &Arc<ServerState>, held: Arc<HeldDocument>, key: PictureKey) -> Result<Bytes, HttpError> {
    let (own, stop) = (state.clone(), ReadingStop::default());
    let _stop = stop.clone().when_dropped();
    let PictureKey { page, width, .. } = key;
    let picture = state
        .block_on(WorkLength::Long, move || {
            let Some(file) = &held.file else {
                return Err(HttpError::new("unknown_document", "the pages of this document cannot be drawn"));
            };
            let mut options = own.sources.clone();
            (options.password, options.stop) = (held.password.clone(), Some(stop));
            let source = DocumentSource::Bytes { name: held.document.name().to_owned(), bytes: file.to_vec() };
            let picture = source.draw(PictureSize { page, width }, &options);
            picture.map_err(|error| HttpError::of_document(&error.into()))
        })
        .await?;
    let picture = Bytes::from(picture);
    state.store.keep_picture(key, picture.clone());
    Ok(picture)
}
