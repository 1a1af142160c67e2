//! Statistical tests that every wheel family is fair, and tests that an unfair wheel would be detected.

use std::thread;

use crate::demo::wheel::{Chance, Family, House, HousePocket, WheelTable};

/// Enough spins to detect a bias of a few parts per thousand.
const MANY: u64 = 1_000_000;

/// Enough spins to detect a bias of one percent, for builds without optimization.
const SOME: u64 = 200_000;

/// The false-positive rate of a test with seeded spins, whose outcome is the same in every run.
const SEEDED: f64 = 1e-4;

/// The false-positive rate of a test with random spins, so low that no run should ever fail by chance.
const UNSEEDED: f64 = 1e-9;

const NONE: [&str; 0] = [];

#[test]
fn every_family_is_fair_by_seed() {
    let judge = |family| {
        let table = WheelTable::new(family, Chance::seeded(2026));
        assert_eq!(faults(table.draws(MANY), table.pockets().weights(), SEEDED), NONE, "{family:?}");
    };
    thread::scope(|scope| Family::ALL.into_iter().for_each(|family| drop(scope.spawn(move || judge(family)))));
}

#[test]
fn every_family_is_fair_by_entropy() {
    for family in Family::ALL {
        let table = WheelTable::new(family, Chance::Entropy);
        assert_eq!(faults(table.draws(SOME), table.pockets().weights(), UNSEEDED), NONE, "{family:?}");
    }
}

#[test]
fn a_house_wheel_obeys_its_weights() {
    let leaving_no_word_over = vec![1 << 31, 1 << 30, (1 << 30) - 1];
    for weights in [(1..=12).collect(), vec![90, 1, 9], leaving_no_word_over] {
        let table = WheelTable::new(house(&weights), Chance::seeded(2026));
        assert_eq!(faults(table.draws(SOME), &weights, SEEDED), NONE, "{weights:?}");
    }
    let leaving_a_quarter_over = vec![1 << 30, 1 << 30, 1 << 29, 1 << 29];
    let table = WheelTable::new(house(&leaving_a_quarter_over), Chance::Entropy);
    assert_eq!(faults(table.draws(SOME), &leaving_a_quarter_over, UNSEEDED), NONE);
}

#[test]
fn a_loaded_wheel_is_detected() {
    let mut loaded = [8; 38];
    (loaded[0], loaded[1]) = (9, 7);
    let spins = WheelTable::new(house(&loaded), Chance::seeded(2026)).draws(SOME);
    assert_eq!(faults(spins, &[1; 38], UNSEEDED).first(), Some(&"pockets"));
}

#[test]
fn a_wheel_that_takes_the_remainder_of_a_byte_is_detected() {
    let bytes = WheelTable::new(house(&[1; 256]), Chance::seeded(2026)).draws(SOME);
    assert_eq!(faults(bytes.map(|byte| byte % 38), &[1; 38], UNSEEDED).first(), Some(&"pockets"));
}

#[test]
fn a_wheel_with_memory_is_detected() {
    let spins = WheelTable::new(Family::American, Chance::seeded(2026)).draws(SOME).enumerate();
    let sticky = spins.scan(0, |last, (at, index)| {
        *last = if at % 20 == 19 { *last } else { index };
        Some(*last)
    });
    assert_eq!(faults(sticky, &[1; 38], UNSEEDED), ["serial correlation", "pairs"]);
}

#[test]
fn a_wheel_that_alternates_is_detected() {
    let turns = (0..37).cycle().take(200_000);
    assert_eq!(faults(turns, &[1; 37], UNSEEDED), ["serial correlation", "pairs"]);
}

#[test]
fn the_critical_values_agree_with_the_tables() {
    for (p, expected) in [(0.05, 1.644_85), (1e-4, 3.719_02), (1e-9, 5.997_81)] {
        assert!((normal_quantile(p) - expected).abs() < 1e-4, "{p}: {}", normal_quantile(p));
    }
    for (freedom, p, expected) in [(10.0, 0.001, 29.588), (37.0, 0.05, 52.192), (100.0, 0.001, 149.449)] {
        let value = chi_square_quantile(freedom, p);
        assert!((value / expected - 1.0).abs() < 0.01, "{freedom} {p}: {value}");
    }
}

