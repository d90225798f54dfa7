use coordination::AccountRef;
use detection::detect::{Detection, Telling};
use simulator::AccountKey;

use super::*;

const MINUTE: Millis = 60_000;

fn key(id: &str) -> AccountKey {
    AccountKey { platform: "x".to_owned(), account_id: id.to_owned() }
}

fn keys(ids: &str) -> Vec<AccountKey> {
    ids.chars().map(|id| key(&id.to_string())).collect()
}

/// One post, in the native dialect.
fn post(id: &str, account: &str, minute: Millis, text: &str, labels: &str) -> String {
    let at = jiff::Timestamp::from_millisecond(minute * MINUTE).unwrap();
    format!(
        "{{\"id\":\"{id}\",\"platform\":\"x\",\"account_id\":\"{account}\",\"account_name\":\"\",\"created_at\":\"{at}\",\
         \"text\":\"{text}\"{labels}}}\n"
    )
}

/// Operations `one` (a to d, who post first at minutes 10 to 13) and `two` (e and f); g of no
/// operation; organic accounts o to r; and u without a label.
fn labels() -> Labels {
    let mut text = String::new();
    let accounts = [
        ("abcd", "inauthentic", "one"),
        ("ef", "inauthentic", "two"),
        ("g", "inauthentic", ""),
        ("opqr", "organic", ""),
        ("u", "unknown", ""),
    ];
    let mut minute = 10;
    for (ids, label, campaign) in accounts {
        for id in ids.chars() {
            let labels = format!(",\"label\":\"{label}\",\"campaign\":\"{campaign}\"");
            text += &post(&format!("late-{id}"), &id.to_string(), minute + 500, "", &labels);
            text += &post(&format!("first-{id}"), &id.to_string(), minute, "", &labels);
            minute += 1;
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("posts.jsonl");
    std::fs::write(&path, text).unwrap();
    Labels::read(&[path], detection::input::Options::default()).unwrap()
}

fn counts(inauthentic: u64, organic: u64, unknown: u64) -> AccountCounts {
    AccountCounts { inauthentic, organic, unknown }
}

#[test]
fn an_account_counts_once_with_its_best_status() {
    let groups = [
        ("1", Status::Coordinated, keys("abo")),
        ("2", Status::Flagged, keys("bcu")),
        ("3", Status::SingleSource, keys("dpu")),
        ("4", Status::NearMiss, keys("aeq")),
        ("5", Status::Faded, keys("f")),
        // A later state of a group that is already listed.
        ("1", Status::SingleSource, keys("r")),
    ];
    let statuses =
        Statuses::of(groups.iter().map(|(id, status, accounts)| (*id, *status, accounts.as_slice())), &labels());
    let reported = |groups, accounts| StatusCounts { groups, accounts };
    assert_eq!(
        statuses,
        Statuses {
            flagged: reported(1, counts(2, 0, 1)),
            coordinated: reported(1, counts(1, 1, 0)),
            single_source: reported(1, counts(1, 2, 0)),
            near_miss: reported(1, counts(1, 1, 0)),
        }
    );
    let named = Named::of_all(&[statuses.flagged, statuses.coordinated], 7);
    assert_eq!(
        (named.precision.unknown_is_wrong, named.precision.unknown_left_out),
        (Some(3.0 / 5.0), Some(3.0 / 4.0))
    );
    assert_eq!(named.recall, Some(3.0 / 7.0));
    assert_eq!(
        Named::of(counts(0, 0, 0), 0),
        Named::default(),
        "without named accounts there is no precision, without inauthentic ones no recall"
    );
    assert_eq!(Named::of(counts(0, 0, 2), 1).precision.unknown_left_out, None);
}

#[test]
fn an_operation_is_told_of_when_a_group_has_three_of_its_accounts() {
    let tellings = [
        (20, Status::Coordinated, keys("abo")),
        (25, Status::SingleSource, keys("abcd")),
        (30, Status::Coordinated, keys("abcpq")),
        (45, Status::Flagged, keys("bcd")),
        (50, Status::Flagged, keys("ef")),
    ];
    let tellings = tellings.map(|(minute, status, accounts)| (minute * MINUTE, status, accounts));
    let at_the_end =
        [(keys("bcd"), Status::Flagged), (keys("ae"), Status::Coordinated), (keys("af"), Status::NearMiss)];
    let best = best(at_the_end.iter().flat_map(|(accounts, status)| accounts.iter().map(|account| (account, *status))));
    let found = operations(&labels(), &best, &tellings);
    let operation = |name: &str,
                     [accounts, flagged, coordinated, single_source, near_miss]: [u64; 5],
                     reported,
                     flagged_after| Operation {
        name: name.to_owned(),
        accounts,
        flagged,
        coordinated,
        single_source,
        near_miss,
        told_after_minutes: reported,
        flagged_after_minutes: flagged_after,
    };
    // The third account of `one` posts first at minute 12; `two` has no third account.
    let one = operation("one", [4, 3, 1, 0, 0], Some(18.0), Some(33.0));
    assert_eq!(found, [one, operation("two", [2, 0, 1, 0, 1], None, None)]);
}

#[test]
fn a_ranking_by_hand_with_whole_operations_drawn() {
    let labels = labels();
    let units = Units::of(&labels);
    assert_eq!(units.drawn, Drawn::Operations);
    // Operations one and two, g, and four organic accounts: u is not ranked.
    assert_eq!(units.resamples.groups(), 7);
    let scores = [("a", 5.0), ("u", 4.5), ("o", 4.0), ("b", 3.0), ("p", 3.0)].map(|(id, score)| (key(id), score));
    let ranking = RankingReport::of(&scores.into(), &labels, &units).unwrap();
    assert_eq!((ranking.accounts, ranking.inauthentic), (11, 7));
    // a | o | b p | c d e f g q r: AP = (1 + 2/4 + 5 * 7/11) / 7; AUC: a over 4, b over 2.5, five
    // over 1 each, of 28.
    let near = |x: f64, y: f64| assert!((x - y).abs() < 1e-12, "{x} is not {y}");
    near(ranking.average_precision.value, (1.0 + 0.5 + 5.0 * 7.0 / 11.0) / 7.0);
    near(ranking.roc_auc.value, (4.0 + 2.5 + 5.0) / 28.0);
    near(ranking.average_precision_by_chance, 7.0 / 11.0);
    near(ranking.precision_at_50, 7.0 / 11.0);
    assert!(ranking.average_precision.low.unwrap() < ranking.average_precision.value);
    assert_eq!(ranking.curve.first(), Some(&(1.0 / 7.0, 1.0)));
    assert_eq!(ranking.curve.last(), Some(&(1.0, 7.0 / 11.0)));

    let verdicts = Verdicts { flagged: Some(keys("abou").into_iter().collect()), scores: BTreeMap::new() };
    let method = MethodReport::of("some", &verdicts, &labels, &units, 1.5);
    assert_eq!(method.flagged, Some(counts(2, 1, 1)));
    assert_eq!(method.named.unwrap().recall, Some(2.0 / 7.0));
    near(method.ranking.unwrap().roc_auc.value, 0.5);
}

#[test]
fn the_table_of_labels_lies_beside_its_file() {
    for (file, table) in [
        ("a/posts.jsonl.gz", "a/posts.accounts.tsv"),
        ("posts.ndjson", "posts.accounts.tsv"),
        ("posts.csv.zst", "posts.accounts.tsv"),
        ("posts", "posts.accounts.tsv"),
        (".json", ".json.accounts.tsv"),
    ] {
        assert_eq!(beside(file.as_ref()), std::path::Path::new(table), "{file}");
    }
}

/// Measures a file of these posts, with a table of labels next to it if there is one.
fn measured(
    posts: &str,
    table: Option<&str>,
    peers: bool,
) -> (Result<FileReport, crate::EvaluationError>, Vec<FileStep>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("posts.jsonl");
    std::fs::write(&path, posts).unwrap();
    if let Some(table) = table {
        std::fs::write(dir.path().join("posts.accounts.tsv"), table).unwrap();
    }
    let seconds = std::cell::Cell::new(0.0);
    let clock = || seconds.replace(seconds.get() + 1.0);
    let config = crate::model::tests::config(&dir.path().join("models"));
    let measuring = Measuring { config: &config, labels: &[], peers, clock: &clock };
    let mut steps = Vec::new();
    let report = measure(&path, &measuring, &mut |step| steps.push(step));
    (report, steps)
}

#[test]
fn a_file_is_measured_beside_other_methods() {
    let texts = ["the quick brown fox jumps over it", "a lazy dog lies in the morning sun"];
    let mut posts = String::new();
    for (n, text) in texts.into_iter().enumerate() {
        for account in ["a", "b"] {
            posts += &post(
                &format!("{n}{account}"),
                account,
                10 * n as Millis,
                text,
                ",\"label\":\"inauthentic\",\"campaign\":\"op\"",
            );
        }
        posts += &post(
            &format!("{n}o"),
            "o",
            10 * n as Millis,
            &format!("nobody else says {text}"),
            ",\"label\":\"organic\"",
        );
    }
    posts += "not a post\n";
    let (report, steps) = measured(&posts, None, true);
    let report = report.unwrap();
    assert_eq!((report.posts, report.rejected_lines, report.accounts), (6, 1, counts(2, 1, 0)));
    assert_eq!((report.file.as_str(), report.labels.as_slice()), ("posts.jsonl", &["posts".to_owned()][..]));
    assert_eq!(report.at_the_end, Statuses::default());
    assert_eq!(report.operations.len(), 1);
    let of = |name: &str| report.methods.iter().find(|one| one.method.contains(name)).unwrap();
    assert_eq!(report.methods[0].method, "Lockstep");
    assert_eq!(report.methods[0].named.unwrap().recall, Some(0.0));
    let rule = of("two same texts");
    assert_eq!((rule.flagged, rule.named.unwrap().precision.unknown_is_wrong), (Some(counts(2, 0, 0)), Some(1.0)));
    assert_eq!(rule.ranking.as_ref().unwrap().roc_auc.value, 1.0);
    assert_eq!(rule.ranking.as_ref().unwrap().drawn, Drawn::Accounts, "one operation alone cannot be drawn");
    assert_eq!(of("activity").named, None);
    assert_eq!(of("CNT, same text").flagged, Some(counts(2, 0, 0)));
    // The clock advances by one second with each reading: reading the file takes one second, and so
    // does each method.
    assert_eq!((report.reading_cpu_seconds, report.methods[0].cpu_seconds, rule.cpu_seconds), (1.0, 1.0, 2.0));
    assert_eq!(steps[..2], [FileStep::Labels, FileStep::Method("Lockstep")]);

    let real = RealReport { model: "m 1".to_owned(), alpha: 0.05, files: vec![report], failed: Vec::new() };
    let tables = real.tables();
    for table in &tables {
        assert!(table.rows.iter().all(|row| row.len() == table.header.len()), "{table:?}");
    }
    let cells = tables.iter().map(|table| table.rows.concat().join("|")).collect::<Vec<_>>();
    assert!(cells[0].starts_with("posts.jsonl|6|2/1/0|0|0|0|0|0|-|0.000|"), "{cells:?}");
    assert_eq!(cells[1], "posts.jsonl|op|2|0|0|0|0|not reported|not reported");
    assert!(cells[2].contains("rule: two same texts within an hour|2/0/0|1.000|1.000|1.000 ("), "{cells:?}");

    let html = real.html();
    assert_eq!(html.matches("<svg class=\"plot\"").count(), 3);
    for tag in ["section", "table", "figure", "details", "dl", "main", "div", "ul", "svg"] {
        let open = html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count();
        assert_eq!(open, html.matches(&format!("</{tag}>")).count(), "{tag}");
    }
    for loads in ["http://", "https://", "<script", "src=", "url(", "@import"] {
        assert!(!html.contains(loads), "{loads}");
    }
    let json = serde_json::to_value(&real).unwrap();
    assert_eq!(json["files"][0]["flagged"]["recall"], 0.0);
}

#[test]
fn an_organic_file_has_no_ranking_and_says_what_is_flagged() {
    let text = "the quick brown fox jumps over it";
    let posts: String = (0..3)
        .flat_map(|n| {
            ["o", "p"].map(|account| {
                post(
                    &format!("{n}{account}"),
                    account,
                    n,
                    &format!("{text} {}", ["", "a", "b"][n as usize]),
                    ",\"label\":\"organic\"",
                )
            })
        })
        .collect();
    let report = measured(&posts, None, true).0.unwrap();
    assert_eq!(report.flagged, Named::default());
    assert!(report.methods.iter().all(|one| one.ranking.is_none()));
    let rule = report.methods.iter().find(|one| one.method.contains("two same texts")).unwrap();
    assert_eq!((rule.flagged, rule.named.unwrap().precision.unknown_is_wrong), (Some(counts(0, 2, 0)), Some(0.0)));
    let real = RealReport { model: String::new(), alpha: 0.05, files: vec![report], failed: Vec::new() };
    assert_eq!(real.tables().len(), 2, "no operations");
    assert!(!real.html().contains("precision over recall of the ranking"));
}

#[test]
fn the_table_beside_a_file_takes_the_place_of_its_labels() {
    let posts = post("1", "a", 0, "", ",\"label\":\"organic\"") + &post("2", "b", 1, "", ",\"label\":\"organic\"");
    let (report, steps) = measured(&posts, Some("account_id\tlabel\na\tinauthentic\n"), false);
    let report = report.unwrap();
    assert_eq!((report.accounts, report.methods.len()), (counts(1, 0, 1), 1));
    assert_eq!(report.labels, ["posts.accounts.tsv"]);
    assert!(matches!(&steps[1], FileStep::Tables(tables) if tables[0].ends_with("posts.accounts.tsv")), "{steps:?}");
    let error = measured(&posts, Some("account_id\tlabel\nz\torganic\n"), false).0.unwrap_err().to_string();
    assert!(error.starts_with("no account of the file is in ") && error.ends_with("posts.accounts.tsv"), "{error}");
}

#[test]
fn what_cannot_be_measured_is_an_error_that_says_what_to_do() {
    let error = |posts: &str| measured(posts, None, false).0.unwrap_err().to_string();
    let unlabelled = error(&post("1", "a", 0, "", ""));
    for part in ["no post has a label", "posts.accounts.tsv", "inauthentic, organic or unknown"] {
        assert!(unlabelled.contains(part), "{unlabelled}");
    }
    assert_eq!(
        error(&post("7", "a", 0, "", ",\"label\":\"bot\"")),
        "post 7: `bot` is not a label: write inauthentic, organic or unknown"
    );
    let nothing = error("no\nposts\n");
    assert!(
        nothing.starts_with("no line of it is a post; 2 were rejected, the first: ")
            && nothing.contains("posts.jsonl:1"),
        "{nothing}"
    );
}

/// A detection with only these reports.
fn detection(tellings: Vec<Telling>) -> Detection {
    Detection { tellings, ..Detection::default() }
}

#[test]
fn what_was_told_on_the_way_is_told() {
    let telling = |minute: Millis, version, status, ids: &str| Telling {
        at: minute * MINUTE,
        cluster_id: "1".to_owned(),
        version,
        status,
        accounts: ids.chars().map(|id| AccountRef { platform: "x".to_owned(), account_id: id.to_string() }).collect(),
    };
    let reported = detection(vec![telling(20, 1, Status::Flagged, "abo"), telling(40, 2, Status::Coordinated, "abcd")]);
    let report = run::report(&reported, &labels());
    assert_eq!(report.at_the_end, Statuses::default());
    assert_eq!(report.ever.flagged, StatusCounts { groups: 1, accounts: counts(2, 1, 0) });
    assert_eq!(report.ever.coordinated, StatusCounts { groups: 0, accounts: counts(2, 0, 0) });
    let [reported, flagged] = [report.operations[0].told_after_minutes, report.operations[0].flagged_after_minutes];
    assert_eq!((reported, flagged), (Some(28.0), None));
}
