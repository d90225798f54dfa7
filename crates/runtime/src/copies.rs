//! Copies of databases while other processes write to them, and copies of files with their SHA-256.
//!
//! Several databases are copied as they were at **one** moment: their writers are stopped for the
//! time in which a read transaction begins on each of them, which takes about a millisecond. The
//! copying itself reads within these transactions, so writers continue meanwhile.
use std::{
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, backup};
use sha2::{Digest, Sha256};

/// How long to wait for a writer that is in a transaction.
const PATIENCE: Duration = Duration::from_secs(30);
const CHUNK: usize = 256 * 1024;

/// A database cannot be copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The database refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Sqlite {
        /// The action that failed.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Cause of the failure.
        source: rusqlite::Error,
    },
    /// The copy is damaged, so the database is, too.
    #[error("the copy of {} is damaged: {what}; the database itself is damaged, do not go on with it", path.display())]
    Damaged {
        /// The file that was copied.
        path: PathBuf,
        /// What the check found.
        what: String,
    },
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(rusqlite::Error) -> CopyError {
    let path = path.to_owned();
    move |source| CopyError::Sqlite { action, path, source }
}

/// A SQLite database as it was at one moment. Writers continue.
pub struct Snapshot {
    file: PathBuf,
    reader: Connection,
}

impl Snapshot {
    /// The databases as they all were at the same moment. The files must exist.
    pub fn at_one_moment(files: &[&Path]) -> Result<Vec<Snapshot>, CopyError> {
        let connections = |files: &[&Path]| files.iter().map(|file| connect(file)).collect::<Result<Vec<_>, _>>();
        let (stopped, readers) = (connections(files)?, connections(files)?);
        for (file, connection) in files.iter().zip(&stopped) {
            connection.execute_batch("begin immediate").map_err(failed("wait for the writers of", file))?;
        }
        let snapshots = files.iter().zip(readers).map(|(file, reader)| {
            // A transaction sees the database as it is at the first read.
            let begin = "begin deferred; select count(*) from sqlite_master";
            reader.execute_batch(begin).map_err(failed("read", file))?;
            Ok(Snapshot { file: file.to_path_buf(), reader })
        });
        let snapshots = snapshots.collect();
        // Dropping the connections ends their transactions, and writers continue.
        drop(stopped);
        snapshots
    }

    /// Writes the database to a new file and checks the copy. Returns the version of its tables
    /// (`pragma user_version`).
    pub fn copy_to(self, path: &Path) -> Result<i64, CopyError> {
        let mut copy = Connection::open(path).map_err(failed("make", path))?;
        {
            let copying = backup::Backup::new(&self.reader, &mut copy).map_err(failed("copy", &self.file))?;
            // In one step, so that no writer makes it begin again.
            copying.step(-1).map_err(failed("copy", &self.file))?;
        }
        let said: String = copy
            .query_row("pragma quick_check(1)", [], |row| row.get(0))
            .map_err(failed("check the copy of", &self.file))?;
        if said != "ok" {
            return Err(CopyError::Damaged { path: self.file, what: said });
        }
        let version = copy.query_row("pragma user_version", [], |row| row.get(0)).map_err(failed("read", path))?;
        copy.close().map_err(|(_, error)| failed("close", path)(error))?;
        Ok(version)
    }
}

/// A file that is not there is an error: it must not be made, which would look like an empty database.
fn connect(file: &Path) -> Result<Connection, CopyError> {
    let flags = OpenFlags::default() - OpenFlags::SQLITE_OPEN_CREATE;
    let connection = Connection::open_with_flags(file, flags).map_err(failed("open", file))?;
    connection.busy_timeout(PATIENCE).map_err(failed("open", file))?;
    Ok(connection)
}

/// What a file contains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// SHA-256 in hexadecimal digits.
    pub sha256: String,
    /// Number of bytes.
    pub bytes: u64,
}

/// Copies what is read, and says what it was.
pub fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<Contents> {
    let (mut digest, mut bytes, mut chunk) = (Sha256::new(), 0, vec![0; CHUNK]);
    loop {
        let length = match from.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let part = chunk.get(..length).unwrap_or_default();
        digest.update(part);
        to.write_all(part)?;
        bytes += length as u64;
    }
    Ok(Contents { sha256: text_format::hex(&digest.finalize()), bytes })
}

