//! The configuration file, and `lockstep config`.

#[cfg(feature = "services")]
mod permissions;
#[cfg(feature = "services")]
mod services;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use configuration::{ConfigError, Settings, Sources};
#[cfg(feature = "services")]
use runtime::telemetry::Telemetry;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[cfg(feature = "services")]
use self::services::{AdminConfig, IntakeConfig, LogConfig, check_listener_files};

/// Everything that can be set. `docs/settings.md` and `config/lockstep.toml` are made from this.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// The log that services read and write.
    #[cfg(feature = "services")]
    pub log: LogConfig,
    /// The topics of the log, for those that are created.
    #[cfg(feature = "services")]
    pub topics: detector::Topics,
    /// Metrics and health over HTTP.
    #[cfg(feature = "services")]
    pub admin: AdminConfig,
    /// Intake of posts over HTTP.
    #[cfg(feature = "services")]
    pub intake: IntakeConfig,
    /// Detection, and the service that runs it.
    #[cfg(feature = "services")]
    pub detector: detector::Config,
    /// Detection.
    #[cfg(not(feature = "services"))]
    pub detector: detection::Config,
    /// Cases, console and partners.
    #[cfg(feature = "services")]
    pub sharing: sharing::Config,
    /// Logging.
    #[cfg(feature = "services")]
    pub telemetry: Telemetry,
}

/// A configuration, with what there is to say of it.
pub struct Loaded {
    /// What takes effect.
    pub config: Config,
    /// A warning for every key that has no effect, and for every value that costs power.
    pub warnings: Vec<String>,
    /// Where the values come from that are no defaults, by their paths.
    origins: BTreeMap<String, String>,
}

impl Config {
    /// Every key with its default, bounds and meaning.
    pub fn settings() -> Result<Settings, ConfigError> {
        Settings::of::<Config>("")
    }

    /// Reads the file, then the environment (`LOCKSTEP__SECTION__KEY`), and checks the values
    /// against their bounds and each other.
    pub fn load(path: Option<&Path>) -> Result<Loaded> {
        let settings = Config::settings()?;
        let sources = Sources {
            file: path,
            env_prefix: Some("LOCKSTEP"),
            retired: &detection::RETIRED,
            renamed: &detection::RENAMED,
            #[cfg(feature = "services")]
            removed: &sharing::REMOVED,
            unused: if cfg!(feature = "services") { &[] } else { &detection::SERVICE_KEYS },
            settings: Some(&settings),
            ..Sources::default()
        };
        #[cfg_attr(not(feature = "services"), expect(unused_mut, reason = "only the log's names are changed"))]
        let configuration::Loaded { value: mut config, warnings, mut origins } =
            sources.load_with_origins::<Config>()?;
        let mut warnings: Vec<String> = warnings.into_iter().map(|warning| warning.text).collect();
        #[cfg(feature = "services")]
        {
            config.log.with_dots();
            services::origins_with_dots(&mut origins);
        }
        match path {
            Some(path) => config.check().with_context(|| path.display().to_string())?,
            None => config.check()?,
        }
        let weak = config.detection().warnings().into_iter();
        #[cfg(feature = "services")]
        let weak = weak.chain(config.topics.warning(config.detector.engine.retention_days));
        for warning in weak {
            let path = warning.split(' ').next().unwrap_or_default();
            let origin = origins.get(path).map_or("configuration", String::as_str);
            warnings.push(format!("{origin}: {warning}"));
        }
        Ok(Loaded { config, warnings, origins })
    }

    /// The settings of detection.
    pub fn detection(&self) -> detection::Config {
        #[cfg(feature = "services")]
        return self.detector.detection();
        #[cfg(not(feature = "services"))]
        self.detector.clone()
    }

    /// The shadow model, which scores clusters in addition to the model in service; empty for none.
    pub fn shadow_model(&self) -> &str {
        #[cfg(feature = "services")]
        return &self.detector.shadow_model;
        #[cfg(not(feature = "services"))]
        ""
    }

    fn check(&self) -> Result<()> {
        self.detector.check()?;
        #[cfg(feature = "services")]
        {
            runtime::Log::check_kafka_properties(&self.log.properties())
                .map_err(|problem| anyhow::anyhow!("log.properties: {problem}"))?;
            self.topics.check().map_err(|problem| anyhow::anyhow!("configuration: {problem}"))?;
            self.sharing.check().map_err(|problem| anyhow::anyhow!("configuration: {problem}"))?;
            self.check_listeners()?;
        }
        Ok(())
    }

    /// Checks how the admin pages and the intake may be reached.
    #[cfg(feature = "services")]
    pub fn check_listeners(&self) -> Result<()> {
        let checked = self.admin.check().and_then(|()| self.intake.check());
        checked.map_err(|problem| anyhow::anyhow!("configuration: {problem}"))
    }

