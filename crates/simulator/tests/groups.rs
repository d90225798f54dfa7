//! Groups in concert: each kind holds to what was measured on real files, each parameter does what it says, and nothing but
//! behaviour tells operations from innocents.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use simulator::{AccountKey, GroupTruth, Kind, Label, Mode, SimPost, Simulation, World};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// A small world with one flood of 30 accounts in the third day, and these changes.
fn world(changes: &[(&str, &str)]) -> Simulation {
    let text = "name = 'small'\nabout = 'small'\nstart = '2026-01-05T00:00:00Z'\ndays = 3.0\n\
        [[platform]]\nname = 'chirp'\nclock_s = 0\nprofile = true\nclient = true\n\
        [crowd]\naccounts = 300\ncommunities = 5\nsources = 6\n\
        [[group]]\nname = 'it'\nkind = 'flood'\nsize = 30\nbout_h = 2\nposts = 6\ntags = 1\ncopied = 1.0\ncopies_per_text = 6\n";
    World::from_toml(text).unwrap().with_all(changes.iter().copied()).unwrap().generate(3)
}

fn groups(simulation: &Simulation) -> impl Iterator<Item = &GroupTruth> {
    simulation.truth.campaigns.iter().chain(&simulation.truth.lookalikes)
}

fn the_group(simulation: &Simulation) -> &GroupTruth {
    groups(simulation).next().unwrap()
}

/// All posts of each member, in order of time.
fn by_member<'s>(simulation: &'s Simulation, group: &GroupTruth) -> BTreeMap<u32, Vec<&'s SimPost>> {
    let place = |post: &SimPost| {
        let key = AccountKey { platform: post.platform.clone(), account_id: post.account_id.clone() };
        group.members.iter().position(|member| *member == key)
    };
    let mut posts: BTreeMap<u32, Vec<&SimPost>> = BTreeMap::new();
    for post in &simulation.posts {
        if let Some(place) = place(post) {
            posts.entry(place as u32).or_default().push(post);
        }
    }
    posts
}

