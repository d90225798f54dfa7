//! Parameters of organic groups that act alike: the `lookalike` tables of a world.

use serde::{Deserialize, Deserializer, Serialize, de};

use super::Range;

/// Organic accounts that act alike for innocent reasons.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Lookalike {
    /// Fans of one voice who repost everything that it posts.
    Fandom(Fandom),
    /// Thousands of accounts that share the same few items within minutes.
    BreakingNews(BreakingNews),
    /// Feed bots that copy one outlet.
    Mirrors(Mirrors),
    /// People who post the text that a competition requires.
    Giveaway(Giveaway),
    /// Readers who use an article's share button.
    ShareButton(ShareButton),
    /// A second screen: many accounts react to the same moments of a broadcast.
    LiveEvent(LiveEvent),
    /// A match: at every goal the watchers post the same few words with the same two hashtags,
    /// within seconds.
    Sport(Sport),
    /// Newsrooms that publish the same wire reports in nearly the same words.
    Newsroom(Newsroom),
    /// Members of a parliament who repost their party and run public hashtag campaigns.
    Legislature(Legislature),
    /// Posts that spread through the crowd: one repost triggers the next, within seconds.
    Cascade(Cascade),
}

/// Written by hand, because the derived reader of a tagged table loses the key in which an error
/// occurred.
impl<'de> Deserialize<'de> for Lookalike {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const KINDS: &[&str] = &[
            "fandom",
            "breaking_news",
            "mirrors",
            "giveaway",
            "share_button",
            "live_event",
            "sport",
            "newsroom",
            "legislature",
            "cascade",
        ];
        fn read<T: de::DeserializeOwned, E: de::Error>(table: toml::Table) -> Result<T, E> {
            serde_path_to_error::deserialize(toml::Value::Table(table))
                .map_err(|error| E::custom(format!("`{}`: {}", error.path(), error.inner().message())))
        }
        let mut table = toml::Table::deserialize(deserializer)?;
        let kind = table.remove("kind").ok_or_else(|| de::Error::missing_field("kind"))?;
        let kind = kind.as_str().unwrap_or_default();
        match kind {
            "fandom" => read(table).map(Self::Fandom),
            "breaking_news" => read(table).map(Self::BreakingNews),
            "mirrors" => read(table).map(Self::Mirrors),
            "giveaway" => read(table).map(Self::Giveaway),
            "share_button" => read(table).map(Self::ShareButton),
            "live_event" => read(table).map(Self::LiveEvent),
            "sport" => read(table).map(Self::Sport),
            "newsroom" => read(table).map(Self::Newsroom),
            "legislature" => read(table).map(Self::Legislature),
            "cascade" => read(table).map(Self::Cascade),
            _ => Err(de::Error::unknown_variant(kind, KINDS)),
        }
    }
}

/// See [`Lookalike::Fandom`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fandom {
    /// Name in the truth.
    pub name: String,
    /// Number of accounts of the crowd that belong to the fandom.
    pub accounts: usize,
    /// Posts per day of the idol.
    pub items_per_day: f64,
    /// Share of the fandom that reacts to each post.
    pub participation: f64,
    /// Median seconds until a fan reacts.
    #[serde(default = "fandom_lag")]
    pub lag_s: f64,
    /// Day on which the fandom forms. Above 0 it has no earlier history.
    #[serde(default)]
    pub from_day: f64,
    /// Share of reactions that are the fan's own post with the fandom's three hashtags instead of a
    /// repost.
    #[serde(default)]
    pub chant: f64,
}

/// See [`Lookalike::BreakingNews`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakingNews {
    /// Name in the truth.
    pub name: String,
    /// Number of events, at random times.
    pub events: usize,
    /// Number of acts in each event, by accounts of the crowd.
    pub accounts: usize,
    /// Number of items of each event, each from a different source.
    #[serde(default = "three")]
    pub items: usize,
    /// Mean seconds from the event to an act.
    pub lag_s: f64,
    /// Share of acts that follow another act within seconds, as in cascades.
    #[serde(default)]
    pub clump: f64,
    /// Mean number of further posts of each account that the news activated.
    #[serde(default)]
    pub linger: f64,
}

/// See [`Lookalike::Mirrors`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mirrors {
    /// Name in the truth.
    pub name: String,
    /// Number of bots; each is an additional account.
    pub accounts: usize,
    /// Number of outlets that are copied, each by `accounts / outlets` bots.
    pub outlets: usize,
    /// Delay after the article, in seconds.
    #[serde(default = "mirror_lag")]
    pub lag_s: Range,
    /// Share of posts with the article's headline; the others are only a link.
    #[serde(default)]
    pub headline: f64,
}

/// See [`Lookalike::Giveaway`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Giveaway {
    /// Name in the truth.
    pub name: String,
    /// Number of accounts of the crowd that take part in giveaways.
    pub accounts: usize,
    /// Number of giveaways, at random times.
    pub giveaways: usize,
    /// Share of these accounts that enter each giveaway.
    pub participation: f64,
    /// Median seconds until an account enters.
    pub lag_s: f64,
}

/// See [`Lookalike::ShareButton`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShareButton {
    /// Name in the truth.
    pub name: String,
    /// Number of accounts of the crowd that use share buttons.
    pub accounts: usize,
    /// Number of articles that are shared.
    pub articles: usize,
    /// Share of these accounts that share each article.
    pub participation: f64,
    /// Median seconds until an account shares.
    pub lag_s: f64,
}

