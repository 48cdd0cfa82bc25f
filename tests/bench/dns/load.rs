//! dnsperf asks, and the kernel says what the server spent.

use std::fs::File;
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

use crate::message;
use crate::place::{FOLDER, Place, SERVER};

/// How hard a server is asked.
#[derive(Clone, Copy)]
pub(crate) enum Load {
    /// As fast as it answers: eight sockets, a hundred questions under way.
    Saturation,
    /// So many a second, from eight sockets.
    Rate(u32),
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    /// Answers in a second.
    pub(crate) per_second: f64,
    /// Questions without an answer, or with one that is no NOERROR.
    pub(crate) lost: u64,
    /// User and system time of the server, in microseconds for each answer.
    pub(crate) cpu: f64,
    /// In microseconds; 99 of 100 answers were there by then. Zero where it was not asked for.
    pub(crate) p99: f64,
}

/// A server that is asked.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) port: u16,
    pub(crate) process: Process,
}

/// A process that ends with its owner.
pub(crate) struct Process {
    child: Child,
    /// The child, or who it left behind to serve.
    serving: Pid,
}

impl Process {
    pub(crate) fn new(child: Child) -> Self {
        let serving = Pid::from_raw(child.id().try_into().expect("invariant: the kernel numbers processes from 1 up"));
        Self { child, serving }
    }

    /// The child has left this process behind.
    pub(crate) fn succeeded_by(mut self, pid: i32) -> Self {
        self.serving = Pid::from_raw(pid);
        self
    }

    /// User and system time of all its threads, those that ended included.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let clock: ClockId = clock_getcpuclockid(self.serving).context("a server ended by itself")?;
        Ok(clock_gettime(clock)?.into())
    }

    /// Bytes that it holds resident.
    pub(crate) fn resident(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.serving))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kibibytes * 1_024)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = kill(self.serving, Signal::SIGKILL);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Asks for one name after another, from one socket and one question at a time, which dnsperf sleeps over.
    pub(crate) fn ask_slowly(&self, place: &Place, names: &[String], time: Duration) -> Result<Measured> {
        let socket = place.client_socket((SERVER, self.port).into())?;
        socket.set_read_timeout(Some(time))?;
        let questions: Vec<Vec<u8>> = names.iter().map(|name| message::question(7, name)).collect();
        let before = self.process.cpu()?;
        let started = Instant::now();
        let (mut answers, mut lost) = (0.0, 0);
        for question in questions.iter().cycle().take_while(|_| started.elapsed() < time) {
            match message::ask(&socket, question)? {
                Some(_) => answers += 1.0,
                None => lost += 1,
            }
        }
        let seconds = started.elapsed().as_secs_f64();
        let cpu = self.process.cpu()?.saturating_sub(before).as_secs_f64() * 1e6 / answers;
        Ok(Measured { per_second: answers / seconds, lost, cpu, p99: 0.0 })
    }

    /// Asks for the names of a file.
    pub(crate) fn ask(&self, place: &Place, names: &str, load: Load, time: Duration) -> Result<Measured> {
        let mut command = place.client_command("dnsperf");
        command.args(["-s", &SERVER.to_string(), "-p", &self.port.to_string(), "-d", names, "-t", "1"]);
        command.args(["-l", &time.as_secs().to_string()]);
        match load {
            Load::Saturation => command.args(["-c", "8", "-q", "100"]),
            Load::Rate(rate) => command.args(["-c", "8", "-q", "1000", "-v", "-Q", &rate.to_string()]),
        };
        // A line for each answer: who read a pipe meanwhile would take a processor from those who are measured.
        let file = format!("{FOLDER}/dnsperf");
        command.stdout(File::create(&file)?);
        let before = self.process.cpu()?;
        let output = command.output().context("start dnsperf")?;
        let spent = self.process.cpu()?.saturating_sub(before);
        let said = std::fs::read_to_string(&file)?;
        ensure!(output.status.success(), "dnsperf: {said}{}", String::from_utf8_lossy(&output.stderr));
        read(&said, spent).with_context(|| format!("dnsperf of {}: {}", self.name, tail(&said)))
    }
}

/// Reads what dnsperf prints at its end, and with `-v` for each answer.
fn read(said: &str, spent: Duration) -> Result<Measured> {
    let after = |title: &str| {
        let line = said.lines().rev().find_map(|line| line.trim().strip_prefix(title));
        line.with_context(|| format!("dnsperf does not say {title}"))
    };
    let number = |title: &str| -> Result<u64> {
        Ok(after(title)?.split_whitespace().next().context("nothing behind it")?.parse()?)
    };
    let (asked, completed) = (number("Queries sent:")?, number("Queries completed:")?);
    let good = after("Response codes:")?.split_whitespace().skip_while(|word| *word != "NOERROR").nth(1);
    let good: u64 = good.unwrap_or("0").parse()?;
    ensure!(completed > 0, "no answer at all");
    let seconds = after("Run time (s):")?.trim().parse::<f64>()?;
    let answers = f64::from(u32::try_from(completed)?);
    let mut latencies: Vec<f64> = said.lines().filter(|line| line.starts_with("> ")).filter_map(latency).collect();
    latencies.sort_unstable_by(f64::total_cmp);
    let p99 = latencies.get(latencies.len() * 99 / 100).copied().unwrap_or_default();
    let cpu = spent.as_secs_f64() * 1e6 / answers;
    Ok(Measured { per_second: answers / seconds, lost: asked.saturating_sub(good), cpu, p99: p99 * 1e6 })
}

/// `> NOERROR name-1.bench.internal A 0.000123`
fn latency(line: &str) -> Option<f64> {
    line.split_whitespace().last()?.parse().ok()
}

fn tail(said: &str) -> String {
    said.lines().filter(|line| !line.starts_with("> ")).collect::<Vec<_>>().join("\n")
}
