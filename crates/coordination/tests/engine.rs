//! The engine as a whole, on small invented streams: a crowd of independent accounts, and groups
//! that repeat one another.

mod hostile;

use coordination::{
    AccountEvidence, Cluster, Engine, Executor, Finding, Job, Judge, Millis, Outcome, Params, Post, SingleSource, Tie,
    TraceKind, TrialOutcome,
};
use fastrand::Rng;
use proptest::prelude::*;

const MINUTE: Millis = 60_000;
const HOUR: Millis = 60 * MINUTE;
const DAY: Millis = 24 * HOUR;

/// Words that nobody writes by chance: of letters only, one after another.
fn words(dice: &mut Rng, count: usize) -> String {
    let words: Vec<String> = (0..count).map(|_| (0..6).map(|_| dice.lowercase()).collect()).collect();
    words.join(" ")
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

/// 1,500 accounts share fresh articles of 40 sites over three days, and write something of their
/// own.
fn crowd(dice: &mut Rng) -> Vec<Post<'static>> {
    (0..20_000)
        .map(|i| {
            let at = dice.u64(..3 * DAY as u64) as Millis;
            let account = dice.u64(..1_500);
            let site = if dice.u64(..3) > 0 { account % 40 } else { dice.u64(..40) };
            // A site's article of the hour: readers who come by in the same hour share the same
            // one.
            let url = format!("https://site{site}.example/{}", at / HOUR);
            let text = words(dice, 8).into();
            Post { text, ..post(format!("crowd-{i:05}"), format!("reader-{account:04}"), at, url) }
        })
        .collect()
}

/// `members` accounts write each of `texts` texts, one after another within an hour, on the third
/// day; each writes much else.
fn copiers(name: &str, members: u64, texts: u64, dice: &mut Rng) -> Vec<Post<'static>> {
    let mut posts = Vec::new();
    for n in 0..texts {
        let at = 2 * DAY + HOUR + n as Millis * (12 * HOUR / texts as Millis);
        let copied = words(dice, 12);
        for member in 0..members {
            let link = |kind: &str| format!("https://{name}-{kind}{n}-{member}.example/");
            let account = format!("{name}-{member:02}");
            let mut say = |kind: &str, text: String| {
                let at = at + dice.u64(..HOUR as u64) as Millis;
                posts.push(Post {
                    text: text.into(),
                    ..post(format!("{name}-{kind}-{n}-{member:02}"), account.clone(), at, link(kind))
                });
            };
            say("copy", copied.clone());
        }
    }
    posts
}

