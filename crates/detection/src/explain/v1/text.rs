//! An explanation for people, in plain text.

use std::fmt::{self, Display, Formatter};

use messages::cluster::Status;

use super::super::arithmetic::TOLERANCE;
use super::super::text::{Compared, WIDE, shown, tidy, write_verdict};
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
        writeln!(
            f,
            "Cluster {}, version {}: {}, {} to {}",
            shown(&self.cluster_id),
            self.version,
            self.status.name(),
            self.first_seen,
            self.last_seen
        )?;
        writeln!(
            f,
            "Evidence is in nats: ln of an e-value against \"these accounts act independently\". Each number is worked out again from\n\
             the cluster's own line, and is the same as the one recorded there to {TOLERANCE} nats unless it says otherwise.\n"
        )?;
        writeln!(f, "KEYS: how much likelier are these acts if members act together than if they act by habit?")?;
        writeln!(
            f,
            "  With q the probability that the next act is a first one by a member (at least the chance by habit), a step adds\n  \
             others x ln((1 - q) / (1 - chance)) + ln(q / chance) to ln LR. Of the others, only the first 20, 6 and 2 count, and where there\n  \
             were so many, the member's act adds nothing. Nor does anything where the chance is 1e-9: no member is left then.\n  \
             The key gives ln((1 - epsilon) + epsilon x mean LR).\n  \
             The chance is {} (safety) x the shares of acts expected of the members who have not acted yet.\n",
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
            writeln!(f, "  {} more are not listed that count nothing here", self.unlisted.of_others)?;
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
            // Most sources are of keys that nobody followed: of these, one line for all.
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
            // What was left out of the line for want of room is among them.
            let cut = if what == "source" { (self.unlisted.sources, self.unlisted.source_nats) } else { (0, 0.0) };
            if let (1.., nats) = (silent.len() as u64 + cut.0, silent.iter().sum::<f64>() + cut.1) {
                let rest = format!("{} more, no key listed", silent.len() as u64 + cut.0);
                writeln!(f, "  {rest:width$} {:7} {:+11.4} {nats:+11.4} {nats:+11.4}", 0, 0.0)?;
            }
        }
        writeln!(f, "  all evidence (log_e): {}", Compared(self.log_e))?;
        let best = match self.left_out {
            Some(_) => "without the best source",
            None => "no source speaks for it, so none is left out",
        };
        writeln!(f, "  {best} (log_e_leave_one_source_out): {}", Compared(self.log_e_leave_one_source_out))?;
        let bar = self.bar;
        match bar.statistic {
            Some(statistic) => {
                let what =
                    if self.status == Status::SingleSource { "with all sources" } else { "without the best source" };
                writeln!(
                    f,
                    "  the bar: {what} it must keep at least ln(1 / {}) = {:.4} nats to stand: {statistic:.4} {}",
                    self.terms.alpha,
                    bar.to_stand,
                    if statistic >= bar.to_stand - TOLERANCE { "does" } else { "DOES NOT" },
                )?;
                let above = if statistic >= bar.to_be_told_at_most {
                    "it is above that now, too"
                } else {
                    "what it reached then, and how\n  far discoveries had lowered the bar, is not in this line"
                };
                writeln!(
                    f,
                    "  to be told the first time, among all candidates tested, it had to reach at most {:.4}: {above}",
                    bar.to_be_told_at_most
                )?;
            }
            None => writeln!(f, "  the bar: nothing is claimed of a cluster that has faded")?,
        }
        writeln!(f)
    }

    fn members(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "MEMBERS: did each take part where at least two others did?")?;
        writeln!(
            f,
            "  With p = 1 - exp(-{} x share x acts) the probability of taking part by habit and pi, p or more, that of taking part with the\n  \
             others, a trial adds ln(pi / p) to ln LR if it did and else ln((1 - pi) / (1 - p)). Its evidence is ln of the mean LR.",
            self.terms.safety
        )?;
        match self.member_bar {
            Some(bar) => writeln!(
                f,
                "  Named are those who reach {bar:.4} nats, by e-BH at {} among the {} of the group as it was proposed.",
                self.terms.alpha, self.terms.proposed
            )?,
            None => {
                writeln!(f, "  Which ones pass is not recomputable here: not every test is listed, or none passes.")?
            }
        }
        if self.members.iter().any(|member| member.named_of.is_some()) {
            writeln!(
                f,
                "  The cluster is several candidates that have members in common. Those whom another of them speaks most for have its trials\n  \
                 here, and its bar, which follows from how many of how many accounts it names."
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
            writeln!(f, "Trials of members that are in this line as their sum only, for want of room: {summed}.")?;
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
            None => writeln!(f, "   counts nothing here: listed for posts of members whom other candidates named\n"),
        };
    };
    let account = |step: &super::TrialLine| match (step.what, &step.account) {
        ("after", _) => "nobody further".to_owned(),
        (_, Some(account)) => shown(account),
        _ => "(one of the group, not named)".to_owned(),
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
            write!(f, "; by another candidate, which names {named} of {proposed}, from {bar:.4} nats on")?;
        }
        _ if member.elsewhere && member.log_e.why_not.is_none() => {
            write!(f, "; nothing is claimed of it: the cluster has faded")?;
        }
        (_, _, Some(here)) if member.log_e.why_not.is_some() => write!(f, "; the trials here come to {here:.4}")?,
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
