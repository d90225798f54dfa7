//! What holds for whole worlds: the same bytes everywhere, a crowd like measured ones, and a truth that is true.

use std::collections::{BTreeMap, BTreeSet};

use expect_test::expect;
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use simulator::{AccountKey, Label, Mode, SimPost, Simulation, Stats, World, stats};

fn demo() -> Simulation {
    World::named("demo").unwrap().generate(1)
}

fn key(post: &SimPost) -> AccountKey {
    AccountKey { platform: post.platform.clone(), account_id: post.account_id.clone() }
}

fn hash(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut bytes = Vec::new();
    write(&mut bytes);
    Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A change of these hashes is a change of every published figure on a built-in world: say so in the change log.
#[test]
fn the_demo_world_is_the_same_bytes_everywhere() {
    let simulation = demo();
    expect!["948f768a61169b821bb3cfc8d469c958bf6be92386ffa4468483206e9c7bbd30"]
        .assert_eq(&hash(|bytes| simulation.write_ndjson(bytes).unwrap()));
    expect!["985b86774ea509ba1a3ad51cc84b7c683471a79630a47af846addfa67ee880f1"]
        .assert_eq(&hash(|bytes| simulation.truth.write_jsonl(bytes).unwrap()));
    expect!["f10ffe623da8249822dddaa2b84f93d77de6e4618914037992beb0857d21675a"]
        .assert_eq(&hash(|bytes| simulation.truth.write_accounts_tsv(bytes).unwrap()));
    assert_ne!(simulation.posts, World::named("demo").unwrap().generate(2).posts);
}

#[test]
fn a_line_is_in_the_native_dialect() {
    let simulation = demo();
    let mut lines = Vec::new();
    for wanted in ["chirp", "commons"] {
        let post = simulation
            .posts
            .iter()
            .find(|post| post.platform == wanted && !post.urls.is_empty() && !post.hashtags.is_empty())
            .unwrap();
        post.write_ndjson(&mut lines).unwrap();
    }
    expect![[r#"
        {"id":"0887128922092300412","platform":"chirp","account_id":"247526137290","account_name":"marilaka89","created_at":"2026-09-14T00:13:37Z","text":"a meadow that gladly visits the speech is a crowded photograph before lunch #VelmoraVotes https://corilamir.example/wesudor/6935","lang":"en","urls":["https://corilamir.example/wesudor/6935"],"hashtags":["VelmoraVotes"],"client":"chirp phone","followers":2456,"following":95,"account_created_at":"2023-06-21T08:20:02Z","account_posts":135,"default_profile":true}
        {"id":"0887125877820645044","platform":"commons","account_id":"159750674668237","account_name":"dalunota66","created_at":"2026-09-14T00:01:31Z","text":"Funny how I often think the photograph returns every brilliant river in Quinidaton, just saying #Playground28 https://yaromika.example/belamara/7021","urls":["https://yaromika.example/belamara/7021"],"hashtags":["Playground28"]}
    "#]].assert_eq(&String::from_utf8(lines).unwrap());
}

/// Bands around what was measured on the crowd of three debate evenings, and on Weibo's cascades.
#[test]
fn the_demo_crowd_is_like_a_measured_one() {
    for seed in 1..=3 {
        // Without the onlookers of groups in concert, who are of the crowd only for an evening.
        let mut world = World::named("demo").unwrap();
        world.groups.clear();
        let figures = stats(&world.generate(seed));
        let crowd = &figures.organic;
        let bands = [
            ("posts per account p50: 3", crowd.posts_per_account[0] as f64, 2.0, 5.0),
            ("posts per account p90: 25", crowd.posts_per_account[1] as f64, 18.0, 32.0),
            ("posts per account p99: 129", crowd.posts_per_account[2] as f64, 80.0, 200.0),
            ("inter-arrival p50: 99 s", crowd.inter_arrival_s[0], 80.0, 125.0),
            ("inter-arrival p90: 1440 s", crowd.inter_arrival_s[1], 900.0, 2_700.0),
            ("repost share: 51 %", crowd.reposts, 0.46, 0.56),
            ("reposts together: 7 %", crowd.reposts_together, 0.025, 0.11),
            ("viral reposts together: 63 %", crowd.viral_reposts_together, 0.5, 0.75),
            ("posts with a URL: 24 %", crowd.with_url, 0.2, 0.28),
            ("posts with a hashtag: 43 %", crowd.with_hashtag, 0.38, 0.48),
            ("duplicated originals: 0.6 %", crowd.duplicated_originals, 0.003, 0.012),
        ];
        for (name, value, low, high) in bands {
            assert!((low..=high).contains(&value), "seed {seed}: {name}, here {value}\n{figures}");
        }
    }
}

#[test]
fn the_table_reads_well() {
    let figures: Stats = stats(&demo());
    expect![[r#"
                                                         organic        look-alike       inauthentic
        posts / accounts                            16057 / 1551        4559 / 217        5222 / 246
        posts per account p50 / p90 / p99           4 / 20 / 106     11 / 39 / 247      18 / 36 / 59
        inter-arrival p50 / p90                   114 s / 35 min   269 s / 576 min   258 s / 275 min
        repost share                                      51.6 %            60.6 %            33.8 %
        reposts with another within 60 s                   4.3 %            30.9 %            15.5 %
        the same, of 50 reposts and more                  61.7 %             0.0 %             0.0 %
        posts with a URL                                  21.5 %            23.3 %            23.3 %
        posts with a hashtag                              44.5 %            54.8 %            57.2 %
        posts that answer                                  1.8 %             1.2 %             0.8 %
        originals duplicated across accounts               0.7 %            13.0 %            25.6 %
    "#]]
    .assert_eq(&figures.to_string());
}

/// Whoever decodes a post finds in its text what its fields say, in the same order.
#[test]
fn texts_and_fields_agree() {
    for post in demo().posts {
        let found = |sign: &str| -> Vec<String> {
            let words = post.text.split(' ').filter_map(|word| word.strip_prefix(sign));
            words.map(str::to_owned).collect()
        };
        assert_eq!(found("#"), post.hashtags, "{post:?}");
        assert_eq!(found("@"), post.mentions, "{post:?}");
        let urls: Vec<String> = found("https://").iter().map(|rest| format!("https://{rest}")).collect();
        assert_eq!(urls, post.urls, "{post:?}");
        assert_eq!(post.as_post().urls, post.urls);
        assert_eq!(post.as_post().created_at, post.created_at);
    }
}

#[test]
fn platforms_tell_only_what_they_know() {
    for post in demo().posts {
        let tells = post.platform == "chirp";
        assert_eq!(post.followers.is_some(), tells);
        assert_eq!(post.client.is_some(), tells);
        assert_eq!(post.account_created_at.is_some(), tells);
        assert!(tells || post.deleted_at.is_none());
        assert!(post.account_created_at.is_none_or(|made| made < post.created_at));
        assert!(post.deleted_at.is_none_or(|gone| gone > post.created_at));
    }
}

/// Every post that the truth tells of is there: by that member, at that time, and on one of the action's keys.
fn acts_are_posts(simulation: &Simulation) {
    let links: BTreeMap<&str, &str> =
        simulation.truth.short_links.iter().map(|(short, long)| (short.as_str(), long.as_str())).collect();
    let posts: BTreeMap<(&str, &str), &SimPost> =
        simulation.posts.iter().map(|post| ((post.platform.as_str(), post.id.as_str()), post)).collect();
    for group in simulation.truth.campaigns.iter().chain(&simulation.truth.lookalikes) {
        for action in &group.actions {
            let who: BTreeSet<u32> = action.acts.iter().map(|act| act.member).collect();
            assert_eq!(who, action.participants.iter().copied().collect(), "{} {action:?}", group.name);
            for act in &action.acts {
                let member = &group.members[act.member as usize];
                let post = posts[&(member.platform.as_str(), act.post.as_str())];
                assert_eq!((&post.account_id, post.created_at), (&member.account_id, act.at));
                let keys = &action.keys;
                let shown = match action.mode {
                    Mode::Url => post.urls.iter().any(|url| {
                        let url = links.get(url.as_str()).copied().unwrap_or(url);
                        url.split('?').next() == Some(keys[0].as_str())
                    }),
                    Mode::Repost => post.repost_of.as_ref().is_some_and(|root| keys.contains(root)),
                    // Both sides shout about a goal, each under its own team's tag.
                    Mode::Hashtags => post.hashtags == *keys || post.hashtags.contains(&action.source),
                    Mode::Text => post.repost_of.is_none(),
                    Mode::Media => post.media.len() == 1,
                    Mode::Reply => post.reply_to.as_ref().is_some_and(|root| keys.contains(root)),
                    Mode::Mention => post.mentions == *keys,
                };
                // Fans may chant in place of reposting their idol.
                let chant = group.label == Label::Fandom && post.repost_of.is_none();
                assert!(shown || chant, "{} {action:?} {post:?}", group.name);
            }
        }
    }
}

#[test]
fn the_truth_is_what_the_posts_show() {
    let simulation = demo();
    assert!(!simulation.truth.short_links.is_empty());
    let mut did: BTreeMap<AccountKey, Vec<&SimPost>> = BTreeMap::new();
    for post in &simulation.posts {
        did.entry(key(post)).or_default().push(post);
    }
    let labels: BTreeMap<&AccountKey, Label> =
        simulation.truth.accounts.iter().map(|truth| (&truth.account, truth.label)).collect();
    assert_eq!(labels.len(), did.len());
    for truth in &simulation.truth.accounts {
        assert_eq!(did[&truth.account].len() as u64, truth.posts);
    }
    assert_eq!(simulation.truth.campaigns.len(), 9);
    for campaign in &simulation.truth.campaigns {
        let in_concert = simulation.truth.kinds.contains_key(&campaign.name);
        assert!(
            campaign.actions.len() >= if in_concert { 5 } else { 10 },
            "{}: {}",
            campaign.name,
            campaign.actions.len()
        );
        assert!(campaign.actions.is_sorted_by_key(|action| action.at));
        for member in &campaign.members {
            assert_eq!(labels.get(member).copied().unwrap_or(Label::Inauthentic), Label::Inauthentic);
        }
        assert!(campaign.actions.iter().all(|action| action.acts.len() >= action.participants.len()));
    }
    acts_are_posts(&simulation);
    let mirrors = simulation.truth.lookalikes.iter().find(|group| group.label == Label::Mirror).unwrap();
    assert_eq!(mirrors.members.len(), 12);
    for action in &mirrors.actions {
        for &place in &action.participants {
            let lag = did[&mirrors.members[place as usize]]
                .iter()
                .find(|post| post.urls == action.keys)
                .map(|post| post.created_at - action.at);
            assert!(lag.is_some_and(|lag| (4_000..=20_000).contains(&lag)), "{lag:?}");
        }
    }
}

/// A repost is never before the post that it repeats.
#[test]
fn cascades_start_at_their_root() {
    let simulation = demo();
    let mut seen = BTreeSet::new();
    let ids: BTreeSet<(&str, &str)> =
        simulation.posts.iter().map(|post| (post.platform.as_str(), post.id.as_str())).collect();
    let mut cascades = 0;
    for post in &simulation.posts {
        if let Some(root) = &post.repost_of
            && ids.contains(&(post.platform.as_str(), root.as_str()))
        {
            cascades += 1;
            assert!(seen.contains(&(post.platform.as_str(), root.as_str())), "{post:?}");
        }
        seen.insert((post.platform.as_str(), post.id.as_str()));
    }
    assert!(cascades > 1_000);
}

#[test]
fn a_world_without_its_campaigns_has_the_same_crowd() {
    // Onlookers of groups in concert are of the crowd.
    let mut world = World::named("demo").unwrap();
    world.groups.clear();
    let with = world.generate(1);
    world.campaigns.clear();
    let without = world.generate(1);
    assert!(without.truth.campaigns.is_empty());
    let planted: BTreeSet<&AccountKey> = with
        .truth
        .accounts
        .iter()
        .filter(|truth| truth.label == Label::Inauthentic)
        .map(|truth| &truth.account)
        .collect();
    let left: Vec<&SimPost> = with.posts.iter().filter(|post| !planted.contains(&key(post))).collect();
    // What is more is a voice's post that only a campaign reposted or answered.
    let ids: BTreeSet<&str> = without.posts.iter().map(|post| post.id.as_str()).collect();
    let (same, more): (Vec<&SimPost>, Vec<&SimPost>) =
        left.into_iter().partition(|post| ids.contains(post.id.as_str()));
    assert_eq!(same.len(), without.posts.len());
    for (a, b) in same.iter().zip(&without.posts) {
        assert_eq!((&a.id, &a.text, a.created_at, &a.account_id), (&b.id, &b.text, b.created_at, &b.account_id));
    }
    let taken_up: BTreeSet<&str> =
        with.posts.iter().flat_map(|post| [post.repost_of.as_deref(), post.reply_to.as_deref()]).flatten().collect();
    assert!(more.iter().all(|post| taken_up.contains(post.id.as_str())));
    assert!(more.len() < 200);
}

#[test]
fn copies_draw_values_of_their_own() {
    let world = World::named("training").unwrap();
    let (_, truth) = world.stream(1);
    let sizes: BTreeSet<usize> = truth
        .campaigns
        .iter()
        .filter(|campaign| campaign.name.starts_with("links-"))
        .map(|campaign| campaign.members.len())
        .collect();
    assert!(sizes.len() >= 4, "{sizes:?}");
    assert!(sizes.iter().all(|size| (6..=40).contains(size)));
    assert_eq!(truth.campaigns.len(), world.campaigns.iter().map(|campaign| campaign.copies).sum::<usize>());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever a file asks for within the rules: posts in order, inside the world's time, with ids of their own, and a
    /// stream that equals the whole.
    #[test]
    fn any_world_is_well_formed(
        seed in any::<u64>(),
        days in 0.2..3.0_f64,
        accounts in 1..120_usize,
        communities in 1..6_usize,
        size in 1..12_u32,
        flood in 1..4_usize,
        cells in 1..4_usize,
        rotate in 0..5_usize,
        paraphrase in 0.0..1.0_f64,
        drip in prop_oneof![Just(0.0), 1.0..900.0_f64],
        poison in 0.0..3.0_f64,
        clock in prop_oneof![Just(0), Just(1), Just(60)],
        shortener in 0.0..1.0_f64,
    ) {
        let text = format!(
            "name = 'any'\nabout = 'any'\nstart = '2026-01-01T00:00:00Z'\ndays = {days:?}\n\
             [[platform]]\nname = 'a'\nclock_s = {clock}\nprofile = true\ndeletions = true\n[[platform]]\nname = 'b'\n\
             [crowd]\naccounts = {accounts}\ncommunities = {communities}\nsources = 4\n\
             [[lookalike]]\nkind = 'fandom'\nname = 'f'\naccounts = 9\nitems_per_day = 5.0\nparticipation = 0.5\nchant = 0.5\n\
             [[lookalike]]\nkind = 'share_button'\nname = 's'\naccounts = 9\narticles = 3\nparticipation = 0.5\nlag_s = 60.0\n\
             [[lookalike]]\nkind = 'mirrors'\nname = 'm'\naccounts = 5\noutlets = 2\nheadline = 0.5\n\
             [[lookalike]]\nkind = 'breaking_news'\nname = 'b'\nevents = 1\naccounts = 9\nlag_s = 60.0\nclump = 0.5\n\
             [[campaign]]\nname = 'c'\ncopies = 2\nplatforms = ['b', 'a']\nsize = {size}\nstart_day = 0.1\nflood = {flood}\n\
             cells = {cells}\nrotate = {rotate}\nparaphrase = {paraphrase:?}\ndrip_s = {drip:?}\npoison_per_day = {poison:?}\n\
             shortener = {shortener:?}\ntags = 3\nscripted = 0.5\nborrow_from = 3\ndelete = 0.5\nlag = 'log_normal'\n\
             modes = {{ url = 1, repost = 1, hashtags = 1, text = 1, reply = 1, mention = 1, media = 1 }}\n"
        );
        let world = World::from_toml(&text).unwrap();
        let Simulation { posts, truth } = world.generate(seed);
        let start = world.start.as_millisecond();
        let end = start + (days * 86_400_000.0) as i64;
        prop_assert!(posts.is_sorted_by(|a, b| (a.created_at, &a.id) < (b.created_at, &b.id)));
        for post in &posts {
            // A clock of whole minutes may show the minute in which the world began.
            prop_assert!(post.created_at > start - 60_000 && post.created_at < end);
            prop_assert_eq!(post.id.len(), 19);
        }
        prop_assert!(posts.iter().map(key).collect::<BTreeSet<_>>().len() == truth.accounts.len());
        prop_assert_eq!(truth.campaigns.len(), 2);
        prop_assert!(truth.campaigns.iter().all(|campaign| campaign.members.len() == size as usize));
        prop_assert!(world.stream(seed).0.eq(posts));
    }
}
