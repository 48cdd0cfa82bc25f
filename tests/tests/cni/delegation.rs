//! An `ipam` plugin that is not ours: a process of `CNI_PATH` that the interface plugin calls for every command.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tests::{Call, Container, Lab, eventually};

/// A plugin of ours between a runtime and a script in place of an IPAM plugin.
struct Delegating {
    container: Container,
    folder: PathBuf,
    config: Value,
}

impl Delegating {
    /// `answers` is the shell's branches of `case $CNI_COMMAND`.
    fn new(lab: &Lab, answers: &str) -> Self {
        let host = lab.host("a");
        let folder = lab.folder().join("other-plugins");
        fs::create_dir(&folder).unwrap();
        let script = format!(
            "#!/bin/sh\nconfig=$(cat)\nexpr \"$config\" : '.*\"range\":\"all\"' >/dev/null || exit 9\n\
             echo \"$CNI_COMMAND $CNI_CONTAINERID $CNI_IFNAME\" >> {0}/calls\ncase $CNI_COMMAND in\n{answers}\nesac\n",
            folder.display()
        );
        let program = folder.join("other");
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let ipam = json!({"type": "other", "range": "all"});
        let config = json!({"cniVersion": "1.1.0", "name": "web", "type": "bridge", "bridge": "br-web", "ipam": ipam});
        Self { container: host.container("c1"), folder, config }
    }

    fn call(&self, command: &str) -> Call {
        let path = format!("/nowhere:{}", self.folder.display());
        self.container.call("bridge", command).env("CNI_IFNAME", "eth0").env("CNI_PATH", &path).config(&self.config)
    }

    /// The commands that the script was called with, once each was said to be for this attachment.
    fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.join("calls")).unwrap_or_default();
        text.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    }
}

const ADDRESS: &str =
    r#"ADD) echo '{"cniVersion": "1.1.0", "ips": [{"address": "10.1.2.9/24"}], "dns": {"domain": "d"}}';;"#;

#[test]
fn every_command_reaches_the_delegate() {
    let lab = Lab::new();
    let mut other = Delegating::new(&lab, ADDRESS);
    let result = other.call("ADD").run().answer().unwrap();
    assert_eq!(result["dns"], json!({"domain": "d"}));
    assert_eq!(other.container.addresses("eth0"), ["10.1.2.9/24"]);
    other.config["prevResult"] = result;
    assert_eq!(other.call("CHECK").run().answer(), Ok(Value::Null));
    assert_eq!(other.call("STATUS").run().answer(), Ok(Value::Null));
    // Nothing is known to be stale, and another plugin might take it for nothing being valid.
    assert_eq!(other.call("GC").run().answer(), Ok(Value::Null));
    other.config["cni.dev/valid-attachments"] = json!([{"containerID": "c1", "ifname": "eth0"}]);
    assert_eq!(other.call("GC").run().answer(), Ok(Value::Null));
    assert_eq!(other.call("DEL").run().answer(), Ok(Value::Null));
    assert_eq!(other.calls(), ["ADD", "CHECK", "STATUS", "GC", "DEL"]);
}

#[test]
fn a_delegate_that_refuses_add_is_told_to_delete_and_its_error_is_passed_on() {
    let lab = Lab::new();
    let refusing =
        r#"ADD) echo '{"cniVersion": "1.1.0", "code": 2000, "msg": "no room", "details": "in the inn"}'; exit 1;;"#;
    let other = Delegating::new(&lab, refusing);
    let before = other.container.host().kernel_text();
    let refusal = other.call("ADD").run().refusal();
    assert_eq!((refusal.code, &*refusal.msg, &*refusal.details), (2000, "no room", "in the inn"));
    assert_eq!(other.calls(), ["ADD", "DEL"]);
    assert_eq!(other.container.host().kernel_text(), before);
    assert_eq!(other.container.host().leftovers(), [""; 0]);
}

#[test]
fn what_a_duplicate_holds_is_not_freed() {
    let lab = Lab::new();
    let refusing =
        r#"ADD) echo '{"code": 999, "msg": "10.1.2.9 is taken, duplicate allocation is not allowed"}'; exit 1;;"#;
    let other = Delegating::new(&lab, refusing);
    assert_eq!(other.call("ADD").run().refusal().code, 999);
    assert_eq!(other.calls(), ["ADD"]);
}

#[test]
fn a_result_without_addresses_is_undone() {
    let lab = Lab::new();
    let other = Delegating::new(&lab, "ADD) echo '{\"cniVersion\": \"1.1.0\"}';;");
    assert_eq!(other.call("ADD").run().refusal().msg, "IPAM plugin returned missing IP config");
    assert_eq!(other.calls(), ["ADD", "DEL"]);
}

#[test]
fn a_failure_after_the_delegate_gave_an_address_gives_it_back() {
    let lab = Lab::new();
    let other = Delegating::new(&lab, ADDRESS);
    other.container.host().sh("ip link add br-web type veth peer name other");
    assert!(other.call("ADD").run().refusal().msg.contains("already exists but is not a bridge"));
    assert!(matches!(&*other.calls().join(" "), "" | "ADD DEL"), "{:?}", other.calls());
    other.container.host().sh("ip link del br-web");
}

#[test]
fn a_delegate_that_is_not_there_is_named_with_the_path() {
    let lab = Lab::new();
    let mut other = Delegating::new(&lab, "");
    other.config["ipam"]["type"] = "absent".into();
    let msg = format!("failed to find plugin \"absent\" in path [/nowhere {}]", other.folder.display());
    for command in ["ADD", "STATUS"] {
        let refusal = other.call(command).run().refusal();
        assert_eq!((refusal.code, &*refusal.msg), (50, &*msg), "{command}");
    }
    other.config["ipam"]["type"] = "../other".into();
    let refusal = other.call("ADD").run().refusal();
    assert_eq!((refusal.code, &*refusal.msg), (7, "invalid plugin name: \"../other\""));
}

#[test]
fn a_delegate_dies_with_the_plugin_that_called_it() {
    let lab = Lab::new();
    let pid = lab.folder().join("pid");
    let other = Delegating::new(&lab, &format!("ADD) echo $$ > {}; exec sleep 60 2>/dev/null;;", pid.display()));
    let outcome = other.call("ADD").run_under(&["timeout", "--foreground", "--signal=KILL", "1"]);
    assert!(!outcome.success() && outcome.elapsed < Duration::from_secs(15), "{outcome:#?}");
    let pid = fs::read_to_string(pid).unwrap();
    let is_running = format!("kill -0 {} 2>/dev/null && echo yes || echo no", pid.trim());
    eventually(Duration::from_secs(5), || other.container.host().sh(&is_running).trim() == "no");
    assert_eq!(other.call("DEL").run().answer(), Ok(Value::Null));
}
