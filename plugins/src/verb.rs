//! The spine: from what the runtime said to what it is told. The only place that knows all commands.

use std::io::Read;

use crate::{
    capabilities,
    cni::{About, CniResult, Command, Environment, Error, Invocation, Outcome, Request, Target, Valid},
};

/// A plugin: what it does for each command. Adding one is a folder and a line in [`crate::PLUGINS`].
pub struct Plugin {
    /// Its type and the versions that it takes.
    pub about: About,
    /// Reads the configuration as every command does first, and does nothing: what a fuzzer may call.
    pub config: fn(&Request) -> Result<(), Error>,
    /// Attaches the container.
    pub(crate) add: fn(&Request, &Target) -> Result<CniResult, Error>,
    /// Says what of it is not as ADD left it, and repairs nothing.
    pub(crate) check: fn(&Request, &Target) -> Result<(), Error>,
    /// Detaches it; succeeds with everything already gone.
    pub(crate) del: fn(&Request, &Target) -> Result<(), Error>,
    /// Detaches all of the network but these.
    pub(crate) gc: fn(&Request, &Valid) -> Result<(), Error>,
    /// Says why ADD would not work.
    pub(crate) status: fn(&Request) -> Result<(), Error>,
}

impl Plugin {
    /// Does what the runtime asks.
    pub fn run(&self, env: &Environment<'_>, stdin: &mut dyn Read) -> Outcome {
        let request = match Invocation::parse(&self.about, env, stdin) {
            Ok(Invocation::Request(request)) => request,
            Ok(Invocation::Usage) => return Outcome::Usage(self.about),
            Ok(Invocation::Versions) => return Outcome::Versions(self.about),
            Err((version, error)) => return Outcome::Failure(error, version),
        };
        match self.act(&request) {
            Ok(Some(result)) => Outcome::Result(result, request.version),
            Ok(None) => Outcome::Done,
            Err(error) => Outcome::Failure(error, request.version),
        }
    }

    fn act(&self, request: &Request) -> Result<Option<CniResult>, Error> {
        match &request.command {
            Command::Add(target) => {
                capabilities::refuse_unmet(&self.about, request)?;
                return (self.add)(request, target).map(Some);
            }
            Command::Check(target) => (self.check)(request, target)?,
            Command::Del(target) => (self.del)(request, target)?,
            // Without the list nothing is known to be stale.
            Command::Gc(None) => {}
            Command::Gc(Some(valid)) => (self.gc)(request, valid)?,
            Command::Status => (self.status)(request)?,
        }
        Ok(None)
    }
}
