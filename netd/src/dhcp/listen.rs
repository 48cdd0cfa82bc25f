//! The socket on which plugins ask: `SOCK_SEQPACKET`, one message there and one back, each JSON.
//!
//! A client is a task of its own, with a bound in size and time. Who goes before the answer comes gets nothing: what was
//! got for it is given back.

use std::{
    fs, io,
    os::{fd::OwnedFd, unix::fs::PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use netd_model::dhcp::{Answer, Family, LARGEST, Question, Wish};
use rustix::{
    io::Errno,
    net::{self, AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType},
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::keep::Keeper;
use crate::ready::register;

/// How many clients are heard at once; more wait in the socket's backlog.
const CLIENTS: usize = 1024;
const BACKLOG: i32 = 1024;

/// How long a client may take to ask.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long no client is accepted after the system refused one, as when it has no file descriptors left.
const PAUSE: Duration = Duration::from_millis(100);

/// The socket; it is removed when this is dropped.
#[derive(Debug)]
pub(super) struct Questions {
    socket: AsyncFd<OwnedFd>,
    path: PathBuf,
}

impl Questions {
    /// Listens, in place of what a killed keeper left there.
    ///
    /// # Errors
    /// Somebody listens there: another keeper, or the reference's.
    pub(super) fn bind(path: &Path) -> io::Result<Self> {
        let address = SocketAddrUnix::new(path)?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        if is_served(&address) {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another keeper of leases runs here"));
        }
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let socket = net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags(), None)?;
        net::bind(&socket, &address)?;
        // Who may ask makes us enter a namespace that it names.
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        net::listen(&socket, BACKLOG)?;
        Ok(Self { socket: register(socket)?, path: path.to_owned() })
    }

    /// Answers clients, for ever.
    pub(super) async fn serve(self, keeper: Keeper) {
        let clients = Arc::new(Semaphore::new(CLIENTS));
        loop {
            let Ok(permit) = Arc::clone(&clients).acquire_owned().await else { return };
            let accept = |socket: &OwnedFd| Ok(net::accept_with(socket, flags())?);
            match self.socket.async_io(Interest::READABLE, accept).await {
                Ok(client) => drop(tokio::spawn(serve_client(client, keeper.clone(), permit))),
                Err(error) => {
                    tracing::warn!(%error, "client not accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

impl Drop for Questions {
    fn drop(&mut self) {
        // What stays is of no harm: a client that finds nobody behind it goes on at once.
        drop(fs::remove_file(&self.path));
    }
}

fn is_served(address: &SocketAddrUnix) -> bool {
    // The reference's is a stream, which refuses another type of socket.
    let types = [SocketType::SEQPACKET, SocketType::STREAM];
    types.into_iter().any(|kind| {
        let socket = net::socket_with(AddressFamily::UNIX, kind, flags(), None);
        let connected = socket.and_then(|socket| net::connect(&socket, address));
        // A full backlog is a keeper that is busy.
        matches!(connected, Ok(()) | Err(Errno::AGAIN))
    })
}

fn flags() -> SocketFlags {
    SocketFlags::CLOEXEC | SocketFlags::NONBLOCK
}

async fn serve_client(client: OwnedFd, keeper: Keeper, _permit: OwnedSemaphorePermit) {
    if let Err(error) = converse(client, &keeper).await {
        tracing::debug!(%error, "client not answered");
    }
}

async fn converse(client: OwnedFd, keeper: &Keeper) -> io::Result<()> {
    let client = register(client)?;
    let question = timeout(PATIENCE, question(&client)).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
    match question {
        Err(error) => answer(&client, &Answer::Failed(format!("the question is not understood: {error}"))),
        Ok(Question::Status) => answer(&client, &Answer::Done),
        Ok(Question::Forget { container, ifname }) => {
            keeper.forget(&container, &ifname).await;
            answer(&client, &Answer::Done)
        }
        Ok(Question::Keep { wish, families }) => {
            let kept = keep(&client, keeper, &wish, &families).await;
            if kept.is_err() {
                keeper.abandon(&wish).await;
            }
            kept
        }
    }
}

/// Gets leases and says so.
///
/// # Errors
/// Nothing was got, or whoever asked is gone.
async fn keep(
    client: &AsyncFd<OwnedFd>,
    keeper: &Keeper,
    wish: &Wish,
    families: &std::collections::BTreeSet<Family>,
) -> io::Result<()> {
    // What an earlier container of this name left.
    keeper.forget(&wish.id.container, &wish.id.ifname).await;
    let acquired = tokio::select! {
        biased;
        () = gone(client) => return Err(io::ErrorKind::BrokenPipe.into()),
        acquired = keeper.acquire(wish, families) => acquired,
    };
    match acquired {
        Ok(()) => answer(client, &Answer::Done),
        Err(why) => {
            // Nobody is to be told twice; what is left of it goes.
            let _told = answer(client, &Answer::Failed(why.clone()));
            Err(io::Error::other(why))
        }
    }
}

/// Returns when the client has gone, or says more than it should.
async fn gone(client: &AsyncFd<OwnedFd>) {
    let mut bytes = [0; 1];
    let receive = |client: &OwnedFd| Ok(net::recv(client, &mut bytes, RecvFlags::empty())?.1);
    drop(client.async_io(Interest::READABLE, receive).await);
}

async fn question(client: &AsyncFd<OwnedFd>) -> io::Result<Question> {
    let mut bytes = vec![0; LARGEST];
    // With TRUNC the length is that of the message, however much of it fits.
    let receive = |client: &OwnedFd| Ok(net::recv(client, bytes.as_mut_slice(), RecvFlags::TRUNC)?.1);
    let length = client.async_io(Interest::READABLE, receive).await?;
    let message = bytes.get(..length).ok_or_else(|| io::Error::other("it is too long"))?;
    Ok(serde_json::from_slice(message)?)
}

fn answer(client: &AsyncFd<OwnedFd>, answer: &Answer) -> io::Result<()> {
    let message = serde_json::to_vec(answer)?;
    net::send(client.get_ref(), &message, SendFlags::NOSIGNAL)?;
    Ok(())
}
