//! Programs: loaded once, replaced by newer ones, and what other programs do.

use netd_kernel::{Error, Hook, Kernel};
use netd_model::{
    element::{Data, Element, ElementKey, Family, Part, Set, Transport},
    name::ChainName,
    object::{Admin, Conditions, Object, Program},
    plan::{Plan, Step},
};

use crate::{
    lab::{Lab, present, sh},
    overlay,
    wanted::elements,
};

fn program(family: Family) -> Object {
    Object::Program(Program { family, version: family.version() })
}

/// Loads both programs.
pub(crate) fn programs() -> Plan {
    Plan { steps: [Family::Inet, Family::Bridge].map(program).map(Step::Add).into() }
}

#[test]
fn a_program_loaded_again_keeps_the_elements() {
    let mut lab = Lab::new();
    lab.kernel.apply(&programs()).unwrap();
    lab.make(&present(elements(7)));
    let before = sh("nft list ruleset");
    lab.kernel.apply(&programs()).unwrap();
    assert_eq!(sh("nft list ruleset"), before);
}

#[test]
fn an_older_or_flushed_program_is_replaced() {
    let mut lab = Lab::new();
    let wanted = present([Family::Inet, Family::Bridge].map(program));
    sh("nft 'add table inet netd; add chain inet netd postrouting { comment \"netd 0\"; }; \
        add rule inet netd postrouting ip ttl 7 accept'");
    assert_eq!(lab.make(&wanted).lines().count(), 2);
    assert!(!sh("nft list ruleset").contains("ttl"));
    sh("nft flush table bridge netd");
    assert_eq!(lab.make(&wanted), "host       nft add table bridge netd # version 4\n");
    sh("nft flush ruleset");
    assert_eq!(lab.make(&wanted).lines().count(), 2);
}

/// In another order, chains are the same.
fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn a_program_of_which_a_chain_or_a_rule_is_gone_is_loaded_again() {
    let mut lab = Lab::new();
    let admin = Object::Admin(Admin { chain: "netd-admin".parse().unwrap() });
    let wanted = present([Family::Inet, Family::Bridge].map(program).into_iter().chain([admin]));
    lab.make(&wanted);
    let whole = sh("nft list ruleset");
    let mut broken = 0;
    let inet = concat!(include_str!("../../src/nft/inet.nft"), include_str!("../../src/nft/policies.nft"));
    for (table, chains) in [("inet", inet), ("bridge", include_str!("../../src/nft/bridge.nft"))] {
        let names = chains.lines().filter_map(|line| line.trim().strip_prefix("chain ")?.strip_suffix(" {"));
        for name in names {
            sh(&format!("nft flush chain {table} netd {name}"));
            assert_eq!(lab.make(&wanted).lines().count(), 1, "{name} without rules");
            sh(&format!(
                "handle=$(nft --handle list chain {table} netd {name} | grep -o 'handle [0-9]*' | sed -n 2p); \
                 nft delete rule {table} netd {name} $handle"
            ));
            assert_eq!(lab.make(&wanted).lines().count(), 1, "{name} without its first rule");
            broken += 1;
        }
    }
    assert_eq!(broken, 20);
    assert_eq!(sorted(&sh("nft list ruleset")), sorted(&whole));
}

/// Loads the programs as an older netd had them: their sets had another shape.
pub(crate) fn load_older() {
    let ours = [include_str!("../../src/nft/inet.nft"), include_str!("../../src/nft/bridge.nft")].concat();
    let versions = [Family::Inet, Family::Bridge].map(|family| format!("\"netd {}\"", family.version()));
    let older = ours.replace("flags timeout; gc-interval 1m;", "").replace("@th,96,32", "@th,96,24");
    let older = versions.iter().fold(older, |text, version| text.replace(version, "\"netd 1\""));
    assert_ne!(older, ours);
    sh(&format!("nft -f - <<'END'\n{older}\nEND"));
}

