//! Planted campaigns: accounts that look ordinary and act together, in ways that a campaign might
//! use.

use coordination::Millis;

use crate::{
    crowd::live,
    draw::Draw,
    label::Label,
    lookalike::on,
    scene::{Act, DAY, LinkWords, SECOND, Scene, Script, slogan},
    truth::{ActTruth, ActionTruth},
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
    /// Draws for parameters that were added in later releases.
    more: Draw,
    members: Vec<u32>,
    /// The campaign's own sources, and sources that it borrows from the crowd; outlets and voices.
    own_outlets: Vec<u32>,
    own_voices: Vec<u32>,
    borrowed: Vec<u32>,
    /// Sets of tags; a flood changes from one set to the next.
    tags: Vec<Vec<String>>,
    community: usize,
    participation: f64,
    actions_per_day: f64,
    jitter_s: f64,
    drip_s: f64,
    own_source: f64,
    drip_days: f64,
    paraphrase: f64,
    rewrite: f64,
    scripted: f64,
    shortener: f64,
    delete: f64,
    actions: Vec<ActionTruth>,
}

impl<'w> Operation<'w> {
    fn prepare(scene: &mut Scene<'_>, plan: &'w Campaign, name: String, mut draw: Draw) -> Self {
        let from = |draw: &mut Draw, range: Range| draw.between(range.low, range.high);
        // Parameters of later releases draw from this stream, so that worlds of earlier releases do
        // not change.
        let mut more = Draw::new(scene.seed, &format!("campaign {name}, more"));
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
            drip_days: from(&mut more, plan.drip_days),
            paraphrase: from(&mut draw, plan.paraphrase),
            rewrite: from(&mut more, plan.rewrite),
            scripted: from(&mut draw, plan.scripted),
            shortener: from(&mut draw, plan.shortener),
            delete: from(&mut draw, plan.delete),
            actions: Vec::new(),
            draw,
            more,
            plan,
            name,
        }
    }

    fn run(mut self, scene: &mut Scene<'_>) {
        let cover = self.draw.between(self.plan.cover_per_day.low, self.plan.cover_per_day.high);
        for place in 0..self.members.len() {
            let mean = cover * scene.world.days;
            let posts = if self.plan.cover_sigma > 0.0 {
                libm::round(self.more.log_normal(mean, self.plan.cover_sigma)) as usize
            } else {
                self.draw.poisson(mean)
            };
            let posts = posts.min(self.plan.cover_max as usize);
            live(scene, &mut self.draw, self.members[place], posts);
        }
        self.poison(scene);

        let mut from = self.plan.start_day;
        let mut to = self.plan.end_day.unwrap_or(scene.world.days).min(scene.world.days);
        let burst = self.more.between(self.plan.burst_h.low, self.plan.burst_h.high) / 24.0;
        let (count, pace) = if burst > 0.0 {
            from = self.more.between(from, (to - burst).max(from));
            to = (from + burst).min(to);
            let count = libm::round(self.actions_per_day) as usize;
            (count, (to - from) / self.actions_per_day)
        } else {
            let length = (to - from).max(0.0);
            // A tenth of a day at the end stays free, so that delayed posts are inside the world's
            // time.
            let pace = (1.0 - 0.1 * length.min(1.0) / length.max(1e-9)) / self.actions_per_day;
            (libm::round(length * self.actions_per_day) as usize, pace)
        };
        let count = count.min(self.plan.max_actions.unwrap_or(usize::MAX));
        for cell in 0..self.cells() {
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

    /// One action of one cell: its keys, its participants, and the time of each post. `phase` is
    /// the index of the set of tags that are flooded now.
    fn act(&mut self, scene: &mut Scene<'_>, cell: usize, number: usize, phase: usize, at: Millis) {
        let Modes { url, repost, hashtags, text, media, reply, mention } = self.plan.modes;
        let modes = [
            (Mode::Url, url),
            (Mode::Repost, repost),
            (Mode::Hashtags, hashtags),
            (Mode::Text, text),
            (Mode::Reply, reply),
            (Mode::Mention, mention),
            (Mode::Media, media),
        ];
        let weights = modes.map(|(_, weight)| weight);
        let (mode, _) = modes[self.draw.weighted(&weights).unwrap_or(0)];
        let on_duty = self.on_duty(cell, number);
        let mut who: Vec<(Millis, ActTruth)> = Vec::new();
        let truth = match mode {
            Mode::Url | Mode::Repost | Mode::Reply => {
                let item = self.target(scene, mode, at);
                let scripted = mode == Mode::Reply && self.more.chance(self.scripted);
                let script = if scripted { Some(self.script(scene, mode, phase)) } else { None };
                for (lag, place) in on_duty {
                    let act = match (mode, script) {
                        (Mode::Reply, Some(script)) => Act::Answer { item, script },
                        (Mode::Reply, None) => Act::Reply(item),
                        (Mode::Repost, _) => Act::Repost(item),
                        _ => {
                            let short = if self.draw.chance(self.shortener) { self.plan.shortener_hosts } else { 0 };
                            Act::Link { item, words: LinkWords::Own, short: short as u32 }
                        }
                    };
                    self.post(scene, at + lag, place, act, &mut who);
                }
                ActionTruth { mode, ..scene.on_item(item, at) }
            }
            Mode::Hashtags | Mode::Text | Mode::Mention | Mode::Media => {
                let script = self.script(scene, mode, phase);
                let posts = if mode == Mode::Hashtags { self.plan.flood } else { 1 };
                for (lag, place) in on_duty {
                    let mut when = at + lag;
                    for _ in 0..posts {
                        self.post(scene, when, place, Act::Script(script), &mut who);
                        when += (self.draw.log_normal(60.0, 1.0) * SECOND) as Millis;
                    }
                }
                let it = &scene.scripts[script as usize];
                let keys = match mode {
                    Mode::Hashtags => it.tags.clone(),
                    Mode::Mention => it.mentions.clone(),
                    Mode::Media => vec![format!("{:016x}", it.media.unwrap_or_default())],
                    _ => vec![scene.script_text(script)],
                };
                let source = match mode {
                    Mode::Text | Mode::Media => String::new(),
                    _ => keys[0].clone(),
                };
                ActionTruth { at, mode, keys, source, participants: Vec::new(), acts: Vec::new() }
            }
        };
        if !who.is_empty() {
            self.actions.push(truth.by(who));
        }
    }

    /// What the posts of one action have in common.
    fn script(&mut self, scene: &mut Scene<'_>, mode: Mode, phase: usize) -> u32 {
        let scripted = matches!(mode, Mode::Text | Mode::Reply) || self.draw.chance(self.scripted);
        let tags = match mode {
            Mode::Hashtags => self.tags[phase].clone(),
            _ => Vec::new(),
        };
        let mentions = match mode {
            Mode::Mention => {
                let targets = self.draw.sample(scene.crowd, self.plan.mention_set).into_iter();
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
            templates: self.plan.templates,
            rewrite: self.rewrite,
            media: (mode == Mode::Media).then(|| self.more.bits()),
            noise: self.plan.media_noise,
            ..Script::default()
        })
    }

    /// Number of groups that act separately.
    fn cells(&self) -> usize {
        match self.plan.cell_size {
            0 => self.plan.cells,
            size => self.members.len().div_ceil(size),
        }
    }

    /// Members that take part, with their delays.
    fn on_duty(&mut self, cell: usize, number: usize) -> Vec<(Millis, u32)> {
        let cells = self.cells();
        let mut able: Vec<u32> =
            (0..self.members.len() as u32).filter(|place| *place as usize % cells == cell).collect();
        if self.plan.rotate > 0 && self.plan.rotate < able.len() {
            let turn = number * self.plan.rotate % able.len();
            able.rotate_left(turn);
            able.truncate(self.plan.rotate);
        }
        able.retain(|_| self.draw.chance(self.participation));
        let order = self.draw.sample(able.len(), able.len());
        let step = self.jitter_s / (able.len().max(2) - 1) as f64;
        let mut drip = 0.0;
        let delays = order.into_iter().enumerate().map(|(turn, place)| {
            let lag = if self.drip_days > 0.0 {
                self.more.unit() * self.drip_days * DAY / SECOND
            } else if self.drip_s > 0.0 {
                drip += self.drip_s * self.draw.between(0.5, 1.5);
                drip
            } else {
                match self.plan.lag {
                    Lag::Uniform => self.jitter_s * self.draw.unit(),
                    Lag::LogNormal => self.draw.log_normal(self.jitter_s / 3.0, 1.0),
                    Lag::Exponential => self.draw.exponential(self.jitter_s / 3.0),
                    Lag::Even => step * turn as f64,
                }
            };
            ((lag * SECOND) as Millis + 2_000, able[place])
        });
        delays.collect()
    }

    /// The item that an action pushes: a new item of the campaign, or a popular item of another
    /// source.
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

    fn post(&mut self, scene: &mut Scene<'_>, at: Millis, place: u32, act: Act, who: &mut Vec<(Millis, ActTruth)>) {
        if !scene.post(at, self.members[place as usize], act) {
            return;
        }
        who.extend(scene.last_act(place));
        if self.draw.chance(self.delete)
            && let Some(draft) = scene.drafts.last_mut()
        {
            let after = self.plan.delete_after_s;
            draft.deleted_after = (self.draw.between(after.low, after.high) * SECOND) as Millis;
        }
    }

    /// Posts about the campaign's sources before it starts, each account independently, so that
    /// habit seems to explain the later posts.
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

/// A campaign's accounts: as in the crowd, except for the properties in the plan.
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
    scene.habits.push(plan.habits.over(&world.crowd));
    let habits = scene.habits.len() - 1;
    (0..size)
        .map(|number| {
            let community = draw.below(scene.communities.len());
            let account = scene.account(draw, platforms[number % platforms.len()], community);
            let it = &mut scene.accounts[account as usize];
            it.habits = habits;
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
