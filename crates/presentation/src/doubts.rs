//! What would speak against a finding: what weakens it by its own numbers, and which innocent groups look alike.

use messages::cluster::{ClusterMessage, Outcome, Status, TraceKind};

use crate::description;

/// Share of the gains from one source above which it is worth a word.
const ONE_SOURCE: f64 = 0.5;
/// Share of the gains from one kind of trace above which it is worth a word.
const ONE_KIND: f64 = 0.8;
/// Share of the gains that is not listed above which it is worth a word.
const UNLISTED: f64 = 0.25;
/// Seconds: a human group that follows one source rarely acts as close together.
const HUMAN_GAP_S: f64 = 120.0;
/// Groups as small as this are found on little.
const SMALL: u64 = 5;
/// Posts of others below which rates measured elsewhere, which weigh as much as 50 posts, are a tenth of the comparison or more.
const LITTLE_CROWD: u64 = 450;
/// Posts of a group on which its rates are rough.
const FEW_POSTS: u64 = 40;
/// Share of own words repeated below which a group is like newsrooms in real files (at most 0.29); real operations with copied texts
/// reached 0.4 and more.
const OWN_WORDS: f64 = 0.3;
/// How much more often than people near the group its members must repeat each other for the comparison to be clear.
const CLEARLY: f64 = 4.0;
/// Nats over the bar that a few posts may take away.
const CLOSE: f64 = 3.0;
/// Accounts are named from a probability of 0.9; below this one they are near that bar.
const NEAR_THE_BAR: f64 = 0.95;

/// Reasons of the model that are named.
const COUNTED: usize = 3;

/// One thing that weakens the finding, with its number.
pub struct Doubt {
    pub what: String,
    pub detail: String,
}

/// An innocent explanation, what speaks for it in this finding if anything does, and how to find out.
pub struct Innocent {
    pub what: &'static str,
    pub here: String,
    pub check: &'static str,
}

/// What weakens the finding, by its own numbers; empty where nothing of the kind was found.
pub fn doubts(c: &ClusterMessage) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    if description::is_count(c) {
        say(
            &mut doubts,
            "A count is no test",
            "it says how many wrote the text, not how likely that is by chance".to_owned(),
        );
        small(c, &mut doubts);
        return doubts;
    }
    if c.status == Status::NearMiss {
        say(
            &mut doubts,
            "It did not pass",
            "by the test this may be chance; the accounts are those proposed, nobody is named".to_owned(),
        );
    }
    if let Some(probability) = c.probability.filter(|probability| probability.is_finite()) {
        let error = text_format::percent(1.0 - probability);
        say(
            &mut doubts,
            "The model may be wrong",
            format!(
                "by its own account {error} of findings that look like this one are not inauthentic; on data unlike what it was trained on, more"
            ),
        );
    }
    if description::is_old(c) {
        say(
            &mut doubts,
            "An older test",
            "this finding is of version 1, which compared accounts with their own habits only, not with everybody else and the people near them".to_owned(),
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
            format!("only {hours} of earlier posts: what is usual among these accounts is hardly known"),
        );
    }
    small(c, &mut doubts);
    for reason in c.reasons.iter().filter(|reason| reason.contribution < 0.0).take(COUNTED) {
        say(&mut doubts, "The model counts against it", text_format::shorten(&reason.text, 240));
    }
    let unknown: Vec<String> =
        c.reasons.iter().filter(|r| r.value.is_none()).map(|r| text_format::shorten(&r.feature, 60)).take(6).collect();
    if !unknown.is_empty() {
        say(&mut doubts, "Not known", format!("{}; what is not known counts neither way", text_format::list(&unknown)));
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
            format!("{}: chance and friendship go a long way", text_format::count(description::size(c), "account")),
        );
    }
}

