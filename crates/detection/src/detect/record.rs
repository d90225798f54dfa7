//! Everything that a run over files has reported, until its end: every group in its last state,
//! however long it has been inactive.
//!
//! The engine reports a group when it changes, and drops a group that has been inactive for long. A
//! run over a file reports all groups at its end, so this record keeps the last report of every
//! group. Its memory is that of the reports: groups as they are written to `clusters.jsonl`, and at
//! most [`NEAR_MISSES`] near misses.

use std::collections::{BTreeMap, HashMap};

use coordination::Millis;
use jiff::Timestamp;
use messages::cluster::{ClusterAccount, ClusterMessage, Status, Why};

use super::rank::short_of_threshold;

/// Near misses that are kept: those nearest to their threshold.
const NEAR_MISSES: usize = 1_000;

/// The reports of a run.
#[derive(Default)]
pub(super) struct Record {
    groups: BTreeMap<String, Reported>,
    near: BTreeMap<String, Reported>,
    near_dropped: u64,
}

/// The last report of a group.
struct Reported {
    message: ClusterMessage,
    first: Millis,
    /// When the group last changed.
    last: Millis,
}

/// The values that are needed to close the record.
pub(super) struct End<'a> {
    /// Time of the last post.
    pub(super) at: Millis,
    /// A group that has been inactive for this long is no longer active.
    pub(super) retention: Millis,
    /// From this share of the smaller group's accounts on, two groups are one campaign.
    pub(super) same: f64,
    /// When an account last posted, if known.
    pub(super) last_post: &'a dyn Fn(&ClusterAccount) -> Option<Millis>,
}

impl Record {
    /// Records a report at a time. The groups `absorbed` have become part of the reported group.
    pub(super) fn tell(&mut self, at: Millis, message: ClusterMessage, absorbed: &[String]) {
        for other in absorbed {
            self.groups.remove(other);
        }
        let near = message.status == Status::NearMiss;
        let table = if near { &mut self.near } else { &mut self.groups };
        match table.get_mut(&message.cluster_id) {
            Some(known) => {
                if news(&known.message, &message) {
                    known.last = at;
                }
                known.message = message;
            }
            None => {
                table.insert(message.cluster_id.clone(), Reported { message, first: at, last: at });
            }
        }
        if self.near.len() > NEAR_MISSES {
            let farthest = self
                .near
                .iter()
                .max_by(|(x, a), (y, b)| {
                    short_of_threshold(&a.message).total_cmp(&short_of_threshold(&b.message)).then(x.cmp(y))
                })
                .map(|(id, _)| id.clone());
            self.near_dropped += u64::from(farthest.is_some_and(|id| self.near.remove(&id).is_some()));
        }
    }

    /// Near misses that did not fit.
    pub(super) fn near_misses_dropped(&self) -> u64 {
        self.near_dropped
    }

    /// Every group, in no order, with the times of its reports and whether it is active.
    ///
    /// A group of one text, half of whose accounts are in a coordinated group, is part of that
    /// group and is listed in its `lineage`. A near miss that shares half of the smaller group's
    /// accounts with a group that passed, or with a nearer miss, is dropped: it passed later, or is
    /// reported already.
    pub(super) fn close(self, end: &End<'_>) -> Vec<ClusterMessage> {
        let (texts, mut groups): (Vec<Reported>, Vec<Reported>) =
            self.groups.into_values().partition(|one| one.message.why == Some(Why::OneText));
        let mut coordinated = Places::default();
        for (place, one) in groups.iter().enumerate() {
            if matches!(one.message.status, Status::Flagged | Status::Coordinated) {
                coordinated.add(place, &one.message.accounts);
            }
        }
        for text in texts {
            let shared = coordinated.shared(&text.message.accounts);
            let named = text.message.accounts.iter().filter(|account| coordinated.has(account)).count();
            let owner = shared.into_iter().max_by_key(|(place, both)| (*both, std::cmp::Reverse(*place)));
            match owner.filter(|_| 2 * named >= text.message.accounts.len()) {
                Some((place, _)) => groups[place].message.lineage.push(text.message.cluster_id),
                None => groups.push(text),
            }
        }
        let mut passed = Places::default();
        groups.iter().enumerate().for_each(|(place, one)| passed.add(place, &one.message.accounts));
        let mut near: Vec<Reported> = self.near.into_values().collect();
        near.sort_by(|x, y| {
            let short = short_of_threshold(&x.message).total_cmp(&short_of_threshold(&y.message));
            short.then_with(|| x.message.cluster_id.cmp(&y.message.cluster_id))
        });
        let passed_groups = groups.len();
        for one in near {
            let accounts = &one.message.accounts;
            if passed.knows(accounts, end.same) {
                continue;
            }
            passed.add(groups.len(), accounts);
            groups.push(one);
        }
        tracing::debug!(groups = passed_groups, near_misses = groups.len() - passed_groups, "record closed");
        groups.into_iter().map(|one| one.close(end)).collect()
    }
}

