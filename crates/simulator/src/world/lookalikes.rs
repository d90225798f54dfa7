//! Organic groups that act alike: the `lookalike` tables of a world.

use serde::{Deserialize, Deserializer, Serialize, de};

use super::Range;

/// Organic accounts that act alike for innocent reasons.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Lookalike {
    /// Admirers of one voice who repost everything it posts.
    Fandom(Fandom),
    /// Thousands who pass on the same few items within minutes.
    BreakingNews(BreakingNews),
    /// Feed bots that copy one outlet.
    Mirrors(Mirrors),
    /// People who post the text that a competition asks for.
    Giveaway(Giveaway),
    /// Readers who press an article's share button.
    ShareButton(ShareButton),
    /// A second screen: many react to the same moments of a broadcast.
    LiveEvent(LiveEvent),
    /// A match: at every goal its watchers shout the same few words under the same two hashtags, within seconds.
    Sport(Sport),
    /// Newsrooms that run the same wire reports in nearly the same words.
    Newsroom(Newsroom),
    /// Members of a parliament who repost their party and run hashtag campaigns in the open.
    Legislature(Legislature),
    /// Posts that run through the crowd: repost sets off repost, within seconds.
    Cascade(Cascade),
}

/// By hand, because a derived reader of a tagged table forgets in which key an error was.
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
    /// Accounts of the crowd that belong to it.
    pub accounts: usize,
    /// Posts of the idol a day.
    pub items_per_day: f64,
    /// Share of the fandom that takes up each.
    pub participation: f64,
    /// Median seconds until they do.
    #[serde(default = "fandom_lag")]
    pub lag_s: f64,
    /// Day on which the fandom comes to be: above 0 it has no history before.
    #[serde(default)]
    pub from_day: f64,
    /// Share of those who, rather than repost, write a post of their own with the fandom's three hashtags.
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
    /// Acts in each, by accounts of the crowd.
    pub accounts: usize,
    /// Items of each event, every one from another source.
    #[serde(default = "three")]
    pub items: usize,
    /// Mean seconds from the event to an act.
    pub lag_s: f64,
    /// Share of acts that follow another act within seconds, as cascades do.
    #[serde(default)]
    pub clump: f64,
    /// Mean further posts of whoever the news brought in.
    #[serde(default)]
    pub linger: f64,
}

/// See [`Lookalike::Mirrors`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mirrors {
    /// Name in the truth.
    pub name: String,
    /// Number of bots, each of them an account of its own.
    pub accounts: usize,
    /// Outlets that are copied, each by `accounts / outlets` bots.
    pub outlets: usize,
    /// Seconds after the article.
    #[serde(default = "mirror_lag")]
    pub lag_s: Range,
    /// Share of posts with the article's headline; the others are a bare link.
    #[serde(default)]
    pub headline: f64,
}

/// See [`Lookalike::Giveaway`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Giveaway {
    /// Name in the truth.
    pub name: String,
    /// Accounts of the crowd that hunt for prizes.
    pub accounts: usize,
    /// Number of giveaways, at random times.
    pub giveaways: usize,
    /// Share of the hunters in each.
    pub participation: f64,
    /// Median seconds until they enter.
    pub lag_s: f64,
}

/// See [`Lookalike::ShareButton`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShareButton {
    /// Name in the truth.
    pub name: String,
    /// Accounts of the crowd that use such buttons.
    pub accounts: usize,
    /// Articles that are shared so.
    pub articles: usize,
    /// Share of the accounts for each.
    pub participation: f64,
    /// Median seconds until they do.
    pub lag_s: f64,
}

/// See [`Lookalike::LiveEvent`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LiveEvent {
    /// Name in the truth.
    pub name: String,
    /// Accounts of the crowd that watch.
    pub accounts: usize,
    /// Day on which it starts, with a fraction for the hour.
    pub day: f64,
    /// Its length in hours.
    pub hours: f64,
    /// Moments that many react to.
    pub moments: usize,
    /// Share of those who watch that react to each.
    pub participation: f64,
    /// Mean seconds until they do.
    #[serde(default = "live_lag")]
    pub lag_s: f64,
    /// Share of those who repost the broadcaster; the others write a post of their own with the event's hashtag.
    #[serde(default = "quarter")]
    pub repost: f64,
    /// Mean further posts with the hashtag of each who watches, at any time of the event.
    #[serde(default)]
    pub chat: f64,
}

