//! Planted campaigns: accounts with an ordinary face that act together, in the ways a campaign might try.

use coordination::Millis;

use crate::{
    crowd::live,
    draw::Draw,
    lookalike::on,
    scene::{Act, DAY, LinkWords, SECOND, Scene, Script, capital},
    truth::{ActionTruth, Label},
    words,
    world::{Campaign, Lag, Mode, Modes, Range},
};

/// Plants a world's campaigns.
pub(crate) fn plant(scene: &mut Scene<'_>) {
    let world = scene.world;
    for campaign in &world.campaigns {
        for copy in 1..=campaign.copies {
            let name = match campaign.copies {
                1 => campaign.name.clone(),
                _ => format!("{}-{copy}", campaign.name),
            };
            let draw = Draw::new(scene.seed, &format!("campaign {name}"));
            Operation::prepare(scene, campaign, name, draw).run(scene);
        }
    }
}

/// One copy of a campaign, with the values it drew.
struct Operation<'w> {
    plan: &'w Campaign,
    name: String,
    draw: Draw,
    members: Vec<u32>,
    /// Own and borrowed sources, outlets and voices.
    own_outlets: Vec<u32>,
    own_voices: Vec<u32>,
    borrowed: Vec<u32>,
    /// Floods move from one new tag to the next.
    tags: Vec<Vec<String>>,
    community: usize,
    participation: f64,
    actions_per_day: f64,
    jitter_s: f64,
    drip_s: f64,
    own_source: f64,
    paraphrase: f64,
    scripted: f64,
    shortener: f64,
    delete: f64,
    actions: Vec<ActionTruth>,
}

