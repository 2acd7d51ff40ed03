//! Where a report goes: beside the profile, into a folder that was named, or into a collection with a
//! folder for each host, and in it one for each date and model.

use std::path::{Path, PathBuf};

use sysinfer_journal::SamplesCsv;

/// Longest name of a folder that is made here, bytes; file systems end at 255.
const MAX_NAME_BYTES: usize = 80;

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

/// The folder, then `FOLDER-2`, `FOLDER-3` and so on.
pub fn numbered(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let number = |number: u32| {
        let mut name = folder.as_os_str().to_owned();
        name.push(format!("-{number}"));
        PathBuf::from(name)
    };
    std::iter::once(folder.to_path_buf()).chain((2..).map(number))
}

/// Whether a run has left samples there.
pub fn has_samples(folder: &Path) -> bool {
    SamplesCsv::path(folder).exists()
}

/// Lower-case letters of any script, digits and dots; anything else becomes one hyphen. Never empty,
/// never a path.
fn slug(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().flat_map(char::to_lowercase) {
        let kept = c.is_alphanumeric() || c == '.' || c == '_';
        if !kept && (out.is_empty() || out.ends_with('-')) {
            continue;
        }
        let c = if kept { c } else { '-' };
        if out.len() + c.len_utf8() > MAX_NAME_BYTES {
            break;
        }
        out.push(c);
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
            (
                ("鲲鹏 920", "2026-11-22", "模型"),
                "r/鲲鹏-920/2026-11-22-模型",
            ),
        ];
        for ((host, date, model), expected) in cases {
            let path = in_collection(Path::new("r"), host, date, model);
            assert_eq!(path, Path::new(expected));
        }
        for (host, model) in [("x", "y"), ("鲲", "模")] {
            let (host, model) = (host.repeat(999), model.repeat(999));
            let long = in_collection(Path::new("r"), &host, "2026", &model);
            let lengths: Vec<usize> = long.iter().skip(1).map(|name| name.len()).collect();
            let is_full = |length: &usize| (MAX_NAME_BYTES - 2..=MAX_NAME_BYTES).contains(length);
            assert!(lengths.iter().all(is_full), "{long:?}");
        }
        assert_eq!(beside(Path::new("a/b.toml")), Path::new("a/b-report"));
    }
}
