//! Standard output and standard error that may be piped into a program which stops reading, as
//! `head` does.
//!
//! The standard library's macros panic there. Those of this crate stand in their place in the programs
//! that take them: when nobody reads the results any more, the program ends as other programs do, without a
//! word; messages that nobody reads are lost, and the measurement goes on.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write, stderr, stdout};
use std::process::exit;

/// What shells report for a program that SIGPIPE has ended.
const NOBODY_READS: i32 = 128 + 13;

/// Writes to standard output, as [`mod@crate::output`] does.
#[macro_export]
macro_rules! print {
    ($($text:tt)*) => { $crate::output::print(format_args!($($text)*)) };
}

/// Writes a line to standard output, as [`mod@crate::output`] does.
#[macro_export]
macro_rules! println {
    () => { $crate::output::print(format_args!("\n")) };
    ($($text:tt)*) => { $crate::output::print(format_args!("{}\n", format_args!($($text)*))) };
}

/// Writes a line to standard error, as [`mod@crate::output`] does.
#[macro_export]
macro_rules! eprintln {
    () => { $crate::output::say(format_args!("\n")) };
    ($($text:tt)*) => { $crate::output::say(format_args!("{}\n", format_args!($($text)*))) };
}

/// Writes to standard output, or ends the program: quietly when nobody reads it, with the reason when
/// it cannot be written for another one.
pub fn print(text: Arguments<'_>) {
    let Err(error) = stdout().lock().write_all(harmless(text).as_bytes()) else {
        return;
    };
    if error.kind() == ErrorKind::BrokenPipe {
        exit(NOBODY_READS);
    }
    say(format_args!(
        "sysinfer-tune: cannot write to standard output: {error}\n"
    ));
    exit(1);
}

/// Writes to standard error; what cannot be written is lost.
pub fn say(text: Arguments<'_>) {
    let _ = stderr().lock().write_all(harmless(text).as_bytes());
}

/// The text with blanks for control characters other than line ends and tabs: what files and servers
/// say is part of it, and must not act on the terminal.
fn harmless(text: Arguments<'_>) -> String {
    let shown = |character: char| match character {
        '\n' | '\t' => character,
        other if other.is_control() => ' ',
        other => other,
    };
    text.to_string().chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_shown_acts_on_the_terminal() {
        let name = "a\u{1b}[2J\r\u{9b}31m\u{7f}\u{8}b";
        let shown = harmless(format_args!("{name}:\n\t\u{6a21}\n"));
        assert_eq!(shown, "a [2J  31m  b:\n\t\u{6a21}\n");
    }
}
