//! Listeners come and go, and nobody else notices.

use socket2::{Domain, Socket, Type};
use tokio::io::AsyncReadExt;

use super::upstream::{answers, is_silent};
use super::*;

fn loopback(index: u32) -> Device {
    Device { name: "lo".to_owned(), index }
}

#[tokio::test(start_paused = true)]
async fn names_are_answered_from_the_address_that_was_asked() {
    let host = Host::new().await;
    let socket = UdpSocket::bind((host.address(7), 0)).await.unwrap();
    socket.send_to(&question("c2.").to_vec().unwrap(), host.at(1)).await.unwrap();
    let mut buffer = [0; 512];
    let (length, from) = timeout(PATIENCE, socket.recv_from(&mut buffer)).await.unwrap().unwrap();
    assert_eq!(from, host.at(1));
    assert_eq!(addresses(&Message::from_vec(&buffer[..length]).unwrap()), [host.address(8)]);
}

#[tokio::test(start_paused = true)]
async fn a_new_snapshot_is_answered_from_at_once() {
    let host = Host::new().await;
    assert_eq!(code(&host.ask(7, &question("c3.")).await), ResponseCode::NXDomain);
    let address = host.address(9).to_string();
    host.serve(|mut network| {
        network.attachments.push(attachment("c3", &[&address], &["c3"], 5));
        network
    });
    assert_eq!(addresses(&host.ask(7, &question("c3.")).await), [host.address(9)]);
    host.serve(|network| network);
    assert_eq!(code(&host.ask(7, &question("c3.")).await), ResponseCode::NXDomain);
}

/// The peer that re-opened its sockets lost questions at every change.
#[tokio::test]
async fn no_question_is_lost_while_snapshots_and_listeners_change() {
    let host = Host::new().await;
    let other = Listener { address: host.address(2), ..host.listener() };
    for round in 0..300 {
        host.serve(|network| network);
        let wanted = if round % 2 == 0 { vec![host.listener(), other.clone()] } else { vec![host.listener()] };
        let request = question("c1.");
        let (errors, response) = tokio::join!(host.server.set_listeners(wanted), host.ask(7, &request));
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(addresses(&response), [host.address(7)]);
    }
}

#[tokio::test(start_paused = true)]
async fn listeners_are_opened_and_closed_by_difference() {
    let host = Host::new().await;
    let mut connection = host.connect(7).await;
    let second = Listener { address: host.address(2), ..host.listener() };
    assert!(host.server.set_listeners(vec![host.listener(), second.clone()]).await.is_empty());
    for last in [1, 2] {
        let response = exchange(host.address(7), host.at(last), &question("c1.")).await;
        assert_eq!(addresses(&response), [host.address(7)]);
    }
    assert!(host.server.set_listeners(vec![host.listener()]).await.is_empty());
    assert!(TcpStream::connect(host.at(2)).await.is_err());
    UdpSocket::bind(host.at(2)).await.expect("the port is free again");
    // The first was left alone all the while.
    exchange_over_tcp(&mut connection, &question("c1.")).await;
}

#[tokio::test(start_paused = true)]
async fn a_listener_of_a_device_made_anew_is_made_anew() {
    let host = Host::new().await;
    let on = |index| Listener { device: Some(loopback(index)), ..host.listener() };
    assert!(host.server.set_listeners(vec![on(1)]).await.is_empty());
    let mut connection = host.connect(7).await;
    exchange_over_tcp(&mut connection, &question("c1.")).await;
    assert!(host.server.set_listeners(vec![on(1)]).await.is_empty());
    exchange_over_tcp(&mut connection, &question("c1.")).await;
    assert!(host.server.set_listeners(vec![on(2)]).await.is_empty());
    let closed = timeout(PATIENCE, connection.read(&mut [0; 1])).await.unwrap();
    assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
    assert_eq!(addresses(&host.ask(7, &question("c1.")).await), [host.address(7)]);
}

#[tokio::test(start_paused = true)]
async fn the_networks_of_a_listener_change_without_closing_it() {
    let host = Host::new().await;
    let mut connection = host.connect(7).await;
    exchange_over_tcp(&mut connection, &question("c1.")).await;
    let other = Listener { networks: vec!["other".into()], ..host.listener() };
    assert!(host.server.set_listeners(vec![other.clone()]).await.is_empty());
    assert_eq!(code(&exchange_over_tcp(&mut connection, &question("c1.")).await), ResponseCode::Refused);
    // Two entries for one place serve the networks of both.
    assert!(host.server.set_listeners(vec![other, host.listener()]).await.is_empty());
    assert_eq!(code(&exchange_over_tcp(&mut connection, &question("c1.")).await), ResponseCode::NoError);
}

