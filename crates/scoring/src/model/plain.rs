//! Whether a group's behaviour is plain. Without that, no model calls a group inauthentic.

use coordination::{Cluster, TraceKind};

use crate::features;

/// Least share of posts that repeat members' own words. 50 imagined posts are added, of which 10
/// repeat them, so that a young group is not called inauthentic on a few posts.
const LEAST_OWN_WORDS: f64 = 0.4;
const IMAGINED: [f64; 2] = [10.0, 50.0];
/// Most seconds until half of the members who use an object have used it, for half of the objects.
const MOST_HALF_SPAN_S: f64 = 60.0;

/// Whether a group's behaviour is plain; see [`Model::verdict`].
pub(super) fn is_plain(cluster: &Cluster) -> bool {
    let own_words = |window: &coordination::WindowSum| {
        let posts: u64 = window.group.iter().sum();
        (window.group[0] as f64 + IMAGINED[0]) / (posts as f64 + IMAGINED[1])
    };
    (cluster.windows.iter().any(|window| own_words(window) >= LEAST_OWN_WORDS)
        || features::half_span_s(cluster).is_some_and(|seconds| seconds <= MOST_HALF_SPAN_S))
        && passes_without_nameless_reposts(cluster)
}

/// Whether a group reaches its threshold without any repost of an unknown author. The test removes
/// one source. If authors are not known, each reposted post is a source of its own, although all of
/// them may have one author, and the group may be that author's fans.
fn passes_without_nameless_reposts(cluster: &Cluster) -> bool {
    let mut nameless = [0.0; 3];
    let mut listed = [0.0; 3];
    for evidence in &cluster.evidence {
        let is_nameless = evidence.kind == TraceKind::Repost && evidence.source == evidence.key;
        for (window, nats) in evidence.nats.iter().enumerate() {
            listed[window] += nats;
            nameless[window] += if is_nameless { *nats } else { 0.0 };
        }
    }
    if nameless.iter().all(|nats| *nats <= 0.0) {
        return true;
    }
    let Ok(windows) = <&[coordination::WindowSum; 3]>::try_from(&*cluster.windows) else { return false };
    // Parts that are not listed are assumed to have the same mixture.
    let left = std::array::from_fn(|window| {
        let share = if listed[window] > 0.0 { nameless[window] / listed[window] } else { 0.0 };
        windows[window].nats - nameless[window] - share * cluster.unlisted.nats[window]
    });
    coordination::log_mean_exp(left) >= cluster.terms.bar
}
