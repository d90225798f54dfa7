//! The intake and the admin pages: who may use them, on loopback and beyond.

use std::{net::TcpListener, process::Child, time::Duration};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use super::*;

struct Serving {
    child: Child,
    admin: u16,
    intake: u16,
    agent: ureq::Agent,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Serving {
    /// Starts `serve intake` with such settings, where ADMIN and INTAKE stand for free ports, and
    /// waits until it answers.
    fn start(workspace: &Workspace, settings: &str, scheme: &str) -> Serving {
        let [admin, intake] = [(), ()].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [admin, intake] = [admin, intake].map(|listener| listener.local_addr().unwrap().port());
        let settings = settings.replace("ADMIN", &admin.to_string()).replace("INTAKE", &intake.to_string());
        workspace.write("c.toml", format!("[log]\ndir = \"log\"\n[telemetry]\nfilter = \"warn\"\n{settings}"));
        let mut agent = ureq::Agent::config_builder().http_status_as_error(false);
        if scheme == "https" {
            let roots = ureq::tls::Certificate::from_pem(workspace.read("ca.pem").as_bytes()).unwrap();
            let roots = ureq::tls::RootCerts::new_with_certs(&[roots]);
            agent = agent.tls_config(ureq::tls::TlsConfig::builder().root_certs(roots).build());
        }
        let mut command = workspace.command(&["serve", "intake", "--config", "c.toml"]);
        let said = fs::File::create(workspace.path("said")).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said).spawn().unwrap();
        let mut serving = Serving { child, admin, intake, agent: agent.build().into() };
        for _ in 0..600 {
            let url = format!("{scheme}://127.0.0.1:{admin}/ready");
            if serving.agent.get(url).call().is_ok_and(|answer| answer.status() == 200) {
                return serving;
            }
            assert!(serving.child.try_wait().unwrap().is_none(), "{}", workspace.read("said"));
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("not ready: {}", workspace.read("said"));
    }

    /// Status of a request with these headers, and what was answered.
    fn ask(&self, method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
        let mut request = ureq::http::Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut answer = self.agent.run(request.body(body.to_owned()).unwrap()).unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    }
}

/// Writes an authority and a certificate for 127.0.0.1.
fn certificates(workspace: &Workspace) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    workspace.write("ca.pem", params.self_signed(&key).unwrap().pem());
    let (issuer, own) = (Issuer::new(params, key), KeyPair::generate().unwrap());
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    workspace.write("cert.pem", params.signed_by(&own, &issuer).unwrap().pem());
    workspace.write("key.pem", own.serialize_pem());
}

#[test]
fn on_loopback_no_key_is_needed_and_no_foreign_page_gets_in() {
    let workspace = Workspace::new();
    workspace.write("posts.jsonl", posts());
    let settings = "[admin]\nlisten = \"127.0.0.1:ADMIN\"\n[intake]\nlisten = \"127.0.0.1:INTAKE\"\n";
    let serving = Serving::start(&workspace, settings, "http");
    let (intake, admin) = (
        format!("http://127.0.0.1:{}/v1/posts", serving.intake),
        format!("http://127.0.0.1:{}/metrics", serving.admin),
    );
    workspace.run(&["ingest", "posts.jsonl", "--to", &intake]).ends(0).says(&["160 posts ingested"]);
    let foreign = [("origin", "https://evil.example")];
    let rebound = [("host", "evil.example:8081"), ("sec-fetch-site", "same-origin")];
    let line = post("1", "a", 0, "x");
    assert_eq!(serving.ask("POST", &intake, &[], &line).0, 200);
    for (headers, status) in [(&foreign[..], 403), (&rebound[..], 421)] {
        let (found, text) = serving.ask("POST", &intake, headers, &line);
        assert_eq!(found, status, "{text}");
        assert_eq!(serving.ask("GET", &admin, headers, "").0, status);
    }
    let (status, metrics) = serving.ask("GET", &admin, &[], "");
    assert_eq!(status, 200);
    for counted in [
        "lockstep_http_refused_total{listener=\"intake\",why=\"site\"} 1",
        "lockstep_http_refused_total{listener=\"intake\",why=\"host\"} 1",
        "lockstep_http_refused_total{listener=\"admin\",why=\"site\"} 1",
        "lockstep_http_refused_total{listener=\"admin\",why=\"key\"} 0",
        "lockstep_intake_lines_total{outcome=\"accepted\"} 161",
    ] {
        assert!(metrics.contains(counted), "{counted} is not in {metrics}");
    }
}

