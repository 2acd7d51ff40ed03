//! Stop texts in a stream: text that may be the beginning of one is held back until it is known.

/// Finds the first stop text in text that comes piece by piece.
#[derive(Clone, Debug)]
pub struct StopMatcher {
    stops: Vec<String>,
    held: String,
}

/// What a piece of text led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Text that can be sent.
    pub text: String,
    /// A stop text was found; what followed it is gone.
    pub stopped: bool,
}

impl StopMatcher {
    /// Looks for any of `stops`, none of them empty.
    pub fn new(stops: Vec<String>) -> Self {
        Self {
            stops,
            held: String::new(),
        }
    }

    /// Takes the next piece and returns what is certainly not part of a stop text.
    pub fn push(&mut self, piece: &str) -> Passed {
        if self.stops.is_empty() {
            return Passed {
                text: piece.to_string(),
                stopped: false,
            };
        }
        self.held.push_str(piece);
        let first = self
            .stops
            .iter()
            .filter_map(|stop| self.held.find(stop.as_str()))
            .min();
        if let Some(at) = first {
            self.held.truncate(at);
            return Passed {
                text: std::mem::take(&mut self.held),
                stopped: true,
            };
        }
        let rest = self.held.split_off(self.sure_bytes());
        Passed {
            text: std::mem::replace(&mut self.held, rest),
            stopped: false,
        }
    }

    /// Ends the text: what was held back is ordinary text after all.
    pub fn flush(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// How much of `held` no stop text can begin in.
    fn sure_bytes(&self) -> usize {
        let longest = self.stops.iter().map(String::len).max().unwrap_or(0);
        let from = self.held.len().saturating_sub(longest.saturating_sub(1));
        let starts = self
            .held
            .char_indices()
            .map(|(at, _)| at)
            .filter(|at| *at >= from);
        let may_begin = |at: &usize| {
            self.stops
                .iter()
                .any(|stop| stop.starts_with(&self.held[*at..]))
        };
        starts
            .into_iter()
            .find(may_begin)
            .unwrap_or(self.held.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs pieces through and joins what passes, with `|` after each piece.
    fn run(stops: &[&str], pieces: &[&str]) -> (String, bool) {
        let mut matcher = StopMatcher::new(stops.iter().map(|stop| (*stop).to_string()).collect());
        let mut all = String::new();
        for piece in pieces {
            let passed = matcher.push(piece);
            all.push_str(&passed.text);
            if passed.stopped {
                return (all, true);
            }
            all.push('|');
        }
        all.push_str(&matcher.flush());
        (all, false)
    }

    #[test]
    fn stops_are_found_over_seams_and_near_misses_pass() {
        let cases: [(&[&str], &[&str], &str, bool); 9] = [
            (&[], &["a", "b"], "a|b|", false),
            (&["END"], &["say E", "N", "D more"], "say ||", true),
            (&["END"], &["say E", "N", "X"], "say ||ENX|", false),
            (&["END"], &["EN"], "|EN", false),
            (&["\n\n"], &["a\n", "b\n\nc"], "a|\nb", true),
            (&["aab"], &["aa", "ab"], "|a", true),
            (&["world", "lo w"], &["hello", " world"], "hel|", true),
            (&["好的"], &["你好", "的"], "你|", true),
            (&["x", "xy"], &["axy"], "a", true),
        ];
        for (stops, pieces, wanted, stopped) in cases {
            assert_eq!(
                run(stops, pieces),
                (wanted.to_string(), stopped),
                "{stops:?} {pieces:?}"
            );
        }
    }
}
