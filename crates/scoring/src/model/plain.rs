//! Whether a group's behaviour is plain: no model calls a group inauthentic without it.

use coordination::{Cluster, TraceKind};

use crate::features;

/// Least share of posts that repeat members' own words, counted with 50 imagined posts of which 10 do: a young group is not called inauthentic
/// on a few posts.
const LEAST_OWN_WORDS: f64 = 0.4;
const IMAGINED: [f64; 2] = [10.0, 50.0];
/// Most seconds until half of the members who use a thing have used it, for half of the things.
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

/// Whether a group reaches its bar without any repost whose author is not known. The test takes away one source; where authors are not known,
/// each post is a source of its own, and all of them may be one author's, whose fans the group then is.
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
    // What is not listed is taken to be of the same mixture.
    let left = std::array::from_fn(|window| {
        let share = if listed[window] > 0.0 { nameless[window] / listed[window] } else { 0.0 };
        windows[window].nats - nameless[window] - share * cluster.unlisted.nats[window]
    });
    coordination::log_mean_exp(left) >= cluster.terms.bar
}