    /// Checks the files that the configuration names. Returns problems that do not stop a service.
    /// Not part of loading, because a process needs only the files of its own role.
    fn check_files(&self) -> Result<Vec<String>> {
        let detection = self.detection();
        detection.lexicon()?;
        detection.model()?;
        #[cfg(not(feature = "services"))]
        return Ok(Vec::new());
        #[cfg(feature = "services")]
        {
            self.detector.shadow_model()?;
            self.sharing.policy().map_err(|problem| anyhow::anyhow!("configuration: {problem}"))?;
            let listeners = check_listener_files(&self.admin, &self.intake);
            let sharing = self.sharing.check_files();
            let (mut warnings, more) = listeners
                .and_then(|listeners| Ok((listeners, sharing?)))
                .map_err(|why| anyhow::anyhow!("configuration: {why}"))?;
            warnings.extend(more);
            warnings.extend(self.permissions());
            Ok(warnings)
        }
    }

    /// A copy for display, with secrets masked.
    #[cfg(not(feature = "services"))]
    fn without_secrets(self) -> Config {
        self
    }
}

#[cfg(feature = "services")]
impl Config {
    /// A copy for display, with secrets masked.
    fn without_secrets(mut self) -> Config {
        self.sharing = self.sharing.without_secrets();
        for (name, value) in &mut self.log.properties {
            if ["password", "secret", "jaas", "key.pem", "oauthbearer.config"].iter().any(|word| name.contains(word)) {
                *value = "***".to_owned();
            }
        }
        self
    }

    /// A warning for each key whose files or folders other users of the machine may read or change.
    pub fn permissions(&self) -> Vec<String> {
        permissions::warnings(self)
    }

    /// Opens the log that the configuration names.
    pub async fn open_log(&self) -> Result<runtime::Log> {
        if self.log.brokers.is_empty() {
            return Ok(runtime::Log::open_embedded(&self.log.dir).await?);
        }
        Ok(runtime::Log::connect_kafka(&self.log.brokers, &self.log.properties()).await?)
    }
}

/// The option for a configuration file.
#[derive(Args, Clone)]
pub struct ConfigFile {
    /// Configuration file; without one the defaults apply. LOCKSTEP__SECTION__KEY in the
    /// environment overrides a key
    #[arg(long, value_name = "FILE", env = "LOCKSTEP_CONFIG")]
    pub config: Option<PathBuf>,
}

impl ConfigFile {
    /// Loads the configuration and prints warnings on standard error.
    pub fn load(&self) -> Result<Config> {
        self.loaded().map(|loaded| loaded.config)
    }

    /// The configuration with where its values come from; warnings go to standard error.
    fn loaded(&self) -> Result<Loaded> {
        let loaded = Config::load(self.config.as_deref())?;
        loaded.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
        Ok(loaded)
    }

    /// The configuration, with warnings for who tells them in another way.
    #[cfg(feature = "services")]
    pub fn read(&self) -> Result<(Config, Vec<String>)> {
        Config::load(self.config.as_deref()).map(|loaded| (loaded.config, loaded.warnings))
    }
}

/// Checks or prints the configuration.
#[derive(Args)]
#[command(after_help = "\
Examples:
  lockstep config check --config config/lockstep.toml
  LOCKSTEP__DETECTOR__ENGINE__ALPHA=0.01 lockstep config show
  lockstep config show --explain > lockstep.toml")]
pub struct ConfigCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Checks the configuration and the files that it names.
    Check(ConfigFile),
    /// Prints the configuration as it takes effect, file and environment put together, with where
    /// each value comes from; secrets as ***.
    Show {
        #[command(flatten)]
        file: ConfigFile,
        /// Say above each key what it does, its unit and its bounds
        #[arg(long)]
        explain: bool,
    },
}

impl ConfigCommand {
    pub fn run(self) -> Result<()> {
        match self.action {
            Action::Check(file) => {
                for warning in file.load()?.check_files()? {
                    eprintln!("warning: {warning}");
                }
                match file.config {
                    Some(path) => eprintln!("{} is valid", path.display()),
                    None => eprintln!("the defaults are valid (no file given, see --config)"),
                }
            }
            Action::Show { file, explain } => {
                use std::io::Write;
                let Loaded { config, origins, .. } = file.loaded()?;
                let text = toml::to_string_pretty(&config.without_secrets())?;
                let text = Config::settings()?.annotate(&text, &origins, explain);
                std::io::stdout().write_all(text.as_bytes()).context("cannot write to standard output")?;
            }
        }
        Ok(())
    }
}

#[cfg(all(test, feature = "services"))]
mod tests {
    use super::*;

    /// The keys of detection; keys of the services are ignored.
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct WithoutServices {
        detector: detection::Config,
    }

