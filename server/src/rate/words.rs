//! A cause as a sentence: what happens, and what to do.

use super::cause::Cause;
use super::readings::Evidence;

/// What tunes this host.
const TUNE: &str = "sysinfer-tune MODEL.gguf";

/// The sentence; `None` where there is nothing to say.
pub(super) fn words(cause: Cause, evidence: &Evidence) -> Option<String> {
    let percent = |part: f64| (100.0 * part).round();
    Some(match cause {
        Cause::None => return None,
        Cause::Untuned => format!(
            "There is no tuned rate to compare with: no profile of this model is applied, or it has no decode rates; \
             tune this host ({TUNE}) and start the server with --profile."
        ),
        Cause::OtherMap => format!(
            "The server does not run what the profile measured ({}): start it without the options and environment \
             variables that overrule the profile, or tune again as it is to run ({TUNE}).",
            evidence.difference.as_deref().unwrap_or("another plan")
        ),
        Cause::CpuQuota => format!(
            "The CPU quota of the control group stopped the engine's threads for {} % of the time, in {} periods: \
             raise the quota (cpu.max, docker --cpus, limits.cpu), or bind whole CPUs with a cpuset and tune again.",
            percent(evidence.quota),
            evidence.periods
        ),
        Cause::Stolen => format!(
            "The hypervisor gave a CPU of the engine to others for {} % of the time: use a host, or a kind of virtual \
             machine, whose CPUs are not shared.",
            percent(evidence.stolen)
        ),
        Cause::Throttled => {
            let clock = match percent(evidence.clock) {
                0.0 => "The hardware slowed the CPUs down because of heat".to_owned(),
                slower => format!("The CPUs' clock is {slower} % below the rate that it had"),
            };
            format!("{clock}: look after cooling, power limits and the frequency governor.")
        }
        Cause::BusyCpus => format!(
            "Something else ran on the engine's CPUs for {} % of the time, while its threads were ready: move other \
             programs off these CPUs, or tune and start the server with CPUs of its own (--cpus).",
            percent(evidence.delayed)
        ),
        Cause::Unknown => format!(
            "Nothing that the kernel counts explains it: other programs may take memory bandwidth, or the host changed \
             since it was tuned; compare with `sysinfer-tune check`, and tune again ({TUNE})."
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_says_what_happens_and_what_to_do() {
        let evidence = Evidence {
            quota: 0.434,
            periods: 12,
            stolen: 0.25,
            delayed: 0.5,
            clock: 0.2,
            difference: Some("1 threads, not 2".into()),
            ..Evidence::default()
        };
        let told = |cause| words(cause, &evidence).unwrap_or_default();
        let cases = [
            (Cause::None, ""),
            (Cause::Untuned, "--profile"),
            (Cause::OtherMap, "(1 threads, not 2)"),
            (Cause::CpuQuota, "for 43 % of the time, in 12 periods"),
            (Cause::Stolen, "for 25 % of the time"),
            (Cause::Throttled, "20 % below"),
            (Cause::BusyCpus, "for 50 % of the time"),
            (Cause::Unknown, "sysinfer-tune check"),
        ];
        for (cause, part) in cases {
            assert!(told(cause).contains(part), "{cause:?}: {}", told(cause));
        }
        let hot = words(Cause::Throttled, &Evidence::default()).unwrap_or_default();
        assert!(hot.starts_with("The hardware slowed"), "{hot}");
    }
}
