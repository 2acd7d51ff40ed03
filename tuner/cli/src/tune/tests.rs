//! The journal around a scripted host: nothing recorded is lost or measured twice wherever it is cut,
//! a replay decides as the run did, recorded times drive deadlines, and no text harms.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;

use serde_json::Value;
use sysinfer_engine::{EngineInfo, Plan, Preset};
use sysinfer_journal::FILE_NAME;
use sysinfer_journal::clock::SampleClock;
use sysinfer_journal::format::Header;
use sysinfer_journal::identity::{Subject, check_model, check_run};
use sysinfer_journal::opening::{Opened, resumable, writer};
use sysinfer_journal::read::{Recorded, read};
use sysinfer_journal::recorder::{Live, Recorder};
use sysinfer_journal::write::Writer;
use sysinfer_machine::{Topology, host_info};
use sysinfer_measure::host::Host;
use sysinfer_probe::scripted::{Scripted, info};
use sysinfer_probe::{
    CoreReading, Interrupt, Nowhere, Phase, Probe, ProbeError, Reading, Silent, Work,
};
use sysinfer_random::SplitMix64;
use sysinfer_search::space::kernels::KernelSpace;
use sysinfer_search::space::placement;
use sysinfer_table::TableData;

use super::arguments::TuneArgs;
use super::findings::Run;
use super::identity::{subject, tune_arguments};
use super::search::search;
use super::setting::{Setting, teams};

/// A host and a model of the imagination.
struct World {
    host: Host,
    info: EngineInfo,
    default: Plan,
    arguments: TuneArgs,
    directory: tempfile::TempDir,
}

/// Three threads are best, more prefetch helps, and unpinned threads cannot be had.
fn truth(plan: &Plan, work: &Work) -> Option<f64> {
    let (team, factor) = match work {
        Work::Prefill { .. } => (&plan.prefill, 20.0),
        Work::Visit { .. } => (&plan.decode, 20.0),
        _ => (&plan.decode, 1.0),
    };
    let pinned = !team.cpus.is_empty();
    let prefetch = plan.blocking.prefetch_bytes as f64 / 1e5;
    pinned.then(|| factor * (100.0 / (1.0 + team.threads.abs_diff(3) as f64) + prefetch))
}

