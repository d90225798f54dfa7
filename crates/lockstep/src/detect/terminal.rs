//! The results of a run as text for a terminal.

use std::path::{Path, PathBuf};

use detection::detect::{Detection, short_of_threshold};
use messages::cluster::{ClusterMessage, Status, StatusTally};

use crate::progress::{count, counted};

/// Number of accounts of the ranking that are printed if nothing is flagged.
const SUSPECTS: usize = 5;

/// Prints what was read and found.
pub(super) fn print_results(detection: &Detection, files: &[PathBuf], out: &Path, no_report: bool) {
    let counts = &detection.counts;
    let mut passed_over = String::new();
    for (n, what) in [(counts.duplicates, "duplicate"), (counts.not_posts, "other value")] {
        if n > 0 {
            passed_over.push_str(&format!(", {} dropped", counted(n, what)));
        }
    }
    eprintln!(
        "{} of {} in {:.1} s ({} posts/s){passed_over}",
        counted(counts.posts, "post"),
        counted(detection.accounts_seen, "account"),
        detection.took.as_secs_f64(),
        count((counts.posts as f64 / detection.took.as_secs_f64().max(1e-9)) as u64),
    );
    for line in findings(detection).into_iter().chain(next_steps(detection, files)) {
        eprintln!("{line}");
    }
    let look = if no_report { "clusters.jsonl" } else { "report.html" };
    eprintln!("results: {}", out.join(look).display());
}

/// The findings as lines: a summary, the flagged groups one by one, then remarks.
fn findings(detection: &Detection) -> Vec<String> {
    let tested = format!("{} tested", counted(detection.stats.candidates_proposed, "candidate group"));
    let mut lines = vec![if detection.clusters.is_empty() {
        format!("no group passed the test; {tested}")
    } else {
        let tally = detection.tally();
        let named = match tally.flagged {
            StatusTally { groups: 0, .. } => String::new(),
            StatusTally { accounts, .. } => format!(" ({})", counted(accounts, "account")),
        };
        let mut parts = vec![
            format!("{} flagged as inauthentic{named}", count(tally.flagged.groups)),
            format!("{} coordinated and not flagged", count(tally.coordinated.groups)),
            format!("{} on one source only", count(tally.best_source_groups())),
            format!("{} of one text by many accounts", count(tally.one_text.groups)),
        ];
        if tally.faded.groups > 0 {
            parts.push(format!("{} contradicted by later posts", count(tally.faded.groups)));
        }
        format!("{}: {}; {tested}", counted(tally.found.groups, "group"), parts.join(", "))
    }];
    let flagged = detection.clusters.iter().filter(|cluster| cluster.status == Status::Flagged);
    lines.extend(flagged.take(10).map(flagged_line));
    lines.extend(remarks(detection));
    lines
}

fn flagged_line(cluster: &ClusterMessage) -> String {
    let mut kinds: Vec<_> = cluster.traces.iter().filter(|(_, nats)| **nats >= 0.5).collect();
    kinds.sort_by(|x, y| y.1.total_cmp(x.1));
    let kinds: Vec<String> = kinds.iter().map(|(kind, nats)| format!("{kind} {nats:.0}")).collect();
    let probability = match cluster.probability {
        None => "unknown".to_owned(),
        Some(sure) if sure > 0.995 => "over 0.99".to_owned(),
        Some(probability) => format!("{probability:.2}"),
    };
    format!(
        "  {}  {}, probability {probability}, {:.0} nats without the best source ({}), {} to {}{}",
        cluster.cluster_id,
        counted(cluster.accounts.len() as u64, "account"),
        cluster.log_e_leave_one_source_out,
        kinds.join(", "),
        cluster.first_seen,
        cluster.last_seen,
        if cluster.active == Some(false) { ", silent since" } else { "" },
    )
}

