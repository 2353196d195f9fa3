//! Markdown, read as what it means: each construct is written as the element of HTML that it stands for, and HTML within it
//! as itself. Front matter is furniture, addresses of links are no text, and pictures leave their descriptions.

use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use crate::builder::Builder;
use crate::html::{Attributes, Writer, is_never_shown, write_parts, write_text};
use crate::{Content, Format, Limits, ReadError, encoding};

/// Reads Markdown: CommonMark with tables, footnotes, task lists, definition lists, struck text and front matter.
///
/// # Errors
/// When it is binary or damaged, has no text or too much, or blocks lie too deep within each other.
pub(crate) fn read(bytes: Vec<u8>, limits: &Limits) -> Result<Content, ReadError> {
    let decoded = encoding::text(bytes)?;
    let mark = if decoded.text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let (text, start) = (&decoded.text[mark..], decoded.start.map(|start| start + mark));
    let mut builder = Builder::new(Format::Markdown, limits);
    builder.parts().warnings = decoded.warnings;
    builder.parts().title = title(text);
    let mut writer = Writer::new(&mut builder, limits.depth_max, false);
    write(text, start, &mut writer);
    writer.finish()?;
    builder.finish()
}

/// The title that front matter states.
fn title(text: &str) -> Option<String> {
    let mut lines = text.lines();
    let fence = lines.next().map(str::trim_end).filter(|line| matches!(*line, "---" | "+++"))?;
    // Without a fence at its end it is no front matter.
    let end =
        lines.clone().position(|line| line.trim_end() == fence || (fence == "---" && line.trim_end() == "..."))?;
    let title = lines.take(end).filter_map(|line| line.strip_prefix("title")).find_map(|rest| {
        let rest = rest.trim_start();
        rest.strip_prefix(':').or(rest.strip_prefix('='))
    })?;
    let title = title.trim();
    let quoted = |quote: char| title.strip_prefix(quote).and_then(|title| title.strip_suffix(quote));
    let title = quoted('"').or(quoted('\'')).unwrap_or(title);
    (!title.is_empty()).then(|| title.to_owned())
}

/// Writes Markdown.
///
/// - `start`: the byte of the file at which it begins, if it stands there as it is
fn write(source: &str, start: Option<usize>, writer: &mut Writer<'_>) {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_DEFINITION_LIST
        | Options::ENABLE_HEADING_ATTRIBUTES
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
        | Options::ENABLE_PLUSES_DELIMITED_METADATA_BLOCKS;
    // The lines of a block of HTML, and where they stand.
    let mut html: Option<(String, Range<usize>)> = None;
    for (event, at) in Parser::new_ext(source, options).into_offset_iter() {
        if !writer.goes_on() {
            return;
        }
        match event {
            Event::Start(Tag::HtmlBlock) => html = Some((String::new(), at.start..at.start)),
            Event::End(TagEnd::HtmlBlock) => {
                if let Some((html, at)) = html.take() {
                    let start = start.filter(|_| source.get(at.clone()) == Some(&html)).map(|start| start + at.start);
                    write_parts(&html, start, false, writer);
                }
            }
            Event::Html(line) => match &mut html {
                Some((html, lines)) => {
                    if html.is_empty() {
                        lines.start = at.start;
                    }
                    html.push_str(&line);
                    lines.end = at.end;
                }
                None => write_parts(&line, start.map(|start| start + at.start), false, writer),
            },
            // One that would hide all that follows stands for its own name.
            Event::InlineHtml(tag) if hides(&tag) => write_text(&tag, source, at, start, writer),
            Event::InlineHtml(tag) => write_parts(&tag, start.map(|start| start + at.start), false, writer),
            Event::Start(tag) => start_of(tag, writer),
            Event::End(tag) => end_of(tag, writer),
            Event::Text(text) | Event::InlineMath(text) | Event::DisplayMath(text) => {
                write_text(&text, source, at, start, writer);
            }
            Event::Code(code) => {
                let within = source.get(at.clone()).and_then(|source| source.find(&*code));
                let at = within.map_or(at.clone(), |within| at.start + within..at.start + within + code.len());
                write_text(&code, source, at, start, writer);
            }
            Event::FootnoteReference(label) => {
                writer.start("a", &Attributes::of("role", "doc-noteref".into()), false);
                write_text(&format!("[{label}]"), source, at, start, writer);
                writer.end("a");
            }
            Event::TaskListMarker(is_done) => {
                let mark = if is_done { "[x]" } else { "[ ]" };
                write_text(mark, source, at, start, writer);
                writer.text(" ", None);
            }
            Event::SoftBreak => write_text("\n", source, at, start, writer),
            Event::HardBreak => writer.start("br", &Attributes::default(), true),
            Event::Rule => writer.start("hr", &Attributes::default(), true),
        }
    }
}

/// Whether a tag begins an element that is not shown.
fn hides(tag: &str) -> bool {
    let name = tag.trim_start_matches('<').split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    let name = name.to_ascii_lowercase();
    is_never_shown(&name) || matches!(&*name, "textarea" | "xmp" | "plaintext")
}

fn start_of(tag: Tag<'_>, writer: &mut Writer<'_>) {
    let mut start = |name: &str| writer.start(name, &Attributes::default(), false);
    match tag {
        Tag::Heading { level, .. } => start(HEADINGS[level as usize - 1]),
        Tag::CodeBlock(_) => start("pre"),
        Tag::List(Some(number)) => writer.start("ol", &Attributes::of("start", number.to_string()), false),
        Tag::FootnoteDefinition(label) => {
            writer.start("div", &Attributes::of("role", "doc-footnote".into()), false);
            writer.label(format!("[{label}] "));
        }
        Tag::MetadataBlock(_) => {
            start("aside");
            start("pre");
        }
        other => {
            if let Some(name) = name(&other.to_end()) {
                start(name);
            }
        }
    }
}

fn end_of(tag: TagEnd, writer: &mut Writer<'_>) {
    match tag {
        TagEnd::Heading(level) => writer.end(HEADINGS[level as usize - 1]),
        TagEnd::CodeBlock => writer.end("pre"),
        TagEnd::FootnoteDefinition => writer.end("div"),
        TagEnd::MetadataBlock(_) => {
            writer.end("pre");
            writer.end("aside");
        }
        other => {
            if let Some(name) = name(&other) {
                writer.end(name);
            }
        }
    }
}

const HEADINGS: [&str; 6] = ["h1", "h2", "h3", "h4", "h5", "h6"];

/// The element that a construct stands for, if it makes a difference to the text.
fn name(tag: &TagEnd) -> Option<&'static str> {
    Some(match tag {
        TagEnd::Paragraph => "p",
        TagEnd::BlockQuote(_) => "blockquote",
        TagEnd::List(true) => "ol",
        TagEnd::List(false) => "ul",
        TagEnd::Item => "li",
        TagEnd::DefinitionList => "dl",
        TagEnd::DefinitionListTitle => "dt",
        TagEnd::DefinitionListDefinition => "dd",
        TagEnd::Table => "table",
        TagEnd::TableHead | TagEnd::TableRow => "tr",
        TagEnd::TableCell => "td",
        _ => return None,
    })
}