#[test]
fn an_older_program_with_sets_of_another_shape_gives_its_elements_to_the_newer() {
    let mut lab = Lab::new();
    load_older();
    let elements = || [elements(7), elements(8), overlay::elements().into()].concat();
    lab.make(&present(elements()));
    let made = lab.make(&present([Family::Inet, Family::Bridge].map(program)));
    assert_eq!(made.lines().count(), 2, "{made}");
    assert_eq!(lab.make(&present(elements())), "nothing to do\n");
    let shown = sh("nft list ruleset");
    let maps = Set::ALL.into_iter().filter(|set| set.is_map()).count();
    assert_eq!(shown.matches("gc-interval").count(), Set::ALL.len() - maps, "{shown}");
    let conditional = 4;
    assert_eq!(shown.matches("elements").count(), Set::ALL.len() - conditional, "{shown}");
    assert_eq!(sh("nft list tables"), "table inet netd\ntable bridge netd\n");
}

#[test]
fn a_load_that_was_killed_half_way_is_finished_by_the_next() {
    let mut lab = Lab::new();
    load_older();
    lab.make(&present(elements(7)));
    sh("nft 'add table inet netd-next; add set inet netd-next vni { type mark; }; flush table inet netd'");
    lab.make(&present([program(Family::Inet)]));
    assert_eq!(lab.make(&present(elements(7))), "nothing to do\n");
    let whole = sh("nft list table inet netd");
    // All is there, but for the version, and with what stood in.
    sh("older=$(nft list table inet netd | sed 's/\"netd [0-9]*\"/\"netd 0\"/'); \
        nft 'delete table inet netd; add table inet netd-next'; echo \"$older\" | nft -f -");
    lab.make(&present([program(Family::Inet)]));
    assert_eq!(sh("nft list table inet netd"), whole);
    assert!(!sh("nft list tables").contains("next"));
}

/// A chain that lets ports through from some sources, and a port that is published so.
fn conditional() -> [Object; 2] {
    let chain = ChainName::of_conditions(&["web"]);
    let parts = vec![Part::Transport(Transport::Udp), Part::Port(53)];
    let (key, data) = (ElementKey { set: Set::Conditional4, parts }, Some(Data::Chain(chain.clone())));
    let rule = Some("meta nfproto ipv4 ip saddr 192.0.2.0/24".to_owned());
    let element = Element { key, data, owner: "web/c1/eth0".to_owned() };
    [Object::Conditions(Conditions { chain, rule }), Object::Element(element)]
}

#[test]
fn conditions_outlive_a_program_that_is_loaded_again() {
    let mut lab = Lab::new();
    let wanted = present(conditional().into_iter().chain([program(Family::Inet)]));
    assert_eq!(lab.make(&wanted).lines().count(), 3);
    let before = sh("nft list ruleset");
    assert!(before.contains("ip saddr 192.0.2.0/24 goto translate"), "{before}");
    lab.kernel.apply(&programs()).unwrap();
    assert_eq!(lab.make(&wanted), "nothing to do\n");
    assert_eq!(sorted(&sh("nft list table inet netd")), sorted(&before));
}

#[test]
fn conditions_that_somebody_flushed_are_asked_again() {
    let mut lab = Lab::new();
    let wanted = present(conditional().into_iter().chain([program(Family::Inet)]));
    lab.make(&wanted);
    let chain = ChainName::of_conditions(&["web"]);
    sh(&format!("nft flush chain inet netd {chain}"));
    let made = lab.make(&wanted);
    assert!(made.starts_with(&format!("host       nft 'add chain inet netd {chain}; add rule")), "{made}");
    assert_eq!(made.lines().count(), 1, "{made}");
    let [Object::Conditions(conditions), _] = conditional() else { panic!() };
    let nonsense = Conditions { rule: Some("ip saddr nonsense".to_owned()), ..conditions };
    sh(&format!("nft flush chain inet netd {chain}"));
    let error = lab.kernel.apply(&Plan { steps: vec![Step::Add(Object::Conditions(nonsense))] }).unwrap_err();
    assert!(matches!(&error, Error::Conditions { stderr, .. } if stderr.contains("nonsense")), "{error}");
}

