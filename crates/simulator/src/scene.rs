//! A world while it is built: its accounts, sources, items, and the drafts of its posts.
//!
//! A draft holds the account, the action and the time in a few bytes; `render` turns it into a
//! post. All parts of a world add to one scene, each with its own random draws.

use std::collections::{BTreeMap, HashSet};

use coordination::Millis;

use crate::{
    draw::Draw,
    ids::{id, mix},
    label::Label,
    truth::{AccountKey, AccountTruth, ActTruth, ActionTruth, GroupTruth, Truth},
    words::{self, Language, languages},
    world::{Crowd, Kind, Mode, World},
};

/// Milliseconds per second.
pub(crate) const SECOND: f64 = 1_000.0;
/// Milliseconds per day.
pub(crate) const DAY: f64 = 86_400_000.0;
/// Age after which accounts no longer react to an item.
const SHELF_LIFE: Millis = 6 * 3_600_000;

pub(crate) struct Scene<'w> {
    pub(crate) world: &'w World,
    pub(crate) seed: u64,
    pub(crate) start: Millis,
    pub(crate) end: Millis,
    pub(crate) languages: [Language; 3],
    pub(crate) communities: Vec<Community>,
    /// Habits of the crowd, and of campaigns that have their own habits.
    pub(crate) habits: Vec<Crowd>,
    pub(crate) accounts: Vec<SimulatedAccount>,
    pub(crate) sources: Vec<Source>,
    pub(crate) items: Vec<Item>,
    pub(crate) scripts: Vec<Script>,
    pub(crate) drafts: Vec<Draft>,
    pub(crate) lookalikes: Vec<GroupTruth>,
    pub(crate) campaigns: Vec<GroupTruth>,
    pub(crate) kinds: BTreeMap<String, Kind>,
    /// Number of the crowd's sources. Sources of campaigns and look-alikes have higher indices.
    pub(crate) public_sources: usize,
    /// Number of accounts of the crowd. All other accounts have higher indices.
    pub(crate) crowd: usize,
    acted: HashSet<(u32, u32)>,
    serial: u64,
}

/// People with a common language, time zone and interests.
pub(crate) struct Community {
    pub(crate) language: usize,
    /// Offset of the time zone from UTC, as a fraction of a day.
    pub(crate) zone: f64,
    pub(crate) topics: Vec<String>,
    pub(crate) tags: Vec<String>,
}

pub(crate) struct SimulatedAccount {
    pub(crate) platform: usize,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) community: usize,
    /// Offset of the person's time zone from UTC, as a fraction of a day.
    pub(crate) zone: f64,
    pub(crate) created_at: Millis,
    pub(crate) followers: u64,
    pub(crate) following: u64,
    /// Number of posts before this world began.
    pub(crate) earlier_posts: u64,
    pub(crate) default_profile: bool,
    pub(crate) client: String,
    pub(crate) label: Label,
    pub(crate) group: Option<String>,
    /// Habits of the account, as an index into the scene's list.
    pub(crate) habits: usize,
}

/// A source of items: a voice or an outlet.
pub(crate) struct Source {
    pub(crate) community: usize,
    /// Handle of a voice, or domain of an outlet.
    pub(crate) name: String,
    /// The voice's account on each platform; empty for an outlet.
    pub(crate) accounts: Vec<u32>,
    /// Items in order of time.
    pub(crate) items: Vec<u32>,
}

/// An article, or a post of a voice (one post per platform).
pub(crate) struct Item {
    pub(crate) source: u32,
    pub(crate) at: Millis,
    pub(crate) fame: f64,
    pub(crate) serial: u64,
    /// Tags of its posts, in addition to those of the text.
    pub(crate) tags: Vec<String>,
}

/// What the posts of a group have in common, apart from items.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) community: usize,
    /// Seed of the base text. `None`: each post has its own text.
    pub(crate) base: Option<u64>,
    /// Probability that a word of the base text is replaced.
    pub(crate) paraphrase: f64,
    pub(crate) tags: Vec<String>,
    pub(crate) mentions: Vec<String>,
    /// Number of base texts; 0 means one.
    pub(crate) templates: usize,
    /// Share of texts that are rewritten from the message of the base text.
    pub(crate) rewrite: f64,
    /// The picture, if any.
    pub(crate) media: Option<u64>,
    /// Number of bits in which the hash of each copy differs.
    pub(crate) noise: usize,
    /// Share of texts that are a common shout.
    pub(crate) shout: f64,
    /// Share of copies that contain the whole text, in groups of the `group` tables.
    pub(crate) verbatim: f64,
    /// Share of a text's words that are slots.
    pub(crate) slots: f64,
}

