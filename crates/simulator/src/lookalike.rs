//! Organic groups that act alike for innocent reasons. A detector must not flag them.

use coordination::Millis;

use crate::{
    crowd::{live, session},
    draw::Draw,
    label::Label,
    scene::{Act, DAY, LinkWords, SECOND, Scene, Script, capital},
    truth::{ActTruth, ActionTruth},
    words,
    world::{
        BreakingNews, Cascade, Fandom, Giveaway, Legislature, LiveEvent, Lookalike, Mirrors, Mode, Newsroom,
        ShareButton, Sport,
    },
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
            Lookalike::Sport(it) => sport(scene, &mut draw, it),
            Lookalike::Newsroom(it) => newsroom(scene, &mut draw, it),
            Lookalike::Legislature(it) => legislature(scene, &mut draw, it),
            Lookalike::Cascade(it) => cascades(scene, &mut draw, it),
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
        let chant = scene.script(Script { community, tags: tags.clone(), ..Script::default() });
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
        actions.push(scene.on_item(item, at).by(who));
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
        let mut who = vec![Vec::new(); items.len()];
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
                who[place].extend(scene.last_act(account));
                let more = draw.poisson(it.linger);
                let next = when + (draw.between(5.0, 120.0) * SECOND) as Millis;
                session(scene, draw, account, next, more);
            }
        }
        for (item, who) in items.into_iter().zip(who) {
            actions.push(scene.on_item(item, at).by(who));
        }
    }
    finish_with_all(scene, &it.name, Label::BreakingNews, actions);
}

fn cascades(scene: &mut Scene<'_>, draw: &mut Draw, it: &Cascade) {
    let mut actions = Vec::new();
    for _ in 0..it.cascades {
        let at = scene.day(draw.unit() * scene.world.days * 2.0 / 3.0);
        let voices = scene.world.crowd.sources.div_ceil(2);
        let source = draw.below(scene.world.crowd.communities) * scene.world.crowd.sources + 2 * draw.below(voices);
        let item = scene.item(source as u32, at, 1.0);
        settle_in(scene, source as u32);
        let size = libm::round(draw.log_normal(it.accounts, it.sigma)).max(1.0) as usize;
        let mut lags: Vec<f64> = Vec::with_capacity(size);
        let mut who = Vec::new();
        for account in draw.sample(scene.crowd, size) {
            let lag = if !lags.is_empty() && draw.chance(it.clump) {
                draw.pick(&lags) + draw.log_normal(it.clump_s, 1.0)
            } else {
                3.0 + draw.log_normal(it.lag_s, 1.5)
            };
            lags.push(lag);
            let when = at + (lag * SECOND) as Millis;
            if scene.post(when, account as u32, Act::Repost(item)) {
                who.extend(scene.last_act(account as u32));
                let more = draw.poisson(it.linger);
                let next = when + (draw.between(5.0, 120.0) * SECOND) as Millis;
                session(scene, draw, account as u32, next, more);
            }
        }
        actions.push(scene.on_item(item, at).by(who));
    }
    finish_with_all(scene, &it.name, Label::Cascade, actions);
}

