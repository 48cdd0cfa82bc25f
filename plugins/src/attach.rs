//! The verbs of plugins that give a container an interface: what is the same whatever the interface is.

use netd_model::{
    IpNetwork,
    name::LinkName,
    object::{Object, Side, State, Sysctl, SysctlPath},
};

use crate::{
    cni::{About, CniResult, Error, Request, Target, Valid, Version},
    host::Host,
    inside::Assigned,
    ipam::{self, Assignment},
    verb::Plugin,
};

/// A plugin of which only the configuration and ADD are its own.
pub(crate) trait Attaching {
    /// The plugin's type, which names its section.
    const NAME: &'static str;

    /// What a runtime may ask of it, besides addresses.
    const CAPABILITIES: &'static [&'static str] = &[];

    /// Reads the configuration.
    fn read(request: &Request) -> Result<(), Error>;

    /// ADD.
    fn attach(request: &Request, target: &Target) -> Result<CniResult, Error>;

    /// Says why ADD would not work.
    fn status(request: &Request) -> Result<(), Error> {
        Self::read(request)?;
        status(request)
    }
}

/// All its verbs.
pub(crate) const fn plugin<A: Attaching>() -> Plugin {
    Plugin {
        about: About { name: A::NAME, oldest: Version::V0_1_0, capabilities: Some(A::CAPABILITIES) },
        config: A::read,
        add: A::attach,
        check: |request, target| {
            A::read(request)?;
            check(request, target, A::NAME)
        },
        del,
        gc,
        status: A::status,
    }
}

/// ADD: refuses one that lives, learns what it needs to know, takes addresses and makes the interface.
///
/// Where addresses are asked for over the interface, that is made first, without any, and then again with them: what is
/// there already is not made twice.
/// After a failure nothing is left, and no address is held.
pub(crate) fn add<F>(
    request: &Request,
    target: &Target,
    learn: impl FnOnce(&mut Host) -> Result<F, Error>,
    make: impl Fn(&mut Host, &F, &Assignment) -> Result<CniResult, Error>,
) -> Result<CniResult, Error> {
    let mut host = Host::open(request, target)?;
    let _lock = host.lock(&target.id)?;
    host.refuse_live(&target.id)?;
    let known = learn(&mut host)?;
    if !ipam::is_by_link(request) {
        let assignment = ipam::add(request, target, &mut host)?;
        let result = carried(request, &assignment).and_then(|()| make(&mut host, &known, &assignment));
        if result.is_err() {
            // The first failure is the one to tell; what remains of a lease, the DEL that must follow frees.
            let _ = ipam::del(request, target, &mut host);
        }
        return result;
    }
    make(&mut host, &known, &Assignment { is_awaited: true, ..Assignment::default() })?;
    let given = ipam::add(request, target, &mut host);
    let result = given.and_then(|assignment| {
        carried(request, &assignment)?;
        make(&mut host, &known, &assignment)
    });
    if result.is_err() {
        let _ =
            remove(request, &mut host, |host| host.remove_all(target, None), |host| ipam::del(request, target, host));
    }
    result
}

/// CHECK: the addresses are held, and what was recorded is there.
pub(crate) fn check(request: &Request, target: &Target, plugin: &str) -> Result<(), Error> {
    let mut host = Host::open(request, target)?;
    ipam::check(request, target, &mut host)?;
    host.compare(target, plugin, request.prev_result.as_ref())
}

/// DEL: everything of the attachment, then its addresses.
pub(crate) fn del(request: &Request, target: &Target) -> Result<(), Error> {
    let mut host = Host::open(request, target)?;
    let _lock = host.lock(&target.id)?;
    let free = |host: &mut Host| ipam::del(request, target, host);
    remove(request, &mut host, |host| host.remove_all(target, request.prev_result.as_ref()), free)
}

/// Takes interfaces away and gives addresses back. Nobody else may have an address before it is off the interface; but
/// what was asked for over the interface is given back over it.
pub(crate) fn remove(
    request: &Request,
    host: &mut Host,
    remove: impl FnOnce(&mut Host) -> Result<(), Error>,
    free: impl FnOnce(&mut Host) -> Result<(), Error>,
) -> Result<(), Error> {
    let done = if ipam::is_by_link(request) { [free(host), remove(host)] } else { [remove(host), free(host)] };
    Error::collect(done.into_iter().filter_map(Result::err))
}

/// GC: everything of the network that is not valid, then its addresses.
pub(crate) fn gc(request: &Request, valid: &Valid) -> Result<(), Error> {
    let mut host = Host::open_without_container(request)?;
    let free = |host: &mut Host| ipam::gc(request, valid, host);
    remove(request, &mut host, |host| host.collect(&request.network, valid), free)
}

/// STATUS of a plugin that needs nothing of the host: whether there is an address to give.
pub(crate) fn status(request: &Request) -> Result<(), Error> {
    ipam::status(request, &mut Host::open_without_container(request)?)
}

/// An interface that takes its default route from router advertisements stops doing so when forwarding is switched on,
/// unless it is told to go on (`accept_ra` 2, ip-sysctl.rst).
pub(crate) fn before_forwarding(host: &mut Host, assigned: &[Assigned]) -> Result<State, Error> {
    if !assigned.iter().any(|ip| ip.gateway.is_some_and(|gateway| gateway.is_ipv6())) {
        return Ok(State::default());
    }
    let still = |link: LinkName| {
        let path = SysctlPath::of_link("ipv6", &link, "accept_ra");
        Object::Sysctl(Sysctl { side: Side::Host, path, value: "2".to_owned() })
    };
    Ok(host.interfaces_accepting_ra()?.into_iter().map(still).collect())
}

/// Forwarding on the host, for the family of a gateway on `link`.
pub(crate) fn forwarding(link: &LinkName, gateway: IpNetwork) -> Vec<Object> {
    let on_host =
        |path: SysctlPath, value: &str| Object::Sysctl(Sysctl { side: Side::Host, path, value: value.to_owned() });
    match gateway {
        IpNetwork::V4(_) => vec![on_host(SysctlPath::of_namespace("ipv4/ip_forward"), "1")],
        IpNetwork::V6(_) => vec![
            on_host(SysctlPath::of_link("ipv6", link, "disable_ipv6"), "0"),
            on_host(SysctlPath::of_namespace("ipv6/conf/all/forwarding"), "1"),
        ],
    }
}

/// Whether the version has room for the addresses, which is to be known before anything is made.
fn carried(request: &Request, assignment: &Assignment) -> Result<(), Error> {
    let ips = &assignment.result.ips;
    let ipv4 = ips.iter().filter(|ip| ip.address.is_ipv4()).count();
    request.version.carries(ipv4, ips.len() - ipv4)
}
