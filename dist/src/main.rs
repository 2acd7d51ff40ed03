//! `sysinfer-dist PREFIX`: writes what is installed beside the programs into a folder, as it lies there.
#![forbid(unsafe_code)]

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use sysinfer_dist::{completions, notices, pages, programs};

/// Write man pages, shell completions and licences of sysinfer-server and sysinfer-tune.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The folder, as /usr is one: pages go to its share/man/man1, and so on
    prefix: PathBuf,
    /// What cargo metadata --format-version 1 printed: the crates whose licences are passed on
    #[arg(long, value_name = "FILE.json")]
    crates: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let Arguments { prefix, crates } = Arguments::parse();
    let programs = programs();
    for program in &programs {
        pages::write(program, &prefix)?;
        completions::write(program, &prefix)?;
    }
    let crates = fs::read(&crates).with_context(|| format!("{}", crates.display()))?;
    let crates =
        serde_json::from_slice(&crates).context("this is not what cargo metadata prints")?;
    let names: Vec<&str> = programs.iter().map(|program| program.get_name()).collect();
    let documents = prefix.join("share/doc/sysinfer");
    fs::create_dir_all(&documents).with_context(|| format!("{}", documents.display()))?;
    let path = documents.join("third-party-licences.txt");
    fs::write(&path, notices::text(&crates, &names)?).with_context(|| format!("{}", path.display()))
}
