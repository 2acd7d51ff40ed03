//! Man pages: one for each program and each of its subcommands, in section 1.
//!
//! clap_mangen renders what clap knows by its structure. The text after the options (examples,
//! environment, exit codes) it would fill into one paragraph; `sections` makes sections of it.

mod sections;

use std::fs;
use std::path::Path;

use anyhow::Context;
use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::programs;

/// Writes the pages of `program` and its subcommands under `prefix`.
///
/// # Errors
/// A folder or file cannot be written.
pub fn write(program: &Command, prefix: &Path) -> anyhow::Result<()> {
    let folder = prefix.join("share/man/man1");
    fs::create_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
    for (name, page) in all(program)? {
        let path = folder.join(format!("{name}.1"));
        fs::write(&path, page).with_context(|| format!("{}", path.display()))?;
    }
    Ok(())
}

/// The pages of a program and of its subcommands, each after its name, such as `sysinfer-tune-bench`.
///
/// # Errors
/// None but those of formatting.
pub fn all(program: &Command) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    // `help` needs no page.
    let mut program = program.clone().disable_help_subcommand(true);
    program.build();
    let version = program.get_version().unwrap_or_default();
    std::iter::once(&program)
        .chain(program.get_subcommands())
        .map(|command| Ok((name(command).to_owned(), page(command, version)?)))
        .collect()
}

/// The name of a command's page.
fn name(command: &Command) -> &str {
    command
        .get_display_name()
        .unwrap_or_else(|| command.get_name())
}

fn page(command: &Command, version: &str) -> anyhow::Result<Vec<u8>> {
    let man = Man::new(command.clone())
        .source(format!("sysInfer {version}"))
        .manual("sysInfer");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    unhyphenated().to_writer(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let mut rest = Roff::default();
    if let Some(text) = command.get_after_help() {
        sections::render(&text.to_string(), &mut rest);
    }
    see_also(name(command), &mut rest);
    rest.to_writer(&mut page)?;
    Ok(page)
}

/// Options and names are copied from pages: no hyphens at ends of lines, and no blanks to fill these.
fn unhyphenated() -> Roff {
    let mut roff = Roff::default();
    roff.control("nh", []).control("ad", ["l"]);
    roff
}

/// The programs, without the one whose page this is.
fn see_also(page: &str, roff: &mut Roff) {
    roff.control("SH", ["SEE ALSO"]);
    let programs = programs();
    let others = programs.iter().map(name).filter(|other| *other != page);
    let mut line = Vec::new();
    for other in others {
        if !line.is_empty() {
            line.push(roman(", "));
        }
        line.extend([bold(other), roman("(1)")]);
    }
    roff.text(line);
}

#[cfg(test)]
mod tests;
