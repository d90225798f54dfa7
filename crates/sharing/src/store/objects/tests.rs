use super::{
    super::database::{
        Dialect,
        tests::{Place, on_both_databases, sqlite_place},
    },
    *,
};
use casework::{Tlp, policy::Partner};

fn query(versions: Versions) -> ObjectQuery {
    ObjectQuery {
        ids: Vec::new(),
        kinds: Vec::new(),
        spec_versions: Vec::new(),
        versions,
        after: Position::after(5),
        limit: 101,
    }
}

fn some(first: bool, last: bool, at: &[i64]) -> Versions {
    Versions::Some { first, last, at: at.to_vec() }
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| text.to_string()).collect()
}

/// Every kind of filter, and the index that serves it.
fn filters() -> Vec<(&'static str, &'static str, ObjectQuery)> {
    let last = || some(false, true, &[]);
    vec![
        ("none", "objects_last_by_date", query(last())),
        ("all versions", "objects_by_date", query(Versions::All)),
        ("first versions", "objects_by_date", query(some(true, false, &[]))),
        ("first and last", "objects_by_date", query(some(true, true, &[]))),
        ("a version", "objects_by_modified", query(some(false, false, &[7_000]))),
        ("two versions", "objects_by_modified", query(some(false, false, &[7_000, 8_000]))),
        ("a type", "objects_last_by_type", ObjectQuery { kinds: texts(&["opinion"]), ..query(last()) }),
        ("types", "objects_last_by_type", ObjectQuery { kinds: texts(&["note", "tool"]), ..query(last()) }),
        ("a type, all", "objects_by_type", ObjectQuery { kinds: texts(&["opinion"]), ..query(Versions::All) }),
        ("an id", "objects_by_version", ObjectQuery { ids: texts(&["note--70"]), ..query(last()) }),
        ("ids", "objects_by_version", ObjectQuery { ids: texts(&["note--70", "tool--9"]), ..query(Versions::All) }),
        ("2.1", "objects_last_by_date", ObjectQuery { spec_versions: texts(&["2.1"]), ..query(last()) }),
        ("2.0", "objects_of_other_spec", ObjectQuery { spec_versions: texts(&["2.0"]), ..query(last()) }),
        (
            "2.0, all, a type",
            "objects_of_other_spec",
            ObjectQuery { spec_versions: texts(&["2.0"]), kinds: texts(&["note"]), ..query(Versions::All) },
        ),
    ]
}

fn add(store: &Store, collection: i64, objects: Vec<NewObject>) -> Vec<Added> {
    let mut outcomes = Vec::new();
    let status = |added: &[Added]| {
        outcomes = added.to_vec();
        let id = uuid::Uuid::new_v4().to_string();
        NewStatus { id, root: String::new(), holder: String::new(), expires_at: i64::MAX, body: String::new() }
    };
    store.post(collection, &objects, None, 1_000, status).unwrap();
    outcomes
}

fn opened(place: &str) -> (Store, i64) {
    let store = Store::open_unlocked(place);
    let partner = Partner { name: "p".to_owned(), platform: "x".to_owned(), tlp_ceiling: Tlp::Amber, webhook: None };
    store.set_partners(&[partner]).unwrap();
    let collection = store.partners().unwrap()[0].collection;
    (store, collection)
}

fn new(kind: &str, n: usize, spec: &str, version: i64) -> NewObject {
    NewObject {
        id: format!("{kind}--{n}"),
        kind: kind.to_owned(),
        spec_version: spec.to_owned(),
        version: Some(version),
        body: format!("{{\"{kind}\":{n},\"v\":{version},\"spec\":\"{spec}\"}}"),
    }
}

/// 4,000 objects of four types, every tenth in two versions, every hundredth first in STIX 2.0.
fn filled(place: &str) -> (Store, i64) {
    let (store, collection) = opened(place);
    let mut objects = Vec::new();
    for n in 0..4_000 {
        let kind = ["indicator", "note", "opinion", "tool"][n % 4];
        if n % 10 == 0 {
            objects.push(new(kind, n, if n % 100 == 0 { "2.0" } else { "2.1" }, 500));
        }
        objects.push(new(kind, n, "2.1", 1_000 * (n as i64 % 50)));
    }
    assert!(add(&store, collection, objects).iter().all(|added| matches!(added, Added::New(_))));
    (store, collection)
}

on_both_databases!(fn every_filter_is_served_by_an_index_and_sorts_a_page_at_most, every_filter_gives_what_it_says, point_26_the_same_again_is_known_and_something_else_differs, point_28_deleting_a_version_makes_another_the_last, dates_are_unique_and_grow_also_when_the_clock_goes_back);