impl World {
    fn new(arguments: &str) -> Self {
        let topology = Topology::from_synthetic("pack:1 numa:1 l3:1 core:4 pu:1").expect("valid");
        let default = placement::default_plan(&topology, 4);
        let words = format!("m.gguf {arguments}");
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        Self {
            host: Host {
                effective_cpus: 4,
                info: host_info(&topology),
                topology,
            },
            info: info(),
            default,
            arguments: tune_arguments(&words).expect("valid"),
            directory: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join(FILE_NAME)
    }

    fn search(&self, probe: &mut dyn Probe, clock: &SampleClock) -> Run {
        let teams = teams(&self.arguments, &self.host).expect("teams");
        let (progress, interrupt) = (Silent, Interrupt::default());
        let setting = Setting {
            arguments: &self.arguments,
            host: &self.host,
            teams: &teams,
            kernels: &KernelSpace::of_this_host(&self.info.block_types),
            info: &self.info,
            default: &self.default,
            clock: &|| clock.seconds(),
            progress: &progress,
            interrupt: &interrupt,
            findings: Vec::new(),
        };
        search(setting, probe, &mut Nowhere).expect("a search")
    }

    fn subject(&self) -> Subject {
        subject(&self.host, &self.arguments)
    }

    fn opened<'a>(&'a self, subject: &'a Subject) -> Opened<'a> {
        Opened {
            subject,
            words: vec!["m.gguf".into()],
            findings: &[],
            source: Preset::all()[0].name().into(),
            info: &self.info,
            default: &self.default,
        }
    }

    /// Measures with a scripted host of this seed, after what is recorded; returns how many samples
    /// were measured.
    fn live(&self, seed: u64, recorded: Option<Recorded>) -> (Run, usize) {
        let time = Cell::new(0.0);
        let mut scripted = Scripted::new(truth, 0.04, seed, &time);
        scripted.throttle_every = 11;
        let subject = self.subject();
        let opened = self.opened(&subject);
        let writer = writer(
            self.directory.path(),
            &opened,
            recorded.as_ref(),
            &mut |_| {},
        )
        .expect("writable");
        let live = Live {
            probe: &mut scripted,
            writer,
        };
        let clock = Rc::new(SampleClock::default());
        let mut recorder = match recorded {
            Some(recorded) => Recorder::resumed(live, clock.clone(), recorded),
            None => Recorder::new(live, clock.clone(), Instant::now()),
        };
        let run = self.search(&mut recorder, &clock);
        (run, scripted.runs)
    }

    fn replay(&self) -> (Run, usize, Option<String>) {
        let recorded = read(&self.path()).expect("readable").expect("a header");
        let clock = Rc::new(SampleClock::default());
        let mut recorder = Recorder::replayed(clock.clone(), recorded);
        let run = self.search(&mut recorder, &clock);
        (run, recorder.served(), recorder.remark())
    }
}

fn samples(path: &Path) -> usize {
    read(path)
        .expect("readable")
        .map_or(0, |recorded| recorded.samples.len())
}

#[test]
fn wherever_a_journal_is_cut_no_whole_sample_is_lost_or_taken_twice() {
    let world = World::new("--lengths 32,64 --repeat 1");
    let (run, taken) = world.live(7, None);
    assert!(run.halted.is_none() && run.findings.confirmation.is_some());
    assert_eq!(samples(&world.path()), taken, "refusals are samples too");
    let whole = std::fs::read(world.path()).expect("written");
    let mut random = SplitMix64(3);
    for cut in (0..8)
        .map(|_| random.below(whole.len()))
        .chain([whole.len()])
    {
        std::fs::write(world.path(), &whole[..cut]).expect("writable");
        let Some(recorded) = read(&world.path()).expect("a torn line is no error") else {
            assert!(
                !whole[..cut].contains(&b'\n'),
                "only a torn header is no journal"
            );
            continue;
        };
        assert_eq!(recorded.torn, whole[cut - 1] != b'\n', "{cut}");
        let kept = recorded.samples.len();
        let (run, taken) = world.live(cut as u64, Some(recorded));
        assert!(run.findings.confirmation.is_some(), "{:?}", run.halted);
        let now = std::fs::read(world.path()).expect("written");
        let lines = whole[..cut]
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        assert_eq!(
            now[..lines],
            whole[..lines],
            "whole lines stay as they were"
        );
        assert_eq!(samples(&world.path()), kept + taken, "{cut}");
        let (again, served, remark) = world.replay();
        assert_eq!(
            served,
            kept + taken,
            "every sample was asked for: {remark:?}"
        );
        assert_eq!(again.findings.data, run.findings.data, "{cut}");
    }
}

#[test]
fn a_replay_decides_as_the_run_did_and_names_what_is_missing() {
    let world = World::new("--lengths 32,64 --repeat 1");
    let (run, taken) = world.live(7, None);
    let (again, served, _) = world.replay();
    assert_eq!(again.findings.confirmation, run.findings.confirmation);
    assert_eq!(again.findings.data, run.findings.data);
    assert_eq!(
        (again.conditions.voids, again.conditions.taken),
        (run.conditions.voids, run.conditions.taken)
    );
    assert!(run.conditions.voids.throttled > 3);
    assert_eq!(served, taken);
    let text = std::fs::read_to_string(world.path()).expect("written");
    let fewer: Vec<&str> = text.lines().take(text.lines().count() - 5).collect();
    std::fs::write(world.path(), fewer.join("\n") + "\n").expect("writable");
    let (cut, ..) = world.replay();
    let why = cut.halted.expect("samples are missing").to_string();
    assert!(
        why.contains("no further sample of") && why.contains("stage"),
        "{why}"
    );
    assert!(
        !cut.findings.log.outcomes.is_empty(),
        "what there is is kept"
    );
}

#[test]
fn a_replay_has_as_many_whole_runs_of_the_table_as_its_journal() {
    let (three, unsure) = ("--lengths 32,64 --repeat 3", "--lengths 32,64");
    let recorded = World::new(three);
    let (run, _) = recorded.live(7, None);
    let runs = |run: &Run| run.findings.data.starts().len();
    // Without the argument, this noise asks for more.
    let more = World::new(unsure);
    assert!(runs(&more.live(7, None).0) > 3);
    std::fs::copy(recorded.path(), more.path()).expect("copied");
    let (again, ..) = more.replay();
    assert!(again.halted.is_none(), "{:?}", again.halted);
    assert_eq!(again.findings.data, run.findings.data);
    // One that was interrupted within a fourth run.
    more.live(7, None);
    let text = std::fs::read_to_string(more.path()).expect("written");
    let kept_decoding = |line: &str| {
        let value: Value = serde_json::from_str(line).expect("JSON");
        value["kind"] == "sample"
            && value["void"].is_null()
            && value["stage"] == "table"
            && value["work"].get("decode").is_some()
    };
    let lines: Vec<&str> = text.lines().collect();
    let decoded: Vec<usize> = (0..lines.len())
        .filter(|&at| kept_decoding(lines[at]))
        .collect();
    std::fs::write(more.path(), lines[..=decoded[3]].join("\n") + "\n").expect("writable");
    let (again, ..) = more.replay();
    let data = &again.findings.data;
    assert_eq!((runs(&again), data.decode[&64].len()), (3, 3));
    assert!(data.prefill.values().all(|points| points.len() == 3));
}

#[test]
fn recorded_times_drive_deadlines() {
    let world = World::new("--lengths 32 --time-limit 100 --repeat 1");
    let (run, _) = world.live(7, None);
    let stages = run.findings.log.outcomes.len();
    let text = std::fs::read_to_string(world.path()).expect("written");
    let slow: String = text
        .lines()
        .enumerate()
        .map(|(number, line)| {
            let mut value: Value = serde_json::from_str(line).expect("JSON");
            if value["kind"] == "sample" {
                value["clock_seconds"] = (3 * number).into();
            }
            format!("{value}\n")
        })
        .collect();
    std::fs::write(world.path(), slow).expect("writable");
    let (late, ..) = world.replay();
    assert!(
        late.findings.log.outcomes.len() < stages,
        "the time was over before: {stages}"
    );
    let skipped: Vec<&str> = late
        .findings
        .log
        .skipped
        .iter()
        .map(|skipped| skipped.reason.as_str())
        .collect();
    assert!(skipped.contains(&"no time was left for it"), "{skipped:?}");
}

#[test]
fn a_sampled_table_is_resumed_and_replayed_as_it_was_measured() {
    // At 100 tokens/s, decoding to 4096 takes 40 s; prompts are read at 20 times that.
    let world = World::new("--lengths 32,64,128,2048,4096 --time-limit 20 --repeat 1");
    let (run, taken) = world.live(7, None);
    let data = &run.findings.data;
    let lengths: Vec<usize> = data.sampled.keys().copied().collect();
    assert!(
        lengths.contains(&4096),
        "{lengths:?} {:?}",
        run.findings.remarks
    );
    let whole = std::fs::read(world.path()).expect("written");
    let text = String::from_utf8_lossy(&whole);
    assert!(
        text.contains("{\"visit\":{\"from_tokens\":"),
        "stops are samples"
    );
    let (replayed, served, _) = world.replay();
    assert_eq!((&replayed.findings.data, served), (data, taken));
    // Cut between two stops: those before are not measured again.
    let stop = text.rfind("{\"kind\":\"sample\"").expect("a sample");
    std::fs::write(world.path(), &whole[..stop]).expect("writable");
    let recorded = read(&world.path()).expect("readable").expect("a header");
    let (resumed, measured) = world.live(8, Some(recorded));
    assert_eq!(measured, 1);
    let resumed = resumed.findings.data;
    assert_eq!(resumed.decode, data.decode);
    assert!(resumed.sampled.keys().eq(data.sampled.keys()));
    // Older layouts had no such work, or no readings of cores, and are read as before.
    assert!(text.contains("\"format\":4"), "{text}");
    for older in ["\"format\":1", "\"format\":2", "\"format\":3"] {
        let text = text.replacen("\"format\":4", older, 1);
        std::fs::write(world.path(), text).expect("writable");
        assert!(read(&world.path()).is_ok(), "{older}");
    }
}

/// Stops in the middle of a decode run, as Ctrl-C does.
struct CutShort;

impl Probe for CutShort {
    fn measure(&mut self, _plan: &Plan, _work: &Work) -> Result<Reading, ProbeError> {
        Ok(Reading::default())
    }

