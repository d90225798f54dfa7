//! An explanation as plain text.

use std::fmt::{self, Display, Formatter};

use messages::cluster::Status;

use super::super::arithmetic::TOLERANCE;
use super::super::text::{Compared, WIDE, shown, tidy, write_head, write_hypothesis, write_verdict};
use super::{Explanation, KeyArithmetic, Member, NEXT, Sum, members::PART};

impl Display for Explanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.head(f)?;
        self.keys.iter().try_for_each(|key| write_key(f, key))?;
        self.total(f)?;
        self.members(f)?;
        self.score.write(f)?;
        self.verdict(f)
    }
}

impl Explanation {
    fn head(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_head(f, (&self.cluster_id, self.version, self.status), [self.first_seen, self.last_seen])?;
        write_hypothesis(f, "these accounts act independently")?;
        writeln!(f, "KEYS: how much more likely are these acts if members act together than if they act by habit?")?;
        writeln!(
            f,
            "  q is the probability that the next act is a member's first act on the key, and at least the chance by habit. A step adds\n  \
             others x ln((1 - q) / (1 - chance)) + ln(q / chance) to ln LR. Only the first 20, 6 and 2 of the others count; after that many,\n  \
             the member's act adds nothing. At a chance of 1e-9 no member is left, and nothing is added.\n  \
             The key gives ln((1 - epsilon) + epsilon x mean LR).\n  \
             The chance is {} (safety) x the expected shares of acts of the members who have not acted yet.\n",
            self.terms.safety
        )
    }

