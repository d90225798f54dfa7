//! An explanation as plain text.

use std::fmt::{self, Display, Formatter};

use messages::cluster::{Outcome, Status, Why};

use super::super::arithmetic::TOLERANCE;
use super::super::text::{Compared, WIDE, shown, tidy, write_head, write_hypothesis, write_verdict};
use super::outcomes::{IMAGINED, words};
use super::{Explanation, KeyArithmetic, Member, Source, Window};

impl Display for Explanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.head(f)?;
        self.test(f)?;
        self.keys(f)?;
        self.sums(f)?;
        self.members(f)?;
        if let Some(score) = &self.score {
            score.write(f)?;
        }
        let unknown = usize::from(self.score.as_ref().is_some_and(|score| score.score.why_not.is_some()));
        write_verdict(f, &self.contradictions, unknown)
    }
}

impl Explanation {
    fn head(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_head(f, (&self.cluster_id, self.version, self.status), [self.first_seen, self.last_seen])?;
        if let Some(other) = &self.split_from {
            writeln!(f, "Split from {}, which continues with other accounts.", shown(other))?;
        }
        if !self.near_misses.is_empty() {
            let ids: Vec<String> = self.near_misses.iter().map(|id| shown(id)).collect();
            writeln!(f, "Reported before it passed, as near misses: {}.", ids.join(", "))?;
        }
        if self.why == Some(Why::OneText) {
            return writeln!(
                f,
                "ONE TEXT BY MANY ACCOUNTS: {} accounts wrote nearly the same text. This is a count, not a test: it has no e-value and no\n\
                 probability, no model has judged it, and it is never flagged. A greeting, a slogan or a share button has the same effect.\n",
                self.accounts as u64 + self.unlisted.accounts
            );
        }
        if self.why == Some(Why::NotPlain) {
            writeln!(
                f,
                "NOT PLAIN: by the model's probability the group is inauthentic, but its behaviour is not plain. Either fewer than two in five of its\n\
                 posts repeat members' own words, and half of the members who use an object take longer than a minute; or the group does not pass\n\
                 without reposts of unknown authors, who may all be one account. So it is coordinated and not flagged."
            )?;
        }
        if self.why == Some(Why::BestSource) {
            writeln!(
                f,
                "ON ITS BEST SOURCE ONLY: the group passes the test with all sources, but not without the best of them. People who follow the\n\
                 same source look like this as well, so it is never flagged."
            )?;
        }
        if let (Status::NearMiss, Some(bar)) = (self.status, self.bar) {
            writeln!(
                f,
                "NEAR MISS: this group did NOT pass the test. Nothing is claimed about these accounts: they were proposed as a group, nobody is\n\
                 named, and no model has judged them. Its evidence without the best source is {:.4} nats, and the threshold is {:.4}.",
                bar.statistic, bar.bar.recorded
            )?;
            if bar.above < 0.0 {
                writeln!(
                    f,
                    "{:.4} nats are missing. It passes if its members repeat each other often enough on other sources than the best one to gain\n\
                     them; one post gives at most 4.",
                    -bar.above
                )?;
            } else {
                writeln!(
                    f,
                    "The threshold fell below its evidence after the group was last tested. It is tested again when a member posts."
                )?;
            }
        }
        if self.status == Status::Faded {
            writeln!(
                f,
                "FADED: the group passed once, but its last days alone would not pass, and no three accounts can be named now."
            )?;
        }
        write_hypothesis(
            f,
            "these accounts repeat each other at most twice as often as everybody else\n\
             does, and as the accounts around them do",
        )
    }

    fn test(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(terms) = self.terms else { return Ok(()) };
        writeln!(f, "TEST: how often do posts repeat what a member of the group did shortly before?")?;
        writeln!(
            f,
            "  The group was proposed at {}, with {} accounts. Of each later post, the rarest object counts that another member used within the\n  \
             window before it: own words, or a tag, link, repost or mention that is rare, middling or common outside the group. The accounts\n  \
             around the group are those that repeated its words before and are not tied to it.",
            terms.born, terms.proposed
        )?;
        for (place, window) in self.windows.iter().enumerate() {
            write_window(f, window, place == self.best_window)?;
        }
        writeln!(f)
    }

    fn keys(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let tested = self.terms.is_some();
        if tested {
            writeln!(f, "KEYS: which posts repeated what?")?;
            writeln!(
                f,
                "  A post gives ln(g / h) nats, at most 4: g is the group's own rate of this outcome before, h is {} times the rate of others.\n  \
                 A post without numbers came first, gave its gain to another key, had no bet, or was made before the group was proposed.\n",
                self.terms.map_or(0.0, |terms| terms.safety)
            )?;
        } else {
            writeln!(f, "POSTS\n")?;
        }
        self.keys.iter().try_for_each(|key| write_key(f, key, &self.windows, self.best_window, tested))
    }

