//! A frozen group of accounts, and the evidence for and against it.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    cluster::{TraceKind, TrialSum},
    error_control::e_bh,
    history::{AccountId, SourceId},
    params::Params,
    post::Millis,
    stage::{KeyId, KeyName, Outcome, Report},
    test::log_mean_exp,
};

/// Tests that the first guess at how often members follow one another is worth.
const PRIOR_TESTS: f64 = 10.0;

/// The outcome of a test on a key where at least two members acted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct KeyEvidence {
    pub name: Arc<KeyName>,
    pub nats: f64,
    /// Weight of the alternative, fixed before the test began.
    pub epsilon: f64,
    pub outcome: Outcome,
}

/// A proposed group of accounts and the evidence for and against it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Candidate {
    /// In order of their numbers.
    pub members: Arc<[AccountId]>,
    pub born: Millis,
    /// Length of the baseline at birth.
    pub history: Millis,
    /// When evidence last came in.
    pub touched: Millis,
    /// Tested no further.
    pub given_up: bool,
    /// Proposed by several bursts together.
    pub wide: bool,
    /// Weight of the alternative in tests that begin from now on.
    epsilon: f64,
    /// Tests so far, and those on which a second member acted.
    tests: u32,
    followed: u32,
    open: BTreeMap<KeyId, KeyEvidence>,
    /// Closed tests, by source.
    closed: BTreeMap<SourceId, Closed>,
    closed_log_e: f64,
    closed_kinds: [f64; TraceKind::ALL.len()],
    member_log_lr: Vec<[f64; 3]>,
    evidence: Vec<KeyEvidence>,
    /// By member, its trials on keys beyond the bound on evidence; empty while there are none. They are in `member_log_lr` too.
    beyond: Vec<TrialSum>,
    /// Closed tests on which nobody followed, and those beyond the bound on evidence.
    rest: Rest,
    /// Where it stood when last asked; none when evidence has come in since.
    standing: Option<Standing>,
}

/// Nats of keys that are not listed one by one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rest {
    pub keys: u64,
    pub nats: f64,
}

/// Closed tests on the keys of one source.
#[derive(Debug, Serialize, Deserialize)]
struct Closed {
    kind: TraceKind,
    source: Box<str>,
    nats: f64,
}

/// Nats by source.
pub(crate) type BySource = BTreeMap<(TraceKind, Box<str>), f64>;

/// A candidate's evidence at one moment, open tests included, nats.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Standing {
    pub log_e: f64,
    pub log_e_without_best: f64,
    /// Members that pass the member test with their ln e-values, in order of their numbers; empty where the candidate is far from
    /// passing.
    pub named: Vec<(AccountId, f64)>,
}

impl Candidate {
    pub(crate) fn new(members: Arc<[AccountId]>, born: Millis, history: Millis, params: &Params) -> Candidate {
        Candidate {
            member_log_lr: vec![[0.0; 3]; members.len()],
            members,
            born,
            history,
            touched: born,
            given_up: false,
            wide: false,
            epsilon: params.epsilon,
            tests: 0,
            followed: 0,
            open: BTreeMap::new(),
            closed: BTreeMap::new(),
            closed_log_e: 0.0,
            closed_kinds: Default::default(),
            evidence: Vec::new(),
            beyond: Vec::new(),
            rest: Rest::default(),
            standing: None,
        }
    }

    /// Takes in where a test stands.
    pub(crate) fn report(&mut self, now: Millis, report: Report, params: &Params) {
        self.standing = None;
        self.touched = self.touched.max(now);
        let known = self.open.remove(&report.key);
        let epsilon = known.as_ref().map_or(self.epsilon, |known| known.epsilon);
        let followed = report.outcome.acts.len() > 1;
        self.tests += u32::from(known.is_none());
        self.followed += u32::from(followed && known.is_none_or(|known| known.outcome.acts.len() < 2));
        // Until it closes, a test that nobody has followed counts with the worst that it can come to.
        let nats = if followed || report.closed { report.outcome.log_e(epsilon) } else { (1.0 - epsilon).ln() };
        let evidence = KeyEvidence { name: report.name, nats, epsilon, outcome: report.outcome };
        if report.closed {
            self.close(evidence, params);
        } else {
            self.open.insert(report.key, evidence);
        }
    }

    /// Settles the weight of the alternative in tests that begin from now on: the share of tests so far on which a second member
    /// acted. It is fixed before a test begins, so the e-values stay e-values; accounts that also post much by themselves lose less
    /// on what nobody follows, and those that always follow one another gain more.
    pub(crate) fn settle(&mut self, params: &Params) {
        let share = (f64::from(self.followed) + PRIOR_TESTS * params.epsilon) / (f64::from(self.tests) + PRIOR_TESTS);
        self.epsilon = share.clamp(params.epsilon / 50.0, 0.5);
    }

    /// No further test; open ones come to nothing.
    pub(crate) fn give_up(&mut self) {
        self.given_up = true;
        self.open.clear();
    }

