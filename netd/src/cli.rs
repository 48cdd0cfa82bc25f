//! The command line, as a value.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use netd_model::name::NetworkName;

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
    /// Show what is recorded; works while the daemon is not running.
    Show {
        /// What to show.
        subject: Subject,
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
    /// Print what a shell needs to complete this command.
    Completions {
        /// The shell.
        shell: Shell,
    },
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
