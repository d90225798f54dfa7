//! A world as a file says it: the reference of every key, its unit and its default.
//!
//! A world file is TOML. Unknown keys are errors that name the key. A parameter of a campaign may be a number or a
//! range `[low, high]`, from which each copy of the campaign draws its own value.

mod lookalikes;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::truth::Label;

pub use lookalikes::*;

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

/// The organic background.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Crowd {
    /// Number of accounts.
    pub accounts: usize,
    /// Interest communities; their sizes fall off, each has a language, a time zone and favourite sources.
    pub communities: usize,
    /// Sources of each community, half of them voices (reposted), half outlets (linked to).
    pub sources: usize,
    /// Items a day of a community's first source; later ones publish less.
    pub items_per_day: f64,
    /// Share of acts on the own community's sources; the others go anywhere.
    pub loyalty: f64,
    /// Pareto shape of an item's fame: a smaller number makes more viral items.
    pub fame: f64,
    /// Seconds in which an item's pull falls to 1/e.
    pub item_life_s: f64,
    /// Median posts of an account over the whole world.
    pub posts_median: f64,
    /// Standard deviation of the logarithm of an account's posts.
    pub posts_sigma: f64,
    /// No account posts more than this.
    pub posts_max: f64,
    /// Mean posts of a session.
    pub session_posts: f64,
    /// Median seconds between two posts of a session.
    pub gap_s: f64,
    /// Standard deviation of the logarithm of that gap.
    pub gap_sigma: f64,
    /// Share of posts that are reposts.
    pub repost: f64,
    /// Share of posts that link to an article.
    pub link: f64,
    /// Share of reposts and links whose target nobody else in the world acts on: real samples are full of them.
    pub tail: f64,
    /// Share of the remaining posts that answer somebody.
    pub reply: f64,
    /// Share of originals that mention somebody.
    pub mention: f64,
    /// Share of posts with a hashtag.
    pub hashtag: f64,
    /// Share of links that are posted under the article's own headline.
    pub headline: f64,
    /// Share of texts that are one of a language's common sayings: people repeat them without knowing of each other.
    pub saying: f64,
    /// Share of voices' posts that carry a link.
    pub voice_links: f64,
    /// Share of links with tracking parameters.
    pub tracking: f64,
    /// Share of posts that are deleted within a day.
    pub delete: f64,
    /// Share of reposts from outside the sample whose post carries a link.
    pub stranger_links: f64,
    /// Share of originals with a picture.
    pub media: f64,
    /// Share of those pictures that go round (200 of them, some far better known than others); the rest are new.
    pub meme: f64,
    /// Evenings that draw people in, each as `[day, hours]`.
    pub evenings: Vec<[f64; 2]>,
    /// Share of sessions that fall on one of those evenings.
    pub focus: f64,
    /// Share of places between two fixed words of a sentence at which another word stands: without any, people write the same
    /// runs of words by an accident of the grammars (7 % of texts in three days share eight pairs of words with an earlier one).
    pub loose: f64,
}

/// Habits of a campaign's accounts where they differ from the crowd's; the keys are those of [`Crowd`].
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "each is the field of the same name in `Crowd`")]
pub struct Habits {
    pub loyalty: Option<f64>,
    pub session_posts: Option<f64>,
    pub gap_s: Option<f64>,
    pub gap_sigma: Option<f64>,
    pub repost: Option<f64>,
    pub link: Option<f64>,
    pub tail: Option<f64>,
    pub reply: Option<f64>,
    pub mention: Option<f64>,
    pub hashtag: Option<f64>,
    pub headline: Option<f64>,
    pub saying: Option<f64>,
    pub tracking: Option<f64>,
    pub delete: Option<f64>,
    pub stranger_links: Option<f64>,
    pub media: Option<f64>,
    pub meme: Option<f64>,
    pub focus: Option<f64>,
}

impl Habits {
    /// The crowd's habits with these in their place.
    pub(crate) fn over(self, crowd: &Crowd) -> Crowd {
        Crowd {
            loyalty: self.loyalty.unwrap_or(crowd.loyalty),
            session_posts: self.session_posts.unwrap_or(crowd.session_posts),
            gap_s: self.gap_s.unwrap_or(crowd.gap_s),
            gap_sigma: self.gap_sigma.unwrap_or(crowd.gap_sigma),
            repost: self.repost.unwrap_or(crowd.repost),
            link: self.link.unwrap_or(crowd.link),
            tail: self.tail.unwrap_or(crowd.tail),
            reply: self.reply.unwrap_or(crowd.reply),
            mention: self.mention.unwrap_or(crowd.mention),
            hashtag: self.hashtag.unwrap_or(crowd.hashtag),
            headline: self.headline.unwrap_or(crowd.headline),
            saying: self.saying.unwrap_or(crowd.saying),
            tracking: self.tracking.unwrap_or(crowd.tracking),
            delete: self.delete.unwrap_or(crowd.delete),
            stranger_links: self.stranger_links.unwrap_or(crowd.stranger_links),
            media: self.media.unwrap_or(crowd.media),
            meme: self.meme.unwrap_or(crowd.meme),
            focus: self.focus.unwrap_or(crowd.focus),
            ..crowd.clone()
        }
    }
}

