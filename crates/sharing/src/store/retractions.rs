//! What partners were told, what was withdrawn from them and whether they know, and the cases that a rejection opened.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{
    Change, Store, StoreError,
    audit_log::append_audit,
    database::{Row, Session, values},
    from_json, to_json,
};
use casework::{audit::Entry, retraction::Rejection};

/// Something withdrawn from one partner.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Retraction {
    /// Its number.
    pub number: i64,
    /// From whom.
    pub partner: String,
    /// Out of which case.
    pub case: String,
    /// The cluster that the case is about.
    pub cluster_id: String,
    /// Accounts of the partner's platform.
    pub accounts: Vec<String>,
    /// Why.
    pub reason: String,
    /// When it was withdrawn.
    pub at: Timestamp,
    /// When the partner should know of it.
    pub due: Timestamp,
    /// When the partner took note of it.
    pub acked_at: Option<Timestamp>,
    /// How: `taxii` (also by the feed of accounts), `webhook`, `feedback` or `operator`.
    pub acked_by: Option<String>,
}

/// How a partner took note of a withdrawal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AckedBy {
    /// It fetched the revoked objects, by TAXII or with the feed of accounts.
    Fetch,
    /// Its endpoint took them.
    Webhook,
    /// It said so.
    Feedback,
    /// It told a person, who noted it.
    Operator,
}

impl AckedBy {
    fn name(self) -> &'static str {
        match self {
            AckedBy::Fetch => "taxii",
            AckedBy::Webhook => "webhook",
            AckedBy::Feedback => "feedback",
            AckedBy::Operator => "operator",
        }
    }
}

/// A case about a withdrawal: a partner rejected what it was told, and people decide.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct RetractionCase {
    /// Its number.
    pub number: i64,
    /// The case in question.
    pub case: String,
    /// The cluster that the case is about.
    pub cluster_id: String,
    /// The platform of whoever rejected it.
    pub platform: String,
    /// The accounts in question, all of that platform; empty where the whole case is.
    pub accounts: Vec<String>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// By whose word: `partner` and its name.
    pub opened_by: String,
    /// What they said.
    pub reason: String,
    /// `open`, `withdrawn`, `kept` or `lapsed`.
    pub state: String,
    /// When it was decided.
    pub decided_at: Option<Timestamp>,
    /// By whom.
    pub decided_by: Option<String>,
    /// Why.
    pub decision: Option<String>,
}

impl RetractionCase {
    /// What people decide about.
    pub(crate) fn rejection(&self) -> Rejection<'_> {
        Rejection {
            number: self.number,
            case: &self.case,
            platform: &self.platform,
            accounts: &self.accounts,
            reason: &self.reason,
        }
    }
}

impl Store {
    /// Withdrawals that a partner has not taken note of and that are due by then, the most overdue first.
    pub fn retractions_due(&self, by: Timestamp) -> Result<Vec<Retraction>, StoreError> {
        self.read(|db| {
            let sql = format!("{RETRACTIONS} where acked_at is null and due <= ?1 order by due, number");
            db.rows(&sql, values![by])?.into_iter().map(retraction).collect()
        })
    }

    /// Everything withdrawn out of a case.
    pub fn retractions_of(&self, case_id: &str) -> Result<Vec<Retraction>, StoreError> {
        self.read(|db| {
            let sql = format!("{RETRACTIONS} where case_id = ?1 order by number");
            db.rows(&sql, values![case_id])?.into_iter().map(retraction).collect()
        })
    }

    /// How many withdrawals wait for an acknowledgement, how many of these are overdue, and how many retraction cases are open.
    pub fn retraction_counts(&self, now: Timestamp) -> Result<(i64, i64, i64), StoreError> {
        self.read(|db| {
            let waiting = "select count(*) from retractions where acked_at is null";
            let overdue = "select count(*) from retractions where acked_at is null and due <= ?1";
            let open = "select count(*) from retraction_cases where state = 'open'";
            Ok((
                db.value(waiting, values![])?.unwrap_or(0),
                db.value(overdue, values![now])?.unwrap_or(0),
                db.value(open, values![])?.unwrap_or(0),
            ))
        })
    }

