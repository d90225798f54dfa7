//! `lockstep backup`: a copy of everything that the services keep, while they run.

pub mod manifest;
pub mod places;

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use jiff::Timestamp;
use runtime::{
    checkpoint,
    copies::{self, Snapshot},
};

use self::{
    manifest::{Absent, BackupFile, Manifest, files_below, path_in_backup},
    places::{CONFIGURATION, Place, PlaceKind, has_sqlite, places},
};
use crate::{
    Usage,
    config::{Config, ConfigFile},
    progress::{count, counted},
};

/// How often the list of checkpoints is read again because one of them was replaced meanwhile.
const TRIES: usize = 5;

/// Copies everything that the services keep into a new folder, while they run.
///
/// The copy has the sharing database, the embedded log, the checkpoints, the models, and the files that the configuration names:
/// recipients, people, producers, lexicon, and the configuration file itself. Both databases are copied as they were at the same
/// moment. manifest.json in the folder has the SHA-256 of every file; `lockstep restore` verifies them.
///
/// The key that encrypts the secrets in the database is not in the folder, because both together open the secrets. Keep a copy of the
/// key in another place: --key-to writes it there.
#[derive(Args)]
#[command(after_help = "\
Examples:
  lockstep backup /backups/monday --key-to /elsewhere/lockstep.key
  lockstep backup /backups/tuesday --without-database      with PostgreSQL, whose pg_dump copies the database")]
pub struct Backup {
    /// The folder, which is made; if it exists, it must be empty
    folder: PathBuf,
    /// Also write the key of encryption to this new file, which must not be in the folder
    #[arg(long, value_name = "FILE")]
    key_to: Option<PathBuf>,
    /// Leave the sharing database out: for PostgreSQL, which has its own program for backups
    #[arg(long)]
    without_database: bool,
    #[command(flatten)]
    config: ConfigFile,
}

impl Backup {
    pub fn run(self) -> Result<()> {
        let config = self.config.load()?;
        if !has_sqlite(&config) && !self.without_database {
            let database = config.sharing.without_secrets().database;
            return Err(Usage(format!(
                "the sharing database is a PostgreSQL, which its own program copies. Give --without-database, and afterwards run\n  pg_dump \
                 --format=custom --no-owner --file=sharing.dump --dbname='{database}'\nwith the password in PGPASSWORD. In this order \
                 the database is newer than the log, so that no case is lost"
            ))
            .into());
        }
        let key = match &self.key_to {
            Some(to) => Some((to, self.key_file(&config)?)),
            None => None,
        };
        make_empty(&self.folder)?;
        let manifest = copy_all(&config, self.config.config.as_deref(), &self.folder, self.without_database)
            .with_context(|| format!("the backup in {} is not finished, remove the folder", self.folder.display()))?;
        if let Some((to, from)) = key {
            copy_new(&from, to)?;
            eprintln!("the key of encryption is in {}: keep it apart from the backup", to.display());
        }
        report(&manifest);
        Ok(())
    }

    /// The file of keys, if it can be copied to where it is wanted.
    fn key_file(&self, config: &Config) -> Result<PathBuf> {
        let Some(from) = config.sharing.encryption.file(&config.sharing.database) else {
            bail!("--key-to: the key is in sharing.encryption.key, not in a file: keep a copy of what sets it");
        };
        let to = self.key_to.as_deref().unwrap_or(Path::new(""));
        let folder = |path: &Path| std::path::absolute(path).context("there is no current folder");
        if folder(to)?.starts_with(folder(&self.folder)?) {
            bail!(
                "--key-to {} is in the backup's folder: whoever has both the database and its key can read the secrets; name another \
                 place",
                to.display()
            );
        }
        if to.exists() {
            bail!("--key-to {} exists: name a new file", to.display());
        }
        if !from.is_file() {
            bail!("--key-to: there is no file of keys {}", from.display());
        }
        Ok(from)
    }
}

/// Makes the folder, which must be empty if it exists.
fn make_empty(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    if entries.next().is_some() {
        bail!("{} is not empty: a backup needs a new folder", folder.display());
    }
    Ok(())
}