    fn total(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "SUMS, nats")?;
        if self.unlisted.keys > 0 {
            writeln!(
                f,
                "  {} more keys are not listed, {} of them followed by a second member: {:+.4} together",
                self.unlisted.keys, self.unlisted.followed, self.unlisted.nats
            )?;
        }
        if self.unlisted.of_others > 0 {
            writeln!(f, "  {} more keys that do not count here are not listed", self.unlisted.of_others)?;
        }
        for (what, sums) in [("source", &self.sources), ("trace", &self.traces)] {
            let width = sums
                .iter()
                .filter(|sum| sum.keys > 0)
                .map(|sum| label(sum).chars().count())
                .max()
                .unwrap_or(0)
                .clamp(24, WIDE);
            writeln!(f, "  {what:width$}    keys      listed  not listed         sum")?;
            // Most sources have only keys that nobody followed: one line for all of these.
            let listed = |sum: &Sum| sum.keys > 0 || sum.recorded > TOLERANCE;
            for (place, sum) in sums.iter().enumerate().filter(|(_, sum)| listed(sum)) {
                let left_out = what == "source" && self.left_out == Some(place);
                writeln!(
                    f,
                    "  {:width$} {:7} {:+11.4} {:+11.4} {:+11.4}{}",
                    label(sum),
                    sum.keys,
                    tidy(sum.listed),
                    tidy(sum.unlisted),
                    sum.recorded,
                    if left_out { "  the best: left out" } else { "" }
                )?;
            }
            let silent: Vec<f64> = sums.iter().filter(|sum| !listed(sum)).map(|sum| sum.recorded).collect();
            // Sources that were dropped from the line because they did not fit are included.
            let cut = if what == "source" { (self.unlisted.sources, self.unlisted.source_nats) } else { (0, 0.0) };
            if let (1.., nats) = (silent.len() as u64 + cut.0, silent.iter().sum::<f64>() + cut.1) {
                let rest = format!("{} more, no key listed", silent.len() as u64 + cut.0);
                writeln!(f, "  {rest:width$} {:7} {:+11.4} {nats:+11.4} {nats:+11.4}", 0, 0.0)?;
            }
        }
        writeln!(f, "  all evidence (log_e): {}", Compared(self.log_e))?;
        let best = match self.left_out {
            Some(_) => "without the best source",
            None => "no source is evidence for it, so none is left out",
        };
        writeln!(f, "  {best} (log_e_leave_one_source_out): {}", Compared(self.log_e_leave_one_source_out))?;
        let bar = self.bar;
        match bar.statistic {
            Some(statistic) => {
                let what =
                    if self.status == Status::SingleSource { "with all sources" } else { "without the best source" };
                writeln!(
                    f,
                    "  threshold to remain valid, {what}: ln(1 / {}) = {:.4} nats. It has {statistic:.4}, which {}",
                    self.terms.alpha,
                    bar.to_stand,
                    if statistic >= bar.to_stand - TOLERANCE { "reaches it" } else { "DOES NOT REACH IT" },
                )?;
                let above = if statistic >= bar.to_be_told_at_most {
                    "it is above this now as well"
                } else {
                    "the value it reached then,\n  and by how much discoveries had lowered the threshold, are not in this line"
                };
                writeln!(
                    f,
                    "  threshold of its first report, among all tested candidates: at most {:.4}; {above}",
                    bar.to_be_told_at_most
                )?;
            }
            None => writeln!(f, "  no threshold: nothing is claimed about a faded cluster")?,
        }
        writeln!(f)
    }

    fn members(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "MEMBERS: did each take part where at least two others did?")?;
        writeln!(
            f,
            "  p = 1 - exp(-{} x share x acts) is the probability of taking part by habit, and pi, at least p, the probability of taking part\n  \
             with the others. A trial adds ln(pi / p) to ln LR if the account took part, else ln((1 - pi) / (1 - p)).\n  \
             Its evidence is ln of the mean LR.",
            self.terms.safety
        )?;
        match self.member_bar {
            Some(bar) => writeln!(
                f,
                "  Accounts with at least {bar:.4} nats are named: e-BH at {} among the {} accounts of the proposed group.",
                self.terms.alpha, self.terms.proposed
            )?,
            None => writeln!(
                f,
                "  Which accounts pass cannot be recomputed here: not every test is listed, or no account passes."
            )?,
        }
        if self.members.iter().any(|member| member.named_of.is_some()) {
            writeln!(
                f,
                "  The cluster was merged from several candidates with common members. An account for which another candidate has more evidence is\n  \
                 shown with that candidate's trials and threshold. The threshold follows from how many of its accounts that candidate names."
            )?;
        }
        let width = self.members.iter().map(|m| shown(&m.account).chars().count()).max().unwrap_or(0).clamp(7, WIDE);
        write!(f, "  {:width$} trials  part", "account")?;
        PART.iter().try_for_each(|pi| write!(f, " {:>10}", format!("ln LR {pi}")))?;
        writeln!(f, "  evidence, nats")?;
        for member in &self.members {
            write_member(f, member, width, self.members.len() == 1)?;
        }
        writeln!(f)
    }

    fn verdict(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let unknown = self.members.iter().filter(|member| member.log_e.why_not.is_some()).count()
            + self.keys.iter().filter(|key| key.nats.why_not.is_some()).count()
            + usize::from(self.score.score.why_not.is_some());
        write_verdict(f, &self.contradictions, unknown)?;
        let summed: u64 =
            self.members.iter().flat_map(|member| &member.summed).map(|summed| u64::from(summed.trials)).sum();
        if summed > 0 {
            writeln!(f, "Trials of members of which this line has only the sum, because they did not fit: {summed}.")?;
        }
        Ok(())
    }
}

