//! Posts that nobody writes in good faith: their cost is bounded, and the engine continues.

use std::time::{Duration, Instant};

use super::*;

/// Processor time of this thread, so that other work on the machine has no effect; the elapsed time
/// if the system does not give it.
fn clock() -> Duration {
    static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = told.and_then(|told| told.split(' ').next()?.parse().ok());
    nanos.map_or_else(|| START.elapsed(), Duration::from_nanos)
}

/// Time for one post in a fresh engine, the least of three.
fn cost(post: &Post<'_>) -> Duration {
    let once = || {
        let mut engine = Engine::new(Params::default()).unwrap();
        let start = clock();
        engine.on_post(post.created_at, post, &mut Vec::new());
        engine.finish(&mut Vec::new());
        clock() - start
    };
    (0..3).map(|_| once()).min().unwrap()
}

/// The state after one post, in bytes.
fn weight(post: &Post<'_>) -> usize {
    let mut engine = Engine::new(Params::default()).unwrap();
    engine.on_post(post.created_at, post, &mut Vec::new());
    engine.on_time(post.created_at + HOUR, &mut Vec::new());
    engine.snapshot().unwrap().len()
}

type Make = fn(usize) -> Post<'static>;

fn text(text: String) -> Post<'static> {
    Post { text: text.into(), ..post("1".into(), "a".into(), 0, String::new()) }
}

/// Posts of about so many bytes.
const HOSTILE: [(&str, Make); 12] = [
    ("one word", |n| text("a".repeat(n))),
    ("many words", |n| text("ab ".repeat(n / 3))),
    ("ideographs", |n| text("字".repeat(n / 3))),
    ("combining characters", |n| text(format!("zalgo words are here a{}", "\u{301}\u{323}".repeat(n / 4)))),
    ("bidi overrides", |n| text("\u{202e}\u{2066}abc\u{2069} ".repeat(n / 13))),
    ("NULs", |n| text("a\0b c\0 ".repeat(n / 7))),
    ("ligatures that NFKC makes eighteen times as long", |n| text("\u{fdfa} ".repeat(n / 4))),
    ("joiners", |n| text("👩\u{200d}👩\u{200d}".repeat(n / 14))),
    ("hashtags", |n| Post { hashtags: (0..n / 8).map(|i| format!("tag{i}").into()).collect(), ..text(String::new()) }),
    ("links", |n| {
        let urls = (0..n / 24).map(|i| format!("https://a.example/?b={i}").into()).collect();
        Post { urls, ..text(String::new()) }
    }),
    ("one hashtag", |n| Post {
        hashtags: vec!["#".repeat(n / 2).into(), "é".repeat(n / 4).into()],
        ..text(String::new())
    }),
    ("one link", |n| Post {
        urls: vec![format!("a.example/amp?{}", "b=1&".repeat(n / 4)).into()],
        ..text(String::new())
    }),
];

#[test]
fn ten_times_the_post_costs_about_ten_times_at_most_and_leaves_no_more_behind() {
    for (name, make) in HOSTILE {
        let (small, large) = (make(100_000), make(1_000_000));
        // Sorting a link's parameters is a little more than linear; a quadratic step would be a
        // hundredfold.
        let most = cost(&small).max(Duration::from_millis(1)) * 50;
        let took = cost(&large);
        assert!(took <= most, "{name}: {took:?} for a megabyte, {most:?} allowed");
        assert!(weight(&large) < 100_000, "{name}: {} bytes of state", weight(&large));
    }
}

