//! Each parameter of a campaign and of a look-alike does in the posts what its documentation says.

use std::collections::{BTreeMap, BTreeSet};

use simulator::{GroupTruth, Label, SimPost, Simulation, World};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A small world with one campaign of 20 accounts, two days of history and two of action, and these changes.
fn world(changes: &[(&str, &str)]) -> Simulation {
    let text = "name = 'small'\nabout = 'small'\nstart = '2026-01-05T00:00:00Z'\ndays = 4.0\n\
        [[platform]]\nname = 'chirp'\nclock_s = 0\ndeletions = true\nprofile = true\nclient = true\n\
        [crowd]\naccounts = 300\ncommunities = 5\nsources = 6\nitems_per_day = 20.0\ndelete = 0.0\n\
        [[campaign]]\nname = 'it'\nsize = 20\nstart_day = 2.0\nown_source = 1.0\nmodes = { url = 1 }\n";
    let changes = changes.iter().copied();
    World::from_toml(text).unwrap().with_all(changes).unwrap().generate(3)
}

fn campaign(simulation: &Simulation) -> &GroupTruth {
    &simulation.truth.campaigns[0]
}

/// Posts of the campaign's members that belong to its actions, and the others.
fn posts(simulation: &Simulation) -> (Vec<&SimPost>, Vec<&SimPost>) {
    let it = campaign(simulation);
    let members: BTreeSet<&str> = it.members.iter().map(|member| member.account_id.as_str()).collect();
    let acts: BTreeSet<&str> = it.actions.iter().flat_map(|action| &action.acts).map(|act| act.post.as_str()).collect();
    let own = simulation.posts.iter().filter(|post| members.contains(post.account_id.as_str()));
    own.partition(|post| acts.contains(post.id.as_str()))
}

/// Mean share of the members that take part in an action.
fn participation(simulation: &Simulation) -> f64 {
    let it = campaign(simulation);
    let acting: usize = it.actions.iter().map(|action| action.participants.len()).sum();
    acting as f64 / (it.actions.len() * it.members.len()) as f64
}

/// Seconds from each action to each of its acts, sorted.
fn lags(simulation: &Simulation) -> Vec<f64> {
    let actions = campaign(simulation).actions.iter();
    let lags = actions.flat_map(|action| action.acts.iter().map(|act| (act.at - action.at) as f64 / 1_000.0));
    let mut lags: Vec<f64> = lags.collect();
    lags.sort_by(f64::total_cmp);
    lags
}

fn near(value: f64, wanted: f64, tolerance: f64) {
    assert!((value - wanted).abs() <= tolerance, "{value}, not {wanted} ± {tolerance}");
}

#[test]
fn size_actions_participation() {
    let it =
        world(&[("campaign.*.size", "33"), ("campaign.*.actions_per_day", "12"), ("campaign.*.participation", "0.35")]);
    assert_eq!(campaign(&it).members.len(), 33);
    assert_eq!(campaign(&it).actions.len(), 24);
    near(participation(&it), 0.35, 0.05);
    let it = world(&[("campaign.*.max_actions", "3")]);
    assert_eq!(campaign(&it).actions.len(), 3);
    let it = world(&[("campaign.*.end_day", "3.0")]);
    assert_eq!(campaign(&it).actions.len(), 8);
}

