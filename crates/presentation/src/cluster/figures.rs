//! The figures of a cluster, and the texts about the naming of accounts.

use messages::cluster::{ClusterMessage, Status};

use crate::description;

/// How many accounts of the proposed group are not named, and why. `None` if no account or every account
/// was named.
pub(super) fn not_named(c: &ClusterMessage) -> Option<String> {
    let proposed = c.test.filter(|_| !c.namings.is_empty())?.proposed as u64;
    let named = c.accounts.iter().filter(|account| account.proposed && !account.elsewhere).count() as u64;
    let left = proposed.saturating_sub(named);
    (left > 0).then(|| {
        format!(
            "{} of the {} that were proposed {} not named: they posted too little during the test, or their posts are too much like \
             everybody else's, to show that they are members.",
            text_format::thousands(left),
            text_format::count(proposed, "account"),
            if left == 1 { "is" } else { "are" },
        )
    })
}

/// How the accounts were named. `None` if no account was named.
pub(super) fn naming(c: &ClusterMessage) -> Option<String> {
    let naming = c.namings.first()?;
    let more = match c.namings.len() {
        1 => String::new(),
        n => {
            format!(" {} of merged groups were named in the same way.", text_format::count(n as u64 - 1, "further set"))
        }
    };
    Some(format!(
        "Accounts are named after the group has passed the test. A model compares every account's posts from {} to {} UTC with the group's posts \
         and with the posts of {} active at the same time. It estimates that {} of the proposed accounts are members, {} of the other accounts \
         are members, and {} of members' posts are ordinary posts (cover). Each account's strongest sources are left out first. The result is \
         a model's probability, not a guarantee.{more}",
        text_format::minute(naming.from),
        text_format::minute(naming.until),
        text_format::count(naming.others, "other account"),
        text_format::percent(naming.share_proposed),
        text_format::percent(naming.share_others),
        text_format::percent(naming.cover),
    ))
}

pub(super) fn figures(c: &ClusterMessage) -> Vec<(&'static str, String, String)> {
    let posts: usize = c.evidence.iter().map(|e| e.posts.len()).sum();
    let none = || "none".to_owned();
    let mut figures = vec![match c.probability {
        Some(probability) => (
            "Probability",
            text_format::percent(probability),
            "that the coordination is inauthentic, by the model".to_owned(),
        ),
        None if description::is_count(c) => ("Probability", none(), "a count has no probability".to_owned()),
        None => ("Probability", none(), "no model has judged the group".to_owned()),
    }];
    figures.push(if description::is_count(c) {
        ("Evidence", none(), "a count, not a test".to_owned())
    } else {
        let without = format!("{} without the strongest source", text_format::number(c.log_e_leave_one_source_out));
        let note = match c.test {
            Some(test) => {
                format!("{without}; the threshold {} {}", description::was(c.status), text_format::number(test.bar))
            }
            None => without,
        };
        ("Evidence", format!("{} nats", text_format::number(c.log_e)), note)
    });
    if let Some(best) = description::best_window(c) {
        let [group, crowd] = [&best.group, &best.crowd].map(description::repeats);
        figures.push((
            "Repeat each other",
            text_format::part(group.0, group.1),
            format!(
                "of their posts, within {}; everybody else: {}",
                description::window(best.seconds),
                text_format::part(crowd.0, crowd.1)
            ),
        ));
    }
    let afterwards = c.accounts.iter().filter(|account| !account.proposed && !account.elsewhere).count();
    let found = if afterwards > 0 { format!("; {afterwards} found later") } else { String::new() };
    figures.extend([
        (
            if c.status == Status::NearMiss { "Accounts proposed" } else { "Accounts" },
            text_format::thousands(description::size(c)),
            format!("on {}{found}", text_format::list(&description::platforms(c))),
        ),
        if description::is_count(c) {
            ("Wrote", "one text".to_owned(), format!("in {}", text_format::count(posts as u64, "post")))
        } else {
            (
                "Acted together on",
                text_format::count(c.evidence.len() as u64, "key"),
                format!("in {}", text_format::count(posts as u64, "post")),
            )
        },
        (
            "Seen",
            text_format::span_in_words(c.first_seen, c.last_seen),
            format!("{} to {} UTC", text_format::minute(c.first_seen), text_format::minute(c.last_seen)),
        ),
        (
            "Groups tested",
            text_format::thousands(c.candidates_tested),
            if description::is_count(c) {
                "groups proposed so far; this text is not one of them".to_owned()
            } else {
                format!(
                    "groups proposed so far, with {} of earlier posts",
                    text_format::hours_in_words(c.history_hours)
                )
            },
        ),
    ]);
    figures
}