/// Whom the group was compared with, and what the gains rest on.
fn of_test(c: &ClusterMessage, doubts: &mut Vec<Doubt>) {
    let Some(best) = description::best_window(c) else { return };
    let [group, crowd, near] = [&best.group, &best.crowd, &best.near].map(description::repeats);
    if crowd.1 == 0 {
        say(
            doubts,
            "Nobody to compare with",
            "no post of anybody else was seen meanwhile: rates measured on ordinary posts elsewhere stand in"
                .to_owned(),
        );
    } else if crowd.1 < LITTLE_CROWD {
        say(
            doubts,
            "Few to compare with",
            format!(
                "only {} of everybody else: rates measured on ordinary posts elsewhere, which weigh as much as 50 posts, stand in for a part",
                text_format::count(crowd.1, "post")
            ),
        );
    }
    if near.1 < description::FEWEST_NEAR {
        say(
            doubts,
            "Its own circle was not compared with",
            format!(
                "{} of people near the group, and it takes {} to compare with them: others of the same circle may repeat each other as often",
                text_format::count(near.1, "post"),
                description::FEWEST_NEAR
            ),
        );
    } else if group.1 > 0 && near.0 > 0 {
        let times = (group.0 as f64 / group.1 as f64) / (near.0 as f64 / near.1 as f64);
        if times < CLEARLY {
            say(
                doubts,
                "People near it do so too",
                format!(
                    "they repeat the group in {} of their posts, and members each other in {}",
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
            format!("{} since it was proposed: its rates are rough", text_format::count(group.1, "post")),
        );
    }
    let own =
        |counts: &[u64; 5]| counts[Outcome::OwnWords as usize] as f64 / description::repeats(counts).1.max(1) as f64;
    let own_words = c.windows.iter().map(|window| own(&window.group)).fold(0.0, f64::max);
    if own_words < OWN_WORDS {
        let share = if own_words > 0.0 { text_format::percent(own_words) } else { "no part".to_owned() };
        say(
            doubts,
            "Few own words repeated",
            format!(
                "{share} of the group's posts repeat another member's own words; real newsrooms come to 29 %, and operations with copied texts to 40 % and more"
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
            "Much stands on one source",
            format!(
                "{} {} gives {} of the gains; {} nats are left without it",
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
                "It would not pass today",
                format!(
                    "it passed once, and what it did since then has brought it {} nats below the bar",
                    text_format::number(-over)
                ),
            );
        } else if over < CLOSE {
            say(doubts, "Close to the bar", format!("it passes by {} nats", text_format::number(over)));
        }
    }
    if best.losses < 0.0 {
        say(
            doubts,
            "Posts that speak against it",
            format!(
                "{} of the group's repeat no other member: what was lost, {} nats, is counted",
                text_format::count(group.1 - group.0, "post"),
                text_format::number(best.losses)
            ),
        );
    }
    let unlisted = c.unlisted.nats.get(c.best_window()).copied().unwrap_or_default();
    if gains > 0.0 && unlisted / gains > UNLISTED {
        say(
            doubts,
            "Not all of it can be shown",
            format!(
                "{} of the gains, from {}, came with no post to look at",
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
            "Much is of one kind",
            format!("{} give {share} of the {what}", description::trace_kind(*kind).things),
        );
    }
}

/// Who is named on how much.
fn of_accounts(c: &ClusterMessage, doubts: &mut Vec<Doubt>) {
    let named: Vec<_> =
        c.accounts.iter().filter_map(|account| account.posterior.map(|posterior| (posterior, account))).collect();
    let all = text_format::thousands(named.len() as u64);
    let close = named.iter().filter(|(posterior, _)| *posterior < NEAR_THE_BAR).count();
    if let Some((posterior, weakest)) = named.iter().min_by(|a, b| a.0.total_cmp(&b.0)).filter(|_| close > 0) {
        let name = if weakest.account_name.is_empty() { &weakest.account_id } else { &weakest.account_name };
        say(
            doubts,
            "Accounts near the bar",
            format!(
                "{close} of {all} are named with less than 95 %, {} with the least, {}; look at each by itself before it is named, they are \
                 named from 90 %",
                text_format::shorten(name, 40),
                text_format::percent(*posterior)
            ),
        );
    }
    let afterwards = named.iter().filter(|(_, account)| !account.proposed && !account.elsewhere).count();
    if afterwards > 0 {
        say(
            doubts,
            "Accounts found afterwards",
            format!(
                "{afterwards} of {all} were not in the group that was tested: a model found them, and its probabilities are no guarantee"
            ),
        );
    }
    let elsewhere = named.iter().filter(|(_, account)| account.elsewhere).count();
    if elsewhere > 0 {
        say(
            doubts,
            "Accounts of other groups",
            format!(
                "{elsewhere} of {all} are named by groups that were merged into this one: neither these numbers nor the model are about them"
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
            "Much stands on one source",
            format!(
                "{} {} gives {} of the evidence; {} nats are left without it",
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
            "Keys that speak against it",
            format!(
                "on {} of those listed they did not act together as expected: {} nats, which are counted",
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
            "Not all members are alike",
            format!(
                "the weakest, {}, has {} nats; look at it by itself before it is named",
                text_format::shorten(name, 40),
                text_format::number(weak.log_e)
            ),
        );
    }
}

/// Innocent groups that look like this, and how to tell.
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
            check: "Is there a page, an app or an announcement that gives the text ready to post, or that asks for just these words?",
        });
        out.push(Innocent {
            what: "Quotations, songs, greetings and jokes",
            here: members(),
            check: "Would people write these words without having read them in another post?",
        });
        return out;
    }
    out.push(Innocent {
        what: "Fans or readers of one source",
        here: match description::best_source(c) {
            Some(best) => {
                format!("strongest source: {} {}", best.kind, text_format::shorten(&best.source, 60))
            }
            None => "no source came with the finding".to_owned(),
        },
        check: "Do they meet on things that come from elsewhere too? Is the source one that people follow with notifications on?",
    });
    out.push(Innocent {
        what: "A party, a parliament, a newsroom or a campaign that says who it is",
        here: match description::best_window(c) {
            Some(best) => {
                let (near, of_near) = description::repeats(&best.near);
                match of_near {
                    0 => "nobody near the group repeats it".to_owned(),
                    _ => format!("people near the group repeat it in {} of their posts", text_format::part(near, of_near)),
                }
            }
            None => "people near the group were not counted".to_owned(),
        },
        check: "Is it the accounts' declared work or cause to repeat one another? The test finds such groups rightly: they are coordinated, and hide nothing.",
    });
    out.push(Innocent {
        what: "News of the moment",
        here: format!("seen over {}", text_format::span_in_words(c.first_seen, c.last_seen)),
        check: "Did everybody share these in that hour? Are the bursts at the times of public events?",
    });
    if share(TraceKind::Url) > 0.0 || share(TraceKind::Text) > 0.0 {
        out.push(Innocent {
            what: "Share buttons and calls to action",
            here: format!("links {}, texts {}", of(TraceKind::Url), of(TraceKind::Text)),
            check: "Is there a page that gives the text ready to post: a petition, a charity, a union, an employer?",
        });
    }
    out.push(Innocent {
        what: "Scheduling tools and declared bots",
        here: match gap {
            Some(gap) if close(gap) => {
                format!("typically {} apart, closer than people manage by hand", text_format::seconds_in_words(gap))
            }
            Some(gap) => format!("typically {} apart, which people manage by hand", text_format::seconds_in_words(gap)),
            None => "no typical gap is known".to_owned(),
        },
        check: "Do the accounts say what they are? A newsroom's regional accounts act in lockstep and hide nothing.",
    });
    out.push(Innocent {
        what: "A community that knows each other",
        here: members(),
        check: "Do they also talk to each other, and post of other things? Persecuted groups organise closely, and are harmed most by a wrong name.",
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
        let always =
            ["The model may be wrong", "Posts that speak against it", "Accounts found afterwards", "Not known"];
        assert!(always.iter().all(|what| has(&c, what)), "{:?}", whats(&c));
        type Change = fn(&mut ClusterMessage);
        let cases: [(&str, Change); 14] = [
            ("Nobody to compare with", |c| c.windows[1].crowd = [0; 5]),
            ("Few to compare with", |c| c.windows[1].crowd = [0, 0, 0, 0, 449]),
            ("Its own circle was not compared with", |c| c.windows[1].near = [0, 0, 0, 0, 49]),
            ("People near it do so too", |c| c.windows[1].near = [0, 0, 0, 50, 50]),
            ("Few posts of the group", |c| c.windows[1].group = [20, 0, 0, 0, 19]),
            ("Few own words repeated", |c| c.windows.iter_mut().for_each(|w| w.group = [29, 0, 0, 30, 41])),
            ("Much stands on one source", |c| {
                c.sources[0].nats *= 20.0;
                c.sources[0].by_window = c.sources[0].by_window.map(|nats| nats * 20.0);
            }),
            ("Much is of one kind", |c| *c.traces.get_mut(&TraceKind::Url).unwrap() *= 60.0),
            ("It would not pass today", |c| c.log_e_leave_one_source_out = c.test.unwrap().bar - 0.1),
            ("Close to the bar", |c| c.log_e_leave_one_source_out = c.test.unwrap().bar + 0.1),
            ("Not all of it can be shown", |c| c.unlisted.nats[1] = 1e3),
            ("Accounts near the bar", |c| c.accounts[3].posterior = Some(0.94)),
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
        assert!(has(&old, "An older test") && !has(&old, "Nobody to compare with"));
        let one = fixtures::one_text("t", 34);
        assert_eq!(whats(&one), ["A count is no test"]);
        assert!(innocents(&one)[0].what.contains("petitions"));
        assert!(has(&fixtures::near_miss("n"), "It did not pass"));
        assert!(!has(&fixtures::near_miss("n"), "The model may be wrong"));
    }
}
