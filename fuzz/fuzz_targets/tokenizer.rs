//! Fuzzes `sysinfer_conformance::fuzz::tokenizer`.
#![no_main]
sysinfer_fuzz::fuzz!(sysinfer_conformance::fuzz::tokenizer::TARGET);
