//! Checkpoints: a state as bytes with its offsets, as files in a folder.
//!
//! Each file is written completely or not at all and synced to the disk, with a version and a
//! checksum. The last two files are kept. A damaged file, or a file of another kind, is skipped
//! with a warning. The owner of the state interprets it and decides whether it fits.
//!
//! A local folder is the only kind of storage, on purpose: a client for S3 (the `object_store`
//! crate) would more than double this crate's dependencies, and a mounted bucket or volume is a
//! folder too.
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use atomic_file::Kind;
use xxhash_rust::xxh3::Xxh3Default;

const MAGIC: &[u8; 8] = b"chkpoint";
const VERSION: u32 = 1;
/// Size of the fixed header fields: magic, version, time of writing, number of offsets.
const FIXED: usize = MAGIC.len() + 4 + 8 + 4;
const OFFSET: usize = 4 + 8;
const CHECKSUM: usize = 8;
/// Number of checkpoints kept.
const KEPT: usize = 2;
/// How the names of the files end.
pub const SUFFIX: &str = ".checkpoint";

/// A checkpoint cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The folder cannot be created, read or written.
    #[error("cannot {action} {}: {source}; the folder needs free space and must be writable by this user", path.display())]
    Io {
        /// The action that failed.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Cause of the failure.
        source: io::Error,
    },
    /// The file is not a checkpoint, or is incomplete.
    #[error("{} {problem}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with the file.
        problem: String,
    },
}

/// A checkpoint read from a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The next offset of each partition.
    pub offsets: BTreeMap<i32, i64>,
    /// The state as bytes.
    pub state: Vec<u8>,
    /// Time of writing, to the millisecond.
    pub written: SystemTime,
    /// Path of the file.
    pub path: PathBuf,
}

/// A folder of checkpoints, used by one process.
///
/// ```
/// use std::collections::BTreeMap;
///
/// let folder = tempfile::tempdir()?;
/// let checkpoints = runtime::checkpoint::Checkpoints::open(folder.path())?;
/// checkpoints.save(&BTreeMap::from([(0, 17)]), b"state")?;
/// let last = checkpoints.newest_first()?.next().ok_or("there is one")?;
/// assert_eq!((last.offsets[&0], last.state.as_slice()), (17, &b"state"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Checkpoints {
    dir: PathBuf,
}

impl Checkpoints {
    /// Opens a folder, and creates it if it is missing.
    pub fn open(dir: &Path) -> Result<Checkpoints, CheckpointError> {
        fs::create_dir_all(dir).map_err(failed("create the checkpoint folder", dir))?;
        // Partly written checkpoints of a killed process, which may be large.
        atomic_file::remove_unfinished(dir).map_err(failed("remove unfinished checkpoints from", dir))?;
        Ok(Checkpoints { dir: dir.to_owned() })
    }

    /// Opens a folder that exists, only to read it: a process may be writing to it.
    pub fn open_to_read(dir: &Path) -> Checkpoints {
        Checkpoints { dir: dir.to_owned() }
    }

    /// Writes a checkpoint, removes all but the last two, and returns its size in bytes. After an
    /// error the earlier checkpoints still exist.
    pub fn save(&self, offsets: &BTreeMap<i32, i64>, state: &[u8]) -> Result<u64, CheckpointError> {
        self.add(|path| write(path, offsets, state))
    }

    fn add(&self, write: impl FnOnce(&Path) -> io::Result<u64>) -> Result<u64, CheckpointError> {
        let there = self.list()?;
        let number = there.last().map_or(0, |(number, _)| number + 1);
        let path = self.dir.join(format!("{number:016}{SUFFIX}"));
        let bytes = write(&path).map_err(failed("write the checkpoint", &path))?;
        for (_, old) in there.iter().rev().skip(KEPT - 1) {
            if let Err(error) = fs::remove_file(old) {
                tracing::warn!(file = %old.display(), %error, "an old checkpoint cannot be removed");
            }
        }
        Ok(bytes)
    }

    /// The complete checkpoints, newest first. Each is read when the iterator reaches it.
    pub fn newest_first(&self) -> Result<impl Iterator<Item = Checkpoint>, CheckpointError> {
        let files = self.list()?.into_iter().rev();
        Ok(files.filter_map(|(_, path)| match read(&path) {
            Ok(checkpoint) => Some(checkpoint),
            Err(error) => {
                tracing::warn!(%error, "skipping a checkpoint");
                None
            }
        }))
    }

