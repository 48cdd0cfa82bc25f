//! A socket of a path on which others ask. Plugins' are `SOCK_SEQPACKET`: one message there and one back.
//!
//! A client is a task of its own, so that none delays another. So many are heard at once; more wait in the backlog.

use std::{
    fs::{self, Permissions},
    io,
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
    sync::Semaphore,
};

use crate::ready::register;

const BACKLOG: i32 = 1024;

/// How long no client is accepted after the system refused one, as when it has no file descriptors left.
const PAUSE: Duration = Duration::from_millis(100);

/// The socket; it is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Clients {
    socket: AsyncFd<OwnedFd>,
    path: PathBuf,
}

impl Clients {
    /// Listens, in place of what a killed process left there.
    pub(crate) fn bind(path: &Path, kind: SocketType, permissions: Option<Permissions>) -> io::Result<Self> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let socket = socket(kind)?;
        net::bind(&socket, &SocketAddrUnix::new(path)?)?;
        if let Some(permissions) = permissions {
            fs::set_permissions(path, permissions)?;
        }
        net::listen(&socket, BACKLOG)?;
        Ok(Self { socket: register(socket)?, path: path.to_owned() })
    }

    /// Converses with clients, `most` at once, for ever.
    pub(crate) async fn serve<C>(self, most: usize, converse: impl Fn(OwnedFd) -> C)
    where
        C: Future<Output = io::Result<()>> + Send + 'static,
    {
        let clients = Arc::new(Semaphore::new(most));
        loop {
            let Ok(permit) = Arc::clone(&clients).acquire_owned().await else { return };
            let accept = |socket: &OwnedFd| Ok(net::accept_with(socket, flags())?);
            match self.socket.async_io(Interest::READABLE, accept).await {
                Ok(client) => {
                    let conversation = converse(client);
                    drop(tokio::spawn(async move {
                        let _permit = permit;
                        if let Err(error) = conversation.await {
                            tracing::debug!(%error, "client not answered");
                        }
                    }));
                }
                Err(error) => {
                    tracing::warn!(socket = %self.path.display(), %error, "client not accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        // What stays is of no harm: a client that finds nobody behind it goes on at once.
        drop(fs::remove_file(&self.path));
    }
}

/// Whether somebody listens at a path, with a socket of this type.
pub(crate) fn is_served(path: &Path, kind: SocketType) -> bool {
    let connect = || net::connect(&socket(kind)?, &SocketAddrUnix::new(path)?);
    // A full backlog is somebody who is busy.
    matches!(connect(), Ok(()) | Err(Errno::AGAIN))
}

/// A client's message; none where it is longer than `bytes`.
pub(crate) async fn receive<'b>(client: &AsyncFd<OwnedFd>, bytes: &'b mut [u8]) -> io::Result<Option<&'b [u8]>> {
    // With TRUNC the length is that of the message, however much of it fits.
    let receive = |client: &OwnedFd| Ok(net::recv(client, &mut *bytes, RecvFlags::TRUNC)?.1);
    let length = client.async_io(Interest::READABLE, receive).await?;
    Ok(bytes.get(..length))
}

/// Answers a client.
pub(crate) fn send(client: &AsyncFd<OwnedFd>, message: &[u8]) -> io::Result<()> {
    net::send(client.get_ref(), message, SendFlags::NOSIGNAL)?;
    Ok(())
}

fn socket(kind: SocketType) -> Result<OwnedFd, Errno> {
    net::socket_with(AddressFamily::UNIX, kind, flags(), None)
}

fn flags() -> SocketFlags {
    SocketFlags::CLOEXEC | SocketFlags::NONBLOCK
}
