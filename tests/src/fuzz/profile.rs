//! Profiles: whatever text is given, it is read or refused with a line; what is read is written and
//! read again as the same profile.

use sysinfer_machine::{HostInfo, Topology};
use sysinfer_profiles::Profile;
use sysinfer_profiles::matching;

use super::target::{SMALL_FLOOR_BYTES, Target};

/// See [`Target`].
pub const TARGET: Target = Target {
    name: "profile",
    run,
    largest_floor_bytes: SMALL_FLOOR_BYTES,
    // The TOML parser makes a token of some 50 bytes or an error of 100 out of a single sign, in
    // vectors that double. A profile may have 128 KiB, so that is 32 MB at most.
    largest_per_input_byte: 256,
    peak_floor_bytes: 4 * SMALL_FLOOR_BYTES,
    peak_per_input_byte: 512,
};

/// Longest message: it may quote a key or a value of the text, cut to a line or so.
const LONGEST_MESSAGE_BYTES: usize = 4096;

fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match Profile::parse(text, "fuzz.toml") {
        Ok(profile) => {
            let written = profile.to_toml().expect("what was read can be written");
            let again = Profile::parse(&written, "again.toml").unwrap_or_else(|error| {
                panic!("what was written cannot be read: {error}\n{written}")
            });
            assert_eq!(again, profile, "{written}");
            compare(&profile);
        }
        Err(error) => {
            let message = error.to_string();
            assert!(message.starts_with("fuzz.toml: line "), "{message}");
            assert!(message.len() <= LONGEST_MESSAGE_BYTES, "{}", message.len());
        }
    }
}

/// Holds the profile against a host that it was not made for.
fn compare(profile: &Profile) {
    let host = HostInfo {
        cpu_model: "Example".into(),
        architecture: "x86_64".into(),
        sve_bits: None,
        topology: "1 package x 1 node x 2 cores x 1 thread".into(),
        packages: 1,
        nodes: 1,
        cores: 2,
        cpus: 2,
        memory_bytes: 1 << 30,
        page_bytes: 4096,
        cpu_quota: None,
        kernel: "6.6".into(),
        huge_pages: "never".into(),
    };
    let _ = matching::check(profile, &host);
    for notice in matching::notices(profile, &host) {
        assert!(!notice.to_string().is_empty());
    }
    let _ = matching::check_cpus(profile, &Topology::flat(&[0, 1]));
}
