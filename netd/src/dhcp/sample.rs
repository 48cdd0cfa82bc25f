//! A lease for tests.

use std::net::Ipv4Addr;

use netd_model::{
    attachment::{AttachmentId, Namespace},
    dhcp::{Family, Lease, Octets, Stage, Terms, Times, VERSION, Wish},
};

pub(super) fn wish() -> Wish {
    let id = AttachmentId {
        network: "lan".parse().unwrap(),
        container: "c1".parse().unwrap(),
        ifname: "eth0".parse().unwrap(),
    };
    Wish {
        id,
        netns: Namespace { path: "/run/netns/c1".into(), device: 4, inode: 4_026_532_000 },
        mac: "02:00:00:00:00:07".parse().unwrap(),
        broadcast: false,
        request: vec![1, 121, 3],
        provide: [].into(),
    }
}

pub(super) fn lease() -> Lease {
    Lease {
        version: VERSION,
        stage: Stage::Held,
        family: Family::Ipv4,
        boot: "b".to_owned(),
        wish: wish(),
        server: Ipv4Addr::new(10, 1, 0, 1).octets().to_vec().into(),
        server_mac: Some("02:00:00:00:00:01".parse().unwrap()),
        terms: Terms {
            address: "10.1.0.7/24".parse().unwrap(),
            router: None,
            routes: vec![],
            nameservers: vec![],
            domain: String::new(),
            search: vec![],
        },
        times: Times { renew: 1, rebind: 2, expire: 3 },
        release: Octets::default(),
    }
}
