use std::{
    fs,
    net::Ipv4Addr,
    path::PathBuf,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    time::timeout,
};

use super::{
    fixture::{Host, LONG, Loopback},
    *,
};
use crate::settings::cluster::Place;

/// Hosts on loopback.
struct Lab {
    folder: tempfile::TempDir,
    loopback: Loopback,
    hosts: u8,
}

fn name(host: u8) -> String {
    format!("h{host}")
}

impl Lab {
    fn new(hosts: u8) -> Self {
        let lab = Self { folder: tempfile::tempdir().unwrap(), loopback: Loopback::new(), hosts };
        lab.write_peers(1..=hosts);
        lab
    }

    fn address(&self, host: u8) -> Ipv4Addr {
        self.loopback.address(host)
    }

    fn peers(&self) -> PathBuf {
        self.folder.path().join("peers.toml")
    }

    fn write_peers(&self, hosts: impl Iterator<Item = u8>) {
        let entry = |host| {
            let (name, address) = (name(host), self.address(host));
            format!("[[peer]]\nname = '{name}'\naddress = '{address}'\nsubnets = {{ lab = ['10.40.{host}.0/24'] }}\n")
        };
        let new = self.folder.path().join("new");
        fs::write(&new, hosts.map(entry).collect::<String>()).unwrap();
        fs::rename(new, self.peers()).unwrap();
    }

    fn settings(&self, host: u8, more: &str) -> Settings {
        let text = format!(
            "state_dir = '{}/{host}'\n[[network]]\nname = 'lab'\ndriver = 'overlay'\nsubnet = ['10.40.0.0/16']\n[host]\nname = '{}'\n\
             [cluster]\nstore = 'static'\nttl = 1\npeers = '{}'\n{more}",
            self.folder.path().display(),
            name(host),
            self.peers().display(),
        );
        Settings::parse(&text).unwrap()
    }

    fn start_with(&self, host: u8, more: &str) -> Host {
        assert!(host <= self.hosts);
        let (sender, events) = mpsc::channel(crate::event::WAITING);
        let started = Host::new(Cluster::start(&self.settings(host, more), sender), events);
        started.cluster.publish(vec![names(host, &[&name(host)])]);
        started
    }

    /// A connection to the first host from the address of another.
    async fn connect(&self, from: u8) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((self.address(from), 0).into()).unwrap();
        socket.connect((self.address(1), 7790).into()).await.unwrap()
    }

    /// What the first host answers to a request from the address of another.
    async fn ask(&self, from: u8, head: &str) -> String {
        let mut stream = self.connect(from).await;
        let mut answer = Vec::new();
        // What was sent to a socket that is closed already comes back as a reset.
        let _ = stream.write_all(format!("{head}\r\nhost: h1\r\nconnection: close\r\n\r\n").as_bytes()).await;
        let _ = timeout(LONG, stream.read_to_end(&mut answer)).await.unwrap();
        String::from_utf8(answer).unwrap()
    }

    fn start(&self, host: u8) -> Host {
        self.start_with(host, "")
    }
}

/// Containers of a host, all at one address.
fn names(host: u8, containers: &[&str]) -> NamesOfHost {
    let container = |name: &&str| serde_json::json!({"container": name, "names": [name], "addresses": [format!("10.40.{host}.5")], "ttl": 5});
    let containers: Vec<_> = containers.iter().map(container).collect();
    let document = serde_json::json!({"version": 1, "host": name(host), "network": "lab", "containers": containers});
    serde_json::from_value(document).unwrap()
}

#[tokio::test]
async fn names_arrive_and_change_at_every_other_host() {
    let lab = Lab::new(3);
    let [mut h1, mut h2, mut h3] = [1, 2, 3].map(|host| lab.start(host));
    h1.shows("h2 alive h2, h3 alive h3").await;
    h2.shows("h1 alive h1, h3 alive h3").await;
    h3.shows("h1 alive h1, h2 alive h2").await;
    assert!(h1.cluster.view().networks.values().all(|network| network.own.is_some()));

    let begin = Instant::now();
    h1.cluster.publish(vec![names(1, &["a", "b"])]);
    h2.shows("h1 alive a b, h3 alive h3").await;
    assert!(begin.elapsed() < Duration::from_millis(500), "{:?}", begin.elapsed());
    h1.cluster.publish(vec![]);
    h3.shows("h1 alive , h2 alive h2").await;
}

