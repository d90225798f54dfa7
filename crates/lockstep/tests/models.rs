//! Models as data scientists meet them: evaluated, held against each other, refused where the figures would say nothing.

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use scoring::{Dataset, Folds, LabelSource, Options, Origin, Registry, Row, features::FEATURES, train};
use serde_json::Value;

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
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Desk {
        let desk = Desk(tempfile::tempdir().unwrap());
        let models = desk.0.path().join("models");
        for name in ["sharp", "dull"] {
            let mut rows = clusters(1, 0.6).rows;
            if name == "dull" {
                rows.iter_mut().for_each(|row| row.values[0] = None);
            }
            train(&rows, &Options::new(name, "1")).unwrap().save(&models).unwrap();
        }
        Registry::open(&models).unwrap().promote("dull", "1", jiff::Timestamp::UNIX_EPOCH).unwrap();
        desk.write("trained.csv", &clusters(1, 0.6));
        desk.write("new.csv", &clusters(101, 0.6));
        desk
    }

    fn write(&self, name: &str, dataset: &Dataset) {
        dataset.write_csv(fs::File::create(self.0.path().join(name)).unwrap()).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.path().join(name)).unwrap()
    }

    /// Code, standard output, standard error.
    #[track_caller]
    fn run(&self, code: i32, line: &str) -> (String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lockstep"));
        command.args(line.split(' ')).current_dir(self.0.path()).stdin(Stdio::null()).env("RUST_BACKTRACE", "0");
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LOCKSTEP")) {
            command.env_remove(name);
        }
        let Output { status, stdout, stderr } = command.output().unwrap();
        let (out, err) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
        assert_eq!(status.code(), Some(code), "{line}\n{out}\n{err}");
        (out, err)
    }

    /// It fails so, and says this.
    #[track_caller]
    fn refuses(&self, code: i32, line: &str, says: &str) {
        let (out, err) = self.run(code, line);
        assert!(err.contains(says), "{says:?} is not in:\n{err}");
        assert_eq!(out, "", "{line}");
    }

    fn has(&self, name: &str) -> bool {
        Path::new(&self.0.path().join(name)).exists()
    }
}

#[test]
fn a_comparison_ends_in_one_clear_line() {
    let desk = Desk::new();
    for (line, last) in [
        ("models compare sharp/1 dull/1 --dataset new.csv", "sharp 1: better"),
        ("models compare sharp 1 --dataset new.csv", "sharp 1: better"),
        ("models compare dull 1 sharp/1 --dataset new.csv", "dull 1: worse"),
        ("models compare sharp/1 --dataset new.csv --require better", "sharp 1: better"),
        ("models compare sharp/1 --dataset new.csv --require no-worse", "sharp 1: better"),
    ] {
        let (out, err) = desk.run(0, line);
        assert_eq!((out.lines().last(), err.as_str()), (Some(last), ""), "{line}\n{out}");
    }
    let (out, err) = desk.run(1, "models compare dull/1 sharp/1 --dataset new.csv --require no-worse");
    assert_eq!(out.lines().last(), Some("dull 1: worse"));
    assert!(err.contains("dull 1 is not what --require asks for: worse"), "{err}");

    let (out, _) = desk.run(0, "models compare sharp/1 --dataset new.csv --json");
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((json["outcome"].as_str(), json["rows"].as_u64()), (Some("better"), Some(240)));
    assert!(json["average_precision"]["difference"]["low"].as_f64().unwrap() > 0.0, "{out}");
    assert_eq!(desk.run(0, "models compare sharp/1 --dataset new.csv --json").0, out, "the same figures again");

    desk.refuses(1, "models compare dull/1 --dataset new.csv", "dull 1 is held against itself");
    desk.refuses(1, "models compare dull/2 --dataset new.csv", "no model \"dull 2\"");
    desk.refuses(2, "models compare dull --dataset new.csv", "write dull/VERSION");
    desk.refuses(2, "models compare a/1 b/1 c/1 --dataset new.csv", "two at most");
    desk.refuses(2, "models compare", "MODEL");
    desk.refuses(1, "models compare sharp/1 --dataset none.csv", "cannot read the dataset none.csv");
    fs::write(desk.0.path().join("broken.csv"), "a,b\n1,2\n").unwrap();
    desk.refuses(1, "models compare sharp/1 --dataset broken.csv", "broken.csv: the dataset's columns are not those");
}

