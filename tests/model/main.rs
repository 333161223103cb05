//! Random operations on a store and on a model of it, which must agree at every step: in every
//! keyspace, over expiries, closing, dropping and reopening.

#[path = "../common/mod.rs"]
mod common;
mod compare;
mod operations;
mod oracle;

use std::thread;

use common::random::Random;
use compare::Pair;
use operations::{any_step, random_step, Step};
use proptest::prelude::*;

const SEEDS: [u64; 4] = [1, 2, 3, 4];
const STEPS: usize = 26_000;

/// Prints how to repeat a run when it panics.
struct Report {
    seed: u64,
    steps: Vec<Step>,
}

impl Drop for Report {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("seed {} failed at step {}; its last steps:", self.seed, self.steps.len());
            for step in self.steps.iter().rev().take(12).rev() {
                eprintln!("  {step:?}");
            }
            eprintln!("run it alone with SLEDSTORE_MODEL_SEED={}", self.seed);
        }
    }
}

fn run(seed: u64, steps: usize) {
    let mut random = Random::new(seed);
    let mut report = Report { seed, steps: Vec::new() };
    let mut pair = Pair::new();
    for number in 0..steps {
        let step = random_step(&mut random);
        report.steps.push(step.clone());
        pair.step(&step);
        if number % 1000 == 999 {
            pair.compare_everything();
        }
    }
}

fn number_from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text:?}")))
}

/// Other runs: SLEDSTORE_MODEL_SEED chooses one seed, SLEDSTORE_MODEL_STEPS how long it runs.
#[test]
fn store_and_model_agree_over_a_hundred_thousand_steps() {
    let steps = number_from_environment("SLEDSTORE_MODEL_STEPS").map_or(STEPS, |n| n as usize);
    let seeds = match number_from_environment("SLEDSTORE_MODEL_SEED") {
        Some(seed) => vec![seed],
        None => SEEDS.to_vec(),
    };
    let runs: Vec<_> =
        seeds.into_iter().map(|seed| (seed, thread::spawn(move || run(seed, steps)))).collect();
    for (seed, run) in runs {
        assert!(run.join().is_ok(), "seed {seed} failed, see above");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    #[test]
    fn store_and_model_agree_on_short_runs_that_shrink(
        steps in prop::collection::vec(any_step(), 1..80)
    ) {
        let mut pair = Pair::new();
        for step in &steps {
            pair.step(step);
        }
        pair.compare_everything();
    }
}
