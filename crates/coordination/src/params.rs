//! The parameters: one table from which the parameters, their defaults and their checks come.

use std::{collections::BTreeMap, fmt};

use crate::{
    post::{DAY, HOUR, MINUTE, Millis},
    trace::TraceKind,
};

/// The description and the bounds of a number of [`Params`]. [`PARAMETERS`] has all of them.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Its key in a configuration, where the value is in its unit: `retention_days`.
    pub key: &'static str,
    /// The unit.
    pub unit: Unit,
    /// Values outside are refused: with them the engine finds nothing, or treats everything as a
    /// group.
    pub bounds: Bounds,
    /// Values outside of these, and inside the bounds, are accepted with a warning.
    pub usual: Bounds,
    /// The disadvantage of values outside the usual range: the rest of a sentence after "detection
    /// still works, but ".
    pub beyond: &'static str,
    /// Its effect, in a sentence or two.
    pub meaning: &'static str,
    value: fn(&Params) -> f64,
}

impl Parameter {
    /// Its value in its unit.
    pub fn value(&self, params: &Params) -> f64 {
        (self.value)(params) / self.unit.scale()
    }
}

/// The least and the greatest allowed number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// The least.
    pub least: f64,
    /// The greatest.
    pub most: f64,
}

impl Bounds {
    /// Whether a number is within the bounds; NaN is not.
    pub fn hold(&self, number: f64) -> bool {
        (self.least..=self.most).contains(&number)
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [least, most] = [self.least, self.most].map(|number| match number.abs() {
            0.0..1e-4 if number != 0.0 => format!("{number:e}"),
            _ => number.to_string(),
        });
        write!(f, "{least} to {most}")
    }
}

/// The unit of a parameter, as people set it. The engine has all times in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Whole seconds.
    Seconds,
    /// Whole minutes.
    Minutes,
    /// Days and fractions of days.
    Days,
    /// Whole accounts.
    Accounts,
    /// Whole entries of a table.
    Entries,
    /// A probability, or a rate of errors.
    Probability,
    /// A part of a whole.
    Share,
    /// A factor of a rate.
    Factor,
    /// Nats: the natural logarithm of a ratio of probabilities.
    Nats,
}

impl Unit {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Unit::Seconds => "seconds",
            Unit::Minutes => "minutes",
            Unit::Days => "days",
            Unit::Accounts => "accounts",
            Unit::Entries => "entries",
            Unit::Probability => "probability",
            Unit::Share => "share",
            Unit::Factor => "factor",
            Unit::Nats => "nats",
        }
    }

    /// Whether only whole numbers are allowed.
    pub fn is_whole(self) -> bool {
        matches!(self, Unit::Seconds | Unit::Minutes | Unit::Accounts | Unit::Entries)
    }

    /// The size of the unit in the engine.
    fn scale(self) -> f64 {
        match self {
            Unit::Seconds => 1_000.0,
            Unit::Minutes => MINUTE as f64,
            Unit::Days => DAY as f64,
            _ => 1.0,
        }
    }
}

/// A number of any type that a parameter has.
trait Number: Copy {
    fn number(self) -> f64;
}

impl Number for f64 {
    fn number(self) -> f64 {
        self
    }
}

impl Number for Millis {
    fn number(self) -> f64 {
        self as f64
    }
}

impl Number for usize {
    fn number(self) -> f64 {
        self as f64
    }
}

