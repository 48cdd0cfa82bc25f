//! Owns: nothing; arbitrary bytes come in, and a broken promise panics.
//! Never: the kernel, sockets, files but the seeds it is told to write.
//!
//! Each target is a function of bytes. `make fuzz` runs it under `cargo fuzz`, which looks for new paths through the
//! code, or, where there is no nightly toolchain, on the inputs of [`seeded`], which are the same every time.

pub mod cni;
pub mod packet;
pub mod seeded;

use std::path::PathBuf;
use std::time::Duration;
use std::{env, fs, io};

/// What a target does without `cargo fuzz`: `TARGET SECONDS` runs it, `TARGET seeds FOLDER` writes its seeds.
///
/// # Errors
/// The folder cannot be written, or the arguments are none of these.
pub fn main(seeds: &[Vec<u8>], target: fn(&[u8])) -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["seeds", folder] => {
            fs::create_dir_all(folder)?;
            let write = |(index, seed)| fs::write(PathBuf::from(folder).join(format!("seed-{index}")), seed);
            seeds.iter().enumerate().try_for_each(write)
        }
        [seconds] => {
            let seconds = seconds.parse().map_err(|_| io::Error::other("usage: TARGET SECONDS"))?;
            seeded::run(seeds, Duration::from_secs(seconds), target);
            Ok(())
        }
        _ => Err(io::Error::other("usage: TARGET SECONDS | TARGET seeds FOLDER")),
    }
}
