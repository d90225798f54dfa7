//! One tree: grown on histograms, stored as a flat list of nodes.

use ndarray::{ArrayView1, ArrayView2};
use serde::{Deserialize, Serialize};

use super::{Boosting, MOST_DEPTH};
use crate::rounding::nine_decimals;

/// A flat tree; the root is the first node, and a child always comes after its parent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Tree {
    pub nodes: Vec<Node>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Node {
    /// Curvature of the rows that reached this node.
    pub cover: f64,
    #[serde(flatten)]
    pub kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Leaf(f64),
    Split(Split),
}

/// Values below `at` go left, others right.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Split {
    pub feature: usize,
    pub at: f64,
    pub unknown_left: bool,
    pub left: usize,
    pub right: usize,
}

impl Split {
    pub fn next(&self, row: ArrayView1<'_, f64>) -> usize {
        let value = row[self.feature];
        let left = if value.is_nan() { self.unknown_left } else { value < self.at };
        if left { self.left } else { self.right }
    }
}

impl Tree {
    pub fn score(&self, row: ArrayView1<'_, f64>) -> f64 {
        let mut at = 0;
        loop {
            match &self.nodes[at].kind {
                Kind::Leaf(value) => return *value,
                Kind::Split(split) => at = split.next(row),
            }
        }
    }

    pub fn is_a_leaf(&self) -> bool {
        self.nodes.len() == 1
    }

    pub fn used(&self) -> impl Iterator<Item = usize> {
        self.nodes.iter().filter_map(|node| match &node.kind {
            Kind::Split(split) => Some(split.feature),
            Kind::Leaf(_) => None,
        })
    }

    pub fn rescale(&mut self, slope: f64) {
        for node in &mut self.nodes {
            if let Kind::Leaf(value) = &mut node.kind {
                *value = nine_decimals(*value * slope);
            }
        }
    }

    /// Whether the nodes are one tree of at most the allowed depth: no child is shared, none comes
    /// before its parent, and no node is unused. Then walking the tree ends after at most as many
    /// steps as there are nodes.
    pub fn is_sound(&self, features: usize) -> bool {
        let mut depths: Vec<Option<usize>> = vec![None; self.nodes.len()];
        if let Some(root) = depths.first_mut() {
            *root = Some(0);
        }
        for (at, node) in self.nodes.iter().enumerate() {
            let Some(depth) = depths[at] else { return false };
            let sound = match &node.kind {
                Kind::Leaf(value) => value.is_finite(),
                Kind::Split(split) => {
                    let mut place = |child: usize| {
                        let free = child > at && depths.get(child).is_some_and(Option::is_none);
                        if free {
                            depths[child] = Some(depth + 1);
                        }
                        free
                    };
                    let children = depth < MOST_DEPTH && place(split.left) && place(split.right);
                    children && split.feature < features && split.at.is_finite()
                }
            };
            if !sound || !node.cover.is_finite() || node.cover <= 0.0 {
                return false;
            }
        }
        !self.nodes.is_empty()
    }
}

/// Values as bin numbers, feature by feature. The last bin is for unknown values.
pub(super) struct Binned {
    rows: usize,
    /// By feature: the lower bounds of all bins after the first.
    cuts: Vec<Vec<f64>>,
    /// By feature, then row.
    bins: Vec<u8>,
}

/// The bin of unknown values.
const UNKNOWN: u8 = u8::MAX;

impl Binned {
    pub fn new(records: ArrayView2<'_, f64>, most: usize) -> Binned {
        let rows = records.nrows();
        let mut cuts = Vec::with_capacity(records.ncols());
        let mut bins = Vec::with_capacity(records.len());
        for column in records.columns() {
            let own = cuts_of(column, most.min(usize::from(UNKNOWN)));
            bins.extend(
                column.iter().map(
                    |value| {
                        if value.is_nan() { UNKNOWN } else { own.partition_point(|cut| cut <= value) as u8 }
                    },
                ),
            );
            cuts.push(own);
        }
        Binned { rows, cuts, bins }
    }

    fn column(&self, feature: usize) -> &[u8] {
        &self.bins[feature * self.rows..(feature + 1) * self.rows]
    }
}

