//! Reading a world: the built-in files, `extends`, and the checks that a type cannot make.

mod check;

use crate::world::World;

/// The worlds that come with Lockstep, by name.
const BUILT_IN: [(&str, &str); 17] = [
    ("debate", include_str!("../worlds/debate.toml")),
    ("demo", include_str!("../worlds/demo.toml")),
    ("evasion", include_str!("../worlds/evasion.toml")),
    ("innocents", include_str!("../worlds/innocents.toml")),
    ("jitter", include_str!("../worlds/jitter.toml")),
    ("lookalikes", include_str!("../worlds/lookalikes.toml")),
    ("newfandom", include_str!("../worlds/newfandom.toml")),
    ("null", include_str!("../worlds/null.toml")),
    ("openly", include_str!("../worlds/openly.toml")),
    ("openly-fortnight", include_str!("../worlds/openly-fortnight.toml")),
    ("operation", include_str!("../worlds/operation.toml")),
    ("operations", include_str!("../worlds/operations.toml")),
    ("operations-fortnight", include_str!("../worlds/operations-fortnight.toml")),
    ("proto", include_str!("../worlds/proto.toml")),
    ("prototype", include_str!("../worlds/prototype.toml")),
    ("training", include_str!("../worlds/training.toml")),
    ("viral", include_str!("../worlds/viral.toml")),
];

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
    /// A path to a parameter leads nowhere.
    #[error("at `{path}`: nothing is called `{step}` here; there is {known}")]
    Path {
        /// The path asked for.
        path: String,
        /// The first step of it that leads nowhere.
        step: String,
        /// What there is in its place.
        known: String,
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
    /// a list (such as all campaigns) takes the place of the whole list. A table `set` then changes single parameters by
    /// the paths of [`World::with`]: `set = { "campaign.*.jitter_s" = [60, 10800] }`.
    pub fn from_toml(text: &str) -> Result<Self, WorldError> {
        Self::read(toml::Value::Table(table(text, 0)?))
    }

    /// The same world with one parameter changed: `with("campaign.*.cover_per_day", "60")`.
    ///
    /// `path` is the file's keys joined by dots. An entry of `platform`, `lookalike` or `campaign` goes by its name, by
    /// its place from 0, or by `*` for all of them; without such a step the path stands for the whole list. `value` is
    /// written as in the file (`60`, `[60, 10800]`, `'log_normal'`, `{ url = 1, text = 1 }`); what is no TOML value is
    /// taken as a string. A key that the world's file left at its default can be set all the same.
    ///
    /// # Errors
    ///
    /// Where a step of the path leads nowhere, or the value is none for that key; both name the path.
    pub fn with(&self, path: &str, value: &str) -> Result<Self, WorldError> {
        self.with_all([(path, value)])
    }

    /// The same world with parameters changed in turn, as [`World::with`] does one; only the last world is checked, so
    /// that values which depend on each other can be changed together.
    pub fn with_all<'a>(&self, changes: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, WorldError> {
        let mut whole = self.to_table()?;
        for (path, value) in changes {
            change(&mut whole, path, &literal(value))?;
        }
        Self::read(toml::Value::Table(whole))
    }

    /// The world as a file that [`World::from_toml`] reads, every parameter written out.
    pub fn to_toml(&self) -> Result<String, WorldError> {
        Ok(self.to_table()?.to_string())
    }

    fn to_table(&self) -> Result<toml::Table, WorldError> {
        toml::Table::try_from(self)
            .map_err(|error| WorldError::Key { key: self.name.clone(), problem: error.to_string() })
    }

    fn read(whole: toml::Value) -> Result<Self, WorldError> {
        let world: Self = serde_path_to_error::deserialize(whole).map_err(|error| WorldError::Key {
            key: error.path().to_string(),
            problem: error.inner().message().to_owned(),
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
    let changes = own.remove("set").unwrap_or_else(|| toml::Table::new().into());
    let changes = changes.as_table().ok_or_else(|| WorldError::Key {
        key: "set".to_owned(),
        problem: "must be a table of paths and values".to_owned(),
    })?;
    let mut whole = extended(own, depth)?;
    changes.iter().try_for_each(|(path, value)| change(&mut whole, path, value))?;
    Ok(whole)
}

fn extended(mut own: toml::Table, depth: usize) -> Result<toml::Table, WorldError> {
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

/// What `text` says as a TOML value; else the text itself.
fn literal(text: &str) -> toml::Value {
    let read = toml::from_str::<toml::Table>(&format!("value = {text}")).ok();
    let value = read.filter(|table| table.len() == 1).and_then(|mut table| table.remove("value"));
    value.unwrap_or_else(|| toml::Value::String(text.to_owned()))
}

/// Sets what `path` leads to.
fn change(whole: &mut toml::Table, path: &str, value: &toml::Value) -> Result<(), WorldError> {
    let steps: Vec<&str> = path.split('.').collect();
    set_in(whole, &steps, value).map_err(|(step, known)| WorldError::Path {
        path: path.to_owned(),
        step: step.to_owned(),
        known,
    })
}

/// Sets what `steps` lead to; fails with the step that leads nowhere, and what there is.
fn set<'p>(node: &mut toml::Value, steps: &[&'p str], value: &toml::Value) -> Result<(), (&'p str, String)> {
    let Some((&step, rest)) = steps.split_first() else {
        *node = value.clone();
        return Ok(());
    };
    match node {
        toml::Value::Table(table) => set_in(table, steps, value),
        toml::Value::Array(list) => {
            let name = |entry: &toml::Value| entry.get("name").and_then(toml::Value::as_str).unwrap_or("").to_owned();
            let names: Vec<String> = list.iter().map(name).collect();
            let chosen = |place: usize| step == "*" || names[place] == step || step.parse() == Ok(place);
            if !(0..list.len()).any(chosen) {
                return Err((step, if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }));
            }
            let mut wanted = list.iter_mut().enumerate().filter(|(place, _)| chosen(*place));
            wanted.try_for_each(|(_, entry)| set(entry, rest, value))
        }
        other => Err((step, format!("the value {other}"))),
    }
}

