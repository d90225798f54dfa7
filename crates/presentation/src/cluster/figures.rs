//! The figures of a cluster, and what is said of its naming.

use messages::cluster::{ClusterMessage, Status};

use crate::description;

/// How many accounts of the group as it was proposed are not named, and why; `None` where nobody was named or all were.
pub(super) fn not_named(c: &ClusterMessage) -> Option<String> {
    let proposed = c.test.filter(|_| !c.namings.is_empty())?.proposed as u64;
    let named = c.accounts.iter().filter(|account| account.proposed && !account.elsewhere).count() as u64;
    let left = proposed.saturating_sub(named);
    (left > 0).then(|| {
        format!(
            "{} of the {} that were proposed {} not named: what they posted while the group was looked at is too little, or too much like \
             everybody else's, to say that they belong to it.",
            text_format::thousands(left),
            text_format::count(proposed, "account"),
            if left == 1 { "is" } else { "are" },
        )
    })
}

/// How accounts were named, in words; `None` where nobody was.
pub(super) fn naming(c: &ClusterMessage) -> Option<String> {
    let naming = c.namings.first()?;
    let more = match c.namings.len() {
        1 => String::new(),
        n => {
            format!(" {} of merged groups were named in the same way.", text_format::count(n as u64 - 1, "further set"))
        }
    };
    Some(format!(
        "Accounts are named after the group has passed, by a model that looks at every account's posts from {} to {} UTC and asks \
         whether they are like the group's or like those of {} active meanwhile. It takes {} of the proposed accounts for members, and \
         {} of the others, and {} of real members' posts for cover, like everybody else's. Each account's best sources are left out first. \
         This is a model's probability, not a guarantee.{more}",
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
        None if description::is_count(c) => ("Probability", none(), "a count has none".to_owned()),
        None => ("Probability", none(), "no model has judged it".to_owned()),
    }];
    figures.push(if description::is_count(c) {
        ("Evidence", none(), "a count is no test".to_owned())
    } else {
        let without = format!("{} without the strongest source", text_format::number(c.log_e_leave_one_source_out));
        let note = match c.test {
            Some(test) => {
                format!("{without}; the bar {} {}", description::was(c.status), text_format::number(test.bar))
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
    let found = if afterwards > 0 { format!("; {afterwards} found afterwards") } else { String::new() };
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
            "One of",
            text_format::thousands(c.candidates_tested),
            if description::is_count(c) {
                "groups proposed so far; it was not one of them".to_owned()
            } else {
                format!("groups proposed so far, with {} of history", text_format::hours_in_words(c.history_hours))
            },
        ),
    ]);
    figures
}
