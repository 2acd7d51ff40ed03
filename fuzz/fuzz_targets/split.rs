//! Fuzzes `sysinfer_conformance::fuzz::split`.
#![no_main]
sysinfer_fuzz::fuzz!(sysinfer_conformance::fuzz::split::TARGET);
sysinfer_fuzz::mutate_by!(sysinfer_conformance::fuzz::split::mutate);
