//! Backups: taken while everything is written to, restored elsewhere, and what is refused.

use std::{
    collections::BTreeMap,
    net::TcpListener,
    process::Child,
    time::{Duration, Instant},
};

use super::*;

/// A service with everything in one process, and its ports.
struct Serving {
    child: Child,
    admin: u16,
    intake: u16,
    sharing: u16,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Serving {
    fn start(workspace: &Workspace) -> Serving {
        let free = [(), (), ()].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [admin, intake, sharing] = free.map(|listener| listener.local_addr().unwrap().port());
        let [at_admin, at_sharing] = [admin, sharing].map(|port| format!("127.0.0.1:{port}"));
        let mut command =
            workspace.command(&["serve", "all", "--config", "c.toml", "--admin", &at_admin, "--listen", &at_sharing]);
        command.env("LOCKSTEP__INTAKE__LISTEN", format!("127.0.0.1:{intake}"));
        let said = fs::File::create(workspace.path("said")).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said).spawn().unwrap();
        let mut serving = Serving { child, admin, intake, sharing };
        serving.wait(workspace, "ready", |serving| serving.get(serving.admin, "/ready", "").is_some());
        serving
    }

    fn get(&self, port: u16, path: &str, token: &str) -> Option<String> {
        let request = ureq::get(format!("http://127.0.0.1:{port}{path}"));
        request.header("Authorization", format!("Bearer {token}")).call().ok()?.body_mut().read_to_string().ok()
    }

