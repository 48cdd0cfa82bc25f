//! The number by which one namespace knows another: `struct rtgenmsg` and its attributes.

use std::os::fd::RawFd;

use super::AF_UNSPEC;
use crate::wire::{Attributes, Requests, array};

const RTM_GETNSID: u16 = 90;

/// `struct rtgenmsg`: family.
const HEADER: usize = 1;

const NETNSA_NSID: u16 = 1;
const NETNSA_FD: u16 = 3;

/// The number of the namespace of this descriptor.
pub(crate) fn get(requests: &mut Requests, netns: RawFd) {
    requests.push(RTM_GETNSID, 0, |body| {
        body.fixed(&[AF_UNSPEC]).bytes(NETNSA_FD, &netns.to_ne_bytes());
    });
}

/// Reads the body of an answer: negative where the namespace has no number.
pub(crate) fn read(body: &[u8]) -> Option<i32> {
    Attributes::after(body, HEADER).find(NETNSA_NSID).and_then(array).map(i32::from_ne_bytes)
}