fn house(weights: &[u32]) -> House {
    let pocket = |(number, weight): (usize, &u32)| HousePocket {
        number: number.to_string(),
        color: "RED".to_owned(),
        weight: *weight,
        parity: None,
        range: None,
    };
    House::new(weights.iter().enumerate().map(pocket).collect(), None).unwrap()
}

/// The names of the tests that the spins fail. Each test fails for a fair wheel with probability `p`.
fn faults(spins: impl Iterator<Item = usize>, weights: &[u32], p: f64) -> Vec<&'static str> {
    let total: f64 = weights.iter().copied().map(f64::from).sum();
    let chances: Vec<_> = weights.iter().map(|weight| f64::from(*weight) / total).collect();
    let spins: Vec<_> = spins.collect();
    let passed = [
        ("pockets", pockets_pass(&spins, &chances, p)),
        ("serial correlation", serial_passes(&spins, &chances, p)),
        ("pairs", pairs_pass(&spins, &chances, p)),
    ];
    passed.into_iter().filter(|(_, passed)| !passed).map(|(name, _)| name).collect()
}

/// Chi-square test of how often the ball landed in each pocket.
fn pockets_pass(spins: &[usize], chances: &[f64], p: f64) -> bool {
    chi_square_passes(spins.iter().copied(), chances, p)
}

/// Chi-square test of how often each pocket followed each pocket, in pairs that do not overlap.
fn pairs_pass(spins: &[usize], chances: &[f64], p: f64) -> bool {
    let both: Vec<_> = chances.iter().flat_map(|first| chances.iter().map(move |second| first * second)).collect();
    let pairs = spins.as_chunks().0.iter().map(|[first, second]| first * chances.len() + second);
    chi_square_passes(pairs, &both, p)
}

/// Test of the correlation between each spin's index and the next; for `n` independent spins it is normal with variance
/// 1/n.
fn serial_passes(spins: &[usize], chances: &[f64], p: f64) -> bool {
    let mean: f64 = chances.iter().enumerate().map(|(index, chance)| index as f64 * chance).sum();
    let deviation = |index: usize| index as f64 - mean;
    let variance: f64 = chances.iter().enumerate().map(|(index, chance)| chance * deviation(index).powi(2)).sum();
    let covariance: f64 = spins.windows(2).map(|pair| deviation(pair[0]) * deviation(pair[1])).sum();
    let pairs = (spins.len() - 1) as f64;
    (covariance / variance / pairs.sqrt()).abs() < normal_quantile(p / 2.0)
}

fn chi_square_passes(outcomes: impl Iterator<Item = usize>, chances: &[f64], p: f64) -> bool {
    let mut counts = vec![0_u32; chances.len()];
    outcomes.for_each(|outcome| counts[outcome] += 1);
    let total: f64 = counts.iter().copied().map(f64::from).sum();
    let term = |(count, chance): (&u32, &f64)| (f64::from(*count) - total * chance).powi(2) / (total * chance);
    let statistic: f64 = counts.iter().zip(chances).map(term).sum();
    statistic < chi_square_quantile((chances.len() - 1) as f64, p)
}

/// The value that a chi-square variable exceeds with probability `p`, by the Wilson-Hilferty approximation.
fn chi_square_quantile(freedom: f64, p: f64) -> f64 {
    let spread = 2.0 / (9.0 * freedom);
    freedom * (1.0 - spread + normal_quantile(p) * spread.sqrt()).powi(3)
}

/// The value that a standard normal variable exceeds with probability `p`, by bisection.
fn normal_quantile(p: f64) -> f64 {
    let (mut low, mut high) = (0.5, 40.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        *(if normal_tail(middle) > p { &mut low } else { &mut high }) = middle;
    }
    low
}

/// The probability that a standard normal variable exceeds `z`, by Laplace's continued fraction, for `z` from 0.5 on.
fn normal_tail(z: f64) -> f64 {
    let density = (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt();
    density / (1..=200).rev().fold(z, |rest, term| z + f64::from(term) / rest)
}