fn mirrors(scene: &mut Scene<'_>, draw: &mut Draw, it: &Mirrors) {
    let crowd = &scene.world.crowd;
    let mut bots = Vec::new();
    let mut actions = Vec::new();
    // Outlets have the odd ranks; the second outlet of each community is copied.
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
            let mut who = Vec::new();
            for number in (place..bots.len()).step_by(it.outlets) {
                let lag = draw.between(it.lag_s.low, it.lag_s.high) * SECOND;
                let words = if draw.chance(it.headline) { LinkWords::Headline } else { LinkWords::Bare };
                let when = at + lag as Millis;
                if scene.post(when, bots[number], Act::Link { item, words, short: 0 }) {
                    who.extend(scene.last_act(number as u32));
                }
            }
            actions.push(scene.on_item(item, at).by(who));
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
            tags: vec![format!("{shop}Giveaway")],
            mentions: vec![format!("{}_shop", shop.to_lowercase())],
            ..Script::default()
        };
        let (key, source) = (script.tags.clone(), script.tags[0].clone());
        let script = scene.script(script);
        let who = part(draw, hunters.len(), it.participation);
        let who =
            act_all(scene, draw, &hunters, who, at, |draw| draw.log_normal(it.lag_s, 1.0), |_| Act::Script(script));
        actions.push(tagged(at, key, source).by(who));
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
        let act = Act::Link { item, words: LinkWords::Button, short: 0 };
        let who = act_all(scene, draw, &readers, who, at, |draw| draw.log_normal(it.lag_s, 1.0), |_| act);
        actions.push(scene.on_item(item, at).by(who));
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
        let shout = scene.script(Script { community, tags: vec![tag.clone()], ..Script::default() });
        let who = part(draw, watchers.len(), it.participation);
        let who = act_all(
            scene,
            draw,
            &watchers,
            who,
            at,
            |draw| 3.0 + draw.exponential(it.lag_s),
            |draw| {
                if draw.chance(it.repost) { Act::Repost(item) } else { Act::Script(shout) }
            },
        );
        actions.push(tagged(at, vec![tag.clone()], tag.clone()).by(who));
    }
    chat(scene, draw, &watchers, it.chat, it.day, it.hours, &[community], &[vec![tag]]);
    settle_in(scene, broadcaster);
    let group = scene.group(&it.name, Label::LiveEvent, &watchers, actions);
    scene.lookalikes.push(group);
}

fn sport(scene: &mut Scene<'_>, draw: &mut Draw, it: &Sport) {
    let watchers = from_crowd(scene, draw, it.accounts);
    let communities = [draw.below(scene.communities.len()), draw.below(scene.communities.len())];
    let teams = [words::name(draw), words::name(draw)];
    let game = format!("{}{}", teams[0], teams[1]);
    let tags = teams.map(|team| vec![game.clone(), format!("Go{team}")]);
    let mut actions = Vec::new();
    for _ in 0..it.goals {
        let at = scene.day(it.day) + (draw.unit() * it.hours / 24.0 * DAY) as Millis;
        let scorer = draw.below(2);
        let shouts: Vec<u32> = (0..2)
            .map(|team| {
                let tags = tags[team].clone();
                scene.script(Script { community: communities[team], shout: it.shout, tags, ..Script::default() })
            })
            .collect();
        let mut who = Vec::new();
        for (team, &shout) in shouts.iter().enumerate() {
            let share = if team == scorer { it.participation } else { it.participation / 2.0 };
            let mut part = part(draw, watchers.len(), share);
            part.retain(|place| *place as usize % 2 == team);
            let lag = |draw: &mut Draw| 1.0 + draw.exponential(it.lag_s);
            who.extend(act_all(scene, draw, &watchers, part, at, lag, |_| Act::Script(shout)));
        }
        actions.push(tagged(at, tags[scorer].clone(), game.clone()).by(who));
    }
    chat(scene, draw, &watchers, it.chat, it.day, it.hours, &communities, &tags);
    let group = scene.group(&it.name, Label::Sport, &watchers, actions);
    scene.lookalikes.push(group);
}

/// Posts of watchers with their tags at any time of an event, with a mean number per watcher.
#[expect(clippy::too_many_arguments, reason = "two events share it")]
fn chat(
    scene: &mut Scene<'_>,
    draw: &mut Draw,
    watchers: &[u32],
    mean: f64,
    day: f64,
    hours: f64,
    communities: &[usize],
    tags: &[Vec<String>],
) {
    if mean <= 0.0 {
        return;
    }
    let scripts: Vec<u32> = communities
        .iter()
        .zip(tags)
        .map(|(&community, tags)| scene.script(Script { community, tags: tags.clone(), ..Script::default() }))
        .collect();
    for (place, &watcher) in watchers.iter().enumerate() {
        for _ in 0..draw.poisson(mean) {
            let at = scene.day(day + draw.unit() * hours / 24.0);
            scene.post(at, watcher, Act::Script(scripts[place % scripts.len()]));
        }
    }
}

