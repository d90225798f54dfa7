//! A sharing database that is gone, another one, empty or damaged: what the service says at its start and on /ready.

use std::{net::TcpListener, process::Child, time::Duration};

use super::*;

struct Serving {
    child: Child,
    admin: u16,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Serving {
    fn start(workspace: &Workspace) -> Serving {
        let [admin, sharing] = [(), ()].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [admin, sharing] = [admin, sharing].map(|listener| listener.local_addr().unwrap());
        let listen = [admin.to_string(), sharing.to_string()];
        let mut command =
            workspace.command(&["serve", "share", "--config", "c.toml", "--admin", &listen[0], "--listen", &listen[1]]);
        let said = fs::File::create(workspace.path("said")).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said).spawn().unwrap();
        Serving { child, admin: admin.port() }
    }

    /// Waits until /ready has this status and says this.
    #[track_caller]
    fn wait(&mut self, workspace: &Workspace, status: u16, words: &str) {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut last = String::new();
        for _ in 0..600 {
            if let Ok(mut answer) = agent.get(format!("http://127.0.0.1:{}/ready", self.admin)).call() {
                last = answer.body_mut().read_to_string().unwrap();
                if answer.status() == status && last.contains(words) {
                    return;
                }
            }
            assert!(self.child.try_wait().unwrap().is_none(), "{}", workspace.read("said"));
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("not {status} with {words:?}: {last}\n{}", workspace.read("said"));
    }
}

#[test]
fn ready_says_that_the_database_is_gone_and_a_start_with_another_one_is_refused() {
    let workspace = Workspace::new();
    workspace.write("c.toml", "[log]\ndir = \"log\"\n[sharing]\ndatabase = \"s.sqlite\"\n");
    let mut serving = Serving::start(&workspace);
    serving.wait(&workspace, 200, "\"database\":{\"ready\":true}");
    fs::rename(workspace.path("s.sqlite"), workspace.path("away")).unwrap();
    serving.wait(&workspace, 503, "s.sqlite is gone");
    fs::rename(workspace.path("away"), workspace.path("s.sqlite")).unwrap();
    serving.wait(&workspace, 200, "\"database\":{\"ready\":true}");
    let said = workspace.read("said");
    assert_eq!(said.matches("the database cannot be used").count(), 1, "one line, however often it was tried: {said}");
    assert!(said.contains("the database can be used again"), "{said}");
    drop(serving);

    for end in ["", "-wal", "-shm"] {
        fs::rename(workspace.path(&format!("s.sqlite{end}")), workspace.path(&format!("kept{end}"))).unwrap();
    }
    let listen = ["--admin", "127.0.0.1:0", "--listen", "127.0.0.1:0"];
    let serve = || workspace.run(&[&["serve", "share", "--config", "c.toml"][..], &listen].concat());
    serve().ends(1).says(&["cannot use s.sqlite as the sharing database", "it is empty", "s.sqlite.id", "Restore"]);
    workspace.run(&["partners", "list", "--config", "c.toml"]).ends(1).says(&["it is empty"]);
    for end in ["-wal", "-shm"] {
        fs::remove_file(workspace.path(&format!("s.sqlite{end}"))).ok();
    }
    workspace.write("s.sqlite", "no database, but long enough to have the header of one ".repeat(100));
    serve().ends(1).says(&["the sharing database is damaged", "restore a backup"]);
    for end in ["", "-wal", "-shm"] {
        fs::rename(workspace.path(&format!("kept{end}")), workspace.path(&format!("s.sqlite{end}"))).unwrap();
    }
    Serving::start(&workspace).wait(&workspace, 200, "\"database\":{\"ready\":true}");
}
