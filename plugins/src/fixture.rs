//! Requests for unit tests: what a runtime would ask of a plugin.

use serde_json::{Value, json};

use crate::cni::{About, Error, Invocation, Request};

/// A command about container `c1` with its `eth0` in network `web`, at version 1.1.0 unless `config` says another.
pub(crate) fn request(about: &About, command: &str, config: &Value, args: &str) -> Result<Box<Request>, Error> {
    let vars = [
        ("CNI_COMMAND", command),
        ("CNI_CONTAINERID", "c1"),
        ("CNI_NETNS", "/run/netns/c1"),
        ("CNI_IFNAME", "eth0"),
        ("CNI_PATH", "/opt/cni/bin"),
        ("CNI_ARGS", args),
    ];
    let env = |name: &str| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into());
    let mut whole = json!({"cniVersion": "1.1.0", "name": "web", "type": about.name});
    for (key, value) in config.as_object().into_iter().flatten() {
        whole[key] = value.clone();
    }
    match Invocation::parse(about, &env, &mut whole.to_string().as_bytes()) {
        Ok(Invocation::Request(request)) => Ok(request),
        Ok(_) => unreachable!("a command is given"),
        Err((_, error)) => Err(error),
    }
}