    /// Notes that the partner knows of one withdrawal, as a person was told.
    pub fn acknowledge(&self, number: i64, by: &str, note: &str, now: Timestamp) -> Result<(), StoreError> {
        self.write(|tx| {
            let sql = format!("{RETRACTIONS} where number = ?1 and acked_at is null");
            let Some(row) = tx.row(&sql, values![number])? else {
                return Err(StoreError::Partner(format!(
                    "there is no withdrawal {number} that waits to be acknowledged"
                )));
            };
            acked(tx, vec![retraction(row)?], AckedBy::Operator, &format!("{by}: {note}"), now)
        })
    }

    /// Open retraction cases, oldest first; with `all` the decided ones too.
    pub fn retraction_cases(&self, all: bool) -> Result<Vec<RetractionCase>, StoreError> {
        self.read(|db| {
            let filter = if all { "" } else { "where state = 'open'" };
            let rows = db.rows(&format!("{RETRACTION_CASES} {filter} order by number"), values![])?;
            rows.into_iter().map(retraction_case).collect()
        })
    }

    /// Retraction cases about a case, oldest first.
    pub fn retraction_cases_of(&self, case_id: &str) -> Result<Vec<RetractionCase>, StoreError> {
        self.read(|db| {
            let rows = db.rows(&format!("{RETRACTION_CASES} where case_id = ?1 order by number"), values![case_id])?;
            rows.into_iter().map(retraction_case).collect()
        })
    }

    /// The retraction case of that number.
    pub fn retraction_case(&self, number: i64) -> Result<Option<RetractionCase>, StoreError> {
        self.read(|db| {
            let row = db.row(&format!("{RETRACTION_CASES} where number = ?1"), values![number])?;
            row.map(retraction_case).transpose()
        })
    }

    /// Ends an open retraction case without a withdrawal.
    pub fn end_retraction_case(&self, number: i64, state: &str, entry: Entry) -> Result<(), StoreError> {
        self.write(|tx| {
            if !decide(tx, number, state, &entry)? {
                return Err(StoreError::Partner(format!("there is no open retraction case {number}")));
            }
            append_audit(tx, vec![entry])
        })
    }

    /// Cases whose flags run out by then, soonest first, as cluster ids.
    pub fn running_out(&self, by: Timestamp) -> Result<Vec<(String, Timestamp)>, StoreError> {
        self.read(|db| {
            let sql =
                "select cluster_id, valid_until from watched where valid_until <= ?1 order by valid_until, cluster_id";
            db.rows(sql, values![by])?.into_iter().map(|mut row| Ok((row.take(0)?, row.take(1)?))).collect()
        })
    }

    /// How many cases have flags that run out by then, and how many need attention.
    pub fn watched_counts(&self, by: Timestamp) -> Result<(i64, i64), StoreError> {
        self.read(|db| {
            let ends = db.value("select count(*) from watched where valid_until <= ?1", values![by])?;
            let needs = db.value("select count(*) from watched where attention > 0", values![])?;
            Ok((ends.unwrap_or(0), needs.unwrap_or(0)))
        })
    }

    /// Cluster ids of cases that need attention.
    pub fn needing_attention(&self) -> Result<Vec<String>, StoreError> {
        self.read(|db| {
            let sql = "select cluster_id from watched where attention > 0 order by cluster_id";
            db.rows(sql, values![])?.into_iter().map(|mut row| row.take(0)).collect()
        })
    }
}