/// Posts that copy a text, by id.
fn copies(group: &GroupTruth) -> BTreeSet<&str> {
    let texts = group.actions.iter().filter(|action| action.mode == Mode::Text);
    texts.flat_map(|action| &action.acts).map(|act| act.post.as_str()).collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// What a group shows of itself.
#[derive(Debug)]
struct Figures {
    size: f64,
    posts: f64,
    life_min: f64,
    copied: f64,
    gap_s: f64,
    reposts: f64,
}

fn figures(simulation: &Simulation, group: &GroupTruth) -> Figures {
    let members = by_member(simulation, group);
    let copies = copies(group);
    let own = members.values().flatten().filter(|post| post.repost_of.is_none()).count();
    let all: usize = members.values().map(Vec::len).sum();
    let life = |posts: &Vec<&SimPost>| (posts[posts.len() - 1].created_at - posts[0].created_at) as f64 / MINUTE as f64;
    let texts = group.actions.iter().filter(|action| action.mode == Mode::Text);
    let gaps = texts.flat_map(|action| action.acts.windows(2).map(|pair| (pair[1].at - pair[0].at) as f64 / 1_000.0));
    let gaps: Vec<f64> = gaps.collect();
    Figures {
        size: group.members.len() as f64,
        posts: median(members.values().map(|posts| posts.len() as f64).collect()),
        life_min: median(members.values().map(life).collect()),
        copied: copies.len() as f64 / own as f64,
        gap_s: if gaps.is_empty() { 0.0 } else { median(gaps) },
        reposts: 1.0 - own as f64 / all as f64,
    }
}

/// Each kind by its groups' medians over four seeds, within ranges around what real files show (see the world files).
#[test]
fn kinds_hold_to_what_was_measured() {
    let mut of: BTreeMap<(&str, Kind, bool), Vec<Figures>> = BTreeMap::new();
    for name in ["operations", "openly"] {
        let world = World::named(name).unwrap();
        for seed in 1..=4 {
            let simulation = world.generate(seed);
            assert!((15_000..60_000).contains(&simulation.posts.len()), "{name} {seed}: {}", simulation.posts.len());
            for group in groups(&simulation) {
                let kind = simulation.truth.kinds[&group.name];
                let (brief, strong) = (group.name.starts_with("flood-brief"), group.name == "wire-strong");
                let by_tag = group.name.ends_with("-by-tag");
                of.entry((name, kind, brief || strong || by_tag)).or_default().push(figures(&simulation, group));
            }
        }
    }
    // Kind, a variant of its own (brief floods, a strong wire, collected by a tag); lowest and highest median of: posts of a
    // member, its life in minutes, share of own posts that are copies, seconds since the copy before.
    let ranges = [
        (Kind::Flood, true, [1.0, 10.0], [1.0, 40.0], [0.6, 0.98], [20.0, 1_200.0]),
        (Kind::Flood, false, [5.0, 45.0], [30.0, 3_000.0], [0.35, 0.95], [60.0, 4_000.0]),
        (Kind::Waves, false, [2.0, 40.0], [100.0, 4_300.0], [0.1, 0.75], [10.0, 1_500.0]),
        (Kind::Spun, false, [1.0, 8.0], [200.0, 4_300.0], [0.4, 0.98], [1_200.0, 64_800.0]),
        (Kind::Scheduled, false, [5.0, 60.0], [1_500.0, 4_320.0], [0.25, 0.95], [1.0, 600.0]),
        (Kind::Parliament, false, [10.0, 40.0], [800.0, 4_320.0], [0.01, 0.12], [60.0, 22_000.0]),
        (Kind::Supporters, false, [5.0, 40.0], [800.0, 4_320.0], [0.02, 0.25], [20.0, 10_000.0]),
        (Kind::Newsroom, false, [20.0, 120.0], [2_000.0, 4_320.0], [0.04, 0.45], [40.0, 4_000.0]),
        (Kind::Newsroom, true, [20.0, 120.0], [2_000.0, 4_320.0], [0.45, 0.9], [20.0, 2_000.0]),
        (Kind::Conference, false, [8.0, 40.0], [800.0, 4_320.0], [0.0, 0.05], [0.0, 43_200.0]),
        (Kind::Conference, true, [1.0, 12.0], [30.0, 2_400.0], [0.0, 0.1], [0.0, 43_200.0]),
        (Kind::ShareButton, false, [5.0, 40.0], [800.0, 4_320.0], [0.05, 0.5], [300.0, 20_000.0]),
        (Kind::PrizeHunters, false, [8.0, 40.0], [800.0, 4_320.0], [0.08, 0.6], [20.0, 5_000.0]),
        (Kind::TweetStorm, false, [8.0, 40.0], [800.0, 4_320.0], [0.1, 0.5], [20.0, 2_000.0]),
        (Kind::FanVoting, false, [10.0, 80.0], [800.0, 4_320.0], [0.15, 0.6], [20.0, 5_000.0]),
        (Kind::Fandom, false, [5.0, 40.0], [800.0, 4_320.0], [0.01, 0.2], [20.0, 8_000.0]),
        (Kind::Fandom, true, [1.0, 4.0], [0.0, 2_400.0], [0.05, 0.45], [20.0, 20_000.0]),
    ];
    let mut off = Vec::new();
    for (kind, variant, posts, life, copied, gap) in ranges {
        let world = if kind.is_inauthentic() { "operations" } else { "openly" };
        let figures = of.remove(&(world, kind, variant)).unwrap_or_else(|| panic!("no {kind:?} {variant}"));
        let here = |of: &dyn Fn(&Figures) -> f64| median(figures.iter().map(of).collect());
        for (what, [low, high], here) in [
            ("posts", posts, here(&|it| it.posts)),
            ("life_min", life, here(&|it| it.life_min)),
            ("copied", copied, here(&|it| it.copied)),
            ("gap_s", gap, here(&|it| it.gap_s)),
        ] {
            if !(low..=high).contains(&here) {
                off.push(format!("{kind:?} {variant} {what}: {here}, not in {low} to {high}"));
            }
        }
        assert!(figures.iter().all(|it| (5.0..=200.0).contains(&it.size)), "{kind:?}");
        assert!(figures.iter().all(|it| it.reposts < 0.9), "{kind:?}");
    }
    assert!(of.is_empty(), "{:?}", of.keys());
    assert!(off.is_empty(), "{off:#?}");
}

/// Every group says what it is, and every act is a post by that member on one of the action's keys.
#[test]
fn the_truth_is_what_the_posts_show() {
    let mut kinds = BTreeSet::new();
    for name in ["operations", "openly"] {
        let simulation = World::named(name).unwrap().generate(5);
        let truth = &simulation.truth;
        let posts: HashMap<(&str, &str), &SimPost> =
            simulation.posts.iter().map(|post| ((post.platform.as_str(), post.id.as_str()), post)).collect();
        let labels: HashMap<&AccountKey, Label> = truth.accounts.iter().map(|it| (&it.account, it.label)).collect();
        assert_eq!(truth.campaigns.is_empty(), name == "openly");
        assert_eq!(truth.lookalikes.is_empty(), name == "operations");
        assert_eq!(truth.kinds.len(), groups(&simulation).count());
        for group in groups(&simulation) {
            let kind = truth.kinds[&group.name];
            kinds.insert(kind);
            assert_eq!(group.label, kind.label());
            assert_eq!(kind.is_inauthentic(), group.label == Label::Inauthentic);
            assert!(group.members.len() >= 5 && group.actions.is_sorted_by_key(|action| action.at));
            assert!(group.members.iter().all(|member| labels.get(member).is_none_or(|label| *label == group.label)));
            for action in &group.actions {
                for act in &action.acts {
                    let member = &group.members[act.member as usize];
                    let post = posts[&(member.platform.as_str(), act.post.as_str())];
                    assert_eq!((&post.account_id, post.created_at), (&member.account_id, act.at));
                    let shown = match action.mode {
                        Mode::Repost => post.repost_of.as_ref().is_some_and(|root| action.keys.contains(root)),
                        Mode::Hashtags => post.hashtags.contains(&action.source),
                        _ => action.mode == Mode::Text && post.repost_of.is_none(),
                    };
                    assert!(shown, "{} {action:?} {post:?}", group.name);
                }
            }
        }
        let mut lines = Vec::new();
        truth.write_jsonl(&mut lines).unwrap();
        let lines = String::from_utf8(lines).unwrap();
        let told = lines.lines().filter(|line| line.contains("\"kind\":\"")).count();
        assert_eq!(told, truth.kinds.len());
    }
    assert_eq!(kinds.len(), 13);
}

/// Different pairs of neighbouring words, in lower case, without links, mentions and tags.
fn pairs(text: &str) -> BTreeSet<(String, String)> {
    let plain = text.split_whitespace().filter(|word| !word.starts_with(['@', '#']) && !word.starts_with("http"));
    let words: Vec<String> = plain
        .map(|word| word.chars().filter(|c| c.is_alphabetic()).flat_map(char::to_lowercase).collect::<String>())
        .filter(|word| !word.is_empty())
        .collect();
    words.windows(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
}

/// The crowd's own texts do not repeat each other by an accident of the generator: hardly any shares eight pairs of
/// neighbouring words with an earlier one.
#[test]
fn the_crowd_does_not_copy_by_accident() {
    let simulation = World::named("operations").unwrap().with("group", "[]").unwrap().generate(1);
    let mut seen: HashMap<(String, String), Vec<usize>> = HashMap::new();
    let (mut own, mut copied) = (0, 0);
    for (number, post) in simulation.posts.iter().enumerate().filter(|(_, post)| post.repost_of.is_none()) {
        let pairs = pairs(&post.text);
        let mut shared: HashMap<usize, usize> = HashMap::new();
        for earlier in pairs.iter().filter_map(|pair| seen.get(pair)).flatten() {
            *shared.entry(*earlier).or_default() += 1;
        }
        own += 1;
        copied += usize::from(shared.values().any(|count| *count >= 8));
        pairs.into_iter().for_each(|pair| seen.entry(pair).or_default().push(number));
    }
    let share = f64::from(copied as u32) / f64::from(own as u32);
    assert!(own > 5_000 && share < 0.03, "{share} of {own}");
}

/// What profiles show is drawn alike for operations and innocents.
#[test]
fn nothing_but_behaviour_tells_them_apart() {
    let mut shown = Vec::new();
    for name in ["operations", "openly"] {
        let (mut default, mut young, mut pattern, mut chirp, mut all) = (0.0, 0.0, 0.0, 0.0, 0.0);
        let (mut known, mut hours) = (0.0, [0.0; 4]);
        for seed in 1..=12 {
            let simulation = World::named(name).unwrap().generate(seed);
            for group in groups(&simulation) {
                let size = group.members.len() as f64;
                for posts in by_member(&simulation, group).values() {
                    let post = posts[0];
                    // Each group weighs the same.
                    all += 1.0 / size;
                    let add = |to: &mut f64, holds: bool| *to += f64::from(u8::from(holds)) / size;
                    add(&mut chirp, post.platform == "chirp");
                    let digits = post.account_name.chars().rev().take_while(char::is_ascii_digit).count();
                    add(&mut pattern, digits == 8);
                    if let (Some(made), Some(bare)) = (post.account_created_at, post.default_profile) {
                        known += 1.0 / size;
                        add(&mut young, post.created_at - made < 63 * 24 * HOUR);
                        add(&mut default, bare);
                    }
                }
                let acts = group.actions.iter().flat_map(|action| &action.acts);
                let acts: Vec<i64> = acts.map(|act| act.at.rem_euclid(24 * HOUR) / (6 * HOUR)).collect();
                for quarter in &acts {
                    hours[*quarter as usize] += 1.0 / acts.len() as f64;
                }
            }
        }
        let groups: f64 = hours.iter().sum();
        let night = hours.map(|share| share / groups);
        shown.push([
            default / known,
            young / known,
            pattern / all,
            chirp / all,
            night[0],
            night[1],
            night[2],
            night[3],
        ]);
    }
    for (place, tolerance) in [0.05, 0.15, 0.1, 0.15, 0.15, 0.15, 0.15, 0.15].into_iter().enumerate() {
        let (operations, openly) = (shown[0][place], shown[1][place]);
        assert!((operations - openly).abs() < tolerance, "{place}: {operations} and {openly}");
    }
}

#[test]
fn a_world_without_its_groups_has_the_same_crowd() {
    let world = World::named("operations").unwrap();
    let with = world.generate(7);
    let without = world.with("group", "[]").unwrap().generate(7);
    let ids: BTreeSet<&str> = with.posts.iter().map(|post| post.id.as_str()).collect();
    // An onlooker's count of posts goes on, and an account does not repost twice what it saw.
    assert!(without.posts.iter().all(|post| ids.contains(post.id.as_str())));
    assert!(without.truth.kinds.is_empty() && without.truth.campaigns.is_empty());
    assert_eq!(with, world.generate(7));
    assert_ne!(with.posts, world.generate(8).posts);
}

#[test]
fn the_same_over_two_weeks() {
    for name in ["operations-fortnight", "openly-fortnight"] {
        let simulation = World::named(name).unwrap().generate(1);
        assert!((15_000..80_000).contains(&simulation.posts.len()), "{name}: {}", simulation.posts.len());
        let spans = groups(&simulation).filter_map(|group| {
            let acts = || group.actions.iter().flat_map(|action| &action.acts).map(|act| act.at);
            Some((acts().max()? - acts().min()?) as f64 / (24 * HOUR) as f64)
        });
        let spans: Vec<f64> = spans.collect();
        assert!(spans.iter().any(|days| *days > 9.0) && spans.iter().any(|days| *days < 1.0), "{name}: {spans:?}");
    }
}

#[test]
fn posts_bouts_life_and_participation() {
    let it = world(&[]);
    let group = the_group(&it);
    let times: Vec<i64> = group.actions.iter().flat_map(|action| &action.acts).map(|act| act.at).collect();
    assert_eq!((group.members.len(), times.len()), (30, 180));
    assert!(times.iter().max().unwrap() - times.iter().min().unwrap() <= 2 * HOUR);
    let it = world(&[("group.it.life_h", "0.25")]);
    for posts in by_member(&it, the_group(&it)).values() {
        assert!(posts.len() == 6 && posts[5].created_at - posts[0].created_at <= 15 * MINUTE);
    }
    let changes = [("group.it.bouts", "12"), ("group.it.participation", "0.5"), ("group.it.starts", "spaced")];
    let it = world(&changes);
    let days: BTreeSet<i64> = it.truth.campaigns[0]
        .actions
        .iter()
        .flat_map(|action| &action.acts)
        .map(|act| (act.at - it.posts[0].created_at) / (6 * HOUR))
        .collect();
    assert!(days.len() >= 12, "{days:?}");
    let posts: usize = by_member(&it, the_group(&it)).values().map(Vec::len).sum();
    assert!((800..1_400).contains(&posts), "{posts}");
    let it = world(&[("group.it.bouts", "20"), ("group.it.starts", "clock"), ("group.it.bout_h", "0.01")]);
    let minutes: BTreeSet<i64> =
        the_group(&it).actions.iter().map(|action| action.at.rem_euclid(HOUR) / MINUTE).collect();
    assert!(minutes.len() <= 2, "{minutes:?}");
}

#[test]
fn copies_slots_and_templates() {
    // The whole text, every time.
    let it = world(&[]);
    for action in the_group(&it).actions.iter().filter(|action| action.mode == Mode::Text) {
        for act in &action.acts {
            let post = it.posts.iter().find(|post| post.id == act.post).unwrap();
            assert!(post.text.starts_with(&action.keys[0]), "{} {}", post.text, action.keys[0]);
        }
    }
    // None is whole, but all share most of their words.
    let share_of_words = |it: &Simulation| {
        let texts = the_group(it).actions.iter().filter(|action| action.mode == Mode::Text);
        let mut shares = Vec::new();
        for action in texts {
            let base = pairs(&action.keys[0]);
            for act in &action.acts {
                let post = it.posts.iter().find(|post| post.id == act.post).unwrap();
                shares.push(base.intersection(&pairs(&post.text)).count() as f64 / base.len() as f64);
            }
        }
        shares.iter().sum::<f64>() / shares.len() as f64
    };
    let edited = share_of_words(&world(&[("group.it.verbatim", "0")]));
    let spun = share_of_words(&world(&[("group.it.slots", "0.6")]));
    assert!((0.7..0.95).contains(&edited) && (0.3..0.85).contains(&spun), "{edited} {spun}");
    // Each member keeps to one of three texts.
    let it = world(&[("group.it.own_template", "3"), ("group.it.bouts", "3")]);
    let mut used: BTreeMap<u32, BTreeSet<&str>> = BTreeMap::new();
    for action in &the_group(&it).actions {
        action.acts.iter().for_each(|act| {
            used.entry(act.member).or_default().insert(&action.keys[0]);
        });
    }
    assert!(used.values().all(|texts| texts.len() == 1));
    assert_eq!(used.values().flatten().collect::<BTreeSet<_>>().len(), 3);
    // About so many copies of a text; without a number, one text for the bout.
    let it = world(&[("group.it.copies_per_text", "18")]);
    assert!((5..=10).contains(&the_group(&it).actions.len()));
    assert_eq!(the_group(&world(&[("group.it.copies_per_text", "0")])).actions.len(), 1);
    // A text that is short-lived is copied faster.
    let gap = |it: &Simulation| figures(it, the_group(it)).gap_s;
    assert!(gap(&world(&[("group.it.text_life", "0.05")])) < gap(&world(&[])) / 2.0);
    let it = world(&[("group.it.copied", "0.4"), ("group.it.asides", "0.5")]);
    let share = copies(the_group(&it)).len() as f64 / 180.0;
    assert!((0.12..0.28).contains(&share), "{share}");
    // Most soon after the beginning.
    let late = |it: &Simulation| {
        let begun = the_group(it).actions[0].at;
        let acts: Vec<f64> =
            the_group(it).actions.iter().flat_map(|it| &it.acts).map(|act| (act.at - begun) as f64).collect();
        median(acts) / HOUR as f64
    };
    assert!(late(&world(&[("group.it.rhythm", "burst")])) < 0.6 && late(&world(&[])) > 0.8);
}

#[test]
fn tags_mentions_links_and_voices() {
    let share = |it: &Simulation, has: &dyn Fn(&SimPost) -> bool| {
        let members = by_member(it, the_group(it));
        let posts: Vec<&&SimPost> = members.values().flatten().collect();
        posts.iter().filter(|post| has(post)).count() as f64 / posts.len() as f64
    };
    let it = world(&[("group.it.tagged", "0.5"), ("group.it.mentions", "2"), ("group.it.mentioned", "0.3")]);
    assert!((0.4..0.6).contains(&share(&it, &|post| !post.hashtags.is_empty())));
    assert!((0.2..0.4).contains(&share(&it, &|post| post.mentions.len() == 1)));
    let tags = |it: &Simulation| -> usize {
        let all = by_member(it, the_group(it));
        all.values().flatten().flat_map(|post| post.hashtags.clone()).collect::<BTreeSet<_>>().len()
    };
    assert_eq!(tags(&it), 1);
    assert_eq!(tags(&world(&[("group.it.tag_per_bout", "true"), ("group.it.bouts", "4")])), 4);
    for (link, most) in [("same", 40), ("short", 200), ("own", 200), ("site", 200)] {
        let it = world(&[("group.it.linked", "1"), ("group.it.link", link)]);
        let members = by_member(&it, the_group(&it));
        let links: BTreeSet<&str> = members.values().flatten().map(|post| post.urls[0].as_str()).collect();
        assert!(links.len() <= most && (link == "same" || links.len() == 180), "{link}: {}", links.len());
        let host = |url: &&str| url.split('/').nth(2).unwrap_or_default().to_owned();
        let hosts = links.iter().map(host).collect::<BTreeSet<_>>().len();
        assert!(match link {
            "same" | "short" => hosts == 1,
            "own" => hosts > 100,
            _ => hosts == 30,
        });
        // The truth knows where short links lead: to as many articles as there are texts.
        if link == "short" {
            assert_eq!(it.truth.short_links.len(), 180);
            let articles: BTreeSet<&str> = it.truth.short_links.iter().map(|(_, long)| long.as_str()).collect();
            assert_eq!(articles.len(), the_group(&it).actions.len());
        }
    }
    let it = world(&[("group.it.voices", "2"), ("group.it.leaders", "true"), ("group.it.reposts", "0.5")]);
    assert!((0.35..0.6).contains(&share(&it, &|post| post.repost_of.is_some())));
    let leaders: BTreeSet<&str> = the_group(&it).members[..2].iter().map(|member| member.account_id.as_str()).collect();
    for posts in by_member(&it, the_group(&it)).values() {
        for author in posts.iter().filter_map(|post| post.repost_of_account.as_deref()) {
            assert!(leaders.contains(author));
        }
    }
}

#[test]
fn lives_onlookers_and_accounts() {
    let it = world(&[("group.it.own_per_day", "10"), ("group.it.own_sigma", "0"), ("group.it.articles", "0.5")]);
    let members = by_member(&it, the_group(&it));
    let own: Vec<&&SimPost> = members.values().flatten().filter(|post| post.hashtags.len() != 1).collect();
    assert!((600..=1_000).contains(&own.len()), "{}", own.len());
    let sites: BTreeSet<&str> = own
        .iter()
        .filter_map(|post| post.urls.first().map(String::as_str).filter(|url| url.contains("/news/")))
        .filter_map(|url| url.split('/').nth(2))
        .collect();
    assert!(sites.len() >= 30);
    assert_eq!(onlooking(&world(&[])), 0);
    let looked_on = onlooking(&world(&[("group.it.onlookers", "2"), ("group.it.onlooker_copies", "0.1")]));
    assert!((60..=130).contains(&looked_on), "{looked_on}");
    let it = world(&[
        ("group.it.young", "1"),
        ("group.it.pattern_handles", "1"),
        ("group.it.one_client", "1"),
        ("group.it.kin", "0.5"),
    ]);
    let members = by_member(&it, the_group(&it));
    let mut clients = BTreeSet::new();
    for posts in members.values() {
        let age = posts[0].created_at - posts[0].account_created_at.unwrap();
        assert!(age < 63 * 24 * HOUR, "{age}");
        assert!(posts[0].account_name.ends_with(|c: char| c.is_ascii_digit()));
        clients.insert(posts[0].client.clone());
    }
    assert_eq!(clients.len(), 1);
    let innocent = world(&[("group.it.kind", "tweet_storm")]);
    assert!(innocent.truth.campaigns.is_empty());
    assert_eq!(innocent.truth.lookalikes[0].label, Label::TweetStorm);
    // What a group is changes nothing that it does.
    assert_eq!(innocent.posts, world(&[]).posts);
}

/// Posts of others with the group's tag.
fn onlooking(it: &Simulation) -> usize {
    let group = the_group(it);
    let members: BTreeSet<&str> = group.members.iter().map(|member| member.account_id.as_str()).collect();
    let all = by_member(it, group);
    let tag = all.values().flatten().find_map(|post| post.hashtags.first()).unwrap();
    let others = it.posts.iter().filter(|post| !members.contains(post.account_id.as_str()));
    others.filter(|post| post.hashtags.contains(tag)).count()
}
