//! Configuration of detection: models, lexicon, and the engine's parameters in the units that
//! people use.

use std::path::PathBuf;

use configuration::{ConfigError, Renamed, Retired, Settings, Unused};
use coordination::{Engine, Limits, PARAMETERS, Parameter, Params, ParamsError, TraceKind};
use schemars::JsonSchema;
use scoring::{Model, ModelError, ModelName, Registry, Subject};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    lexicon::{Lexicon, LexiconError},
    threads::Threads,
};

/// The models that are bundled with the program.
const BUNDLED_MODEL: &[u8] = include_bytes!("../../../models/cluster/3/model.json");
const BUNDLED_ACCOUNT_MODEL: &[u8] = include_bytes!("../../../models/account/2/model.json");

/// Configuration of detection. In a configuration file it is the `[detector]` table; the other keys
/// of that table belong to the service.
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
    /// A file, or a folder of files, with topics and targets of posts. It replaces the bundled
    /// lexicon. Topics and targets are for routing only.
    #[schemars(length(min = 1), extend("example" = "\"config/topics\""))]
    pub lexicon: Option<PathBuf>,
    /// A post dated further than this into the future is not accepted, because it would move event
    /// time forward: it becomes a dead letter or, in a file, a rejected line.
    #[schemars(range(min = 0, max = 86_400), extend("unit" = "seconds"))]
    pub future_tolerance_s: u64,
    /// Number of threads of the engine. The result does not depend on it.
    #[schemars(range(min = 1, max = 1_024), extend("unit" = "threads"))]
    pub threads: u16,
    /// Parameters of the engine, which finds groups.
    pub engine: EngineConfig,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            models: "models".into(),
            model: String::new(),
            lexicon: None,
            future_tolerance_s: 300,
            threads: 1,
            engine: EngineConfig::default(),
        }
    }
}

/// The `[detector.engine]` table: the parameters of the engine in the units in which people set
/// them. Names, units, bounds and meanings are those of [`PARAMETERS`], defaults those of
/// [`Params`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "coordination::PARAMETERS says what each means")]
pub struct EngineConfig {
    pub traces: Vec<TraceKind>,
    pub allowed_lateness_s: u32,
    pub horizon_s: u32,
    pub tick_min: u32,
    pub repeat_days: f64,
    pub retention_days: f64,
    pub ring: usize,
    pub popular: usize,
    pub tie_chance: f64,
    pub copier_share: f64,
    pub max_members: usize,
    pub same_candidate: f64,
    pub candidate_retention_days: f64,
    pub safety: f64,
    pub alpha: f64,
    pub naming_rate: f64,
    pub text_nats: f64,
    pub one_text_accounts: usize,
    pub max_uses: usize,
    pub max_ties: usize,
    pub max_texts: usize,
    pub max_candidates: usize,
    pub max_accounts: usize,
    pub short_links: std::collections::BTreeMap<String, String>,
}

/// The description of each key, from the engine's own table.
impl JsonSchema for EngineConfig {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "EngineConfig".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let kinds = TraceKind::ALL.map(TraceKind::name).join(", ");
        let mut properties = serde_json::Map::new();
        for Parameter { key, unit, bounds, usual, meaning, .. } in PARAMETERS {
            let schema = json!({
                "type": if unit.is_whole() { "integer" } else { "number" },
                "minimum": bounds.least,
                "maximum": bounds.most,
                "usual": [usual.least, usual.most],
                "unit": unit.name(),
                "description": meaning,
            });
            properties.insert(key.to_owned(), schema);
        }
        let traces = format!("Kinds of traces that count. Actions of other kinds are ignored. There are {kinds}.");
        properties.insert("traces".to_owned(), json!({ "type": "array", "description": traces }));
        let short_links = json!({
            "type": "object",
            "additionalProperties": { "type": "string" },
            "description": "The URL that a short link leads to, by its host and path without scheme. Nothing is looked up on \
                the network.",
            "example": "\"short.example/abc\" = \"https://long.example/article\"",
        });
        properties.insert("short_links".to_owned(), short_links);
        let description = "Parameters of the engine, which finds groups.";
        schemars::json_schema!({ "type": "object", "description": description, "properties": properties })
    }
}

