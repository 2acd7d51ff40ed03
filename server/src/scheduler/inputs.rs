//! What embeddings are made of, valid by construction.

/// Texts as tokens, at least one, each of which fits the context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidInputs(Vec<Vec<u32>>);

/// Why texts do not make [`ValidInputs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputError {
    /// There are none.
    NoInputs,
    /// One has no tokens.
    Empty {
        /// Which, from 0.
        number: usize,
    },
    /// One has more tokens than the context.
    TooLong {
        /// Which, from 0.
        number: usize,
        /// How many it has.
        tokens: usize,
    },
}

impl ValidInputs {
    /// Checks that each input can be run in a context of `context_tokens`. Nothing follows it, so it may fill
    /// the context.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn new(inputs: Vec<Vec<u32>>, context_tokens: usize) -> Result<Self, InputError> {
        for (number, input) in inputs.iter().enumerate() {
            match input.len() {
                0 => return Err(InputError::Empty { number }),
                tokens if tokens > context_tokens => {
                    return Err(InputError::TooLong { number, tokens });
                }
                _ => {}
            }
        }
        match inputs.is_empty() {
            true => Err(InputError::NoInputs),
            false => Ok(Self(inputs)),
        }
    }

    /// The inputs, in the order of the request.
    pub fn all(&self) -> &[Vec<u32>] {
        &self.0
    }

    /// Tokens of the longest one.
    pub fn longest(&self) -> usize {
        self.0.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// Tokens of all of them.
    pub fn tokens(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_may_fill_the_context_and_no_more() {
        let inputs = |lengths: &[usize]| {
            ValidInputs::new(lengths.iter().map(|length| vec![1; *length]).collect(), 8)
        };
        let valid = inputs(&[3, 8, 1]).expect("they fit");
        assert_eq!((valid.longest(), valid.tokens()), (8, 12));
        assert_eq!(inputs(&[]), Err(InputError::NoInputs));
        assert_eq!(inputs(&[3, 0]), Err(InputError::Empty { number: 1 }));
        let (number, tokens) = (2, 9);
        assert_eq!(
            inputs(&[3, 8, 9, 0]),
            Err(InputError::TooLong { number, tokens })
        );
    }
}
