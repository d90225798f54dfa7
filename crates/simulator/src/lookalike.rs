//! Organic groups that act alike for innocent reasons: what a detector must not flag.

use coordination::Millis;

use crate::{
    crowd::session,
    draw::Draw,
    scene::{Act, DAY, LinkWords, SECOND, Scene, Script, capital},
    truth::{ActionTruth, Label},
    words,
    world::{BreakingNews, Fandom, Giveaway, LiveEvent, Lookalike, Mirrors, Mode, ShareButton},
};

/// Adds a world's look-alikes to its crowd.
pub(crate) fn add(scene: &mut Scene<'_>) {
    let world = scene.world;
    for (index, lookalike) in world.lookalikes.iter().enumerate() {
        let mut draw = Draw::new(scene.seed, &format!("lookalike {index}"));
        match lookalike {
            Lookalike::Fandom(it) => fandom(scene, &mut draw, it),
            Lookalike::BreakingNews(it) => breaking_news(scene, &mut draw, it),
            Lookalike::Mirrors(it) => mirrors(scene, &mut draw, it),
            Lookalike::Giveaway(it) => giveaway(scene, &mut draw, it),
            Lookalike::ShareButton(it) => share_button(scene, &mut draw, it),
            Lookalike::LiveEvent(it) => live_event(scene, &mut draw, it),
        }
    }
}

fn fandom(scene: &mut Scene<'_>, draw: &mut Draw, it: &Fandom) {
    let fans = from_crowd(scene, draw, it.accounts);
    let community = draw.below(scene.communities.len());
    let idol = scene.source(draw, community, true);
    let name = words::name(draw);
    let noun = capital(scene.languages[0].noun(draw));
    let tags = vec![name.clone(), format!("{name}{noun}"), format!("We{name}")];
    let count = libm::round((scene.world.days - it.from_day) * it.items_per_day).max(0.0) as usize;
    let mut actions = Vec::new();
    for number in 0..count {
        let day = it.from_day + (number as f64 + draw.unit()) / it.items_per_day;
        let at = scene.day(day);
        let item = scene.item(idol, at, 1.0);
        scene.items[item as usize].tags = vec![name.clone()];
        let chant =
            scene.script(Script { community, base: None, paraphrase: 0.0, tags: tags.clone(), mentions: Vec::new() });
        let who = part(draw, fans.len(), it.participation);
        let who = act_all(
            scene,
            draw,
            &fans,
            who,
            at,
            |draw| draw.log_normal(it.lag_s, 1.0),
            |draw| {
                if draw.chance(it.chant) { Act::Script(chant) } else { Act::Repost(item) }
            },
        );
        actions.push(scene.on_item(item, at, who));
    }
    finish(scene, &it.name, Label::Fandom, &fans, actions);
}

fn breaking_news(scene: &mut Scene<'_>, draw: &mut Draw, it: &BreakingNews) {
    let mut actions = Vec::new();
    for _ in 0..it.events {
        let at = scene.day(draw.unit() * (scene.world.days - 0.1).max(0.0));
        let items: Vec<u32> = (0..it.items)
            .map(|_| {
                let source = draw.below(scene.public_sources) as u32;
                let item = scene.item(source, at, 1.0);
                settle_in(scene, source);
                item
            })
            .collect();
        let mut who: Vec<Vec<u32>> = vec![Vec::new(); items.len()];
        let mut lags: Vec<f64> = Vec::with_capacity(it.accounts);
        for _ in 0..it.accounts {
            let account = draw.below(scene.crowd) as u32;
            let lag = if !lags.is_empty() && draw.chance(it.clump) {
                draw.pick(&lags) + draw.log_normal(30.0, 1.0)
            } else {
                3.0 + draw.exponential(it.lag_s)
            };
            lags.push(lag);
            let place = draw.below(items.len());
            let act = on(scene, items[place], LinkWords::Own);
            let when = at + (lag * SECOND) as Millis;
            if scene.post(when, account, act) {
                who[place].push(account);
                let more = draw.poisson(it.linger);
                let next = when + (draw.between(5.0, 120.0) * SECOND) as Millis;
                session(scene, draw, account, next, more);
            }
        }
        for (item, who) in items.into_iter().zip(who) {
            actions.push(scene.on_item(item, at, who));
        }
    }
    // Members are whoever took part.
    let mut members: Vec<u32> = actions.iter().flat_map(|action| action.participants.clone()).collect();
    members.sort_unstable();
    members.dedup();
    for action in &mut actions {
        for who in &mut action.participants {
            *who = members.partition_point(|member| *member < *who) as u32;
        }
    }
    let group = scene.group(&it.name, Label::BreakingNews, &members, actions);
    scene.lookalikes.push(group);
}

