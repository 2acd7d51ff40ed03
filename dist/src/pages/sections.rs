//! The text after a command's options as sections of a man page.
//!
//! It is written for `--help`: paragraphs, of which some have a title, with lines that are indented where
//! they are to stay as they are.

use clap_mangen::roff::{Roff, roman};

/// How a paragraph with a title begins, and the section's name by the customs of man pages.
const TITLES: [(&str, &str); 4] = [
    ("Examples", "EXAMPLES"),
    ("Environment", "ENVIRONMENT"),
    ("Exit code", "EXIT STATUS"),
    ("What is measured", "METHOD"),
];

/// Where paragraphs without a title go.
const NOTES: &str = "NOTES";

/// Renders `text`: a section for every title, and one for what stands between.
pub(super) fn render(text: &str, roff: &mut Roff) {
    let mut section = None;
    for paragraph in text.split("\n\n") {
        let titled = TITLES
            .iter()
            .find_map(|(title, name)| Some((*name, paragraph.strip_prefix(title)?)));
        let (name, paragraph) = match titled {
            Some((name, rest)) => (name, after_title(rest)),
            // What is indented belongs to the paragraph before.
            None if paragraph.starts_with(' ') => (section.unwrap_or(NOTES), paragraph),
            None => (NOTES, paragraph),
        };
        if section == Some(name) {
            roff.control("PP", []);
        } else {
            roff.control("SH", [name]);
        }
        section = Some(name);
        body(paragraph, roff);
    }
}

/// What follows a title: `:` and the text, or an aside in parentheses before the `:`.
fn after_title(rest: &str) -> &str {
    rest.trim_start_matches([' ', ':']).trim_start_matches('\n')
}

/// Prose is filled; from the first line that is indented, lines stay as they are.
fn body(paragraph: &str, roff: &mut Roff) {
    let mut is_filled = true;
    for line in paragraph.lines() {
        if is_filled && line.starts_with(' ') {
            is_filled = false;
            roff.control("nf", []);
        }
        roff.text([roman(line)]);
    }
    if !is_filled {
        roff.control("fi", []);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str) -> String {
        let mut roff = Roff::default();
        render(text, &mut roff);
        roff.render()
    }

    #[test]
    fn titles_become_sections_and_lines_of_examples_stay() {
        let page = rendered(
            "Examples:\n  a --b 1\n  .c\n\nEnvironment (below the options):\n  V  a word\n\nThen: more\n\nAnd more.",
        );
        let expected = [
            ".SH EXAMPLES",
            ".nf",
            "  a \\-\\-b 1",
            "  .c",
            ".fi",
            ".SH ENVIRONMENT",
            "(below the options):",
            ".nf",
            "  V  a word",
            ".fi",
            ".SH NOTES",
            "Then: more",
            ".PP",
            "And more.",
        ];
        let lines: Vec<&str> = page
            .lines()
            .filter(|line| !line.starts_with(".ie") && !line.starts_with(".el"))
            .collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn indented_paragraphs_stay_in_their_section() {
        let page = rendered("Exit code: 0 if it holds.\n\n  Indented.");
        assert!(
            page.contains(".SH \"EXIT STATUS\"\n0 if it holds.\n.PP\n.nf\n  Indented.\n.fi\n"),
            "{page}"
        );
    }
}