/// Who puts another rule in the place of ours, or beside it, leaves no rule of ours alone.
#[test]
fn conditions_in_whose_place_somebody_put_others_are_asked_again() {
    let mut lab = Lab::new();
    let wanted = present(conditional().into_iter().chain([program(Family::Inet)]));
    lab.make(&wanted);
    let chain = ChainName::of_conditions(&["web"]);
    let before = sh("nft list ruleset");
    for (verb, rule) in [("replace", "ip ttl 7 goto translate"), ("insert", "goto translate"), ("add", "accept")] {
        let handle = sh(&format!("nft -a list chain inet netd {chain} | sed -n 's/.*goto translate.*handle //p'"));
        sh(&format!("nft '{verb} rule inet netd {chain} handle {} {rule}'", handle.trim()));
        assert_eq!(lab.make(&wanted).lines().count(), 1, "{verb}");
        assert_eq!(sorted(&sh("nft list ruleset")), sorted(&before), "{verb}");
    }
}

/// The kernel counts the ways to a chain with its rules, and each network with conditions has one to `translate`.
#[test]
fn a_flush_of_what_all_conditions_lead_to_is_seen_however_many_there_are() {
    let mut lab = Lab::new();
    let chains = ["a", "b", "c", "d", "e", "f"].map(|network| ChainName::of_conditions(&[network]));
    let rule = || Some("meta nfproto ipv4 ip ttl 7".to_owned());
    let conditions = chains.map(|chain| Object::Conditions(Conditions { chain, rule: rule() }));
    let wanted = present(conditions.into_iter().chain([program(Family::Inet)]));
    lab.make(&wanted);
    let before = sh("nft list ruleset");
    for chain in ["translate", "translated"] {
        sh(&format!("nft flush chain inet netd {chain}"));
        assert_eq!(lab.make(&wanted).lines().count(), 1, "{chain}");
        assert_eq!(sorted(&sh("nft list ruleset")), sorted(&before), "{chain}");
    }
}

/// A chain that an operator fills.
fn admin() -> Object {
    Object::Admin(Admin { chain: "CNI-ADMIN".parse().unwrap() })
}

#[test]
fn what_an_operator_wrote_is_kept_by_every_program_and_the_way_there_made_again() {
    let mut lab = Lab::new();
    load_older();
    let wanted = present(elements(7).into_iter().chain([admin()]));
    lab.make(&wanted);
    sh("nft 'add set inet netd mine { type ipv4_addr; }; add element inet netd mine { 192.0.2.7, 192.0.2.8 }; \
        add rule inet netd CNI-ADMIN ip daddr @mine ip ttl 7 drop; add chain inet netd more; \
        add rule inet netd CNI-ADMIN jump more; add rule inet netd more counter'");
    let of_operator = || {
        let shown = sh("nft list ruleset");
        let is_its = |word: &&str| shown.contains(word);
        ["ip daddr @mine ip ttl 7 drop", "jump more", "192.0.2.8", "counter packets"].into_iter().filter(is_its).count()
    };
    assert_eq!(of_operator(), 4);
    lab.make(&present([program(Family::Inet)]));
    assert_eq!((of_operator(), sh("nft list tables").contains("next")), (4, false), "by a set of another shape");
    assert_eq!(lab.make(&wanted), "nothing to do\n");
    lab.kernel.apply(&programs()).unwrap();
    assert_eq!((of_operator(), lab.make(&wanted).as_str()), (4, "nothing to do\n"));
    sh("nft flush chain inet netd admin");
    let made = lab.make(&wanted);
    let expected =
        "host       nft 'add chain inet netd CNI-ADMIN; add rule inet netd admin jump CNI-ADMIN' # and policies\n";
    assert_eq!((made.as_str(), of_operator()), (expected, 4));
}

#[test]
fn what_an_operator_wrote_outlives_a_load_that_was_killed_half_way() {
    let mut lab = Lab::new();
    load_older();
    let wanted = present(elements(7).into_iter().chain([admin()]));
    lab.make(&wanted);
    sh("nft 'add rule inet netd CNI-ADMIN ip ttl 7 drop'");
    // The other table has everything, and ours has no rules.
    sh("whole=$(nft list table inet netd | sed 's/^table inet netd /table inet netd-next /'); \
        echo \"$whole\" | nft -f -; nft flush table inet netd");
    lab.make(&present([program(Family::Inet)]));
    let shown = sh("nft list table inet netd");
    assert!(shown.contains("ip ttl 7 drop") && shown.contains("jump CNI-ADMIN"), "{shown}");
    assert_eq!(lab.make(&wanted), "nothing to do\n");
}

