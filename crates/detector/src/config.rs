//! Configuration of the service: the settings of detection, and those that only a service needs.

use std::path::PathBuf;

use detection::{EngineConfig, parse_model_name};
use schemars::JsonSchema;
use scoring::{Model, ModelName};
use serde::{Deserialize, Serialize};

/// The `[detector]` table.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Folder of the model registry. If there is no such folder, the models bundled with the
    /// program are used.
    #[schemars(length(min = 1))]
    pub models: PathBuf,
    /// The model whose verdicts are published, "NAME/VERSION". If empty, the model that the
    /// registry has in service (`lockstep models promote`).
    pub model: String,
    /// A second model that judges the same clusters, "NAME/VERSION". Its verdicts are counted in
    /// metrics and not published. Empty for none.
    pub shadow_model: String,
    /// A promoted model is loaded within this time, between two batches and without a restart; with
    /// 0, at the next start.
    #[schemars(range(min = 0, max = 86_400), extend("unit" = "seconds"))]
    pub model_check_s: u64,
    /// A file, or a folder of files, with topics and targets of posts. It replaces the bundled
    /// lexicon. Topics and targets are for routing only.
    #[schemars(length(min = 1), extend("example" = "\"config/topics\""))]
    pub lexicon: Option<PathBuf>,
    /// Posts read from the log at a time. Outputs are committed once per batch.
    #[schemars(range(min = 1, max = 1_000_000), extend("unit" = "posts"))]
    pub batch: usize,
    /// A post dated further than this into the future is not accepted, because it would move event
    /// time forward: it becomes a dead letter or, in a file, a rejected line.
    #[schemars(range(min = 0, max = 86_400), extend("unit" = "seconds"))]
    pub future_tolerance_s: u64,
    /// Folder of the checkpoints, for one process only. It must be on a disk that outlives the
    /// process.
    #[schemars(length(min = 1))]
    pub checkpoints: PathBuf,
    /// Time between two checkpoints. A start continues from the last one. With 0 there are no
    /// checkpoints, and a start reads all posts on the log again.
    #[schemars(range(min = 0, max = 86_400), extend("unit" = "seconds"))]
    pub checkpoint_every_s: u64,
    /// Number of threads of the engine. The result does not depend on it.
    #[schemars(range(min = 1, max = 1_024), extend("unit" = "threads"))]
    pub threads: u16,
    /// Parameters of the engine, which finds groups.
    pub engine: EngineConfig,
}

impl Default for Config {
    fn default() -> Config {
        let detection::Config { models, model, lexicon, future_tolerance_s, threads, engine } =
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
            threads,
            engine,
        }
    }
}

/// Why the detector cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration of detection is invalid.
    #[error(transparent)]
    Detection(#[from] detection::StartError),
    /// The checkpoints' folder cannot be used.
    #[error("configuration: detector.checkpoints: {0}")]
    Checkpoints(#[from] runtime::checkpoint::CheckpointError),
}

impl Config {
    /// The settings of detection, which are the same in a service and over files.
    pub fn detection(&self) -> detection::Config {
        detection::Config {
            models: self.models.clone(),
            model: self.model.clone(),
            lexicon: self.lexicon.clone(),
            future_tolerance_s: self.future_tolerance_s,
            threads: self.threads,
            engine: self.engine.clone(),
        }
    }

    /// Whether names and numbers are valid, without opening any file.
    pub fn check(&self) -> Result<(), detection::StartError> {
        self.detection().named_model()?;
        self.named_shadow_model()?;
        self.detection().check()
    }

    /// The model that `detector.shadow_model` names, if any.
    pub(crate) fn named_shadow_model(&self) -> Result<Option<ModelName>, detection::StartError> {
        parse_model_name("shadow_model", &self.shadow_model)
    }

    /// The shadow model, if one is named.
    ///
    /// # Errors
    /// [`detection::StartError::Named`] if it cannot be used.
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