fn copy_all(config: &Config, file: Option<&Path>, folder: &Path, without_database: bool) -> Result<Manifest> {
    let mut places = places(config, file);
    let mut absent = absent(config);
    if without_database {
        places.retain(|place| place.setting != "sharing.database");
        let why = "left out with --without-database; pg_dump copies a PostgreSQL".to_owned();
        absent.push(Absent { setting: "sharing.database".to_owned(), why });
    }
    let (there, missing): (Vec<Place>, Vec<Place>) = places.into_iter().partition(|place| place.path.exists());
    for Place { setting, path, .. } in missing {
        absent.push(Absent { setting: setting.to_owned(), why: format!("{} does not exist", path.display()) });
    }
    if !there.iter().any(|place| place.kind == PlaceKind::Database) && !without_database {
        bail!(
            "there is neither a log nor a sharing database where the configuration says: name the configuration of the services with \
             --config"
        );
    }
    let encryption_key = match has_sqlite(config) && Path::new(&config.sharing.database).exists() {
        true => sharing::encryption_state(&config.sharing)?.encrypted_with,
        false => None,
    };
    let mut files = Vec::new();
    for place in there.iter().filter(|place| place.kind == PlaceKind::Checkpoints) {
        copy_checkpoints(place, folder, &mut files)?;
    }
    let databases: Vec<&Place> = there.iter().filter(|place| place.kind == PlaceKind::Database).collect();
    let paths: Vec<&Path> = databases.iter().map(|place| place.path.as_path()).collect();
    let snapshots = Snapshot::at_one_moment(&paths)?;
    let taken_at = Timestamp::now();
    for (place, snapshot) in databases.into_iter().zip(snapshots) {
        files.push(copy_database(place, snapshot, folder)?);
    }
    for place in there {
        match place.kind {
            PlaceKind::File => {
                let name = place.path.file_name().map(PathBuf::from).unwrap_or_default();
                files.push(copy_file(&place.path, place.setting, &name, folder)?);
            }
            PlaceKind::Folder => {
                let list = format!("cannot list {}", place.path.display());
                for below in files_below(&place.path).context(list)? {
                    files.push(copy_file(&place.path.join(&below), place.setting, &below, folder)?);
                }
            }
            PlaceKind::Database | PlaceKind::Checkpoints => {}
        }
    }
    let manifest = Manifest::new(taken_at, encryption_key, files, absent);
    manifest.write(folder).with_context(|| format!("cannot write the manifest in {}", folder.display()))?;
    warn_of_key_in_configuration(config, file);
    Ok(manifest)
}

/// What a backup leaves out on purpose.
fn absent(config: &Config) -> Vec<Absent> {
    let mut absent = Vec::new();
    let mut add = |setting: &str, why: String| absent.push(Absent { setting: setting.to_owned(), why });
    match config.sharing.encryption.file(&config.sharing.database) {
        Some(key) => add(
            "sharing.encryption.key_file",
            format!("the key in {} must be kept in another place than the backup; --key-to copies it", key.display()),
        ),
        None => add("sharing.encryption.key", "keep a copy of what sets it, in another place".to_owned()),
    }
    if !config.log.brokers.is_empty() {
        add("log.brokers", "the topics are in Apache Kafka, which keeps its own copies".to_owned());
    }
    let seals = &config.sharing.audit.seal_file;
    if !seals.is_empty() {
        add(
            "sharing.audit.seal_file",
            format!("{seals} must be in another place, so that it can prove what is missing"),
        );
    }
    let (sharing, intake, admin) = (&config.sharing.tls, &config.intake.tls, &config.admin.tls);
    for (setting, named) in [
        ("sharing.tls", &sharing.certificate),
        ("intake.tls", &intake.certificate),
        ("admin.tls", &admin.certificate),
        ("admin.token_file", &config.admin.token_file),
    ] {
        if !named.is_empty() {
            add(setting, "certificates, their keys and tokens are made anew in place of being copied".to_owned());
        }
    }
    absent
}

fn copy_database(place: &Place, snapshot: Snapshot, folder: &Path) -> Result<BackupFile> {
    let name = place.path.file_name().map(PathBuf::from).unwrap_or_default();
    let file = path_in_backup(place.setting, &name)?;
    let to = folder.join(&file);
    make_folder_of(&to)?;
    let schema = snapshot.copy_to(&to)?;
    let copies::Contents { sha256, bytes } =
        copies::contents(&to).with_context(|| format!("cannot read {}", to.display()))?;
    Ok(BackupFile { file, sha256, bytes, schema: Some(schema) })
}

