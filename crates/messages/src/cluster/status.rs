//! The status of a cluster, and why it has no higher one.

use coordination::SingleSource;
use serde::{Deserialize, Serialize};

/// The status of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Coordinated, on more than one source, and the model finds it inauthentic.
    Flagged,
    /// Coordinated on one source only, or one text by many accounts; `why` says which. Reported
    /// separately, never flagged by itself.
    SingleSource,
    /// Coordinated, but the model does not find it inauthentic.
    Coordinated,
    /// Had one of the other statuses before, but its last days alone would not pass, and no three
    /// members can be named any more. Whoever acted on it should check it again.
    Faded,
    /// Did not pass the test, but almost did. Nothing is claimed about it, and it is never on the
    /// topic of flagged clusters.
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
    /// It passes the test only with its best source.
    BestSource,
    /// Many accounts wrote one text. This is a count and not a test: no e-value and no probability.
    OneText,
    /// Coordinated, and inauthentic by the model's threshold; but the group's behaviour is not
    /// plain enough to be called inauthentic, or the group does not pass without reposts of unknown
    /// authors.
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
