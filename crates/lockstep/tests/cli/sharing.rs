//! Policy, documents, partners, users and the audit log.

use super::*;

#[test]
fn the_policy_explains_a_case_by_either_id() {
    let workspace = Workspace::new();
    workspace.run(&["policy", "explain", "x"]).ends(1).prints_nothing().says(&["no sharing database", "--config"]);
    let free = "127.0.0.1:0";
    let demo = ["demo", "--once", "--data", "d", "--listen", free, "--admin", free, "--intake", free];
    workspace.run(&demo).ends(0);
    workspace.write("c.toml", "[sharing]\ndatabase = \"d/sharing.sqlite\"\nrecipients = \"d/sharing.toml\"\n");
    workspace.run(&["config", "check", "--config", "c.toml"]).ends(0);
    let explain =
        |case: &str, more: &[&str]| workspace.run(&[&["policy", "explain", case, "--config", "c.toml"], more].concat());
    let unknown = explain("nobody", &[]).ends(1).prints_nothing();
    let unknown = unknown.says(&["there is no case \"nobody\"", "the newest about c-"]);
    let cluster = unknown.err.split("about ").nth(1).unwrap().split(',').next().unwrap().trim().to_owned();
    explain("c-", &[]).ends(1).prints_nothing().says(&["cases begin with \"c-\"", "give more of the id"]);

    let run = explain(&cluster, &[]).ends(0);
    for said in [
        "Recipients",
        "-trust-and-safety (platform): notified",
        "demo-public (public): not notified",
        "Who must approve",
    ] {
        assert!(run.out.contains(said), "{}", run.out);
    }
    let json: Value = serde_json::from_str(&explain(&cluster, &["--json"]).ends(0).out).unwrap();
    let case = json["case_id"].as_str().unwrap();
    assert_eq!(explain(case, &[]).ends(0).out, run.out);
    assert_eq!(explain(&case[..18], &[]).ends(0).out, run.out);
}

#[test]
fn documents_are_what_the_policy_lets_a_recipient_have() {
    let workspace = Workspace::new();
    let free = "127.0.0.1:0";
    let demo = ["demo", "--once", "--data", "d", "--listen", free, "--admin", free, "--intake", free];
    workspace.run(&demo).ends(0);
    let sharing = "[sharing]\ndatabase = \"d/sharing.sqlite\"\nrecipients = \"d/sharing.toml\"\n";
    workspace.write("c.toml", sharing);
    let documents = |case: &str, to: &str, more: &[&str]| {
        workspace
            .run(&[&["documents", case, "--recipient", to, "--out", "letters", "--config", "c.toml"], more].concat())
    };
    let unknown = documents("nobody", "demo-public", &[]).ends(1).prints_nothing();
    let case = unknown.err.split("about ").nth(1).unwrap().split(',').next().unwrap().trim().to_owned();
    documents(&case, "nobody", &[]).ends(1).says(&["there is no recipient \"nobody\"", "demo-public"]);
    documents(&case, "demo-public", &[]).ends(1).says(&["demo-public is not notified", "policy explain"]);
    let recipients = workspace.read("d/sharing.toml");
    // Of the demo's platforms, one that the case concerns.
    let policy = workspace.run(&["policy", "explain", &case, "--config", "c.toml"]).ends(0).out;
    let told = policy
        .lines()
        .find_map(|line| line.split(" (platform): notified").next().filter(|name| name.len() < line.len()));
    let platform = told.unwrap().trim();
    documents(&case, platform, &[]).ends(1).says(&["gets platform feed", "classes.platform.products"]);

    let products = "[classes.platform]\nproducts = [\"platform_feed\", \"notification_letter\"]\n";
    workspace.write("d/sharing.toml", format!("{recipients}\n{products}"));
    documents(&case, platform, &[]).ends(1).says(&["sharing.contact is empty"]);
    workspace.write("c.toml", format!("{sharing}contact = \"desk@clearing.example\"\n"));
    documents(&case, platform, &["--product", "briefing"])
        .ends(1)
        .says(&["gets platform feed and notification letter"]);
    let sums = documents(&case, platform, &["--product", "letter"]).ends(0).out;
    assert_eq!(documents(&case, platform, &[]).ends(0).out, sums);
    let files: Vec<&str> = sums.lines().map(|line| line.split_once("  ").unwrap().1).collect();
    assert_eq!(files.len(), 2);
    let html = workspace.read(files[0]);
    assert!(html.contains("voluntary") && html.contains("no person looked"), "{html}");
    let json: Value = serde_json::from_str(&documents(&case, platform, &["--json"]).ends(0).out).unwrap();
    assert!(sums.contains(json[0]["pdf"]["sha256"].as_str().unwrap()), "{sums}");
    assert_eq!(json[0]["draft"], false);
}