fn sorted(mut posts: Vec<Post<'static>>) -> Vec<Post<'static>> {
    posts.sort_by(|x, y| (x.created_at, &x.id).cmp(&(y.created_at, &y.id)));
    posts
}

/// Takes every group whose members' own words are repeated in four of ten posts for inauthentic.
struct OwnWords;

impl Judge for OwnWords {
    fn inauthentic(&self, cluster: &Cluster) -> bool {
        cluster.windows.iter().any(|window| {
            let trials: u64 = window.group.iter().sum();
            10 * window.group[TrialOutcome::OwnWords as usize] >= 4 * trials.max(1)
        })
    }
}

fn engine(params: Params) -> Engine {
    let mut engine = Engine::new(params).unwrap();
    engine.set_judge(Box::new(OwnWords));
    engine
}

/// The last state of every cluster, near misses not among them.
fn run(posts: &[Post<'_>]) -> Vec<Cluster> {
    run_with(Params::default(), posts)
}

fn run_with(params: Params, posts: &[Post<'_>]) -> Vec<Cluster> {
    let mut engine = engine(params);
    let mut told = Vec::new();
    let mut now = Millis::MIN;
    for post in posts {
        now = now.max(post.created_at);
        engine.on_post(now, post, &mut told);
    }
    engine.finish(&mut told);
    let mut last: Vec<Cluster> = Vec::new();
    for cluster in told.into_iter().filter(|cluster| cluster.finding != Finding::NearMiss) {
        last.retain(|known| known.id != cluster.id && !cluster.absorbed.contains(&known.id));
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
fn a_crowd_that_goes_its_own_ways_is_no_cluster() {
    assert_eq!(run(&sorted(crowd(&mut Rng::with_seed(1)))), []);
}

#[test]
fn accounts_that_repeat_one_another_are_found_and_nobody_else_is_named() {
    let mut dice = Rng::with_seed(2);
    let mut posts = crowd(&mut dice);
    posts.extend(copiers("op", 10, 12, &mut dice));
    let found = run(&sorted(posts));
    assert_eq!(found.len(), 1, "{found:#?}");
    let cluster = &found[0];
    assert!(cluster.finding == Finding::Coordinated && cluster.flagged);
    assert_eq!(names(cluster).len(), 10);
    assert!(names(cluster).iter().all(|name| name.starts_with("op-")));
    assert!(cluster.history > 2 * DAY - HOUR);
    assert!(cluster.log_e_leave_one_source_out >= cluster.terms.bar);
}

#[test]
fn everybody_who_repeats_a_popular_text_counts_as_crowd() {
    let mut dice = Rng::with_seed(17);
    let mut posts = crowd(&mut dice);
    let op = copiers("op", 8, 12, &mut dice);
    // In the hours after, twenty others write each text, every one of them once.
    for (n, of) in op.chunks(8).enumerate() {
        for other in 0..20 {
            let at = of[0].created_at + 2 * HOUR + dice.u64(..HOUR as u64) as Millis;
            let name = format!("other-{n}-{other}");
            let own = format!("https://{name}.example/");
            posts.push(Post { text: of[0].text.clone(), ..post(name.clone(), name, at, own) });
        }
    }
    posts.extend(op);
    let found = run_with(Params { popular: 10, ..Params::default() }, &sorted(posts));
    let op = found.iter().find(|cluster| cluster.finding == Finding::Coordinated).unwrap();
    assert_eq!(names(op).len(), 8);
    // The group was proposed after a few of the twelve texts.
    let [.., day] = &op.windows[..] else { panic!("no window") };
    let repeated = day.crowd[TrialOutcome::OwnWords as usize];
    assert!((190..=240).contains(&repeated), "{repeated}");
}

/// Ten accounts share eight fresh articles, seven of them at a time and within a minute; five of
/// the articles are on a site of their own. What else they share is what everybody shares.
fn cell(dice: &mut Rng) -> Vec<Post<'static>> {
    let mut posts = Vec::new();
    for member in 0..10 {
        for n in 0..15 {
            let at = dice.u64(..3 * DAY as u64) as Millis;
            let url = format!("https://site{}.example/{}", dice.u64(..40), at / HOUR);
            posts.push(post(format!("cover-{member}-{n:02}"), format!("cell-{member}"), at, url));
        }
    }
    for n in 0..8 {
        let site = if [2, 4, 7].contains(&n) { format!("borrowed{n}") } else { "own".to_owned() };
        let first = dice.u64(..10);
        for place in 0..7 {
            let member = (first + place) % 10;
            let at = 2 * DAY + n * 2 * HOUR + dice.u64(..MINUTE as u64) as Millis;
            posts.push(post(
                format!("cell-{n}-{member}"),
                format!("cell-{member}"),
                at,
                format!("https://{site}.example/{n}"),
            ));
        }
    }
    posts
}

#[test]
fn members_with_cover_and_a_site_of_their_own_are_named() {
    let mut dice = Rng::with_seed(5);
    let found = run(&sorted([crowd(&mut dice), cell(&mut dice)].concat()));
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].finding, Finding::Coordinated);
    let known = names(&found[0]);
    assert!(known.len() >= 8 && known.iter().all(|name| name.starts_with("cell-")), "{known:?}");
    assert!(found[0].namings[0].cover > 0.0);
}

/// Sixty fans repeat what their idol says, and with it tags that nobody else uses.
#[test]
fn what_a_repost_carries_is_its_authors() {
    let mut dice = Rng::with_seed(6);
    let mut posts = crowd(&mut dice);
    for n in 0..40 {
        let first = dice.u64(..3 * DAY as u64 - HOUR as u64) as Millis;
        for fan in (0..60).filter(|_| dice.u64(..5) < 2).collect::<Vec<_>>() {
            let at = first + dice.u64(..10 * MINUTE as u64) as Millis;
            posts.push(Post {
                repost_of: Some(format!("idol-{n}").into()),
                repost_of_account: Some("idol".into()),
                hashtags: vec![format!("tour{n}").into(), format!("night{n}").into()],
                ..post(format!("fan-{n}-{fan}"), format!("fan-{fan:02}"), at, format!("https://idol{n}.example/"))
            });
        }
    }
    let found = run(&sorted(posts));
    assert!(found.iter().all(|cluster| cluster.finding != Finding::Coordinated), "{found:#?}");
}

#[test]
fn years_of_silence_change_nothing_of_what_was_told() {
    let mut dice = Rng::with_seed(2);
    let mut posts = crowd(&mut dice);
    posts.extend(copiers("op", 10, 12, &mut dice));
    let before = run(&sorted(posts.clone()));
    let late = |n: Millis| {
        post(format!("late-{n}"), "stranger".into(), 3 * 365 * DAY + n * 40 * DAY, format!("https://late{n}.example/"))
    };
    posts.extend((0..3).map(late));
    let after = run(&sorted(posts));
    assert_eq!(after.len(), 1, "{after:#?}");
    assert_eq!((after[0].finding, after[0].flagged, &after[0].id), (Finding::Coordinated, true, &before[0].id));
    assert_eq!(names(&after[0]), names(&before[0]));
}

#[test]
fn a_text_of_many_accounts_is_told_as_a_count() {
    let mut dice = Rng::with_seed(3);
    let mut posts = crowd(&mut dice);
    posts.extend(copiers("flood", 40, 1, &mut dice));
    let found = run(&sorted(posts));
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].finding, found[0].single_source), (Finding::SingleSource, Some(SingleSource::OneText)));
    // The first text carries the only link so far: until a second one comes, it may be a page's.
    assert_eq!((found[0].members.len(), found[0].log_e, found[0].windows.len()), (39, 0.0, 0));
}

