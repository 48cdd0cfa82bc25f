//! Owns: nothing but its process.
//! Never: anything else; the target is [`fuzz::packet::target`].
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::packet::target(input));

#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    fuzz::main(&fuzz::packet::seeds(), fuzz::packet::target)
}
