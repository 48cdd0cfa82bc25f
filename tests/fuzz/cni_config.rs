//! Owns: nothing but its process.
//! Never: anything else; the target is [`fuzz::cni::target`].
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::cni::target(input));

#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    fuzz::main(&fuzz::cni::seeds(), fuzz::cni::target)
}
