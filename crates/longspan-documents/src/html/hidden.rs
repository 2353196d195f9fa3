//! Elements that a browser does not show, and where they end.

/// Elements that are never shown, or that stand in for what a browser shows.
pub(crate) fn is_never_shown(name: &str) -> bool {
    matches!(
        name,
        "script"
            | "style"
            | "template"
            | "noscript"
            | "svg"
            | "title"
            | "iframe"
            | "noembed"
            | "audio"
            | "video"
            | "canvas"
            | "datalist"
            | "annotation"
            | "annotation-xml"
    )
}

/// Elements of the readings of a text (ruby), which stand over it. What they are written on is read without them, as in other
/// formats.
pub(crate) fn is_ruby_text(name: &str) -> bool {
    matches!(name, "rt" | "rp" | "rtc")
}

/// Names that are noted within a hidden element: enough to find its end on pages that people wrote.
const OPEN_MAX: usize = 256;

/// An element that is not shown, with those that are open in it.
pub(crate) struct Hidden {
    /// The names of the elements, its own first.
    open: Vec<Box<str>>,
}

impl Hidden {
    pub fn new(name: &str) -> Self {
        Self { open: vec![name.into()] }
    }

    pub fn name(&self) -> &str {
        &self.open[0]
    }

    /// Whether the element goes on behind the start of another one. One without an end tag ends where its like begins.
    ///
    /// - `is_void`: whether the other one has no content
    pub fn goes_on_after_start(&mut self, name: &str, is_void: bool) -> bool {
        let ends_paragraph =
            is_container(name) || matches!(name, "p" | "pre" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6");
        let is_closed_by = match self.name() {
            "p" => ends_paragraph,
            "rt" | "rp" | "rtc" => ends_paragraph || is_ruby_text(name) || name == "rb",
            "dt" | "dd" => matches!(name, "dt" | "dd"),
            "td" | "th" => matches!(name, "td" | "th" | "tr"),
            own @ ("li" | "tr" | "option" | "tbody" | "thead") => own == name,
            _ => false,
        };
        if is_closed_by && !self.open[1..].iter().any(|open| is_container(open)) {
            return false;
        }
        if !is_void && self.open.len() < OPEN_MAX {
            self.open.push(name.into());
        }
        true
    }

    /// Whether the element goes on behind the end of another one, or of its own; `None` if that is the end of one around it.
    pub fn after_end(&mut self, name: &str) -> Option<bool> {
        match self.open.iter().rposition(|open| &**open == name) {
            Some(at) => {
                self.open.truncate(at);
                Some(at > 0)
            }
            None if is_ruby_text(self.name()) && matches!(name, "ruby" | "p") => None,
            None if is_container(name) && self.open.len() < OPEN_MAX => None,
            None => Some(true),
        }
    }
}

/// Elements whose end tags are written, so that they end what is open in them.
fn is_container(name: &str) -> bool {
    matches!(
        name,
        "article"
            | "aside"
            | "body"
            | "div"
            | "dl"
            | "footer"
            | "form"
            | "header"
            | "html"
            | "main"
            | "nav"
            | "ol"
            | "section"
            | "table"
            | "ul"
    )
}
