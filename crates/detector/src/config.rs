//! Configuration of the service: what detection goes by, and what only a service needs.

use std::path::PathBuf;

use detection::{EngineConfig, parse_model_name};
use schemars::JsonSchema;
use scoring::{Model, ModelName};
use serde::{Deserialize, Serialize};

/// The `[detector]` table.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Folder of the model registry; the models bundled with the program are used where there is no
    /// such folder.
    pub models: PathBuf,
    /// The model whose verdicts are published, "NAME/VERSION"; where empty, the one that the registry
    /// has in service (`lockstep models promote`).
    pub model: String,
    /// A model that judges the same clusters beside it, "NAME/VERSION"; its verdicts are counted in
    /// metrics and published nowhere. None where empty.
    pub shadow_model: String,
    /// A promoted model is taken within this time, between two batches and without a restart; with 0
    /// at the next start.
    #[schemars(range(min = 0, max = 86_400), extend("unit" = "seconds"))]
    pub model_check_s: u64,
    /// Topics and targets of posts, for routing only, in place of the bundled lexicon: a file, or a
    /// folder of files.
    #[schemars(extend("example" = "\"config/topics\""))]
    pub lexicon: Option<PathBuf>,
    /// Posts taken from the log at a time; outputs are committed as often.
    #[schemars(range(min = 1, max = 1_000_000), extend("unit" = "posts"))]
    pub batch: usize,
    /// A post dated further than this into the future is not taken, but is a dead letter, or rejected
    /// in a file: it would carry event time with it.
    #[schemars(range(min = 0, max = 86_400), extend("unit" = "seconds"))]
    pub future_tolerance_s: u64,
    /// Folder of the checkpoints: one process's own, on a disk that outlives it.
    pub checkpoints: PathBuf,
    /// Time between two checkpoints, from the last of which a start goes on; with 0 there are none,
    /// and a start reads all posts on the log again.
    #[schemars(range(min = 0, max = 86_400), extend("unit" = "seconds"))]
    pub checkpoint_every_s: u64,
    /// Parts of the engine that work at the same time; what is found does not depend on it.
    #[schemars(range(min = 1, max = 1_024), extend("unit" = "parts"))]
    pub shards: u16,
    /// Parameters of the engine, which finds groups.
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
    fn keys_of_detection_are_told_as_detection_tells_them() {
        let all = configuration::Settings::of::<Config>("detector").unwrap();
        for setting in detection::settings().unwrap().all() {
            assert_eq!(all.all().find(|of| of.path == setting.path), Some(setting));
        }
    }

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
