//! DHCP servers on a link of a host, none of them ours.

use std::time::Duration;

use super::daemon::Daemon;
use super::host::Host;
use crate::{eventually, need};

/// How soon a server listens.
const START: Duration = Duration::from_secs(10);

impl Host {
    /// dnsmasq on a link of this host that has 192.168.50.2/24, with these words besides. It gives an hour of 100 addresses.
    #[track_caller]
    pub fn dhcp_server(&self, link: &str, words: &str) -> Daemon {
        need("/usr/sbin/dnsmasq", "dnsmasq-base");
        let leases = self.dhcp_leases();
        let daemon = Daemon::start(self, "/usr/sbin/dnsmasq".as_ref(), self.folder().join("dnsmasq.log"), |command| {
            command.args(["--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--no-ping", "--pid-file="]);
            command.args(["--dhcp-range=192.168.50.100,192.168.50.199,255.255.255.0,1h", "--dhcp-authoritative"]);
            command.args(["--log-dhcp", "--log-facility=-", "--user=root"]).arg(format!("--interface={link}"));
            command.arg(format!("--dhcp-leasefile={}", leases.display())).args(words.split_whitespace());
        });
        self.wait_for_dhcp_server();
        daemon
    }

    /// The addresses that it has given, the last one last.
    pub fn dhcp_given(&self) -> Vec<String> {
        let leases = std::fs::read_to_string(self.dhcp_leases()).unwrap_or_default();
        let lines = leases.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        // The line of the server's own identifier has but two words.
        lines.filter(|words| words.len() > 2).map(|words| words[2].to_owned()).collect()
    }

    /// A server of one address, for four seconds, which dnsmasq does not give.
    #[track_caller]
    pub fn short_dhcp_server(&self, link: &str, address: &str) -> Daemon {
        need("/usr/bin/busybox", "busybox-static");
        let (leases, pid) = (self.folder().join("udhcpd.leases"), self.folder().join("udhcpd.pid"));
        std::fs::write(&leases, "").unwrap();
        let config = format!(
            "start {address}\nend {address}\ninterface {link}\nlease_file {}\npidfile {}
min_lease 1\noption lease 4\noption subnet 255.255.255.0\noption router 192.168.50.2\n",
            leases.display(),
            pid.display()
        );
        let file = self.folder().join("udhcpd.conf");
        std::fs::write(&file, config).unwrap();
        let daemon = Daemon::start(self, "/usr/bin/busybox".as_ref(), self.folder().join("udhcpd.log"), |command| {
            command.args(["udhcpd", "-f"]).arg(&file);
        });
        self.wait_for_dhcp_server();
        daemon
    }

    fn dhcp_leases(&self) -> std::path::PathBuf {
        self.folder().join("dnsmasq.leases")
    }

    fn wait_for_dhcp_server(&self) {
        eventually(START, || self.run("ss -Hlun sport = 67").text().contains(":67"));
    }
}