/// See [`Lookalike::Sport`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sport {
    /// Name in the truth.
    pub name: String,
    /// Accounts of the crowd that watch, half of them for each team.
    pub accounts: usize,
    /// Day on which the match starts, with a fraction for the hour.
    pub day: f64,
    /// Its length in hours.
    #[serde(default = "two_hours")]
    pub hours: f64,
    /// Goals, at random times, each of one team.
    #[serde(default = "four")]
    pub goals: usize,
    /// Share of the scoring team's followers that react to a goal; of the other team's, half as many do.
    pub participation: f64,
    /// Mean seconds until they do.
    #[serde(default = "goal_lag")]
    pub lag_s: f64,
    /// Share of reactions that are one of the few words everybody shouts; the others are a sentence of one's own.
    #[serde(default = "half")]
    pub shout: f64,
    /// Mean further posts of each who watches, at any time of the match, with its hashtags.
    #[serde(default)]
    pub chat: f64,
}

/// See [`Lookalike::Newsroom`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Newsroom {
    /// Name in the truth.
    pub name: String,
    /// Number of newsrooms, each an account of its own with a site of its own.
    pub accounts: usize,
    /// Wire reports a day, at random times.
    pub reports_per_day: f64,
    /// Share of the newsrooms that run each.
    pub participation: f64,
    /// Median seconds until they do.
    #[serde(default = "wire_lag")]
    pub lag_s: f64,
    /// Probability that a desk exchanges a word of the report.
    #[serde(default)]
    pub edit: f64,
    /// Share of reports that link to the newsroom's own copy.
    #[serde(default = "half")]
    pub link: f64,
    /// Articles of its own that each newsroom posts a day, with headline and link.
    #[serde(default = "ten")]
    pub own_per_day: f64,
}

/// See [`Lookalike::Legislature`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Legislature {
    /// Name in the truth.
    pub name: String,
    /// Members, dealt out to the parties in turn; accounts of their own with many followers.
    pub accounts: usize,
    /// Parties.
    #[serde(default = "two_parties")]
    pub parties: usize,
    /// Posts a day of each member that the own party may repost.
    pub posts_per_day: f64,
    /// Share of the party that reposts each of them.
    pub participation: f64,
    /// Median seconds until they do.
    #[serde(default = "party_lag")]
    pub lag_s: f64,
    /// Ordinary posts a day of each member.
    #[serde(default = "two_posts")]
    pub other_per_day: f64,
    /// Hashtag campaigns in the open, each of one party, at random times.
    #[serde(default)]
    pub campaigns: usize,
    /// Share of the party in each.
    #[serde(default = "half")]
    pub campaign_participation: f64,
    /// Hours over which a campaign's posts fall.
    #[serde(default = "six")]
    pub campaign_hours: f64,
    /// Share of campaigns with talking points: near-copies of one text.
    #[serde(default)]
    pub talking_points: f64,
    /// Probability that a word of the talking points is exchanged.
    #[serde(default)]
    pub paraphrase: f64,
}

/// See [`Lookalike::Cascade`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cascade {
    /// Name in the truth.
    pub name: String,
    /// Number of cascades, at random times in the first two thirds of the world, so that they can run their course.
    pub cascades: usize,
    /// Median reposts of one.
    pub accounts: f64,
    /// Standard deviation of the logarithm of that number.
    #[serde(default)]
    pub sigma: f64,
    /// Median seconds until somebody finds the post without being led to it by a repost (log-normal, sigma 1.5).
    pub lag_s: f64,
    /// Share of reposts that another repost sets off.
    #[serde(default)]
    pub clump: f64,
    /// Median seconds until it does (log-normal, sigma 1).
    #[serde(default = "live_lag")]
    pub clump_s: f64,
    /// Mean further posts of whoever the cascade brought in.
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