/// Every text is a source, and only the 100 that gave most are told one by one.
#[test]
fn what_sources_gave_adds_up_however_many_there_are() {
    let mut dice = Rng::with_seed(7);
    let cluster = run(&sorted([crowd(&mut dice), copiers("op", 10, 150, &mut dice)].concat())).remove(0);
    assert_eq!(cluster.nats_by_source.len(), 100);
    assert!(cluster.unlisted.sources > 20, "{}", cluster.unlisted.sources);
    for (at, window) in cluster.windows.iter().enumerate() {
        let told: f64 = cluster.nats_by_source.iter().map(|source| source.nats[at]).sum();
        assert!((window.losses + told + cluster.unlisted.source_nats[at] - window.nats).abs() < 1e-6, "{at}");
    }
}

/// What an engine without a judge calls coordinated, one with it may flag; nothing else changes.
#[test]
fn without_a_judge_nothing_is_flagged() {
    let mut dice = Rng::with_seed(2);
    let posts = sorted([crowd(&mut dice), copiers("op", 10, 12, &mut dice)].concat());
    let mut engine = Engine::new(Params::default()).unwrap();
    let mut told = Vec::new();
    posts.iter().for_each(|post| assert_eq!(engine.on_post(post.created_at, post, &mut told), Outcome::Accepted));
    engine.finish(&mut told);
    assert!(!told.is_empty() && told.iter().all(|cluster| !cluster.flagged));
}

#[test]
fn the_test_adds_up() {
    let mut dice = Rng::with_seed(4);
    let posts = sorted([crowd(&mut dice), copiers("op", 12, 14, &mut dice)].concat());
    let cluster = run(&posts).remove(0);
    let log_mean_exp = |nats: [f64; 3]| (nats.map(f64::exp).iter().sum::<f64>() / 3.0).ln();
    let nats: [f64; 3] = std::array::from_fn(|at| cluster.windows[at].nats);
    assert!((log_mean_exp(nats) - cluster.log_e).abs() < 1e-9);
    for (at, window) in cluster.windows.iter().enumerate() {
        let listed: f64 = cluster.evidence.iter().map(|key| key.nats[at]).sum();
        let gains = listed + cluster.unlisted.nats[at];
        assert!((window.losses + gains - window.nats).abs() < 1e-9, "{window:?}");
        for key in &cluster.evidence {
            let posts: f64 = key.posts.iter().filter_map(|post| post.gains[at]).map(|gain| gain.nats()).sum();
            assert!((posts - key.nats[at]).abs() < 1e-9);
        }
    }
    let without =
        cluster.nats_by_source.iter().map(|source| log_mean_exp(std::array::from_fn(|at| nats[at] - source.nats[at])));
    let least = without.fold(f64::INFINITY, f64::min);
    assert!((least - cluster.log_e_leave_one_source_out).abs() < 1e-9);
}