pub(crate) struct Draft {
    pub(crate) at: Millis,
    pub(crate) account: u32,
    pub(crate) serial: u64,
    pub(crate) act: Act,
    /// Milliseconds until the post is deleted; 0 means never.
    pub(crate) deleted_after: Millis,
}

/// Kind of a post. Numbers are indices into the scene's tables.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Act {
    /// A voice publishes its item.
    Publish(u32),
    Repost(u32),
    /// Reposts an account outside this sample.
    RepostStranger,
    Reply(u32),
    Link {
        item: u32,
        words: LinkWords,
        /// Number of shorteners to choose from; 0 uses the URL itself.
        short: u32,
    },
    /// A link with a script's text.
    Article {
        item: u32,
        script: u32,
    },
    /// A reply with a script's text.
    Answer {
        item: u32,
        script: u32,
    },
    /// A link that no other post has.
    LinkStranger,
    Chat,
    Script(u32),
    /// A text of a group of the `group` tables, or the account's own words with the group's tags.
    Line {
        script: u32,
        dress: Dress,
    },
}

/// Tags, mention and link of a group's post.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Dress {
    /// Number of the script's tags.
    pub(crate) tags: u8,
    /// The script's mention, counted from 1; 0 means none.
    pub(crate) mention: u8,
    pub(crate) link: Linked,
}

/// The link of a group's post.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Linked {
    No,
    To(u32),
    /// A shortened link to the item.
    Short(u32),
    /// A link that no other post has.
    Stray,
}

/// The text of a post with a link.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum LinkWords {
    /// The account's own text.
    Own,
    /// The headline.
    Headline,
    /// The headline as a share button writes it, with the outlet's name.
    Button,
    /// No text.
    Bare,
}

impl<'w> Scene<'w> {
    pub(crate) fn new(world: &'w World, seed: u64) -> Self {
        let start = world.start.as_millisecond();
        let languages = languages();
        Self {
            world,
            seed,
            start,
            end: start + (world.days * DAY) as Millis,
            communities: communities(world, seed, &languages),
            languages,
            habits: vec![world.crowd.clone()],
            accounts: Vec::new(),
            sources: Vec::new(),
            items: Vec::new(),
            scripts: Vec::new(),
            drafts: Vec::new(),
            lookalikes: Vec::new(),
            campaigns: Vec::new(),
            kinds: BTreeMap::new(),
            public_sources: 0,
            crowd: 0,
            acted: HashSet::new(),
            serial: 0,
        }
    }

    /// A time of the world in milliseconds since the epoch.
    pub(crate) fn day(&self, day: f64) -> Millis {
        self.start + (day * DAY) as Millis
    }

    /// A new ordinary account. Its id does not reveal when or why it was created.
    pub(crate) fn account(&mut self, draw: &mut Draw, platform: usize, community: usize) -> u32 {
        let index = self.accounts.len() as u64;
        let home = &self.communities[community];
        let zone = if draw.chance(0.8) { home.zone + 0.05 * draw.normal() } else { draw.unit() };
        let age_days = 30.0 + 4_400.0 * libm::pow(draw.unit(), 0.8);
        let noun = self.languages[0].noun(draw);
        let given = words::name(draw).to_lowercase();
        let name = match draw.below(5) {
            0 => format!("{given}_{noun}"),
            1 => format!("{noun}{}", draw.below(9_000) + 1_000),
            2 => format!("{given}{}", draw.below(90) + 10),
            3 => format!("the_{noun}_{given}"),
            _ => format!("{given}{}", words::name(draw).to_lowercase()),
        };
        let clients = [("phone", 0.56), ("web", 0.28), ("tablet", 0.1), ("scheduler", 0.06)];
        let weights = clients.map(|(_, weight)| weight);
        let client = clients[draw.weighted(&weights).unwrap_or(0)].0;
        self.accounts.push(SimulatedAccount {
            platform,
            id: mix(index ^ (self.seed << 24), 48).to_string(),
            name,
            community,
            zone,
            created_at: self.start - (age_days * DAY) as Millis,
            followers: draw.log_normal(220.0, 1.6) as u64,
            following: draw.log_normal(260.0, 1.1) as u64,
            earlier_posts: draw.log_normal(1_400.0, 1.7) as u64,
            default_profile: draw.chance(0.08),
            client: format!("{} {client}", self.world.platforms[platform].name),
            label: Label::Organic,
            group: None,
            habits: 0,
        });
        index as u32
    }

