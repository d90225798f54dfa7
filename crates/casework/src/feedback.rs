//! The meaning of feedback from partners and reviewers.

use jiff::Timestamp;
use messages::feedback::Verdict;

/// The content of a partner's feedback object.
#[derive(Debug, Clone, PartialEq)]
pub struct PartnerFeedback {
    /// Ids of the objects that the feedback refers to.
    pub about: Vec<String>,
    /// Its meaning.
    pub meaning: Meaning,
    /// Time of the feedback.
    pub at: Timestamp,
    /// The partner's own text.
    pub note: Option<String>,
}

/// Meaning of feedback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// An explicit verdict.
    Verdict(Verdict),
    /// An opinion on the object. If the object was withdrawn, the opinion is ambiguous.
    Opinion(Verdict),
    /// The partner acknowledges a withdrawal.
    Acknowledges,
    /// The partner takes back what the same feedback object said before.
    TakesBack,
    /// Nothing that gives a label.
    Nothing,
}

/// Result of processing a feedback object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A label was recorded.
    Taken,
    /// A label was taken back.
    TakenBack,
    /// A withdrawal was acknowledged.
    Acknowledged,
    /// The object is kept, but gives no label.
    NoVerdict,
    /// The object refers to nothing that this partner received.
    Unknown,
    /// The object cannot be read.
    Unreadable,
}

impl Outcome {
    /// All outcomes.
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

/// Effects of a partner's feedback on one object that it received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consequence {
    /// The label to record.
    pub verdict: Option<Verdict>,
    /// Whether the partner knows of the withdrawal.
    pub acknowledges: bool,
    /// Whether the partner's earlier feedback no longer holds.
    pub takes_back: bool,
    /// Whether a retraction case is opened, in which people decide about the withdrawal.
    pub opens_retraction_case: bool,
}

impl Meaning {
    /// Effects for an object that is `revoked` or not, of a case that is `shared` or not.
    pub fn consequence(self, shared: bool, revoked: bool) -> Consequence {
        let verdict = match self {
            Meaning::Verdict(verdict) => Some(verdict),
            // The opinion may refer to the flag or to its withdrawal, so it gives no label.
            Meaning::Opinion(_) if revoked => None,
            Meaning::Opinion(verdict) => Some(verdict),
            Meaning::Acknowledges | Meaning::TakesBack | Meaning::Nothing => None,
        };
        Consequence {
            verdict,
            // Only an explicit acknowledgement: a partner that agrees or has acted may know of the
            // flag only.
            acknowledges: self == Meaning::Acknowledges,
            takes_back: self == Meaning::TakesBack,
            opens_retraction_case: verdict == Some(Verdict::Rejected) && shared && !revoked,
        }
    }

    /// Whether this statement of a reviewer replaces other reviewers' earlier statements that
    /// differ. Only statements that still hold count.
    pub fn overrides_others(self) -> bool {
        match self {
            Meaning::Verdict(verdict) | Meaning::Opinion(verdict) => !verdict.inauthentic(),
            Meaning::TakesBack => true,
            Meaning::Acknowledges | Meaning::Nothing => false,
        }
    }
}

/// What a partner did, as a verb. `None`: the partner takes back its feedback.
pub fn verdict_verb(verdict: Option<Verdict>) -> &'static str {
    match verdict {
        None => "takes back what it said of",
        Some(Verdict::Confirmed) => "confirms",
        Some(Verdict::Rejected) => "rejects",
        Some(Verdict::Actioned) => "has acted on",
        Some(Verdict::AlreadyKnown) => "already knew of",
    }
}
