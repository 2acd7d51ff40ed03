//! The measurement: every window through the model and its reference, scored as it comes, so that
//! only one step's logits of each are in memory.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sysinfer_engine::EngineError;

use super::divergence::Distribution;
use super::predictor::Predictor;
use super::statistics::{Compared, Position};
use super::windows::{Window, Windows};

/// Why a measurement failed.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Two models whose logits do not correspond.
    #[error(
        "the reference has {reference} logits per token and the model {model}; \
         choose a reference with the same vocabulary"
    )]
    Vocabularies {
        /// Logits of the model.
        model: usize,
        /// Logits of the reference.
        reference: usize,
    },
    /// A token that there is no logit for.
    #[error("the text has token {token}, beyond the model's vocabulary of {vocabulary_size}")]
    Token {
        /// The token.
        token: u32,
        /// Logits per token.
        vocabulary_size: usize,
    },
    /// Logits that no distribution can be made of.
    #[error(
        "{which} gives a logit that is no finite number, after token {token} of window {window}; \
         its file is damaged, or its values are too large for f16 (try --cache f32); \
         sysinfer-tune check MODEL.gguf tells which"
    )]
    NotFinite {
        /// `the model` or `the reference`.
        which: &'static str,
        /// Window, from 1.
        window: usize,
        /// Token in the window, from 1.
        token: usize,
    },
}

/// How a measurement is done.
pub struct Setup<'a> {
    /// The text.
    pub windows: &'a Windows,
    /// Tokens that go through a model in one step.
    pub step_tokens: usize,
    /// Whether to stop.
    pub stop: &'a AtomicBool,
    /// Told after each step how many tokens went in and how the score stands.
    pub advance: &'a dyn Fn(u64, &str),
}

/// What was measured.
#[derive(Clone, Debug, Default)]
pub struct Measurement {
    /// Scored tokens in the order of the text; fewer than asked for if interrupted.
    pub positions: Vec<Position>,
    /// Time in the model's steps.
    pub model_time: Duration,
    /// Time in the reference's steps.
    pub reference_time: Duration,
    /// Time for the comparison of logits.
    pub scoring_time: Duration,
}

/// Sums so far, for the display.
#[derive(Default)]
struct Running {
    count: usize,
    surprisal: f64,
    divergence: Option<f64>,
}

/// A model's logits after the tokens of a step.
#[derive(Default)]
struct Rows {
    logits: Vec<f32>,
    vocabulary_size: usize,
}

impl Rows {
    fn row(&self, row: usize) -> Option<Distribution<'_>> {
        Distribution::of(&self.logits[row * self.vocabulary_size..][..self.vocabulary_size])
    }

    fn step(
        &mut self,
        predictor: &mut dyn Predictor,
        (tokens, scored): (&[u32], bool),
        time: &mut Duration,
    ) -> Result<(), EngineError> {
        let started = Instant::now();
        self.logits.clear();
        self.vocabulary_size = predictor.vocabulary_size();
        predictor.step(tokens, scored.then_some(&mut self.logits))?;
        *time += started.elapsed();
        Ok(())
    }
}

/// Scores the text until its end or an interrupt.
///
/// # Errors
/// Models whose vocabularies do not fit each other or the text, a failing engine, broken logits.
pub fn measure(
    setup: &Setup<'_>,
    model: &mut dyn Predictor,
    mut reference: Option<&mut dyn Predictor>,
) -> Result<Measurement, MeasureError> {
    check(setup.windows, model, reference.as_deref())?;
    let (mut measured, mut running) = (Measurement::default(), Running::default());
    let (mut ours, mut theirs) = (Rows::default(), Rows::default());
    for (index, window) in setup.windows.iter().enumerate() {
        model.begin();
        if let Some(reference) = reference.as_deref_mut() {
            reference.begin();
        }
        for part in parts(&window, setup.step_tokens) {
            if setup.stop.load(Ordering::Relaxed) {
                return Ok(measured);
            }
            let step = (&window.inputs[part.first..part.end], part.scored);
            ours.step(model, step, &mut measured.model_time)?;
            if let Some(reference) = reference.as_deref_mut() {
                theirs.step(reference, step, &mut measured.reference_time)?;
            }
            if part.scored {
                let theirs = reference.is_some().then_some(&theirs);
                measured.score(&window, (index, &part), &ours, theirs)?;
            }
            let tokens = (part.end - part.first) as u64;
            running.catch_up(&measured.positions);
            (setup.advance)(tokens, &running.text());
        }
    }
    Ok(measured)
}