#[tokio::test]
async fn what_crosses_from_a_host_is_told_to_the_others_and_not_to_an_older_netd() {
    let lab = Lab::new(2);
    let [mut h1, mut h2] = [1, 2].map(|host| lab.start(host));
    h1.shows("h2 alive h2").await;
    assert_eq!(h1.mtus(), [None]);
    let older = lab.ask(2, "GET /v1/names HTTP/1.1").await;
    h1.measures(1450);
    h2.until(|host| host.mtus() == [Some(1450)]).await;
    assert_eq!(h1.mtus(), [None], "its own is not its peer's");
    let newer = lab.ask(2, "GET /v1/names HTTP/1.1\r\nnetd-takes: mtus").await;
    assert!(newer.ends_with(r#""mtus":{"lab":1450}}"#), "{newer}");
    let still = lab.ask(2, "GET /v1/names HTTP/1.1").await;
    assert!(!older.contains("mtus") && !still.contains("mtus"), "{still}");
    h1.measures(1350);
    h2.until(|host| host.mtus() == [Some(1350)]).await;
    h1.cluster.stop().await;
    h2.shows("h1 silent h1").await;
    assert_eq!(h2.mtus(), [Some(1350)], "as its routes");
}

#[tokio::test]
async fn many_changes_arrive_as_the_last_one() {
    let lab = Lab::new(2);
    let [h1, mut h2] = [1, 2].map(|host| lab.start(host));
    h2.shows("h1 alive h1").await;
    for count in 0..1000 {
        h1.cluster.publish(vec![names(1, &[&format!("c{count}")])]);
    }
    h2.shows("h1 alive c999").await;
    assert!(h2.events.len() < 20);
}

#[tokio::test]
async fn a_host_that_is_gone_falls_silent_and_comes_back() {
    let lab = Lab::new(2);
    let [mut h1, mut h2] = [1, 2].map(|host| lab.start(host));
    h1.shows("h2 alive h2").await;
    h2.shows("h1 alive h1").await;
    h2.cluster.stop().await;
    h1.shows("h2 silent h2").await;
    h1.has_error_of_peer("refused").await;
    assert!(h1.text().starts_with("h2 silent"), "its routes stay");
    let _h2 = lab.start(2);
    h1.shows("h2 alive h2").await;
    h1.until(|host| !format!("{:?}", host.cluster.view()).contains("refused")).await;
}

#[tokio::test]
async fn a_host_that_starts_again_is_heard_when_it_knows_its_names_and_be_it_that_it_has_none() {
    let lab = Lab::new(2);
    let [mut h1, h2] = [1, 2].map(|host| lab.start(host));
    h1.shows("h2 alive h2").await;
    h2.cluster.stop().await;
    h1.shows("h2 silent h2").await;
    let (sender, _events) = mpsc::channel(8);
    let h2 = Cluster::start(&lab.settings(2, ""), sender);
    h1.has_error_of_peer("it does not know its names yet").await;
    assert_eq!(h1.text(), "h2 silent h2", "its old names are not served");
    h2.publish(vec![names(2, &[])]);
    h1.shows("h2 alive ").await;
    h2.publish(vec![names(2, &["new"])]);
    h1.shows("h2 alive new").await;
}

#[tokio::test]
async fn a_host_that_starts_again_knows_the_names_that_it_knew_until_it_is_sure_that_nobody_answers() {
    let lab = Lab::new(3);
    let [mut h1, mut h2, h3] = [1, 2, 3].map(|host| lab.start(host));
    h1.shows("h2 alive h2, h3 alive h3").await;
    h2.shows("h1 alive h1, h3 alive h3").await;
    h3.cluster.stop().await;
    h1.shows("h2 alive h2, h3 silent h3").await;
    h1.cluster.stop().await;
    h2.cluster.stop().await;
    let begin = Instant::now();
    let mut h1 = lab.start(1);
    h1.shows("h2 alive h2, h3 silent h3").await;
    let peers = h1.cluster.view().networks.values().flat_map(|it| it.peers.values().cloned()).collect::<Vec<_>>();
    assert!(peers.iter().all(|peer| peer.recalled.is_some()), "{peers:?}");
    h1.shows("h2 silent h2, h3 silent h3").await;
    assert!(begin.elapsed() > Duration::from_secs(3), "its time to live and what is believed beyond it");
    let _h2 = lab.start(2);
    h1.shows("h2 alive h2, h3 silent h3").await;
    h1.until(|host| host.cluster.view().networks.values().all(|it| it.peers.values().any(|it| it.recalled.is_none())))
        .await;
}

#[tokio::test]
async fn what_was_known_is_known_when_the_peers_file_comes_after_other_settings() {
    let lab = Lab::new(2);
    let [mut h1, h2] = [1, 2].map(|host| lab.start(host));
    h1.shows("h2 alive h2").await;
    h1.cluster.stop().await;
    h2.cluster.stop().await;
    fs::remove_file(lab.peers()).unwrap();
    let mut h1 = lab.start(1);
    h1.has_error("No such file or directory").await;
    let db = "[[network]]\nname = 'db'\ndriver = 'overlay'\nsubnet = ['10.50.0.0/16']\n";
    h1.cluster.reload(&lab.settings(1, db));
    h1.until(|host| host.cluster.view().networks.len() == 2).await;
    lab.write_peers(1..=2);
    h1.until(|host| host.cluster.view().networks.values().any(|it| it.peers.values().any(|it| it.recalled.is_some())))
        .await;
}

#[tokio::test]
async fn a_host_with_another_key_is_not_answered() {
    let lab = Lab::new(3);
    let mut h1 = lab.start_with(1, "key = 'one'");
    let mut h2 = lab.start_with(2, "key = 'two'");
    let mut h3 = lab.start_with(3, "key = 'one'");
    h1.shows("h2 silent , h3 alive h3").await;
    h1.has_error_of_peer("another cluster.key").await;
    h2.has_error_of_peer("another cluster.key").await;
    h3.shows("h1 alive h1, h2 silent ").await;
    h2.cluster.reload(&lab.settings(2, "key = 'one'"));
    h1.shows("h2 alive h2, h3 alive h3").await;
    h2.shows("h1 alive h1, h3 alive h3").await;
}

#[tokio::test]
async fn who_is_not_in_the_file_is_hung_up_on() {
    let lab = Lab::new(2);
    let [mut h1, _h2] = [1, 2].map(|host| lab.start(host));
    h1.shows("h2 alive h2").await;
    assert!(lab.ask(2, "GET /v1/names HTTP/1.1").await.starts_with("HTTP/1.1 200"));
    assert_eq!(lab.ask(9, "GET /v1/names HTTP/1.1").await, "");
}

#[tokio::test]
async fn a_question_that_is_none_is_refused_with_a_status() {
    let lab = Lab::new(2);
    let mut h1 = lab.start_with(1, "key = 'k'");
    h1.has_error_of_peer("refused").await;
    let long = format!("GET /v1/names HTTP/1.1\r\nx: {}", "x".repeat(20_000));
    let key = "authorization: Bearer k";
    for (question, answer) in [
        (format!("GET /v1/names HTTP/1.1\r\n{key}"), "HTTP/1.1 200"),
        (format!("GET /v1/names?after=1&wait=1 HTTP/1.1\r\n{key}"), "HTTP/1.1 200"),
        ("GET /v1/names HTTP/1.1\r\nauthorization: Bearer x".to_owned(), "HTTP/1.1 401"),
        ("GET /v1/names HTTP/1.1".to_owned(), "HTTP/1.1 401"),
        (format!("GET /v2/names HTTP/1.1\r\n{key}"), "HTTP/1.1 404"),
        (format!("POST /v1/names HTTP/1.1\r\n{key}"), "HTTP/1.1 405"),
        (format!("GET /v1/names HTTP/1.1\r\ncontent-length: 5\r\n{key}"), "HTTP/1.1 413"),
        (format!("GET /v1/names?after=x HTTP/1.1\r\n{key}"), "HTTP/1.1 400"),
        ("\u{16}\u{3}\u{1}".to_owned(), "HTTP/1.1 400"),
        (long, "HTTP/1.1 431"),
    ] {
        let found = lab.ask(2, &question).await;
        assert!(found.starts_with(answer), "{question:.60}: {found}");
    }
}

#[tokio::test]
async fn a_host_has_a_few_connections_and_no_more() {
    let lab = Lab::new(2);
    let mut h1 = lab.start(1);
    h1.has_error_of_peer("refused").await;
    let mut idle = Vec::new();
    for _ in 0..4 {
        idle.push(lab.connect(2).await);
    }
    assert_eq!(lab.ask(2, "GET /v1/names HTTP/1.1").await, "");
    drop(idle);
    let begin = Instant::now();
    while lab.ask(2, "GET /v1/names HTTP/1.1").await.is_empty() {
        assert!(begin.elapsed() < LONG);
    }
}

#[tokio::test]
async fn a_host_that_is_taken_out_of_the_file_is_no_peer_and_one_that_is_put_in_is() {
    let lab = Lab::new(3);
    lab.write_peers(1..=2);
    let [mut h1, _h2, _h3] = [1, 2, 3].map(|host| lab.start(host));
    h1.shows("h2 alive h2").await;
    lab.write_peers([1, 3].into_iter());
    h1.shows("h3 alive h3").await;
    fs::write(lab.peers(), "[[peer").unwrap();
    h1.has_error("peers file").await;
    assert_eq!(h1.text(), "h3 alive h3", "a broken file changes nothing");
    lab.write_peers(1..=3);
    h1.shows("h2 alive h2, h3 alive h3").await;
    h1.until(|host| host.cluster.view().errors.is_empty()).await;
}

/// Answers every question on an address with `body`.
async fn impostor(address: Ipv4Addr, body: &'static [u8]) -> Task {
    let listener = TcpListener::bind((address, 7790)).await.unwrap();
    let answer = async move |mut stream: TcpStream| {
        let _ = stream.read(&mut [0; 4096]).await;
        let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
        let _ = stream.write_all(head.as_bytes()).await;
        let _ = stream.write_all(body).await;
    };
    Task::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            answer(stream).await;
        }
    })
}

