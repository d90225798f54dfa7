//! Results of a run over a file: every group that was ever found, numbers that agree, and tables and networks for other programs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{Workspace, lines};

/// Moves a post by so many days and calls it and its account otherwise.
fn moved(post: &Value, days: i64, name: &str) -> String {
    let mut post = post.clone();
    let at: jiff::Timestamp = post["created_at"].as_str().unwrap().parse().unwrap();
    let at = at + jiff::SignedDuration::from_hours(24 * days);
    post["created_at"] = at.to_string().into();
    for field in ["id", "account_id", "account_name"] {
        post[field] = format!("{name}-{}", post[field].as_str().unwrap()).into();
    }
    for field in ["repost_of", "reply_to", "urls", "hashtags", "mentions", "media"] {
        post.as_object_mut().unwrap().remove(field);
    }
    post["text"] = format!("nothing that anybody else would say {name}").into();
    format!("{post}\n")
}

/// The demo world a year earlier: what is added to it months later must not lie in the future.
fn world(workspace: &Workspace) -> String {
    let world = workspace.run(&["simulate", "--world", "demo", "--seed", "1"]).ends(0).out;
    let year = jiff::SignedDuration::from_hours(24 * 365);
    let earlier = |mut post: Value| {
        for field in ["created_at", "account_created_at", "deleted_at"] {
            if let Some(at) = post[field].as_str().and_then(|at| at.parse::<jiff::Timestamp>().ok()) {
                post[field] = (at - year).to_string().into();
            }
        }
        format!("{post}\n")
    };
    lines(&world).into_iter().map(earlier).collect()
}

/// Id, status and accounts of every group.
fn groups(workspace: &Workspace, out: &str) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let of = |cluster: &Value| {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let accounts = cluster["accounts"].as_array().unwrap().iter().map(|one| text(&one["account_id"])).collect();
        (text(&cluster["cluster_id"]), (text(&cluster["status"]), accounts))
    };
    lines(&workspace.read(&format!("{out}/clusters.jsonl"))).iter().map(of).collect()
}

fn summary(workspace: &Workspace, out: &str) -> Value {
    serde_json::from_str(&workspace.read(&format!("{out}/summary.json"))).unwrap()
}

#[test]
fn silence_and_a_clock_that_is_wrong_take_nothing_back() {
    let workspace = Workspace::new();
    let world = world(&workspace);
    let posts = lines(&world);
    workspace.write("posts.jsonl", &world);
    workspace.run(&["detect", "posts.jsonl", "--out", "alone", "--no-report"]).ends(0);
    let alone = groups(&workspace, "alone");
    let flagged = |found: &BTreeMap<String, (String, BTreeSet<String>)>| -> Vec<(String, (String, BTreeSet<String>))> {
        found.iter().filter(|(_, (status, _))| status == "flagged").map(|(id, of)| (id.clone(), of.clone())).collect()
    };
    assert!(!flagged(&alone).is_empty(), "nothing is flagged in the demo world");

    for (days, active) in [(35, true), (100, false)] {
        let late: String = (0..5).map(|n| moved(posts.last().unwrap(), days, &format!("late{n}"))).collect();
        workspace.write("late.jsonl", format!("{world}{late}"));
        let out = format!("late{days}");
        let run = workspace.run(&["detect", "late.jsonl", "--out", &out, "--no-report"]).ends(0);
        run.says(&["the last 5 posts are", "days after all others", "if the clocks of those posts are wrong"]);
        let found = flagged(&groups(&workspace, &out));
        assert_eq!(found, flagged(&alone), "after {days} days");
        let told = lines(&workspace.read(&format!("{out}/clusters.jsonl")));
        for cluster in told.iter().filter(|cluster| cluster["status"] == "flagged") {
            assert_eq!(cluster["active"], active, "after {days} days");
            let time = |field: &str| cluster[field].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
            assert!(time("first_reported") <= time("last_reported"));
        }
        let ties = |out: &str| -> BTreeSet<String> {
            let pair = |line: &str| line.split(',').take(2).collect::<Vec<_>>().join(",");
            workspace.read(&format!("{out}/ties.csv")).lines().skip(1).map(pair).collect()
        };
        assert!(ties(&out).is_superset(&ties("alone")), "ties are forgotten after {days} days");
        let numbers = summary(&workspace, &out);
        assert_eq!(numbers["posts_apart"][0]["posts"], 5);
        let flagged_accounts: BTreeSet<String> = found.into_iter().flat_map(|(_, (_, accounts))| accounts).collect();
        assert_eq!(numbers["accounts_flagged"], flagged_accounts.len());
    }

    // A post dated far into the future is told with its line, and changes nothing.
    let future = moved(&posts[7], 40_000, "future");
    workspace.write("future.jsonl", format!("{world}{future}"));
    let run = workspace.run(&["detect", "future.jsonl", "--out", "future", "--no-report"]).ends(0);
    let line = posts.len() + 1;
    run.says(&[&format!("future.jsonl:{line}: `created_at`: lies in the future"), "future_tolerance_s"]);
    assert_eq!(workspace.read("future/clusters.jsonl"), workspace.read("alone/clusters.jsonl"));
    let rejected = lines(&workspace.read("future/rejected.jsonl"));
    assert_eq!((rejected.len(), &rejected[0]["line"], &rejected[0]["field"]), (1, &line.into(), &"created_at".into()));
    let run =
        workspace.run(&["detect", "future.jsonl", "--method", "coortweet", "--trace", "url", "--out", "peer"]).ends(0);
    run.says(&["lies in the future"]);
}

