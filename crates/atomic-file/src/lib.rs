//! Files that are written whole or not at all.
//!
//! The content goes to a temporary file in the same folder, which then takes the name of the file. A reader sees the old content
//! or the new content. After an error the temporary file is gone and the old content is still there.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

use std::{
    ffi::OsString,
    fs,
    io::{self, BufWriter, Write},
    path::Path,
};

/// How the names of temporary files end.
const UNFINISHED: &str = ".unfinished";

/// What a file is, which decides how long writing takes and who may read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A result that can be made again. The file and its folder are not synced, so a power failure may lose the file.
    Result,
    /// State that must outlive a power failure. The file and its folder are synced.
    State,
    /// State that only its owner may read.
    Secret,
}

/// Writes a file whole or not at all. Permissions of a file that is replaced are kept, unless it is a secret.
pub fn write(
    path: &Path,
    kind: Kind,
    content: impl FnOnce(&mut BufWriter<&mut fs::File>) -> io::Result<()>,
) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))?;
    let mut prefix = OsString::from(".");
    prefix.push(name);
    prefix.push(".");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(UNFINISHED);
    #[cfg(unix)]
    if kind != Kind::Secret {
        // As for any new file, less what the process's umask takes away. A temporary file is its owner's alone by default.
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder)?;
    if kind != Kind::Secret {
        match fs::metadata(path) {
            Ok(replaced) => file.as_file().set_permissions(replaced.permissions())?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    let mut out = BufWriter::new(file.as_file_mut());
    content(&mut out)?;
    out.flush()?;
    drop(out);
    if kind == Kind::Result {
        file.persist(path)?;
        return Ok(());
    }
    file.as_file().sync_all()?;
    file.persist(path)?;
    // A rename is on the disk once the folder is.
    #[cfg(unix)]
    fs::File::open(folder)?.sync_all()?;
    Ok(())
}

/// Removes temporary files that a killed process left in a folder. Only the owner of the folder may call it, while nobody writes.
pub fn remove_unfinished(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(b".") && name.as_encoded_bytes().ends_with(UNFINISHED.as_bytes()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        for kind in [Kind::Result, Kind::State, Kind::Secret] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.txt");
            write(&path, kind, |out| out.write_all(b"first")).unwrap();
            let failed = write(&path, kind, |out| {
                out.write_all(&[b'x'; 100_000])?;
                assert_eq!(fs::read(&path)?, b"first", "a reader sees the old content while the new one is written");
                Err(io::Error::other("no more"))
            });
            assert_eq!(failed.unwrap_err().to_string(), "no more");
            assert_eq!(fs::read(&path).unwrap(), b"first");
            assert_eq!(names(folder.path()), ["a.txt"], "nothing is left of a failed attempt");
            write(&path, kind, |out| out.write_all(b"second")).unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"second");
            assert_eq!(names(folder.path()), ["a.txt"]);
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let error = write(&folder.path().join("no/a.txt"), Kind::Result, |_| Ok(())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert_eq!(write(Path::new("/"), Kind::Result, |_| Ok(())).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[cfg(unix)]
    #[test]
    fn a_replaced_file_keeps_its_permissions_and_a_secret_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let folder = tempfile::tempdir().unwrap();
        let (plain, new, secret) =
            (folder.path().join("plain"), folder.path().join("new"), folder.path().join("secret"));
        fs::write(&plain, "by somebody else").unwrap();
        // What any new file gets here.
        let usual = mode(&plain);
        fs::set_permissions(&plain, PermissionsExt::from_mode(0o640)).unwrap();
        fs::write(&secret, "everybody could read it").unwrap();
        for kind in [Kind::Result, Kind::State] {
            write(&plain, kind, |out| out.write_all(b"x")).unwrap();
            assert_eq!(mode(&plain), 0o640);
        }
        write(&new, Kind::Result, |out| out.write_all(b"x")).unwrap();
        assert_eq!(mode(&new), usual);
        write(&secret, Kind::Secret, |out| out.write_all(b"x")).unwrap();
        assert_eq!(mode(&secret), 0o600);
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".a.txt.Xy12Z9.unfinished", "mine.unfinished", ".hidden", "a.txt"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        remove_unfinished(folder.path()).unwrap();
        assert_eq!(names(folder.path()), [".hidden", "a.txt", "mine.unfinished"]);
    }
}
