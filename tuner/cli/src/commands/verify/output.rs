//! What `verify` adds to the object that `compare` prints.

use serde_json::{Value, json};

use super::conclusion::Findings;
use crate::commands::compare::output;
use crate::commands::compare::side::Side;

/// `a` is the profile, `b` is now, `host` what the host gave beside a rate, over what was recorded.
pub(super) fn json(recorded: &Side, now: &Side, found: &Findings) -> Value {
    let mut object = output::json(recorded, now, &found.judged);
    let lengths = object["lengths"].as_array_mut().into_iter().flatten();
    for (length, finding) in lengths.zip(&found.rates) {
        let [memory, cores, core_to_core] = finding.baseline.medians();
        length["host"] = json!({ "memory": memory, "cores": cores, "core_to_core": core_to_core });
        length["excuse"] = json!(finding.excuse);
        length["holds"] = json!(!finding.is_loss());
    }
    let (holds, why) = found.conclusion();
    object["holds"] = json!(holds);
    object["why"] = json!(why);
    object
}
