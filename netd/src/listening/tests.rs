use std::io;

use super::*;

fn listener(number: u8, port: u16) -> Listener {
    let device = Some(Device { name: format!("br-{number}"), index: number.into() });
    Listener { device, address: IpAddr::from([10, number, 0, 1]), port, networks: vec![] }
}

fn failure(number: u8, port: u16, kind: io::ErrorKind) -> BindError {
    BindError { listener: listener(number, port), source: kind.into() }
}

fn taken(number: u8, port: u16) -> BindError {
    failure(number, port, io::ErrorKind::AddrInUse)
}

/// Ports in place of 53, by the number of their network.
fn ports(elsewhere: &BTreeMap<Place, u16>) -> Vec<(u32, u16)> {
    elsewhere.iter().map(|((device, _), port)| (device.index, *port)).collect()
}

#[test]
fn a_port_that_is_taken_is_evaded_by_the_first_that_is_not() {
    let mut elsewhere = BTreeMap::new();
    assert!(evade(&[taken(1, 53), failure(2, 53, io::ErrorKind::PermissionDenied)], &mut elsewhere));
    assert_eq!(ports(&elsewhere), [(1, 10_053)]);
    assert!(evade(&[taken(1, 53), taken(1, 10_053)], &mut elsewhere));
    assert_eq!(ports(&elsewhere), [(1, 10_054)]);
    assert!(!evade(&[taken(1, 53)], &mut elsewhere), "there it is served");
    let last = *PORTS.end();
    elsewhere.insert(place(&listener(1, 53)).unwrap(), last);
    assert!(!evade(&[taken(1, 53), taken(1, last)], &mut elsewhere), "where all are taken nothing is left to try");
    assert_eq!(ports(&elsewhere), [(1, last)]);
}

#[test]
fn a_port_that_an_earlier_netd_served_is_served_until_the_ruleset_leads_there_no_more() {
    let kept = [listener(1, 53), listener(2, 10_054), listener(3, 10_053)];
    let before = led_before(&[listener(1, 53), listener(2, 53)], |listener| kept.contains(listener));
    assert_eq!(ports(&before), [(2, 10_054)]);
}

#[test]
fn nothing_is_led_where_there_is_no_bridge_to_lead_it_from() {
    let mut elsewhere = BTreeMap::new();
    let listener = Listener { device: None, ..listener(1, 53) };
    let error = BindError { listener, source: io::ErrorKind::AddrInUse.into() };
    assert!(!evade(&[error], &mut elsewhere) && elsewhere.is_empty());
}

#[test]
fn only_what_comes_over_the_bridge_is_led_and_only_while_it_must_be() {
    let elsewhere = BTreeMap::from([(place(&listener(1, 53)).unwrap(), 10_053)]);
    let led = redirects(&[taken(1, 53)], &elsewhere);
    let elements: Vec<String> = led
        .iter()
        .filter(|it| matches!(it, Object::Element(_)))
        .map(|it| match it {
            Object::Element(element) => format!("{} {element} # {}", element.key.set.name(), element.owner),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [
        "redirected4 \"br-1\" . 10.1.0.1 . tcp . 53 : 10.1.0.1 . 10053 # dns br-1",
        "redirected4 \"br-1\" . 10.1.0.1 . udp . 53 : 10.1.0.1 . 10053 # dns br-1",
    ];
    assert_eq!(elements, expected);
    assert!(led.keys().count() == 3 && is_led_from(&led, &place(&listener(1, 53)).unwrap()));
    assert!(redirects(&[], &elsewhere).is_empty(), "port 53 is free");
    assert!(redirects(&[taken(1, 53), taken(1, 10_053)], &elsewhere).is_empty(), "nobody answers there");
}