fn every_filter_is_served_by_an_index_and_sorts_a_page_at_most((_folder, place): Place) {
    let (store, collection) = filled(&place);
    store.database.write(&mut |db| db.script("analyze objects")).unwrap();
    for (name, index, query) in filters() {
        let query = ObjectQuery { limit: 20, ..query };
        let plan = plan(&store, collection, &query);
        assert!(plan.contains(index), "{name}: {plan}");
        // A range is in order already; merged ones, and the versions of ids, are sorted.
        let sorts = plan.contains("TEMP B-TREE") || plan.contains("Sort");
        let merges = matches!(name, "first and last" | "two versions" | "types" | "an id" | "ids");
        assert!(!sorts || merges, "{name}: {plan}");
        assert!(!plan.contains("SCAN objects") && !plan.contains("Seq Scan"), "{name}: {plan}");
    }
}

fn plan(store: &Store, collection: i64, query: &ObjectQuery) -> String {
    let mut plan = String::new();
    store
        .database
        .read(&mut |db| {
            let (sql, values) = object_sql(db.dialect(), collection, query).unwrap();
            let (explain, column) = match db.dialect() {
                Dialect::Sqlite => ("explain query plan", 3),
                Dialect::Postgres => ("explain", 0),
            };
            for mut row in db.rows(&format!("{explain} {sql}"), &values)? {
                plan.push_str(&row.take::<String>(column)?);
                plan.push('\n');
            }
            Ok(())
        })
        .unwrap();
    plan
}

/// What a filter means, said the slow way.
fn expected(all: &[ObjectRow], query: &ObjectQuery) -> Vec<i64> {
    let specs = &query.spec_versions;
    let mut latest: BTreeMap<&str, &str> = BTreeMap::new();
    for row in all {
        let spec = latest.entry(&row.id).or_insert(&row.spec_version);
        *spec = (*spec).max(&row.spec_version);
    }
    // Where none is named, of each object what is of its latest spec_version.
    let of_spec = |row: &&ObjectRow| match specs.is_empty() {
        true => row.spec_version == latest[row.id.as_str()],
        false => specs.contains(&row.spec_version),
    };
    let of_spec: Vec<&ObjectRow> = all.iter().filter(of_spec).collect();
    let mut ends: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for row in &of_spec {
        let (first, last) = ends.entry(&row.id).or_insert((row.version, row.version));
        (*first, *last) = (row.version.min(*first), row.version.max(*last));
    }
    let fits = |row: &&&ObjectRow| {
        let ends = ends[row.id.as_str()];
        let version = match &query.versions {
            Versions::All => true,
            Versions::Some { first, last, at } => {
                *first && ends.0 == row.version || *last && ends.1 == row.version || at.contains(&row.version)
            }
        };
        let kind = query.kinds.is_empty() || query.kinds.iter().any(|kind| row.id.starts_with(&format!("{kind}--")));
        version && kind && (query.ids.is_empty() || query.ids.contains(&row.id)) && row.position() > query.after
    };
    of_spec.iter().filter(fits).take(query.limit).map(|row| row.number).collect()
}

fn every_filter_gives_what_it_says((_folder, place): Place) {
    let (store, collection) = filled(&place);
    let both = texts(&["2.0", "2.1"]);
    let everything = ObjectQuery { after: Position::START, limit: 10_000, spec_versions: both, ..query(Versions::All) };
    let (all, _) = store.objects(collection, &everything).unwrap();
    assert_eq!(all.len(), 4_400);
    let mut queries: Vec<(&str, ObjectQuery)> = filters().into_iter().map(|(name, _, query)| (name, query)).collect();
    queries.extend([
        ("first of 2.1", ObjectQuery { spec_versions: texts(&["2.1"]), ..query(some(true, false, &[])) }),
        ("both", ObjectQuery { spec_versions: texts(&["2.1", "2.0", "9"]), ..query(some(true, false, &[])) }),
        ("neither", ObjectQuery { spec_versions: texts(&["9"]), ..query(some(true, false, &[])) }),
        ("mixed", ObjectQuery { kinds: texts(&["note", "tool"]), ..query(some(true, true, &[500, 1_000])) }),
        ("ids", ObjectQuery { ids: texts(&["note--1", "indicator--100"]), ..query(some(true, false, &[500])) }),
    ]);
    for (name, query) in queries {
        for (after, limit) in [(Position::START, 10_000), (all[700].position(), 33), (all[4_399].position(), 5)] {
            let query = ObjectQuery { after, limit, ..query.clone() };
            let (rows, more) = store.objects(collection, &query).unwrap();
            let numbers: Vec<i64> = rows.iter().map(|row| row.number).collect();
            let limitless = expected(&all, &ObjectQuery { limit: usize::MAX, ..query.clone() });
            assert_eq!(numbers, limitless[..limit.min(limitless.len())], "{name} after {after:?}");
            assert_eq!(more, limitless.len() > limit, "{name}");
        }
    }
}

