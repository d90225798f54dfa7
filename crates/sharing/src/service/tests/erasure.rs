//! An erased account is in no table any more; a case under legal hold keeps it; and the audit log verifies.

use std::collections::BTreeSet;

use super::*;
use crate::store::database::{Dialect, Value, values};
use casework::audit::ERASED;
use messages::{cluster::ClusterAccount, erasure::Erasure};

on_both_databases!(async fn an_erased_account_is_in_no_table, a_case_under_legal_hold_keeps_the_account, a_held_case_is_not_deleted_because_it_is_old, nothing_is_changed_by_a_dry_run, an_erasure_hides_no_manipulation, a_single_account_takes_its_case_with_it);

const TOKEN: &str = "erased-0123456789abcdef";

/// Tables that have nothing about an account of a platform: settings, keys, people, digests and numbers. A new table is either
/// here, or an erasure knows it.
const WITHOUT_ACCOUNTS: [&str; 24] = [
    "api_keys",
    "api_tokens",
    "audit_events",
    "case_references",
    "collections",
    "digests",
    "encryption",
    "evidence_erased",
    "evidence_of_cases",
    "grants",
    "inboxes",
    "lockstep_migrations",
    "lockstep_schema",
    "partners",
    "releases",
    "sessions",
    "sqlite_sequence",
    "sqlite_stat1",
    "store_identity",
    "watch_draws",
    "watch_sample",
    "watched",
    "webhooks",
    "statistics",
];

/// The texts of every table.
fn dump(sharing: &Sharing) -> BTreeMap<String, String> {
    let read = |sql: &str| sharing.inner.store.read(|db| db.rows(sql, values![])).unwrap();
    let sqlite = sharing.inner.store.read(|db| Ok(db.dialect() == Dialect::Sqlite)).unwrap();
    let tables = match sqlite {
        true => "select name from sqlite_master where type = 'table'",
        false => "select tablename::text from pg_tables where schemaname = current_schema()",
    };
    let names = read(tables).into_iter().map(|mut row| row.take::<String>(0).unwrap());
    let text = |value: &Value| match value {
        Value::Text(text) => format!("{text}\n"),
        Value::Blob(bytes) => format!("{}\n", String::from_utf8_lossy(bytes)),
        _ => String::new(),
    };
    names
        .map(|table| {
            let rows = read(&format!("select * from {table}"));
            let texts: String = rows.iter().flat_map(|row| row.values()).map(text).collect();
            (table, texts)
        })
        .collect()
}

/// The tables that have one of these texts.
fn tables_with(sharing: &Sharing, texts: &[&str]) -> BTreeSet<String> {
    let has = |content: &str| texts.iter().any(|text| content.to_lowercase().contains(&text.to_lowercase()));
    dump(sharing).into_iter().filter(|(_, content)| has(content)).map(|(table, _)| table).collect()
}

