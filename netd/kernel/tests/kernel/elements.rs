//! Elements of sets: containers are data.

use std::{net::Ipv4Addr, time::Duration};

use netd_kernel::{Error, Events};
use netd_model::{
    element::{Element, Family, Part, Set},
    object::{Object, Program},
    plan::{Plan, Step},
};

use crate::{
    lab::{Lab, absent, present, sh},
    programs::{load_older, programs},
    wanted::elements,
};

fn masquerade(address: Ipv4Addr, owner: &str) -> Object {
    Object::Element(Element::of_set(Set::Masquerade4, vec![Part::Ipv4(address)], owner.to_owned()))
}

/// Whether the kernel is of this version or a newer one.
fn is_at_least(version: &str) -> bool {
    let release = sh("uname -r");
    let number =
        |text: &str| text.split(['.', '-']).take(2).map(|part| part.parse::<u32>().unwrap()).collect::<Vec<_>>();
    number(release.trim()) >= number(version)
}

#[test]
fn nft_shows_elements_with_their_owners() {
    let mut lab = Lab::new();
    lab.kernel.apply(&programs()).unwrap();
    lab.make(&present(elements(7)));
    let shown = sh("nft list ruleset");
    for element in [
        r#"10.1.0.7 comment "web/c7/eth0""#,
        r#"10.1.0.7 . "br-web" comment "web/c7/eth0""#,
        r#"fd00:1::7 . "br-web" comment "web/c7/eth0""#,
        r#"tcp . 8007 comment "web/c7/eth0" : 10.1.0.7 . 80"#,
        r#"fd00:9::2 . tcp . 8007 comment "web/c7/eth0" : fd00:1::7 . 80"#,
        r#"10.1.0.0/24 . 10.1.0.7 comment "web/c7/eth0""#,
        r#""veth7" . 02:00:0a:01:00:07 . 10.1.0.7 comment "web/c7/eth0""#,
        r#""veth7" . 02:00:0a:01:00:07 . 0xfd000001000000000000000000000007 comment "web/c7/eth0""#,
    ] {
        assert!(shown.contains(element), "{element} in {shown}");
    }
}

