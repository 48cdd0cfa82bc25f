//! Text of a few bytes with no place of its own on the heap: thousands of routes name their interface.

use std::{fmt, ops::Deref};

/// The longest.
const LONGEST: usize = 15;

/// Text of at most 15 bytes and without zero bytes, which fill it up. Its order is that of the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Short([u8; LONGEST]);

impl From<&str> for Short {
    fn from(text: &str) -> Self {
        let mut bytes = [0; LONGEST];
        bytes.iter_mut().zip(text.bytes()).for_each(|(place, byte)| *place = byte);
        Self(bytes)
    }
}

impl Deref for Short {
    type Target = str;

    fn deref(&self) -> &str {
        let text = self.0.split(|byte| *byte == 0).next().unwrap_or_default();
        std::str::from_utf8(text).unwrap_or_default()
    }
}

impl fmt::Debug for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_prints_and_sorts_as_the_text() {
        let texts = ["", "a", "a-fifteen-bytes", "ab", "b", "ä"];
        let shorts = texts.map(Short::from);
        assert!(shorts.is_sorted());
        for (short, text) in shorts.into_iter().zip(texts) {
            assert_eq!(&*short, text);
            assert_eq!(format!("{short:?}"), format!("{text:?}"));
        }
    }
}
