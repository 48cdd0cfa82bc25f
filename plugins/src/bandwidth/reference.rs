//! What is left where nothing is recorded: IFBs by their names, those of the reference plugin too.

use netd_model::{
    attachment::AttachmentId,
    name::LinkName,
    object::{LinkKind, Object, Side},
    plan::{Plan, Step},
};

use crate::{
    cni::{Error, Target},
    host::{Host, reference_name},
};

/// How long the names of interfaces are at most.
const LENGTH: usize = 15;

/// Removes them. Queues and filters on the container's own interface end with that.
pub(super) fn tidy(target: &Target, host: &mut Host) -> Result<(), Error> {
    host.remove_ifbs(&target.id)?;
    match host.link(Side::Host, &name(&target.id))? {
        Some(link) if link.kind == LinkKind::Ifb => {
            Ok(host.kernel.apply(&Plan { steps: vec![Step::Delete(Object::Link(link))] })?)
        }
        _ => Ok(()),
    }
}

/// The name that the reference plugin gives the IFB, a function of network and container alone.
pub(super) fn name(id: &AttachmentId) -> LinkName {
    let name = reference_name("bwp", &[id.network.as_str(), id.container.as_str()], LENGTH);
    name.parse().expect("invariant: letters and digits are a name")
}