#[test]
fn partners_get_keys_that_are_shown_once_and_users_a_file_of_their_own() {
    let workspace = Workspace::new();
    workspace.write(
        "c.toml",
        "[sharing]\ndatabase = \"s.sqlite\"\nrecipients = \"r.toml\"\n[sharing.login]\nusers = \"config/users.toml\"\n",
    );
    let public = "[[recipients]]\nname = \"public\"\nclass = \"public\"\ntlp_ceiling = \"clear\"\n";
    let birds = "[[recipients]]\nname = \"birds\"\nclass = \"platform\"\nplatform = \"twitter\"\n";
    workspace.write("r.toml", format!("{birds}{public}"));
    let run = |arguments: &[&str]| workspace.run(&[arguments, &["--config", "c.toml"]].concat());
    run(&["partners", "add", "blue"]).ends(1).prints_nothing().says(&["no partner \"blue\"", "sharing.recipients"]);
    assert!(run(&["partners", "list"]).ends(0).out.contains("no key: lockstep partners add birds"));
    let first = run(&["partners", "add", "birds"]).ends(0).out.trim().to_owned();
    assert!(first.starts_with("lockstep_"));
    run(&["partners", "add", "birds"]).ends(1).prints_nothing().says(&["partners rotate birds"]);
    let second = run(&["partners", "rotate", "birds", "--overlap", "2d", "--expires", "never"]).ends(0);
    let second = second.says(&["the other keys of birds expire "]).out.trim().to_owned();
    run(&["partners", "rotate", "birds", "--overlap", "soon"]).ends(2).says(&["7d"]);
    let list = run(&["partners", "list"]).ends(0).out;
    assert!(list.contains("valid until") && list.contains("never expires") && list.contains("never used"), "{list}");
    run(&["partners", "revoke", &first]).ends(0).says(&["is no longer valid"]);
    run(&["partners", "revoke", &first]).ends(1).says(&["partners list"]);
    let json = run(&["partners", "list", "--json"]).ends(0).out;
    assert_eq!(json.lines().count(), 2);
    for secret in [&first, &second] {
        let secret = secret.rsplit('_').next().unwrap();
        assert!(!list.contains(secret) && !json.contains(secret));
    }

    let typed = |arguments: &[&str], password: &str| {
        workspace.write("password", format!("{password}\n"));
        let mut command = workspace.command(&[arguments, &["--config", "c.toml"]].concat());
        Run::of(command.stdin(fs::File::open(workspace.path("password")).unwrap()).output().unwrap())
    };
    run(&["config", "check"]).ends(0).says(&["warning: nobody is in config/users.toml"]);
    typed(&["users", "add", "ann", "--role", "reviewer"], "short").ends(1).says(&["12 characters"]);
    typed(&["users", "add", "ann", "--role", "reader"], "correct horse battery")
        .ends(2)
        .says(&["reviewer, approver and admin"]);
    typed(&["users", "add", "ann", "--role", "reviewer"], "correct horse battery").ends(0).prints_nothing();
    typed(&["users", "add", "ann", "--role", "reviewer"], "correct horse battery")
        .ends(1)
        .says(&["users password ann"]);
    typed(&["users", "add", "ann b", "--role", "reviewer"], "correct horse battery")
        .ends(1)
        .says(&["cannot be a user's name"]);
    typed(&["users", "add", "bob", "--role", "reviewer", "--role", "approver"], "another good password").ends(0);
    typed(&["users", "add", "ANN", "--role", "reviewer"], "correct horse battery")
        .ends(1)
        .says(&["there is a user \"ann\" already"]);
    // Roles in which the rules ask for sign-offs.
    run(&["config", "check"])
        .ends(0)
        .says(&["nobody in config/users.toml", "holds the sign-off role \"public affairs\""]);
    typed(&["users", "add", "cy", "--sign-off-role", "press"], "a third good password")
        .ends(1)
        .says(&["no sign-off by \"press\"; they ask for: congressional affairs, public affairs"]);
    typed(&["users", "add", "cy", "--sign-off-role", "public affairs"], "a third good password").ends(0);
    let list = run(&["users", "list"]).ends(0).out;
    assert_eq!(list, "ann  reviewer\nbob  reviewer, approver\ncy  signs off as public affairs\n");
    run(&["users", "roles", "cy", "--role", "reviewer"]).ends(0);
    assert!(run(&["users", "list"]).ends(0).out.contains("cy  reviewer\n"), "roles are replaced");
    run(&["users", "roles", "cy", "--role", "reviewer", "--sign-off-role", "public affairs"]).ends(0);
    // The key of before there was a file of recipients.
    workspace.write("old.toml", "[sharing]\n[[sharing.partners]]\nname = \"birds\"\nplatform = \"twitter\"\n");
    workspace
        .run(&["config", "check", "--config", "old.toml"])
        .ends(1)
        .says(&["old.toml:2: sharing.partners is no longer read", "[[recipients]] with class = \"platform\""]);
    let file = workspace.read("config/users.toml");
    assert!(file.contains("$argon2id$") && !file.contains("battery"), "{file}");
    let run_check = run(&["config", "check"]).ends(0);
    assert!(!run_check.err.contains("warning"), "{}", run_check.err);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let path = workspace.path("config/users.toml");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        run(&["config", "check"])
            .ends(0)
            .says(&["warning: config/users.toml (sharing.login.users) is open to every user"]);
    }

    let token = run(&["tokens", "add", "siem", "--service", "--scope", "read"]).ends(0).says(&["the token expires "]);
    let token = token.out.trim().to_owned();
    assert!(token.starts_with("lockstepapi_"), "{token}");
    run(&["tokens", "add", "bob", "--scope", "read", "--scope", "handovers", "--expires", "30d"]).ends(0);
    run(&["tokens", "add", "carl", "--scope", "read"])
        .ends(1)
        .prints_nothing()
        .says(&["no user \"carl\"", "--service"]);
    run(&["tokens", "add", "siem", "--service", "--scope", "approve"])
        .ends(2)
        .says(&["read, deliveries and handovers"]);
    run(&["tokens", "add", "siem", "--service", "--scope", "read", "--expires", "400d"]).ends(1).says(&["366 days"]);
    let list = run(&["tokens", "list"]).ends(0).out;
    assert!(list.lines().count() == 2 && list.contains("service:siem  ") && list.contains("read,handovers"), "{list}");
    assert!(!list.contains(token.rsplit('_').next().unwrap()), "a secret is shown once");
    run(&["tokens", "revoke", &token]).ends(0).says(&["service:siem is no longer valid"]);
    run(&["tokens", "revoke", &token]).ends(1).says(&["tokens list"]);
    assert!(run(&["tokens", "list", "--json"]).ends(0).out.lines().all(|line| line.contains("\"scopes\":[\"read\"")));

    typed(&["users", "password", "ann"], "yet another password").ends(0);
    assert_ne!(workspace.read("config/users.toml"), file);
    typed(&["users", "password", "eve"], "yet another password").ends(1).says(&["no user \"eve\""]);
    run(&["users", "roles", "bob", "--role", "admin"]).ends(0);
    run(&["users", "remove", "ann"]).ends(0);
    assert_eq!(run(&["users", "list"]).ends(0).out, "bob  admin\ncy  reviewer, signs off as public affairs\n");
    workspace.run(&["users", "list"]).ends(1).says(&["[sharing.login]", "--config"]);
}