    #[test]
    fn a_program_without_services_takes_the_same_file_and_names_what_it_does_not_use() {
        let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/lockstep.toml"));
        let sources = Sources { file: Some(file), unused: &detection::SERVICE_KEYS, ..Sources::default() };
        let (config, warnings) = sources.load::<WithoutServices>().unwrap();
        assert_eq!(config.detector.engine.params(), detection::Config::default().engine.params());
        assert_eq!(warnings.len(), detection::SERVICE_KEYS.len(), "{warnings:?}");
        assert!(warnings[0].contains("log is not used here: it belongs to the services"), "{}", warnings[0]);
    }

    #[cfg(feature = "services")]
    #[test]
    fn an_empty_path_is_refused_with_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lockstep.toml");
        let keys = [
            ("log", "dir"),
            ("detector", "models"),
            ("detector", "lexicon"),
            ("detector", "checkpoints"),
            ("sharing", "database"),
            ("sharing", "recipients"),
        ];
        for (table, key) in keys {
            std::fs::write(&path, format!("[{table}]\n{key} = \"\"\n")).unwrap();
            let refused = format!("{:#}", Config::load(Some(&path)).err().unwrap());
            let expected = format!("lockstep.toml:2: {table}.{key} is empty: give it a value, or remove the key");
            assert!(refused.contains(&expected), "{refused}");
        }
    }

    const FILE_INTRODUCTION: &str = "\
        Lockstep's configuration: every key, with its default. A key left out keeps its default; a key that Lockstep does not know is \
        an error. Any key can be set from the environment as well: LOCKSTEP__DETECTOR__ENGINE__ALPHA=0.01\n\
        Check it with `lockstep config check --config FILE`; see what takes effect with `lockstep config show`.\n\
        This file is made by the program's tests, from the comments on the fields that the keys are read into.";

    const PAGE_INTRODUCTION: &str = "\
# Settings

Every key of a configuration file, with its default and the values it takes. Both ends of a range are allowed. A value outside is refused, with
its file, line, value and range; so is a key that is not here. Where usual values are given, others are taken with a warning: detection still
works with them, but finds less or reports more than it should. `lockstep config show --explain` says the same of the values in use, and
where each comes from. In the environment a key is `LOCKSTEP__SECTION__KEY`.

What holds between keys: `retention_days` is no less than `repeat_days` and `horizon_s`, `horizon_s` no less than `allowed_lateness_s`, and
`candidate_retention_days` no less than two times `tick_min`; `sharing.taxii_page` is no more than `sharing.taxii_page_max`.

