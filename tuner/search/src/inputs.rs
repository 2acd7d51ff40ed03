//! Everything a search depends on besides the probe.

use sysinfer_engine::{EngineInfo, Plan};

use super::effort::Effort;
use crate::space::asked::Asked;
use crate::space::kernels::KernelSpace;
use crate::space::placement::{Request, TeamSpace};

/// See the module.
pub struct Inputs<'a> {
    /// The plan of a host that was never tuned, every kernel named.
    pub default: &'a Plan,
    /// Teams to try first.
    pub teams: &'a TeamSpace,
    /// What teams may be made of: more are tried near the best of `teams`.
    pub request: Request<'a>,
    /// Kernels to choose from.
    pub kernels: &'a KernelSpace,
    /// Block sizes that were asked for.
    pub blocks: &'a Asked,
    /// Measure every combination instead of going stage by stage.
    pub exhaustive: bool,
    /// Shape of the model.
    pub info: &'a EngineInfo,
    /// Second-level cache of a core, bytes; 0: unknown.
    pub l2_bytes: usize,
    /// Tokens of the prompt that decode runs start from.
    pub prompt_tokens: usize,
    /// The longest length of the table.
    pub longest_tokens: usize,
    /// How much measuring is allowed.
    pub effort: Effort,
}
