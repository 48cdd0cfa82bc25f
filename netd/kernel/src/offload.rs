//! Whether an interface leaves checksums to who takes the packets from it: ethtool(8), `tx`.

use std::{ffi::c_ulong, io, os::fd::AsFd};

use netd_model::name::LinkName;
use rustix::{
    ioctl::{Opcode, Updater, ioctl},
    system::uname,
};

const SIOCETHTOOL: Opcode = 0x8946;
const ETHTOOL_GTXCSUM: u32 = 0x16;
const ETHTOOL_STXCSUM: u32 = 0x17;

/// The first kernel that computes the checksum of a translated packet within VXLAN right where the device below leaves it
/// undone; before, such UDP packets arrive and are dropped.
const SOUND_SINCE: (u32, u32) = (5, 7);

/// `struct ethtool_value`.
#[repr(C)]
struct Value {
    command: u32,
    data: u32,
}

/// `struct ifreq`: a name, and a union, in which the pointer is one of many.
#[repr(C)]
struct Request {
    name: [u8; 16],
    value: *mut Value,
    rest: [u8; UNION - size_of::<*mut Value>()],
}

/// The largest of the union, `struct ifmap`: two `unsigned long`, and eight bytes up to where the next would begin.
const UNION: usize = 2 * size_of::<c_ulong>() + 8;

const _: () = assert!(size_of::<Request>() == if cfg!(target_pointer_width = "64") { 40 } else { 32 });

/// Whether this kernel can be left to offload checksums of what is in VXLAN.
pub fn offloads_soundly() -> bool {
    is_sound(uname().release().to_str().unwrap_or_default())
}

fn is_sound(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= SOUND_SINCE,
        _ => true,
    }
}

/// Whether checksums are offloaded by an interface of the socket's namespace.
pub(crate) fn get(socket: impl AsFd, name: &LinkName) -> io::Result<bool> {
    exchange(socket, name, ETHTOOL_GTXCSUM, 0).map(|data| data != 0)
}

/// Says so.
pub(crate) fn set(socket: impl AsFd, name: &LinkName, is_on: bool) -> io::Result<()> {
    exchange(socket, name, ETHTOOL_STXCSUM, u32::from(is_on)).map(drop)
}

#[expect(unsafe_code, reason = "ethtool by ioctl(2) is a pointer in a pointer")]
fn exchange(socket: impl AsFd, name: &LinkName, command: u32, data: u32) -> io::Result<u32> {
    let mut value = Value { command, data };
    let mut request = Request { name: [0; 16], value: &raw mut value, rest: [0; UNION - size_of::<*mut Value>()] };
    // A name has 15 bytes at most, so that a zero ends it.
    request.name.iter_mut().zip(name.as_str().bytes()).for_each(|(to, from)| *to = from);
    // SAFETY: the request is a `struct ifreq` whose pointer leads to a `struct ethtool_value`, as SIOCETHTOOL wants it for
    // these two commands; both live until the call has returned.
    unsafe { ioctl(socket, Updater::<SIOCETHTOOL, Request>::new(&mut request))? };
    Ok(value.data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_since_5_7_offload_soundly() {
        for (release, expected) in [
            ("6.18.5", true),
            ("5.7.0-rc1", true),
            ("5.10.0-28-amd64", true),
            ("5.6.19", false),
            ("4.19.0-26-cloud-amd64", false),
            ("strange", true),
        ] {
            assert_eq!(is_sound(release), expected, "{release}");
        }
    }
}
