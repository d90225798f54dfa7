//! Activity over time: a row per account, a dot per post, a colour per key. Dots of one colour in one
//! column are accounts that did the same thing at the same time.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{Timestamp, tz::TimeZone};
use messages::cluster::{ClusterMessage, Evidence};

use super::svg::{Svg, time_step};
use crate::description;

/// Number of keys with their own colour. All others share one colour.
pub const COLOURS: usize = 8;
const ROWS: usize = 60;
const WIDTH: f64 = 960.0;
const LEFT: f64 = 150.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 40.0;

/// A drawing with its caption.
pub struct Drawing {
    pub svg: String,
    pub caption: String,
}

struct Act<'a> {
    row: usize,
    /// Its place in the cluster's list.
    account: usize,
    at: f64,
    colour: usize,
    evidence: &'a Evidence,
}

struct Layout<'a> {
    names: Vec<String>,
    /// For an empty row, the reason.
    absent: Vec<&'static str>,
    /// The account of each row, by its place in the cluster's list.
    accounts: Vec<usize>,
    chosen: Option<usize>,
    hidden_rows: usize,
    acts: Vec<Act<'a>>,
}

/// The class of a key's colour.
pub fn colour(index: usize) -> String {
    if index < COLOURS { format!("k{index}") } else { "kx".to_owned() }
}

/// All posts, over the cluster's whole time. `None` if there are no posts.
pub fn overview(cluster: &ClusterMessage, most_dots: usize, chosen: Option<usize>) -> Option<Drawing> {
    let layout = layout(cluster, chosen);
    let from = layout.acts.iter().map(|a| a.at).fold(f64::INFINITY, f64::min);
    let to = layout.acts.iter().map(|a| a.at).fold(f64::NEG_INFINITY, f64::max);
    if layout.acts.is_empty() {
        return None;
    }
    let pad = ((to - from) * 0.02).max(1.0);
    let mut svg = draw(&layout, from - pad, to + pad, most_dots, false);
    svg.caption = format!(
        "Each row is an account and each dot a post. Dots of one colour above one another are the same action at nearly the same time. The \
         {COLOURS} keys with most evidence have their own colours.{}",
        svg.caption
    );
    Some(svg)
}

/// The burst on a key, or the strongest burst, magnified. `None` if no key has three accounts within two
/// hours.
pub fn zoom(cluster: &ClusterMessage, key: Option<usize>, chosen: Option<usize>) -> Option<Drawing> {
    let (index, from, to, accounts) = burst(cluster, key)?;
    let pad = ((to - from) * 0.08).max(2.0);
    let layout = cascade(layout(cluster, chosen), index, from, to);
    let mut svg = draw(&layout, from - pad, to + pad, 800, true);
    let key = &cluster.evidence[index];
    svg.caption = format!(
        "{} acted on one key within {} from {} UTC: {} {}.{}",
        text_format::count(accounts as u64, "account"),
        text_format::seconds_in_words(to - from),
        text_format::second(instant(from)),
        description::trace_kind(key.kind).things,
        text_format::shorten(&key.key, 70),
        svg.caption,
    );
    Some(svg)
}