#[tokio::test]
async fn a_host_that_answers_nonsense_harms_nobody() {
    let lab = Lab::new(3);
    let mut h1 = lab.start(1);
    let _h3 = lab.start(3);
    h1.shows("h2 silent , h3 alive h3").await;
    let newer = br#"{"version": 1, "host": "h2", "networks": [{"version": 9, "what": "ever"}]}"#;
    let of_h3 = br#"{"version": 1, "host": "h3", "networks": []}"#;
    for (body, words) in [
        (&b"{\"version\": 1, "[..], "malformed"),
        (&[0xff; 100], "malformed"),
        (newer, "newer than 1: update netd on this host"),
        (of_h3, "it says that it is host h3"),
        (vec![b' '; (1 << 20) + 1].leak(), "length limit exceeded"),
    ] {
        let impostor = impostor(lab.address(2), body).await;
        h1.has_error_of_peer(words).await;
        assert_eq!(h1.text(), "h2 silent , h3 alive h3", "{words}");
        impostor.stop().await;
    }
    let _h2 = lab.start(2);
    h1.shows("h2 alive h2, h3 alive h3").await;
}

#[tokio::test]
async fn a_host_that_hangs_is_silent() {
    let lab = Lab::new(2);
    let mut h1 = lab.start(1);
    let h2 = lab.start(2);
    h1.shows("h2 alive h2").await;
    h2.cluster.stop().await;
    // The kernel takes connections for who does not.
    let _hanging = TcpListener::bind((lab.address(2), 7790)).await.unwrap();
    h1.shows("h2 silent h2").await;
    h1.has_error_of_peer("it does not answer in time").await;
}

