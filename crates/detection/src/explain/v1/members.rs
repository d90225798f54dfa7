//! The accounts of a cluster: did each take part where at least two others did?

use messages::cluster::{
    Status,
    v1::{ClusterAccount, ClusterMessage, Evidence, KeyTrial, Terms, TrialSum, Trials},
};
use serde::Serialize;

use super::{
    super::{
        arithmetic::{Figure, TOLERANCE, log_mean_exp, same},
        text::shown,
    },
    parts::{NO_ROOM, counts, name, total},
};

/// Probabilities of "this member takes part" if members act together.
pub(super) const PART: [f64; 3] = [0.2, 0.5, 0.8];

const NOT_ALL_LISTED: &str = "depends on keys that an older version of Lockstep did not list, because they did not fit";
const ELSEWHERE: &str =
    "from another candidate, whose trials are not in this line: an older version of Lockstep wrote it";

/// An account of the cluster.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Member {
    /// `platform:account_id`.
    pub account: String,
    /// Handle or display name.
    pub account_name: String,
    /// Its evidence: ln of the mean of the three likelihood ratios.
    pub log_e: Figure,
    /// Whether `log_e` comes from another candidate's tests and not from those in the evidence or,
    /// in a faded cluster, from none.
    pub elsewhere: bool,
    /// How many accounts that other candidate names, and out of how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub named_of: Option<(usize, usize)>,
    /// The ln e-value from which the candidate of `log_e` names accounts, nats; `None` if not
    /// known.
    pub bar: Option<f64>,
    /// The result of its trials by the cluster's own candidate; `None` if it was not in the group,
    /// or if not known.
    pub here: Option<f64>,
    /// ln of the likelihood ratios for pi = 0.2, 0.5 and 0.8: the sums over `trials` and `summed`.
    pub log_lr: [f64; 3],
    /// Keys on which two others acted.
    pub trials: Vec<Trial>,
    /// Further trials, of which the line has only the sum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summed: Option<Summed>,
}

/// Did a member take part on a key on which two others did?
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trial {
    /// The key's number; `None` if only accounts that are not named acted on it together with this
    /// account.
    pub key: Option<usize>,
    /// Kind and key, for `key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether it took part.
    pub took_part: bool,
    /// Its expected share of acts, by habit.
    pub share: f64,
    /// Acts among which its own could have been, plus two.
    pub acts: u32,
    /// Probability that it would be among them by habit.
    pub p: f64,
    /// Contribution to ln LR for pi = 0.2, 0.5 and 0.8.
    pub log_lr: [f64; 3],
}

/// Trials of which the line has only the sum.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Summed {
    /// How many.
    pub trials: u32,
    /// Contribution to ln LR for pi = 0.2, 0.5 and 0.8.
    pub log_lr: [f64; 3],
}

/// The accounts, and the ln e-value from which the cluster's own candidate names them.
pub(super) fn members(
    message: &ClusterMessage,
    terms: Terms,
    contradictions: &mut Vec<String>,
) -> (Vec<Member>, Option<f64>) {
    let known = Listed::of(message);
    let mut own = Vec::with_capacity(message.accounts.len());
    for (place, account) in message.accounts.iter().enumerate() {
        own.push(Own::of(place, account, message, terms));
        let what = || format!("account {}", shown(&name(message, place).unwrap_or_default()));
        if account.rest.is_some() && known == Listed::All {
            contradictions.push(format!("{}: has a rest, but every key that it could belong to is listed", what()));
        }
        let elsewhere = account.trials.iter().flat_map(|trials| flaws(trials, account, message));
        let rests = account.rest.iter().chain(account.trials.iter().flat_map(|trials| &trials.rest));
        let empty = |rest: &&TrialSum| rest.trials == 0 && rest.log_lr.iter().any(|nats| !same(*nats, 0.0));
        let of_none = rests.filter(empty).map(|_| "rest: has no trials, but a sum".to_owned());
        contradictions.extend(elsewhere.chain(of_none).map(|flaw| format!("{}: {flaw}", what())));
    }
    let bar = bar(&own, &message.accounts, known, terms);
    let mut members = Vec::with_capacity(own.len());
    for (place, (own, account)) in own.into_iter().zip(&message.accounts).enumerate() {
        let member = member(own, account, name(message, place).unwrap_or_default(), (message, known, terms), bar);
        let what = format!("account {}", shown(&member.account));
        contradictions.extend(member.log_e.contradiction(&what));
        let claimed = member.log_e.why_not.is_none() && !(member.elsewhere && account.trials.is_none());
        let complete = known == Listed::All || account.rest.is_some() || member.elsewhere;
        if claimed && complete && member.bar.is_none_or(|bar| member.log_e.recorded < bar - TOLERANCE) {
            contradictions.push(format!("{what}: is named, but does not pass e-BH"));
        }
        members.push(member);
    }
    (members, bar)
}

