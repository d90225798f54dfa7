//! The engine as a whole, on small invented streams: a crowd with habits, and groups that act together.

mod hostile;

use coordination::{
    AccountEvidence, Cluster, Engine, Executor, Finding, Manner, Millis, Outcome, Params, Post, Tie, TraceKind,
};
use proptest::prelude::*;

const MINUTE: Millis = 60_000;
const HOUR: Millis = 60 * MINUTE;
const DAY: Millis = 24 * HOUR;

/// A small generator with a fixed seed (SplitMix64); what matters is only that it is the same everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

fn post(id: String, account: String, at: Millis, url: String) -> Post<'static> {
    Post {
        id: id.into(),
        platform: "x".into(),
        account_id: account.into(),
        created_at: at,
        urls: vec![url.into()],
        ..Post::default()
    }
}

/// 1,500 accounts share fresh articles of 40 sites over three days.
fn crowd(dice: &mut Dice) -> Vec<Post<'static>> {
    (0..30_000)
        .map(|i| {
            let at = dice.below(3 * DAY as u64) as Millis;
            let account = dice.below(1_500);
            let site = if dice.below(3) > 0 { account % 40 } else { dice.below(40) };
            // A site's article of the hour: readers who come by in the same hour share the same one.
            let url = format!("https://site{site}.example/{}", at / HOUR);
            post(format!("crowd-{i:05}"), format!("reader-{account:04}"), at, url)
        })
        .collect()
}

/// `members` accounts share each of `acts` links within a minute, on the third day; links of `sites` sites in turn.
fn group(name: &str, members: u64, acts: u64, sites: u64, dice: &mut Dice) -> Vec<Post<'static>> {
    let mut posts = Vec::new();
    for act in 0..acts {
        let at = 2 * DAY + HOUR + act as Millis * (20 * HOUR / acts as Millis);
        for member in 0..members {
            if dice.below(10) < 8 {
                posts.push(post(
                    format!("{name}-{act}-{member}"),
                    format!("{name}-{member:02}"),
                    at + dice.below(60_000) as Millis,
                    format!("https://{name}{}.example/{act}", act % sites),
                ));
            }
        }
    }
    posts
}

