//! `server`: the original's name for `sysinfer-server`, so that
//! `./server MODEL.gguf -t 0.0 -n 4096` works unchanged.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    sysinfer_server::run(sysinfer_server::Program::Server)
}
