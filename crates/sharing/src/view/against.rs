//! What would speak against a finding: what weakens it by its own numbers, and which innocent groups look alike.

use messages::cluster::ClusterMessage;

use crate::words;

/// Share of the evidence from one source above which it is worth a word.
const ONE_SOURCE: f64 = 0.5;
/// Share of the evidence from one kind of trace above which it is worth a word.
const ONE_KIND: f64 = 0.8;
/// Seconds: a human group that follows one source rarely acts as close together.
const HUMAN_GAP_S: f64 = 120.0;
/// Groups as small as this are found on little.
const SMALL: usize = 5;

/// Reasons of the model that are named.
const COUNTED: usize = 3;

/// One thing that weakens the finding, with its number.
pub(crate) struct Doubt {
    pub what: String,
    pub detail: String,
}

/// An innocent explanation, what speaks for it in this finding if anything does, and how to find out.
pub(crate) struct Innocent {
    pub what: &'static str,
    pub here: String,
    pub check: &'static str,
}

/// What weakens the finding, by its own numbers; empty where nothing of the kind was found.
pub(crate) fn doubts(c: &ClusterMessage) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    let mut doubt = |what: &str, detail: String| doubts.push(Doubt { what: what.to_owned(), detail });
    if c.probability.is_finite() {
        let error = words::percent(1.0 - c.probability);
        doubt(
            "The model may be wrong",
            format!(
                "by its own account {error} of findings that look like this one are not inauthentic; on data unlike what it was trained on, more"
            ),
        );
    }
    if let Some(best) = c.sources.first()
        && c.log_e > 0.0
        && best.nats / c.log_e > ONE_SOURCE
    {
        let share = words::percent(best.nats / c.log_e);
        doubt(
            "Much stands on one source",
            format!(
                "{} {} gives {share} of the evidence; {} nats are left without it",
                words::shorten(&best.kind, 24),
                words::shorten(&best.source, 60),
                words::number(c.log_e_leave_one_source_out)
            ),
        );
    }
    if let Some((kind, nats)) = c.traces.iter().max_by(|a, b| a.1.total_cmp(b.1))
        && c.log_e > 0.0
        && nats / c.log_e > ONE_KIND
    {
        let share = words::percent(nats / c.log_e);
        doubt("Much is of one kind", format!("{} give {share} of the evidence", words::kind_label(kind)));
    }
    if c.history_hours < 24.0 {
        let hours = words::hours_in_words(c.history_hours);
        doubt("Little history", format!("only {hours} of earlier posts: habits are hardly known"));
    }
    if c.accounts.len() <= SMALL {
        doubt(
            "A small group",
            format!("{}: chance and friendship go a long way", words::count(c.accounts.len() as u64, "account")),
        );
    }
    let against: Vec<_> = c.evidence.iter().filter(|key| key.nats < 0.0).collect();
    if !against.is_empty() || c.unlisted.nats < 0.0 {
        let nats: f64 = against.iter().map(|key| key.nats).sum::<f64>() + c.unlisted.nats.min(0.0);
        doubt(
            "Keys that speak against it",
            format!(
                "on {} of those tested they did not act together as expected: {} nats, which are counted",
                words::count(against.len() as u64 + c.unlisted.keys, "key"),
                words::number(nats)
            ),
        );
    }
    for reason in c.reasons.iter().filter(|reason| reason.contribution < 0.0).take(COUNTED) {
        doubt("The model counts against it", words::shorten(&reason.text, 240));
    }
    let unknown: Vec<String> =
        c.reasons.iter().filter(|r| r.value.is_none()).map(|r| words::shorten(&r.feature, 60)).take(6).collect();
    if !unknown.is_empty() {
        doubt("Not known", format!("{}; what is not known counts neither way", words::list(&unknown)));
    }
    let weak = c.accounts.last().filter(|weak| c.accounts.first().is_some_and(|first| weak.log_e < first.log_e / 4.0));
    if let Some(weak) = weak {
        let name = if weak.account_name.is_empty() { &weak.account_id } else { &weak.account_name };
        doubt(
            "Not all members are alike",
            format!(
                "the weakest, {}, has {} nats; look at it by itself before it is named",
                words::shorten(name, 40),
                words::number(weak.log_e)
            ),
        );
    }
    doubts
}

/// Innocent groups that look like this, and how to tell.
pub(crate) fn innocents(c: &ClusterMessage) -> Vec<Innocent> {
    let gap = words::typical_gap_s(c);
    let close = |gap: f64| gap < HUMAN_GAP_S;
    let share = |kind: &str| c.traces.get(kind).filter(|_| c.log_e > 0.0).map_or(0.0, |nats| nats / c.log_e);
    let of = |kind: &str| format!("{} of the evidence", words::percent(share(kind).max(0.0)));
    let mut out = Vec::new();
    out.push(Innocent {
        what: "Fans or readers of one source",
        here: match c.sources.first() {
            Some(best) => {
                format!("strongest source: {} {}", words::shorten(&best.kind, 24), words::shorten(&best.source, 60))
            }
            None => "no source came with the finding".to_owned(),
        },
        check: "Do they meet on things that come from elsewhere too? Is the source one that people follow with notifications on?",
    });
    out.push(Innocent {
        what: "News of the moment",
        here: format!("seen over {}", words::span_in_words(c.first_seen, c.last_seen)),
        check: "Did everybody share these in that hour? Are the bursts at the times of public events?",
    });
    if share("url") > 0.0 || share("text") > 0.0 {
        out.push(Innocent {
            what: "Share buttons and calls to action",
            here: format!("links {}, texts {}", of("url"), of("text")),
            check: "Is there a page that gives the text ready to post: a petition, a charity, a union, an employer?",
        });
    }
    out.push(Innocent {
        what: "Scheduling tools and declared bots",
        here: match gap {
            Some(gap) if close(gap) => {
                format!("typically {} apart, closer than people manage by hand", words::seconds_in_words(gap))
            }
            Some(gap) => format!("typically {} apart, which people manage by hand", words::seconds_in_words(gap)),
            None => "no typical gap is known".to_owned(),
        },
        check: "Do the accounts say what they are? A newsroom's regional accounts act in lockstep and hide nothing.",
    });
    out.push(Innocent {
        what: "A community that knows each other",
        here: format!("{} on {}", words::count(c.accounts.len() as u64, "account"), words::list(&words::platforms(c))),
        check: "Do they also talk to each other, and post of other things? Persecuted groups organise closely, and are harmed most by a wrong name.",
    });
    out
}
