use std::fmt::Write;

use netd_store::Snapshot;

use super::*;
use crate::{cluster::View, sample};

/// What is known where these are recorded, and nothing else.
fn recorded(attachments: &[Arc<Attachment>]) -> Known {
    let attachments = attachments.iter().map(|it| (it.id.clone(), Arc::clone(it))).collect();
    Known { snapshot: Arc::new(Snapshot { attachments, ..Snapshot::default() }), ..Known::default() }
}

fn serve(attachments: &[Attachment]) -> Vec<Served> {
    let attachments: Vec<Arc<Attachment>> = attachments.iter().cloned().map(Arc::new).collect();
    served(&recorded(&attachments), sample::BOOT)
}

/// What is served, as text.
fn text(attachments: &[Attachment]) -> String {
    let mut text = String::new();
    for Served { network, listen } in serve(attachments) {
        writeln!(text, "network {} domain {} upstreams {:?}", network.id, network.domain, network.upstreams).unwrap();
        for listen in listen {
            writeln!(text, "  listen {} {}", listen.link, listen.address).unwrap();
        }
        for attachment in &network.attachments {
            writeln!(text, "  {} {:?} {:?}", attachment.container, attachment.names, attachment.addresses).unwrap();
        }
    }
    text
}

fn names(attachment: &mut Attachment) -> &mut Names {
    attachment.sections.get_mut("dns").unwrap().names.as_mut().unwrap()
}