    pub(crate) fn open(&self) -> usize {
        self.open.len()
    }

    fn close(&mut self, evidence: KeyEvidence, params: &Params) {
        let (name, nats) = (&evidence.name, evidence.nats);
        self.closed_log_e += nats;
        self.closed_kinds[name.kind as usize] += nats;
        let closed = self.closed.entry(name.source_id()).or_insert_with(|| Closed {
            kind: name.source_kind,
            source: name.source.clone(),
            nats: 0.0,
        });
        closed.nats += nats;
        evidence.outcome.member_trials(&mut self.member_log_lr, params.safety);
        if evidence.outcome.acts.len() < 2 {
            self.rest.keys += 1;
            self.rest.nats += nats;
            return;
        }
        self.evidence.push(evidence);
        if self.evidence.len() > params.max_evidence {
            let weakest = (0..self.evidence.len())
                .min_by(|&i, &j| self.evidence[i].nats.total_cmp(&self.evidence[j].nats))
                .unwrap_or_default();
            let dropped = self.evidence.swap_remove(weakest);
            self.rest.keys += 1;
            self.rest.nats += dropped.nats;
            self.beyond.resize_with(self.members.len(), TrialSum::default);
            for (member, trial) in dropped.outcome.trials() {
                self.beyond[member].add(trial.log_lr(params.safety));
            }
        }
    }

    /// A member's trials on keys that are not listed; `None` where all are.
    pub(crate) fn beyond(&self, member: AccountId) -> Option<TrialSum> {
        let place = self.members.binary_search(&member).ok()?;
        self.beyond.get(place).copied()
    }

    /// Evidence by source.
    pub(crate) fn by_source(&self) -> BySource {
        let mut by_source = BySource::new();
        for closed in self.closed.values() {
            *by_source.entry((closed.kind, closed.source.clone())).or_insert(0.0) += closed.nats;
        }
        for open in self.open.values() {
            *by_source.entry((open.name.source_kind, open.name.source.clone())).or_insert(0.0) += open.nats;
        }
        by_source
    }

    /// Evidence by trace kind, in the order of [`TraceKind::ALL`].
    pub(crate) fn by_kind(&self) -> [f64; TraceKind::ALL.len()] {
        let mut by_kind = self.closed_kinds;
        self.open.values().for_each(|open| by_kind[open.name.kind as usize] += open.nats);
        by_kind
    }

    /// Where it stands: all evidence, all but the best source's, and who passes the member test.
    pub(crate) fn standing(&mut self, params: &Params) -> &Standing {
        if self.standing.is_none() {
            self.standing = Some(self.reckon(params));
        }
        self.standing.get_or_insert_default()
    }

    fn reckon(&self, params: &Params) -> Standing {
        let mut opened: BTreeMap<SourceId, f64> = BTreeMap::new();
        let mut log_e = self.closed_log_e;
        for open in self.open.values() {
            log_e += open.nats;
            *opened.entry(open.name.source_id()).or_insert(0.0) += open.nats;
        }
        let mut best = 0.0f64;
        for (source, closed) in &self.closed {
            best = best.max(closed.nats + opened.remove(source).unwrap_or(0.0));
        }
        best = opened.into_values().fold(best, f64::max);
        let named = if log_e < 0.0 { Vec::new() } else { self.named(params) };
        Standing { log_e, log_e_without_best: log_e - best, named }
    }

    fn named(&self, params: &Params) -> Vec<(AccountId, f64)> {
        let log_e = self.member_log_e(params);
        let mut places = e_bh(&log_e, log_e.len() as u64, params.alpha);
        places.sort_unstable();
        places.into_iter().map(|place| (self.members[place], log_e[place])).collect()
    }

    /// ln e-value per member.
    pub(crate) fn member_log_e(&self, params: &Params) -> Vec<f64> {
        let mut log_lr = self.member_log_lr.clone();
        for open in self.open.values() {
            open.outcome.member_trials(&mut log_lr, params.safety);
        }
        log_lr.into_iter().map(log_mean_exp).collect()
    }

    /// Tests so far on which a second member acted.
    pub(crate) fn followed(&self) -> u64 {
        u64::from(self.followed)
    }

    /// The evidence key by key, most nats first, and the sum of the rest.
    pub(crate) fn evidence(&self) -> (Vec<&KeyEvidence>, Rest) {
        let mut rest = self.rest;
        let mut evidence: Vec<&KeyEvidence> = self.evidence.iter().collect();
        for open in self.open.values() {
            if open.outcome.acts.len() < 2 {
                rest.keys += 1;
                rest.nats += open.nats;
            } else {
                evidence.push(open);
            }
        }
        evidence.sort_by(|x, y| y.nats.total_cmp(&x.nats).then_with(|| x.name.cmp(&y.name)));
        (evidence, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::outcome;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-9, "{a} is not {b}");
    }

    fn candidate() -> Candidate {
        Candidate::new(vec![10, 11, 12, 13, 14].into(), 0, 0, &Params::default())
    }

