//! How often what was flagged turned out to be so, by what partners and reviewers said of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use messages::feedback::Verdict;

use super::{Store, StoreError, database::values, feedback::verdict_of};

/// What reviewers' names begin with where feedback says who speaks.
const REVIEWER: &str = "reviewer:";

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum By {
    Partners,
    Reviewers,
}

/// What most of them say of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Judged {
    Confirmed,
    Rejected,
    /// As many say so as say otherwise.
    Disputed,
}

impl By {
    pub const ALL: [By; 2] = [By::Partners, By::Reviewers];

    pub fn name(self) -> &'static str {
        match self {
            By::Partners => "partner",
            By::Reviewers => "reviewer",
        }
    }
}

impl Judged {
    pub const ALL: [Judged; 3] = [Judged::Confirmed, Judged::Rejected, Judged::Disputed];

    pub fn name(self) -> &'static str {
        match self {
            Judged::Confirmed => "confirmed",
            Judged::Rejected => "rejected",
            Judged::Disputed => "disputed",
        }
    }
}

impl Store {
    /// Clusters of which something was said since then, by who spoke and what most of their last words on it are. What somebody
    /// says of an account is a word on its cluster.
    pub fn judged_since(&self, since: Timestamp) -> Result<BTreeMap<(By, Judged), i64>, StoreError> {
        let rows = self.read(|db| {
            let sql = "select f.cluster_id, f.partner, f.verdict from feedback f
                       where f.said_at >= ?1 and f.verdict is not null and f.case_id not like 'group %' and not exists (
                           select 1 from feedback g
                           where g.case_id = f.case_id and g.number > f.number and g.partner = f.partner
                             and coalesce(g.account, '') = coalesce(f.account, ''))";
            let rows = db.rows(sql, values![since])?.into_iter().map(|mut row| {
                let (cluster, who): (String, String) = (row.take(0)?, row.take(1)?);
                Ok((cluster, who, verdict_of(row.take(2)?)?))
            });
            rows.collect::<Result<Vec<_>, StoreError>>()
        })?;
        let mut words: BTreeMap<(By, String), (i64, i64)> = BTreeMap::new();
        for (cluster, who, verdict) in rows {
            let by = if who.starts_with(REVIEWER) { By::Reviewers } else { By::Partners };
            let (so, otherwise) = words.entry((by, cluster)).or_default();
            match verdict.map(Verdict::inauthentic) {
                Some(true) => *so += 1,
                Some(false) => *otherwise += 1,
                None => {}
            }
        }
        let mut judged = BTreeMap::new();
        for ((by, _), (so, otherwise)) in words {
            let word = match so.cmp(&otherwise) {
                std::cmp::Ordering::Greater => Judged::Confirmed,
                std::cmp::Ordering::Less => Judged::Rejected,
                std::cmp::Ordering::Equal => Judged::Disputed,
            };
            *judged.entry((by, word)).or_default() += 1;
        }
        Ok(judged)
    }
}
