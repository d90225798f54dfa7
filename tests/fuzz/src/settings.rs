//! What an operator writes, and what a partner asks for.

use std::path::Path;
use std::sync::LazyLock;

use coordination::Engine;
use detection::lexicon::Lexicon;
use serde::Deserialize;
use simulator::World;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Settings {
    detector: detector::Config,
    sharing: sharing::Config,
}

/// Configuration, recipients, lexicon and world.
pub(crate) fn settings(data: &[u8]) {
    let file = scratch().join("settings.toml");
    std::fs::write(&file, data).expect("a scratch file can be written");
    match configuration::load::<Settings>(Some(&file), "LOCKSTEP_FUZZING", &[]) {
        Ok(settings) => {
            let _ = settings.sharing.check();
            let _ = Engine::new(settings.detector.engine.params());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if let Err(problem) = sharing::load_policy(&file, casework::Tlp::Amber) {
        assert!(!problem.is_empty());
    }
    if let Ok(lexicon) = Lexicon::load(&file) {
        lexicon.read(&String::from_utf8_lossy(data));
    }
    if let Ok(text) = std::str::from_utf8(data) {
        // A value given on the command line, which is text until its type is known.
        let given = [("detector.engine".to_owned(), text.to_owned()), ("sharing.listen".to_owned(), text.to_owned())];
        let _ = configuration::load::<Settings>(None, "LOCKSTEP_FUZZING", &given);
        let _ = World::from_toml(text);
    }
}

/// The query string of a TAXII request, and the body of a POST.
pub(crate) fn taxii(data: &[u8]) {
    if let Ok(query) = std::str::from_utf8(data) {
        sharing::check_taxii_query(query);
    }
    sharing::check_taxii_envelope(data);
}

/// A folder of this process alone, in memory where there is such a place.
pub(crate) fn scratch() -> &'static Path {
    static SCRATCH: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }
            .expect("a scratch folder can be made")
    });
    SCRATCH.path()
}
