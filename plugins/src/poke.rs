//! Asks netd when it serves what was recorded, and never depends on it.
//!
//! `poke.sock` in the run directory is a socket of type `SOCK_SEQPACKET`: `live\n` is answered with the generation that
//! is being served, `17\n`, once all that was recorded before the question is in it. netd down, stopped or busy is no failure: the
//! record stands, and netd serves it when it can.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use rustix::io::Result;

use crate::message;

/// How long a verb waits in all. It promises 100 ms, of which a busy host takes some.
const PATIENCE: Duration = Duration::from_millis(80);

const REQUEST: &[u8] = b"live\n";

/// Waits until netd serves what is recorded in `run_dir`; returns its generation if it said so in time.
pub(crate) fn live(run_dir: &Path) -> Option<u64> {
    ask(run_dir, Instant::now() + PATIENCE).ok().flatten()
}

fn ask(run_dir: &Path, deadline: Instant) -> Result<Option<u64>> {
    let mut answer = [0; 32];
    let answer = message::ask(&run_dir.join("poke.sock"), REQUEST, deadline, &mut answer)?;
    Ok(str::from_utf8(answer).ok().and_then(|answer| answer.trim_end().parse().ok()))
}

#[cfg(test)]
mod tests {
    use std::{os::fd::OwnedFd, thread};

    use rustix::net::{
        AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept, bind, listen, recv, send,
        socket_with,
    };

    use super::*;

    /// A netd that listens in a folder of its own.
    fn listener() -> (tempfile::TempDir, OwnedFd) {
        let folder = tempfile::tempdir().unwrap();
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        bind(&socket, &SocketAddrUnix::new(folder.path().join("poke.sock")).unwrap()).unwrap();
        listen(&socket, 1).unwrap();
        (folder, socket)
    }

    fn timed(run_dir: &Path) -> (Option<u64>, Duration) {
        let start = Instant::now();
        (live(run_dir), start.elapsed())
    }

    #[test]
    fn the_answer_is_the_generation() {
        for (answer, expected) in [(&b"17\n"[..], Some(17)), (b"", None), (b"x\n", None), (&[b'1'; 200], None)] {
            let (folder, socket) = listener();
            let netd = thread::spawn(move || {
                let client = accept(&socket).unwrap();
                let mut request = [0; 16];
                let (length, _) = recv(&client, &mut request, RecvFlags::empty()).unwrap();
                assert_eq!(&request[..length], REQUEST);
                send(&client, answer, SendFlags::NOSIGNAL).unwrap();
            });
            assert_eq!(live(folder.path()), expected);
            netd.join().unwrap();
        }
    }

    #[test]
    fn netd_that_is_down_costs_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (answer, took) = timed(folder.path());
        assert!(answer.is_none() && took < PATIENCE / 2, "{took:?}");
        let (folder, socket) = listener();
        drop(socket);
        let (answer, took) = timed(folder.path());
        assert!(answer.is_none() && took < PATIENCE / 2, "{took:?}");
    }

    #[test]
    fn netd_that_is_stopped_costs_the_patience_and_no_more() {
        let (folder, _stopped) = listener();
        let (answer, took) = timed(folder.path());
        assert!(answer.is_none() && (PATIENCE..PATIENCE * 3).contains(&took), "{took:?}");
        let crowd: Vec<_> = (0..20).map(|_| timed(folder.path())).collect();
        assert!(crowd.iter().all(|(answer, took)| answer.is_none() && *took < PATIENCE * 3), "{crowd:?}");
    }
}
