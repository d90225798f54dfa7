//! From what partners say to a model in service, by the very commands of the guide, `models/README.md`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use end_to_end::{Broker, Place, Service, copy_folder, lockstep, root};
use futures::TryStreamExt;
use messages::{
    cluster::{ClusterMessage, Status},
    feedback::Feedback,
    topics::{CLUSTERS, CLUSTERS_FLAGGED, FEEDBACK},
};
use runtime::{Log, NewRecord};
use serde_json::{Value, json};

use crate::chain::{World, feed};

/// The guide's section that is run here.
const SECTION: &str = "## From feedback to a new model";

#[test]
fn the_guide_leads_from_feedback_to_a_model_in_service() {
    let world = World::demo();
    let place = Place::new(None, &world.platforms);
    let mut service = place.serve();
    for chunk in world.posts.chunks(1_000) {
        service.post(chunk).unwrap();
    }
    world.gone_through(&mut service);

    // Every partner answers to everything it was told of; all reject the finding that the first one was told of first.
    let mut said = 0;
    let mut rejected: Option<Value> = None;
    for platform in &world.platforms {
        let key = place.key(platform);
        let told = feed(&service, &key);
        let campaigns = told.iter().filter(|object| object["type"] == "campaign" && object["revoked"] != true);
        let opinions: Vec<Value> = campaigns
            .map(|campaign| {
                said += 1;
                let rejects = *rejected.get_or_insert_with(|| campaign["name"].clone()) == campaign["name"];
                json!({"type": "opinion", "spec_version": "2.1", "id": format!("opinion--00000000-0000-4000-8000-{said:012}"),
                    "created": "2026-11-01T00:00:00.000Z", "modified": "2026-11-01T00:00:00.000Z",
                    "opinion": if rejects { "strongly-disagree" } else { "agree" }, "object_refs": [campaign["id"]]})
            })
            .collect();
        assert!(!opinions.is_empty(), "{platform} was told of nothing");
        answer(&service, &key, &opinions);
    }
    let feedback = service.wait("feedback is on the topic", |_| {
        let feedback = feedback(&place);
        (feedback.len() == said).then_some(feedback)
    });

    // While the service goes on.
    copy_folder(&root().join("models"), &place.path("models"));
    fs::write(place.path("posts.jsonl"), world.posts.join(&b'\n')).unwrap();
    let mut ran = BTreeSet::new();
    for command in commands() {
        let output = execute(&place, &command);
        assert!(output.status.success(), "{}: {}", command.join(" "), String::from_utf8_lossy(&output.stderr));
        ran.insert(command[..2].join(" "));
        if command[0] == "train" {
            let table = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(table.contains("the evidence alone") && table.contains("held out by world and seed"), "{table}");
        }
    }
    for step in ["dataset build", "dataset show", "train --dataset", "models promote", "detect posts.jsonl"] {
        assert!(ran.contains(step), "the guide has no `lockstep {step}`: {ran:?}");
    }

    let about: Value = serde_json::from_slice(&fs::read(place.path("data/dataset.json")).unwrap()).unwrap();
    assert_eq!(about["sources"]["feedback"]["words"], said);
    assert_eq!(about["sources"]["feedback"]["capped"], json!({}));
    check_rows(&place.path("data/clusters.csv"), &feedback);
    let manifest: Value =
        serde_json::from_slice(&fs::read(place.path("models/cluster/2026-11/manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["training"]["fingerprint"], about["dataset"]["fingerprint"]);
    let description = manifest["training"]["description"].as_str().unwrap();
    assert!(description.contains("judged by partners") && description.contains("training"), "{description}");
    let clusters = clusters(&place.path("out/clusters.jsonl"));
    assert!(!clusters.is_empty());
    let models: Vec<_> = clusters.iter().filter_map(|cluster| cluster.model.as_ref()).collect();
    assert!(!models.is_empty());
    assert!(models.iter().all(|model| model.name == "cluster" && model.version == "2026-11"));

    a_flood_of_one_partner_weighs_no_more_than_the_cap(&place, &clusters);
    assert_eq!(service.stop().code(), Some(0));
}

#[test]
#[ignore = "needs Apache Kafka: tests/kafka/kafka.sh start"]
fn feedback_is_read_from_kafka_as_it_stands() {
    let broker = Broker::start();
    let brokers = broker.address();
    let world = World::demo();
    let place = Place::new(Some(brokers), &world.platforms);
    fs::write(place.path("posts.jsonl"), world.posts.join(&b'\n')).unwrap();
    let done = |command: &str| {
        let output = execute(&place, &words(command));
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    };
    done("detect posts.jsonl --out out");
    fs::write(place.path("few.jsonl"), world.posts[..10].join(&b'\n')).unwrap();
    done(&format!("ingest few.jsonl --brokers {brokers}"));
    let found = clusters(&place.path("out/clusters.jsonl"));
    let (told, absorbed) = (&found[0], &found[1]);
    let word = |cluster: &ClusterMessage, partner: &str, verdict: Option<&str>| {
        let value = verdict.map(|verdict| {
            let word = json!({"schema_version": 1, "cluster_id": cluster.cluster_id, "verdict": verdict, "partner": partner,
                "at": "2026-11-01T00:00:00Z"});
            word.to_string().into_bytes()
        });
        let key = format!("{}|{partner}", cluster.cluster_id).into_bytes();
        NewRecord { topic: FEEDBACK.into(), key, value, headers: Vec::new() }
    };
    let of = |topic: &'static str, cluster: &ClusterMessage| {
        NewRecord::new(topic, cluster.cluster_id.as_bytes(), cluster.encode().unwrap())
    };
    // A later state in which the model had no say, and one that is gone from the compacted topic.
    let faded = ClusterMessage { status: Status::Faded, version: told.version + 1, ..told.clone() };
    let gone = NewRecord { value: None, ..of(CLUSTERS, absorbed) };
    let records = vec![
        of(CLUSTERS_FLAGGED, told),
        of(CLUSTERS_FLAGGED, absorbed),
        of(CLUSTERS, told),
        of(CLUSTERS, &faded),
        of(CLUSTERS, absorbed),
        gone,
        word(told, "reviewer:ann", Some("rejected")),
        word(absorbed, "reviewer:ann", Some("confirmed")),
        word(absorbed, "reviewer:bob", Some("rejected")),
        word(absorbed, "reviewer:bob", None),
    ];
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let log = Log::connect_kafka(brokers, &[]).await.unwrap();
        log.append(records).await.unwrap();
        log.shutdown().await.unwrap();
    });
    done(&format!("dataset build --feedback --brokers {brokers} --out data"));
    let about: Value = serde_json::from_slice(&fs::read(place.path("data/dataset.json")).unwrap()).unwrap();
    let feedback = &about["sources"]["feedback"];
    assert_eq!((&feedback["words"], &feedback["unknown"], &feedback["unreadable"]), (&json!(2), &json!([]), &json!(0)));
    let group = &about["dataset"]["groups"][0];
    assert_eq!(
        (&group["label_source"], &group["rows"], &group["inauthentic"]),
        (&json!("reviewer"), &json!(2), &json!(1))
    );
}

