//! What is said of a cluster, and why no more.

use coordination::SingleSource;
use serde::{Deserialize, Serialize};

/// What is said of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Coordinated, on more than one source, and the model finds it inauthentic.
    Flagged,
    /// Coordinated on one source only, or one text by many accounts; `why` says which. Reported apart, never flagged by itself.
    SingleSource,
    /// Coordinated, but the model does not find it inauthentic.
    Coordinated,
    /// Was one of the others once, but its last days alone would not be believed and it has no three members left to name. Whoever acted
    /// on it should look again.
    Faded,
    /// Did not pass the test, but came close. Nothing is claimed of it, and it is never on the topic of flagged clusters.
    NearMiss,
}

impl Status {
    /// All of them.
    pub const ALL: [Status; 5] =
        [Status::Flagged, Status::SingleSource, Status::Coordinated, Status::Faded, Status::NearMiss];

    /// The name on the wire and in all output.
    pub fn name(self) -> &'static str {
        match self {
            Status::Flagged => "flagged",
            Status::SingleSource => "single_source",
            Status::Coordinated => "coordinated",
            Status::Faded => "faded",
            Status::NearMiss => "near_miss",
        }
    }
}

/// Why a cluster has no higher status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It passes the test only with its best source in.
    BestSource,
    /// One text was written by many accounts, which is a count and no test: no e-value and no probability.
    OneText,
    /// Coordinated, and inauthentic by the model's threshold; but the group's behaviour is not plain enough to call it so, or it does not pass
    /// without the reposts whose authors are not known.
    NotPlain,
}

impl From<SingleSource> for Why {
    fn from(why: SingleSource) -> Why {
        match why {
            SingleSource::BestSource => Why::BestSource,
            SingleSource::OneText => Why::OneText,
        }
    }
}