    fn cores(&mut self, _plan: &Plan, _phase: Phase) -> Result<CoreReading, ProbeError> {
        Ok(CoreReading::ZERO)
    }
}

#[test]
fn readings_of_cores_come_from_the_journal_as_samples_do() {
    let world = World::new("--lengths 32,64 --repeat 1");
    let (run, _) = world.live(7, None);
    let recorded = || read(&world.path()).expect("readable").expect("a header");
    assert!(recorded().cores.len() > 3, "{}", recorded().cores.len());
    let beside = |run: &Run| run.findings.data.decode_cores(64);
    assert!(beside(&run).iter().all(|it| it.arithmetic.is_some()));
    // A finished run that is resumed reads none, and has all of them.
    let before = std::fs::read(world.path()).expect("written");
    let (again, taken) = world.live(8, Some(recorded()));
    assert_eq!((beside(&again), taken), (beside(&run), 0));
    assert_eq!(std::fs::read(world.path()).expect("written"), before);
    // Cut behind a sample, before the reading that follows it: that one is read again.
    let text = String::from_utf8_lossy(&before);
    let last = text.rfind("{\"kind\":\"cores\"").expect("a reading");
    std::fs::write(world.path(), &before[..last]).expect("writable");
    let (again, _) = world.live(8, Some(recorded()));
    assert_eq!(beside(&again).len(), beside(&run).len());
    // Samples behind it may be void in one run and not in the other.
    let after = std::fs::read(world.path()).expect("written");
    let readings = |journal: &[u8]| {
        let text = String::from_utf8_lossy(journal);
        text.matches("{\"kind\":\"cores\"").count()
    };
    assert_eq!(readings(&after), readings(&before));
}

#[test]
fn readings_of_cores_stay_beside_their_runs_where_a_search_asks_for_fewer() {
    let all = World::new("--lengths 32,64 --prefill 32,64 --repeat 3");
    let (run, _) = all.live(7, None);
    let fewer = World::new("--lengths 32,64 --prefill 64 --repeat 3");
    std::fs::copy(all.path(), fewer.path()).expect("copied");
    let (again, ..) = fewer.replay();
    let (measured, found) = (&run.findings.data, &again.findings.data);
    assert_eq!(found.prefill[&64], measured.prefill[&64]);
    // The prompt before each of these is not asked for; the reading before that one stands in its place.
    let rates = |data: &TableData| -> Vec<f64> {
        let readings = data.prefill_cores(64).into_iter();
        readings.filter_map(|reading| reading.arithmetic).collect()
    };
    for (found, measured) in rates(found).iter().zip(&rates(measured)) {
        assert!(
            (measured - found - 1.0 / 6.0).abs() < 1e-9,
            "{found} {measured}"
        );
    }
    assert_eq!(rates(found).len(), 3);
    assert_eq!(found.decode_cores(64), measured.decode_cores(64));
}

#[test]
fn an_older_journal_that_is_resumed_has_readings_beside_later_runs_only() {
    let world = World::new("--lengths 32,64 --repeat 3");
    world.live(7, None);
    let whole = std::fs::read_to_string(world.path()).expect("written");
    let reading = |line: &&str| line.contains("\"kind\":\"cores\"");
    let first = whole.lines().position(|line| reading(&line)).expect("one");
    let cut = whole.lines().take(first + 7);
    let older: Vec<&str> = cut.filter(|line| !reading(line)).collect();
    std::fs::write(world.path(), older.join("\n") + "\n").expect("writable");
    let recorded = read(&world.path()).expect("readable").expect("a header");
    let (resumed, _) = world.live(8, Some(recorded));
    let data = &resumed.findings.data;
    let known = |reading: &CoreReading| reading.arithmetic.is_some();
    let beside: Vec<CoreReading> = [data.prefill_cores(32), data.decode_cores(64)].concat();
    assert!(beside.iter().any(known) && !beside.iter().all(known));
    assert_eq!(&world.replay().0.findings.data, data);
}

#[test]
fn what_cores_do_now_is_not_put_beside_runs_of_older_journals() {
    let world = World::new("--repeat 1");
    let (_, taken) = world.live(7, None);
    let older = || {
        let recorded = read(&world.path()).expect("readable").expect("a header");
        Recorded {
            cores: Vec::new(),
            ..recorded
        }
    };
    let mut probe = CutShort;
    let live = Live {
        probe: &mut probe,
        writer: Writer::resume(&world.path(), &older()).expect("writable"),
    };
    let mut recorder = Recorder::resumed(live, Rc::default(), older());
    let asked = |recorder: &mut Recorder<'_>| {
        let reading = recorder.cores(&world.default, Phase::Prefill);
        reading.expect("a writable journal")
    };
    let all = older();
    for sample in &all.samples {
        let reading = asked(&mut recorder);
        let served = recorder.served();
        assert_eq!(reading, CoreReading::default(), "{served} of {taken}");
        let _ = recorder.measure(&all.plans[sample.plan], &sample.work);
    }
    assert_eq!(asked(&mut recorder), CoreReading::ZERO, "all are served");
    let mut replay = Recorder::replayed(Rc::default(), older());
    assert_eq!(asked(&mut replay), CoreReading::default());
}

