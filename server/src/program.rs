//! The two names of the program, and what differs between them.

/// The name under which the server was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// `sysinfer-server`.
    SysinferServer,
    /// `server`, the original's name: its command line works as it stands, in its container too.
    Server,
}

impl Program {
    /// The address that is listened on unless another is asked for.
    pub(crate) fn default_host(self) -> &'static str {
        match self {
            Self::SysinferServer => "127.0.0.1",
            // From outside of a container, nothing else can be reached.
            Self::Server => "0.0.0.0",
        }
    }
}
