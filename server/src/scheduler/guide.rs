//! What keeps an answer within a form that its request asked for.

use super::BackendError;

/// Follows an answer token by token and says how it may go on. Errors are of this answer alone.
pub trait Guide: Send {
    /// Whether the answer may go on with `token`, which is none that ends it.
    ///
    /// # Errors
    /// The form became too costly to follow.
    fn allows(&mut self, token: u32) -> Result<bool, BackendError>;

    /// Whether the answer may end here.
    ///
    /// # Errors
    /// As [`Guide::allows`].
    fn may_end(&mut self) -> Result<bool, BackendError>;

    /// All tokens that the answer may go on with. Much slower than asking about one.
    ///
    /// # Errors
    /// As [`Guide::allows`].
    fn allowed(&mut self) -> Result<TokenSet, BackendError>;

    /// Takes a token that is allowed as the next one of the answer.
    ///
    /// # Errors
    /// As [`Guide::allows`].
    fn take(&mut self, token: u32) -> Result<(), BackendError>;

    /// Whether the answer is whole, and nothing may follow.
    fn is_complete(&self) -> bool;
}

/// Some tokens of a vocabulary: bit `n % 32` of word `n / 32` is token `n`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenSet(pub Vec<u32>);

impl TokenSet {
    /// Whether it has the token.
    pub fn has(&self, token: u32) -> bool {
        let word = self.0.get(token as usize / 32);
        word.is_some_and(|word| word >> (token % 32) & 1 == 1)
    }

    /// Takes tokens out.
    pub fn remove(&mut self, tokens: &[u32]) {
        for token in tokens {
            if let Some(word) = self.0.get_mut(*token as usize / 32) {
                *word &= !(1 << (token % 32));
            }
        }
    }

    /// Puts tokens in, as far as there is room for them.
    pub fn insert(&mut self, tokens: &[u32]) {
        for token in tokens {
            if let Some(word) = self.0.get_mut(*token as usize / 32) {
                *word |= 1 << (token % 32);
            }
        }
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_and_go() {
        let mut set = TokenSet(vec![0; 2]);
        assert!(set.is_empty());
        set.insert(&[0, 33, 63, 64, 1000]);
        let found: Vec<u32> = (0..2000).filter(|token| set.has(*token)).collect();
        assert_eq!(found, [0, 33, 63]);
        set.remove(&[33, 5, 99]);
        assert!(!set.has(33) && set.has(63) && !set.is_empty());
    }
}
