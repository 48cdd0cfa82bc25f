//! The keys: what is read from where, and the words for what makes no sense.

use std::path::Path;

use super::*;

fn read(version: &str, top: &Value, args: &str) -> Result<Config, (u32, String)> {
    let mut config = json!({"cniVersion": version, "name": "web", "type": "bridge"});
    for (key, value) in top.as_object().unwrap() {
        config[key] = value.clone();
    }
    Config::of(&Call::of("ADD", "a", &config).env("CNI_ARGS", args).request()).map_err(told)
}

fn sets(config: &Config) -> Vec<String> {
    config.sets.iter().map(ToString::to_string).collect()
}

#[test]
fn the_runtimes_ranges_come_first_then_the_one_that_is_spelled_out() {
    let config = read(
        "1.1.0",
        &json!({
            "RuntimeConfig": {"ipRanges": [[{"subnet": "10.3.0.0/24"}], [{"subnet": "fd00::/64", "gateway": "fd00::9"}]]},
            "ipam": {
                "subnet": "10.1.0.0/24", "rangeStart": "10.1.0.5", "RangeEnd": "10.1.0.9", "gateway": "10.1.0.254",
                "ranges": [[{"subnet": "10.2.0.0/24"}, {"subnet": "10.4.0.0/24", "rangeEnd": "10.4.0.9"}]]
            }
        }),
        "",
    )
    .unwrap();
    let expected = [
        "10.3.0.1-10.3.0.254",
        "fd00::1-fd00::ffff:ffff:ffff:ffff",
        "10.1.0.5-10.1.0.9",
        "10.2.0.1-10.2.0.254,10.4.0.1-10.4.0.9",
    ];
    assert_eq!(sets(&config), expected);
    let gateways: Vec<String> = config.sets.iter().map(|set| set.ranges()[0].gateway().to_string()).collect();
    assert_eq!(gateways, ["10.3.0.1", "fd00::9", "10.1.0.254", "10.2.0.1"]);
    assert_eq!(config.folder, Path::new("/var/lib/cni/networks/web"));
}

#[test]
fn requested_addresses_come_from_three_places_and_count_once() {
    let config = read(
        "1.1.0",
        &json!({
            "ipam": {"subnet": "10.1.0.0/24"},
            "args": {"cni": {"ips": ["10.1.0.6/24", "10.1.0.5"]}},
            "runtimeConfig": {"ips": ["fd00::5/64", "::ffff:10.1.0.6"]}
        }),
        "IgnoreUnknown=1;K8S_POD_NAME=db;IP=10.1.0.5/16",
    );
    let requested: Vec<String> = config.unwrap().requested.iter().map(IpAddr::to_string).collect();
    assert_eq!(requested, ["10.1.0.5", "10.1.0.6", "fd00::5"]);
    let none =
        read("1.1.0", &json!({"ipam": {"subnet": "10.1.0.0/24"}}), "IP=;MAC=02:00:00:00:00:01;GATEWAY=").unwrap();
    assert!(none.requested.is_empty());
}

#[test]
fn routes_and_resolv_conf_are_copied() {
    let bench = Bench::new();
    let resolv = bench.root.path().join("resolv.conf");
    let text = "# comment\n; comment\nnameserver 10.0.0.1\n nameserver\tfd00::1 ignored\ndomain a.example\ndomain b.example\n\
                search x y\nsearch z\noptions ndots:2 rotate\nnameserver\nsortlist 1\n";
    fs::write(&resolv, text).unwrap();
    let routes = json!([
        {"dst": "0.0.0.0/0"},
        {"dst": "10.9.0.0/16", "gw": "10.1.0.1", "mtu": 1400, "advmss": 1360, "priority": 5, "table": 7, "scope": 253}
    ]);
    let ipam = json!({"subnet": "10.1.0.0/24", "routes": routes, "resolvConf": resolv});
    let config = read("1.1.0", &json!({"ipam": ipam}), "").unwrap();
    assert_eq!(serde_json::to_value(&config.routes).unwrap(), routes);
    assert_eq!(
        serde_json::to_value(config.dns().unwrap()).unwrap(),
        json!({"nameservers": ["10.0.0.1", "fd00::1"], "domain": "b.example", "search": ["x", "y", "z"],
               "options": ["ndots:2", "rotate"]})
    );
}

