//! The models in a folder, and which of them are in service.
//!
//! `<folder>/<name>/<version>/` holds a model; `<folder>/active.toml` names the one in service:
//!
//! ```toml
//! name = "cluster"
//! version = "1"
//! ```
//!
//! `active-account.toml` names the model of accounts in the same way, where there is one.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::model::{MODEL_FILE, check_name, corrupt, read, write};
use crate::{Manifest, Model, ModelError, Subject};

const ACTIVE_FILE: &str = "active.toml";

fn active_file(subject: Subject) -> &'static str {
    match subject {
        Subject::Cluster => ACTIVE_FILE,
        Subject::Account => "active-account.toml",
    }
}

/// A folder of models.
#[derive(Debug, Clone)]
pub struct Registry {
    dir: PathBuf,
}

/// One version of one model.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Name of the model.
    pub name: String,
    /// Its version.
    pub version: String,
    /// In service.
    pub active: bool,
}

#[derive(Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Active {
    name: String,
    version: String,
}

impl Registry {
    /// Opens a folder of models.
    ///
    /// # Errors
    /// [`ModelError::Io`] where there is no such folder.
    pub fn open(dir: &Path) -> Result<Registry, ModelError> {
        folders(dir)?;
        Ok(Registry { dir: dir.to_owned() })
    }

    /// Every version, by name and then by version, numbers in them as numbers.
    ///
    /// # Errors
    /// [`ModelError::Io`] and, for `active.toml`, [`ModelError::Corrupt`].
    pub fn list(&self) -> Result<Vec<Entry>, ModelError> {
        let active = [self.named_active(Subject::Cluster)?, self.named_active(Subject::Account)?];
        let mut entries = Vec::new();
        for name in folders(&self.dir)? {
            for version in folders(&self.dir.join(&name))? {
                if self.dir.join(&name).join(&version).join(MODEL_FILE).is_file() {
                    let active = active.iter().flatten().any(|a| a.name == name && a.version == version);
                    entries.push(Entry { name: name.clone(), version, active });
                }
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| natural(&a.version).cmp(&natural(&b.version))));
        Ok(entries)
    }

    /// How a model came about.
    ///
    /// # Errors
    /// [`ModelError::Unknown`] lists what there is.
    pub fn show(&self, name: &str, version: &str) -> Result<Manifest, ModelError> {
        Manifest::load(&self.find(name, version)?)
    }

    /// Loads a model.
    ///
    /// # Errors
    /// As [`Model::load`]; [`ModelError::Unknown`] lists what there is.
    pub fn load(&self, name: &str, version: &str) -> Result<Model, ModelError> {
        Model::load(&self.find(name, version)?)
    }

    /// Loads the model of clusters in service.
    ///
    /// # Errors
    /// As [`Registry::load`]; [`ModelError::Unknown`] where none is in service; [`ModelError::Subject`].
    pub fn active(&self) -> Result<Model, ModelError> {
        self.active_of(Subject::Cluster)?.ok_or_else(|| self.unknown("(active)".to_owned()))
    }

    /// Loads the model of this subject in service, if there is one.
    ///
    /// # Errors
    /// As [`Registry::load`], and [`ModelError::Subject`].
    pub fn active_of(&self, subject: Subject) -> Result<Option<Model>, ModelError> {
        let Some(active) = self.named_active(subject)? else { return Ok(None) };
        self.load(&active.name, &active.version)?.of(subject).map(Some)
    }

    /// Puts a model in service for what it judges, once it has loaded without fault.
    ///
    /// # Errors
    /// As [`Registry::load`].
    pub fn promote(&self, name: &str, version: &str) -> Result<(), ModelError> {
        let subject = self.load(name, version)?.subject();
        let path = self.dir.join(active_file(subject));
        let active = Active { name: name.to_owned(), version: version.to_owned() };
        let text = toml::to_string(&active).map_err(|e| corrupt(&path, e.to_string()))?;
        let text = format!("# The model of {subject}s in service; `lockstep models promote` writes this file.\n{text}");
        write(&path, text.as_bytes())
    }

    fn named_active(&self, subject: Subject) -> Result<Option<Active>, ModelError> {
        let path = self.dir.join(active_file(subject));
        if !path.exists() {
            return Ok(None);
        }
        let text = String::from_utf8(read(&path)?).map_err(|e| corrupt(&path, e.to_string()))?;
        toml::from_str(&text).map(Some).map_err(|e| corrupt(&path, e.to_string()))
    }

    fn find(&self, name: &str, version: &str) -> Result<PathBuf, ModelError> {
        check_name(name)?;
        check_name(version)?;
        let dir = self.dir.join(name).join(version);
        if dir.join(MODEL_FILE).is_file() { Ok(dir) } else { Err(self.unknown(format!("{name} {version}"))) }
    }

    fn unknown(&self, wanted: String) -> ModelError {
        let known = self.list().unwrap_or_default();
        let known: Vec<String> = known.iter().map(|e| format!("{} {}", e.name, e.version)).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        ModelError::Unknown { wanted, path: self.dir.clone(), known }
    }
}

fn folders(dir: &Path) -> Result<Vec<String>, ModelError> {
    let io = |source| ModelError::Io { action: "list", path: dir.to_owned(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(io)? {
        let entry = entry.map_err(io)?;
        if entry.path().is_dir() {
            names.extend(entry.file_name().into_string().ok().filter(|name| check_name(name).is_ok()));
        }
    }
    names.sort();
    Ok(names)
}

/// Splits a version into numbers and the rest, so that 10 comes after 9.
fn natural(version: &str) -> Vec<(u64, String)> {
    let parts = version.split(['.', '-', '_']);
    parts.map(|part| (part.parse().unwrap_or(u64::MAX), part.to_owned())).collect()
}

#[cfg(test)]
mod tests;
