use super::*;
use crate::features::FEATURES;
use crate::sample::rows;
use crate::{Options, train};

fn histogram(values: &[Option<f64>]) -> Histogram {
    Histogram::new(values.iter().map(|value| (*value, 1.0)))
}

fn known(values: impl IntoIterator<Item = f64>) -> Vec<Option<f64>> {
    values.into_iter().map(Some).collect()
}

#[test]
fn bins_hold_a_tenth_each_and_one_more_what_is_not_known() {
    let mut values = known((1..=90).map(f64::from));
    values.extend([None; 10]);
    let histogram = histogram(&values);
    assert_eq!(histogram.edges, [9.0, 18.0, 27.0, 36.0, 45.0, 54.0, 63.0, 72.0, 81.0]);
    assert_eq!(histogram.shares, [vec![0.09; 10], vec![0.1]].concat());
    assert_eq!([Some(9.0), Some(9.5), Some(1e9), None].map(|v| histogram.bin(v)), [0, 1, 9, 10]);
}

#[test]
fn a_value_that_is_common_has_one_bin_and_weights_count() {
    let flat = histogram(&known([0.0; 50]));
    assert_eq!((flat.edges, flat.shares), (vec![0.0], vec![1.0, 0.0, 0.0]));
    let third = 1.0 / 3.0;
    let thirds = histogram(&known([third, third, third, 2.0 * third]));
    // Numbers in the file have twelve digits, scored values have all digits. Both must fall into
    // the same bin.
    assert_eq!((thirds.bin(Some(third)), thirds.bin(Some(2.0 * third))), (0, 1));
    let weighted = Histogram::new([(Some(1.0), 1.0), (Some(2.0), 3.0)].into_iter());
    assert_eq!((weighted.edges, weighted.shares), (vec![1.0, 2.0], vec![0.25, 0.75, 0.0, 0.0]));
    let nothing = histogram(&[]);
    assert_eq!((nothing.edges.len(), nothing.shares), (0, vec![0.0, 0.0]));
}

#[test]
fn the_index_is_the_one_worked_by_hand() {
    // Two bins, half and half in training, 80 : 20 now; with so many rows that smoothing and chance
    // have no effect.
    let training = Histogram { edges: vec![0.5], shares: vec![0.5, 0.5, 0.0] };
    let values = (0..1_000).map(|n| Some(if n % 5 == 0 { 1.0 } else { 0.0 }));
    let expected = (0.8 - 0.5) * (0.8f64 / 0.5).ln() + (0.2 - 0.5) * (0.2f64 / 0.5).ln();
    let psi = training.psi(1e9, values, 1e9);
    assert!((psi - expected).abs() < 1e-6, "{psi} {expected}");
    assert!((expected - 0.4159).abs() < 1e-4);
}

#[test]
fn what_becomes_unknown_or_was_never_seen_is_drift_and_finite() {
    let training = histogram(&known((0..1_000).map(f64::from)));
    for now in [None, Some(1e300), Some(-1e300)] {
        let psi = training.psi(300.0, (0..200).map(|_| now), 200.0);
        assert!(psi > 1.0 && psi < 20.0, "{now:?}: {psi}");
    }
}

#[test]
fn chance_alone_is_no_drift_and_a_shift_is() {
    let mut dice = fastrand::Rng::with_seed(7);
    let mut normal = |n: usize, mean: f64| -> Vec<Option<f64>> {
        known((0..n).map(|_| (0..12).map(|_| dice.f64()).sum::<f64>() - 6.0 + mean).collect::<Vec<_>>())
    };
    let (mut same, mut moved, mut raw) = (0.0, 0.0, 0.0);
    let (n, m, tries) = (LEAST_CLUSTERS, 300, 200);
    for _ in 0..tries {
        let training = histogram(&normal(m, 0.0));
        let now = normal(n, 0.0);
        same += training.psi(m as f64, now.iter().copied(), n as f64) / tries as f64;
        raw += training.psi(1e12, now.iter().copied(), 1e12) / tries as f64;
        moved += training.psi(m as f64, normal(n, 0.6).into_iter(), n as f64) / tries as f64;
    }
    // Without the correction, the index would show a shift at this size although there is none.
    assert!(raw > 0.1 && same < 0.03, "{raw} {same}");
    assert!(moved > 0.2, "{moved}");
}

#[test]
fn a_model_knows_its_training_set_and_tells_another() {
    let training = rows(0.4);
    let model = train(&training, &Options::new("cluster", "1")).unwrap().model;
    let reference = model.reference().unwrap();
    assert_eq!(reference.groups(), 70);
    let states = |rows: &[Row]| -> Vec<(Vec<Option<f64>>, f64)> {
        rows.iter().map(|row| (row.values.clone(), model.verdict_on(&row.values).score)).collect()
    };
    let drift = |states: &[(Vec<Option<f64>>, f64)]| {
        reference.drift(states.iter().map(|(values, score)| (values.as_slice(), *score)), states.len())
    };
    let same = drift(&states(&training)).unwrap();
    assert_eq!(same.features.len(), FEATURES.len());
    assert!(same.features.iter().all(|psi| *psi < 0.02) && same.score < 0.05, "{same:?}");
    let inauthentic: Vec<Row> = training.iter().filter(|row| row.origin.inauthentic).cloned().collect();
    let twice = [inauthentic.clone(), inauthentic].concat();
    let other = drift(&states(&twice)).unwrap();
    let at = FEATURES.iter().position(|feature| feature.name == "delay_p50").unwrap();
    assert!(other.features[at] > 0.2 && other.score > 0.2, "{other:?}");
    assert_eq!(drift(&states(&training[..LEAST_CLUSTERS - 1])), None);
}

#[test]
fn a_picture_that_is_not_whole_is_not_sound() {
    let model = train(&rows(0.4), &Options::new("cluster", "1")).unwrap().model;
    let whole = model.reference().unwrap();
    assert!(whole.is_sound(FEATURES.len()) && !whole.is_sound(FEATURES.len() + 1));
    let broken = |change: &dyn Fn(&mut Reference)| {
        let mut reference = whole.clone();
        change(&mut reference);
        !reference.is_sound(FEATURES.len())
    };
    assert!(broken(&|r| r.groups = 0));
    assert!(broken(&|r| r.score.edges.reverse()));
    assert!(broken(&|r| r.score.shares[0] += 0.5));
    assert!(broken(&|r| r.features[0].shares.truncate(1)));
}
