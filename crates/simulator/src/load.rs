//! Reading a world: the built-in files, `extends`, and the checks that a type cannot make.

use crate::{
    render::ID_EPOCH,
    world::{Lookalike, Range, World},
};

/// The worlds that come with Lockstep, by name.
const BUILT_IN: [(&str, &str); 6] = [
    ("demo", include_str!("../worlds/demo.toml")),
    ("lookalikes", include_str!("../worlds/lookalikes.toml")),
    ("newfandom", include_str!("../worlds/newfandom.toml")),
    ("null", include_str!("../worlds/null.toml")),
    ("prototype", include_str!("../worlds/prototype.toml")),
    ("training", include_str!("../worlds/training.toml")),
];

/// More than this many posts is taken for a slip of the pen.
const MOST_POSTS: f64 = 50_000_000.0;

/// Ids have room for so many milliseconds.
const SIXTY_YEARS: i64 = 60 * 365 * 86_400_000;

/// A key and its value.
type Named = (&'static str, f64);

/// Why a world cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// No built-in world has this name.
    #[error("no built-in world is called `{name}`; did you mean `{nearest}`? there are: {known}")]
    UnknownName {
        /// The name asked for.
        name: String,
        /// The built-in name nearest to it.
        nearest: &'static str,
        /// All built-in names.
        known: String,
    },
    /// The file is not TOML.
    #[error("not a TOML file: {0}")]
    Syntax(#[from] toml::de::Error),
    /// A key is unknown, missing, or has a value of the wrong kind.
    #[error("at `{key}`: {problem}")]
    Key {
        /// Path of the key, or of the table it is in.
        key: String,
        /// What is wrong, with the keys there are.
        problem: String,
    },
    /// A value that makes no world.
    #[error("`{key}` is {value}: {rule}")]
    Value {
        /// Path of the key.
        key: String,
        /// Its value.
        value: String,
        /// What it must be.
        rule: &'static str,
    },
}

impl World {
    /// Reads a world from TOML.
    ///
    /// `extends = "NAME"` starts from a built-in world: keys and tables of this file take the place of that one's, and
    /// a list (such as all campaigns) takes the place of the whole list.
    pub fn from_toml(text: &str) -> Result<Self, WorldError> {
        let world: Self = serde_path_to_error::deserialize(toml::Value::Table(table(text, 0)?)).map_err(|error| {
            WorldError::Key { key: error.path().to_string(), problem: error.inner().message().to_owned() }
        })?;
        world.check()?;
        Ok(world)
    }

    /// A built-in world.
    pub fn named(name: &str) -> Result<Self, WorldError> {
        Self::from_toml(built_in(name)?)
    }

    /// Names of the built-in worlds, in alphabetical order.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    /// Checks every value; reading a world does so already, and whoever changes its fields should do so again.
    pub fn check(&self) -> Result<(), WorldError> {
        const SHARE: &str = "must be in 0 to 1";
        const POSITIVE: &str = "must be above 0";
        const COUNT: &str = "must be at least 1";
        const NOT_NEGATIVE: &str = "must not be negative";
        let c = &self.crowd;
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
        ] {
            rule((0.0..=1.0).contains(&value), format!("crowd.{name}"), value, SHARE)?;
        }
        rule(c.repost + c.link <= 1.0, "crowd.link", c.link, "must leave `repost` + `link` at most 1")?;
        let mean = c.posts_median * libm::exp(c.posts_sigma * c.posts_sigma / 2.0);
        rule(
            mean.min(c.posts_max) * (c.accounts as f64) < MOST_POSTS,
            "crowd.accounts",
            c.accounts,
            "gives more than 50 million posts",
        )?;
        for (i, lookalike) in self.lookalikes.iter().enumerate() {
            let key = |name: &str| format!("lookalike[{i}].{name}");
            let (shares, positives): (&[Named], &[Named]) = match lookalike {
                Lookalike::Fandom(f) => (
                    &[("participation", f.participation), ("chant", f.chant)],
                    &[("items_per_day", f.items_per_day), ("lag_s", f.lag_s)],
                ),
                Lookalike::BreakingNews(b) => {
                    rule(b.items >= 1, key("items"), b.items, COUNT)?;
                    rule((0.0..=100.0).contains(&b.linger), key("linger"), b.linger, "must be in 0 to 100")?;
                    (&[("clump", b.clump)], &[("lag_s", b.lag_s)])
                }
                Lookalike::Mirrors(m) => {
                    rule(m.outlets >= 1, key("outlets"), m.outlets, COUNT)?;
                    rule(m.lag_s.low >= 0.0, key("lag_s"), m.lag_s.low, NOT_NEGATIVE)?;
                    (&[("headline", m.headline)], &[])
                }
                Lookalike::Giveaway(g) => (&[("participation", g.participation)], &[("lag_s", g.lag_s)]),
                Lookalike::ShareButton(s) => (&[("participation", s.participation)], &[("lag_s", s.lag_s)]),
                Lookalike::LiveEvent(l) => {
                    (&[("participation", l.participation)], &[("hours", l.hours), ("lag_s", l.lag_s)])
                }
            };
            for (name, value) in shares {
                rule((0.0..=1.0).contains(value), key(name), value, SHARE)?;
            }
            for (name, value) in positives {
                rule(finite(*value) && *value > 0.0, key(name), value, POSITIVE)?;
            }
        }
        for (i, campaign) in self.campaigns.iter().enumerate() {
            let key = |name: &str| format!("campaign[{i}].{name}");
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
            ] {
                rule((1..=10_000).contains(&count), key(name), count, "must be in 1 to 10000")?;
            }
            let m = campaign.modes;
            for (name, weight) in [
                ("url", m.url),
                ("repost", m.repost),
                ("hashtag", m.hashtag),
                ("text", m.text),
                ("reply", m.reply),
                ("mention", m.mention),
            ] {
                rule(finite(weight) && weight >= 0.0, key(&format!("modes.{name}")), weight, NOT_NEGATIVE)?;
            }
            rule(
                m.url + m.repost + m.hashtag + m.text + m.reply + m.mention > 0.0,
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
                ("delete_after_s", campaign.delete_after_s),
                ("created_within_days", campaign.created_within_days),
            ] {
                range(name, value, 1e8, "must be at most 100000000")?;
            }
        }
        Ok(())
    }
}

