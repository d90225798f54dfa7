use expect_test::expect;
use messages::{
    cluster::ClusterMessage,
    fixtures::{self, Shape},
};

use super::*;

/// A line of today's version, or one of version 1.
fn line(id: &str, version: u32, schema: u32) -> String {
    let mut cluster = fixtures::coordinated(Shape::default(), false);
    (cluster.id, cluster.version) = (id.to_owned(), version);
    let message = ClusterMessage::new(&cluster, Some(&fixtures::verdict(false)), vec![], vec![]).unwrap();
    let mut value = serde_json::to_value(&message).unwrap();
    if schema == 1 {
        value["schema_version"] = 1.into();
        value["test"] = serde_json::json!({ "alpha": 0.05, "safety": 2.0, "proposed": 6 });
        value["unlisted"] = serde_json::json!({ "keys": 0, "nats": 0.0 });
    }
    format!("{value}\n")
}

#[test]
fn a_cluster_is_found_by_the_beginning_of_its_id_in_its_last_state() {
    let lines =
        [line("c-01", 2, 1), line("c-02", 1, 2), "\n".to_owned(), line("c-01", 3, 2), line("c-011", 1, 1)].concat();
    let found = |id| {
        find(lines.as_bytes(), id).map(|message| match message {
            AnyVersion::V1(message) => (message.cluster_id, message.version, 1),
            AnyVersion::V2(message) => (message.cluster_id, message.version, 2),
        })
    };
    assert_eq!(found("c-02").unwrap(), ("c-02".to_owned(), 1, 2));
    assert_eq!(found("c-01").unwrap(), ("c-01".to_owned(), 3, 2), "a full id is preferred to ids that begin with it");
    assert_eq!(found("c-011").unwrap(), ("c-011".to_owned(), 1, 1));
    expect![[r#"has 3 clusters whose ids begin with "c-0": it has c-01, c-011, c-02"#]]
        .assert_eq(&found("c-0").unwrap_err().to_string());
    expect![[r#"has no cluster "d": it has c-01, c-011, c-02"#]].assert_eq(&found("d").unwrap_err().to_string());
    let broken = find(format!("{}{{\"cluster\":1}}\n", line("c", 1, 2)).as_bytes(), "c").unwrap_err().to_string();
    expect![[r#"line 2 is not a cluster: missing field `cluster_id` at line 1 column 13, near "{\"cluster\":1}""#]]
        .assert_eq(&broken);
    let newer = line("c", 1, 2).replace(r#""schema_version":2"#, r#""schema_version":3"#);
    let refused = find(newer.as_bytes(), "c").unwrap_err().to_string();
    assert!(refused.contains("the newest known version is 2: upgrade Lockstep"), "{refused}");
}

#[test]
fn each_version_is_explained_in_its_own_way() {
    let explained = |schema| Explanation::of(&find(line("c-01", 1, schema).as_bytes(), "c-01").unwrap()).unwrap();
    assert!(matches!(explained(1), Explanation::V1(_)));
    let today = explained(2);
    assert!(matches!(today, Explanation::V2(_)));
    assert_eq!((today.cluster_id(), today.contradictions()), ("c-01", &[][..]), "{today}");
}