#[test]
fn time_goes_on_where_recorded_and_measured_samples_alternate() {
    let world = World::new("--repeat 1");
    world.live(7, None);
    let mut recorded = read(&world.path()).expect("readable").expect("a header");
    let writer = Writer::resume(&world.path(), &recorded).expect("writable");
    let mut probe = CutShort;
    let live = Live {
        probe: &mut probe,
        writer,
    };
    recorded.samples.truncate(1);
    recorded.samples[0].clock_seconds = 100.0;
    let (plan, work) = (
        recorded.plans[recorded.samples[0].plan].clone(),
        recorded.samples[0].work.clone(),
    );
    let clock = Rc::new(SampleClock::default());
    let mut recorder = Recorder::resumed(live, clock.clone(), recorded);
    let unknown = Work::Prefill { tokens: 7 };
    let mut seconds = Vec::new();
    for work in [&unknown, &work, &unknown, &unknown] {
        let _ = recorder.measure(&plan, work);
        seconds.push(clock.seconds());
    }
    assert!(seconds[0] < 100.0 && seconds[1] == 100.0, "{seconds:?}");
    assert!(seconds[2] > 100.0 && seconds[3] > seconds[2], "{seconds:?}");
}

#[test]
fn a_sample_that_was_cut_short_is_not_recorded() {
    let world = World::new("--repeat 1");
    world.live(7, None);
    let recorded = read(&world.path()).expect("readable").expect("a header");
    let before = recorded.samples.len();
    let writer = Writer::resume(&world.path(), &recorded).expect("writable");
    let mut probe = CutShort;
    let live = Live {
        probe: &mut probe,
        writer,
    };
    let mut recorder = Recorder::new(live, Rc::default(), Instant::now());
    let decode = Work::Decode {
        prompt_tokens: 1,
        lengths: vec![32],
    };
    let visit = Work::Visit {
        from_tokens: 0,
        total_tokens: 512,
        groups: 12,
        group_steps: 1,
    };
    for work in [decode, visit] {
        let reading = recorder.measure(&world.default, &work);
        reading.expect("an empty reading");
    }
    assert_eq!(samples(&world.path()), before);
    let cores = recorder.cores(&world.default, Phase::Decode);
    assert_eq!(cores.expect("no reading"), CoreReading::default());
    let after = read(&world.path()).expect("readable").expect("a header");
    assert_eq!(after.cores, recorded.cores, "nor what is read after it");
}

