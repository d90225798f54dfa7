//! One process at a time: a lock on a file in the folder, which goes with the process however it ends.
use std::{
    fs::{File, TryLockError},
    io::{Read, Seek, Write},
    path::Path,
    time::{Duration, Instant},
};

use crate::log::LogError;

/// A log of this process that was just dropped may take a moment to let go.
const LETTING_GO: Duration = Duration::from_secs(1);

/// Takes the folder for this process, as long as the file returned stays open.
pub(super) fn take(dir: &Path) -> Result<File, LogError> {
    let path = dir.join("lock");
    let failed = || LogError::io(format!("lock {}", path.display()));
    let mut file = File::options().create(true).truncate(false).read(true).write(true).open(&path).map_err(failed())?;
    let deadline = Instant::now() + LETTING_GO;
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

/// Who wrote its id into the file; only for the message and the wait above, the lock is what counts.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
