//! Fuzzes `sysinfer_conformance::fuzz::gguf`.
#![no_main]
sysinfer_fuzz::fuzz!(sysinfer_conformance::fuzz::gguf::TARGET);
sysinfer_fuzz::mutate_by!(sysinfer_conformance::fuzz::gguf_mutator::mutate);
