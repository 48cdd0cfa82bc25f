use std::io;

use super::*;

fn on(number: u8, port: u16) -> Listener {
    let device = Some(Device { name: format!("br-{number}"), index: number.into() });
    Listener { device, address: IpAddr::from([10, number, 0, 1]), port, networks: vec![] }
}

fn failure(number: u8, port: u16, kind: io::ErrorKind) -> BindError {
    BindError { listener: on(number, port), source: kind.into() }
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
    elsewhere.insert(place(&on(1, 53)).unwrap(), last);
    assert!(!evade(&[taken(1, 53), taken(1, last)], &mut elsewhere), "where all are taken nothing is left to try");
    assert_eq!(ports(&elsewhere), [(1, last)]);
}

#[test]
fn a_port_that_an_earlier_netd_served_is_served_until_the_ruleset_leads_there_no_more() {
    let kept = [on(1, 53), on(2, 10_054), on(3, 10_053)];
    let before = led_before(&[on(1, 53), on(2, 53)], |listener| kept.contains(listener));
    assert_eq!(ports(&before), [(2, 10_054)]);
}

#[test]
fn nothing_is_led_where_there_is_no_bridge_to_lead_it_from() {
    let mut elsewhere = BTreeMap::new();
    let listener = Listener { device: None, ..on(1, 53) };
    let error = BindError { listener, source: io::ErrorKind::AddrInUse.into() };
    assert!(!evade(&[error], &mut elsewhere) && elsewhere.is_empty());
}

#[test]
fn only_what_comes_over_the_bridge_is_led_and_only_while_it_must_be() {
    let elsewhere = BTreeMap::from([(place(&on(1, 53)).unwrap(), 10_053)]);
    let wanted = |failures: &[BindError]| redirects(failures, &elsewhere, &BTreeMap::new()).wanted;
    let led = wanted(&[taken(1, 53)]);
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
    assert!(led.keys().count() == 3 && is_led_from(&led, &place(&on(1, 53)).unwrap()));
    assert!(wanted(&[]).is_empty(), "port 53 is free");
    assert!(wanted(&[taken(1, 53), taken(1, 10_053)]).is_empty(), "nobody answers there");
}

#[test]
fn where_port_53_is_free_what_goes_on_at_the_other_is_told_from_what_does_not() {
    let at = |number| place(&on(number, 53)).unwrap();
    let elsewhere = BTreeMap::from([1, 2, 3, 4].map(|number| (at(number), 10_053)));
    let free = BTreeMap::from([(at(1), Ebb::Led), (at(2), Ebb::Since(Instant::now())), (at(3), Ebb::Ended)]);
    let Redirects { wanted, ebbing, ended } = redirects(&[taken(4, 53)], &elsewhere, &free);
    let is_led = |redirects: &State| [1, 2, 3, 4].map(|number| is_led_from(redirects, &at(number)));
    assert_eq!(is_led(&wanted), [false, false, false, true]);
    assert_eq!(is_led(&ebbing), [true, true, false, false]);
    assert_eq!(is_led(&ended), [false, false, true, false]);
}

#[test]
fn a_port_is_given_up_when_nobody_waits_for_an_answer_from_there_and_at_last_in_any_case() {
    let since = Instant::now();
    let ebb = |millis, is_awaited| Ebb::Since(since).at(since + Duration::from_millis(millis), is_awaited);
    let cases = [(0, false, false), (499, false, false), (500, false, true), (500, true, false), (4_999, true, false)];
    for (millis, is_awaited, is_over) in cases.into_iter().chain([(5_000, true, true)]) {
        assert_eq!(ebb(millis, is_awaited) == Ebb::Ended, is_over, "{millis} ms, {is_awaited}");
    }
    // The ruleset may lead there still, however long that takes.
    assert_eq!(Ebb::Led.at(since + Duration::from_mins(1), false), Ebb::Led);
}
