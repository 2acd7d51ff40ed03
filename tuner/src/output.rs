//! Standard output and standard error that may be piped into a program which stops reading, as
//! `head` does.
//!
//! The standard library's macros panic there. Those of this crate stand in their place in every module
//! below: when nobody reads the results any more, the program ends as other programs do, without a
//! word; messages that nobody reads are lost, and the measurement goes on.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write, stderr, stdout};
use std::process::exit;

/// What shells report for a program that SIGPIPE has ended.
const NOBODY_READS: i32 = 128 + 13;

macro_rules! print {
    ($($text:tt)*) => { $crate::output::print(format_args!($($text)*)) };
}

macro_rules! println {
    () => { $crate::output::print(format_args!("\n")) };
    ($($text:tt)*) => { $crate::output::print(format_args!("{}\n", format_args!($($text)*))) };
}

macro_rules! eprintln {
    () => { $crate::output::say(format_args!("\n")) };
    ($($text:tt)*) => { $crate::output::say(format_args!("{}\n", format_args!($($text)*))) };
}

/// Writes to standard output, or ends the program: quietly when nobody reads it, with the reason when
/// it cannot be written for another one.
pub(crate) fn print(text: Arguments<'_>) {
    let Err(error) = stdout().lock().write_fmt(text) else {
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
pub(crate) fn say(text: Arguments<'_>) {
    let _ = stderr().lock().write_fmt(text);
}
