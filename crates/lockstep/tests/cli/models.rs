//! Models as data scientists meet them: datasets, models evaluated and held against each other, put into service and taken back.

use std::{collections::BTreeMap, fs, path::Path};

use scoring::{Dataset, Folds, LabelSource, Options, Origin, Registry, Row, features::FEATURES, train};
use serde_json::Value;

use crate::Workspace;

/// Clusters in two worlds with two seeds each, a group each. The first feature tells the inauthentic ones, up to noise, and the second one
/// hardly.
fn clusters(first_seed: u64, noise: f64) -> Dataset {
    let row = |n: u64| {
        let inauthentic = n.is_multiple_of(3);
        // A fixed scatter in -1 to 1 that is not that of another seed.
        let scatter = |salt: u64| ((n + 1_000 * (first_seed + salt)) * 2_654_435_761 % 1_000) as f64 / 500.0 - 1.0;
        let mut values = vec![None; FEATURES.len()];
        for (place, noise) in [(0, noise), (1, 4.0 * noise)] {
            values[place] = Some(4.0 + f64::from(u8::from(inauthentic)) + noise * scatter(7 * place as u64));
        }
        Row {
            cluster_id: format!("c{n}"),
            origin: Origin {
                inauthentic,
                label_source: LabelSource::Simulator,
                weight: 1.0,
                campaign: format!("g{}", n / 2),
                benign_class: if inauthentic { String::new() } else { "fandom".to_owned() },
                world: ["one", "two"][(n % 2) as usize].to_owned(),
                seed: first_seed + n / 2 % 2,
                language: "en".to_owned(),
            },
            at_ms: (n * 7_919 % 1_000) as i64 * 500_000,
            accounts: 5 + n % 7,
            platform: "chirp".to_owned(),
            folds: Folds::default(),
            values,
        }
    };
    Dataset::split(&(0..240).map(row).collect::<Vec<Row>>())
}

/// A folder with a registry of two models, `sharp 1` and, in service, `dull 1`, with the dataset of the first and one that none has seen.
struct Stand(Workspace);

impl Stand {
    fn new() -> Stand {
        let stand = Stand(Workspace::new());
        let models = stand.0.path("models");
        for name in ["sharp", "dull"] {
            let mut rows = clusters(1, 0.6).rows;
            if name == "dull" {
                rows.iter_mut().for_each(|row| row.values[0] = None);
            }
            train(&rows, &Options::new(name, "1")).unwrap().save(&models).unwrap();
        }
        Registry::open(&models).unwrap().promote("dull", "1", jiff::Timestamp::UNIX_EPOCH).unwrap();
        stand.write("trained.csv", &clusters(1, 0.6));
        stand.write("new.csv", &clusters(101, 0.6));
        stand
    }

    fn write(&self, name: &str, dataset: &Dataset) {
        dataset.write_csv(fs::File::create(self.0.path(name)).unwrap()).unwrap();
    }