fn built_in(name: &str) -> Result<&'static str, WorldError> {
    let found = BUILT_IN.iter().find(|(known, _)| *known == name);
    found.map(|(_, text)| *text).ok_or_else(|| WorldError::UnknownName {
        name: name.to_owned(),
        nearest: World::names().min_by_key(|known| strsim::levenshtein(known, name)).unwrap_or_default(),
        known: World::names().collect::<Vec<_>>().join(", "),
    })
}

fn table(text: &str, depth: usize) -> Result<toml::Table, WorldError> {
    let mut own: toml::Table = toml::from_str(text)?;
    let Some(base) = own.remove("extends") else {
        return Ok(own);
    };
    let name = base.as_str().filter(|_| depth < 8).ok_or_else(|| WorldError::Key {
        key: "extends".to_owned(),
        problem: "must be the name of a built-in world".to_owned(),
    })?;
    let mut whole = table(built_in(name)?, depth + 1)?;
    overlay(&mut whole, own);
    Ok(whole)
}

/// Lays the keys of `top` over those of `base`, table by table.
fn overlay(base: &mut toml::Table, top: toml::Table) {
    for (key, value) in top {
        match (base.get_mut(&key), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(above)) => overlay(below, above),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    const SMALL: &str =
        "name = 'x'\nabout = 'y'\nstart = '2026-09-14T00:00:00Z'\ndays = 1.0\n[[platform]]\nname = 'chirp'\n";

    fn check(more: &str, expected: Expect) {
        let error = World::from_toml(&format!("{SMALL}{more}")).map(|world| world.name);
        expected.assert_eq(&match error {
            Ok(name) => format!("ok: {name}"),
            Err(error) => error.to_string(),
        });
    }

    #[test]
    fn every_built_in_world_reads() {
        for name in World::names() {
            let world = World::named(name).unwrap();
            assert_eq!(world.name, name);
        }
    }

    #[test]
    fn errors_name_the_key() {
        check("", expect!["ok: x"]);
        check(
            "[crowd]\nacounts = 3\n",
            expect![
                "at `crowd.acounts`: unknown field `acounts`, expected one of `accounts`, `communities`, `sources`, `items_per_day`, `loyalty`, `fame`, `item_life_s`, `posts_median`, `posts_sigma`, `posts_max`, `session_posts`, `gap_s`, `gap_sigma`, `repost`, `link`, `tail`, `reply`, `mention`, `hashtag`, `headline`, `saying`, `voice_links`, `tracking`, `delete`"
            ],
        );
        check("[crowd]\nrepost = 1.5\n", expect!["`crowd.repost` is 1.5: must be in 0 to 1"]);
        check(
            "[[lookalike]]\nkind = 'fandoms'\n",
            expect![
                "at `lookalike[0].kind`: unknown variant `fandoms`, expected one of `fandom`, `breaking_news`, `mirrors`, `giveaway`, `share_button`, `live_event`"
            ],
        );
        check(
            "[[lookalike]]\nkind = 'mirrors'\nname = 'm'\naccounts = 1\noutlets = 1\nspeed = 2\n",
            expect![
                "at `lookalike[0]`: unknown field `speed`, expected one of `name`, `accounts`, `outlets`, `lag_s`, `headline`"
            ],
        );
        check(
            "[[campaign]]\nname = 'c'\nstart_day = 0.0\njitter = 3\n",
            expect![
                "at `campaign[0].jitter`: unknown field `jitter`, expected one of `name`, `copies`, `platforms`, `size`, `start_day`, `end_day`, `actions_per_day`, `max_actions`, `participation`, `jitter_s`, `lag`, `drip_s`, `cover_per_day`, `modes`, `own_source`, `own_sources`, `borrow_from`, `cells`, `rotate`, `tags`, `new_tags`, `flood`, `paraphrase`, `scripted`, `shortener`, `delete`, `delete_after_s`, `poison_per_day`, `created_within_days`, `pattern_handles`, `client`, `one_time_zone`"
            ],
        );
        check(
            "[[campaign]]\nname = 'c'\nstart_day = 0.0\njitter_s = [9, 3]\n",
            expect!["at `campaign[0].jitter_s`: [low, high] has low above high"],
        );
        check(
            "[[campaign]]\nname = 'c'\nstart_day = 0.0\nmodes = { url = 1.0 }\nplatforms = ['nowhere']\n",
            expect!["`campaign[0].platforms` is nowhere: must name platforms of this world"],
        );
        check(
            "[[campaign]]\nname = 'c'\nstart_day = 0.0\n",
            expect!["`campaign[0].modes` is all zero: must give at least one mode a weight"],
        );
        check(
            "days = 3\n",
            expect![
                "at `platform[0].days`: unknown field `days`, expected one of `name`, `share`, `profile`, `client`, `deletions`, `lang`, `clock_s`"
            ],
        );
    }

    #[test]
    fn an_unknown_name_gets_the_nearest() {
        let error = World::named("prototyp").map(|world| world.name).unwrap_err();
        expect!["no built-in world is called `prototyp`; did you mean `prototype`? there are: demo, lookalikes, newfandom, null, prototype, training"].assert_eq(&error.to_string());
    }

    #[test]
    fn extends_lays_keys_over_a_built_in_world() {
        let base = World::named("prototype").unwrap();
        let world =
            World::from_toml("extends = 'prototype'\nname = 'slow'\ncampaign = []\n[crowd]\naccounts = 500\n").unwrap();
        assert_eq!(world.name, "slow");
        assert_eq!(world.crowd.accounts, 500);
        assert_eq!(world.crowd.communities, base.crowd.communities);
        assert!(world.campaigns.is_empty());
        assert_eq!(world.lookalikes.len(), base.lookalikes.len());
    }
}
