//! Fuzzes `sysinfer_conformance::fuzz::profile`.
#![no_main]
sysinfer_fuzz::fuzz!(sysinfer_conformance::fuzz::profile::TARGET);
