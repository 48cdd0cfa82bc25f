//! Short names and addresses that are a function of longer ones.

use sha2::{Digest, Sha256};

/// SHA-256 over `parts`, each preceded by its length, so that `["ab", "c"]` and `["a", "bc"]` differ.
pub(crate) fn digest(parts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// The first `digits` hexadecimal digits of [`digest`].
pub(crate) fn hex(parts: &[&str], digits: usize) -> String {
    let nibbles = digest(parts).into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles.take(digits).filter_map(|nibble| char::from_digit(nibble.into(), 16)).collect()
}
