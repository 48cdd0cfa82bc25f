//! Where it happens: this namespace, which has the servers, and one that asks, with a veth between them.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// The servers' address.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
/// The address that asks: that of the first container.
pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 2);
/// The servers' end of the veth.
pub(crate) const LINK: &str = "servers";
/// Files of the bench; a file system in memory.
pub(crate) const FOLDER: &str = "/run/bench";

const CLIENTS: &str = "clients";

/// The two namespaces.
pub(crate) struct Place;

impl Place {
    pub(crate) fn new() -> Result<Self> {
        ip(&["link", "set", "lo", "up"])?;
        ip(&["netns", "add", CLIENTS])?;
        ip(&["-n", CLIENTS, "link", "set", "lo", "up"])?;
        ip(&["link", "add", LINK, "type", "veth", "peer", "name", "eth0", "netns", CLIENTS])?;
        ip(&["address", "add", &format!("{SERVER}/16"), "dev", LINK])?;
        ip(&["link", "set", LINK, "up"])?;
        ip(&["-n", CLIENTS, "address", "add", &format!("{CLIENT}/16"), "dev", "eth0"])?;
        ip(&["-n", CLIENTS, "link", "set", "eth0", "up"])?;
        Ok(Self)
    }

    /// A command that runs where the questions come from.
    #[expect(clippy::unused_self, reason = "there is a namespace to enter as soon as there is a place")]
    pub(crate) fn client_command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", CLIENTS, program]);
        command
    }

    /// A socket there, connected to a server here.
    #[expect(clippy::unused_self, reason = "as above")]
    pub(crate) fn client_socket(&self, server: SocketAddr) -> Result<UdpSocket> {
        // A socket stays in the namespace that its thread was in.
        let make = || {
            let namespace = File::open(format!("/run/netns/{CLIENTS}"))?;
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).context("enter clients")?;
            let socket = UdpSocket::bind((CLIENT, 0))?;
            socket.connect(server)?;
            Ok(socket)
        };
        thread::scope(|scope| scope.spawn(make).join()).expect("invariant: making a socket does not panic")
    }
}

pub(crate) fn ip(arguments: &[&str]) -> Result<()> {
    let output = Command::new("ip").args(arguments).output().context("start ip")?;
    ensure!(output.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
