use super::*;
use crate::sample::{account_rows, rows};
use crate::{Options, train};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn name(text: &str) -> ModelName {
    text.parse().unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

fn first_lines(text: &str, n: usize) -> String {
    text.lines().take(n).map(|line| format!("{line}\n")).collect()
}

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
    assert!(
        error.starts_with("no model is in service: there is no active.toml in ")
            && error.ends_with(
                "put one in service with `lockstep models promote NAME VERSION`; there are: cluster 9, cluster 10"
            ),
        "{error}"
    );

    assert_eq!(registry.promote("cluster", "9", at(1)).unwrap(), None);
    assert_eq!(registry.active().unwrap().version(), "9");
    assert_eq!(versions(&registry), [("9".to_owned(), true), ("10".to_owned(), false)]);
    assert_eq!(registry.promote("cluster", "10", at(2)).unwrap(), Some(name("cluster/9")));
    assert_eq!(registry.active().unwrap().version(), "10");
    assert_eq!(registry.show("cluster", "9").unwrap().version, "9");
    assert!(registry.card("cluster", "9").unwrap().starts_with("# Model card: cluster 9\n"));

    fs::remove_dir_all(dir.path().join("cluster/10")).unwrap();
    let error = registry.active().unwrap_err().to_string();
    assert!(error.starts_with("no model \"cluster 10, which active.toml names\" in "), "{error}");
}

#[test]
fn a_broken_model_is_not_promoted() {
    let dir = tempfile::tempdir().unwrap();
    let saved = train(&rows(0.3), &Options::new("cluster", "1")).unwrap().save(dir.path()).unwrap();
    fs::write(saved.join(MODEL_FILE), "{}").unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    assert!(registry.promote("cluster", "1", at(1)).is_err());
    assert!(registry.promote("cluster", "2", at(1)).unwrap_err().to_string().contains("no model \"cluster 2\""));
    assert!(registry.promote("../cluster", "1", at(1)).is_err());
    assert!(!dir.path().join("active.toml").exists());
    assert_eq!(registry.history(Subject::Cluster).unwrap(), []);
}

#[test]
fn one_bad_model_does_not_hide_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let rows = rows(0.3);
    for version in ["1", "2", "3"] {
        train(&rows, &Options::new("cluster", version)).unwrap().save(dir.path()).unwrap();
    }
    fs::write(dir.path().join("cluster/1").join(MODEL_FILE), "{}").unwrap();
    fs::remove_dir_all(dir.path().join("cluster/3")).unwrap();
    copy(&dir.path().join("cluster/2"), &dir.path().join("cluster/3"));
    let listed = Registry::open(dir.path()).unwrap().survey().unwrap();
    let said: Vec<Result<usize, String>> =
        listed.into_iter().map(|l| l.manifest.map(|m| m.training.rows).map_err(|e| e.to_string())).collect();
    assert!(said[0].as_ref().unwrap_err().contains("not a Lockstep model"), "{said:?}");
    assert_eq!(said[1], Ok(240));
    assert!(said[2].as_ref().unwrap_err().contains("holds cluster 2: its folder was copied or renamed"), "{said:?}");
}

