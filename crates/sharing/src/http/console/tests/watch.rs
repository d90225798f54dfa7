//! The watch list over real HTTP, and that nothing of it leaves the house without a case.

use jiff::{SignedDuration, Timestamp};
use messages::{cluster::Status, feedback::Verdict};
use serde_json::{Value, json};

use super::{
    retractions::{call, json_of, post, with_partner},
    *,
};

/// A name that no other group has.
const SECRET: &str = "watched_and_not_shared";

fn group(id: &str, status: Status, version: u32) -> ClusterMessage {
    let mut cluster = ClusterMessage { status, version, ..fixtures::cluster(id, version) };
    cluster.accounts[0].account_name = format!("{SECRET}_{id}");
    cluster.accounts[0].account_id = format!("id-{SECRET}-{id}");
    cluster
}

fn news(s: &Server, clusters: Vec<ClusterMessage>) {
    let news = clusters.into_iter().map(|cluster| (cluster.cluster_id.clone(), Some(cluster))).collect();
    s.runtime.block_on(s.sharing.take_group_news(news)).unwrap();
}

fn maintain(s: &Server) {
    let inner = &s.sharing.inner;
    inner.maintain_groups(Timestamp::now()).unwrap();
    inner.count_groups().unwrap();
}

fn decide(s: &Server, cookie: &str, id: &str, fields: &[(&str, &str)]) -> (u16, String) {
    let path = format!("/watch/groups/{id}");
    let revision = field(&s.get_as(cookie, &path).1, "revision").unwrap_or_else(|| "1".to_owned());
    let mut form = vec![("revision", revision.as_str())];
    form.extend_from_slice(fields);
    post(s, cookie, &path, &form)
}

