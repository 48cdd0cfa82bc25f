//! `poke.sock`: a plugin that recorded something asks when it is served.
//!
//! `SOCK_SEQPACKET`; the client sends `live\n` and gets `<generation>\n` once all that was recorded before is served.
//! A client has a deadline, and delays neither the loop nor another client.

use std::{
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::net::SocketType;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use crate::{
    clients::{self, Clients},
    event::Event,
    ready::register,
};

/// How many clients are heard at once.
const CLIENTS: usize = 256;

/// How long a client is heard. A plugin waits 0.1 s.
const PATIENCE: Duration = Duration::from_secs(2);

const REQUEST: &[u8] = b"live\n";

/// The socket.
#[derive(Debug)]
pub(crate) struct Pokes(Clients);

impl Pokes {
    /// Listens in `run_dir`.
    ///
    /// # Errors
    /// Another netd listens there: two would undo each other's work.
    pub(crate) fn bind(run_dir: &Path) -> io::Result<Self> {
        if is_served(run_dir) {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another netd runs here"));
        }
        Clients::bind(&path(run_dir), SocketType::SEQPACKET, None).map(Self)
    }

    /// Turns clients into events, for ever.
    pub(crate) async fn serve(self, events: mpsc::Sender<Event>) {
        let converse = |client| {
            let answered = timeout(PATIENCE, answer(client, events.clone()));
            async { answered.await? }
        };
        self.0.serve(CLIENTS, converse).await;
    }
}

/// Whether a netd listens in `run_dir`.
pub(crate) fn is_served(run_dir: &Path) -> bool {
    clients::is_served(&path(run_dir), SocketType::SEQPACKET)
}

fn path(run_dir: &Path) -> PathBuf {
    run_dir.join("poke.sock")
}

async fn answer(client: OwnedFd, events: mpsc::Sender<Event>) -> io::Result<()> {
    let client = register(client)?;
    if clients::receive(&client, &mut [0; 16]).await? != Some(REQUEST) {
        return Err(io::Error::other("request is not \"live\""));
    }
    let (reply, generation) = oneshot::channel();
    events.send(Event::Poke(reply)).await.map_err(io::Error::other)?;
    let generation = generation.await.map_err(io::Error::other)?;
    clients::send(&client, format!("{generation}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags};
    use tokio::io::Interest;

    use super::*;

    fn flags() -> SocketFlags {
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK
    }

    async fn ask(path: &Path, request: &[u8]) -> String {
        let socket = net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags(), None).unwrap();
        net::connect(&socket, &SocketAddrUnix::new(path).unwrap()).unwrap();
        net::send(&socket, request, SendFlags::NOSIGNAL).unwrap();
        let socket = register(socket).unwrap();
        let mut bytes = [0; 64];
        let receive = |socket: &OwnedFd| Ok(net::recv(socket, &mut bytes, RecvFlags::empty())?.0);
        let length = socket.async_io(Interest::READABLE, receive).await.unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    async fn generation(mut events: mpsc::Receiver<Event>) {
        while let Some(event) = events.recv().await {
            if let Event::Poke(reply) = event {
                reply.send(7).unwrap();
            }
        }
    }

    #[tokio::test]
    async fn each_client_gets_the_generation_even_beside_silent_and_wrong_ones() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("poke.sock");
        fs::write(&path, "left by a killed netd").unwrap();
        let (sender, receiver) = mpsc::channel(1);
        let server = tokio::spawn(Pokes::bind(folder.path()).unwrap().serve(sender));
        tokio::spawn(generation(receiver));
        let silent: Vec<_> = (0..20)
            .map(|_| {
                let socket = net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags(), None).unwrap();
                net::connect(&socket, &SocketAddrUnix::new(&path).unwrap()).unwrap();
                socket
            })
            .collect();
        let long = [b'x'; 1000];
        for (request, answer) in [(&b"live\n"[..], "7\n"), (b"dead\n", ""), (b"", ""), (&long, ""), (b"live\n", "7\n")]
        {
            assert_eq!(ask(&path, request).await, answer, "{request:?}");
        }
        drop(silent);
        server.abort();
        assert!(server.await.unwrap_err().is_cancelled());
        assert!(!path.exists());
    }
}
