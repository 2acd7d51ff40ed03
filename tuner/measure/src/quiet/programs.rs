//! Who keeps a host busy: CPU time of each program that this process can see, between two looks.

use std::collections::BTreeMap;
use std::path::Path;

use sysinfer_machine::ThreadTime;

use super::TICKS_PER_SECOND;

/// Programs that are looked at; a host with more is busy enough.
const MAX_PROGRAMS: usize = 32_768;
/// A program that takes less of a CPU keeps nothing busy.
const MIN_CPUS: f64 = 0.02;

/// A program and what it took.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// As the kernel has it: at most 15 bytes of the file's name, or what it calls itself.
    pub name: String,
    /// Process id.
    pub id: u32,
    /// CPUs' worth of time: 0.5 is half of one, 4.0 all of four.
    pub cpus: f64,
}

/// Names and ticks of all programs but this one, by process id.
pub(super) type Times = BTreeMap<u32, (String, u64)>;

/// Reads `/proc/N/stat` of every N that can be read; `own` is this process.
pub(super) fn read_times(proc: &Path, own: u32) -> Times {
    let Ok(entries) = std::fs::read_dir(proc) else {
        return Times::new();
    };
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.ok()?;
        let id: u32 = entry.file_name().to_str()?.parse().ok()?;
        // Whoever has ended meanwhile has none.
        let stat = std::fs::read(entry.path().join("stat")).ok()?;
        let main = ThreadTime::parse(&String::from_utf8_lossy(&stat))?;
        (id != own).then_some((id, (main.name, main.ticks)))
    };
    entries.take(MAX_PROGRAMS).filter_map(read).collect()
}

/// Programs that took CPU time within `seconds`, the busiest first. One that began meanwhile took all of
/// its time then.
pub(super) fn busiest(before: &Times, after: &Times, seconds: f64) -> Vec<Program> {
    let took = |(id, (name, ticks)): (&u32, &(String, u64))| {
        let earlier = before.get(id).map_or(0, |(_, ticks)| *ticks);
        let cpus = ticks.saturating_sub(earlier) as f64 / (TICKS_PER_SECOND * seconds);
        (cpus >= MIN_CPUS).then(|| Program {
            name: name.clone(),
            id: *id,
            cpus,
        })
    };
    let mut programs: Vec<Program> = after.iter().filter_map(took).collect();
    programs.sort_by(|a, b| b.cpus.total_cmp(&a.cpus));
    programs
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line of `/proc/N/stat` with so many ticks in user mode.
    fn stat(id: u32, name: &str, ticks: u64) -> String {
        let zeros = "0 ".repeat(21);
        format!("{id} ({name}) R 1 2 3 4 5 6 7 8 9 10 {ticks} 0 {zeros} 17 5 0\n")
    }

    fn proc(programs: &[(u32, &str, u64)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (id, name, ticks) in programs {
            let place = folder.path().join(id.to_string());
            std::fs::create_dir(&place).expect("made");
            std::fs::write(place.join("stat"), stat(*id, name, *ticks)).expect("written");
        }
        std::fs::write(folder.path().join("uptime"), "1 1\n").expect("written");
        std::fs::create_dir(folder.path().join("99")).expect("made");
        folder
    }

    #[test]
    fn programs_are_listed_by_what_they_took() {
        let own = 7;
        let before = proc(&[
            (5, "cc1plus", 1000),
            (6, "idle", 50),
            (7, "tuner", 0),
            (8, "x) y", 0),
        ]);
        let after = proc(&[
            (5, "cc1plus", 1190),
            (6, "idle", 51),
            (7, "tuner", 500),
            (8, "x) y", 20),
            (9, "late", 100),
        ]);
        let (before, after) = (
            read_times(before.path(), own),
            read_times(after.path(), own),
        );
        let found = busiest(&before, &after, 2.0);
        let found: Vec<(&str, u32, f64)> = found
            .iter()
            .map(|program| (&program.name[..], program.id, program.cpus))
            .collect();
        assert_eq!(
            found,
            [("cc1plus", 5, 0.95), ("late", 9, 0.5), ("x) y", 8, 0.1)]
        );
        assert!(read_times(Path::new("/nonexistent"), own).is_empty());
    }

    #[test]
    fn an_id_that_another_program_has_now_is_no_negative_time() {
        let before = Times::from([(5, ("old".into(), 900))]);
        let after = Times::from([(5, ("new".into(), 10))]);
        assert_eq!(busiest(&before, &after, 1.0), []);
    }
}
