//! Which samples count: a disturbed one is taken again, but not without end.

use crate::reading::Point;
use crate::sample::Validity;
use crate::voids::Disturbance;

/// How often a disturbed sample is taken before it is accepted as it is.
const TRIES: usize = 3;
/// A disturbed run longer than this is accepted: another would cost more than it is worth.
const MAX_RETRY_SECONDS: f64 = 5.0;
/// After so many discarded samples, a host on which at least half are disturbed is not going to be
/// quiet, and is measured as it is.
const PATIENCE: usize = 12;

/// What was kept and thrown away so far. It judges by nothing but samples in their order, so that whoever reads
/// them later judges alike.
#[derive(Clone, Copy, Debug, Default)]
pub struct Retries {
    /// Attempts at the present piece of work.
    attempts: usize,
    discarded: usize,
    kept: usize,
}

impl Retries {
    /// Goes on to another piece of work.
    pub fn begin(&mut self) {
        self.attempts = 0;
    }

    /// Whether the next sample of the piece of work counts; once one does, the next is of another.
    pub fn judge(&mut self, points: &[Point], disturbed: Option<&Disturbance>) -> Validity {
        self.attempts += 1;
        let longest = points.iter().map(|point| point.seconds);
        let is_final = self.attempts == TRIES
            || longest.fold(0.0, f64::max) > MAX_RETRY_SECONDS
            || (self.discarded >= PATIENCE && self.discarded >= self.kept);
        let validity = match disturbed.cloned() {
            None => Validity::Valid,
            Some(why) if is_final => Validity::Kept(why),
            Some(why) => Validity::Discarded(why),
        };
        match validity.counts() {
            true => {
                self.kept += 1;
                self.begin();
            }
            false => self.discarded += 1,
        }
        validity
    }

    /// Samples that were thrown away because the host was disturbed.
    pub fn discarded(&self) -> usize {
        self.discarded
    }

    /// Samples so far, void ones included.
    pub fn taken(&self) -> usize {
        self.kept + self.discarded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::voids::VoidKind;

    /// What becomes of disturbed samples of so many seconds, one letter each.
    fn judged(retries: &mut Retries, seconds: &[f64]) -> String {
        let busy = Disturbance::new(VoidKind::Busy, "busy");
        let of = |seconds: &f64| {
            let point = Point {
                seconds: *seconds,
                ..Point::default()
            };
            match retries.judge(&[point], Some(&busy)) {
                Validity::Valid => 'v',
                Validity::Kept(_) => 'k',
                Validity::Discarded(_) => 'd',
            }
        };
        seconds.iter().map(of).collect()
    }

    #[test]
    fn a_disturbed_sample_is_taken_again_but_not_without_end() {
        let mut retries = Retries::default();
        assert_eq!(judged(&mut retries, &[1.0; 6]), "ddkddk");
        assert_eq!(judged(&mut retries, &[9.0, 1.0]), "kd");
        retries.begin();
        assert_eq!(
            judged(&mut retries, &[1.0; 3]),
            "ddk",
            "another piece of work"
        );
        assert_eq!((retries.discarded(), retries.taken()), (7, 11));
        assert_eq!(
            judged(&mut retries, &[1.0; 9]),
            "ddkddkdkk",
            "patience ends"
        );
        assert_eq!(retries.judge(&[], None), Validity::Valid);
    }
}