/// Adds a withdrawal of accounts from the partner of a collection. `last` is the `date_added` of the
/// last revoked indicator.
pub(super) fn add(
    tx: &mut dyn Session,
    change: &Change,
    collection: i64,
    accounts: &BTreeSet<String>,
    last: i64,
    due: SignedDuration,
    now: Timestamp,
) -> Result<(), StoreError> {
    let case = &change.stored.case;
    let partner: Option<String> = tx.value("select name from partners where collection = ?1", values![collection])?;
    let number: i64 = tx.value("select coalesce(max(number), 0) + 1 from retractions", values![])?.unwrap_or(1);
    let reason = change.entries.last().map(|entry| entry.text.as_str()).unwrap_or_default();
    tx.run(
        "insert into retractions (number, partner, collection, case_id, cluster_id, accounts, reason, at, due, last_added)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        values![
            number,
            partner,
            collection,
            &case.id,
            &case.cluster_id,
            to_json(accounts)?,
            reason,
            now,
            now.checked_add(due).unwrap_or(Timestamp::MAX),
            last
        ],
    )?;
    Ok(())
}

/// What follows from a case's change itself: when somebody has to come back to it, and which retraction cases it settles.
pub(super) fn after_change(tx: &mut dyn Session, change: &Change) -> Result<(), StoreError> {
    let case = &change.stored.case;
    let valid_until = case.valid_until.filter(|_| case.state.is_shared());
    if valid_until.is_some() || !case.attention.is_empty() || !case.duties.is_empty() {
        let due = case.duties.iter().filter(|duty| duty.not_before.is_none());
        let since = due.clone().map(|duty| duty.since).min();
        let delayed_until = case.duties.iter().filter_map(|duty| duty.not_before).min();
        tx.run(
            "insert into watched (cluster_id, case_id, valid_until, attention, duties, duties_since, delayed_until)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             on conflict (cluster_id) do update
             set valid_until = ?3, attention = ?4, duties = ?5, duties_since = ?6, delayed_until = ?7",
            values![&case.cluster_id, &case.id, valid_until, case.attention.len(), due.count(), since, delayed_until],
        )?;
    } else {
        tx.run("delete from watched where cluster_id = ?1", values![&case.cluster_id])?;
    }
    let Some(last) = change.entries.last() else { return Ok(()) };
    let sql = format!("{RETRACTION_CASES} where case_id = ?1 and state = 'open' order by number");
    for row in tx.rows(&sql, values![&case.id])? {
        let open = retraction_case(row)?;
        let Some(state) = open.rejection().settled_by(case) else { continue };
        decide(tx, open.number, state, last)?;
    }
    Ok(())
}

/// Acknowledges what was withdrawn from a collection where the last revoked indicator was added from `first` to `last`.
pub(super) fn acknowledge_span(
    tx: &mut dyn Session,
    collection: i64,
    first: i64,
    last: i64,
    by: AckedBy,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = format!(
        "{RETRACTIONS} where collection = ?1 and last_added >= ?2 and last_added <= ?3 and acked_at is null order by number"
    );
    let waiting = tx.rows(&sql, values![collection, first, last])?;
    acked(tx, waiting.into_iter().map(retraction).collect::<Result<_, _>>()?, by, "", now)
}

/// Acknowledges what was withdrawn from a collection out of one case, of one account or, without one, all of it.
pub(super) fn acknowledge_account(
    tx: &mut dyn Session,
    collection: i64,
    case_id: &str,
    account: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = format!("{RETRACTIONS} where collection = ?1 and case_id = ?2 and acked_at is null order by number");
    let mut waiting = Vec::new();
    for row in tx.rows(&sql, values![collection, case_id])? {
        let one = retraction(row)?;
        if account.is_none_or(|account| one.accounts.iter().any(|of| of == account)) {
            waiting.push(one);
        }
    }
    acked(tx, waiting, AckedBy::Feedback, "", now)
}

