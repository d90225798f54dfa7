//! Groups of the `group` tables: operations as in real files, and innocent groups that openly act
//! together.
//!
//! The same code simulates all of them, so that only the parameters of a group can reveal its kind.

mod members;

use std::collections::{BTreeMap, BTreeSet};

use coordination::Millis;

use crate::{
    crowd::{awake, live, session},
    draw::Draw,
    lookalike::{part, tagged},
    scene::{Act, Dress, Linked, SECOND, Scene, Script, slogan},
    truth::{ActTruth, ActionTruth},
    world::{Group, LinkKind, Mode, Range, Rhythm, Starts},
};

use members::recruit;

const HOUR: f64 = 3_600.0 * SECOND;
/// Bouts longer than this follow the waking hours of their members.
const LONG: f64 = 12.0 * HOUR;

/// Adds a world's groups.
pub(crate) fn gather(scene: &mut Scene<'_>) {
    let world = scene.world;
    for group in &world.groups {
        for copy in 1..=group.copies {
            let name = match group.copies {
                1 => group.name.clone(),
                _ => format!("{}-{copy}", group.name),
            };
            let draw = Draw::new(scene.seed, &format!("group {name}"));
            Concert::prepare(scene, group, name, draw).play(scene);
        }
    }
}

/// One copy of a group, with the values it drew.
struct Concert<'w> {
    plan: &'w Group,
    name: String,
    draw: Draw,
    community: usize,
    members: Vec<u32>,
    voices: Vec<u32>,
    /// Each member's own site, if the group's links go there or members write articles.
    sites: Vec<u32>,
    /// The target of the group's other links.
    outlet: u32,
    tags: Vec<String>,
    mentions: Vec<String>,
    /// Texts for all bouts, if each member repeats one text.
    templates: Vec<Offer>,
    own: Shares,
    actions: Vec<ActionTruth>,
}

/// Shares drawn for this copy.
struct Shares {
    participation: f64,
    asides: f64,
    reposts: f64,
    copied: f64,
    copies_per_text: f64,
    text_life: f64,
    verbatim: f64,
    slots: f64,
    tagged: f64,
    mentioned: f64,
    linked: f64,
    articles: f64,
    onlookers: f64,
}

/// A text, or a post of a voice, that members copy or repost in a bout.
#[derive(Clone)]
struct Offer {
    from: Millis,
    pull: f64,
    /// Index of a script or of an item.
    what: u32,
    /// The article to which copies of the text link.
    article: u32,
}

/// The posts of a bout, grouped by what they have in common.
#[derive(Default)]
struct Taken {
    texts: BTreeMap<u32, Vec<(Millis, ActTruth)>>,
    items: BTreeMap<u32, Vec<(Millis, ActTruth)>>,
    tagged: Vec<(Millis, ActTruth)>,
}

impl<'w> Concert<'w> {
    fn prepare(scene: &mut Scene<'_>, plan: &'w Group, name: String, mut draw: Draw) -> Self {
        let shares: Vec<f64> = scene.world.platforms.iter().map(|platform| platform.share).collect();
        let drawn = draw.weighted(&shares).unwrap_or(0);
        let named = |name: &String| scene.world.platforms.iter().position(|platform| platform.name == *name);
        let platform = plan.platform.as_ref().and_then(named).unwrap_or(drawn);
        let community = draw.below(scene.communities.len());
        let voices: Vec<u32> = (0..plan.voices).map(|_| scene.source(&mut draw, community, true)).collect();
        let leaders: Vec<u32> = match plan.leaders {
            true => voices.iter().map(|&voice| scene.sources[voice as usize].accounts[platform]).collect(),
            false => Vec::new(),
        };
        let members = recruit(scene, plan, platform, community, leaders, &mut draw);
        let sites = match plan.link == LinkKind::Site || plan.articles.high > 0.0 {
            true => members.iter().map(|_| scene.source(&mut draw, community, false)).collect(),
            false => Vec::new(),
        };
        let outlet = scene.source(&mut draw, community, false);
        let tags = (0..plan.tags).map(|_| slogan(scene, &mut draw)).collect();
        let named = voices.iter().map(|&voice| scene.sources[voice as usize].name.clone()).take(plan.mentions);
        let mut mentions: Vec<String> = named.collect();
        while mentions.len() < plan.mentions {
            mentions.push(scene.accounts[draw.below(scene.crowd)].name.clone());
        }
        let mut share = |range: Range| draw.between(range.low, range.high);
        let own = Shares {
            participation: share(plan.participation),
            asides: share(plan.asides),
            reposts: if voices.is_empty() { 0.0 } else { share(plan.reposts) },
            copied: share(plan.copied),
            text_life: share(plan.text_life),
            verbatim: share(plan.verbatim),
            slots: share(plan.slots),
            tagged: share(plan.tagged),
            mentioned: share(plan.mentioned),
            linked: share(plan.linked),
            articles: share(plan.articles),
            copies_per_text: draw.spread(plan.copies_per_text.low, plan.copies_per_text.high),
            onlookers: draw.spread(plan.onlookers.low, plan.onlookers.high),
        };
        let actions = Vec::new();
        let templates = Vec::new();
        Self { plan, name, draw, community, members, voices, sites, outlet, tags, mentions, templates, own, actions }
    }

