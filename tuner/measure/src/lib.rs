//! The probe of a real host, and what is looked at before and beside it.
//!
//! [`engine_probe`] runs the real engine, [`bandwidth`] reads the roof that its rates are held against,
//! [`cores`] how fast cores are at the moment, [`quiet`] watches what else runs meanwhile. [`host`] is the
//! machine and what about it costs speed, [`source`] where the model comes from.
//!
//! Nothing here decides anything, or knows a search.
#![forbid(unsafe_code)]

pub mod bandwidth;
pub mod cores;
pub mod engine_probe;
pub mod host;
mod own_team;
pub mod quiet;
pub mod source;
