use super::*;
use crate::sample::{account_rows, rows};
use crate::{Options, train};

#[test]
fn versions_are_listed_shown_and_promoted() {
    let dir = tempfile::tempdir().unwrap();
    let rows = rows(0.3);
    for version in ["10", "9"] {
        train(&rows, &Options::new("cluster", version)).unwrap().save(dir.path()).unwrap();
    }
    let registry = Registry::open(dir.path()).unwrap();
    let versions = |r: &Registry| -> Vec<(String, bool)> {
        r.list().unwrap().into_iter().map(|e| (e.version, e.active)).collect()
    };
    assert_eq!(versions(&registry), [("9".to_owned(), false), ("10".to_owned(), false)]);
    let error = registry.active().unwrap_err().to_string();
    assert!(error.contains("no model \"(active)\"") && error.ends_with("there are: cluster 9, cluster 10"), "{error}");

    registry.promote("cluster", "9").unwrap();
    assert_eq!(registry.active().unwrap().version(), "9");
    assert_eq!(versions(&registry), [("9".to_owned(), true), ("10".to_owned(), false)]);
    registry.promote("cluster", "10").unwrap();
    assert_eq!(registry.active().unwrap().version(), "10");
    assert_eq!(registry.show("cluster", "9").unwrap().version, "9");
}

#[test]
fn a_broken_model_is_not_promoted() {
    let dir = tempfile::tempdir().unwrap();
    let saved = train(&rows(0.3), &Options::new("cluster", "1")).unwrap().save(dir.path()).unwrap();
    fs::write(saved.join(MODEL_FILE), "{}").unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    assert!(registry.promote("cluster", "1").is_err());
    assert!(registry.promote("cluster", "2").unwrap_err().to_string().contains("no model \"cluster 2\""));
    assert!(registry.promote("../cluster", "1").is_err());
    assert!(!dir.path().join(ACTIVE_FILE).exists());
}

#[test]
fn a_misspelt_key_in_the_active_file_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(ACTIVE_FILE), "name = \"cluster\"\nversoin = \"1\"\n").unwrap();
    let error = Registry::open(dir.path()).unwrap().active().unwrap_err().to_string();
    assert!(error.contains("unknown field `versoin`"), "{error}");
}

#[test]
fn no_folder_is_an_error_that_names_it() {
    let error = Registry::open(Path::new("no/such/models")).unwrap_err().to_string();
    assert!(error.starts_with("cannot list no/such/models: "), "{error}");
}

#[test]
fn a_model_of_each_subject_is_in_service() {
    let dir = tempfile::tempdir().unwrap();
    train(&rows(0.3), &Options::new("cluster", "1")).unwrap().save(dir.path()).unwrap();
    let options = Options { subject: Subject::Account, ..Options::new("account", "1") };
    train(&account_rows(), &options).unwrap().save(dir.path()).unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    registry.promote("account", "1").unwrap();
    assert!(registry.active().is_err(), "an account's model is no cluster's");
    registry.promote("cluster", "1").unwrap();
    assert_eq!(
        (registry.active().unwrap().name(), registry.list().unwrap().iter().filter(|e| e.active).count()),
        ("cluster", 2)
    );
    assert_eq!(registry.active_of(Subject::Account).unwrap().unwrap().name(), "account");
    fs::copy(dir.path().join("active-account.toml"), dir.path().join(ACTIVE_FILE)).unwrap();
    let error = registry.active().unwrap_err().to_string();
    assert!(error.contains("account 1 is a model of accounts and cannot judge clusters"), "{error}");
}
