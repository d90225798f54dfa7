//! What detection goes by: models, lexicon, and the engine's parameters in units people use.

use std::path::PathBuf;

use configuration::{Retired, Unused};
use coordination::{Engine, Limits, Params, ParamsError, TraceKind};
use scoring::{Model, ModelError, ModelName, Registry, Subject};
use serde::{Deserialize, Serialize};

use crate::{
    lexicon::{Lexicon, LexiconError},
    threads::Threads,
};

/// The models that come with the program.
const BUNDLED_MODEL: &[u8] = include_bytes!("../../../models/cluster/3/model.json");
const BUNDLED_ACCOUNT_MODEL: &[u8] = include_bytes!("../../../models/account/2/model.json");

/// What detection goes by. A configuration file has it as the `[detector]` table, whose other keys
/// are the service's.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Folder of the model registry; the models bundled with the program are used where there is
    /// none.
    pub models: PathBuf,
    /// The model whose verdicts are told, `name/version`; empty for the one that the registry has
    /// in service.
    pub model: String,
    /// A lexicon of topics and targets in place of the bundled one: a file, or a folder of files.
    pub lexicon: Option<PathBuf>,
    /// A post dated further than this into the future, in seconds, is rejected: it would carry
    /// event time with it.
    pub future_tolerance_s: u64,
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
            lexicon: None,
            future_tolerance_s: 300,
            shards: 1,
            engine: EngineConfig::default(),
        }
    }
}

/// The `[detector.engine]` table. What each means is said at [`Params`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EngineConfig {
    /// Kinds of traces that count: url, repost, hashtags, text, media, reply, mention.
    pub traces: Vec<TraceKind>,
    /// Seconds that a post may come behind the newest one and still have its turn.
    pub allowed_lateness_s: u32,
    /// Seconds behind the newest post from which on a post is too late to count.
    pub horizon_s: u32,
    /// Minutes of event time between evaluations.
    pub tick_min: u32,
    /// Days in which an account's use of a key counts once.
    pub repeat_days: f64,
    /// Days that uses of keys are remembered, for ties and for naming.
    pub retention_days: f64,
    /// Newest users of a key with whom a further user is paired.
    pub ring: usize,
    /// Keys of more accounts than this tie nobody and give no outcome.
    pub popular: usize,
    /// Chance below which two accounts are tied.
    pub tie_chance: f64,
    /// Least share of an account's own texts that repeat others' for it to be a copier.
    pub copier_share: f64,
    /// Most accounts of a candidate.
    pub max_members: usize,
    /// A candidate this alike (Jaccard) to a living one is not new.
    pub same_candidate: f64,
    /// Days without a post after which a candidate is dropped.
    pub candidate_retention_days: f64,
    /// Safety factor on the rate at which others repeat a group.
    pub safety: f64,
    /// False discovery rate of groups.
    pub alpha: f64,
    /// Local false discovery rate of the accounts that a group's naming finds.
    pub naming_rate: f64,
    /// Net surprise, in nats, from which on a text repeats another.
    pub text_nats: f64,
    /// Accounts that must have written one text for it to be told as such.
    pub one_text_accounts: usize,
    /// Most remembered uses of keys.
    pub max_uses: usize,
    /// Most pairs of accounts with a key in common.
    pub max_ties: usize,
    /// Most texts that can be found repeated.
    pub max_texts: usize,
    /// Most living candidates.
    pub max_candidates: usize,
    /// Most accounts; of those in no candidate, the longest silent are forgotten first.
    pub max_accounts: usize,
    /// Where short links lead: host and path without scheme, to an address. Nothing is looked up on
    /// the network.
    pub short_links: std::collections::BTreeMap<String, String>,
}