    /// A new source: a voice with an account on each platform, or an outlet with a domain.
    pub(crate) fn source(&mut self, draw: &mut Draw, community: usize, voice: bool) -> u32 {
        let noun = self.languages[0].noun(draw);
        let given = words::name(draw).to_lowercase();
        let number = self.sources.len();
        let (name, accounts) = if voice {
            let name = format!("{given}_{noun}{number}");
            let accounts = (0..self.world.platforms.len()).map(|platform| {
                let account = self.account(draw, platform, community);
                let voice = &mut self.accounts[account as usize];
                voice.name.clone_from(&name);
                voice.followers = draw.log_normal(20_000.0, 1.2) as u64;
                voice.default_profile = false;
                account
            });
            let accounts = accounts.collect();
            (name, accounts)
        } else {
            (format!("{given}-{noun}{number}.example"), Vec::new())
        };
        self.sources.push(Source { community, name, accounts, items: Vec::new() });
        number as u32
    }

    /// A new item of a source.
    pub(crate) fn item(&mut self, source: u32, at: Millis, fame: f64) -> u32 {
        let item = self.items.len() as u32;
        let serial = self.next_serial();
        // The post on each platform has its own id.
        self.serial += self.world.platforms.len() as u64;
        self.items.push(Item { source, at, fame, serial, tags: Vec::new() });
        self.sources[source as usize].items.push(item);
        item
    }

    pub(crate) fn script(&mut self, script: Script) -> u32 {
        self.scripts.push(script);
        (self.scripts.len() - 1) as u32
    }

    /// Adds a post, unless it is outside the world's time or the account already did the same.
    /// Returns whether the post was added.
    pub(crate) fn post(&mut self, at: Millis, account: u32, act: Act) -> bool {
        if at < self.start || at >= self.end {
            return false;
        }
        if let Act::Repost(item) | Act::Link { item, .. } | Act::Article { item, .. } = act
            && !self.acted.insert((account, item))
        {
            return false;
        }
        let serial = self.next_serial();
        self.drafts.push(Draft { at, account, serial, act, deleted_after: 0 });
        true
    }

    /// The truth about the last added post, with its real time.
    pub(crate) fn last_act(&self, member: u32) -> Option<(Millis, ActTruth)> {
        let draft = self.drafts.last()?;
        let post = id(draft.at, draft.serial);
        Some((draft.at, ActTruth { member, at: self.shown_at(draft), post }))
    }

    /// An item of a source for an account that browses at `at`; famous and recent items are more
    /// likely.
    pub(crate) fn browse(&self, draw: &mut Draw, source: usize, at: Millis) -> Option<u32> {
        let items = &self.sources[source].items;
        let when = |item: &u32| self.items[*item as usize].at;
        // An account reacts after two seconds or more.
        let last = items.partition_point(|item| when(item) + 2_000 <= at);
        let first = items.partition_point(|item| when(item) < at - SHELF_LIFE);
        let fresh = &items[first.min(last)..last];
        let life = self.world.crowd.item_life_s * SECOND;
        let pull = |item: &u32| {
            let item = &self.items[*item as usize];
            item.fame * libm::exp(-((at - item.at) as f64) / life)
        };
        let weights: Vec<f64> = fresh.iter().map(pull).collect();
        draw.weighted(&weights).map(|place| fresh[place])
    }

    pub(crate) fn key(&self, account: u32) -> AccountKey {
        let account = &self.accounts[account as usize];
        AccountKey { platform: self.world.platforms[account.platform].name.clone(), account_id: account.id.clone() }
    }

