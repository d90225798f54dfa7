use messages::{
    cluster::Status,
    feedback::{AccountId, SCHEMA_VERSION, Verdict},
};
use scoring::Dataset;

use super::*;

/// Clusters that the engine finds in a small world, as messages.
fn found() -> BTreeMap<String, ClusterMessage> {
    let world = World::named("demo").unwrap();
    let posts = world.stream(1).0;
    let models = tempfile::tempdir().unwrap();
    let model = crate::model::tests::config(models.path()).model().unwrap();
    let mut engine = Engine::new(Params::default()).unwrap();
    let mut found = Vec::new();
    for post in posts {
        engine.on_post(post.created_at, &post.as_post(), &mut found);
    }
    engine.finish(&mut found);
    let coordinated = found.iter().filter(|cluster| cluster.finding == Finding::Coordinated);
    coordinated
        .map(|cluster| {
            // As in datasets of worlds: without a judge.
            let verdict = model.verdict(cluster);
            let cluster = Cluster { flagged: verdict.inauthentic, ..cluster.clone() };
            let message = ClusterMessage::new(&cluster, Some(&verdict), Vec::new(), Vec::new()).unwrap();
            (message.cluster_id.clone(), message)
        })
        .collect()
}

fn word(cluster: &str, partner: &str, verdict: Verdict, account: Option<&str>, second: i64) -> Feedback {
    Feedback {
        schema_version: SCHEMA_VERSION,
        cluster_id: cluster.to_owned(),
        account: account.map(|id| AccountId { platform: "x".to_owned(), account_id: id.to_owned() }),
        verdict,
        partner: partner.to_owned(),
        at: detector_time(second),
        note: None,
    }
}

fn detector_time(second: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(second).unwrap()
}

#[test]
fn a_message_has_the_row_that_the_engine_has() {
    let world = World::named("demo").unwrap();
    let rows = of_world(&world, "demo", 1).unwrap();
    let messages = found();
    let last = |id: &str| rows.iter().rfind(|row| row.cluster_id == id).unwrap();
    assert!(!messages.is_empty());
    for (id, message) in &messages {
        let origin = last(id).origin.clone();
        let row = row_of(message, origin).unwrap();
        assert_eq!((&row.platform, row.accounts, row.at_ms), (&last(id).platform, last(id).accounts, last(id).at_ms));
        for (a, b) in row.values.iter().zip(&last(id).values) {
            assert_eq!(a.is_some(), b.is_some());
            assert!(a.zip(*b).is_none_or(|(a, b)| (a - b).abs() < 1e-8));
        }
    }
}

#[test]
fn voices_add_up_to_one_row_a_cluster() {
    let clusters = found();
    let mut ids = clusters.keys();
    let (a, b) = (ids.next().unwrap().as_str(), ids.next().unwrap().as_str());
    let trust = Trust { cap: 1.0, ..Trust::default() };
    let hear = |words: &[Feedback]| of_feedback(&clusters, words, &trust, 100.0, "service");
    // The last verdict counts; a verdict on the whole cluster has priority over verdicts on
    // accounts.
    let heard = hear(&[
        word(a, "birds", Verdict::Confirmed, None, 1),
        word(a, "birds", Verdict::Rejected, None, 2),
        word(a, "birds", Verdict::Confirmed, Some("7"), 3),
    ]);
    assert_eq!((heard.rows.len(), heard.rows[0].origin.inauthentic, heard.rows[0].origin.weight), (1, false, 0.5));
    assert_eq!(heard.rows[0].origin.label_source, LabelSource::Partner);
    // Accounts for and against make a partial vote.
    let heard = hear(&[
        word(a, "birds", Verdict::Confirmed, Some("1"), 1),
        word(a, "birds", Verdict::Actioned, Some("2"), 1),
        word(a, "birds", Verdict::AlreadyKnown, Some("3"), 1),
        word(a, "birds", Verdict::Rejected, Some("4"), 1),
    ]);
    assert_eq!((heard.rows[0].origin.inauthentic, heard.rows[0].origin.weight), (true, 0.25));
    // Two partners with opposite verdicts cancel out; a reviewer decides.
    let two = [word(a, "birds", Verdict::Confirmed, None, 1), word(a, "skies", Verdict::Rejected, None, 1)];
    let heard = hear(&two);
    assert_eq!((heard.rows.len(), heard.undecided.iter().map(String::as_str).collect::<Vec<_>>()), (0, vec![a]));
    let heard = hear(&[&two[..], &[word(a, "reviewer:ann", Verdict::Rejected, None, 1)]].concat());
    assert_eq!((heard.rows[0].origin.inauthentic, heard.rows[0].origin.label_source), (false, LabelSource::Reviewer));
    // Unknown clusters are reported.
    let heard =
        hear(&[word("c-none", "birds", Verdict::Confirmed, None, 1), word(b, "birds", Verdict::Confirmed, None, 1)]);
    assert_eq!((heard.rows.len(), heard.unknown.len()), (1, 1));
}

