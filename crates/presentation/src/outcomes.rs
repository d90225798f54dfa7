//! The counts of the test, by window: how often members, everybody else and the people near the group
//! repeat a member. The same counts for one account.

use messages::cluster::{ClusterAccount, ClusterMessage, Outcome, Window};

use super::svg;
use crate::description;

/// One window of the test.
pub struct WindowView {
    pub name: String,
    pub best: bool,
    pub nats: String,
    pub losses: String,
    pub rows: Vec<OutcomeRow>,
}

/// The posts of one set of accounts, by outcome.
pub struct OutcomeRow {
    pub who: &'static str,
    pub posts: String,
    /// Share of posts that repeat another member.
    pub repeats: String,
    pub bar: String,
    /// Shares by outcome, the rarest first, without *nothing*.
    pub parts: Vec<String>,
}

/// Meaning of a colour of the bars.
pub struct Legend {
    pub class: &'static str,
    pub name: &'static str,
    pub means: &'static str,
}

/// Outcomes of posts that repeat another member, the rarest first.
const REPETITIONS: [Outcome; 4] = [Outcome::OwnWords, Outcome::Rare, Outcome::Middling, Outcome::Common];

fn class(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::OwnWords => "o-own",
        Outcome::Rare => "o-rare",
        Outcome::Middling => "o-middling",
        Outcome::Common => "o-common",
        Outcome::Nothing => "track",
    }
}

pub fn legend() -> Vec<Legend> {
    let entry = |outcome| Legend {
        class: class(outcome),
        name: description::outcome(outcome),
        means: description::outcome_in_full(outcome),
    };
    REPETITIONS.map(entry).into()
}

/// Names of the columns of [`OutcomeRow::parts`].
pub fn headings() -> [&'static str; 4] {
    REPETITIONS.map(description::outcome)
}

/// The windows of the test. Empty if the finding is not by this test.
pub fn windows(c: &ClusterMessage) -> Vec<WindowView> {
    let best = c.best_window();
    let view = |(place, window): (usize, &Window)| WindowView {
        name: description::window(window.seconds),
        best: place == best,
        nats: text_format::number(window.nats),
        losses: text_format::number(window.losses),
        rows: vec![
            row("the group", &window.group),
            row("people near it", &window.near),
            row("everybody else", &window.crowd),
        ],
    };
    c.windows.iter().enumerate().map(view).collect()
}

/// Whether there is a window in which only own words count: one of a day or more.
pub fn only_own_words(c: &ClusterMessage) -> bool {
    c.windows.iter().any(|window| window.seconds >= 86_400)
}

fn row(who: &'static str, counts: &[u64; 5]) -> OutcomeRow {
    let (repeats, all) = description::repeats(counts);
    OutcomeRow {
        who,
        posts: text_format::thousands(all),
        repeats: text_format::part(repeats, all),
        bar: bar(counts),
        parts: REPETITIONS
            .map(|outcome| match all {
                0 => "\u{2013}".to_owned(),
                all => text_format::part(counts[outcome as usize], all),
            })
            .into(),
    }
}

fn bar(counts: &[u64; 5]) -> String {
    let all = description::repeats(counts).1.max(1) as f64;
    svg::parts(REPETITIONS.map(|outcome| (class(outcome), counts[outcome as usize] as f64 / all)))
}

/// The outcomes of an account's posts, as a bar and as text. `None` if no post has an outcome.
pub fn of_account(account: &ClusterAccount) -> Option<(String, String)> {
    let counts = account.outcomes.map(u64::from);
    let (repeats, all) = description::repeats(&counts);
    let parts: Vec<String> = REPETITIONS
        .into_iter()
        .filter(|outcome| counts[*outcome as usize] > 0)
        .map(|outcome| {
            format!("{} {}", text_format::thousands(counts[outcome as usize]), description::outcome(outcome))
        })
        .collect();
    let text = match parts.is_empty() {
        true => format!("none of {}", text_format::thousands(all)),
        false => format!(
            "{} of {}: {}",
            text_format::thousands(repeats),
            text_format::thousands(all),
            text_format::list(&parts)
        ),
    };
    (all > 0).then(|| (bar(&counts), text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn a_table_shows_the_group_beside_the_others() {
        let mut c = fixtures::cluster("a", 1);
        c.windows[1].group = [10, 5, 0, 5, 80];
        c.windows[1].crowd = [0, 0, 0, 0, 1_200];
        c.windows[1].near = [0; 5];
        let views = windows(&c);
        assert_eq!(
            views.iter().map(|view| view.name.as_str()).collect::<Vec<_>>(),
            ["10 minutes", "2 hours", "24 hours"]
        );
        let rows = &views[1].rows;
        assert_eq!((&*rows[0].posts, &*rows[0].repeats), ("100", "20 %"));
        assert_eq!(rows[0].parts, ["10 %", "5 %", "0 %", "5 %"]);
        assert_eq!((&*rows[1].repeats, &*rows[1].parts[0]), ("none seen", "\u{2013}"));
        assert_eq!((&*rows[2].posts, &*rows[2].repeats), ("1,200", "0 %"));
        assert!(only_own_words(&c));
        c.windows.pop();
        assert!(!only_own_words(&c));
        // The bar: a tenth, a twentieth and a twentieth of 200.
        for part in ["o-own\" x=\"0\"", "width=\"20\"", "o-rare\" x=\"20\"", "o-common\" x=\"30\""] {
            assert!(rows[0].bar.contains(part), "{part}: {}", rows[0].bar);
        }
    }

    #[test]
    fn an_account_has_its_own_outcomes() {
        let mut account = fixtures::cluster("a", 1).accounts[0].clone();
        account.outcomes = [3, 0, 1, 0, 6];
        assert_eq!(of_account(&account).unwrap().1, "4 of 10: 3 own words and 1 middling");
        account.outcomes = [0, 0, 0, 0, 2];
        assert_eq!(of_account(&account).unwrap().1, "none of 2");
        account.outcomes = [0; 5];
        assert!(of_account(&account).is_none());
    }
}
