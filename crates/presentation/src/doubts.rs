//! Evidence against a finding: weak points in its numbers, and innocent explanations to rule out.

use messages::cluster::{ClusterMessage, Outcome, Status, TraceKind};

use crate::description;

/// Share of the gains from one source above which the page mentions it.
const ONE_SOURCE: f64 = 0.5;
/// Share of the gains from one kind of trace above which the page mentions it.
const ONE_KIND: f64 = 0.8;
/// Share of the gains that is not listed above which the page mentions it.
const UNLISTED: f64 = 0.25;
/// Seconds. People who follow one source rarely act closer together.
const HUMAN_GAP_S: f64 = 120.0;
/// Groups of at most this size rest on little evidence.
const SMALL: u64 = 5;
/// Number of posts of others below which the rates measured elsewhere, which weigh as much as 50
/// posts, are a tenth of the comparison or more.
const LITTLE_CROWD: u64 = 450;
/// Number of posts below which a group's rates are imprecise.
const FEW_POSTS: u64 = 40;
/// Share of posts that repeat a member's own words. Newsrooms in real files reach at most 0.29, real
/// operations with copied texts 0.4 and more.
const OWN_WORDS: f64 = 0.3;
/// The comparison is clear if members repeat each other this many times as often as others.
const CLEARLY: f64 = 4.0;
/// Nats over the threshold that a few posts can take away.
const CLOSE: f64 = 3.0;
/// Accounts are named from a probability of 0.9. Below this probability they are near that limit.
const NEAR_THE_LIMIT: f64 = 0.95;

/// Reasons of the model that are named.
const COUNTED: usize = 3;

/// A weak point of the finding, with its number.
pub struct Doubt {
    pub what: String,
    pub detail: String,
}

/// An innocent explanation, what the finding says about it, and how to check it.
pub struct Innocent {
    pub what: &'static str,
    pub here: String,
    pub check: &'static str,
}

/// Weak points in the numbers of the finding; empty if there are none.
pub fn doubts(c: &ClusterMessage) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    if description::is_count(c) {
        say(
            &mut doubts,
            "A count is not a test",
            "it says how many accounts wrote the text, not how likely that is by chance".to_owned(),
        );
        small(c, &mut doubts);
        return doubts;
    }
    if c.status == Status::NearMiss {
        say(
            &mut doubts,
            "It did not pass the test",
            "it may be chance; the accounts are the proposed ones, and none is named as a member".to_owned(),
        );
    }
    if let Some(probability) = c.probability.filter(|probability| probability.is_finite()) {
        let error = text_format::percent(1.0 - probability);
        say(
            &mut doubts,
            "The model may be wrong",
            format!(
                "by its own estimate {error} of findings like this one are not inauthentic; on data unlike its training data, more"
            ),
        );
    }
    if description::is_old(c) {
        say(
            &mut doubts,
            "An older test",
            "the test of version 1 compared accounts only with their own habits, not with everybody else and the people near them".to_owned(),
        );
        of_old(c, &mut doubts);
    } else {
        of_test(c, &mut doubts);
        of_accounts(c, &mut doubts);
    }
    if c.history_hours < 24.0 {
        let hours = text_format::hours_in_words(c.history_hours);
        say(
            &mut doubts,
            "Little history",
            format!("only {hours} of earlier posts, too few to know what is usual among these accounts"),
        );
    }
    small(c, &mut doubts);
    for reason in c.reasons.iter().filter(|reason| reason.contribution < 0.0).take(COUNTED) {
        say(&mut doubts, "Model reasons against it", text_format::shorten(&reason.text, 240));
    }
    let unknown: Vec<String> =
        c.reasons.iter().filter(|r| r.value.is_none()).map(|r| text_format::shorten(&r.feature, 60)).take(6).collect();
    if !unknown.is_empty() {
        say(
            &mut doubts,
            "Unknown features",
            format!("{}; unknown features change the score in neither direction", text_format::list(&unknown)),
        );
    }
    doubts
}

fn say(doubts: &mut Vec<Doubt>, what: &str, detail: String) {
    doubts.push(Doubt { what: what.to_owned(), detail });
}

fn small(c: &ClusterMessage, doubts: &mut Vec<Doubt>) {
    if description::size(c) <= SMALL {
        say(
            doubts,
            "A small group",
            format!("{}: chance or friendship can explain much", text_format::count(description::size(c), "account")),
        );
    }
}

