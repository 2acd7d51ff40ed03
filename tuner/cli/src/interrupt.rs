//! Ctrl-C: the first asks to finish, the second ends the program.

use anyhow::Context;
use sysinfer_probe::Interrupt;

/// Takes over Ctrl-C (SIGINT), SIGTERM and SIGHUP for the rest of the process.
///
/// # Errors
/// The system refuses the handler, or there is one already.
pub fn install() -> anyhow::Result<Interrupt> {
    let interrupt = Interrupt::default();
    let asked = interrupt.clone();
    ctrlc::set_handler(move || {
        if asked.set() {
            std::process::exit(130);
        }
        eprintln!("\nstopping after the sample in flight; Ctrl-C again stops at once");
    })
    .context("cannot handle Ctrl-C")?;
    Ok(interrupt)
}