fn listed(s: &Server) -> Vec<String> {
    let groups = json_of(s, "/api/watch/groups")["groups"].as_array().unwrap().clone();
    groups.into_iter().map(|group| group["cluster_id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_reviewer_watches_dismisses_and_opens_a_case() {
    let s = server(Reviewers::People, &[]);
    let (ann, bob) = (s.cookie.clone(), people::log_in(&s.base, "bob"));
    assert!(s.get("/watch").1.contains("No group is on the list"));
    news(&s, vec![group("co", Status::Coordinated, 1), fixtures::near_miss("near"), fixtures::one_text("text", 40)]);
    let hostile = finite(fixtures::hostile("<script>alert(1)</script>"));
    news(&s, vec![ClusterMessage { status: Status::Coordinated, probability: Some(0.01), ..hostile }]);
    let (status, page) = s.get("/watch");
    look("watch.html", &page);
    assert_eq!(status, 200);
    let place = |what: &str| page.find(what).unwrap_or_else(|| panic!("{what} is not on the page"));
    assert!(place("/watch/groups/co") < place("/watch/groups/near"), "what a person can decide comes first");
    assert!(place("/watch/groups/near") < place("/watch/groups/text"));
    assert!(page.contains("%3Cscript%3E") && !page.contains("<script>alert"), "what comes from outside is text");
    let (status, hostile) = s.get("/watch/groups/%3Cscript%3Ealert%281%29%3C%2Fscript%3E");
    assert!(status == 200 && !hostile.contains("<script>alert"), "{hostile}");
    let (status, page) = s.get("/watch/groups/co");
    look("watch-group.html", &page);
    assert_eq!(status, 200);
    for part in ["class=\"timeline\"", "Evidence against", SECRET, "Open a case", "Keep watching", "Dismiss"] {
        assert!(page.contains(part), "{part}");
    }
    assert!(s.get("/watch/groups/near").1.contains("This group did not pass the test"));
    assert_eq!(s.get("/watch/groups/nothing").0, 404);

    // An approver who is no reviewer may look and not decide.
    let (status, page) = decide(&s, &bob, "co", &[("do", "dismiss"), ("reason", "a newsroom")]);
    assert_eq!(status, 422);
    assert!(page.contains("needs the role reviewer") && !page.contains("id=\"form-dismiss\""));
    let (status, page) = decide(&s, &ann, "co", &[("do", "dismiss"), ("reason", " \u{200b}")]);
    assert_eq!(status, 422);
    assert!(page.contains("the reason is empty"), "{page}");
    assert_eq!(decide(&s, &ann, "co", &[("do", "watch"), ("reason", "until Friday")]).0, 303);
    assert!(s.get("/watch?standing=watched").1.contains("until Friday"));
    assert_eq!(
        decide(&s, &ann, "near", &[("do", "dismiss"), ("reason", "fans of a band"), ("authentic", "yes")]).0,
        303
    );
    assert!(!listed(&s).contains(&"near".to_owned()));
    assert!(s.get("/watch?standing=dismissed").1.contains("fans of a band"));
    // Who saw an earlier state is told.
    let form = [("revision", "1"), ("do", "put_back"), ("reason", "typed and kept")];
    let (status, page) = post(&s, &ann, "/watch/groups/near", &form);
    assert_eq!(status, 409);
    assert!(page.contains("changed in the meantime") && page.contains("typed and kept"), "{page}");
    assert_eq!(decide(&s, &ann, "near", &[("do", "put_back"), ("reason", "wrong row")]).0, 303);
    assert!(listed(&s).contains(&"near".to_owned()));

    let (status, page) = decide(&s, &ann, "co", &[("do", "open_case"), ("reason", "one server, one hour")]);
    assert_eq!(status, 303, "{page}");
    assert!(!listed(&s).contains(&"co".to_owned()));
    let case = s.get("/clusters/co").1;
    assert!(case.contains("opened a case from the watch list: one server, one hour"), "{case}");
    assert!(s.get("/watch/groups/co").1.contains("href=\"/clusters/co\""));
    assert_eq!(decide(&s, &ann, "co", &[("do", "dismiss"), ("reason", "late")]).0, 422, "the case decides now");
    // Later versions of the group reach its case, from the topic of clusters.
    news(&s, vec![group("co", Status::Coordinated, 2)]);
    assert_eq!(s.sharing.inner.store.case("co").unwrap().unwrap().case.version, 2);
    let audit = s.get("/audit").1;
    for action in ["group watched", "group dismissed", "group put back", "group case opened"] {
        assert!(audit.contains(action), "{action}");
    }
    assert!(s.runtime.block_on(s.sharing.verify_audit()).unwrap().is_ok());
}

#[test]
fn a_group_that_is_flagged_or_withdrawn_leaves_the_list() {
    let s = server(Reviewers::People, &[]);
    let all = ["a", "b", "c"];
    news(&s, all.iter().map(|id| group(id, Status::Coordinated, 1)).collect());
    assert_eq!(listed(&s), all);
    // The topic of flagged clusters may be read before the news of the list.
    s.runtime.block_on(s.sharing.on_clusters(vec![group("a", Status::Flagged, 2)])).unwrap();
    assert_eq!(listed(&s), ["b", "c"]);
    news(&s, vec![group("a", Status::Flagged, 2), group("b", Status::Faded, 2)]);
    s.runtime.block_on(s.sharing.take_group_news(vec![("c".to_owned(), None)])).unwrap();
    assert!(listed(&s).is_empty());
    assert_eq!(s.get("/watch/groups/a").0, 200);
}

#[test]
fn the_sample_is_answered_and_the_estimate_shown() {
    let s = server_with(Reviewers::People, &[], |config, _| config.watch.sample = 3);
    let (ann, eve) = (s.cookie.clone(), people::log_in(&s.base, "eve"));
    let mut all: Vec<ClusterMessage> = (0..3).map(|n| group(&format!("flag{n}"), Status::Flagged, 1)).collect();
    all.extend((0..3).map(|n| group(&format!("co{n}"), Status::Coordinated, 1)));
    let flagged: Vec<ClusterMessage> = all[..3].to_vec();
    s.runtime.block_on(s.sharing.on_clusters(flagged)).unwrap();
    news(&s, all);
    assert_eq!(decide(&s, &ann, "co0", &[("do", "dismiss"), ("reason", "a club")]).0, 303);
    maintain(&s);
    let page = s.get("/watch/sample").1;
    look("watch-sample.html", &page);
    assert!(page.contains("not of operations that it never proposed"), "{page}");
    assert!(page.contains("not known") && page.contains("dismissed from the watch list"));
    assert!(s.get("/watch").1.contains("6 groups of the sample wait"));

    let answer = [("do", "answer"), ("answer", "inauthentic"), ("reason", "one hand writes them")];
    let (status, page) = decide(&s, &ann, "co0", &answer);
    assert_eq!(status, 422);
    assert!(page.contains("you dismissed this group"), "{page}");
    assert_eq!(decide(&s, &ann, "flag0", &[("do", "answer"), ("reason", "no answer")]).0, 422);
    for (id, word) in [
        ("flag0", "inauthentic"),
        ("flag1", "inauthentic"),
        ("flag2", "authentic"),
        ("co0", "inauthentic"),
        ("co1", "cannot_tell"),
        ("co2", "authentic"),
    ] {
        let (status, page) =
            decide(&s, &eve, id, &[("do", "answer"), ("answer", word), ("reason", "as the posts show")]);
        assert_eq!(status, 303, "{id}: {page}");
    }
    let (status, page) = decide(&s, &ann, "flag0", &answer);
    assert_eq!(status, 422);
    assert!(page.contains("eve has answered already"), "{page}");
    maintain(&s);
    // Flagged: 2 of 3 inauthentic. Dismissed: 1 of 1. Coordinated: none of 2, one of which nobody can tell.
    let body = json_of(&s, "/api/watch/sample");
    let figure = |name: &str| body["figures"][name].clone();
    assert!((figure("precision")["value"].as_f64().unwrap() - 2.0 / 3.0).abs() < 1e-9, "{body}");
    assert!((figure("recall")["value"].as_f64().unwrap() - 2.0 / 3.0).abs() < 1e-9, "{body}");
    assert_eq!(
        figure("precision")["low"],
        figure("precision")["high"],
        "everybody was asked about every flagged group"
    );
    assert!(figure("recall")["low"].as_f64() < figure("recall")["high"].as_f64());
    let page = s.get("/watch/sample").1;
    look("watch-sample-answered.html", &page);
    assert!(page.contains("66.7 %") || page.contains("67 %"), "{page}");
    assert!(page.contains("No group waits for an answer"));
    let metrics = s.sharing.inner.metrics.shared.text();
    assert!(
        metrics.contains("lockstep_sharing_watch_estimate{bound=\"estimate\",figure=\"precision\"} 0.66"),
        "{metrics}"
    );
    assert!(metrics.contains("lockstep_sharing_watch_sample{answer=\"unclear\"} 1"), "{metrics}");
    // Labels, for more than what the model liked.
    let labels = s.sharing.inner.store.unpublished_feedback(100).unwrap();
    let of = |id: &str| labels.iter().find(|row| row.message.cluster_id == id && !row.taken_back);
    assert_eq!(of("co0").unwrap().message.verdict, Verdict::Confirmed);
    assert_eq!(of("co2").unwrap().message.verdict, Verdict::Rejected);
    assert!(of("co1").is_none());
}

#[test]
fn the_api_decides_like_the_page() {
    let s = server(Reviewers::People, &[]);
    let bob = people::log_in(&s.base, "bob");
    news(&s, vec![group("a", Status::SingleSource, 1)]);
    let one = json_of(&s, "/api/watch/groups/a");
    assert_eq!(
        (one["group"]["standing"].as_str(), one["cluster"]["status"].as_str()),
        (Some("open"), Some("single_source"))
    );
    assert!(!one.to_string().contains("\"log\":{"), "where the posts stand on the log is nobody's business");
    let path = "/api/watch/groups/a/decisions";
    let body = |revision: i64, take: &str| json!({"revision": revision, "decision": {"take": take, "reason": "x"}});
    assert_eq!(call(&s, &bob, path, Some(body(1, "dismiss"))).0, 403);
    assert_eq!(call(&s, &s.cookie, path, Some(body(7, "dismiss"))).0, 409);
    assert_eq!(call(&s, &s.cookie, path, Some(body(1, "fly"))).0, 400);
    assert_eq!(
        call(&s, &s.cookie, path, Some(json!({"revision": 1, "decision": {"take": "dismiss", "reason": " "}}))).0,
        422
    );
    let (status, done) = call(&s, &s.cookie, path, Some(body(1, "dismiss")));
    assert_eq!((status, done["standing"].as_str()), (200, Some("dismissed")));
    let revision = done["revision"].as_i64().unwrap();
    let (status, done) = call(&s, &s.cookie, path, Some(body(revision, "open_case")));
    assert_eq!((status, done["standing"].as_str()), (200, Some("case")), "{done}");
    assert_eq!(json_of(&s, "/api/clusters/a")["case"]["state"], "nominated");
    assert_eq!(s.get("/api/watch/groups?standing=odd").0, 400);
    assert_eq!(s.get("/api/watch/groups/none").0, 404);
    let description = json_of(&s, "/api/openapi.json");
    for path in ["/api/watch/groups", "/api/watch/groups/{id}", "/api/watch/groups/{id}/decisions", "/api/watch/sample"]
    {
        assert!(description["paths"][path].is_object(), "{path}");
    }
}

/// Everything that a partner can ask for, and everything that was sent or waits to be sent.
fn partner_sees(s: &Server) -> String {
    let key = s.runtime.block_on(s.sharing.issue_key("birds")).unwrap().to_string();
    let media = "application/taxii+json;version=2.1";
    let get = |path: &str| {
        let request = s.agent.get(format!("{}{path}", s.base)).header("accept", media);
        let mut response = request.header("authorization", format!("Bearer {key}")).call().unwrap();
        (response.status().as_u16(), response.body_mut().with_config().limit(64 << 20).read_to_string().unwrap())
    };
    let (status, collections) = get("/taxii2/lockstep/collections/");
    assert_eq!(status, 200, "{collections}");
    let mut all = format!("{}{}{collections}", get("/taxii2/").1, get("/taxii2/lockstep/").1);
    let found: Value = serde_json::from_str(&collections).unwrap();
    for collection in found["collections"].as_array().unwrap() {
        let id = collection["id"].as_str().unwrap();
        for part in ["", "manifest/", "objects/?limit=1000&match[version]=all"] {
            all.push_str(&get(&format!("/taxii2/lockstep/collections/{id}/{part}")).1);
        }
    }
    // The pages of people are closed to a partner's key.
    for path in ["/watch", "/watch/groups/any", "/watch/sample", "/api/watch/groups", "/api/watch/sample"] {
        let (status, text) = get(path);
        assert!(status == 401 || text.contains("name=\"password\""), "{path}: {status}");
        assert!(!text.contains(SECRET), "{path}");
        all.push_str(&text);
    }
    for delivery in
        s.sharing.inner.store.deliveries(&crate::DeliveryQuery { limit: 1_000, ..Default::default() }).unwrap()
    {
        // What a delivery carries are objects of the collection, which were read above.
        all.push_str(&format!("{delivery:?}"));
    }
    all
}

#[test]
fn nothing_of_the_watch_list_leaves_the_house_without_a_case() {
    let s = with_partner(&["shared"]);
    super::retractions::released(&s, "shared");
    let ann = s.cookie.clone();
    let ids = ["secret", "secret-dismissed", "secret-watched", "secret-near"];
    let statuses = [Status::Coordinated, Status::SingleSource, Status::Coordinated, Status::NearMiss];
    news(&s, ids.into_iter().zip(statuses).map(|(id, status)| group(id, status, 1)).collect());
    assert_eq!(decide(&s, &ann, "secret-dismissed", &[("do", "dismiss"), ("reason", "x")]).0, 303);
    assert_eq!(decide(&s, &ann, "secret-watched", &[("do", "watch"), ("reason", "x")]).0, 303);
    maintain(&s);
    s.sharing.inner.look_at_ends(Timestamp::now() + SignedDuration::from_hours(24)).unwrap();
    let hidden = |all: &str| ids.iter().all(|id| !all.contains(id)) && !all.contains(SECRET);
    let all = partner_sees(&s);
    assert!(all.contains("indicator"), "the partner does see what was released");
    assert!(hidden(&all), "a partner sees something of the watch list");
    // Neither does a case that nobody has released.
    assert_eq!(decide(&s, &ann, "secret", &[("do", "open_case"), ("reason", "one server")]).0, 303);
    assert!(hidden(&partner_sees(&s)));
    // With a case, two people and a release it does.
    super::retractions::released(&s, "secret");
    assert!(partner_sees(&s).contains(&format!("id-{SECRET}-secret")));
    assert!(!partner_sees(&s).contains("secret-near"));
}
