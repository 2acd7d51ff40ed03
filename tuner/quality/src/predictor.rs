//! What the measurement sees of a model: tokens in, logits out. Behind it stands an engine, or in
//! tests a script.

use sysinfer_engine::{Engine, EngineError, Entry, Sequence, Wanted};

/// A model that reads one window after another.
pub trait Predictor {
    /// Logits per token.
    fn vocabulary_size(&self) -> usize;

    /// Forgets the window before.
    fn begin(&mut self);

    /// Reads more tokens of the window. With `logits`, appends `[token][vocabulary]` to it: no numbers
    /// for a token after which not all are finite.
    ///
    /// # Errors
    /// Those of the engine: a window longer than the model's context, no memory for its cache.
    fn step(&mut self, tokens: &[u32], logits: Option<&mut Vec<f32>>) -> Result<(), EngineError>;
}

/// An engine with the sequence that a window goes into.
pub struct EnginePredictor {
    engine: Engine,
    sequence: Sequence,
}

impl EnginePredictor {
    /// Takes an engine for windows of at most `context_tokens`.
    ///
    /// # Errors
    /// Longer windows than the model's context.
    pub fn new(engine: Engine, context_tokens: usize) -> Result<Self, EngineError> {
        let sequence = engine.sequence(context_tokens)?;
        Ok(Self { engine, sequence })
    }

    /// The engine, for what it says of itself.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }
}

impl Predictor for EnginePredictor {
    fn vocabulary_size(&self) -> usize {
        self.engine.info().vocabulary_size
    }

    fn begin(&mut self) {
        self.sequence.clear();
    }

    fn step(&mut self, tokens: &[u32], logits: Option<&mut Vec<f32>>) -> Result<(), EngineError> {
        let entry = Entry {
            sequence: &mut self.sequence,
            tokens,
            wanted: match logits {
                Some(_) => Wanted::All,
                None => Wanted::None,
            },
        };
        let mut batch = [entry];
        let vocabulary_size = self.engine.info().vocabulary_size;
        let rows = self.engine.step(&mut batch)?;
        if let Some(logits) = logits {
            for row in 0..rows.rows() {
                match rows.row(row) {
                    Ok(row) => logits.extend_from_slice(row),
                    // The measurement finds it, and says where in the text.
                    Err(_) => logits.resize(logits.len() + vocabulary_size, f32::NAN),
                }
            }
        }
        Ok(())
    }
}
