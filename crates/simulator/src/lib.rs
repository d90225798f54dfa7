//! Synthetic worlds: an organic background, look-alikes, planted campaigns, and the truth about all of them.
//!
//! The journey: a world file ([`World::from_toml`], or a built-in one by [`World::named`]) says who is there. A scene is
//! set in four acts, each with random draws of its own: the *crowd* (sources publish items, accounts live their days in
//! sessions), the *look-alikes* (organic groups that act alike), the *campaigns* (accounts with an ordinary face that act
//! together), the *groups* (operations as real files show them, and innocents who act in concert in the open: one
//! vocabulary for both). What comes out is a list of drafts a few bytes each; in order of time every draft is rendered into a
//! [`SimPost`], one at a time ([`Stream`]) or all at once ([`World::generate`]).
//!
//! The same world and seed give the same bytes on every machine: `ChaCha8` draws the bits, `libm` the curves, and nothing
//! depends on a hash map's order. Campaigns and groups come last and each part has its own draws: a world with its campaigns
//! or groups taken out has the same crowd, act for act (only a voice's post that nobody but these reposted or answered is then
//! not shown, and the crowd's accounts that look on at a group have fewer posts).
//!
//! # What a world is not
//!
//! It is synthetic, and results on it must be quoted as such. The crowd's counts, rhythm, repost, link and hashtag shares
//! are held against measured crowds ([`stats()`], and the tests of this crate); its texts are not: they come from small
//! grammars, so nothing may be concluded from their content. Interests do not change over time, nobody follows anybody
//! (cascades come from what is famous and fresh, not from a graph), and a campaign does what its file says, no more.
//! Countries, parties and people are invented, addresses end in `.example`, and no parameter knows a viewpoint.
//!
//! # Turning one parameter
//!
//! [`World::with`] gives a world with one parameter changed, by its path; a file does so in a table `set`. The world
//! `evasion` is the base for such sweeps.
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

/// What a world and a seed give.
#[derive(Debug, Clone, PartialEq)]
pub struct Simulation {
    /// Sorted by time, then id.
    pub posts: Vec<SimPost>,
    /// What really happened.
    pub truth: Truth,
}

/// The posts of a world, made one at a time, sorted by time, then id.
pub struct Stream<'w> {
    scene: Scene<'w>,
    /// Posts so far of each account.
    posted: Vec<u64>,
    next: usize,
}

impl World {
    /// Makes the whole world. Equal seeds give equal posts.
    ///
    /// # Panics
    ///
    /// Where fields were changed to values that [`World::check`] refuses (a crowd without communities, say).
    pub fn generate(&self, seed: u64) -> Simulation {
        let (posts, truth) = self.stream(seed);
        Simulation { posts: posts.collect(), truth }
    }

    /// The same posts one at a time, for worlds that are better not held in memory; the truth is known at once.
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