/// The service replaces checkpoints meanwhile: then the list is read again.
fn copy_checkpoints(place: &Place, folder: &Path, files: &mut Vec<BackupFile>) -> Result<()> {
    let mut tries = 0;
    'again: loop {
        tries += 1;
        let all = files_below(&place.path).with_context(|| format!("cannot list {}", place.path.display()))?;
        let finished = |path: &PathBuf| {
            let name = path.to_str().unwrap_or_default();
            name.ends_with(checkpoint::SUFFIX) && !name.starts_with('.')
        };
        let mut copied = Vec::new();
        for below in all.into_iter().filter(finished) {
            match copy_file(&place.path.join(&below), place.setting, &below, folder) {
                Ok(file) => copied.push(file),
                Err(error) if tries < TRIES && is_not_found(&error) => {
                    // What was copied may not be among those that are there now.
                    let there = folder.join(place.setting);
                    if there.exists() {
                        fs::remove_dir_all(&there).with_context(|| format!("cannot empty {}", there.display()))?;
                    }
                    continue 'again;
                }
                Err(error) => return Err(error),
            }
        }
        files.append(&mut copied);
        return Ok(());
    }
}

fn is_not_found(error: &anyhow::Error) -> bool {
    let kind = |cause: &(dyn std::error::Error + 'static)| cause.downcast_ref().map(io::Error::kind);
    error.chain().any(|cause| kind(cause) == Some(io::ErrorKind::NotFound))
}

fn copy_file(from: &Path, setting: &str, below: &Path, folder: &Path) -> Result<BackupFile> {
    let file = path_in_backup(setting, below)?;
    let to = folder.join(&file);
    make_folder_of(&to)?;
    let mut source = File::open(from).with_context(|| format!("cannot open {}", from.display()))?;
    let failed = || format!("cannot copy {} to {}", from.display(), to.display());
    let mut target = File::create_new(&to).with_context(failed)?;
    let copies::Contents { sha256, bytes } = copies::copy(&mut source, &mut target).with_context(failed)?;
    target.sync_all().with_context(failed)?;
    Ok(BackupFile { file, sha256, bytes, schema: None })
}

fn copy_new(from: &Path, to: &Path) -> Result<()> {
    make_folder_of(to)?;
    let failed = || format!("cannot copy the key {} to {}", from.display(), to.display());
    let mut source = File::open(from).with_context(failed)?;
    let mut target = File::create_new(to).with_context(failed)?;
    copies::copy(&mut source, &mut target).with_context(failed)?;
    target.sync_all().with_context(failed)
}

pub(crate) fn make_folder_of(file: &Path) -> Result<()> {
    match file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display())),
        None => Ok(()),
    }
}

/// The configuration file is in the backup, beside the database that the key opens.
fn warn_of_key_in_configuration(config: &Config, file: Option<&Path>) {
    let keys = &config.sharing.encryption.key;
    let text = file.and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default();
    if keys.split_whitespace().any(|key| text.contains(key)) {
        eprintln!(
            "warning: the configuration file in the backup contains sharing.encryption.key, which opens the secrets in the database: put \
             the key into a file (sharing.encryption.key_file) or into the environment"
        );
    }
}

fn report(manifest: &Manifest) {
    let mut settings: Vec<&str> = manifest.files.iter().map(|file| file.parts().0).collect();
    settings.dedup();
    for setting in settings {
        let of = || manifest.files.iter().filter(|file| file.parts().0 == setting);
        let bytes: u64 = of().map(|file| file.bytes).sum();
        let files = counted(of().count() as u64, "file");
        let what = if setting == CONFIGURATION { "the configuration file" } else { setting };
        eprintln!("{what}: {files}, {} bytes", count(bytes));
    }
    for Absent { setting, why } in &manifest.absent {
        eprintln!("not in the backup: {setting}: {why}");
    }
    eprintln!("the databases are of {}", manifest.taken_at);
}