    fn play(mut self, scene: &mut Scene<'_>) {
        self.lives(scene);
        let templates = libm::round(self.spread(self.plan.own_template)) as usize;
        self.templates = self.texts(scene, templates, scene.start, scene.start);
        for (from, to) in self.bouts(scene) {
            self.bout(scene, from, to);
        }
        self.actions.sort_by_key(|action| action.at);
        let label = self.plan.kind.label();
        scene.label(&self.members, label, &self.name);
        let group = scene.group(&self.name, label, &self.members, self.actions);
        scene.kinds.insert(self.name, self.plan.kind);
        match self.plan.kind.is_inauthentic() {
            true => scene.campaigns.push(group),
            false => scene.lookalikes.push(group),
        }
    }

    /// Ordinary posts of the members outside of the bouts.
    fn lives(&mut self, scene: &mut Scene<'_>) {
        let a_day = self.spread(self.plan.own_per_day);
        let days = scene.world.days;
        let own_words = self.script(scene, None, Vec::new());
        for place in 0..self.members.len() {
            let posts = self.draw.log_normal(a_day * days, self.plan.own_sigma).min(1_000.0 * days);
            let posts = libm::round(posts) as usize;
            let articles = (0..posts).filter(|_| self.draw.chance(self.own.articles)).count();
            live(scene, &mut self.draw, self.members[place], posts - articles);
            for _ in 0..articles {
                let at = self.moment(scene, place as u32, scene.start, scene.end, Rhythm::Even);
                let link = Linked::To(scene.item(self.sites[place], at, 1.0));
                let dress = Dress { tags: 0, mention: 0, link };
                scene.post(at, self.members[place], Act::Line { script: own_words, dress });
            }
        }
    }

    /// Start and end of each bout.
    fn bouts(&mut self, scene: &Scene<'_>) -> Vec<(Millis, Millis)> {
        let count = libm::round(self.spread(self.plan.bouts)).max(1.0) as usize;
        let whole = (scene.end - scene.start) as f64;
        let step = whole / count as f64;
        let minute = self.draw.unit() * HOUR;
        let bout = |turn: usize| {
            let most = if self.plan.starts == Starts::Spaced { step } else { whole };
            let length = (self.draw.spread(self.plan.bout_h.low, self.plan.bout_h.high) * HOUR).min(most);
            let free = self.draw.unit() * (most - length);
            let from = match self.plan.starts {
                Starts::Scattered => free,
                Starts::Spaced => step * turn as f64 + free,
                Starts::Clock => (libm::floor(free / HOUR) * HOUR + minute).min(most - length),
            };
            (scene.start + from as Millis, scene.start + (from + length) as Millis)
        };
        let mut bouts: Vec<(Millis, Millis)> = (0..count).map(bout).collect();
        bouts.sort_unstable();
        bouts
    }

