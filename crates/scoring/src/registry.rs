//! The models in a folder, which of them are in service, and which were in service before.
//!
//! `<folder>/<name>/<version>/` holds a model; `<folder>/active.toml` names the one in service:
//!
//! ```toml
//! name = "cluster"
//! version = "1"
//! ```
//!
//! `active-account.toml` names the model of accounts in the same way, if there is one. Every change
//! of one of them is appended to `<folder>/history.toml`, or `history-account.toml`, which makes a
//! rollback possible. Models of several names may be in one folder; one of all of them is in
//! service for clusters, and one for accounts.

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{MODEL_FILE, check_name, corrupt, read, write};
use crate::{Manifest, Model, ModelError, Subject};

fn active_file(subject: Subject) -> &'static str {
    match subject {
        Subject::Cluster => "active.toml",
        Subject::Account => "active-account.toml",
    }
}

fn history_file(subject: Subject) -> &'static str {
    match subject {
        Subject::Cluster => "history.toml",
        Subject::Account => "history-account.toml",
    }
}

/// A folder of models.
///
/// ```
/// use scoring::{Registry, Subject};
///
/// let registry = Registry::open(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models").as_ref())?;
/// let model = registry.active()?;
/// assert_eq!(model.subject(), Subject::Cluster);
/// // Of a cluster of which nothing is known, a model says what it expects of any.
/// let verdict = model.verdict_on(&vec![None; Subject::Cluster.features().len()]);
/// assert!((0.0..=1.0).contains(&verdict.probability));
/// # Ok::<(), scoring::ModelError>(())
/// ```
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

/// A version with its manifest.
#[derive(Debug)]
pub struct Listed {
    /// The version.
    pub entry: Entry,
    /// Its manifest, or why this program cannot use it.
    pub manifest: Result<Manifest, ModelError>,
}

/// A model's name with its version, written `name/version`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelName {
    /// Name of the model.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A change of the model in service, as recorded in `history.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Time of the change.
    pub at: Timestamp,
    /// Promotion or rollback.
    pub kind: ChangeKind,
    /// The model in service since then.
    pub to: ModelName,
    /// The model in service before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<ModelName>,
}

