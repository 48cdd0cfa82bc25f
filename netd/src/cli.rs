//! The command line, as a value.

use std::path::PathBuf;

use clap::{
    Args, Parser, Subcommand, ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
};
use clap_complete::Shell;
use ipnetwork::IpNetwork;
use netd_model::{
    addr::Mtu,
    name::{ContainerId, HostName, NetworkName},
    overlay::{Mode, Vni},
};

/// Names for containers, and repair of what their networks need on this host.
#[derive(Debug, Parser)]
#[command(name = "netd", version, arg_required_else_help = true, propagate_version = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve names and repair networks, until SIGTERM. SIGHUP reads the settings again.
    Run {
        /// Where the settings are.
        #[command(flatten)]
        config: Config,
    },
    /// Get and keep DHCP leases for containers, until SIGTERM.
    Dhcp {
        /// Where the settings are.
        #[command(flatten)]
        config: Config,
    },
    /// Show what is recorded; works while the daemon is not running.
    Show {
        /// What to show.
        subject: Subject,
        /// Show what is of one network.
        #[arg(long)]
        network: Option<NetworkName>,
        /// Print JSON instead of a table.
        #[arg(long)]
        json: bool,
        /// Where the settings are.
        #[command(flatten)]
        config: Config,
    },
    /// Say what is not as it should be, and what to do about it. The exit code is 1 if there is something.
    Check {
        /// Where the settings are.
        #[command(flatten)]
        config: Config,
    },
    /// Questions of DNS.
    Dns {
        /// What to do.
        #[command(subcommand)]
        command: DnsCommand,
    },
    /// Keep repair away from a network, so that its interfaces can be changed by hand. Its names are still served.
    Pause {
        /// The network, as in its CNI configuration.
        network: NetworkName,
        /// Where the settings are.
        #[command(flatten)]
        config: Config,
    },
    /// Let repair see to a network again.
    Resume {
        /// The network, as in its CNI configuration.
        network: NetworkName,
        /// Where the settings are.
        #[command(flatten)]
        config: Config,
    },
    /// Networks of all hosts, which are kept in etcd; works while the daemon is not running.
    Network {
        /// What to do.
        #[command(subcommand)]
        command: NetworkCommand,
    },
    /// Hosts of the cluster, which are kept in etcd; works while the daemon is not running.
    Host {
        /// What to do.
        #[command(subcommand)]
        command: HostCommand,
    },
    /// Print what a shell needs to complete this command.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// What to do with questions of DNS.
#[derive(Debug, Subcommand)]
pub(crate) enum DnsCommand {
    /// Say what a container hears to a question, and which rule decides. Asks the daemon, and no other server.
    Query {
        /// The name, with its domain or without.
        name: String,
        /// The type of record.
        #[arg(long = "type", value_name = "TYPE", default_value = "A")]
        kind: String,
        /// The container that asks.
        #[arg(long)]
        from: ContainerId,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        /// Where the settings are.
        #[command(flatten)]
        config: Config,
    },
}

/// What to do with networks of all hosts.
#[derive(Debug, Subcommand)]
pub(crate) enum NetworkCommand {
    /// Make a network on every host of the cluster.
    Create {
        /// What it is to be.
        #[command(flatten)]
        network: NewNetwork,
        /// Where the settings are.
        #[command(flatten)]
        config: Config,
    },
    /// List the networks, with how many hosts and named containers are in each.
    List {
        /// Print JSON instead of a table.
        #[arg(long)]
        json: bool,
        /// Where the settings are.
        #[command(flatten)]
        config: Config,
    },
    /// Show what a network is and which hosts are in it, as JSON.
    Show {
        /// The network.
        network: NetworkName,
        /// Where the settings are.
        #[command(flatten)]
        config: Config,
    },
    /// Remove a network from every host of the cluster.
    Delete {
        /// The network.
        network: NetworkName,
        /// Remove it although hosts have containers in it.
        #[arg(long)]
        force: bool,
        /// Where the settings are.
        #[command(flatten)]
        config: Config,
    },
}

/// What to do with hosts of the cluster.
#[derive(Debug, Subcommand)]
pub(crate) enum HostCommand {
    /// Take away what is reserved for a host that is not there and does not come back. Its part of each network goes to
    /// the next host that needs one: what still runs on it is not reached any more.
    Forget {
        /// The host.
        #[arg(value_parser = HostName::written)]
        host: HostName,
        /// Where the settings are.
        #[command(flatten)]
        config: Config,
    },
}

/// A network that is to be made: the keys of a `[[network]]`.
#[derive(Debug, Args)]
pub(crate) struct NewNetwork {
    /// The name, as in the CNI configuration.
    pub(crate) name: NetworkName,
    /// A subnet: one of IPv4, one of IPv6, or both.
    #[arg(long, required = true, value_delimiter = ',')]
    pub(crate) subnet: Vec<IpNetwork>,
    /// The size of a host's part of each subnet [default: 24 and 64].
    #[arg(long, value_delimiter = ',')]
    pub(crate) host_prefix: Option<Vec<u8>>,
    /// How packets go from host to host: by routes, or as frames, where all hosts are one link.
    #[arg(long, value_parser = mode(), default_value = "routed")]
    pub(crate) mode: Mode,
    /// The VXLAN network identifier [default: one that is free].
    #[arg(long, value_parser = vni)]
    pub(crate) vni: Option<Vni>,
    /// The UDP port of VXLAN [default: 4789].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
    /// The largest packet, in bytes [default: what the way to other hosts leaves].
    #[arg(long, value_parser = mtu)]
    pub(crate) mtu: Option<Mtu>,
    /// Send packets to hosts on the same link without VXLAN.
    #[arg(long)]
    pub(crate) direct: bool,
    /// Answer with a host's own containers first where several bear a name.
    #[arg(long)]
    pub(crate) prefer_local: bool,
    /// Let packets to other networks carry the container's address.
    #[arg(long)]
    pub(crate) no_masquerade: bool,
    /// The domain of the containers' names [default: NAME.internal].
    #[arg(long, value_parser = HostName::written)]
    pub(crate) domain: Option<HostName>,
    /// Ask no other server for names.
    #[arg(long)]
    pub(crate) internal: bool,
}

fn mode() -> impl TypedValueParser<Value = Mode> {
    PossibleValuesParser::new(["routed", "l2"]).map(|word| if word == "l2" { Mode::L2 } else { Mode::Routed })
}

fn vni(text: &str) -> Result<Vni, String> {
    Vni::try_from(text.parse::<u32>().map_err(|error| error.to_string())?).map_err(|error| error.to_string())
}

fn mtu(text: &str) -> Result<Mtu, String> {
    Mtu::try_from(text.parse::<u32>().map_err(|error| error.to_string())?).map_err(|error| error.to_string())
}

/// Where the settings are.
#[derive(Debug, Args)]
pub(crate) struct Config {
    /// The settings [default: /etc/netd/netd.toml, where there is one].
    #[arg(long = "config", value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

/// What `netd show` shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Subject {
    /// Networks with their domain, and where their names are served.
    Networks,
    /// Containers in networks.
    Attachments,
    /// Names and the addresses they stand for.
    Names,
    /// Other hosts in networks that span hosts, as the daemon knew them last.
    Peers,
    /// What repair would do now, as a script.
    Plan,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_name_that_would_reach_a_path_is_refused() {
        for bad in ["..", "a/b", "", "-x"] {
            assert!(Cli::try_parse_from(["netd", "pause", "--", bad]).is_err(), "{bad:?}");
        }
        assert!(Cli::try_parse_from(["netd", "pause", "web"]).is_ok());
    }
}