impl Reported {
    fn close(self, end: &End<'_>) -> ClusterMessage {
        let mut message = self.message;
        let posts = message.accounts.iter().filter_map(|account| (end.last_post)(account));
        let last = posts.chain([message.last_seen.as_millisecond()]).max().unwrap_or(self.last);
        message.first_reported = Timestamp::from_millisecond(self.first).ok();
        message.last_reported = Timestamp::from_millisecond(self.last).ok();
        message.active = Some(end.at.saturating_sub(last) <= end.retention);
        message
    }
}

/// Whether a report differs from the one before in more than the fact that it came again.
fn news(before: &ClusterMessage, now: &ClusterMessage) -> bool {
    let accounts = |message: &ClusterMessage| -> Vec<(String, String)> {
        message.accounts.iter().map(|account| (account.platform.clone(), account.account_id.clone())).collect()
    };
    (before.status, before.why, before.last_seen, before.lineage.len())
        != (now.status, now.why, now.last_seen, now.lineage.len())
        || before.log_e != now.log_e
        || accounts(before) != accounts(now)
}

/// The groups of each account.
#[derive(Default)]
struct Places {
    of: HashMap<(String, String), Vec<usize>>,
    sizes: HashMap<usize, usize>,
}

impl Places {
    fn key(account: &ClusterAccount) -> (String, String) {
        (account.platform.clone(), account.account_id.clone())
    }

    fn add(&mut self, place: usize, accounts: &[ClusterAccount]) {
        self.sizes.insert(place, accounts.len());
        accounts.iter().for_each(|account| self.of.entry(Self::key(account)).or_default().push(place));
    }

    fn has(&self, account: &ClusterAccount) -> bool {
        self.of.contains_key(&Self::key(account))
    }

    /// Groups that share accounts with these, each with the number of shared accounts.
    fn shared(&self, accounts: &[ClusterAccount]) -> BTreeMap<usize, usize> {
        let mut both = BTreeMap::new();
        for place in accounts.iter().filter_map(|account| self.of.get(&Self::key(account))).flatten() {
            *both.entry(*place).or_insert(0) += 1;
        }
        both
    }

    /// Whether some group shares at least `share` of the smaller one's accounts with these.
    fn knows(&self, accounts: &[ClusterAccount], share: f64) -> bool {
        self.shared(accounts).into_iter().any(|(place, both)| {
            let smaller = self.sizes.get(&place).copied().unwrap_or_default().min(accounts.len());
            both as f64 >= share * smaller as f64
        })
    }
}

#[cfg(test)]
mod tests {
    use coordination::{Cluster, Finding};
    use messages::fixtures::{self, Shape};

    use super::*;
    use crate::detect::tests::message;

    const DAY: Millis = 86_400_000;

    fn called(id: &str, cluster: Cluster) -> ClusterMessage {
        message(&Cluster { id: id.to_owned(), lineage: Vec::new(), ..cluster })
    }

    fn shaped(seed: u64) -> Shape {
        Shape { seed, ..Shape::default() }
    }

    /// `id status active first last lineage`; times are in days.
    fn closed(record: Record, last_day: i64) -> Vec<String> {
        let day = |time: Option<Timestamp>| time.unwrap().as_millisecond() / DAY;
        let start = fixtures::coordinated(Shape::default(), true).last_seen;
        let end = End { at: start + last_day * DAY, retention: 60 * DAY, same: 0.5, last_post: &|_| None };
        let mut all: Vec<String> = record
            .close(&end)
            .into_iter()
            .map(|one| {
                let active = if one.active.unwrap() { "active" } else { "silent" };
                let (first, last) = (day(one.first_reported), day(one.last_reported));
                format!("{} {} {active} {first}-{last} {}", one.cluster_id, one.status.name(), one.lineage.join("+"))
            })
            .collect();
        all.sort();
        all
    }