#[test]
fn tables_and_networks_hold_the_same_accounts_in_one_spelling() {
    let workspace = Workspace::new();
    let world = workspace.run(&["simulate", "--world", "demo", "--seed", "1"]).ends(0).out;
    workspace.write("posts.jsonl", &world);
    workspace.run(&["detect", "posts.jsonl", "--out", "out"]).ends(0);
    let cell = |line: &str, name: &str, header: &str| {
        let place = header.split(',').position(|known| known == name).unwrap();
        line.split(',').nth(place).unwrap().to_owned()
    };
    let accounts = workspace.read("out/accounts.csv");
    let (header, rows) = accounts.split_once('\n').unwrap();
    let spelled: BTreeSet<String> = rows.lines().map(|line| cell(line, "account", header)).collect();
    let ties = workspace.read("out/ties.csv");
    let (header, rows) = ties.split_once('\n').unwrap();
    let mut tied = BTreeSet::new();
    for line in rows.lines() {
        for end in ["account_a", "account_b"] {
            tied.insert(cell(line, end, header));
        }
        assert!(!cell(line, "account_a_name", header).is_empty());
    }
    assert!(!tied.is_empty() && tied.is_subset(&spelled), "ties and accounts are spelled differently");
    let (graphml, gexf) = (workspace.read("out/network.graphml"), workspace.read("out/network.gexf"));
    for account in &tied {
        assert!(
            graphml.contains(&format!("<node id=\"{account}\"")) && gexf.contains(&format!("<node id=\"{account}\""))
        );
    }
    assert_eq!(graphml.matches("<edge ").count(), rows.lines().count());

    let objects = workspace.read("out/objects.csv");
    let (header, rows) = objects.split_once('\n').unwrap();
    assert_eq!(header, "kind,key,source,accounts,posts,first,last,used_by,clusters,text");
    assert!(rows.lines().any(|line| line.contains(",group,c-")) && rows.lines().any(|line| line.contains(",crowd,")));

    // The report shows what was posted.
    let report = workspace.read("out/report.html");
    let clusters = lines(&workspace.read("out/clusters.jsonl"));
    let wanted = clusters[0]["evidence"][0]["posts"][0]["id"].as_str().unwrap();
    let post = lines(&world).into_iter().find(|post| post["id"] == wanted).unwrap();
    let first_words: String = post["text"].as_str().unwrap().chars().take(20).collect();
    let first_words = first_words.replace('&', "&amp;").replace('\'', "&#39;").replace('"', "&#34;");
    assert!(report.contains(&first_words), "{first_words}");
    assert!(report.contains("id=\"network\"") && report.contains("svg class=\"network\""));
}

#[test]
fn where_nothing_is_flagged_the_report_and_the_terminal_say_how_to_look_on() {
    let workspace = Workspace::new();
    // Ten people share the same few links within seconds, and that is all: nothing follows on which they could be tested. Others share links of
    // their own.
    let share = |account: &str, link: &str, minute: usize, second: usize| {
        format!(
            "{{\"id\":\"{account}-{link}\",\"platform\":\"x\",\"account_id\":\"{account}\",\"account_name\":\"name of {account}\",\
             \"created_at\":\"2026-09-14T10:{minute:02}:{second:02}Z\",\"text\":\"\",\"urls\":[\"https://{link}.example/story\"]}}\n"
        )
    };
    let mut posts = String::new();
    for link in 0..4 {
        let sharing = if link < 3 { 10 } else { 5 };
        posts.extend((0..sharing).map(|n| share(&format!("a{n}"), &format!("news{link}"), link * 7, n)));
    }
    for n in 0..200 {
        posts.extend((0..3).map(|m| share(&format!("b{n}"), &format!("own{n}x{m}"), 3 + m * 7, n % 60)));
    }
    workspace.write("posts.jsonl", posts);
    let run = workspace.run(&["detect", "posts.jsonl", "--out", "out"]).ends(0);
    run.says(&[
        "nothing is flagged; these accounts have the highest suspicion",
        "CooRTweet, url, 10 s: ",
        "again: lockstep detect posts.jsonl --method coortweet --trace url --time-window 10",
        "next steps: ",
    ]);
    let report = workspace.read("out/report.html");
    for part in [
        "<h2 id=\"next-steps\">Nothing is flagged</h2>",
        "Accounts with the highest suspicion",
        "Results of other methods on the same posts",
        "coordination-network-toolkit, url, 10 s",
        "Next steps</h3>",
        "The posts cover less than a day",
    ] {
        assert!(report.contains(part), "{part}");
    }
    // The command that is shown is one that runs.
    let command = ["detect", "posts.jsonl", "--method", "coortweet", "--trace", "url", "--time-window", "10"];
    workspace.run(&[&command[..], &["--out", "peer"]].concat()).ends(0);
}

