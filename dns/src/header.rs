//! Flags and codes in the third and the fourth octet of a message's header: RFC 1035 4.1.1, RFC 4035 3.2.

/// QR, in the third octet: a response.
pub(crate) const RESPONSE: u8 = 0x80;
/// AA, in the third.
pub(crate) const AUTHORITATIVE: u8 = 0x04;
/// TC, in the third.
pub(crate) const TRUNCATED: u8 = 0x02;
/// RD, in the third.
pub(crate) const RECURSION_DESIRED: u8 = 0x01;

/// RA, in the fourth.
pub(crate) const RECURSION_AVAILABLE: u8 = 0x80;
/// AD, in the fourth.
pub(crate) const AUTHENTIC_DATA: u8 = 0x20;
/// CD, in the fourth.
pub(crate) const CHECKING_DISABLED: u8 = 0x10;
/// RCODE, in the fourth, and those that are told apart.
pub(crate) const CODE: u8 = 0x0f;
pub(crate) const NO_ERROR: u8 = 0;
pub(crate) const SERVER_FAILURE: u8 = 2;
pub(crate) const NAME_ERROR: u8 = 3;
pub(crate) const REFUSED: u8 = 5;
