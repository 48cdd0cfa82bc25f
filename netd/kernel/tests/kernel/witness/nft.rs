//! The crate nftables as a witness: it has its words of nft(8), by way of JSON.

use std::collections::BTreeMap;

use netd_kernel::Hook;
use netd_model::element::{Element, Part, Set};
use nftables::{
    batch::Batch,
    expr::{Elem, Expression, NamedExpression},
    helper::{DEFAULT_NFT, apply_ruleset, get_current_ruleset_with_args},
    schema::{Chain, Element as Elements, NfListObject, NfObject, SetType, SetTypeValue, Table},
    types::{NfChainPolicy, NfChainType, NfFamily, NfHook},
};

use super::{Lab, Object, present};
use crate::{programs::programs, wanted::elements};

/// The sets that the crate can list. In the others a part is some bits of a packet, in JSON an `integer`, a type that
/// the crate does not have, or a subnet; of maps nft 1.0.6 says in JSON that they are sets; `nft_shows_elements_with_their_owners` and the tests of overlays look there.
fn listable() -> impl Iterator<Item = Set> {
    let has_bits = |set: &Set| {
        matches!(set, Set::Source6 | Set::Gateway6 | Set::Vni | Set::Peer4 | Set::Peer6 | Set::Inside4 | Set::Inside6)
    };
    Set::ALL.into_iter().filter(move |set| !has_bits(set) && is_writable(*set))
}

/// Whether the crate can say elements of the set: those without subnets, and not of maps.
fn is_writable(set: Set) -> bool {
    !set.is_map() && !matches!(set, Set::Hairpin4 | Set::Hairpin6)
}

/// What `nft` lists, as the crate reads it.
#[track_caller]
fn list(what: &[&str]) -> Vec<NfListObject<'static>> {
    let arguments = ["list"].iter().chain(what);
    let ruleset = get_current_ruleset_with_args(DEFAULT_NFT, arguments).unwrap();
    let objects = ruleset.objects.into_owned().into_iter().map(|object| match object {
        NfObject::ListObject(object) => object,
        NfObject::CmdObject(command) => panic!("{command:?}"),
    });
    objects.collect()
}

/// The elements of a set as the crate reads them, by their types.
#[track_caller]
fn listed(set: Set) -> Vec<Element> {
    let objects = list(&["set", set.family().word(), "netd", set.name()]);
    let found = objects.into_iter().find_map(|object| match object {
        NfListObject::Set(found) => Some(found),
        _ => None,
    });
    let found = found.unwrap();
    let types = match found.set_type {
        SetTypeValue::Single(kind) => vec![kind],
        SetTypeValue::Concatenated(kinds) => kinds.into_owned(),
    };
    let elements = found.elem.unwrap_or_default().into_owned().into_iter().map(|element| {
        let Expression::Named(NamedExpression::Elem(Elem { val, comment, .. })) = element else {
            panic!("{element:?}");
        };
        let values = match *val {
            Expression::Named(NamedExpression::Concat(values)) => values,
            value => vec![value],
        };
        assert_eq!(values.len(), types.len());
        let parts = types.iter().zip(&values).map(|(kind, value)| part(*kind, value)).collect();
        Element::of_set(set, parts, comment.unwrap().into_owned())
    });
    in_order(elements)
}

fn part(kind: SetType, value: &Expression<'_>) -> Part {
    let Expression::String(text) = value else { panic!("{value:?}") };
    match kind {
        SetType::Ipv4Addr => Part::Ipv4(text.parse().unwrap()),
        SetType::Ipv6Addr => Part::Ipv6(text.parse().unwrap()),
        SetType::EtherAddr => Part::Mac(text.parse().unwrap()),
        SetType::Ifname => Part::Link(text.parse().unwrap()),
        other => panic!("{other:?}"),
    }
}

fn in_order(elements: impl IntoIterator<Item = Element>) -> Vec<Element> {
    let mut elements: Vec<_> = elements.into_iter().collect();
    elements.sort_by(|one, other| one.key.cmp(&other.key));
    elements
}

/// What is wanted of nftables for two containers.
fn wanted() -> Vec<Object> {
    [elements(7), elements(8)].concat()
}

fn family(set: Set) -> NfFamily {
    match set.family().word() {
        "inet" => NfFamily::INet,
        _ => NfFamily::Bridge,
    }
}