fn mirrors(scene: &mut Scene<'_>, draw: &mut Draw, it: &Mirrors) {
    let crowd = &scene.world.crowd;
    let mut bots = Vec::new();
    let mut actions = Vec::new();
    // Outlets stand at the odd ranks; the second one of each community is copied.
    let outlets: Vec<usize> = (0..it.outlets)
        .map(|number| (number % crowd.communities) * crowd.sources + if crowd.sources > 3 { 3 } else { 1 })
        .collect();
    for number in 0..it.accounts {
        let community = scene.sources[outlets[number % it.outlets]].community;
        let platform = number / it.outlets % scene.world.platforms.len();
        let bot = scene.account(draw, platform, community);
        scene.accounts[bot as usize].client = "feed poster".to_owned();
        bots.push(bot);
    }
    for (place, outlet) in outlets.into_iter().enumerate() {
        for item in scene.sources[outlet].items.clone() {
            let at = scene.items[item as usize].at;
            let mut who: Vec<(Millis, u32)> = Vec::new();
            for number in (place..bots.len()).step_by(it.outlets) {
                let lag = draw.between(it.lag_s.low, it.lag_s.high) * SECOND;
                let words = if draw.chance(it.headline) { LinkWords::Headline } else { LinkWords::Bare };
                let when = at + lag as Millis;
                if scene.post(when, bots[number], Act::Link { item, words, short: false }) {
                    who.push((when, number as u32));
                }
            }
            who.sort_unstable();
            actions.push(scene.on_item(item, at, who.into_iter().map(|(_, who)| who).collect()));
        }
    }
    finish(scene, &it.name, Label::Mirror, &bots, actions);
}

fn giveaway(scene: &mut Scene<'_>, draw: &mut Draw, it: &Giveaway) {
    let hunters = from_crowd(scene, draw, it.accounts);
    let mut actions = Vec::new();
    for _ in 0..it.giveaways {
        let at = scene.day(draw.unit() * (scene.world.days - 0.2).max(0.0));
        let community = draw.below(scene.communities.len());
        let shop = words::name(draw);
        let script = Script {
            community,
            base: Some(draw.bits()),
            paraphrase: 0.0,
            tags: vec![format!("{shop}Giveaway")],
            mentions: vec![format!("{}_shop", shop.to_lowercase())],
        };
        let (key, source) = (script.tags.clone(), script.tags[0].clone());
        let script = scene.script(script);
        let who = part(draw, hunters.len(), it.participation);
        let who =
            act_all(scene, draw, &hunters, who, at, |draw| draw.log_normal(it.lag_s, 1.0), |_| Act::Script(script));
        actions.push(ActionTruth { at, mode: Mode::Hashtags, keys: key, source, participants: who });
    }
    finish(scene, &it.name, Label::Giveaway, &hunters, actions);
}

fn share_button(scene: &mut Scene<'_>, draw: &mut Draw, it: &ShareButton) {
    let readers = from_crowd(scene, draw, it.accounts);
    let crowd = &scene.world.crowd;
    let mut actions = Vec::new();
    for _ in 0..it.articles {
        let rank = 1 + 2 * draw.below(crowd.sources / 2);
        let source = draw.below(crowd.communities) * crowd.sources + rank;
        let items = &scene.sources[source].items;
        if items.is_empty() {
            continue;
        }
        let item = draw.pick(items);
        let at = scene.items[item as usize].at;
        let who = part(draw, readers.len(), it.participation);
        let act = Act::Link { item, words: LinkWords::Button, short: false };
        let who = act_all(scene, draw, &readers, who, at, |draw| draw.log_normal(it.lag_s, 1.0), |_| act);
        actions.push(scene.on_item(item, at, who));
    }
    finish(scene, &it.name, Label::ShareButton, &readers, actions);
}

