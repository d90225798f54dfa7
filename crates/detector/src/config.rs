//! Configuration of the detector, with the engine's parameters in units people use.

use std::path::PathBuf;

use coordination::{Engine, Limits, Params, ParamsError};
use scoring::{Model, ModelError, Registry, Subject};
use serde::{Deserialize, Serialize};

use crate::{
    lexicon::{Lexicon, LexiconError},
    shards::Threads,
};

/// The models that come with the program.
const BUNDLED_MODEL: &[u8] = include_bytes!("../../../models/cluster/2/model.json");
const BUNDLED_ACCOUNT_MODEL: &[u8] = include_bytes!("../../../models/account/1/model.json");

/// The `[detector]` table.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Folder of the model registry; the models bundled with the program are used where there is none.
    pub models: PathBuf,
    /// The model whose verdicts are published, `name/version`; empty for the one that the registry has in service.
    pub model: String,
    /// A model that judges the same clusters beside it, `name/version`: what it says is counted and goes nowhere else. Empty for none.
    pub shadow_model: String,
    /// Seconds between two looks at which models ought to be in service; 0 for none, so that a new one waits for the next start.
    pub model_check_s: u64,
    /// A lexicon of topics and targets in place of the bundled one: a file, or a folder of files.
    pub lexicon: Option<PathBuf>,
    /// Posts taken from the log at a time; outputs are committed as often.
    pub batch: usize,
    /// A post dated further than this into the future, in seconds, goes to the dead letters: it would carry event time with it.
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
        Config {
            models: "models".into(),
            model: String::new(),
            shadow_model: String::new(),
            model_check_s: 2,
            lexicon: None,
            batch: 2_000,
            future_tolerance_s: 300,
            checkpoints: ".lockstep/checkpoints".into(),
            checkpoint_every_s: 60,
            shards: 1,
            engine: EngineConfig::default(),
        }
    }
}

/// The `[detector.engine]` table. What each means is said at [`Params`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EngineConfig {
    /// Seconds that a post may come behind the newest one and still have its turn.
    pub allowed_lateness_s: u32,
    /// Windows of a co-act, seconds, narrowest first.
    pub windows_s: [u32; 3],
    /// Acts remembered per key.
    pub ring: usize,
    /// Seconds that an act is remembered on its key.
    pub horizon_s: u32,
    /// Safety factor on expected shares.
    pub safety: f64,
    /// Hours that history must be old to be a baseline.
    pub baseline_lag_h: f64,
    /// Days in which the weight of history halves.
    pub baseline_half_life_days: f64,
    /// Minutes between two credits of a pair.
    pub credit_interval_min: u32,
    /// Nats that a tie needs to propose a candidate.
    pub propose_nats: f64,
    /// Seconds that a test on a key stays open.
    pub test_window_s: u32,
    /// False discovery rate.
    pub alpha: f64,
    /// Minutes of event time between evaluations.
    pub tick_min: u32,
    /// Days after which a tie, or a candidate without news, is forgotten.
    pub retention_days: f64,
    /// Most live keys.
    pub max_keys: usize,
    /// Most ties.
    pub max_ties: usize,
    /// Most account and source pairs of the baseline.
    pub max_habits: usize,
    /// Most living candidates.
    pub max_candidates: usize,
    /// Most accounts; of those in no candidate, the longest silent are forgotten first.
    pub max_accounts: usize,
    /// Where short links lead: host and path without scheme, to an address. Nothing is looked up on the network.
    pub short_links: std::collections::BTreeMap<String, String>,
}

const SECOND: f64 = 1_000.0;
const MINUTE: f64 = 60.0 * SECOND;
const HOUR: f64 = 60.0 * MINUTE;
const DAY: f64 = 24.0 * HOUR;

impl Default for EngineConfig {
    fn default() -> EngineConfig {
        let p = Params::default();
        let seconds = |ms: i64| (ms as f64 / SECOND) as u32;
        EngineConfig {
            allowed_lateness_s: seconds(p.allowed_lateness),
            windows_s: p.windows.map(seconds),
            ring: p.ring,
            horizon_s: seconds(p.horizon),
            safety: p.safety,
            baseline_lag_h: p.baseline_lag as f64 / HOUR,
            baseline_half_life_days: p.baseline_half_life as f64 / DAY,
            credit_interval_min: seconds(p.credit_interval) / 60,
            propose_nats: p.propose_nats,
            test_window_s: seconds(p.test_window),
            alpha: p.alpha,
            tick_min: seconds(p.tick) / 60,
            retention_days: p.tie_retention as f64 / DAY,
            max_keys: p.limits.keys,
            max_ties: p.limits.ties,
            max_habits: p.limits.habits,
            max_candidates: p.limits.candidates,
            max_accounts: p.limits.accounts,
            short_links: p.short_links,
        }
    }
}

