//! The statement that reads a page of a collection.

use crate::store::{
    ObjectQuery, Versions,
    database::{Dialect, Value},
};

/// The statement for a page; `None` where nothing can match.
///
/// A filter with several values becomes several ranges of an index, each in order of date and cut at the limit, and these are
/// merged: no filter sorts more than a page, and none reads a collection through. What one id has is read whole.
pub(super) fn object_sql(dialect: Dialect, collection: i64, query: &ObjectQuery) -> Option<(String, Vec<Value>)> {
    const COLUMNS: &str = "number, id, date_added, version, spec_version, body";
    const ORDER: &str = "order by date_added, number";
    let mut values = vec![
        Value::Int(collection),
        Value::Int(query.after.date_added),
        Value::Int(query.after.number),
        query.limit.into(),
    ];
    let mut mark = |value: Value| {
        values.push(value);
        format!("?{}", values.len())
    };
    // Objects are of STIX 2.0 or 2.1.
    let mut specs: Vec<&str> = query.spec_versions.iter().map(|spec| &**spec).collect();
    specs.retain(|spec| ["2.0", "2.1"].contains(spec));
    specs.sort_unstable();
    specs.dedup();
    let (spec, of_spec) = match (query.spec_versions.is_empty(), specs.as_slice()) {
        (false, []) => return None,
        (false, ["2.1"]) => (Some("2.1"), " and spec_version = '2.1'"),
        (false, [one]) => (Some(*one), " and spec_version <> '2.1'"),
        (false, [_, _, ..]) => (None, ""),
        // Of each object, what is of the latest spec_version that it has.
        (true, _) => (
            None,
            " and (spec_version = '2.1' or (select max(later.spec_version) from objects later
              where later.collection = ?1 and later.id = objects.id) <> '2.1')",
        ),
    };
    // The filter of spec_versions comes first: first and last are those of what it leaves.
    let at_end = |column: &str| match query.spec_versions.len() >= 2 && spec.is_none() {
        true => format!(" and {column} > 0 and {column} = 1"),
        false => format!(" and {column} > 0"),
    };
    let by = |index: &str, filter: String| {
        let index = match (dialect, spec) {
            // PartnerFeedback outright: SQLite's planner cannot know how many rows a filter leaves.
            (Dialect::Sqlite, Some("2.0")) if index != "objects_by_version" => {
                "indexed by objects_of_other_spec".to_owned()
            }
            (Dialect::Sqlite, _) => format!("indexed by {index}"),
            (Dialect::Postgres, _) => String::new(),
        };
        format!("from objects {index} where collection = ?1 and (date_added, number) > (?2, ?3){filter}{of_spec}")
    };
    let kinds: Vec<String> = query.kinds.iter().map(|kind| mark(kind.into())).collect();
    let mut ranges = Vec::new();
    if query.ids.is_empty() {
        let (all, first, last, at) = match &query.versions {
            Versions::All => (true, false, false, [].as_slice()),
            Versions::Some { first, last, at } => (false, *first, *last, at.as_slice()),
        };
        for (wanted, by_type, by_date, filter) in [
            (all, "objects_by_type", "objects_by_date", String::new()),
            (first, "objects_by_type", "objects_by_date", at_end("is_first")),
            (last, "objects_last_by_type", "objects_last_by_date", at_end("is_last")),
        ] {
            if wanted && kinds.is_empty() {
                ranges.push(by(by_date, filter));
            } else if wanted {
                ranges.extend(kinds.iter().map(|kind| by(by_type, format!(" and type = {kind}{filter}"))));
            }
        }
        let of_kinds = if kinds.is_empty() { String::new() } else { format!(" and type in ({})", kinds.join(", ")) };
        for version in at {
            let version = mark(Value::Int(*version));
            ranges.push(by("objects_by_modified", format!(" and version = {version}{of_kinds}")));
        }
    } else {
        let ids: Vec<String> = query.ids.iter().map(|id| mark(id.into())).collect();
        let mut filter = format!(" and id in ({})", ids.join(", "));
        if !kinds.is_empty() {
            filter.push_str(&format!(" and type in ({})", kinds.join(", ")));
        }
        if let Versions::Some { first, last, at } = &query.versions {
            let mut one_of = Vec::new();
            for (wanted, column) in [(*first, "is_first"), (*last, "is_last")] {
                if wanted {
                    one_of.push(at_end(column)[" and ".len()..].to_owned());
                }
            }
            if !at.is_empty() {
                let at: Vec<String> = at.iter().map(|version| mark(Value::Int(*version))).collect();
                one_of.push(format!("version in ({})", at.join(", ")));
            }
            filter.push_str(&format!(" and (({}))", one_of.join(") or (")));
        }
        ranges.push(by("objects_by_version", filter));
    }
    let sql = match ranges.as_slice() {
        [] => return None,
        [one] => format!("select {COLUMNS} {one} {ORDER} limit ?4"),
        several => {
            // Without `all`, the same object can be the first, the last and of a version that is named.
            let parts: Vec<String> = several
                .iter()
                .enumerate()
                .map(|(n, range)| {
                    format!("select * from (select date_added, number {range} {ORDER} limit ?4) as range_{n}")
                })
                .collect();
            format!(
                "select {COLUMNS} from objects where number in
                 (select number from ({} {ORDER} limit ?4) as chosen) {ORDER}",
                parts.join(" union ")
            )
        }
    };
    Some((sql, values))
}