/// Whether what is routed is asked, by the policies of now.
fn is_asked(lab: &mut Lab) -> bool {
    let chains = lab.kernel.hooked_chains().unwrap();
    let forward = sh("nft list chain inet netd forward || true");
    chains.iter().any(|chain| chain.hook == Hook::Forward)
        && forward.contains("@isolated")
        && forward.contains("\"netd 1\"")
}

#[test]
fn what_is_routed_is_asked_only_where_a_container_has_a_policy() {
    let mut lab = Lab::new();
    lab.make(&present([program(Family::Inet)]));
    assert_eq!(sh("nft list chain inet netd forward || true"), "");
    let wanted = present([program(Family::Inet), admin()]);
    assert_eq!(lab.make(&wanted).lines().count(), 1);
    assert!(is_asked(&mut lab));
    lab.kernel.apply(&programs()).unwrap();
    assert!(is_asked(&mut lab), "whoever loads the rest leaves it");
    for script in [
        "nft flush chain inet netd forward",
        "nft flush chain inet netd forward; nft delete chain inet netd forward",
        "nft flush chain inet netd admin",
        "nft flush table inet netd",
    ] {
        sh(script);
        lab.make(&wanted);
        assert!(is_asked(&mut lab), "{script}");
        assert_eq!(sh("nft list chain inet netd admin").matches("jump").count(), 1, "{script}");
    }
}

/// Up to version 6 of the program, policies were of it, and asked for on every host.
#[test]
fn policies_of_an_older_program_hold_until_those_of_now_take_their_place() {
    let mut lab = Lab::new();
    let older =
        "nft 'add table inet netd; add set inet netd isolated { type ifname . ifname; flags timeout; gc-interval 1m; }
        add chain inet netd forward { type filter hook forward priority filter; }; add chain inet netd admin
        add rule inet netd forward jump admin; add rule inet netd forward iifname . oifname @isolated drop'";
    sh(older);
    lab.make(&present([program(Family::Inet)]));
    assert!(sh("nft list chain inet netd forward").contains("@isolated drop"));
    // What a plugin of then does, whose document a netd of now reads.
    sh("nft 'add chain inet netd CNI-ADMIN; add rule inet netd admin jump CNI-ADMIN'");
    assert_eq!(lab.make(&present([program(Family::Inet), admin()])).lines().count(), 1);
    assert!(is_asked(&mut lab));
    assert_eq!(sh("nft list chain inet netd admin").matches("jump").count(), 1);
    // On a host that a program of now made, it does so as well.
    sh("nft flush ruleset");
    lab.make(&present([program(Family::Inet)]));
    sh("nft 'add chain inet netd CNI-ADMIN; add rule inet netd admin jump CNI-ADMIN'");
    lab.make(&present([admin()]));
    assert!(is_asked(&mut lab));
}

#[test]
fn policies_go_along_when_a_program_takes_the_place_of_one_of_another_shape() {
    let mut lab = Lab::new();
    load_older();
    let wanted = present(elements(7).into_iter().chain([admin()]));
    lab.make(&wanted);
    assert!(is_asked(&mut lab));
    lab.make(&present([program(Family::Inet)]));
    assert!(is_asked(&mut lab));
    assert_eq!(lab.make(&wanted), "nothing to do\n");
}

#[test]
fn conditions_go_along_when_a_program_takes_the_place_of_one_of_another_shape() {
    let mut lab = Lab::new();
    load_older();
    let wanted = present(elements(7).into_iter().chain(conditional()));
    lab.make(&wanted);
    let made = lab.make(&present([program(Family::Inet)]));
    assert_eq!(made.lines().count(), 1, "{made}");
    assert_eq!(lab.make(&wanted), "nothing to do\n");
    assert_eq!(sh("nft list tables"), "table bridge netd\ntable inet netd\n");
}