#[test]
fn jitter_and_its_distributions() {
    // Every act comes two seconds later than its lag: nobody reacts at once.
    let uniform = lags(&world(&[("campaign.*.jitter_s", "1200")]));
    near(uniform[uniform.len() / 2], 600.0, 90.0);
    assert!(uniform[0] >= 2.0 && uniform[uniform.len() - 1] <= 1_202.0);
    let change = |lag| world(&[("campaign.*.jitter_s", "1200"), ("campaign.*.lag", lag)]);
    let log_normal = lags(&change("log_normal"));
    near(log_normal[log_normal.len() / 2], 400.0, 70.0);
    assert!(log_normal[log_normal.len() - 1] > 1_500.0);
    let exponential = lags(&change("exponential"));
    near(exponential.iter().sum::<f64>() / exponential.len() as f64, 402.0, 70.0);
    near(exponential[exponential.len() / 2], 279.0, 60.0);
    let even = change("even");
    for action in &campaign(&even).actions {
        let times: Vec<i64> = action.acts.iter().map(|act| act.at - action.at).collect();
        assert_eq!(
            (times[0], times[times.len() - 1] / 1_000),
            (2_000, 1_202 - i64::from(times[times.len() - 1] % 1_000 > 0))
        );
        let step = 1_200_000.0 / (times.len() - 1) as f64;
        assert!(times.windows(2).all(|pair| ((pair[1] - pair[0]) as f64 - step).abs() <= 1.0));
    }
}

#[test]
fn drip_by_seconds_and_by_days() {
    let it = world(&[("campaign.*.drip_s", "100")]);
    for action in &campaign(&it).actions {
        let gaps = action.acts.windows(2).map(|pair| (pair[1].at - pair[0].at) as f64 / 1_000.0);
        assert!(gaps.into_iter().all(|gap| (49.0..=151.0).contains(&gap)));
    }
    let it = world(&[("campaign.*.drip_days", "1.5"), ("campaign.*.end_day", "2.4")]);
    let lags = lags(&it);
    near(lags[lags.len() / 2], 0.75 * 86_400.0, 0.25 * 86_400.0);
    assert!(lags[lags.len() - 1] <= 1.5 * 86_400.0 + 2.0);
}

#[test]
fn a_burst() {
    let it = world(&[
        ("campaign.*.burst_h", "2"),
        ("campaign.*.actions_per_day", "25"),
        ("campaign.*.modes", "{ hashtags = 1 }"),
        ("campaign.*.flood", "3"),
    ]);
    let actions = &campaign(&it).actions;
    assert_eq!(actions.len(), 25);
    assert!(actions[24].at - actions[0].at <= 2 * HOUR);
    assert!(actions[0].at >= it.posts[0].created_at / DAY * DAY + 2 * DAY - HOUR);
    // Three posts of each who takes part, all with the one new tag.
    assert!(actions.iter().all(|action| action.acts.len() == 3 * action.participants.len()));
    let tag = &actions[0].keys[0];
    assert_eq!(posts(&it).0.iter().filter(|post| post.hashtags == [tag.clone()]).count(), posts(&it).0.len());
}

#[test]
fn cover_and_habits() {
    for cover in [0.0, 5.0, 60.0] {
        let it = world(&[("campaign.*.cover_per_day", &cover.to_string())]);
        // A session may run over the world's end, and an account does not act twice on one item.
        near(posts(&it).1.len() as f64 / 80.0, cover, 0.2 + cover * 0.2);
    }
    let it = world(&[("campaign.*.cover_sigma", "1.5"), ("campaign.*.cover_max", "100"), ("campaign.*.size", "200")]);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for post in posts(&it).1 {
        *counts.entry(&post.account_id).or_default() += 1;
    }
    assert!(counts.values().all(|count| *count <= 100));
    assert!(
        counts.values().filter(|count| **count > 70).count() > 10
            && counts.values().filter(|count| **count < 10).count() > 40
    );
    let it = world(&[
        ("campaign.*.cover_per_day", "30"),
        (
            "campaign.*.habits",
            "{ repost = 0.9, link = 0.0, hashtag = 1.0, tail = 1.0, stranger_links = 0.5, delete = 0.5 }",
        ),
    ]);
    let cover = posts(&it).1;
    let share =
        |has: &dyn Fn(&SimPost) -> bool| cover.iter().filter(|post| has(post)).count() as f64 / cover.len() as f64;
    near(share(&|post| post.repost_of.is_some()), 0.9, 0.03);
    near(share(&|post| !post.hashtags.is_empty()), 1.0, 0.02);
    near(share(&|post| !post.urls.is_empty()), 0.45, 0.05);
    near(share(&|post| post.deleted_at.is_some()), 0.5, 0.05);
}

