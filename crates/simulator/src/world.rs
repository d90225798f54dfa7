//! A world as a file says it: the reference of every key, its unit and its default.
//!
//! A world file is TOML. Unknown keys are errors that name the key. A parameter of a campaign may be a number or a
//! range `[low, high]`, from which each copy of the campaign draws its own value.

mod campaign;
mod crowd;
mod group;
mod lookalikes;
mod range;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use campaign::{Campaign, Lag, Mode, Modes};
pub use crowd::{Crowd, Habits};
pub use group::{Group, Kind, LinkKind, Rhythm, Starts};
pub use lookalikes::*;
pub use range::Range;

/// A synthetic world: who is there, what they do, and what was planted among them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct World {
    /// Short name.
    pub name: String,
    /// What the world is for, in a sentence.
    pub about: String,
    /// The world's first moment.
    pub start: Timestamp,
    /// Its length in days.
    pub days: f64,
    /// The places where people post; at least one.
    #[serde(rename = "platform")]
    pub platforms: Vec<Platform>,
    /// Ordinary people.
    #[serde(default)]
    pub crowd: Crowd,
    /// Organic groups that look coordinated.
    #[serde(default, rename = "lookalike")]
    pub lookalikes: Vec<Lookalike>,
    /// What was planted.
    #[serde(default, rename = "campaign")]
    pub campaigns: Vec<Campaign>,
    /// Groups that act in concert: operations, and innocents who do so in the open.
    #[serde(default, rename = "group", skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Group>,
}

/// A place where people post, and what it tells about a post and its account.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Platform {
    /// Lower-case name.
    pub name: String,
    /// Its share of the crowd's accounts, relative to the other platforms'.
    #[serde(default = "one")]
    pub share: f64,
    /// Whether posts carry the account's profile: followers, following, age, number of posts, default profile.
    #[serde(default)]
    pub profile: bool,
    /// Whether posts name the application they were made with.
    #[serde(default)]
    pub client: bool,
    /// Whether the platform says when a post was deleted.
    #[serde(default)]
    pub deletions: bool,
    /// Whether the platform says a post's language.
    #[serde(default)]
    pub lang: bool,
    /// Precision of its clock in seconds; 0 is milliseconds.
    #[serde(default = "one")]
    pub clock_s: f64,
}

fn one() -> f64 {
    1.0
}

fn one_copy() -> usize {
    1
}
