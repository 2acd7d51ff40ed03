//! Simulated hosts: a host file in place of host, engine and clock.
//!
//! [`description`] is the file, [`kernel_rate`] its kernels, [`crew`] puts a team on its cores, [`machine`] says how
//! long a step takes there and why (`product`, `attention`, `reading` its parts), [`limits`] what binds it, [`probe`]
//! adds noise and virtual time. The search sees no difference to a real host, but here the best plan is known: that is
//! what [`study`] holds it against.
//!
//! What comes out is a calculation, not a measurement: the processor of such a host is called
//! [`MARK`] and its name, in profile and report, and as no real host is called that, the server
//! refuses such a profile unless it is forced.
#![forbid(unsafe_code)]

mod attention;
pub mod crew;
pub mod description;
mod host;
pub mod kernel_rate;
pub mod limits;
pub mod machine;
pub mod probe;
mod product;
mod reading;
pub mod study;
#[cfg(test)]
pub(crate) mod tests;

pub use description::{Description, DescriptionError};
pub use host::{MARK, SimulatedHost};
pub use kernel_rate::KernelRate;
pub use machine::Machine;
pub use probe::SimulatedProbe;
