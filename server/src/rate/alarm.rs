//! When a low share is worth a line of the log.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::cause::Cause;

/// A share below this ...
const LOW: f64 = 0.8;
/// ... for so long is told, ...
const STAYS: Duration = Duration::from_secs(30);
/// ... and of one cause not more often than this.
const PAUSE: Duration = Duration::from_secs(600);

/// Decides when to tell.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    low_since: Option<Instant>,
    told: HashMap<Cause, Instant>,
}

impl Alarm {
    /// Whether the share and its cause are to be told at `now`. Where the share is not known, nothing is low.
    pub(super) fn is_due(&mut self, now: Instant, share: Option<f64>, cause: Cause) -> bool {
        if share.is_none_or(|share| share >= LOW) {
            self.low_since = None;
            return false;
        }
        let since = *self.low_since.get_or_insert(now);
        let told = self.told.get(&cause);
        let is_due = now.saturating_duration_since(since) >= STAYS
            && told.is_none_or(|told| now.saturating_duration_since(*told) >= PAUSE);
        if is_due {
            self.told.insert(cause, now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_that_stays_low_is_told_once_for_each_cause_and_again_after_ten_minutes() {
        let began = Instant::now();
        let mut alarm = Alarm::default();
        let mut due = |seconds: u64, share: Option<f64>, cause| {
            alarm.is_due(began + Duration::from_secs(seconds), share, cause)
        };
        assert!(!due(0, Some(0.7), Cause::BusyCpus));
        assert!(!due(29, Some(0.79), Cause::BusyCpus));
        assert!(due(30, Some(0.7), Cause::BusyCpus));
        assert!(!due(31, Some(0.7), Cause::BusyCpus));
        assert!(due(32, Some(0.7), Cause::Unknown));
        assert!(!due(629, Some(0.7), Cause::BusyCpus));
        assert!(due(630, Some(0.7), Cause::BusyCpus));
        // It has to stay low anew.
        assert!(!due(1300, Some(0.8), Cause::BusyCpus));
        assert!(!due(1301, Some(0.7), Cause::BusyCpus));
        assert!(!due(1320, None, Cause::BusyCpus));
        assert!(!due(1340, Some(0.7), Cause::BusyCpus));
        assert!(due(1370, Some(0.7), Cause::BusyCpus));
    }
}
