//! The first release of each case to each partner, and when the partner had it: what the scoreboard is made of.

use std::collections::BTreeMap;

use casework::scoreboard::Release;
use jiff::Timestamp;
use messages::feedback::Verdict;

use super::{
    Change, Store, StoreError,
    database::{Session, values},
    feedback::verdict_of,
    retractions::{self, AckedBy},
};

/// What the scoreboard is made of.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Releases {
    pub releases: Vec<Release>,
    /// Cases that nobody has released or dismissed: of all, and of each partner in use by its platform.
    pub undecided: u64,
    pub undecided_by_partner: Vec<(String, u64)>,
}

/// States in which nobody has decided whether to tell anybody.
const UNDECIDED: &str = "state in ('nominated', 'in_review', 'approved')";

impl Store {
    /// Releases from `since` on, and the cases that wait for a decision.
    pub fn releases_since(&self, since: Timestamp, now: Timestamp) -> Result<Releases, StoreError> {
        self.read(|db| {
            let said = said_since(db, since)?;
            let rows = db.rows(
                "select p.name, r.case_id, r.found_at, r.released_at, r.fetched_at,
                        (select count(distinct s.account) from shared_objects s
                         where s.collection = r.collection and s.case_id = r.case_id and s.account is not null)
                 from releases r join partners p on p.collection = r.collection
                 where r.released_at >= ?1 order by r.released_at, r.collection, r.case_id",
                values![since],
            )?;
            let mut found = Releases::default();
            for mut row in rows {
                let (partner, case_id): (String, String) = (row.take(0)?, row.take(1)?);
                let said = said.get(&(partner.clone(), case_id));
                found.releases.push(Release {
                    partner,
                    found_at: row.take(2)?,
                    released_at: row.take(3)?,
                    fetched_at: row.take(4)?,
                    accounts: row.take::<i64>(5)?.unsigned_abs(),
                    acted_at: said.and_then(|said| said.acted_at).map(|at| at.min(now)),
                    disputed: said.is_some_and(|said| said.disputed),
                });
            }
            let sql = format!("select platforms, count(*) from cases where {UNDECIDED} group by platforms");
            let mut undecided: BTreeMap<String, u64> = BTreeMap::new();
            for mut row in db.rows(&sql, values![])? {
                let (platforms, n): (String, u64) = (row.take(0)?, row.take::<i64>(1)?.unsigned_abs());
                found.undecided += n;
                // As they are joined in the table of cases.
                for platform in platforms.split(", ") {
                    *undecided.entry(platform.to_owned()).or_default() += n;
                }
            }
            for mut row in db.rows("select name, platform from partners where active = 1 order by name", values![])? {
                let (name, platform): (String, String) = (row.take(0)?, row.take(1)?);
                found.undecided_by_partner.push((name, undecided.get(&platform).copied().unwrap_or(0)));
            }
            Ok(found)
        })
    }

    /// Notes that a partner was handed indicators of its collection, by their `date_added` in order. Costs two look-ups where nothing
    /// waits.
    pub fn note_handed(&self, collection: i64, indicators: &[i64], now: Timestamp) -> Result<(), StoreError> {
        let (Some(first), Some(last)) = (indicators.first(), indicators.last()) else { return Ok(()) };
        let (released, withdrawn) = self.read(|db| {
            let mut waits = |table: &str, open: &str| {
                let sql = format!(
                    "select last_added from {table} where collection = ?1 and last_added >= ?2 and last_added <= ?3 and {open} is null"
                );
                let rows = db.rows(&sql, values![collection, *first, *last])?;
                let dates = rows.into_iter().map(|mut row| row.take::<i64>(0)).collect::<Result<Vec<_>, StoreError>>()?;
                Ok::<_, StoreError>(dates.into_iter().filter(|at| indicators.binary_search(at).is_ok()).collect::<Vec<_>>())
            };
            Ok((waits("releases", "fetched_at")?, waits("retractions", "acked_at")?))
        })?;
        if released.is_empty() && withdrawn.is_empty() {
            return Ok(());
        }
        self.write(|tx| {
            released.iter().try_for_each(|at| fetched(tx, collection, *at, *at, now))?;
            for at in &withdrawn {
                retractions::acknowledge_span(tx, collection, *at, *at, AckedBy::Fetch, now)?;
            }
            Ok(())
        })
    }
}

