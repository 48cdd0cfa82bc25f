//! Interfaces whose other end a program holds: `/dev/net/tun`, tun(4).
//!
//! One that is made lives as long as its descriptor, until it is told to stay. So it has its group before that: what we
//! made and did not mark never outlives us.

use std::{
    fs::{File, OpenOptions},
    io,
};

use netd_model::{
    object::{Link, LinkKind, Object},
    plan::Step,
};
use rustix::ioctl::{IntegerSetter, Updater, ioctl};

use super::{impossible, line};
use crate::{
    error::Error,
    kernel::{Kernel, Space},
    rtnetlink::link,
    wire::Requests,
};

const DEVICE: &str = "/dev/net/tun";

const TUNSETIFF: u32 = 0x4004_54ca;
const TUNSETPERSIST: u32 = 0x4004_54cb;
const TUNSETOWNER: u32 = 0x4004_54cc;
const TUNSETGROUP: u32 = 0x4004_54ce;

const IFF_TAP: u16 = 0x2;
const IFF_MULTI_QUEUE: u16 = 0x100;
const IFF_NO_PI: u16 = 0x1000;
/// Refuse a name that is taken.
const IFF_TUN_EXCL: u16 = 0x8000;

/// `struct ifreq`: a name, then a union that is here two bytes of flags.
type Request = [u8; 40];

/// Where the name ends and the flags begin.
const NAME: usize = 16;

impl Kernel {
    /// Makes one.
    pub(super) fn add_tap(&mut self, step: &Step) -> Result<(), Error> {
        let Step::Add(Object::Link(wanted @ Link { kind: LinkKind::Tap { context, .. }, .. })) = step else {
            return Err(impossible(step, "it is no tap"));
        };
        let space = self.space(wanted.side);
        space.indexes.remove(&wanted.name);
        let file = space.within(|| in_context(context.as_deref(), step, || open(wanted, step)))?;
        space.mark(wanted, step)?;
        own(&file, &wanted.kind).map_err(|source| Error::Io { attempt: line(step), source })
    }
}

impl Space {
    /// What an interface of ours is born with.
    fn mark(&mut self, wanted: &Link, step: &Step) -> Result<(), Error> {
        let master = match &wanted.port {
            Some(port) => Some(self.number(&port.bridge)?.ok_or_else(|| impossible(step, "there is no such bridge"))?),
            None => None,
        };
        let mut requests = Requests::new();
        link::set(&mut requests, wanted, master);
        self.socket()?.change(&mut requests).map_err(|fault| Error::at(fault, |_| line(step)))
    }
}

/// Opens the device in the calling thread's namespace, and makes the interface.
fn open(wanted: &Link, step: &Step) -> Result<File, Error> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => Error::MissingFeature { attempt: line(step), option: "CONFIG_TUN" },
        _ => Error::Io { attempt: line(step), source },
    };
    let file = OpenOptions::new().read(true).write(true).open(DEVICE).map_err(failed)?;
    let mut request: Request = [0; 40];
    for (place, byte) in request.iter_mut().zip(wanted.name.as_str().bytes().take(NAME - 1)) {
        *place = byte;
    }
    let queues = matches!(wanted.kind, LinkKind::Tap { multi_queue: Some(true), .. });
    let flags = IFF_TAP | IFF_NO_PI | IFF_TUN_EXCL | if queues { IFF_MULTI_QUEUE } else { 0 };
    for (place, byte) in request.iter_mut().skip(NAME).zip(flags.to_ne_bytes()) {
        *place = byte;
    }
    // SAFETY: TUNSETIFF reads and writes one `struct ifreq`, which is what it is given.
    #[expect(unsafe_code, reason = "there is no safe name for this ioctl")]
    let made = unsafe { ioctl(&file, Updater::<TUNSETIFF, Request>::new(&mut request)) };
    made.map_err(|errno| failed(errno.into())).map(|()| file)
}

/// Says who may hold the other end, and that it stays.
fn own(file: &File, kind: &LinkKind) -> io::Result<()> {
    let LinkKind::Tap { owner, group, .. } = kind else { return Ok(()) };
    let number = |id: u32| usize::try_from(id).map_err(io::Error::other);
    // SAFETY: the three take an integer and no memory.
    #[expect(unsafe_code, reason = "there are no safe names for these ioctls")]
    unsafe {
        if let Some(owner) = owner {
            ioctl(file, IntegerSetter::<TUNSETOWNER>::new_usize(number(*owner)?))?;
        }
        if let Some(group) = group {
            ioctl(file, IntegerSetter::<TUNSETGROUP>::new_usize(number(*group)?))?;
        }
        ioctl(file, IntegerSetter::<TUNSETPERSIST>::new_usize(1))?;
    }
    Ok(())
}

/// Lets `work` run in an `SELinux` context: what it makes has it (`security_tun_dev_alloc_security`).
fn in_context<T>(context: Option<&str>, step: &Step, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    const OWN: &str = "/proc/thread-self/attr/current";
    let Some(context) = context else { return work() };
    if !std::path::Path::new("/sys/fs/selinux/enforce").exists() {
        return Err(Error::MissingFeature { attempt: line(step), option: "CONFIG_SECURITY_SELINUX" });
    }
    let failed = |source| Error::Io { attempt: format!("{} in context {context}", line(step)), source };
    let before = std::fs::read(OWN).map_err(failed)?;
    std::fs::write(OWN, context).map_err(failed)?;
    let done = work();
    std::fs::write(OWN, before).map_err(failed)?;
    done
}