fn newsroom(scene: &mut Scene<'_>, draw: &mut Draw, it: &Newsroom) {
    let community = draw.below(scene.communities.len());
    let mut newsrooms = Vec::new();
    let mut outlets = Vec::new();
    for number in 0..it.accounts {
        let newsroom = scene.account(draw, number % scene.world.platforms.len(), community);
        scene.accounts[newsroom as usize].followers = draw.log_normal(20_000.0, 1.2) as u64;
        newsrooms.push(newsroom);
        outlets.push(scene.source(draw, community, false));
    }
    let days = scene.world.days;
    for (&newsroom, &outlet) in newsrooms.iter().zip(&outlets) {
        for _ in 0..draw.poisson(it.own_per_day * days) {
            let at = scene.day(draw.unit() * days);
            let item = scene.item(outlet, at, 1.0);
            scene.post(at + 1_000, newsroom, Act::Link { item, words: LinkWords::Headline, short: 0 });
        }
    }
    let mut actions = Vec::new();
    for _ in 0..draw.poisson(it.reports_per_day * days) {
        let at = scene.day(draw.unit() * days);
        let base = Some(draw.bits());
        let script = scene.script(Script { community, base, paraphrase: it.edit, ..Script::default() });
        let mut who = Vec::new();
        for place in part(draw, newsrooms.len(), it.participation) {
            let when = at + ((2.0 + draw.log_normal(it.lag_s, 1.0)) * SECOND) as Millis;
            let act = if draw.chance(it.link) {
                Act::Article { item: scene.item(outlets[place as usize], when, 1.0), script }
            } else {
                Act::Script(script)
            };
            if scene.post(when, newsrooms[place as usize], act) {
                who.extend(scene.last_act(place));
            }
        }
        let (keys, source) = (vec![scene.script_text(script)], String::new());
        actions.push(ActionTruth { mode: Mode::Text, ..tagged(at, keys, source) }.by(who));
    }
    for outlet in outlets {
        settle_in(scene, outlet);
    }
    finish(scene, &it.name, Label::Newsroom, &newsrooms, actions);
}

fn legislature(scene: &mut Scene<'_>, draw: &mut Draw, it: &Legislature) {
    let days = scene.world.days;
    // Every member has a voice that others can repost, with the member's account on the first
    // platform.
    let mut members = Vec::new();
    let mut voices = Vec::new();
    for _ in 0..it.accounts {
        let community = draw.below(scene.communities.len());
        let voice = scene.source(draw, community, true);
        members.push(scene.sources[voice as usize].accounts[0]);
        voices.push(voice);
    }
    for &member in &members {
        let posts = draw.poisson(it.other_per_day * days);
        live(scene, draw, member, posts);
    }
    let party = |place: u32| place as usize % it.parties;
    let mut actions = Vec::new();
    for (author, &voice) in voices.iter().enumerate() {
        for _ in 0..draw.poisson(it.posts_per_day * days) {
            let at = scene.day(draw.unit() * days);
            let item = scene.item(voice, at, 1.0);
            let mut who = part(draw, members.len(), it.participation);
            who.retain(|&place| party(place) == author % it.parties && place as usize != author);
            let lag = |draw: &mut Draw| draw.log_normal(it.lag_s, 1.2);
            let who = act_all(scene, draw, &members, who, at, lag, |_| Act::Repost(item));
            if !who.is_empty() {
                actions.push(scene.on_item(item, at).by(who));
            }
        }
    }
    for &voice in &voices {
        settle_in(scene, voice);
    }
    for number in 0..it.campaigns {
        let at = scene.day(draw.unit() * (days - it.campaign_hours / 24.0).max(0.0));
        let community = draw.below(scene.communities.len());
        let tag = format!("{}{}", words::name(draw), capital(scene.languages[0].noun(draw)));
        let base = draw.chance(it.talking_points).then(|| draw.bits());
        let tags = vec![tag.clone()];
        let script = scene.script(Script { community, base, paraphrase: it.paraphrase, tags, ..Script::default() });
        let mut who = part(draw, members.len(), it.campaign_participation);
        who.retain(|&place| party(place) == number % it.parties);
        let lag = |draw: &mut Draw| draw.unit() * it.campaign_hours * 3_600.0;
        let who = act_all(scene, draw, &members, who, at, lag, |_| Act::Script(script));
        actions.push(tagged(at, vec![tag.clone()], tag).by(who));
    }
    actions.sort_by_key(|action| action.at);
    finish(scene, &it.name, Label::Legislature, &members, actions);
}

