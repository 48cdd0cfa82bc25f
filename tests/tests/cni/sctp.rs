//! SCTP through `portmap`, where the kernel has it.

use rustix::net::{AddressFamily, SocketType, ipproto, socket};
use serde_json::{Value, json};
use tests::{Daemon, Lab, Node, eventually, has, run};

use super::portmap::{PACKET, SECOND, attachment, host_and_outside, list};

fn is_known() -> bool {
    let made = socket(AddressFamily::INET, SocketType::STREAM, Some(ipproto::SCTP));
    has("SCTP", made.err().map(|error| error.to_string()).as_deref())
}

fn asks(node: &Node, whom: &str) -> bool {
    run(node.command(PACKET).args(["ask", "sctp", whom]), b"").success()
}

/// One who answers at this address, which is the only one that it tells.
fn answering(node: &Node, at: &str) -> Daemon {
    let log = node.folder().join("sctp.log");
    let daemon = Daemon::start(node, PACKET.as_ref(), log, |command| {
        command.args(["answer-sctp", at]);
    });
    eventually(SECOND * 20, || node.sh("cat /proc/net/sctp/eps").lines().count() > 1);
    daemon
}

#[test]
fn a_port_of_sctp_is_published_until_del() {
    for (answerer, from_outside) in [("10.1.2.2:80", "192.0.2.1:8080"), ("[2001:db8::2]:80", "[2001:db8:ff::1]:8080")] {
        let lab = Lab::new();
        if !is_known() {
            return;
        }
        let (host, outside) = host_and_outside(&lab);
        let [c1, c2] = ["c1", "c2"].map(|name| host.container(name));
        let config = list("1.1.0", &json!({}));
        let mapping = json!({"hostPort": 8080, "containerPort": 80, "protocol": "sctp"});
        let first = c1.keep(attachment(&c1, &config, &json!({"portMappings": [mapping]})));
        first.add().unwrap();
        c2.add(&config);
        eventually(SECOND * 20, || outside.pings("2001:db8:ff::1") && host.pings("2001:db8::2"));
        let _answers = answering(&c1, answerer);
        assert!(asks(&host, answerer), "the container itself");
        let outside: &Node = &outside;
        for (node, name) in [(outside, "outside"), (&*host, "host"), (&*c2, "neighbour"), (&*c1, "itself")] {
            assert!(asks(node, from_outside), "{from_outside} from {name}");
        }
        assert_eq!(first.check(), Ok(()));
        assert_eq!(first.call("DEL", 1, Some(&first.result())).run().answer(), Ok(Value::Null));
        assert!(!asks(outside, from_outside), "what is no more published is not reached");
    }
}
