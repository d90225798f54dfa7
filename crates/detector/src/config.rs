//! Configuration of the service: what detection goes by, and what only a service needs.

use std::path::PathBuf;

use detection::{EngineConfig, parse_model_name};
use scoring::{Model, ModelName};
use serde::{Deserialize, Serialize};

/// The `[detector]` table.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Folder of the model registry; the models bundled with the program are used where there is
    /// none.
    pub models: PathBuf,
    /// The model whose verdicts are published, `name/version`; empty for the one that the registry
    /// has in service.
    pub model: String,
    /// A model that judges the same clusters beside it, `name/version`: what it says is counted and
    /// goes nowhere else. Empty for none.
    pub shadow_model: String,
    /// Seconds between two looks at which models ought to be in service; 0 for none, so that a new
    /// one waits for the next start.
    pub model_check_s: u64,
    /// A lexicon of topics and targets in place of the bundled one: a file, or a folder of files.
    pub lexicon: Option<PathBuf>,
    /// Posts taken from the log at a time; outputs are committed as often.
    pub batch: usize,
    /// A post dated further than this into the future, in seconds, goes to the dead letters: it
    /// would carry event time with it.
    pub future_tolerance_s: u64,
    /// Folder of the checkpoints: one process's own, on a disk that outlives it.
    pub checkpoints: PathBuf,
    /// Seconds between two checkpoints; 0 for none, so that a start reads the whole log.
    pub checkpoint_every_s: u64,
    /// Parts of the engine that work at the same time; what is found does not depend on it.
    pub shards: u16,
    /// The engine's parameters.
    pub engine: EngineConfig,
}

impl Default for Config {
    fn default() -> Config {
        let detection::Config { models, model, lexicon, future_tolerance_s, shards, engine } =
            detection::Config::default();
        Config {
            models,
            model,
            shadow_model: String::new(),
            model_check_s: 2,
            lexicon,
            batch: 2_000,
            future_tolerance_s,
            checkpoints: ".lockstep/checkpoints".into(),
            checkpoint_every_s: 60,
            shards,
            engine,
        }
    }
}

/// Why the detector cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Detection cannot.
    #[error(transparent)]
    Detection(#[from] detection::StartError),
    /// The checkpoints' folder cannot be used.
    #[error("configuration: detector.checkpoints: {0}")]
    Checkpoints(#[from] runtime::checkpoint::CheckpointError),
}

impl Config {
    /// What detection goes by, be it in a service or over files.
    pub fn detection(&self) -> detection::Config {
        detection::Config {
            models: self.models.clone(),
            model: self.model.clone(),
            lexicon: self.lexicon.clone(),
            future_tolerance_s: self.future_tolerance_s,
            shards: self.shards,
            engine: self.engine.clone(),
        }
    }

    /// Whether names and numbers make sense, without a look at any file.
    pub fn check(&self) -> Result<(), detection::StartError> {
        self.detection().named_model()?;
        self.named_shadow_model()?;
        self.detection().check()
    }

    /// The model that `detector.shadow_model` names, if any.
    pub(crate) fn named_shadow_model(&self) -> Result<Option<ModelName>, detection::StartError> {
        parse_model_name("shadow_model", &self.shadow_model)
    }

    /// The shadow model, where one is named.
    ///
    /// # Errors
    /// [`detection::StartError::Named`] where it cannot be used.
    pub fn shadow_model(&self) -> Result<Option<Model>, detection::StartError> {
        let name = self.named_shadow_model()?;
        name.map(|name| self.detection().load_named("shadow_model", &name)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use toml::Table;

    use super::*;

    #[test]
    fn the_table_has_every_key_of_detection_and_hands_each_on() {
        let mut table = Table::try_from(Config::default()).unwrap();
        let mut changed = Table::try_from(detection::Config::default()).unwrap();
        changed.insert("lexicon".to_owned(), "elsewhere".into());
        for (key, value) in &mut changed {
            match value {
                toml::Value::String(text) => text.push('x'),
                toml::Value::Integer(number) => *number += 1,
                toml::Value::Table(engine) => drop(engine.insert("safety".to_owned(), 9.5.into())),
                other => panic!("{key} is {other}"),
            }
            table.insert(key.clone(), value.clone());
        }
        let config: Config = table.try_into().unwrap();
        assert_eq!(Table::try_from(config.detection()).unwrap(), changed);
    }
}
