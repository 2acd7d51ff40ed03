//! SIGHUP: files that operators replace while the server runs are read again.

use std::sync::Arc;

use sysinfer_engine::error::whole;

use crate::keys::Keys;
use crate::observe::AccessLog;
use crate::service_manager;
use crate::tls::Tls;

/// What is read again.
#[derive(Clone, Default)]
pub struct Reload {
    /// API keys.
    pub keys: Arc<Keys>,
    /// The certificate and its key.
    pub tls: Option<Arc<Tls>>,
    /// The file of the access log, which is opened again: whoever rotates logs has moved it away.
    pub access_log: Option<AccessLog>,
}

impl Reload {
    /// Whether SIGHUP is for this. Without files to read again and without a service manager it means, as for
    /// any program, that the terminal is gone.
    pub fn is_wanted(&self) -> bool {
        let has_file =
            self.keys.file().is_some() || self.tls.is_some() || self.access_log.is_some();
        has_file || service_manager::listens()
    }

    /// Reads all files again. What cannot be used is logged, and what was read before stays in force.
    pub fn run(&self) {
        service_manager::reloading();
        if let Some(path) = self.keys.file() {
            match self.keys.reload() {
                Ok(count) => {
                    tracing::info!("{}: {count} API keys are accepted now", path.display())
                }
                Err(error) => tracing::error!("the API keys stay as they were: {}", whole(&error)),
            }
        }
        if let Some(tls) = &self.tls {
            match tls.reload() {
                Ok(()) => tracing::info!("new connections get the certificate that was read now"),
                Err(error) => tracing::error!("the certificate stays as it was: {}", whole(&error)),
            }
        }
        if let Some(log) = &self.access_log {
            log.reopen();
        }
        service_manager::ready("serving");
    }
}
