use std::{fs, os::unix::fs::symlink};

use netd_model::{
    object::LinkKind,
    plan::{Desired, plan},
};
use serde_json::{Value, json};

use super::*;
use crate::fixture::request;

fn parse(config: &Value) -> Result<(Config, Target), Error> {
    let request = request(&PLUGIN.about, "ADD", config, "")?;
    Ok((Config::of(&request)?, request.target().unwrap().clone()))
}

fn device(up: bool) -> Link {
    let kind = LinkKind::Other(String::new());
    Link { up: Some(up), ..Link::new(Side::Host, "ens1".parse().unwrap(), kind) }
}

#[test]
fn it_goes_into_the_container_and_comes_home() {
    let (_, target) = parse(&json!({"device": "ens1"})).unwrap();
    let addresses = [Assigned { address: "10.1.0.7/24".parse().unwrap(), gateway: None }];
    let section = section(&target, &device(true), &addresses, &[]);
    let wanted = Desired { present: section.own.clone(), absent: State::default() };
    let expected = "\
host       ip link property add dev ens1 altname netm97b703de28b && ip link set dev netm97b703de28b netns container name eth0
container  ip address add 10.1.0.7/24 dev eth0
container  ip link set dev eth0 up
";
    assert_eq!(plan(&wanted, &State::default()).to_string(), expected);
    let mut inside = section.own.clone();
    assert!(plan(&wanted, &inside).is_empty());
    let unwanted = Desired { present: State::default(), absent: section.own.clone() };
    let script = plan(&unwanted, &inside);
    assert_eq!(script.to_string(), "host       ip link set dev netm97b703de28b netns host name ens1\n");
    // The kernel moves a physical interface to the host when its namespace ends, under any name.
    let stray = section.own.iter().find_map(|object| match object {
        Object::Moved(moved) => {
            Some(Moved { side: Side::Host, name: "dev5".parse().unwrap(), was_up: false, ..moved.clone() })
        }
        _ => None,
    });
    inside = State::from_iter([Object::Moved(stray.unwrap())]);
    match plan(&unwanted, &inside).steps.as_slice() {
        [Step::Delete(Object::Moved(moved))] => assert!(moved.side == Side::Host && moved.was_up, "{moved:?}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_device_is_named_in_one_of_several_ways() {
    let device = |config: Value| parse(&config).unwrap().0.device;
    assert_eq!(device(json!({"device": "ens1", "hwaddr": "02:00:00:00:00:01"})), Device::Name("ens1".parse().unwrap()));
    assert_eq!(device(json!({"hwaddr": "02:00:00:00:00:01"})), Device::Mac("02:00:00:00:00:01".parse().unwrap()));
    let path = "/sys/devices/pci0000:00/0000:00:19.0";
    assert_eq!(device(json!({"kernelpath": path, "pciBusID": "0000:00:19.0"})), Device::Path(path.into()));
    assert_eq!(device(json!({"pciBusID": "0000:00:19.0"})), Device::Pci("0000:00:19.0".to_owned()));
}

#[test]
fn a_wrong_value_is_named() {
    for (config, words) in [
        (json!({}), r#"specify either "device", "hwaddr", "kernelpath" or "pciBusID""#),
        (json!({"device": "a/b"}), "device: interface name \"a/b\""),
        (json!({"hwaddr": "x"}), "hwaddr: MAC address \"x\""),
        (json!({"kernelpath": "/sys/devices/../../etc"}), "must be absolute and begin with /sys/devices/"),
        (json!({"kernelpath": "sys/devices/a"}), "must be absolute and begin with /sys/devices/"),
        (json!({"pciBusID": "../x"}), "pciBusID: \"../x\" is no address of a device"),
        (
            json!({"runtimeConfig": {"deviceID": "0000:ff:1f.7"}}),
            "runtime config DeviceID 0000:ff:1f.7 not found or unsupported",
        ),
    ] {
        let error = parse(&config).unwrap_err();
        assert!(error.kind.code() == 7 && error.msg.contains(words), "{config}: {error}");
    }
}

#[test]
fn the_kernel_shows_which_interface_a_device_is() {
    let root = tempfile::tempdir().unwrap();
    let sys = root.path();
    let [plain, virtio, driven] = ["0000:00:01.0", "0000:00:02.0", "0000:00:03.0"];
    let of = |address: &str| sys.join("bus/pci/devices").join(address);
    fs::create_dir_all(of(plain).join("net/ens1")).unwrap();
    fs::create_dir_all(of(virtio).join("virtio0/net/ens2")).unwrap();
    fs::create_dir_all(of(driven)).unwrap();
    fs::create_dir_all(sys.join("bus/auxiliary/devices/mlx5_core.sf.4/net/ens4")).unwrap();
    for (address, driver) in [(plain, "e1000"), (virtio, "virtio-pci"), (driven, "vfio-pci")] {
        fs::create_dir_all(sys.join("drivers").join(driver)).unwrap();
        symlink(sys.join("drivers").join(driver), of(address).join("driver")).unwrap();
    }
    let name = |found: Result<netd_model::name::LinkName, String>| found.map(String::from);
    assert_eq!(name(sysfs::of_pci(sys, plain)), Ok("ens1".to_owned()));
    assert_eq!(name(sysfs::of_pci(sys, virtio)), Ok("ens2".to_owned()));
    assert_eq!(name(sysfs::of_auxiliary(sys, "mlx5_core.sf.4")), Ok("ens4".to_owned()));
    assert_eq!(name(sysfs::of_pci(sys, driven)), Err("no net directory under pci device 0000:00:03.0".to_owned()));
    assert!(sysfs::first_of(&sys.join("none")).unwrap_err().starts_with("failed to read directory "));
    assert!(sysfs::first_of(&sys.join("drivers/e1000")).unwrap_err().starts_with("failed to find network device"));
    let driven_by = [plain, virtio, driven].map(|address| sysfs::is_driven_by_program(sys, address));
    assert_eq!(driven_by, [Ok(false), Ok(false), Ok(true)]);
    assert!(sysfs::is_driven_by_program(sys, "0000:00:09.0").is_err());
}
