//! Text that must not be taken for markup.

/// In place of what means something in content or in a quoted attribute, and of control characters, which HTML
/// and XML do not allow.
pub(crate) fn in_html(character: char) -> Option<&'static str> {
    match character {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '"' => Some("&quot;"),
        '\'' => Some("&#39;"),
        '\n' | '\t' => None,
        other => other.is_control().then_some("\u{fffd}"),
    }
}

/// In place of what is markup in a line or in a cell of Markdown.
pub(crate) fn in_markdown(character: char) -> Option<&'static str> {
    match character {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '[' => Some("\\["),
        ']' => Some("\\]"),
        '`' => Some("\\`"),
        '|' => Some("\\|"),
        '\\' => Some("\\\\"),
        '*' => Some("\\*"),
        other => other.is_control().then_some(" "),
    }
}