/// A group that came close and then passed: its cluster says as which near miss it was told.
#[test]
fn a_cluster_names_the_near_misses_that_it_was() {
    let mut links = 0;
    for members in 3..8 {
        let mut dice = Rng::with_seed(40 + members);
        let posts = sorted([crowd(&mut dice), copiers("op", members, 14, &mut dice)].concat());
        let mut engine = engine(Params::default());
        let (mut told, mut near) = (Vec::new(), Vec::new());
        for post in &posts {
            engine.on_post(post.created_at, post, &mut told);
        }
        engine.finish(&mut told);
        for cluster in told {
            if cluster.finding == Finding::NearMiss {
                assert_eq!(cluster.near_misses, [""; 0]);
                near.push((cluster.terms.number, cluster.id));
                continue;
            }
            for id in &cluster.near_misses {
                assert!(near.iter().any(|(_, known)| known == id), "{id} was told before");
            }
            for (_, id) in near.iter().filter(|(number, _)| *number == cluster.terms.number) {
                assert!(cluster.near_misses.contains(id), "{id} is what passed as {}", cluster.id);
                links += 1;
            }
        }
    }
    assert!(links > 0, "no near miss came to pass");
}

/// No post that helped to propose a group is a trial of it.
#[test]
fn only_what_came_after_the_birth_is_evidence() {
    let mut dice = Rng::with_seed(5);
    let posts = sorted([crowd(&mut dice), copiers("op", 10, 12, &mut dice)].concat());
    for cluster in run(&posts) {
        let gains =
            cluster.evidence.iter().flat_map(|key| &key.posts).filter(|post| post.gains.iter().any(Option::is_some));
        assert!(gains.clone().count() > 0);
        gains.for_each(|post| assert!(post.created_at >= cluster.terms.born));
    }
}

#[test]
fn each_post_has_one_outcome() {
    let mut engine = engine(Params::default());
    let mut told = Vec::new();
    let one = |id: &str, at| post(id.to_owned(), "ann".to_owned(), at, "https://e.example/1".to_owned());
    let now = DAY;
    assert_eq!(engine.on_post(now, &one("a", now), &mut told), Outcome::Accepted);
    assert_eq!(engine.on_post(now, &one("a", now), &mut told), Outcome::Duplicate);
    assert_eq!(engine.on_post(now, &one("b", now - HOUR), &mut told), Outcome::Late);
    assert_eq!(engine.on_post(now, &one("c", now - 3 * HOUR), &mut told), Outcome::TooLate);
    let stats = engine.stats();
    assert_eq!((stats.accepted, stats.late, stats.too_late, stats.duplicate), (1, 1, 1, 1));
}

/// A one-to-one replacement of words changes neither groups nor members nor verdicts.
#[test]
fn other_words_give_the_same_groups() {
    let mut dice = Rng::with_seed(6);
    let posts = sorted([crowd(&mut dice), copiers("op", 10, 12, &mut dice)].concat());
    let other = |word: &str| -> String {
        word.chars().map(|c| char::from_u32('а' as u32 + (c as u32 - 97)).unwrap_or(c)).collect()
    };
    let replaced: Vec<Post<'_>> = posts
        .iter()
        .map(|post| Post { text: post.text.split(' ').map(other).collect::<Vec<_>>().join(" ").into(), ..post.clone() })
        .collect();
    let of = |posts: &[Post<'_>]| -> Vec<(String, Finding, bool, Vec<String>)> {
        let owned = |cluster: &Cluster| names(cluster).into_iter().map(str::to_owned).collect();
        run(posts).iter().map(|c| (c.id.clone(), c.finding, c.flagged, owned(c))).collect()
    };
    assert_eq!(of(&posts), of(&replaced));
}

