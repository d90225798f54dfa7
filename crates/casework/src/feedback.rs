//! What partners and reviewers say of what was shared.

use jiff::Timestamp;
use messages::feedback::Verdict;

/// What an object of a partner says.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// Ids of the objects that it is about.
    pub about: Vec<String>,
    /// What it says.
    pub says: Says,
    /// When it was said.
    pub at: Timestamp,
    /// In their words.
    pub note: Option<String>,
}

/// What is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// A verdict in so many words.
    Verdict(Verdict),
    /// An opinion on the object: of one that was withdrawn nobody can tell what it means.
    Opinion(Verdict),
    /// That a withdrawal has arrived.
    Acknowledges,
    /// That what the same object said before no longer holds.
    TakesBack,
    /// Nothing that a label can be made of.
    Nothing,
}

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is a label now.
    Taken,
    /// A label was taken back.
    TakenBack,
    /// A withdrawal is acknowledged.
    Acknowledged,
    /// It is kept, and no label can be made of it.
    NoVerdict,
    /// It is about nothing that this partner was told of.
    Unknown,
    /// It cannot be read.
    Unreadable,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Outcome; 6] = [
        Outcome::Taken,
        Outcome::TakenBack,
        Outcome::Acknowledged,
        Outcome::NoVerdict,
        Outcome::Unknown,
        Outcome::Unreadable,
    ];

    /// The name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Taken => "taken",
            Outcome::TakenBack => "taken_back",
            Outcome::Acknowledged => "acknowledged",
            Outcome::NoVerdict => "no_verdict",
            Outcome::Unknown => "unknown",
            Outcome::Unreadable => "unreadable",
        }
    }
}

/// What follows from a partner's word on one thing that it was told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consequence {
    /// The label that it is.
    pub verdict: Option<Verdict>,
    /// The partner knows of the withdrawal.
    pub acknowledges: bool,
    /// What it said before no longer holds.
    pub takes_back: bool,
    /// People have to decide whether to withdraw it.
    pub opens_retraction_case: bool,
}

impl Says {
    /// What follows from it for something that was `revoked` or not, of a case that is `shared` or not.
    pub fn consequence(self, shared: bool, revoked: bool) -> Consequence {
        let verdict = match self {
            Says::Verdict(verdict) => Some(verdict),
            // It may be about the flag or about its withdrawal: nothing that a label could be made of.
            Says::Opinion(_) if revoked => None,
            Says::Opinion(verdict) => Some(verdict),
            Says::Acknowledges | Says::TakesBack | Says::Nothing => None,
        };
        Consequence {
            verdict,
            // Nothing but the word itself: whoever agrees or has acted may know of the flag only.
            acknowledges: self == Says::Acknowledges,
            takes_back: self == Says::TakesBack,
            opens_retraction_case: verdict == Some(Verdict::Rejected) && shared && !revoked,
        }
    }

    /// Whether reviewers who said otherwise before are no longer heard once a reviewer says this: only those count who would say it still.
    pub fn silences_others(self) -> bool {
        match self {
            Says::Verdict(verdict) | Says::Opinion(verdict) => !verdict.inauthentic(),
            Says::TakesBack => true,
            Says::Acknowledges | Says::Nothing => false,
        }
    }
}

/// What a partner did to what it was told, as a verb. `None` takes back what was said.
pub fn verdict_verb(verdict: Option<Verdict>) -> &'static str {
    match verdict {
        None => "takes back what it said of",
        Some(Verdict::Confirmed) => "confirms",
        Some(Verdict::Rejected) => "rejects",
        Some(Verdict::Actioned) => "has acted on",
        Some(Verdict::AlreadyKnown) => "already knew of",
    }
}
