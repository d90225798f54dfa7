//! What accounts and groups of a world are.

use serde::Serialize;

/// What an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// An ordinary account, also when it took part in breaking news, a cascade, a match or a live event.
    Organic,
    /// Planted.
    Inauthentic,
    /// An admirer in a fandom.
    Fandom,
    /// A feed bot that copies an outlet.
    Mirror,
    /// A hunter of giveaways.
    Giveaway,
    /// A user of share buttons.
    ShareButton,
    /// Took part in breaking news (a group's label only).
    BreakingNews,
    /// Watched a live event (a group's label only).
    LiveEvent,
    /// Watched a match (a group's label only).
    Sport,
    /// A newsroom that runs wire reports.
    Newsroom,
    /// A member of a parliament.
    Legislature,
    /// A party's supporter.
    Supporters,
    /// Took part in a conference.
    Conference,
    /// Took part in a tweet-storm.
    TweetStorm,
    /// A fan who votes by posting.
    FanVoting,
    /// Took part in a cascade (a group's label only).
    Cascade,
}

impl Label {
    /// All labels.
    pub const ALL: [Label; 16] = [
        Self::Organic,
        Self::Inauthentic,
        Self::Fandom,
        Self::Mirror,
        Self::Giveaway,
        Self::ShareButton,
        Self::BreakingNews,
        Self::LiveEvent,
        Self::Sport,
        Self::Newsroom,
        Self::Legislature,
        Self::Supporters,
        Self::Conference,
        Self::TweetStorm,
        Self::FanVoting,
        Self::Cascade,
    ];

    /// The label in lower case, as files have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Organic => "organic",
            Self::Inauthentic => "inauthentic",
            Self::Fandom => "fandom",
            Self::Mirror => "mirror",
            Self::Giveaway => "giveaway",
            Self::ShareButton => "share_button",
            Self::BreakingNews => "breaking_news",
            Self::LiveEvent => "live_event",
            Self::Sport => "sport",
            Self::Newsroom => "newsroom",
            Self::Legislature => "legislature",
            Self::Supporters => "supporters",
            Self::Conference => "conference",
            Self::TweetStorm => "tweet_storm",
            Self::FanVoting => "fan_voting",
            Self::Cascade => "cascade",
        }
    }
}