/// The key and the window (seconds) with the most accounts at once: most accounts, then most evidence, then the shortest.
fn burst(cluster: &ClusterMessage, key: Option<usize>) -> Option<(usize, f64, f64, usize)> {
    const WINDOWS: [f64; 4] = [60.0, 600.0, 3600.0, 7200.0];
    for window in WINDOWS {
        let mut best: Option<(usize, f64, f64, usize)> = None;
        for (index, evidence) in cluster.evidence.iter().enumerate() {
            if key.is_some_and(|key| key != index) {
                continue;
            }
            let mut posts: Vec<(f64, (&str, &str))> = evidence
                .posts
                .iter()
                .map(|post| (seconds(post.created_at), (post.platform.as_str(), post.account_id.as_str())))
                .collect();
            posts.sort_by(|a, b| a.0.total_cmp(&b.0));
            let mut start = 0;
            let mut inside: BTreeMap<(&str, &str), usize> = BTreeMap::new();
            for end in 0..posts.len() {
                *inside.entry(posts[end].1).or_insert(0) += 1;
                while posts[end].0 - posts[start].0 > window {
                    if let Some(n) = inside.get_mut(&posts[start].1) {
                        *n -= 1;
                        if *n == 0 {
                            inside.remove(&posts[start].1);
                        }
                    }
                    start += 1;
                }
                let found = (index, posts[start].0, posts[end].0, inside.len());
                if best.is_none_or(|best| found.3 > best.3) {
                    best = Some(found);
                }
            }
        }
        // The shortest window with at least half of the group shows the burst best.
        let enough = (cluster.accounts.len() / 2).max(3);
        let least = if key.is_some() { 2 } else { 3 };
        if let Some(best) = best
            && (best.3 >= enough || window == WINDOWS[3] && best.3 >= least)
        {
            return Some(best);
        }
    }
    None
}

fn layout(cluster: &ClusterMessage, chosen: Option<usize>) -> Layout<'_> {
    let mut rows: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut names = Vec::new();
    let mut absent = Vec::new();
    let mut accounts = Vec::new();
    let chosen = chosen.filter(|place| *place < cluster.accounts.len());
    // The chosen account always has a row.
    let further = chosen.filter(|place| *place >= ROWS);
    for place in (0..cluster.accounts.len()).take(ROWS).chain(further) {
        let account = &cluster.accounts[place];
        rows.insert((&account.platform, &account.account_id), names.len());
        accounts.push(place);
        let name = if account.account_name.is_empty() { &account.account_id } else { &account.account_name };
        names.push(text_format::shorten(name, 18));
        absent.push(if account.elsewhere {
            "acted with a group that was merged into this one, on keys not listed here"
        } else {
            "no post among those listed here"
        });
    }
    let mut acts = Vec::new();
    for (index, evidence) in cluster.evidence.iter().enumerate() {
        for post in &evidence.posts {
            if let Some(row) = rows.get(&(post.platform.as_str(), post.account_id.as_str())) {
                let at = seconds(post.created_at);
                acts.push(Act { row: *row, account: accounts[*row], at, colour: index, evidence });
            }
        }
    }
    Layout { hidden_rows: cluster.accounts.len() - names.len(), names, absent, accounts, chosen, acts }
}

