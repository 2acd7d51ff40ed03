//! Templates that are out for stack, memory or time: the process that renders them pays, the server
//! answers, and the next request finds a process that works.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use sysinfer_machine::Runner;
use sysinfer_server::prompt::sandbox::ARGUMENT;
use sysinfer_server::prompt::sandbox::process::{Program, TemplateProcesses};
use sysinfer_server::prompt::template::{ChatTemplate, TokenTexts};
use sysinfer_server::prompt::{Conversation, Message, PromptError, Role};

const SERVER: &str = env!("CARGO_BIN_EXE_sysinfer-server");

fn program() -> Program {
    Program {
        path: SERVER.into(),
        arguments: vec![ARGUMENT.into()],
        runner: Runner::of_process(),
        start: Duration::from_secs(20),
        deadline: Duration::from_secs(1),
    }
}

/// A program of this host; it has the file that is to be started as an argument.
fn of_this_host(path: impl Into<PathBuf>, arguments: &[&str]) -> Program {
    Program {
        path: path.into(),
        arguments: arguments.iter().map(Into::into).collect(),
        runner: Runner::default(),
        ..program()
    }
}

/// What is said of a template whose process is to be `program`.
fn complaint(program: Program) -> String {
    let started = TemplateProcesses::start("x", "x.jinja", TokenTexts::default(), program);
    started.map(drop).expect_err("no process").to_string()
}

fn start(source: &str) -> Result<TemplateProcesses, String> {
    let started =
        TemplateProcesses::start(source, "hostile.jinja", TokenTexts::default(), program());
    started.map_err(|error| error.to_string())
}

fn says(content: &str) -> Conversation {
    let message = Message::new(Role::User, content);
    Conversation {
        messages: vec![message],
        ..Conversation::default()
    }
}

/// A template that does its worst only where the user says so.
fn on_demand(hostile: &str) -> String {
    format!("{{% if messages[0].content == 'now' %}}{hostile}{{% endif %}}fine")
}

/// Two lists that nobody compares within a lifetime.
const LISTS: &str = "{% set ns = namespace(x=['a'], y=['a']) %}{% for i in range(40) %}\
                     {% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}{% endfor %}";

#[test]
fn nothing_that_a_template_does_ends_the_server() {
    let circle = "{% set ns = namespace() %}{% set ns.x = ns %}";
    let cases = [
        circle.to_owned() + "{{ ns }}",
        circle.to_owned() + "{{ ns | tojson }}",
        LISTS.to_owned() + "{{ ns.x == ns.y }}",
        LISTS.to_owned() + "{{ ns.x | tojson }}",
        "{% set s = 'x' * 100000 %}{{ s.replace('', s) }}".to_owned(),
        "{% set s = 'é' * 1000000 %}{% for i in range(90000) %}{% set t = s[900000] %}{% endfor %}"
            .to_owned(),
        "{{ 'x' * 100000000000 }}".to_owned(),
    ];
    for hostile in cases {
        let process = start(&on_demand(&hostile)).expect(&hostile);
        let error = process.render(&says("now")).expect_err(&hostile);
        let error = error.to_string();
        assert!(error.contains("chat template"), "{hostile}: {error}");
        // Which of its limits a template meets first depends on the host.
        let limits = ["was stopped", "ended", "fuel"];
        assert!(
            limits.iter().any(|limit| error.contains(limit)),
            "{hostile}: {error}"
        );
        assert_eq!(
            process.render(&says("later")),
            Ok("fine".into()),
            "{hostile}"
        );
    }
}

#[test]
fn sources_that_cannot_be_compiled_are_named() {
    let cases = [
        format!("{{{{ {}1 }}}}", "-".repeat(1_000_000)),
        "{% if %}".to_owned(),
    ];
    for source in cases {
        let error = start(&source).map(drop).expect_err("does not compile");
        assert!(error.contains("hostile.jinja"), "{error}");
        assert!(error.contains("--chat-template"), "{error}");
    }
}