    #[test]
    fn silence_changes_no_status_and_only_news_moves_the_last_report() {
        let mut record = Record::default();
        let flagged = called("a", fixtures::coordinated(shaped(1), true));
        record.tell(3 * DAY, flagged.clone(), &[]);
        record.tell(4 * DAY, ClusterMessage { log_e: flagged.log_e + 1.0, version: 2, ..flagged.clone() }, &[]);
        record.tell(90 * DAY, ClusterMessage { log_e: flagged.log_e + 1.0, version: 3, ..flagged }, &[]);
        assert_eq!(closed(record, 90), ["a flagged silent 3-4 "]);
    }

    #[test]
    fn a_group_that_became_part_of_another_is_no_line_and_one_that_faded_is() {
        let mut record = Record::default();
        record.tell(DAY, called("a", fixtures::coordinated(shaped(1), true)), &[]);
        record.tell(DAY, called("b", fixtures::coordinated(shaped(2), false)), &[]);
        let mut whole = called("a", fixtures::coordinated(shaped(1), true));
        whole.lineage = vec!["b".to_owned()];
        record.tell(2 * DAY, whole, &["b".to_owned()]);
        let faded = Cluster { finding: Finding::Faded, ..fixtures::coordinated(shaped(3), false) };
        record.tell(2 * DAY, called("c", fixtures::coordinated(shaped(3), false)), &[]);
        record.tell(5 * DAY, called("c", faded), &[]);
        assert_eq!(closed(record, 0), ["a flagged active 1-2 b", "c faded active 2-5 "]);
    }

    #[test]
    fn a_text_that_a_coordinated_group_wrote_stands_in_its_lineage() {
        let group = called("a", fixtures::coordinated(shaped(1), true));
        let mut own = called("t", fixtures::one_text(40));
        own.accounts.truncate(3);
        for (account, of) in own.accounts.iter_mut().zip(&group.accounts) {
            (account.platform, account.account_id) = (of.platform.clone(), of.account_id.clone());
        }
        let mut record = Record::default();
        record.tell(DAY, group, &[]);
        record.tell(DAY, own, &[]);
        record.tell(DAY, called("u", fixtures::one_text(40)), &[]);
        assert_eq!(closed(record, 0), ["a flagged active 1-1 t", "u single_source active 1-1 "]);
    }

    #[test]
    fn near_misses_that_came_to_pass_or_are_told_already_are_left_out() {
        let near = |id: &str, seed: u64, short: f64| {
            let mut cluster = fixtures::near_miss(shaped(seed));
            cluster.log_e_leave_one_source_out = cluster.terms.bar - short;
            let mut message = called(id, cluster);
            // The accounts of the fixtures all have ids of one pattern.
            message.accounts.iter_mut().for_each(|account| account.account_id.insert(0, 'n'));
            message
        };
        let mut record = Record::default();
        record.tell(DAY, near("n1", 7, 3.0), &[]);
        record.tell(2 * DAY, near("n2", 7, 1.0), &[]);
        let mut passed = called("a", fixtures::coordinated(shaped(1), true));
        let mut came = near("n3", 9, 0.5);
        for (account, of) in came.accounts.iter_mut().zip(&mut passed.accounts) {
            (account.platform, account.account_id) = (of.platform.clone(), of.account_id.clone());
        }
        record.tell(DAY, came, &[]);
        record.tell(2 * DAY, passed, &[]);
        assert_eq!(closed(record, 0), ["a flagged active 2-2 ", "n2 near_miss active 2-2 "]);
    }

    #[test]
    fn near_misses_are_bounded_and_the_farthest_go() {
        let one = called("n", fixtures::near_miss(shaped(7)));
        let mut record = Record::default();
        for n in 0..NEAR_MISSES + 5 {
            let log_e_leave_one_source_out = one.log_e_leave_one_source_out + n as f64 * 1e-6;
            record.tell(
                DAY,
                ClusterMessage { cluster_id: format!("n{n}"), log_e_leave_one_source_out, ..one.clone() },
                &[],
            );
        }
        assert_eq!((record.near.len(), record.near_misses_dropped()), (NEAR_MISSES, 5));
        assert!(!record.near.contains_key("n0") && record.near.contains_key("n1004"));
    }
}