    /// Labels accounts as members of a group. An existing label is kept.
    pub(crate) fn label(&mut self, members: &[u32], label: Label, group: &str) {
        for &member in members {
            let account = &mut self.accounts[member as usize];
            if account.label == Label::Organic {
                account.label = label;
                account.group = Some(group.to_owned());
            }
        }
    }

    pub(crate) fn group(&self, name: &str, label: Label, members: &[u32], actions: Vec<ActionTruth>) -> GroupTruth {
        GroupTruth {
            name: name.to_owned(),
            label,
            members: members.iter().map(|&member| self.key(member)).collect(),
            actions,
        }
    }

    /// The truth of an action on an item.
    pub(crate) fn on_item(&self, item: u32, at: Millis) -> ActionTruth {
        let source = &self.sources[self.items[item as usize].source as usize];
        let (mode, keys) = if source.accounts.is_empty() {
            (Mode::Url, vec![self.address(item)])
        } else {
            let platforms = 0..self.world.platforms.len();
            (Mode::Repost, platforms.map(|platform| self.item_id(item, platform)).collect())
        };
        ActionTruth { at, mode, keys, source: source.name.clone(), participants: Vec::new(), acts: Vec::new() }
    }

    /// Adds the posts in which voices publish the items that are reposted or answered, so that
    /// every cascade has its root.
    pub(crate) fn publish(&mut self) {
        let mut wanted: Vec<(u32, usize)> = Vec::new();
        for draft in &self.drafts {
            if let Act::Repost(item) | Act::Reply(item) | Act::Answer { item, .. } = draft.act {
                wanted.push((item, self.accounts[draft.account as usize].platform));
            }
        }
        wanted.sort_unstable();
        wanted.dedup();
        for (item, platform) in wanted {
            let at = self.items[item as usize].at;
            let serial = self.items[item as usize].serial + platform as u64;
            let account = self.sources[self.items[item as usize].source as usize].accounts[platform];
            self.drafts.push(Draft { at, account, serial, act: Act::Publish(item), deleted_after: 0 });
        }
    }

    /// The truth about every account that posted, and about every group.
    pub(crate) fn truth(&self) -> Truth {
        let mut posts = vec![0; self.accounts.len()];
        for draft in &self.drafts {
            posts[draft.account as usize] += 1;
        }
        let mut accounts: Vec<AccountTruth> = (0..self.accounts.len())
            .filter(|account| posts[*account] > 0)
            .map(|account| AccountTruth {
                account: self.key(account as u32),
                label: self.accounts[account].label,
                group: self.accounts[account].group.clone(),
                posts: posts[account],
            })
            .collect();
        accounts.sort_unstable_by(|a, b| a.account.cmp(&b.account));
        Truth {
            accounts,
            campaigns: self.campaigns.clone(),
            lookalikes: self.lookalikes.clone(),
            kinds: self.kinds.clone(),
            short_links: self.short_links(),
        }
    }

    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }
}

fn communities(world: &World, seed: u64, languages: &[Language; 3]) -> Vec<Community> {
    let mut draw = Draw::new(seed, "communities");
    let one = |index: usize| {
        let language = [0, 0, 1, 0, 2][index % 5];
        let topics = (0..10).map(|topic| match topic {
            1 => "Velmora".to_owned(),
            _ => words::name(&mut draw),
        });
        let topics: Vec<String> = topics.collect();
        let tags = (0..14).map(|tag| {
            let noun = capital(languages[language].noun(&mut draw));
            match tag % 3 {
                0 => format!("{}{noun}", topics[draw.below(topics.len())]),
                1 => format!("{noun}{}", capital(languages[language].noun(&mut draw))),
                _ => format!("{noun}{}", 26 + draw.below(3)),
            }
        });
        Community { language, zone: (index % 6) as f64 / 6.0, tags: tags.collect(), topics }
    };
    (0..world.crowd.communities).map(one).collect()
}

/// A hashtag that was not used before.
pub(crate) fn slogan(scene: &Scene<'_>, draw: &mut Draw) -> String {
    format!("{}{}{}", words::name(draw), capital(scene.languages[0].noun(draw)), words::name(draw))
}

/// A word with its first letter in upper case, as in hashtags.
pub(crate) fn capital(word: &str) -> String {
    let mut letters = word.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}
