use std::{collections::BTreeMap, ffi::OsString, io};

use serde_json::json;

use super::*;

const ABOUT: About = About { name: "bridge", oldest: Version::V0_1_0, capabilities: Some(&[]) };

/// A call as tests put it together.
struct Call {
    env: BTreeMap<&'static str, OsString>,
    stdin: Vec<u8>,
}

/// A pipe that fails, and must not be read where the test says so.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("the pipe is broken"))
    }
}

impl Call {
    fn of(command: &str) -> Self {
        let env = [
            ("CNI_COMMAND", command),
            ("CNI_CONTAINERID", "c1"),
            ("CNI_NETNS", "/run/netns/c1"),
            ("CNI_IFNAME", "eth0"),
            ("CNI_PATH", "/opt/cni/bin"),
        ];
        let env = env.into_iter().map(|(key, value)| (key, value.into())).collect();
        Self { env, stdin: br#"{"cniVersion": "1.1.0", "name": "web", "type": "bridge"}"#.to_vec() }
    }

    fn env(mut self, key: &'static str, value: &str) -> Self {
        self.env.insert(key, value.into());
        self
    }

    fn config(mut self, config: &Value) -> Self {
        self.stdin = config.to_string().into_bytes();
        self
    }

    fn stdin(mut self, text: &str) -> Self {
        self.stdin = text.into();
        self
    }

    fn parse(&self) -> Result<Invocation, (Version, Error)> {
        Invocation::parse(&ABOUT, &|key| self.env.get(key).cloned(), &mut self.stdin.as_slice())
    }

    #[track_caller]
    fn request(&self) -> Request {
        match self.parse() {
            Ok(Invocation::Request(request)) => *request,
            other => panic!("{other:?} is no request"),
        }
    }

    #[track_caller]
    fn refused(&self) -> (u32, String) {
        let (_, error) = self.parse().unwrap_err();
        (error.kind.code(), error.msg)
    }
}

fn says(code: u32, msg: &str) -> (u32, String) {
    (code, msg.to_owned())
}

#[test]
fn a_call_becomes_a_request() {
    let request = Call::of("ADD").env("CNI_ARGS", "IP=10.1.0.9").env("CNI_PATH", "/a:/b").request();
    let Command::Add(target) = request.command else { panic!("{request:?}") };
    assert_eq!(target.id.owner(), "web/c1/eth0");
    assert_eq!(target.netns, Some("/run/netns/c1".into()));
    assert!(!target.may_be_own_netns);
    assert_eq!(target.args.values(&["IP"]).unwrap()["IP"], "10.1.0.9");
    assert_eq!(request.path, [PathBuf::from("/a"), PathBuf::from("/b")]);
    assert_eq!((request.version, request.prev_result), (Version::V1_1_0, None));
    assert!(Call::of("CHECK").env("CNI_NETNS_OVERRIDE", "True").request().target().unwrap().may_be_own_netns);
    assert_eq!(Call::of("DEL").env("CNI_NETNS", "").request().target().unwrap().netns, None);
}

#[test]
fn missing_variables_are_listed_in_order() {
    let all = "CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME,CNI_PATH";
    let without_netns = "CNI_CONTAINERID,CNI_IFNAME,CNI_PATH";
    let cases = [("ADD", all), ("CHECK", all), ("DEL", without_netns), ("GC", "CNI_PATH"), ("STATUS", "CNI_PATH")];
    for (command, missing) in cases {
        let mut call = Call::of(command).stdin("not read");
        call.env.retain(|key, _| *key == "CNI_COMMAND");
        assert_eq!(call.refused(), says(4, &format!("required env variables [{missing}] missing")));
    }
}

#[test]
fn an_invalid_variable_is_reported_before_missing_ones() {
    let long = "c".repeat(201);
    for (variable, value, msg) in [
        ("CNI_CONTAINERID", "some-%%container-id", "invalid characters in containerID"),
        ("CNI_CONTAINERID", "..", "invalid characters in containerID"),
        ("CNI_CONTAINERID", &long, "containerID is too long"),
        ("CNI_IFNAME", "sixteen-letters-", "interface name is too long"),
        ("CNI_IFNAME", "..", "interface name is . or .."),
        ("CNI_IFNAME", "a/b", "interface name contains / or : or whitespace characters"),
        ("CNI_IFNAME", "a:b", "interface name contains / or : or whitespace characters"),
        ("CNI_IFNAME", "a\u{2003}b", "interface name contains / or : or whitespace characters"),
    ] {
        assert_eq!(Call::of("ADD").env("CNI_PATH", "").env(variable, value).refused(), says(4, msg), "{value:?}");
    }
    assert_eq!(Call::of("DEL").env("CNI_IFNAME", "a/b").refused().0, 4, "DEL too");
    assert!(Call::of("STATUS").env("CNI_IFNAME", "a/b").parse().is_ok(), "STATUS does not look");
}

#[test]
fn a_variable_that_is_no_text_is_refused() {
    let mut call = Call::of("ADD");
    let bytes = std::os::unix::ffi::OsStringExt::from_vec(vec![b'/', 0xff]);
    call.env.insert("CNI_NETNS", bytes);
    assert_eq!(call.refused(), says(4, "CNI_NETNS \"/\u{fffd}\" is not UTF-8"));
}

#[test]
fn standard_input_is_read_after_the_environment_and_not_for_version() {
    let parse = |call: &Call| Invocation::parse(&ABOUT, &|key| call.env.get(key).cloned(), &mut Broken);
    let (_, error) = parse(&Call::of("ADD")).unwrap_err();
    assert_eq!((error.kind.code(), &*error.msg), (5, "error reading from stdin: the pipe is broken"));
    let (_, error) = parse(&Call::of("ADD").env("CNI_PATH", "")).unwrap_err();
    assert_eq!(error.kind.code(), 4);
    assert!(matches!(parse(&Call::of("VERSION")), Ok(Invocation::Versions)));
    assert!(matches!(parse(&Call::of("")), Ok(Invocation::Usage)));
    let (_, error) =
        Invocation::parse(&ABOUT, &|key| Call::of("ADD").env.get(key).cloned(), &mut io::repeat(b' ')).unwrap_err();
    assert_eq!(error.kind.code(), 6, "{error}");
}

#[test]
fn a_malformed_configuration_is_no_network() {
    for text in ["", "{", "[]", "\"web\"", "{} {}", "\0", "{\"name\": 1}", "{\"name\": \"web\", \"cniVersion\": 1}"] {
        let (code, msg) = Call::of("ADD").stdin(text).refused();
        assert!(code == 6 && msg.starts_with("error unmarshall network config: "), "{text:?}: {msg}");
    }
    assert_eq!(Call::of("ADD").stdin("{}").refused(), says(7, "missing network name"));
    assert_eq!(Call::of("ADD").stdin(r#"{"name": null}"#).refused(), says(7, "missing network name"));
    for name in ["te%%st", "../x", "-a", &"n".repeat(300)] {
        let call = Call::of("ADD").config(&json!({"name": name}));
        assert_eq!(call.refused(), says(7, "invalid characters found in network name"), "{name}");
    }
    let deep = "[".repeat(100_000);
    assert_eq!(Call::of("ADD").stdin(&format!(r#"{{"name": "web", "x": {deep}"#)).refused().0, 6);
}

#[test]
fn an_unknown_command_is_refused_after_the_configuration_and_before_its_version() {
    let call = Call::of("NOPE").env("CNI_PATH", "");
    assert_eq!(call.refused(), says(4, "unknown CNI_COMMAND: NOPE"));
    assert_eq!(Call::of("NOPE").stdin("{").refused().0, 6);
    let config = json!({"name": "web", "cniVersion": "9.9.9"});
    assert_eq!(Call::of("NOPE").config(&config).refused().0, 4);
    assert_eq!(Call::of("ADD").config(&config).refused(), says(1, "incompatible CNI versions"));
}

#[test]
fn an_error_has_the_version_of_the_request_when_it_is_known() {
    let version = |call: Call| call.parse().unwrap_err().0;
    let config = json!({"name": "web", "cniVersion": "0.3.1", "runDir": "x"});
    assert_eq!(version(Call::of("ADD").config(&config)), Version::V0_3_1);
    assert_eq!(version(Call::of("ADD").env("CNI_PATH", "").config(&config)), Version::CURRENT);
    assert_eq!(version(Call::of("ADD").stdin("{")), Version::CURRENT);
}

#[test]
fn an_absent_list_of_valid_attachments_is_not_an_empty_one() {
    let gc = |keys: Value| {
        let mut config = json!({"name": "web", "cniVersion": "1.1.0"});
        config.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        match Call::of("GC").config(&config).parse() {
            Ok(Invocation::Request(request)) => match request.command {
                Command::Gc(valid) => {
                    Ok(valid.map(|valid| valid.into_iter().map(|(c, i)| format!("{c}/{i}")).collect()))
                }
                other => panic!("{other:?}"),
            },
            Ok(other) => panic!("{other:?}"),
            Err((_, error)) => Err((error.kind.code(), error.msg)),
        }
    };
    let list = |names: &[&str]| Ok(Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()));
    let c1 = json!({"containerID": "c1", "ifname": "eth0"});
    assert_eq!(gc(json!({})), Ok(None));
    assert_eq!(gc(json!({"cni.dev/valid-attachments": null})), Ok(None));
    assert_eq!(gc(json!({"cni.dev/valid-attachments": []})), list(&[]));
    assert_eq!(gc(json!({"cni.dev/valid-attachments": [c1]})), list(&["c1/eth0"]));
    assert_eq!(gc(json!({"cni.dev/attachments": [c1]})), list(&["c1/eth0"]));
    assert_eq!(gc(json!({"CNI.dev/attachments": [c1], "cni.dev/valid-attachments": []})), list(&[]));
    for bad in
        [json!({}), json!([{"containerID": "c1"}]), json!([{"containerID": "../x", "ifname": "eth0"}]), json!("c1")]
    {
        assert_eq!(gc(json!({"cni.dev/valid-attachments": bad})).unwrap_err().0, 7, "{bad}");
    }
}

#[test]
fn the_run_directory_is_the_configurations_then_the_environments() {
    let run_dir = |config: Value, env: &str| {
        Call::of("ADD").config(&config).env("NETD_RUN_DIR", env).parse().map(|invocation| match invocation {
            Invocation::Request(request) => request.run_dir,
            other => panic!("{other:?}"),
        })
    };
    let plain = json!({"name": "web"});
    assert_eq!(run_dir(plain.clone(), "").unwrap(), PathBuf::from("/run/netd"));
    assert_eq!(run_dir(plain.clone(), "/a").unwrap(), PathBuf::from("/a"));
    assert_eq!(run_dir(json!({"name": "web", "RunDir": "/b"}), "/a").unwrap(), PathBuf::from("/b"));
    assert!(run_dir(plain, "a").is_err());
    for bad in [json!("b"), json!(""), json!(1)] {
        let (_, error) = run_dir(json!({"name": "web", "runDir": bad}), "/a").unwrap_err();
        assert!(error.kind.code() == 7 && error.msg.contains("runDir"), "{error}");
    }
}

#[test]
fn a_previous_result_has_the_form_of_the_configurations_version() {
    let call = |command, version, previous: Value| {
        Call::of(command).config(&json!({"name": "web", "cniVersion": version, "prevResult": previous}))
    };
    let ips = json!({"ips": [{"address": "10.1.0.7/24"}]});
    assert_eq!(call("ADD", "1.0.0", ips.clone()).request().prev_result.unwrap().ips.len(), 1);
    assert_eq!(call("ADD", "1.0.0", Value::Null).request().prev_result, None);
    let mut older = ips.clone();
    older["CNIVersion"] = "0.4.0".into();
    let text =
        r#"could not parse prevResult: result type supports [1.0.0 1.1.0] but unmarshalled CNIVersion is "0.4.0""#;
    assert_eq!(call("ADD", "1.1.0", older.clone()).refused(), says(7, text));
    let broken = json!({"ips": [{"address": "10.1.0.7"}]});
    let text = r#"could not parse prevResult: key "ips[0].address": invalid CIDR address: "10.1.0.7""#;
    for command in ["ADD", "CHECK"] {
        assert_eq!(call(command, "1.1.0", broken.clone()).refused(), says(7, text));
    }
    for previous in [broken, older] {
        assert_eq!(call("DEL", "1.1.0", previous).request().prev_result, None, "DEL goes on with what is recorded");
    }
}

/// What runtimes and mistakes are made of; the fuzzer puts it together at random.
const WORDS: [&str; 32] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\"name\":",
    "\"web\"",
    "\"cniVersion\":",
    "\"1.1.0\"",
    "\"0.2.0\"",
    "\"prevResult\":",
    "\"ips\":",
    "\"ip4\":",
    "\"address\":",
    "\"10.1.0.7/24\"",
    "\"interface\":-1",
    "\"routes\":",
    "\"dst\":",
    "\"cni.dev/valid-attachments\":",
    "{\"containerID\":\"c\",\"ifname\":\"e\"}",
    "\"runDir\":",
    "\"/a\"",
    "null",
    "true",
    "1e999",
    "-9223372036854775809",
    "\\u0000",
    "\"\\ud800\"",
    "\u{feff}",
    " ",
];

proptest::proptest! {
    #[test]
    fn no_input_makes_it_panic(
        command in proptest::sample::select(vec!["ADD", "CHECK", "DEL", "GC", "STATUS", "VERSION", "NOPE", "add", ""]),
        id in ".{0,20}", ifname in ".{0,17}", args in "[A-Z=;1]{0,12}",
        words in proptest::collection::vec(proptest::sample::select(WORDS.to_vec()), 0..40),
        wrapped: bool,
    ) {
        let text = words.concat();
        let text = if wrapped { format!(r#"{{"name":"web","cniVersion":"1.1.0",{text}}}"#) } else { text };
        let call = Call::of(command).env("CNI_CONTAINERID", &id).env("CNI_IFNAME", &ifname).env("CNI_ARGS", &args);
        if let Err((_, error)) = call.stdin(&text).parse() {
            proptest::prop_assert!(error.msg.len() < 1000, "{}", error.msg);
        }
    }
}
