//! What partners wrote to their inboxes and reviewers said by their steps, what became of it, and what is on the topic already.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use messages::feedback::{AccountId, Feedback, SCHEMA_VERSION, Verdict};
use serde::Serialize;

use super::{
    Change, Store, StoreError,
    audit_log::append_audit,
    database::{Row, Session, values},
    from_json, retractions,
};
use crate::object::is_revoked;
use casework::{
    Label,
    audit::Entry,
    case::Case,
    feedback::{Consequence, Meaning, Outcome, PartnerFeedback, verdict_verb},
};

/// How a reviewer's name begins where feedback says who speaks; no partner's name has a colon.
const REVIEWER: &str = "reviewer:";

/// A collection that a partner writes to, and the one that it reads.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Inbox {
    pub partner: String,
    pub platform: String,
    /// The collection it writes to.
    pub collection: i64,
    /// The collection it reads.
    pub feed: i64,
    /// `date_added` of the last object read.
    pub read_until: i64,
}

const INBOX: &str = "select i.partner, p.platform, i.collection, p.collection, i.read_until
                     from inboxes i join partners p on p.name = i.partner";

fn inbox(mut row: Row) -> Result<Inbox, StoreError> {
    Ok(Inbox {
        partner: row.take(0)?,
        platform: row.take(1)?,
        collection: row.take(2)?,
        feed: row.take(3)?,
        read_until: row.take(4)?,
    })
}

/// What a partner said of a case, as shown with it.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct FeedbackRow {
    /// Who.
    pub partner: String,
    /// Of which account of its platform; `None` for the whole case.
    pub account: Option<String>,
    /// What; `None` where it was taken back.
    #[schema(value_type = Option<String>)]
    pub verdict: Option<Verdict>,
    /// When.
    pub at: Timestamp,
    /// In their words.
    pub note: Option<String>,
}

/// Feedback for the topic.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Unpublished {
    pub number: i64,
    /// With any verdict where it was taken back.
    pub message: Feedback,
    pub taken_back: bool,
}

/// An object of an inbox, read.
pub(crate) struct ReadObject<'a> {
    pub date_added: i64,
    pub id: &'a str,
    pub version: i64,
    /// `None` of what only stands beside feedback.
    pub feedback: Result<Option<PartnerFeedback>, String>,
}

impl Store {
    /// Records that a partner received an object that belongs to no case.
    #[cfg(test)]
    pub fn record_shared_object(&self, partner: &str, object: &str) -> Result<(), StoreError> {
        self.write(|tx| {
            tx.run(
                "insert into shared_objects (collection, object, case_id, cluster_id)
                 select collection, ?2, 'case-test', 'test' from partners where name = ?1",
                values![partner, object],
            )
            .map(drop)
        })
    }

    /// Adds objects to a collection that a partner writes to.
    #[cfg(test)]
    pub fn post_feedback(
        &self,
        collection: i64,
        objects: &[crate::object::NewObject],
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        self.write(|tx| super::objects::publish(tx, collection, objects, false, now.as_microsecond()))
    }

    /// Collections that partners in use write to.
    pub fn inboxes(&self) -> Result<Vec<Inbox>, StoreError> {
        self.read(|db| {
            let sql = format!("{INBOX} where p.active = 1 order by i.partner");
            db.rows(&sql, values![])?.into_iter().map(inbox).collect()
        })
    }

    /// The inbox that a collection is.
    pub fn inbox(&self, collection: i64) -> Result<Option<Inbox>, StoreError> {
        self.read(|db| db.row(&format!("{INBOX} where i.collection = ?1"), values![collection])?.map(inbox).transpose())
    }

    /// The ids of objects that a collection never received.
    pub fn not_received(&self, collection: i64, ids: &[String]) -> Result<Vec<String>, StoreError> {
        self.read(|db| {
            let mut unknown = Vec::new();
            for id in ids {
                // No text of PostgreSQL has a NUL, not even one that is only looked for.
                let sql = "select collection from shared_objects where collection = ?1 and object = ?2 limit 1";
                if id.contains('\0') || db.row(sql, values![collection, id])?.is_none() {
                    unknown.push(id.clone());
                }
            }
            Ok(unknown)
        })
    }