    /// Standard output and standard error of a command line that ends so.
    #[track_caller]
    fn run(&self, code: i32, line: &str) -> (String, String) {
        let run = self.0.run(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(run.code, Some(code), "{line}\n{}\n{}", run.out, run.err);
        (run.out, run.err)
    }

    /// It fails so, and says this.
    #[track_caller]
    fn refuses(&self, code: i32, line: &str, says: &str) {
        self.0.run(&line.split(' ').collect::<Vec<_>>()).ends(code).says(&[says]).prints_nothing();
    }
}

#[test]
fn a_comparison_ends_in_one_clear_line() {
    let stand = Stand::new();
    for (line, last) in [
        ("models compare sharp/1 dull/1 --dataset new.csv", "sharp 1: better"),
        ("models compare sharp 1 --dataset new.csv", "sharp 1: better"),
        ("models compare dull 1 sharp/1 --dataset new.csv", "dull 1: worse"),
        ("models compare sharp/1 --dataset new.csv --require better", "sharp 1: better"),
        ("models compare sharp/1 --dataset new.csv --require no-worse", "sharp 1: better"),
    ] {
        let (out, err) = stand.run(0, line);
        assert_eq!((out.lines().last(), err.as_str()), (Some(last), ""), "{line}\n{out}");
    }
    let (out, err) = stand.run(1, "models compare dull/1 sharp/1 --dataset new.csv --require no-worse");
    assert_eq!(out.lines().last(), Some("dull 1: worse"));
    assert!(err.contains("dull 1 does not have the outcome that --require demands: worse"), "{err}");

    let (out, _) = stand.run(0, "models compare sharp/1 --dataset new.csv --json");
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((json["outcome"].as_str(), json["rows"].as_u64()), (Some("better"), Some(240)));
    assert!(json["average_precision"]["difference"]["low"].as_f64().unwrap() > 0.0, "{out}");
    assert_eq!(stand.run(0, "models compare sharp/1 --dataset new.csv --json").0, out, "the same figures again");

    stand.refuses(1, "models compare dull/1 --dataset new.csv", "dull 1 is compared with itself");
    stand.refuses(1, "models compare dull/2 --dataset new.csv", "no model \"dull 2\"");
    stand.refuses(2, "models compare dull --dataset new.csv", "use dull/VERSION");
    stand.refuses(2, "models compare a/1 b/1 c/1 --dataset new.csv", "at most two");
    stand.refuses(2, "models compare", "MODEL");
    stand.refuses(1, "models compare sharp/1 --dataset none.csv", "cannot read the dataset none.csv");
    stand.0.write("broken.csv", "a,b\n1,2\n");
    stand.refuses(1, "models compare sharp/1 --dataset broken.csv", "broken.csv: the dataset's columns are not those");
}

#[test]
fn what_a_model_was_trained_on_says_nothing_of_it() {
    let stand = Stand::new();
    stand.refuses(1, "models compare sharp/1 --dataset trained.csv", "sharp 1 was trained on exactly these rows");
    stand.refuses(1, "evaluate model sharp 1 --dataset trained.csv", "build a dataset of other seeds");
    // Other rows of the same worlds and seeds are left out.
    stand.write("same-seeds.csv", &clusters(1, 0.5));
    stand.refuses(
        1,
        "evaluate model sharp 1 --dataset same-seeds.csv",
        "all rows may be among those that sharp 1 was trained",
    );
    let (_, err) = stand.run(0, "evaluate model sharp --dataset same-seeds.csv --dataset new.csv");
    assert!(err.contains("240 of 480 rows may be among those that sharp 1 was trained on"), "{err}");
    assert!(err.contains("240 states of clusters, 80 inauthentic"), "{err}");
    let (out, err) = stand.run(0, "models compare sharp/1 --dataset same-seeds.csv --dataset new.csv");
    assert!(err.starts_with("warning: 240 of 480 rows may be") && out.contains("on 240 states"), "{err}{out}");
    let (_, err) = stand.run(0, "evaluate model sharp --dataset same-seeds.csv --keep-trained-on");
    assert!(err.contains("the figures are too good"), "{err}");
}

#[test]
fn an_evaluation_writes_its_page_its_figures_and_its_clusters() {
    let stand = Stand::new();
    let (out, err) = stand.run(0, "evaluate model sharp --dataset new.csv --out one --jobs 1");
    assert_eq!(out, "");
    for part in [
        "sharp 1\n",
        "average precision",
        "the evidence alone",
        "sharp 1 against dull 1",
        "sharp 1: better",
        "one/model.html",
    ] {
        assert!(err.contains(part), "{part} is not in\n{err}");
    }
    stand.run(0, "evaluate model sharp --dataset new.csv --out two --jobs 3");
    for file in ["model.html", "model.json", "clusters.csv"] {
        assert_eq!(stand.0.read(&format!("one/{file}")), stand.0.read(&format!("two/{file}")), "{file}");
    }
    assert_eq!(stand.0.read("one/clusters.csv"), stand.0.read("new.csv"));
    let json: Value = serde_json::from_str(&stand.0.read("one/model.json")).unwrap();
    assert_eq!(json["contenders"][0]["figures"]["by_benign_class"][0]["name"], "fandom");
    assert_eq!(json["contenders"][1]["name"], "dull 1");
    let (out, _) = stand.run(0, "evaluate model sharp --dataset new.csv --json");
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), json);

    // Without a name it is the one in service, and without a registry the one that is built in.
    let (_, err) = stand.run(0, "evaluate model --dataset new.csv");
    assert!(err.contains("\ndull 1\n") && !err.contains("against"), "{err}");
    let (_, err) = stand.run(0, "evaluate model --dataset new.csv --models elsewhere");
    assert!(err.contains("(built in)") && err.contains("it is not known what"), "{err}");
    stand.refuses(1, "evaluate model other --dataset new.csv", "it has: dull 1, sharp 1");
    stand.refuses(2, "evaluate model --dataset new.csv --budget 5", "write 5/day or 100/1000");
}