#[test]
fn beyond_loopback_posts_come_with_a_key_and_metrics_go_out_with_a_token() {
    let workspace = Workspace::new();
    workspace.write("posts.jsonl", posts());
    workspace.write("token", "a-token-for-prometheus\n");
    certificates(&workspace);
    let tls = |table: &str| format!("[{table}.tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n");
    let settings = format!(
        "[admin]\nlisten = \"0.0.0.0:ADMIN\"\ntoken_file = \"token\"\n{}[intake]\nlisten = \"0.0.0.0:INTAKE\"\n\
         producers = \"keys/producers.toml\"\n{}",
        tls("admin"),
        tls("intake"),
    );
    let serving = Serving::start(&workspace, &settings, "https");
    let to = format!("https://127.0.0.1:{}", serving.intake);
    let ingest =
        |more: &[&str]| workspace.run(&[&["ingest", "posts.jsonl", "--to", &to, "--ca", "ca.pem"], more].concat());
    ingest(&[]).ends(1).says(&["401", "it needs a key", "lockstep producers add"]);

    let producers = |arguments: &[&str]| workspace.run(&[&["producers"], arguments, &["--config", "c.toml"]].concat());
    let key = producers(&["add", "collector"]).ends(0).out;
    workspace.write("collector.key", &key);
    let key_file = ["--key-file", "collector.key"];
    ingest(&key_file).ends(0).says(&["160 posts ingested"]);
    let mut by_variable = workspace.command(&["ingest", "posts.jsonl", "--to", &to, "--ca", "ca.pem"]);
    Run::of(by_variable.env("LOCKSTEP_PRODUCER_KEY", key.trim()).output().unwrap()).ends(0);
    producers(&["add", "collector"]).ends(1).prints_nothing().says(&["has a valid key already", "rotate"]);
    producers(&["rotate", "nobody"]).ends(1).says(&["there is no producer", "add nobody"]);
    let second = producers(&["rotate", "collector", "--overlap", "0d"]).ends(0).out;
    ingest(&key_file).ends(1).says(&["401", "the key is not valid there"]);
    workspace.write("collector.key", &second);
    ingest(&key_file).ends(0);
    let listed = producers(&["list"]).ends(0).out;
    assert!(listed.contains("collector") && listed.contains("expired") && listed.contains("valid until"), "{listed}");
    let secret = second.trim().rsplit('_').next().unwrap();
    assert!(!listed.contains(secret) && !workspace.read("keys/producers.toml").contains(secret));
    producers(&["revoke", second.trim()]).ends(0);
    ingest(&key_file).ends(1).says(&["401"]);

    let admin = |path: &str| format!("https://127.0.0.1:{}{path}", serving.admin);
    assert_eq!(serving.ask("GET", &admin("/live"), &[], "").0, 200);
    assert_eq!(serving.ask("GET", &admin("/ready"), &[], "").0, 200);
    assert_eq!(serving.ask("GET", &admin("/metrics"), &[], "").0, 401);
    let with = |token: &str| serving.ask("GET", &admin("/metrics"), &[("authorization", token)], "");
    assert_eq!(with("Bearer another-token-for-all").0, 401);
    let (status, metrics) = with("Bearer a-token-for-prometheus");
    assert_eq!(status, 200);
    assert!(metrics.contains("lockstep_http_refused_total{listener=\"intake\",why=\"key\"} 3"), "{metrics}");
}

#[test]
fn what_others_can_reach_is_refused_at_start_with_what_to_do() {
    let workspace = Workspace::new();
    let check = |settings: &str| {
        workspace.write("c.toml", settings);
        workspace.run(&["config", "check", "--config", "c.toml"])
    };
    let open = "listen = \"0.0.0.0:9999\"\n";
    check(&format!("[intake]\n{open}")).ends(1).says(&["intake.listen is 0.0.0.0:9999", "intake.tls", "behind_proxy"]);
    check(&format!("[admin]\n{open}")).ends(1).says(&["admin.listen is 0.0.0.0:9999", "admin.tls", "behind_proxy"]);
    check(&format!("[admin]\n{open}behind_proxy = true\n")).ends(1).says(&["admin.token_file", "credentials_file"]);
    check(&format!("[admin]\n{open}behind_proxy = true\ntoken_file = \"none\"\n"))
        .ends(1)
        .says(&["cannot read the token in none", "openssl rand"]);
    check("[intake]\nproducers = \"producers.toml\"\n").ends(0).says(&["warning: ", "has no valid key"]);
    // Addresses of the command line count, too.
    let serve = ["serve", "intake", "--admin", "127.0.0.1:0", "--listen", "0.0.0.0:9999"];
    workspace.run(&serve).ends(1).says(&["intake.listen is 0.0.0.0:9999"]);
    workspace.run(&["serve", "intake", "--admin", "0.0.0.0:9999"]).ends(1).says(&["admin.listen is 0.0.0.0:9999"]);
    workspace.run(&["producers", "list"]).ends(1).says(&["no file of keys is configured", "[intake]"]);

    workspace.write("posts.jsonl", posts());
    workspace.write("no.key", "nothing of the kind");
    let ingest = |to: &str, key: &str| workspace.run(&["ingest", "posts.jsonl", "--to", to, "--key-file", key]);
    ingest("https://127.0.0.1:1", "no.key").ends(2).says(&["no.key does not hold the key of a producer"]);
    let key = format!("lockstep_{}_{}", "0".repeat(16), "0".repeat(64));
    workspace.write("collector.key", key);
    ingest("http://intake.example.org", "collector.key").ends(2).says(&["is not encrypted", "use https"]);
}

#[test]
fn the_demos_reviewers_are_refused_beside_recipients_that_may_be_real() {
    let workspace = Workspace::new();
    workspace.write("to.toml", "[[recipients]]\nname = \"birds\"\nclass = \"platform\"\nplatform = \"chirp\"\n");
    let settings = "[sharing]\nreviewers = \"demo\"\nrecipients = \"to.toml\"\n";
    workspace.write("c.toml", settings);
    for command in [&["config", "check"][..], &["serve", "share", "--admin", "127.0.0.1:0", "--listen", "127.0.0.1:0"]]
    {
        workspace.run(&[command, &["--config", "c.toml"]].concat()).ends(1).says(&[
            "sharing.reviewers is \"demo\"",
            "\"birds\"",
            "sharing.reviewers = \"people\"",
            "sharing.invented_recipients = true",
        ]);
    }
    workspace.write("c.toml", format!("{settings}invented_recipients = true\n"));
    workspace.run(&["config", "check", "--config", "c.toml"]).ends(0);
}
