//! Who is at the other end of a connection.

use std::net::SocketAddr;

/// The address of a client, or of the proxy before it: an extension of each request.
#[derive(Clone, Copy, Debug)]
pub struct Client(pub SocketAddr);
