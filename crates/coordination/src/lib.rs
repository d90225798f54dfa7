//! The pure detection engine: posts in, clusters with evidence out.
//!
//! Three state machines, with messages between them (`stage`), wired by direct calls in [`Engine`]:
//!
//! 1. *trace*: [`Reader::read`] reads what a post did that others could do too, which needs nothing but the post and can happen on any
//!    thread. The post then waits until the watermark has passed it and has its turn in event-time order, in which its traces are settled
//!    (near-duplicate classes, rarest hashtags, first sources) and become *acts*.
//! 2. *correlate*, in shards by source: an act first speaks in the open *tests* on its key (stage B), then earns *co-acts* with those who
//!    acted on the key shortly before (stage A), then becomes part of the *history* by which later acts are judged.
//! 3. *group*: co-acts add up to *ties*, ties propose *candidates*, frozen at birth: only what their members do afterwards counts. At every
//!    tick the tests' reports are taken in, candidates that pass are told as *clusters*, and new candidates are broadcast to the shards.
//!
//! What is found does not depend on the order of arrival within the watermark, on the number of shards, or on a snapshot and restore in
//! between ([`Engine::snapshot`]): the same to the last bit, as property tests hold.
//!
//! # What it computes
//!
//! **Share.** share(a, d) is the part of the next acts on source d that account a is expected to make by itself: the greatest of
//! its share of all acts of the kind, its share of the present hour's acts (sessions clump), and its share of the source's acts
//! in a baseline that decays and leaves out the last 24 h, so that a burst cannot explain itself. A baseline is at least a day
//! long: acts of a stream's first day belong to it at once, and in the second day it stands still. A fandom's first day then does
//! not look like a campaign, and a campaign that brings its own sources on the first day goes unseen for as long. (With a
//! baseline that began empty after 24 h, members of one community looked like strangers to their own sources in the second day:
//! all six false clusters of nine simulated worlds had their evidence in its first hours.)
//!
//! **Stage A, propose.** For an act on a key after n acts within a window (60 s, 10 min, 1 h; the narrowest that holds the pair
//! counts), with n taken as max(2 n, acts within twice the window) + 1, either account of a pair is there by chance with p = 1 -
//! exp(-2 share n); the pair earns -ln max(p_a, p_b) nats, if that is one or more, at most once in 30 min and once a post. Ties
//! of 8 nats on two or more keys, joined strongest first where they run between a third of the pairs of two groups (average
//! linkage), propose groups of 3 to 60 accounts. So do, by the same linkage, accounts that keep close company on rare things over
//! any time (the module `company` has the formula; the same score ranks all accounts). And so do *bursts*: five accounts or more
//! whose pairs earned on one key within 60 s, with 12 nats an account and 2.5 a pair, alone and together with earlier bursts with
//! which they share two accounts or more. A tie waits for two keys, and a group of ties for a third of its pairs: that takes
//! longer than a campaign of three actions lasts, or one that hides in 60 posts a day or in which each account takes part now and
//! then. Groups of three or four need two nats an account on their second best key. A group is proposed anew only when a tie of one
//! of its accounts has changed since the last tick. A proposal costs nothing but one more hypothesis: evidence is what comes after it.
//!
//! **Stage B, test.** From a member's first act on a key that no member touched before the candidate's birth, to the first tick
//! after 2 h: with h = min(0.9, 2 sum of share(m, d) over members who have not acted), each next act multiplies LR_q by q/h if it
//! is such a member's, else by (1 - q)/(1 - h), for q in 0.1, 0.3, 0.7 (at least h); after 20, 6 and 2 acts by others, each stake
//! is withdrawn until a member acts, and all are when no member is left, so that the crowd that comes to a popular key later
//! costs little. The key's e-value is 1 - eps + eps mean LR, with eps fixed before the test begins: the share of the candidate's
//! tests so far on which a second member acted (0.05 at first). log-e of the candidate is the sum of the logs. Under the null
//! that members act here by habit alone, an e-value is at most 1 on average (Ville's inequality then bounds how often it is ever
//! large). The statistic that must pass is log-e *without its best source*; a candidate that passes only with it is
//! [`Finding::SingleSource`]. While the stream goes on, e-LOND (Xu and Ramdas 2024) at 0.05 decides, so that of all that is ever
//! told at most that share is false on average; when it has ended, also e-BH (Wang and Ramdas 2022) over all candidates ever
//! proposed. A campaign passes as many overlapping candidates and counts as one discovery, or it would lower the bar for groups
//! of the crowd. A candidate below -3 nats is tested no further. Members are tested one by one with the candidate's keys as
//! trials, by e-BH within it; at least three must pass, and only they are named. Under the alternative a member takes part at
//! least as often as by habit: an account that acts on everything by itself was named for what it left out, once, and that was
//! the one whom a campaign boosted.
//!
//! **Choices that measurements made.** A repost leaves no trace but the repost, since the original's links, tags and words come
//! along with it: counting them made a fandom look like two sources. A text beside a link has the link's source, because share
//! buttons write both. A post's hashtags are one act and leave one trace: the rare tag that most others use, else the sequence;
//! counted one by one, a fandom's slogan of three tags was four keys of three sources. Whoever is reposted, answered, mentioned
//! or copied is one source, however it is done. Reposts of unknown authors all have one source. A pair's share is frozen with its
//! act and a test's shares with its opening, so that an act costs time in proportion to the ring and to the candidates of its
//! account, and to nothing else. Single linkage made chains of chance ties into groups of 60: 2,400 of 6,700 candidates on a
//! simulated world, half the time, and two campaigns of twelve missed.
//!
//! What is absent: I/O, clocks, threads, randomness, metrics, and any reading of what opinion a post holds.

mod accounts;
mod bursts;
mod candidate;
mod cluster;
mod company;
mod correlate;
mod engine;
mod error_control;
mod group;
mod hash;
mod history;
mod identity;
mod order;
mod params;
pub mod peers;
mod post;
mod snapshot;
mod stage;
mod stats;
mod test;
mod ties;
mod trace;
mod tracer;

pub use cluster::{
    AccountRef, Behaviour, Cluster, Evidence, Finding, KeyTest, KeyTrial, Manner, Member, PostRef, SilentKeys,
    SourceNats, Step, Terms, Tie, TraceKind, Trial, TrialSum, Trials,
};
pub use engine::{Engine, Executor, Job};
pub use params::{Limits, Params, ParamsError};
pub use post::{Millis, Post};
pub use snapshot::SnapshotError;
pub use stats::{AccountEvidence, Evicted, Outcome, Sizes, Stats};
pub use tracer::{ReadPost, Reader};