/// Keys of `[detector.engine]` that the engine before this one had. Whoever has them in a file is
/// told, and nothing stops.
pub const RETIRED: [Retired; 8] = [
    Retired { path: "detector.engine.windows_s", instead: "the windows of the test are fixed, from minutes to a day" },
    Retired {
        path: "detector.engine.baseline_lag_h",
        instead: "nothing has taken its place; a group is compared with everybody else's posts, and there is no baseline of habits",
    },
    Retired {
        path: "detector.engine.baseline_half_life_days",
        instead: "nothing has taken its place; a group is compared with everybody else's posts, and there is no baseline of habits",
    },
    Retired {
        path: "detector.engine.credit_interval_min",
        instead: "an account's use of a key counts once in detector.engine.repeat_days",
    },
    Retired {
        path: "detector.engine.propose_nats",
        instead: "detector.engine.tie_chance says which ties propose a group",
    },
    Retired {
        path: "detector.engine.test_window_s",
        instead: "nothing has taken its place; every post of a member is a trial of its group",
    },
    Retired { path: "detector.engine.max_keys", instead: "detector.engine.max_uses bounds what is remembered of keys" },
    Retired { path: "detector.engine.max_habits", instead: "nothing has taken its place; there is no table of habits" },
];

const FOR_SERVICES: &str = "it is for the services, which a build with the feature `services` has";

/// What a configuration file holds for the services only: whoever runs detection without them
/// passes it over.
pub const SERVICE_KEYS: [Unused; 10] = [
    Unused { path: "log", why: FOR_SERVICES },
    Unused { path: "admin", why: FOR_SERVICES },
    Unused { path: "intake", why: FOR_SERVICES },
    Unused { path: "sharing", why: FOR_SERVICES },
    Unused { path: "telemetry", why: FOR_SERVICES },
    Unused { path: "detector.shadow_model", why: FOR_SERVICES },
    Unused { path: "detector.model_check_s", why: FOR_SERVICES },
    Unused { path: "detector.batch", why: FOR_SERVICES },
    Unused { path: "detector.checkpoints", why: FOR_SERVICES },
    Unused { path: "detector.checkpoint_every_s", why: FOR_SERVICES },
];

const SECOND: f64 = 1_000.0;
const MINUTE: f64 = 60.0 * SECOND;
const DAY: f64 = 24.0 * 60.0 * MINUTE;

impl Default for EngineConfig {
    fn default() -> EngineConfig {
        let p = Params::default();
        let whole = |ms: i64, unit: f64| (ms as f64 / unit) as u32;
        EngineConfig {
            traces: p.traces,
            allowed_lateness_s: whole(p.allowed_lateness, SECOND),
            horizon_s: whole(p.horizon, SECOND),
            tick_min: whole(p.tick, MINUTE),
            repeat_days: p.repeat as f64 / DAY,
            retention_days: p.retention as f64 / DAY,
            ring: p.ring,
            popular: p.popular,
            tie_chance: p.tie_chance,
            copier_share: p.copier_share,
            max_members: p.max_members,
            same_candidate: p.same_candidate,
            candidate_retention_days: p.candidate_retention as f64 / DAY,
            safety: p.safety,
            alpha: p.alpha,
            naming_rate: p.naming_rate,
            text_nats: p.text_nats,
            one_text_accounts: p.one_text_accounts,
            max_uses: p.limits.uses,
            max_ties: p.limits.ties,
            max_texts: p.limits.texts,
            max_candidates: p.limits.candidates,
            max_accounts: p.limits.accounts,
            short_links: p.short_links,
        }
    }
}

