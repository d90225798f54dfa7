//! What the documents promise: links that lead somewhere, a page for every crate, an index of all
//! decisions, steps that the CI has.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use end_to_end::root;

#[test]
fn links_in_documents_lead_to_files_and_headings() {
    let mut broken = Vec::new();
    let documents = documents();
    assert!(documents.len() > 50, "only {} documents", documents.len());
    for path in &documents {
        let text = read(path);
        for target in links(&text).filter(|target| !target.contains("://") && !target.starts_with("mailto:")) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            if !file.exists() {
                broken.push(format!("{}: {target} is not there", shown(path)));
            } else if !anchor.is_empty() && !anchors(&read(&file)).contains(anchor) {
                broken.push(format!("{}: {target} has no such heading", shown(path)));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_crate_is_on_the_map_and_has_a_page() {
    let map = read(&root().join("ARCHITECTURE.md"));
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap();
        assert!(map.contains(&format!("| [`{name}`](crates/{name}/README.md) |")), "ARCHITECTURE.md lacks {name}");
        let page = read(&folder.join("README.md"));
        assert!(page.starts_with(&format!("# {name}\n")), "crates/{name}/README.md has another heading");
        for part in ["**For:**", "**Must not have:**", "**Promises:**", "Start reading at", "```sh"] {
            assert!(page.contains(part), "crates/{name}/README.md lacks {part:?}");
        }
    }
}

#[test]
fn every_decision_is_numbered_dated_and_in_the_index() {
    let folder = root().join("docs/decisions");
    let index = read(&folder.join("README.md"));
    let mut files: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.file_name().is_some_and(|name| name != "README.md"));
    files.sort();
    assert!(!files.is_empty());
    for (number, path) in (1..).zip(&files) {
        let (name, text) = (shown(path), read(path));
        let file = path.file_name().unwrap().to_str().unwrap();
        assert!(file.starts_with(&format!("{number:04}-")), "{name} is number {number}");
        let title = text.lines().next().and_then(|line| line.strip_prefix(&format!("# {number}. ")));
        let title = title.unwrap_or_else(|| panic!("{name} begins with its number and title"));
        let date =
            text.lines().find_map(|line| line.strip_prefix("Date: ")).unwrap_or_else(|| panic!("{name}: no date"));
        let date = &date[..10];
        date.parse::<jiff::civil::Date>().unwrap_or_else(|error| panic!("{name}: {error}"));
        for part in ["\n## Context\n", "\n## Decision\n", "\n## Consequence\n"] {
            assert!(text.contains(part), "{name} lacks {part:?}");
        }
        let line = format!("| [{number:04}]({file}) | {date} | {title} |");
        assert!(index.contains(&line), "docs/decisions/README.md lacks: {line}");
    }
}

#[test]
fn the_workflow_runs_every_step_once() {
    let output = Command::new(root().join(".ci/run")).arg("--list").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let listed = String::from_utf8(output.stdout).unwrap();
    // Those that run only if they are named take too long, or need more rights than a container has.
    let script = read(&root().join(".ci/run"));
    let named_only = script.lines().find_map(|line| line.strip_prefix("named_only=\"")).unwrap();
    let named_only: Vec<&str> = named_only.trim_end_matches('"').split_whitespace().collect();
    assert!(named_only.iter().all(|step| listed.lines().any(|listed| listed == *step)), "{named_only:?}");
    let mut steps: Vec<&str> = listed.lines().filter(|step| !named_only.contains(step)).collect();
    assert!(steps.len() > 10);
    let workflow = read(&root().join(".github/workflows/ci.yml"));
    let matrix = workflow.split_once("        steps:\n").unwrap().1.split_once("\n    name:").unwrap().0;
    let mut run: Vec<&str> = matrix.lines().flat_map(|line| line.trim().trim_start_matches("- ").split(' ')).collect();
    steps.sort_unstable();
    run.sort_unstable();
    assert_eq!(run, steps);
}

/// Markdown of the repository, without what is built.
fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().canonicalize().unwrap()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() && !["target", ".git", "data", ".lockstep"].contains(&name) {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found
}

/// Targets of links and pictures, outside of code.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    let prose = text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    });
    // Every other part between backticks is code.
    let prose = prose.flat_map(|line| line.split('`').step_by(2));
    prose.flat_map(|part| part.split("](").skip(1)).filter_map(|rest| rest.split([')', ' ']).next())
}

/// What a link may name in a page: its headings, as they are spelled in addresses, and its own
/// anchors.
fn anchors(text: &str) -> BTreeSet<String> {
    let heading = |line: &str| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let plain = title.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
        plain.map(|c| if c == ' ' { '-' } else { c }).collect::<String>()
    };
    let headings = text.lines().filter(|line| line.starts_with('#')).map(heading);
    let own = text.split("<a id=\"").skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned);
    headings.chain(own).collect()
}

fn shown(path: &Path) -> String {
    let root = root().canonicalize().unwrap();
    path.strip_prefix(&root).unwrap_or(path).display().to_string()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("cannot read {}: {e}", path.display()))
}
