//! Cases, how they are found, and the one transaction that changes them.

mod filter;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use messages::cluster::ClusterMessage;

use super::{
    CaseQuery, CaseRow, Change, Order, Published, Store, StoreError,
    audit_log::append_covering,
    case_references,
    contents::{self, Covers},
    database::{Session, Value, values},
    evidence, feedback, from_json, objects, published, retractions,
    search_terms::terms,
    to_json,
};
use casework::{CaseRecord, audit::Entry, case::Case};
use filter::Filter;

/// Terms in one statement.
const AT_ONCE: usize = 200;
/// Cases whose terms are made in one transaction, where they have none yet.
const INDEXED_AT_ONCE: usize = 50;

impl Store {
    /// The clusters of cases, by the case's id; of as many as a page has.
    pub fn clusters_of(&self, case_ids: &[String]) -> Result<BTreeMap<String, String>, StoreError> {
        if case_ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let places: Vec<String> = (1..=case_ids.len()).map(|n| format!("?{n}")).collect();
        let sql = format!("select case_id, cluster_id from cases where case_id in ({})", places.join(", "));
        let ids: Vec<Value> = case_ids.iter().map(Value::from).collect();
        self.read(|db| db.rows(&sql, &ids)?.into_iter().map(|mut row| Ok((row.take(0)?, row.take(1)?))).collect())
    }

    /// The case about a cluster.
    pub fn case(&self, cluster_id: &str) -> Result<Option<CaseRecord>, StoreError> {
        // No text of PostgreSQL has a NUL, not even one that is only looked for.
        if cluster_id.contains('\0') {
            return Ok(None);
        }
        self.read(|db| {
            let row = db.row(
                "select revision, life, cluster, released from cases where cluster_id = ?1",
                values![cluster_id],
            )?;
            let Some(mut row) = row else {
                return Ok(None);
            };
            record(row.take(0)?, &row.take::<String>(1)?, &row.take::<String>(2)?, row.take(3)?).map(Some)
        })
    }

    /// Cases, and how many there are without paging.
    pub fn cases(&self, query: &CaseQuery) -> Result<(Vec<CaseRow>, usize), StoreError> {
        let Filter { filter, values } = Filter::of(query, true);
        let order = order_by(query.order, query.ascending);
        self.read(|db| {
            let total: i64 = db.value(&format!("select count(*) from cases {filter}"), &values)?.unwrap_or(0);
            let page = format!(
                "select cluster_id, case_id, state, status, demo, attention, probability, log_e, accounts, platforms, kinds,
                        first_seen, last_seen, changed_at
                 from cases {filter} order by {order} limit {} offset {}",
                query.limit, query.offset
            );
            let rows = db.rows(&page, &values)?.into_iter().map(|mut row| {
                Ok(CaseRow {
                    cluster_id: row.take(0)?,
                    case_id: row.take(1)?,
                    state: row.take(2)?,
                    status: row.take(3)?,
                    demo: row.take(4)?,
                    attention: row.take(5)?,
                    probability: row.take(6)?,
                    log_e: row.take(7)?,
                    accounts: row.take(8)?,
                    platforms: row.take(9)?,
                    kinds: row.take(10)?,
                    first_seen: row.take(11)?,
                    last_seen: row.take(12)?,
                    changed_at: row.take(13)?,
                })
            });
            Ok((rows.collect::<Result<_, StoreError>>()?, total as usize))
        })
    }

    /// How many cases there are in each state.
    pub fn cases_by_state(&self) -> Result<Vec<(String, i64)>, StoreError> {
        self.counted(&CaseQuery::default())
    }

    /// How many cases the query would find in each state, whatever state it asks for.
    pub fn counted(&self, query: &CaseQuery) -> Result<Vec<(String, i64)>, StoreError> {
        let Filter { filter, values } = Filter::of(query, false);
        self.read(|db| {
            let rows = db.rows(&format!("select state, count(*) from cases {filter} group by state"), &values)?;
            rows.into_iter().map(|mut row| Ok((row.take(0)?, row.take(1)?))).collect()
        })
    }

    /// Platforms that any case has, by name.
    pub fn case_platforms(&self) -> Result<Vec<String>, StoreError> {
        self.read(|db| {
            let mut names = BTreeSet::new();
            for mut row in db.rows("select distinct platforms from cases", values![])? {
                let together: String = row.take(0)?;
                names.extend(together.split(", ").filter(|name| !name.is_empty()).map(str::to_owned));
            }
            Ok(names.into_iter().collect())
        })
    }

