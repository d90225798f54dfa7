use linfa::Dataset;
use linfa::traits::Predict;
use ndarray::{Array2, array};
use proptest::prelude::*;

use super::*;

fn checked(boosting: Boosting) -> CheckedBoosting {
    boosting.check().unwrap()
}

fn fit(records: &Array2<f64>, labels: &[bool], boosting: Boosting) -> Boosted {
    checked(boosting).fit(&Dataset::new(records.clone(), labels.iter().copied().collect())).unwrap()
}

/// Rows with structure: two features that matter together, one that does not matter, and unknown
/// values.
fn rows(n: usize, seed: u64) -> (Array2<f64>, Vec<bool>) {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut roll = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut labels = Vec::new();
    let records = Array2::from_shape_fn((n, 4), |(_, _)| if roll() < 0.15 { f64::NAN } else { roll() });
    for row in records.rows() {
        let known = |at: usize, other: f64| if row[at].is_nan() { other } else { row[at] };
        let both = f64::from(u8::from((known(0, 0.9) > 0.5) ^ (known(1, 0.1) > 0.4)));
        labels.push(roll() < 0.1 + 0.7 * both + 0.1 * known(2, 0.5));
    }
    (records, labels)
}

#[test]
fn one_split_is_newton_s_step() {
    let records = array![[0.0], [0.0], [1.0], [1.0]];
    let boosting =
        Boosting { rounds: 1, learning_rate: 1.0, depth: 1, least_weight: 0.0, l2: 1.0, ..Boosting::default() };
    let model = fit(&records, &[false, false, true, true], boosting);
    // p = 1/2 everywhere: G = 2 * 1/2, H = 2 * 1/4, so a leaf weighs 1 / (1/2 + 1).
    let scores = model.predict(&records);
    for (score, expected) in scores.iter().zip([-2.0 / 3.0, -2.0 / 3.0, 2.0 / 3.0, 2.0 / 3.0]) {
        assert!((score - expected).abs() < 1e-8, "{scores}");
    }
}

#[test]
fn what_belongs_together_is_learnt_and_a_line_could_not() {
    let (records, labels) = rows(3_000, 1);
    let (fresh, truth) = rows(3_000, 2);
    let model = fit(&records, &labels, Boosting::default());
    let right = model.predict(&fresh).iter().zip(&truth).filter(|(score, y)| (**score > 0.0) == **y).count();
    assert!(right as f64 / truth.len() as f64 > 0.78, "{right} of {}", truth.len());
}

#[test]
fn a_value_not_known_goes_the_way_that_fits() {
    // Unknown means yes here, although the known values mean nothing.
    let n = 400;
    let records = Array2::from_shape_fn((n, 1), |(row, _)| if row % 4 == 0 { f64::NAN } else { (row % 7) as f64 });
    let labels: Vec<bool> = (0..n).map(|row| row % 4 == 0).collect();
    let model = fit(&records, &labels, Boosting::default());
    assert!(model.score(array![f64::NAN].view()) > model.score(array![3.0].view()) + 1.0);
}

#[test]
fn weights_count_as_repeated_rows() {
    let (records, labels) = rows(120, 3);
    let boosting = || Boosting { bins: 255, ..Boosting::default() };
    let twice = ndarray::concatenate(ndarray::Axis(0), &[records.view(), records.view()]).unwrap();
    let repeated = fit(&twice, &[&labels[..], &labels[..]].concat(), boosting());
    let data = Dataset::new(records.clone(), labels.iter().copied().collect())
        .with_weights(ndarray::Array1::from_elem(120, 2.0));
    let weighted = checked(boosting()).fit(&data).unwrap();
    for row in records.rows() {
        assert!((repeated.score(row) - weighted.score(row)).abs() < 1e-6);
    }
}

#[test]
fn bad_settings_and_rows_are_refused_with_a_reason() {
    let refused = Boosting { depth: 0, ..Boosting::default() }.check().unwrap_err().to_string();
    assert_eq!(refused, "depth is 0; it must be from 1 to 16");
    assert!(Boosting { monotone: vec![2], ..Boosting::default() }.check().is_err());
    let fit = |records: Array2<f64>, labels: Vec<bool>, monotone: Vec<i8>| {
        checked(Boosting { monotone, ..Boosting::default() })
            .fit(&Dataset::new(records, labels.into()))
            .unwrap_err()
            .to_string()
    };
    assert!(fit(array![[1.0], [2.0]], vec![true, true], vec![]).contains("both labels"));
    assert!(fit(array![[1.0], [f64::INFINITY]], vec![true, false], vec![]).contains("row 1 has inf for feature 0"));
    assert!(fit(array![[1.0], [2.0]], vec![true, false], vec![1, 0]).contains("monotone has 2 entries"));
}