    fn sums(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let unlisted = self.unlisted;
        if unlisted.posts > 0 {
            writeln!(f, "  {} more posts without a gain did not fit into this line\n", unlisted.posts)?;
        }
        let (Some(terms), Some(bar)) = (self.terms, self.bar) else { return Ok(()) };
        writeln!(f, "SUMS, nats in the best window ({})", within(self.windows.get(self.best_window)))?;
        if unlisted.trials > 0 {
            let nats = unlisted.nats.get(self.best_window).copied().unwrap_or_default();
            writeln!(f, "  {} more posts with a gain are not listed: {nats:+.4} together", unlisted.trials)?;
        }
        // Most sources have a single gain: those without a listed key share one line.
        let listed = |place: usize, source: &Source| source.keys > 0 || self.left_out == Some(place);
        let names = self.sources.iter().enumerate().filter(|(place, source)| listed(*place, source));
        let width = names.clone().map(|(_, source)| label(source).chars().count()).max().unwrap_or(0).clamp(24, WIDE);
        writeln!(f, "  {:width$}    keys      listed         all  log_e without it", "source")?;
        for (place, source) in names {
            let (listed, all) =
                (in_window(source.listed, self.best_window), in_window(source.recorded, self.best_window));
            writeln!(
                f,
                "  {:width$} {:7} {:+11.4} {:+11.4} {:17.4}{}",
                label(source),
                source.keys,
                tidy(listed),
                tidy(all),
                source.without,
                if self.left_out == Some(place) { "  the best: left out" } else { "" }
            )?;
        }
        let rest: Vec<f64> = self
            .sources
            .iter()
            .enumerate()
            .filter(|(place, source)| !listed(*place, source))
            .map(|(_, source)| in_window(source.recorded, self.best_window))
            .collect();
        let more = rest.len() as u64 + unlisted.sources;
        if more > 0 {
            let nats = rest.iter().sum::<f64>() + in_window(unlisted.source_nats, self.best_window);
            writeln!(f, "  {:width$} {:7} {:+11.4} {nats:+11.4}", format!("{more} more, no key listed"), 0, 0.0)?;
        }
        writeln!(f, "  {:width$}    keys      listed         all", "trace")?;
        for trace in &self.traces {
            let (listed, all) = (tidy(trace.listed), tidy(trace.recorded));
            writeln!(f, "  {:width$} {:7} {listed:+11.4} {all:+11.4}", trace.kind, trace.keys)?;
        }
        writeln!(f, "  all evidence (log_e), ln of the mean of e^nats over the windows: {}", Compared(self.log_e))?;
        let best = match self.left_out {
            Some(_) => "without the best source",
            None => "no source has a gain, so none is left out",
        };
        writeln!(f, "  {best} (log_e_leave_one_source_out): {}", Compared(self.log_e_leave_one_source_out))?;
        writeln!(
            f,
            "  threshold of group number {} (from 0), after {} discoveries, at a false discovery rate of {}: {}",
            terms.number,
            terms.discoveries,
            terms.alpha,
            Compared(bar.bar)
        )?;
        let verdict = match (self.status, self.why) {
            (Status::NearMiss, _) if bar.above < 0.0 => "it is NOT reached, so nothing is claimed",
            _ if bar.above >= -TOLERANCE => "it is reached without the best source",
            (_, Some(Why::BestSource)) if self.log_e.recorded >= terms.bar - TOLERANCE => {
                "it is reached only with all sources"
            }
            _ => "it is not reached now; it was reached when the group passed, and a group that passed once remains",
        };
        writeln!(f, "  {verdict}\n")
    }