    /// Makes the terms of cases that have none, which were stored before there was a search.
    pub fn index_cases(&self) -> Result<(), StoreError> {
        loop {
            let done = self.write(|tx| {
                let rows = tx.rows(
                    "select life, cluster from cases where indexed is null order by cluster_id limit ?1",
                    values![INDEXED_AT_ONCE],
                )?;
                let n = rows.len();
                for mut row in rows {
                    let case: Case = from_json("a case", &row.take::<String>(0)?)?;
                    let cluster = cluster_of(&row.take::<String>(1)?)?;
                    put_terms(tx, &case, &cluster)?;
                    let sql = "update cases set attention = ?2 where cluster_id = ?1";
                    tx.run(sql, values![&case.cluster_id, case.needs_attention()])?;
                }
                Ok(n < INDEXED_AT_ONCE)
            })?;
            if done {
                return Ok(());
            }
        }
    }

    /// Stores changes in one transaction; returns how many objects were added.
    pub fn commit(&self, changes: &[Change], now: Timestamp) -> Result<usize, StoreError> {
        self.write(|tx| commit_in(tx, changes, self.retraction_due, now))
    }
}

/// Stores changes as part of a transaction; returns how many objects were added.
pub(super) fn commit_in(
    tx: &mut dyn Session,
    changes: &[Change],
    due: SignedDuration,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let mut added = 0;
    for change in changes {
        put_case(tx, &change.stored)?;
        let mut covers = Covers::default();
        let mut publications = Vec::new();
        for Published { collection, reference, objects } in &change.publish {
            case_references::keep(tx, *collection, &change.stored.case.id, reference)?;
            let demo = change.stored.case.demo;
            let before = published::last_added(tx, *collection)?;
            added += objects::publish(tx, *collection, objects, demo, now.as_microsecond())?;
            let until = published::last_added(tx, *collection)?;
            covers.published.extend(contents::published(tx, *collection, before, until)?);
            publications.push((collection, objects, before));
        }
        covers.cases.extend([contents::case(tx, &change.stored.case.cluster_id)?]);
        append_covering(tx, entries_of(change, now), covers.text()?)?;
        for (collection, objects, before) in publications {
            published::after_publish(tx, change, *collection, objects, before, due, now)?;
        }
        retractions::after_change(tx, change)?;
        evidence::after_change(tx, change)?;
        feedback::take_label(tx, change)?;
    }
    Ok(added)
}

/// The entries of a change; one that says nothing by itself still covers the case.
fn entries_of(change: &Change, now: Timestamp) -> Vec<Entry> {
    if !change.entries.is_empty() {
        return change.entries.clone();
    }
    let (subject, actor) = (change.stored.case.id.clone(), "lockstep".to_owned());
    let (action, text) = ("stored".to_owned(), "the case was stored anew".to_owned());
    vec![Entry { at: now, actor, subject, action, text }]
}

fn order_by(order: Order, ascending: bool) -> String {
    let column = match order {
        Order::Changed => "changed_at",
        Order::Seen => "last_seen",
        Order::Evidence => "log_e",
        Order::Probability => "probability",
        Order::Accounts => "accounts",
    };
    // What is not known comes last, whichever way: the databases do not agree on where it belongs.
    format!("{column} {} nulls last, cluster_id", if ascending { "asc" } else { "desc" })
}

/// A case as stored.
pub(super) fn record(
    revision: i64,
    life: &str,
    cluster: &str,
    released: Option<String>,
) -> Result<CaseRecord, StoreError> {
    Ok(CaseRecord {
        case: from_json("a case", life)?,
        cluster: cluster_of(cluster)?,
        released: released.map(|text| cluster_of(&text)).transpose()?,
        revision,
    })
}