impl EngineConfig {
    /// The engine's own form, not yet validated.
    pub fn params(&self) -> Params {
        let ms = |s: u32| i64::from(s) * 1_000;
        // No span of time is longer than a thousand years: what adds to it cannot overflow.
        let span = |ms: f64| ms.min(365_000.0 * DAY) as i64;
        let retention = span(self.retention_days * DAY);
        Params {
            allowed_lateness: ms(self.allowed_lateness_s),
            windows: self.windows_s.map(ms),
            ring: self.ring,
            horizon: ms(self.horizon_s),
            safety: self.safety,
            baseline_lag: span(self.baseline_lag_h * HOUR),
            baseline_half_life: span(self.baseline_half_life_days * DAY),
            credit_interval: 60 * ms(self.credit_interval_min),
            propose_nats: self.propose_nats,
            test_window: ms(self.test_window_s),
            alpha: self.alpha,
            tick: 60 * ms(self.tick_min),
            tie_retention: retention,
            candidate_retention: retention,
            limits: Limits {
                keys: self.max_keys,
                ties: self.max_ties,
                habits: self.max_habits,
                candidates: self.max_candidates,
                accounts: self.max_accounts,
            },
            short_links: self.short_links.clone(),
            ..Params::default()
        }
    }
}

/// Why the detector cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An engine parameter makes no sense.
    #[error("configuration: detector.engine: {0}")]
    Params(#[from] ParamsError),
    /// The model cannot be loaded.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A model that the configuration names cannot be used.
    #[error("configuration: detector.{key}: {source}")]
    Named {
        /// Which key.
        key: &'static str,
        /// Why not.
        source: ModelError,
    },
    /// The lexicon cannot be read.
    #[error(transparent)]
    Lexicon(#[from] LexiconError),
    /// The checkpoints' folder cannot be used.
    #[error("configuration: detector.checkpoints: {0}")]
    Checkpoints(#[from] runtime::checkpoint::CheckpointError),
}

impl Config {
    /// A fresh engine.
    pub fn engine(&self) -> Result<Engine, StartError> {
        Ok(Engine::sharded(self.engine.params(), self.shards, Box::new(Threads))?)
    }

    /// The active model of clusters: the one named, or the registry's, or the bundled one where there is no registry.
    pub fn model(&self) -> Result<Model, StartError> {
        match self.named_model()? {
            Some(name) => self.load_named("model", &name),
            None if self.models.is_dir() => Ok(Registry::open(&self.models)?.active()?),
            None => Ok(Model::from_bytes(BUNDLED_MODEL)?.of(Subject::Cluster)?),
        }
    }

    /// The model of accounts in service, or the bundled one where there is no registry. A registry may do without.
    pub fn account_model(&self) -> Result<Option<Model>, StartError> {
        if self.models.is_dir() {
            return Ok(Registry::open(&self.models)?.active_of(Subject::Account)?);
        }
        Ok(Some(Model::from_bytes(BUNDLED_ACCOUNT_MODEL)?.of(Subject::Account)?))
    }

    /// Whether names and numbers make sense, without a look at any file.
    pub fn check(&self) -> Result<(), StartError> {
        self.named_model()?;
        self.named_shadow_model()?;
        self.engine().map(drop)
    }

    /// The lexicon named, or the bundled one.
    pub fn lexicon(&self) -> Result<Lexicon, StartError> {
        Ok(match &self.lexicon {
            Some(path) => Lexicon::load(path)?,
            None => Lexicon::bundled()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_the_engines_own() {
        assert_eq!(EngineConfig::default().params(), Params::default());
    }

    #[test]
    fn the_bundled_models_are_those_of_the_registry() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
        let [bundled, registry] = ["no/such/folder".into(), root].map(|models| Config { models, ..Config::default() });
        assert_eq!(bundled.model().unwrap(), registry.model().unwrap());
        assert_eq!(bundled.account_model().unwrap(), registry.account_model().unwrap());
        assert_eq!(bundled.account_model().unwrap().unwrap().subject(), Subject::Account);
    }
}