    fn members(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.namings.is_empty() {
            return self.unnamed(f);
        }
        writeln!(f, "MEMBERS: how much more likely are the acts of an account if it belongs to the group?")?;
        writeln!(
            f,
            "  A post has v = ln(g / {} h), limited to -4 to 4; a post that repeats nothing has ln(g / h), at most 0. g is the rate of the outcome\n  \
             among the proposed accounts without the account's own posts, h the rate among everybody else. Real members also post other\n  \
             things: with a share of cover, a post adds ln((1 - cover) x e^v + cover). The evidence of an account's best source is dropped; for\n  \
             a proposed account, also that of a second source before the proposal. The probability comes from a statistical model:\n  \
             1 / (1 + (1 - share) / share x e^-evidence).",
            self.terms.map_or(2.0, |terms| terms.safety)
        )?;
        for (place, naming) in self.namings.iter().enumerate() {
            writeln!(
                f,
                "  naming {}{}: posts from {} to {}; {:.4} of the proposed are members, {:.4} of {} others; cover {:.2}",
                place + 1,
                if self.is_own(place) {
                    ", by the cluster's own group"
                } else {
                    ", by a group that was merged into it"
                },
                naming.from,
                naming.until,
                naming.share_proposed,
                naming.share_others,
                naming.others,
                naming.cover
            )?;
            writeln!(f, "    {:10} {:>9} {:>9} {:>9} {:>11}", "outcome", "posts", "g", "h", "adds")?;
            for outcome in Outcome::ALL {
                let o = outcome as usize;
                writeln!(
                    f,
                    "    {:10} {:9} {:9.4} {:9.4} {:+11.4}",
                    words(outcome),
                    naming.group[o],
                    naming.g[o],
                    naming.h[o],
                    tidy(naming.adds[o])
                )?;
            }
        }
        let width = self.members.iter().map(|m| shown(&m.account).chars().count()).max().unwrap_or(0).clamp(7, WIDE);
        writeln!(
            f,
            "  {:width$} {:>9} {:>6} {:>6} {:>8} {:>6} {:>7} {:>9}  evidence, nats; probability",
            "account", "own words", "rare", "middl.", "common", "none", "naming", "dropped"
        )?;
        for member in &self.members {
            write_member(f, member, width, self.members.len() == 1)?;
        }
        writeln!(f)
    }

    /// Whether a naming comes from the cluster's own group: the first one does, and those of its
    /// members that are not from elsewhere.
    fn is_own(&self, naming: usize) -> bool {
        naming == 0 || self.own_namings.contains(&naming)
    }

    /// Accounts without a naming.
    fn unnamed(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let what = if self.why == Some(Why::OneText) { "wrote the text" } else { "are the group as proposed" };
        writeln!(f, "ACCOUNTS: {} {what}", self.accounts as u64 + self.unlisted.accounts)?;
        if self.unlisted.accounts > 0 {
            writeln!(f, "  The engine remembers no names for {} of them", self.unlisted.accounts)?;
        }
        for member in &self.members {
            write!(f, "  {} {}", shown(&member.account), shown(&member.account_name))?;
            match member.log_e.agrees() {
                true => writeln!(f)?,
                false => writeln!(f, ": {}", Compared(member.log_e))?,
            }
        }
        writeln!(f)
    }
}

fn write_window(f: &mut Formatter<'_>, window: &Window, best: bool) -> fmt::Result {
    let total = |counts: &[u64; 5]| counts.iter().fold(0, |sum: u64, count| sum.saturating_add(*count));
    let who = [("members", &window.group), ("everybody else", &window.crowd), ("accounts around", &window.near)];
    write!(f, "\n  {:24}", within(Some(window)))?;
    who.iter().try_for_each(|(who, _)| write!(f, " {who:>20}"))?;
    writeln!(f)?;
    for outcome in Outcome::ALL {
        write!(f, "    {:22}", words(outcome))?;
        for (_, counts) in who {
            let count = counts[outcome as usize];
            match total(counts) {
                0 => write!(f, " {count:>9} {:>10}", "-")?,
                all => write!(f, " {count:>9} {:>8.2} %", 100.0 * count as f64 / all as f64)?,
            }
        }
        writeln!(f)?;
    }
    let repeat = |counts: &[u64; 5]| {
        let (all, nothing) = (total(counts), counts[Outcome::Nothing as usize]);
        (all > 0).then(|| all.saturating_sub(nothing) as f64 / all as f64)
    };
    let [members, crowd, near] = [window.group, window.crowd, window.near].map(|counts| repeat(&counts));
    if let Some(members) = members {
        write!(f, "    Members repeat each other in {:.1} % of their {} posts", 100.0 * members, total(&window.group))?;
        for (who, share) in [("everybody else repeats them", crowd), ("the accounts around them do", near)] {
            if let Some(share) = share {
                write!(f, "; {who} in {:.1} %", 100.0 * share)?;
            }
        }
        writeln!(f, ".")?;
    }
    if total(&window.crowd) < 50 {
        writeln!(
            f,
            "    So few others were seen that an imagined crowd replaces most of them: own words {}, rare {}, middling {}, common {}.",
            IMAGINED[0], IMAGINED[1], IMAGINED[2], IMAGINED[3]
        )?;
    }
    writeln!(
        f,
        "    gains {:+.4}, losses {:+.4}: {} nats{}",
        tidy(window.listed + window.unlisted),
        tidy(window.losses),
        Compared(window.nats),
        if best { ", the best window" } else { "" }
    )
}

