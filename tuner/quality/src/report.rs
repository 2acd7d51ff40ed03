//! The result: lines for people, or one JSON object whose names stay as they are.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;
use sysinfer_engine::{Engine, KernelChoice, WeightPrecision};

use super::measure::Measurement;
use super::statistics::{Comparison, Estimate, QUANTILES, Quality};
use super::windows::Windows;

/// A number with its standard error, `null` where there is none.
#[derive(Clone, Copy, Debug, Serialize)]
struct Number {
    value: f64,
    standard_error: Option<f64>,
}

/// A model as it ran.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    file: String,
    quantisation: String,
    weights: &'static str,
    cache: &'static str,
    decode_threads: usize,
    prefill_threads: usize,
    kernels: BTreeMap<String, KernelChoice>,
}

/// Divergence over all scored tokens, nats.
#[derive(Clone, Debug, Serialize)]
struct Divergence {
    mean: f64,
    standard_error: Option<f64>,
    quantile_90: f64,
    quantile_99: f64,
    quantile_99_9: f64,
    maximum: f64,
}

/// Where the time went.
#[derive(Clone, Copy, Debug, Serialize)]
struct Seconds {
    loading: f64,
    model: f64,
    reference: f64,
    scoring: f64,
}

/// What is reported; the JSON object.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    engine: &'static str,
    version: &'static str,
    text: String,
    tokens: usize,
    windows: usize,
    context_tokens: usize,
    step_tokens: usize,
    tokens_to_score: usize,
    tokens_scored: usize,
    partial: bool,
    model: Run,
    reference: Option<Run>,
    perplexity: Number,
    reference_perplexity: Option<Number>,
    perplexity_ratio: Option<Number>,
    kl_divergence_nats: Option<Divergence>,
    same_top_token_percent: Option<Number>,
    probability_difference_rms_percent: Option<Number>,
    seconds: Seconds,
}

/// What a report is made from, besides the measurement.
pub struct Subject<'a> {
    /// Name of the text.
    pub text: String,
    /// The text as it was cut.
    pub windows: &'a Windows,
    /// Tokens per step.
    pub step_tokens: usize,
    /// The model as it ran.
    pub model: Run,
    /// The reference as it ran.
    pub reference: Option<Run>,
    /// Time to load both, seconds.
    pub loading_seconds: f64,
}

impl Run {
    /// What an engine says of itself.
    pub fn of(file: String, engine: &Engine) -> Self {
        let (plan, precision) = (engine.plan(), engine.precision());
        Self {
            file,
            quantisation: engine.info().quantisation.clone(),
            weights: match precision.weights {
                WeightPrecision::AsStored => "as_stored",
                WeightPrecision::F32 => "f32",
            },
            cache: precision.cache.name(),
            decode_threads: plan.decode.threads,
            prefill_threads: plan.prefill.threads,
            kernels: plan.kernels.clone(),
        }
    }

    fn lines(&self, out: &mut String, title: &str) {
        let weights = match self.weights {
            "f32" => "dequantised to f32".to_owned(),
            _ => format!("as stored, {}", self.quantisation),
        };
        line(
            out,
            title,
            &format!("{}: weights {weights}; cache {}", self.file, self.cache),
        );
        let threads = match (self.prefill_threads, self.decode_threads) {
            (prefill, decode) if prefill == decode => prefill.to_string(),
            (prefill, decode) => format!("prefill {prefill}, decode {decode}"),
        };
        line(out, "", &format!("threads {threads}"));
        for (block_type, choice) in &self.kernels {
            let name = |name: &Option<String>| name.clone().unwrap_or_default();
            let (prefill, decode) = (name(&choice.prefill), name(&choice.decode));
            line(
                out,
                "",
                &format!("{block_type}: prefill {prefill}, decode {decode}"),
            );
        }
    }
}