#[test]
fn what_was_said_of_clusters_with_other_features_is_left_out_and_counted() {
    let mut clusters = found();
    let ids: Vec<String> = clusters.keys().take(3).cloned().collect();
    let words: Vec<Feedback> = ids.iter().map(|id| word(id, "reviewer:ann", Verdict::Confirmed, None, 1)).collect();
    let hear = |clusters: &BTreeMap<String, ClusterMessage>| {
        of_feedback(clusters, &words, &Trust::default(), 100.0, "service")
    };
    assert_eq!((hear(&clusters).rows.len(), hear(&clusters).older.len()), (3, 0));
    // Written by a version with other features: one name is missing, and another one is present.
    let older = &mut clusters.get_mut(&ids[0]).unwrap().features;
    older.remove("own_words_share");
    older.insert("key_entropy".to_owned(), Some(1.0));
    // An unknown value is no reason to leave a cluster out.
    clusters.get_mut(&ids[1]).unwrap().features.insert("own_words_share".to_owned(), None);
    // Written by a version without features.
    clusters.get_mut(&ids[2]).unwrap().features.clear();
    let heard = hear(&clusters);
    assert_eq!(heard.rows.iter().map(|row| &row.cluster_id).collect::<Vec<_>>(), [&ids[1]]);
    assert_eq!(heard.older.into_iter().collect::<Vec<_>>(), [ids[0].clone()]);
    assert_eq!(heard.unknown.into_iter().collect::<Vec<_>>(), [ids[2].clone()]);
}

#[test]
fn one_partner_cannot_turn_a_model_round() {
    let worlds = [("training", 1), ("operations", 1), ("innocents", 1), ("operations", 2)];
    let of = |(name, seed)| of_world(&World::named(name).unwrap(), name, seed).unwrap();
    let rows: Vec<Row> = worlds.into_iter().flat_map(of).collect();
    let options = scoring::Options::new("cluster", "1");
    let honest = scoring::train(&Dataset::split(&rows).rows, &options).unwrap();
    // The dishonest partner rejects everything inauthentic, hundreds of times, in clusters that
    // look the same.
    let mut liar = found();
    liar.retain(|_, cluster| cluster.status == Status::Flagged);
    assert!(!liar.is_empty(), "the test would prove nothing");
    let others = rows.iter().map(|row| row.origin.weight).sum::<f64>();
    let copies = (4.0 * others) as usize / liar.len() + 1;
    let many: BTreeMap<String, ClusterMessage> = liar
        .values()
        .map(|cluster| ClusterMessage { evidence: Vec::new(), ties: Vec::new(), ..cluster.clone() })
        .flat_map(|cluster| {
            (0..copies).map(move |n| {
                let id = format!("{}-{n}", cluster.cluster_id);
                (id.clone(), ClusterMessage { cluster_id: id, ..cluster.clone() })
            })
        })
        .collect();
    let words: Vec<Feedback> = many.keys().map(|id| word(id, "poisoner", Verdict::Rejected, None, 1)).collect();
    let train = |cap: f64| {
        let heard = of_feedback(&many, &words, &Trust { cap, ..Trust::default() }, others, "service");
        let weight: f64 = heard.rows.iter().map(|row| row.origin.weight).sum();
        let all: Vec<Row> = rows.iter().cloned().chain(heard.rows).collect();
        (weight, scoring::train(&Dataset::split(&all).rows, &options))
    };
    let (weight, capped) = train(Trust::default().cap);
    assert!(weight <= Trust::default().cap * others * 1.001, "{weight} of {others}");
    let (uncapped_weight, uncapped) = train(1e9);
    assert!(uncapped_weight > others, "the test would prove nothing");
    let mean = |model: &scoring::Model| {
        let scores = liar.values().map(|c| model.verdict_on(&row_of(c, rows[0].origin.clone()).unwrap().values).score);
        scores.sum::<f64>() / liar.len() as f64
    };
    // Without a cap the false feedback outweighs everything else: the model follows it, or training
    // refuses, because it contradicts the other rows.
    match &uncapped {
        Ok(uncapped) => assert!(mean(&uncapped.model) < 0.0, "the test would prove nothing"),
        Err(error) => assert!(matches!(error, scoring::TrainError::NoSkill(_)), "{error}"),
    }
    let (honest, capped) = (mean(&honest.model), mean(&capped.unwrap().model));
    assert!(honest > 0.0 && capped > 0.0, "with the cap the false feedback does not win: {capped}, {honest} before");
}
