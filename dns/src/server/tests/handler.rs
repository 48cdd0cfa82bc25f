//! Behind hickory's own server. Over TCP, for what goes for one stream goes for all: TLS, HTTPS and QUIC.

use hickory_proto::op::Edns;
use hickory_proto::rr::DNSClass;
use tokio::net::TcpListener;

use super::upstream::{answers, garbles, truncates_for_good};
use super::*;

/// hickory's server before the host's, for these networks, and where it listens.
async fn front(host: &Host, networks: &[&str]) -> (hickory_server::Server<impl RequestHandler>, SocketAddr) {
    // A socket for both families: clients have mapped addresses.
    let IpAddr::V4(gateway) = host.address(1) else { panic!("the host has IPv4") };
    let listener = TcpListener::bind((gateway.to_ipv6_mapped(), 0)).await.unwrap();
    let address = (gateway, listener.local_addr().unwrap().port()).into();
    let socket = UdpSocket::bind(address).await.unwrap();
    let networks = networks.iter().map(|&id| id.into()).collect();
    let mut front = hickory_server::Server::new(host.server.handler(networks));
    front.register_listener(listener, PATIENCE, 512);
    front.register_socket(socket);
    (front, address)
}

/// The response to a container's question.
async fn ask(host: &Host, to: SocketAddr, request: &Message) -> Message {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((host.address(7), 0).into()).unwrap();
    let mut stream = timeout(PATIENCE, socket.connect(to)).await.unwrap().unwrap();
    exchange_over_tcp(&mut stream, request).await
}

fn with_edns(mut request: Message, version: u8) -> Message {
    let mut edns = Edns::new();
    edns.set_version(version).set_dnssec_ok(true);
    request.set_edns(edns);
    request
}

#[tokio::test]
async fn it_gives_the_answers_that_we_give() {
    let host = Host::new().await;
    let upstream = host.upstream(50, answers).await;
    host.server.set_upstreams(servers(&[upstream.address]));
    let (mut front, address) = front(&host, &["web"]).await;
    let mut chaos = question("version.bind.");
    chaos.queries[0].query_class = DNSClass::CH;
    let mut two = question("c1.");
    two.add_queries(question("c2.").queries);
    let mut update = question("c1.");
    update.metadata.op_code = OpCode::Update;
    for (request, expected) in [
        (question("C1.wEb.internal."), ResponseCode::NoError),
        (with_edns(question("c1."), 0), ResponseCode::NoError),
        (with_edns(question("c1."), 1), ResponseCode::BADVERS),
        (with_edns(question("nobody."), 0), ResponseCode::NXDomain),
        (question("wWw.example.com."), ResponseCode::NoError),
        (chaos, ResponseCode::Refused),
        (with_edns(two, 0), ResponseCode::FormErr),
        (update, ResponseCode::NotImp),
    ] {
        let ours = exchange_over_tcp(&mut host.connect(7).await, &request).await;
        let theirs = ask(&host, address, &request).await;
        assert_eq!(u16::from(code(&theirs)), expected.into(), "{request}");
        // In octets, for messages are equal whatever the case of their names.
        assert_eq!(theirs.to_vec().unwrap(), ours.to_vec().unwrap(), "{theirs}\n{ours}");
    }
    assert_eq!(upstream.asked(), 1, "what it answered is kept");
    front.shutdown_gracefully().await.unwrap();
}

#[tokio::test]
async fn over_udp_it_cuts_where_we_cut() {
    let host = Host::new().await;
    let upstream = host.upstream(50, truncates_for_good).await;
    host.server.set_upstreams(servers(&[upstream.address]));
    let (mut front, address) = front(&host, &["web"]).await;
    let request = question("www.example.com.");
    let theirs = exchange(host.address(7), address, &request).await;
    assert!(theirs.metadata.truncation);
    assert_eq!(theirs, host.ask(7, &request).await);
    front.shutdown_gracefully().await.unwrap();
}

#[tokio::test]
async fn it_serves_the_networks_that_it_is_for() {
    let host = Host::new().await;
    let (mut front, address) = front(&host, &["another"]).await;
    assert_eq!(code(&ask(&host, address, &question("c1.")).await), ResponseCode::Refused);
    front.shutdown_gracefully().await.unwrap();
}

#[tokio::test]
async fn a_record_that_hickory_cannot_read_is_a_server_failure() {
    let host = Host::new().await;
    let upstream = host.upstream(50, garbles).await;
    host.server.set_upstreams(servers(&[upstream.address]));
    let (mut front, address) = front(&host, &["web"]).await;
    let request = with_edns(question("www.example.com."), 0);
    let response = ask(&host, address, &request).await;
    assert_eq!(upstream.asked(), 1);
    assert_eq!((code(&response), &response.queries), (ResponseCode::ServFail, &request.queries));
    assert!(response.edns.unwrap().flags().dnssec_ok);
    front.shutdown_gracefully().await.unwrap();
}