/// Opens a retraction case, or adds accounts to the one that the same partner's word has opened already.
pub(super) fn open_retraction_case(
    tx: &mut dyn Session,
    about: (&str, &str),
    accounts: BTreeSet<String>,
    (partner, platform): (&str, &str),
    reason: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (case_id, cluster_id) = about;
    let opened_by = format!("partner {partner}");
    let sql = format!("{RETRACTION_CASES} where case_id = ?1 and opened_by = ?2 and state = 'open'");
    for row in tx.rows(&sql, values![case_id, &opened_by])? {
        let open = retraction_case(row)?;
        if open.accounts.is_empty() == accounts.is_empty() {
            let all: BTreeSet<String> = accounts.into_iter().chain(open.accounts).collect();
            tx.run(
                "update retraction_cases set accounts = ?2 where number = ?1",
                values![open.number, to_json(&all)?],
            )?;
            return Ok(());
        }
    }
    let number: i64 = tx.value("select coalesce(max(number), 0) + 1 from retraction_cases", values![])?.unwrap_or(1);
    tx.run(
        "insert into retraction_cases (number, case_id, cluster_id, platform, accounts, opened_at, opened_by, reason, state)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'open')",
        values![number, case_id, cluster_id, platform, to_json(&accounts)?, now, &opened_by, reason],
    )?;
    append_audit(
        tx,
        vec![Entry {
            at: now,
            actor: opened_by,
            subject: case_id.to_owned(),
            action: "retraction_case_opened".to_owned(),
            text: format!("retraction case {number}, for people to decide: {reason}"),
        }],
    )
}

const RETRACTIONS: &str =
    "select number, partner, case_id, cluster_id, accounts, reason, at, due, acked_at, acked_by from retractions";
const RETRACTION_CASES: &str = "select number, case_id, cluster_id, platform, accounts, opened_at, opened_by, reason, state, decided_at, decided_by, decision from retraction_cases";

fn acked(
    tx: &mut dyn Session,
    retractions: Vec<Retraction>,
    by: AckedBy,
    note: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut entries = Vec::new();
    for one in retractions {
        tx.run(
            "update retractions set acked_at = ?2, acked_by = ?3 where number = ?1 and acked_at is null",
            values![one.number, now, by.name()],
        )?;
        let late = if now > one.due { ", late" } else { "" };
        let note = if note.is_empty() { String::new() } else { format!("; {note}") };
        entries.push(Entry {
            at: now,
            actor: format!("partner {}", one.partner),
            subject: one.case,
            action: "retraction_acknowledged".to_owned(),
            text: format!(
                "withdrawal {} of {} reached {} by {}{late}{note}",
                one.number,
                text_format::count(one.accounts.len() as u64, "account"),
                one.partner,
                by.name()
            ),
        });
    }
    append_audit(tx, entries)
}

fn decide(tx: &mut dyn Session, number: i64, state: &str, entry: &Entry) -> Result<bool, StoreError> {
    let changed = tx.run(
        "update retraction_cases set state = ?2, decided_at = ?3, decided_by = ?4, decision = ?5
         where number = ?1 and state = 'open'",
        values![number, state, entry.at, &entry.actor, &entry.text],
    )?;
    Ok(changed == 1)
}

fn retraction(mut row: Row) -> Result<Retraction, StoreError> {
    Ok(Retraction {
        number: row.take(0)?,
        partner: row.take(1)?,
        case: row.take(2)?,
        cluster_id: row.take(3)?,
        accounts: from_json("a list of accounts", &row.take::<String>(4)?)?,
        reason: row.take(5)?,
        at: row.take(6)?,
        due: row.take(7)?,
        acked_at: row.take(8)?,
        acked_by: row.take(9)?,
    })
}

fn retraction_case(mut row: Row) -> Result<RetractionCase, StoreError> {
    Ok(RetractionCase {
        number: row.take(0)?,
        case: row.take(1)?,
        cluster_id: row.take(2)?,
        platform: row.take(3)?,
        accounts: from_json("a list of accounts", &row.take::<String>(4)?)?,
        opened_at: row.take(5)?,
        opened_by: row.take(6)?,
        reason: row.take(7)?,
        state: row.take(8)?,
        decided_at: row.take(9)?,
        decided_by: row.take(10)?,
        decision: row.take(11)?,
    })
}
