//! The verbs of plugins that change what another made: what is the same whatever they change.

use crate::{
    cni::{About, CniResult, Error, Request, Target, Version},
    host::Host,
    verb::Plugin,
};

/// A plugin that comes after others in a list.
pub(crate) trait Altering {
    /// The plugin's type, which names its section.
    const NAME: &'static str;

    /// The oldest version that it takes.
    const OLDEST: Version = Version::V0_1_0;

    /// What is said where no plugin came before it.
    const ALONE: &'static str;

    /// What a runtime may ask of it.
    const CAPABILITIES: &'static [&'static str] = &[];

    /// Reads the configuration.
    fn read(request: &Request) -> Result<(), Error>;

    /// ADD, with the attachment's lock.
    fn alter(request: &Request, target: &Target, previous: &CniResult, host: &mut Host) -> Result<CniResult, Error>;

    /// CHECK: all that was recorded is there.
    fn check(_: &Request, target: &Target, previous: &CniResult, host: &mut Host) -> Result<(), Error> {
        host.compare(target, Self::NAME, Some(previous))
    }

    /// DEL, with the attachment's lock. The configuration may be wrong by now: what was recorded says what to put back.
    fn restore(request: &Request, target: &Target, host: &mut Host) -> Result<(), Error>;

    /// Says why ADD would not work.
    fn status(request: &Request) -> Result<(), Error> {
        Self::read(request)
    }
}

/// All its verbs.
pub(crate) const fn plugin<A: Altering>() -> Plugin {
    Plugin {
        about: About { name: A::NAME, oldest: A::OLDEST, capabilities: Some(A::CAPABILITIES) },
        config: A::read,
        add: |request, target| {
            A::read(request)?;
            let previous = previous::<A>(request)?;
            let mut host = Host::open(request, target)?;
            let _lock = host.lock(&target.id)?;
            A::alter(request, target, previous, &mut host)
        },
        check: |request, target| {
            A::read(request)?;
            let previous = previous::<A>(request)?;
            A::check(request, target, previous, &mut Host::open(request, target)?)
        },
        del: |request, target| {
            let mut host = Host::open(request, target)?;
            let _lock = host.lock(&target.id)?;
            A::restore(request, target, &mut host)
        },
        gc: |request, valid| Host::open_without_container(request)?.collect(&request.network, valid),
        status: A::status,
    }
}

fn previous<A: Altering>(request: &Request) -> Result<&CniResult, Error> {
    request.prev_result.as_ref().ok_or_else(|| Error::config(A::ALONE))
}