/// Keeps the first release of a case to the partner of a collection, or, while the partner has not fetched it, what replaces it there:
/// `last_added` is the `date_added` of the last indicator, `before` that of the last object before this release. A withdrawal alone is no
/// release, and neither is a new version of a case that was released before releases were kept.
pub(super) fn keep(
    tx: &mut dyn Session,
    change: &Change,
    collection: i64,
    (before, last_added): (i64, i64),
    is_withdrawal: bool,
    now: Timestamp,
) -> Result<(), StoreError> {
    let case = &change.stored.case;
    let replaced = tx.run(
        "update releases set last_added = ?3 where collection = ?1 and case_id = ?2 and fetched_at is null",
        values![collection, &case.id, last_added],
    )?;
    let had = "select o.number from shared_objects s join objects o on o.collection = s.collection and o.id = s.object
               where s.collection = ?1 and s.case_id = ?2 and o.type = 'indicator' and o.date_added <= ?3 limit 1";
    if replaced == 0 && !is_withdrawal && tx.value::<i64>(had, values![collection, &case.id, before])?.is_none() {
        tx.run(
            "insert into releases (collection, case_id, found_at, released_at, last_added) values (?1, ?2, ?3, ?4, ?5)
             on conflict (collection, case_id) do nothing",
            values![collection, &case.id, case.opened_at, now, last_added],
        )?;
    }
    Ok(())
}

/// Notes that a partner has the releases of which the last indicator was added from `first` to `last`.
pub(super) fn fetched(
    tx: &mut dyn Session,
    collection: i64,
    first: i64,
    last: i64,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.run(
        "update releases set fetched_at = ?4
         where collection = ?1 and last_added >= ?2 and last_added <= ?3 and fetched_at is null",
        values![collection, first, last, now],
    )
    .map(drop)
}

/// What a partner says of a case.
#[derive(Default)]
struct Said {
    acted_at: Option<Timestamp>,
    disputed: bool,
}

/// What partners say of the cases that were released to them since a time. Of each account, and of the whole case, the last word
/// counts; only an action stays one when the partner adds something else to it.
fn said_since(db: &mut dyn Session, since: Timestamp) -> Result<BTreeMap<(String, String), Said>, StoreError> {
    let rows = db.rows(
        "select f.partner, f.case_id, f.account, f.verdict, f.said_at from feedback f
         join partners p on p.name = f.partner
         join releases r on r.collection = p.collection and r.case_id = f.case_id
         where f.collection is not null and r.released_at >= ?1 order by f.number",
        values![since],
    )?;
    let mut last: BTreeMap<(String, String), BTreeMap<Option<String>, Said>> = BTreeMap::new();
    for mut row in rows {
        let of_case = last.entry((row.take(0)?, row.take(1)?)).or_default();
        let said = of_case.entry(row.take(2)?).or_default();
        let (verdict, at): (Option<Verdict>, Timestamp) = (verdict_of(row.take(3)?)?, row.take(4)?);
        said.disputed = verdict == Some(Verdict::Rejected);
        match verdict {
            Some(Verdict::Actioned) => said.acted_at = Some(said.acted_at.map_or(at, |before| before.min(at))),
            None | Some(Verdict::Rejected) => said.acted_at = None,
            Some(Verdict::Confirmed | Verdict::AlreadyKnown) => {}
        }
    }
    let of_case = |said: BTreeMap<Option<String>, Said>| Said {
        acted_at: said.values().filter_map(|said| said.acted_at).min(),
        disputed: said.values().any(|said| said.disputed),
    };
    Ok(last.into_iter().map(|(key, said)| (key, of_case(said))).collect())
}
