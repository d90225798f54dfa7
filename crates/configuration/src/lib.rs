//! Configuration: a TOML file, then the environment, then the command line, checked against the types it is read into.
//!
//! Every problem says where the value came from (file and line, variable, option), the full path of the key, and what to
//! do. Keys no type knows are errors, all reported at once, each with the nearest known key. `toml` with a deserialiser of
//! our own was chosen over figment because figment reports neither lines nor neighbours.
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

/// A key that was known once: it is taken with a warning and has no effect, so that an upgrade does not stop at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retired {
    /// Its dotted path.
    pub path: &'static str,
    /// What has taken its place, or that nothing has: the rest of a sentence after "has no effect any more: ".
    pub instead: &'static str,
}

/// Reads a configuration into `T`.
///
/// Later ones win: the file at `path` (without one, `T`'s defaults), variables named `PREFIX__SECTION__KEY` (case does not
/// matter, dashes are underscores), `overrides` as pairs of a dotted path and a value. Values of the last two are text:
/// a TOML value where one is expected (`8`, `true`, `["a", "b"]`), a string as it stands where a string is.
///
/// Known keys are the fields of `T`, so `T` needs no `deny_unknown_fields`; fields with a default need `#[serde(default)]`.
/// Avoid `flatten` and `untagged`: they hide the keys.
pub fn load<T: DeserializeOwned>(
    path: Option<&Path>,
    env_prefix: &str,
    overrides: &[(String, String)],
) -> Result<T, ConfigError> {
    load_upgraded(path, env_prefix, overrides, &[]).map(|(value, _)| value)
}

/// The same where some keys are retired; returns a warning for each that is set, which names its place and what has taken its place.
pub fn load_upgraded<T: DeserializeOwned>(
    path: Option<&Path>,
    env_prefix: &str,
    overrides: &[(String, String)],
    retired: &[Retired],
) -> Result<(T, Vec<String>), ConfigError> {
    let variables =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    load_from(path, env_prefix, variables, overrides, retired)
}

fn load_from<T: DeserializeOwned>(
    path: Option<&Path>,
    env_prefix: &str,
    variables: impl IntoIterator<Item = (String, String)>,
    overrides: &[(String, String)],
    retired: &[Retired],
) -> Result<(T, Vec<String>), ConfigError> {
    let mut root = match path {
        None => Node::empty(),
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
            Node::parse(&text, &path.display().to_string()).map_err(|problem| ConfigError::Invalid(vec![problem]))?
        }
    };
    let mut problems = Vec::new();
    let prefix = format!("{env_prefix}__");
    let mut variables: Vec<(String, String)> =
        variables.into_iter().filter(|(name, _)| name.starts_with(&prefix)).collect();
    variables.sort();
    for (name, value) in variables {
        let path = name[prefix.len()..].to_ascii_lowercase();
        let keys: Vec<&str> = path.split("__").collect();
        let origin = format!("environment variable {name}");
        problems.extend(root.set(&keys, value, &origin).err());
    }
    for (path, value) in overrides {
        let keys: Vec<&str> = path.split('.').collect();
        problems.extend(root.set(&keys, value.clone(), &format!("option {path}")).err());
    }
    let mut warnings = Vec::new();
    for Retired { path, instead } in retired {
        let keys: Vec<&str> = path.split('.').collect();
        if let Some(node) = root.take(&keys) {
            warnings.push(format!("{}: {path} has no effect any more: {instead}", node.origin));
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
