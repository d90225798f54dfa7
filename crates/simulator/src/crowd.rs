//! The organic background: sources that publish, and accounts that post every day.

use coordination::Millis;

use crate::{
    draw::Draw,
    scene::{Act, DAY, LinkWords, SECOND, Scene},
};

/// Fills a scene with sources, their items, and the crowd's posts.
pub(crate) fn settle(scene: &mut Scene<'_>) {
    let crowd = &scene.world.crowd;
    let mut draw = Draw::new(scene.seed, "crowd");
    let shares: Vec<f64> = scene.world.platforms.iter().map(|platform| platform.share).collect();
    for _ in 0..crowd.accounts {
        // Communities differ in size: low numbers are large communities.
        let community = libm::pow(draw.unit(), 1.7) * crowd.communities as f64;
        let platform = draw.weighted(&shares).unwrap_or(0);
        scene.account(&mut draw, platform, (community as usize).min(crowd.communities - 1));
    }
    scene.crowd = scene.accounts.len();

    let mut draw = Draw::new(scene.seed, "sources");
    for community in 0..crowd.communities {
        for rank in 0..crowd.sources {
            let source = scene.source(&mut draw, community, rank % 2 == 0);
            let a_day = crowd.items_per_day / libm::pow((1 + rank / 2) as f64, 0.7);
            let mut times: Vec<f64> = (0..draw.poisson(a_day * scene.world.days)).map(|_| draw.unit()).collect();
            times.sort_by(f64::total_cmp);
            for time in times {
                let fame = draw.pareto(crowd.fame);
                scene.item(source, scene.day(time * scene.world.days), fame);
            }
        }
    }
    scene.public_sources = scene.sources.len();

    for account in 0..scene.crowd {
        let mut draw = Draw::keyed(scene.seed, 0x0c40_3d00_0000_0000 | account as u64);
        let posts = draw.log_normal(crowd.posts_median, crowd.posts_sigma).min(crowd.posts_max);
        live(scene, &mut draw, account as u32, libm::round(posts).max(1.0) as usize);
    }
}

/// Lets an account post about this many times over the whole world, in sessions, at its own hours.
pub(crate) fn live(scene: &mut Scene<'_>, draw: &mut Draw, account: u32, posts: usize) {
    let zone = scene.accounts[account as usize].zone;
    let mut left = posts;
    while left > 0 {
        let habits = scene.accounts[account as usize].habits;
        let at = waking_hour(scene, draw, zone, habits);
        let posts = draw.geometric(scene.habits[habits].session_posts).min(left);
        left -= posts;
        session(scene, draw, account, at, posts);
    }
}

/// Lets an account post this many times from `at` on, a minute or two apart.
pub(crate) fn session(scene: &mut Scene<'_>, draw: &mut Draw, account: u32, mut at: Millis, posts: usize) {
    let habits = scene.accounts[account as usize].habits;
    for _ in 0..posts {
        let act = act(scene, draw, account, at);
        if scene.post(at, account, act)
            && draw.chance(scene.habits[habits].delete)
            && let Some(draft) = scene.drafts.last_mut()
        {
            draft.deleted_after = draw.between(60.0 * SECOND, DAY) as Millis;
        }
        let crowd = &scene.habits[habits];
        at += (draw.log_normal(crowd.gap_s, crowd.gap_sigma).max(2.0) * SECOND) as Millis;
    }
}

/// The post of an account that browses at `at`.
fn act(scene: &Scene<'_>, draw: &mut Draw, account: u32, at: Millis) -> Act {
    let crowd = &scene.habits[scene.accounts[account as usize].habits];
    let kind = draw.unit();
    if kind < crowd.repost {
        if draw.chance(crowd.tail) {
            return Act::RepostStranger;
        }
        if let Some(item) = taste(scene, draw, account, at, true) {
            return Act::Repost(item);
        }
        return Act::RepostStranger;
    }
    if kind < crowd.repost + crowd.link {
        if !draw.chance(crowd.tail)
            && let Some(item) = taste(scene, draw, account, at, false)
        {
            let words = if draw.chance(crowd.headline) { LinkWords::Headline } else { LinkWords::Own };
            return Act::Link { item, words, short: 0 };
        }
        return Act::LinkStranger;
    }
    if draw.chance(crowd.reply)
        && let Some(item) = taste(scene, draw, account, at, true)
    {
        return Act::Reply(item);
    }
    Act::Chat
}

/// An item that fits an account's interests: mostly from its community's favourite sources.
fn taste(scene: &Scene<'_>, draw: &mut Draw, account: u32, at: Millis, voice: bool) -> Option<u32> {
    let crowd = &scene.habits[scene.accounts[account as usize].habits];
    let community = if draw.chance(crowd.loyalty) {
        scene.accounts[account as usize].community
    } else {
        (draw.unit() * draw.unit() * crowd.communities as f64) as usize
    };
    let kinds = if voice { crowd.sources.div_ceil(2) } else { crowd.sources / 2 };
    let source = community * crowd.sources + 2 * draw.rank(kinds) + usize::from(!voice);
    scene.browse(draw, source, at)
}

/// A time of the world at which a person in this time zone is probably awake.
fn waking_hour(scene: &Scene<'_>, draw: &mut Draw, zone: f64, habits: usize) -> Millis {
    let crowd = &scene.habits[habits];
    if crowd.focus > 0.0 && !crowd.evenings.is_empty() && draw.chance(crowd.focus) {
        let [day, hours] = draw.pick(&crowd.evenings);
        return scene.day(day + draw.unit() * hours / 24.0);
    }
    let length = (scene.end - scene.start) as f64;
    loop {
        let at = scene.start + (draw.unit() * length) as Millis;
        if draw.chance(awake(at, zone)) {
            return at;
        }
    }
}

/// Probability that a person in this time zone is awake, relative to the most probable hour.
pub(crate) fn awake(at: Millis, zone: f64) -> f64 {
    let phase = at as f64 / DAY + zone;
    0.15 + 0.85 * (0.5 - 0.5 * libm::cos(std::f64::consts::TAU * phase.fract()))
}