#[test]
fn learners_are_held_against_the_first() {
    let stand = Stand::new();
    let line = "evaluate model --learner logistic --learner boosted:rounds=20 --dataset new.csv --split campaign --split collection";
    let (_, err) = stand.run(0, line);
    for part in ["boosted:rounds=20, campaigns held out: ", "boosted:rounds=20, collections held out: "] {
        assert!(err.contains(part), "{part} is not in\n{err}");
    }
    let (out, _) = stand
        .run(0, "evaluate model --learner logistic --train trained.csv --dataset new.csv --ablation --out out --json");
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["contenders"][0]["split"], "other");
    let sharp = stand.run(0, "evaluate model sharp --dataset new.csv --json").0;
    let sharp: Value = serde_json::from_str(&sharp).unwrap();
    let figures = |json: &Value| json["contenders"][0]["figures"].clone();
    assert_eq!(figures(&json), figures(&sharp), "it is what training makes of the same rows");
    assert_eq!(json["ablations"].as_array().unwrap().len(), 1);
    assert!(stand.0.path("out/model.html").exists());

    let line = "evaluate model --learner logistic --train trained.csv --dataset trained.csv";
    stand.refuses(1, line, "all 240 rows are of campaigns and groups in --train");
    let (_, err) = stand.run(0, &format!("{line} --dataset new.csv"));
    assert!(err.contains("240 of 480 rows are of campaigns and groups in --train"), "{err}");
    stand.refuses(2, "evaluate model --dataset new.csv --split time", "--learner");
    stand.refuses(2, "evaluate model --learner forest --dataset new.csv", "there are: logistic, boosted");
    stand.refuses(2, "evaluate model --learner boosted:leaves=3", "boosted has rounds, depth");
    stand.refuses(2, "evaluate model --learner logistic --split seed", "campaign, collection, time");
}

