//! A running Lockstep for the end-to-end tests: the real command in a folder of its own, and what it says over HTTP.

mod broker;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU16, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

pub use broker::{Broker, Frozen};

/// The longest that anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// The built `lockstep` command, of the profile that these tests were built with. Builds it where that is still to be done.
///
/// It is the program that `cargo test --workspace` builds for the tests of the command line: asked for in any other way, it and much of
/// what it needs would be compiled again with other features.
pub fn lockstep() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        // target/<profile>/deps/end_to_end-<hash>
        let test = std::env::current_exe().unwrap();
        let profile = test.parent().and_then(Path::parent).unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["test", "--quiet", "--no-run", "--workspace", "--test", "cli", "--target-dir"]);
        cargo.arg(profile.parent().unwrap()).current_dir(root());
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        let status = cargo.status().unwrap();
        assert!(status.success(), "the command cannot be built: {status}");
        profile.join(format!("lockstep{}", std::env::consts::EXE_SUFFIX))
    })
}

/// The repository.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Copies a folder with everything in it.
///
/// # Panics
///
/// Where it cannot be read or written.
pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &to);
        } else {
            fs::copy(&path, &to).unwrap();
        }
    }
}

/// Runs the command to its end.
///
/// # Panics
///
/// Where it fails; with what it said.
pub fn run(args: &[&str]) -> Output {
    let output = Command::new(lockstep()).args(args).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "lockstep {args:?}: {}: {said}", output.status);
    output
}

/// The posts of a built-in synthetic world, one a line.
pub fn simulate(world: &str, seed: u64) -> Vec<Vec<u8>> {
    let posts = run(&["simulate", "--world", world, "--seed", &seed.to_string()]).stdout;
    posts.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect()
}

