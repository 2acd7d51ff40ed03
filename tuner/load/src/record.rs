//! What is known about one request, and the definitions of its times.

use super::client::{Answer, Failure};

/// A request sent later than this after its arrival is late, seconds: above what timers are exact to.
pub const LATE_SECONDS: f64 = 0.010;

/// One request. Seconds count from the start of the run.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its number, from 0.
    pub index: u64,
    /// When it should have been sent: its arrival, or with closed arrivals the moment of sending.
    pub scheduled: f64,
    /// When it was sent.
    pub sent: f64,
    /// When it ended.
    pub ended: f64,
    /// Whether it waited in the client since too many were under way.
    pub held: bool,
    /// Its times, or why there are none.
    pub outcome: Result<Timing, Failure>,
}

/// Times of an answer, seconds from [`Record::scheduled`].
#[derive(Clone, Debug, PartialEq)]
pub struct Timing {
    /// To the first event with output.
    pub first: f64,
    /// To the last event with output.
    pub last: f64,
    /// To the end of the stream.
    pub end: f64,
    /// Between events with output, in order.
    pub gaps: Vec<f64>,
    /// Tokens of the answer: the server's count, else events with output.
    pub output_tokens: u64,
    /// Tokens of the prompt, where the server counts.
    pub prompt_tokens: Option<u64>,
    /// Whether [`Self::output_tokens`] is the server's count.
    pub is_counted_by_server: bool,
}

impl Timing {
    /// Times of an answer whose pieces are counted from its arrival.
    pub fn of(answer: &Answer) -> Self {
        let pieces = &answer.pieces;
        let seconds = |index: Option<&std::time::Duration>| index.map_or(0.0, |d| d.as_secs_f64());
        let gaps = pieces
            .windows(2)
            .map(|pair| (pair[1] - pair[0]).as_secs_f64());
        let counted = answer.usage.filter(|usage| usage.completion_tokens > 0);
        Self {
            first: seconds(pieces.first()),
            last: seconds(pieces.last()),
            end: answer.end.as_secs_f64(),
            gaps: gaps.collect(),
            output_tokens: counted.map_or(pieces.len() as u64, |usage| usage.completion_tokens),
            prompt_tokens: counted.map(|usage| usage.prompt_tokens),
            is_counted_by_server: counted.is_some(),
        }
    }

    /// Events with output.
    pub fn pieces(&self) -> u64 {
        self.gaps.len() as u64 + 1
    }

    /// Seconds from the first to the last output by the tokens after the first. `None` where the
    /// output came as one event: there is nothing between to be timed.
    pub fn per_output_token(&self) -> Option<f64> {
        let tokens = self
            .output_tokens
            .checked_sub(1)
            .filter(|tokens| *tokens > 0)?;
        (!self.gaps.is_empty()).then(|| (self.last - self.first) / tokens as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::Usage;
    use std::time::Duration;

    #[test]
    fn tokens_are_the_server_s_count_or_events() {
        let answer = |usage| Answer {
            pieces: [100, 150, 300].map(Duration::from_millis).to_vec(),
            end: Duration::from_millis(310),
            usage,
        };
        let chunks = Timing::of(&answer(None));
        assert_eq!(
            (chunks.output_tokens, chunks.is_counted_by_server),
            (3, false)
        );
        assert_eq!(chunks.per_output_token(), Some((0.3 - 0.1) / 2.0));
        let usage = Usage {
            prompt_tokens: 7,
            completion_tokens: 5,
        };
        let counted = Timing::of(&answer(Some(usage)));
        assert_eq!((counted.output_tokens, counted.prompt_tokens), (5, Some(7)));
        assert_eq!(counted.per_output_token(), Some((0.3 - 0.1) / 4.0));
        assert_eq!((counted.pieces(), counted.end), (3, 0.31));
        let one = Answer {
            pieces: vec![Duration::from_millis(100)],
            usage: Some(usage),
            ..Answer::default()
        };
        assert_eq!(
            Timing::of(&one).per_output_token(),
            None,
            "five tokens in one event"
        );
    }
}