/// A shared case, a watched group, and rows about one of its accounts in every table that can have some.
async fn planted(place: &str) -> (Sharing, ClusterAccount) {
    let sharing = open(place, Reviewers::Demo, Tlp::Amber);
    let mut cluster = fixtures::cluster("a", 1);
    cluster.accounts[0].account_name = "patriot_alone_7".to_owned();
    let victim = cluster.accounts[0].clone();
    let mut other = fixtures::cluster("b", 1);
    other.accounts[0] = victim.clone();
    other.evidence.iter_mut().for_each(|key| key.posts.truncate(1));
    sharing.on_clusters(vec![cluster, other]).await.unwrap();
    let post = |id: &str, account: &str, text: String| crate::kept::KeptPost {
        platform: "twitter".to_owned(),
        id: id.to_owned(),
        account_id: account.to_owned(),
        created_at: Timestamp::UNIX_EPOCH,
        text,
        links: Vec::new(),
        media: Vec::new(),
        record_sha256: String::new(),
        kept_at: Timestamp::UNIX_EPOCH,
    };
    let (id, name) = (&victim.account_id, &victim.account_name);
    let posts = [post("1", id, "own words".to_owned()), post("2", "5", format!("hello @{name}"))];
    sharing.inner.store.keep_posts(&posts, Timestamp::now()).unwrap();
    let group = fixtures::cluster("w", 1);
    let mut group = ClusterMessage { status: Status::Coordinated, ..group };
    group.accounts[0] = victim.clone();
    sharing.inner.store.take_group_news(&[("w".to_owned(), Some(group))], 100, Timestamp::now()).unwrap();
    let case = sharing.inner.store.case("a").unwrap().unwrap().case.id;
    let collection = sharing.inner.store.partners().unwrap()[0].collection;
    for sql in [
        format!(
            "insert into feedback (number, partner, case_id, cluster_id, platform, account, verdict, said_at, note, published)
             values (900, 'birds', '{case}', 'a', 'twitter', '{id}', 'rejected', 1, 'twitter:{id} is {name}', 1)"
        ),
        format!(
            "insert into retractions (number, partner, collection, case_id, cluster_id, accounts, reason, at, due, last_added)
             values (900, 'birds', {collection}, '{case}', 'a', '[\"5\",\"{id}\"]', '{id}', 1, 1, 1)"
        ),
        format!(
            "insert into retraction_cases (number, case_id, cluster_id, platform, accounts, opened_at, opened_by, reason, state, decision)
             values (900, '{case}', 'a', 'twitter', '[\"{id}\"]', 1, 'partner birds', '@{name}', 'kept', 'about {id}')"
        ),
        format!(
            "insert into appeals (number, cluster_id, due, decided, appeal)
             values (900, 'a', 1, 1, '{{\"account_id\":\"{id}\",\"from\":\"{name}\"}}')"
        ),
        format!("insert into statuses (id, root, holder, expires_at, body) values ('x', 'r', 'h', 1, '{{\"m\":\"{id}\"}}')"),
        format!(
            "insert into watch_answers (cluster_id, answer, answered_by, answered_at, version, reason)
             values ('w', 'confirmed', 'ann', 1, 1, 'as {name}')"
        ),
        "insert into webhooks (partner, collection, url, active) values ('birds', 1, 'http://x', 0)".to_owned(),
        format!(
            "insert into deliveries (number, id, partner, collection, case_id, after_added, until_added, objects, state, attempts,
                created_at, since, next_at, claimed_until, last_outcome)
             values (900, 'd', 'birds', 1, '{case}', 0, 0, 1, 'discarded', 1, 1, 1, 1, 0, 'refused {id}')"
        ),
    ] {
        sharing.inner.store.on_everything(&sql);
    }
    // Somebody decided it by name, with entries in the log.
    let attend = format!("{id} wrote to us");
    let retract = casework::audit::Entry {
        at: Timestamp::now(),
        actor: "ann".to_owned(),
        subject: format!("twitter:{id}"),
        action: "evidence_erased".to_owned(),
        text: attend,
    };
    sharing.inner.store.append_for_tests(retract);
    (sharing, victim)
}

fn erasure_of(sharing: &Sharing, victim: &ClusterAccount) -> Erasure {
    let mut erasure = Erasure::new(&victim.platform, &victim.account_id, TOKEN);
    sharing.inner.store.learn_account(&mut erasure).unwrap();
    erasure
}

async fn erase(sharing: &Sharing, victim: &ClusterAccount) -> crate::store::ErasedFromStore {
    let erasure = erasure_of(sharing, victim);
    sharing.withdraw_erased(&erasure, "ann").await.unwrap();
    sharing.erase_account(&erasure, "ann", "").await.unwrap()
}

