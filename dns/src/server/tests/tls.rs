//! Upstreams that are asked over TLS, and in no other way.

use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use hickory_proto::op::Edns;
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};

use super::upstream::{Script, answers, denies_for_a_minute};
use super::*;
use crate::{Transport, Upstream};

const OUTSIDE: &str = "www.example.com.";
const NAME: &str = "dns.example";

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A server over TLS at `.last`, with a certificate for this name, and the connections and questions that came.
struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    /// The octets of each question.
    asked: Arc<Mutex<Vec<usize>>>,
    _task: JoinSet<()>,
}

impl Server {
    async fn start(host: &Host, last: u8, authority: &Authority, name: &str, script: Script) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, authority).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let config = config.with_single_cert(vec![certificate.der().clone()], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let address = host.at(last);
        let listener = TcpListener::bind(address).await.unwrap();
        let (connections, asked) = (Arc::new(AtomicUsize::new(0)), Arc::<Mutex<Vec<usize>>>::default());
        let mut task = JoinSet::new();
        let (came, heard) = (Arc::clone(&connections), Arc::clone(&asked));
        task.spawn(async move {
            let mut conversations = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                came.fetch_add(1, Ordering::SeqCst);
                let (acceptor, heard) = (acceptor.clone(), Arc::clone(&heard));
                conversations.spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut frames = Frames::new(65_535);
                    while let Ok(Some(request)) = frames.next(&mut stream).await {
                        heard.lock().unwrap().push(request.len());
                        for message in script(Transport::Tcp, &Message::from_vec(&request).unwrap()) {
                            frame::write(&mut stream, &message.to_vec().unwrap()).await.unwrap();
                        }
                    }
                });
            }
        });
        Self { address, connections, asked, _task: task }
    }

    fn counts(&self) -> (usize, usize) {
        (self.connections.load(Ordering::SeqCst), self.asked.lock().unwrap().len())
    }
}

/// The address, padded as RFC 8467 4.1 wants it of a server, to who pads.
fn pads(transport: Transport, request: &Message) -> Vec<Message> {
    let is_padded = request.edns.as_ref().is_some_and(|edns| edns.option(EdnsCode::Padding).is_some());
    let mut messages = if is_padded { answers(transport, request) } else { Vec::new() };
    for message in &mut messages {
        message.edns = Some(Edns::new());
        message.edns.as_mut().unwrap().options_mut().insert(EdnsOption::Unknown(12, vec![0; 400]));
    }
    messages
}

fn over_tls(address: SocketAddr, name: &str) -> Upstream {
    Upstream { address, tls: Some(ServerName::try_from(name.to_owned()).unwrap()) }
}

fn believe(host: &Host, authority: &Authority) {
    host.server.set_authorities(Some(authority.pem().as_bytes())).unwrap();
}

#[tokio::test]
async fn a_server_with_a_good_certificate_is_asked_over_one_connection() {
    let (host, authority) = (Host::new().await, authority());
    believe(&host, &authority);
    let upstream = Server::start(&host, 50, &authority, NAME, answers).await;
    host.server.set_upstreams(vec![over_tls(upstream.address, NAME)]);
    let requests = ["a.example.", "b.example.", "c.example."].map(question);
    let asking = requests.iter().map(|request| host.ask(7, request));
    for response in futures_util::future::join_all(asking).await {
        assert_eq!(addresses(&response), [IpAddr::from([192, 0, 2, 1])]);
    }
    assert_eq!(upstream.counts(), (1, 3), "also when all come at once");
}