/// Keys of `[detector.engine]` that the previous engine had. A file that has them gets a warning,
/// and the program goes on.
pub const RETIRED: [Retired; 8] = [
    Retired { path: "detector.engine.windows_s", instead: "the windows of the test are fixed, from minutes to a day" },
    Retired {
        path: "detector.engine.baseline_lag_h",
        instead: "there is no replacement; a group is compared with everybody else's posts, and there is no baseline of habits",
    },
    Retired {
        path: "detector.engine.baseline_half_life_days",
        instead: "there is no replacement; a group is compared with everybody else's posts, and there is no baseline of habits",
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
        instead: "there is no replacement; every post of a member is a trial of its group",
    },
    Retired { path: "detector.engine.max_keys", instead: "detector.engine.max_uses bounds the memory for keys" },
    Retired { path: "detector.engine.max_habits", instead: "there is no replacement; there is no table of habits" },
];

const FOR_SERVICES: &str = "it belongs to the services, which only a build with the feature `services` has";

/// Keys that have other names now.
pub const RENAMED: [Renamed; 1] = [Renamed { path: "detector.shards", to: "detector.threads" }];

/// Keys of a configuration file that only the services read. A build without the services ignores
/// them.
pub const SERVICE_KEYS: [Unused; 11] = [
    Unused { path: "log", why: FOR_SERVICES },
    Unused { path: "topics", why: FOR_SERVICES },
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
    /// The engine's own parameters, not yet validated.
    pub fn params(&self) -> Params {
        let seconds = |s: u32| i64::from(s) * 1_000;
        let days = |days: f64| (days * DAY) as i64;
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
    /// An engine parameter is invalid.
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
        /// The reason.
        source: ModelError,
    },
    /// The lexicon cannot be read.
    #[error(transparent)]
    Lexicon(#[from] LexiconError),
}

impl Config {
    /// A new engine.
    pub fn engine(&self) -> Result<Engine, StartError> {
        Ok(Engine::with_threads(self.engine.params(), self.threads, Box::new(Threads))?)
    }

    /// The active model of clusters: the one that the configuration names, or the registry's, or
    /// the bundled one if there is no registry.
    pub fn model(&self) -> Result<Model, StartError> {
        match self.named_model()? {
            Some(name) => self.load_named("model", &name),
            None if self.models.is_dir() => Ok(Registry::open(&self.models)?.active()?),
            None => Ok(Model::from_bytes(BUNDLED_MODEL)?.of(Subject::Cluster)?),
        }
    }

    /// The model of accounts in service, or the bundled one if there is no registry. A registry may
    /// have none.
    pub fn account_model(&self) -> Result<Option<Model>, StartError> {
        if self.models.is_dir() {
            return Ok(Registry::open(&self.models)?.active_of(Subject::Account)?);
        }
        Ok(Some(Model::from_bytes(BUNDLED_ACCOUNT_MODEL)?.of(Subject::Account)?))
    }

    /// Whether names and numbers are valid, without opening any file.
    pub fn check(&self) -> Result<(), StartError> {
        self.named_model()?;
        self.engine().map(drop)
    }

    /// A sentence for each parameter of the engine whose value is allowed but makes detection
    /// weaker.
    pub fn warnings(&self) -> Vec<String> {
        let warnings = self.engine.params().warnings().into_iter();
        warnings.map(|(key, what)| format!("detector.engine.{key} {what}")).collect()
    }

    /// The lexicon that the configuration names, or the bundled one.
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

/// The settings of detection, as in the tables `[detector]` and `[detector.engine]`.
///
/// # Errors
/// [`ConfigError`] if the defaults cannot be written as a file.
pub fn settings() -> Result<Settings, ConfigError> {
    Settings::of::<Config>("detector")
}

/// The model that a key of `[detector]` names; `None` if its text is empty.
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
    fn every_parameter_is_a_key_and_every_number_a_parameter() {
        let settings = settings().unwrap();
        let engine = settings.sections.iter().find(|section| section.path == "detector.engine").unwrap();
        let numbers: Vec<&str> =
            engine.settings.iter().filter(|setting| setting.bounds.is_some()).map(|setting| setting.key()).collect();
        assert_eq!(numbers, PARAMETERS.map(|parameter| parameter.key));
        for Parameter { key, unit, .. } in PARAMETERS {
            let default =
                engine.settings.iter().find(|setting| setting.key() == key).unwrap().default.as_ref().unwrap();
            assert_eq!(default.contains('.'), !unit.is_whole(), "{key} = {default}");
        }
        let others: Vec<&str> =
            engine.settings.iter().filter(|setting| setting.bounds.is_none()).map(|setting| setting.key()).collect();
        assert_eq!(others, ["traces"]);
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
