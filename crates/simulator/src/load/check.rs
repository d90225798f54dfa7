//! The checks of a world that a type cannot make, and whose errors name the key.

use super::WorldError;
use crate::{
    ids::ID_EPOCH,
    world::{Campaign, Crowd, Group, Lookalike, Range, World},
};

/// More than this many posts is taken for a slip of the pen.
const MOST_POSTS: f64 = 50_000_000.0;

/// Ids have room for so many milliseconds.
const SIXTY_YEARS: i64 = 60 * 365 * 86_400_000;

const SHARE: &str = "must be in 0 to 1";
const POSITIVE: &str = "must be above 0";
const COUNT: &str = "must be at least 1";
const NOT_NEGATIVE: &str = "must not be negative";

/// A key and its value.
type Named = (&'static str, f64);

impl World {
    /// Checks every value; reading a world does so already, and whoever changes its fields should do so again.
    pub fn check(&self) -> Result<(), WorldError> {
        rule(self.days > 0.0 && self.days <= 400.0, "days", self.days, "must be in 0 to 400")?;
        rule(
            (ID_EPOCH..ID_EPOCH + SIXTY_YEARS).contains(&self.start.as_millisecond()),
            "start",
            self.start,
            "must be in the years 2020 to 2079",
        )?;
        rule(!self.platforms.is_empty(), "platform", "missing", "must have an entry")?;
        rule(self.platforms.len() <= 16, "platform", self.platforms.len(), "must have at most 16 entries")?;
        for (i, platform) in self.platforms.iter().enumerate() {
            let key = |name: &str| format!("platform[{i}].{name}");
            rule(finite(platform.share) && platform.share > 0.0, key("share"), platform.share, POSITIVE)?;
            rule(
                (0.0..=3_600.0).contains(&platform.clock_s),
                key("clock_s"),
                platform.clock_s,
                "must be in 0 to 3600",
            )?;
        }
        self.check_crowd()?;
        self.lookalikes.iter().enumerate().try_for_each(|(place, lookalike)| check_lookalike(lookalike, place))?;
        self.campaigns.iter().enumerate().try_for_each(|(place, campaign)| self.check_campaign(campaign, place))?;
        self.groups.iter().enumerate().try_for_each(|(place, group)| self.check_group(group, place))
    }

    /// Checks the organic background.
    fn check_crowd(&self) -> Result<(), WorldError> {
        let c = &self.crowd;
        for (name, count) in [("accounts", c.accounts), ("communities", c.communities)] {
            rule(count >= 1, format!("crowd.{name}"), count, COUNT)?;
        }
        rule(c.sources >= 4, "crowd.sources", c.sources, "must be at least 4")?;
        for (name, value) in [
            ("items_per_day", c.items_per_day),
            ("fame", c.fame),
            ("item_life_s", c.item_life_s),
            ("posts_median", c.posts_median),
            ("posts_max", c.posts_max),
            ("session_posts", c.session_posts),
            ("gap_s", c.gap_s),
        ] {
            rule(finite(value) && value > 0.0, format!("crowd.{name}"), value, POSITIVE)?;
        }
        for (name, value) in [("posts_sigma", c.posts_sigma), ("gap_sigma", c.gap_sigma)] {
            rule((0.0..=5.0).contains(&value), format!("crowd.{name}"), value, "must be in 0 to 5")?;
        }
        for (name, value) in [
            ("loyalty", c.loyalty),
            ("repost", c.repost),
            ("link", c.link),
            ("tail", c.tail),
            ("reply", c.reply),
            ("mention", c.mention),
            ("hashtag", c.hashtag),
            ("headline", c.headline),
            ("saying", c.saying),
            ("voice_links", c.voice_links),
            ("tracking", c.tracking),
            ("delete", c.delete),
            ("stranger_links", c.stranger_links),
            ("media", c.media),
            ("meme", c.meme),
            ("focus", c.focus),
            ("loose", c.loose),
        ] {
            rule((0.0..=1.0).contains(&value), format!("crowd.{name}"), value, SHARE)?;
        }
        for [day, hours] in &c.evenings {
            let inside = *day >= 0.0 && *hours > 0.0 && day + hours / 24.0 <= self.days;
            rule(
                inside,
                "crowd.evenings",
                format!("[{day}, {hours}]"),
                "must be [day, hours] inside the world's time",
            )?;
        }
        rule(c.repost + c.link <= 1.0, "crowd.link", c.link, "must leave `repost` + `link` at most 1")?;
        let mean = c.posts_median * libm::exp(c.posts_sigma * c.posts_sigma / 2.0);
        rule(
            mean.min(c.posts_max) * (c.accounts as f64) < MOST_POSTS,
            "crowd.accounts",
            c.accounts,
            "gives more than 50 million posts",
        )
    }

    /// Checks a planted campaign.
    fn check_campaign(&self, campaign: &Campaign, place: usize) -> Result<(), WorldError> {
        let key = |name: &str| format!("campaign[{place}].{name}");
        rule(
            campaign.start_day >= 0.0 && campaign.start_day < self.days,
            key("start_day"),
            campaign.start_day,
            "must be a day of the world",
        )?;
        for name in &campaign.platforms {
            let known = self.platforms.iter().any(|platform| platform.name == *name);
            rule(known, key("platforms"), name, "must name platforms of this world")?;
        }
        rule(campaign.size.low >= 1.0, key("size"), campaign.size.low, COUNT)?;
        rule(campaign.size.high <= 100_000.0, key("size"), campaign.size.high, "must be at most 100000")?;
        for (name, count) in [
            ("copies", campaign.copies),
            ("own_sources", campaign.own_sources),
            ("cells", campaign.cells),
            ("tags", campaign.tags),
            ("new_tags", campaign.new_tags),
            ("flood", campaign.flood),
            ("templates", campaign.templates),
            ("mention_set", campaign.mention_set),
            ("shortener_hosts", campaign.shortener_hosts),
        ] {
            rule((1..=10_000).contains(&count), key(name), count, "must be in 1 to 10000")?;
        }
        rule(campaign.media_noise <= 64, key("media_noise"), campaign.media_noise, "must be at most 64")?;
        rule(
            campaign.cells == 1 || campaign.cell_size == 0,
            key("cell_size"),
            campaign.cell_size,
            "must be 0 where `cells` is given",
        )?;
        let sigma = campaign.cover_sigma;
        rule((0.0..=5.0).contains(&sigma), key("cover_sigma"), sigma, "must be in 0 to 5")?;
        rule((0.0..=1e6).contains(&campaign.cover_max), key("cover_max"), campaign.cover_max, "must be at most 1e6")?;
        self.check_habits(&campaign.habits.over(&self.crowd), &format!("campaign[{place}]"))?;
        let m = campaign.modes;
        for (name, weight) in [
            ("url", m.url),
            ("repost", m.repost),
            ("hashtags", m.hashtags),
            ("text", m.text),
            ("media", m.media),
            ("reply", m.reply),
            ("mention", m.mention),
        ] {
            rule(finite(weight) && weight >= 0.0, key(&format!("modes.{name}")), weight, NOT_NEGATIVE)?;
        }
        rule(
            m.url + m.repost + m.hashtags + m.text + m.media + m.reply + m.mention > 0.0,
            key("modes"),
            "all zero",
            "must give at least one mode a weight",
        )?;
        let range = |name: &str, range: Range, most: f64, says: &'static str| {
            rule(range.low >= 0.0, key(name), range.low, NOT_NEGATIVE)?;
            rule(range.high <= most, key(name), range.high, says)
        };
        for (name, value) in [
            ("participation", campaign.participation),
            ("own_source", campaign.own_source),
            ("paraphrase", campaign.paraphrase),
            ("rewrite", campaign.rewrite),
            ("scripted", campaign.scripted),
            ("shortener", campaign.shortener),
            ("delete", campaign.delete),
            ("pattern_handles", campaign.pattern_handles),
        ] {
            range(name, value, 1.0, SHARE)?;
        }
        for (name, value) in [
            ("actions_per_day", campaign.actions_per_day),
            ("cover_per_day", campaign.cover_per_day),
            ("poison_per_day", campaign.poison_per_day),
        ] {
            range(name, value, 10_000.0, "must be at most 10000")?;
        }
        for (name, value) in [
            ("jitter_s", campaign.jitter_s),
            ("drip_s", campaign.drip_s),
            ("drip_days", campaign.drip_days),
            ("burst_h", campaign.burst_h),
            ("delete_after_s", campaign.delete_after_s),
            ("created_within_days", campaign.created_within_days),
        ] {
            range(name, value, 1e8, "must be at most 100000000")?;
        }
        Ok(())
    }

    /// Checks a group in concert.
    fn check_group(&self, group: &Group, place: usize) -> Result<(), WorldError> {
        let key = |name: &str| format!("group[{place}].{name}");
        if let Some(name) = &group.platform {
            let known = self.platforms.iter().any(|platform| platform.name == *name);
            rule(known, key("platform"), name, "must name a platform of this world")?;
        }
        let within = |name: &str, range: Range, least: f64, most: f64, says: &'static str| {
            rule(range.low >= least, key(name), range.low, says)?;
            rule(range.high <= most, key(name), range.high, says)
        };
        for (name, range) in [
            ("participation", group.participation),
            ("asides", group.asides),
            ("reposts", group.reposts),
            ("copied", group.copied),
            ("verbatim", group.verbatim),
            ("slots", group.slots),
            ("tagged", group.tagged),
            ("mentioned", group.mentioned),
            ("linked", group.linked),
            ("articles", group.articles),
            ("kin", group.kin),
            ("young", group.young),
            ("pattern_handles", group.pattern_handles),
            ("one_client", group.one_client),
        ] {
            within(name, range, 0.0, 1.0, "must be in 0 to 1")?;
        }
        within("size", group.size, 1.0, 100_000.0, "must be in 1 to 100000")?;
        within("bouts", group.bouts, 1.0, 10_000.0, "must be in 1 to 10000")?;
        within("bout_h", group.bout_h, 0.01, 9_600.0, "must be in 0.01 to 9600")?;
        within("text_life", group.text_life, 0.001, 1.0, "must be in 0.001 to 1")?;
        within("posts", group.posts, 1.0, 10_000.0, "must be in 1 to 10000")?;
        within("life_h", group.life_h, 0.0, 9_600.0, "must be in 0 to 9600")?;
        within("copies_per_text", group.copies_per_text, 0.0, 1e6, "must be in 0 to 1000000")?;
        within("own_template", group.own_template, 0.0, 10_000.0, "must be in 0 to 10000")?;
        within("own_per_day", group.own_per_day, 0.0, 1_000.0, "must be in 0 to 1000")?;
        within("onlookers", group.onlookers, 0.0, 1_000.0, "must be in 0 to 1000")?;
        let copies = group.onlooker_copies;
        rule((0.0..=1.0).contains(&copies), key("onlooker_copies"), copies, "must be in 0 to 1")?;
        rule((0.0..=5.0).contains(&group.own_sigma), key("own_sigma"), group.own_sigma, "must be in 0 to 5")?;
        rule((1..=10_000).contains(&group.copies), key("copies"), group.copies, "must be in 1 to 10000")?;
        for (name, count) in [("tags", group.tags), ("mentions", group.mentions), ("voices", group.voices)] {
            rule(count <= 200, key(name), count, "must be at most 200")?;
        }
        let voices = group.voices > 0;
        rule(voices || group.reposts.high <= 0.0, key("reposts"), group.reposts.high, "must be 0 without `voices`")?;
        rule(voices || !group.leaders, key("leaders"), group.leaders, "must be false without `voices`")?;
        let tags = group.tags > 0;
        rule(tags || !group.tag_per_bout, key("tag_per_bout"), group.tag_per_bout, "must be false without `tags`")?;
        let mentioned = group.mentioned.high;
        rule(group.mentions > 0 || mentioned <= 0.0, key("mentioned"), mentioned, "must be 0 without `mentions`")?;
        let days = self.days;
        rule(
            group.copies as f64
                * group.size.high
                * (group.bouts.high * group.posts.high + group.own_per_day.high * days)
                < MOST_POSTS,
            key("size"),
            group.size.high,
            "gives more than 50 million posts",
        )?;
        self.check_habits(&group.habits.over(&self.crowd), &format!("group[{place}]"))
    }

    /// Checks the habits of a campaign's or a group's accounts; the crowd's own are known to hold.
    fn check_habits(&self, habits: &Crowd, of: &str) -> Result<(), WorldError> {
        let key = |name: &str| format!("{of}.habits.{name}");
        for (name, value) in [
            ("loyalty", habits.loyalty),
            ("repost", habits.repost),
            ("link", habits.link),
            ("tail", habits.tail),
            ("reply", habits.reply),
            ("mention", habits.mention),
            ("hashtag", habits.hashtag),
            ("headline", habits.headline),
            ("saying", habits.saying),
            ("tracking", habits.tracking),
            ("delete", habits.delete),
            ("stranger_links", habits.stranger_links),
            ("media", habits.media),
            ("meme", habits.meme),
            ("focus", habits.focus),
        ] {
            rule((0.0..=1.0).contains(&value), key(name), value, "must be in 0 to 1")?;
        }
        for (name, value) in [("session_posts", habits.session_posts), ("gap_s", habits.gap_s)] {
            rule(finite(value) && value > 0.0, key(name), value, "must be above 0")?;
        }
        rule((0.0..=5.0).contains(&habits.gap_sigma), key("gap_sigma"), habits.gap_sigma, "must be in 0 to 5")?;
        rule(habits.repost + habits.link <= 1.0, key("link"), habits.link, "must leave `repost` + `link` at most 1")
    }
}