#[test]
fn journals_of_another_host_model_or_version_are_refused_by_name() {
    let world = World::new("--repeat 1");
    world.live(7, None);
    let recorded = read(&world.path()).expect("readable").expect("a header");
    let refusal = |change: fn(&mut Header)| {
        let mut header = recorded.header.clone();
        header.arguments = vec!["m.gguf".into(), "--repeat".into(), "1".into()];
        change(&mut header);
        check_run(&header, &world.subject())
            .and_then(|()| check_model(&header, &world.info, &world.default))
            .err()
            .map(|error| format!("{error:#}"))
    };
    assert_eq!(refusal(|_| ()), None);
    assert_eq!(refusal(|header| header.host.memory_bytes += 4096), None);
    type Change = fn(&mut Header);
    let cases: [(Change, &str); 7] = [
        (|header| header.version = "0.0.1".into(), "of version 0.0.1"),
        (
            |header| header.host.cpu_model = "Z80".into(),
            "cpu_model was recorded as \"Z80\"",
        ),
        (|header| header.host.memory_bytes = 1 << 45, "memory_bytes"),
        (|header| header.effective_cpus = 1, "another host"),
        (
            |header| header.arguments.push("--quick".into()),
            "quick was recorded as true",
        ),
        (
            |header| header.arguments.push("--no-such".into()),
            "not understood",
        ),
        (
            |header| header.model.fingerprint = "else".into(),
            "another model: model.fingerprint",
        ),
    ];
    for (change, words) in cases {
        let message = refusal(change).expect(words);
        assert!(message.contains(words), "{words}: {message}");
        assert!(message.contains("--resume"), "the remedy: {message}");
    }
}