#[test]
fn cells_and_rotation() {
    let together = |it: &Simulation| -> BTreeSet<Vec<u32>> {
        let actions = campaign(it).actions.iter();
        actions
            .map(|action| action.participants.iter().copied().collect::<BTreeSet<_>>().into_iter().collect())
            .collect()
    };
    let it = world(&[("campaign.*.cell_size", "4"), ("campaign.*.participation", "1")]);
    let cells = together(&it);
    assert_eq!(cells.len(), 5);
    assert!(cells.iter().all(|cell| cell.len() == 4));
    assert_eq!(campaign(&it).actions.len(), 5 * 16, "each cell has actions of its own");
    let it = world(&[("campaign.*.cells", "2"), ("campaign.*.participation", "1")]);
    assert_eq!(together(&it).iter().map(Vec::len).collect::<Vec<_>>(), [10, 10]);
    let it = world(&[("campaign.*.rotate", "6"), ("campaign.*.participation", "1")]);
    let turns = together(&it);
    assert!(turns.iter().all(|turn| turn.len() == 6) && turns.len() >= 8);
    assert_eq!(turns.iter().flatten().collect::<BTreeSet<_>>().len(), 20);
}

#[test]
fn short_links_with_and_without_a_map() {
    let it = world(&[("campaign.*.shortener", "1"), ("campaign.*.shortener_hosts", "4")]);
    let (acts, _) = posts(&it);
    let urls: BTreeSet<&String> = acts.iter().flat_map(|post| &post.urls).collect();
    assert_eq!(urls.len(), acts.len(), "each act has a short link of its own");
    let hosts: BTreeSet<&str> = urls.iter().filter_map(|url| url.split('/').nth(2)).collect();
    assert_eq!(hosts.into_iter().collect::<Vec<_>>(), ["sho.example", "sho1.example", "sho2.example", "sho3.example"]);
    let mut map = Vec::new();
    it.truth.write_short_links(&mut map).unwrap();
    let map: toml::Table = toml::from_str(&String::from_utf8(map).unwrap()).unwrap();
    let map = map["short_links"].as_table().unwrap();
    let long: BTreeSet<&str> = urls.iter().filter_map(|url| map[url.trim_start_matches("https://")].as_str()).collect();
    let keys: BTreeSet<&str> = campaign(&it).actions.iter().map(|action| action.keys[0].as_str()).collect();
    assert_eq!(long, keys);
}

/// Mean Jaccard similarity of the 5-grams of two posts of one action.
fn alike(it: &Simulation) -> f64 {
    let texts: BTreeMap<&str, &str> = it.posts.iter().map(|post| (post.id.as_str(), post.text.as_str())).collect();
    let grams = |text: &str| -> BTreeSet<Vec<char>> {
        text.to_lowercase().chars().collect::<Vec<_>>().windows(5).map(<[char]>::to_vec).collect()
    };
    let (mut sum, mut pairs) = (0.0, 0.0);
    for action in &campaign(it).actions {
        for pair in action.acts.windows(2) {
            let (a, b) = (grams(texts[pair[0].post.as_str()]), grams(texts[pair[1].post.as_str()]));
            sum += a.intersection(&b).count() as f64 / a.union(&b).count() as f64;
            pairs += 1.0;
        }
    }
    sum / pairs
}

#[test]
fn copies_swaps_rewrites_and_templates() {
    let text = |change: (&str, &str)| alike(&world(&[("campaign.*.modes", "{ text = 1 }"), change]));
    near(text(("campaign.*.paraphrase", "0")), 1.0, 1e-9);
    let light = text(("campaign.*.paraphrase", "0.1"));
    assert!((0.6..0.95).contains(&light), "{light}");
    let heavy = text(("campaign.*.paraphrase", "0.4"));
    assert!(heavy < light - 0.2, "{heavy}");
    let rewritten = text(("campaign.*.rewrite", "1"));
    assert!(rewritten < 0.25, "{rewritten}");
    let some = text(("campaign.*.rewrite", "0.3"));
    assert!(some > rewritten + 0.2, "{some}");
    let templates = text(("campaign.*.templates", "4"));
    near(templates, 0.25 + 0.75 * 0.08, 0.1);
}