#[test]
fn the_audit_log_is_checked_and_exported_and_an_edited_export_is_told() {
    let workspace = Workspace::new();
    workspace.write("c.toml", "[sharing]\ndatabase = \"s.sqlite\"\nrecipients = \"r.toml\"\n");
    let birds = "[[recipients]]\nname = \"birds\"\nclass = \"platform\"\nplatform = \"twitter\"\n";
    workspace.write("r.toml", format!("{birds}delivery = \"webhook\"\nwebhook = \"https://hooks.example.org/x\"\n"));
    let run = workspace.run(&["audit", "verify", "--config", "c.toml"]);
    run.ends(1).says(&["there is no such file"]);
    workspace.run(&["partners", "key", "birds", "--config", "c.toml"]).ends(0);
    let secret = workspace.run(&["partners", "webhook-secret", "birds", "--config", "c.toml"]);
    assert!(secret.out.starts_with("whsec_"), "{}", secret.out);
    workspace.run(&["partners", "deliveries", "--state", "dead", "--config", "c.toml"]).ends(0);
    let run = workspace.run(&["partners", "deliveries", "--state", "lost", "--config", "c.toml"]);
    run.ends(2).says(&["pending, delivered, disabled, dead, discarded"]);
    let run = workspace.run(&["partners", "resend", "msg_1", "--config", "c.toml"]);
    run.ends(1).says(&["lockstep partners deliveries lists them"]);

    let run = workspace.run(&["audit", "verify", "--json", "--config", "c.toml"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    let said: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!((&said["unbroken"], &said["entries"]), (&Value::Bool(true), &Value::from(2)));
    let seal = said["seal"].as_str().unwrap();
    workspace.run(&["audit", "export", "--out", "log.ndjson", "--config", "c.toml"]).ends(0);
    workspace.run(&["audit", "verify", "--file", "log.ndjson", "--expect", seal]).ends(0);
    // For security monitoring: each entry, in its format.
    let ecs = workspace.run(&["audit", "export", "--format", "ecs", "--config", "c.toml"]).ends(0).out;
    let actions: Vec<Value> = ecs.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let actions: Vec<&Value> = actions.iter().map(|event: &Value| &event["event"]["action"]).collect();
    assert_eq!(actions, ["key_issued", "webhook_secret_issued"]);
    let cef = workspace.run(&["audit", "export", "--format", "cef", "--since", "1", "--config", "c.toml"]).ends(0).out;
    assert!(cef.starts_with("CEF:0|Lockstep|sharing|") && cef.lines().count() == 1, "{cef}");
    workspace.run(&["audit", "export", "--format", "xml", "--config", "c.toml"]).ends(2).says(&["ecs and cef"]);
    let whole = workspace.read("log.ndjson");
    workspace.write("log.ndjson", whole.replace("webhook", "webHook"));
    let run = workspace.run(&["audit", "verify", "--file", "log.ndjson"]);
    run.ends(1).says(&["broken at entry 2"]);
    // Cut off the end, it is a shorter log in order; the seal that was kept tells.
    let cut: Vec<&str> = whole.lines().take(2).collect();
    workspace.write("log.ndjson", cut.join("\n") + "\n");
    let whole = workspace.run(&["audit", "verify", "--file", "log.ndjson"]).ends(0);
    assert!(whole.out.starts_with("1 entry, unbroken"), "{}", whole.out);
    let run = workspace.run(&["audit", "verify", "--file", "log.ndjson", "--expect", seal]);
    run.ends(1).says(&["cut off at the end"]);
    // An export that begins later is counted from its own first entry.
    workspace.run(&["audit", "export", "--since", "1", "--out", "late.ndjson", "--config", "c.toml"]).ends(0);
    let late = workspace.run(&["audit", "verify", "--file", "late.ndjson"]).ends(0);
    assert!(late.out.starts_with("1 entry (2 to 2), unbroken; last seal "), "{}", late.out);
    let late = workspace.run(&["audit", "verify", "--file", "late.ndjson", "--json"]).ends(0);
    let said: Value = serde_json::from_str(&late.out).unwrap();
    assert_eq!([&said["entries"], &said["first"], &said["last"]], [1, 2, 2]);
}
