//! What a runtime asks for beyond the configuration must be done or refused: CNI conventions, Dynamic Plugin specific fields.
//!
//! A runtime asks a plugin only for what stands in the plugin's own `capabilities`, so that a word which nobody acts on is a
//! mistake of who wrote that.

use serde_json::Value;

use crate::{
    cni::{About, Error, Request, decode::find},
    ipam,
};

/// Refuses what neither the plugin acts on nor who gives it addresses.
pub(crate) fn refuse_unmet(about: &About, request: &Request) -> Result<(), Error> {
    let Some(runtime) = find(request.raw(), "runtimeConfig") else { return Ok(()) };
    let shown = |value: &Value| value.to_string().chars().take(64).collect::<String>();
    let Some(asked) = runtime.as_object() else {
        return Err(Error::config(format!("key \"runtimeConfig\": {} is not an object", shown(runtime))));
    };
    let Some(own) = about.capabilities else { return Ok(()) };
    let mut unmet = asked.iter().filter(|(name, value)| !is_nothing(value) && !is_among(own, name)).peekable();
    if unmet.peek().is_none() {
        return Ok(());
    }
    let of_ipam = ipam::capabilities(request);
    match unmet.find(|(name, _)| !is_among(of_ipam, name)) {
        None => Ok(()),
        Some((name, value)) => {
            let name: String = name.chars().take(64).collect();
            let text = format!("key \"runtimeConfig.{name}\": {}: {} cannot do that", shown(value), about.name);
            Err(Error::config(text).with_details("take it out of \"capabilities\""))
        }
    }
}

fn is_among(names: &[&str], name: &str) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Whether nothing is asked.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use serde_json::json;

    use super::*;
    use crate::{PLUGINS, fixture, verb::Plugin};

    fn refusal(plugin: &Plugin, config: &Value) -> Result<(), String> {
        let request = fixture::request(&plugin.about, "ADD", config, "").unwrap();
        refuse_unmet(&plugin.about, &request).map_err(|error| error.msg)
    }

    /// What a plugin's own README calls a key of `runtimeConfig`.
    fn told(plugin: &Plugin) -> BTreeSet<String> {
        let folder = plugin.about.name.replace('-', "_").replace("dnsname", "dns");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder).join("README.md");
        let text = fs::read_to_string(path).unwrap();
        let words = text
            .match_indices("runtimeConfig.")
            .filter_map(|(at, prefix)| text[at + prefix.len()..].split(['`', '[']).next());
        words.map(str::to_owned).collect()
    }

    #[test]
    fn a_plugin_acts_on_what_is_asked_or_refuses_it() {
        const ASKED: [(&str, &str); 13] = [
            ("CNIDeviceInfoFile", r#""/run/info""#),
            ("aliases", r#"["db"]"#),
            ("bandwidth", r#"{"ingressRate": 8}"#),
            ("cgroupPath", r#""/pods/1""#),
            ("deviceID", r#""0000:04:00.5""#),
            ("dns", r#"{"servers": ["192.0.2.53"]}"#),
            ("infinibandGUID", r#""c2:11:22:33:44:55:66:77""#),
            ("io.kubernetes.cri.pod-annotations", r#"{"a": "b"}"#),
            ("ipRanges", r#"[[{"subnet": "10.1.0.0/24"}]]"#),
            ("ips", r#"["10.1.0.9/24"]"#),
            ("mac", r#""02:00:00:00:00:09""#),
            ("portMappings", r#"[{"hostPort": 1, "containerPort": 1}]"#),
            ("wonders", "7"),
        ];
        for plugin in PLUGINS {
            let name = plugin.about.name;
            for (word, value) in ASKED {
                let value: Value = serde_json::from_str(value).unwrap();
                let refused = refusal(plugin, &json!({"runtimeConfig": {word: value}}));
                match plugin.about.capabilities {
                    Some(own) if !own.contains(&word) => {
                        let expected = format!("key \"runtimeConfig.{word}\": {value}: {name} cannot do that");
                        assert_eq!(refused, Err(expected));
                    }
                    _ => assert_eq!(refused, Ok(()), "{word} of {name}"),
                }
            }
        }
    }

    #[test]
    fn what_is_for_who_gives_addresses_is_met_where_that_one_acts_on_it() {
        let bridge = &crate::bridge::PLUGIN;
        for (kind, word, is_met) in [
            ("", "ips", false),
            ("static", "ips", true),
            ("static", "ipRanges", false),
            ("dhcp", "ips", false),
            ("host-local", "ips", true),
            ("host-local", "IPRanges", true),
            ("host-local", "cgroupPath", false),
        ] {
            let refused = refusal(bridge, &json!({"ipam": {"type": kind}, "runtimeConfig": {word: ["x"]}}));
            assert_eq!(refused.is_ok(), is_met, "{word} of {kind}: {refused:?}");
        }
    }

    #[test]
    fn nothing_is_asked_by_an_empty_value() {
        let config = json!({"runtimeConfig": {"mac": "", "ips": [], "dns": {}, "wonders": null}});
        assert_eq!(refusal(&crate::ptp::PLUGIN, &config), Ok(()));
        assert_eq!(
            refusal(&crate::host_local::PLUGIN, &json!({"runtimeConfig": "x"})),
            Err("key \"runtimeConfig\": \"x\" is not an object".to_owned())
        );
    }

    #[test]
    fn a_plugin_says_in_its_readme_what_a_runtime_may_ask_of_it() {
        for plugin in PLUGINS {
            let name = plugin.about.name;
            let of_ipam = || ipam::OURS.iter().find(|ipam| ipam.name == name).unwrap().capabilities;
            let acts_on = plugin.about.capabilities.unwrap_or_else(of_ipam).iter().map(|word| (*word).to_owned());
            assert_eq!(told(plugin), acts_on.collect(), "{name}");
        }
    }
}