pub(super) fn put_case(tx: &mut dyn Session, stored: &CaseRecord) -> Result<(), StoreError> {
    let CaseRecord { case, cluster, released, revision } = stored;
    let mut platforms: Vec<&str> = cluster.accounts.iter().map(|a| &*a.platform).collect();
    platforms.sort_unstable();
    platforms.dedup();
    let kinds = presentation::description::kinds_by_nats(cluster);
    let changed = tx.run(
        "insert into cases (cluster_id, case_id, revision, state, status, demo, probability, log_e, accounts, platforms,
                            kinds, first_seen, last_seen, changed_at, life, cluster, released, attention, held)
         values (?1, ?2, 1, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)
         on conflict (cluster_id) do update set
            revision = cases.revision + 1, state = ?4, status = ?5, demo = ?6, probability = ?7, log_e = ?8, accounts = ?9,
            platforms = ?10, kinds = ?11, first_seen = ?12, last_seen = ?13, changed_at = ?14, life = ?15,
            cluster = ?16, released = ?17, attention = ?18, held = ?19
         where cases.revision = ?3",
        values![
            &case.cluster_id,
            &case.id,
            *revision,
            case.state.name(),
            cluster.status.name(),
            case.demo,
            cluster.probability.filter(|probability| probability.is_finite()),
            cluster.log_e,
            i64::try_from(presentation::description::size(cluster)).unwrap_or(i64::MAX),
            platforms.join(", "),
            kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", "),
            cluster.first_seen,
            cluster.last_seen,
            case.changed_at,
            to_json(case)?,
            to_json(cluster)?,
            released.as_ref().map(to_json).transpose()?,
            case.needs_attention(),
            case.hold.is_some(),
        ],
    )?;
    if changed == 0 {
        return Err(StoreError::Conflict(case.id.clone()));
    }
    // Most steps leave the finding as it was.
    let indexed: Option<i64> =
        tx.value("select coalesce(indexed, -1) from cases where cluster_id = ?1", values![&case.cluster_id])?;
    if indexed != Some(i64::from(cluster.version)) {
        put_terms(tx, case, cluster)?;
    }
    Ok(())
}

pub(super) fn put_terms(tx: &mut dyn Session, case: &Case, cluster: &ClusterMessage) -> Result<(), StoreError> {
    tx.run("delete from case_terms where cluster_id = ?1", values![&case.cluster_id])?;
    let terms: Vec<String> = terms(case, cluster).into_iter().collect();
    for terms in terms.chunks(AT_ONCE) {
        let mut values: Vec<Value> = vec![Value::from(&case.cluster_id)];
        let mut rows = Vec::with_capacity(terms.len());
        for term in terms {
            values.push(term.as_bytes().into());
            rows.push(format!("(?{}, ?1)", values.len()));
        }
        tx.run(&format!("insert into case_terms (term, cluster_id) values {}", rows.join(", ")), &values)?;
    }
    tx.run(
        "update cases set indexed = ?2 where cluster_id = ?1",
        values![&case.cluster_id, i64::from(cluster.version)],
    )?;
    Ok(())
}

/// A stored finding; one of an older version of the schema as one of today's.
pub(super) fn cluster_of(text: &str) -> Result<ClusterMessage, StoreError> {
    ClusterMessage::decode(text.as_bytes())
        .map_err(|error| StoreError::Unreadable { what: "a cluster", why: error.to_string() })
}

#[cfg(test)]
mod tests {
    use casework::case::State;

    use super::*;
    use crate::store::{
        database::tests::{Place, on_both_databases, sqlite_place},
        search_terms::words,
    };
    use presentation::fixtures;

    fn stored(id: &str, n: i64) -> CaseRecord {
        let cluster = fixtures::cluster(id, 1);
        let (case, _) = Case::nominate(id, 1, Timestamp::from_second(1_700_000_000 + n).unwrap());
        CaseRecord { case, cluster, released: None, revision: 0 }
    }
    fn filled(store: &Store, stored: Vec<CaseRecord>) {
        let changes: Vec<Change> = stored
            .into_iter()
            .map(|stored| Change { stored, entries: Vec::new(), publish: Vec::new(), label: None })
            .collect();
        store.commit(&changes, Timestamp::from_second(1_700_000_000).unwrap()).unwrap();
    }
    fn query(search: &str) -> CaseQuery {
        CaseQuery { search: Some(search.to_owned()), limit: 100, ..CaseQuery::default() }
    }
    fn found(store: &Store, query: &CaseQuery) -> Vec<String> {
        store.cases(query).unwrap().0.into_iter().map(|row| row.cluster_id).collect()
    }

    on_both_databases!(fn a_case_is_found_by_ids_names_topics_and_keys, filters_and_orders_hold_together, a_case_with_a_finding_of_version_1_opens, a_finding_without_a_probability_is_last_in_either_order, a_newer_version_is_found_by_its_own_words_and_old_cases_get_theirs);

