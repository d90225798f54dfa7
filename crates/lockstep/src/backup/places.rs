//! Where everything is that a backup holds: by the key of the configuration that names it.

use std::path::{Path, PathBuf};

use crate::config::Config;

/// The configuration file itself, which no key names.
pub const CONFIGURATION: &str = "configuration";

/// What lies at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceKind {
    /// One file.
    File,
    /// A folder with everything in it.
    Folder,
    /// The detector's checkpoints: files that are replaced while the service runs.
    Checkpoints,
    /// A SQLite database, which is written to while the service runs.
    Database,
}

/// Something that a backup holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The key of the configuration.
    pub setting: &'static str,
    pub kind: PlaceKind,
    /// The file or folder.
    pub path: PathBuf,
}

impl Place {
    /// The path of a file of this place, by its path in the backup.
    pub fn target(&self, below: &str) -> PathBuf {
        match self.kind {
            PlaceKind::File | PlaceKind::Database => self.path.clone(),
            PlaceKind::Folder | PlaceKind::Checkpoints => self.path.join(below),
        }
    }
}

/// Whether the sharing database is a file.
pub fn has_sqlite(config: &Config) -> bool {
    !["postgres://", "postgresql://"].iter().any(|start| config.sharing.database.starts_with(start))
}

/// Everything that a backup holds, by this configuration; whether it exists or not.
pub fn places(config: &Config, file: Option<&Path>) -> Vec<Place> {
    let mut all = Vec::new();
    let mut add = |setting, kind, path: &Path| {
        if !path.as_os_str().is_empty() {
            all.push(Place { setting, kind, path: path.to_owned() });
        }
    };
    // In this order: a checkpoint must not be newer than the log.
    add("detector.checkpoints", PlaceKind::Checkpoints, &config.detector.checkpoints);
    if config.log.brokers.is_empty() {
        add("log.dir", PlaceKind::Database, &config.log.dir.join(runtime::LOG_FILE));
    }
    if has_sqlite(config) {
        add("sharing.database", PlaceKind::Database, Path::new(&config.sharing.database));
    }
    add("detector.models", PlaceKind::Folder, &config.detector.models);
    if let Some(lexicon) = &config.detector.lexicon {
        let kind = if lexicon.is_dir() { PlaceKind::Folder } else { PlaceKind::File };
        add("detector.lexicon", kind, lexicon);
    }
    if let Some(recipients) = &config.sharing.recipients {
        add("sharing.recipients", PlaceKind::File, recipients);
    }
    add("sharing.login.users", PlaceKind::File, Path::new(&config.sharing.login.users));
    add("intake.producers", PlaceKind::File, Path::new(&config.intake.producers));
    if let Some(file) = file {
        add(CONFIGURATION, PlaceKind::File, file);
    }
    all
}