#[test]
fn a_resolv_conf_that_cannot_be_read_is_named() {
    let bench = Bench::new();
    let path = |name: &str| bench.root.path().join(name);
    fs::write(path("large"), "#".repeat(1 << 17)).unwrap();
    fs::write(path("binary"), [0xff, 0xfe]).unwrap();
    for (name, why) in [
        ("missing", "No such file or directory (os error 2)"),
        (".", "Is a directory (os error 21)"),
        ("large", "it has more than 65536 bytes"),
        ("binary", "stream did not contain valid UTF-8"),
    ] {
        let path = path(name);
        let ipam = json!({"subnet": "10.1.0.0/24", "resolvConf": path});
        let expected = format!("key \"ipam.resolvConf\": cannot read {}: {why}", path.display());
        let config = read("1.1.0", &json!({"ipam": ipam}), "").unwrap();
        assert_eq!(config.dns().map(drop).map_err(told), Err((7, expected)));
    }
}

#[test]
fn mistakes_are_told_in_the_words_of_the_reference_or_with_key_and_value() {
    let ranges = |ranges: Value| json!({"ipam": {"ranges": ranges}});
    let ipam = |ipam: Value| json!({"ipam": ipam});
    let many: Vec<Value> =
        (0..1001).map(|number| json!([{"subnet": format!("10.{}.{}.0/24", number / 256, number % 256)}])).collect();
    for (config, expected) in [
        (json!({}), "IPAM config missing 'ipam' key"),
        (ipam(json!({})), "no IP ranges specified"),
        (ipam(json!({"rangeStart": "10.1.0.2"})), "no IP ranges specified"),
        (ranges(json!([])), "no IP ranges specified"),
        (ranges(json!([[]])), "invalid range set 0: empty range set"),
        (ranges(json!(many)), "more than 1000 IP ranges specified"),
        (
            ranges(json!([[{"subnet": "10.1.0.0/31"}]])),
            "invalid range set 0: Network 10.1.0.0/31 too small to allocate from",
        ),
        (
            ranges(json!([[{"subnet": "10.1.0.0/24"}], [{"subnet": "10.2.0.1/24"}]])),
            "invalid range set 1: Network has host bits set. For a subnet mask of length 24 the network address is 10.2.0.0",
        ),
        (
            ranges(json!([[{"subnet": "10.1.0.0/22"}, {"subnet": "10.1.2.0/24"}]])),
            "invalid range set 0: subnets 10.1.0.1-10.1.3.254 and 10.1.2.1-10.1.2.254 overlap",
        ),
        (
            ranges(json!([[{"subnet": "10.1.0.0/24"}, {"subnet": "fd00::/64"}]])),
            "invalid range set 0: mixed address families",
        ),
        (
            ranges(json!([[{"subnet": "10.1.0.0/22"}], [{"subnet": "10.9.0.0/24"}], [{"subnet": "10.1.2.0/24"}]])),
            "range set 0 overlaps with 2",
        ),
        (ranges(json!([[{}]])), "key \"ipam.ranges[0][0]\": missing field `subnet`"),
        (ranges(json!([{"subnet": "10.1.0.0/24"}])), "key \"ipam.ranges[0]\": invalid type: map, expected a sequence"),
        (ipam(json!({"subnet": "10.1.0.0"})), "key \"ipam.subnet\": invalid CIDR address: \"10.1.0.0\""),
        (ipam(json!({"subnet": "10.1.0.0/33"})), "key \"ipam.subnet\": invalid CIDR address: \"10.1.0.0/33\""),
        (ipam(json!({"subnet": "10.1.0/24"})), "key \"ipam.subnet\": invalid CIDR address: \"10.1.0/24\""),
        (ipam(json!({"subnet": 7})), "key \"ipam.subnet\": invalid type: integer `7`, expected a string"),
        (ipam(json!({"subnet": "10.1.0.0/24", "gateway": "x"})), "key \"ipam.gateway\": invalid IP address: \"x\""),
        (
            ipam(json!({"subnet": "10.1.0.0/24", "dataDir": "leases"})),
            "key \"ipam.dataDir\": leases is not an absolute path",
        ),
        (
            ipam(json!({"subnet": "10.1.0.0/24", "routes": [{"dst": "x"}]})),
            "key \"ipam.routes[0].dst\": invalid CIDR address: \"x\"",
        ),
        (
            json!({"ipam": {"subnet": "10.1.0.0/24"}, "runtimeConfig": {"ips": ["10.1.0.2", ""]}}),
            "key \"runtimeConfig.ips[1]\": invalid IP address \"\"",
        ),
        (
            json!({"ipam": {"subnet": "10.1.0.0/24"}, "args": {"cni": {"ips": ["../../x"]}}}),
            "key \"args.cni.ips[0]\": invalid IP address \"../../x\"",
        ),
    ] {
        let told = read("1.1.0", &config, "").map(drop);
        assert_eq!(told, Err((7, expected.to_owned())), "{config}");
    }
}