    fn report(source: &str, key: u64, acts: &str, closed: bool) -> Report {
        let name = KeyName {
            kind: TraceKind::Url,
            source: source.into(),
            source_kind: TraceKind::Url,
            key: key.to_string().into(),
        };
        Report { candidate: 0, key, name: name.into(), closed, outcome: outcome(acts) }
    }

    #[test]
    fn the_best_source_is_left_out() {
        let params = Params::default();
        let mut candidate = candidate();
        for (key, source) in (0..).zip(["x.example", "x.example", "y.example"]) {
            candidate.report(0, report(source, key, "abcd", true), &params);
        }
        candidate.report(0, report("z.example", 3, "a..", true), &params);
        let one = outcome("abcd").log_e(0.05);
        let none = outcome("a..").log_e(0.05);
        let standing = candidate.standing(&params);
        let log_e = standing.log_e;
        close(log_e, 3.0 * one + none);
        close(standing.log_e_without_best, one + none);
        let (evidence, rest) = candidate.evidence();
        assert_eq!((evidence.len(), rest.keys), (3, 1));
        close(evidence.iter().map(|e| e.nats).sum::<f64>() + rest.nats, log_e);
    }

    #[test]
    fn an_open_test_counts_as_it_stands_and_a_silent_one_at_its_worst() {
        let params = Params::default();
        let mut candidate = candidate();
        candidate.report(0, report("x.example", 0, "a", false), &params);
        close(candidate.standing(&params).log_e, 0.95f64.ln());
        candidate.report(0, report("x.example", 0, "ab", false), &params);
        close(candidate.standing(&params).log_e, outcome("ab").log_e(0.05));
        candidate.report(0, report("x.example", 0, "ab.c", true), &params);
        close(candidate.standing(&params).log_e, outcome("ab.c").log_e(0.05));
        assert_eq!(candidate.open(), 0);
    }

    #[test]
    fn only_members_who_take_part_pass() {
        let params = Params::default();
        let mut candidate = candidate();
        for key in 0..6 {
            candidate.report(0, report("x.example", key, "abcd", true), &params);
        }
        let log_e = candidate.member_log_e(&params);
        let bar = 100f64.ln();
        assert!(log_e[..4].iter().all(|e| *e > bar) && log_e[4] < 0.0, "{log_e:?}");
        let named: Vec<AccountId> = candidate.standing(&params).named.iter().map(|m| m.0).collect();
        assert_eq!(named, [10, 11, 12, 13]);
    }

    #[test]
    fn what_is_not_listed_is_summed_for_every_member() {
        let params = Params { max_evidence: 3, ..Params::default() };
        let mut candidate = candidate();
        let keys = ["abc", "ab", "a.b.c", "abcd", "a..", "eab", "a.....b..c", "abcde"];
        for (key, acts) in (0..).zip(keys) {
            candidate.report(0, report("x.example", key, acts, key != 5), &params);
        }
        let (listed, rest) = candidate.evidence();
        assert_eq!((listed.len(), rest.keys, candidate.open()), (4, 4, 1), "three closed ones and the open one");
        let followed = keys.len() - 1;
        for (place, (member, log_e)) in candidate.members.iter().zip(candidate.member_log_e(&params)).enumerate() {
            let trials = listed.iter().flat_map(|e| e.outcome.trials()).filter(|(at, _)| *at == place);
            let mut sum = candidate.beyond(*member).unwrap();
            assert!(sum.trials > 0);
            trials.for_each(|(_, trial)| sum.add(trial.log_lr(params.safety)));
            close(log_mean_exp(sum.log_lr), log_e);
            // A key asks nothing of the two on whom it rests.
            let on_two = usize::from(place > 1);
            assert_eq!(sum.trials as usize, followed - 1 + on_two, "member {place}");
        }
        assert_eq!(candidate.beyond(99), None);
        let mut whole = self::candidate();
        whole.report(0, report("x.example", 0, "abc", true), &params);
        assert_eq!(whole.beyond(10), None, "nothing was left out");
    }

    #[test]
    fn the_weight_of_the_alternative_follows_what_happened_before() {
        let params = Params::default();
        let mut candidate = candidate();
        for key in 0..30 {
            candidate.report(0, report("x.example", key, "abc", true), &params);
        }
        close(candidate.standing(&params).log_e, 30.0 * outcome("abc").log_e(0.05));
        candidate.settle(&params);
        candidate.report(0, report("x.example", 40, "abc", false), &params);
        close(candidate.open[&40].epsilon, 0.5);
        for key in 50..400 {
            candidate.report(0, report("x.example", key, "a.", true), &params);
        }
        candidate.settle(&params);
        candidate.report(0, report("x.example", 40, "abcd", true), &params);
        close(candidate.evidence.last().map_or(0.0, |e| e.epsilon), 0.5);
        candidate.report(0, report("x.example", 500, "abc", true), &params);
        close(candidate.evidence.last().map_or(0.0, |e| e.epsilon), (31.0 + 0.5) / (381.0 + 10.0));
    }
}