fn write_key(f: &mut Formatter<'_>, key: &KeyArithmetic) -> fmt::Result {
    writeln!(
        f,
        "{}. {} {}, source {}{}",
        key.number,
        key.kind,
        shown(&key.key),
        shown(&key.source),
        if key.source_kind == key.kind { String::new() } else { format!(" ({})", key.source_kind) }
    )?;
    let Some(test) = &key.test else {
        return match key.nats.why_not {
            Some(_) => writeln!(f, "   {}\n", Compared(key.nats)),
            None => writeln!(f, "   does not count here: listed for posts of members whom other candidates named\n"),
        };
    };
    let account = |step: &super::TrialLine| match (step.what, &step.account) {
        ("after", _) => "no other member".to_owned(),
        (_, Some(account)) => shown(account),
        _ => "(an account of the group, not named)".to_owned(),
    };
    let width = test.steps.iter().map(|step| account(step).chars().count()).max().unwrap_or(0).clamp(6, WIDE);
    write!(f, "   {:width$}  {:24} {:>7} {:>11}", "act by", "at", "others", "chance")?;
    NEXT.iter().try_for_each(|q| write!(f, " {:>12}", format!("ln LR q={q}")))?;
    writeln!(f)?;
    for step in &test.steps {
        let at = step.at.map(|at| at.to_string()).unwrap_or_default();
        write!(f, "   {:width$}  {at:24} ", account(step))?;
        if step.what == "opens" {
            writeln!(f, "opens the test")?;
            continue;
        }
        write!(f, "{:7} {:11.3e}", step.others, step.chance)?;
        write_three(f, step.log_lr, 12)?;
        writeln!(f)?;
    }
    write!(f, "   {:width$}  {:24} {:7} {:11}", "sum", "", "", "")?;
    write_three(f, test.log_lr, 12)?;
    writeln!(f)?;
    let (epsilon, log_mean_lr) = (test.epsilon, test.log_mean_lr);
    writeln!(
        f,
        "   ln mean LR {log_mean_lr:.4}; epsilon {epsilon:.6}; ln({:.6} + {epsilon:.6} x e^{log_mean_lr:.4}) = {}\n",
        1.0 - epsilon,
        Compared(key.nats)
    )
}

fn write_member(f: &mut Formatter<'_>, member: &Member, width: usize, in_full: bool) -> fmt::Result {
    let part = member.trials.iter().filter(|trial| trial.took_part).count();
    write!(f, "  {:width$} {:6} {part:5}", shown(&member.account), member.trials.len())?;
    write_three(f, member.log_lr, 10)?;
    write!(f, "  {}", Compared(member.log_e))?;
    if let Some(summed) = member.summed.filter(|summed| summed.trials > 0) {
        write!(f, "; with {} more trials as one sum", summed.trials)?;
    }
    match (member.named_of, member.bar, member.here) {
        (Some((named, proposed)), Some(bar), _) => {
            write!(f, "; by another candidate, which names {named} of {proposed} accounts, from {bar:.4} nats on")?;
        }
        _ if member.elsewhere && member.log_e.why_not.is_none() => {
            write!(f, "; nothing is claimed about it: the cluster has faded")?;
        }
        (_, _, Some(here)) if member.log_e.why_not.is_some() => write!(f, "; the trials here sum to {here:.4}")?,
        (_, _, None) if member.elsewhere => write!(f, "; it was not in this group")?,
        _ => {}
    }
    writeln!(f)?;
    if in_full && !(member.trials.is_empty() && member.summed.is_none()) {
        write!(f, "    {:>6} {:>5} {:>11} {:>8} {:>11}", "key", "part", "share", "acts", "p")?;
        PART.iter().try_for_each(|pi| write!(f, " {:>10}", format!("ln LR {pi}")))?;
        writeln!(f)?;
        for trial in &member.trials {
            let part = if trial.took_part { "yes" } else { "no" };
            let key = trial.key.map_or("-".to_owned(), |key| key.to_string());
            write!(f, "    {key:>6} {part:>5} {:11.3e} {:8} {:11.3e}", trial.share, trial.acts, trial.p)?;
            write_three(f, trial.log_lr, 10)?;
            match &trial.name {
                Some(name) => writeln!(f, "  {}", shown(name))?,
                None => writeln!(f)?,
            }
        }
        if let Some(summed) = member.summed {
            write!(f, "    {:45}", format!("sum of {} more, not listed", summed.trials))?;
            write_three(f, summed.log_lr, 10)?;
            writeln!(f)?;
        }
    }
    Ok(())
}

fn write_three(f: &mut Formatter<'_>, numbers: [f64; 3], width: usize) -> fmt::Result {
    numbers.iter().try_for_each(|number| write!(f, " {number:+width$.4}"))
}

fn label(sum: &Sum) -> String {
    let kind = sum.kind;
    sum.source.as_ref().map_or(kind.to_string(), |source| format!("{kind} {}", shown(source)))
}