    fn bout(&mut self, scene: &mut Scene<'_>, from: Millis, to: Millis) {
        if self.plan.tag_per_bout {
            self.tags = (0..self.plan.tags).map(|_| slogan(scene, &mut self.draw)).collect();
        }
        let mut turns: Vec<(Millis, u32)> = Vec::new();
        for place in part(&mut self.draw, self.members.len(), self.own.participation) {
            let posts = libm::round(self.spread(self.plan.posts)).max(1.0) as usize;
            let (from, to) = self.window(from, to);
            for _ in 0..posts {
                turns.push((self.moment(scene, place, from, to, self.plan.rhythm), place));
            }
        }
        turns.sort_unstable();
        let concert = turns.len() as f64 * (1.0 - self.own.asides);
        let reposts = concert * self.own.reposts;
        let copies = (concert - reposts) * self.own.copied;
        let texts = match self.templates.is_empty() {
            true => {
                let count = self.count(copies);
                self.texts(scene, count, from, to)
            }
            false => self.templates.clone(),
        };
        let items = self.items(scene, reposts, from, to);
        let own_words = self.script(scene, None, self.tags.clone());
        let mut taken = Taken::default();
        let mut wrote: BTreeSet<(u32, u32)> = BTreeSet::new();
        let life = ((to - from) as f64 * self.own.text_life).max(1.0);
        for (at, place) in turns {
            if self.draw.chance(self.own.asides) {
                session(scene, &mut self.draw, self.members[place as usize], at, 1);
                continue;
            }
            let kind = if self.draw.chance(self.own.reposts) {
                choose(&mut self.draw, &items, at, life).map(|item| Act::Repost(item.what))
            } else if self.draw.chance(self.own.copied) {
                self.text(&texts, at, life, place, &mut wrote).map(|text| {
                    let dress = self.dress(scene, at, Some(place), text.article);
                    Act::Line { script: text.what, dress }
                })
            } else {
                None
            };
            let act = match kind {
                Some(act) => act,
                None => {
                    let article = scene.item(self.outlet, at, 1.0);
                    Act::Line { script: own_words, dress: self.dress(scene, at, Some(place), article) }
                }
            };
            if !scene.post(at, self.members[place as usize], act) {
                continue;
            }
            let act_truth = scene.last_act(place);
            match act {
                Act::Repost(item) => taken.items.entry(item).or_default().extend(act_truth),
                Act::Line { script, .. } if script != own_words => {
                    taken.texts.entry(script).or_default().extend(act_truth);
                }
                Act::Line { dress: Dress { tags, .. }, .. } if tags > 0 => taken.tagged.extend(act_truth),
                _ => {}
            }
        }
        self.tell(scene, taken, from);
        self.onlookers(scene, &texts, &items, own_words, from, to);
    }

    /// Records the actions of a bout in the truth.
    fn tell(&mut self, scene: &Scene<'_>, taken: Taken, from: Millis) {
        let begun = |who: &[(Millis, ActTruth)]| who.iter().map(|(at, _)| *at).min().unwrap_or(from);
        for (script, who) in taken.texts {
            let action = tagged(begun(&who), vec![scene.script_text(script)], String::new());
            self.actions.push(ActionTruth { mode: Mode::Text, ..action }.by(who));
        }
        for (item, who) in taken.items {
            self.actions.push(scene.on_item(item, begun(&who)).by(who));
        }
        if let Some(tag) = self.tags.first()
            && !taken.tagged.is_empty()
        {
            let action = tagged(begun(&taken.tagged), self.tags.clone(), tag.clone());
            self.actions.push(action.by(taken.tagged));
        }
    }

    /// Lets some accounts of the crowd do the same as the group.
    fn onlookers(
        &mut self,
        scene: &mut Scene<'_>,
        texts: &[Offer],
        items: &[Offer],
        own_words: u32,
        from: Millis,
        to: Millis,
    ) {
        let count = libm::round(self.own.onlookers * self.members.len() as f64) as usize;
        let life = ((to - from) as f64 * self.own.text_life).max(1.0);
        for account in self.draw.sample(scene.crowd, count) {
            for _ in 0..1 + self.draw.below(2) {
                let at = from + (self.draw.unit() * (to - from) as f64) as Millis;
                let copies = self.tags.is_empty() && items.is_empty();
                let text = choose(&mut self.draw, texts, at, life);
                let item = choose(&mut self.draw, items, at, life);
                let act = match (text, item) {
                    (Some(text), _) if copies || self.draw.chance(self.plan.onlooker_copies) => {
                        Act::Line { script: text.what, dress: self.dress(scene, at, None, text.article) }
                    }
                    (_, Some(item)) if self.tags.is_empty() || self.draw.chance(0.5) => Act::Repost(item.what),
                    _ if self.tags.is_empty() => continue,
                    _ => {
                        let article = scene.item(self.outlet, at, 1.0);
                        Act::Line { script: own_words, dress: self.dress(scene, at, None, article) }
                    }
                };
                scene.post(at, account as u32, act);
            }
        }
    }

    /// Number of texts, or of voices' posts, for this many copies.
    fn count(&self, copies: f64) -> usize {
        match self.own.copies_per_text > 0.0 {
            true => libm::round(copies / self.own.copies_per_text).max(1.0) as usize,
            false => 1,
        }
    }

    /// Texts of a bout. The first is available from the start.
    fn texts(&mut self, scene: &mut Scene<'_>, count: usize, from: Millis, to: Millis) -> Vec<Offer> {
        let mut texts = Vec::with_capacity(count);
        for turn in 0..count {
            let (at, pull) = self.begin(turn, from, to);
            let base = self.draw.bits();
            let what = self.script(scene, Some(base), self.tags.clone());
            texts.push(Offer { from: at, pull, what, article: scene.item(self.outlet, at, 1.0) });
        }
        texts
    }

