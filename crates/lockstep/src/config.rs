//! The configuration file, and `lockstep config`.

#[cfg(feature = "services")]
mod services;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use configuration::Sources;
#[cfg(feature = "services")]
use runtime::telemetry::Telemetry;
use serde::{Deserialize, Serialize};

#[cfg(feature = "services")]
use self::services::{AdminConfig, IntakeConfig, LogConfig};

/// All settings. `config/lockstep.toml` lists every key with its default.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// The log that services read and write.
    #[cfg(feature = "services")]
    pub log: LogConfig,
    /// Metrics and health checks.
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

impl Config {
    /// Reads the file, then the environment (`LOCKSTEP__SECTION__KEY`), and checks the values
    /// together. Returns a warning for every key without effect.
    pub fn load(path: Option<&Path>) -> Result<(Config, Vec<String>)> {
        let sources = Sources {
            file: path,
            env_prefix: Some("LOCKSTEP"),
            retired: &detection::RETIRED,
            unused: if cfg!(feature = "services") { &[] } else { &detection::SERVICE_KEYS },
            ..Sources::default()
        };
        #[cfg_attr(not(feature = "services"), expect(unused_mut, reason = "only the log's names are changed"))]
        let (mut config, warnings): (Config, _) = sources.load()?;
        #[cfg(feature = "services")]
        config.log.with_dots();
        match path {
            Some(path) => config.check().with_context(|| path.display().to_string())?,
            None => config.check()?,
        }
        Ok((config, warnings))
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
            self.sharing.check().map_err(|problem| anyhow::anyhow!("configuration: {problem}"))?;
        }
        Ok(())
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
            self.sharing.check_files().map_err(|why| anyhow::anyhow!("configuration: {why}"))
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
        let (config, warnings) = self.read()?;
        warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
        Ok(config)
    }

    /// Loads the configuration and returns its warnings.
    pub fn read(&self) -> Result<(Config, Vec<String>)> {
        Config::load(self.config.as_deref())
    }
}

/// Checks or prints the configuration.
#[derive(Args)]
#[command(after_help = "\
Examples:
  lockstep config check --config config/lockstep.toml
  LOCKSTEP__DETECTOR__ENGINE__ALPHA=0.01 lockstep config show")]
pub struct ConfigCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Checks the configuration and the files that it names.
    Check(ConfigFile),
    /// Prints the effective configuration, from file and environment; secrets are shown as ***.
    Show(ConfigFile),
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
            Action::Show(file) => {
                use std::io::Write;
                let text = toml::to_string_pretty(&file.load()?.without_secrets())?;
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
        assert!(warnings[0].contains("log is not used here: it is for the services"), "{}", warnings[0]);
    }

    #[test]
    fn the_commented_file_says_the_defaults() {
        let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/lockstep.toml"));
        let (config, warnings) = Config::load(Some(file)).unwrap();
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
            let error = check(wrong).unwrap_err();
            assert!(
                error.contains("lockstep.toml") && error.contains("log.properties") && error.contains(said),
                "{error}"
            );
        }
        let (config, _) =
            check("sasl_password = \"later\"\n\"sasl.password\" = \"first\"\n\"group.instance.id\" = \"1\"").unwrap();
        let names: Vec<&str> = config.log.properties.keys().map(String::as_str).collect();
        assert_eq!(names, ["group.instance.id", "sasl.password"]);
        assert_eq!(config.log.properties["sasl.password"], "later");
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
        let (config, warnings) = Config::load(Some(&path)).unwrap();
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
        let error = format!("{:#}", Config::load(Some(&path)).unwrap_err());
        assert!(error.contains("unknown key detector.engine.max_use, did you mean \"max_uses\"?"), "{error}");
        assert!(error.contains("unknown key detector.engine.max_kesy, did you mean"), "{error}");
    }
}
