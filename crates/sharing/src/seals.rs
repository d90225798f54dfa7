//! Seals of the audit log kept outside the database: a file to which the service appends position and seal of the last entry. Whoever cuts
//! entries off the end of the log, or puts back an old database, contradicts the file.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write as _},
    path::Path,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One line of the file; also what is posted to a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seal {
    /// When it was written.
    pub at: Timestamp,
    /// Position of the last entry then.
    pub entry: i64,
    /// Its seal.
    pub seal: String,
}

/// The seals of a file by the entry's position; none where there is no file. A last line without its end was not written whole, and counts
/// for nothing.
pub(crate) fn read(path: &Path) -> Result<BTreeMap<i64, String>, String> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(format!("cannot read the seals in {}: {error}", path.display())),
    };
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let mut seals = BTreeMap::new();
    for (n, line) in whole.lines().enumerate() {
        let at = || format!("{}:{}", path.display(), n + 1);
        let seal: Seal = serde_json::from_str(line).map_err(|error| format!("{}: no seal: {error}", at()))?;
        if let Some(other) = seals.insert(seal.entry, seal.seal.clone())
            && other != seal.seal
        {
            return Err(format!(
                "{}: entry {} has another seal in an earlier line: the log was changed",
                at(),
                seal.entry
            ));
        }
    }
    Ok(seals)
}

/// Appends a seal; it is on the disk when this returns.
pub(crate) fn append(path: &Path, seal: &Seal) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)?;
    }
    let mut options = fs::File::options();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    remove_torn_end(&file, path)?;
    let mut line = Vec::new();
    serde_json::to_writer(&mut line, seal)?;
    line.push(b'\n');
    file.write_all(&line)?;
    file.sync_data()
}

/// The process was killed while it wrote: what it left is no line.
fn remove_torn_end(file: &fs::File, path: &Path) -> io::Result<()> {
    let bytes = fs::read(path)?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    if whole < bytes.len() { file.set_len(whole as u64) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seals_are_appended_read_and_compared_and_a_torn_line_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/seals");
        assert!(read(&path).unwrap().is_empty());
        let seal = |entry: i64, seal: &str| Seal { at: Timestamp::UNIX_EPOCH, entry, seal: seal.to_owned() };
        append(&path, &seal(3, "abc")).unwrap();
        append(&path, &seal(7, "def")).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let both = BTreeMap::from([(3, "abc".to_owned()), (7, "def".to_owned())]);
        assert_eq!(read(&path).unwrap(), both);
        let mut torn = fs::read(&path).unwrap();
        torn.extend(br#"{"at":"1970-01-01T00:0"#);
        fs::write(&path, &torn).unwrap();
        assert_eq!(read(&path).unwrap(), both);
        append(&path, &seal(9, "ghi")).unwrap();
        assert_eq!(read(&path).unwrap().len(), 3);
        append(&path, &seal(3, "other")).unwrap();
        assert!(read(&path).unwrap_err().contains(":4: entry 3 has another seal"));
        fs::write(&path, "nonsense\n").unwrap();
        assert!(read(&path).unwrap_err().contains(":1: no seal"));
    }
}
