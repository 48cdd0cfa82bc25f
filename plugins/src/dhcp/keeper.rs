//! Asks the keeper of leases, `netd dhcp`.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use netd_model::{
    attachment::AttachmentId,
    dhcp::{Answer, Question},
};
use rustix::io::{Errno, Result};

use crate::{
    cni::{Error, Kind},
    message,
};

/// How long a lease is waited for: the keeper asks servers for 10 s.
const LEASE: Duration = Duration::from_secs(12);

/// How long the keeper may take to let go of one. It may be stopped.
const LETTING_GO: Duration = Duration::from_secs(1);

/// How long it may take to say that it is there: it does so at once, but a host that is busy is not one where nothing
/// works, and a runtime takes no more containers when it hears that.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

/// Has leases got and kept. They stand in the store then.
///
/// # Errors
/// All of them may pass by themselves: the keeper does not run, or no server gives an address.
pub(super) fn keep(socket: &Path, question: &Question) -> std::result::Result<(), Error> {
    match ask(socket, question, LEASE) {
        Ok(Some(Answer::Done)) => Ok(()),
        Ok(Some(Answer::Failed(why))) => Err(Error::new(Kind::TryAgain, why)),
        Ok(None) => Err(refused(Kind::TryAgain, socket, "its answer is not understood")),
        Err(Errno::AGAIN) => Err(refused(Kind::TryAgain, socket, "it does not answer")),
        Err(errno) => Err(refused(Kind::TryAgain, socket, &errno.to_string())),
    }
}

/// Lets the keeper do nothing more about the leases of an interface. Where there is none, nobody does.
pub(super) fn forget(socket: &Path, id: &AttachmentId) {
    let AttachmentId { container, ifname, .. } = id.clone();
    let _gone = ask(socket, &Question::Forget { container, ifname }, LETTING_GO);
}

/// Whether the keeper is there.
///
/// # Errors
/// It is not, or does not answer.
pub(super) fn answers(socket: &Path) -> std::result::Result<(), Error> {
    match ask(socket, &Question::Status, SIGN_OF_LIFE) {
        Ok(Some(_)) => Ok(()),
        Ok(None) | Err(Errno::AGAIN) => Err(refused(Kind::Unavailable, socket, "it does not answer")),
        Err(errno) => Err(refused(Kind::Unavailable, socket, &errno.to_string())),
    }
}

fn ask(socket: &Path, question: &Question, patience: Duration) -> Result<Option<Answer>> {
    let deadline = Instant::now() + patience;
    let question = serde_json::to_vec(question).map_err(|_| Errno::INVAL)?;
    let mut answer = [0; 4096];
    let answer = message::ask(socket, &question, deadline, &mut answer)?;
    Ok(serde_json::from_slice(answer).ok())
}

fn refused(kind: Kind, socket: &Path, why: &str) -> Error {
    let text = format!("error dialing DHCP daemon: {}: {why}", socket.display());
    Error::new(kind, text).with_details("`netd dhcp` keeps leases: systemctl enable --now netd-dhcp")
}

#[cfg(test)]
mod tests {
    use std::thread;

    use rustix::net::{
        AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept, bind, listen, recv, send,
        socket_with,
    };

    use super::*;

    #[test]
    fn a_keeper_that_is_busy_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dhcp.sock");
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        bind(&socket, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        listen(&socket, 1).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                let client = accept(&socket).unwrap();
                let began = Instant::now();
                while began.elapsed() < Duration::from_millis(50) {
                    thread::yield_now();
                }
                recv(&client, &mut [0; 64], RecvFlags::empty()).unwrap();
                send(&client, &serde_json::to_vec(&Answer::Done).unwrap(), SendFlags::NOSIGNAL).unwrap();
            });
            assert_eq!(answers(&path), Ok(()));
        });
        assert_eq!(answers(&path).unwrap_err().kind, Kind::Unavailable, "nobody accepts");
    }
}