    #[track_caller]
    fn wait(&mut self, workspace: &Workspace, what: &str, is_so: impl Fn(&Serving) -> bool) {
        let began = Instant::now();
        while !is_so(self) {
            assert!(self.child.try_wait().unwrap().is_none(), "{}", workspace.read("said"));
            assert!(began.elapsed() < Duration::from_secs(180), "not {what}: {}", workspace.read("said"));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The sum of the series of a metric that contain this text.
    fn metric(&self, series: &str) -> Option<f64> {
        let text = self.get(self.admin, "/metrics", "")?;
        let values = text.lines().filter(|line| line.starts_with(series));
        let values: Vec<f64> = values.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    /// Everything was read by everybody.
    fn is_idle(&self) -> bool {
        let lag = |group: &str| self.metric(&format!("lockstep_consumer_lag_records{{group=\"{group}\"}}"));
        lag("detector") == Some(0.0) && lag("sharing") == Some(0.0)
    }

    fn ingest(&self, workspace: &Workspace, posts: &str) {
        let to = format!("http://127.0.0.1:{}", self.intake);
        workspace.run(&["ingest", posts, "--to", &to]).ends(0);
    }

    /// The cases by the id of their cluster: what does not depend on when they were stored.
    fn cases(&self, workspace: &Workspace, name: &str) -> BTreeMap<String, Value> {
        let token =
            workspace.run(&["tokens", "add", name, "--service", "--scope", "read", "--config", "c.toml"]).ends(0);
        let text = self.get(self.sharing, "/api/clusters", token.out.trim()).unwrap();
        let answer: Value = serde_json::from_str(&text).unwrap();
        let rows = answer["clusters"].as_array().unwrap_or_else(|| panic!("{text}"));
        let case = |row: &Value| {
            let fields =
                ["state", "status", "accounts", "platforms", "kinds", "log_e", "first_seen", "last_seen", "case_id"];
            let kept = fields.map(|field| (field.to_owned(), row[field].clone()));
            (row["cluster_id"].as_str().unwrap().to_owned(), Value::Object(kept.into_iter().collect()))
        };
        rows.iter().map(case).collect()
    }
}

const CONFIG: &str = "\
[log]
dir = \"log\"
[detector]
models = \"models\"
checkpoints = \"checkpoints\"
checkpoint_every_s = 1
batch = 500
[sharing]
database = \"s.sqlite\"
recipients = \"recipients.toml\"
console_page = 1000
[sharing.login]
users = \"users.toml\"
";

fn copy_models(workspace: &Workspace) {
    let models = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models"));
    let copied = Command::new("cp").arg("-r").arg(models).arg(workspace.path("models")).status().unwrap();
    assert!(copied.success());
}

fn manifest(workspace: &Workspace, backup: &str) -> Value {
    serde_json::from_str(&workspace.read(&format!("{backup}/manifest.json"))).unwrap()
}

/// Posts come in, the detector works, cases are opened, checkpoints are replaced: meanwhile a backup is taken. It is restored
/// elsewhere. There the service goes on, gets all posts again, and has the same cases in the end.
#[test]
fn a_backup_during_writes_is_restored_elsewhere_and_leads_to_the_same_cases() {
    let here = Workspace::new();
    copy_models(&here);
    here.write("c.toml", CONFIG);
    here.write("recipients.toml", "[[recipients]]\nname = \"birds\"\nclass = \"platform\"\nplatform = \"twitter\"\n");
    let posts = here.run(&["simulate", "--world", "demo", "--seed", "1"]).ends(0).out;
    here.write("all.jsonl", &posts);
    let lines: Vec<&str> = posts.lines().collect();
    let (first, second) = lines.split_at(lines.len() * 4 / 5);
    here.write("first.jsonl", first.join("\n"));
    here.write("second.jsonl", second.join("\n"));
    here.write("password", "correct horse battery staple\n");
    let mut add = here.command(&["users", "add", "ann", "--role", "reviewer", "--config", "c.toml"]);
    Run::of(add.stdin(fs::File::open(here.path("password")).unwrap()).output().unwrap()).ends(0);

    let mut serving = Serving::start(&here);
    serving.ingest(&here, "first.jsonl");
    let opened = "lockstep_sharing_clusters_total{outcome=\"opened\"}";
    serving.wait(&here, "opening cases", |serving| serving.metric(opened) >= Some(1.0));
    let to = format!("http://127.0.0.1:{}", serving.intake);
    let mut ingest = here.command(&["ingest", "second.jsonl", "--to", &to]);
    let mut ingest = ingest.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    here.run(&["backup", "b", "--key-to", "kept/key", "--config", "c.toml"]).ends(0).says(&[
        "the key of encryption is in kept/key",
        "log.dir: 1 file",
        "sharing.database: 1 file",
        "not in the backup: sharing.encryption.key_file: the key in s.sqlite.key",
    ]);
    assert!(ingest.wait().unwrap().success());
    let manifest = manifest(&here, "b");
    let files: Vec<&str> = manifest["files"].as_array().unwrap().iter().map(|f| f["file"].as_str().unwrap()).collect();
    for file in [
        "configuration/c.toml",
        "detector.checkpoints/",
        "detector.models/",
        "log.dir/log.db",
        "sharing.database/s.sqlite",
        "sharing.login.users/users.toml",
        "sharing.recipients/recipients.toml",
    ] {
        assert!(files.iter().any(|found| found.starts_with(file)), "{file} is not in {files:?}");
    }
    assert!(!files.iter().any(|file| file.contains("key")), "{files:?}");
    // A closed database alone: no log beside it that a copy could lack.
    assert_eq!(fs::read_dir(here.path("b/sharing.database")).unwrap().count(), 1);

    // Only the backup and the key are taken along.
    let there = Workspace::new();
    let [backup, key] = ["b", "kept/key"].map(|name| here.path(name).display().to_string());
    let restore = ["restore", &backup, "--config", "c.toml", "--key-from", &key];
    there.run(&restore).ends(0).says(&["is whole", "the audit log has ", "unbroken"]);
    assert_eq!(there.read("c.toml"), CONFIG);
    let verified = there.run(&["audit", "verify", "--config", "c.toml", "--json"]).ends(0).out;
    let verified: Value = serde_json::from_str(&verified).unwrap();
    let entries = verified["entries"].as_i64().unwrap();
    assert!(entries > 0, "{verified}");
    // What was restored is the beginning of what the service wrote, and the service went on.
    let seal = verified["seal"].as_str().unwrap();
    serving.wait(&here, "idle", Serving::is_idle);
    here.run(&["audit", "verify", "--config", "c.toml", "--expect", seal]).ends(0);
    let cases = serving.cases(&here, "here");
    assert!(!cases.is_empty());

    let mut restored = Serving::start(&there);
    there.write("all.jsonl", &posts);
    restored.ingest(&there, "all.jsonl");
    restored.wait(&there, "idle", |restored| restored.is_idle() && restored.metric(opened).is_some());
    for _ in 0..100 {
        if restored.cases(&there, "there") == cases {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(restored.cases(&there, "there"), cases);
    there.run(&["audit", "verify", "--config", "c.toml"]).ends(0).says(&[]);
    let said = there.read("said");
    assert!(said.contains("restored from a checkpoint"), "the checkpoint fits the log: {said}");
}

/// A sharing database with its key, and a log: small, and no service runs.
fn small() -> Workspace {
    let workspace = Workspace::new();
    workspace.write("c.toml", CONFIG);
    workspace
        .write("recipients.toml", "[[recipients]]\nname = \"birds\"\nclass = \"platform\"\nplatform = \"twitter\"\n");
    workspace.run(&["partners", "add", "birds", "--config", "c.toml"]).ends(0);
    workspace
}

#[test]
fn a_backup_refuses_what_would_be_of_no_use_and_says_what_it_leaves_out() {
    let workspace = small();
    let backup = |arguments: &[&str]| workspace.run(&[&["backup"], arguments, &["--config", "c.toml"]].concat());
    fs::create_dir(workspace.path("full")).unwrap();
    workspace.write("full/file", "mine");
    backup(&["full"]).ends(1).says(&["full is not empty"]);
    backup(&["b", "--key-to", "b/key"]).ends(1).says(&["is in the backup's folder", "name another place"]);
    backup(&["b", "--key-to", "c.toml"]).ends(1).says(&["c.toml exists"]);
    assert!(!workspace.path("b").exists());
    workspace.run(&["backup", "b"]).ends(1).says(&["neither a log nor a sharing database", "--config"]);
    fs::remove_dir(workspace.path("b")).unwrap();
    let said = backup(&["b"]).ends(0).err;
    for left_out in
        ["detector.checkpoints: checkpoints does not exist", "sharing.encryption.key_file", "log.dir: log/log.db"]
    {
        assert!(said.contains(&format!("not in the backup: {left_out}")), "{said}");
    }

    workspace.write("pg.toml", "[sharing]\ndatabase = \"postgres://lockstep:hush@127.0.0.1:1/lockstep\"\n");
    let said = workspace.run(&["backup", "p", "--config", "pg.toml"]).ends(2);
    let said = said.says(&["pg_dump --format=custom", "--without-database", "127.0.0.1:1/lockstep", "PGPASSWORD"]).err;
    assert!(!said.contains("hush") && !workspace.path("p").exists(), "{said}");
    workspace
        .run(&["backup", "p", "--without-database", "--config", "pg.toml"])
        .ends(0)
        .says(&["not in the backup: sharing.database: left out", "configuration file: 1 file"]);
    workspace
        .run(&["restore", "p", "--config", "elsewhere/pg.toml"])
        .ends(0)
        .says(&["the sharing database is a PostgreSQL", "pg_restore"]);

    let key = "5".repeat(64);
    workspace.write("k.toml", format!("[sharing]\ndatabase = \"k.sqlite\"\n[sharing.encryption]\nkey = \"{key}\"\n"));
    workspace.run(&["tokens", "list", "--config", "k.toml"]).ends(0);
    workspace
        .run(&["backup", "k", "--config", "k.toml"])
        .ends(0)
        .says(&["warning: the configuration file in the backup contains sharing.encryption.key"]);
}

#[cfg(unix)]
#[test]
fn only_its_owner_may_read_a_backup() {
    use std::os::unix::fs::PermissionsExt;
    let workspace = small();
    workspace.run(&["backup", "b", "--key-to", "key", "--config", "c.toml"]).ends(0);
    for path in ["b", "b/manifest.json", "b/sharing.database", "b/sharing.database/s.sqlite", "key"] {
        let mode = fs::metadata(workspace.path(path)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{path}: {mode:o}");
    }
}

#[test]
fn a_damaged_newer_or_unfinished_backup_is_refused_and_nothing_is_written() {
    let workspace = small();
    workspace.run(&["backup", "b", "--config", "c.toml"]).ends(0);
    let there = |words: &[&str]| {
        let there = Workspace::new();
        let backup = workspace.path("b").display().to_string();
        there.run(&["restore", &backup, "--config", "c.toml"]).ends(1).says(words);
        assert_eq!(fs::read_dir(there.folder.path()).unwrap().count(), 0, "nothing was written");
    };
    let database = fs::read(workspace.path("b/sharing.database/s.sqlite")).unwrap();
    let mut damaged = database.clone();
    damaged[5000] ^= 1;
    workspace.write("b/sharing.database/s.sqlite", &damaged);
    there(&["is damaged, and nothing was restored", "sharing.database/s.sqlite was changed: its SHA-256"]);
    workspace.run(&["restore", "b", "--check"]).ends(1).says(&["sharing.database/s.sqlite was changed"]);
    workspace.write("b/sharing.database/s.sqlite", &database[..4000]);
    there(&["s.sqlite has 4000 bytes and had"]);
    fs::remove_file(workspace.path("b/sharing.database/s.sqlite")).unwrap();
    there(&["s.sqlite cannot be read"]);
    workspace.write("b/sharing.database/s.sqlite", &database);
    workspace.run(&["restore", "b", "--check"]).ends(0).says(&["is whole"]);

    let text = workspace.read("b/manifest.json");
    let mut changed: Value = serde_json::from_str(&text).unwrap();
    let of_database =
        changed["files"].as_array_mut().unwrap().iter_mut().find(|f| f["file"] == "sharing.database/s.sqlite");
    of_database.unwrap()["schema"] = 9_999.into();
    workspace.write("b/manifest.json", changed.to_string());
    there(&[
        "sharing.database/s.sqlite is of version 9999, and this program knows versions up to",
        "nothing was restored",
    ]);
    for (from, to, words) in [
        ("\"format\": 1", "\"format\": 2", "has format 2, and this program reads format 1"),
        ("sharing.recipients/", "../../", "which is no path in a backup"),
    ] {
        assert!(text.contains(from));
        workspace.write("b/manifest.json", text.replace(from, to));
        there(&[words]);
    }
    fs::remove_file(workspace.path("b/manifest.json")).unwrap();
    there(&["not finished", "no manifest.json"]);
}

#[test]
fn what_is_in_the_way_is_kept_unless_force_renames_it_and_a_running_log_is_left_alone() {
    let workspace = small();
    let run = |arguments: &[&str]| workspace.run(&[arguments, &["--config", "c.toml"]].concat());
    run(&["backup", "b", "--key-to", "key"]).ends(0);
    run(&["partners", "rotate", "birds"]).ends(0);
    let recipients = workspace.read("recipients.toml");
    workspace.write("recipients.toml", format!("{recipients}# changed\n"));
    let before = fs::read(workspace.path("s.sqlite")).unwrap();
    let refused = run(&["restore", "b"]).ends(1);
    refused.says(&["nothing was restored", "recipients.toml, s.sqlite", "--force"]);
    assert_eq!(fs::read(workspace.path("s.sqlite")).unwrap(), before);
    workspace.run(&["restore", "b"]).ends(1).says(&["say with --config where it belongs"]);

    // Two keys of the partner now, one in the backup.
    assert_eq!(run(&["partners", "list", "--json"]).ends(0).out.lines().count(), 2);
    fs::remove_file(workspace.path("s.sqlite.key")).unwrap();
    let lost = run(&["restore", "b", "--force"]).ends(0);
    lost.says(&[
        "s.sqlite is now s.sqlite.before-restore-",
        "s.sqlite.id is now",
        "warning: the secrets",
        "--key-from",
    ]);
    assert_eq!(workspace.read("recipients.toml"), recipients);
    run(&["restore", "b", "--force", "--key-from", "key"]).ends(0);
    assert_eq!(run(&["partners", "list", "--json"]).ends(0).out.lines().count(), 1);
    let kept = fs::read_dir(workspace.folder.path()).unwrap();
    let kept =
        kept.filter(|entry| entry.as_ref().unwrap().file_name().to_str().unwrap().starts_with("recipients.toml."));
    assert_eq!(kept.count(), 1, "the changed file still exists");

    copy_models(&workspace);
    let serving = Serving::start(&workspace);
    run(&["restore", "b", "--force"]).ends(1).says(&["the log in log is in use by process"]);
    drop(serving);
}