/// What a file contains.
pub fn contents(path: &Path) -> io::Result<Contents> {
    copy(&mut File::open(path)?, &mut io::sink())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

    /// A pair of databases: the second always holds as many rows as the first, or one less.
    fn pair(folder: &Path) -> [PathBuf; 2] {
        ["a.db", "b.db"].map(|name| {
            let file = folder.join(name);
            let db = Connection::open(&file).unwrap();
            db.execute_batch("pragma journal_mode = wal; pragma user_version = 7; create table t (n integer, x blob)")
                .unwrap();
            file
        })
    }

    fn rows(file: &Path) -> i64 {
        Connection::open(file).unwrap().query_row("select count(*) from t", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn copies_of_two_databases_are_of_one_moment_while_both_are_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let files = pair(folder.path());
        let stop = Arc::new(AtomicBool::new(false));
        let writer = std::thread::spawn({
            let (files, stop) = (files.clone(), stop.clone());
            move || {
                let [a, b] = files.map(|file| {
                    let db = Connection::open(file).unwrap();
                    db.busy_timeout(PATIENCE).unwrap();
                    db
                });
                let mut n = 0;
                while !stop.load(Ordering::Relaxed) {
                    for db in [&a, &b] {
                        db.execute("insert into t values (?1, zeroblob(20000))", [n]).unwrap();
                    }
                    n += 1;
                }
                n
            }
        });
        let (mut before, mut counts) = (0, Vec::new());
        for round in 0..20 {
            while rows(&files[0]) < before + 5 {
                std::thread::yield_now();
            }
            let snapshots = Snapshot::at_one_moment(&[&files[0], &files[1]]).unwrap();
            // The writer continues while it is copied.
            before = rows(&files[0]);
            while rows(&files[0]) <= before + 2 {
                std::thread::yield_now();
            }
            let copied = snapshots.into_iter().enumerate().map(|(n, snapshot)| {
                let copy = folder.path().join(format!("copy-{round}-{n}"));
                assert_eq!(snapshot.copy_to(&copy).unwrap(), 7);
                rows(&copy)
            });
            let copied: Vec<i64> = copied.collect();
            assert!((0..=1).contains(&(copied[0] - copied[1])), "{copied:?}");
            assert!(copied[0] <= before, "a copy is of the moment of its snapshot");
            counts.push(copied[0]);
        }
        stop.store(true, Ordering::Relaxed);
        let written = writer.join().unwrap();
        assert!(counts.is_sorted() && counts[0] > 0 && counts[19] < written, "{counts:?} of {written}");
        assert_eq!(rows(&files[0]), written);
    }

    #[test]
    fn a_missing_database_is_not_made_and_a_damaged_one_is_said_to_be_so() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing.db");
        let error = Snapshot::at_one_moment(&[&missing]).err().unwrap().to_string();
        assert!(error.contains("cannot open") && error.contains("missing.db") && !missing.exists(), "{error}");

        let [file, _] = pair(folder.path());
        let db = Connection::open(&file).unwrap();
        for n in 0..200 {
            db.execute("insert into t values (?1, zeroblob(3000))", [n]).unwrap();
        }
        db.execute_batch("create index i on t (n); pragma wal_checkpoint(truncate)").unwrap();
        drop(db);
        let mut bytes = std::fs::read(&file).unwrap();
        let from = bytes.len() / 2;
        bytes[from..].fill(0x5a);
        std::fs::write(&file, bytes).unwrap();
        let snapshot = Snapshot::at_one_moment(&[&file]).unwrap().remove(0);
        let error = snapshot.copy_to(&folder.path().join("copy")).unwrap_err().to_string();
        assert!(error.contains("damaged") || error.contains("malformed"), "{error}");
    }

    #[test]
    fn a_copied_file_is_the_same_and_its_digest_is_known() {
        let (mut from, mut to) = (&b"abc"[..], Vec::new());
        let copied = copy(&mut from, &mut to).unwrap();
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".to_owned();
        assert_eq!((to.as_slice(), copied), (&b"abc"[..], Contents { sha256, bytes: 3 }));
    }
}