/// The truth of an action with hashtags.
pub(crate) fn tagged(at: Millis, keys: Vec<String>, source: String) -> ActionTruth {
    ActionTruth { at, mode: Mode::Hashtags, keys, source, participants: Vec::new(), acts: Vec::new() }
}

/// A number of accounts of the crowd.
fn from_crowd(scene: &Scene<'_>, draw: &mut Draw, count: usize) -> Vec<u32> {
    draw.sample(scene.crowd, count).into_iter().map(|account| account as u32).collect()
}

/// A random part of `size` members, each with the given probability.
pub(crate) fn part(draw: &mut Draw, size: usize, probability: f64) -> Vec<u32> {
    (0..size as u32).filter(|_| draw.chance(probability)).collect()
}

/// Participants act, each after a delay in seconds. Returns their posts with the real times.
fn act_all(
    scene: &mut Scene<'_>,
    draw: &mut Draw,
    members: &[u32],
    who: Vec<u32>,
    at: Millis,
    lag: impl Fn(&mut Draw) -> f64,
    act: impl Fn(&mut Draw) -> Act,
) -> Vec<(Millis, ActTruth)> {
    let mut acted = Vec::with_capacity(who.len());
    for place in who {
        let when = at + ((2.0 + lag(draw)) * SECOND) as Millis;
        let act = act(draw);
        if scene.post(when, members[place as usize], act) {
            acted.extend(scene.last_act(place));
        }
    }
    acted
}

/// A repost or a link, depending on the item's source.
pub(crate) fn on(scene: &Scene<'_>, item: u32, words: LinkWords) -> Act {
    let source = scene.items[item as usize].source;
    if scene.sources[source as usize].accounts.is_empty() {
        Act::Link { item, words, short: 0 }
    } else {
        Act::Repost(item)
    }
}

/// Sorts a source's items by time after an item was added out of order.
fn settle_in(scene: &mut Scene<'_>, source: u32) {
    let items = &scene.items;
    scene.sources[source as usize].items.sort_by_key(|item| (items[*item as usize].at, *item));
}

fn finish(scene: &mut Scene<'_>, name: &str, label: Label, members: &[u32], actions: Vec<ActionTruth>) {
    scene.label(members, label, name);
    let group = scene.group(name, label, members, actions);
    scene.lookalikes.push(group);
}

/// Makes all participants the members. Until then the acts hold account numbers instead of indices
/// of members.
fn finish_with_all(scene: &mut Scene<'_>, name: &str, label: Label, mut actions: Vec<ActionTruth>) {
    let mut members: Vec<u32> = actions.iter().flat_map(|action| action.participants.clone()).collect();
    members.sort_unstable();
    members.dedup();
    let place = |account: &mut u32| *account = members.partition_point(|member| *member < *account) as u32;
    for action in &mut actions {
        action.participants.iter_mut().for_each(place);
        action.acts.iter_mut().for_each(|act| place(&mut act.member));
    }
    let group = scene.group(name, label, &members, actions);
    scene.lookalikes.push(group);
}