fn set_in<'p>(table: &mut toml::Table, steps: &[&'p str], value: &toml::Value) -> Result<(), (&'p str, String)> {
    let Some((&step, rest)) = steps.split_first() else {
        return Ok(());
    };
    // A table that is not there is made: the reader refuses it where there is no such key.
    set(table.entry(step).or_insert_with(|| toml::Table::new().into()), rest, value)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Range;
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
        check("", expect![[r#"ok: x"#]]);
        check(
            "[crowd]\nacounts = 3\n",
            expect![[
                r#"at `crowd.acounts`: unknown field `acounts`, expected one of `accounts`, `communities`, `sources`, `items_per_day`, `loyalty`, `fame`, `item_life_s`, `posts_median`, `posts_sigma`, `posts_max`, `session_posts`, `gap_s`, `gap_sigma`, `repost`, `link`, `tail`, `reply`, `mention`, `hashtag`, `headline`, `saying`, `voice_links`, `tracking`, `delete`, `stranger_links`, `media`, `meme`, `evenings`, `focus`, `loose`"#
            ]],
        );
        check("[crowd]\nrepost = 1.5\n", expect![[r#"`crowd.repost` is 1.5: must be in 0 to 1"#]]);
        check(
            "[[lookalike]]\nkind = 'fandoms'\n",
            expect![
                "at `lookalike[0]`: unknown variant `fandoms`, expected one of `fandom`, `breaking_news`, `mirrors`, `giveaway`, `share_button`, `live_event`, `sport`, `newsroom`, `legislature`, `cascade`"
            ],
        );
        check(
            "[[lookalike]]\nkind = 'mirrors'\nname = 'm'\naccounts = 1\noutlets = 1\nspeed = 2\n",
            expect![
                "at `lookalike[0]`: `speed`: unknown field `speed`, expected one of `name`, `accounts`, `outlets`, `lag_s`, `headline`"
            ],
        );
        check(
            "[[campaign]]\nname = 'c'\nstart_day = 0.0\njitter = 3\n",
            expect![[
                r#"at `campaign[0].jitter`: unknown field `jitter`, expected one of `name`, `copies`, `platforms`, `size`, `start_day`, `end_day`, `burst_h`, `actions_per_day`, `max_actions`, `participation`, `jitter_s`, `lag`, `drip_s`, `drip_days`, `cover_per_day`, `cover_sigma`, `cover_max`, `habits`, `modes`, `own_source`, `own_sources`, `borrow_from`, `cells`, `cell_size`, `rotate`, `tags`, `new_tags`, `flood`, `paraphrase`, `rewrite`, `templates`, `scripted`, `mention_set`, `media_noise`, `shortener`, `shortener_hosts`, `delete`, `delete_after_s`, `poison_per_day`, `created_within_days`, `pattern_handles`, `client`, `one_time_zone`"#
            ]],
        );
        check(
            "[[campaign]]\nname = 'c'\nstart_day = 0.0\njitter_s = [9, 3]\n",
            expect![[r#"at `campaign[0].jitter_s`: [low, high] has low above high"#]],
        );
        check(
            "[[campaign]]\nname = 'c'\nstart_day = 0.0\nmodes = { url = 1.0 }\nplatforms = ['nowhere']\n",
            expect![[r#"`campaign[0].platforms` is nowhere: must name platforms of this world"#]],
        );
        check(
            "[[campaign]]\nname = 'c'\nstart_day = 0.0\n",
            expect![[r#"`campaign[0].modes` is all zero: must give at least one mode a weight"#]],
        );
        check(
            "[[group]]\nname = 'g'\nkind = 'mob'\nsize = 5\nbout_h = 1\n",
            expect![
                "at `group[0].kind`: unknown variant `mob`, expected one of `flood`, `waves`, `spun`, `scheduled`, `parliament`, `supporters`, `newsroom`, `conference`, `share_button`, `prize_hunters`, `tweet_storm`, `fan_voting`, `fandom`"
            ],
        );
        for (more, expected) in [
            ("copied = [0.5, 1.5]", expect!["`group[0].copied` is 1.5: must be in 0 to 1"]),
            ("posts = 0", expect!["`group[0].posts` is 0: must be in 1 to 10000"]),
            ("bouts = 0", expect!["`group[0].bouts` is 0: must be in 1 to 10000"]),
            ("text_life = 0", expect!["`group[0].text_life` is 0: must be in 0.001 to 1"]),
            ("copies = 0", expect!["`group[0].copies` is 0: must be in 1 to 10000"]),
            ("tags = 201", expect!["`group[0].tags` is 201: must be at most 200"]),
            ("reposts = 0.5", expect!["`group[0].reposts` is 0.5: must be 0 without `voices`"]),
            ("leaders = true", expect!["`group[0].leaders` is true: must be false without `voices`"]),
            ("tag_per_bout = true", expect!["`group[0].tag_per_bout` is true: must be false without `tags`"]),
            ("mentioned = 1.0", expect!["`group[0].mentioned` is 1: must be 0 without `mentions`"]),
            ("habits = { repost = 2.0 }", expect!["`group[0].habits.repost` is 2: must be in 0 to 1"]),
            ("posts = 9000\nbouts = 9000", expect!["`group[0].size` is 5: gives more than 50 million posts"]),
            ("starts = 'clock'", expect!["ok: x"]),
        ] {
            check(&format!("[[group]]\nname = 'g'\nkind = 'flood'\nsize = 5\nbout_h = 1\n{more}\n"), expected);
        }
        check(
            "days = 3\n",
            expect![[
                r#"at `platform[0].days`: unknown field `days`, expected one of `name`, `share`, `profile`, `client`, `deletions`, `lang`, `clock_s`"#
            ]],
        );
    }

    #[test]
    fn an_unknown_name_gets_the_nearest() {
        let error = World::named("prototyp").map(|world| world.name).unwrap_err();
        expect![[r#"no built-in world is called `prototyp`; did you mean `prototype`? there are: debate, demo, evasion, innocents, jitter, lookalikes, newfandom, null, openly, openly-fortnight, operation, operations, operations-fortnight, proto, prototype, training, viral"#]].assert_eq(&error.to_string());
    }

    #[test]
    fn one_parameter_can_be_changed() {
        let base = World::named("prototype").unwrap();
        let world = base.with("campaign.*.cover_per_day", "60").unwrap();
        assert!(world.campaigns.iter().all(|campaign| campaign.cover_per_day == Range::just(60.0)));
        assert_eq!(world.campaigns[0].jitter_s, base.campaigns[0].jitter_s);
        let world = world.with("campaign.planted-url.jitter_s", "[60, 10800]").unwrap();
        assert_eq!(world.campaigns[0].jitter_s, Range { low: 60.0, high: 10_800.0 });
        assert_eq!(world.campaigns[1].jitter_s, Range::just(60.0));
        let world = world.with("campaign.1.lag", "log_normal").unwrap();
        assert_eq!(world.campaigns[1].lag, crate::Lag::LogNormal);
        let world = world.with("campaign.*.modes", "{ url = 1, text = 2 }").unwrap();
        assert_eq!((world.campaigns[1].modes.repost, world.campaigns[1].modes.text), (0.0, 2.0));
        assert_eq!(world.with("crowd.accounts", "500").unwrap().crowd.accounts, 500);
        assert_eq!(world.with("campaign", "[]").unwrap().campaigns.len(), 0);
        let both = base.with_all([("days", "1.0"), ("campaign.*.start_day", "0.5")]).unwrap();
        assert_eq!((both.days, both.campaigns[1].start_day), (1.0, 0.5));
        // A parameter that no file has set, and one that has no value.
        assert_eq!(base.with("campaign.*.drip_s", "30").unwrap().campaigns[0].drip_s, Range::just(30.0));
        assert_eq!(base.with("campaign.*.end_day", "2.5").unwrap().campaigns[0].end_day, Some(2.5));
    }

    #[test]
    fn a_change_that_leads_nowhere_says_where() {
        let base = World::named("prototype").unwrap();
        let fails = |path: &str, value: &str| base.with(path, value).map(|world| world.name).unwrap_err().to_string();
        let all = [
            fails("campaign.plantd.size", "3"),
            fails("campaign.*.cover", "3"),
            fails("campaign.*.size", "many"),
            fails("campaign.*.participation", "1.5"),
            fails("crowd.accounts.x", "1"),
            fails("crowds.accounts", "1"),
            base.with("campaign", "[]").and_then(|world| world.with("campaign.*.size", "3")).unwrap_err().to_string(),
        ];
        expect![[r#"
            at `campaign.plantd.size`: nothing is called `plantd` here; there is planted-url, planted-repost
            at `campaign[0].cover`: unknown field `cover`, expected one of `name`, `copies`, `platforms`, `size`, `start_day`, `end_day`, `burst_h`, `actions_per_day`, `max_actions`, `participation`, `jitter_s`, `lag`, `drip_s`, `drip_days`, `cover_per_day`, `cover_sigma`, `cover_max`, `habits`, `modes`, `own_source`, `own_sources`, `borrow_from`, `cells`, `cell_size`, `rotate`, `tags`, `new_tags`, `flood`, `paraphrase`, `rewrite`, `templates`, `scripted`, `mention_set`, `media_noise`, `shortener`, `shortener_hosts`, `delete`, `delete_after_s`, `poison_per_day`, `created_within_days`, `pattern_handles`, `client`, `one_time_zone`
            at `campaign[0].size`: invalid type: string "many", expected a number or [low, high]
            `campaign[0].participation` is 1.5: must be in 0 to 1
            at `crowd.accounts.x`: nothing is called `x` here; there is the value 20000
            at `crowds`: unknown field `crowds`, expected one of `name`, `about`, `start`, `days`, `platform`, `crowd`, `lookalike`, `campaign`, `group`
            at `campaign.*.size`: nothing is called `*` here; there is nothing"#]].assert_eq(&all.join("\n"));
    }

    /// The table in the crate's documentation has every key, with its default.
    #[test]
    fn the_table_of_parameters_is_whole() {
        let table = include_str!("../PARAMETERS.md");
        let least = "[[campaign]]\nname = 'c'\nstart_day = 0.0\nmodes = { url = 1.0 }\n";
        let world = World::from_toml(&format!("{SMALL}{least}")).unwrap().to_table().unwrap();
        let group = "[[group]]\nname = 'g'\nkind = 'flood'\nsize = 5\nbout_h = 1\n";
        let group = World::from_toml(&format!("{SMALL}{group}")).unwrap().to_table().unwrap();
        let sections = [
            ("`[crowd]`", &world["crowd"]),
            ("`[[campaign]]`", &world["campaign"][0]),
            ("`[[group]]`", &group["group"][0]),
        ];
        for (section, keys) in sections {
            let rows = table.split(&format!("**{section}**")).nth(1).unwrap().split("\n**").next().unwrap();
            for (key, value) in keys.as_table().unwrap() {
                let row = rows.lines().find(|row| row.starts_with(&format!("| `{key}`")));
                let row = row.unwrap_or_else(|| panic!("{section} lacks `{key}`"));
                let said = row.split('|').nth(2).unwrap().trim().trim_matches('`');
                if let Some(number) = value.as_float().or_else(|| value.as_integer().map(|it| it as f64)) {
                    assert!(said == "required" || said.parse() == Ok(number), "{section} {row}: {number}");
                }
            }
        }
        for name in ["demo", "innocents"] {
            for lookalike in World::named(name).unwrap().to_table().unwrap()["lookalike"].as_array().unwrap() {
                let kind = lookalike["kind"].as_str().unwrap();
                let rows = table.split(&format!("kind = \"{kind}\"`**")).nth(1).unwrap().split("\n**").next().unwrap();
                for key in lookalike.as_table().unwrap().keys().filter(|key| *key != "kind") {
                    assert!(rows.contains(&format!("| `{key}`")), "{kind} lacks `{key}`");
                }
            }
        }
    }

    #[test]
    fn a_world_written_out_reads_back() {
        for name in World::names() {
            let world = World::named(name).unwrap();
            let again = World::from_toml(&world.to_toml().unwrap()).unwrap();
            assert_eq!(format!("{world:?}"), format!("{again:?}"));
        }
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
        let slow = "extends = 'prototype'\nset = { 'campaign.*.jitter_s' = [60, 10800] }\n";
        let slow = World::from_toml(slow).unwrap();
        assert!(slow.campaigns.iter().all(|campaign| campaign.jitter_s == Range { low: 60.0, high: 10_800.0 }));
        assert_eq!(slow.campaigns[0].size, base.campaigns[0].size);
    }
}
