//! Other firewalls are told to let packets through: by their own programs, in the place that they offer for that.

use netd_model::{
    object::{Gate, Object, Opening},
    plan::Step,
};

use super::{impossible, line};
use crate::{child, error::Error, kernel::Kernel, nft::gate::DOCKER_USER};

/// How long `iptables` waits for another one, in seconds.
const PATIENCE: &str = "5";

/// How often something is taken away that is still there.
const TIMES: u32 = 3;

impl Kernel {
    /// Opens, or takes the opening away. Of Docker's chain the rules that are ours have our comment.
    pub(super) fn change_opening(&mut self, step: &Step) -> Result<(), Error> {
        match step {
            Step::Add(Object::Opening(opening)) => match &opening.gate {
                Gate::DockerUser4(way) => add_rule(step, "iptables", &opening.rule(*way)),
                Gate::DockerUser6(way) => add_rule(step, "ip6tables", &opening.rule(*way)),
                Gate::Firewalld(zone) => call_firewalld(step, "addInterface", zone.as_str(), opening),
            },
            Step::Delete(Object::Opening(opening)) => self.close(step, opening),
            _ => Err(impossible(step, "it is no opening")),
        }
    }

    /// Takes an opening away that may not be there: whoever took the other firewall away took it along. A program that was
    /// killed may have been about to, and so take it away in this moment, or have added it twice.
    fn close(&mut self, step: &Step, opening: &Opening) -> Result<(), Error> {
        for _ in 0..TIMES {
            if !self.lets_through(opening)? {
                return Ok(());
            }
            let closed = match &opening.gate {
                Gate::DockerUser4(way) => delete_rule(step, "iptables", &opening.rule(*way)),
                Gate::DockerUser6(way) => delete_rule(step, "ip6tables", &opening.rule(*way)),
                Gate::Firewalld(zone) => call_firewalld(step, "removeInterface", zone.as_str(), opening),
            };
            if closed.is_err() && self.lets_through(opening)? {
                return closed;
            }
        }
        Ok(())
    }
}

/// Adds a rule behind what the operator has there, and before the chain's `RETURN`.
fn add_rule(step: &Step, iptables: &str, rule: &[String]) -> Result<(), Error> {
    let rule: Vec<&str> = rule.iter().map(String::as_str).collect();
    let listed = expect(step, run(step, iptables, &["-w", PATIENCE, "-S", DOCKER_USER])?)?;
    let rules: Vec<&str> = listed.lines().filter(|line| line.starts_with("-A ")).collect();
    let last = rules.len().to_string();
    let place: &[&str] = match rules.last() {
        Some(rule) if rule.ends_with(&format!("{DOCKER_USER} -j RETURN")) => &["-I", DOCKER_USER, &last],
        _ => &["-A", DOCKER_USER],
    };
    expect(step, run(step, iptables, &[&["-w", PATIENCE], place, &rule].concat())?).map(drop)
}

fn delete_rule(step: &Step, iptables: &str, rule: &[String]) -> Result<(), Error> {
    let rule: Vec<&str> = rule.iter().map(String::as_str).collect();
    expect(step, run(step, iptables, &[&["-w", PATIENCE, "-D", DOCKER_USER], &rule[..]].concat())?).map(drop)
}

/// What firewalld says where it is so already.
const SO_ALREADY: [&str; 5] =
    ["ALREADY_ENABLED", "ZONE_ALREADY_SET", "ZONE_CONFLICT", "NOT_ENABLED", "UNKNOWN_INTERFACE"];

/// What D-Bus says where there is no firewalld, whose table may be there still.
const NOBODY: [&str; 4] = ["not provided by any", "ServiceUnknown", "NameHasNoOwner", "Failed to "];

/// A zone of firewalld as it runs: what it keeps in its files is the operator's. What it lets through ends with it.
fn call_firewalld(step: &Step, method: &str, zone: &str, opening: &Opening) -> Result<(), Error> {
    let place = ["org.fedoraproject.FirewallD1", "/org/fedoraproject/FirewallD1", "org.fedoraproject.FirewallD1.zone"];
    let call = ["--system", "--timeout=10", "call"];
    let said = run(step, "busctl", &[&call[..], &place, &[method, "ss", zone, opening.link.as_str()]].concat())?;
    let is_one_of = |said: &str, words: &[&str]| words.iter().any(|word| said.contains(word));
    match said {
        Err(said) if is_one_of(&said, &SO_ALREADY) => Ok(()),
        Err(said) if matches!(step, Step::Delete(_)) && is_one_of(&said, &NOBODY) => Ok(()),
        said => expect(step, said).map(drop),
    }
}

/// What a program prints, or what it complains of.
fn run(step: &Step, program: &str, arguments: &[&str]) -> Result<Result<String, String>, Error> {
    let failed = |source| Error::Io { attempt: line(step), source };
    let output = child::output(program, arguments, None).map_err(failed)?;
    let output =
        output.ok_or_else(|| Error::Foreign { attempt: line(step), said: format!("there is no {program}") })?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(if output.status.success() { Ok(said) } else { Err(child::complaint(&output)) })
}

fn expect(step: &Step, said: Result<String, String>) -> Result<String, Error> {
    said.map_err(|said| Error::Foreign { attempt: line(step), said })
}
