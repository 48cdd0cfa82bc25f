use std::{process::Command, time::Instant};

use netd_model::{
    element::{Element, Family, Part, Set},
    object::{Object, Program},
    plan::{Plan, Step},
};

use super::tick;
use crate::Kernel;

/// Runs `work` in a namespace of its own: the test runs itself there.
fn alone(test: &str, work: impl FnOnce()) {
    const ALONE: &str = "ALONE_IN_A_NAMESPACE";
    if std::env::var_os(ALONE).is_some() {
        return work();
    }
    if !rustix::process::geteuid().is_root() {
        assert!(std::env::var_os("NETNS_TESTS").is_none_or(|value| value != "required"), "needs root");
        return eprintln!("skipped: only root makes network namespaces");
    }
    let mut command = Command::new("unshare");
    command.arg("--net").arg(std::env::current_exe().unwrap());
    let output = command.args(["--exact", test, "--nocapture"]).env(ALONE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

/// The kernel with the program and these elements, which nobody told to expire: so a kernel before 6.12 has those that
/// were told.
fn with_elements(count: u32) -> (Kernel, Vec<Step>) {
    let mut kernel = Kernel::open(None);
    let program = Object::Program(Program { family: Family::Inet, version: Family::Inet.version() });
    let element = |number: u32| {
        let parts = vec![Part::Ipv4(number.into()), Part::Link("br".parse().unwrap())];
        Object::Element(Element::of_set(Set::Home4, parts, "web/c1/eth0".to_owned()))
    };
    let elements = || (1..=count).map(element);
    kernel.apply(&Plan { steps: [program].into_iter().chain(elements()).map(Step::Add).collect() }).unwrap();
    (kernel, elements().map(Step::Delete).collect())
}

#[test]
fn thousands_that_did_not_expire_are_deleted_in_transactions_that_fit() {
    alone("apply::elements::tests::thousands_that_did_not_expire_are_deleted_in_transactions_that_fit", || {
        let (mut kernel, removals) = with_elements(6000);
        assert_eq!(kernel.elements_of(Set::Home4).unwrap().len(), 6000);
        kernel.settle_elements(&removals).unwrap();
        assert_eq!(kernel.elements_of(Set::Home4).unwrap(), []);
    });
}

#[test]
fn nothing_waits_for_what_does_not_expire() {
    alone("apply::elements::tests::nothing_waits_for_what_does_not_expire", || {
        let settle = || {
            let (mut kernel, removals) = with_elements(1);
            let begin = Instant::now();
            kernel.settle_elements(&removals).unwrap();
            begin.elapsed()
        };
        let fastest = (0..10).map(|_| settle()).min();
        assert!(fastest < Some(tick()), "{fastest:?}");
    });
}

#[test]
fn what_expires_is_waited_for_until_the_next_tick_and_no_longer() {
    alone("apply::elements::tests::what_expires_is_waited_for_until_the_next_tick_and_no_longer", || {
        let remove = || {
            let (mut kernel, steps) = with_elements(1);
            let begin = Instant::now();
            kernel.apply(&Plan { steps }).unwrap();
            let took = begin.elapsed();
            assert_eq!(kernel.elements_of(Set::Home4).unwrap(), []);
            took
        };
        // Where in a tick it begins is chance; the few that begin at its end wait for nothing.
        let mut took: Vec<_> = (0..16).map(|_| remove()).collect();
        took.sort_unstable();
        assert!(took[3] < tick(), "{took:?}");
    });
}