    fn a_case_is_found_by_ids_names_topics_and_keys((_folder, place): Place) {
        let store = Store::open(&place, 4).unwrap();
        let mut odd = stored("odd-one", 0);
        odd.cluster.accounts[0].account_name = "Ünïque.Näme_9 <b>".to_owned();
        odd.cluster.accounts[1].account_id = "did:plc:abc123".to_owned();
        odd.cluster.topics = vec!["Harbour strike".to_owned()];
        odd.cluster.evidence[0].key = "https://odd.example/Path/story?id=7".to_owned();
        let id = odd.case.id.clone();
        filled(&store, vec![odd, stored("other", 1)]);
        for text in [
            "odd-one",
            "odd-o",
            &id,
            "ünïque.NÄME_9",
            "näme",
            "did:plc:abc",
            "plc",
            "harbour",
            "STRIKE harb",
            "odd.example",
            "https://odd.example/Path/story",
            "odd story",
            "@ünïque",
        ] {
            let all = found(&store, &query(text));
            assert!(all.contains(&"odd-one".to_owned()), "{text}: {all:?}");
        }
        assert_eq!(found(&store, &query("harbour")), ["odd-one"]);
        for text in ["harbour nothing", "zzz", "'; drop table cases; --", "%", "\u{0}", "\u{202e}\u{10ffff}"] {
            let all = found(&store, &query(text));
            assert!(all.is_empty() || words(text).is_empty(), "{text}: {all:?}");
        }
        assert_eq!(found(&store, &query("  ")).len(), 2);
    }

    fn filters_and_orders_hold_together((_folder, place): Place) {
        let store = Store::open(&place, 4).unwrap();
        let mut cases: Vec<CaseRecord> = (0..4).map(|n| stored(&format!("c{n}"), n)).collect();
        cases[0].case.state = State::Dismissed;
        cases[1].case.demo = true;
        for account in &mut cases[2].cluster.accounts {
            account.platform = "mastodon".to_owned();
        }
        cases[3].cluster.probability = Some(0.5);
        filled(&store, cases);
        let all = CaseQuery { limit: 10, ..CaseQuery::default() };
        assert_eq!(found(&store, &all), ["c3", "c2", "c1", "c0"]);
        assert_eq!(found(&store, &CaseQuery { ascending: true, ..all.clone() }), ["c0", "c1", "c2", "c3"]);
        let probable = CaseQuery { order: Order::Probability, ascending: true, ..all.clone() };
        assert_eq!(found(&store, &probable)[0], "c3");
        assert_eq!(found(&store, &CaseQuery { attention: true, ..all.clone() }), ["c3", "c2", "c1"]);
        assert_eq!(found(&store, &CaseQuery { demo: Some(true), ..all.clone() }), ["c1"]);
        assert_eq!(found(&store, &CaseQuery { demo: Some(false), ..all.clone() }).len(), 3);
        let there = CaseQuery { platform: Some("mastodon".to_owned()), ..all.clone() };
        assert_eq!(found(&store, &there), ["c2"]);
        let both = CaseQuery { search: Some("c2".to_owned()), state: Some(State::Nominated), ..there };
        assert_eq!(found(&store, &both), ["c2"]);
        assert_eq!(store.counted(&both).unwrap(), [("nominated".to_owned(), 1)]);
        let counted = store.counted(&CaseQuery { state: Some(State::Dismissed), ..all }).unwrap();
        assert_eq!(counted.iter().map(|(_, n)| n).sum::<i64>(), 4);
        assert_eq!(store.case_platforms().unwrap(), ["bluesky", "mastodon", "twitter"]);
    }

