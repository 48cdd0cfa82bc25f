use netd_model::object::State;
use netd_model::plan::{Desired, plan};
use serde_json::json;

use super::*;
use crate::{fixture::request, inside::Assigned};

#[test]
fn it_holds_addresses_and_comes_up() {
    let request = request(&PLUGIN.about, "ADD", &json!({"ipam": {"type": "static"}}), "").unwrap();
    let target = request.target().unwrap();
    let link = single::link(target, LinkKind::Dummy, Some(single::own_mac(target)), None);
    let addresses = [Assigned { address: "10.1.0.7/24".parse().unwrap(), gateway: None }];
    let section = Single { plugin: "dummy", target, link, parameters: &[] }.section(&addresses, &[], true);
    let expected = "\
container  ip link add dev eth0 address 02:97:b7:03:de:28 group netd type dummy
container  ip address add 10.1.0.7/24 dev eth0
container  ip link set dev eth0 alias web/c1/eth0 up
";
    let wanted = Desired { present: section.own, absent: State::default() };
    assert_eq!(plan(&wanted, &State::default()).to_string(), expected);
}

#[test]
fn it_is_nothing_without_addresses() {
    let request = request(&PLUGIN.about, "ADD", &json!({}), "").unwrap();
    let error = Config::of(&request).unwrap_err();
    assert_eq!((error.kind.code(), &*error.msg), (7, "dummy interface requires an IPAM configuration"));
}
