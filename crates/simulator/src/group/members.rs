//! Who is in a group.

use coordination::Millis;

use crate::{
    draw::Draw,
    scene::{DAY, Scene},
    words,
    world::{Group, Range},
};

/// Accounts younger than this are young, in days.
const YOUNG: f64 = 60.0;

/// The members: its leaders, then ordinary accounts with what the plan says of them.
pub(super) fn recruit(
    scene: &mut Scene<'_>,
    plan: &Group,
    platform: usize,
    community: usize,
    leaders: Vec<u32>,
    draw: &mut Draw,
) -> Vec<u32> {
    let size = libm::round(draw.spread(plan.size.low, plan.size.high)).max(1.0) as usize;
    let mut share = |range: Range| draw.between(range.low, range.high);
    let (kin, young) = (share(plan.kin), share(plan.young));
    let (pattern, one_client) = (share(plan.pattern_handles), share(plan.one_client));
    let word = words::name(draw);
    let client = format!("{} Publisher", words::name(draw));
    scene.habits.push(plan.habits.over(&scene.world.crowd));
    let habits = scene.habits.len() - 1;
    let mut members = leaders;
    members.truncate(size);
    let leaders = members.len();
    while members.len() < size {
        let home = if draw.chance(kin) { community } else { draw.below(scene.communities.len()) };
        members.push(scene.account(draw, platform, home));
    }
    for (place, &member) in members.iter().enumerate() {
        let (is_young, is_pattern, is_client) = (draw.chance(young), draw.chance(pattern), draw.chance(one_client));
        let it = &mut scene.accounts[member as usize];
        it.habits = habits;
        if is_young {
            it.created_at = scene.start - ((1.0 + draw.unit() * (YOUNG - 1.0)) * DAY) as Millis;
            it.earlier_posts = draw.log_normal(60.0, 1.0) as u64;
        }
        // A leader has the name under which the others know it.
        if is_pattern && place >= leaders {
            it.name = format!("{word}{:08}", draw.below(100_000_000));
        }
        if is_client {
            it.client.clone_from(&client);
        }
    }
    members
}
