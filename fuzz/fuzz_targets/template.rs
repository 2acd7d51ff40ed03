//! Fuzzes `sysinfer_conformance::fuzz::template`.
#![no_main]
sysinfer_fuzz::fuzz!(sysinfer_conformance::fuzz::template::TARGET);