#[test]
fn being_told_the_time_more_often_changes_nothing() {
    let mut dice = Rng::with_seed(7);
    let posts = sorted([crowd(&mut dice), copiers("op", 10, 12, &mut dice)].concat());
    let mut often = engine(Params::default());
    let mut told = Vec::new();
    for post in &posts {
        often.on_time(post.created_at - 1, &mut told);
        often.on_post(post.created_at, post, &mut told);
    }
    often.finish(&mut told);
    let mut seldom = Vec::new();
    let mut engine = engine(Params::default());
    posts.iter().for_each(|post| assert_eq!(engine.on_post(post.created_at, post, &mut seldom), Outcome::Accepted));
    engine.finish(&mut seldom);
    assert_eq!(told, seldom);
}

/// Every job on a thread of its own.
struct Threads;

impl Executor for Threads {
    fn run(&self, jobs: Vec<Job<'_>>) {
        std::thread::scope(|scope| jobs.into_iter().for_each(|job| drop(scope.spawn(job))));
    }
}

fn all_of(engine: &mut Engine, posts: &[Post<'_>]) -> (Vec<Cluster>, Vec<Tie>, Vec<AccountEvidence>) {
    let mut told = Vec::new();
    let mut now = Millis::MIN;
    for post in posts {
        now = now.max(post.created_at);
        engine.on_post(now, post, &mut told);
    }
    engine.finish(&mut told);
    (told, engine.ties(), engine.accounts())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn order_of_arrival_threads_and_snapshots_make_no_difference(seed in 0u64..1_000, threads in 2u16..5, cut in 0usize..20_000) {
        let mut dice = Rng::with_seed(seed);
        let posts = sorted([crowd(&mut dice), copiers("op", 8, 10, &mut dice)].concat());
        let want = all_of(&mut engine(Params::default()), &posts);
        prop_assert!(!want.0.is_empty());

        let mut threaded = Engine::with_threads(Params::default(), threads, Box::new(Threads)).unwrap();
        threaded.set_judge(Box::new(OwnWords));
        prop_assert_eq!(&all_of(&mut threaded, &posts), &want);

        // Posts within the lateness come in any order; ids part those of one time.
        let mut shuffled: Vec<&Post<'_>> = posts.iter().collect();
        shuffled.sort_by_cached_key(|post| (post.created_at + dice.u64(..4 * MINUTE as u64) as Millis, post.id.clone()));
        let shuffled: Vec<Post<'_>> = shuffled.into_iter().cloned().collect();
        prop_assert_eq!(&all_of(&mut engine(Params::default()), &shuffled), &want);

        let mut before = engine(Params::default());
        let mut told = Vec::new();
        posts[..cut].iter().for_each(|post| assert_eq!(before.on_post(post.created_at, post, &mut told), Outcome::Accepted));
        let mut after = engine(Params::default());
        after.restore(&before.snapshot().unwrap()).unwrap();
        let (rest, ties, accounts) = all_of(&mut after, &posts[cut..]);
        told.extend(rest);
        prop_assert_eq!((told, ties, accounts), want);
    }
}

#[test]
fn quotations_count_where_they_are_asked_for() {
    let mut dice = Rng::with_seed(11);
    let mut posts = crowd(&mut dice);
    // Ten accounts quote the same sixty posts of twelve authors, each with words of its own.
    for n in 0..60 {
        for member in 0..10 {
            let at = 2 * DAY + HOUR + n * 12 * MINUTE + dice.u64(..5 * MINUTE as u64) as Millis;
            let link = format!("https://own-{n}-{member}.example/");
            posts.push(Post {
                text: words(&mut dice, 8).into(),
                quote_of: Some(format!("quoted-{n}").into()),
                quote_of_account: Some(format!("author-{}", n % 12).into()),
                ..post(format!("quote-{n:02}-{member}"), format!("quoter-{member}"), at, link)
            });
        }
    }
    let posts = sorted(posts);
    let off = run(&posts);
    assert!(off.is_empty(), "{off:?}");
    let mut params = Params::default();
    params.traces.push(TraceKind::Quote);
    let on = run_with(params, &posts);
    assert_eq!(on.len(), 1);
    assert_eq!((on[0].finding, on[0].members.len()), (Finding::Coordinated, 10));
    assert!(on[0].members.iter().all(|member| member.account.account_id.starts_with("quoter-")));
    assert!(on[0].nats_by_kind.iter().all(|(kind, _)| *kind == TraceKind::Quote), "{:?}", on[0].nats_by_kind);
}
