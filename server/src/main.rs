//! `sysinfer-server`: serves one GGUF model over the OpenAI API. Everything is in the library.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    sysinfer_server::run(sysinfer_server::Program::SysinferServer)
}