#[test]
fn deleted_after_the_act() {
    let it = world(&[("campaign.*.delete", "0.6"), ("campaign.*.delete_after_s", "[600, 1200]")]);
    let (acts, cover) = posts(&it);
    let gone: Vec<i64> = acts.iter().filter_map(|post| Some(post.deleted_at? - post.created_at)).collect();
    near(gone.len() as f64 / acts.len() as f64, 0.6, 0.08);
    assert!(gone.iter().all(|after| (600_000..=1_200_000).contains(after)));
    assert!(cover.iter().all(|post| post.deleted_at.is_none()));
}

#[test]
fn poison_is_harmless_and_before() {
    let it = world(&[("campaign.*.poison_per_day", "10"), ("campaign.*.cover_per_day", "0")]);
    let start = campaign(&it).actions[0].at / DAY * DAY;
    let (acts, poison) = posts(&it);
    near(poison.len() as f64 / 40.0, 10.0, 1.0);
    assert!(poison.iter().all(|post| post.created_at < start + HOUR));
    assert!(acts.iter().all(|post| post.created_at >= start));
    // On the campaign's own site and voice, but each account for itself.
    let site = |url: &str| url.split('/').nth(2).map(str::to_owned);
    let own = site(&campaign(&it).actions[0].keys[0]);
    let links: Vec<&&SimPost> =
        poison.iter().filter(|post| !post.urls.is_empty() && post.repost_of.is_none()).collect();
    assert!(links.iter().all(|post| site(&post.urls[0]) == own));
    let mut keys: BTreeMap<&str, usize> = BTreeMap::new();
    for post in &links {
        *keys.entry(post.urls[0].split('?').next().unwrap()).or_default() += 1;
    }
    assert!(keys.values().all(|count| *count == 1));
}

#[test]
fn every_mode_acts_on_one_key() {
    let key = |post: &SimPost, mode: &str| match mode {
        "url" => post.urls.iter().map(|url| url.split('?').next().unwrap().to_owned()).collect(),
        "repost" => post.repost_of.clone().into_iter().collect(),
        "hashtags" => post.hashtags.clone(),
        "text" => vec![post.text.clone()],
        "media" => post.media.clone(),
        "reply" => post.reply_to.clone().into_iter().collect(),
        _ => post.mentions.clone(),
    };
    for mode in ["url", "repost", "hashtags", "text", "media", "reply", "mention"] {
        let it = world(&[
            ("campaign.*.modes", &format!("{{ {mode} = 1 }}")),
            ("campaign.*.tags", "3"),
            ("campaign.*.mention_set", "4"),
        ]);
        let posts: BTreeMap<&str, &SimPost> = it.posts.iter().map(|post| (post.id.as_str(), post)).collect();
        for action in &campaign(&it).actions {
            assert!(action.acts.len() >= 6, "{mode}");
            let keys: BTreeSet<Vec<String>> =
                action.acts.iter().map(|act| key(posts[act.post.as_str()], mode)).collect();
            assert_eq!(keys, BTreeSet::from([action.keys.clone()]), "{mode}");
            if mode == "reply" {
                assert!(action.acts.iter().all(|act| posts[act.post.as_str()].reply_to_account.is_some()));
            }
            assert_eq!(serde_json::to_value(action.mode).unwrap(), mode);
        }
        if mode == "mention" {
            assert!(campaign(&it).actions.iter().all(|action| action.keys.len() == 4));
        }
    }
}