/// Weak points of the comparison and of the evidence.
fn of_test(c: &ClusterMessage, doubts: &mut Vec<Doubt>) {
    let Some(best) = description::best_window(c) else { return };
    let [group, crowd, near] = [&best.group, &best.crowd, &best.near].map(description::repeats);
    if crowd.1 == 0 {
        say(
            doubts,
            "No comparison group",
            "no posts of other accounts were seen at the same time, so rates from ordinary posts elsewhere are used instead"
                .to_owned(),
        );
    } else if crowd.1 < LITTLE_CROWD {
        say(
            doubts,
            "Small comparison group",
            format!(
                "only {} of everybody else, so rates from ordinary posts elsewhere count too, with the weight of 50 posts",
                text_format::count(crowd.1, "post")
            ),
        );
    }
    if near.1 < description::FEWEST_NEAR {
        say(
            doubts,
            "No comparison with people near it",
            format!(
                "{} of people near the group, and the comparison needs {}: other people of the same community may repeat each other as often",
                text_format::count(near.1, "post"),
                description::FEWEST_NEAR
            ),
        );
    } else if group.1 > 0 && near.0 > 0 {
        let times = (group.0 as f64 / group.1 as f64) / (near.0 as f64 / near.1 as f64);
        if times < CLEARLY {
            say(
                doubts,
                "People near it do the same",
                format!(
                    "they repeat the group in {} of their posts; members repeat each other in {}",
                    text_format::part(near.0, near.1),
                    text_format::part(group.0, group.1)
                ),
            );
        }
    }
    if group.1 < FEW_POSTS {
        say(
            doubts,
            "Few posts of the group",
            format!("{} since it was proposed, so its rates are imprecise", text_format::count(group.1, "post")),
        );
    }
    let own =
        |counts: &[u64; 5]| counts[Outcome::OwnWords as usize] as f64 / description::repeats(counts).1.max(1) as f64;
    let own_words = c.windows.iter().map(|window| own(&window.group)).fold(0.0, f64::max);
    if own_words < OWN_WORDS {
        let share = if own_words > 0.0 { text_format::percent(own_words) } else { "no part".to_owned() };
        say(
            doubts,
            "Few copied texts",
            format!(
                "{share} of the group's posts repeat another member's own words; real newsrooms reach 29 %, operations with copied texts 40 % and more"
            ),
        );
    }
    let gains: f64 = c.traces.values().sum();
    if let Some(source) = description::best_source(c)
        && gains > 0.0
        && source.nats / gains > ONE_SOURCE
    {
        say(
            doubts,
            "Much evidence from one source",
            format!(
                "{} {} gives {} of the gains; {} nats remain without it",
                source.kind,
                text_format::shorten(&source.source, 60),
                text_format::percent(source.nats / gains),
                text_format::number(c.log_e_leave_one_source_out)
            ),
        );
    }
    one_kind(c, gains, "gains", doubts);
    if let Some(test) = c.test.filter(|_| matches!(c.status, Status::Flagged | Status::Coordinated)) {
        let over = c.log_e_leave_one_source_out - test.bar;
        if over < 0.0 {
            say(
                doubts,
                "It would not pass the test now",
                format!(
                    "it passed once, and its later posts put it {} nats below the threshold",
                    text_format::number(-over)
                ),
            );
        } else if over < CLOSE {
            say(doubts, "Close to the threshold", format!("it passes by {} nats", text_format::number(over)));
        }
    }
    if best.losses < 0.0 {
        say(
            doubts,
            "Posts that are evidence against it",
            format!(
                "{} of the group repeat no other member; the loss of {} nats is included",
                text_format::count(group.1 - group.0, "post"),
                text_format::number(best.losses)
            ),
        );
    }
    let unlisted = c.unlisted.nats.get(c.best_window()).copied().unwrap_or_default();
    if gains > 0.0 && unlisted / gains > UNLISTED {
        say(
            doubts,
            "Some evidence cannot be shown",
            format!(
                "{} of the gains, from {}, have no posts that can be viewed",
                text_format::percent(unlisted / gains),
                text_format::count(c.unlisted.trials, "post")
            ),
        );
    }
}

fn one_kind(c: &ClusterMessage, all: f64, what: &str, doubts: &mut Vec<Doubt>) {
    if let Some((kind, nats)) = c.traces.iter().max_by(|a, b| a.1.total_cmp(b.1))
        && all > 0.0
        && nats / all > ONE_KIND
    {
        let share = text_format::percent(nats / all);
        say(
            doubts,
            "Much evidence of one kind",
            format!("{} give {share} of the {what}", description::trace_kind(*kind).things),
        );
    }
}

