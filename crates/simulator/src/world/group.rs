//! Groups that act in concert: the `group` tables of a world.

use serde::{Deserialize, Serialize};

use super::{Habits, Range};
use crate::label::Label;

/// A group that acts in concert, for good or ill: one vocabulary for both, so that nothing but behaviour tells them apart.
///
/// Members are accounts of their own, on one platform. Their concert falls into *bouts* (a flood, a wave, a report, a
/// campaign's hours). In a bout each participant writes some posts: copies of the bout's texts, own words under its tags,
/// reposts of its voices, and asides that have nothing to do with it. Besides, members lead lives of their own.
///
/// Every range is drawn once for each copy of the group, `bout_h` for each bout, `posts` and `life_h` for each participant
/// of a bout. Shares are drawn evenly, all other ranges on a logarithmic scale where they begin above 0.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Name in the truth; copies are numbered.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Where it acts; drawn by the platforms' shares where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// Copies.
    #[serde(default = "super::one_copy")]
    pub copies: usize,
    /// Accounts.
    pub size: Range,
    /// Number of bouts.
    #[serde(default = "Range::one")]
    pub bouts: Range,
    /// Length of a bout in hours; a longer one than the world is cut to it.
    pub bout_h: Range,
    /// When bouts begin.
    #[serde(default)]
    pub starts: Starts,
    /// How posts fall within a bout. In bouts of more than 12 hours, posts fall into their writer's waking hours.
    #[serde(default)]
    pub rhythm: Rhythm,
    /// Share of the members in a bout.
    #[serde(default = "Range::one")]
    pub participation: Range,
    /// Posts of a participant in a bout.
    #[serde(default = "Range::one")]
    pub posts: Range,
    /// Above 0: hours within which a participant's posts of a bout fall.
    #[serde(default)]
    pub life_h: Range,
    /// Share of the posts of a bout that have nothing to do with it, as the crowd's.
    #[serde(default)]
    pub asides: Range,
    /// Share of the others that repost the group's voices; 0 without voices.
    #[serde(default)]
    pub reposts: Range,
    /// Share of what remains that copies a text of the bout; the rest are own words.
    #[serde(default)]
    pub copied: Range,
    /// Mean copies of a text, exponentially distributed; 0 is one text for the bout.
    #[serde(default)]
    pub copies_per_text: Range,
    /// Above 0: so many texts for all bouts, and each member keeps to one of them.
    #[serde(default)]
    pub own_template: Range,
    /// Mean time for which a text or a voice's post is taken up, as a share of the bout. At 1 all are there from its beginning.
    #[serde(default = "Range::one")]
    pub text_life: Range,
    /// Share of copies that are the whole text. The others have one to three words exchanged, a mention or a tag added, or
    /// another ending.
    #[serde(default = "Range::one")]
    pub verbatim: Range,
    /// Share of a text's words that are slots: each copy takes one of three to five words for each.
    #[serde(default)]
    pub slots: Range,
    /// Tags that nobody used before; a post has the first of them and perhaps others.
    #[serde(default)]
    pub tags: usize,
    /// Whether each bout has new tags.
    #[serde(default)]
    pub tag_per_bout: bool,
    /// Share of the posts of a bout that carry tags, reposts and asides apart.
    #[serde(default = "Range::one")]
    pub tagged: Range,
    /// Accounts that posts of a bout mention, one at a time: the voices first, then anybody of the crowd.
    #[serde(default)]
    pub mentions: usize,
    /// Share of the posts of a bout that mention one of them, reposts and asides apart.
    #[serde(default)]
    pub mentioned: Range,
    /// Share of the posts of a bout with a link, reposts and asides apart.
    #[serde(default)]
    pub linked: Range,
    /// Where those links go.
    #[serde(default)]
    pub link: LinkKind,
    /// Accounts whose posts are reposted; each has one on every platform.
    #[serde(default)]
    pub voices: usize,
    /// Whether the voices are members, its leaders.
    #[serde(default)]
    pub leaders: bool,
    /// Median posts a day of each member's own life, in sessions like the crowd's.
    #[serde(default)]
    pub own_per_day: Range,
    /// Standard deviation of the logarithm of that number among members.
    #[serde(default = "half")]
    pub own_sigma: f64,
    /// Share of those posts that are articles of the member's own site, each with its link.
    #[serde(default)]
    pub articles: Range,
    /// Habits of a member's own life where they differ from the crowd's.
    #[serde(default)]
    pub habits: Habits,
    /// Accounts of the crowd, as a multiple of the members, that use the group's tags in own words or repost its voices once or
    /// twice in a bout; without either they copy a text.
    #[serde(default)]
    pub onlookers: Range,
    /// Share of their posts that copy a text of the bout.
    #[serde(default)]
    pub onlooker_copies: f64,
    /// Share of members of the group's own community; the others are from any.
    #[serde(default = "Range::one")]
    pub kin: Range,
    /// Share of members whose accounts were made within the last 60 days.
    #[serde(default)]
    pub young: Range,
    /// Share of handles made by one pattern (a word and eight digits).
    #[serde(default)]
    pub pattern_handles: Range,
    /// Share of members that post from one and the same application.
    #[serde(default)]
    pub one_client: Range,
}