#[test]
fn pictures() {
    let it = world(&[("campaign.*.modes", "{ media = 1 }"), ("campaign.*.media_noise", "3")]);
    let posts: BTreeMap<&str, &SimPost> = it.posts.iter().map(|post| (post.id.as_str(), post)).collect();
    for action in &campaign(&it).actions {
        let bits = |hash: &str| u64::from_str_radix(hash, 16).unwrap();
        for act in &action.acts {
            let hash = bits(&posts[act.post.as_str()].media[0]);
            assert_eq!((hash ^ bits(&action.keys[0])).count_ones(), 3);
        }
    }
    // The crowd's: a share of originals, some of them go round.
    let it = world(&[("crowd.media", "0.5"), ("crowd.meme", "0.4"), ("crowd.accounts", "900"), ("campaign", "[]")]);
    let originals: Vec<&SimPost> = it.posts.iter().filter(|post| post.repost_of.is_none()).collect();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    originals.iter().flat_map(|post| &post.media).for_each(|hash| *seen.entry(hash).or_default() += 1);
    let with: usize = seen.values().sum();
    // What voices publish has none.
    near(with as f64 / originals.len() as f64, 0.45, 0.08);
    let again: usize = seen.values().filter(|count| **count > 1).sum();
    near(again as f64 / with as f64, 0.4, 0.06);
    let none = world(&[("campaign", "[]")]);
    assert!(none.posts.iter().all(|post| post.media.is_empty()));
}

#[test]
fn brigades_answer_with_a_script() {
    let reply = ("campaign.*.modes", "{ reply = 1 }");
    let own = alike(&world(&[reply]));
    let scripted = alike(&world(&[reply, ("campaign.*.scripted", "1")]));
    assert!(own < 0.35 && scripted > 0.99, "{own} {scripted}");
}

#[test]
fn sources_borrowed_and_own() {
    let sources = |changes: &[(&str, &str)]| -> BTreeSet<String> {
        campaign(&world(changes)).actions.iter().map(|action| action.source.clone()).collect()
    };
    assert_eq!(sources(&[]).len(), 1);
    assert_eq!(sources(&[("campaign.*.own_sources", "3"), ("campaign.*.actions_per_day", "40")]).len(), 3);
    let borrowed = [("campaign.*.own_source", "0"), ("campaign.*.actions_per_day", "40")];
    assert!(sources(&borrowed).len() > 8);
    let few = [borrowed[0], borrowed[1], ("campaign.*.borrow_from", "4")];
    assert!(sources(&few).len() <= 5);
}

#[test]
fn what_accounts_look_like() {
    let it = world(&[
        ("campaign.*.created_within_days", "3"),
        ("campaign.*.pattern_handles", "1"),
        ("campaign.*.client", "'robot'"),
    ]);
    let (acts, _) = posts(&it);
    let made: BTreeSet<i64> = acts.iter().filter_map(|post| post.account_created_at).collect();
    assert!(made.last().unwrap() - made.first().unwrap() <= 3 * DAY);
    assert!(acts.iter().all(|post| post.client.as_deref() == Some("robot")));
    assert!(
        acts.iter()
            .all(|post| post.account_name.ends_with(|c: char| c.is_ascii_digit()) && post.account_name.len() > 10)
    );
}

#[test]
fn evenings_draw_the_crowd() {
    let it = world(&[
        ("campaign", "[]"),
        ("crowd.evenings", "[[1.5, 3.0]]"),
        ("crowd.focus", "0.6"),
        ("crowd.session_posts", "2"),
    ]);
    let start = it.posts[0].created_at / DAY * DAY;
    let inside = it.posts.iter().filter(|post| (36 * HOUR..40 * HOUR).contains(&(post.created_at - start))).count();
    near(inside as f64 / it.posts.len() as f64, 0.6, 0.1);
}

/// A world with one look-alike.
fn lookalike(table: &str) -> Simulation {
    let entry = format!("[{{ name = 'it', {table} }}]");
    world(&[("campaign", "[]"), ("lookalike", &entry)])
}

