//! The examples in the plugins' READMEs, as a runtime would run them.
#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::Value;
use tests::{Lab, workspace};

/// Plugin -> the JSON blocks of its README.
fn examples() -> Vec<(String, Value)> {
    let folders = std::fs::read_dir(workspace().join("plugins/src")).unwrap().flatten();
    let readmes = folders.filter_map(|folder| {
        let text = std::fs::read_to_string(folder.path().join("README.md")).ok()?;
        Some((folder.file_name().into_string().unwrap(), text))
    });
    let blocks = readmes.flat_map(|(plugin, text)| {
        let blocks = text.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned());
        blocks.map(move |block| (plugin.clone(), serde_json::from_str::<Value>(&block).unwrap())).collect::<Vec<_>>()
    });
    blocks.filter(|(_, block)| block["name"].is_string()).collect()
}

#[test]
fn every_example_attaches_a_container_and_lets_it_go() {
    let examples = examples();
    assert!(!examples.is_empty());
    for (plugin, config) in examples {
        let lab = Lab::new();
        let container = lab.host("a").container("c1");
        let ifname = if plugin == "loopback" { "lo" } else { "eth0" };
        let attachment = container.attachment(&config, ifname);
        let done = attachment.add().and_then(|_| attachment.check()).and_then(|()| attachment.del());
        assert_eq!(done, Ok(()), "the example of {plugin}");
        attachment.del().unwrap();
    }
}
