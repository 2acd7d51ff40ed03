//! The programs of a build that was made for another architecture, on a host with an emulator.
//!
//! The kernel of such a host cannot execute them, unless it was told how (`binfmt_misc`). Whoever starts
//! one by hand puts the emulator before it; what one of our programs starts needs the same words. They
//! come in a variable, as cargo takes them in `CARGO_TARGET_<TRIPLE>_RUNNER`.

use std::ffi::{OsStr, OsString};
use std::fmt::{self, Display, Formatter};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

/// What stands before every program of this build that is started: an emulator and its arguments, or
/// nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runner {
    words: Vec<OsString>,
}

impl Runner {
    /// Name of the variable with a runner's words.
    pub const VARIABLE: &str = "SYSINFER_RUNNER";

    /// The runner that [`Runner::VARIABLE`] names for this process.
    pub fn of_process() -> Self {
        std::env::var_os(Self::VARIABLE).map_or_else(Self::default, |text| Self::new(&text))
    }

    /// The words of `text`, which white space separates; none, if it is blank.
    pub fn new(text: &OsStr) -> Self {
        let words = text.as_bytes().split(u8::is_ascii_whitespace);
        let words = words.filter(|word| !word.is_empty());
        Self {
            words: words
                .map(|word| OsStr::from_bytes(word).to_owned())
                .collect(),
        }
    }

    /// Whether programs are started as they are.
    pub fn is_none(&self) -> bool {
        self.words.is_empty()
    }

    /// The command that starts `program`, arguments for it may follow.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let program = program.as_ref();
        let Some((runner, words)) = self.words.split_first() else {
            return Command::new(program);
        };
        let mut command = Command::new(runner);
        command.args(words).arg(program);
        command
    }
}

/// The variable and its value, for messages.
impl Display for Runner {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let words = self.words.join(OsStr::new(" "));
        write!(f, "{}=\"{}\"", Self::VARIABLE, words.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(runner: &str) -> Vec<OsString> {
        let command = Runner::new(OsStr::new(runner)).command("/bin/a program");
        let program = std::iter::once(command.get_program());
        program
            .chain(command.get_args())
            .map(OsStr::to_owned)
            .collect()
    }

    #[test]
    fn its_words_stand_before_the_program() {
        assert_eq!(line(" "), ["/bin/a program"]);
        let words = ["qemu", "-L", "/usr/arm", "/bin/a program"];
        assert_eq!(line(" qemu  -L\t/usr/arm\n"), words);
    }

    #[test]
    fn it_is_named_by_its_variable() {
        let runner = Runner::new(OsStr::new("qemu  -L /usr/arm"));
        assert_eq!(runner.to_string(), "SYSINFER_RUNNER=\"qemu -L /usr/arm\"");
        assert!(!runner.is_none() && Runner::new(OsStr::new("\t")).is_none());
    }

    #[test]
    fn a_program_is_started_by_it() {
        let runner = Runner::new(OsStr::new("/usr/bin/env -u HOME"));
        let output = runner.command("/bin/echo").arg("started").output();
        assert_eq!(output.expect("every system has both").stdout, b"started\n");
    }
}
