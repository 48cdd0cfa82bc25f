//! The usual question is answered without allocating.

#![expect(unsafe_code, reason = "an allocator that counts is one, and only calls the system's")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::IpAddr;

use dns::{
    Attachment, LONGEST_USUAL, Network, Origin, Port, Protocol, Transport, Upstreams, Zones, ZonesBuilder,
    respond_usual,
};
use fastrand::Rng;

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: both calls are handed on as they came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: what holds of the layout here holds there.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: it came from `alloc`, and so from there.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn zones() -> Zones {
    let attachment = |last: u8, names: &[&str]| Attachment {
        container: format!("c{last}").into(),
        addresses: vec![[10, 1, 0, last].into()],
        names: names.iter().map(|name| name.parse().expect("it is written well")).collect(),
        ports: vec![Port { name: "http".parse().expect("it is written well"), protocol: Protocol::Tcp, number: 80 }],
        texts: Vec::new(),
        is_healthy: true,
        upstreams: None,
        ttl: 5,
    };
    let network = Network {
        id: "web".into(),
        domain: "web.internal".parse().expect("it is written well"),
        subnets: vec!["10.1.0.0/24".parse().expect("it is written well")],
        gateways: vec![[10, 1, 0, 1].into()],
        near: vec!["10.1.0.0/29".parse().expect("it is written well")],
        upstreams: Upstreams::Host,
        forward_single_label: false,
        split_domains: Vec::new(),
        records: Vec::new(),
        attachments: (7..30)
            .map(|last| attachment(last, &["db", "web"][usize::from(last > 8)..]))
            .chain([attachment(30, &["one", "*.one"])])
            .collect(),
    };
    ZonesBuilder::new(1).network(network).build()
}

/// A question for a name, with OPT.
fn packet(name: &str, kind: u8) -> Vec<u8> {
    let mut octets = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    for label in name.split('.') {
        octets.push(u8::try_from(label.len()).expect("it is written well"));
        octets.extend(label.bytes());
    }
    octets.extend([0, 0, kind, 0, 1]);
    octets.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    octets
}

#[test]
fn the_usual_question_is_answered_without_allocating() {
    let (zones, mut rng, mut room) = (zones(), Rng::with_seed(53), [0; LONGEST_USUAL]);
    let listener = ["web".into()];
    let origin = Origin { listener: &listener, source: IpAddr::from([10, 1, 0, 7]), transport: Transport::Udp };
    for (name, kind) in [
        ("db.web.internal", 1),
        ("db.web.internal", 28),
        ("db", 1),
        ("web.web.internal", 1),
        ("nobody.web.internal", 1),
        ("example.com.web.internal", 28),
        ("9.0.1.10.in-addr.arpa", 12),
        ("_http._tcp.one.web.internal", 33),
        ("x.y.one.web.internal", 1),
        ("x.one", 28),
    ] {
        let packet = packet(name, kind);
        let before = COUNT.get();
        let length = respond_usual(&zones, origin, &packet, &mut rng, &mut room);
        let count = COUNT.get() - before;
        assert!(length.is_some(), "{name} {kind} is not usual");
        assert_eq!(count, 0, "allocations for {name} {kind}");
    }
}
