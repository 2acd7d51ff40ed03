//! What a request may ask of sampling, and the ranges that are allowed.

use super::SamplingError;

/// How the next token is chosen. The default is greedy: always the most likely one.
///
/// The steps are applied in the order of the fields `logit_bias`, penalties, `temperature`,
/// `top_k`, `top_p`, `min_p`, as llama.cpp and vLLM do for these names.
#[derive(Debug, Clone, PartialEq)]
pub struct SamplingOptions {
    /// Divides the logits: below 1 sharper, above 1 flatter. 0 or less: greedy.
    pub temperature: f32,
    /// Keeps this many of the most likely tokens. 0: all.
    pub top_k: usize,
    /// Keeps the fewest most likely tokens whose probabilities reach this sum. 1: all.
    /// (Holtzman et al., "The Curious Case of Neural Text Degeneration", 2019.)
    pub top_p: f32,
    /// Keeps the tokens at least this fraction as likely as the most likely one. 0: all.
    pub min_p: f32,
    /// Divides the positive and multiplies the negative logits of tokens already in the prompt or
    /// the answer. 1: off. (Keskar et al., "CTRL", 2019.)
    pub repetition_penalty: f32,
    /// Subtracted from the logits of tokens that the answer already holds. 0: off.
    pub presence_penalty: f32,
    /// Subtracted from the logit of a token once per time that the answer holds it. 0: off.
    pub frequency_penalty: f32,
    /// Added to the logits of single tokens; several for one token add up, and tokens that the
    /// model does not have are passed over.
    pub logit_bias: Vec<(u32, f32)>,
    /// Makes the draws repeatable. `None`: the seed that the caller of
    /// [`Sampler::new`](super::Sampler::new) provides.
    pub seed: Option<u64>,
}

impl Default for SamplingOptions {
    fn default() -> Self {
        Self {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            logit_bias: Vec::new(),
            seed: None,
        }
    }
}

impl SamplingOptions {
    /// Checks every field against its range.
    ///
    /// # Errors
    /// [`SamplingError`] with the first field that is out of range or not a number.
    pub fn validate(&self) -> Result<(), SamplingError> {
        const FRACTION: &str = "from 0 to 1";
        const PENALTY: &str = "from -2 to 2";
        let unit = |value: f32| (0.0..=1.0).contains(&value);
        let penalty = |value: f32| (-2.0..=2.0).contains(&value);
        let factor = |value: f32| value > 0.0 && value.is_finite();
        let checks = [
            (
                "temperature",
                self.temperature,
                self.temperature.is_finite(),
                "a finite number",
            ),
            ("top_p", self.top_p, unit(self.top_p), FRACTION),
            ("min_p", self.min_p, unit(self.min_p), FRACTION),
            (
                "repetition_penalty",
                self.repetition_penalty,
                factor(self.repetition_penalty),
                "above 0 and finite",
            ),
            (
                "presence_penalty",
                self.presence_penalty,
                penalty(self.presence_penalty),
                PENALTY,
            ),
            (
                "frequency_penalty",
                self.frequency_penalty,
                penalty(self.frequency_penalty),
                PENALTY,
            ),
        ];
        for (field, value, allowed, range) in checks {
            if !allowed {
                return Err(SamplingError::OutOfRange {
                    field,
                    value,
                    range,
                });
            }
        }
        match self
            .logit_bias
            .iter()
            .find(|(_, value)| !(-100.0..=100.0).contains(value))
        {
            Some(&(token, value)) => Err(SamplingError::BiasOutOfRange { token, value }),
            None => Ok(()),
        }
    }

    /// Whether the most likely token is always chosen, so that no probabilities are needed.
    #[must_use]
    pub fn is_greedy(&self) -> bool {
        self.temperature <= 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: impl FnOnce(&mut SamplingOptions)) -> Result<(), SamplingError> {
        let mut options = SamplingOptions::default();
        change(&mut options);
        options.validate()
    }

    #[test]
    fn the_defaults_and_the_ends_of_the_ranges_are_valid() {
        assert_eq!(with(|_| ()), Ok(()));
        assert_eq!(with(|options| options.temperature = -1.0), Ok(()));
        assert_eq!(with(|options| options.top_p = 0.0), Ok(()));
        assert_eq!(with(|options| options.min_p = 1.0), Ok(()));
        assert_eq!(with(|options| options.presence_penalty = -2.0), Ok(()));
        assert_eq!(
            with(|options| options.logit_bias = vec![(5, -100.0), (6, 100.0)]),
            Ok(())
        );
    }

    #[test]
    fn values_out_of_range_name_their_field() {
        type Change = fn(&mut SamplingOptions, f32);
        let cases: [(&str, Change, &[f32]); 7] = [
            (
                "temperature",
                |options, value| options.temperature = value,
                &[f32::INFINITY],
            ),
            (
                "top_p",
                |options, value| options.top_p = value,
                &[-0.1, 1.1],
            ),
            (
                "min_p",
                |options, value| options.min_p = value,
                &[-0.1, 1.1],
            ),
            (
                "repetition_penalty",
                |options, value| options.repetition_penalty = value,
                &[0.0, -1.0, f32::INFINITY],
            ),
            (
                "presence_penalty",
                |options, value| options.presence_penalty = value,
                &[-2.1, 2.1],
            ),
            (
                "frequency_penalty",
                |options, value| options.frequency_penalty = value,
                &[-2.1, 2.1],
            ),
            (
                "logit_bias",
                |options, value| options.logit_bias = vec![(3, value)],
                &[-101.0, 101.0, f32::NEG_INFINITY],
            ),
        ];
        for (field, change, values) in cases {
            for &value in values.iter().chain(&[f32::NAN]) {
                let error = with(|options| change(options, value))
                    .expect_err(field)
                    .to_string();
                assert!(error.starts_with(field), "{error}");
                assert!(error.contains(&value.to_string()), "{error}");
            }
        }
    }
}
