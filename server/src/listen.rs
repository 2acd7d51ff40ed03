//! From the network's part of the command line to a socket, and to what every connection is held to.

use std::net::{TcpListener, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use tracing_appender::non_blocking::WorkerGuard;

use crate::http_threads::keep_on;
use crate::keys::Keys;
use crate::network_arguments::NetworkArguments;
use crate::observe::AccessLog;
use crate::program::Program;
use crate::tls::Tls;

/// Binds before the model is loaded, so that a port in use is known at once and probes get answers.
///
/// # Errors
/// There is no such address, or it is taken.
pub fn bind(arguments: &NetworkArguments, program: Program) -> anyhow::Result<TcpListener> {
    let (host, port) = (arguments.address(program), arguments.port);
    let addresses: Vec<_> = (host, port)
        .to_socket_addrs()
        .with_context(|| format!("--host {host}: no such address"))?
        .collect();
    let listener = TcpListener::bind(addresses.as_slice()).with_context(|| {
        format!("cannot listen on {host} port {port}; choose another with --port")
    })?;
    listener
        .set_nonblocking(true)
        .context("cannot listen without blocking")?;
    Ok(listener)
}

/// Says where the server listens, and who can come in.
///
/// # Errors
/// The system does not tell the address.
pub fn announce(listener: &TcpListener, has_tls: bool, keys: &Keys) -> anyhow::Result<()> {
    let address = listener.local_addr()?;
    let scheme = if has_tls { "https" } else { "http" };
    tracing::info!("listening on {scheme}://{address}, loading the model");
    if !address.ip().is_loopback() && !keys.are_required() {
        tracing::warn!(
            "anybody who reaches {address} can use this server: it demands no API key. Set --api-key-file, or \
             --host 127.0.0.1 for this host only"
        );
    }
    Ok(())
}

/// API keys: of the command line and its file, else of the environment.
///
/// # Errors
/// They cannot be used.
pub fn keys(
    arguments: &NetworkArguments,
    of_environment: Option<String>,
) -> anyhow::Result<Arc<Keys>> {
    let mut given = arguments.api_keys.clone();
    if given.is_empty() && arguments.api_key_file.is_none() {
        given.extend(of_environment);
    } else if of_environment.is_some() {
        tracing::info!("SYSINFER_API_KEY is not accepted: the command line says which keys are");
    }
    Ok(Arc::new(Keys::new(given, arguments.api_key_file.clone())?))
}

/// The certificate, if there is one.
///
/// # Errors
/// It cannot be used.
pub fn tls(arguments: &NetworkArguments) -> anyhow::Result<Option<Arc<Tls>>> {
    let files = arguments.tls_cert.clone().zip(arguments.tls_key.clone());
    let tls = files.map(|(certificate, key)| Tls::new(certificate, key));
    Ok(tls.transpose()?.map(Arc::new))
}

/// The access log, if there is one, and what keeps it. The thread that writes it runs on `spare` CPUs, if there are
/// any.
///
/// # Errors
/// It cannot be opened.
pub fn access_log(
    path: Option<&Path>,
    spare: &[usize],
) -> anyhow::Result<Option<(AccessLog, WorkerGuard)>> {
    let Some(path) = path else { return Ok(None) };
    // A new thread inherits the CPUs of the one that starts it, and this one still has others to start.
    let opened = std::thread::scope(|scope| {
        let open = || {
            keep_on(spare);
            AccessLog::open(path)
        };
        scope.spawn(open).join()
    });
    let opened = opened.map_err(|_| anyhow!("the access log could not be started"))?;
    let opened = opened.with_context(|| format!("cannot write to --access-log {}", path.display()));
    opened.map(Some)
}