#[test]
fn each_network_serves_its_own_containers() {
    let attachments = [
        sample::attachment("web", "c1", "10.1.0.7"),
        sample::attachment("db", "c1", "10.1.0.9"),
        sample::attachment("web", "c2", "10.1.0.8"),
    ];
    let expected = "\
network db/db.internal domain db.internal upstreams Host
  listen br-db 10.1.0.1
  c1 [\"c1\"] [10.1.0.9]
network web/web.internal domain web.internal upstreams Host
  listen br-web 10.1.0.1
  c1 [\"c1\"] [10.1.0.7]
  c2 [\"c2\"] [10.1.0.8]
";
    assert_eq!(text(&attachments), expected);
}

#[test]
fn only_what_is_ready_and_of_this_boot_is_served() {
    for change in [
        |attachment: &mut Attachment| attachment.progress = Progress::Adding,
        |attachment: &mut Attachment| attachment.progress = Progress::Deleting,
        |attachment: &mut Attachment| attachment.boot = "another".to_owned(),
    ] {
        let mut attachment = sample::attachment("web", "c1", "10.1.0.7");
        change(&mut attachment);
        assert_eq!(text(&[attachment]), "");
    }
}

#[test]
fn a_changed_domain_is_served_beside_the_old_one_with_the_same_containers() {
    let mut new = sample::attachment("web", "c2", "10.1.0.8");
    names(&mut new).domain = "example.test".parse().unwrap();
    let expected = "\
network web/example.test domain example.test upstreams Host
  listen br-web 10.1.0.1
  c1 [\"c1\"] [10.1.0.7]
  c2 [\"c2\"] [10.1.0.8]
network web/web.internal domain web.internal upstreams Host
  listen br-web 10.1.0.1
  c1 [\"c1\"] [10.1.0.7]
  c2 [\"c2\"] [10.1.0.8]
";
    assert_eq!(text(&[sample::attachment("web", "c1", "10.1.0.7"), new]), expected);
}

#[test]
fn a_network_is_internal_as_soon_as_one_container_was_told_so() {
    let mut first = sample::attachment("web", "c1", "10.1.0.7");
    names(&mut first).upstreams = vec!["192.0.2.53:53".parse().unwrap()];
    assert!(text(std::slice::from_ref(&first)).contains("upstreams Own([192.0.2.53:53])"));
    let mut second = sample::attachment("web", "c2", "10.1.0.8");
    names(&mut second).internal = true;
    assert!(text(&[first, second]).contains("upstreams None"));
}

#[test]
fn upstreams_and_split_domains_are_those_that_any_container_was_told_and_a_containers_own_are_its_own() {
    let told = |upstreams: &[&str]| upstreams.iter().map(|text| text.parse().unwrap()).collect::<Vec<Upstream>>();
    let mut first = sample::attachment("web", "c1", "10.1.0.7");
    names(&mut first).upstreams = told(&["192.0.2.1"]);
    names(&mut first).own_upstreams = told(&["192.0.2.9"]);
    names(&mut first).split_domains = [("corp.example".parse().unwrap(), told(&["192.0.2.3"]))].into();
    let mut second = sample::attachment("web", "c2", "10.1.0.8");
    names(&mut second).upstreams = told(&["192.0.2.2", "192.0.2.1"]);
    names(&mut second).split_domains =
        [("corp.example".parse().unwrap(), told(&["192.0.2.4", "192.0.2.3"])), ("void".parse().unwrap(), vec![])]
            .into();
    let network = serve(&[first, second]).remove(0).network;
    assert_eq!(format!("{:?}", network.upstreams), "Own([192.0.2.1:53, 192.0.2.2:53])");
    let split = network.split_domains.iter().map(|split| format!("{} {:?}", split.domain, split.upstreams));
    assert_eq!(split.collect::<Vec<_>>(), ["corp.example [192.0.2.3:53, 192.0.2.4:53]", "void []"]);
    let own = network.attachments.iter().map(|attachment| format!("{:?}", attachment.upstreams));
    assert_eq!(own.collect::<Vec<_>>(), ["Some([192.0.2.9:53])", "None"]);
}

#[test]
fn what_was_to_be_asked_over_tls_is_never_asked_in_the_open() {
    let told = |network: &str, upstreams: &[&str]| {
        let mut attachment = sample::attachment("web", network, "10.1.0.7");
        names(&mut attachment).upstreams = upstreams.iter().map(|text| text.parse().unwrap()).collect();
        attachment
    };
    let attachments = [told("c1", &["192.0.2.1"]), told("c2", &["tls://192.0.2.2", "tls://192.0.2.3#dns.example"])];
    let upstreams = serve(&attachments).remove(0).network.upstreams.clone();
    assert_eq!(format!("{upstreams:?}"), "Own([tls://192.0.2.2:853#192.0.2.2, tls://192.0.2.3:853#dns.example])");
}

#[test]
fn networks_on_one_bridge_and_address_share_a_listener() {
    let first = sample::attachment("web", "c1", "10.1.0.7");
    let mut second = sample::attachment("db", "c2", "10.1.0.8");
    names(&mut second).listen.clone_from(&names(&mut first.clone()).listen);
    let served = serve(&[first, second]);
    let index = |link: &LinkName| (link.as_str() == "br-web").then_some(7);
    assert!(!are_heard(&served, &BTreeMap::new(), index));
    let listeners = listeners(&served, index);
    assert!(are_heard(&served, &listeners, index));
    assert!(!are_heard(&served, &listeners, |_| Some(8)), "it was made again");
    let all: Vec<&dns::Listener> = listeners.values().collect();
    let [listener] = all.as_slice() else { panic!("{listeners:?}") };
    assert_eq!(listener.device, Some(dns::Device { name: "br-web".to_owned(), index: 7 }));
    assert_eq!(listener.networks, ["db/db.internal".into(), "web/web.internal".into()]);
}

#[test]
fn nobody_listens_on_a_bridge_that_is_not_there() {
    let served = serve(&[sample::attachment("web", "c1", "10.1.0.7")]);
    let listeners = listeners(&served, |_| None);
    assert!(listeners.is_empty() && are_heard(&served, &listeners, |_| None));
}

/// The network `web` as it is known where this host has a part of it.
fn known(prefer_local: bool) -> NetworkView {
    let settings = format!(
        "network = [{{ name = 'web', driver = 'overlay', subnet = ['10.1.0.0/16'], prefer_local = {prefer_local} }}]"
    );
    let settings = Settings::parse(&settings).unwrap();
    let network = Arc::new(settings.networks.usable.first().unwrap().clone());
    let own = serde_json::json!({"version": 1, "host": "h1", "network": "web", "vtep": "192.0.2.1",
        "mac": "02:00:00:00:00:01", "subnets": ["10.1.0.0/24"]});
    NetworkView {
        network,
        own: Some(serde_json::from_value(own).unwrap()),
        peers: <_>::default(),
        left_out: BTreeMap::new(),
    }
}

fn view(known: NetworkView) -> View {
    View { networks: [("web".parse().unwrap(), known)].into(), ..View::default() }
}

#[test]
fn the_hosts_part_is_near_where_a_person_prefers_that() {
    let attachments = [Arc::new(sample::attachment("web", "c1", "10.1.0.7"))];
    let near = |prefer_local| {
        let known = Known { view: Arc::new(view(known(prefer_local))), ..recorded(&attachments) };
        served(&known, sample::BOOT).remove(0).network.near.clone()
    };
    assert_eq!((near(false), near(true)), (vec![], vec!["10.1.0.0/24".parse().unwrap()]));
}

/// An address of a part that no host has is asked of nobody else.
#[test]
fn all_of_an_overlay_is_ours() {
    let attachments = [Arc::new(sample::attachment("web", "c1", "10.1.0.7"))];
    let known = Known { view: Arc::new(view(known(false))), ..recorded(&attachments) };
    let subnets = served(&known, sample::BOOT).remove(0).network.subnets.clone();
    assert!(subnets.contains(&"10.1.0.0/16".parse().unwrap()), "{subnets:?}");
}

#[test]
fn other_hosts_hear_of_containers_with_addresses_of_this_hosts_part_and_of_no_others() {
    let attachments = [("web", "c1", "10.1.0.7"), ("web", "c2", "172.16.0.7"), ("db", "c3", "10.1.0.9")]
        .map(|(network, id, address)| Arc::new(sample::attachment(network, id, address)));
    let told = |known: NetworkView| {
        let known = Known { view: Arc::new(view(known)), ..recorded(&attachments) };
        of_host(&known, sample::BOOT, &"h1".parse().unwrap())
    };
    assert_eq!(told(NetworkView { own: None, ..known(false) }), []);
    let told = told(known(false));
    let [web] = told.as_slice() else { panic!("{told:?}") };
    let containers: Vec<_> = web.containers.iter().map(|container| container.container.as_str()).collect();
    assert_eq!((web.network.as_str(), web.host.as_str(), containers), ("web", "h1", vec!["c1"]));
}

#[test]
fn what_of_a_network_did_not_change_is_the_same_object_and_the_rest_is_made_anew() {
    let documents = |address: &str| {
        let of_lab = sample::attachment("lab", "c1", "10.2.0.7");
        let of_web = [sample::attachment("web", "c1", "10.1.0.7"), sample::attachment("web", "c2", address)];
        [of_lab].into_iter().chain(of_web).map(Arc::new).collect::<Vec<_>>()
    };
    let mut kept = Kept::default();
    let mut turn = |known: &Known| {
        let turned = kept.turn(known, sample::BOOT);
        let whole: Vec<Served> = kept.served().cloned().collect();
        assert_eq!(whole, served(known, sample::BOOT));
        let ids = |served: &[Served]| served.iter().map(|it| it.network.id.to_string()).collect::<Vec<_>>().join(" ");
        let gone: Vec<String> = turned.gone.iter().map(ToString::to_string).collect();
        (format!("-{} +{} {}", gone.join(" "), ids(&turned.come), turned.is_moved), whole)
    };
    let before = documents("10.1.0.8");
    let (said, first) = turn(&recorded(&before));
    assert_eq!(said, "- +lab/lab.internal web/web.internal true");
    // Whoever reads the store keeps what was not written anew.
    let after = [&before[..2], &documents("10.1.0.9")[2..]].concat();
    let (said, second) = turn(&recorded(&after));
    assert_eq!(said, "- +web/web.internal false");
    assert!(Arc::ptr_eq(&first[0].network, &second[0].network));
    let sick = Arc::new(Sick::from([(after[1].id.clone(), Health::Starting)]));
    let (said, _) = turn(&Known { sick, ..recorded(&after) });
    assert_eq!(said, "- +web/web.internal false");
    let (said, well) = turn(&recorded(&after));
    assert_eq!((said.as_str(), &well), ("- +web/web.internal false", &second));
    let (said, _) = turn(&recorded(&[&after[..2], &[Arc::new(Attachment::clone(&after[2]))][..]].concat()));
    assert_eq!(said, "- + false", "a document that says what it said");
    let view = Arc::new(view(known(true)));
    let (said, _) = turn(&Known { view: Arc::clone(&view), ..recorded(&after) });
    assert_eq!(said, "- +web/web.internal false");
    let (said, _) = turn(&Known { view: Arc::new(View::clone(&view)), ..recorded(&after) });
    assert_eq!(said, "- + false", "another view with the same names");
    let mut moved = Attachment::clone(&after[0]);
    names(&mut moved).domain = "example.test".parse().unwrap();
    let (said, _) = turn(&Known { view, ..recorded(&[Arc::new(moved)]) });
    assert_eq!(said, "-lab/lab.internal web/web.internal +lab/example.test true");
}

#[test]
fn zones_after_others_are_those_that_are_made_from_nothing() {
    let settings = Settings::parse("").unwrap();
    let steps = [("lab", "c1", "10.2.0.7"), ("web", "c1", "10.1.0.7"), ("web", "c2", "10.1.0.8")]
        .map(|(network, container, address)| Arc::new(sample::attachment(network, container, address)));
    let (mut kept, mut zones) = (Kept::default(), dns::Zones::default());
    for known in [&steps[..1], &steps, &steps[1..], &steps[..2], &[]].map(recorded) {
        zones = super::zones(&kept.turn(&known, sample::BOOT), &settings, &zones, 1);
        let whole = super::zones(&Kept::default().turn(&known, sample::BOOT), &settings, &dns::Zones::default(), 1);
        let sees = |zones: &dns::Zones, id: &str| {
            let inquiry =
                dns::Inquiry { listener: &[id.into()], source: "10.1.0.7".parse().unwrap(), name: "c1", kind: "A" };
            zones.explain(inquiry).map(|said| (said.networks.clone(), said.records.clone())).ok()
        };
        for id in ["lab/lab.internal", "web/web.internal"] {
            assert_eq!(sees(&zones, id), sees(&whole, id), "{id}");
        }
    }
}

#[test]
fn who_is_not_healthy_is_so_here_and_on_other_hosts() {
    let attachments =
        [("c1", "10.1.0.7"), ("c2", "10.1.0.8")].map(|(id, at)| Arc::new(sample::attachment("web", id, at)));
    let sick = Sick::from([(attachments[0].id.clone(), Health::Starting)]);
    let known_here = Known { view: Arc::new(view(known(false))), sick: Arc::new(sick), ..recorded(&attachments) };
    let here = served(&known_here, sample::BOOT).remove(0).network.attachments.clone();
    assert_eq!(here.iter().map(|it| it.is_healthy).collect::<Vec<_>>(), [false, true]);
    let told = of_host(&known_here, sample::BOOT, &"h1".parse().unwrap()).remove(0);
    // As another host hears it.
    let told: NamesOfHost = serde_json::from_str(&serde_json::to_string(&told).unwrap()).unwrap();
    let there: Vec<dns::Attachment> = elsewhere(std::iter::once(&peer(told))).collect();
    assert_eq!(there.iter().map(|it| it.is_healthy).collect::<Vec<_>>(), [false, true]);
}

fn peer(names: NamesOfHost) -> Arc<Peer> {
    Arc::new(Peer {
        member: Arc::new(known(false).own.unwrap()),
        names: Arc::new(names),
        state: State::Alive,
        since: std::time::UNIX_EPOCH,
        last_error: None,
        recalled: None,
    })
}
