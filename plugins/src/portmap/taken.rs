//! Ports of the host that others have: another attachment, or a socket that listens. They are refused, not stolen.

use std::collections::{BTreeMap, BTreeSet};

use netd_kernel::{Listener, Process};
use netd_model::{
    attachment::{AttachmentId, Section},
    element::{Element, ElementKey, Part, Set, Transport},
    object::{Key, Object, State},
};

use super::config::{Config, Port};
use crate::{
    cni::{Error, Kind, Target},
    host::Host,
};

/// Takes out of the section what the same container has in another network, and refuses what others have.
pub(super) fn refuse(host: &mut Host, target: &Target, config: &Config, section: &mut Section) -> Result<(), Error> {
    let own: Vec<Key> = section.own.keys().cloned().collect();
    let at_all = section.own.keys().filter_map(at_all);
    let found = host.kernel.observe(&at_all.chain(own).collect::<Vec<_>>())?;
    let mut dead = BTreeSet::new();
    for element in found.iter().filter_map(of_others(target)) {
        let others = AttachmentId::of_owner(&element.owner);
        if others.as_ref().is_some_and(|id| id.container == target.id.container) {
            section.own.remove(&Object::Element(element.clone()).key());
        } else if others.as_ref().is_some_and(|id| dead.contains(id) || host.remove_if_dead(id).unwrap_or_default()) {
            dead.extend(others);
        } else if element.key.set.is_map() {
            return Err(taken(element));
        }
    }
    if !dead.is_empty() {
        // One that was removed may have had what yet another has by now.
        return refuse(host, target, config, section);
    }
    listening(host, target, config)
}

/// The key of the same port at all addresses: who has that has it at each.
fn at_all(key: &Key) -> Option<Key> {
    let Key::Element(ElementKey { set, parts }) = key else { return None };
    let set = match set {
        Set::PublishedAt4 => Set::Published4,
        Set::PublishedAt6 => Set::Published6,
        _ => return None,
    };
    Some(Key::Element(ElementKey { set, parts: parts.get(1..)?.to_vec() }))
}

/// What was said of an element that came between the look and the change; nothing where there is none.
pub(super) fn by_whom(host: &mut Host, target: &Target, own: &State) -> Option<Error> {
    let found = host.kernel.observe(own.keys()).ok()?;
    found.iter().filter_map(of_others(target)).find(|element| element.key.set.is_map()).map(taken)
}

fn of_others(target: &Target) -> impl Fn(&Object) -> Option<&Element> {
    let owner = target.id.owner();
    move |object| match object {
        Object::Element(element) if element.owner != owner => Some(element),
        _ => None,
    }
}

fn taken(element: &Element) -> Error {
    let text = match element.key.parts.as_slice() {
        [Part::Transport(transport), Part::Port(port)] => format!("{port}/{transport}"),
        [Part::Ipv4(at), Part::Transport(transport), Part::Port(port)] => format!("{at}:{port}/{transport}"),
        [Part::Ipv6(at), Part::Transport(transport), Part::Port(port)] => format!("[{at}]:{port}/{transport}"),
        _ => element.key.to_string(),
    };
    let owner = if element.owner.is_empty() { "another program" } else { &element.owner };
    Error::new(Kind::PortTaken, format!("host port {text} is published already by attachment {owner}"))
}

/// Refuses ports that a socket of the host listens on. A container manager may hold a port for this very container, so
/// that nobody takes it (Podman's conmon does): its command line names the container.
fn listening(host: &mut Host, target: &Target, config: &Config) -> Result<(), Error> {
    let mut ports: BTreeMap<Transport, Vec<Port>> = BTreeMap::new();
    for port in config.ports.keys() {
        ports.entry(port.transport).or_default().push(*port);
    }
    for (transport, ports) in ports {
        let mut numbers: Vec<u16> = ports.iter().map(|port| port.number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        for listener in host.kernel.listeners(transport, &numbers)? {
            let of_listener = |port: &&Port| port.number == listener.port && listener.takes(port.at);
            let Some(port) = ports.iter().find(of_listener) else { continue };
            let process = Process::of(&listener);
            let names_us = |process: &Process| process.words.iter().any(|word| word == target.id.container.as_str());
            if !process.as_ref().is_some_and(names_us) {
                return Err(in_use(port, &listener, process));
            }
        }
    }
    Ok(())
}

fn in_use(port: &Port, listener: &Listener, process: Option<Process>) -> Error {
    let whose = match process {
        Some(process) => format!("process {:?} ({})", process.name, process.id),
        None => format!("a socket of user {}", listener.uid),
    };
    let text = format!("host port {port} is in use by {whose}");
    Error::new(Kind::PortTaken, text).with_details(format!("it listens on {}", listener.address))
}