fn sorted(mut posts: Vec<Post<'static>>) -> Vec<Post<'static>> {
    posts.sort_by(|x, y| (x.created_at, &x.id).cmp(&(y.created_at, &y.id)));
    posts
}

/// The last state of every cluster.
fn run(posts: &[Post<'_>]) -> Vec<Cluster> {
    let mut engine = Engine::new(Params::default()).unwrap();
    let mut told = Vec::new();
    let mut now = Millis::MIN;
    for post in posts {
        now = now.max(post.created_at);
        engine.on_post(now, post, &mut told);
    }
    engine.finish(&mut told);
    let mut last: Vec<Cluster> = Vec::new();
    for cluster in told {
        last.retain(|known| known.id != cluster.id && !cluster.lineage.contains(&known.id));
        last.push(cluster);
    }
    last
}

fn names(cluster: &Cluster) -> Vec<&str> {
    let mut names: Vec<&str> = cluster.members.iter().map(|m| m.account.account_id.as_str()).collect();
    names.sort_unstable();
    names
}

#[test]
fn a_crowd_with_habits_is_no_cluster() {
    assert_eq!(run(&sorted(crowd(&mut Dice(1)))), []);
}

#[test]
fn a_group_on_several_sites_is_coordinated_and_nobody_else_is_named() {
    let mut dice = Dice(2);
    let mut posts = crowd(&mut dice);
    posts.extend(group("op", 10, 10, 5, &mut dice));
    let found = run(&sorted(posts));
    assert_eq!(found.len(), 1);
    let cluster = &found[0];
    assert_eq!(cluster.finding, Finding::Coordinated);
    // With a few links each, chance leaves some members below the bar; who was not in it must never be named.
    assert!(names(cluster).len() >= 7, "{:?}", names(cluster));
    assert!(names(cluster).iter().all(|name| name.starts_with("op-")), "{:?}", names(cluster));
    assert!(cluster.history > 2 * DAY);
}

#[test]
fn the_same_group_on_one_site_is_single_source() {
    let mut dice = Dice(3);
    let mut posts = crowd(&mut dice);
    posts.extend(group("fans", 10, 10, 1, &mut dice));
    let found = run(&sorted(posts));
    assert!(!found.is_empty());
    assert!(found.iter().all(|cluster| cluster.finding == Finding::SingleSource), "{found:#?}");
}

#[test]
fn every_number_can_be_recomputed_from_what_stands_beside_it() {
    let mut dice = Dice(4);
    let mut posts = crowd(&mut dice);
    let group = group("op", 12, 12, 4, &mut dice);
    // They come back to every link once it has fallen silent, which is a test of its own.
    posts.extend(group.iter().map(|p| Post {
        id: format!("{}-again", p.id).into(),
        created_at: p.created_at + 4 * HOUR,
        ..p.clone()
    }));
    posts.extend(group);
    for cluster in run(&sorted(posts)) {
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} is not {b}");
        let evidence: f64 = cluster.evidence.iter().map(|e| e.nats).sum();
        close(evidence + cluster.silent_keys.nats, cluster.log_e);
        close(cluster.nats_by_kind.iter().map(|(_, nats)| nats).sum(), cluster.log_e);
        close(cluster.nats_by_source.iter().map(|s| s.nats).sum(), cluster.log_e);
        let best = cluster.nats_by_source.iter().map(|s| s.nats).fold(0.0, f64::max);
        close(cluster.log_e - best, cluster.log_e_leave_one_source_out);
        for evidence in &cluster.evidence {
            assert_eq!(evidence.kind, TraceKind::Url);
            assert!(evidence.posts.len() >= 2);
            assert!(evidence.posts.windows(2).all(|pair| pair[0].created_at <= pair[1].created_at));
        }
    }
}

#[test]
fn only_what_came_after_the_birth_is_evidence() {
    let mut dice = Dice(5);
    let mut posts = crowd(&mut dice);
    posts.extend(group("op", 10, 10, 5, &mut dice));
    let found = run(&sorted(posts));
    // Two co-acts propose, so the first two links can be no evidence.
    for early in ["op0.example/0", "op1.example/1"] {
        assert!(found[0].evidence.iter().all(|e| e.key != early), "{early} is evidence");
    }
}

#[test]
fn each_post_has_one_outcome() {
    let mut engine = Engine::new(Params::default()).unwrap();
    let mut told = Vec::new();
    let mut give = |now: Millis, id: &str, at: Millis| {
        engine.on_post(now, &post(id.to_owned(), "a".to_owned(), at, String::new()), &mut told)
    };
    assert_eq!(give(10 * HOUR, "1", 10 * HOUR), Outcome::Accepted);
    assert_eq!(give(10 * HOUR, "1", 10 * HOUR), Outcome::Duplicate);
    assert_eq!(give(10 * HOUR, "2", 10 * HOUR - MINUTE), Outcome::Accepted);
    assert_eq!(give(10 * HOUR, "3", 9 * HOUR), Outcome::Late);
    assert_eq!(give(10 * HOUR, "4", 7 * HOUR), Outcome::TooLate);
    let stats = engine.stats();
    assert_eq!((stats.accepted, stats.late, stats.too_late, stats.duplicate), (2, 1, 1, 1));
}

#[test]
fn reposts_are_timed_by_originals_that_were_seen() {
    let mut dice = Dice(9);
    let group = group("op", 10, 10, 5, &mut dice);
    // Before each of its links, member 3 reposts something of a voice: within a minute, within the hour, and otherwise.
    let mut posts = Vec::new();
    for (n, link) in group.iter().filter(|post| post.account_id.ends_with('3')).enumerate() {
        let at = link.created_at - 3 * HOUR;
        let original = post(format!("o{n}"), "voice".to_owned(), at, format!("https://voice.example/{n}"));
        let repost = |name: &str, after: Millis, of: &str| Post {
            id: format!("{name}{n}").into(),
            created_at: at + after,
            repost_of: Some(of.to_owned().into()),
            urls: Vec::new(),
            ..link.clone()
        };
        posts.extend([
            repost("minute", MINUTE, &original.id),
            repost("more", MINUTE + 1, &original.id),
            repost("hour", HOUR, &original.id),
            // Too long ago; never seen; older than the original, as clocks may have it.
            repost("late", HOUR + 1, &original.id),
            repost("unseen", MINUTE, "elsewhere"),
            repost("before", -1, &original.id),
            original,
        ]);
    }
    posts.extend(group);
    posts.extend(crowd(&mut dice));
    let posts = sorted(posts);
    let found = run(&posts);
    let member = |name: &str| {
        let found = found.iter().flat_map(|cluster| &cluster.members);
        found.filter(|member| member.account.account_id == name).map(|member| &member.behaviour).next().unwrap()
    };
    let third = member("op-03");
    let times = third.reposts / 6;
    assert!(times > 4);
    assert_eq!((third.reposts, third.timed_reposts, third.fast_reposts), (6 * times, 3 * times, times));
    assert_eq!((member("op-04").timed_reposts, member("op-04").fast_reposts), (0, 0));
}

#[test]
fn evidence_says_how_far_wordings_differ_and_no_word() {
    let mut dice = Dice(8);
    let mut posts = crowd(&mut dice);
    for mut post in group("op", 10, 12, 4, &mut dice) {
        let act: u64 = post.id.split('-').nth(1).unwrap().parse().unwrap();
        let mut words = Dice(1_000 + act);
        let mut word = || (0..7).map(|_| char::from(b'a' + words.below(26) as u8)).collect::<String>();
        let said = (0..16).map(|_| word()).collect::<Vec<_>>().join(" ");
        // Member 7 has an ending of its own.
        let ending = if post.account_id.ends_with('7') { "tomorrow" } else { "yesterday" };
        post.text = format!("{said} {ending}").into();
        posts.push(post);
    }
    let found = run(&sorted(posts));
    let texts: Vec<_> = found.iter().flat_map(|c| &c.evidence).filter(|e| e.kind == TraceKind::Text).collect();
    let mut unequal = Vec::new();
    for evidence in texts {
        let wordings = |seventh: bool| -> Vec<u64> {
            let of = evidence.posts.iter().filter(|post| post.account.account_id.ends_with('7') == seventh);
            of.map(|post| match post.manner {
                Manner::Wording(bits) => bits,
                other => panic!("{other:?} is no wording"),
            })
            .collect()
        };
        let (others, seventh) = (wordings(false), wordings(true));
        assert!(others.windows(2).all(|pair| pair[0] == pair[1]), "{others:x?}");
        unequal.extend(seventh.first().map(|bits| (bits ^ others[0]).count_ones()));
    }
    // Some 17 of 150 shingles are of one text only, which is seven bins of 64, and every other bin has the same bit nevertheless.
    let mean = f64::from(unequal.iter().sum::<u32>()) / unequal.len() as f64;
    assert!((2.0..6.0).contains(&mean) && unequal.iter().all(|bits| *bits < 24), "{unequal:?} of 64 bits differ");
}

#[test]
fn being_told_the_time_more_often_changes_nothing() {
    let mut dice = Dice(6);
    let mut posts = crowd(&mut dice);
    posts.extend(group("op", 10, 10, 5, &mut dice));
    let posts = sorted(posts);
    let mut engine = Engine::new(Params::default()).unwrap();
    let mut told = Vec::new();
    for pair in posts.windows(2) {
        engine.on_post(pair[0].created_at, &pair[0], &mut told);
        engine.on_time(pair[1].created_at, &mut told);
    }
    engine.on_post(posts[posts.len() - 1].created_at, &posts[posts.len() - 1], &mut told);
    engine.finish(&mut told);
    let want = run(&posts);
    assert_eq!(told.iter().filter(|c| want.contains(c)).count(), want.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// Any interleaving within the allowed lateness gives the same clusters, to the last bit.
    #[test]
    fn interleavings_within_the_watermark_change_nothing(seed in any::<u64>()) {
        let mut dice = Dice(7);
        let mut posts = crowd(&mut dice);
        posts.extend(group("op", 8, 8, 4, &mut dice));
        let in_order = sorted(posts);
        let mut jumbled: Vec<(Millis, Post<'static>)> = Vec::new();
        let mut dice = Dice(seed);
        for post in in_order.clone() {
            jumbled.push((post.created_at + dice.below(4 * MINUTE as u64) as Millis, post));
        }
        jumbled.sort_by_key(|(arrival, _)| *arrival);
        let jumbled: Vec<Post<'static>> = jumbled.into_iter().map(|(_, post)| post).collect();
        prop_assert_eq!(run(&jumbled), run(&in_order));
    }

    /// Hostile posts are posts like any other: nothing panics, and everything is counted.
    #[test]
    fn whatever_a_post_holds_is_survived(
        texts in prop::collection::vec(".{0,300}", 1..20),
        urls in prop::collection::vec(".{0,60}", 0..20),
        tags in prop::collection::vec("\\PC{0,20}", 0..40),
        at in prop::collection::vec(-DAY..40 * DAY, 1..20),
    ) {
        let mut engine = Engine::new(Params::default()).unwrap();
        let mut told = Vec::new();
        for (i, (text, at)) in texts.iter().zip(&at).enumerate() {
            let post = Post {
                id: format!("{i}").into(),
                text: text.into(),
                created_at: *at,
                urls: urls.iter().map(|u| u.as_str().into()).collect(),
                hashtags: tags.iter().map(|t| t.as_str().into()).collect(),
                ..Post::default()
            };
            engine.on_post(*at, &post, &mut told);
        }
        engine.finish(&mut told);
        let stats = engine.stats();
        prop_assert_eq!(
            (stats.accepted + stats.late + stats.too_late) as usize,
            texts.len().min(at.len())
        );
    }
}

/// Runs each job on a thread of its own.
struct Threads;

impl Executor for Threads {
    fn run(&self, jobs: Vec<Box<dyn FnOnce() + Send + '_>>) {
        std::thread::scope(|scope| jobs.into_iter().for_each(|job| drop(scope.spawn(job))));
    }
}

/// All that is told, and the ties and the accounts at the end.
fn all_of(engine: &mut Engine, posts: &[Post<'_>]) -> (Vec<Cluster>, Vec<Tie>, Vec<AccountEvidence>) {
    let mut told = Vec::new();
    for post in posts {
        engine.on_post(post.created_at, post, &mut told);
    }
    engine.finish(&mut told);
    (told, engine.ties(1), engine.accounts())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    /// Any split over shards gives the same of everything, to the last bit.
    #[test]
    fn shards_change_nothing(shards in 2u16..9, seed in any::<u64>()) {
        let mut dice = Dice(seed);
        let mut posts = crowd(&mut dice);
        posts.extend(group("op", 9, 9, 4, &mut dice));
        posts.extend(group("fans", 9, 9, 1, &mut dice));
        let posts = sorted(posts);
        let one = all_of(&mut Engine::new(Params::default()).unwrap(), &posts);
        let many = all_of(&mut Engine::sharded(Params::default(), shards, Box::new(Threads)).unwrap(), &posts);
        prop_assert!(!one.0.is_empty());
        prop_assert!(one.0 == many.0, "clusters");
        prop_assert!(one.1 == many.1, "ties");
        prop_assert!(one.2 == many.2, "accounts");
    }

    /// A snapshot after any post, restored in a new engine, goes on as if nothing had happened.
    #[test]
    fn a_restored_snapshot_goes_on_as_if_nothing_had_happened(cut in 0usize..30_000, shards in 1u16..4, seed in any::<u64>()) {
        let mut dice = Dice(seed);
        let mut posts = crowd(&mut dice);
        posts.extend(group("op", 9, 9, 4, &mut dice));
        let posts = sorted(posts);
        let engine = || Engine::sharded(Params::default(), shards, Box::new(Threads)).unwrap();
        let whole = all_of(&mut engine(), &posts);

        let (mut before, mut told) = (engine(), Vec::new());
        for post in &posts[..cut] {
            before.on_post(post.created_at, post, &mut told);
        }
        let snapshot = before.snapshot().unwrap();
        drop(before);
        let mut after = engine();
        after.restore(&snapshot).unwrap();
        let (rest, ties, accounts) = all_of(&mut after, &posts[cut..]);
        told.extend(rest);
        prop_assert!(whole.0 == told, "clusters");
        prop_assert!(whole.1 == ties, "ties");
        prop_assert!(whole.2 == accounts, "accounts");
    }
}
