//! Files of real posts, where there are any.

use super::*;

/// (file, posts, duplicates dropped).
const REAL: [(&str, u64, u64); 13] = [
    ("mix_debates_2016.jsonl.gz", 25_072, 0),
    ("mix_congress_2016.jsonl.gz", 60_763, 0),
    // The exact count of the file itself is "about half of 21,940".
    ("ira_episodes.jsonl.gz", 11_861, 0),
    // The other 40 share their id with an earlier post; all but one have another `repost_of`.
    ("coortweet_russian_2021.jsonl.gz", 35_125, 40),
    ("german_elections_2021.jsonl.gz", 194_326, 0),
    ("gop_debate_2015.jsonl.gz", 13_871, 0),
    ("demonetization_2016.jsonl.gz", 8_000, 0),
    ("rumoureval2017_viral_events.jsonl.gz", 5_594, 0),
    ("telegram_news_ru_2024.jsonl.gz", 22_099, 0),
    ("weibo_60_cascades.jsonl.gz", 24_211, 11),
    ("parity/cnt_russian.csv.gz", 35_125, 40),
    ("parity/german_url.csv.gz", 41_100, 0),
    ("parity/russian_coord_tweets.csv.gz", 35_125, 1),
];

#[test]
#[ignore = "needs the real posts: a folder of them in LOCKSTEP_TEST_POSTS"]
fn real_posts_are_read_without_a_bad_line() {
    let data = PathBuf::from(std::env::var_os("LOCKSTEP_TEST_POSTS").expect("the folder in LOCKSTEP_TEST_POSTS"));
    for (name, posts, duplicates) in REAL {
        let outcome = read(&[data.join(name)]);
        assert_eq!(outcome.bad(), [""; 0], "{name}");
        assert_eq!(outcome.counts.duplicates, duplicates, "{name}");
        assert_eq!(outcome.counts.posts, posts - duplicates, "{name}");
        assert!(outcome.counts.damaged.is_empty(), "{name}");
        let times: Vec<i64> = outcome.posts.iter().map(|raw| post::decode(raw).unwrap().created_at).collect();
        assert!(times.is_sorted(), "{name}");
    }
}
