//! `lockstep restore`: puts a backup back into its places.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use atomic_file::Kind;
use clap::Args;
use jiff::Timestamp;
use runtime::{FolderLock, copies};
use sharing::AuditLog;

use crate::{
    backup::{
        make_folder_of,
        manifest::{BackupFile, Manifest, files_below},
        places::{CONFIGURATION, Place, PlaceKind, has_sqlite, places},
    },
    config::{Config, ConfigFile},
    progress::{count, counted},
};

/// Puts a backup back into the places that the configuration names, while no service runs.
///
/// First every file is verified by the SHA-256 in the backup's manifest. Nothing is written if a file is damaged, if a database is of a
/// newer version than this program knows, or if something is in the way. With --force, what is in the way is renamed, not deleted.
///
/// If the file of --config does not exist, it is restored first, and says where the rest belongs.
#[derive(Args)]
#[command(after_help = "\
Examples:
  lockstep restore /backups/monday --config lockstep.toml --key-from /elsewhere/lockstep.key
  lockstep restore /backups/monday --check                 verifies the backup, and writes nothing")]
pub struct Restore {
    /// The folder that `lockstep backup` made
    folder: PathBuf,
    /// Also restore the key of encryption from this file
    #[arg(long, value_name = "FILE")]
    key_from: Option<PathBuf>,
    /// Rename what is in the way
    #[arg(long)]
    force: bool,
    /// Only verify the backup
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    config: ConfigFile,
}

/// A file of the backup with its place.
struct Restored<'a> {
    file: &'a BackupFile,
    target: PathBuf,
    is_database: bool,
}

impl Restore {
    pub fn run(self) -> Result<()> {
        let manifest = Manifest::read(&self.folder)?;
        check_versions(&manifest)?;
        manifest.verify(&self.folder)?;
        let bytes = manifest.files.iter().map(|file| file.bytes).sum();
        let files = counted(manifest.files.len() as u64, "file");
        eprintln!("the backup of {} is whole: {files}, {} bytes", manifest.taken_at, count(bytes));
        if self.check {
            return Ok(());
        }
        let config = self.configuration(&manifest)?;
        let (restored, without_place) = self.targets(&manifest, &config);
        // Nobody may use the log while its file is replaced.
        let _lock = match config.log.brokers.is_empty() && config.log.dir.is_dir() {
            true => Some(FolderLock::take(&config.log.dir)?),
            false => None,
        };
        let key = self.key(&config)?;
        let in_the_way = self.in_the_way(&config, &restored, key.as_ref().map(|(_, to)| to.as_path()))?;
        if !in_the_way.is_empty() {
            self.clear(&in_the_way)?;
        }
        // What is still there is the same.
        for Restored { file, target, .. } in restored.iter().filter(|restored| !restored.target.exists()) {
            put(&self.folder.join(&file.file), target, Kind::State)?;
        }
        if let Some((from, to)) = &key {
            put(from, to, Kind::Secret)?;
        }
        eprintln!("restored {}", counted(restored.len() as u64, "file"));
        for file in without_place {
            eprintln!("warning: not restored: {file}, for which the configuration names no place");
        }
        if restored.iter().any(|restored| restored.file.parts().0 == "sharing.database") {
            check_database(&config, &manifest)?;
        } else if !has_sqlite(&config) {
            let database = config.sharing.without_secrets().database;
            eprintln!(
                "the sharing database is a PostgreSQL, and not in the backup: pg_restore --clean --if-exists --no-owner \
                 --dbname='{database}' sharing.dump"
            );
        }
        Ok(())
    }

    /// The configuration that says where everything belongs: the file that is there, else the backup's.
    fn configuration(&self, manifest: &Manifest) -> Result<Config> {
        let of_backup = manifest.files.iter().find(|file| file.parts().0 == CONFIGURATION);
        match (&self.config.config, of_backup) {
            (Some(path), Some(file)) if !path.exists() => {
                Ok(ConfigFile { config: Some(self.folder.join(&file.file)) }.load()?)
            }
            (None, Some(file)) => bail!(
                "the backup has a configuration file, {}: say with --config where it belongs, or which configuration to use",
                file.file
            ),
            _ => self.config.load(),
        }
    }

