//! From text to tokens: the text is cut at the tokens written out in it, and what lies between them
//! goes to the vocabulary's own rules.

use super::specials::Fragment;
use super::{Rules, Tokenizer};

/// How a whole text is encoded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Encode {
    /// Adds the BOS and EOS tokens that the model file asks for.
    pub add_special: bool,
    /// Takes control tokens written in the text for the tokens they name. Not for a user's text.
    pub parse_special: bool,
}

/// A part of a text whose parts come from different hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment<'t> {
    /// The text.
    pub text: &'t str,
    /// Takes control tokens written in this part for the tokens they name: true for a template's
    /// own text, false for what a user put into it.
    pub parse_special: bool,
}

/// A text has more tokens than were wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text has at least {at_least} tokens")]
pub struct TooManyTokens {
    /// Tokens that it certainly has; it may have many more, which were not counted.
    pub at_least: usize,
}

impl Tokenizer {
    /// The tokens of a text.
    #[must_use]
    pub fn encode(&self, text: &str, options: Encode) -> Vec<u32> {
        let segment = Segment {
            text,
            parse_special: options.parse_special,
        };
        self.encode_segments(&[segment], options.add_special)
    }

    /// The tokens of a text in parts. Control tokens are read only in parts that allow it; all else
    /// is as if the parts were one text, so words reach over the seams as they did in training.
    #[must_use]
    pub fn encode_segments(&self, segments: &[Segment<'_>], add_special: bool) -> Vec<u32> {
        let mut tokens = Vec::new();
        self.append_fragments(
            &self.fragments(segments),
            add_special,
            &mut tokens,
            usize::MAX,
        );
        tokens
    }

    /// As [`Tokenizer::encode_segments`], for a reader who has no use for more than `most_tokens`: a
    /// text that has more by its length alone is not encoded, and another only as far as that.
    ///
    /// # Errors
    /// [`TooManyTokens`] if, and only if, there are more than `most_tokens`.
    pub fn encode_segments_within(
        &self,
        segments: &[Segment<'_>],
        add_special: bool,
        most_tokens: usize,
    ) -> Result<Vec<u32>, TooManyTokens> {
        let fragments = self.fragments(segments);
        let at_least = fragments
            .iter()
            .map(|fragment| self.fewest_of(fragment))
            .sum();
        if at_least > most_tokens {
            return Err(TooManyTokens { at_least });
        }
        let mut tokens = Vec::new();
        self.append_fragments(&fragments, add_special, &mut tokens, most_tokens);
        match tokens.len() {
            at_least if at_least > most_tokens => Err(TooManyTokens { at_least }),
            _ => Ok(tokens),
        }
    }

    fn fragments<'t>(&self, segments: &[Segment<'t>]) -> Vec<Fragment<'t>> {
        let mut fragments = Vec::new();
        for segment in segments {
            let Segment {
                text,
                parse_special,
            } = *segment;
            self.specials
                .split(&self.vocabulary, text, parse_special, &mut fragments);
        }
        fragments
    }

    /// Tokens that a fragment has at least.
    fn fewest_of(&self, fragment: &Fragment<'_>) -> usize {
        match (fragment, &self.rules) {
            (Fragment::Token(_), _) => 1,
            (Fragment::Text(text), Rules::Bpe(bpe)) => bpe.fewest_tokens(text),
            (Fragment::Text(text), Rules::Spm(spm)) => spm.fewest_tokens(text),
        }
    }

    /// Appends the tokens of `fragments`, or the first of them where `tokens` become more than
    /// `most`.
    fn append_fragments(
        &self,
        fragments: &[Fragment<'_>],
        add_special: bool,
        tokens: &mut Vec<u32>,
        most: usize,
    ) {
        if add_special && self.roles.adds_bos {
            tokens.extend(self.roles.bos);
        }
        // A text begins at the front and after each token that was written out.
        let mut at_start = true;
        for fragment in fragments {
            if tokens.len() > most {
                return;
            }
            match fragment {
                Fragment::Token(token) => tokens.push(*token),
                Fragment::Text(text) => self.append_text(text, at_start, tokens, most),
            }
            at_start = matches!(fragment, Fragment::Token(_));
        }
        if add_special && self.roles.adds_eos {
            tokens.extend(self.roles.eos);
        }
    }

    fn append_text(&self, text: &str, at_start: bool, tokens: &mut Vec<u32>, most: usize) {
        let texts = &self.vocabulary.texts;
        match &self.rules {
            Rules::Bpe(bpe) => bpe.encode(texts, text, tokens, most),
            Rules::Spm(spm) => spm.encode(texts, text, at_start && spm.adds_space_prefix, tokens),
        }
    }
}