/// Promotion or rollback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// Put in service.
    Promoted,
    /// Put in service again, because its successor was taken out.
    RolledBack,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Active {
    name: String,
    version: String,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct History {
    #[serde(default)]
    change: Vec<Change>,
}

impl Registry {
    /// Opens a folder of models.
    ///
    /// # Errors
    /// [`ModelError::Io`] if there is no such folder.
    pub fn open(dir: &Path) -> Result<Registry, ModelError> {
        folders(dir)?;
        Ok(Registry { dir: dir.to_owned() })
    }

    /// Every version, by name and then by version; numbers in versions are compared as numbers.
    ///
    /// # Errors
    /// [`ModelError::Io`] and, for `active.toml`, [`ModelError::Corrupt`].
    pub fn list(&self) -> Result<Vec<Entry>, ModelError> {
        let active: Vec<Option<ModelName>> =
            Subject::ALL.iter().map(|subject| self.active_name(*subject)).collect::<Result<_, _>>()?;
        self.entries(&active.into_iter().flatten().collect::<Vec<_>>())
    }

    /// Every version, read and verified as for service. A version that cannot be used is listed
    /// with the reason.
    ///
    /// # Errors
    /// As [`Registry::list`].
    pub fn survey(&self) -> Result<Vec<Listed>, ModelError> {
        let entries = self.list()?.into_iter();
        Ok(entries
            .map(|entry| {
                let manifest = self.load(&entry.name, &entry.version);
                let manifest = manifest.and_then(|_| self.show(&entry.name, &entry.version));
                Listed { entry, manifest }
            })
            .collect())
    }

    /// The manifest of a model.
    ///
    /// # Errors
    /// [`ModelError::Unknown`] lists the known models.
    pub fn show(&self, name: &str, version: &str) -> Result<Manifest, ModelError> {
        Manifest::load(&self.find(name, version)?)
    }

    /// A model's card, Markdown.
    ///
    /// # Errors
    /// As [`Registry::show`].
    pub fn card(&self, name: &str, version: &str) -> Result<String, ModelError> {
        let path = self.find(name, version)?.join("card.md");
        String::from_utf8(read(&path)?).map_err(|e| corrupt(&path, e.to_string()))
    }

    /// Loads a model.
    ///
    /// # Errors
    /// As [`Model::load`]; [`ModelError::Unknown`] lists the known models.
    pub fn load(&self, name: &str, version: &str) -> Result<Model, ModelError> {
        let dir = self.find(name, version)?;
        let model = Model::load(&dir)?;
        if (model.name(), model.version()) != (name, version) {
            let reason = format!("holds {} {}: its folder was copied or renamed", model.name(), model.version());
            return Err(corrupt(&dir.join(MODEL_FILE), reason));
        }
        Ok(model)
    }

    /// Loads the model of clusters in service.
    ///
    /// # Errors
    /// As [`Registry::active_of`]; [`ModelError::NoneActive`] if no model is in service.
    pub fn active(&self) -> Result<Model, ModelError> {
        self.active_of(Subject::Cluster)?
            .ok_or_else(|| ModelError::NoneActive { path: self.dir.clone(), known: self.known() })
    }

    /// Loads the model of this subject in service, if there is one.
    ///
    /// # Errors
    /// As [`Registry::load`], and [`ModelError::Subject`].
    pub fn active_of(&self, subject: Subject) -> Result<Option<Model>, ModelError> {
        let Some(active) = self.active_name(subject)? else { return Ok(None) };
        let model = self.load(&active.name, &active.version).map_err(|error| match error {
            ModelError::Unknown { wanted, path, known } => {
                let wanted = format!("{wanted}, which {} names", active_file(subject));
                ModelError::Unknown { wanted, path, known }
            }
            other => other,
        })?;
        model.of(subject).map(Some)
    }

    /// The name of the model of this subject in service, if there ever was one.
    ///
    /// # Errors
    /// [`ModelError::Io`] and [`ModelError::Corrupt`] if `active.toml` cannot be read.
    pub fn active_name(&self, subject: Subject) -> Result<Option<ModelName>, ModelError> {
        let active: Option<Active> = parsed(&self.dir.join(active_file(subject)))?;
        Ok(active.map(|Active { name, version }| ModelName { name, version }))
    }

    /// The models of this subject that were in service, with the times, oldest first.
    ///
    /// # Errors
    /// [`ModelError::Io`] and [`ModelError::Corrupt`] if `history.toml` cannot be read.
    pub fn history(&self, subject: Subject) -> Result<Vec<Change>, ModelError> {
        let history: Option<History> = parsed(&self.dir.join(history_file(subject)))?;
        Ok(history.unwrap_or_default().change)
    }

    /// Puts a model in service for its subject if it loads without error. Returns the previous one.
    /// A model that is in service already remains, without an entry in the history.
    ///
    /// # Errors
    /// As [`Registry::load`], and [`ModelError::Io`] if the folder is not writable.
    pub fn promote(&self, name: &str, version: &str, now: Timestamp) -> Result<Option<ModelName>, ModelError> {
        let _locked = self.lock();
        let subject = self.load(name, version)?.subject();
        let to = ModelName { name: name.to_owned(), version: version.to_owned() };
        let from = self.active_name(subject)?;
        if from.as_ref() != Some(&to) {
            self.change(subject, Change { at: now, kind: ChangeKind::Promoted, to, from: from.clone() })?;
        }
        Ok(from)
    }

    /// Takes the model of this subject out of service and puts the previous one back if it loads
    /// without error. Returns that change. Calling it again goes one further back.
    ///
    /// # Errors
    /// [`ModelError::NoEarlierModel`] if there was none before; as [`Registry::load`] if the
    /// previous one can no longer be used.
    pub fn rollback(&self, subject: Subject, now: Timestamp) -> Result<Change, ModelError> {
        let _locked = self.lock();
        let from = self.active_name(subject)?;
        let Some(to) = before(&self.history(subject)?, from.as_ref()) else {
            let reason = match from {
                Some(from) => format!(
                    "{from} is in service and {} names none before it; put another there with \
                     `lockstep models promote NAME VERSION`; there are: {}",
                    self.dir.join(history_file(subject)).display(),
                    self.known()
                ),
                None => format!(
                    "no model of {subject}s is in service in {}; there are: {}",
                    self.dir.display(),
                    self.known()
                ),
            };
            return Err(ModelError::NoEarlierModel { reason });
        };
        if let Err(error) = self.load(&to.name, &to.version) {
            let reason = format!(
                "{to} was in service before, and can no longer be used: {error}; or put another there with \
                 `lockstep models promote NAME VERSION`"
            );
            return Err(ModelError::NoEarlierModel { reason });
        }
        let change = Change { at: now, kind: ChangeKind::RolledBack, to, from };
        self.change(subject, change.clone())?;
        Ok(change)
    }

    /// The file of the model in service is written first. If the process ends before the history is
    /// written, the change counts as one by hand, and a rollback still works.
    fn change(&self, subject: Subject, change: Change) -> Result<(), ModelError> {
        let second = Timestamp::from_second(change.at.as_second()).unwrap_or(change.at);
        let change = Change { at: second, ..change };
        let (active, history) = (self.dir.join(active_file(subject)), self.dir.join(history_file(subject)));
        let ModelName { name, version } = change.to.clone();
        let text = toml::to_string(&Active { name, version }).map_err(|e| corrupt(&active, e.to_string()))?;
        let entry = toml::to_string(&History { change: vec![change] }).map_err(|e| corrupt(&history, e.to_string()))?;
        let before = match history.exists() {
            true => read(&history)?,
            false => b"# Models in service over time; `lockstep models promote` and `rollback` append to this file.\n"
                .to_vec(),
        };
        let text = format!(
            "# The model of {subject}s in service; `lockstep models promote` and `rollback` write this file.\n{text}"
        );
        write(&active, text.as_bytes())?;
        // Written atomically, so that nobody ever reads half an entry.
        write(&history, &[&before, &b"\n"[..], entry.as_bytes()].concat())
    }

    /// Held during a change: of two changes at once, one would be lost from the history. On a file
    /// system without locks, users must avoid this themselves.
    fn lock(&self) -> Option<File> {
        File::open(&self.dir).and_then(|dir| dir.lock().map(|()| dir)).ok()
    }

    fn entries(&self, active: &[ModelName]) -> Result<Vec<Entry>, ModelError> {
        let mut entries = Vec::new();
        for name in folders(&self.dir)? {
            for version in folders(&self.dir.join(&name))? {
                if self.dir.join(&name).join(&version).join(MODEL_FILE).is_file() {
                    let active = active.iter().any(|a| a.name == name && a.version == version);
                    entries.push(Entry { name: name.clone(), version, active });
                }
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| natural(&a.version).cmp(&natural(&b.version))));
        Ok(entries)
    }

    fn find(&self, name: &str, version: &str) -> Result<PathBuf, ModelError> {
        check_name(name)?;
        check_name(version)?;
        let dir = self.dir.join(name).join(version);
        match dir.join(MODEL_FILE).is_file() {
            true => Ok(dir),
            false => Err(ModelError::Unknown {
                wanted: format!("{name} {version}"),
                path: self.dir.clone(),
                known: self.known(),
            }),
        }
    }

    /// All models, for error messages, whatever `active.toml` says.
    fn known(&self) -> String {
        let known = self.entries(&[]).unwrap_or_default();
        let known: Vec<String> = known.iter().map(|e| format!("{} {}", e.name, e.version)).collect();
        if known.is_empty() { "none".to_owned() } else { known.join(", ") }
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name, self.version)
    }
}