#[test]
fn a_model_is_promoted_and_taken_back_and_a_bad_one_is_listed_with_the_reason() {
    let workspace = Workspace::new();
    let models = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models"));
    let entries: Value = serde_json::from_str(
        &workspace.run(&["models", "--models", models.to_str().unwrap(), "list", "--json"]).ends(0).out,
    )
    .unwrap();
    let whole =
        entries.as_array().unwrap().iter().find(|entry| entry["active"] == true && entry["name"] == "cluster").unwrap();
    let (name, version) = (whole["name"].as_str().unwrap(), whole["version"].as_str().unwrap());
    fs::create_dir_all(workspace.path("models")).unwrap();
    for file in ["model.json", "manifest.json", "card.md"] {
        let bytes = fs::read(models.join(name).join(version).join(file)).unwrap();
        fs::create_dir_all(workspace.path("models").join(name).join(version)).unwrap();
        workspace.write(&format!("models/{name}/{version}/{file}"), &bytes);
        // The same model under another version is no model of that version.
        fs::create_dir_all(workspace.path("models").join(name).join("99")).unwrap();
        workspace.write(&format!("models/{name}/99/{file}"), &bytes);
    }
    workspace.write("c.toml", format!("[detector]\nshadow_model = \"{name}/{version}\"\n"));
    workspace.run(&["config", "check", "--config", "c.toml"]).ends(1).says(&[
        "no model is in service",
        "there is no active.toml in models",
        "lockstep models promote",
    ]);
    workspace
        .run(&["models", "rollback"])
        .ends(1)
        .says(&["cannot go back: no model of clusters is in service in models"]);
    workspace.run(&["models", "list"]).ends(0).says(&["no model is in service: promote a version"]);
    workspace.write("models/active.toml", format!("name = {name:?}\nversion = \"7\"\n"));
    workspace.run(&["models", "list"]).ends(0).says(&["active.toml names", "/7, which does not exist"]);
    fs::remove_file(workspace.path("models/active.toml")).unwrap();
    workspace.run(&["models", "promote", name, version]).ends(0).says(&["is in service; running detectors load it"]);
    workspace.run(&["models", "promote", &format!("{name}/{version}")]).ends(0).says(&["is already in service"]);
    workspace.run(&["models", "promote", name]).ends(1).says(&["names no model: write NAME/VERSION"]);
    workspace.run(&["models", "promote", name, "99"]).ends(1).says(&["its folder was copied or renamed"]);
    workspace.run(&["models", "rollback"]).ends(1).says(&["names none before it", "lockstep models promote"]);
    workspace.run(&["config", "check", "--config", "c.toml"]).ends(0);

    let list = workspace.run(&["models", "list", "--config", "c.toml"]).ends(0).out;
    let lines: Vec<&str> = list.lines().collect();
    assert!(lines[0].starts_with("MODEL") && lines[0].contains("AVERAGE PRECISION"), "{list}");
    assert!(lines[1].contains(version) && lines[1].ends_with("in service, shadow"), "{list}");
    assert!(lines[2].contains("99") && lines[2].contains("cannot be used"), "{list}");
    assert!(lines[3].contains("its folder was copied or renamed"), "{list}");
    let json: Value = serde_json::from_str(&workspace.run(&["models", "list", "--json"]).ends(0).out).unwrap();
    assert_eq!(
        (&json[0]["in_service"], &json[0]["shadow"], &json[0]["error"]),
        (&true.into(), &false.into(), &Value::Null)
    );
    assert!(json[0]["average_precision"].as_f64().unwrap() > 0.5);
    assert!(json[1]["error"].as_str().unwrap().contains("copied or renamed"));

    for (key, value, why) in [
        ("model", "cluster", "detector.model: \"cluster\" names no model: write NAME/VERSION"),
        ("shadow_model", "cluster/none", "detector.shadow_model: no model \"cluster none\" in models; there are: "),
    ] {
        workspace.write("bad.toml", format!("[detector]\n{key} = {value:?}\n"));
        workspace.run(&["config", "check", "--config", "bad.toml"]).ends(1).says(&[why]);
    }
}

