//! Configuration: a TOML file, then the environment, then the command line, checked against the
//! types it is read into.
//!
//! Every problem says where the value came from (file and line, variable, option), the full path of
//! the key, and what to do. Keys no type knows are errors, all reported at once, each with the
//! nearest known key. `toml` with a deserialiser of our own was chosen over figment because figment
//! reports neither lines nor neighbours.
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

mod node;
mod read;
mod secret;

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;

use self::node::Node;
pub use secret::Secret;

/// What is wrong with the configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// One or more problems, one a line, each with its place.
    #[error("{}", .0.join("\n"))]
    Invalid(Vec<String>),
}

/// A key that was known once: it is taken with a warning and has no effect, so that an upgrade does
/// not stop at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retired {
    /// Its dotted path.
    pub path: &'static str,
    /// What has taken its place, or that nothing has: the rest of a sentence after "has no effect
    /// any more: ".
    pub instead: &'static str,
}

/// A key or table that is for a part of the program which this one does not have: it is passed over
/// with a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unused {
    /// Its dotted path.
    pub path: &'static str,
    /// Why: the rest of a sentence after "is not used here: ".
    pub why: &'static str,
}

/// Where a configuration comes from. Later ones win: the file (without one, the defaults of what is
/// read), the environment, the overrides.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sources<'s> {
    /// A TOML file.
    pub file: Option<&'s Path>,
    /// Variables named `PREFIX__SECTION__KEY` (case does not matter, dashes are underscores); none
    /// where it is `None`.
    pub env_prefix: Option<&'s str>,
    /// Pairs of a dotted path and a value. As in variables, values are text: a TOML value where one
    /// is expected (`8`, `true`, `["a", "b"]`), a string as it stands where a string is.
    pub overrides: &'s [(String, String)],
    /// Keys that were known once.
    pub retired: &'s [Retired],
    /// Keys of parts that this program does not have.
    pub unused: &'s [Unused],
}

impl Sources<'_> {
    /// Reads them into `T`; returns a warning for each key that has no effect, which names its
    /// place and why.
    ///
    /// Known keys are the fields of `T`, so `T` needs no `deny_unknown_fields`; fields with a
    /// default need `#[serde(default)]`. Avoid `flatten` and `untagged`: they hide the keys.
    pub fn load<T: DeserializeOwned>(&self) -> Result<(T, Vec<String>), ConfigError> {
        let variables =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        load_from(self, variables)
    }
}

/// Reads a file, then the environment, into `T`, where all keys are known: see [`Sources::load`].
pub fn load<T: DeserializeOwned>(
    file: Option<&Path>,
    env_prefix: &str,
    overrides: &[(String, String)],
) -> Result<T, ConfigError> {
    let sources = Sources { file, env_prefix: Some(env_prefix), overrides, ..Sources::default() };
    sources.load().map(|(value, _)| value)
}

fn load_from<T: DeserializeOwned>(
    sources: &Sources<'_>,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<(T, Vec<String>), ConfigError> {
    let mut root = match sources.file {
        None => Node::empty(),
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
            Node::parse(&text, &path.display().to_string()).map_err(|problem| ConfigError::Invalid(vec![problem]))?
        }
    };
    let mut problems = Vec::new();
    let mut variables: Vec<(String, String, String)> = variables
        .into_iter()
        .filter_map(|(name, value)| {
            let path = name.strip_prefix(sources.env_prefix?)?.strip_prefix("__")?.to_ascii_lowercase();
            Some((name, path, value))
        })
        .collect();
    variables.sort();
    for (name, path, value) in variables {
        let keys: Vec<&str> = path.split("__").collect();
        let origin = format!("environment variable {name}");
        problems.extend(root.set(&keys, value, &origin).err());
    }
    for (path, value) in sources.overrides {
        let keys: Vec<&str> = path.split('.').collect();
        problems.extend(root.set(&keys, value.clone(), &format!("option {path}")).err());
    }
    let mut warnings = Vec::new();
    let retired = sources.retired.iter().map(|known| (known.path, "has no effect any more", known.instead));
    let unused = sources.unused.iter().map(|known| (known.path, "is not used here", known.why));
    for (path, what, why) in retired.chain(unused) {
        let keys: Vec<&str> = path.split('.').collect();
        if let Some(node) = root.take(&keys) {
            warnings.push(format!("{}: {path} {what}: {why}", node.origin));
        }
    }
    let unknown = RefCell::new(Vec::new());
    let value = read::read(&root, &unknown);
    problems.extend(unknown.into_inner());
    match value {
        Ok(value) if problems.is_empty() => Ok((value, warnings)),
        Ok(_) => Err(ConfigError::Invalid(problems)),
        Err(problem) => {
            problems.push(problem);
            Err(ConfigError::Invalid(problems))
        }
    }
}

#[cfg(test)]
mod tests;