impl Measurement {
    /// Compares every row of a step with the right token and with the reference.
    fn score(
        &mut self,
        window: &Window<'_>,
        (index, part): (usize, &Part),
        ours: &Rows,
        theirs: Option<&Rows>,
    ) -> Result<(), MeasureError> {
        let started = Instant::now();
        let unscored = window.inputs.len() - window.targets.len();
        for input in part.first..part.end {
            let not_finite = |which| MeasureError::NotFinite {
                which,
                window: index + 1,
                token: input + 1,
            };
            let (row, target) = (input - part.first, window.targets[input - unscored]);
            let model = ours.row(row).ok_or_else(|| not_finite("the model"))?;
            let reference = theirs.map(|theirs| {
                let reference = theirs.row(row);
                reference.ok_or_else(|| not_finite("the reference"))
            });
            let compared = reference.transpose()?.map(|reference| Compared {
                surprisal: reference.surprisal(target),
                divergence: reference.divergence(&model),
                same_top: reference.top() == model.top(),
            });
            self.positions.push(Position {
                surprisal: model.surprisal(target),
                reference: compared,
            });
        }
        self.scoring_time += started.elapsed();
        Ok(())
    }
}

impl Running {
    /// Takes in what was not seen before of `positions`.
    fn catch_up(&mut self, positions: &[Position]) {
        for position in &positions[self.count..] {
            self.surprisal += position.surprisal;
            if let Some(compared) = position.reference {
                *self.divergence.get_or_insert(0.0) += compared.divergence;
            }
        }
        self.count = positions.len();
    }

    /// The numbers so far, in a few words.
    fn text(&self) -> String {
        let count = self.count as f64;
        let perplexity = (self.surprisal / count).exp();
        match self.divergence {
            _ if self.count == 0 => String::new(),
            Some(sum) => format!(
                "perplexity {perplexity:.3}, KL divergence {:.2e}",
                sum / count
            ),
            None => format!("perplexity {perplexity:.3}"),
        }
    }
}

/// Inputs `first..end` of a window, which go through a model in one step.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    first: usize,
    end: usize,
    scored: bool,
}

/// Cuts a window into steps; none holds both scored and unscored tokens.
fn parts(window: &Window<'_>, step_tokens: usize) -> Vec<Part> {
    let unscored = window.inputs.len() - window.targets.len();
    let cut = |range: std::ops::Range<usize>, scored| {
        let end = range.end;
        range.step_by(step_tokens).map(move |first| Part {
            first,
            end: (first + step_tokens).min(end),
            scored,
        })
    };
    let scored = cut(unscored..window.inputs.len(), true);
    cut(0..unscored, false).chain(scored).collect()
}