impl<'w> Operation<'w> {
    fn prepare(scene: &mut Scene<'_>, plan: &'w Campaign, name: String, mut draw: Draw) -> Self {
        let from = |draw: &mut Draw, range: Range| draw.between(range.low, range.high);
        let community = draw.below(scene.communities.len());
        let members = recruit(scene, plan, &mut draw);
        let own = |scene: &mut Scene<'_>, draw: &mut Draw, voice: bool| -> Vec<u32> {
            (0..plan.own_sources).map(|_| scene.source(draw, community, voice)).collect()
        };
        let own_outlets = own(scene, &mut draw, false);
        let own_voices = own(scene, &mut draw, true);
        let borrowed = match plan.borrow_from {
            0 => (0..scene.public_sources as u32).collect(),
            few => draw.sample(scene.public_sources, few).into_iter().map(|source| source as u32).collect(),
        };
        let tags = (0..plan.new_tags).map(|_| (0..plan.tags).map(|_| slogan(scene, &mut draw)).collect()).collect();
        Self {
            members,
            own_outlets,
            own_voices,
            borrowed,
            tags,
            community,
            participation: from(&mut draw, plan.participation),
            actions_per_day: from(&mut draw, plan.actions_per_day),
            jitter_s: from(&mut draw, plan.jitter_s),
            drip_s: from(&mut draw, plan.drip_s),
            own_source: from(&mut draw, plan.own_source),
            paraphrase: from(&mut draw, plan.paraphrase),
            scripted: from(&mut draw, plan.scripted),
            shortener: from(&mut draw, plan.shortener),
            delete: from(&mut draw, plan.delete),
            actions: Vec::new(),
            draw,
            plan,
            name,
        }
    }

    fn run(mut self, scene: &mut Scene<'_>) {
        let cover = self.draw.between(self.plan.cover_per_day.low, self.plan.cover_per_day.high);
        for place in 0..self.members.len() {
            let posts = self.draw.poisson(cover * scene.world.days);
            live(scene, &mut self.draw, self.members[place], posts);
        }
        self.poison(scene);

        let from = self.plan.start_day;
        let to = self.plan.end_day.unwrap_or(scene.world.days).min(scene.world.days);
        let length = (to - from).max(0.0);
        let count = libm::round(length * self.actions_per_day) as usize;
        let count = count.min(self.plan.max_actions.unwrap_or(usize::MAX));
        // A tenth of a day is left free at the end, so that delays stay inside the world's time.
        let pace = (1.0 - 0.1 * length.min(1.0) / length.max(1e-9)) / self.actions_per_day;
        for cell in 0..self.plan.cells {
            for number in 0..count {
                let day = from + (number as f64 + 0.9 * self.draw.unit()) * pace;
                let phase = number * self.tags.len() / count;
                self.act(scene, cell, number, phase, scene.day(day));
            }
        }

        self.actions.sort_by_key(|action| action.at);
        scene.label(&self.members, Label::Inauthentic, &self.name);
        for &voice in &self.own_voices {
            let accounts = scene.sources[voice as usize].accounts.clone();
            scene.label(&accounts, Label::Inauthentic, &self.name);
        }
        let group = scene.group(&self.name, Label::Inauthentic, &self.members, self.actions);
        scene.campaigns.push(group);
    }

    /// One action of one cell: what is acted on, who takes part, and when each of them does. `phase` is the place of the
    /// tags that are flooded now.
    fn act(&mut self, scene: &mut Scene<'_>, cell: usize, number: usize, phase: usize, at: Millis) {
        let Modes { url, repost, hashtags, text, reply, mention } = self.plan.modes;
        let modes = [
            (Mode::Url, url),
            (Mode::Repost, repost),
            (Mode::Hashtags, hashtags),
            (Mode::Text, text),
            (Mode::Reply, reply),
            (Mode::Mention, mention),
        ];
        let weights = modes.map(|(_, weight)| weight);
        let (mode, _) = modes[self.draw.weighted(&weights).unwrap_or(0)];
        let on_duty = self.on_duty(cell, number);
        let mut who: Vec<(Millis, u32)> = Vec::new();
        let truth = match mode {
            Mode::Url | Mode::Repost | Mode::Reply => {
                let item = self.target(scene, mode, at);
                for (lag, place) in on_duty {
                    let act = match mode {
                        Mode::Reply => Act::Reply(item),
                        Mode::Repost => Act::Repost(item),
                        _ => Act::Link { item, words: LinkWords::Own, short: self.draw.chance(self.shortener) },
                    };
                    self.post(scene, at + lag, place, act, &mut who);
                }
                ActionTruth { mode, ..scene.on_item(item, at, Vec::new()) }
            }
            Mode::Hashtags | Mode::Text | Mode::Mention => {
                let script = self.script(scene, mode, phase);
                let posts = if mode == Mode::Hashtags { self.plan.flood } else { 1 };
                for (lag, place) in on_duty {
                    let mut when = at + lag;
                    for _ in 0..posts {
                        self.post(scene, when, place, Act::Script(script), &mut who);
                        when += (self.draw.log_normal(60.0, 1.0) * SECOND) as Millis;
                    }
                }
                let keys = match mode {
                    Mode::Hashtags => scene.scripts[script as usize].tags.clone(),
                    Mode::Mention => scene.scripts[script as usize].mentions.clone(),
                    _ => vec![scene.script_text(script)],
                };
                let source = if mode == Mode::Text { String::new() } else { keys[0].clone() };
                ActionTruth { at, mode, keys, source, participants: Vec::new() }
            }
        };
        who.sort_unstable();
        let mut participants: Vec<u32> = Vec::with_capacity(who.len());
        for (_, place) in who {
            if !participants.contains(&place) {
                participants.push(place);
            }
        }
        if !participants.is_empty() {
            self.actions.push(ActionTruth { participants, ..truth });
        }
    }

    /// What the posts of one action have in common.
    fn script(&mut self, scene: &mut Scene<'_>, mode: Mode, phase: usize) -> u32 {
        let scripted = mode == Mode::Text || self.draw.chance(self.scripted);
        let tags = match mode {
            Mode::Hashtags => self.tags[phase].clone(),
            _ => Vec::new(),
        };
        let mentions = match mode {
            Mode::Mention => {
                let targets = self.draw.sample(scene.crowd, 3).into_iter();
                targets.map(|target| scene.accounts[target].name.clone()).collect()
            }
            _ => Vec::new(),
        };
        scene.script(Script {
            community: self.community,
            base: scripted.then(|| self.draw.bits()),
            paraphrase: self.paraphrase,
            tags,
            mentions,
        })
    }

    /// Members that take part, with their delays.
    fn on_duty(&mut self, cell: usize, number: usize) -> Vec<(Millis, u32)> {
        let cells = self.plan.cells;
        let mut able: Vec<u32> =
            (0..self.members.len() as u32).filter(|place| *place as usize % cells == cell).collect();
        if self.plan.rotate > 0 && self.plan.rotate < able.len() {
            let turn = number * self.plan.rotate % able.len();
            able.rotate_left(turn);
            able.truncate(self.plan.rotate);
        }
        able.retain(|_| self.draw.chance(self.participation));
        let order = self.draw.sample(able.len(), able.len());
        let mut drip = 0.0;
        let delays = order.into_iter().map(|place| {
            let lag = if self.drip_s > 0.0 {
                drip += self.drip_s * self.draw.between(0.5, 1.5);
                drip
            } else {
                match self.plan.lag {
                    Lag::Uniform => self.jitter_s * self.draw.unit(),
                    Lag::LogNormal => self.draw.log_normal(self.jitter_s / 3.0, 1.0),
                }
            };
            ((lag * SECOND) as Millis + 2_000, able[place])
        });
        delays.collect()
    }

    /// The item that an action pushes: a new one of its own, or a popular one of somebody else's.
    fn target(&mut self, scene: &mut Scene<'_>, mode: Mode, at: Millis) -> u32 {
        let voice = mode != Mode::Url;
        if !self.draw.chance(self.own_source) {
            for _ in 0..8 {
                let source = self.draw.pick(&self.borrowed) as usize;
                let fits = scene.sources[source].accounts.is_empty() != voice;
                if fits && let Some(item) = scene.browse(&mut self.draw, source, at) {
                    return item;
                }
            }
        }
        let source = self.draw.pick(if voice { &self.own_voices } else { &self.own_outlets });
        scene.item(source, at, 1.0)
    }

    fn post(&mut self, scene: &mut Scene<'_>, at: Millis, place: u32, act: Act, who: &mut Vec<(Millis, u32)>) {
        if !scene.post(at, self.members[place as usize], act) {
            return;
        }
        who.push((at, place));
        if self.draw.chance(self.delete)
            && let Some(draft) = scene.drafts.last_mut()
        {
            let after = self.plan.delete_after_s;
            draft.deleted_after = (self.draw.between(after.low, after.high) * SECOND) as Millis;
        }
    }

    /// Acts on the campaign's sources before it starts, each account for itself, so that habit seems to explain the rest.
    fn poison(&mut self, scene: &mut Scene<'_>) {
        let a_day = self.draw.between(self.plan.poison_per_day.low, self.plan.poison_per_day.high);
        let before = self.plan.start_day;
        for place in 0..self.members.len() {
            for _ in 0..self.draw.poisson(a_day * before) {
                let at = scene.day(self.draw.unit() * before);
                let mode = if self.draw.chance(0.5) { Mode::Url } else { Mode::Repost };
                let item = self.target(scene, mode, at);
                let later = at + (self.draw.between(10.0, 3_600.0) * SECOND) as Millis;
                let act = on(scene, item, LinkWords::Own);
                scene.post(later, self.members[place], act);
            }
        }
    }
}