#[test]
fn rolling_back_goes_the_way_that_promotions_came() {
    let dir = tempfile::tempdir().unwrap();
    let rows = rows(0.3);
    for version in ["1", "2", "3"] {
        train(&rows, &Options::new("cluster", version)).unwrap().save(dir.path()).unwrap();
    }
    let registry = Registry::open(dir.path()).unwrap();
    let none = registry.rollback(Subject::Cluster, at(0)).unwrap_err().to_string();
    assert!(none.starts_with("cannot go back: no model of clusters is in service in "), "{none}");
    for (version, now) in [("1", 1), ("2", 2), ("2", 3), ("3", 4)] {
        registry.promote("cluster", version, at(now)).unwrap();
    }
    let change = registry.rollback(Subject::Cluster, at(5)).unwrap();
    assert_eq!(
        (change.kind, change.from.unwrap(), change.to),
        (ChangeKind::RolledBack, name("cluster/3"), name("cluster/2"))
    );
    assert_eq!(registry.active().unwrap().version(), "2");
    assert_eq!(registry.rollback(Subject::Cluster, at(6)).unwrap().to, name("cluster/1"));
    let end = registry.rollback(Subject::Cluster, at(7)).unwrap_err().to_string();
    assert!(end.contains("cluster/1 is in service and ") && end.contains("names none before it"), "{end}");
    registry.promote("cluster", "3", at(8)).unwrap();
    assert_eq!(registry.rollback(Subject::Cluster, at(9)).unwrap().to, name("cluster/1"));

    expect_test::expect![[r#"
        # Models in service over time; `lockstep models promote` and `rollback` append to this file.

        [[change]]
        at = "1970-01-01T00:00:01Z"
        kind = "promoted"
        to = "cluster/1"

        [[change]]
        at = "1970-01-01T00:00:02Z"
        kind = "promoted"
        to = "cluster/2"
        from = "cluster/1"

        [[change]]
        "#]]
    .assert_eq(&first_lines(&fs::read_to_string(dir.path().join("history.toml")).unwrap(), 14));
    let kinds: Vec<ChangeKind> =
        registry.history(Subject::Cluster).unwrap().into_iter().map(|change| change.kind).collect();
    use ChangeKind::{Promoted, RolledBack};
    assert_eq!(kinds, [Promoted, Promoted, Promoted, RolledBack, RolledBack, Promoted, RolledBack]);
}

#[test]
fn a_registry_without_a_history_has_a_way_back_from_its_first_promotion() {
    let dir = tempfile::tempdir().unwrap();
    let rows = rows(0.3);
    for version in ["1", "2", "3"] {
        train(&rows, &Options::new("cluster", version)).unwrap().save(dir.path()).unwrap();
    }
    let by_hand = |version: &str| {
        fs::write(dir.path().join("active.toml"), format!("name = \"cluster\"\nversion = {version:?}\n")).unwrap();
    };
    by_hand("1");
    let registry = Registry::open(dir.path()).unwrap();
    registry.promote("cluster", "2", at(1)).unwrap();
    by_hand("3");
    assert_eq!(registry.rollback(Subject::Cluster, at(2)).unwrap().to, name("cluster/2"));
    assert_eq!(registry.rollback(Subject::Cluster, at(3)).unwrap().to, name("cluster/1"));
}

#[test]
fn there_is_no_way_back_to_a_model_that_no_longer_loads() {
    let dir = tempfile::tempdir().unwrap();
    let rows = rows(0.3);
    for version in ["1", "2"] {
        train(&rows, &Options::new("cluster", version)).unwrap().save(dir.path()).unwrap();
    }
    let registry = Registry::open(dir.path()).unwrap();
    registry.promote("cluster", "1", at(1)).unwrap();
    registry.promote("cluster", "2", at(2)).unwrap();
    let path = dir.path().join("cluster/1").join(MODEL_FILE);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("\"threshold\": 0.", "\"threshold\": 0.1", 1)).unwrap();
    let error = registry.rollback(Subject::Cluster, at(3)).unwrap_err().to_string();
    assert!(
        error.starts_with("cannot go back: cluster/1 was in service before, and can no longer be used: ")
            && error.contains("its checksum does not match its content"),
        "{error}"
    );
    assert_eq!(registry.active().unwrap().version(), "2");
}

#[test]
fn a_model_is_named_by_name_and_version() {
    assert_eq!(name("cluster-boosted/2").to_string(), "cluster-boosted/2");
    for (wrong, why) in [("cluster", "write NAME/VERSION"), ("../x/1", "cannot be"), ("cluster/", "cannot be")] {
        let error = wrong.parse::<ModelName>().unwrap_err().to_string();
        assert!(error.contains(why), "{wrong}: {error}");
    }
}

#[test]
fn a_misspelt_key_in_the_active_file_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("active.toml"), "name = \"cluster\"\nversoin = \"1\"\n").unwrap();
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
    registry.promote("account", "1", at(1)).unwrap();
    assert!(registry.active().is_err(), "a model of accounts cannot judge clusters");
    registry.promote("cluster", "1", at(2)).unwrap();
    assert_eq!(
        (registry.active().unwrap().name(), registry.list().unwrap().iter().filter(|e| e.active).count()),
        ("cluster", 2)
    );
    assert_eq!(registry.active_of(Subject::Account).unwrap().unwrap().name(), "account");
    fs::copy(dir.path().join("active-account.toml"), dir.path().join("active.toml")).unwrap();
    let error = registry.active().unwrap_err().to_string();
    assert!(error.contains("account 1 is a model of accounts and cannot judge clusters"), "{error}");
}
