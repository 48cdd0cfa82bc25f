//! Domain names: [`Name`] is one of ours, [`QuestionName`] is whatever a client asked for.
//!
//! Both hold the wire form of RFC 1035 3.1 (a length octet before each label), lower-cased, without the root label
//! at the end. So a name below a domain *ends with the octets* of that domain, and what is left in front of it is
//! the relative name: both are found without allocating.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

#[cfg(test)]
mod tests;

/// Octets of a name on the wire without its root label: RFC 1035 2.3.4 allows 255 with it.
const MAX_OCTETS: usize = 254;
/// Octets of one label, RFC 1035 2.3.4.
const MAX_LABEL: usize = 63;
/// The label that stands for all below the rest of its name that have no node (RFC 4592 2.1.1).
const WILDCARD: char = '*';
/// Characters of a refused name that its error repeats.
const SHOWN: usize = 80;

/// A domain name that we serve, such as `db.web.internal` or, relative to a network's domain, `db`.
///
/// Lower-cased. Its labels hold letters, digits, `-` (not first, not last: RFC 1123 2.1) and `_`, so that it can be
/// written anywhere; the first of several may be `*`. A trailing dot is accepted and dropped. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<[u8]>);

/// A text that is no [`Name`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("domain name {name:?}: {fault}")]
pub struct NameError {
    /// The text, cut to 80 characters.
    name: String,
    fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
enum Fault {
    #[error("is empty")]
    Empty,
    #[error("has an empty label")]
    EmptyLabel,
    #[error("has a label of more than 63 characters")]
    LongLabel,
    #[error("is longer than 253 characters")]
    Long,
    #[error("has a label that begins or ends with '-'")]
    Hyphen,
    #[error("holds {0:?}; only letters, digits, '-' and '_' may stand in a label")]
    Character(char),
}

/// The name in a question: any octets in its labels, RFC 2181 11.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QuestionName {
    octets: Vec<u8>,
}

impl Name {
    /// The root, which no text makes: it owns what has no zone of its own.
    pub(crate) fn root() -> Self {
        Self(Arc::from([]))
    }

    /// This name below `domain`: `db` and `web.internal` make `db.web.internal`.
    ///
    /// # Errors
    /// The two together are longer than a name may be.
    pub fn below(&self, domain: &Name) -> Result<Name, NameError> {
        if self.0.len() + domain.0.len() > MAX_OCTETS {
            return Err(NameError::new(&format!("{self}.{domain}"), Fault::Long));
        }
        Ok(Self([&*self.0, &*domain.0].concat().into()))
    }

    /// The name without its first label; none for the root.
    pub(crate) fn parent(&self) -> Option<Name> {
        after_first_label(&self.0).map(|rest| Self(rest.into()))
    }

    pub(crate) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it has exactly one label, as `db` has.
    pub(crate) fn is_single_label(&self) -> bool {
        after_first_label(&self.0).is_some_and(<[u8]>::is_empty)
    }

    /// Whether its first label is `*`.
    pub(crate) fn is_wildcard(&self) -> bool {
        self.0.starts_with(b"\x01*")
    }

    /// Whether it is `domain`, given in wire form, or a name below it.
    pub(crate) fn is_in(&self, domain: &[u8]) -> bool {
        self.relative_to(domain).is_some()
    }

    /// What stands in front of `domain`, as [`QuestionName::relative_to`] has it.
    pub(crate) fn relative_to(&self, domain: &[u8]) -> Option<&[u8]> {
        relative(&self.0, domain)
    }

    /// The labels in wire form, without the root label.
    pub(crate) fn octets(&self) -> &[u8] {
        &self.0
    }

    /// The labels, the leftmost first.
    pub(crate) fn labels(&self) -> impl Iterator<Item = &[u8]> {
        labels(&self.0)
    }
}

