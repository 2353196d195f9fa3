//! Fields: of each, the result is shown and the instruction is not. Fields stand in instructions too, as in
//! `IF (MERGEFIELD a) = 1 "one" "two"`.

/// The fields that are open.
#[derive(Default)]
pub(super) struct OpenFields {
    open: Vec<OpenField>,
    /// How many are at their instruction.
    at_instruction: usize,
    /// Characters that fields without an end have hidden.
    hidden: usize,
}

#[derive(Default)]
struct OpenField {
    is_at_instruction: bool,
    /// Characters of the fields in its instruction.
    hidden: usize,
}

impl OpenFields {
    pub fn begin(&mut self) {
        self.open.push(OpenField { is_at_instruction: true, hidden: 0 });
        self.at_instruction += 1;
    }

    pub fn separate(&mut self) {
        if let Some(last) = self.open.last_mut() {
            self.at_instruction -= usize::from(std::mem::take(&mut last.is_at_instruction));
        }
    }

    pub fn end(&mut self) {
        self.separate();
        self.open.pop();
    }

    /// Whether a text is shown that stands here: no field around it is at its instruction. No text stands in an instruction
    /// but in fields in it: one that has text has no end, and is over.
    pub fn shows(&mut self, text: &str) -> bool {
        while let Some(endless) = self.open.pop_if(|last| last.is_at_instruction) {
            self.hidden += endless.hidden;
            self.at_instruction -= 1;
        }
        if self.at_instruction == 0 {
            return true;
        }
        if let Some(hiding) = self.open.iter_mut().rfind(|field| field.is_at_instruction) {
            hiding.hidden += text.chars().count();
        }
        false
    }

    /// Characters that fields without an end have hidden.
    pub fn finish(self) -> usize {
        self.hidden + self.open.iter().filter(|field| field.is_at_instruction).map(|field| field.hidden).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text that is shown, and how much was lost. `<` begins a field, `|` separates, `>` ends it.
    fn shown(marks: &str) -> (String, usize) {
        let (mut fields, mut shown) = (OpenFields::default(), String::new());
        for mark in marks.chars() {
            match mark {
                '<' => fields.begin(),
                '|' => fields.separate(),
                '>' => fields.end(),
                text if fields.shows("?") => shown.push(text),
                _ => {}
            }
        }
        (shown, fields.finish())
    }

    #[test]
    fn results_are_shown_and_fields_without_an_end_hide_little() {
        for (marks, text, lost) in [
            ("a<|b>c", "abc", 0),
            ("a<<|b><|c>|d>e", "ade", 0),
            ("a<|b<<|c>|d>e>f", "abdef", 0),
            ("<>a", "a", 0),
            (">|a", "a", 0),
            // Without an end.
            ("<a<|b><|c>d", "abcd", 0),
            ("<<|a>b<|c>", "bc", 1),
            ("<<|a><|b>", "", 2),
            ("<<<|a>b<|c>d", "bcd", 1),
            ("a<|b", "ab", 0),
        ] {
            assert_eq!(shown(marks), (text.into(), lost), "{marks}");
        }
    }
}