/// How complete the arithmetic of the accounts' trials by the cluster's own candidate is in the
/// message.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Listed {
    All,
    /// Some keys are not listed.
    NotAll,
    /// Keys are listed without their arithmetic.
    Bare,
}

impl Listed {
    fn of(message: &ClusterMessage) -> Listed {
        if message.evidence.iter().any(|evidence| counts(evidence) && evidence.test.is_none()) {
            Listed::Bare
        } else if message.unlisted.followed > 0 {
            Listed::NotAll
        } else {
            Listed::All
        }
    }
}

/// How a probability of taking part was computed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Pi {
    AtLeastP,
    /// One of the three, whatever p is: older versions of Lockstep computed it so.
    Plain,
}

impl Pi {
    fn of(message: &ClusterMessage) -> Pi {
        if message.intercept.is_some() { Pi::AtLeastP } else { Pi::Plain }
    }
}

/// An account's trials by the cluster's own candidate.
struct Own {
    trials: Vec<Trial>,
    log_lr: [f64; 3],
    /// Whether it was in the group as it was proposed.
    in_group: bool,
}

impl Own {
    fn of(member: usize, account: &ClusterAccount, message: &ClusterMessage, terms: Terms) -> Own {
        let (mut trials, mut in_group) = (Vec::new(), account.rest.is_some());
        for (place, test) in message.evidence.iter().enumerate().filter_map(|(n, e)| Some((n, e.test.as_ref()?))) {
            let Some(share) = test.shares.get(member).copied().flatten() else { continue };
            in_group = true;
            let took_part = test.steps.iter().any(|step| step.member == Some(member));
            if test.steps.len() < 2 + usize::from(took_part) {
                continue;
            }
            let followed =
                test.steps.iter().skip(1).fold(0u32, |n, step| n.saturating_add(step.others).saturating_add(1));
            let acts = followed.saturating_add(test.others_after).saturating_add(2);
            trials.push(Trial::new(Some(place + 1), None, (took_part, share, acts), Pi::of(message), terms));
        }
        let rest = account.rest.map(|rest| rest.log_lr);
        let log_lr = total(trials.iter().map(|trial| trial.log_lr).chain(rest));
        Own { trials, log_lr, in_group }
    }
}

impl Trial {
    fn new(key: Option<usize>, name: Option<String>, trial: (bool, f32, u32), pi: Pi, terms: Terms) -> Trial {
        let (took_part, share, acts) = (trial.0, f64::from(trial.1), trial.2);
        let p = (-(-terms.safety * share * f64::from(acts)).exp_m1()).clamp(1e-9, 0.99);
        let part = if pi == Pi::AtLeastP { PART.map(|pi| pi.max(p)) } else { PART };
        let log_lr = part.map(|pi| if took_part { (pi / p).ln() } else { ((1.0 - pi) / (1.0 - p)).ln() });
        Trial { key, name, took_part, share, acts, p, log_lr }
    }

    fn elsewhere(trial: &KeyTrial, terms: Terms) -> Trial {
        let name = trial.key.as_ref().map(|key| format!("{} {}", key.kind, key.key));
        let number = trial.evidence.map(|place| place.saturating_add(1));
        Trial::new(number, name, (trial.took_part, trial.share, trial.acts), Pi::AtLeastP, terms)
    }
}

/// e-BH (Wang and Ramdas 2022): the threshold comes from the greatest k such that the k strongest
/// accounts reach ln(proposed / (alpha k)).
fn bar(own: &[Own], accounts: &[ClusterAccount], known: Listed, terms: Terms) -> Option<f64> {
    if own.iter().zip(accounts).any(|(own, account)| own.in_group && known != Listed::All && account.rest.is_none()) {
        return None;
    }
    let mut strongest: Vec<f64> = own.iter().filter(|own| own.in_group).map(|own| log_mean_exp(own.log_lr)).collect();
    strongest.sort_by(|x, y| y.total_cmp(x));
    let needed = |k: usize| (terms.proposed as f64 / (terms.alpha * k as f64)).ln();
    let named = (1..=strongest.len()).rev().find(|&k| strongest[k - 1] >= needed(k) - TOLERANCE);
    named.map(needed)
}

