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
