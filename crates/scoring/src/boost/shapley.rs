//! Shapley values of one tree for one row. A feature outside a coalition follows the distribution
//! of the training rows (TreeSHAP, algorithm 2 of Lundberg, Erion and Lee 2018).

use ndarray::ArrayView1;

use super::tree::{Kind, Tree};

/// A feature on the path from the root, with the part of the rows that would follow this path
/// without knowing it (`zero`) and knowing it (`one`).
#[derive(Debug, Clone, Copy)]
struct PathElement {
    feature: usize,
    zero: f64,
    one: f64,
    weight: f64,
}

/// Adds the tree's values to `parts`, and returns the tree's mean over the training rows.
pub(super) fn add(tree: &Tree, row: ArrayView1<'_, f64>, parts: &mut [f64]) -> f64 {
    walk(tree, row, parts, 0, Vec::new(), PathElement { feature: usize::MAX, zero: 1.0, one: 1.0, weight: 0.0 });
    mean(tree, 0)
}

fn mean(tree: &Tree, at: usize) -> f64 {
    match &tree.nodes[at].kind {
        Kind::Leaf(value) => *value,
        Kind::Split(split) => {
            let side = |child: usize| tree.nodes[child].cover / tree.nodes[at].cover * mean(tree, child);
            side(split.left) + side(split.right)
        }
    }
}

fn walk(
    tree: &Tree,
    row: ArrayView1<'_, f64>,
    parts: &mut [f64],
    at: usize,
    mut path: Vec<PathElement>,
    step: PathElement,
) {
    extend(&mut path, step);
    let node = &tree.nodes[at];
    let split = match &node.kind {
        Kind::Leaf(value) => {
            for i in 1..path.len() {
                parts[path[i].feature] += unwound_sum(&path, i) * (path[i].one - path[i].zero) * value;
            }
            return;
        }
        Kind::Split(split) => split,
    };
    let hot = split.next(row);
    let cold = if hot == split.left { split.right } else { split.left };
    let (mut zero, mut one) = (1.0, 1.0);
    if let Some(k) = (1..path.len()).find(|k| path[*k].feature == split.feature) {
        (zero, one) = (path[k].zero, path[k].one);
        unwind(&mut path, k);
    }
    let part = |child: usize| zero * tree.nodes[child].cover / node.cover;
    let hot_step = PathElement { feature: split.feature, zero: part(hot), one, weight: 0.0 };
    let cold_step = PathElement { feature: split.feature, zero: part(cold), one: 0.0, weight: 0.0 };
    walk(tree, row, parts, hot, path.clone(), hot_step);
    walk(tree, row, parts, cold, path, cold_step);
}

fn extend(path: &mut Vec<PathElement>, step: PathElement) {
    let length = path.len();
    path.push(PathElement { weight: if length == 0 { 1.0 } else { 0.0 }, ..step });
    let all = (length + 1) as f64;
    for i in (0..length).rev() {
        path[i + 1].weight += step.one * path[i].weight * (i + 1) as f64 / all;
        path[i].weight *= step.zero * (length - i) as f64 / all;
    }
}

fn unwind(path: &mut Vec<PathElement>, gone: usize) {
    let last = path.len() - 1;
    let all = path.len() as f64;
    let PathElement { zero, one, .. } = path[gone];
    let mut next = path[last].weight;
    for j in (0..last).rev() {
        if one == 0.0 {
            path[j].weight = path[j].weight * all / (zero * (last - j) as f64);
        } else {
            let before = path[j].weight;
            path[j].weight = next * all / ((j + 1) as f64 * one);
            next = before - path[j].weight * zero * (last - j) as f64 / all;
        }
    }
    for j in gone..last {
        let PathElement { feature, zero, one, .. } = path[j + 1];
        path[j] = PathElement { feature, zero, one, weight: path[j].weight };
    }
    path.pop();
}

fn unwound_sum(path: &[PathElement], gone: usize) -> f64 {
    let mut path = path.to_vec();
    unwind(&mut path, gone);
    path.iter().map(|step| step.weight).sum()
}
