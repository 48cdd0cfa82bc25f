//! Packets between containers by other protocols than ping(8)'s.

use tests::{Container, Daemon, run};

/// Sends, asks and answers.
const PACKET: &str = env!("CARGO_BIN_EXE_packet");

/// Answers at these addresses of a container by TCP and UDP, while the daemons live.
pub(crate) fn answering(container: &Container, addresses: &[String]) -> Vec<Daemon> {
    let answer = |address: &String| {
        let log = container.folder().join(format!("{address}.log"));
        Daemon::start(container, PACKET.as_ref(), log, |command| {
            command.args(["answer", &at_port(address)]);
        })
    };
    addresses.iter().map(answer).collect()
}

/// Whether somebody who answers there is heard, by TCP and by UDP.
pub(crate) fn asks(container: &Container, address: &str) -> bool {
    let ask = |protocol| run(container.command(PACKET).args(["ask", protocol, &at_port(address)]), b"").success();
    ["tcp", "udp"].into_iter().all(ask)
}

/// Sends one packet: a protocol of IP, an address, the first byte.
pub(crate) fn send(container: &Container, words: &str) {
    container.sh(&format!("{PACKET} send {words}"));
}

/// Port 7 of an address.
fn at_port(address: &str) -> String {
    if address.contains(':') { format!("[{address}]:7") } else { format!("{address}:7") }
}
