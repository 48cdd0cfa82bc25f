//! Inputs for toolchains without a fuzzer: seeds, changed here and there by a generator that starts the same each time.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use fastrand::Rng;

/// The first state of the generator.
const SEED: u64 = 53;
/// The longest input in bytes; a UDP packet is no longer.
const LONGEST: usize = 65_535;
/// Bytes that parsers trip over, in both formats.
const TRIPPING: [&[u8]; 12] =
    [b"\0", b"\xc0\x0c", b"\xff\xff", b"\x3f", b"/", b"..", b"\"", b"\\u0000", b"1e999", b"[[[[", b"null", b"-1"];

/// Runs the target on changed seeds for as long as it is told; an input that makes it panic is printed.
pub fn run(seeds: &[Vec<u8>], time: Duration, target: fn(&[u8])) {
    let started = Instant::now();
    let mut rng = Rng::with_seed(SEED);
    let mut count = 0_u64;
    while started.elapsed() < time {
        let input = input(seeds, &mut rng);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(&input))) {
            tell(&format!("input {count} breaks a promise: \"{}\"", input.escape_ascii()));
            resume_unwind(panic);
        }
        count += 1;
    }
    tell(&format!("{count} inputs, no promise broken"));
}

#[expect(clippy::print_stdout, reason = "the one place that prints")]
fn tell(what: &str) {
    println!("{what}");
}

fn input(seeds: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let mut input = rng.choice(seeds).cloned().unwrap_or_default();
    for _ in 0..rng.usize(1..8) {
        change(&mut input, seeds, rng);
    }
    input.truncate(LONGEST);
    input
}

/// One change of one place.
fn change(input: &mut Vec<u8>, seeds: &[Vec<u8>], rng: &mut Rng) {
    let start = rng.usize(..=input.len());
    let end = rng.usize(start..=input.len().min(start + 64));
    match rng.u8(..7) {
        0 => drop(input.drain(start..end)),
        1 => input.truncate(start),
        2 => input[start..end].iter_mut().for_each(|byte| *byte = rng.u8(..)),
        3 => input[start..end].iter_mut().for_each(|byte| *byte ^= 1 << rng.u8(..8)),
        4 => {
            let chunk = input[start..end].repeat(rng.usize(1..32));
            drop(input.splice(start..start, chunk));
        }
        5 => {
            let bytes = rng.choice(TRIPPING).unwrap_or_default();
            drop(input.splice(start..end, bytes.iter().copied()));
        }
        _ => {
            let other = rng.choice(seeds).cloned().unwrap_or_default();
            let from = rng.usize(..=other.len());
            drop(input.splice(start..end, other.into_iter().skip(from)));
        }
    }
}
