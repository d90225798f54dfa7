//! What is planted: the `campaign` tables of a world.

use serde::{Deserialize, Serialize};

use super::{Habits, Range};

/// A planted campaign. Every range is drawn once for each copy.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Campaign {
    /// Name in the truth; copies are numbered.
    pub name: String,
    /// Copies.
    #[serde(default = "super::one_copy")]
    pub copies: usize,
    /// Platforms it works on, by name; empty is the first. Members are dealt out in turn.
    #[serde(default)]
    pub platforms: Vec<String>,
    /// Accounts.
    #[serde(default = "Range::twenty")]
    pub size: Range,
    /// First day of its actions; before it the accounts only post cover.
    pub start_day: f64,
    /// End of its actions; none is the end of the world.
    pub end_day: Option<f64>,
    /// Above 0: all actions fall into one stretch of so many hours, at a random time from `start_day` on;
    /// `actions_per_day` is then their number.
    #[serde(default)]
    pub burst_h: Range,
    /// Actions a day (of each cell).
    #[serde(default = "Range::eight")]
    pub actions_per_day: Range,
    /// Stop after so many actions (of each cell); none is no limit.
    pub max_actions: Option<usize>,
    /// Probability that an account takes part in an action.
    #[serde(default = "Range::participation")]
    pub participation: Range,
    /// Spread of an action in seconds.
    #[serde(default = "Range::sixty")]
    pub jitter_s: Range,
    /// How delays fall within the spread.
    #[serde(default)]
    pub lag: Lag,
    /// Above 0: accounts act one after the other, about so many seconds apart, in place of `jitter_s`.
    #[serde(default)]
    pub drip_s: Range,
    /// Above 0: each account acts at a time of its own within so many days, in place of `jitter_s`. Acts that would fall
    /// after the world's end are left out.
    #[serde(default)]
    pub drip_days: Range,
    /// Ordinary posts a day of each account, in sessions like the crowd's; with `cover_sigma`, their median.
    #[serde(default = "Range::five")]
    pub cover_per_day: Range,
    /// Above 0: accounts differ in their cover as in a log-normal with this standard deviation of the logarithm.
    #[serde(default)]
    pub cover_sigma: f64,
    /// No account has more cover posts than this.
    #[serde(default = "cover_max")]
    pub cover_max: f64,
    /// Habits of cover posts where they differ from the crowd's.
    #[serde(default)]
    pub habits: Habits,
    /// What an action is, by weight.
    #[serde(default)]
    pub modes: Modes,
    /// Share of url, repost and reply actions that push the campaign's own sources; the others borrow a popular item.
    #[serde(default = "Range::half")]
    pub own_source: Range,
    /// Own outlets, and as many own voices.
    #[serde(default = "super::one_copy")]
    pub own_sources: usize,
    /// Borrow only from so many sources; 0 is any.
    #[serde(default)]
    pub borrow_from: usize,
    /// Groups that act apart from each other.
    #[serde(default = "super::one_copy")]
    pub cells: usize,
    /// Above 0: accounts of each such group, in place of `cells`.
    #[serde(default)]
    pub cell_size: usize,
    /// Above 0: accounts on duty at each action, in rotation.
    #[serde(default)]
    pub rotate: usize,
    /// Hashtags of a hashtag action: one floods a tag, three or more are a sequence.
    #[serde(default = "super::one_copy")]
    pub tags: usize,
    /// New hashtags that the campaign floods over its life.
    #[serde(default = "super::one_copy")]
    pub new_tags: usize,
    /// Posts of each participant in a hashtag action.
    #[serde(default = "super::one_copy")]
    pub flood: usize,
    /// Probability that a word of a near-duplicate text is exchanged; 1 is a sentence of each post's own.
    #[serde(default)]
    pub paraphrase: Range,
    /// Share of near-duplicate texts that are rewritten as a language model does it: the same message (who, what, about
    /// what) in a sentence of another structure.
    #[serde(default)]
    pub rewrite: Range,
    /// Texts of an action; each post is a near-duplicate of one of them.
    #[serde(default = "super::one_copy")]
    pub templates: usize,
    /// Share of hashtag, media, reply and mention actions whose posts are also near-duplicates of one text.
    #[serde(default)]
    pub scripted: Range,
    /// Accounts that a mention action mentions.
    #[serde(default = "three")]
    pub mention_set: usize,
    /// Bits of 64 in which the perceptual hash of each copy of a picture differs from the picture's.
    #[serde(default)]
    pub media_noise: usize,
    /// Share of links that go through a link shortener, each post with a short link of its own.
    #[serde(default)]
    pub shortener: Range,
    /// Link shorteners, each a host of its own.
    #[serde(default = "super::one_copy")]
    pub shortener_hosts: usize,
    /// Share of action posts that are deleted.
    #[serde(default)]
    pub delete: Range,
    /// Seconds until they are.
    #[serde(default = "Range::deleted_after")]
    pub delete_after_s: Range,
    /// Baseline poisoning: acts a day of each account on the campaign's sources before it starts, each on its own.
    #[serde(default)]
    pub poison_per_day: Range,
    /// Above 0: the accounts were made within so many days of each other; else like the crowd's.
    #[serde(default)]
    pub created_within_days: Range,
    /// Share of handles made by one pattern (a word and eight digits).
    #[serde(default)]
    pub pattern_handles: Range,
    /// The one application they post from; none is like the crowd's.
    pub client: Option<String>,
    /// Whether cover posts follow one time zone.
    #[serde(default)]
    pub one_time_zone: bool,
}

/// What an action is, by weight.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Modes {
    /// Link to the same article.
    pub url: f64,
    /// Repost the same post.
    pub repost: f64,
    /// Post with the same new hashtags.
    pub hashtags: f64,
    /// Post near-duplicates of one text.
    pub text: f64,
    /// Post the same picture.
    pub media: f64,
    /// Answer the same post.
    pub reply: f64,
    /// Mention the same accounts.
    pub mention: f64,
}

/// How delays fall within an action's spread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lag {
    /// Evenly over `jitter_s`.
    #[default]
    Uniform,
    /// Log-normal with median `jitter_s / 3` and sigma 1: most are fast, a few late.
    LogNormal,
    /// Exponential with mean `jitter_s / 3`.
    Exponential,
    /// One after the other at equal steps, the last at `jitter_s`.
    Even,
}

/// What an action is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The same article.
    Url,
    /// The same post.
    Repost,
    /// The same hashtags.
    Hashtags,
    /// The same text, or nearly.
    Text,
    /// The same picture.
    Media,
    /// Answers to the same post.
    Reply,
    /// The same mentions.
    Mention,
}

impl Default for Modes {
    fn default() -> Self {
        Self { url: 0.0, repost: 0.0, hashtags: 0.0, text: 0.0, media: 0.0, reply: 0.0, mention: 0.0 }
    }
}

fn three() -> usize {
    3
}

fn cover_max() -> f64 {
    1e6
}