#[tokio::test]
async fn questions_are_padded_and_no_client_hears_of_it() {
    let (host, authority) = (Host::new().await, authority());
    believe(&host, &authority);
    let upstream = Server::start(&host, 50, &authority, NAME, pads).await;
    host.server.set_upstreams(vec![over_tls(upstream.address, NAME)]);
    for has_edns in [false, true] {
        let mut request = question("a.rather-long-name-of-no-certain-length.example.");
        request.edns = has_edns.then(Edns::new);
        for _ in ["asked", "kept"] {
            let response = host.ask(7, &request).await;
            assert_eq!(addresses(&response), [IpAddr::from([192, 0, 2, 1])]);
            assert_eq!(response.edns.map(|edns| edns.options().options.len()), has_edns.then_some(0));
        }
    }
    assert_eq!(*upstream.asked.lock().unwrap(), [128, 128]);
}

#[tokio::test]
async fn the_certificate_may_be_for_the_address() {
    let (host, authority) = (Host::new().await, authority());
    believe(&host, &authority);
    let name = host.address(50).to_string();
    let upstream = Server::start(&host, 50, &authority, &name, answers).await;
    host.server.set_upstreams(vec![over_tls(upstream.address, &name)]);
    assert_eq!(code(&host.ask(7, &question(OUTSIDE)).await), ResponseCode::NoError);
}

#[tokio::test]
async fn a_server_that_is_not_who_it_should_be_is_told_nothing_and_not_asked_in_the_open() {
    let (good, other) = (authority(), authority());
    for (what, believed, signed, name) in
        [("of another authority", &good, &other, NAME), ("for another name", &good, &good, "evil.example")]
    {
        let host = Host::new().await;
        believe(&host, believed);
        let upstream = Server::start(&host, 50, signed, name, answers).await;
        let in_the_open = UdpSocket::bind(upstream.address).await.unwrap();
        host.server.set_upstreams(vec![over_tls(upstream.address, NAME)]);
        assert_eq!(code(&host.ask(7, &question(OUTSIDE)).await), ResponseCode::ServFail, "{what}");
        assert_eq!(upstream.counts(), (1, 0), "{what}");
        assert!(in_the_open.try_recv(&mut [0; 512]).is_err(), "{what}");
    }
}

#[tokio::test]
async fn without_authorities_nobody_is_asked_and_another_one_counts_at_once() {
    let (host, first, second) = (Host::new().await, authority(), authority());
    let upstream = Server::start(&host, 50, &first, NAME, answers).await;
    host.server.set_upstreams(vec![over_tls(upstream.address, NAME)]);
    assert_eq!(code(&host.ask(7, &question("a.example.")).await), ResponseCode::ServFail);
    believe(&host, &first);
    assert_eq!(code(&host.ask(7, &question("b.example.")).await), ResponseCode::NoError);
    believe(&host, &second);
    assert_eq!(code(&host.ask(7, &question("c.example.")).await), ResponseCode::ServFail);
    assert!(host.server.set_authorities(Some(b"no certificate")).is_err());
}

#[tokio::test]
async fn the_same_server_over_tls_and_in_the_open_is_two_to_the_cache() {
    let (host, authority) = (Host::new().await, authority());
    believe(&host, &authority);
    let open = host.upstream(51, denies_for_a_minute).await;
    host.server.set_upstreams(servers(&[open.address]));
    assert_eq!(code(&host.ask(7, &question(OUTSIDE)).await), ResponseCode::NXDomain);
    host.server.set_upstreams(vec![over_tls(open.address, NAME)]);
    assert_eq!(code(&host.ask(7, &question(OUTSIDE)).await), ResponseCode::ServFail, "it does not speak TLS");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_accepts_and_says_nothing_is_waited_for_no_longer_than_any() {
    let (host, authority) = (Host::new().await, authority());
    believe(&host, &authority);
    let silent = TcpListener::bind(host.at(50)).await.unwrap();
    host.server.set_upstreams(vec![over_tls(silent.local_addr().unwrap(), NAME)]);
    let (response, took) = timed(host.ask(7, &question(OUTSIDE))).await;
    assert_eq!((code(&response), took.as_millis() / 50), (ResponseCode::ServFail, 80), "{took:?}");
}
