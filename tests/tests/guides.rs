//! The commands of the guides are run as they are printed, page by page.
//!
//! A page is a script. Its blocks of commands run in order, in one shell, in a folder of its own that holds copies of the
//! repository's `config`, `models` and `tests/stix`. The word after `sh` says how a block runs:
//!
//! - none: to its end; it must succeed;
//! - `service`: one command that runs until it is stopped; the next block starts when `/ready` answers;
//! - `stopped`: as the first, after the services of the page were stopped.
//!
//! A block whose first line is `# Not run by the tests: REASON` is not run. `NOT_RUN` lists these blocks.

use std::{
    fs::{self, File},
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use end_to_end::{copy_folder, free_port, lockstep, root};

/// The blocks that are not run, by page.
const NOT_RUN: &[(&str, &str)] = &[
    ("quick-start.md", "it builds the program."),
    ("researcher.md", "it builds the program."),
    ("researcher.md", "it builds the Python package."),
    ("operator.md", "it needs Docker."),
    ("operator.md", "it needs Docker."),
    ("operator.md", "it needs Docker."),
    ("operator.md", "it needs an Apache Kafka."),
    ("operator.md", "it needs a PostgreSQL."),
    ("operator.md", "it needs a PostgreSQL."),
    ("operator.md", "it needs an Apache Kafka."),
    ("partner.md", "it needs a server with TLS and a client certificate."),
];

/// What a block of another kind holds: no commands.
const DATA: &[&str] = &["toml", "json", "text", "yaml"];

/// Starts and stops services, and says which block failed.
const PRELUDE: &str = r#"
set -euo pipefail
services=()
at=
stop_services() {
    local pid
    for pid in "${services[@]}"; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    services=()
}
ended() {
    local code=$?
    trap - EXIT
    stop_services
    # What the page itself started in the background.
    local others
    others=$(jobs -p)
    # shellcheck disable=SC2086
    [ -z "$others" ] || kill $others 2>/dev/null || true
    if [ "$code" -ne 0 ]; then
        echo "FAILED in the block at $at, exit code $code"
        tail -n 40 service.log 2>/dev/null || true
    fi
    exit "$code"
}
trap ended EXIT
trap 'exit 143' TERM
ready() {
    local tries=0
    until curl --silent --fail --output ready.json "http://$LOCKSTEP__ADMIN__LISTEN/ready"; do
        tries=$((tries + 1))
        if [ "$tries" -gt 600 ] || ! kill -0 "$1" 2>/dev/null; then
            echo "the service is not ready"
            return 1
        fi
        sleep 0.2
    done
}
"#;

/// The pages with commands; each has a test below.
const RUN: &[&str] = &[
    "quick-start.md",
    "researcher.md",
    "operator.md",
    "partner.md",
    "data-scientist.md",
    "reviewer.md",
    "threat-model.md",
    "accuracy.md",
];

#[test]
#[ignore = "needs curl, Python and its packages: .ci/run guides"]
fn guide_quick_start() {
    run_page("quick-start.md");
}

#[test]
#[ignore = "needs curl, Python and its packages: .ci/run guides"]
fn guide_researcher() {
    run_page("researcher.md");
}

#[test]
#[ignore = "needs curl, Python and its packages: .ci/run guides"]
fn guide_operator() {
    run_page("operator.md");
}

#[test]
#[ignore = "needs curl, Python and its packages: .ci/run guides"]
fn guide_partner() {
    run_page("partner.md");
}

#[test]
#[ignore = "needs curl, Python and its packages: .ci/run guides"]
fn guide_data_scientist() {
    run_page("data-scientist.md");
}

#[test]
#[ignore = "needs curl, Python and its packages: .ci/run guides"]
fn guide_reviewer() {
    run_page("reviewer.md");
}

#[test]
#[ignore = "needs curl, Python and its packages: .ci/run guides"]
fn guide_threat_model() {
    run_page("threat-model.md");
}

#[test]
#[ignore = "needs curl, Python and its packages: .ci/run guides"]
fn guide_accuracy() {
    run_page("accuracy.md");
}

#[test]
fn every_page_with_commands_is_run() {
    let mut wrong = Vec::new();
    for page in RUN.iter().filter(|page| !include_str!("guides.rs").contains(&format!("    run_page(\"{page}\");"))) {
        wrong.push(format!("no test runs docs/{page}"));
    }
    for page in pages() {
        let blocks = blocks(&page);
        let commands = blocks.iter().any(|block| block.kind.starts_with("sh"));
        if commands && !RUN.contains(&page.as_str()) {
            wrong.push(format!("docs/{page} has commands that no test runs: add a test"));
        }
        if !commands && RUN.contains(&page.as_str()) {
            wrong.push(format!("docs/{page} has no commands: take its test away"));
        }
        for block in &blocks {
            let known = ["sh", "sh service", "sh stopped"].contains(&block.kind.as_str());
            if !known && !DATA.contains(&block.kind.as_str()) {
                wrong.push(format!("docs/{page}:{}: `{}` is no kind of block", block.line, block.kind));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn blocks_that_are_not_run_are_listed_with_their_reason() {
    let mut found = Vec::new();
    for page in pages() {
        for block in blocks(&page).iter().filter(|block| block.kind.starts_with("sh")) {
            found.extend(block.not_run().map(|reason| (page.clone(), reason.to_owned())));
        }
    }
    let listed: Vec<(String, String)> =
        NOT_RUN.iter().map(|(page, reason)| ((*page).to_owned(), (*reason).to_owned())).collect();
    for block in &found {
        writeln!(std::io::stdout(), "docs/{} is not run in part: {}", block.0, block.1).unwrap();
    }
    assert_eq!(sorted(found), sorted(listed));
}

/// Every link of the book leads to a page or picture of the book: other files of the repository are not in it.
#[test]
fn links_of_the_book_stay_in_the_book() {
    let pages = pages();
    let mut wrong = Vec::new();
    for page in &pages {
        let folder = docs().join(page).parent().unwrap().to_owned();
        for target in links(&read(page)).into_iter().filter(|target| !target.contains("://")) {
            let file = target.split('#').next().unwrap();
            if file.is_empty() {
                continue;
            }
            let path = folder.join(file);
            let inside = path.canonicalize().ok().and_then(|path| {
                let docs = docs().canonicalize().unwrap();
                path.strip_prefix(docs).ok().map(|path| path.display().to_string())
            });
            match inside {
                Some(path) if path.ends_with(".md") && !pages.contains(&path) => {
                    wrong.push(format!("docs/{page}: {target} is not in SUMMARY.md"));
                }
                Some(_) => {}
                None => wrong.push(format!("docs/{page}: {target} is not in the book: write its path as code")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_page_is_in_the_summary() {
    let listed = pages();
    let mut missing: Vec<String> = Vec::new();
    for folder in ["", "decisions"] {
        for entry in fs::read_dir(docs().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(docs()).unwrap().display().to_string();
            if path.extension().is_some_and(|extension| extension == "md") && name != "SUMMARY.md" {
                missing.extend((!listed.contains(&name)).then_some(name));
            }
        }
    }
    assert!(missing.is_empty(), "docs/SUMMARY.md lacks {}", missing.join(", "));
}

/// A fenced block of a page.
struct Block {
    /// The line of its first fence.
    line: usize,
    /// What stands behind the fence.
    kind: String,
    text: String,
}

impl Block {
    fn not_run(&self) -> Option<&str> {
        self.text.lines().next()?.strip_prefix("# Not run by the tests: ")
    }
}

fn run_page(page: &str) {
    let place = tempfile::Builder::new().prefix("lockstep-guide-").tempdir().unwrap();
    let folder = place.path().join("work");
    for part in ["config", "models", "tests/stix"] {
        copy_folder(&root().join(part), &folder.join(part));
    }
    let [sharing, intake, admin, other] = [(); 4].map(|()| format!("127.0.0.1:{}", free_port()));
    let mut script = PRELUDE.to_owned();
    for block in blocks(page).iter().filter(|block| block.kind.starts_with("sh") && block.not_run().is_none()) {
        let text = block.text.trim_end();
        script += &format!("at=docs/{page}:{}\necho \"--- $at\"\n", block.line);
        match block.kind.as_str() {
            "sh service" => {
                let command = text.replace("\\\n", " ");
                assert_eq!(command.lines().count(), 1, "docs/{page}:{}: one command in a block", block.line);
                script += &format!("stop_services\n(exec {command}) >>service.log 2>&1 &\nservices+=($!)\nready $!\n");
            }
            "sh stopped" => script += &format!("stop_services\n{text}\n"),
            _ => script += &format!("{text}\n"),
        }
    }
    // The addresses of the pages may be in use on this machine.
    let addresses = [
        ("127.0.0.1:8080", &sharing),
        ("127.0.0.1:8081", &intake),
        ("127.0.0.1:9464", &admin),
        ("127.0.0.1:9000", &other),
    ];
    for (printed, own) in addresses {
        script = script.replace(printed, own);
    }
    let said = place.path().join("said");
    let log = File::create(&said).unwrap();
    let programs = lockstep().parent().unwrap().display().to_string();
    // Loops of the pages wait for the services; a broken one must end.
    let status = Command::new("timeout")
        .args(["1800", "bash", "-c"])
        .arg(&script)
        .current_dir(&folder)
        .env("PATH", format!("{programs}:{}", std::env::var("PATH").unwrap()))
        .env("LOCKSTEP__SHARING__LISTEN", sharing)
        .env("LOCKSTEP__INTAKE__LISTEN", intake)
        .env("LOCKSTEP__ADMIN__LISTEN", admin)
        .stdin(Stdio::null())
        .stderr(log.try_clone().unwrap())
        .stdout(log)
        .status()
        .unwrap();
    let said = String::from_utf8_lossy(&fs::read(&said).unwrap()).into_owned();
    assert!(status.success(), "docs/{page} does not run as it is printed:\n{said}");
    std::io::stdout().write_all(said.as_bytes()).unwrap();
}

/// All pages of the book, in its order.
fn pages() -> Vec<String> {
    let pages: Vec<String> = links(&read("SUMMARY.md"));
    assert!(pages.len() > 50, "only {} pages", pages.len());
    pages
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    for (number, line) in read(page).lines().enumerate() {
        if let Some(kind) = line.trim_start().strip_prefix("```") {
            if !open {
                blocks.push(Block { line: number + 1, kind: kind.to_owned(), text: String::new() });
            }
            open = !open;
        } else if open {
            let text = &mut blocks.last_mut().unwrap().text;
            *text += line;
            text.push('\n');
        }
    }
    assert!(!open, "docs/{page}: a block has no end");
    blocks
}

/// Targets of links and pictures outside of blocks.
fn links(text: &str) -> Vec<String> {
    let mut fenced = false;
    let prose = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    });
    let parts = prose.flat_map(|line| line.split('`').step_by(2)).flat_map(|part| part.split("](").skip(1));
    parts.filter_map(|rest| rest.split([')', ' ']).next()).map(str::to_owned).collect()
}

fn docs() -> PathBuf {
    root().join("docs")
}

fn read(page: &str) -> String {
    let path = docs().join(page);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort();
    list
}