#[test]
fn trees_that_lead_nowhere_are_noticed() {
    let (records, labels) = rows(300, 4);
    let model = fit(&records, &labels, Boosting { rounds: 3, ..Boosting::default() });
    assert!(model.is_sound(4));
    let text = serde_json::to_string(&model).unwrap();
    let back: Boosted = serde_json::from_str(&text).unwrap();
    assert_eq!(back, model);
    let loops: Boosted = serde_json::from_str(&text.replacen("\"left\":1", "\"left\":0", 1)).unwrap();
    assert!(!loops.is_sound(4));
    let beyond: Boosted = serde_json::from_str(&text.replacen("\"right\":2", "\"right\":99999", 1)).unwrap();
    assert!(!beyond.is_sound(4));
    let shared: Boosted = serde_json::from_str(&text.replacen("\"right\":2", "\"right\":1", 1)).unwrap();
    assert!(!shared.is_sound(4), "two ways to one node make a walk of all ways endless");
}

/// Shapley values by their definition: for every order of features, each is removed from the tree's
/// own mean.
fn by_definition(tree: &Tree, row: ArrayView1<'_, f64>, features: usize) -> Vec<f64> {
    fn expected(tree: &Tree, at: usize, row: ArrayView1<'_, f64>, known: usize) -> f64 {
        match &tree.nodes[at].kind {
            tree::Kind::Leaf(value) => *value,
            tree::Kind::Split(split) if known & (1 << split.feature) != 0 => {
                expected(tree, split.next(row), row, known)
            }
            tree::Kind::Split(split) => {
                let side =
                    |child: usize| tree.nodes[child].cover / tree.nodes[at].cover * expected(tree, child, row, known);
                side(split.left) + side(split.right)
            }
        }
    }
    let factorial = |n: usize| (1..=n).product::<usize>() as f64;
    (0..features)
        .map(|feature| {
            let without = (0..1usize << features).filter(|set| set & (1 << feature) == 0);
            without
                .map(|set| {
                    let size = set.count_ones() as usize;
                    let weight = factorial(size) * factorial(features - size - 1) / factorial(features);
                    weight * (expected(tree, 0, row, set | (1 << feature)) - expected(tree, 0, row, set))
                })
                .sum()
        })
        .collect()
}

#[test]
fn contributions_are_shapley_values_by_their_definition() {
    let (records, labels) = rows(500, 5);
    let model = fit(&records, &labels, Boosting { rounds: 8, depth: 5, ..Boosting::default() });
    for row in records.rows().into_iter().take(40) {
        for tree in &model.trees {
            let mut parts = vec![0.0; 4];
            shapley::add(tree, row, &mut parts);
            for (part, expected) in parts.iter().zip(by_definition(tree, row, 4)) {
                assert!((part - expected).abs() < 1e-9, "{part} {expected}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn contributions_sum_to_the_score(seed in 1u64..1_000, depth in 1usize..6) {
        let (records, labels) = rows(200, seed);
        let model = fit(&records, &labels, Boosting { rounds: 30, depth, ..Boosting::default() });
        for row in records.rows() {
            let (base, parts) = model.contributions(row);
            prop_assert!((base + parts.iter().sum::<f64>() - model.score(row)).abs() < 1e-9);
        }
    }

    #[test]
    fn a_monotone_feature_never_turns(seed in 1u64..1_000, sign in prop::sample::select(vec![-1i8, 1]), feature in 0usize..4) {
        let (records, labels) = rows(200, seed);
        let mut monotone = vec![0; 4];
        monotone[feature] = sign;
        let model = fit(&records, &labels, Boosting { rounds: 40, depth: 4, least_weight: 0.5, monotone, ..Boosting::default() });
        for row in records.rows() {
            let mut row = row.to_owned();
            let mut before = None;
            for step in 0..=50 {
                row[feature] = f64::from(step) / 50.0;
                let score = f64::from(sign) * model.score(row.view());
                prop_assert!(before.is_none_or(|before| score >= before - 1e-12));
                before = Some(score);
            }
        }
    }

    #[test]
    fn what_is_fitted_is_what_is_scored(seed in 1u64..1_000, bins in 2usize..40) {
        // The scores at the end of the fit are those of the finished trees, also for unknown
        // values.
        let (records, labels) = rows(150, seed);
        let boosting = Boosting { rounds: 20, bins, ..Boosting::default() };
        let binned = Binned::new(records.view(), bins);
        let mut grower = Grower::new(&boosting, &binned);
        let mut scores = vec![0.0; 150];
        let gradients: Vec<(f64, f64)> = labels.iter().map(|y| (0.5 - f64::from(u8::from(*y)), 0.25)).collect();
        let tree = grower.grow(&gradients, &mut scores);
        for (row, score) in records.rows().into_iter().zip(scores) {
            prop_assert_eq!(tree.score(row), score);
        }
    }
}
