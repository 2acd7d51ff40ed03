//! The text as windows of tokens: what goes into the model and which of its answers count.
//!
//! The protocol is that of llama.cpp's `llama-perplexity` (`tools/perplexity/perplexity.cpp`), so
//! that numbers of both can be set side by side: the text is tokenized once, with the BOS token in
//! front if the model adds one, and cut into windows of `context` tokens that do not overlap; what
//! is left over at the end is dropped. In every window the first token gives way to BOS (if the
//! model adds one), and the tokens of the second half are scored but for its first, so that all of
//! them are predicted from at least half a window: `context - 1 - context / 2` a window.

/// The smallest window that has a token to score.
pub const MIN_CONTEXT_TOKENS: usize = 4;

/// Why a text cannot be cut into windows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowsError {
    /// Not one whole window.
    #[error(
        "the text has {tokens} tokens and one window of --context {context} needs {context}; \
         give a longer text or a smaller --context"
    )]
    TooShort {
        /// Tokens of the text, BOS included.
        tokens: usize,
        /// Tokens of a window.
        context: usize,
    },
    /// A limit below one window.
    #[error("--tokens {most_tokens} is less than one window of --context {context}")]
    TooFew {
        /// The limit.
        most_tokens: usize,
        /// Tokens of a window.
        context: usize,
    },
    /// Nothing to score in so small a window.
    #[error("--context {0} is too small; the least is {MIN_CONTEXT_TOKENS}")]
    TooSmall(usize),
}

/// The tokens of a text, cut into windows.
#[derive(Clone, Debug)]
pub struct Windows {
    tokens: Vec<u32>,
    bos: Option<u32>,
    context: usize,
}

/// One window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window<'w> {
    /// What the model reads, BOS first: all tokens but the last, whose answer would be of the next
    /// window.
    pub inputs: Vec<u32>,
    /// The right answers after the last `targets.len()` inputs.
    pub targets: &'w [u32],
}

impl Windows {
    /// Cuts `text_tokens` (without BOS) into windows of `context` tokens; `bos` only if the model
    /// adds one. At most `most_tokens` tokens count, BOS included.
    ///
    /// # Errors
    /// Not one window of tokens: says how many it takes.
    pub fn new(
        text_tokens: &[u32],
        bos: Option<u32>,
        context: usize,
        most_tokens: Option<usize>,
    ) -> Result<Self, WindowsError> {
        if context < MIN_CONTEXT_TOKENS {
            return Err(WindowsError::TooSmall(context));
        }
        if let Some(most_tokens) = most_tokens.filter(|most| *most < context) {
            return Err(WindowsError::TooFew {
                most_tokens,
                context,
            });
        }
        let all = bos.iter().chain(text_tokens).copied();
        let mut tokens: Vec<u32> = all.take(most_tokens.unwrap_or(usize::MAX)).collect();
        if tokens.len() < context {
            return Err(WindowsError::TooShort {
                tokens: tokens.len(),
                context,
            });
        }
        tokens.truncate(tokens.len() / context * context);
        Ok(Self {
            tokens,
            bos,
            context,
        })
    }

    /// Tokens of a window.
    pub fn context_tokens(&self) -> usize {
        self.context
    }

    /// Tokens of all windows.
    pub fn tokens(&self) -> usize {
        self.tokens.len()
    }

    /// Number of windows, at least 1.
    pub fn count(&self) -> usize {
        self.tokens.len() / self.context
    }

    /// Tokens that are scored in all windows.
    pub fn scored_tokens(&self) -> usize {
        self.count() * (self.context - self.first_target())
    }

    /// Tokens that the model reads in all windows.
    pub fn input_tokens(&self) -> usize {
        self.count() * (self.context - 1)
    }

    /// Place of the first scored token in a window.
    fn first_target(&self) -> usize {
        self.context / 2 + 1
    }

    /// The windows in the order of the text.
    pub fn iter(&self) -> impl Iterator<Item = Window<'_>> {
        self.tokens.chunks_exact(self.context).map(|window| {
            let mut inputs = window[..self.context - 1].to_vec();
            if let Some(bos) = self.bos {
                inputs[0] = bos;
            }
            Window {
                inputs,
                targets: &window[self.first_target()..],
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(tokens: u32) -> Vec<u32> {
        (10..10 + tokens).collect()
    }

    #[test]
    fn windows_do_not_overlap_and_begin_with_bos() {
        let windows = Windows::new(&text(16), Some(1), 8, None).expect("two windows");
        assert_eq!(
            (windows.count(), windows.tokens(), windows.input_tokens()),
            (2, 16, 14)
        );
        let all: Vec<Window<'_>> = windows.iter().collect();
        // The token in front of the text is BOS, so the first window has seven of the text.
        assert_eq!(all[0].inputs, [1, 10, 11, 12, 13, 14, 15]);
        assert_eq!(all[0].targets, [14, 15, 16]);
        // The second window's first token, 17, gave way to BOS.
        assert_eq!(all[1].inputs, [1, 18, 19, 20, 21, 22, 23]);
        assert_eq!(all[1].targets, [22, 23, 24]);
        assert_eq!(windows.scored_tokens(), 6);
    }

    #[test]
    fn a_model_without_bos_reads_the_text_alone() {
        let windows = Windows::new(&text(9), None, 5, None).expect("one window");
        let all: Vec<Window<'_>> = windows.iter().collect();
        assert_eq!(all.len(), 1, "the rest is dropped");
        assert_eq!(all[0].inputs, [10, 11, 12, 13]);
        assert_eq!(all[0].targets, [13, 14]);
    }

    #[test]
    fn as_many_tokens_are_scored_as_llama_cpp_scores() {
        for (context, scored) in [(4, 1), (5, 2), (512, 255), (513, 256), (2048, 1023)] {
            let windows = Windows::new(&text(5000), Some(1), context, Some(2 * context));
            let windows = windows.expect("two windows");
            assert_eq!(windows.scored_tokens(), 2 * scored, "context {context}");
            let window = windows.iter().next().expect("two windows");
            assert_eq!(window.targets.len(), scored, "context {context}");
            assert_eq!(window.inputs.len(), context - 1, "context {context}");
        }
    }

    #[test]
    fn a_text_that_is_too_short_says_what_is_missing() {
        let cases = [
            (7, None, 8, None),
            (6, Some(1), 8, None),
            (90, None, 8, Some(7)),
            (90, None, 3, None),
            (0, Some(1), 8, None),
        ];
        for (tokens, bos, context, most) in cases {
            let error = Windows::new(&text(tokens), bos, context, most).expect_err("too short");
            let message = error.to_string();
            assert!(message.contains(&context.to_string()), "{message}");
        }
        assert!(
            Windows::new(&text(7), Some(1), 8, None).is_ok(),
            "BOS counts"
        );
    }
}