/// Five hundred findings that one partner rejects, all of them, beside one honest reviewer.
fn a_flood_of_one_partner_weighs_no_more_than_the_cap(place: &Place, clusters: &[ClusterMessage]) {
    let (mut findings, mut verdicts) = (String::new(), String::new());
    let mut says = |cluster: &str, partner: &str, verdict: &str| {
        verdicts += &json!({"schema_version": 1, "cluster_id": cluster, "verdict": verdict, "partner": partner,
            "at": "2026-11-01T00:00:00Z"})
        .to_string();
        verdicts.push('\n');
    };
    for n in 0..500 {
        let cluster = ClusterMessage { cluster_id: format!("flood-{n}"), ..clusters[n % clusters.len()].clone() };
        findings += &String::from_utf8(cluster.encode().unwrap()).unwrap();
        findings.push('\n');
        says(&cluster.cluster_id, "flooder", "rejected");
    }
    says("flood-0", "reviewer:ann", "confirmed");
    says("never-found", "flooder", "rejected");
    fs::write(place.path("flood.jsonl"), findings).unwrap();
    fs::write(place.path("verdicts.jsonl"), verdicts).unwrap();
    let build = "dataset build --world demo --seeds 1 --clusters flood.jsonl --verdicts verdicts.jsonl --out flooded";
    let output = execute(place, &words(build));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && told.contains("flooder exceeds the cap"), "{told}");
    let about: Value = serde_json::from_slice(&fs::read(place.path("flooded/dataset.json")).unwrap()).unwrap();
    assert_eq!(about["sources"]["feedback"]["unknown"], json!(["never-found"]));
    let weight = |source: &str| -> f64 {
        let groups = about["dataset"]["groups"].as_array().unwrap();
        groups
            .iter()
            .filter(|group| group["label_source"] == source)
            .map(|group| group["weight"].as_f64().unwrap())
            .sum()
    };
    let (others, flood) = (weight("simulator") + 1.0, weight("partner"));
    assert!(flood > 0.0 && flood <= 0.1 * others + 1e-6, "{flood} beside {others}");
    // One reviewer stands against the flood on the cluster they disagree on.
    assert!(weight("reviewer") > 0.99, "{about}");
}

