//! Fuzzes `sysinfer_conformance::fuzz::cpu_list`.
#![no_main]
sysinfer_fuzz::fuzz!(sysinfer_conformance::fuzz::cpu_list::TARGET);