#[test]
fn elements_that_nft_wrote_are_read() {
    let mut lab = Lab::new();
    lab.kernel.apply(&programs()).unwrap();
    sh(r#"nft add element inet netd masquerade4 '{ 10.1.0.9 comment "who" }'"#);
    assert_eq!(lab.make(&present([masquerade([10, 1, 0, 9].into(), "who")])), "nothing to do\n");
}

#[test]
fn every_set_gives_back_what_was_put_in() {
    let mut lab = Lab::new();
    lab.kernel.apply(&programs()).unwrap();
    lab.make(&present(elements(7)));
    let sets = Set::ALL.map(|set| lab.kernel.elements_of(set).unwrap());
    let mut found: Vec<Element> = sets.into_iter().flatten().collect();
    found.sort_by(|a, b| a.key.cmp(&b.key));
    let mut wanted: Vec<Object> = elements(7);
    wanted.sort_by_key(Object::key);
    assert_eq!(found.into_iter().map(Object::Element).collect::<Vec<_>>(), wanted);
}

#[test]
fn of_two_owners_the_second_is_refused_and_changes_nothing() {
    let mut lab = Lab::new();
    lab.kernel.apply(&programs()).unwrap();
    let [first, other] = [7, 8].map(|last| Ipv4Addr::new(10, 1, 0, last));
    lab.make(&present([masquerade(first, "web/c1/eth0")]));
    let steps = [other, first].map(|address| Step::Add(masquerade(address, "web/c2/eth0"))).into();
    let error = lab.kernel.apply(&Plan { steps }).unwrap_err();
    assert!(error.is_exists(), "{error}");
    let text = "host nft add element inet netd masquerade4 { 10.1.0.7 } # web/c2/eth0: ";
    assert!(error.to_string().starts_with(text), "{error}");
    // A transaction is whole or nothing, and a removal is its owner's.
    assert_eq!(lab.make(&absent([other, first].map(|address| masquerade(address, "web/c2/eth0")))), "nothing to do\n");
    assert_eq!(lab.kernel.elements_of(Set::Masquerade4).unwrap().len(), 1);
}

#[test]
fn what_one_removed_another_adds_at_once() {
    let mut lab = Lab::new();
    lab.kernel.apply(&programs()).unwrap();
    for turn in 0..50 {
        let element = masquerade([10, 1, 0, 7].into(), &format!("web/c{turn}/eth0"));
        lab.make(&present([element.clone()]));
        lab.make(&absent([element]));
    }
    assert!(!sh("nft list ruleset").contains("elements"));
}

#[test]
fn a_removal_deletes_nothing_that_the_end_of_a_process_would_wait_for() {
    let expires = is_at_least("6.12");
    let mut lab = Lab::new();
    lab.kernel.apply(&programs()).unwrap();
    lab.make(&present(elements(7)));
    let mut events = Events::open().unwrap();
    lab.make(&absent(elements(7)));
    let heard = events.next(Duration::from_millis(50)).unwrap();
    assert_eq!(heard.is_none(), expires, "{heard:?}: the kernel announces a deletion, not an expiry");
}

#[test]
fn a_plan_that_fails_half_way_leaves_no_element_that_it_removed() {
    let mut lab = Lab::new();
    lab.kernel.apply(&programs()).unwrap();
    for turn in 0..20 {
        let element = masquerade([10, 1, 0, 7].into(), &format!("web/c{turn}/eth0"));
        lab.make(&present([element.clone()]));
        let impossible = Step::Delete(Object::Program(Program { family: Family::Inet, version: 1 }));
        let error = lab.kernel.apply(&Plan { steps: vec![Step::Delete(element), impossible] }).unwrap_err();
        assert!(matches!(error, Error::Impossible { .. }), "{error}");
        assert_eq!(lab.kernel.elements_of(Set::Masquerade4).unwrap(), []);
    }
}

#[test]
fn sets_whose_elements_cannot_expire_lose_them_as_well() {
    let mut lab = Lab::new();
    load_older();
    lab.make(&present(elements(7)));
    lab.make(&absent(elements(7)));
    assert!(!sh("nft list ruleset").contains("elements"));
}

#[test]
fn elements_that_are_gone_do_not_keep_others_from_going() {
    let mut lab = Lab::new();
    lab.kernel.apply(&programs()).unwrap();
    lab.make(&present(elements(7)));
    sh("nft flush set inet netd home4 && nft flush set bridge netd mac");
    lab.kernel.apply(&Plan { steps: elements(7).into_iter().map(Step::Delete).collect() }).unwrap();
    assert!(!sh("nft list ruleset").contains("elements"));
    lab.kernel.apply(&Plan { steps: elements(7).into_iter().map(Step::Delete).collect() }).unwrap();
}

#[test]
fn without_a_program_there_are_no_elements() {
    let mut lab = Lab::new();
    assert_eq!(lab.make(&absent(elements(7))), "nothing to do\n");
    assert_eq!(lab.kernel.elements_of(Set::Home6).unwrap(), []);
    lab.kernel.apply(&Plan { steps: elements(7).into_iter().map(Step::Delete).collect() }).unwrap();
    let error = lab.kernel.apply(&Plan { steps: elements(7).into_iter().map(Step::Add).collect() }).unwrap_err();
    assert!(error.to_string().contains("No such file or directory"), "{error}");
}

#[test]
fn thousands_of_elements_are_added_read_and_removed() {
    let mut lab = Lab::new();
    lab.kernel.apply(&programs()).unwrap();
    let many: Vec<Object> = (0..3000)
        .map(|number: u32| masquerade((0x0a01_0000 + number).into(), "a-network-of-a-long-name/a-container/eth0"))
        .collect();
    lab.make(&present(many.clone()));
    assert_eq!(lab.kernel.elements_of(Set::Masquerade4).unwrap().len(), 3000);
    lab.make(&absent(many));
    assert_eq!(lab.kernel.elements_of(Set::Masquerade4).unwrap(), []);
}
