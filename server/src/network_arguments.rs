//! The part of the command line that says where the server listens and whom it lets in.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use clap::{Args, ValueHint};

use crate::connections::MAX_CONNECTIONS;
use crate::cors;
use crate::intake::{LARGE_BYTES_TOGETHER, SMALL_BYTES};
use crate::program::Program;

/// Where the server listens and whom it lets in.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Network")]
pub struct NetworkArguments {
    /// Address to listen on; 0.0.0.0 is all of this host's
    /// [default: 127.0.0.1, this host only; all, where the program is called `server`, as the original]
    #[arg(long)]
    pub host: Option<String>,

    /// TCP port; 0 takes any free one and logs it
    #[arg(long, default_value_t = 7860)]
    pub port: u16,

    /// Demand this API key; may be given several times. Without keys, any request is let in
    #[arg(long = "api-key", value_name = "KEY")]
    pub api_keys: Vec<String>,

    /// Demand one of the API keys in this file, one in each line; read again at SIGHUP
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub api_key_file: Option<PathBuf>,

    /// Speak TLS with this chain of certificates, in PEM form; read again at SIGHUP
    #[arg(long, value_name = "FILE", requires = "tls_key", value_hint = ValueHint::FilePath)]
    pub tls_cert: Option<PathBuf>,

    /// The certificate's private key, in PEM form
    #[arg(long, value_name = "FILE", requires = "tls_cert", value_hint = ValueHint::FilePath)]
    pub tls_key: Option<PathBuf>,

    /// Pages of this site may use the API in a browser: `https://chat.example.com`, or none for the server's
    /// own page only; may be given several times [default: *, all]
    #[arg(long = "cors-origin", value_name = "ORIGIN", value_parser = str::parse::<cors::Asked>)]
    pub cors_origins: Vec<cors::Asked>,

    /// Append a line of JSON to this file for each request: id, client, status, time in the queue, tokens;
    /// opened again at SIGHUP; - is standard output
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub access_log: Option<PathBuf>,

    /// Connections at once; beyond, those that wait longest for their clients are closed
    /// [default: 4096, or what `ulimit -n` leaves]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MAX_CONNECTIONS as i64))]
    pub max_connections: Option<u32>,

    /// Largest body of a request
    #[arg(long, value_name = "SIZE", default_value = "8MiB", value_parser = body_size)]
    pub max_body: ByteSize,

    /// Seconds for the head of a request to arrive, and for a connection to stay open without one. A head may
    /// have 64 KiB
    #[arg(long, value_name = "SECONDS", default_value_t = 75, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub header_timeout: u32,

    /// Seconds that running answers may take to finish after SIGTERM
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub drain_timeout: u32,
}

impl NetworkArguments {
    /// The address to listen on.
    pub fn address(&self, program: Program) -> &str {
        self.host.as_deref().unwrap_or(program.default_host())
    }

    /// For the head of a request. More than the minute for which proxies keep their connections, by default.
    pub fn head(&self) -> Duration {
        Duration::from_secs(self.header_timeout.into())
    }

    /// For running answers after SIGTERM.
    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_timeout.into())
    }
}

fn body_size(text: &str) -> Result<ByteSize, String> {
    let range = SMALL_BYTES as u64..=LARGE_BYTES_TOGETHER as u64;
    let size = text.parse::<ByteSize>().ok();
    size.filter(|size| range.contains(&size.as_u64()))
        .ok_or_else(|| "it must be a size from 64KiB to 64MiB".into())
}