/// See [`Lookalike::LiveEvent`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LiveEvent {
    /// Name in the truth.
    pub name: String,
    /// Number of accounts of the crowd that watch.
    pub accounts: usize,
    /// Day on which the event starts, with a fraction for the hour.
    pub day: f64,
    /// Length of the event in hours.
    pub hours: f64,
    /// Number of moments that many watchers react to.
    pub moments: usize,
    /// Share of the watchers that react to each moment.
    pub participation: f64,
    /// Mean seconds until a watcher reacts.
    #[serde(default = "live_lag")]
    pub lag_s: f64,
    /// Share of reactions that repost the broadcaster; the others are the watcher's own post with
    /// the event's hashtag.
    #[serde(default = "quarter")]
    pub repost: f64,
    /// Mean number of further posts with the hashtag per watcher, at any time of the event.
    #[serde(default)]
    pub chat: f64,
}

/// See [`Lookalike::Sport`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sport {
    /// Name in the truth.
    pub name: String,
    /// Number of accounts of the crowd that watch, half of them for each team.
    pub accounts: usize,
    /// Day on which the match starts, with a fraction for the hour.
    pub day: f64,
    /// Length of the match in hours.
    #[serde(default = "two_hours")]
    pub hours: f64,
    /// Number of goals, at random times, each by one team.
    #[serde(default = "four")]
    pub goals: usize,
    /// Share of the scoring team's followers that react to a goal; half this share of the other
    /// team's followers reacts.
    pub participation: f64,
    /// Mean seconds until a watcher reacts.
    #[serde(default = "goal_lag")]
    pub lag_s: f64,
    /// Share of reactions that are one of the few common shouts; the others are the watcher's own
    /// sentence.
    #[serde(default = "half")]
    pub shout: f64,
    /// Mean number of further posts with the match's hashtags per watcher, at any time of the
    /// match.
    #[serde(default)]
    pub chat: f64,
}

/// See [`Lookalike::Newsroom`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Newsroom {
    /// Name in the truth.
    pub name: String,
    /// Number of newsrooms; each is an additional account with its own site.
    pub accounts: usize,
    /// Wire reports per day, at random times.
    pub reports_per_day: f64,
    /// Share of the newsrooms that publish each report.
    pub participation: f64,
    /// Median seconds until a newsroom publishes.
    #[serde(default = "wire_lag")]
    pub lag_s: f64,
    /// Probability that an editor replaces a word of the report.
    #[serde(default)]
    pub edit: f64,
    /// Share of reports that link to the copy on the newsroom's site.
    #[serde(default = "half")]
    pub link: f64,
    /// Own articles per day that each newsroom posts, with headline and link.
    #[serde(default = "ten")]
    pub own_per_day: f64,
}

/// See [`Lookalike::Legislature`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Legislature {
    /// Name in the truth.
    pub name: String,
    /// Number of members, divided evenly among the parties. They are additional accounts with many
    /// followers.
    pub accounts: usize,
    /// Number of parties.
    #[serde(default = "two_parties")]
    pub parties: usize,
    /// Posts per day of each member that the member's party may repost.
    pub posts_per_day: f64,
    /// Share of the party that reposts each post.
    pub participation: f64,
    /// Median seconds until a member reposts.
    #[serde(default = "party_lag")]
    pub lag_s: f64,
    /// Ordinary posts per day of each member.
    #[serde(default = "two_posts")]
    pub other_per_day: f64,
    /// Number of public hashtag campaigns, each of one party, at random times.
    #[serde(default)]
    pub campaigns: usize,
    /// Share of the party that takes part in each campaign.
    #[serde(default = "half")]
    pub campaign_participation: f64,
    /// Hours over which the posts of a campaign are spread.
    #[serde(default = "six")]
    pub campaign_hours: f64,
    /// Share of campaigns with talking points, which are near-copies of one text.
    #[serde(default)]
    pub talking_points: f64,
    /// Probability that a word of the talking points is replaced.
    #[serde(default)]
    pub paraphrase: f64,
}

/// See [`Lookalike::Cascade`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cascade {
    /// Name in the truth.
    pub name: String,
    /// Number of cascades. They start at random times in the first two thirds of the world, so that
    /// they can finish.
    pub cascades: usize,
    /// Median number of reposts per cascade.
    pub accounts: f64,
    /// Standard deviation of the logarithm of this number.
    #[serde(default)]
    pub sigma: f64,
    /// Median seconds until an account finds the post without a repost (log-normal, sigma 1.5).
    pub lag_s: f64,
    /// Share of reposts that another repost triggers.
    #[serde(default)]
    pub clump: f64,
    /// Median seconds from a repost to the repost that it triggers (log-normal, sigma 1).
    #[serde(default = "live_lag")]
    pub clump_s: f64,
    /// Mean number of further posts of each account that the cascade activated.
    #[serde(default)]
    pub linger: f64,
}

fn fandom_lag() -> f64 {
    180.0
}

fn four() -> usize {
    4
}

fn goal_lag() -> f64 {
    20.0
}

fn half() -> f64 {
    0.5
}

fn live_lag() -> f64 {
    30.0
}

fn mirror_lag() -> Range {
    Range { low: 5.0, high: 20.0 }
}

fn party_lag() -> f64 {
    2_400.0
}

fn quarter() -> f64 {
    0.25
}

fn six() -> f64 {
    6.0
}

fn ten() -> f64 {
    10.0
}

fn three() -> usize {
    3
}

fn two_hours() -> f64 {
    2.0
}

fn two_parties() -> usize {
    2
}

fn two_posts() -> f64 {
    2.0
}

fn wire_lag() -> f64 {
    600.0
}
