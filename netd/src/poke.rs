//! `poke.sock`: a plugin that recorded something asks when it is served.
//!
//! `SOCK_SEQPACKET`; the client sends `live\n` and gets `<generation>\n` once all that was recorded before is served.
//! A client is a task of its own with a deadline, so none delays the loop or another client.

use std::{
    fs, io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustix::{
    io::Errno,
    net::{self, AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType},
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::timeout,
};

use crate::{event::Event, ready::register};

/// How many clients are heard at once; more wait in the socket's backlog.
const CLIENTS: usize = 256;
const BACKLOG: i32 = 1024;

/// How long a client is heard. A plugin waits 0.1 s.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long no client is accepted after the system refused one, as when it has no file descriptors left.
const PAUSE: Duration = Duration::from_millis(100);

const REQUEST: &[u8] = b"live\n";

/// The socket; it is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Pokes {
    socket: AsyncFd<OwnedFd>,
    path: PathBuf,
}

impl Pokes {
    /// Listens in `run_dir`, in place of what a killed netd left there.
    ///
    /// # Errors
    /// Another netd listens there: two would undo each other's work.
    pub(crate) fn bind(run_dir: &Path) -> io::Result<Self> {
        let path = path(run_dir);
        let address = SocketAddrUnix::new(&path)?;
        if is_served(run_dir) {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another netd runs here"));
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let socket = net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags(), None)?;
        net::bind(&socket, &address)?;
        net::listen(&socket, BACKLOG)?;
        Ok(Self { socket: register(socket)?, path })
    }

    /// Turns clients into events, for ever.
    pub(crate) async fn serve(self, events: mpsc::Sender<Event>) {
        let clients = Arc::new(Semaphore::new(CLIENTS));
        loop {
            let Ok(permit) = Arc::clone(&clients).acquire_owned().await else { return };
            let accept = |socket: &OwnedFd| Ok(net::accept_with(socket, flags())?);
            match self.socket.async_io(Interest::READABLE, accept).await {
                Ok(client) => drop(tokio::spawn(serve_client(client, events.clone(), permit))),
                Err(error) => {
                    tracing::warn!(%error, "client of poke.sock not accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

impl Drop for Pokes {
    fn drop(&mut self) {
        // What stays is of no harm: a client that finds nobody behind it goes on at once.
        drop(fs::remove_file(&self.path));
    }
}

/// Whether a netd listens in `run_dir`.
pub(crate) fn is_served(run_dir: &Path) -> bool {
    let socket = || net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags(), None);
    let connect = || net::connect(&socket()?, &SocketAddrUnix::new(path(run_dir))?);
    // A full backlog is a netd that is busy.
    matches!(connect(), Ok(()) | Err(Errno::AGAIN))
}

fn path(run_dir: &Path) -> PathBuf {
    run_dir.join("poke.sock")
}

fn flags() -> SocketFlags {
    SocketFlags::CLOEXEC | SocketFlags::NONBLOCK
}

async fn serve_client(client: OwnedFd, events: mpsc::Sender<Event>, _permit: OwnedSemaphorePermit) {
    match timeout(PATIENCE, answer(client, events)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "client of poke.sock not answered"),
        Err(_) => tracing::debug!("client of poke.sock too slow"),
    }
}

async fn answer(client: OwnedFd, events: mpsc::Sender<Event>) -> io::Result<()> {
    let client = register(client)?;
    let mut bytes = [0; 16];
    // With TRUNC the length is that of the message, however much of it fits.
    let receive = |client: &OwnedFd| Ok(net::recv(client, &mut bytes, RecvFlags::TRUNC)?.1);
    let length = client.async_io(Interest::READABLE, receive).await?;
    if bytes.get(..length) != Some(REQUEST) {
        return Err(io::Error::other("request is not \"live\""));
    }
    let (reply, generation) = oneshot::channel();
    events.send(Event::Poke(reply)).await.map_err(io::Error::other)?;
    let generation = generation.await.map_err(io::Error::other)?;
    net::send(client.get_ref(), format!("{generation}\n").as_bytes(), SendFlags::NOSIGNAL)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
