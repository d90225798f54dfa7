//! Posts over the whole period, and when each cluster was active.

use jiff::Timestamp;
use messages::cluster::ClusterMessage;

use crate::{
    cluster, description,
    svg::{Svg, time_step},
};

/// Posts per bin of time.
#[derive(Debug, Clone, Default)]
pub struct Histogram {
    /// Start of the first bin. `None` if there is no bin.
    pub start: Option<Timestamp>,
    /// Length of a bin, seconds.
    pub bin_seconds: u64,
    /// Posts per bin, without gaps.
    pub counts: Vec<u64>,
}

const WIDTH: f64 = 960.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 16.0;
const HEIGHT: f64 = 120.0;
const TOP: f64 = 14.0;
/// Maximum number of clusters drawn. Clusters that do not overlap share a lane.
pub const MOST: usize = 60;

/// Draws the histogram. `None` if it is empty.
pub fn draw(histogram: &Histogram, clusters: &[ClusterMessage]) -> Option<String> {
    let from = seconds(histogram.start?);
    let bins = histogram.counts.len();
    let to = from + bins as f64 * histogram.bin_seconds as f64;
    if bins == 0 || to <= from {
        return None;
    }
    let x = |at: f64| LEFT + ((at - from) / (to - from)).clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT);
    let base = TOP + HEIGHT;
    let (lanes, placed) = lanes(clusters, &x);
    let bottom = base + 12.0 + lanes as f64 * 10.0;
    let mut svg = Svg::new(WIDTH, bottom + 26.0);

    let step = time_step(to - from, 7.0);
    let mut tick = (from / step).ceil() * step;
    while tick <= to {
        svg.line("grid", (x(tick), TOP), (x(tick), bottom));
        let format = match step {
            s if s < 86_400.0 => "%d %b %H:%M",
            s if s < 2_592_000.0 => "%d %b %Y",
            _ => "%b %Y",
        };
        let time = Timestamp::from_millisecond((tick * 1000.0) as i64).unwrap_or_default();
        let label = time.to_zoned(jiff::tz::TimeZone::UTC).strftime(format).to_string();
        svg.text("tick", (x(tick).min(WIDTH - 40.0), bottom + 18.0), &label);
        tick += step;
    }

    let most = histogram.counts.iter().copied().max().unwrap_or(0).max(1);
    // With more bins than bars, each bar shows the largest of its bins.
    let places = bins.min(400);
    let width = (WIDTH - LEFT - RIGHT) / places as f64;
    for place in 0..places {
        let (start, end) = (place * bins / places, (place + 1) * bins / places);
        let n = histogram.counts[start..end.max(start + 1)].iter().copied().max().unwrap_or(0);
        let height = n as f64 / most as f64 * HEIGHT;
        if n > 0 {
            let at = LEFT + place as f64 * width;
            svg.rect("posts", (at, base - height), ((width - 0.5).max(0.5), height), "");
        }
    }
    svg.text("name soft", (LEFT - 8.0, TOP + 10.0), &text_format::thousands(most));
    svg.text("name soft", (LEFT - 8.0, base), "0");
    svg.line("row", (LEFT, base), (WIDTH - RIGHT, base));
    for (index, lane, start, end) in placed {
        let cluster = &clusters[index];
        let title = format!("Cluster {}: {}", index + 1, description::headline(cluster));
        let at = (start, base + 10.0 + lane as f64 * 10.0);
        svg.labelled_link(&format!("c{}", index + 1), &title, |svg| {
            let class = format!("span {}", cluster::badge(cluster).class);
            svg.rect(&class, at, (end - start, 6.0), &title);
        });
    }
    let about = "Below the posts, the time over which each cluster was active; each is a link to its section";
    Some(svg.finish_as_group("periods", "Posts over time", about))
}

/// Puts each cluster into the first lane where it does not touch another: (index, lane, from, to).
fn lanes(clusters: &[ClusterMessage], x: &impl Fn(f64) -> f64) -> (usize, Vec<(usize, usize, f64, f64)>) {
    let mut ends: Vec<f64> = Vec::new();
    let mut placed = Vec::new();
    for (index, cluster) in clusters.iter().take(MOST).enumerate() {
        let start = x(seconds(cluster.first_seen));
        let end = x(seconds(cluster.last_seen)).max(start + 5.0);
        let lane = match ends.iter().position(|taken| *taken + 4.0 <= start) {
            Some(lane) => lane,
            None => {
                ends.push(0.0);
                ends.len() - 1
            }
        };
        ends[lane] = end;
        placed.push((index, lane, start, end));
    }
    (ends.len(), placed)
}

fn seconds(time: Timestamp) -> f64 {
    time.as_millisecond() as f64 / 1000.0
}