fn write_key(f: &mut Formatter<'_>, key: &KeyArithmetic, windows: &[Window], best: usize, tested: bool) -> fmt::Result {
    let source = if key.source == key.key && key.source_kind == key.kind {
        "its own source".to_owned()
    } else if key.source_kind == key.kind {
        format!("source {}", shown(&key.source))
    } else {
        format!("source {} ({})", shown(&key.source), key.source_kind)
    };
    writeln!(f, "{}. {} {}, {source}", key.number, key.kind, shown(&key.key))?;
    let width = key.posts.iter().map(|post| shown(&post.account).chars().count()).max().unwrap_or(0).clamp(7, WIDE);
    if tested {
        writeln!(
            f,
            "   {:width$}  {:24} {:18} {:10} {:>9} {:>9} {:>9}",
            "post by", "at", "", "outcome", "g", "h", "nats"
        )?;
    }
    for post in &key.posts {
        let (account, at) = (shown(&post.account), post.at.to_string());
        if post.gains.is_empty() {
            writeln!(f, "   {account:width$}  {at}")?;
        }
        for (place, gain) in post.gains.iter().enumerate() {
            let (account, at) = if place == 0 { (account.as_str(), at.as_str()) } else { ("", "") };
            writeln!(
                f,
                "   {account:width$}  {at:24} {:18} {:10} {:9.4} {:9.4} {:+9.4}",
                within(windows.get(gain.window)),
                words(gain.outcome),
                gain.g,
                gain.h,
                tidy(gain.nats)
            )?;
        }
    }
    if tested {
        write!(f, "   ")?;
        for (place, (figure, window)) in key.by_window.iter().zip(windows).enumerate() {
            let separator = if place == 0 { "" } else { "; " };
            let mark = if place == best { " (the best)" } else { "" };
            write!(f, "{separator}{}{mark}: {}", within(Some(window)), Compared(*figure))?;
        }
        writeln!(f)?;
    }
    writeln!(f)
}

fn write_member(f: &mut Formatter<'_>, member: &Member, width: usize, in_full: bool) -> fmt::Result {
    let [own, rare, middling, common, nothing] = member.outcomes;
    let dropped: f64 =
        member.dropped.iter().map(|dropped| dropped.nats).sum::<f64>() + member.dropped_nats.unwrap_or_default();
    write!(
        f,
        "  {:width$} {own:9} {rare:6} {middling:6} {common:8} {nothing:6} {:>7} {:9.4}  {}",
        shown(&member.account),
        member.naming.map_or("-".to_owned(), |place| (place + 1).to_string()),
        tidy(dropped),
        Compared(member.log_e)
    )?;
    if let Some(posterior) = member.posterior {
        write!(f, "; {}", Compared(posterior))?;
    }
    if !member.proposed {
        write!(f, "; found afterwards")?;
    }
    if member.elsewhere {
        write!(f, "; not named by the cluster's own group")?;
    }
    writeln!(f)?;
    if in_full {
        for outcome in Outcome::ALL {
            let (count, adds) = (member.outcomes[outcome as usize], member.adds[outcome as usize]);
            if count > 0 {
                let sum = f64::from(count) * adds;
                writeln!(f, "    {:10} {count:6} x {:+.4} = {:+.4}", words(outcome), tidy(adds), tidy(sum))?;
            }
        }
        for dropped in &member.dropped {
            writeln!(f, "    dropped: {} {}, {:+.4}", dropped.kind, shown(&dropped.source), -dropped.nats)?;
        }
        if let Some(nats) = member.dropped_nats {
            writeln!(f, "    dropped, and not listed because it did not fit: {:+.4}", -nats)?;
        }
    }
    Ok(())
}

/// A window, for people.
fn within(window: Option<&Window>) -> String {
    match window.map(|window| window.seconds) {
        Some(86_400) => "within a day".to_owned(),
        Some(3_600) => "within an hour".to_owned(),
        Some(60) => "within a minute".to_owned(),
        Some(seconds) if seconds % 3_600 == 0 => format!("within {} hours", seconds / 3_600),
        Some(seconds) if seconds % 60 == 0 => format!("within {} minutes", seconds / 60),
        Some(seconds) => format!("within {seconds} s"),
        None => "no such window".to_owned(),
    }
}

fn in_window(nats: [f64; 3], window: usize) -> f64 {
    nats.get(window).copied().unwrap_or_default()
}

fn label(source: &Source) -> String {
    format!("{} {}", source.kind, shown(&source.source))
}