impl FromStr for ModelName {
    type Err = ModelError;

    fn from_str(text: &str) -> Result<ModelName, ModelError> {
        let Some((name, version)) = text.split_once('/') else { return Err(ModelError::NameVersion(text.to_owned())) };
        check_name(name)?;
        check_name(version)?;
        Ok(ModelName { name: name.to_owned(), version: version.to_owned() })
    }
}

impl TryFrom<String> for ModelName {
    type Error = ModelError;

    fn try_from(text: String) -> Result<ModelName, ModelError> {
        text.parse()
    }
}

impl From<ModelName> for String {
    fn from(name: ModelName) -> String {
        name.to_string()
    }
}

impl Model {
    /// Its name with its version.
    pub fn full_name(&self) -> ModelName {
        ModelName { name: self.name.clone(), version: self.version.clone() }
    }
}

/// The model in service before `active`: promotions form a stack, and a rollback removes the top. A
/// change by hand, which is not in the history, counts as a promotion.
fn before(history: &[Change], active: Option<&ModelName>) -> Option<ModelName> {
    let mut stack: Vec<&ModelName> = Vec::new();
    let put = |stack: &mut Vec<_>, model| {
        if stack.last() != Some(&model) {
            stack.push(model);
        }
    };
    for change in history {
        if let Some(from) = &change.from {
            put(&mut stack, from);
        }
        if change.kind == ChangeKind::RolledBack {
            stack.pop();
        }
        put(&mut stack, &change.to);
    }
    put(&mut stack, active?);
    stack.pop();
    stack.pop().cloned()
}

fn parsed<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, ModelError> {
    if !path.exists() {
        return Ok(None);
    }
    let text = String::from_utf8(read(path)?).map_err(|e| corrupt(path, e.to_string()))?;
    toml::from_str(&text).map(Some).map_err(|e| corrupt(path, e.to_string()))
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

/// Splits a version into numbers and other parts, so that 10 comes after 9.
fn natural(version: &str) -> Vec<(u64, String)> {
    let parts = version.split(['.', '-', '_']);
    parts.map(|part| (part.parse().unwrap_or(u64::MAX), part.to_owned())).collect()
}

#[cfg(test)]
mod tests;
