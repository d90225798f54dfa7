//! Synthetic worlds: an organic background, look-alikes, planted campaigns, and the truth about all
//! of them.
//!
//! A world file ([`World::from_toml`], or a built-in one by [`World::named`]) describes the
//! accounts. A scene is built in four parts, each with its own random draws: the *crowd* (sources
//! publish items, accounts post in sessions), the *look-alikes* (organic groups that act alike),
//! the *campaigns* (accounts that look ordinary and act together), and the *groups* (operations as
//! in real files, and innocent groups that openly act together; both have the same parameters). The
//! result is a list of drafts of a few bytes each. In order of time every draft is rendered into a
//! [`SimPost`], one at a time ([`Stream`]) or all at once ([`World::generate`]).
//!
//! The same world and seed give the same bytes on every machine: `ChaCha8` draws the bits, `libm`
//! computes the curves, and nothing depends on the order of a hash map. Campaigns and groups come
//! last, and each part has its own draws. A world without its campaigns or groups therefore has the
//! same crowd, act for act, with two exceptions: a voice's post that only they reposted or answered
//! is not shown, and accounts of the crowd that are onlookers of a group have fewer posts.
//!
//! # Limits of a world
//!
//! A world is synthetic, and results on it must be quoted as such. The crowd's counts, rhythm, and
//! shares of reposts, links and hashtags are compared with measured crowds ([`stats()`], and the
//! tests of this crate). Its texts are not: they come from small grammars, so nothing may be
//! concluded from their content. Interests do not change over time. There is no graph of followers:
//! cascades start from famous and recent items. A campaign does only what its file says. Countries,
//! parties and people are invented, URLs end in `.example`, and no parameter describes a viewpoint.
//!
//! # Changing one parameter
//!
//! [`World::with`] returns a world with one parameter changed, named by its path; a world file does
//! so in a table `set`. The world `evasion` is the base for such sweeps.
//!
//! ```
//! use simulator::World;
//!
//! let base = World::named("evasion")?;
//! for cover in ["0", "20", "60"] {
//!     let world = base.with("campaign.*.cover_per_day", cover)?;
//!     let (posts, truth) = world.stream(1);
//!     assert_eq!(truth.campaigns.len(), 7);
//!     assert!(posts.len() > 10_000);
//! }
//! # Ok::<(), simulator::WorldError>(())
//! ```
//!
//! # Every parameter
//!
#![doc = include_str!("../PARAMETERS.md")]

mod campaign;
mod crowd;
mod draw;
mod group;
mod ids;
mod label;
mod load;
mod lookalike;
mod post;
mod render;
mod rewrite;
mod scene;
mod stats;
mod truth;
mod words;
mod world;

pub use label::Label;
pub use load::WorldError;
pub use post::SimPost;
pub use stats::{CrowdStats, Stats, stats};
pub use truth::{AccountKey, AccountTruth, ActTruth, ActionTruth, GroupTruth, Truth};
pub use world::{
    BreakingNews, Campaign, Cascade, Crowd, Fandom, Giveaway, Group, Habits, Kind, Lag, Legislature, LinkKind,
    LiveEvent, Lookalike, Mirrors, Mode, Modes, Newsroom, Platform, Range, Rhythm, ShareButton, Sport, Starts, World,
};

use std::io;

use scene::Scene;

/// The result of a world and a seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Simulation {
    /// Posts, sorted by time, then id.
    pub posts: Vec<SimPost>,
    /// The truth about the world.
    pub truth: Truth,
}

/// The posts of a world, rendered one at a time, sorted by time, then id.
pub struct Stream<'w> {
    scene: Scene<'w>,
    /// Number of posts of each account so far.
    posted: Vec<u64>,
    next: usize,
}

impl World {
    /// Generates the whole world. Equal seeds give equal posts.
    ///
    /// # Panics
    ///
    /// If fields were changed to values that [`World::check`] refuses, for example a crowd without
    /// communities.
    pub fn generate(&self, seed: u64) -> Simulation {
        let (posts, truth) = self.stream(seed);
        Simulation { posts: posts.collect(), truth }
    }

    /// The same posts, one at a time, for worlds that do not fit in memory. The truth is available
    /// immediately.
    ///
    /// # Panics
    ///
    /// As [`World::generate`].
    pub fn stream(&self, seed: u64) -> (Stream<'_>, Truth) {
        let mut scene = Scene::new(self, seed);
        crowd::settle(&mut scene);
        lookalike::add(&mut scene);
        campaign::plant(&mut scene);
        group::gather(&mut scene);
        scene.publish();
        let mut drafts = std::mem::take(&mut scene.drafts);
        drafts.sort_by_cached_key(|draft| (scene.shown_at(draft), scene.place(draft)));
        scene.drafts = drafts;
        let truth = scene.truth();
        let posted = vec![0; scene.accounts.len()];
        (Stream { scene, posted, next: 0 }, truth)
    }
}

impl Iterator for Stream<'_> {
    type Item = SimPost;

    fn next(&mut self) -> Option<SimPost> {
        let draft = self.scene.drafts.get(self.next)?;
        self.next += 1;
        let posted = &mut self.posted[draft.account as usize];
        let post = self.scene.render(draft, *posted);
        *posted += 1;
        Some(post)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.scene.drafts.len() - self.next;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Stream<'_> {}

impl Simulation {
    /// Writes all posts as NDJSON in the native dialect.
    pub fn write_ndjson(&self, mut out: impl io::Write) -> io::Result<()> {
        self.posts.iter().try_for_each(|post| post.write_ndjson(&mut out))
    }
}