#[test]
fn other_templates_render_as_in_this_process() {
    let mut conversation = says(" Grüße\n\u{1e} \"quoted\" ");
    conversation
        .variables
        .insert("deep".into(), json!({"a": [1, 2.5, null, true]}));
    let sources = [
        "{% for m in messages %}{{ m.role }}: {{ m.content | trim }}{% endfor %}",
        "{{ deep | tojson }}{{ bos_token }}",
        "{{ raise_exception('no system role') }}",
        "{{ undefined.attribute }}",
    ];
    for source in sources {
        let here = ChatTemplate::new(source, "x", TokenTexts::default(), || {
            jiff::Timestamp::UNIX_EPOCH
        });
        let here = here.expect(source).render(&conversation);
        assert_eq!(
            start(source).expect(source).render(&conversation),
            here,
            "{source}"
        );
    }
}

/// The server's program by a runner that its user names.
fn by(runner: &str) -> Program {
    Program {
        runner: Runner::new(runner.as_ref()),
        ..program()
    }
}

/// An emulator may know no better than how its child ended, or it itself.
fn says_that_there_is_no_file(error: &str) -> bool {
    let emulated = !Runner::of_process().is_none();
    error.contains("No such file") || (emulated && error.contains("exit status: "))
}

/// It is not the template's fault, and another template would not help.
#[test]
fn a_program_that_cannot_be_started_is_what_the_error_names() {
    let shell = |line| of_this_host("/bin/sh", &["-c", line]);
    let brief = |program| Program {
        start: Duration::from_millis(100),
        ..program
    };
    let cases: [(Program, &[&str]); 8] = [
        (
            of_this_host("/bin/true", &[]),
            &["/bin/true", "exit status: 0"],
        ),
        (of_this_host("/bin/false", &[]), &["exit status: 1"]),
        (shell("kill -KILL $$"), &["signal: 9"]),
        (
            shell("echo usage: this is another program; exit 2"),
            &["exit status: 2"],
        ),
        (brief(shell("exec sleep 60")), &["said nothing for 100 ms"]),
        // Its pipes are closed some time before its status is there.
        (
            shell("exec <&- >&-; sleep 0.2; exit 3"),
            &["exit status: 3"],
        ),
        (shell("exec <&- >&-; exec sleep 60"), &["did not end"]),
        (
            by("/bin/false"),
            &["SYSINFER_RUNNER=\"/bin/false\"", SERVER, "exit status: 1"],
        ),
    ];
    for (program, causes) in cases {
        let what = format!("{program:?}");
        let error = complaint(program);
        let named = error.contains("cannot be started") && !error.contains("broken");
        assert!(named, "{what}: {error}");
        let has_all = causes.iter().all(|cause| error.contains(cause));
        assert!(has_all, "{what}: {error}");
    }
}

#[test]
fn a_program_that_is_not_there_is_what_the_error_names() {
    let named = "SYSINFER_RUNNER=\"/nonexistent -L /x\"";
    for (program, name) in [
        (of_this_host("/nonexistent", &[]), "/nonexistent"),
        (by("/nonexistent -L /x"), named),
    ] {
        let error = complaint(program);
        let has_cause = error.contains("cannot be started") && says_that_there_is_no_file(&error);
        assert!(has_cause && error.contains(name), "{error}");
    }
}

/// A process that has less memory than its stack, and than an emulator takes with it.
#[test]
fn a_process_without_a_thread_says_so() {
    let emulated = !Runner::of_process().is_none();
    let kib = if emulated { 400_000 } else { 200_000 };
    let error = complaint(after(&format!("ulimit -v {kib}")));
    assert!(
        error.contains("cannot be started") && error.contains("stack"),
        "{error}"
    );
}

/// The server's program, which is what remains of a shell that does `first`. Where it is emulated, that is
/// the emulator.
fn after(first: &str) -> Program {
    let runner = Runner::of_process();
    let line = format!("{first}; exec \"$@\"");
    let server = runner.command(SERVER);
    let mut arguments = vec!["-c", &line, "sh"];
    let words = std::iter::once(server.get_program()).chain(server.get_args());
    arguments.extend(words.map(|word| word.to_str().expect("text")));
    arguments.push(ARGUMENT);
    of_this_host("/bin/sh", &arguments)
}

