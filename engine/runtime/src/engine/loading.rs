//! From a model file, or a preset, to an engine.

use std::collections::HashSet;
use std::sync::Arc;

use sysinfer_machine::Topology;

use super::{Engine, Heads, pool, scratch};
use crate::choice::{chosen, kernels};
use crate::error::EngineError;
use crate::info::EngineInfo;
use crate::kv::homes::Homes;
use crate::load_step::LoadStep;
use crate::model::config::Config;
use crate::model::forward::{Buffers, Model};
use crate::model::loader::Loader;
use crate::model::mapped::Mapped;
use crate::model::model_file::ModelFile;
use crate::model::preset::Preset;
use crate::model::source::{self, InF32, Source, Synthetic};
use crate::plan::Plan;
use crate::precision::{Precision, WeightPrecision};
use crate::teams::{Teams, arenas};
use crate::tokenizer::Tokenizer;
use crate::weight_storage::WeightStorage;

/// Seed of synthetic weights: the same numbers on every host.
pub(super) const SYNTHETIC_SEED: u64 = 1;

impl Engine {
    /// Packs the weights of a model file by the workers that will read them. Memory of its map is given back
    /// along the way, and so is that of the system's cache of the file, unless the plan keeps it. Weights that
    /// the plan leaves in the map (`memory.weights`) stay there, and the file must stay as it is while the
    /// engine lives.
    ///
    /// # Errors
    /// No model that runs here, a plan that this host or model cannot follow, no memory.
    pub fn load(
        file: &ModelFile,
        plan: Plan,
        precision: Precision,
        topology: &Topology,
        progress: &mut dyn FnMut(LoadStep),
    ) -> Result<Engine, EngineError> {
        let config = file.config()?;
        let tokenizer = file.tokenizer()?.map(Arc::new);
        let template = file.chat_template()?.map(str::to_owned);
        let keep_cache = plan.memory.keep_file_cache;
        let source = Mapped {
            file,
            keep_cache,
            stays: plan.memory.weights == WeightStorage::Mapped,
        };
        let mut engine = Self::of_source(&source, config, plan, precision, topology, progress)?;
        check_vocabulary(tokenizer.as_deref(), &engine.model.config)?;
        engine.tokenizer = tokenizer;
        engine.chat_template = template;
        if !keep_cache && engine.files.is_empty() {
            // What lies at the seams of the pieces that went before, and the files' directories.
            file.maps().for_each(|map| map.release_with_cache(map));
        }
        Ok(engine)
    }

    /// Fills a preset's shape with random weights, straight into packed form. No tokenizer.
    ///
    /// # Errors
    /// A plan that this host cannot follow or that wants weights in the map of a file, no memory.
    pub fn synthetic(
        preset: Preset,
        plan: Plan,
        precision: Precision,
        topology: &Topology,
        progress: &mut dyn FnMut(LoadStep),
    ) -> Result<Engine, EngineError> {
        if plan.memory.weights == WeightStorage::Mapped {
            let message = "memory.weights = \"mapped\", but random weights are in no file; say packed, \
                           or write them to a file first (sysinfer-tune synth)";
            return Err(EngineError::Model(message.into()));
        }
        let source = Synthetic::new(preset, SYNTHETIC_SEED);
        Self::of_source(
            &source,
            preset.config(),
            plan,
            precision,
            topology,
            progress,
        )
    }

    pub(super) fn of_source(
        source: &dyn Source,
        config: Config,
        mut plan: Plan,
        precision: Precision,
        topology: &Topology,
        progress: &mut dyn FnMut(LoadStep),
    ) -> Result<Engine, EngineError> {
        let wide;
        let source = match precision.weights {
            WeightPrecision::AsStored => source,
            WeightPrecision::F32 => {
                wide = InF32::new(source)?;
                &wide
            }
        };
        plan.validate()?;
        let total_bytes = source::packed_bytes(source);
        let mut teams = Teams::new(&plan, topology)?;
        let (decode_nodes, prefill_nodes) = teams.nodes(topology);
        let mut done_bytes = 0;
        let what = match plan.memory.weights {
            WeightStorage::Mapped => "finding weights",
            _ => "packing weights",
        };
        let arenas = &mut arenas(&plan, &decode_nodes, total_bytes);
        let weights = teams.decode.enter(|lead| {
            Loader {
                source,
                lead,
                arenas,
                nodes: (&decode_nodes, &prefill_nodes),
                kernels: &|block| kernels(&plan, block),
                loaded: HashSet::new(),
                progress: &mut |bytes| {
                    done_bytes += bytes;
                    progress(LoadStep {
                        done_bytes,
                        total_bytes,
                        what,
                    });
                },
            }
            .load(&config)
        })?;
        let model = Model::new(config, weights);
        plan.kernels = chosen(&model);
        let scratch = scratch(teams.most_threads());
        let chunk = plan.blocking.attention_chunk;
        let homes = Homes::of(model.config.kv_heads, chunk, &decode_nodes);
        let shape = model.config.cache_shape(precision.cache);
        let cache = pool(shape, &homes, &plan);
        Ok(Engine {
            heads: Heads::new(cache.shape(), &homes, &decode_nodes, &prefill_nodes),
            homes,
            cache,
            info: EngineInfo::of(&model, precision),
            files: model.weights.files(),
            model,
            tokenizer: None,
            chat_template: None,
            plan,
            precision,
            topology: topology.clone(),
            teams,
            scratch,
            buffers: Buffers::default(),
            collected: Vec::new(),
            spoilt: Vec::new(),
        })
    }
}

/// A tokenizer must not give ids that the model has no row for.
fn check_vocabulary(tokenizer: Option<&Tokenizer>, config: &Config) -> Result<(), EngineError> {
    match tokenizer.map(Tokenizer::vocabulary_size) {
        Some(size) if size > config.vocabulary_size => Err(EngineError::Model(format!(
            "tokenizer.ggml.tokens has {size} entries, token_embd.weight only {} rows",
            config.vocabulary_size
        ))),
        _ => Ok(()),
    }
}