/// Remarks on the results, one sentence each: groups that came close, groups that were not tested,
/// and limits of the figures.
pub(super) fn remarks(detection: &Detection) -> Vec<String> {
    let mut remarks = Vec::new();
    for apart in &detection.apart {
        let (which, where_from) = if apart.late { ("last", "after") } else { ("first", "before") };
        remarks.push(format!(
            "the {which} {} {} {:.0} days {where_from} all others ({}): if the clocks of those posts are wrong, remove the posts; groups \
             are reported however long they were silent",
            if apart.posts == 1 { "post".to_owned() } else { format!("{} posts", count(apart.posts)) },
            if apart.posts == 1 { "is" } else { "are" },
            apart.days,
            apart.others,
        ));
    }
    if let (near, Some(closest)) = (detection.near_misses.len(), detection.near_misses.first()) {
        let bar = closest.test.map_or(0.0, |terms| terms.bar);
        remarks.push(format!(
            "{} came close; the closest: {}, {:.1} nats short of {bar:.1}; see near_misses.jsonl",
            counted(near as u64, "group"),
            counted(closest.accounts.len() as u64, "account"),
            short_of_threshold(closest),
        ));
    }
    match detection.without_crowd() {
        0 => {}
        groups => remarks.push(format!(
            "{} tested with fewer than 50 posts of other accounts: assumed rates of copying replaced those of a crowd, so check {} with care",
            if groups == 1 { "1 group was".to_owned() } else { format!("{} groups were", count(groups as u64)) },
            if groups == 1 { "it" } else { "them" },
        )),
    }
    match detection.stats.too_large {
        0 => {}
        groups => remarks.push(format!(
            "{} too large to be tested (more accounts than detector.engine.max_members)",
            if groups == 1 { "1 group was".to_owned() } else { format!("{} groups were", count(groups)) },
        )),
    }
    if detection.near_misses_dropped > 0 {
        remarks.push(format!(
            "{} more groups came close, but farther from their bar; they are not listed",
            count(detection.near_misses_dropped)
        ));
    }
    if detection.objects_dropped > 0 {
        remarks.push(format!(
            "objects.csv is full: it lacks the {} used by the fewest accounts",
            counted(detection.objects_dropped, "object")
        ));
    }
    let evicted = &detection.stats.evicted;
    let full: Vec<String> = [
        (evicted.uses, "use of a key", "uses of keys"),
        (evicted.ties, "tie", "ties"),
        (evicted.texts, "text", "texts"),
        (evicted.candidates, "candidate group", "candidate groups"),
        (evicted.accounts, "account", "accounts"),
    ]
    .into_iter()
    .filter(|(entries, ..)| *entries > 0)
    .map(|(entries, one, many)| format!("{} {}", count(entries), if entries == 1 { one } else { many }))
    .collect();
    if !full.is_empty() {
        remarks.push(format!(
            "tables were full, and {} were dropped: raise the limits in detector.engine to look further back",
            full.join(", ")
        ));
    }
    remarks
}

/// If nothing is flagged: the accounts with the highest suspicion, the results of the other methods
/// on the same posts, and next steps.
pub(super) fn next_steps(detection: &Detection, files: &[PathBuf]) -> Vec<String> {
    if detection.tally().flagged.groups > 0 || detection.counts.posts == 0 {
        return Vec::new();
    }
    let mut lines = Vec::new();
    let suspects = detection.suspects().take(SUSPECTS);
    let suspects: Vec<String> = suspects
        .map(|ranked| {
            let known = &ranked.account.evidence;
            format!(
                "  {}:{} ({}): suspicion {:.2}, strongest tie {:.1} nats, {} of {} repeat another account's text",
                known.account.platform,
                known.account.account_id,
                known.account_name,
                known.suspicion,
                known.tie_nats,
                count(u64::from(known.copies)),
                counted(u64::from(known.texts), "own text"),
            )
        })
        .collect();
    if !suspects.is_empty() {
        lines.push(
            "nothing is flagged; these accounts have the highest suspicion, which is a place to start and not a finding:"
                .to_owned(),
        );
        lines.extend(suspects);
    }
    match &detection.peers {
        Some(views) if !views.is_empty() => {
            lines.push(
                "ties that the published tools' methods find in the same posts, including those by chance:".to_owned(),
            );
            lines.extend(views.iter().map(|view| {
                format!(
                    "  {}: {} in {}; again: {}",
                    view.title(),
                    counted(view.accounts, "account"),
                    counted(view.ties, "tie"),
                    view.command(files)
                )
            }));
        }
        _ => {}
    }
    lines.push(
        "next steps: add posts over a longer time, which gives the test more evidence; use --trace KIND to look at one kind of trace; see \
         objects.csv for what accounts had in common"
            .to_owned(),
    );
    lines
}

#[cfg(test)]
mod tests {
    use coordination::{Cluster, Stats};
    use messages::fixtures::{self, Shape};

    use super::*;

    fn message(cluster: &Cluster) -> ClusterMessage {
        let verdict = ClusterMessage::takes_verdict(cluster).then(|| fixtures::verdict(cluster.flagged));
        ClusterMessage::new(cluster, verdict.as_ref(), Vec::new(), Vec::new()).unwrap()
    }

    fn detection(clusters: &[Cluster], near_misses: &[Cluster], stats: Stats) -> Detection {
        Detection {
            clusters: clusters.iter().map(message).collect(),
            near_misses: near_misses.iter().map(message).collect(),
            stats,
            ..Detection::default()
        }
    }

