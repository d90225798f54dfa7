//! Who can read what the services write: permissions of files, and the encryption of secrets.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn modes(path: &Path, found: &mut Vec<(PathBuf, u32)>) {
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        let meta = fs::symlink_metadata(&path).unwrap();
        found.push((path.clone(), meta.permissions().mode() & 0o777));
        if meta.is_dir() {
            modes(&path, found);
        }
    }
}

/// A workspace in which a demo has left its data in `d`.
fn with_data() -> Workspace {
    let workspace = Workspace::new();
    let free = "127.0.0.1:0";
    let demo = ["demo", "--once", "--data", "d", "--listen", free, "--admin", free, "--intake", free];
    workspace.run(&demo).ends(0);
    workspace.write(
        "c.toml",
        "[log]\ndir = \"d/log\"\n[detector]\ncheckpoints = \"d/checkpoints\"\n\
         [sharing]\ndatabase = \"d/sharing.sqlite\"\nrecipients = \"d/sharing.toml\"\n",
    );
    workspace
}

#[test]
fn what_services_write_is_for_their_user_alone_and_what_is_open_is_warned_of() {
    let workspace = with_data();
    workspace.run(&["audit", "export", "--out", "audit.ndjson", "--config", "c.toml"]).ends(0);
    let mut found = vec![(workspace.path("audit.ndjson"), 0)];
    found[0].1 = fs::metadata(&found[0].0).unwrap().permissions().mode() & 0o777;
    modes(&workspace.path("d"), &mut found);
    for name in ["d/sharing.sqlite", "d/sharing.sqlite.key", "d/log"] {
        assert!(found.iter().any(|(path, _)| *path == workspace.path(name)), "{name}: {found:?}");
    }
    for (path, mode) in &found {
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:03o}", path.display());
    }

    let check = || workspace.run(&["config", "check", "--config", "c.toml"]).ends(0).err;
    assert!(!check().contains("other users"), "{}", check());
    for (name, mode, key, advice) in [
        ("d/sharing.sqlite", 0o644, "sharing.database", "chmod go= d/sharing.sqlite"),
        ("d/sharing.sqlite.key", 0o640, "sharing.encryption.key_file", "chmod go= d/sharing.sqlite.key"),
        ("d/log", 0o755, "log.dir", "chmod go= d/log"),
    ] {
        let before = fs::metadata(workspace.path(name)).unwrap().permissions();
        fs::set_permissions(workspace.path(name), fs::Permissions::from_mode(mode)).unwrap();
        let said = check();
        for part in [format!("warning: {name} ({key})"), format!("mode {mode:03o}"), advice.to_owned()] {
            assert!(said.contains(&part), "{part}: {said}");
        }
        fs::set_permissions(workspace.path(name), before).unwrap();
    }
}

#[test]
fn the_key_of_secrets_is_shown_by_its_id_rotated_and_given_up_only_where_it_is_lost() {
    let workspace = with_data();
    let encryption =
        |arguments: &[&str]| workspace.run(&[&["encryption"], arguments, &["--config", "c.toml"]].concat());
    let status = || -> Value { serde_json::from_str(&encryption(&["status", "--json"]).ends(0).out).unwrap() };
    let before = status();
    let old = before["encrypted_with"].as_str().unwrap().to_owned();
    assert_eq!(before["keys"], serde_json::json!([old]));
    let key = workspace.read("d/sharing.sqlite.key");
    let key = key.lines().find(|line| !line.starts_with('#')).unwrap();
    assert!(!encryption(&["status"]).ends(0).out.contains(key));
    encryption(&["reset", "--accept-loss"]).ends(1).says(&["no key is lost", "nothing was changed"]);

    encryption(&["rotate"]).ends(0).says(&["secrets are encrypted with the new key", &old]);
    let after = status();
    let new = after["encrypted_with"].as_str().unwrap().to_owned();
    assert_ne!(new, old);
    assert_eq!(after["keys"], serde_json::json!([new, old]));
    workspace.run(&["partners", "list", "--config", "c.toml"]).ends(0);

    fs::rename(workspace.path("d/sharing.sqlite.key"), workspace.path("away")).unwrap();
    let lost = workspace.run(&["partners", "list", "--config", "c.toml"]).ends(1);
    lost.says(&["encrypted with key", &new, "no file of keys d/sharing.sqlite.key", "encryption reset --accept-loss"]);
    assert!(!workspace.path("d/sharing.sqlite.key").exists(), "no key takes the place of one that is lost");
    encryption(&["rotate"]).ends(1).says(&["no file of keys"]);
    encryption(&["reset"]).ends(1).says(&["--accept-loss"]);
    let mut by_variable = workspace.command(&["partners", "list", "--config", "c.toml"]);
    let keys = workspace.read("away");
    let keys: Vec<&str> = keys.lines().filter(|line| !line.starts_with('#')).collect();
    by_variable.env("LOCKSTEP__SHARING__ENCRYPTION__KEY", keys.join(" "));
    Run::of(by_variable.output().unwrap()).ends(0);

    encryption(&["reset", "--accept-loss"]).ends(0).says(&["partners webhook-secret"]);
    assert_ne!(status()["encrypted_with"], after["encrypted_with"]);
    workspace.run(&["partners", "list", "--config", "c.toml"]).ends(0);
    workspace.run(&["audit", "verify", "--config", "c.toml"]).ends(0);
}