    /// Takes one object of an inbox, and remembers that it was read: what follows from it happens once, whatever happens to the
    /// process. `None` where somebody else has read it meanwhile.
    pub fn take_feedback(
        &self,
        inbox: &Inbox,
        object: ReadObject<'_>,
        now: Timestamp,
    ) -> Result<Option<Outcome>, StoreError> {
        self.write(|tx| {
            let moved = tx.run(
                "update inboxes set read_until = ?2 where partner = ?1 and read_until < ?2",
                values![&inbox.partner, object.date_added],
            )?;
            if moved == 0 {
                return Ok(None);
            }
            let outcome = match &object.feedback {
                Ok(Some(feedback)) => take(tx, inbox, &object, feedback, now)?,
                Ok(None) => return Ok(Some(Outcome::NoVerdict)),
                Err(_) => Outcome::Unreadable,
            };
            let why = match (&object.feedback, outcome) {
                (Err(why), _) => why.as_str(),
                (Ok(_), Outcome::Unknown) => "it is about nothing that this partner received",
                (Ok(_), Outcome::NoVerdict) => "it has no verdict from which a label can be made",
                _ => return Ok(Some(outcome)),
            };
            let entry = Entry {
                at: now,
                actor: format!("partner {}", inbox.partner),
                subject: format!("partner {}", inbox.partner),
                action: "feedback_not_taken".to_owned(),
                text: format!("{}: {why}", text_format::shorten(object.id, 120)),
            };
            append_audit(tx, vec![entry])?;
            Ok(Some(outcome))
        })
    }

    /// Feedback that is not on the topic yet, oldest first.
    pub fn unpublished_feedback(&self, limit: usize) -> Result<Vec<Unpublished>, StoreError> {
        self.read(|db| {
            let sql = format!(
                "select number, cluster_id, platform, account, verdict, partner, said_at, note
                 from feedback where published = 0 order by number limit {limit}"
            );
            let rows = db.rows(&sql, values![])?.into_iter().map(|mut row| {
                let (platform, account): (Option<String>, Option<String>) = (row.take(2)?, row.take(3)?);
                let verdict = verdict_of(row.take(4)?)?;
                Ok(Unpublished {
                    number: row.take(0)?,
                    taken_back: verdict.is_none(),
                    message: Feedback {
                        schema_version: SCHEMA_VERSION,
                        cluster_id: row.take(1)?,
                        account: platform.zip(account).map(|(platform, account_id)| AccountId { platform, account_id }),
                        verdict: verdict.unwrap_or(Verdict::Confirmed),
                        partner: row.take(5)?,
                        at: row.take(6)?,
                        note: row.take(7)?,
                    },
                })
            });
            rows.collect()
        })
    }

    /// Notes that feedback up to that number is on the topic.
    pub fn feedback_published(&self, up_to: i64) -> Result<(), StoreError> {
        self.write(|tx| {
            tx.run("update feedback set published = 1 where published = 0 and number <= ?1", values![up_to]).map(drop)
        })
    }

    /// What partners said of a case, oldest first.
    pub fn feedback_of(&self, case_id: &str) -> Result<Vec<FeedbackRow>, StoreError> {
        self.read(|db| {
            let sql = "select partner, account, verdict, said_at, note from feedback
                 where case_id = ?1 and collection is not null order by number";
            let rows = db.rows(sql, values![case_id])?.into_iter().map(|mut row| {
                Ok(FeedbackRow {
                    partner: row.take(0)?,
                    account: row.take(1)?,
                    verdict: verdict_of(row.take(2)?)?,
                    at: row.take(3)?,
                    note: row.take(4)?,
                })
            });
            rows.collect()
        })
    }
}

/// Takes what a reviewer says of a finding by a step. Whoever dismisses, withdraws or looks again does not let stand what others said
/// before: only those count who would say it still.
pub(super) fn take_label(tx: &mut dyn Session, change: &Change) -> Result<(), StoreError> {
    let Some(label) = &change.label else { return Ok(()) };
    let verdict = match label.meaning {
        Meaning::Verdict(verdict) | Meaning::Opinion(verdict) => Some(verdict),
        Meaning::TakesBack => None,
        Meaning::Acknowledges | Meaning::Nothing => return Ok(()),
    };
    let speaker = format!("{REVIEWER}{}", label.by);
    let case = &change.stored.case;
    if label.meaning.overrides_others() {
        let mut standing: BTreeMap<String, bool> = BTreeMap::new();
        let sql = "select partner, verdict from feedback where case_id = ?1 and collection is null order by number";
        for mut row in tx.rows(sql, values![&case.id])? {
            standing.insert(row.take(0)?, row.take::<Option<String>>(1)?.is_some());
        }
        let others = standing.iter().filter(|(other, stands)| **stands && (verdict.is_none() || **other != speaker));
        for (other, _) in others {
            put_label(tx, case, other, None, label)?;
        }
    }
    match verdict {
        Some(_) => put_label(tx, case, &speaker, verdict, label),
        None => Ok(()),
    }
}