#[test]
fn texts_that_share_bands_but_are_not_alike_cost_no_more_each_as_they_become_many() {
    // One half is common and the other is each post's own: about a third of all shingles are
    // shared, and many bands are as well.
    let common = "every one of these posts opens with the very same words and then goes its own way";
    let mut dice = Rng::with_seed(3);
    let mut word = || (0..7).map(|_| dice.lowercase()).collect::<String>();
    let mut batch = |from: usize| -> Vec<Post<'static>> {
        let own = |i: usize, word: &mut dyn FnMut() -> String| {
            let own: Vec<String> = (0..9).map(|_| word()).collect();
            let said = text(format!("{common} {}", own.join(" ")));
            Post { id: i.to_string().into(), urls: Vec::new(), created_at: i as Millis, ..said }
        };
        (from..from + 2_000).map(|i| own(i, &mut word)).collect()
    };
    let mut engine = Engine::new(Params { allowed_lateness: 0, ..Params::default() }).unwrap();
    let mut pass = |posts: Vec<Post<'_>>| {
        let start = clock();
        for post in posts {
            engine.on_post(post.created_at, &post, &mut Vec::new());
        }
        clock() - start
    };
    let first = pass(batch(0));
    let last = (1..10).map(|n| pass(batch(n * 2_000))).last().unwrap();
    assert!(last < first * 6, "2,000 posts took {first:?} at first and {last:?} after 18,000 others");
}

#[test]
fn times_may_be_anything() {
    let times = [0, Millis::MAX, Millis::MIN, 16_725_225_600_000, -1, Millis::MAX - 1, Millis::MIN + 1, i64::MAX / 2];
    for order in 0..times.len() {
        let mut engine = Engine::new(Params::default()).unwrap();
        let mut told = Vec::new();
        let mut counted = 0;
        for (i, at) in times.iter().cycle().skip(order).take(3 * times.len()).enumerate() {
            let mut post = post(i.to_string(), format!("a{}", i % 3), *at, "https://e.example/1".into());
            (post.account_created_at, post.deleted_at) = (Some(*at), Some(Millis::MIN));
            post.hashtags = vec!["a".into(), "b".into(), "c".into()];
            engine.on_post(*at, &post, &mut told);
            engine.on_time(at.saturating_add(1), &mut told);
            counted += 1;
        }
        engine.finish(&mut told);
        let stats = engine.stats();
        assert_eq!(stats.accepted + stats.late + stats.too_late + stats.duplicate, counted);
        assert_eq!(stats.sizes.waiting, 0);
        assert!(told.is_empty(), "three accounts on one link are no campaign");
    }
}

#[test]
fn five_centuries_of_silence_take_no_time() {
    let year = 365 * DAY;
    let mut engine = Engine::new(Params::default()).unwrap();
    let mut told = Vec::new();
    let start = clock();
    // Ticks worth thirty thousand posts per year, if each of them were evaluated.
    for century in -5..=5 {
        let at = century * 100 * year;
        engine.on_post(at, &post(century.to_string(), "a".into(), at, "https://e.example/1".into()), &mut told);
    }
    engine.finish(&mut told);
    assert_eq!(engine.stats().accepted, 11);
    let took = clock() - start;
    assert!(took < Duration::from_secs(5), "{took:?}: 35 million ticks were not passed over");
}

#[test]
fn a_flood_of_late_posts_is_counted_and_changes_nothing() {
    let posts = sorted([crowd(&mut Rng::with_seed(5)), copiers("ring", 8, 12, &mut Rng::with_seed(6))].concat());
    let clean = run(&posts);
    assert_eq!(clean.len(), 1, "there is something to lose");
    let mut engine = engine(Params::default());
    let mut told = Vec::new();
    for (i, real) in posts.iter().enumerate() {
        engine.on_post(real.created_at, real, &mut told);
        let flood = post(
            format!("late-{i}"),
            format!("ring-{:02}", i % 8),
            real.created_at - 3 * HOUR,
            "https://ring-copy0-0.example/".into(),
        );
        engine.on_post(real.created_at, &flood, &mut told);
    }
    engine.finish(&mut told);
    let stats = engine.stats();
    assert_eq!(stats.too_late, posts.len() as u64);
    let last = told.iter().rfind(|cluster| cluster.finding == Finding::Coordinated).unwrap();
    assert_eq!(names(last), names(&clean[0]));
}