#[test]
fn a_name_that_nft_cannot_read_keeps_no_program_from_being_newer() {
    let mut lab = Lab::new();
    load_older();
    let of = |link: &str| {
        let parts = vec![Part::Link(link.parse().unwrap())];
        Object::Element(Element::of_set(Set::Guarded, parts, "web/c1/eth0".to_owned()))
    };
    lab.make(&present([of("veth1"), of("a\"}"), of("veth*")]));
    lab.make(&present([program(Family::Bridge)]));
    let kept: Vec<_> = lab.kernel.elements_of(Set::Guarded).unwrap().into_iter().map(Object::Element).collect();
    assert_eq!(kept, [of("veth1")]);
}

#[test]
fn a_newer_program_is_left_and_one_that_we_do_not_have_is_refused() {
    let mut lab = Lab::new();
    let version = Family::Inet.version() + 1;
    sh(&format!(
        "nft 'add table inet netd; add chain inet netd postrouting {{ comment \"netd {version}\"; }}; \
         add rule inet netd postrouting counter'"
    ));
    assert_eq!(lab.make(&present([program(Family::Inet)])), "nothing to do\n");
    let newer = Object::Program(Program { family: Family::Inet, version });
    let error = lab.kernel.apply(&Plan { steps: vec![Step::Add(newer)] }).unwrap_err();
    assert!(matches!(error, Error::NewerProgram { ours, .. } if ours == Family::Inet.version()), "{error}");
    assert!(sh("nft list ruleset").contains("counter"));
}

#[test]
fn chains_of_others_that_drop_are_found() {
    let mut lab = Lab::new();
    lab.kernel.apply(&programs()).unwrap();
    sh("nft 'add table inet ufw; add chain inet ufw incoming { type filter hook input priority 5; policy drop; }; \
        add chain inet ufw through { type filter hook forward priority 0; policy accept; }; add chain inet ufw own'");
    let chains = lab.kernel.hooked_chains().unwrap();
    let of_ufw: Vec<_> = chains.iter().filter(|chain| chain.table == "ufw").collect();
    let seen: Vec<_> =
        of_ufw.iter().map(|chain| (chain.name.as_str(), chain.hook, chain.priority, chain.drops)).collect();
    assert_eq!(seen, [("incoming", Hook::Input, 5, true), ("through", Hook::Forward, 0, false)]);
    assert_eq!(chains.len(), 9);
}

/// Run alone, in a mount namespace that has no `nft`.
#[test]
fn the_lack_of_nft_is_an_error_of_its_own() {
    if std::env::var_os("WITHOUT_NFT").is_some() {
        let error = Kernel::open(None).apply(&programs()).unwrap_err();
        assert!(matches!(error, Error::NoNft { .. }), "{error:?}");
        return;
    }
    crate::lab::need_root();
    let test = std::env::current_exe().unwrap();
    let script = format!(
        "WITHOUT_NFT=1 unshare --net --mount sh -c 'mount -t tmpfs none /usr/sbin && exec {} --exact {}'",
        test.display(),
        "programs::the_lack_of_nft_is_an_error_of_its_own"
    );
    assert!(sh(&script).contains("1 passed"));
}

/// Run alone, with an `nft` that never ends; the process is killed meanwhile.
#[test]
fn nft_dies_with_the_process_that_started_it() {
    if std::env::var_os("ENDLESS_NFT").is_some() {
        let _ended = Kernel::open(None).apply(&programs());
        return;
    }
    crate::lab::need_root();
    let folder = tempfile::tempdir().unwrap();
    let [nft, started, never] = ["nft", "started", "never"].map(|name| folder.path().join(name));
    sh(&format!("mkfifo {} {}", started.display(), never.display()));
    // It holds the one pipe open and waits for a writer to the other, of which there is none.
    let script = format!("#!/bin/sh\nexec 3>{}\necho >&3\nexec cat {}\n", started.display(), never.display());
    std::fs::write(&nft, script).unwrap();
    sh(&format!("chmod +x {}", nft.display()));
    let mut process = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "programs::nft_dies_with_the_process_that_started_it"])
        .env("ENDLESS_NFT", "1")
        .env("PATH", format!("{}:/usr/bin:/bin", folder.path().display()))
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    // The stream ends with its last writer, the nft.
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(std::fs::File::open(&started).unwrap()));
    assert!(lines.next().is_some());
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(lines.next().is_none());
}