/// Sorts the rows by each account's first post on a key, so that the burst is one diagonal line.
fn cascade(mut layout: Layout<'_>, key: usize, from: f64, to: f64) -> Layout<'_> {
    let mut order: Vec<(f64, usize)> = (0..layout.names.len())
        .map(|row| {
            let first = layout
                .acts
                .iter()
                .filter(|act| act.row == row && act.colour == key && (from..=to).contains(&act.at))
                .map(|act| act.at)
                .fold(f64::INFINITY, f64::min);
            (first, row)
        })
        .collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut place = vec![0; order.len()];
    for (new, (_, old)) in order.iter().enumerate() {
        place[*old] = new;
    }
    layout.names = order.iter().map(|(_, old)| layout.names[*old].clone()).collect();
    layout.absent = order.iter().map(|(_, old)| layout.absent[*old]).collect();
    layout.accounts = order.iter().map(|(_, old)| layout.accounts[*old]).collect();
    for act in &mut layout.acts {
        act.row = place[act.row];
    }
    layout
}

fn draw(layout: &Layout, from: f64, to: f64, most_dots: usize, close: bool) -> Drawing {
    let rows = layout.names.len();
    let pitch = if rows > 30 { 14.0 } else { 20.0 };
    let bottom = TOP + rows as f64 * pitch;
    let mut svg = Svg::new(WIDTH, bottom + 34.0);
    let x = |at: f64| LEFT + (at - from) / (to - from) * (WIDTH - LEFT - RIGHT);
    let y = |row: usize| TOP + (row as f64 + 0.5) * pitch;

    for (row, name) in layout.names.iter().enumerate() {
        svg.line("row", (LEFT, y(row)), (WIDTH - RIGHT, y(row)));
        let account = layout.accounts[row];
        let class = if layout.chosen == Some(account) { "name on" } else { "name" };
        svg.text_with(class, &format!(" data-a=\"{account}\""), (LEFT - 12.0, y(row) + 4.0), name);
    }
    if !close {
        let acted: BTreeSet<usize> = layout.acts.iter().map(|act| act.row).collect();
        for row in (0..rows).filter(|row| !acted.contains(row)) {
            svg.text("absent", (LEFT, y(row) + 4.0), layout.absent[row]);
        }
    }
    ticks(&mut svg, from, to, bottom, &x, close);

    let shown: Vec<&Act> = layout.acts.iter().filter(|act| act.at >= from && act.at <= to).collect();
    strip(&mut svg, &shown, &x);
    threads(&mut svg, &shown[..shown.len().min(most_dots)], &x, &y, close);
    // Weak keys first, so that the coloured dots are on top.
    for act in shown.iter().take(most_dots).rev() {
        let title = format!(
            "{} · {} {} · {}",
            layout.names[act.row],
            description::trace_kind(act.evidence.kind).things,
            text_format::shorten(&act.evidence.key, 80),
            text_format::second(instant(act.at))
        );
        let radius = if close { 5.0 } else { 3.4 };
        let radius = if pitch < 20.0 { radius * 0.8 } else { radius };
        let on = if layout.chosen == Some(act.account) { " on" } else { "" };
        let data = format!(" data-a=\"{}\" data-k=\"{}\" data-t=\"{:.0}\"", act.account, act.colour, act.at * 1000.0);
        svg.circle(&format!("dot {}{on}", colour(act.colour)), &data, (x(act.at), y(act.row)), radius, &title);
    }
    let mut caption = String::new();
    if shown.len() > most_dots {
        caption = format!(
            " {} of {} posts are drawn, on the strongest keys.",
            text_format::thousands(most_dots as u64),
            text_format::thousands(shown.len() as u64)
        );
    }
    if layout.hidden_rows > 0 {
        caption.push_str(&format!(" {} more are not drawn.", text_format::count(layout.hidden_rows as u64, "account")));
    }
    let accounts: BTreeSet<usize> = shown.iter().map(|act| act.row).collect();
    let label = format!(
        "Timeline: {} by {} between {} and {} UTC",
        text_format::count(shown.len() as u64, "post"),
        text_format::count(accounts.len() as u64, "account"),
        text_format::second(instant(from)),
        text_format::second(instant(to))
    );
    let class = if layout.chosen.is_some() { "timeline chosen" } else { "timeline" };
    // Attributes for the page's script, which draws other time ranges.
    let data = format!(
        " data-from=\"{:.0}\" data-to=\"{:.0}\" data-left=\"{LEFT}\" data-right=\"{RIGHT}\" data-top=\"{TOP}\" data-bottom=\"{bottom:.0}\"",
        from * 1000.0,
        to * 1000.0
    );
    Drawing { svg: svg.finish_with(class, &data, &label), caption }
}

/// Number of posts over time, above the rows.
fn strip(svg: &mut Svg, shown: &[&Act], x: &impl Fn(f64) -> f64) {
    const BINS: usize = 200;
    let mut bins = [0u32; BINS];
    for act in shown {
        let place = (x(act.at) - LEFT) / (WIDTH - LEFT - RIGHT) * BINS as f64;
        bins[(place.max(0.0) as usize).min(BINS - 1)] += 1;
    }
    let most = bins.iter().copied().max().unwrap_or(0).max(1);
    let width = (WIDTH - LEFT - RIGHT) / BINS as f64;
    for (index, n) in bins.iter().enumerate().filter(|(_, n)| **n > 0) {
        let height = f64::from(*n) / f64::from(most) * 26.0;
        svg.rect("strip", (LEFT + index as f64 * width, TOP - 6.0 - height), ((width - 0.6).max(0.6), height), "");
    }
    svg.text("name soft", (LEFT - 12.0, TOP - 10.0), "posts at a time");
}

/// Joins the posts on one key. A vertical line means simultaneous posts.
fn threads(svg: &mut Svg, shown: &[&Act], x: &impl Fn(f64) -> f64, y: &impl Fn(usize) -> f64, close: bool) {
    let mut keys: BTreeMap<usize, Vec<&Act>> = BTreeMap::new();
    for act in shown {
        keys.entry(act.colour).or_default().push(act);
    }
    for (key, mut acts) in keys.into_iter().take(60) {
        if acts.len() < 2 {
            continue;
        }
        acts.sort_by(|a, b| a.row.cmp(&b.row).then(a.at.total_cmp(&b.at)));
        let points: Vec<(f64, f64)> = acts.iter().map(|act| (x(act.at), y(act.row))).collect();
        let class = if close { "thread close" } else { "thread" };
        svg.path(&format!("{class} {}", colour(key)), &format!(" data-k=\"{key}\""), &points);
    }
}

fn ticks(svg: &mut Svg, from: f64, to: f64, bottom: f64, x: &impl Fn(f64) -> f64, close: bool) {
    let step = time_step(to - from, 7.0);
    // Ticks count seconds from the start of a burst, or days from midnight UTC.
    let origin = if close { from + ((to - from) * 0.08 / 1.16).max(2.0) } else { 0.0 };
    let mut tick = origin + ((from - origin) / step).ceil() * step;
    while tick <= to {
        svg.line("grid", (x(tick), TOP), (x(tick), bottom));
        svg.text("tick", (x(tick).min(WIDTH - 44.0), bottom + 18.0), &label(tick - origin, tick, step, close));
        tick += step;
    }
}

fn label(offset: f64, at: f64, step: f64, close: bool) -> String {
    if close {
        return match offset.round() {
            0.0 => "start".to_owned(),
            s if s < 0.0 => format!("\u{2212}{:.0} s", -s),
            s if step < 60.0 => format!("+{s:.0} s"),
            s => format!("+{:.0} min", s / 60.0),
        };
    }
    let format = match step {
        s if s < 60.0 => "%H:%M:%S",
        s if s < 86_400.0 => "%d %b %H:%M",
        s if s < 2_592_000.0 => "%d %b %Y",
        _ => "%b %Y",
    };
    instant(at).to_zoned(TimeZone::UTC).strftime(format).to_string()
}

fn seconds(time: Timestamp) -> f64 {
    time.as_millisecond() as f64 / 1000.0
}

fn instant(seconds: f64) -> Timestamp {
    Timestamp::from_millisecond((seconds * 1000.0) as i64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn a_row_without_acts_says_why() {
        let mut cluster = fixtures::cluster("c", 1);
        let whole = overview(&cluster, 2_000, None).unwrap().svg;
        let gone =
            [0, 1].map(|place| (cluster.accounts[place].platform.clone(), cluster.accounts[place].account_id.clone()));
        for evidence in &mut cluster.evidence {
            evidence.posts.retain(|post| !gone.contains(&(post.platform.clone(), post.account_id.clone())));
        }
        cluster.accounts[1].elsewhere = true;
        let drawn = overview(&cluster, 2_000, None).unwrap().svg;
        let absent = |svg: &str, text: &str| svg.matches(&format!(">{text}</text>")).count();
        let elsewhere = "acted with a group that was merged into this one, on keys not listed here";
        let unlisted = "no post among those listed here";
        assert_eq!((absent(&drawn, elsewhere), absent(&drawn, unlisted)), (1, 1));
        assert_eq!((absent(&whole, elsewhere), absent(&whole, unlisted)), (0, 0));
        // Empty rows of a burst have no explanation.
        let burst = zoom(&cluster, None, None).unwrap().svg;
        assert_eq!((absent(&burst, elsewhere), absent(&burst, unlisted)), (0, 0));
    }
}
