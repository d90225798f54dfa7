use std::{fs, path::Path};

use detection::fixtures::put_model;
use jiff::Timestamp;

use super::*;

pub(crate) fn promote(models: &Path, version: &str) {
    Registry::open(models).unwrap().promote("cluster", version, Timestamp::now()).unwrap();
}

/// Damages a model like an incomplete copy. Returns a function that repairs it.
pub(crate) fn damage(models: &Path, version: &str) -> impl FnOnce() + use<> {
    let path = models.join("cluster").join(version).join("model.json");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    move || fs::write(path, whole).unwrap()
}

struct Stand {
    dir: tempfile::TempDir,
    config: Config,
}

impl Stand {
    fn new() -> Stand {
        let dir = tempfile::tempdir().unwrap();
        let config = Config { models: dir.path().join("models"), ..Config::default() };
        Stand { dir, config }
    }

    fn models(&self) -> std::path::PathBuf {
        self.dir.path().join("models")
    }

    fn model_watcher(&self) -> ModelWatcher {
        ModelWatcher::new(&self.config, &self.config.detection().model().unwrap())
    }
}

/// The results of a check, one line each.
fn said(news: &[News]) -> Vec<String> {
    let line = |news: &News| match news {
        News::Loaded(role, model, _) => format!("{} {}", role.name(), model.full_name()),
        News::Refused(role, reason) => format!("{} refused: {reason}", role.name()),
        News::Settled(role) => format!("{} settled", role.name()),
    };
    news.iter().map(line).collect()
}

#[test]
fn a_promoted_model_is_seen_once() {
    let stand = Stand::new();
    for version in ["1", "2"] {
        put_model(&stand.models(), version, true);
    }
    promote(&stand.models(), "1");
    let mut watcher = stand.model_watcher();
    assert!(watcher.check().is_empty());
    promote(&stand.models(), "2");
    assert_eq!(said(&watcher.check()), ["active cluster/2"]);
    assert!(watcher.check().is_empty());
    Registry::open(&stand.models()).unwrap().rollback(Subject::Cluster, Timestamp::now()).unwrap();
    assert_eq!(said(&watcher.check()), ["active cluster/1"]);
}

#[test]
fn a_model_that_cannot_be_used_is_told_once_and_tried_again() {
    let stand = Stand::new();
    for version in ["1", "2"] {
        put_model(&stand.models(), version, true);
    }
    promote(&stand.models(), "1");
    let mut watcher = stand.model_watcher();
    promote(&stand.models(), "2");
    let mend = damage(&stand.models(), "2");
    let news = said(&watcher.check());
    assert!(news.len() == 1 && news[0].starts_with("active refused: ") && news[0].contains("not JSON"), "{news:?}");
    assert!(watcher.check().is_empty(), "told already");
    mend();
    assert_eq!(said(&watcher.check()), ["active cluster/2"]);

    // A missing registry entry is no reason to use the model that is bundled with the program.
    let active = stand.models().join("active.toml");
    let text = fs::read(&active).unwrap();
    fs::remove_file(&active).unwrap();
    assert!(said(&watcher.check())[0].contains("no model is in service: there is no active.toml"));
    fs::write(&active, text).unwrap();
    assert_eq!(said(&watcher.check()), ["active settled"]);
    fs::rename(stand.models(), stand.dir.path().join("elsewhere")).unwrap();
    assert!(said(&watcher.check())[0].contains("cannot list"));
}

#[test]
fn a_registry_that_appears_takes_the_place_of_the_bundled_model() {
    let stand = Stand::new();
    let mut watcher = stand.model_watcher();
    assert!(watcher.check().is_empty());
    put_model(&stand.models(), "77", true);
    assert!(said(&watcher.check())[0].contains("no model is in service"));
    promote(&stand.models(), "77");
    assert_eq!(said(&watcher.check()), ["active cluster/77"]);
}

#[test]
fn a_named_model_stays_whatever_is_promoted() {
    let mut stand = Stand::new();
    for version in ["1", "2"] {
        put_model(&stand.models(), version, true);
    }
    promote(&stand.models(), "1");
    stand.config.model = "cluster/2".to_owned();
    let mut watcher = stand.model_watcher();
    assert_eq!(stand.config.detection().model().unwrap().version(), "2");
    assert!(watcher.check().is_empty());
    stand.config.model = "cluster/3".to_owned();
    let error = stand.config.detection().model().unwrap_err().to_string();
    assert!(error.starts_with("configuration: detector.model: no model \"cluster 3\" in "), "{error}");
    stand.config.model = "cluster".to_owned();
    let error = stand.config.check().unwrap_err().to_string();
    assert!(error.contains("detector.model: \"cluster\" names no model: write NAME/VERSION"), "{error}");
}

#[test]
fn a_shadow_that_is_missing_is_told_and_taken_when_it_comes() {
    let mut stand = Stand::new();
    put_model(&stand.models(), "1", true);
    promote(&stand.models(), "1");
    stand.config.shadow_model = "cluster/2".to_owned();
    let mut watcher = stand.model_watcher();
    let news = said(&watcher.check());
    assert!(news[0].starts_with("shadow refused: configuration: detector.shadow_model: no model"), "{news:?}");
    assert!(watcher.check().is_empty());
    put_model(&stand.models(), "2", false);
    assert_eq!(said(&watcher.check()), ["shadow cluster/2"]);
    assert!(watcher.check().is_empty());
}