    /// Cases from before the schema's version 2 are there after an update of the program, to be read, found and changed.
    fn a_case_with_a_finding_of_version_1_opens((_folder, place): Place) {
        let store = Store::open(&place, 4).unwrap();
        filled(&store, vec![stored("old", 0)]);
        let text = std::str::from_utf8(fixtures::V1).unwrap();
        let sql = "update cases set cluster = ?1, released = ?1, indexed = null where cluster_id = 'old'";
        store.write(|tx| tx.run(sql, values![text])).unwrap();
        let mut case = store.case("old").unwrap().unwrap();
        assert_eq!((&case.cluster, case.released.as_ref()), (&fixtures::of_version_1(), Some(&case.cluster)));
        store.index_cases().unwrap();
        let name = case.cluster.accounts[0].account_name.clone();
        assert_eq!(found(&store, &query(&name)), ["old"]);
        case.revision = 1;
        filled(&store, vec![case]);
        let again = store.case("old").unwrap().unwrap().cluster;
        assert_eq!((again.schema_version, again), (2, fixtures::of_version_1()));

        let sql = "update cases set cluster = ?1 where cluster_id = 'old'";
        store.write(|tx| tx.run(sql, values![r#"{"schema_version":3}"#])).unwrap();
        let refused = store.case("old").unwrap_err().to_string();
        assert!(refused.contains("a cluster that cannot be read"), "{refused}");
    }

    fn a_finding_without_a_probability_is_last_in_either_order((_folder, place): Place) {
        let store = Store::open(&place, 4).unwrap();
        let mut cases: Vec<CaseRecord> = (0..3).map(|n| stored(&format!("c{n}"), n)).collect();
        cases[0].cluster = ClusterMessage { cluster_id: "c0".to_owned(), ..fixtures::one_text("c0", 34) };
        cases[1].cluster.probability = Some(0.4);
        filled(&store, cases);
        let all = CaseQuery { limit: 10, order: Order::Probability, ..CaseQuery::default() };
        assert_eq!(found(&store, &all), ["c2", "c1", "c0"]);
        assert_eq!(found(&store, &CaseQuery { ascending: true, ..all.clone() }), ["c1", "c2", "c0"]);
        let rows = store.cases(&all).unwrap().0;
        assert_eq!((rows[0].probability, rows[2].probability), (Some(0.957), None));
    }

    fn a_newer_version_is_found_by_its_own_words_and_old_cases_get_theirs((_folder, place): Place) {
        let store = Store::open(&place, 4).unwrap();
        let mut case = stored("c", 0);
        case.cluster.topics = vec!["earlier".to_owned()];
        filled(&store, vec![case.clone()]);
        case.revision = 1;
        case.cluster.version = 2;
        case.cluster.topics = vec!["later".to_owned()];
        filled(&store, vec![case]);
        assert_eq!((found(&store, &query("earlier")).len(), found(&store, &query("later")).len()), (0, 1));
        store
            .write(|tx| {
                tx.run("delete from case_terms", values![])?;
                tx.run("update cases set indexed = null, attention = 0", values![])
            })
            .unwrap();
        assert!(found(&store, &query("later")).is_empty());
        store.index_cases().unwrap();
        assert_eq!(found(&store, &CaseQuery { attention: true, ..query("later") }), ["c"]);
    }

    /// With ten thousand: `LOCKSTEP_CASES=10000 cargo test -p sharing --lib many_cases -- --nocapture`.
    #[test]
    #[allow(clippy::print_stdout)]
    fn many_cases_are_found_at_once() {
        let cases: i64 = std::env::var("LOCKSTEP_CASES").map_or(300, |n| n.parse().unwrap());
        let (_folder, place) = sqlite_place();
        let store = Store::open(&place, 4).unwrap();
        let began = std::time::Instant::now();
        for chunk in 0..cases / 100 {
            filled(&store, (0..100).map(|n| stored(&format!("cluster-{chunk}-{n}"), chunk * 100 + n)).collect());
        }
        println!("stored in {:?}", began.elapsed());
        for (name, query) in [
            ("all", CaseQuery { limit: 50, ..CaseQuery::default() }),
            ("last page", CaseQuery { limit: 50, offset: cases as usize - 50, ..CaseQuery::default() }),
            ("by evidence", CaseQuery { limit: 50, order: Order::Evidence, ..CaseQuery::default() }),
            ("one", CaseQuery { limit: 50, ..query("cluster-1-77") }),
            ("a word of all", CaseQuery { limit: 50, ..query("patriot") }),
            ("three words of all", CaseQuery { limit: 50, ..query("patriot story district") }),
            ("platform", CaseQuery { limit: 50, platform: Some("twitter".to_owned()), ..CaseQuery::default() }),
        ] {
            let began = std::time::Instant::now();
            let (rows, total) = store.cases(&query).unwrap();
            let took = began.elapsed();
            let began = std::time::Instant::now();
            store.counted(&query).unwrap();
            println!("{name}: {} of {total} in {took:?}, counts in {:?}", rows.len(), began.elapsed());
            assert!(took.as_millis() < 2_000, "{name}");
        }
    }
}
