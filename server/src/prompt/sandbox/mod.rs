//! Rendering in a process of its own, for templates from model files and from users.
//!
//! A template is a program by a stranger. The fuel of [`ChatTemplate`](super::template::ChatTemplate)
//! stops simple loops, but Jinja has ways around it: lists that hold themselves, operators that copy
//! without being charged, expressions as deep as the source is long. They end in exhausted stacks,
//! gigabytes, or hours. So the server starts itself once more as a small process that renders and
//! nothing else, with little memory; it is stopped when it takes too long, and started again for the
//! next request. Requests that come at once have a process each.
//!
//! [`process`] is the server's side, over `running`, a single process; [`child`] is the other side, `wire`
//! what they say to each other.

pub mod child;
pub mod process;
mod running;
mod wire;

/// The argument that makes one of our programs the rendering process.
pub const ARGUMENT: &str = "--render-chat-template";

/// The exit code of a rendering process that got no thread to render on.
const NO_THREAD: i32 = 71;