/// Cuts midway between neighbouring values, so that all bins hold about the same number of rows.
fn cuts_of(column: ArrayView1<'_, f64>, most: usize) -> Vec<f64> {
    let mut known: Vec<f64> = column.iter().copied().filter(|value| !value.is_nan()).collect();
    known.sort_by(f64::total_cmp);
    let between = |pair: &[f64]| {
        // Few digits are enough, and a number with few digits is read back from a file unchanged.
        let middle = nine_decimals(f64::midpoint(pair[0], pair[1]));
        (pair[0] < middle && middle <= pair[1]).then_some(middle)
    };
    let mut cuts = Vec::new();
    let distinct = known.chunk_by(|a, b| a == b).count();
    if distinct <= most {
        cuts.extend(known.windows(2).filter_map(between));
        return cuts;
    }
    for bin in 1..most {
        let at = bin * known.len() / most;
        // The first place at or after the quantile at which the value changes.
        if let Some(cut) = known[at - 1..].windows(2).find_map(between)
            && cuts.last().is_none_or(|last| *last < cut)
        {
            cuts.push(cut);
        }
    }
    cuts
}

/// Gradient and curvature, summed.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    g: f64,
    h: f64,
}

impl Sum {
    fn plus(self, other: Sum) -> Sum {
        Sum { g: self.g + other.g, h: self.h + other.h }
    }

    fn minus(self, other: Sum) -> Sum {
        Sum { g: self.g - other.g, h: self.h - other.h }
    }
}

/// Only used for the mean over rows, so few digits are enough.
fn cover(sum: Sum) -> f64 {
    nine_decimals(sum.h).max(1e-6)
}

/// A node that may still be split.
struct Open {
    node: usize,
    /// Its rows, as a range of the grower's order.
    from: usize,
    to: usize,
    depth: usize,
    sum: Sum,
    /// Bounds of its leaves' weights.
    least: f64,
    most: f64,
    histogram: Vec<Sum>,
}

struct Choice {
    gain: f64,
    feature: usize,
    /// The last bin that goes left.
    bin: usize,
    unknown_left: bool,
    left: Sum,
    weights: (f64, f64),
}

pub(super) struct Grower<'a> {
    settings: &'a Boosting,
    binned: &'a Binned,
    /// By feature, the start of its bins in a histogram; each feature has one bin more, for unknown
    /// values.
    offsets: Vec<usize>,
    order: Vec<u32>,
    scratch: Vec<u32>,
}