/// What a group is: the truth says it, nothing else follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Inauthentic: one tag, flooded with copied texts by accounts that soon are gone.
    Flood,
    /// Inauthentic: bought accounts that push a client in waves, with quiet times between.
    Waves,
    /// Inauthentic: a few templates with words exchanged, one account after another.
    Spun,
    /// Inauthentic: an operator's accounts that post the same at fixed minutes.
    Scheduled,
    /// Innocent: a parliament's party.
    Parliament,
    /// Innocent: a party's supporters.
    Supporters,
    /// Innocent: newsrooms that copy one wire.
    Newsroom,
    /// Innocent: a conference under one tag.
    Conference,
    /// Innocent: readers who press share buttons.
    ShareButton,
    /// Innocent: people who post what competitions ask for.
    PrizeHunters,
    /// Innocent: activists with an agreed hour and a document to copy from.
    TweetStorm,
    /// Innocent: fans who vote by posting.
    FanVoting,
    /// Innocent: admirers of one voice.
    Fandom,
}

impl Kind {
    /// Whether a group of this kind is an operation; the others are innocent.
    pub fn is_inauthentic(self) -> bool {
        matches!(self, Self::Flood | Self::Waves | Self::Spun | Self::Scheduled)
    }

    /// What members of such a group are.
    pub fn label(self) -> Label {
        match self {
            Self::Flood | Self::Waves | Self::Spun | Self::Scheduled => Label::Inauthentic,
            Self::Parliament => Label::Legislature,
            Self::Supporters => Label::Supporters,
            Self::Newsroom => Label::Newsroom,
            Self::Conference => Label::Conference,
            Self::ShareButton => Label::ShareButton,
            Self::PrizeHunters => Label::Giveaway,
            Self::TweetStorm => Label::TweetStorm,
            Self::FanVoting => Label::FanVoting,
            Self::Fandom => Label::Fandom,
        }
    }
}

/// When a group's bouts begin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Starts {
    /// At any time.
    #[default]
    Scattered,
    /// About equally far from each other.
    Spaced,
    /// At any hour, always at the same minute of it.
    Clock,
}

/// How posts fall within a bout.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rhythm {
    /// Evenly.
    #[default]
    Even,
    /// Most soon after its beginning: exponential, mean a quarter of the bout.
    Burst,
}

/// Where the links of a group's posts go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkKind {
    /// To one article for each text (of the group's outlet).
    #[default]
    Same,
    /// To that article through a shortener, each post with a short link of its own.
    Short,
    /// Each to an address that nobody else links to.
    Own,
    /// To the member's own site.
    Site,
}

fn half() -> f64 {
    0.5
}
