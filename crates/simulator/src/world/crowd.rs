//! The organic background: the `crowd` table of a world.

use serde::{Deserialize, Serialize};

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
