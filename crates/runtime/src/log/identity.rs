//! The name of a process among the members of its groups: the same after a restart, and another one
//! for every process that runs at the same time.

use std::{
    fs::{self, File, TryLockError},
    io::{Read, Seek, Write},
    path::Path,
};

use super::LogError;

/// Processes of one role that can share a folder.
const MOST: usize = 64;

/// A name that belongs to this process until it ends in any way.
#[derive(Debug)]
pub struct Identity {
    name: String,
    /// The kernel releases the lock when the process ends.
    _lock: File,
}

impl Identity {
    /// Takes the first name in the folder that no running process has, and makes one if all are
    /// taken. A name begins with the role.
    pub fn take(dir: &Path, role: &str) -> Result<Identity, LogError> {
        fs::create_dir_all(dir).map_err(LogError::io(format!("make the folder {}", dir.display())))?;
        for number in 1..=MOST {
            let path = dir.join(format!("{role}-{number}.instance"));
            let failed = || LogError::io(format!("keep the name of this instance in {}", path.display()));
            let mut options = File::options();
            options.create(true).truncate(false).read(true).write(true);
            let mut file = options.open(&path).map_err(failed())?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => continue,
                Err(TryLockError::Error(error)) => return Err(failed()(error)),
            }
            let mut name = String::new();
            file.read_to_string(&mut name).map_err(failed())?;
            let kept = name.trim().to_owned();
            if is_name(&kept, role) {
                return Ok(Identity { name: kept, _lock: file });
            }
            // New, or a file whose writing was cut short.
            let name = format!("lockstep-{role}-{}", uuid::Uuid::new_v4().simple());
            file.set_len(0)
                .and_then(|()| file.rewind())
                .and_then(|()| write!(file, "{name}"))
                .and_then(|()| file.sync_all())
                .map_err(failed())?;
            return Ok(Identity { name, _lock: file });
        }
        let problem = std::io::Error::other(format!("{MOST} processes have the names there"));
        Err(LogError::io(format!("find a name for this instance in {}", dir.display()))(problem))
    }

    /// The name, for `group.instance.id`.
    pub fn name(&self) -> &str {
        &self.name
    }
}

fn is_name(name: &str, role: &str) -> bool {
    let unique = name.strip_prefix("lockstep-").and_then(|name| name.strip_prefix(role)?.strip_prefix('-'));
    unique.is_some_and(|unique| uuid::Uuid::try_parse(unique).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_same_after_a_restart_and_another_one_for_every_running_process() {
        let dir = tempfile::tempdir().unwrap();
        let take = |role| Identity::take(dir.path(), role).unwrap();
        let first = take("detect");
        let (second, share) = (take("detect"), take("share"));
        let names = [first.name(), second.name(), share.name()].map(str::to_owned);
        assert!(names[0].starts_with("lockstep-detect-") && names[2].starts_with("lockstep-share-"), "{names:?}");
        assert!(names[0] != names[1]);
        drop(first);
        assert_eq!(take("detect").name(), names[0], "the second keeps its own");
        drop(second);
        let all = [take("detect"), take("detect")];
        assert_eq!([all[0].name(), all[1].name()], [&*names[0], &*names[1]]);
    }

    #[test]
    fn a_file_that_was_cut_short_is_written_anew_and_a_folder_that_cannot_be_made_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let name = Identity::take(dir.path(), "share").unwrap().name().to_owned();
        fs::write(dir.path().join("share-1.instance"), &name[..20]).unwrap();
        let again = Identity::take(dir.path(), "share").unwrap();
        assert!(again.name() != name && is_name(again.name(), "share"), "{}", again.name());
        let error = Identity::take(&dir.path().join("share-1.instance"), "share").unwrap_err().to_string();
        assert!(error.contains("share-1.instance"), "{error}");
    }
}