#[test]
fn a_match() {
    let it = lookalike(
        "kind = 'sport', accounts = 200, day = 1.5, goals = 4, participation = 0.5, lag_s = 15.0, chat = 1.0",
    );
    let group = &it.truth.lookalikes[0];
    assert_eq!((group.label, group.actions.len()), (Label::Sport, 4));
    let posts: BTreeMap<&str, &SimPost> = it.posts.iter().map(|post| (post.id.as_str(), post)).collect();
    for action in &group.actions {
        near(action.participants.len() as f64, 75.0, 25.0);
        let quick = action.acts.iter().filter(|act| act.at - action.at <= MINUTE).count();
        assert!(quick as f64 >= 0.9 * action.acts.len() as f64);
        let shouts = action.acts.iter().filter(|act| posts[act.post.as_str()].text.split(' ').count() <= 6).count();
        assert!((0.35..0.65).contains(&(shouts as f64 / action.acts.len() as f64)));
        assert!(action.acts.iter().all(|act| posts[act.post.as_str()].hashtags.len() == 2));
    }
}

#[test]
fn newsrooms_on_a_wire() {
    let it = lookalike(
        "kind = 'newsroom', accounts = 20, reports_per_day = 20, participation = 0.5, edit = 0.0, link = 0.5",
    );
    let group = &it.truth.lookalikes[0];
    near(group.actions.len() as f64, 80.0, 25.0);
    let posts: BTreeMap<&str, &SimPost> = it.posts.iter().map(|post| (post.id.as_str(), post)).collect();
    let mut linked = 0.0;
    let mut all = 0.0;
    for action in &group.actions {
        let sites: Vec<&String> = action.acts.iter().flat_map(|act| &posts[act.post.as_str()].urls).collect();
        assert_eq!(sites.iter().collect::<BTreeSet<_>>().len(), sites.len(), "each links to its own copy");
        assert!(action.acts.iter().all(|act| posts[act.post.as_str()].text.starts_with(&action.keys[0])));
        linked += sites.len() as f64;
        all += action.acts.len() as f64;
    }
    near(linked / all, 0.5, 0.06);
    near(all / (group.actions.len() * 20) as f64, 0.5, 0.06);
}

#[test]
fn a_parliament() {
    let it = lookalike(
        "kind = 'legislature', accounts = 60, parties = 3, posts_per_day = 2, participation = 0.3, campaigns = 6, talking_points = 1.0",
    );
    let group = &it.truth.lookalikes[0];
    assert_eq!(group.members.len(), 60);
    // Whoever acts together is of one party; members were dealt out in turn.
    for action in &group.actions {
        let parties: BTreeSet<u32> = action.participants.iter().map(|place| place % 3).collect();
        assert_eq!(parties.len(), 1);
    }
    let tagged = group.actions.iter().filter(|action| action.mode == simulator::Mode::Hashtags).count();
    assert_eq!(tagged, 6);
    let reposts: usize = group
        .actions
        .iter()
        .filter(|a| a.mode == simulator::Mode::Repost)
        .map(|action| action.participants.len())
        .sum();
    // 60 members with 8 posts each, of which 19 colleagues repost 30 %.
    near(reposts as f64, 60.0 * 8.0 * 19.0 * 0.3, 350.0);
}

#[test]
fn cascades() {
    let it = lookalike(
        "kind = 'cascade', cascades = 5, accounts = 100, sigma = 0.0, lag_s = 600.0, clump = 0.5, clump_s = 10.0",
    );
    let group = &it.truth.lookalikes[0];
    assert_eq!((group.label, group.actions.len()), (Label::Cascade, 5));
    assert!(group.actions.iter().all(|action| (95..=100).contains(&action.participants.len())));
}

#[test]
fn a_livestream() {
    let it = lookalike(
        "kind = 'live_event', accounts = 100, day = 1.0, hours = 2.0, moments = 10, participation = 0.3, repost = 0.0, chat = 4.0",
    );
    let tag = &it.truth.lookalikes[0].actions[0].keys[0];
    let tagged: Vec<&SimPost> = it.posts.iter().filter(|post| post.hashtags == [tag.clone()]).collect();
    near(tagged.len() as f64, 400.0 + 300.0, 90.0);
    assert!(tagged.iter().all(|post| post.repost_of.is_none()));
}
