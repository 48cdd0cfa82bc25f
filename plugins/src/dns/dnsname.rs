//! What a configuration of Podman's `dnsname` says, in the keys of this plugin.

use netd_model::name::HostName;
use serde_json::{Value, json};

use crate::cni::{Error, Request, decode::find};

/// Key there -> key here.
const KEYS: [(&str, &str); 2] = [("domainName", "domain"), ("remoteServers", "upstreams")];

/// The request as if it were made to `dns`. What cannot be read stays as it is, to be refused by name.
pub(super) fn of_dns(request: &Request) -> Request {
    let mut config = request.raw().clone();
    for (there, here) in KEYS {
        if let Some(value) = find(request.raw(), there).filter(|_| find(request.raw(), here).is_none()) {
            config[here] = value.clone();
        }
    }
    if let Some(name) = name(request) {
        add_alias(&mut config, request.network.as_str(), &name);
    }
    request.with_config(config)
}

/// The same error in the words of the configuration as it was written.
pub(super) fn told(mut error: Error, request: &Request) -> Error {
    for (there, here) in KEYS.into_iter().filter(|(there, _)| find(request.raw(), there).is_some()) {
        error.msg = error.msg.replacen(&format!("key \"{here}"), &format!("key \"{there}"), 1);
    }
    error
}

/// The name of the container: Podman tells it as that of a pod. One that cannot be looked up is passed over.
fn name(request: &Request) -> Option<String> {
    let name = request.target()?.args.find("K8S_POD_NAME").filter(|name| !name.is_empty())?;
    HostName::written(name).ok().map(String::from)
}

/// Puts the container's own name before its aliases, which are a list, or a map of lists by network.
fn add_alias(config: &mut Value, network: &str, name: &str) {
    let aliases = find(config, "runtimeConfig").and_then(|runtime| find(runtime, "aliases")).cloned();
    let mut aliases = aliases.unwrap_or_else(|| json!([]));
    match &mut aliases {
        Value::Array(list) => list.insert(0, json!(name)),
        Value::Object(networks) => {
            let list = networks.entry(network).or_insert_with(|| json!([]));
            list.as_array_mut().into_iter().for_each(|list| list.insert(0, json!(name)));
        }
        _ => {}
    }
    let runtime =
        config.as_object().and_then(|keys| keys.keys().rfind(|key| key.eq_ignore_ascii_case("runtimeConfig")));
    let key = runtime.cloned().unwrap_or_else(|| "runtimeConfig".to_owned());
    if !config[&key].is_object() {
        config[&key] = json!({});
    }
    config[&key]["aliases"] = aliases;
}
