//! What the benchmarks in Rust share.

use std::time::Instant;

/// What the environment sets `name` to, or `otherwise`.
pub fn setting(name: &str, otherwise: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is {text:?} and no number")),
        Err(_) => otherwise,
    }
}

/// Spread over the whole range, as hashes and random identifiers are.
pub fn key(row: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&row.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
    key[8..].copy_from_slice(&row.to_be_bytes());
    key
}

/// Nanoseconds for each of `count`.
pub fn time(count: u64, work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_nanos() as f64 / count as f64
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