fn member(
    own: Own,
    account: &ClusterAccount,
    name: String,
    (message, known, terms): (&ClusterMessage, Listed, Terms),
    bar: Option<f64>,
) -> Member {
    let complete = known == Listed::All || account.rest.is_some();
    let here = own.in_group.then(|| log_mean_exp(own.log_lr));
    let mut member = Member {
        account: name,
        account_name: account.account_name.clone(),
        log_e: Figure::new(account.log_e, here.unwrap_or(0.0)),
        elsewhere: account.elsewhere,
        named_of: None,
        bar,
        here: here.filter(|_| complete),
        log_lr: own.log_lr,
        trials: own.trials,
        summed: account.rest.as_ref().map(Summed::from),
    };
    match &account.trials {
        Some(Trials { proposed, named, keys, rest }) if account.elsewhere => {
            member.trials = keys.iter().map(|key| Trial::elsewhere(key, terms)).collect();
            member.summed = rest.as_ref().map(Summed::from);
            member.log_lr = total(member.trials.iter().map(|t| t.log_lr).chain(rest.map(|rest| rest.log_lr)));
            member.log_e = Figure::new(account.log_e, log_mean_exp(member.log_lr));
            member.named_of = Some((*named, *proposed));
            member.bar = Some((*proposed as f64 / (terms.alpha * *named as f64)).ln()).filter(|bar| bar.is_finite());
        }
        // Nothing is claimed about it: ln of an e-value of one.
        None if account.elsewhere && message.status == Status::Faded && account.log_e == 0.0 => {
            member.log_e = Figure::new(0.0, 0.0);
            member.bar = None;
        }
        _ if account.elsewhere => member.log_e = Figure::unknown(account.log_e, ELSEWHERE),
        _ if !complete && known == Listed::Bare => member.log_e = Figure::unknown(account.log_e, NO_ROOM),
        _ if !complete => member.log_e = Figure::unknown(account.log_e, NOT_ALL_LISTED),
        _ => {}
    }
    member
}

/// Contradictions in an account's trials by another candidate, whatever their sum is.
fn flaws(trials: &Trials, account: &ClusterAccount, message: &ClusterMessage) -> Vec<String> {
    let mut flaws = Vec::new();
    if !account.elsewhere {
        flaws.push("has trials by another candidate, but is not from elsewhere".to_owned());
    }
    let Trials { proposed, named, .. } = *trials;
    if named == 0 || named > proposed || named > message.accounts.len() {
        flaws.push(format!(
            "trials: {named} of {proposed} are named, in a cluster of {} accounts",
            message.accounts.len()
        ));
    }
    let acted = |evidence: &Evidence| {
        evidence.posts.iter().any(|p| p.account_id == account.account_id && p.platform == account.platform)
    };
    for (place, trial) in trials.keys.iter().enumerate() {
        let wrong = match (trial.evidence, &trial.key) {
            (Some(key), None) => match message.evidence.get(key) {
                None => Some(format!("there is no key {}", key.saturating_add(1))),
                Some(evidence) if trial.took_part && !acted(evidence) => {
                    Some(format!("no post of it is on key {}", key + 1))
                }
                Some(_) => None,
            },
            (None, Some(_)) => None,
            _ => Some("is on no key, or on two".to_owned()),
        };
        // Two others, and those who followed the account that opened the test: at least one, or two
        // if this account took part.
        let least = 3 + u32::from(trial.took_part);
        let few = (trial.acts < least).then(|| format!("{} acts are fewer than {least}", trial.acts));
        let beyond = !(0.0..=1.0).contains(&trial.share);
        let beyond = beyond.then(|| format!("a share of {} is not in 0 to 1", trial.share));
        flaws.extend([wrong, few, beyond].into_iter().flatten().map(|flaw| format!("trial {}: {flaw}", place + 1)));
    }
    flaws
}

impl From<&TrialSum> for Summed {
    fn from(sum: &TrialSum) -> Summed {
        Summed { trials: sum.trials, log_lr: sum.log_lr }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn staying_away_speaks_for_nobody_but_in_lines_of_older_versions() {
        let terms = Terms { alpha: 0.05, safety: 2.0, proposed: 3 };
        let away = |pi| Trial::new(Some(1), None, (false, 0.1, 20), pi, terms).log_lr;
        assert!(away(Pi::AtLeastP).iter().all(|nats| *nats == 0.0));
        assert!(away(Pi::Plain).iter().all(|nats| *nats > 2.0));
    }
}