/// Checks an organic group that acts alike.
fn check_lookalike(lookalike: &Lookalike, place: usize) -> Result<(), WorldError> {
    let key = |name: &str| format!("lookalike[{place}].{name}");
    let (shares, positives): (Vec<Named>, Vec<Named>) = match lookalike {
        Lookalike::Fandom(f) => (
            vec![("participation", f.participation), ("chant", f.chant)],
            vec![("items_per_day", f.items_per_day), ("lag_s", f.lag_s)],
        ),
        Lookalike::BreakingNews(b) => {
            rule(b.items >= 1, key("items"), b.items, COUNT)?;
            rule((0.0..=100.0).contains(&b.linger), key("linger"), b.linger, "must be in 0 to 100")?;
            (vec![("clump", b.clump)], vec![("lag_s", b.lag_s)])
        }
        Lookalike::Mirrors(m) => {
            rule(m.outlets >= 1, key("outlets"), m.outlets, COUNT)?;
            rule(m.lag_s.low >= 0.0, key("lag_s"), m.lag_s.low, NOT_NEGATIVE)?;
            (vec![("headline", m.headline)], vec![])
        }
        Lookalike::Giveaway(g) => (vec![("participation", g.participation)], vec![("lag_s", g.lag_s)]),
        Lookalike::ShareButton(s) => (vec![("participation", s.participation)], vec![("lag_s", s.lag_s)]),
        Lookalike::LiveEvent(l) => {
            rule((0.0..=1_000.0).contains(&l.chat), key("chat"), l.chat, "must be in 0 to 1000")?;
            let shares = vec![("participation", l.participation), ("repost", l.repost)];
            (shares, vec![("hours", l.hours), ("lag_s", l.lag_s)])
        }
        Lookalike::Sport(s) => {
            rule((0.0..=1_000.0).contains(&s.chat), key("chat"), s.chat, "must be in 0 to 1000")?;
            let shares = vec![("participation", s.participation), ("shout", s.shout)];
            (shares, vec![("hours", s.hours), ("lag_s", s.lag_s)])
        }
        Lookalike::Newsroom(n) => {
            rule((0.0..=1_000.0).contains(&n.own_per_day), key("own_per_day"), n.own_per_day, "must be in 0 to 1000")?;
            let shares = vec![("participation", n.participation), ("edit", n.edit), ("link", n.link)];
            (shares, vec![("reports_per_day", n.reports_per_day), ("lag_s", n.lag_s)])
        }
        Lookalike::Legislature(l) => {
            rule(l.parties >= 1, key("parties"), l.parties, COUNT)?;
            for (name, value) in [("posts_per_day", l.posts_per_day), ("other_per_day", l.other_per_day)] {
                rule((0.0..=1_000.0).contains(&value), key(name), value, "must be in 0 to 1000")?;
            }
            (
                vec![
                    ("participation", l.participation),
                    ("campaign_participation", l.campaign_participation),
                    ("talking_points", l.talking_points),
                    ("paraphrase", l.paraphrase),
                ],
                vec![("lag_s", l.lag_s), ("campaign_hours", l.campaign_hours)],
            )
        }
        Lookalike::Cascade(c) => {
            rule((0.0..=100.0).contains(&c.linger), key("linger"), c.linger, "must be in 0 to 100")?;
            rule((0.0..=5.0).contains(&c.sigma), key("sigma"), c.sigma, "must be in 0 to 5")?;
            let positive = vec![("accounts", c.accounts), ("lag_s", c.lag_s), ("clump_s", c.clump_s)];
            (vec![("clump", c.clump)], positive)
        }
    };
    for (name, value) in shares {
        rule((0.0..=1.0).contains(&value), key(name), value, SHARE)?;
    }
    for (name, value) in positives {
        rule(finite(value) && value > 0.0, key(name), value, POSITIVE)?;
    }
    Ok(())
}

fn finite(value: f64) -> bool {
    value.is_finite()
}

fn rule(
    holds: bool,
    key: impl Into<String>,
    value: impl std::fmt::Display,
    rule: &'static str,
) -> Result<(), WorldError> {
    if holds {
        return Ok(());
    }
    Err(WorldError::Value { key: key.into(), value: value.to_string(), rule })
}
