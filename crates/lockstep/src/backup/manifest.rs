//! What a backup contains: `manifest.json`, written last, so that an unfinished backup has none.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use atomic_file::Kind;
use jiff::Timestamp;
use runtime::copies;
use serde::{Deserialize, Serialize};

/// Name of the file in the backup's folder.
pub const NAME: &str = "manifest.json";
/// Version of the manifest that this program writes and reads.
const FORMAT: u32 = 1;

/// The manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the manifest.
    pub format: u32,
    /// Version of the program that made the backup.
    pub lockstep: String,
    /// The moment of which the databases are.
    pub taken_at: Timestamp,
    /// Id of the key with which the secrets in the sharing database are encrypted. The key itself is not in the backup.
    pub encryption_key: Option<String>,
    /// Every file, by its path in the folder.
    pub files: Vec<BackupFile>,
    /// What the backup does not contain.
    pub absent: Vec<Absent>,
}

/// A file of a backup. Its path is SETTING/PATH: the key of the configuration that says where it belongs, and its path there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupFile {
    /// Path in the backup's folder, with slashes.
    pub file: String,
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
    /// Number of bytes.
    pub bytes: u64,
    /// Version of the tables, for a database.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub schema: Option<i64>,
}

/// What is not in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Absent {
    /// The key of the configuration that names it.
    pub setting: String,
    /// Why it is not there, and what to do.
    pub why: String,
}

impl BackupFile {
    /// The key of the configuration, and the path below what the key names.
    pub fn parts(&self) -> (&str, &str) {
        self.file.split_once('/').unwrap_or((&self.file, ""))
    }
}

impl Manifest {
    /// A manifest of this program.
    pub fn new(
        taken_at: Timestamp,
        encryption_key: Option<String>,
        files: Vec<BackupFile>,
        absent: Vec<Absent>,
    ) -> Self {
        let lockstep = env!("CARGO_PKG_VERSION").to_owned();
        Manifest { format: FORMAT, lockstep, taken_at, encryption_key, files, absent }
    }

    /// Writes the manifest, which finishes the backup.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        atomic_file::write(&folder.join(NAME), Kind::State, |out| {
            serde_json::to_writer_pretty(&mut *out, self)?;
            io::Write::write_all(out, b"\n")
        })
    }

    /// Reads the manifest of a finished backup. The files are not looked at.
    pub fn read(folder: &Path) -> Result<Manifest> {
        let path = folder.join(NAME);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => bail!(
                "{} is not a backup, or one that was not finished: it has no {NAME}, which `lockstep backup` writes last",
                folder.display()
            ),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        // Another format may have other keys, so its number is read first.
        let value: serde_json::Value =
            serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))?;
        let format = value["format"].as_u64();
        if format != Some(u64::from(FORMAT)) {
            bail!(
                "{} has format {}, and this program reads format {FORMAT}: use the program that made the backup, or a newer one",
                path.display(),
                value["format"]
            );
        }
        let manifest: Manifest =
            serde_json::from_value(value).with_context(|| format!("{} is damaged", path.display()))?;
        for file in &manifest.files {
            let mut parts = Path::new(&file.file).components();
            if file.parts().1.is_empty() || !parts.all(|part| matches!(part, Component::Normal(_))) {
                bail!("{} names {:?}, which is no path in a backup", path.display(), file.file);
            }
        }
        Ok(manifest)
    }

    /// Reads every file, and names those that are missing or changed.
    pub fn verify(&self, folder: &Path) -> Result<()> {
        let mut wrong = Vec::new();
        for BackupFile { file, sha256, bytes, .. } in &self.files {
            match copies::contents(&folder.join(file)) {
                Ok(found) if found.sha256 == *sha256 && found.bytes == *bytes => {}
                Ok(found) if found.bytes != *bytes => {
                    wrong.push(format!("{file} has {} bytes and had {bytes}", found.bytes));
                }
                Ok(_) => wrong.push(format!("{file} was changed: its SHA-256 does not match")),
                Err(error) => wrong.push(format!("{file} cannot be read: {error}")),
            }
        }
        if !wrong.is_empty() {
            bail!("the backup in {} is damaged, and nothing was restored: {}", folder.display(), wrong.join("; "));
        }
        Ok(())
    }
}

/// The path of a file in a backup, with slashes on every system.
pub fn path_in_backup(setting: &str, below: &Path) -> Result<String> {
    let parts: Option<Vec<&str>> = below.components().map(|part| part.as_os_str().to_str()).collect();
    let parts = parts.with_context(|| format!("the name of {} is not Unicode: rename it", below.display()))?;
    Ok(format!("{setting}/{}", parts.join("/")))
}

/// Every file below a folder, in order, by its path there.
pub fn files_below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut found, mut folders) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(below) = folders.pop() {
        for entry in fs::read_dir(folder.join(&below))? {
            let entry = entry?;
            let path = below.join(entry.file_name());
            match fs::metadata(entry.path())?.is_dir() {
                true => folders.push(path),
                false => found.push(path),
            }
        }
    }
    found.sort();
    Ok(found)
}