/// Makes a struct, its defaults and its part of the table from one list. A number that people can
/// set has `=> { key, unit, bounds, usual values, what is lost outside of them }`; the comment
/// above it is its meaning.
macro_rules! parameters {
    (
        $(#[$about:meta])*
        pub struct $name:ident, $table:ident, $params:ident => $place:expr;
        $(
            $(#[doc = $meaning:literal])+
            $field:ident: $type:ty = $default:expr
            $( => { $key:literal, $unit:ident, $least:literal..=$most:literal,
                    $usual_least:literal..=$usual_most:literal, $beyond:literal } )?;
        )*
    ) => {
        $(#[$about])*
        pub struct $name {
            $( $(#[doc = $meaning])+ pub $field: $type, )*
        }

        impl Default for $name {
            fn default() -> $name {
                $name { $( $field: $default, )* }
            }
        }

        const $table: &[(&str, Option<Parameter>)] = &[
            $( (
                stringify!($field),
                parameter!(
                    concat!($($meaning),+), |$params| $place.$field
                    $( => { $key, $unit, $least..=$most, $usual_least..=$usual_most, $beyond } )?
                ),
            ), )*
        ];
    };
}

macro_rules! parameter {
    ($meaning:expr, |$params:ident| $value:expr) => {
        None
    };
    (
        $meaning:expr, |$params:ident| $value:expr
        => { $key:literal, $unit:ident, $least:literal..=$most:literal,
             $usual_least:literal..=$usual_most:literal, $beyond:literal }
    ) => {
        Some(Parameter {
            key: $key,
            unit: Unit::$unit,
            bounds: Bounds { least: $least as f64, most: $most as f64 },
            usual: Bounds { least: $usual_least as f64, most: $usual_most as f64 },
            beyond: $beyond,
            meaning: $meaning.trim_ascii_start(),
            value: |$params| Number::number($value),
        })
    };
}

parameters! {
    /// All parameters of the engine. The accuracy figures were measured with `Params::default()`.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Params, OF_PARAMS, params => params;

    /// Kinds of traces that count. Actions of other kinds are ignored.
    traces: Vec<TraceKind> = TraceKind::ALL.into_iter().filter(|kind| kind.counts_by_default()).collect();

    /// How far behind the newest post a post may come and still be put in order. Every post waits
    /// this long.
    allowed_lateness: Millis = 5 * MINUTE
        => { "allowed_lateness_s", Seconds, 0..=86_400, 0..=3_600, "groups are reported later by this time" };

    /// Posts further behind the newest post are too late to count. Ids are remembered this long, so
    /// that no post counts twice.
    horizon: Millis = 2 * HOUR
        => { "horizon_s", Seconds, 60..=2_592_000, 300..=604_800, "a short one loses posts that come late, and a long one takes memory for ids" };

    /// Event time between evaluations: groups are proposed, tested, named and reported then.
    tick: Millis = 15 * MINUTE
        => { "tick_min", Minutes, 1..=1_440, 1..=60, "groups are proposed and reported later by this time" };

    /// An account's use of a key counts once in this time.
    repeat: Millis = 7 * DAY
        => { "repeat_days", Days, 1..=365, 1..=30, "groups that use the same keys again and again collect evidence more slowly" };

    /// How long uses of keys are remembered, for ties and for naming.
    retention: Millis = 60 * DAY
        => { "retention_days", Days, 1..=3_650, 7..=400, "a short memory does not find groups that act seldom, and a long one takes space" };

    /// The newest users of a key with whom a further user is paired.
    ring: usize = 64
        => { "ring", Accounts, 4..=4_096, 16..=1_024, "a small one leaves pairs of large groups out, and a large one takes time" };

    /// A key of more accounts than this, over `retention`, ties nobody; more accounts than this
    /// outside a group, in six hours, give the outcome *nothing*.
    popular: usize = 400
        => { "popular", Accounts, 10..=1_000_000, 100..=10_000, "a low one hides large groups, and a high one ties what only a crowd has in common" };

    /// Two accounts are tied if chance (Poisson) explains their common keys with a smaller
    /// probability than this.
    tie_chance: f64 = 1e-5
        => { "tie_chance", Probability, 1e-12..=0.1, 1e-10..=1e-3, "a low one ties few pairs, and a high one ties accounts that have nothing to do with each other" };

    /// An account is a copier if at least this share of its own texts repeats another account's.
    copier_share: f64 = 0.2
        => { "copier_share", Share, 0.01..=1.0, 0.05..=0.6, "a high one misses copiers that also write texts of their own, and a low one takes ordinary accounts for copiers" };

    /// Fewest accounts of a candidate, and of a cluster.
    min_members: usize = 3;

    /// Most accounts of a candidate. Larger groups are counted and not tested.
    max_members: usize = 5_000
        => { "max_members", Accounts, 20..=1_000_000, 500..=100_000, "a low one does not test large groups, and a high one takes time" };

    /// A proposed group with this similarity (Jaccard) to a candidate is not new.
    same_candidate: f64 = 0.7
        => { "same_candidate", Share, 0.1..=1.0, 0.5..=0.9, "a low one hides groups that overlap with others, and a high one fills the table with near copies" };

    /// Candidates without a post for this long are dropped.
    candidate_retention: Millis = 14 * DAY
        => { "candidate_retention_days", Days, 1..=3_650, 3..=400, "a short one drops groups that pause" };

    /// Safety factor on the rate at which others repeat a group.
    safety: f64 = 2.0
        => { "safety", Factor, 1.0..=10.0, 1.0..=3.0, "groups that repeat themselves only a few times more often than others do are not found" };

    /// False discovery rate of groups.
    alpha: f64 = 0.05
        => { "alpha", Probability, 1e-12..=0.5, 0.001..=0.2, "a low one needs many more posts to find a group, and a high one reports groups that do not exist" };

    /// Local false discovery rate of the accounts that a group names.
    naming_rate: f64 = 0.03
        => { "naming_rate", Probability, 1e-4..=0.5, 0.001..=0.1, "a low one names few members, and a high one names bystanders" };

    /// Clusters whose named members overlap by this share of the smaller one are one campaign.
    same_campaign: f64 = 0.5;

    /// Posts kept as evidence of one candidate; the gains of others are summed.
    max_evidence: usize = 200;

    /// Least net surprise of a text that repeats another.
    text_nats: f64 = 22.0
        => { "text_nats", Nats, 2.0..=60.0, 15.0..=35.0, "a high one misses short texts that are copied, and a low one takes phrases of everyday speech for copies" };

    /// One text by this number of accounts is reported as such, separately and never flagged.
    one_text_accounts: usize = 30
        => { "one_text_accounts", Accounts, 3..=100_000, 10..=300, "a high one does not report floods of one text, and a low one reports every saying" };

    /// Bounds of the tables.
    limits: Limits = Limits::default();

    /// Canonical URL by short link, host and path without scheme; nothing is looked up on the
    /// network.
    short_links: BTreeMap<String, String> = BTreeMap::new();
}

parameters! {
    /// Most entries of each table; evicted entries are counted in [`Stats`](crate::Stats).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Limits, OF_LIMITS, params => params.limits;

    /// Most remembered uses of a key by an account; the oldest are evicted first.
    uses: usize = 20_000_000
        => { "max_uses", Entries, 100..=10_000_000_000i64, 100_000..=10_000_000_000i64, "of a stream with more uses than this in retention_days the older ones are forgotten" };

    /// Most pairs of accounts with a key in common; those with one key are evicted first, the
    /// oldest before the others.
    ties: usize = 4_000_000
        => { "max_ties", Entries, 100..=10_000_000_000i64, 10_000..=10_000_000_000i64, "pairs are forgotten before they have enough keys in common" };

    /// Most texts that can be found repeated; the oldest are evicted first.
    texts: usize = 1_000_000
        => { "max_texts", Entries, 10..=1_000_000_000, 10_000..=1_000_000_000, "copies of a text that come later are not recognised" };

    /// Most candidates. Of those that have not passed, those with the least evidence are evicted
    /// first. The same number of groups that have passed is kept in addition; of these, those that
    /// were inactive longest are evicted first.
    candidates: usize = 2_000
        => { "max_candidates", Entries, 10..=1_000_000, 100..=20_000, "few leave no room for groups that are still being tested, and many take time" };

    /// Most accounts. Of those in no candidate, those that were inactive longest are evicted first.
    accounts: usize = 5_000_000
        => { "max_accounts", Accounts, 10..=10_000_000_000i64, 10_000..=10_000_000_000i64, "habits of accounts are forgotten between two posts of theirs" };
}

/// All numbers that can be set, in the order of their fields.
pub const PARAMETERS: [Parameter; 22] = {
    let mut all = [OF_LIMITS[0].1.expect("a limit is a parameter"); 22];
    let (mut at, mut next) = (0, 0);
    while at < OF_PARAMS.len() + OF_LIMITS.len() {
        let (_, entry) = if at < OF_PARAMS.len() { OF_PARAMS[at] } else { OF_LIMITS[at - OF_PARAMS.len()] };
        if let Some(parameter) = entry {
            all[next] = parameter;
            next += 1;
        }
        at += 1;
    }
    assert!(next == all.len(), "the number of parameters has changed");
    all
};

/// A parameter with which the engine would find nothing, or treat everything as a group.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{parameter} {problem}")]
pub struct ParamsError {
    /// Its key in a configuration.
    pub parameter: &'static str,
    /// Its value, what is wrong with it, and what is allowed.
    pub problem: String,
}

impl Params {
    /// Checks each value against its bounds, and the values against each other.
    pub fn validate(&self) -> Result<(), ParamsError> {
        let wrong = |parameter, problem| Err(ParamsError { parameter, problem });
        for parameter in PARAMETERS {
            let value = parameter.value(self);
            if !parameter.bounds.hold(value) {
                let (bounds, unit) = (parameter.bounds, parameter.unit.name());
                return wrong(parameter.key, format!("is {value}: set {bounds} ({unit})"));
            }
        }
        if self.traces.is_empty() {
            return wrong("traces", "is empty, so nothing is seen: name a kind or more".to_owned());
        }
        // Not in the configuration: only users of the engine as a library can set them.
        if self.min_members < 3 {
            return wrong(
                "min_members",
                format!("is {}: set 3 or more; two accounts are a pair, not a group", self.min_members),
            );
        }
        if !(self.same_campaign > 0.0 && self.same_campaign <= 1.0) {
            return wrong("same_campaign", format!("is {}: set more than 0 and no more than 1", self.same_campaign));
        }
        if self.max_evidence == 0 {
            return wrong(
                "max_evidence",
                "is 0: set 1 or more; a cluster without evidence explains nothing".to_owned(),
            );
        }
        let days = |time: Millis| time as f64 / DAY as f64;
        let pairs = [
            (
                "max_members",
                self.max_members >= self.min_members,
                "min_members",
                "every group would be too large to be tested",
            ),
            (
                "popular",
                self.popular >= self.min_members,
                "min_members",
                "no key of a whole group would tie its members",
            ),
            (
                "horizon_s",
                self.horizon >= self.allowed_lateness,
                "allowed_lateness_s",
                "posts that may still come would be too late",
            ),
        ];
        for (parameter, holds, least, why) in pairs {
            if !holds {
                return wrong(parameter, format!("is less than {least}, so {why}: raise {parameter} or lower {least}"));
            }
        }
        let times = [
            (
                "retention_days",
                self.retention,
                "repeat_days",
                self.repeat,
                "a use would be forgotten before the same use counts again",
            ),
            (
                "retention_days",
                self.retention,
                "horizon_s",
                self.horizon,
                "a late post would be compared with what is already forgotten",
            ),
            (
                "candidate_retention_days",
                self.candidate_retention,
                "two times tick_min",
                2 * self.tick,
                "groups would be dropped before they are tested",
            ),
        ];
        for (parameter, memory, other, least, why) in times {
            if memory < least {
                return wrong(
                    parameter,
                    format!(
                        "is {}, which is less than {other} ({} days), so {why}: raise the first or lower the second",
                        days(memory),
                        days(least)
                    ),
                );
            }
        }
        Ok(())
    }

    /// The allowed values that make detection weaker: a sentence each, after the parameter's key.
    pub fn warnings(&self) -> Vec<(&'static str, String)> {
        let mut warnings = Vec::new();
        for parameter in PARAMETERS {
            let (value, Parameter { key, usual, unit, beyond, .. }) = (parameter.value(self), parameter);
            if !usual.hold(value) {
                let unit = unit.name();
                warnings.push((
                    key,
                    format!("is {value}: outside of {usual} ({unit}) detection still works, but {beyond}"),
                ));
            }
        }
        if self.traces.iter().all(|kind| matches!(kind, TraceKind::Reply | TraceKind::Mention | TraceKind::Quote)) {
            let seldom = "has only replies, mentions or quotations: groups that share links, reposts, hashtags, texts or media are not seen";
            warnings.push(("traces", seldom.to_owned()));
        }
        warnings
    }
}

#[cfg(test)]
mod tests;