    #[test]
    fn findings_are_followed_by_remarks_on_what_came_close_and_on_limits() {
        let shape = Shape::default();
        let mut near = fixtures::near_miss(shape);
        near.terms.bar = 9.8;
        near.log_e_leave_one_source_out = 6.7;
        let mut alone = fixtures::coordinated(shape, true);
        alone.windows.iter_mut().for_each(|window| window.crowd = [0, 0, 0, 0, 12]);
        let mut stats = Stats { candidates_proposed: 1_234, too_large: 1, ..Stats::default() };
        (stats.evicted.uses, stats.evicted.ties) = (5_000, 1);
        let clusters = [alone, fixtures::best_source(shape), fixtures::one_text(40)];
        let lines = findings(&detection(&clusters, &[near.clone(), near.clone()], stats));
        assert_eq!(
            lines[0],
            format!(
                "3 groups: 1 flagged as inauthentic ({} accounts), 0 coordinated and not flagged, 1 on one source only, 1 of one text by \
                 many accounts; 1,234 candidate groups tested",
                clusters[0].members.len()
            )
        );
        assert!(lines[1].contains(&format!(" {} accounts, probability ", clusters[0].members.len())), "{}", lines[1]);
        let close = format!(
            "2 groups came close; the closest: {} accounts, 3.1 nats short of 9.8; see near_misses.jsonl",
            near.members.len()
        );
        assert_eq!(
            lines[2..],
            [
                close.as_str(),
                "1 group was tested with fewer than 50 posts of other accounts: assumed rates of copying replaced those of a crowd, so check \
                 it with care",
                "1 group was too large to be tested (more accounts than detector.engine.max_members)",
                "tables were full, and 5,000 uses of keys, 1 tie were dropped: raise the limits in detector.engine to look further back",
            ]
        );
    }

    #[test]
    fn without_posts_there_are_no_next_steps() {
        let stats = Stats { candidates_proposed: 1, ..Stats::default() };
        let nothing = detection(&[], &[], stats);
        assert_eq!(findings(&nothing), ["no group passed the test; 1 candidate group tested"]);
        assert_eq!(next_steps(&nothing, &[]), [""; 0]);
    }

    /// The number before a text.
    fn number_before(text: &str, words: &str) -> u64 {
        let before = text.split(words).next().unwrap_or_default();
        let digits = before.rsplit(|c: char| !(c.is_ascii_digit() || c == ',')).next().unwrap_or_default();
        digits.replace(',', "").parse().unwrap_or_else(|_| panic!("no number before {words:?} in {text}"))
    }

    #[test]
    fn terminal_report_and_summary_count_alike() {
        let flagged = |seed| {
            let mut cluster = fixtures::coordinated(Shape { seed, ..Shape::default() }, true);
            cluster.id = format!("c-{seed}");
            cluster
        };
        let (first, mut second) = (flagged(1), flagged(2));
        // Two accounts are in both groups, and the faded group has all members of the first.
        let shared: Vec<_> = first.members[..2].iter().map(|member| member.account.clone()).collect();
        let rename = |account: &mut coordination::AccountRef| {
            if !shared.contains(account) {
                account.account_id.insert(0, 'b');
            }
        };
        second.members.iter_mut().for_each(|member| rename(&mut member.account));
        second.ties.iter_mut().for_each(|tie| {
            rename(&mut tie.a);
            rename(&mut tie.b);
        });
        let faded =
            Cluster { id: "c-3".to_owned(), finding: coordination::Finding::Faded, flagged: false, ..first.clone() };
        let different = (first.members.len() + second.members.len() - 2) as u64;
        let mut found = detection(&[first, second, fixtures::one_text(40), faded], &[], Stats::default());
        found.counts.posts = 100;
        let summary = found.summary();
        let terminal = &findings(&found)[0];
        let page = super::super::report::report(&["posts.jsonl".into()], &found);
        let lead = page.split("<p class=\"lead\">").nth(1).unwrap().split("</p>").next().unwrap();
        assert_eq!(summary["accounts_flagged"], different);
        assert_eq!(number_before(terminal, " accounts)"), different);
        assert_eq!(number_before(lead, " accounts in all"), different);
        assert_eq!((summary["flagged"].as_u64(), number_before(terminal, " flagged as")), (Some(2), 2));
        assert_eq!(number_before(lead, " are flagged"), 2, "{lead}");
        assert_eq!((summary["faded"].as_u64(), number_before(terminal, " contradicted")), (Some(1), 1));
        assert_eq!(
            (number_before(terminal, " groups:"), number_before(lead, " groups of accounts found")),
            (4, 4),
            "{lead}"
        );
    }
}
