//! The other way round: what the crate makes, we read.

use std::{
    fs::File,
    net::{Ipv4Addr, Ipv6Addr},
    os::fd::AsRawFd,
};

use netd_model::object::{GROUP, Side};
use rtnetlink::{LinkBridge, LinkBridgePort, LinkMessageBuilder, LinkUnspec, LinkVeth, packet_route::link::InfoVeth};

use super::{
    AfSpecInet6, AfSpecUnspec, Error, Handle, In6AddrGenMode, InfoData, Lab, LinkAttribute, RouteMessageBuilder,
    TryStreamExt, agree, ask, present, wanted,
};

/// The number of an interface in the thread's namespace.
async fn index(handle: &Handle, name: &str) -> Result<u32, Error> {
    let found = handle.link().get().match_name(name).execute().try_collect::<Vec<_>>().await?;
    Ok(found[0].header.index)
}

/// With the crate alone, what [`wanted`] wants of the host, and the pair.
async fn host(handle: Handle, netns: File) -> Result<(), Error> {
    let bridge = LinkBridge::new("br-web").address(vec![2, 0, 0, 0, 0, 1]).mtu(1450).link_group(GROUP).up();
    handle.link().add(bridge.build()).execute().await?;
    let bridge = index(&handle, "br-web").await?;
    handle.address().add(bridge, [10, 1, 0, 1].into(), 24).execute().await?;
    handle.address().add(bridge, "fd00:1::1".parse().unwrap(), 64).execute().await?;

    let inner = LinkMessageBuilder::<LinkUnspec>::new().name("eth0").setns_by_fd(netns.as_raw_fd());
    let inner = inner.address(vec![2, 0, 10, 1, 0, 7]).mtu(1450).build();
    let outer = LinkVeth::new("veth7", "eth0").set_info_data(InfoData::Veth(InfoVeth::Peer(inner)));
    let outer = outer.controller(bridge).address(vec![2, 0, 0, 0, 0, 7]).mtu(1450).link_group(GROUP).up();
    handle.link().add(outer.build()).execute().await?;
    let outer = index(&handle, "veth7").await?;
    let no_link_local = AfSpecUnspec::Inet6(vec![AfSpecInet6::AddrGenMode(In6AddrGenMode::None)]);
    let alias = LinkUnspec::new_with_index(outer)
        .alias("web/c7/eth0")
        .append_extra_attribute(LinkAttribute::AfSpecUnspec(vec![no_link_local]));
    handle.link().change(alias.build()).execute().await?;
    handle.link().set_port(LinkBridgePort::new(outer).hairpin(true).isolated(false).build()).execute().await
}

/// And of the container.
async fn inside(handle: Handle) -> Result<(), Error> {
    let eth0 = index(&handle, "eth0").await?;
    // Not in the request that makes it: an end that has no other end yet cannot be up (ENOTCONN).
    handle.link().change(LinkUnspec::new_with_index(eth0).up().build()).execute().await?;
    handle.address().add(eth0, [10, 1, 0, 7].into(), 24).execute().await?;
    handle.address().add(eth0, "fd00:1::7".parse().unwrap(), 64).execute().await?;
    let default = RouteMessageBuilder::<Ipv4Addr>::new().gateway([10, 1, 0, 1].into()).output_interface(eth0);
    handle.route().add(default.build()).execute().await?;
    let default = RouteMessageBuilder::<Ipv6Addr>::new().gateway("fd00:1::1".parse().unwrap()).output_interface(eth0);
    handle.route().add(default.build()).execute().await
}

#[test]
fn what_another_crate_made_is_what_we_wanted() {
    let mut lab = Lab::new();
    let netns = File::open(lab.container.path()).unwrap();
    ask(async |handle| host(handle, netns).await);
    lab.container.run(|| ask(inside));
    assert_eq!(lab.make(&present(wanted())), "nothing to do\n");
    agree(&mut lab);
    assert_eq!(lab.kernel.routes(Side::Container, &"eth0".parse().unwrap()).unwrap().len(), 2);
}
