//! Scales: from values to places, and which values are worth a label.

/// Ticks that an axis of rates aims at.
const TICKS: f64 = 5.0;

/// From values to places along one direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    from: f64,
    to: f64,
    start: f64,
    end: f64,
    log: bool,
}

impl Scale {
    /// `values` lie evenly between the places `start` and `end`.
    pub(super) fn linear(values: (f64, f64), start: f64, end: f64) -> Self {
        Self {
            from: values.0,
            to: values.1,
            start,
            end,
            log: false,
        }
    }

    /// Each doubling is as long as any other; values must be positive.
    pub(super) fn log(values: (f64, f64), start: f64, end: f64) -> Self {
        Self {
            log: true,
            ..Self::linear((values.0.ln(), values.1.ln()), start, end)
        }
    }

    /// The place of a value.
    pub(super) fn at(&self, value: f64) -> f64 {
        let value = if self.log { value.ln() } else { value };
        let span = self.to - self.from;
        let share = if span.abs() < f64::EPSILON {
            0.5
        } else {
            (value - self.from) / span
        };
        self.start + share * (self.end - self.start)
    }
}

/// Round values from 0 to just above `top`: the last one is the end of the axis.
pub(super) fn ticks(top: f64) -> Vec<f64> {
    let top = if top.is_finite() { top.max(1e-9) } else { 1.0 };
    let rough = top / TICKS;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|step| *step >= rough * 0.999)
        .unwrap_or(10.0 * power);
    let count = (top / step).ceil() as usize;
    (0..=count).map(|tick| tick as f64 * step).collect()
}

/// A tick as text, with the decimals that its step needs.
pub(super) fn tick_text(value: f64, step: f64) -> String {
    let whole = |decimals: &usize| {
        let scaled = step * 10f64.powi(*decimals as i32);
        (scaled - scaled.round()).abs() < 1e-6 && scaled >= 0.5
    };
    let decimals = (0..6).find(whole).unwrap_or(6);
    format!("{value:.decimals$}")
}

/// Of ascending values at their places, those whose labels do not touch the one before; the last
/// always has one.
pub(super) fn labelled(values: &[(f64, f64)], gap: f64) -> Vec<(f64, f64)> {
    let mut kept: Vec<(f64, f64)> = Vec::new();
    for &(value, place) in values {
        if kept.last().is_none_or(|(_, last)| place - last >= gap) {
            kept.push((value, place));
        }
    }
    if let (Some(&last), Some(&end)) = (kept.last(), values.last())
        && last != end
    {
        if kept.len() > 1 {
            kept.pop();
        }
        kept.push(end);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_cover_the_top() {
        for (top, expected) in [
            (28.1, vec![0.0, 10.0, 20.0, 30.0]),
            (0.9, vec![0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]),
            (105.0, vec![0.0, 25.0, 50.0, 75.0, 100.0, 125.0]),
        ] {
            assert_eq!(ticks(top), expected, "{top}");
        }
        for top in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300] {
            let ticks = ticks(top);
            assert!(
                ticks.len() < 12 && ticks.iter().all(|tick| tick.is_finite()),
                "{top}"
            );
        }
        assert_eq!(tick_text(2.5, 2.5), "2.5");
        assert_eq!(tick_text(20.0, 10.0), "20");
        assert_eq!(tick_text(0.4, 0.2), "0.4");
    }

    #[test]
    fn places_follow_values() {
        let scale = Scale::log((32.0, 4096.0), 0.0, 70.0);
        assert!((scale.at(64.0) - 10.0).abs() < 1e-9);
        let scale = Scale::linear((0.0, 10.0), 100.0, 0.0);
        assert_eq!(scale.at(2.5), 75.0);
        let scale = Scale::linear((2.0, 2.0), 0.0, 100.0);
        assert_eq!(scale.at(2.0), 50.0, "one value stands in the middle");
    }

    #[test]
    fn labels_do_not_touch_and_the_last_is_there() {
        let values = [1.0, 2.0, 3.0, 50.0, 96.0].map(|value| (value, value));
        let kept: Vec<f64> = labelled(&values, 24.0).iter().map(|tick| tick.0).collect();
        assert_eq!(kept, [1.0, 50.0, 96.0]);
        let close = [1.0, 90.0, 96.0].map(|value| (value, value));
        let kept: Vec<f64> = labelled(&close, 24.0).iter().map(|tick| tick.0).collect();
        assert_eq!(kept, [1.0, 96.0]);
    }
}