/// A campaign's accounts: like the crowd's, but for what the plan says.
fn recruit(scene: &mut Scene<'_>, plan: &Campaign, draw: &mut Draw) -> Vec<u32> {
    let world = scene.world;
    let platforms: Vec<usize> = match plan.platforms.as_slice() {
        [] => vec![0],
        names => {
            names.iter().filter_map(|name| world.platforms.iter().position(|platform| platform.name == *name)).collect()
        }
    };
    let size = libm::round(draw.between(plan.size.low, plan.size.high)).max(1.0) as usize;
    let within = draw.between(plan.created_within_days.low, plan.created_within_days.high);
    let burst = scene.start - (draw.between(5.0, 60.0) * DAY) as Millis;
    let pattern = draw.between(plan.pattern_handles.low, plan.pattern_handles.high);
    let word = words::name(draw);
    let zone = draw.unit();
    (0..size)
        .map(|number| {
            let community = draw.below(scene.communities.len());
            let account = scene.account(draw, platforms[number % platforms.len()], community);
            let it = &mut scene.accounts[account as usize];
            if within > 0.0 {
                it.created_at = burst - (draw.unit() * within * DAY) as Millis;
                it.earlier_posts = draw.log_normal(60.0, 1.0) as u64;
            }
            if draw.chance(pattern) {
                it.name = format!("{word}{:08}", draw.below(100_000_000));
            }
            if let Some(client) = &plan.client {
                it.client.clone_from(client);
            }
            if plan.one_time_zone {
                it.zone = zone;
            }
            account
        })
        .collect()
}

/// A hashtag that nobody used before.
fn slogan(scene: &Scene<'_>, draw: &mut Draw) -> String {
    format!("{}{}{}", words::name(draw), capital(scene.languages[0].noun(draw)), words::name(draw))
}