fn live_event(scene: &mut Scene<'_>, draw: &mut Draw, it: &LiveEvent) {
    let watchers = from_crowd(scene, draw, it.accounts);
    let community = draw.below(scene.communities.len());
    let broadcaster = scene.source(draw, community, true);
    let tag = format!("{}{}", words::name(draw), words::name(draw));
    let mut actions = Vec::new();
    for _ in 0..it.moments {
        let at = scene.day(it.day) + (draw.unit() * it.hours / 24.0 * DAY) as Millis;
        let item = scene.item(broadcaster, at, 1.0);
        scene.items[item as usize].tags = vec![tag.clone()];
        let shout = scene.script(Script {
            community,
            base: None,
            paraphrase: 0.0,
            tags: vec![tag.clone()],
            mentions: Vec::new(),
        });
        let who = part(draw, watchers.len(), it.participation);
        let who = act_all(
            scene,
            draw,
            &watchers,
            who,
            at,
            |draw| 3.0 + draw.exponential(it.lag_s),
            |draw| {
                if draw.chance(0.25) { Act::Repost(item) } else { Act::Script(shout) }
            },
        );
        actions.push(ActionTruth {
            at,
            mode: Mode::Hashtags,
            keys: vec![tag.clone()],
            source: tag.clone(),
            participants: who,
        });
    }
    settle_in(scene, broadcaster);
    let group = scene.group(&it.name, Label::LiveEvent, &watchers, actions);
    scene.lookalikes.push(group);
}

/// So many accounts of the crowd.
fn from_crowd(scene: &Scene<'_>, draw: &mut Draw, count: usize) -> Vec<u32> {
    draw.sample(scene.crowd, count).into_iter().map(|account| account as u32).collect()
}

/// Those of `size` members who take part, each with the given probability.
fn part(draw: &mut Draw, size: usize, probability: f64) -> Vec<u32> {
    (0..size as u32).filter(|_| draw.chance(probability)).collect()
}

/// Lets participants act, each after a delay in seconds; gives those who did, in the order in which they did.
fn act_all(
    scene: &mut Scene<'_>,
    draw: &mut Draw,
    members: &[u32],
    who: Vec<u32>,
    at: Millis,
    lag: impl Fn(&mut Draw) -> f64,
    act: impl Fn(&mut Draw) -> Act,
) -> Vec<u32> {
    let mut acted: Vec<(Millis, u32)> = Vec::with_capacity(who.len());
    for place in who {
        let when = at + ((2.0 + lag(draw)) * SECOND) as Millis;
        let act = act(draw);
        if scene.post(when, members[place as usize], act) {
            acted.push((when, place));
        }
    }
    acted.sort_unstable();
    acted.into_iter().map(|(_, place)| place).collect()
}

/// A repost or a link, as the item's source has it.
pub(crate) fn on(scene: &Scene<'_>, item: u32, words: LinkWords) -> Act {
    let source = scene.items[item as usize].source;
    if scene.sources[source as usize].accounts.is_empty() {
        Act::Link { item, words, short: false }
    } else {
        Act::Repost(item)
    }
}

/// Puts a source's items back in order of time after one was added out of turn.
fn settle_in(scene: &mut Scene<'_>, source: u32) {
    let items = &scene.items;
    scene.sources[source as usize].items.sort_by_key(|item| (items[*item as usize].at, *item));
}

fn finish(scene: &mut Scene<'_>, name: &str, label: Label, members: &[u32], actions: Vec<ActionTruth>) {
    scene.label(members, label, name);
    let group = scene.group(name, label, members, actions);
    scene.lookalikes.push(group);
}
