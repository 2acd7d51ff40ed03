//! Reading a description out of a GGUF's metadata, key by key.

use sysinfer_formats::Gguf;

use super::config::{Experts, Positions};
use super::family::{Family, Part};
use crate::error::EngineError;

/// Llama.cpp tells Baichuan 13B, which has ALiBi, from 7B, which rotates, by its layers.
const BAICHUAN_13B_LAYERS: usize = 40;
/// The bias that Baichuan 13B was trained with; its files do not say.
const BAICHUAN_13B_MAX_BIAS: f32 = 8.0;

/// Characters of a model's name that are kept: enough for a line, and a small part of a profile.
const MOST_NAME_CHARACTERS: usize = 200;

/// Reads `{architecture}.{key}`.
pub(super) struct Reader<'f> {
    file: &'f Gguf<'f>,
    /// The family that the file belongs to.
    pub(super) family: &'static Family,
}

impl<'f> Reader<'f> {
    pub(super) fn new(file: &'f Gguf<'f>) -> Result<Self, EngineError> {
        let architecture = file
            .metadata()
            .require_string("general.architecture")
            .map_err(model)?;
        let family = Family::of(architecture).ok_or_else(|| {
            EngineError::Model(format!(
                "general.architecture is \"{architecture}\"; this engine runs {}",
                Family::names()
            ))
        })?;
        Ok(Self { file, family })
    }

    /// `general.name`, or the architecture, as one line that can be shown anywhere.
    pub(super) fn name(&self) -> Result<String, EngineError> {
        let name = self.file.metadata().string("general.name").map_err(model)?;
        Ok(line_of(name.unwrap_or(self.family.architecture)))
    }

    pub(super) fn optional_count(
        &self,
        key: &str,
        most: usize,
    ) -> Result<Option<usize>, EngineError> {
        let key = format!("{}.{key}", self.family.architecture);
        let Some(value) = self.file.metadata().unsigned(&key).map_err(model)? else {
            return Ok(None);
        };
        match usize::try_from(value) {
            Ok(count) if (1..=most).contains(&count) => Ok(Some(count)),
            _ => Err(EngineError::Model(format!(
                "{key} is {value}; it must be from 1 to {most}"
            ))),
        }
    }

    pub(super) fn count(&self, key: &str, most: usize) -> Result<usize, EngineError> {
        self.optional_count(key, most)?.ok_or_else(|| {
            EngineError::Model(format!("{}.{key} is missing", self.family.architecture))
        })
    }

    pub(super) fn positive(&self, key: &str, default: Option<f32>) -> Result<f32, EngineError> {
        let key = format!("{}.{key}", self.family.architecture);
        let found = self.file.metadata().float(&key).map_err(model)?.or(default);
        match found {
            Some(value) if value.is_finite() && value > 0.0 => Ok(value),
            Some(value) => Err(EngineError::Model(format!(
                "{key} is {value}; it must be above 0"
            ))),
            None => Err(EngineError::Model(format!("{key} is missing"))),
        }
    }

    pub(super) fn vocabulary_size(&self) -> Result<usize, EngineError> {
        let embedding = self.file.require("token_embd.weight").map_err(model)?;
        match embedding.rows() {
            0 => Err(EngineError::Model("token_embd.weight has no rows".into())),
            rows if u32::try_from(rows).is_err() => Err(EngineError::Model(format!(
                "token_embd.weight has {rows} rows; ids have 32 bits"
            ))),
            rows => Ok(rows),
        }
    }

    pub(super) fn positions(
        &self,
        layers: usize,
        head_size: usize,
    ) -> Result<Positions, EngineError> {
        if self.family.architecture == "baichuan" && layers == BAICHUAN_13B_LAYERS {
            return Ok(Positions::Alibi {
                max_bias: BAICHUAN_13B_MAX_BIAS,
            });
        }
        let scaling = format!("{}.rope.scaling.type", self.family.architecture);
        let scale = match self.file.metadata().string(&scaling).map_err(model)? {
            None | Some("none") => 1.0,
            Some("linear") => self.positive("rope.scaling.factor", Some(1.0))?,
            Some(other) => {
                return Err(EngineError::Model(format!(
                    "{scaling} is \"{other}\"; \"none\" and \"linear\" are supported (Llama 3.1's scaling comes as the tensor rope_freqs.weight)"
                )));
            }
        };
        Ok(Positions::Rotary {
            dimensions: self
                .optional_count("rope.dimension_count", 4096)?
                .unwrap_or(head_size),
            base: self.positive("rope.freq_base", Some(10_000.0))?,
            scale,
            order: self.family.order,
        })
    }

    /// Experts, where the family and the file have them.
    pub(super) fn experts(&self) -> Result<Option<Experts>, EngineError> {
        let architecture = self.family.architecture;
        let key = format!("{architecture}.expert_count");
        // Dense files of families that may have experts say 0, or nothing.
        let count = self.file.metadata().unsigned(&key).map_err(model)?;
        let found = count.is_some_and(|count| count > 0);
        if self.family.experts == Part::Absent && found {
            return Err(EngineError::Model(format!(
                "{key} is {}; models of architecture \"{architecture}\" have no experts here",
                count.unwrap_or(0)
            )));
        }
        if !self.family.experts.is_there(found) {
            return Ok(None);
        }
        let count = self.count("expert_count", 4096)?;
        let used = self.count("expert_used_count", 256)?;
        if used > count {
            return Err(EngineError::Model(format!(
                "{architecture}.expert_used_count is {used}, expert_count only {count}"
            )));
        }
        Ok(Some(Experts { count, used }))
    }
}

/// The beginning of a name, with blanks for control characters, which would act on a terminal.
fn line_of(name: &str) -> String {
    let shown = |character: char| match character.is_control() {
        true => ' ',
        false => character,
    };
    name.chars().take(MOST_NAME_CHARACTERS).map(shown).collect()
}

/// A metadata error as the engine's.
fn model(error: sysinfer_formats::GgufError) -> EngineError {
    EngineError::Model(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_lines() {
        let cases = [
            ("Llama 3 8B", "Llama 3 8B"),
            ("a\u{1b}[2Jb\nc\u{9b}d\u{7f}", "a [2Jb c d "),
            ("\u{6a21}\u{578b}", "\u{6a21}\u{578b}"),
        ];
        for (name, expected) in cases {
            assert_eq!(line_of(name), expected, "{name:?}");
        }
        let long = "\u{6a21}".repeat(70_000);
        assert_eq!(line_of(&long).chars().count(), MOST_NAME_CHARACTERS);
    }
}