Who may be told of what is in a file of its own, which `config/sharing.toml` explains. This page is made by a test:
`UPDATE_EXPECT=1 cargo test --workspace --bins -- config::tests` writes it and `config/lockstep.toml` anew.
";

    #[test]
    fn the_commented_file_and_the_page_are_made_from_the_settings() {
        let settings = Config::settings().unwrap();
        expect_test::expect_file!["../../../config/lockstep.toml"].assert_eq(&settings.file(FILE_INTRODUCTION));
        expect_test::expect_file!["../../../docs/settings.md"].assert_eq(&settings.page(PAGE_INTRODUCTION));
    }

    #[test]
    fn every_setting_has_a_meaning_and_every_number_bounds_and_a_unit() {
        for setting in Config::settings().unwrap().all() {
            let path = &setting.path;
            assert!(setting.meaning.ends_with('.'), "{path}: {:?} is no sentence", setting.meaning);
            assert!(
                setting.default.is_some() || setting.example.is_some(),
                "{path} has neither a default nor an example"
            );
            let number = setting.default.as_ref().is_some_and(|default| default.parse::<f64>().is_ok());
            assert_eq!(number, setting.bounds.is_some(), "{path}");
            if let Some(bounds) = &setting.bounds {
                assert!(!bounds.unit.is_empty() && bounds.most < 1e11, "{path}: {bounds}");
            }
        }
    }

    #[test]
    fn every_number_is_refused_beyond_its_bounds_and_taken_at_them() {
        let settings = Config::settings().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lockstep.toml");
        for setting in settings.all() {
            let Some(bounds) = &setting.bounds else { continue };
            let (table, key) = setting.path.rsplit_once('.').unwrap();
            let read = |value: &str| {
                std::fs::write(&path, format!("[{table}]\n{key} = {value}\n")).unwrap();
                let sources = Sources { file: Some(&path), settings: Some(&settings), ..Sources::default() };
                sources.load::<Config>().map_err(|error| error.to_string())
            };
            for inside in [bounds.least, bounds.most] {
                assert!(read(&inside.to_string()).is_ok(), "{} = {inside}", setting.path);
            }
            let step = if bounds.whole { 1.0 } else { bounds.least / 10.0 };
            let outside = [bounds.least - step, bounds.most + step, -1.0].map(|value| value.to_string());
            for outside in outside.iter().map(String::as_str).chain(["nan", "inf", "\"many\"", "[]", "true"]) {
                let error = read(outside).map(|_| ()).unwrap_err();
                let place = format!("{}:2: {} is ", path.display(), setting.path);
                assert!(error.starts_with(&place) && error.ends_with(&format!(": set {bounds}")), "{error}");
            }
        }
    }

    #[test]
    fn a_value_that_costs_power_is_taken_with_a_warning_that_names_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lockstep.toml");
        std::fs::write(&path, "[detector.engine]\nsafety = 8.0\n").unwrap();
        let loaded = Config::load(Some(&path)).unwrap();
        let [warning] = &loaded.warnings[..] else { panic!("{:?}", loaded.warnings) };
        assert!(warning.starts_with(&format!("{}:2: detector.engine.safety is 8: ", path.display())), "{warning}");
    }

    #[test]
    fn the_commented_file_says_the_defaults() {
        let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/lockstep.toml"));
        let Loaded { config, warnings, .. } = Config::load(Some(file)).unwrap();
        let read = toml::to_string_pretty(&config).unwrap();
        assert_eq!(read, toml::to_string_pretty(&Config::default()).unwrap());
        assert!(warnings.is_empty(), "{warnings:?}");
    }

    #[test]
    fn properties_of_kafka_are_checked_by_name_and_value_and_have_dots() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lockstep.toml");
        let check = |properties: &str| {
            std::fs::write(&path, format!("[log.properties]\n{properties}\n")).unwrap();
            Config::load(Some(&path)).map_err(|error| format!("{error:#}"))
        };
        for (wrong, said) in [
            ("\"securty.protocol\" = \"SSL\"", "\"securty.protocol\""),
            ("\"security.protocol\" = \"SLS\"", "\"security.protocol\""),
            ("\"session.timeout.ms\" = \"soon\"", "\"session.timeout.ms\""),
        ] {
            let error = check(wrong).err().unwrap();
            assert!(
                error.contains("lockstep.toml") && error.contains("log.properties") && error.contains(said),
                "{error}"
            );
        }
        let Loaded { config, origins, .. } =
            check("sasl_password = \"later\"\n\"sasl.password\" = \"first\"\n\"group.instance.id\" = \"1\"").unwrap();
        let names: Vec<&str> = config.log.properties.keys().map(String::as_str).collect();
        assert_eq!(names, ["group.instance.id", "sasl.password"]);
        assert_eq!(config.log.properties["sasl.password"], "later");
        assert!(origins["log.properties.sasl.password"].ends_with(":2"), "{origins:?}");
    }

    #[test]
    fn a_file_for_the_engine_before_this_one_is_taken_and_every_key_without_effect_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lockstep.toml");
        let old = "[detector.engine]\nallowed_lateness_s = 300\nwindows_s = [60, 600, 3600]\nring = 64\nhorizon_s = 7200\n\
            safety = 2.5\nbaseline_lag_h = 24.0\nbaseline_half_life_days = 7.0\ncredit_interval_min = 30\n\
            propose_nats = 8.0\ntest_window_s = 7200\nalpha = 0.01\ntick_min = 15\nretention_days = 14.0\n\
            max_keys = 2000000\nmax_ties = 4000000\nmax_habits = 4000000\nmax_candidates = 20000\nmax_accounts = 5000000\n";
        std::fs::write(&path, old).unwrap();
        let Loaded { config, warnings, .. } = Config::load(Some(&path)).unwrap();
        assert_eq!((config.detector.engine.safety, config.detector.engine.alpha), (2.5, 0.01));
        let named =
            |key: &str| warnings.iter().filter(|warning| warning.contains(&format!(".{key} has no effect"))).count();
        for key in [
            "windows_s",
            "baseline_lag_h",
            "baseline_half_life_days",
            "credit_interval_min",
            "propose_nats",
            "test_window_s",
            "max_keys",
            "max_habits",
        ] {
            assert_eq!(named(key), 1, "{key}: {warnings:?}");
        }
        assert_eq!(warnings.len(), 8);
        let place = format!("{}:3: ", path.display());
        assert!(
            warnings[0].starts_with(&place) && warnings[0].contains("windows of the test are fixed"),
            "{}",
            warnings[0]
        );

        std::fs::write(&path, "[detector.engine]\nmax_kesy = 5\nmax_use = 7\n").unwrap();
        let error = format!("{:#}", Config::load(Some(&path)).err().unwrap());
        assert!(error.contains("unknown key detector.engine.max_use, did you mean \"max_uses\"?"), "{error}");
        assert!(error.contains("unknown key detector.engine.max_kesy, did you mean"), "{error}");
    }
}
