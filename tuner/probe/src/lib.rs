//! What a measurement is: what is run ([`Work`]), what comes back ([`Reading`]), and [`Probe`], through which
//! everything that decides sees a host.
//!
//! A probe may be the real engine, a simulated host, a journal, or the scripted machine of the tests.
//! [`Session`] wraps it in what every sample needs: void samples are taken once more, all are kept in a
//! [`Sink`], and Ctrl-C and the clock are looked at.
#![forbid(unsafe_code)]

mod cores;
mod finding;
mod interrupt;
mod probe;
mod progress;
mod reading;
mod retries;
mod sample;
#[cfg(feature = "scripted")]
pub mod scripted;
mod session;
mod stage;
mod voids;
mod work;

pub use cores::CoreReading;
pub use finding::Finding;
pub use interrupt::Interrupt;
pub use probe::{Probe, ProbeError, Steps};
pub use progress::{Progress, Silent};
pub use reading::{Point, Reading};
pub use retries::Retries;
pub use sample::{Nowhere, Record, Sink, Validity};
pub use session::{Clock, Halt, Session};
pub use stage::Stage;
pub use sysinfer_engine::Phase;
pub use voids::{Disturbance, VoidKind, Voids};
pub use work::{WARM_STEPS, Work};
