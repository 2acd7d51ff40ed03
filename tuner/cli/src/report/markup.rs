//! Elements of HTML and SVG: text and attribute values are escaped where they enter, so that nothing
//! a model's file or a host says can become markup.

use std::fmt::{Display, Formatter, Result, Write};

/// Elements that have no content in HTML, and shapes of SVG; all others get an end tag.
const WITHOUT_CONTENT: [&str; 7] = ["meta", "col", "rect", "line", "circle", "path", "polyline"];

/// One element with its attributes and content.
#[derive(Clone, Debug)]
pub struct Element {
    name: &'static str,
    attributes: String,
    content: String,
}

/// An empty element of that name.
pub fn element(name: &'static str) -> Element {
    Element {
        name,
        attributes: String::new(),
        content: String::new(),
    }
}

impl Element {
    /// With an attribute.
    #[must_use]
    pub fn at(mut self, name: &'static str, value: impl Display) -> Self {
        let value = escaped(&value.to_string());
        // Writing to a String cannot fail.
        let _ = write!(self.attributes, " {name}=\"{value}\"");
        self
    }

    /// With the attribute `class`.
    #[must_use]
    pub fn class(self, value: impl Display) -> Self {
        self.at("class", value)
    }

    /// With text at the end of its content.
    #[must_use]
    pub fn text(mut self, text: impl Display) -> Self {
        self.content.push_str(&escaped(&text.to_string()));
        self
    }

    /// With an element at the end of its content.
    #[must_use]
    pub fn with(mut self, child: Element) -> Self {
        // As above.
        let _ = write!(self.content, "{child}");
        self
    }

    /// With some elements at the end of its content.
    #[must_use]
    pub fn with_all(self, children: impl IntoIterator<Item = Element>) -> Self {
        children.into_iter().fold(self, Element::with)
    }

    /// With style rules of our own, which are not escaped: nothing from outside may be in them.
    #[must_use]
    pub fn style_rules(mut self, rules: &'static str) -> Self {
        self.content.push_str(rules);
        self
    }
}

impl Display for Element {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self {
            name,
            attributes,
            content,
        } = self;
        if WITHOUT_CONTENT.contains(name) {
            return write!(f, "<{name}{attributes}/>");
        }
        write!(f, "<{name}{attributes}>{content}</{name}>")
    }
}

/// Without characters that mean something in content or in a quoted attribute. Control characters,
/// which neither format allows, become the replacement character.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Names of the open elements at the end of a document, which is none if its tags match.
    ///
    /// # Panics
    /// If a tag does not match, or an attribute is not quoted.
    pub(crate) fn open_elements(document: &str) -> Vec<String> {
        let mut open: Vec<String> = Vec::new();
        let mut rest = document;
        while let Some(start) = rest.find('<') {
            let after = &rest[start + 1..];
            let end = after.find('>').expect("every tag ends");
            let tag = &after[..end];
            rest = &after[end + 1..];
            if tag.starts_with('!') {
                continue;
            }
            assert_eq!(tag.matches('"').count() % 2, 0, "quotes of <{tag}>");
            assert!(!tag.contains('<'), "a tag within <{tag}>");
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop().as_deref(), Some(name), "</{name}>");
            } else if !tag.ends_with('/') {
                let name = tag.split_whitespace().next().expect("a name");
                open.push(name.to_owned());
            }
        }
        open
    }

    #[test]
    fn nothing_becomes_markup() {
        let hostile = "</p><script>alert('x')\" & \u{7}";
        let made = element("p").at("title", hostile).text(hostile).to_string();
        assert_eq!(open_elements(&made), Vec::<String>::new());
        assert!(
            !made.contains("<script") && !made.contains('\u{7}'),
            "{made}"
        );
        assert_eq!(made.matches('<').count(), 2, "{made}");
        assert_eq!(made.matches('"').count(), 2, "{made}");
    }

    #[test]
    fn elements_nest() {
        let line = element("line").at("x1", 1.5);
        let made = element("g")
            .class("a")
            .with(line)
            .with_all([element("text").text("<")]);
        assert_eq!(
            made.to_string(),
            r#"<g class="a"><line x1="1.5"/><text>&lt;</text></g>"#
        );
        assert_eq!(open_elements("<a><b>"), ["a", "b"]);
    }
}
