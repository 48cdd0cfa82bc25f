//! Reading the usual question: whatever is out of the ordinary in a packet is none.

use crate::header::{AUTHENTIC_DATA, CHECKING_DISABLED, RECURSION_DESIRED};
use crate::message::{HEADER, MAX_UDP, MIN_UDP};
use crate::record::Kind;

/// Octets of a name in wire form without its root label.
const MAX_NAME: usize = 254;
/// Labels of a usual name. Those of IPv6 have 34; hickory compresses names of more than 64 differently.
const MAX_LABELS: usize = 40;
const IN: [u8; 2] = [0, 1];

/// A packet that holds a usual question.
#[derive(Debug)]
pub(crate) struct Question<'p> {
    /// Header and question as they came.
    pub(crate) start: &'p [u8],
    /// The name as it came, in wire form, without its root label.
    pub(crate) spelled: &'p [u8],
    /// Lower-cased.
    name: [u8; MAX_NAME],
    pub(crate) kind: Kind,
    pub(crate) recursion_desired: bool,
    pub(crate) checking_disabled: bool,
    /// Whether the client knows EDNS, and then whether it wants DNSSEC's records.
    pub(crate) edns: Option<bool>,
    /// Octets that it takes.
    pub(crate) limit: usize,
}

impl<'p> Question<'p> {
    /// Reads a packet.
    pub(crate) fn read(packet: &'p [u8]) -> Option<Self> {
        let (header, rest) = packet.split_first_chunk::<HEADER>()?;
        let &[_, _, high, low, 0, 1, 0, 0, 0, 0, 0, additional] = header else { return None };
        // A question that may ask for recursion, and what a client that knows DNSSEC may set (RFC 4035 3.2.2, RFC 6840 5.7).
        if high & !RECURSION_DESIRED != 0 || low & !(CHECKING_DISABLED | AUTHENTIC_DATA) != 0 {
            return None;
        }
        let mut name = [0; MAX_NAME];
        let length = lowered(rest, &mut name)?;
        let (spelled, rest) = rest.split_at_checked(length)?;
        let (&[0, kind_high, kind_low, class @ ..], opt) = rest.split_first_chunk::<5>()? else { return None };
        let kind = Kind(u16::from_be_bytes([kind_high, kind_low]));
        if class != IN || ![Kind::A, Kind::AAAA, Kind::PTR, Kind::SRV].contains(&kind) {
            return None;
        }
        let (edns, limit) = match (additional, opt) {
            (0, []) => (None, MIN_UDP),
            // RFC 6891 6.1.2: the root, OPT, octets, no code, version 0, DO or no flag, no options.
            (1, &[0, 0, 41, high, low, 0, 0, flags @ (0 | 0x80), 0, 0, 0]) => {
                (Some(flags != 0), u16::from_be_bytes([high, low]).clamp(MIN_UDP, MAX_UDP))
            }
            _ => return None,
        };
        let start = packet.get(..HEADER + length + 5)?;
        let recursion_desired = high & RECURSION_DESIRED != 0;
        let checking_disabled = low & CHECKING_DISABLED != 0;
        Some(Self { start, spelled, name, kind, recursion_desired, checking_disabled, edns, limit: limit.into() })
    }

    /// The name in wire form, lower-cased, without its root label.
    pub(crate) fn name(&self) -> &[u8] {
        self.name.get(..self.spelled.len()).unwrap_or_default()
    }
}

/// Copies a name, lower-cased; how many octets it has. None for the root, and for one that is no name in full.
fn lowered(octets: &[u8], name: &mut [u8; MAX_NAME]) -> Option<usize> {
    let mut end = 0;
    for _ in 0..MAX_LABELS {
        let length: usize = (*octets.get(end)?).into();
        match length {
            0 => return (end > 0).then_some(end),
            1..=63 => {
                let label = end..end + 1 + length;
                let (from, to) = (octets.get(label.clone())?, name.get_mut(label)?);
                to.copy_from_slice(from);
                // No length octet is a letter: they are below 64.
                to.make_ascii_lowercase();
                end += 1 + length;
            }
            _ => return None,
        }
    }
    None
}