/// As many lines as processes were started, each with the number of one.
struct Numbers(tempfile::TempDir);

impl Numbers {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    /// What a shell does to write its line.
    fn write(&self) -> String {
        format!("echo $$ >> '{}'", self.0.path().join("numbers").display())
    }

    fn read(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.0.path().join("numbers"));
        text.expect("somebody was started")
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

/// What a shell does to say that it is there, and that it has compiled its template, and to be killed in the
/// middle of the first conversation.
const KILLED: &str = r#"answer='\011\000\000\000{"Ok":""}'; printf "$answer$answer"
    length=$(head -c 4 | od -An -tu4); head -c $length > /dev/null; head -c 4 > /dev/null; kill -KILL $$"#;

fn started_by(first: &str) -> TemplateProcesses {
    let program = after(first);
    let started = TemplateProcesses::start("fine", "x.jinja", TokenTexts::default(), program);
    started.expect("it is there")
}

/// Somebody ended it, or the system that was out of memory: the template has no part in it.
#[test]
fn a_process_that_is_killed_is_started_again() {
    let numbers = Numbers::new();
    let processes = started_by(&numbers.write());
    assert_eq!(processes.render(&says("x")), Ok("fine".into()));
    let number = numbers.read()[0].parse().ok().and_then(Pid::from_raw);
    kill_process(number.expect("a number"), Signal::KILL).expect("it is there");
    assert_eq!(processes.render(&says("x")), Ok("fine".into()));
    assert_eq!(numbers.read().len(), 2);

    let numbers = Numbers::new();
    let count = format!(
        "{}; read other < '{}'",
        numbers.write(),
        numbers.0.path().join("numbers").display()
    );
    let processes = started_by(&format!("{count}; if [ $other = $$ ]; then {KILLED}; fi"));
    assert_eq!(
        processes.render(&says("x")),
        Ok("fine".into()),
        "the second try"
    );
    assert_eq!(numbers.read().len(), 2);
}

#[test]
fn a_process_that_is_killed_again_is_the_servers_trouble() {
    let numbers = Numbers::new();
    let processes = started_by(&format!("{}; {KILLED}", numbers.write()));
    let error = processes.render(&says("x")).expect_err("killed");
    assert!(
        matches!(&error, PromptError::RendererEnded(how) if how.contains("signal: 9")),
        "{error:?}"
    );
    assert_eq!(numbers.read().len(), 2, "no third try");
}

#[test]
fn a_conversation_does_not_wait_while_another_is_rendered() {
    let endless = on_demand(&(LISTS.to_owned() + "{{ ns.x == ns.y }}"));
    let program = Program {
        deadline: Duration::from_secs(4),
        ..program()
    };
    let processes = TemplateProcesses::start(&endless, "x.jinja", TokenTexts::default(), program);
    let processes = processes.expect("it is there");
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| processes.render(&says("now")));
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(processes.render(&says("later")), Ok("fine".into()));
        assert!(!slow.is_finished(), "it had to wait");
        let slow = slow.join().expect("no panic");
        assert!(matches!(slow, Err(PromptError::Template(_))), "{slow:?}");
    });
}

/// The program can go away while the server runs; that is no fault of the conversation either.
#[test]
fn a_process_that_cannot_be_started_again_is_the_servers_trouble() {
    let folder = std::env::temp_dir().join(format!("sysinfer-renderer-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("server");
    std::os::unix::fs::symlink(SERVER, &path).expect("a link");
    let gone = path.display().to_string();
    let program = Program { path, ..program() };
    let source = on_demand("{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}");
    let process = TemplateProcesses::start(&source, "x.jinja", TokenTexts::default(), program);
    let process = process.expect("it is there");
    std::fs::remove_dir_all(&folder).expect("it is ours");
    assert!(matches!(
        process.render(&says("now")),
        Err(PromptError::Template(_))
    ));
    let error = process.render(&says("later")).expect_err("it is gone");
    assert!(matches!(&error, PromptError::NoRenderer(_)), "{error}");
    let error = error.to_string();
    let has_cause = error.contains(&gone) && says_that_there_is_no_file(&error);
    assert!(has_cause, "{error}");
}