    /// The place of every file, and the files without one.
    fn targets<'a>(&self, manifest: &'a Manifest, config: &Config) -> (Vec<Restored<'a>>, Vec<&'a str>) {
        let places = places(config, self.config.config.as_deref());
        let (mut restored, mut without_place) = (Vec::new(), Vec::new());
        for file in &manifest.files {
            let (setting, below) = file.parts();
            // A configuration that is there is the one that was asked for.
            if setting == CONFIGURATION && self.config.config.as_ref().is_some_and(|path| path.exists()) {
                continue;
            }
            match places.iter().find(|place| place.setting == setting) {
                Some(place) => restored.push(Restored {
                    file,
                    // A folder of files in the backup is a folder whatever lies at its place now.
                    target: match place.kind == PlaceKind::File && below.contains('/') {
                        true => place.path.join(below),
                        false => place.target(below),
                    },
                    is_database: place.kind == PlaceKind::Database,
                }),
                None => without_place.push(file.file.as_str()),
            }
        }
        (restored, without_place)
    }

    /// The file of keys and where it belongs.
    fn key(&self, config: &Config) -> Result<Option<(PathBuf, PathBuf)>> {
        let Some(from) = &self.key_from else { return Ok(None) };
        let Some(to) = config.sharing.encryption.file(&config.sharing.database) else {
            bail!("--key-from: the configuration has the key in sharing.encryption.key, not in a file");
        };
        copies::contents(from).with_context(|| format!("cannot read {}", from.display()))?;
        Ok(Some((from.clone(), to)))
    }

    /// Files and folders that exist with other contents than the backup's.
    fn in_the_way(&self, config: &Config, restored: &[Restored<'_>], key: Option<&Path>) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for Restored { file, target, is_database } in restored {
            match is_database {
                // What is in its write-ahead log would be put into the restored database.
                true => found.extend(beside(target).into_iter().filter(|path| path.exists())),
                false if target.is_dir() => found.push(target.clone()),
                false if target.exists() && !is_same(target, file)? => found.push(target.clone()),
                false => {}
            }
        }
        // A folder of the backup must not hold anything else: another checkpoint could be newer than the log.
        for Place { setting, kind, path } in places(config, None) {
            let of_backup = |restored: &&Restored<'_>| restored.file.parts().0 == setting;
            if kind == PlaceKind::Checkpoints && path.is_dir() && restored.iter().any(|file| of_backup(&file)) {
                let names = files_below(&path).with_context(|| format!("cannot list {}", path.display()))?;
                let others = names.into_iter().map(|name| path.join(name));
                found.extend(others.filter(|other| !restored.iter().any(|file| file.target == *other)));
            }
        }
        if let (Some(to), Some(from)) = (key, &self.key_from)
            && to.exists()
            && copies::contents(to)? != copies::contents(from)?
        {
            found.push(to.to_owned());
        }
        // The id of the database that was used last belongs to that database.
        if found.iter().any(|path| *path == Path::new(&config.sharing.database)) {
            let id = match config.sharing.database_id_file.as_str() {
                "" => PathBuf::from(format!("{}.id", config.sharing.database)),
                named => PathBuf::from(named),
            };
            found.extend(Some(id).filter(|id| id.exists()));
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// Renames what is in the way, or refuses.
    fn clear(&self, in_the_way: &[PathBuf]) -> Result<()> {
        if !self.force {
            let names: Vec<String> = in_the_way.iter().map(|path| path.display().to_string()).collect();
            bail!(
                "nothing was restored, because {} in the way: {}. Stop the services and give --force, which renames what is in the way, or \
                 restore to other places",
                if names.len() == 1 { "this file is" } else { "these files are" },
                names.join(", ")
            );
        }
        let end = Timestamp::now().strftime("before-restore-%Y%m%dT%H%M%SZ").to_string();
        for path in in_the_way {
            let mut kept = path.clone().into_os_string();
            kept.push(format!(".{end}"));
            fs::rename(path, &kept).with_context(|| format!("cannot rename {}", path.display()))?;
            eprintln!("{} is now {}", path.display(), Path::new(&kept).display());
        }
        Ok(())
    }
}

/// Refuses databases of a newer program.
fn check_versions(manifest: &Manifest) -> Result<()> {
    for file in &manifest.files {
        let known = match file.parts().0 {
            "sharing.database" => sharing::schema_version(),
            "log.dir" => i64::from(runtime::LOG_LAYOUT),
            _ => continue,
        };
        match file.schema {
            Some(schema) if schema <= known => {}
            Some(schema) => bail!(
                "{} is of version {schema}, and this program knows versions up to {known}: restore it with Lockstep {} or a newer one; \
                 nothing was restored",
                file.file,
                manifest.lockstep
            ),
            None => bail!("the manifest does not say of which version {} is; nothing was restored", file.file),
        }
    }
    Ok(())
}

/// A database with the files that SQLite keeps beside it.
fn beside(database: &Path) -> Vec<PathBuf> {
    let with = |end: &str| {
        let mut path = database.as_os_str().to_owned();
        path.push(end);
        PathBuf::from(path)
    };
    ["", "-wal", "-shm", "-journal"].map(with).to_vec()
}

fn is_same(path: &Path, file: &BackupFile) -> Result<bool> {
    let found = copies::contents(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(found.sha256 == file.sha256 && found.bytes == file.bytes)
}

fn put(from: &Path, to: &Path, kind: Kind) -> Result<()> {
    make_folder_of(to)?;
    let failed = || format!("cannot restore {} to {}", from.display(), to.display());
    let mut source = File::open(from).with_context(failed)?;
    atomic_file::write(to, kind, |out| copies::copy(&mut source, out).map(drop)).with_context(failed)
}

/// Verifies the audit log of the restored database, and says whether the key of its secrets is there.
fn check_database(config: &Config, manifest: &Manifest) -> Result<()> {
    let log = AuditLog::open(&config.sharing.database)?;
    let (entries, _) = log.verify(None, None)?.context("the audit log of the restored database is broken")?;
    let noun = if entries == 1 { "entry" } else { "entries" };
    eprintln!("the audit log has {} {noun}, unbroken", count(entries.max(0).cast_unsigned()));
    let seals = &config.sharing.audit.seal_file;
    if !seals.is_empty()
        && Path::new(seals).exists()
        && let Err(broken) = log.verify(None, Some(Path::new(seals)))?
    {
        eprintln!(
            "warning: {seals} has seals that the restored database does not have: {broken}. Decisions since {} are lost; move the \
             file away, or the service reports a broken audit log",
            manifest.taken_at
        );
    }
    let state = sharing::encryption_state(&config.sharing)?;
    if let Some(id) = state.encrypted_with.filter(|id| !state.keys.contains(id)) {
        eprintln!(
            "warning: the secrets in the database are encrypted with key {id}, which is not in {}: put it there (--key-from), or the \
             service does not start",
            state.place
        );
    }
    Ok(())
}
