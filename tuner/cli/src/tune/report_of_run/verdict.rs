//! What a reader takes from a run at first sight, in one sentence.

use sysinfer_probe::Phase;
use sysinfer_profiles::Gain;
use sysinfer_report::Length;
use sysinfer_report::figures::number;

use super::ended::Ended;

impl Ended<'_> {
    /// The sentence: how fast, beside the reference, and what is proven over the default.
    pub(super) fn verdict(&self) -> String {
        if let Some(distrust) = &self.distrust {
            return distrust.caption();
        }
        let parts = [self.rates(), Some(self.gains())].into_iter().flatten();
        format!("{}.", parts.collect::<Vec<_>>().join("; "))
    }

    /// `Decode runs at 28.1 tokens/s at 32 tokens and 17.5 at 4096, 1.0 and 1.0 times the reference`
    fn rates(&self) -> Option<String> {
        let decoded: Vec<&Length> = self
            .rows
            .iter()
            .filter(|row| row.decode_tokens_per_second.is_some())
            .collect();
        let ends = match decoded[..] {
            [] => return None,
            [only] => vec![only],
            [first, .., last] => vec![first, last],
        };
        let rate = |row: &Length| row.decode_tokens_per_second.map_or(0.0, |rate| rate.median);
        let rates: Vec<String> = ends
            .iter()
            .enumerate()
            .map(|(index, row)| {
                let (unit, tokens) = if index == 0 {
                    (" tokens/s", " tokens")
                } else {
                    ("", "")
                };
                format!(
                    "{}{unit} at {}{tokens}",
                    number(rate(row)),
                    row.total_tokens
                )
            })
            .collect();
        let times = |row: &&Length| {
            Some(format!(
                "{:.2}",
                rate(row) / row.reference_tokens_per_second?
            ))
        };
        let times: Option<Vec<String>> = ends.iter().map(times).collect();
        let beside = times.map_or_else(String::new, |times| {
            format!(", {} times the reference", times.join(" and "))
        });
        Some(format!("Decode runs at {}{beside}", rates.join(" and ")))
    }

    fn gains(&self) -> String {
        let is_first = self
            .rows
            .iter()
            .all(|row| row.decode_tokens_per_second.is_none());
        let [the, over, interrupted] = match is_first {
            true => ["The", "Over", "Interrupted"],
            false => ["the", "over", "interrupted"],
        };
        if self.confirmation.is_none() {
            return format!("{interrupted} before a decision: no plan was chosen");
        }
        let [decode, prefill] = Phase::ALL.map(|phase| self.gain(phase));
        if (decode, prefill) == (Gain::None, Gain::None) {
            return format!("{the} default plan stays: nothing was proven to be faster");
        }
        format!("{over} the default plan: decode {decode}, prefill {prefill}")
    }
}