    /// Number of checkpoints whose file has something, complete or not.
    pub fn count(&self, mut has: impl FnMut(&[u8]) -> bool) -> Result<u64, CheckpointError> {
        let mut count = 0;
        for (_, path) in self.list()? {
            count += u64::from(has(&fs::read(&path).map_err(failed("read the checkpoint", &path))?));
        }
        Ok(count)
    }

    /// Removes the checkpoints whose file `is_gone` says, complete or not, and returns how many.
    pub fn remove(&self, mut is_gone: impl FnMut(&[u8]) -> bool) -> Result<u64, CheckpointError> {
        let mut removed = 0;
        for (_, path) in self.list()? {
            if is_gone(&fs::read(&path).map_err(failed("read the checkpoint", &path))?) {
                fs::remove_file(&path).map_err(failed("remove the checkpoint", &path))?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// The files, by number.
    fn list(&self) -> Result<Vec<(u64, PathBuf)>, CheckpointError> {
        let failed = || failed("list", &self.dir);
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(failed())? {
            let path = entry.map_err(failed())?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            if let Some(number) = name.and_then(|name| name.strip_suffix(SUFFIX)?.parse().ok()) {
                files.push((number, path));
            }
        }
        files.sort();
        Ok(files)
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CheckpointError {
    let path = path.to_owned();
    move |source| CheckpointError::Io { action, path, source }
}

/// Writes the header, the state, and the checksum of both. Numbers are little-endian.
fn write(path: &Path, offsets: &BTreeMap<i32, i64>, state: &[u8]) -> io::Result<u64> {
    let written = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    let mut header = Vec::with_capacity(FIXED + OFFSET * offsets.len());
    header.extend(MAGIC);
    header.extend(VERSION.to_le_bytes());
    header.extend(written.to_le_bytes());
    header.extend((offsets.len() as u32).to_le_bytes());
    for (partition, offset) in offsets {
        header.extend(partition.to_le_bytes());
        header.extend(offset.to_le_bytes());
    }
    atomic_file::write(path, Kind::State, |file| {
        file.write_all(&header)?;
        file.write_all(state)?;
        file.write_all(&checksum(&[&header, state]).to_le_bytes())
    })?;
    Ok((header.len() + state.len() + CHECKSUM) as u64)
}

fn checksum(parts: &[&[u8]]) -> u64 {
    let mut hash = Xxh3Default::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.digest()
}

fn read(path: &Path) -> Result<Checkpoint, CheckpointError> {
    let mut bytes = Vec::new();
    File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)).map_err(failed("read the checkpoint", path))?;
    let (offsets, written, header) =
        parse(&bytes).map_err(|problem| CheckpointError::Unusable { path: path.to_owned(), problem })?;
    bytes.truncate(bytes.len() - CHECKSUM);
    bytes.drain(..header);
    Ok(Checkpoint { offsets, state: bytes, written, path: path.to_owned() })
}

/// The offsets, the time of writing, and the position at which the state begins.
fn parse(bytes: &[u8]) -> Result<(BTreeMap<i32, i64>, SystemTime, usize), String> {
    let short = || "is cut off".to_owned();
    if !bytes.starts_with(MAGIC) {
        return Err("is not a checkpoint".to_owned());
    }
    let version = u32::from_le_bytes(array(bytes, MAGIC.len()).ok_or_else(short)?);
    if version != VERSION {
        return Err(format!("has version {version}, but this program reads version {VERSION}"));
    }
    let (whole, sum) =
        bytes.split_last_chunk::<CHECKSUM>().filter(|(whole, _)| whole.len() >= FIXED).ok_or_else(short)?;
    if u64::from_le_bytes(*sum) != checksum(&[whole]) {
        return Err("is damaged or cut off: its checksum does not match".to_owned());
    }
    let written = u64::from_le_bytes(array(whole, MAGIC.len() + 4).ok_or_else(short)?);
    let count = u32::from_le_bytes(array(whole, FIXED - 4).ok_or_else(short)?);
    let mut offsets = BTreeMap::new();
    let mut at = FIXED;
    for _ in 0..count {
        let partition = i32::from_le_bytes(array(whole, at).ok_or_else(short)?);
        offsets.insert(partition, i64::from_le_bytes(array(whole, at + 4).ok_or_else(short)?));
        at += OFFSET;
    }
    Ok((offsets, UNIX_EPOCH + Duration::from_millis(written), at))
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(next: i64) -> BTreeMap<i32, i64> {
        BTreeMap::from([(0, next), (3, 2 * next)])
    }

    fn states(checkpoints: &Checkpoints) -> Vec<Vec<u8>> {
        checkpoints.newest_first().unwrap().map(|checkpoint| checkpoint.state).collect()
    }

    #[test]
    fn the_last_two_are_kept_and_come_back_as_they_were() {
        let dir = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::open(&dir.path().join("made/where/missing")).unwrap();
        assert_eq!(checkpoints.newest_first().unwrap().count(), 0);
        let before = SystemTime::now() - Duration::from_millis(1);
        for n in 0..12 {
            let bytes = checkpoints.save(&offsets(n), format!("state {n}").as_bytes()).unwrap();
            let newest = checkpoints.newest_first().unwrap().next().unwrap();
            assert_eq!((newest.offsets, newest.state), (offsets(n), format!("state {n}").into_bytes()));
            assert!(newest.written >= before && newest.written <= SystemTime::now());
            assert_eq!(fs::metadata(newest.path).unwrap().len(), bytes);
        }
        // Opened again, for example by another process.
        let checkpoints = Checkpoints::open(&checkpoints.dir).unwrap();
        assert_eq!(states(&checkpoints), [b"state 11", b"state 10"]);
        assert_eq!(fs::read_dir(&checkpoints.dir).unwrap().count(), KEPT);
    }

    #[test]
    fn a_damaged_or_foreign_one_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::open(dir.path()).unwrap();
        checkpoints.save(&offsets(1), b"good").unwrap();
        checkpoints.save(&offsets(2), b"newer").unwrap();
        let newest = dir.path().join(format!("{:016}{SUFFIX}", 1));
        let whole = fs::read(&newest).unwrap();
        for length in 0..whole.len() {
            fs::write(&newest, &whole[..length]).unwrap();
            assert_eq!(states(&checkpoints), [b"good"], "cut to {length} bytes");
        }
        for place in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[place] ^= 0x10;
            fs::write(&newest, damaged).unwrap();
            assert_eq!(states(&checkpoints), [b"good"], "byte {place}");
        }
        fs::write(&newest, b"chkpoint\x09\0\0\0 of another day, and long enough for one").unwrap();
        let problem = read(&newest).unwrap_err().to_string();
        assert!(problem.ends_with("has version 9, but this program reads version 1"), "{problem}");
        fs::write(&newest, b"somebody's file").unwrap();
        assert!(read(&newest).unwrap_err().to_string().ends_with("is not a checkpoint"));
        // A write that a kill interrupted, and a file of another kind.
        let unfinished = dir.path().join(format!(".{:016}{SUFFIX}.a1B2c3.unfinished", 2));
        fs::write(&unfinished, &whole[..30]).unwrap();
        fs::write(dir.path().join("notes.txt"), "mine").unwrap();
        assert_eq!(states(&checkpoints), [b"good"]);
        checkpoints.save(&offsets(3), b"next").unwrap();
        assert_eq!(states(&checkpoints), [b"next".to_vec()]);
        Checkpoints::open(dir.path()).unwrap();
        assert!(dir.path().join("notes.txt").exists() && !unfinished.exists());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_told_and_leaves_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::open(dir.path()).unwrap();
        checkpoints.save(&offsets(1), b"good").unwrap();
        let full = |path: &Path| {
            atomic_file::write(path, Kind::State, |file| {
                file.write_all(&[7; 1 << 16])?;
                File::options().write(true).open("/dev/full")?.write_all(b"no room")
            })?;
            Ok(0)
        };
        let error = checkpoints.add(full).unwrap_err().to_string();
        assert!(
            error.starts_with("cannot write the checkpoint ") && error.contains("0000000001.checkpoint"),
            "{error}"
        );
        assert!(error.contains("No space left on device") && error.contains("needs free space"), "{error}");
        assert_eq!(states(&checkpoints), [b"good"]);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "the part that was written is gone");
        checkpoints.save(&offsets(2), b"there is room again").unwrap();
        assert_eq!(states(&checkpoints).len(), 2);
    }
}