#[test]
fn cni_args_that_make_no_sense_are_refused() {
    let config = json!({"ipam": {"subnet": "10.1.0.0/24"}});
    for (args, expected) in [
        ("IP=10.1.0.300", "ARGS: IP: invalid IP address \"10.1.0.300\""),
        ("K8S_POD_NAME=db", "ARGS: unknown args [\"K8S_POD_NAME=db\"]"),
    ] {
        assert_eq!(read("1.1.0", &config, args).map(drop), Err((4, expected.to_owned())));
    }
}

#[test]
fn old_versions_have_room_for_one_address_of_each_family() {
    let two = json!({"ipam": {"ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00::/64"}], [{"subnet": "10.2.0.0/24"}]]}});
    let one = json!({"ipam": {"ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00::/64"}]]}});
    for version in ["0.1.0", "0.2.0"] {
        let text = format!("CNI version {version} does not support more than 1 address per family");
        assert_eq!(read(version, &two, "").map(drop), Err((1, text)));
        assert!(read(version, &one, "").is_ok());
    }
    for version in ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] {
        assert!(read(version, &two, "").is_ok(), "{version}");
    }
}

#[test]
fn requested_addresses_are_given_one_for_each_set_or_refused() {
    let ipam = json!({"ranges": [
        [{"subnet": "10.1.2.0/24", "rangeEnd": "10.1.2.200"}, {"subnet": "10.2.2.0/24", "rangeEnd": "10.2.2.255"}],
        [{"subnet": "fd00::/64"}]
    ]});
    let add = |bench: &Bench, ips: Value| {
        let mut config = bench.config(&ipam);
        config["runtimeConfig"] = json!({"ips": ips});
        bench.run(&Call::of("ADD", "a", &config)).map_err(told)
    };
    for (ips, expected) in [
        (json!([]), Ok(["10.1.2.2/24", "fd00::2/64"])),
        (json!(["10.2.2.7", "fd00::7"]), Ok(["10.2.2.7/24", "fd00::7/64"])),
        (json!(["fd00::7/64"]), Ok(["10.1.2.2/24", "fd00::7/64"])),
        (json!(["10.1.2.7", "10.1.2.8"]), Err((7, "failed to allocate all requested IPs: 10.1.2.8"))),
        (json!(["10.1.2.201", "10.9.9.9"]), Err((7, "failed to allocate all requested IPs: 10.1.2.201 10.9.9.9"))),
        (json!(["10.1.2.1"]), Err((7, "failed to allocate for range 0: requested ip 10.1.2.1 is subnet's gateway"))),
        (
            json!(["10.2.2.255"]),
            Err((7, "failed to allocate for range 0: requested ip 10.2.2.255 is subnet's broadcast address")),
        ),
        (
            json!(["fd00::9"]),
            Err((
                11,
                "failed to allocate for range 1: requested IP address fd00::9 is not available in range set \
                      fd00::1-fd00::ffff:ffff:ffff:ffff",
            )),
        ),
    ] {
        let bench = Bench::new();
        fs::create_dir_all(bench.folder()).unwrap();
        fs::write(bench.folder().join("fd00::9"), "taken\r\neth0").unwrap();
        let expected =
            expected.map(|ips| ips.map(str::to_owned).to_vec()).map_err(|(code, msg)| (code, msg.to_owned()));
        let failed = expected.is_err();
        assert_eq!(add(&bench, ips.clone()), expected, "{ips}");
        if failed {
            assert_eq!(bench.leases(), ["fd00::9"], "{ips}");
        }
    }
}