async fn an_erased_account_is_in_no_table((_folder, place): Place) {
    let (sharing, victim) = planted(&place).await;
    let texts = [victim.account_id.as_str(), victim.account_name.as_str()];
    assert_eq!(erasure_of(&sharing, &victim).names().collect::<Vec<_>>(), [victim.account_name.as_str()]);
    let before = tables_with(&sharing, &texts);
    let all = dump(&sharing);
    let unknown: Vec<&String> =
        all.keys().filter(|table| !before.contains(*table) && !WITHOUT_ACCOUNTS.contains(&table.as_str())).collect();
    assert_eq!(unknown, Vec::<&String>::new(), "the test has no account in them, or they never have any");
    let received = sharing.received_account(&erasure_of(&sharing, &victim)).await.unwrap();
    assert!(received.contains("birds"), "{received:?}");
    let (entries, seal) = sharing.verify_audit().await.unwrap().unwrap();

    let erased = erase(&sharing, &victim).await;
    assert_eq!(tables_with(&sharing, &texts), BTreeSet::new());
    assert!(erased.held.is_empty());
    for what in ["cases", "shared objects", "kept posts", "kept posts of others", "entries of the audit log", "appeals"]
    {
        assert!(erased.rows.get(what).is_some_and(|rows| *rows > 0), "{what} in {erased:?}");
    }
    let (after, _) = sharing.verify_audit().await.unwrap().unwrap();
    assert!(after > entries);
    assert!(sharing.inner.store.verify_audit(Some(&seal)).unwrap().is_ok(), "seals that were kept are still there");
    let log = crate::store::AuditLog::open(&place).unwrap();
    let mut file = Vec::new();
    log.export(0, &mut file).unwrap();
    let export = casework::audit::verify_export(&mut file.as_slice(), Some(&seal)).unwrap();
    assert_eq!((export.last, export.redacted), (after, log.redacted().unwrap()));
    assert!(export.redacted > 0);

    // The partner has a revoked indicator, and the rest of the case.
    let partner = &sharing.inner.store.partners().unwrap()[0];
    let query = crate::store::ObjectQuery::every_version(&["indicator"]);
    let (indicators, _) = sharing.inner.store.objects(partner.collection, &query).unwrap();
    let revoked = indicators.iter().filter(|o| o.body.contains("\"revoked\":true") && o.body.contains(TOKEN)).count();
    assert_eq!(revoked, 2, "one in each case");
    let record = sharing.inner.store.case("a").unwrap().unwrap();
    assert_eq!(record.cluster.accounts.len(), fixtures::cluster("a", 1).accounts.len() - 1);

    // Again: nothing.
    let again = erase(&sharing, &victim).await;
    assert!(again.rows.is_empty(), "{again:?}");
    assert_eq!(sharing.verify_audit().await.unwrap().unwrap().0, after);
    // The service goes on with the case.
    sharing.scrub().await.unwrap();
    drop(sharing);
    let sharing = open(&place, Reviewers::Demo, Tlp::Amber);
    sharing.on_clusters(vec![fixtures::cluster("c", 1)]).await.unwrap();
    sharing.step("a", Step::Retract { reason: "a fan club".to_owned() }, "ann").await.unwrap();
    assert!(sharing.verify_audit().await.unwrap().is_ok());
}

async fn a_case_under_legal_hold_keeps_the_account((_folder, place): Place) {
    let (sharing, victim) = planted(&place).await;
    let hold = |reason: &str| Act::PlaceHold { reason: reason.to_owned() };
    sharing.inner.act("a", None, hold("court order 12"), "ann", Timestamp::now()).unwrap();
    let case = || sharing.inner.store.case("a").unwrap().unwrap();
    let (record, history) = (case(), sharing.inner.store.history(&case().case.id).unwrap());
    let erased = erase(&sharing, &victim).await;
    let held = &erased.held[0];
    assert_eq!((erased.held.len(), held.hold.reason.as_str(), held.hold.by.as_str()), (1, "court order 12", "ann"));
    assert_eq!((case().cluster, case().case), (record.cluster, record.case));
    assert_eq!(sharing.inner.store.history(&case().case.id).unwrap(), history);
    let tables = tables_with(&sharing, &[&victim.account_id]);
    let of_the_case = [
        "appeals",
        "case_terms",
        "cases",
        "deliveries",
        "feedback",
        "objects",
        "retraction_cases",
        "retractions",
        "shared_objects",
    ];
    assert_eq!(tables, of_the_case.map(str::to_owned).into());
    let other = sharing.inner.store.case("b").unwrap().unwrap();
    assert!(!serde_json::to_string(&other.cluster).unwrap().contains(&victim.account_id));
    let last = sharing.inner.store.audit_before(None, 1).unwrap().remove(0).entry;
    assert_eq!(last.action, ERASED);
    assert!(last.text.contains("under legal hold") && !last.text.contains(&victim.account_id), "{}", last.text);
    assert!(sharing.verify_audit().await.unwrap().is_ok());

    // Lifted by another person, the case loses the account like all others.
    let lift = Act::LiftHold { reason: "the proceeding is over".to_owned() };
    assert!(sharing.inner.act("a", None, lift.clone(), "ann", Timestamp::now()).is_err());
    sharing.inner.act("a", None, lift, "ben", Timestamp::now()).unwrap();
    erase(&sharing, &victim).await;
    assert_eq!(tables_with(&sharing, &[&victim.account_id, &victim.account_name]), BTreeSet::new());
    assert!(sharing.verify_audit().await.unwrap().is_ok());
}