impl Report {
    /// The report; `None` if nothing was scored.
    pub fn new(subject: Subject<'_>, measured: &Measurement) -> Option<Self> {
        let quality = Quality::of(&measured.positions)?;
        let windows = subject.windows;
        let comparison = quality.comparison.as_ref();
        let of = |pick: fn(&Comparison) -> Number| comparison.map(pick);
        Some(Self {
            engine: "sysinfer",
            version: env!("CARGO_PKG_VERSION"),
            text: subject.text,
            tokens: windows.tokens(),
            windows: windows.count(),
            context_tokens: windows.context_tokens(),
            step_tokens: subject.step_tokens,
            tokens_to_score: windows.scored_tokens(),
            tokens_scored: quality.tokens_scored,
            partial: quality.tokens_scored < windows.scored_tokens(),
            model: subject.model,
            reference: subject.reference,
            perplexity: quality.perplexity.into(),
            reference_perplexity: of(|c| c.reference_perplexity.into()),
            perplexity_ratio: of(|c| c.ratio.into()),
            kl_divergence_nats: comparison.map(Divergence::from),
            same_top_token_percent: of(|c| Number::percent(c.same_top)),
            probability_difference_rms_percent: of(|c| {
                Number::percent(c.probability_difference_rms)
            }),
            seconds: Seconds {
                loading: subject.loading_seconds,
                model: measured.model_time.as_secs_f64(),
                reference: measured.reference_time.as_secs_f64(),
                scoring: measured.scoring_time.as_secs_f64(),
            },
        })
    }

    /// Whether tokens of the text were left out.
    pub fn is_partial(&self) -> bool {
        self.partial
    }

    /// Lines for people.
    pub fn text(&self) -> String {
        let mut out = String::new();
        if self.partial {
            let (scored, all) = (self.tokens_scored, self.tokens_to_score);
            line(
                &mut out,
                "PARTIAL",
                &format!("interrupted: {scored} of {all} tokens were scored"),
            );
        }
        let (windows, context) = (self.windows, self.context_tokens);
        let cut = format!("{} tokens, {windows} windows of {context}", self.tokens);
        line(&mut out, "text", &format!("{}: {cut}", self.text));
        self.model.lines(&mut out, "model");
        if let Some(reference) = &self.reference {
            reference.lines(&mut out, "reference");
        }
        out.push('\n');
        line(&mut out, "tokens scored", &self.tokens_scored.to_string());
        line(&mut out, "perplexity", &self.perplexity.text(4, ""));
        let mut known = |title, number: Option<Number>, digits, unit| {
            if let Some(number) = number {
                line(&mut out, title, &number.text(digits, unit));
            }
        };
        known("  of the reference", self.reference_perplexity, 4, "");
        known("  ratio", self.perplexity_ratio, 5, "");
        if let Some(divergence) = &self.kl_divergence_nats {
            divergence.lines(&mut out);
        }
        let mut known = |title, number: Option<Number>| {
            if let Some(number) = number {
                line(&mut out, title, &number.text(3, " %"));
            }
        };
        known("same top token", self.same_top_token_percent);
        known(
            "p(right), RMS diff.",
            self.probability_difference_rms_percent,
        );
        out.push('\n');
        line(&mut out, "time", &self.seconds.text());
        out
    }

    /// One JSON object.
    ///
    /// # Errors
    /// None in practice: the report is plain data.
    pub fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
}

impl From<Estimate> for Number {
    fn from(estimate: Estimate) -> Self {
        Self {
            value: estimate.value,
            standard_error: estimate.standard_error,
        }
    }
}

impl Number {
    /// A share as a percentage.
    fn percent(estimate: Estimate) -> Self {
        Self {
            value: 100.0 * estimate.value,
            standard_error: estimate.standard_error.map(|error| 100.0 * error),
        }
    }

    fn text(&self, digits: usize, unit: &str) -> String {
        match self.standard_error {
            Some(error) => format!("{:.digits$} +/- {error:.digits$}{unit}", self.value),
            None => format!("{:.digits$}{unit}", self.value),
        }
    }
}

impl From<&Comparison> for Divergence {
    fn from(comparison: &Comparison) -> Self {
        let [quantile_90, quantile_99, quantile_99_9] = comparison.divergence_quantiles;
        Self {
            mean: comparison.divergence.value,
            standard_error: comparison.divergence.standard_error,
            quantile_90,
            quantile_99,
            quantile_99_9,
            maximum: comparison.divergence_maximum,
        }
    }
}

impl Divergence {
    fn lines(&self, out: &mut String) {
        let mean = match self.standard_error {
            Some(error) => format!("{:.3e} +/- {error:.1e} nats", self.mean),
            None => format!("{:.3e} nats", self.mean),
        };
        line(out, "KL divergence, mean", &mean);
        let values = [self.quantile_90, self.quantile_99, self.quantile_99_9];
        for (share, value) in QUANTILES.iter().zip(values) {
            let title = format!("  {} % below", 100.0 * share);
            line(out, &title, &format!("{value:.3e}"));
        }
        line(out, "  maximum", &format!("{:.3e}", self.maximum));
    }
}