#[tokio::test(start_paused = true)]
async fn a_taken_port_is_reported_for_its_listener_alone_and_tried_again() {
    let host = Host::new().await;
    let taken = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
    // As dnsmasq does. Two sockets that both did so could share the port, and one would be deaf.
    taken.set_reuse_address(true).unwrap();
    taken.bind(&host.at(2).into()).unwrap();
    let unlucky = Listener { address: host.address(2), ..host.listener() };
    let lucky = Listener { address: host.address(3), ..host.listener() };
    let wanted = || vec![unlucky.clone(), host.listener(), lucky.clone()];
    for _ in 0..2 {
        let errors = host.server.set_listeners(wanted()).await;
        let [error] = &errors[..] else { panic!("{errors:?}") };
        assert_eq!(error.listener, unlucky);
        assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
        assert_eq!(error.to_string(), format!("listen for DNS on {}", host.address(2)));
        for last in [1, 3] {
            exchange(host.address(7), host.at(last), &question("c1.")).await;
        }
    }
    drop(taken);
    assert!(host.server.set_listeners(wanted()).await.is_empty());
    exchange(host.address(7), host.at(2), &question("c1.")).await;
}

#[tokio::test(start_paused = true)]
async fn a_question_waits_in_sockets_that_are_kept_for_the_next_server() {
    let host = Host::new().await;
    let elsewhere = Listener { address: host.address(2), ..host.listener() };
    assert!(host.server.set_listeners(vec![host.listener(), elsewhere.clone()]).await.is_empty());
    let mut kept = Vec::from(host.server.sockets(&host.listener()).await.unwrap().unwrap());
    kept.extend(host.server.sockets(&elsewhere).await.unwrap().unwrap());
    assert!(host.server.sockets(&Listener { port: 1, ..elsewhere }).await.unwrap().is_none());
    kept.push(std::net::TcpStream::connect(host.at(1)).unwrap().into());
    host.server.stop().await;
    let request = question("c1.");
    let socket = UdpSocket::bind((host.address(7), 0)).await.unwrap();
    socket.send_to(&request.to_vec().unwrap(), host.at(1)).await.unwrap();
    let mut connection = host.connect(7).await;
    frame::write(&mut connection, &request.to_vec().unwrap()).await.unwrap();

    let next = Server::new();
    next.set_zones(host.server.zones());
    next.inherit(kept).await;
    // One that is bound to a device is another.
    let device = Some(loopback(1));
    assert!(!next.set_listeners(vec![Listener { device, ..host.listener() }]).await.is_empty());
    assert!(next.set_listeners(vec![host.listener()]).await.is_empty());
    assert_eq!(addresses(&receive(&socket).await), [host.address(7)]);
    assert_eq!(addresses(&receive_over_tcp(&mut connection).await), [host.address(7)]);
    // What is wanted by nobody is closed, and its place free.
    next.inherit(Vec::new()).await;
    UdpSocket::bind(host.at(2)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_device_that_does_not_exist_is_reported_by_name() {
    let host = Host::new().await;
    let device = Device { name: "br-absent".to_owned(), index: 7 };
    let errors = host.server.set_listeners(vec![Listener { device: Some(device), ..host.listener() }]).await;
    assert_eq!(errors[0].to_string(), format!("listen for DNS on {} on \"br-absent\"", host.address(1)));
}

#[tokio::test(start_paused = true)]
async fn an_address_may_come_after_its_listener() {
    let host = Host::new().await;
    let absent =
        ["192.0.2.1", "2001:db8::1"].map(|text| Listener { address: text.parse().unwrap(), ..host.listener() });
    let errors = host.server.set_listeners(absent.to_vec()).await;
    assert!(errors.is_empty(), "{errors:?}");
}

#[tokio::test(start_paused = true)]
async fn ipv6_is_served_too() {
    let host = Host::new().await;
    let network = network("six", "six.internal", &["::1/128"], &["::1"], vec![attachment("c", &["::1"], &["c"], 5)]);
    host.server.set_zones(Arc::new(ZonesBuilder::new(1).network(network).build()));
    let address = IpAddr::from(std::net::Ipv6Addr::LOCALHOST);
    let listener = Listener { device: None, address, port: host.port, networks: vec!["six".into()] };
    assert!(host.server.set_listeners(vec![listener]).await.is_empty());
    let mut request = question("c.");
    request.queries[0].query_type = RecordType::AAAA;
    let response = exchange(address, (address, host.port).into(), &request).await;
    assert_eq!(response.answers[0].data.to_string(), "::1");
}

#[tokio::test(start_paused = true)]
async fn a_stopped_server_still_gives_the_answers_it_owes() {
    let host = Host::new().await;
    let upstream = host.upstream(50, answers).await;
    host.server.set_upstreams(servers(&[upstream.address]));
    let request = question("www.example.com.");
    let ask = async {
        let response = host.ask(7, &request).await;
        addresses(&response).len()
    };
    let stop = async {
        while upstream.asked() == 0 {
            tokio::task::yield_now().await;
        }
        host.server.stop().await;
    };
    assert_eq!(tokio::join!(ask, stop).0, 1);
    assert!(TcpStream::connect(host.at(1)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_listener_owes_answers_while_others_are_asked_what_came_to_it() {
    let host = Host::new().await;
    let upstream = host.upstream(50, answers).await;
    upstream.becomes(answers, Duration::from_secs(3));
    host.server.set_upstreams(servers(&[upstream.address]));
    let other = Listener { address: host.address(2), ..host.listener() };
    assert!(host.server.set_listeners(vec![host.listener(), other.clone()]).await.is_empty());
    let mut stream = host.connect(7).await;
    let (over_udp, over_tcp) = (question("www.example.com."), question("a.example.com."));
    for is_stream in [false, true] {
        let ask = async {
            let response =
                if is_stream { exchange_over_tcp(&mut stream, &over_tcp).await } else { host.ask(7, &over_udp).await };
            assert_eq!(addresses(&response).len(), 1);
        };
        let look = async {
            while !host.server.owes(&host.listener()).await {
                tokio::task::yield_now().await;
            }
            assert!(!host.server.owes(&other).await);
        };
        assert!(!host.server.owes(&host.listener()).await);
        tokio::join!(ask, look);
        assert!(!host.server.owes(&host.listener()).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stopped_server_does_not_wait_for_a_silent_upstream_and_says_so() {
    let host = Host::new().await;
    let upstream = host.upstream(50, is_silent).await;
    host.server.set_upstreams(servers(&[upstream.address]));
    let socket = UdpSocket::bind((host.address(7), 0)).await.unwrap();
    socket.send_to(&question("www.example.com.").to_vec().unwrap(), host.at(1)).await.unwrap();
    let mut stream = host.connect(7).await;
    frame::write(&mut stream, &question("a.example.com.").to_vec().unwrap()).await.unwrap();
    while upstream.asked() < 2 {
        tokio::task::yield_now().await;
    }
    let ((), took) = timed(host.server.stop()).await;
    assert_eq!(took.as_secs(), 1);
    for response in [receive(&socket).await, receive_over_tcp(&mut stream).await] {
        assert_eq!(code(&response), ResponseCode::ServFail);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stopped_server_answers_what_came_over_tcp_and_closes_idle_connections() {
    let host = Host::new().await;
    let (mut asks, mut is_idle) = (host.connect(7).await, host.connect(8).await);
    for stream in [&mut asks, &mut is_idle] {
        exchange_over_tcp(stream, &question("c1.")).await;
    }
    frame::write(&mut asks, &question("c2.").to_vec().unwrap()).await.unwrap();
    let ((), took) = timed(host.server.stop()).await;
    assert!(took < Duration::from_millis(100), "{took:?}");
    assert_eq!(addresses(&receive_over_tcp(&mut asks).await), [host.address(8)]);
    for mut stream in [asks, is_idle] {
        let ended = timeout(PATIENCE, Frames::new(512).next(&mut stream)).await.expect("the end");
        assert!(!matches!(ended, Ok(Some(_))), "nothing else is said");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_done_is_counted() {
    let host = Host::new().await;
    let upstream = host.upstream(50, answers).await;
    host.server.set_upstreams(servers(&[upstream.address]));
    host.ask(7, &question("c1.")).await;
    exchange_over_tcp(&mut host.connect(7).await, &question("nobody.")).await;
    host.ask(7, &question("www.example.com.")).await;
    let mut chaos = question("version.bind.");
    chaos.queries[0].query_class = hickory_proto::rr::DNSClass::CH;
    host.ask(7, &chaos).await;
    let socket = UdpSocket::bind((host.address(7), 0)).await.unwrap();
    socket.send_to(b"noise", host.at(1)).await.unwrap();
    let [mut c1, mut reverse] = ["c1.", "7.0.0.127.in-addr.arpa."].map(question);
    host.ask(7, &c1).await;
    reverse.queries[0].query_type = RecordType::PTR;
    host.ask(7, &reverse).await;
    c1.queries[0].query_type = RecordType::SRV;
    host.ask(7, &c1).await;
    host.ask(60, &c1).await;
    let expected = [
        (CountedKind::A, Outcome::Answered, 3),
        (CountedKind::A, Outcome::Forwarded, 1),
        (CountedKind::Ptr, Outcome::Answered, 1),
        (CountedKind::Srv, Outcome::Answered, 2),
        (CountedKind::Other, Outcome::Refused, 1),
        (CountedKind::Other, Outcome::Ignored, 1),
    ];
    assert_eq!(counted(&host.server), expected);
}

#[tokio::test(start_paused = true)]
async fn what_is_counted_goes_with_its_network_and_stays_when_that_changes() {
    let host = Host::new().await;
    host.ask(7, &question("c1.")).await;
    let web = |zones: &Zones| zones.zone(&"web".into()).unwrap().network.clone();
    let before = host.server.zones();
    let changed = Network { attachments: Vec::new(), ..Network::clone(&web(&before)) };
    host.server.set_zones(Arc::new(ZonesBuilder::after(&before, 2).network(changed).build()));
    host.ask(7, &question("host.web.internal.")).await;
    assert_eq!(counted(&host.server), [(CountedKind::A, Outcome::Answered, 2)]);
    host.server.set_zones(Arc::new(ZonesBuilder::after(&host.server.zones(), 3).without(&"web".into()).build()));
    assert!(host.server.figures().networks.is_empty());
    host.ask(7, &question("c1.")).await;
}

#[tokio::test(start_paused = true)]
async fn a_network_counts_who_is_refused_at_its_listener() {
    let host = Host::new().await;
    host.serve(|network| Network { subnets: vec!["192.0.2.0/24".parse().unwrap()], ..network });
    assert_eq!(code(&host.ask(60, &question("c1.")).await), ResponseCode::Refused);
    assert_eq!(counted(&host.server), [(CountedKind::A, Outcome::Refused, 1)]);
}

#[tokio::test(start_paused = true)]
async fn one_in_eight_batches_is_timed() {
    let host = Host::new().await;
    // Not so many that a thread would answer.
    for _ in 0..40 {
        host.ask(7, &question("c1.")).await;
    }
    assert_eq!(host.server.figures().here.count(), 5);
}

#[tokio::test(start_paused = true)]
async fn who_wants_notes_has_one_of_each_question_whatever_becomes_of_it() {
    let host = Host::new().await;
    let upstream = host.upstream(50, answers).await;
    host.server.set_upstreams(servers(&[upstream.address]));
    let notes = host.server.take_notes(NonZeroU32::MIN);
    host.ask(7, &question("C1.")).await;
    exchange_over_tcp(&mut host.connect(7).await, &question("nobody.")).await;
    host.ask(7, &question("www.example.com.")).await;
    host.ask(8, &question("www.example.com.")).await;
    let heard: Vec<_> = std::iter::from_fn(|| notes.waiting().ok()).collect();
    let expected = [
        ("c1", "C1", Outcome::Answered, Some(0)),
        ("c1", "nobody", Outcome::Answered, Some(3)),
        ("c1", "www.example.com", Outcome::Forwarded, Some(0)),
        ("c2", "www.example.com", Outcome::Cached, Some(0)),
    ];
    let told = heard.iter().map(|note| {
        let (name, kind) = note.question.as_ref().unwrap();
        assert_eq!((kind.as_str(), note.network.as_ref()), ("A", Some(&"web".into())));
        (note.container.as_ref().unwrap().to_string(), name.as_str(), note.outcome, note.code)
    });
    let expected = expected.map(|(container, name, outcome, code)| (container.to_owned(), name, outcome, code));
    assert_eq!(told.collect::<Vec<_>>(), expected);
    host.server.take_no_notes();
    host.ask(7, &question("c1.")).await;
    assert!(notes.waiting().is_err());
}