#[test]
fn datasets_are_built_from_labelled_posts_and_worlds_alike_and_say_what_they_lack() {
    let workspace = Workspace::new();
    workspace.run(&["dataset", "build", "--out", "d"]).ends(2).says(&["--world", "--posts", "--feedback"]);
    workspace
        .run(&["dataset", "build", "--out", "d", "--feedback"])
        .ends(1)
        .says(&[".lockstep/log has no log", "--dir"]);
    workspace.run(&["dataset", "build", "--out", "d", "--verdicts", "v"]).ends(2).says(&["--clusters"]);
    let twice = ["dataset", "build", "--out", "d", "--posts", "a.jsonl", "--posts", "b/a.jsonl"];
    workspace.run(&twice).ends(2).says(&["collection name \"a\" is used twice", "NAME=FILE"]);
    workspace.write("v.jsonl", "\n{\"schema_version\":1}\n");
    workspace.write("c.jsonl", "");
    let verdicts = ["dataset", "build", "--out", "d", "--clusters", "c.jsonl", "--verdicts", "v.jsonl"];
    workspace.run(&verdicts).ends(1).says(&["v.jsonl, line 2", "cluster_id"]);

    workspace.run(&["simulate", "--world", "demo", "--out", "demo"]).ends(0);
    let posts = "known=demo/posts.jsonl.zst,demo/accounts.tsv";
    workspace.run(&["dataset", "build", "--posts", posts, "--out", "p"]).ends(0).prints_nothing().says(&["known"]);
    let table = workspace.read("demo/accounts.tsv");
    let of_one_label = |line: &str| {
        let mut row: Vec<&str> = line.split('\t').collect();
        if !["label", "inauthentic"].contains(&row[2]) {
            row[2] = "unknown";
        }
        row.join("\t") + "\n"
    };
    workspace.write("one.tsv", table.lines().map(of_one_label).collect::<String>());
    workspace
        .run(&["dataset", "build", "--posts", "known=demo/posts.jsonl.zst,one.tsv", "--out", "one"])
        .ends(0)
        .says(&["known", "same label"]);
    workspace.run(&["dataset", "build", "--world", "demo", "--seeds", "1", "--out", "w"]).ends(0);
    let clusters = |folder: &str| -> BTreeMap<String, String> {
        let text = workspace.read(&format!("{folder}/clusters.csv"));
        let rows = text.lines().skip(1).map(|line| line.split(',').take(2).map(str::to_owned).collect::<Vec<_>>());
        rows.map(|mut row| (row.remove(0), row.remove(0))).collect()
    };
    // A world also gives those that became part of others, and has no judge, which would keep flagged groups apart from the others.
    let (of_posts, of_world) = (clusters("p"), clusters("w"));
    let both: Vec<_> = of_posts.iter().filter_map(|(id, label)| Some((label, of_world.get(id)?))).collect();
    assert!(
        both.len() > 2 && both.iter().all(|(of_posts, of_world)| of_posts == of_world),
        "{of_posts:?} {of_world:?}"
    );
    let show = |file: &str| workspace.run(&["dataset", "show", file, "--json"]).ends(0).out;
    assert_eq!(show("p/clusters.csv"), show("p/clusters.parquet"));
    let shown: Value = serde_json::from_str(&show("p/clusters.csv")).unwrap();
    let about: Value = serde_json::from_str(&workspace.read("p/dataset.json")).unwrap();
    assert_eq!((&about["dataset"], &about["sources"]["posts"][0]["name"]), (&shown, &"known".into()));
    workspace.run(&["dataset", "show", "demo/accounts.tsv"]).ends(1).says(&["demo/accounts.tsv", "columns"]);
    let train = ["train", "--version", "1", "--dataset", "one/clusters.csv"];
    workspace.run(&train).ends(1).says(&["0 organic clusters", "some of both"]);
    // Everything twice, and one value that no model can take.
    let both = workspace.read("w/clusters.csv");
    workspace.write("doubled.csv", format!("{both}{}", both.split_once('\n').unwrap().1));
    let rows = both.lines().count() - 1;
    let run = workspace.run(&["train", "--version", "1", "--dataset", "doubled.csv", "--models", "doubled"]);
    run.says(&[&format!("warning: {rows} rows are identical to other rows"), "was a file given twice?"]);
    let huge = |line: &str| line.rsplit_once(',').map(|(rest, _)| format!("{rest},1e300\n")).unwrap();
    workspace.write(
        "huge.csv",
        both.lines()
            .enumerate()
            .map(|(n, line)| if n == 1 { huge(line) } else { format!("{line}\n") })
            .collect::<String>(),
    );
    workspace
        .run(&["train", "--version", "1", "--dataset", "huge.csv", "--models", "huge"])
        .ends(1)
        .says(&["is 1e300", "between -1e100 and 1e100"]);
    workspace.run(&[&train[..], &["--trees", "9"]].concat()).ends(2).says(&["--trees", "--learner boosted"]);
    workspace.run(&[&train[..], &["--seeds", "9"]].concat()).ends(2).says(&["--dataset", "--seeds"]);
}