async fn a_held_case_is_not_deleted_because_it_is_old((_folder, place): Place) {
    let sharing = open(&place, Reviewers::People, Tlp::Amber);
    let mut config = sharing.config().clone();
    drop(sharing);
    (config.retention.cases_days, config.evidence_days) = (30, 30);
    let sharing = Sharing::open(config, &runtime::metrics::Metrics::new().unwrap()).unwrap();
    let cluster = fixtures::cluster("a", 1);
    sharing.on_clusters(vec![cluster.clone()]).await.unwrap();
    let post = &cluster.evidence[0].posts[0];
    let kept = crate::kept::KeptPost {
        platform: post.platform.clone(),
        id: post.id.clone(),
        account_id: post.account_id.clone(),
        created_at: post.created_at,
        text: String::new(),
        links: Vec::new(),
        media: Vec::new(),
        record_sha256: String::new(),
        kept_at: Timestamp::now(),
    };
    let revision = sharing.inner.store.case("a").unwrap().unwrap().revision;
    sharing.inner.store.keep_evidence(&cluster, revision, &[kept], true, Timestamp::now()).unwrap();
    sharing.step("a", Step::BeginReview, "ann").await.unwrap();
    let dismiss = Step::Dismiss { reason: "a fan club".to_owned(), authentic: true };
    sharing.step("a", dismiss, "ann").await.unwrap();
    let hold = Act::PlaceHold { reason: "asked by the court".to_owned() };
    sharing.inner.act("a", None, hold, "ann", Timestamp::now()).unwrap();
    let later = Timestamp::now() + SignedDuration::from_hours(24 * 40);
    let delete = || {
        sharing.inner.delete_old(later).unwrap();
        sharing.inner.delete_old_evidence(later).unwrap();
        (sharing.inner.store.case("a").unwrap().is_some(), sharing.inner.store.kept_posts_count().unwrap())
    };
    assert_eq!(delete(), (true, 1));
    let account = (post.platform.as_str(), post.account_id.as_str());
    let erased = sharing.erase_evidence(account.0, account.1, "ann").await.unwrap();
    assert_eq!((erased.posts, erased.held), (0, 1));
    let lift = Act::LiftHold { reason: "over".to_owned() };
    sharing.inner.act("a", None, lift, "ben", Timestamp::now()).unwrap();
    // Feedback of the reviewer waits to be published.
    sharing.inner.store.on_everything("update feedback set published = 1");
    assert_eq!(delete(), (false, 0));
    assert!(sharing.verify_audit().await.unwrap().is_ok());
}

async fn nothing_is_changed_by_a_dry_run((_folder, place): Place) {
    let (sharing, victim) = planted(&place).await;
    let before = dump(&sharing);
    let would = sharing.would_erase(&erasure_of(&sharing, &victim)).await.unwrap();
    assert!(would.rows["cases"] == 2 && would.rows["shared objects"] > 0, "{would:?}");
    assert_eq!(dump(&sharing), before);
}

async fn an_erasure_hides_no_manipulation((_folder, place): Place) {
    let (sharing, victim) = planted(&place).await;
    erase(&sharing, &victim).await;
    assert!(sharing.verify_audit().await.unwrap().is_ok());
    let store = &sharing.inner.store;
    store.without_protection_of_the_log();
    let redacted = format!("(select min(seq) from audit where subject = 'twitter:{TOKEN}')");
    store.on_everything(&format!("update audit set text = 'approved by nobody' where seq = {redacted}"));
    let broken = sharing.verify_audit().await.unwrap().unwrap_err();
    assert!(broken.what.contains("does not match"), "{broken}");
}

async fn a_single_account_takes_its_case_with_it((_folder, place): Place) {
    let sharing = open(&place, Reviewers::Demo, Tlp::Amber);
    let mut cluster = fixtures::cluster("a", 1);
    let victim = cluster.accounts[0].clone();
    cluster.accounts.truncate(1);
    cluster.ties.clear();
    sharing.on_clusters(vec![cluster]).await.unwrap();
    erase(&sharing, &victim).await;
    let record = sharing.inner.store.case("a").unwrap().unwrap();
    assert_eq!((record.case.state, record.cluster.accounts.len()), (State::Retracted, 0));
    assert_eq!(tables_with(&sharing, &[&victim.account_id, &victim.account_name]), BTreeSet::new());
    assert!(sharing.verify_audit().await.unwrap().is_ok());
}
