//! The document in a line of JSON.

use serde_json::error::Category;

use crate::json::{fields, text};

/// The text of a field of a JSON object; what is wrong with it, where it has none. Other fields take no memory.
///
/// ```
/// use longspan::pretrain::text_of_json;
///
/// let line = br#"{"title": ["Caf\u00e9s"], "text": "Caf\u00e9 Central"}"#;
/// assert_eq!(text_of_json(line, "text").as_deref(), Ok("Caf\u{e9} Central"));
/// assert_eq!(text_of_json(line, "title").unwrap_err(), "`title` is a list, expected text");
/// assert_eq!(text_of_json(line, "body").unwrap_err(), "no `body`");
/// ```
///
/// # Errors
/// Where the line is no JSON object in UTF-8, or the field is missing or something else.
pub fn text_of_json(line: &[u8], field: &str) -> Result<String, String> {
    let [found] = fields(line, [field]).map_err(|error| match error.classify() {
        Category::Data => "no JSON object".to_owned(),
        _ => "no JSON in UTF-8".to_owned(),
    })?;
    text(found.ok_or_else(|| format!("no `{field}`"))?).map_err(|error| format!("`{field}` {error}"))
}