impl<'a> Grower<'a> {
    pub fn new(settings: &'a Boosting, binned: &'a Binned) -> Grower<'a> {
        let mut offsets = vec![0];
        for cuts in &binned.cuts {
            offsets.push(offsets.last().copied().unwrap_or(0) + cuts.len() + 2);
        }
        Grower { settings, binned, offsets, order: Vec::new(), scratch: Vec::new() }
    }

    /// Grows a tree on the gradients, and adds its leaves to the rows' scores.
    pub fn grow(&mut self, gradients: &[(f64, f64)], scores: &mut [f64]) -> Tree {
        self.order = (0..self.binned.rows as u32).collect();
        let rows = self.order.len();
        let sum = gradients.iter().fold(Sum::default(), |sum, &(g, h)| sum.plus(Sum { g, h }));
        let histogram = self.histogram(0, rows, gradients);
        let mut nodes = vec![Node { cover: cover(sum), kind: Kind::Leaf(0.0) }];
        let root = Open { node: 0, from: 0, to: rows, depth: 0, sum, least: f64::MIN, most: f64::MAX, histogram };
        let mut open = vec![root];
        while let Some(here) = open.pop() {
            let choice = if here.depth < self.settings.depth { self.best(&here) } else { None };
            let Some(choice) = choice else {
                let value = nine_decimals(self.settings.learning_rate * self.weight(here.sum, here.least, here.most));
                nodes[here.node].kind = Kind::Leaf(value);
                for row in &self.order[here.from..here.to] {
                    scores[*row as usize] += value;
                }
                continue;
            };
            let (left, right) = (nodes.len(), nodes.len() + 1);
            let middle = self.partition(&here, &choice);
            let right_sum = here.sum.minus(choice.left);
            nodes[here.node].kind = Kind::Split(Split {
                feature: choice.feature,
                at: self.binned.cuts[choice.feature][choice.bin],
                unknown_left: choice.unknown_left,
                left,
                right,
            });
            nodes.push(Node { cover: cover(choice.left), kind: Kind::Leaf(0.0) });
            nodes.push(Node { cover: cover(right_sum), kind: Kind::Leaf(0.0) });
            // The smaller side is counted; the larger side is the difference.
            let smaller_left = middle - here.from <= here.to - middle;
            let counted = match smaller_left {
                true => self.histogram(here.from, middle, gradients),
                false => self.histogram(middle, here.to, gradients),
            };
            let rest: Vec<Sum> = here.histogram.iter().zip(&counted).map(|(all, part)| all.minus(*part)).collect();
            let (left_histogram, right_histogram) = if smaller_left { (counted, rest) } else { (rest, counted) };
            let halfway = f64::midpoint(choice.weights.0, choice.weights.1);
            let (left_bounds, right_bounds) = match self.monotone(choice.feature) {
                1 => ((here.least, here.most.min(halfway)), (here.least.max(halfway), here.most)),
                -1 => ((here.least.max(halfway), here.most), (here.least, here.most.min(halfway))),
                _ => ((here.least, here.most), (here.least, here.most)),
            };
            let depth = here.depth + 1;
            for (node, from, to, sum, (least, most), histogram) in [
                (right, middle, here.to, right_sum, right_bounds, right_histogram),
                (left, here.from, middle, choice.left, left_bounds, left_histogram),
            ] {
                open.push(Open { node, from, to, depth, sum, least, most, histogram });
            }
        }
        Tree { nodes }
    }

    fn monotone(&self, feature: usize) -> i8 {
        self.settings.monotone.get(feature).copied().unwrap_or(0)
    }

    fn weight(&self, sum: Sum, least: f64, most: f64) -> f64 {
        (-sum.g / (sum.h + self.settings.l2).max(f64::MIN_POSITIVE)).clamp(least, most)
    }

    /// How much a leaf of this weight lowers the loss, in nats.
    fn gain(&self, sum: Sum, weight: f64) -> f64 {
        -(sum.g * weight + (sum.h + self.settings.l2) * weight * weight / 2.0)
    }

    fn histogram(&self, from: usize, to: usize, gradients: &[(f64, f64)]) -> Vec<Sum> {
        let mut histogram = vec![Sum::default(); self.offsets.last().copied().unwrap_or(0)];
        for feature in 0..self.binned.cuts.len() {
            let column = self.binned.column(feature);
            let own = &mut histogram[self.offsets[feature]..self.offsets[feature + 1]];
            let unknown = own.len() - 1;
            for row in &self.order[from..to] {
                let bin = column[*row as usize];
                let slot = if bin == UNKNOWN { unknown } else { usize::from(bin) };
                let (g, h) = gradients[*row as usize];
                own[slot] = own[slot].plus(Sum { g, h });
            }
        }
        histogram
    }

    fn best(&self, here: &Open) -> Option<Choice> {
        let stay = self.gain(here.sum, self.weight(here.sum, here.least, here.most));
        let mut best: Option<Choice> = None;
        for feature in 0..self.binned.cuts.len() {
            let own = &here.histogram[self.offsets[feature]..self.offsets[feature + 1]];
            let cuts = self.binned.cuts[feature].len();
            let unknown = own[own.len() - 1];
            let sign = f64::from(self.monotone(feature));
            let mut known_left = Sum::default();
            for (bin, sum) in own[..cuts].iter().enumerate() {
                known_left = known_left.plus(*sum);
                let known_right = here.sum.minus(unknown).minus(known_left);
                // Rounding errors remain if a side is empty, so a split needs some weight of known
                // values on both sides.
                if known_left.h <= 1e-9 || known_right.h <= 1e-9 {
                    continue;
                }
                let heavier_left = known_left.h >= known_right.h;
                let ways: &[bool] = match unknown.h > 1e-9 {
                    true if heavier_left => &[true, false],
                    true => &[false, true],
                    false if heavier_left => &[true],
                    false => &[false],
                };
                for &unknown_left in ways {
                    let left = if unknown_left { known_left.plus(unknown) } else { known_left };
                    let right = here.sum.minus(left);
                    if left.h < self.settings.least_weight || right.h < self.settings.least_weight {
                        continue;
                    }
                    let weights = (self.weight(left, here.least, here.most), self.weight(right, here.least, here.most));
                    if sign * (weights.1 - weights.0) < 0.0 {
                        continue;
                    }
                    let gain = self.gain(left, weights.0) + self.gain(right, weights.1) - stay;
                    if gain > self.settings.least_gain && best.as_ref().is_none_or(|best| gain > best.gain) {
                        best = Some(Choice { gain, feature, bin, unknown_left, left, weights });
                    }
                }
            }
        }
        best
    }

    /// Moves the rows that go left to the front and keeps the order on each side. Returns the start
    /// of the right side.
    fn partition(&mut self, here: &Open, choice: &Choice) -> usize {
        let column = self.binned.column(choice.feature);
        self.scratch.clear();
        let mut left = here.from;
        for at in here.from..here.to {
            let row = self.order[at];
            let bin = column[row as usize];
            let goes_left = if bin == UNKNOWN { choice.unknown_left } else { usize::from(bin) <= choice.bin };
            if goes_left {
                self.order[left] = row;
                left += 1;
            } else {
                self.scratch.push(row);
            }
        }
        self.order[left..here.to].copy_from_slice(&self.scratch);
        left
    }
}