#[tokio::test]
async fn a_port_in_use_and_an_address_that_is_not_ours_are_errors_in_the_view_until_they_are_mended() {
    let lab = Lab::new(2);
    let taken = TcpListener::bind((lab.address(1), 7790)).await.unwrap();
    let [mut h1, mut h2] = [1, 2].map(|host| lab.start(host));
    h1.has_error(&format!("listen on {}:7790 for other hosts: Address", lab.address(1))).await;
    h1.shows("h2 alive h2").await;
    drop(taken);
    h2.shows("h1 alive h1").await;
    h1.until(|host| host.cluster.view().errors.is_empty()).await;
    let text = fs::read_to_string(lab.peers()).unwrap().replace(&lab.address(1).to_string(), "192.0.2.1");
    fs::write(lab.peers(), text).unwrap();
    h1.has_error("listen on 192.0.2.1:7790 for other hosts: Cannot assign").await;
    h1.has_error_of_peer("from 192.0.2.1: Cannot assign").await;
}

#[tokio::test]
async fn an_interface_without_the_address_of_the_file_is_an_error_in_the_view() {
    let lab = Lab::new(2);
    let (sender, events) = mpsc::channel(8);
    let mut settings = lab.settings(1, "");
    settings.host.place = Some(Place::Interface("lo".parse().unwrap()));
    let mut h1 = Host::new(Cluster::start(&settings, sender), events);
    h1.has_error(&format!("host.interface = \"lo\" has not the address {} of the peers file", lab.address(1))).await;
    settings.host.place = None;
    h1.cluster.reload(&settings);
    h1.until(|host| host.cluster.view().errors.is_empty()).await;
}

#[test]
fn what_is_wrong_is_found_without_a_daemon() {
    let lab = Lab::new(2);
    assert_eq!(faults(&lab.settings(1, "")), Vec::<String>::new());
    lab.write_peers([2, 2].into_iter());
    let found = faults(&lab.settings(1, ""));
    let of_file = format!("{} line 5: peer h2: name \"h2\" is taken by another peer", lab.peers().display());
    let expected = [&*of_file, "the peers file has no peer h1, which is this host"];
    assert_eq!(found, expected);
    fs::remove_file(lab.peers()).unwrap();
    assert!(faults(&lab.settings(1, "")).concat().starts_with("peers file /"));
}

#[tokio::test]
async fn one_host_alone_costs_nothing() {
    let (sender, mut events) = mpsc::channel(8);
    let cluster = Cluster::start(&Settings::parse("").unwrap(), sender);
    cluster.publish(vec![names(1, &["c1"])]);
    assert_eq!(*cluster.view(), View { is_whole: true, ..View::default() });
    assert!(cluster.store.is_none() && events.recv().await.is_none(), "nobody holds the queue");
    cluster.stop().await;
}
