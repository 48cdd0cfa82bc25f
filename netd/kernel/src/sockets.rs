//! Who listens on ports of the host: `sock_diag(7)`, `include/uapi/linux/inet_diag.h`; and whose a socket is: proc(5).

use std::{
    fs,
    net::{IpAddr, Ipv6Addr},
};

use netd_model::element::Transport;
use rustix::io::Errno;

use crate::{
    error::Error,
    kernel::Kernel,
    rtnetlink::{AF_INET, AF_INET6},
    wire::{Attributes, Fault, NLM_F_DUMP, Protocol, Requests, Socket, array, u8_of, u32_of},
};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const INET_DIAG_SKV6ONLY: u16 = 11;

/// `TCP_CLOSE` and `TCP_LISTEN`, as bits. A socket of UDP that takes packets of everybody is closed.
const CLOSED: u32 = 1 << 7;
const LISTENING: u32 = 1 << 10;

/// `struct inet_diag_msg`.
const MESSAGE: usize = 72;

/// A socket of the host that takes what comes to a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Its protocol.
    pub transport: Transport,
    /// Its port.
    pub port: u16,
    /// Its address; an unspecified one is all of its family, and `::` of both unless it is for IPv6 alone.
    pub address: IpAddr,
    /// Whether one of IPv6 takes nothing of IPv4.
    pub only_ipv6: bool,
    /// The user whose it is.
    pub uid: u32,
    /// What it is found by in [`Process::of`].
    pub inode: u32,
}

/// A process that holds a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub id: u32,
    /// Its name, as ps(1) shows it.
    pub name: String,
    /// The words of its command line.
    pub words: Vec<String>,
}

impl Kernel {
    /// The sockets of the host that listen on one of these ports. None of a protocol that this kernel does not have.
    pub fn listeners(&mut self, transport: Transport, ports: &[u16]) -> Result<Vec<Listener>, Error> {
        let attempt = || format!("ss --listening --{transport}");
        let failed = |source| Error::Io { attempt: attempt(), source };
        // One look, since the kernel walks through all of them whatever it is asked.
        let only = if let [port] = ports { *port } else { 0 };
        let mut socket = self.host.within(|| Socket::open(Protocol::Sockets).map_err(failed))?;
        let mut listeners = Vec::new();
        for family in [AF_INET, AF_INET6] {
            let mut requests = Requests::new();
            requests.push(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, |body| {
                let states = if transport == Transport::Udp { CLOSED } else { LISTENING };
                let mut request = vec![family, transport.number(), 0, 0];
                request.extend(states.to_ne_bytes());
                request.extend(only.to_be_bytes());
                // `struct inet_diag_req_v2`: to whom, and by which interface.
                request.resize(56, 0);
                body.fixed(&request);
            });
            let read = |body: &[u8]| Listener::read(transport, body).filter(|found| ports.contains(&found.port));
            match socket.dump(&mut requests, read) {
                Ok(found) => listeners.extend(found),
                Err(Fault::Refused(_, refusal)) if refusal.errno == Errno::NOENT => {}
                Err(fault) => return Err(Error::at(fault, |_| attempt())),
            }
        }
        Ok(listeners)
    }
}

impl Listener {
    fn read(transport: Transport, body: &[u8]) -> Option<Self> {
        let address = body.get(8..24)?;
        let address: IpAddr = match u8_of(body)? {
            AF_INET => array::<4>(address)?.into(),
            _ => array::<16>(address).map(Ipv6Addr::from)?.to_canonical(),
        };
        let only_ipv6 = Attributes::after(body, MESSAGE).find(INET_DIAG_SKV6ONLY).and_then(u8_of) == Some(1);
        Some(Self {
            transport,
            port: body.get(4..).and_then(array).map(u16::from_be_bytes)?,
            address,
            only_ipv6,
            uid: body.get(64..).and_then(u32_of)?,
            inode: body.get(68..).and_then(u32_of)?,
        })
    }

    /// Whether it takes what comes to an address, or to any address of a family where that is unspecified.
    pub fn takes(&self, address: IpAddr) -> bool {
        let same_family = self.address.is_ipv4() == address.is_ipv4();
        if self.address.is_unspecified() {
            return same_family || (self.address.is_ipv6() && !self.only_ipv6);
        }
        same_family && (address.is_unspecified() || self.address == address)
    }
}

impl Process {
    /// A process that holds the socket; none if it ended, or is hidden.
    pub fn of(listener: &Listener) -> Option<Self> {
        let socket = format!("socket:[{}]", listener.inode);
        let holds = |id: &u32| {
            let descriptors = fs::read_dir(format!("/proc/{id}/fd")).into_iter().flatten().flatten();
            descriptors.into_iter().any(|entry| fs::read_link(entry.path()).is_ok_and(|to| to.as_os_str() == &*socket))
        };
        let entries = fs::read_dir("/proc").ok()?.flatten();
        let id = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find(holds)?;
        let read = |file: &str| fs::read(format!("/proc/{id}/{file}")).unwrap_or_default();
        let words = read("cmdline");
        let words = words.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned());
        Some(Self { id, name: String::from_utf8_lossy(&read("comm")).trim_end().to_owned(), words: words.collect() })
    }
}