/// A planted campaign. Every range is drawn once for each copy.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Campaign {
    /// Name in the truth; copies are numbered.
    pub name: String,
    /// Copies.
    #[serde(default = "one_copy")]
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
    #[serde(default = "one_copy")]
    pub own_sources: usize,
    /// Borrow only from so many sources; 0 is any.
    #[serde(default)]
    pub borrow_from: usize,
    /// Groups that act apart from each other.
    #[serde(default = "one_copy")]
    pub cells: usize,
    /// Above 0: accounts of each such group, in place of `cells`.
    #[serde(default)]
    pub cell_size: usize,
    /// Above 0: accounts on duty at each action, in rotation.
    #[serde(default)]
    pub rotate: usize,
    /// Hashtags of a hashtag action: one floods a tag, three or more are a sequence.
    #[serde(default = "one_copy")]
    pub tags: usize,
    /// New hashtags that the campaign floods over its life.
    #[serde(default = "one_copy")]
    pub new_tags: usize,
    /// Posts of each participant in a hashtag action.
    #[serde(default = "one_copy")]
    pub flood: usize,
    /// Probability that a word of a near-duplicate text is exchanged; 1 is a sentence of each post's own.
    #[serde(default)]
    pub paraphrase: Range,
    /// Share of near-duplicate texts that are rewritten as a language model does it: the same message (who, what, about
    /// what) in a sentence of another structure.
    #[serde(default)]
    pub rewrite: Range,
    /// Texts of an action; each post is a near-duplicate of one of them.
    #[serde(default = "one_copy")]
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
    #[serde(default = "one_copy")]
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
    #[serde(default = "one_copy")]
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

/// A number, or a range to draw it from.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Range {
    /// Lowest value.
    pub low: f64,
    /// Highest value.
    pub high: f64,
}

impl Range {
    /// One value.
    pub const fn just(value: f64) -> Self {
        Self { low: value, high: value }
    }

    fn twenty() -> Self {
        Self::just(20.0)
    }

    fn eight() -> Self {
        Self::just(8.0)
    }

    fn participation() -> Self {
        Self::just(0.7)
    }

    fn sixty() -> Self {
        Self::just(60.0)
    }

    fn five() -> Self {
        Self::just(5.0)
    }

    fn half() -> Self {
        Self::just(0.5)
    }

    fn one() -> Self {
        Self::just(1.0)
    }

    fn deleted_after() -> Self {
        Self { low: 600.0, high: 7_200.0 }
    }
}

impl Serialize for Range {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.low == self.high {
            serializer.serialize_f64(self.low)
        } else {
            [self.low, self.high].serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Range {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Range;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number or [low, high]")
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Range, E> {
                Ok(Range::just(value))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Range, E> {
                Ok(Range::just(value as f64))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Range, E> {
                Ok(Range::just(value as f64))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Range, A::Error> {
                let short = |n| de::Error::invalid_length(n, &"[low, high]");
                let low: f64 = seq.next_element()?.ok_or_else(|| short(0))?;
                let high: f64 = seq.next_element()?.ok_or_else(|| short(1))?;
                if seq.next_element::<f64>()?.is_some() {
                    return Err(short(3));
                }
                if low > high {
                    return Err(de::Error::custom("[low, high] has low above high"));
                }
                Ok(Range { low, high })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl Default for Modes {
    fn default() -> Self {
        Self { url: 0.0, repost: 0.0, hashtags: 0.0, text: 0.0, media: 0.0, reply: 0.0, mention: 0.0 }
    }
}

impl Default for Crowd {
    fn default() -> Self {
        Self {
            accounts: 2_000,
            communities: 12,
            sources: 10,
            items_per_day: 4.0,
            loyalty: 0.7,
            fame: 1.15,
            item_life_s: 3_600.0,
            posts_median: 3.0,
            posts_sigma: 1.65,
            posts_max: 600.0,
            session_posts: 60.0,
            gap_s: 85.0,
            gap_sigma: 1.3,
            repost: 0.54,
            link: 0.24,
            tail: 0.45,
            reply: 0.15,
            mention: 0.15,
            hashtag: 0.42,
            headline: 0.08,
            saying: 0.014,
            voice_links: 0.05,
            tracking: 0.2,
            delete: 0.01,
            stranger_links: 0.0,
            media: 0.0,
            meme: 0.3,
            evenings: Vec::new(),
            focus: 0.0,
            loose: 0.0,
        }
    }
}

fn one() -> f64 {
    1.0
}

fn one_copy() -> usize {
    1
}

fn three() -> usize {
    3
}

fn half() -> f64 {
    0.5
}

fn cover_max() -> f64 {
    1e6
}