impl EngineConfig {
    /// The engine's own form, not yet validated.
    pub fn params(&self) -> Params {
        let seconds = |s: u32| i64::from(s) * 1_000;
        // No span of time is longer than a thousand years: what adds to it cannot overflow.
        let days = |days: f64| (days * DAY).min(365_000.0 * DAY) as i64;
        Params {
            traces: self.traces.clone(),
            allowed_lateness: seconds(self.allowed_lateness_s),
            horizon: seconds(self.horizon_s),
            tick: 60 * seconds(self.tick_min),
            repeat: days(self.repeat_days),
            retention: days(self.retention_days),
            ring: self.ring,
            popular: self.popular,
            tie_chance: self.tie_chance,
            copier_share: self.copier_share,
            max_members: self.max_members,
            same_candidate: self.same_candidate,
            candidate_retention: days(self.candidate_retention_days),
            safety: self.safety,
            alpha: self.alpha,
            naming_rate: self.naming_rate,
            text_nats: self.text_nats,
            one_text_accounts: self.one_text_accounts,
            limits: Limits {
                uses: self.max_uses,
                ties: self.max_ties,
                texts: self.max_texts,
                candidates: self.max_candidates,
                accounts: self.max_accounts,
            },
            short_links: self.short_links.clone(),
            ..Params::default()
        }
    }
}

/// Why detection cannot start.
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
}

impl Config {
    /// A fresh engine.
    pub fn engine(&self) -> Result<Engine, StartError> {
        Ok(Engine::sharded(self.engine.params(), self.shards, Box::new(Threads))?)
    }

    /// The active model of clusters: the one named, or the registry's, or the bundled one where
    /// there is no registry.
    pub fn model(&self) -> Result<Model, StartError> {
        match self.named_model()? {
            Some(name) => self.load_named("model", &name),
            None if self.models.is_dir() => Ok(Registry::open(&self.models)?.active()?),
            None => Ok(Model::from_bytes(BUNDLED_MODEL)?.of(Subject::Cluster)?),
        }
    }

    /// The model of accounts in service, or the bundled one where there is no registry. A registry
    /// may do without.
    pub fn account_model(&self) -> Result<Option<Model>, StartError> {
        if self.models.is_dir() {
            return Ok(Registry::open(&self.models)?.active_of(Subject::Account)?);
        }
        Ok(Some(Model::from_bytes(BUNDLED_ACCOUNT_MODEL)?.of(Subject::Account)?))
    }

    /// Whether names and numbers make sense, without a look at any file.
    pub fn check(&self) -> Result<(), StartError> {
        self.named_model()?;
        self.engine().map(drop)
    }

    /// The lexicon named, or the bundled one.
    pub fn lexicon(&self) -> Result<Lexicon, StartError> {
        Ok(match &self.lexicon {
            Some(path) => Lexicon::load(path)?,
            None => Lexicon::bundled()?,
        })
    }

    /// The model that `detector.model` names, if any.
    pub fn named_model(&self) -> Result<Option<ModelName>, StartError> {
        parse_model_name("model", &self.model)
    }

    /// Loads a model of clusters from the registry; `key` is the key of `[detector]` that names it.
    pub fn load_named(&self, key: &'static str, name: &ModelName) -> Result<Model, StartError> {
        let model = Registry::open(&self.models)
            .and_then(|registry| registry.load(&name.name, &name.version)?.of(Subject::Cluster));
        model.map_err(|source| StartError::Named { key, source })
    }
}

/// The model that a key of `[detector]` names; `None` where its text is empty.
pub fn parse_model_name(key: &'static str, text: &str) -> Result<Option<ModelName>, StartError> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|source: ModelError| StartError::Named { key, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_the_engines_own() {
        assert_eq!(EngineConfig::default().params(), Params::default());
    }

    #[test]
    fn a_retired_key_is_none_of_todays_and_what_is_said_of_it_names_keys_that_there_are() {
        let known: Vec<String> =
            toml::Table::try_from(EngineConfig::default()).unwrap().keys().map(|key| key.to_owned()).collect();
        for Retired { path, instead } in RETIRED {
            let key = path.strip_prefix("detector.engine.").unwrap();
            assert!(!known.iter().any(|known| known == key), "{path}");
            for word in instead.split(' ').filter_map(|word| word.strip_prefix("detector.engine.")) {
                assert!(known.iter().any(|known| known == word), "{path}: {word}");
            }
        }
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
