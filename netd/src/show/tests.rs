use super::*;
use crate::sample;

fn web() -> [Attachment; 2] {
    [sample::attachment("web", "c1", "10.1.0.7"), sample::attachment("web", "c2", "10.1.0.8")]
}

#[test]
fn networks_show_where_their_names_are_served_and_whether_they_are_paused() {
    let [lab, far, torn] = ["lab", "far", "torn"].map(|name| name.parse::<NetworkName>().unwrap());
    let paused = BTreeSet::from([lab]);
    let overlay = serde_json::json!({"name": "far", "mode": "l2", "subnets": ["10.40.0.0/16"], "vni": 78, "port": 4789,
        "masquerade": true});
    let lease = serde_json::json!({"version": 1, "overlay": overlay, "subnets": ["10.40.3.0/24"], "mtu": 1450});
    let leases = BTreeMap::from([(far, Some(serde_json::from_value(lease).unwrap())), (torn, None)]);
    let expected = "\
NETWORK  MODE  PART          DOMAIN        LISTEN           ATTACHMENTS  REPAIR
far      l2    10.40.3.0/24  -             -                0            on
lab      -     -             -             -                0            paused
torn     -     -             -             -                0            on
web      -     -             web.internal  10.1.0.1@br-web  2            on
";
    assert_eq!(table(&networks(&web(), &leases, &paused)), expected);
}

#[test]
fn attachments_show_their_addresses_and_the_hosts_end() {
    let [first, mut second] = web();
    second.progress = Progress::Deleting;
    let expected = format!(
        "\
NETWORK  CONTAINER  IFNAME  PROGRESS  ADDRESSES  HOST LINK
web      c1         eth0    ready     10.1.0.7   {}
web      c2         eth0    deleting  10.1.0.8   {}
",
        first.id.host_link(),
        second.id.host_link(),
    );
    assert_eq!(table(&attachments(&[first, second])), expected);
}

#[test]
fn names_are_whole_and_only_those_that_are_served() {
    let [first, mut second] = web();
    second.progress = Progress::Adding;
    let expected = "\
NAME             ADDRESSES  CONTAINER  NETWORK  TTL  HEALTH
c1.web.internal  10.1.0.7   c1         web      5    starting
";
    let sick = Sick::from([(first.id.clone(), Health::Starting)]);
    assert_eq!(table(&names(&[first, second], sample::BOOT, &sick)), expected);
}

#[test]
fn a_peer_of_any_time_has_a_row() {
    let row = |since: u64| {
        let member = serde_json::json!({"version": 1, "host": "h2", "network": "lab", "vtep": "192.0.2.2",
            "mac": "02:00:00:00:00:02", "subnets": ["10.40.2.0/24"]});
        let peer = serde_json::json!({"member": member, "alive": true, "since": since, "containers": 1});
        let known = serde_json::json!({"version": 1, "peers": [peer], "errors": []});
        table(&peers(&serde_json::from_value::<KnownPeers>(known).unwrap()))
    };
    let now = seconds(SystemTime::now());
    for (since, shown) in [(now + 60, "  0 s "), (u64::MAX, "  0 s "), (i64::MAX.unsigned_abs(), "  0 s "), (0, " s ")]
    {
        assert!(row(since).contains(shown), "{since}");
    }
}