#[test]
fn a_run_without_samples_displaces_no_journal_that_is_kept() {
    let world = World::new("--repeat 1");
    world.live(7, None);
    let subject = world.subject();
    let kept = std::fs::read(world.path()).expect("written");
    let previous = world.directory.path().join("previous-journal.jsonl");
    for beginning in ["a second run", "a third", "a fourth"] {
        drop(
            writer(
                world.directory.path(),
                &world.opened(&subject),
                None,
                &mut |_| {},
            )
            .expect("writable"),
        );
        assert_eq!(samples(&world.path()), 0, "{beginning}");
        assert_eq!(std::fs::read(&previous).expect(beginning), kept);
    }
}

#[test]
fn a_journal_that_could_be_resumed_is_told_from_others() {
    let world = World::new("--repeat 1");
    world.live(7, None);
    let subject = world.subject();
    let text = std::fs::read_to_string(world.path()).expect("written");
    let (header, rest) = text.split_once('\n').expect("a header and samples");
    let mut header: Value = serde_json::from_str(header).expect("JSON");
    let taken = samples(&world.path());
    for (model, rest, expected) in [
        ("m.gguf", rest, Some(taken)),
        ("n.gguf", rest, None),
        ("m.gguf", "", None),
        ("m.gguf", "{}\n", None),
    ] {
        header["arguments"] = serde_json::json!([model, "--repeat", "1"]);
        std::fs::write(world.path(), format!("{header}\n{rest}")).expect("writable");
        let found = resumable(&world.path(), &world.opened(&subject));
        assert_eq!(found, expected, "{model} {}", rest.len());
    }
}