/// Maps keyed by [`Name`] are asked with the octets of a question.
impl Borrow<[u8]> for Name {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let refuse = |fault| NameError::new(text, fault);
        let relative = text.strip_suffix('.').unwrap_or(text);
        if relative.is_empty() {
            return Err(refuse(Fault::Empty));
        }
        // One length octet more than the text has dots.
        if relative.len() >= MAX_OCTETS {
            return Err(refuse(Fault::Long));
        }
        let mut octets = Vec::with_capacity(relative.len() + 1);
        let below = relative.strip_prefix(WILDCARD).and_then(|rest| rest.strip_prefix('.'));
        if below.is_some() {
            octets.extend([1, b'*']);
        }
        for label in below.unwrap_or(relative).split('.') {
            let length = parse_label(label).map_err(refuse)?;
            octets.push(length);
            octets.extend(label.bytes().map(|b| b.to_ascii_lowercase()));
        }
        Ok(Self(octets.into()))
    }
}

impl TryFrom<&str> for Name {
    type Error = NameError;

    fn try_from(text: &str) -> Result<Self, NameError> {
        text.parse()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(".");
        }
        for (index, label) in self.labels().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            write!(f, "{}", label.escape_ascii())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl NameError {
    fn new(name: &str, fault: Fault) -> Self {
        Self { name: name.chars().take(SHOWN).collect(), fault }
    }
}

impl From<&Name> for QuestionName {
    fn from(name: &Name) -> Self {
        Self { octets: name.octets().to_vec() }
    }
}

impl QuestionName {
    /// A name of these labels, lower-cased; none if it is longer than a name may be.
    pub(crate) fn from_labels<'a>(labels: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        let mut octets = Vec::new();
        for label in labels {
            let length = u8::try_from(label.len()).ok()?;
            if label.is_empty() || label.len() > MAX_LABEL {
                return None;
            }
            octets.push(length);
            octets.extend(label.iter().map(u8::to_ascii_lowercase));
        }
        (octets.len() <= MAX_OCTETS).then_some(Self { octets })
    }

    /// The labels in wire form, without the root label.
    pub(crate) fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// The labels, the leftmost first.
    pub(crate) fn labels(&self) -> impl Iterator<Item = &[u8]> {
        labels(&self.octets)
    }

    /// The name and every name above it but the root: `a.b.c`, `b.c`, `c`.
    pub(crate) fn suffixes(&self) -> impl Iterator<Item = &[u8]> {
        let this = Some(&*self.octets).filter(|octets| !octets.is_empty());
        std::iter::successors(this, |octets| after_first_label(octets).filter(|rest| !rest.is_empty()))
    }

    /// What stands in front of `domain`: `db` for `db.web.internal`, nothing at all for `web.internal` itself.
    pub(crate) fn relative_to(&self, domain: &[u8]) -> Option<&[u8]> {
        relative(&self.octets, domain)
    }

    /// Whether it has exactly one label, as `db` has.
    pub(crate) fn is_single_label(&self) -> bool {
        after_first_label(&self.octets).is_some_and(<[u8]>::is_empty)
    }
}

fn parse_label(label: &str) -> Result<u8, Fault> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if let Some(other) = label.chars().find(|&c| !allowed(c)) {
        return Err(Fault::Character(other));
    }
    if label.is_empty() {
        return Err(Fault::EmptyLabel);
    }
    if label.starts_with('-') || label.ends_with('-') {
        return Err(Fault::Hyphen);
    }
    u8::try_from(label.len()).ok().filter(|_| label.len() <= MAX_LABEL).ok_or(Fault::LongLabel)
}

/// The labels of a name in wire form, the leftmost first.
pub(crate) fn labels(octets: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = octets;
    std::iter::from_fn(move || {
        let (&length, after) = rest.split_first()?;
        let (label, after) = after.split_at_checked(length.into())?;
        rest = after;
        Some(label)
    })
}

/// The first label, with its length octet, and the rest.
pub(crate) fn split_first_label(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    octets.split_at_checked(usize::from(*octets.first()?) + 1)
}

/// The name above; none for the root.
pub(crate) fn after_first_label(octets: &[u8]) -> Option<&[u8]> {
    let (&length, rest) = octets.split_first()?;
    rest.get(length.into()..)
}

/// What stands in front of `domain` in a name, both in wire form.
pub(crate) fn relative<'a>(octets: &'a [u8], domain: &[u8]) -> Option<&'a [u8]> {
    let relative = octets.strip_suffix(domain)?;
    // Octets may agree in the middle of a label: a length octet looks like a digit.
    let whole: usize = labels(relative).map(|label| label.len() + 1).sum();
    (whole == relative.len()).then_some(relative)
}
