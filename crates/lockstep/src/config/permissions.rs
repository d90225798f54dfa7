//! Files and folders of the services that other users of the machine may read or change.

use std::path::{Path, PathBuf};

use super::Config;

/// Permissions of group and others.
const GROUP_AND_OTHERS: u32 = 0o077;
/// Permissions of others. A monitoring program reads a token as a member of its group.
const OTHERS: u32 = 0o007;

/// A warning for each key whose files or folders other users may read or change.
pub(super) fn warnings(config: &Config) -> Vec<String> {
    let sharing = &config.sharing;
    let mut found = Vec::new();
    if !sharing.database.starts_with("postgres") {
        let files = ["", "-wal", "-shm"].map(|end| PathBuf::from(format!("{}{end}", sharing.database)));
        found.extend(warning("sharing.database", &files, GROUP_AND_OTHERS));
    }
    if let Some(file) = sharing.encryption.file(&sharing.database) {
        found.extend(warning("sharing.encryption.key_file", &[file], GROUP_AND_OTHERS));
    }
    if config.log.brokers.is_empty() {
        found.extend(warning("log.dir", &folder(&config.log.dir), GROUP_AND_OTHERS));
    }
    found.extend(warning("detector.checkpoints", &folder(&config.detector.checkpoints), GROUP_AND_OTHERS));
    for (key, path, forbidden) in [
        ("intake.producers", &config.intake.producers, GROUP_AND_OTHERS),
        ("intake.tls.key", &config.intake.tls.key, OTHERS),
        ("admin.tls.key", &config.admin.tls.key, OTHERS),
        ("admin.token_file", &config.admin.token_file, OTHERS),
    ] {
        if !path.is_empty() {
            found.extend(warning(key, &[PathBuf::from(path)], forbidden));
        }
    }
    found
}

/// A folder, and the files in it.
fn folder(path: &Path) -> Vec<PathBuf> {
    let mut all = vec![path.to_owned()];
    // A folder that cannot be listed is reported by whoever has to read it.
    if let Ok(entries) = std::fs::read_dir(path) {
        let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.sort();
        all.extend(files);
    }
    all
}

#[cfg(unix)]
fn warning(key: &str, paths: &[PathBuf], forbidden: u32) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    // What is not there has no permissions yet.
    let mode = |path: &PathBuf| std::fs::metadata(path).ok().map(|meta| meta.permissions().mode() & 0o777);
    let open: Vec<(&PathBuf, u32)> =
        paths.iter().filter_map(|path| Some((path, mode(path)?))).filter(|(_, mode)| mode & forbidden != 0).collect();
    let (first, mode) = open.first()?;
    let more = match open.len() {
        1 => String::new(),
        n => format!(" and {} more", n - 1),
    };
    let who = if forbidden == OTHERS { "o=" } else { "go=" };
    let all: Vec<String> = open.iter().map(|(path, _)| path.display().to_string()).collect();
    let command = match all.len() {
        0..=3 => format!("chmod {who} {}", all.join(" ")),
        _ => format!("chmod -R {who} {}", first.display()),
    };
    Some(format!(
        "{}{more} ({key}) can be read or changed by other users of this machine (mode {mode:03o}): {command}",
        first.display()
    ))
}

#[cfg(not(unix))]
fn warning(_: &str, _: &[PathBuf], _: u32) -> Option<String> {
    None
}