fn put_label(
    tx: &mut dyn Session,
    case: &Case,
    speaker: &str,
    verdict: Option<Verdict>,
    label: &Label,
) -> Result<(), StoreError> {
    let number: i64 = tx.value("select coalesce(max(number), 0) + 1 from feedback", values![])?.unwrap_or(1);
    let note = label.note.clone().filter(|_| verdict.is_some());
    tx.run(
        "insert into feedback (number, partner, case_id, cluster_id, verdict, said_at, note, published)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0)",
        values![number, speaker, &case.id, &case.cluster_id, verdict.map(verdict_name), label.at, note],
    )
    .map(drop)
}

/// How the id begins that stands for a case where a label is about a group of the watch list.
pub(super) const GROUP: &str = "group ";

/// Keeps a reviewer's label of a group of the watch list, about which there is no case; without a verdict it is taken back.
pub(super) fn put_group_label(
    tx: &mut dyn Session,
    cluster_id: &str,
    by: &str,
    verdict: Option<Verdict>,
    note: Option<&str>,
    at: Timestamp,
) -> Result<(), StoreError> {
    let number: i64 = tx.value("select coalesce(max(number), 0) + 1 from feedback", values![])?.unwrap_or(1);
    tx.run(
        "insert into feedback (number, partner, case_id, cluster_id, verdict, said_at, note, published)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0)",
        values![
            number,
            format!("{REVIEWER}{by}"),
            format!("{GROUP}{cluster_id}"),
            cluster_id,
            verdict.map(verdict_name),
            at,
            note
        ],
    )
    .map(drop)
}

/// The reviewers whose labels of a group of the watch list stand.
pub(super) fn group_labels(tx: &mut dyn Session, cluster_id: &str) -> Result<Vec<String>, StoreError> {
    let mut standing: BTreeMap<String, bool> = BTreeMap::new();
    let sql = "select partner, verdict from feedback where case_id = ?1 order by number";
    for mut row in tx.rows(sql, values![format!("{GROUP}{cluster_id}")])? {
        standing.insert(row.take(0)?, row.take::<Option<String>>(1)?.is_some());
    }
    let names = standing.into_iter().filter(|(_, stands)| *stands);
    Ok(names.filter_map(|(name, _)| name.strip_prefix(REVIEWER).map(str::to_owned)).collect())
}

struct Target {
    case_id: String,
    cluster_id: String,
    account: Option<String>,
    shared: bool,
    revoked: bool,
}