/// Weak points of the naming.
fn of_accounts(c: &ClusterMessage, doubts: &mut Vec<Doubt>) {
    let named: Vec<_> =
        c.accounts.iter().filter_map(|account| account.posterior.map(|posterior| (posterior, account))).collect();
    let all = text_format::thousands(named.len() as u64);
    let close = named.iter().filter(|(posterior, _)| *posterior < NEAR_THE_LIMIT).count();
    if let Some((posterior, weakest)) = named.iter().min_by(|a, b| a.0.total_cmp(&b.0)).filter(|_| close > 0) {
        let name = if weakest.account_name.is_empty() { &weakest.account_id } else { &weakest.account_name };
        say(
            doubts,
            "Accounts near the limit",
            format!(
                "{close} of {all} have a membership probability below 95 %, the lowest is {} with {}; accounts are named from 90 %, so check each of \
                 them before you name it",
                text_format::shorten(name, 40),
                text_format::percent(*posterior)
            ),
        );
    }
    let afterwards = named.iter().filter(|(_, account)| !account.proposed && !account.elsewhere).count();
    if afterwards > 0 {
        say(
            doubts,
            "Accounts found later",
            format!(
                "{afterwards} of {all} were not in the tested group: a model found them, and its probabilities are no guarantee"
            ),
        );
    }
    let elsewhere = named.iter().filter(|(_, account)| account.elsewhere).count();
    if elsewhere > 0 {
        say(
            doubts,
            "Accounts of other groups",
            format!(
                "{elsewhere} of {all} come from groups that were merged into this one; neither these numbers nor the model are about them"
            ),
        );
    }
}

/// What weakens a finding of version 1.
fn of_old(c: &ClusterMessage, doubts: &mut Vec<Doubt>) {
    if let Some(best) = c.sources.first()
        && c.log_e > 0.0
        && best.nats / c.log_e > ONE_SOURCE
    {
        say(
            doubts,
            "Much evidence from one source",
            format!(
                "{} {} gives {} of the evidence; {} nats remain without it",
                best.kind,
                text_format::shorten(&best.source, 60),
                text_format::percent(best.nats / c.log_e),
                text_format::number(c.log_e_leave_one_source_out)
            ),
        );
    }
    one_kind(c, c.log_e, "evidence", doubts);
    let against: Vec<_> = c.evidence.iter().filter(|key| key.nats < 0.0).collect();
    if !against.is_empty() {
        let nats: f64 = against.iter().map(|key| key.nats).sum();
        say(
            doubts,
            "Keys that are evidence against it",
            format!(
                "on {} of those listed the accounts did not act together as expected; their {} nats are included",
                text_format::count(against.len() as u64, "key"),
                text_format::number(nats)
            ),
        );
    }
    let weak = c.accounts.last().filter(|weak| c.accounts.first().is_some_and(|first| weak.log_e < first.log_e / 4.0));
    if let Some(weak) = weak {
        let name = if weak.account_name.is_empty() { &weak.account_id } else { &weak.account_name };
        say(
            doubts,
            "Members differ",
            format!(
                "the account with the least evidence, {}, has {} nats; check it before you name it",
                text_format::shorten(name, 40),
                text_format::number(weak.log_e)
            ),
        );
    }
}