fn point_26_the_same_again_is_known_and_something_else_differs((_folder, place): Place) {
    let (store, collection) = opened(&place);
    let one = new("note", 1, "2.1", 7);
    let again = NewObject { body: format!(" {}", one.body.replace(',', " , ")), ..one.clone() };
    let other = NewObject { body: "{}".to_owned(), ..one.clone() };
    let account = NewObject { version: None, ..new("user-account", 1, "2.1", 0) };
    let changed = NewObject { body: "{\"changed\":1}".to_owned(), ..account.clone() };
    let objects = vec![one, again, other, account.clone(), account.clone(), changed];
    let outcomes = add(&store, collection, objects);
    assert_eq!(outcomes[..3], [Added::New(7), Added::Known(7), Added::Differs(7)]);
    let Added::New(version) = outcomes[3] else { panic!("{outcomes:?}") };
    assert_eq!(outcomes[4], Added::Known(version));
    assert!(matches!(outcomes[5], Added::New(later) if later > version));
}

fn point_28_deleting_a_version_makes_another_the_last((_folder, place): Place) {
    let (store, collection) = opened(&place);
    add(&store, collection, [30, 10, 20].map(|version| new("note", 1, "2.1", version)).to_vec());
    let versions = |versions: Versions| -> Vec<i64> {
        let (rows, _) = store.objects(collection, &ObjectQuery { after: Position::START, ..query(versions) }).unwrap();
        rows.iter().map(|row| row.version).collect()
    };
    assert_eq!((versions(some(true, false, &[])), versions(some(false, true, &[]))), (vec![10], vec![30]));
    let delete = |versions: Versions| store.delete_object(collection, "note--1", &versions, &[]).unwrap();
    assert_eq!(delete(some(false, true, &[])), 1);
    assert_eq!(versions(some(false, true, &[])), [20]);
    assert_eq!(delete(some(false, false, &[99])), 0);
    assert_eq!(delete(Versions::All), 2);
    assert_eq!(versions(Versions::All), [0; 0]);
}

#[test]
fn versions_of_one_object_are_bounded_where_they_are_posted() {
    let (_folder, place) = sqlite_place();
    let (store, collection) = opened(&place);
    let versions = |from: i64, to: i64| (from..to).map(|version| new("note", 1, "2.1", version)).collect();
    assert!(add(&store, collection, versions(0, 600)).iter().all(|added| matches!(added, Added::New(_))));
    let outcomes = add(&store, collection, versions(500, 1_100));
    assert_eq!(outcomes.iter().filter(|added| matches!(added, Added::Known(_))).count(), 100);
    assert_eq!(outcomes.iter().filter(|added| matches!(added, Added::New(_))).count(), 400);
    assert_eq!(outcomes.last(), Some(&Added::TooMany(1_099)));
}

#[test]
fn a_page_of_long_objects_ends_early_and_goes_on() {
    let (_folder, place) = sqlite_place();
    let (store, collection) = opened(&place);
    let long = |n| NewObject { body: format!("{{\"n\":\"{}\"}}", "x".repeat(1 << 20)), ..new("note", n, "2.1", 1) };
    add(&store, collection, (0..20).map(long).collect());
    let (mut after, mut seen) = (Position::START, 0);
    for pages in 1.. {
        let (rows, more) = store.objects(collection, &ObjectQuery { after, ..query(Versions::All) }).unwrap();
        assert!((1..=9).contains(&rows.len()));
        seen += rows.len();
        after = rows.last().unwrap().position();
        if !more {
            assert!(pages > 2);
            break;
        }
    }
    assert_eq!(seen, 20);
}

fn dates_are_unique_and_grow_also_when_the_clock_goes_back((_folder, place): Place) {
    let store = Store::open_unlocked(&place);
    store
        .set_partners(&[Partner {
            name: "p".to_owned(),
            platform: "x".to_owned(),
            tlp_ceiling: Tlp::Amber,
            ..Partner::default()
        }])
        .unwrap();
    let collection = store.partners().unwrap()[0].collection;
    let objects = |from: usize| -> Vec<NewObject> {
        (from..from + 50)
            .map(|n| NewObject {
                id: format!("indicator--{n}"),
                kind: "indicator".to_owned(),
                spec_version: "2.1".to_owned(),
                version: Some(1),
                body: format!("{{\"n\":{n}}}"),
            })
            .collect()
    };
    for (from, now) in [(0, 1_000), (50, 1_000), (100, 10), (100, 2_000)] {
        store.write(|tx| publish(tx, collection, &objects(from), false, now)).unwrap();
    }
    let page = ObjectQuery { after: Position::START, limit: 1000, ..query(Versions::All) };
    let (rows, _) = store.objects(collection, &page).unwrap();
    assert_eq!(rows.len(), 150);
    assert!(rows.windows(2).all(|pair| pair[0].date_added < pair[1].date_added));
}