#[test]
fn broken_journals_are_refused_by_line() {
    let world = World::new("--lengths 32 --repeat 1");
    world.live(7, None);
    let text = std::fs::read_to_string(world.path()).expect("written");
    let lines: Vec<&str> = text.lines().collect();
    let sample = lines
        .iter()
        .position(|line| line.contains("\"kind\":\"sample\""))
        .expect("one");
    let cores = lines
        .iter()
        .position(|line| line.contains("\"kind\":\"cores\""))
        .expect("one");
    let cases: [(usize, &str, &str, &str); 12] = [
        (0, "\"format\":4", "\"format\":5", "line 1: format 5"),
        (
            0,
            "\"effective_cpus\":4",
            "\"effective_cpus\":4096",
            "line 1: effective_cpus",
        ),
        (
            0,
            "\"context_length\":8192",
            "\"context_length\":18446744073709551615",
            "line 1: the model",
        ),
        (0, "\"nodes\":[[0,", "\"nodes\":[[7,", "not on its nodes"),
        (
            sample,
            "\"clock_seconds\":",
            "\"clock_seconds\":-",
            "clock_seconds",
        ),
        (sample, "\"seconds\":", "\"seconds\":1e999,\"x\":", ": line"),
        (
            sample,
            "\"plan\":0",
            "\"plan\":99",
            "plan 99, which is not above",
        ),
        (
            sample,
            "{\"kind\":\"sample\"",
            "{\"kind\":\"shape\"",
            "shape",
        ),
        (
            sample,
            "\"points\":",
            "\"refused\":\"no\",\"points\":",
            "either points or a reason",
        ),
        (cores, "\"plan\":", "\"plan\":99", "which is not above"),
        (
            cores,
            "\"arithmetic\":",
            "\"arithmetic\":-",
            "a reading of cores is -",
        ),
        (cores, "\"phase\":\"", "\"phase\":\"x", "xde"),
    ];
    for (number, from, to, words) in cases {
        let mut broken: Vec<String> = lines.iter().map(|line| line.to_string()).collect();
        assert!(broken[number].contains(from), "{from}: {}", broken[number]);
        broken[number] = broken[number].replacen(from, to, 1);
        std::fs::write(world.path(), broken.join("\n") + "\n").expect("writable");
        let message = read(&world.path()).expect_err(from).to_string();
        assert!(message.contains(words), "{from}: {message}");
        assert!(
            message.contains(&format!("line {}", number + 1)),
            "{message}"
        );
    }
    for (text, words) in [
        (
            format!("{}\n{}\n", lines[0], lines[0]),
            "line 2: a second header",
        ),
        (format!("{}\n", lines[sample]), "begins with its header"),
        (format!("{}\nnonsense\n{}\n", lines[0], lines[1]), "line 2"),
        (
            format!("{}\n{}", lines[0], " ".repeat(5 << 20)),
            "line 2: longer than",
        ),
    ] {
        std::fs::write(world.path(), text).expect("writable");
        let message = read(&world.path()).expect_err(words).to_string();
        assert!(message.contains(words), "{message}");
    }
    let torn = format!("{}\n\0\0\0\u{fffd}{{\n", lines[0]);
    std::fs::write(world.path(), torn).expect("writable");
    let recorded = read(&world.path()).expect("a torn end").expect("a header");
    assert!(recorded.torn && recorded.whole_bytes == lines[0].len() as u64 + 1);
    assert!(read(Path::new("/nonexistent/journal")).is_err());
}