#[test]
fn what_a_model_was_trained_on_says_nothing_of_it() {
    let desk = Desk::new();
    desk.refuses(1, "models compare sharp/1 --dataset trained.csv", "sharp 1 was trained on exactly these rows");
    desk.refuses(1, "evaluate model sharp 1 --dataset trained.csv", "build a dataset of other seeds");
    // Other rows of the same worlds and seeds are left out.
    desk.write("same-seeds.csv", &clusters(1, 0.5));
    desk.refuses(
        1,
        "evaluate model sharp 1 --dataset same-seeds.csv",
        "all rows may be among those that sharp 1 was trained",
    );
    let (_, err) = desk.run(0, "evaluate model sharp --dataset same-seeds.csv --dataset new.csv");
    assert!(err.contains("240 of 480 rows may be among those that sharp 1 was trained on"), "{err}");
    assert!(err.contains("240 states of clusters, 80 inauthentic"), "{err}");
    let (out, err) = desk.run(0, "models compare sharp/1 --dataset same-seeds.csv --dataset new.csv");
    assert!(err.starts_with("warning: 240 of 480 rows may be") && out.contains("on 240 states"), "{err}{out}");
    let (_, err) = desk.run(0, "evaluate model sharp --dataset same-seeds.csv --keep-trained-on");
    assert!(err.contains("the figures flatter it"), "{err}");
}

#[test]
fn an_evaluation_writes_its_page_its_figures_and_its_clusters() {
    let desk = Desk::new();
    let (out, err) = desk.run(0, "evaluate model sharp --dataset new.csv --out one --jobs 1");
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
    desk.run(0, "evaluate model sharp --dataset new.csv --out two --jobs 3");
    for file in ["model.html", "model.json", "clusters.csv"] {
        assert_eq!(desk.read(&format!("one/{file}")), desk.read(&format!("two/{file}")), "{file}");
    }
    assert_eq!(desk.read("one/clusters.csv"), desk.read("new.csv"));
    let json: Value = serde_json::from_str(&desk.read("one/model.json")).unwrap();
    assert_eq!(json["contenders"][0]["figures"]["by_benign_class"][0]["name"], "fandom");
    assert_eq!(json["contenders"][1]["name"], "dull 1");
    let (out, _) = desk.run(0, "evaluate model sharp --dataset new.csv --json");
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), json);

    // Without a name it is the one in service, and without a registry the one that is built in.
    let (_, err) = desk.run(0, "evaluate model --dataset new.csv");
    assert!(err.contains("\ndull 1\n") && !err.contains("against"), "{err}");
    let (_, err) = desk.run(0, "evaluate model --dataset new.csv --models elsewhere");
    assert!(err.contains("(built in)") && err.contains("it is not known what"), "{err}");
    desk.refuses(1, "evaluate model other --dataset new.csv", "there are: dull 1, sharp 1");
    desk.refuses(2, "evaluate model --dataset new.csv --budget 5", "write 5/day or 100/1000");
}

#[test]
fn learners_are_held_against_the_first() {
    let desk = Desk::new();
    let line = "evaluate model --learner logistic --learner boosted:rounds=20 --dataset new.csv --split campaign --split collection";
    let (_, err) = desk.run(0, line);
    for part in ["boosted:rounds=20, campaigns held out: ", "boosted:rounds=20, collections held out: "] {
        assert!(err.contains(part), "{part} is not in\n{err}");
    }
    let (out, _) = desk
        .run(0, "evaluate model --learner logistic --train trained.csv --dataset new.csv --ablation --out out --json");
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["contenders"][0]["split"], "other");
    let sharp = desk.run(0, "evaluate model sharp --dataset new.csv --json").0;
    let sharp: Value = serde_json::from_str(&sharp).unwrap();
    let figures = |json: &Value| json["contenders"][0]["figures"].clone();
    assert_eq!(figures(&json), figures(&sharp), "it is what training makes of the same rows");
    assert_eq!(json["ablations"].as_array().unwrap().len(), 1);
    assert!(desk.has("out/model.html"));

    let line = "evaluate model --learner logistic --train trained.csv --dataset trained.csv";
    desk.refuses(1, line, "all 240 rows are of campaigns and groups that --train teaches");
    let (_, err) = desk.run(0, &format!("{line} --dataset new.csv"));
    assert!(err.contains("240 of 480 rows are of campaigns and groups that --train teaches"), "{err}");
    desk.refuses(2, "evaluate model --dataset new.csv --split time", "--learner");
    desk.refuses(2, "evaluate model --learner forest --dataset new.csv", "there are: logistic, boosted");
    desk.refuses(2, "evaluate model --learner boosted:leaves=3", "boosted has rounds, depth");
    desk.refuses(2, "evaluate model --learner logistic --split seed", "campaign, collection, time");
}