/// Whether the models' logits stand for the same tokens, and for all tokens of the text.
fn check(
    windows: &Windows,
    model: &dyn Predictor,
    reference: Option<&dyn Predictor>,
) -> Result<(), MeasureError> {
    let vocabulary_size = model.vocabulary_size();
    let reference = reference.map_or(vocabulary_size, Predictor::vocabulary_size);
    if reference != vocabulary_size {
        return Err(MeasureError::Vocabularies {
            model: vocabulary_size,
            reference,
        });
    }
    let beyond = |token: &u32| *token as usize >= vocabulary_size;
    let unknown = windows.iter().find_map(|window| {
        let all = window.inputs.iter().chain(window.targets);
        all.copied().find(beyond)
    });
    match unknown {
        Some(token) => Err(MeasureError::Token {
            token,
            vocabulary_size,
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::Quality;
    use std::sync::Arc;

    /// A model of four tokens that expects the last token plus one with probability `sure`, and the
    /// others alike.
    struct Counting {
        sure: f64,
        read: Vec<u32>,
        longest_step: usize,
        interrupt_after: Option<(usize, Arc<AtomicBool>)>,
    }

    impl Counting {
        fn new(sure: f64) -> Self {
            Self {
                sure,
                read: Vec::new(),
                longest_step: 0,
                interrupt_after: None,
            }
        }
    }

    impl Predictor for Counting {
        fn vocabulary_size(&self) -> usize {
            4
        }

        fn begin(&mut self) {
            self.read.clear();
        }

        fn step(
            &mut self,
            tokens: &[u32],
            logits: Option<&mut Vec<f32>>,
        ) -> Result<(), EngineError> {
            self.longest_step = self.longest_step.max(tokens.len());
            self.read.extend(tokens);
            if let Some(logits) = logits {
                for token in tokens {
                    let p = |i| {
                        if i == (token + 1) % 4 {
                            self.sure
                        } else {
                            (1.0 - self.sure) / 3.0
                        }
                    };
                    logits.extend((0..4).map(|i| p(i).ln() as f32));
                }
            }
            if let Some((steps, interrupt)) = &mut self.interrupt_after {
                *steps -= 1;
                if *steps == 0 {
                    interrupt.store(true, Ordering::Relaxed);
                }
            }
            Ok(())
        }
    }

    /// Two windows of 16 that count 0 1 2 3 0 1 ..
    fn counting_text() -> Windows {
        let tokens: Vec<u32> = (0..32).map(|i| i % 4).collect();
        Windows::new(&tokens, None, 16, None).expect("two windows")
    }

    fn run(
        step_tokens: usize,
        model: &mut Counting,
        reference: Option<&mut Counting>,
        interrupt: &AtomicBool,
    ) -> Result<Measurement, MeasureError> {
        let setup = Setup {
            windows: &counting_text(),
            step_tokens,
            stop: interrupt,
            advance: &|_, _| (),
        };
        let reference = reference.map(|reference| reference as &mut dyn Predictor);
        measure(&setup, model, reference)
    }

    #[test]
    fn scripted_models_have_the_perplexity_that_was_planted() {
        for step_tokens in [1, 3, 7, 64] {
            let (mut model, mut reference) = (Counting::new(0.5), Counting::new(0.8));
            let measured = run(
                step_tokens,
                &mut model,
                Some(&mut reference),
                &AtomicBool::new(false),
            );
            let quality = Quality::of(&measured.expect("runs").positions).expect("positions");
            assert_eq!(quality.tokens_scored, 2 * 7);
            assert!(model.longest_step <= step_tokens);
            assert_eq!(model.read.len(), 15, "a window without its last token");
            let near = |found: f64, expected: f64| {
                assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
            };
            near(quality.perplexity.value, 2.0);
            let comparison = quality.comparison.expect("a reference");
            near(comparison.reference_perplexity.value, 1.25);
            let by_hand = 0.8 * 1.6_f64.ln() + 0.2 * 0.4_f64.ln();
            near(comparison.divergence.value, by_hand);
            near(comparison.divergence_maximum, by_hand);
            near(comparison.same_top.value, 1.0);
            near(comparison.probability_difference_rms.value, 0.3);
        }
    }

    #[test]
    fn an_interrupt_keeps_what_was_scored() {
        let interrupt = Arc::new(AtomicBool::new(false));
        let mut model = Counting::new(0.5);
        // Steps of 4: inputs 0-3, 4-7, then 8-11 scored; the interrupt comes in the third.
        model.interrupt_after = Some((3, interrupt.clone()));
        let measured = run(4, &mut model, None, &interrupt).expect("an interrupt is no error");
        assert_eq!(measured.positions.len(), 4);
        let none = run(4, &mut Counting::new(0.5), None, &interrupt).expect("no error");
        assert!(none.positions.is_empty());
    }

    #[test]
    fn broken_logits_are_an_error_that_says_where() {
        let mut model = Counting::new(0.5);
        let mut broken = Counting::new(1.0); // ln 0
        let message = run(4, &mut model, Some(&mut broken), &AtomicBool::new(false))
            .expect_err("infinite logits")
            .to_string();
        assert!(
            message.contains("the reference") && message.contains("token 9 of window 1"),
            "{message}"
        );
    }

    #[test]
    fn tokens_without_a_logit_are_refused() {
        let windows = Windows::new(&[0, 1, 2, 4], None, 4, None).expect("one window");
        let setup = Setup {
            windows: &windows,
            step_tokens: 4,
            stop: &AtomicBool::new(false),
            advance: &|_, _| (),
        };
        let error = measure(&setup, &mut Counting::new(0.5), None).expect_err("4 of 0..4");
        assert!(
            matches!(error, MeasureError::Token { token: 4, .. }),
            "{error}"
        );
    }

    #[test]
    fn steps_end_where_scoring_begins() {
        let windows = counting_text();
        let window = windows.iter().next().expect("two windows");
        let part = |first, end, scored| Part { first, end, scored };
        let expected = [
            part(0, 5, false),
            part(5, 8, false),
            part(8, 13, true),
            part(13, 15, true),
        ];
        assert_eq!(parts(&window, 5), expected);
    }
}
