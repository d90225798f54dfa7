//! `VIGNETTE.md`: every command in it runs, in order, and writes what the page says.

use std::process::{Command, Stdio};

use crate::{Run, Workspace, lines};

#[test]
fn every_command_of_the_vignette_runs() {
    let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/VIGNETTE.md")).unwrap();
    let blocks = guide.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let commands: Vec<&str> = blocks.flat_map(str::lines).filter(|line| !line.is_empty()).collect();
    assert!(commands.len() >= 6, "{commands:?}");
    let workspace = Workspace::new();
    for command in commands {
        let Some(arguments) = command.strip_prefix("lockstep ") else {
            let mut shell = Command::new("sh");
            shell.args(["-c", command]).current_dir(workspace.folder.path()).stdin(Stdio::null());
            Run::of(shell.output().unwrap()).ends(0);
            continue;
        };
        let mut arguments: Vec<String> = arguments.split(' ').map(str::to_owned).collect();
        for argument in &mut arguments {
            if argument == "CLUSTER" {
                let first = &lines(&workspace.read("out/clusters.jsonl"))[0];
                *argument = first["cluster_id"].as_str().unwrap().to_owned();
            }
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let run = workspace.run(&arguments);
        assert_eq!(run.code, Some(0), "{command}: {}", run.err);
    }
    // The files that the page's table names, and the columns that its recipes read.
    for file in
        ["report.html", "clusters.jsonl", "accounts.csv", "ties.csv", "objects.csv", "network.graphml", "network.gexf"]
    {
        assert!(!workspace.read(&format!("out/{file}")).is_empty(), "{file}");
        assert!(guide.contains(&format!("`{file}`")), "{file}");
    }
    assert!(workspace.read("edges.csv").starts_with("Source,Target,kind,"));
    for (file, columns) in [
        ("accounts.csv", &["account_id", "account", "status"][..]),
        ("ties.csv", &["account_a", "account_b", "nats", "kind", "co_acts", "median_lag_s"]),
        ("objects.csv", &["first", "last", "used_by", "accounts"]),
    ] {
        let table = workspace.read(&format!("out/{file}"));
        let header: Vec<&str> = table.lines().next().unwrap().split(',').collect();
        assert!(columns.iter().all(|column| header.contains(column)), "{file}: {header:?}");
    }
    assert!(lines(&workspace.read("links/clusters.jsonl")).iter().all(|cluster| cluster["test"]["alpha"] != 0.05));
}
