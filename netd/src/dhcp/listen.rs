//! The socket on which plugins ask: `SOCK_SEQPACKET`, one message there and one back, each JSON.
//!
//! A client has a bound in size and time. Who goes before the answer comes gets nothing: what was
//! got for it is given back.

use std::{
    collections::BTreeSet,
    fs::{self, Permissions},
    io,
    os::{fd::OwnedFd, unix::fs::PermissionsExt},
    path::Path,
    time::Duration,
};

use netd_model::dhcp::{Answer, Family, LARGEST, Question, Wish};
use rustix::net::{self, RecvFlags, SocketType};
use tokio::{
    io::{Interest, unix::AsyncFd},
    time::timeout,
};

use super::keep::Keeper;
use crate::{
    clients::{self, Clients},
    ready::register,
};

/// How many clients are heard at once.
const CLIENTS: usize = 1024;

/// How long a client may take to ask.
const PATIENCE: Duration = Duration::from_secs(2);

/// The socket.
#[derive(Debug)]
pub(super) struct Questions(Clients);

impl Questions {
    /// Listens.
    ///
    /// # Errors
    /// Somebody listens there: another keeper, or the reference's.
    pub(super) fn bind(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        // The reference's is a stream, which refuses another type of socket.
        if [SocketType::SEQPACKET, SocketType::STREAM].into_iter().any(|kind| clients::is_served(path, kind)) {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another keeper of leases runs here"));
        }
        // Who may ask makes us enter a namespace that it names.
        Clients::bind(path, SocketType::SEQPACKET, Some(Permissions::from_mode(0o600))).map(Self)
    }

    /// Answers clients, for ever.
    pub(super) async fn serve(self, keeper: Keeper) {
        self.0.serve(CLIENTS, |client| converse(client, keeper.clone())).await;
    }
}

async fn converse(client: OwnedFd, keeper: Keeper) -> io::Result<()> {
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
            let kept = keep(&client, &keeper, &wish, &families).await;
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
async fn keep(client: &AsyncFd<OwnedFd>, keeper: &Keeper, wish: &Wish, families: &BTreeSet<Family>) -> io::Result<()> {
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
    let message = clients::receive(client, &mut bytes).await?.ok_or_else(|| io::Error::other("it is too long"))?;
    Ok(serde_json::from_slice(message)?)
}

fn answer(client: &AsyncFd<OwnedFd>, answer: &Answer) -> io::Result<()> {
    clients::send(client, &serde_json::to_vec(answer)?)
}
