//! Writing XML: nested elements, indented, with all content escaped.

/// A document that is being written.
pub(super) struct Markup {
    text: String,
    depth: usize,
}

/// An attribute: its name, and its value, which is escaped.
pub(super) type Attribute<'a> = (&'static str, &'a str);

impl Markup {
    /// A document with its XML declaration.
    pub(super) fn new() -> Markup {
        Markup { text: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned(), depth: 0 }
    }

    /// The document.
    pub(super) fn finish(self) -> String {
        self.text
    }

    /// Writes an element without content.
    pub(super) fn empty(&mut self, name: &str, attributes: &[Attribute<'_>]) {
        self.begin(name, attributes);
        self.text.push_str("/>\n");
    }

    /// Writes an element with text.
    pub(super) fn text(&mut self, name: &str, text: &str) {
        self.begin(name, &[]);
        self.text.push('>');
        self.escaped(text, &['\r']);
        self.end(name);
    }

    /// Writes an element with the elements that `inside` writes, which can be none.
    pub(super) fn element(&mut self, name: &str, attributes: &[Attribute<'_>], inside: impl FnOnce(&mut Markup)) {
        self.begin(name, attributes);
        let begun = self.text.len();
        self.text.push_str(">\n");
        let empty = self.text.len();
        self.depth += 1;
        inside(self);
        self.depth -= 1;
        if self.text.len() == empty {
            self.text.truncate(begun);
            return self.text.push_str("/>\n");
        }
        self.indent();
        self.end(name);
    }

    fn begin(&mut self, name: &str, attributes: &[Attribute<'_>]) {
        self.indent();
        self.text.push('<');
        self.text.push_str(name);
        for (name, value) in attributes {
            self.text.push(' ');
            self.text.push_str(name);
            self.text.push_str("=\"");
            self.escaped(value, &['\r', '\n', '\t', '"']);
            self.text.push('"');
        }
    }

    fn end(&mut self, name: &str) {
        self.text.push_str("</");
        self.text.push_str(name);
        self.text.push_str(">\n");
    }

    fn indent(&mut self) {
        for _ in 0..self.depth {
            self.text.push_str("  ");
        }
    }

    /// Writes text. Mark-up is escaped, and so are the characters in `changed`, which a parser would normalise. Characters
    /// that XML 1.0 forbids (section 2.2) become U+FFFD.
    fn escaped(&mut self, text: &str, changed: &[char]) {
        for c in text.chars() {
            match c {
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                '&' => self.text.push_str("&amp;"),
                c if changed.contains(&c) => self.text.push_str(&format!("&#{};", u32::from(c))),
                '\t' | '\n' => self.text.push(c),
                '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => self.text.push('\u{fffd}'),
                c => self.text.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_nested() {
        let mut markup = Markup::new();
        markup.element("a", &[("b", "c")], |inside| inside.element("d", &[], |_| {}));
        assert_eq!(markup.finish(), "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a b=\"c\">\n  <d/>\n</a>\n");
    }

    #[test]
    fn a_parser_reads_back_what_was_escaped() {
        let hostile = "</a><b c='\"'>&amp;]]> \r\n\t\u{1}\u{ffff} é😀";
        let mut markup = Markup::new();
        markup.element("all", &[("value", hostile)], |inside| inside.text("text", hostile));
        let text = markup.finish();
        let document = roxmltree::Document::parse(&text).unwrap();
        let root = document.root_element();
        let expected = hostile.replace(['\u{1}', '\u{ffff}'], "\u{fffd}");
        assert_eq!(root.attribute("value"), Some(expected.as_str()));
        let inside = root.first_element_child().unwrap();
        assert_eq!(
            (inside.text(), root.children().filter(|child| child.is_element()).count()),
            (Some(expected.as_str()), 1)
        );
    }
}