/// A cluster's row has the label that its voices add up to, and comes from partners.
fn check_rows(file: &Path, feedback: &[Feedback]) {
    let mut voices: BTreeMap<&str, i32> = BTreeMap::new();
    for word in feedback {
        *voices.entry(&word.cluster_id).or_default() += if word.verdict.inauthentic() { 1 } else { -1 };
    }
    let text = fs::read_to_string(file).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let at = |name: &str| header.iter().position(|column| *column == name).unwrap();
    let (id, label, source, collection) = (at("cluster_id"), at("label"), at("label_source"), at("world"));
    let rows: BTreeMap<&str, &str> =
        lines.clone().filter(|row| row[source] == "partner").map(|row| (row[id], row[label])).collect();
    let expected: BTreeMap<&str, &str> = voices
        .into_iter()
        .filter(|(_, voices)| *voices != 0)
        .map(|(id, voices)| (id, if voices > 0 { "inauthentic" } else { "organic" }))
        .collect();
    assert_eq!(rows, expected);
    assert!(rows.values().any(|label| *label == "organic") && rows.values().any(|label| *label == "inauthentic"));
    assert!(lines.all(|row| (row[source] == "partner") == (row[collection] == "service")));
}

/// The commands of the guide's section, without the program's name.
fn commands() -> Vec<Vec<String>> {
    let guide = fs::read_to_string(root().join("models/README.md")).unwrap();
    let section = guide.split_once(SECTION).expect("the guide has the section").1;
    let section = section.split("\n## ").next().unwrap();
    let blocks = section.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let lines = blocks.flat_map(str::lines).filter(|line| !line.trim().is_empty());
    lines
        .map(|line| words(line.strip_prefix("lockstep ").unwrap_or_else(|| panic!("not a command of ours: {line}"))))
        .collect()
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn execute(place: &Place, command: &[String]) -> Output {
    let mut run = Command::new(lockstep());
    run.args(command).current_dir(place.path("")).stdin(Stdio::null()).output().unwrap()
}

/// Posts opinions to the collection that a partner may write to.
fn answer(service: &Service, key: &str, opinions: &[Value]) {
    let ok = |path: &str| {
        let (status, body) = service.taxii(path, Some(key));
        assert_eq!(status, 200, "{path}: {body}");
        body
    };
    let root = ok("/taxii2/")["api_roots"][0].as_str().unwrap().to_owned();
    let collections = ok(&format!("{root}collections/"))["collections"].as_array().unwrap().clone();
    let inbox = collections.iter().find(|collection| collection["can_write"] == true).unwrap();
    let path = format!("{root}collections/{}/objects/", inbox["id"].as_str().unwrap());
    let (status, body) = service.taxii_post(&path, key, &json!({"objects": opinions}));
    assert_eq!((status, body["success_count"].as_u64()), (202, Some(opinions.len() as u64)), "{body}");
}

/// The topic, read while the service holds the log.
fn feedback(place: &Place) -> Vec<Feedback> {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let log = Log::open_embedded_to_read(&place.path("log")).await.unwrap();
        let records: Vec<_> = log.read_all(FEEDBACK, &[]).await.unwrap().try_collect().await.unwrap();
        records.iter().map(|record| Feedback::decode(record.value.as_deref().unwrap()).unwrap()).collect()
    })
}

fn clusters(file: &Path) -> Vec<ClusterMessage> {
    let text = fs::read_to_string(file).unwrap();
    let all = text.lines().map(|line| ClusterMessage::decode(line.as_bytes()).unwrap());
    all.filter(|cluster| cluster.status == Status::Flagged).collect()
}
