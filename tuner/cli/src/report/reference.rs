//! The two published tables of the original system, for comparison at the same shapes.
//!
//! Source: "CPU推理模型部署指南" (deployment guide of sysInfer, openEuler documentation): average
//! token rate by total length (input + output) on a Kunpeng server of 2 sockets, 128 cores, 4 NUMA
//! nodes and 614.4 GB/s, limited to 48 cores, one sequence. Its measuring protocol is not
//! documented.

use sysinfer_engine::EngineInfo;

/// One published table.
#[derive(Debug)]
pub struct Reference {
    /// Model and quantisation.
    pub model: &'static str,
    architecture: &'static str,
    layers: usize,
    embedding_length: usize,
    kv_heads: usize,
    /// (total tokens, tokens per second).
    pub rates: [(usize, f64); 8],
}

/// Where the tables come from, in one line.
pub const SOURCE: &str = "published by the original sysInfer: Kunpeng server, 48 cores, 4 NUMA nodes, \
    614 GB/s, one sequence; its measuring protocol is not documented";

/// Both tables.
pub const TABLES: [Reference; 2] = [
    Reference {
        model: "Llama3-8B Q4_0",
        architecture: "llama",
        layers: 32,
        embedding_length: 4096,
        kv_heads: 8,
        rates: [
            (32, 28.11),
            (64, 27.66),
            (128, 27.47),
            (256, 26.87),
            (512, 25.93),
            (1024, 23.75),
            (2048, 21.07),
            (4096, 17.49),
        ],
    },
    Reference {
        model: "Baichuan2-13B Q4_0",
        architecture: "baichuan",
        layers: 40,
        embedding_length: 5120,
        kv_heads: 40,
        rates: [
            (32, 17.81),
            (64, 17.57),
            (128, 17.36),
            (256, 17.04),
            (512, 16.53),
            (1024, 15.49),
            (2048, 13.62),
            (4096, 12.93),
        ],
    },
];

/// The table for a model of exactly that shape and quantisation.
pub fn for_model(info: &EngineInfo) -> Option<&'static Reference> {
    TABLES.iter().find(|table| {
        table.architecture == info.architecture
            && table.layers == info.layers
            && table.embedding_length == info.embedding_length
            && table.kv_heads == info.kv_heads
            && info.quantisation.starts_with("Q4_0")
    })
}

impl Reference {
    /// The published rate at a total length, tokens/s.
    pub fn at(&self, total_tokens: usize) -> Option<f64> {
        self.rates
            .iter()
            .find(|(length, _)| *length == total_tokens)
            .map(|(_, rate)| *rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_fall_with_length_as_published() {
        for table in &TABLES {
            for pair in table.rates.windows(2) {
                assert!(
                    pair[0].0 * 2 == pair[1].0 && pair[0].1 > pair[1].1,
                    "{}",
                    table.model
                );
            }
        }
        assert_eq!(TABLES[0].at(4096), Some(17.49));
        assert_eq!(TABLES[1].at(32), Some(17.81));
        assert_eq!(TABLES[0].at(48), None);
    }
}
