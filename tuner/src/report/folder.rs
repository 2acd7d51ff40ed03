//! Where a report goes: beside the profile, into a folder that was named, or into a collection with a
//! folder for each host, and in it one for each date and model.

use std::path::{Path, PathBuf};

/// Longest name of a folder that is made here; file systems end at 255 bytes.
const LONGEST_NAME: usize = 80;

/// `ROOT/HOST/DATE-MODEL`. `date` is RFC 3339, of which the day counts.
pub fn in_collection(root: &Path, host: &str, date: &str, model: &str) -> PathBuf {
    let day: String = date.chars().take(10).collect();
    root.join(slug(host)).join(slug(&format!("{day}-{model}")))
}

/// `PROFILE-report` beside the profile.
pub fn beside(profile: &Path) -> PathBuf {
    let stem = profile.file_stem().unwrap_or_default().to_string_lossy();
    profile.with_file_name(format!("{stem}-report"))
}

/// Lower-case letters, digits and dots; anything else becomes one hyphen. Never empty, never a path.
fn slug(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().flat_map(char::to_lowercase) {
        let kept = c.is_ascii_alphanumeric() || c == '.' || c == '_';
        if kept && out.len() < LONGEST_NAME {
            out.push(c);
        } else if !kept && !out.ends_with('-') && !out.is_empty() && out.len() < LONGEST_NAME {
            out.push('-');
        }
    }
    let slug = out.trim_matches(['-', '.']);
    if slug.is_empty() {
        "unnamed".into()
    } else {
        slug.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_named_by_host_date_and_model() {
        let cases = [
            (
                (
                    "AMD EPYC 2 cores",
                    "2026-11-22T14:45:50Z",
                    "SmolLM2-135M.Q4_1.gguf",
                ),
                "r/amd-epyc-2-cores/2026-11-22-smollm2-135m.q4_1.gguf",
            ),
            (("../..", "", "/etc/passwd"), "r/unnamed/etc-passwd"),
            (("鲲鹏 920", "2026-11-22", "模型"), "r/920/2026-11-22"),
        ];
        for ((host, date, model), expected) in cases {
            let path = in_collection(Path::new("r"), host, date, model);
            assert_eq!(path, Path::new(expected));
        }
        let long = in_collection(Path::new("r"), &"x".repeat(999), "2026", &"y".repeat(999));
        assert!(
            long.iter().all(|name| name.len() <= LONGEST_NAME),
            "{long:?}"
        );
        assert_eq!(beside(Path::new("a/b.toml")), Path::new("a/b-report"));
    }
}
