//! A listener that is asked much has a thread for as long, and loses no question by that.

use std::sync::atomic::AtomicBool;
use std::thread::{JoinHandle, spawn};

use super::upstream::answers;
use super::*;

/// A client that asks and asks until it is told to end; then how many questions had no answer.
struct Client {
    end: Arc<AtomicBool>,
    thread: JoinHandle<usize>,
}

impl Client {
    fn start(from: IpAddr, to: SocketAddr) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&end);
        let thread = spawn(move || {
            let socket = std::net::UdpSocket::bind((from, 0)).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            socket.connect(to).unwrap();
            let (request, mut buffer, mut lost) = (question("c2.").to_vec().unwrap(), [0; 512], 0);
            while !ended.load(Ordering::Relaxed) {
                let answered = socket.send(&request).and_then(|_| socket.recv(&mut buffer));
                lost += usize::from(answered.is_err());
            }
            lost
        });
        Self { end, thread }
    }

    fn lost(self) -> usize {
        self.end.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn has_thread() -> bool {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.into_iter().any(|name| name == "dns\n")
}

async fn until(condition: impl Fn() -> bool) {
    let waited = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, waited).await.unwrap();
}

/// One after the other: a thread is seen of the whole process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_asked_much_has_a_thread_loses_nothing_by_it_and_lets_its_socket_go_at_once() {
    it_loses_nothing().await;
    it_lets_its_socket_go().await;
    it_lets_what_is_forwarded_be_answered().await;
}

async fn it_loses_nothing() {
    let host = Host::new().await;
    let upstream = host.upstream(50, answers).await;
    host.server.set_upstreams(servers(&[upstream.address]));
    assert!(!has_thread());
    for _ in 0..2 {
        let client = Client::start(host.address(8), host.at(1));
        until(has_thread).await;
        assert_eq!(addresses(&host.ask(7, &question("c2.")).await), [host.address(8)]);
        assert_eq!(code(&host.ask(7, &question("www.example.")).await), ResponseCode::NoError, "forwarded");
        host.serve(|mut network| {
            network.attachments.pop();
            network
        });
        assert_eq!(code(&host.ask(7, &question("c2.")).await), ResponseCode::NXDomain, "by the snapshot of now");
        host.serve(|network| network);
        assert_eq!(client.lost(), 0);
        until(|| !has_thread()).await;
        assert_eq!(addresses(&host.ask(7, &question("c2.")).await), [host.address(8)]);
    }
}

async fn it_lets_its_socket_go() {
    let host = Host::new().await;
    for stops in [false, true] {
        let client = Client::start(host.address(8), host.at(1));
        until(has_thread).await;
        if stops {
            host.server.stop().await;
        } else {
            assert!(host.server.set_listeners(vec![]).await.is_empty());
        }
        assert!(!has_thread());
        drop(std::net::UdpSocket::bind(host.at(1)).unwrap());
        client.lost();
        assert!(host.server.set_listeners(vec![host.listener()]).await.is_empty());
        assert_eq!(addresses(&host.ask(7, &question("c2.")).await), [host.address(8)]);
    }
}

/// What was asked before it stops has its answer, or SERVFAIL.
async fn it_lets_what_is_forwarded_be_answered() {
    let host = Host::new().await;
    let upstream = host.upstream(50, answers).await;
    upstream.becomes(answers, Duration::from_millis(300));
    host.server.set_upstreams(servers(&[upstream.address]));
    let client = Client::start(host.address(8), host.at(1));
    until(has_thread).await;
    let socket = UdpSocket::bind((host.address(7), 0)).await.unwrap();
    socket.connect(host.at(1)).await.unwrap();
    for id in 0..20 {
        let mut request = question(&format!("{id}.example."));
        request.metadata.id = id;
        socket.send(&request.to_vec().unwrap()).await.unwrap();
    }
    // What is in the socket still is for the next server.
    until(|| upstream.asked() == 20).await;
    host.server.stop().await;
    let mut ids = Vec::new();
    while ids.len() < 20 {
        ids.push(receive(&socket).await.metadata.id);
    }
    ids.sort_unstable();
    assert_eq!(ids, (0..20).collect::<Vec<u16>>());
    client.lost();
}