impl Seconds {
    fn text(&self) -> String {
        format!(
            "loading {:.1} s, model {:.1} s, reference {:.1} s, scoring {:.1} s",
            self.loading, self.model, self.reference, self.scoring
        )
    }
}

fn line(out: &mut String, title: &str, text: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(out, "{title:<21}{text}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::{Compared, Position};

    fn run(weights: &'static str) -> Run {
        let choice = KernelChoice {
            decode: Some("d".into()),
            prefill: Some("p".into()),
        };
        Run {
            file: "m.gguf".into(),
            quantisation: "Q4_0".into(),
            weights,
            cache: "f16",
            decode_threads: 1,
            prefill_threads: 2,
            kernels: [("Q4_0".to_owned(), choice)].into(),
        }
    }

    fn report(scored: usize, compared: bool) -> Option<Report> {
        let reference = compared.then_some(Compared {
            surprisal: 2.0_f64.ln(),
            divergence: 0.25,
            same_top: true,
        });
        let position = Position {
            surprisal: 4.0_f64.ln(),
            reference,
        };
        let measured = Measurement {
            positions: vec![position; scored],
            ..Measurement::default()
        };
        let windows = Windows::new(&[0; 20], None, 10, None).expect("two windows");
        let subject = Subject {
            text: "t.txt".into(),
            windows: &windows,
            step_tokens: 64,
            model: run("as_stored"),
            reference: compared.then(|| run("f32")),
            loading_seconds: 0.5,
        };
        Report::new(subject, &measured)
    }

    #[test]
    fn the_json_keeps_its_names() {
        let report = report(8, true).expect("eight positions");
        let run = |weights| {
            format!(
                r#"{{"file":"m.gguf","quantisation":"Q4_0","weights":"{weights}","cache":"f16","#
            ) + r#""decode_threads":1,"prefill_threads":2,"kernels":{"Q4_0":{"decode":"d","prefill":"p"}}}"#
        };
        let expected = [
            r#"{"engine":"sysinfer","version":""#,
            env!("CARGO_PKG_VERSION"),
            r#"","text":"t.txt","tokens":20,"windows":2,"context_tokens":10,"step_tokens":64,"#,
            r#""tokens_to_score":8,"tokens_scored":8,"partial":false,"model":"#,
            &run("as_stored"),
            r#","reference":"#,
            &run("f32"),
            r#","perplexity":{"value":4.0,"standard_error":0.0},"#,
            r#""reference_perplexity":{"value":2.0,"standard_error":0.0},"#,
            r#""perplexity_ratio":{"value":2.0,"standard_error":0.0},"#,
            r#""kl_divergence_nats":{"mean":0.25,"standard_error":0.0,"quantile_90":0.25,"#,
            r#""quantile_99":0.25,"quantile_99_9":0.25,"maximum":0.25},"#,
            r#""same_top_token_percent":{"value":100.0,"standard_error":0.0},"#,
            r#""probability_difference_rms_percent":{"value":25.0,"standard_error":0.0},"#,
            r#""seconds":{"loading":0.5,"model":0.0,"reference":0.0,"scoring":0.0}}"#,
        ];
        assert_eq!(report.json().expect("plain data"), expected.concat());
    }

    #[test]
    fn without_a_reference_there_is_no_word_of_one() {
        let report = report(8, false).expect("eight positions");
        assert!(!report.text().contains("KL"), "{}", report.text());
        let json = report.json().expect("plain data");
        assert!(json.contains(r#""kl_divergence_nats":null"#), "{json}");
    }

    #[test]
    fn a_partial_result_says_so_first() {
        let partial = report(3, true).expect("three positions");
        let text = partial.text();
        assert!(text.starts_with("PARTIAL"), "{text}");
        assert!(text.contains("3 of 8 tokens"), "{text}");
        let json = partial.json().expect("plain data");
        assert!(json.contains(r#""partial":true"#), "{json}");
        let whole = report(8, true).expect("eight positions");
        assert!(!whole.text().contains("PARTIAL"));
        assert!(report(0, true).is_none());
    }
}
