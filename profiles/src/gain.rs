//! What of a gain over the default is proven: one whose interval leaves no room for none.

use std::fmt;

use crate::schema::Evidence;

/// What a profile says of one phase against the untuned default. All are rates over that of the default:
/// 1.10 is ten percent faster.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Gain {
    /// The phase is run as by default, or was not compared with it.
    None,
    /// The whole interval is above 1.
    Proven {
        /// The gain.
        ratio: f64,
        /// Its 95 % interval.
        interval: (f64, f64),
    },
    /// The interval holds 1, or lies below.
    Unproven {
        /// The middle of what was seen.
        ratio: f64,
        /// Its 95 % interval.
        interval: (f64, f64),
    },
    /// A profile of before intervals were recorded.
    NoInterval {
        /// The gain without one.
        ratio: f64,
    },
}

impl Gain {
    /// Of a ratio with its interval, if that is known.
    pub fn of(ratio: f64, interval: Option<(f64, f64)>) -> Self {
        match interval {
            Some(interval) if interval.0 > 1.0 => Self::Proven { ratio, interval },
            Some(interval) => Self::Unproven { ratio, interval },
            None if ratio == 1.0 => Self::None,
            None => Self::NoInterval { ratio },
        }
    }
}

impl fmt::Display for Gain {
    /// `+10.0 % (+7.8 to +12.2)`, or that there is no proven gain, and why.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |ratio: f64| 100.0 * (ratio - 1.0);
        match *self {
            Self::None => f.write_str("none: it is the default"),
            Self::Proven { ratio, interval } => write!(
                f,
                "{:+.1} % ({:+.1} to {:+.1})",
                percent(ratio),
                percent(interval.0),
                percent(interval.1)
            ),
            Self::Unproven { interval, .. } => write!(
                f,
                "no proven gain ({:+.1} to {:+.1} %)",
                percent(interval.0),
                percent(interval.1)
            ),
            Self::NoInterval { ratio } => write!(
                f,
                "no proven gain ({:+.1} %, without an interval)",
                percent(ratio)
            ),
        }
    }
}

impl Evidence {
    /// What is known of the gain in decoding.
    pub fn decode_gain(&self) -> Gain {
        let interval = self.gain_decode_low.zip(self.gain_decode_high);
        Gain::of(self.gain_decode, interval)
    }

    /// The same for prompts.
    pub fn prefill_gain(&self) -> Gain {
        let interval = self.gain_prefill_low.zip(self.gain_prefill_high);
        Gain::of(self.gain_prefill, interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gain_is_called_one_where_its_interval_excludes_none() {
        let cases = [
            (1.1, Some((1.078, 1.122)), "+10.0 % (+7.8 to +12.2)"),
            (1.1, Some((0.99, 1.2)), "no proven gain (-1.0 to +20.0 %)"),
            (1.1, Some((1.0, 1.2)), "no proven gain (+0.0 to +20.0 %)"),
            (0.9, Some((0.8, 0.95)), "no proven gain (-20.0 to -5.0 %)"),
            (1.0, None, "none: it is the default"),
            (3.2, None, "no proven gain (+220.0 %, without an interval)"),
        ];
        for (ratio, interval, words) in cases {
            assert_eq!(Gain::of(ratio, interval).to_string(), words);
        }
    }
}
