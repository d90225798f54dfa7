//! Allows one process at a time: a lock on a file in the folder, released when the process ends in
//! any way.
use std::{
    fs::{File, TryLockError},
    io::{Read, Seek, Write},
    path::Path,
    time::{Duration, Instant},
};

use crate::log::LogError;

/// Time to wait for this process's own lock: a log that was just dropped may still hold it for a
/// moment.
const RELEASE_WAIT: Duration = Duration::from_secs(1);

/// Locks the folder for this process until the returned file is closed.
pub(super) fn take(dir: &Path) -> Result<File, LogError> {
    let path = dir.join("lock");
    let failed = || LogError::io(format!("lock {}", path.display()));
    let mut file = File::options().create(true).truncate(false).read(true).write(true).open(&path).map_err(failed())?;
    let deadline = Instant::now() + RELEASE_WAIT;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::Error(error)) => return Err(failed()(error)),
            Err(TryLockError::WouldBlock) => {}
        }
        let holder = holder(&mut file);
        if holder != Some(std::process::id()) || Instant::now() > deadline {
            return Err(LogError::InUse {
                dir: dir.to_owned(),
                holder: match holder {
                    Some(id) if id == std::process::id() => "this process".to_owned(),
                    Some(id) => format!("process {id}"),
                    None => "another process".to_owned(),
                },
            });
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| write!(file, "{}", std::process::id()))
        .map_err(failed())?;
    Ok(file)
}

/// The process id in the file. It only serves the message and the wait above; the lock itself
/// decides.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