fn take(
    tx: &mut dyn Session,
    inbox: &Inbox,
    object: &ReadObject<'_>,
    feedback: &PartnerFeedback,
    now: Timestamp,
) -> Result<Outcome, StoreError> {
    let mut targets = Vec::new();
    for id in &feedback.about {
        targets.extend(shared_targets(tx, inbox.feed, id)?);
    }
    if targets.is_empty() {
        return Ok(Outcome::Unknown);
    }
    // The grouping and the campaign of one case are one target.
    let mut seen = BTreeSet::new();
    targets.retain(|target| seen.insert((target.case_id.clone(), target.account.clone())));
    let actor = format!("partner {}", inbox.partner);
    let mut outcome = Outcome::NoVerdict;
    for target in &targets {
        let Consequence { verdict, acknowledges, takes_back, opens_retraction_case } =
            feedback.meaning.consequence(target.shared, target.revoked);
        if acknowledges {
            retractions::acknowledge_account(tx, inbox.feed, &target.case_id, target.account.as_deref(), now)?;
            outcome = Outcome::Acknowledged;
        }
        if verdict.is_none() && !takes_back {
            continue;
        }
        if takes_back && !said_before(tx, inbox.collection, object.id)? {
            continue;
        }
        let number: i64 = tx.value("select coalesce(max(number), 0) + 1 from feedback", values![])?.unwrap_or(1);
        tx.run(
            "insert into feedback (number, collection, object, version, partner, case_id, cluster_id, platform, account,
                                   verdict, said_at, note, published)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 0)",
            values![
                number,
                inbox.collection,
                object.id,
                object.version,
                &inbox.partner,
                &target.case_id,
                &target.cluster_id,
                &inbox.platform,
                target.account.clone(),
                verdict.map(verdict_name),
                feedback.at,
                feedback.note.clone()
            ],
        )?;
        let of = target.account.as_ref().map_or("the case".to_owned(), |id| format!("account {id}"));
        let verb = verdict_verb(verdict);
        let note =
            feedback.note.as_ref().map(|note| format!(": {}", text_format::shorten(note, 400))).unwrap_or_default();
        let withdrawn = if target.revoked { ", which was withdrawn before" } else { "" };
        let text = format!("{} {verb} {}{withdrawn}{note}", inbox.partner, text_format::shorten(&of, 120));
        if target.revoked && verdict == Some(Verdict::Actioned) {
            tracing::warn!(partner = inbox.partner, case = target.case_id, "a partner acted on what was withdrawn");
        }
        append_audit(
            tx,
            vec![Entry {
                at: now,
                actor: actor.clone(),
                subject: target.case_id.clone(),
                action: "feedback".to_owned(),
                text: text.clone(),
            }],
        )?;
        if opens_retraction_case {
            let accounts = target.account.iter().cloned().collect();
            let about = (target.case_id.as_str(), target.cluster_id.as_str());
            retractions::open_retraction_case(tx, about, accounts, (&inbox.partner, &inbox.platform), &text, now)?;
        }
        outcome = if verdict.is_some() { Outcome::Taken } else { Outcome::TakenBack };
    }
    Ok(outcome)
}

/// The cases and accounts of an object that a collection received.
fn shared_targets(tx: &mut dyn Session, collection: i64, object: &str) -> Result<Vec<Target>, StoreError> {
    let rows = tx.rows(
        "select t.case_id, t.cluster_id, t.account, c.state, o.body
         from shared_objects t join cases c on c.cluster_id = t.cluster_id
         join objects o on o.collection = t.collection and o.id = t.object and o.is_last = 1
         where t.collection = ?1 and t.object = ?2 order by t.case_id",
        values![collection, object],
    )?;
    let mut targets = Vec::new();
    for mut row in rows {
        let (state, body): (String, String) = (row.take(3)?, row.take(4)?);
        let (case_id, account): (String, Option<String>) = (row.take(0)?, row.take(2)?);
        let revoked = match &account {
            // An account itself cannot be revoked: what was said of it last can.
            Some(account) if object.starts_with("user-account--") => withdrawn(tx, collection, &case_id, account)?,
            _ => is_revoked(&body),
        };
        targets.push(Target {
            case_id,
            cluster_id: row.take(1)?,
            account,
            shared: matches!(state.as_str(), "released" | "updated"),
            revoked,
        });
    }
    Ok(targets)
}

/// Whether the newest indicator of an account in a case is revoked.
fn withdrawn(tx: &mut dyn Session, collection: i64, case_id: &str, account: &str) -> Result<bool, StoreError> {
    let body: Option<String> = tx.value(
        "select o.body from shared_objects t join objects o on o.collection = t.collection and o.id = t.object and o.is_last = 1
         where t.collection = ?1 and t.case_id = ?2 and t.account = ?3 and o.type = 'indicator'
         order by o.date_added desc limit 1",
        values![collection, case_id, account],
    )?;
    Ok(body.is_some_and(|body| is_revoked(&body)))
}

fn said_before(tx: &mut dyn Session, collection: i64, object: &str) -> Result<bool, StoreError> {
    let sql = "select number from feedback where collection = ?1 and object = ?2 and verdict is not null limit 1";
    Ok(tx.row(sql, values![collection, object])?.is_some())
}

fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Confirmed => "confirmed",
        Verdict::Rejected => "rejected",
        Verdict::Actioned => "actioned",
        Verdict::AlreadyKnown => "already_known",
    }
}

pub(super) fn verdict_of(name: Option<String>) -> Result<Option<Verdict>, StoreError> {
    name.map(|name| from_json("a verdict", &format!("{name:?}"))).transpose()
}