#[test]
fn another_crate_lists_the_elements_that_we_list() {
    let mut lab = Lab::new();
    lab.kernel.apply(&programs()).unwrap();
    lab.make(&present(wanted()));
    for set in listable() {
        let elements = in_order(lab.kernel.elements_of(set).unwrap());
        assert_eq!(elements.len(), 2, "{set:?}");
        assert_eq!(elements, listed(set));
    }
}

#[test]
fn elements_that_another_crate_added_are_what_we_wanted() {
    let mut lab = Lab::new();
    lab.kernel.apply(&programs()).unwrap();
    let mut batch = Batch::new();
    let of_crate = || {
        let is_of_crate = |object: &Object| matches!(object, Object::Element(element) if is_writable(element.key.set));
        wanted().into_iter().filter(is_of_crate)
    };
    for object in of_crate() {
        let Object::Element(Element { key, owner, .. }) = object else { panic!("{object:?}") };
        let text = |part: &Part| match part {
            Part::Link(name) => name.to_string(),
            Part::Ipv6(address) if matches!(key.set, Set::Source6 | Set::Gateway6) => {
                format!("{:#034x}", address.to_bits())
            }
            other => other.to_string(),
        };
        let values: Vec<_> = key.parts.iter().map(|part| Expression::String(text(part).into())).collect();
        let val = Box::new(match values.as_slice() {
            [value] => value.clone(),
            _ => Expression::Named(NamedExpression::Concat(values)),
        });
        let comment = Some(owner.into());
        let elem = Elem { val, comment, timeout: None, expires: None, counter: None };
        batch.add(NfListObject::Element(Elements {
            family: family(key.set),
            table: "netd".into(),
            name: key.set.name().into(),
            elem: vec![Expression::Named(NamedExpression::Elem(elem))].into(),
        }));
    }
    apply_ruleset(&batch.to_nftables()).unwrap();
    assert_eq!(lab.make(&present(of_crate())), "nothing to do\n");
}

#[test]
fn another_crate_lists_the_chains_of_hooks_that_we_list() {
    let mut lab = Lab::new();
    lab.kernel.apply(&programs()).unwrap();
    let mut batch = Batch::new();
    let others = [
        (NfFamily::IP, NfHook::Input, -150, NfChainPolicy::Drop),
        (NfFamily::IP, NfHook::Output, 0, NfChainPolicy::Accept),
        (NfFamily::IP6, NfHook::Forward, 5, NfChainPolicy::Drop),
        (NfFamily::INet, NfHook::Prerouting, 7, NfChainPolicy::Accept),
        (NfFamily::Bridge, NfHook::Forward, i32::MAX, NfChainPolicy::Drop),
    ];
    for (number, (family, hook, priority, policy)) in others.into_iter().enumerate() {
        let chain = |name: String| Chain { family, table: "other".into(), name: name.into(), ..Chain::default() };
        batch.add(NfListObject::Table(Table { family, name: "other".into(), ..Table::default() }));
        batch.add(NfListObject::Chain(chain(format!("plain{number}"))));
        batch.add(NfListObject::Chain(Chain {
            _type: Some(NfChainType::Filter),
            hook: Some(hook),
            prio: Some(priority),
            policy: Some(policy),
            ..chain(format!("hooked{number}"))
        }));
    }
    apply_ruleset(&batch.to_nftables()).unwrap();

    let listed = list(&["chains"]).into_iter().filter_map(|object| match object {
        NfListObject::Chain(chain) => chain.hook.map(|hook| (hook, chain)),
        _ => None,
    });
    let listed: BTreeMap<_, _> = listed
        .map(|(hook, chain)| {
            let hook = match hook {
                NfHook::Input => Hook::Input,
                NfHook::Forward => Hook::Forward,
                _ => Hook::Other,
            };
            let drops = chain.policy == Some(NfChainPolicy::Drop);
            let family = format!("{:?}", chain.family).to_lowercase();
            (
                (family, chain.table.into_owned(), chain.name.into_owned()),
                (format!("{hook:?}"), chain.prio.unwrap(), drops),
            )
        })
        .collect();
    let ours = lab.kernel.hooked_chains().unwrap().into_iter();
    let ours: BTreeMap<_, _> = ours
        .map(|chain| {
            let hook = format!("{:?}", chain.hook);
            ((chain.family, chain.table, chain.name), (hook, chain.priority, chain.drops))
        })
        .collect();
    assert_eq!(ours.len(), 7 + others.len());
    assert_eq!(ours, listed);
}
