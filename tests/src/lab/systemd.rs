//! What a service manager does for a service: it hears that it is ready, and keeps descriptors while none runs
//! (`sd_notify(3)`, `FDSTORE=1`), for the next one (`sd_listen_fds(3)`).

use std::io::IoSliceMut;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use crate::holds_within;

const START: Duration = Duration::from_secs(10);

/// The first descriptor that a service is given; the source of each is above all that a service could be given.
const FIRST: RawFd = 3;
const ABOVE: RawFd = 500;

/// The word that ends the manager.
const END: &str = "END=1";

/// A service manager; it ends when this is dropped, and with it all that it keeps.
#[derive(Debug)]
pub struct ServiceManager {
    path: PathBuf,
    known: Arc<Mutex<Known>>,
}

/// What services said.
#[derive(Debug, Default)]
struct Known {
    is_ready: bool,
    kept: Vec<(String, OwnedFd)>,
}

impl ServiceManager {
    /// One that services find at `path`.
    pub fn listen(path: PathBuf) -> Self {
        let _ = std::fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).unwrap();
        let known = Arc::<Mutex<Known>>::default();
        let told = Arc::clone(&known);
        thread::spawn(move || {
            loop {
                let (text, descriptors) = receive(&socket);
                if !told.lock().unwrap().hear(&text, descriptors) {
                    break;
                }
            }
        });
        Self { path, known }
    }

    /// The names of what it keeps, in order: one for each descriptor.
    pub fn kept(&self) -> Vec<String> {
        let mut names: Vec<String> = self.known().kept.iter().map(|(name, _)| name.clone()).collect();
        names.sort_unstable();
        names
    }

    /// Gives all that it keeps this name.
    pub fn rename(&self, name: &str) {
        self.known().kept.iter_mut().for_each(|(old, _)| name.clone_into(old));
    }

    /// Tells a command where it is heard, and gives it what is kept, as the service manager of the service that it becomes.
    pub(crate) fn configure(&self, command: &mut Command) {
        let mut known = self.known();
        known.is_ready = false;
        let names: Vec<&str> = known.kept.iter().map(|(name, _)| &**name).collect();
        command.env("NOTIFY_SOCKET", &self.path);
        if names.is_empty() {
            return;
        }
        command.env("LISTEN_FDS", names.len().to_string()).env("LISTEN_FDNAMES", names.join(":"));
        let above = known.kept.iter().map(|(_, kept)| rustix::io::fcntl_dupfd_cloexec(kept, ABOVE).unwrap());
        give(command, above.collect());
    }

    pub(crate) fn hears_ready(&self) -> bool {
        holds_within(START, || self.known().is_ready)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap()
    }
}

impl Drop for ServiceManager {
    fn drop(&mut self) {
        let _ = UnixDatagram::unbound().and_then(|socket| socket.send_to(END.as_bytes(), &self.path));
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Known {
    /// Whether that was not the end.
    fn hear(&mut self, text: &str, descriptors: Vec<OwnedFd>) -> bool {
        let says = |word| text.lines().any(|line| line == word);
        let name = text.lines().find_map(|line| line.strip_prefix("FDNAME=")).unwrap_or("stored");
        self.is_ready |= says("READY=1");
        if says("FDSTORE=1") {
            self.kept.extend(descriptors.into_iter().map(|descriptor| (name.to_owned(), descriptor)));
        }
        if says("FDSTOREREMOVE=1") {
            self.kept.retain(|(kept, _)| kept != name);
        }
        !says(END)
    }
}

/// What comes next, and the descriptors with it.
fn receive(socket: &UnixDatagram) -> (String, Vec<OwnedFd>) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut octets = [0; 4096];
    let received = recvmsg(socket, &mut [IoSliceMut::new(&mut octets)], &mut control, RecvFlags::CMSG_CLOEXEC).unwrap();
    let descriptors = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let descriptors = descriptors.flatten().collect();
    (String::from_utf8_lossy(&octets[..received.bytes]).into_owned(), descriptors)
}

/// Lets a program have these descriptors, from [`FIRST`] on.
#[allow(unsafe_code, reason = "there is no safe way to say which number a descriptor has in a new program")]
fn give(command: &mut Command, descriptors: Vec<OwnedFd>) {
    let place = move || {
        for (number, descriptor) in (FIRST..).zip(&descriptors) {
            // SAFETY: what has this number, if anything, is closed by the very call, and the new one is for the program.
            let mut there = ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(number) });
            rustix::io::dup2(descriptor, &mut there)?;
        }
        Ok(())
    };
    // SAFETY: after a fork, only system calls are made.
    unsafe { command.pre_exec(place) };
}