#[test]
fn what_counts_can_be_chosen_for_the_own_method_too() {
    let workspace = Workspace::new();
    let world = workspace.run(&["simulate", "--world", "demo", "--seed", "1"]).ends(0).out;
    workspace.write("posts.jsonl", world);
    let run = |arguments: &[&str]| {
        workspace.run(&[&["detect", "posts.jsonl", "--out", "out", "--no-report"], arguments].concat()).ends(0);
        let of = |cluster: &Value| cluster["traces"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let traces = lines(&workspace.read("out/clusters.jsonl")).iter().flat_map(of).collect::<BTreeSet<String>>();
        (traces, summary(&workspace, "out"))
    };
    let (all, of_all) = run(&[]);
    assert!(all.len() > 2, "{all:?}");
    let (links, of_links) = run(&["--trace", "url", "--trace", "repost"]);
    assert!(links.iter().all(|kind| kind == "url" || kind == "repost"), "{links:?}");
    assert!(of_links["ties"].as_u64() < of_all["ties"].as_u64());
    let (_, strict) = run(&["--tie-chance", "0.0000000001"]);
    assert!(strict["ties"].as_u64() < of_all["ties"].as_u64());
    for (arguments, words) in [
        (&["--trace", "similar"][..], "use --trace text"),
        (&["--trace", "post"], "belongs to --method cooccurrence"),
        (&["--alpha", "2"], "--alpha"),
        (&["--method", "coortweet", "--alpha", "0.1"], "--alpha belongs to --method lockstep"),
        (&["--method", "coortweet", "--trace", "url", "--trace", "text"], "allows only one --trace"),
    ] {
        workspace.run(&[&["detect", "posts.jsonl", "--out", "no"], arguments].concat()).ends(2).says(&[words]);
    }
    workspace
        .run(&["detect", "posts.jsonl", "--out", "no", "--alpha", "0"])
        .ends(1)
        .says(&["detector.engine: alpha is 0: set 1e-12 to 0.5 (probability)"]);
}

#[test]
fn a_table_of_coortweets_four_columns_can_be_flagged_and_no_fandom_is() {
    let workspace = Workspace::new();
    workspace.run(&["simulate", "--world", "demo", "--seed", "1", "--out", "demo"]).ends(0);
    let world = workspace.run(&["simulate", "--world", "demo", "--seed", "1"]).ends(0).out;
    let mut table = "object_id,account_id,content_id,timestamp_share\n".to_owned();
    for post in lines(&world) {
        let text = |field: &str| post[field].as_str().unwrap_or_default().to_owned();
        let list = |field: &str| post[field].as_array().cloned().unwrap_or_default();
        let mut objects: BTreeSet<String> = list("urls").iter().map(|url| url.as_str().unwrap().to_owned()).collect();
        objects.extend(list("hashtags").iter().map(|tag| format!("#{}", tag.as_str().unwrap())));
        objects.extend(post["repost_of"].as_str().map(str::to_owned));
        let at = text("created_at").parse::<jiff::Timestamp>().unwrap().as_second();
        for object in objects {
            table.push_str(&format!("\"{object}\",{},{},{at}\n", text("account_id"), text("id")));
        }
    }
    workspace.write("shares.csv", &table);
    workspace.run(&["detect", "shares.csv", "--platform", "chirp", "--out", "out", "--no-report"]).ends(0);
    let labels: BTreeMap<String, String> = workspace
        .read("demo/accounts.tsv")
        .lines()
        .skip(1)
        .map(|line| line.split('\t').map(str::to_owned).collect::<Vec<_>>())
        .map(|cells| (cells[1].clone(), cells[2].clone()))
        .collect();
    let groups = groups(&workspace, "out");
    let flagged: Vec<_> = groups.values().filter(|(status, _)| status == "flagged").collect();
    assert!(!flagged.is_empty(), "{groups:?}");
    for (_, accounts) in flagged {
        let inauthentic =
            accounts.iter().filter(|id| labels.get(*id).is_some_and(|label| label == "inauthentic")).count();
        assert!(2 * inauthentic > accounts.len(), "{inauthentic} of {}", accounts.len());
    }
}