/// Innocent explanations for the finding, and how to check each.
pub fn innocents(c: &ClusterMessage) -> Vec<Innocent> {
    let gap = description::typical_gap_s(c);
    let close = |gap: f64| gap < HUMAN_GAP_S;
    let gains: f64 = c.traces.values().filter(|nats| **nats > 0.0).sum();
    let share = |kind: TraceKind| c.traces.get(&kind).filter(|_| gains > 0.0).map_or(0.0, |nats| nats.max(0.0) / gains);
    let of = |kind: TraceKind| match share(kind) {
        share if share > 0.0 => format!("{} of the gains", text_format::percent(share)),
        _ => "no part of the gains".to_owned(),
    };
    let members = || {
        format!(
            "{} on {}",
            text_format::count(description::size(c), "account"),
            text_format::list(&description::platforms(c))
        )
    };
    let mut out = Vec::new();
    if description::is_count(c) {
        out.push(Innocent {
            what: "Share buttons, petitions and contests",
            here: format!("seen over {}", text_format::span_in_words(c.first_seen, c.last_seen)),
            check: "Does a page, an app or an announcement provide this text for posting?",
        });
        out.push(Innocent {
            what: "Quotations, songs, greetings and jokes",
            here: members(),
            check: "Would people write these words without seeing another post with them?",
        });
        return out;
    }
    out.push(Innocent {
        what: "Fans or readers of one source",
        here: match description::best_source(c) {
            Some(best) => {
                format!("strongest source: {} {}", best.kind, text_format::shorten(&best.source, 60))
            }
            None => "the finding names no source".to_owned(),
        },
        check: "Do they also act together on things from other sources? Do people follow this source with notifications on?",
    });
    out.push(Innocent {
        what: "A party, parliament, newsroom or campaign that is open about it",
        here: match description::best_window(c) {
            Some(best) => {
                let (near, of_near) = description::repeats(&best.near);
                match of_near {
                    0 => "no people near the group repeat it".to_owned(),
                    _ => format!("people near the group repeat it in {} of their posts", text_format::part(near, of_near)),
                }
            }
            None => "people near the group were not counted".to_owned(),
        },
        check: "Is it the declared work or cause of these accounts to repeat each other? Such groups are coordinated, and they hide nothing.",
    });
    out.push(Innocent {
        what: "Breaking news",
        here: format!("seen over {}", text_format::span_in_words(c.first_seen, c.last_seen)),
        check: "Did everybody share this in that hour? Do the bursts follow public events?",
    });
    if share(TraceKind::Url) > 0.0 || share(TraceKind::Text) > 0.0 {
        out.push(Innocent {
            what: "Share buttons and calls to action",
            here: format!("links {}, texts {}", of(TraceKind::Url), of(TraceKind::Text)),
            check: "Does a page provide the text for posting, for example of a petition, a charity, a union or an employer?",
        });
    }
    out.push(Innocent {
        what: "Scheduling tools and declared bots",
        here: match gap {
            Some(gap) if close(gap) => {
                format!("typically {} apart, closer than people manage by hand", text_format::seconds_in_words(gap))
            }
            Some(gap) => format!("typically {} apart, which people manage by hand", text_format::seconds_in_words(gap)),
            None => "the typical gap is not known".to_owned(),
        },
        check: "Do the accounts declare what they are? A newsroom's regional accounts act in lockstep and hide nothing.",
    });
    out.push(Innocent {
        what: "A close community",
        here: members(),
        check: "Do the accounts also talk to each other and post about other things? Persecuted groups organise closely, and a false accusation harms them most.",
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    fn whats(c: &ClusterMessage) -> Vec<String> {
        doubts(c).into_iter().map(|doubt| doubt.what).collect()
    }

    fn has(c: &ClusterMessage, what: &str) -> bool {
        whats(c).iter().any(|one| one == what)
    }

    #[test]
    fn what_the_numbers_say_against_a_finding_is_said() {
        let c = fixtures::cluster("a", 1);
        let always = [
            "The model may be wrong",
            "Posts that are evidence against it",
            "Accounts found later",
            "Unknown features",
        ];
        assert!(always.iter().all(|what| has(&c, what)), "{:?}", whats(&c));
        type Change = fn(&mut ClusterMessage);
        let cases: [(&str, Change); 14] = [
            ("No comparison group", |c| c.windows[1].crowd = [0; 5]),
            ("Small comparison group", |c| c.windows[1].crowd = [0, 0, 0, 0, 449]),
            ("No comparison with people near it", |c| c.windows[1].near = [0, 0, 0, 0, 49]),
            ("People near it do the same", |c| c.windows[1].near = [0, 0, 0, 50, 50]),
            ("Few posts of the group", |c| c.windows[1].group = [20, 0, 0, 0, 19]),
            ("Few copied texts", |c| c.windows.iter_mut().for_each(|w| w.group = [29, 0, 0, 30, 41])),
            ("Much evidence from one source", |c| {
                c.sources[0].nats *= 20.0;
                c.sources[0].by_window = c.sources[0].by_window.map(|nats| nats * 20.0);
            }),
            ("Much evidence of one kind", |c| *c.traces.get_mut(&TraceKind::Url).unwrap() *= 60.0),
            ("It would not pass the test now", |c| c.log_e_leave_one_source_out = c.test.unwrap().bar - 0.1),
            ("Close to the threshold", |c| c.log_e_leave_one_source_out = c.test.unwrap().bar + 0.1),
            ("Some evidence cannot be shown", |c| c.unlisted.nats[1] = 1e3),
            ("Accounts near the limit", |c| c.accounts[3].posterior = Some(0.94)),
            ("Accounts of other groups", |c| c.accounts[3].elsewhere = true),
            ("Little history", |c| c.history_hours = 23.9),
        ];
        for (what, change) in cases {
            let mut changed = c.clone();
            // Half of the posts repeat own words, and nobody near does anything like it.
            changed.windows.iter_mut().for_each(|w| (w.group, w.near) = ([200, 0, 0, 0, 200], [5, 0, 0, 0, 800]));
            assert!(!has(&changed, what), "{what}: {:?}", whats(&changed));
            change(&mut changed);
            assert!(has(&changed, what), "{what}: {:?}", whats(&changed));
        }
    }

    #[test]
    fn findings_without_a_test_have_doubts_of_their_own() {
        let old = fixtures::of_version_1();
        assert!(has(&old, "An older test") && !has(&old, "No comparison group"));
        let one = fixtures::one_text("t", 34);
        assert_eq!(whats(&one), ["A count is not a test"]);
        assert!(innocents(&one)[0].what.contains("petitions"));
        assert!(has(&fixtures::near_miss("n"), "It did not pass the test"));
        assert!(!has(&fixtures::near_miss("n"), "The model may be wrong"));
    }
}