/// A free port on loopback, below those that the kernel gives to clients, and never twice.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let from = (std::process::id() % 100) as u16 * 100;
    loop {
        let port = 20_000 + (from + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// A folder with a configuration file and everything that a Lockstep keeps.
pub struct Place {
    dir: TempDir,
    brokers: Option<String>,
    ports: [u16; 3],
}

impl Place {
    /// A new one, on Apache Kafka or with an embedded log, with demo reviewers and a partner for each platform, named after it.
    pub fn new(brokers: Option<&str>, platforms: &BTreeSet<String>) -> Place {
        let dir = tempfile::Builder::new().prefix("lockstep-test-").tempdir().unwrap();
        let place = Place { dir, brokers: brokers.map(str::to_owned), ports: [(); 3].map(|()| free_port()) };
        let [admin, intake, sharing] = place.ports;
        let path = |name: &str| place.path(name).display().to_string();
        let mut config = format!(
            "[detector]\ncheckpoints = {:?}\n[log]\ndir = {:?}\n\
             [admin]\nlisten = \"127.0.0.1:{admin}\"\n[intake]\nlisten = \"127.0.0.1:{intake}\"\n\
             [sharing]\nlisten = \"127.0.0.1:{sharing}\"\ndatabase = {:?}\nreviewers = \"demo\"\ninvented_recipients = true\n",
            path("checkpoints"),
            path("log"),
            path("sharing.sqlite"),
        );
        config += &format!("recipients = {:?}\n", path("sharing.toml"));
        let recipient = |platform: &String| {
            format!("[[recipients]]\nname = {:?}\nclass = \"platform\"\nplatform = {platform:?}\n", partner(platform))
        };
        fs::write(place.path("sharing.toml"), platforms.iter().map(recipient).collect::<String>()).unwrap();
        fs::write(place.config(), config).unwrap();
        place
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.path("lockstep.toml")
    }

    /// Starts `lockstep serve all` and waits until it is ready.
    pub fn serve(&self) -> Service {
        let mut service = self.start("all");
        service.ready();
        service
    }

    /// Starts the services of a role.
    pub fn start(&self, role: &str) -> Service {
        let mut command = Command::new(lockstep());
        command.args(["serve", role, "--config"]).arg(self.config());
        if let Some(brokers) = &self.brokers {
            command.args(["--brokers", brokers]);
        }
        let said = self.path("stderr.log");
        let log = File::options().create(true).append(true).open(&said).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let [admin, intake, sharing] = self.ports.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        Service { child, said, admin, intake, sharing }
    }

    /// A new key for the platform's partner, as its operator gets it.
    pub fn key(&self, platform: &str) -> String {
        let config = self.config();
        let output = run(&["partners", "key", &partner(platform), "--config", config.to_str().unwrap()]);
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

/// Name of the platform's partner.
pub fn partner(platform: &str) -> String {
    format!("{platform}-safety")
}

/// A running `lockstep serve all`; killed when dropped.
pub struct Service {
    child: Child,
    said: PathBuf,
    admin: SocketAddr,
    intake: SocketAddr,
    sharing: SocketAddr,
}

impl Service {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Address of `POST /v1/posts`.
    pub fn intake(&self) -> SocketAddr {
        self.intake
    }

    /// What it has logged.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap_or_default()
    }

    /// Waits until it is ready.
    ///
    /// # Panics
    ///
    /// Where it has ended.
    pub fn ready(&mut self) {
        self.wait("ready", |service| {
            assert!(service.is_running(), "lockstep ended: {}", service.said());
            service.readiness().is_some_and(|(status, _)| status == 200).then_some(())
        });
    }

    /// What `/ready` answers.
    pub fn readiness(&self) -> Option<(u16, String)> {
        http(&format!("http://{}/ready", self.admin), &[])
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Status, `Retry-After` and text of the answer to `POST /v1/posts`.
    pub fn try_post(&self, lines: &[Vec<u8>]) -> (u16, Option<String>, String) {
        let url = format!("http://{}/v1/posts", self.intake);
        let answer = agent().post(&url).send(&lines.join(&b'\n')[..]);
        let mut answer = answer.unwrap_or_else(|e| {
            // A service that ends stops listening first, and says why last.
            thread::sleep(Duration::from_secs(20));
            panic!("{url}: {e}; lockstep said:\n{}", self.said())
        });
        let retry = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        (answer.status().as_u16(), retry, answer.body_mut().read_to_string().unwrap())
    }

    /// Status and body of a page of the console, the JSON API or TAXII.
    pub fn get(&self, path: &str) -> (u16, String) {
        http(&format!("http://{}{path}", self.sharing), &[]).unwrap_or_else(|| panic!("{path}: {}", self.said()))
    }

    /// Logs a person in at the console; the cookie of the session.
    pub fn log_in(&self, name: &str, password: &str) -> String {
        let agent = ureq::Agent::config_builder().max_redirects(0).max_redirects_will_error(false);
        let agent: ureq::Agent = agent.http_status_as_error(false).timeout_global(Some(PATIENCE)).build().into();
        let form = [("name", name), ("password", password)];
        let answer = agent.post(format!("http://{}/login", self.sharing)).send_form(form).unwrap();
        let cookie = answer.headers().get("set-cookie").unwrap_or_else(|| panic!("{name} is not let in: {answer:?}"));
        cookie.to_str().unwrap().split(';').next().unwrap().to_owned()
    }

    /// A JSON document of the API as whoever has this session sees it.
    pub fn json_as(&self, cookie: &str, path: &str) -> Value {
        let (status, body) = http(&format!("http://{}{path}", self.sharing), &[("cookie", cookie)]).unwrap();
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// A JSON document of the API.
    pub fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// A TAXII resource as the partner with this key sees it.
    pub fn taxii(&self, path: &str, key: Option<&str>) -> (u16, Value) {
        let bearer = key.map(|key| format!("Bearer {key}"));
        let mut headers = vec![("accept", "application/taxii+json;version=2.1")];
        headers.extend(bearer.iter().map(|bearer| ("authorization", bearer.as_str())));
        // Discovery gives absolute URLs.
        let own = format!("http://{}", self.sharing);
        let path = path.strip_prefix(&own).unwrap_or(path);
        let (status, body) = http(&format!("{own}{path}"), &headers).unwrap();
        (status, serde_json::from_str(&body).unwrap_or_else(|_| panic!("{path}: {body}")))
    }

    /// Posts an envelope to a TAXII collection as the partner with this key.
    pub fn taxii_post(&self, path: &str, key: &str, envelope: &Value) -> (u16, Value) {
        let taxii = "application/taxii+json;version=2.1";
        let own = format!("http://{}", self.sharing);
        let path = path.strip_prefix(&own).unwrap_or(path);
        let request = agent().post(format!("{own}{path}")).header("accept", taxii);
        let request = request.header("authorization", format!("Bearer {key}")).content_type(taxii);
        let mut answer = request.send(envelope.to_string()).unwrap();
        let body = answer.body_mut().read_to_string().unwrap();
        (answer.status().as_u16(), serde_json::from_str(&body).unwrap_or_else(|_| panic!("{path}: {body}")))
    }

    /// All metrics by name and labels, as they stand in the text.
    pub fn metrics(&self) -> BTreeMap<String, f64> {
        let answer = http(&format!("http://{}/metrics", self.admin), &[]);
        let (status, text) = answer.unwrap_or_else(|| panic!("no metrics; lockstep said:\n{}", self.said()));
        assert_eq!(status, 200);
        let rows = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
        rows.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect()
    }

    /// Sum of a metric over its labels.
    pub fn sum(&self, name: &str) -> u64 {
        sum(&self.metrics(), name)
    }

    /// Hands lines in over `POST /v1/posts`; the answer, or nothing where the service is not there.
    pub fn post(&self, lines: &[Vec<u8>]) -> Option<Value> {
        let agent = agent();
        let url = format!("http://{}/v1/posts", self.intake);
        let mut answer = agent.post(&url).content_type("application/x-ndjson").send(&lines.join(&b'\n')[..]).ok()?;
        let body = answer.body_mut().read_to_string().ok()?;
        assert_eq!(answer.status().as_u16(), 200, "{body}");
        serde_json::from_str(&body).ok()
    }

    /// Waits until `look` finds something.
    ///
    /// # Panics
    ///
    /// After two minutes, with what the service said.
    pub fn wait<T>(&mut self, what: &str, mut look: impl FnMut(&mut Service) -> Option<T>) -> T {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            assert!(Instant::now() < until, "waited too long until {what}; lockstep said:\n{}", self.said());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until `posts` records have been read from the log and nothing has moved for a while after.
    pub fn settle(&mut self, posts: u64) {
        let mut last = (Vec::new(), Instant::now());
        self.wait(&format!("{posts} posts were processed"), |service| {
            let metrics = service.metrics();
            let of = [
                "lockstep_posts_total",
                "lockstep_clusters_total",
                "lockstep_sharing_clusters_total",
                "lockstep_consumer_lag_records",
            ];
            let now: Vec<u64> = of.iter().map(|name| sum(&metrics, name)).collect();
            // A consumer that has just come back has no partitions for a while: quiet is not the same as done.
            let readers = metrics.keys().filter(|row| row.starts_with(of[3])).count();
            if now != last.0 || now[3] > 0 || readers < 2 {
                last = (now, Instant::now());
            }
            (last.0[0] >= posts && last.1.elapsed() > Duration::from_millis(2_500)).then_some(())
        });
    }

    /// Asks it to end (SIGTERM) and waits for that.
    pub fn stop(mut self) -> ExitStatus {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(asked.success());
        self.wait("it ends", |service| service.child.try_wait().unwrap())
    }

    /// Ends it wherever it is (SIGKILL).
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Where it has ended there is nothing to end.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn sum(metrics: &BTreeMap<String, f64>, name: &str) -> u64 {
    let of = |row: &str| row.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('{'));
    metrics.iter().filter(|(row, _)| of(row)).map(|(_, value)| *value as u64).sum()
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build().into()
}

/// Status and body, or nothing where nobody answers.
fn http(url: &str, headers: &[(&str, &str)]) -> Option<(u16, String)> {
    let mut request = agent().get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut answer = request.call().ok()?;
    let body = answer.body_mut().with_config().limit(64 << 20).read_to_string().ok()?;
    Some((answer.status().as_u16(), body))
}