    /// Posts of the group's voices in a bout.
    fn items(&mut self, scene: &mut Scene<'_>, reposts: f64, from: Millis, to: Millis) -> Vec<Offer> {
        if self.voices.is_empty() || self.own.reposts <= 0.0 {
            return Vec::new();
        }
        let mut items = Vec::new();
        for turn in 0..self.count(reposts).max(self.voices.len().min(3)) {
            let (at, pull) = self.begin(turn, from, to);
            let voice = self.draw.pick(&self.voices);
            let item = scene.item(voice, at, 1.0);
            scene.items[item as usize].tags = self.tags.iter().take(1).cloned().collect();
            // An account reacts after two seconds or more.
            items.push(Offer { from: at + 2_000, pull, what: item, article: item });
        }
        items
    }

    /// Time from which a text or a voice's post is available, and its popularity.
    fn begin(&mut self, turn: usize, from: Millis, to: Millis) -> (Millis, f64) {
        let room = (to - from) as f64 * (1.0 - self.own.text_life);
        let after = if turn == 0 { 0.0 } else { self.draw.unit() * room };
        (from + after as Millis, self.draw.exponential(1.0))
    }

    /// A text of the bout, if possible one that the member has not copied yet.
    fn text(
        &mut self,
        texts: &[Offer],
        at: Millis,
        life: f64,
        place: u32,
        wrote: &mut BTreeSet<(u32, u32)>,
    ) -> Option<Offer> {
        if !self.templates.is_empty() {
            return Some(texts[place as usize % texts.len()].clone());
        }
        let mut text = choose(&mut self.draw, texts, at, life)?;
        for _ in 0..4 {
            if wrote.insert((place, text.what)) {
                break;
            }
            text = choose(&mut self.draw, texts, at, life)?;
        }
        Some(text)
    }

    /// Tags, mention and link of a post. Posts of onlookers have no `place`.
    fn dress(&mut self, scene: &mut Scene<'_>, at: Millis, place: Option<u32>, article: u32) -> Dress {
        let tags = match self.tags.len() {
            0 => 0,
            all if self.draw.chance(self.own.tagged) => 1 + self.draw.below(all),
            _ => 0,
        };
        let mention = match self.mentions.len() {
            0 => 0,
            all if self.draw.chance(self.own.mentioned) => 1 + self.draw.rank(all),
            _ => 0,
        };
        let link = match (self.draw.chance(self.own.linked), self.plan.link, place) {
            (false, ..) => Linked::No,
            (true, LinkKind::Short, _) => Linked::Short(article),
            (true, LinkKind::Own, _) | (true, LinkKind::Site, None) => Linked::Stray,
            (true, LinkKind::Same, _) => Linked::To(article),
            (true, LinkKind::Site, Some(place)) => Linked::To(scene.item(self.sites[place as usize], at, 1.0)),
        };
        Dress { tags: tags as u8, mention: mention as u8, link }
    }

    /// Start and end of a participant's activity in a bout.
    fn window(&mut self, from: Millis, to: Millis) -> (Millis, Millis) {
        let life = self.spread(self.plan.life_h) * HOUR;
        let length = (to - from) as f64;
        if life <= 0.0 || life >= length {
            return (from, to);
        }
        let begin = from + (self.draw.unit() * (length - life)) as Millis;
        (begin, begin + life as Millis)
    }

    /// A time in a bout at which a member posts.
    fn moment(&mut self, scene: &Scene<'_>, place: u32, from: Millis, to: Millis, rhythm: Rhythm) -> Millis {
        let length = (to - from) as f64;
        let zone = scene.accounts[self.members[place as usize] as usize].zone;
        loop {
            let after = match rhythm {
                Rhythm::Even => self.draw.unit() * length,
                Rhythm::Burst => self.draw.exponential(length / 4.0),
            };
            let at = from + after as Millis;
            if after < length && (length <= LONG || self.draw.chance(awake(at, zone))) || length < 1.0 {
                return at.min(to);
            }
        }
    }

    fn script(&self, scene: &mut Scene<'_>, base: Option<u64>, tags: Vec<String>) -> u32 {
        scene.script(Script {
            community: self.community,
            base,
            tags,
            mentions: self.mentions.clone(),
            verbatim: self.own.verbatim,
            slots: self.own.slots,
            ..Script::default()
        })
    }

    fn spread(&mut self, range: Range) -> f64 {
        self.draw.spread(range.low, range.high)
    }
}

/// The text or post that an account chooses at `at`: popular and recent ones are more likely.
fn choose(draw: &mut Draw, offers: &[Offer], at: Millis, life: f64) -> Option<Offer> {
    let weight = |offer: &Offer| match at - offer.from {
        age if age >= 0 => offer.pull * libm::exp(-(age as f64) / life),
        _ => 0.0,
    };
    let weights: Vec<f64> = offers.iter().map(weight).collect();
    draw.weighted(&weights).map(|place| offers[place].clone())
}
