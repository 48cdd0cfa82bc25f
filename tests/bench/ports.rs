//! Published ports: how long a connection and an ADD take with no other port published, and with thousands.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::thread::{CpuSet, LinkNameSpaceType, move_into_link_name_space, sched_setaffinity};
use serde_json::{Value, json};

use crate::Bench;
use crate::figures::Samples;
use crate::host::{Attachment, Call, Container, Host};
use crate::network::Network;
use crate::plugin::Verb;
use crate::report::{Report, ms};

/// Measured ADDs.
const ADDS: u16 = 100;
/// Rounds in which both hosts take turns, so that what the machine does besides disturbs both alike; of the ratio of each
/// round, the one in the middle counts.
const ROUNDS: usize = 100;
/// Measured connections in each round.
const CONNECTIONS: usize = 100;
/// Others, and how many ports each has: a mapping has at most 1,024.
const OTHERS: u16 = 5;
const PORTS: u16 = 1_000;
/// The port that is measured.
const PORT: u16 = 80;

/// A host of ours that publishes a port.
struct Publishing {
    host: Host,
    /// Those that publish one more for a moment.
    measured: Vec<Attachment>,
    connect: Samples,
    add: Samples,
}

/// Measures a host with no other port published, and one with thousands.
pub(crate) fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    bench.progress("published ports, with 5,000 of others and with none");
    let [_, ours] = &bench.hosts;
    let mut hosts = [Publishing::new(ours.another("alone")?, 0)?, Publishing::new(ours.another("among")?, OTHERS)?];
    let mut ratios = Vec::new();
    for round in 0..ROUNDS {
        let mut took = [Duration::ZERO; 2];
        // Each is first in every other round.
        for index in if round % 2 == 0 { [0, 1] } else { [1, 0] } {
            took[index] = hosts[index].take_turn(round)?;
        }
        ratios.push(took[1].div_duration_f64(took[0]));
    }
    ratios.sort_unstable_by(f64::total_cmp);

    report.line("\npublished ports".to_owned());
    for (title, host) in ["none of others", "5,000 of others"].into_iter().zip(&hosts) {
        let (connect, add) = (ms(host.connect.p50()), ms(host.add.p50()));
        report.line(format!("  {title:<35}connect p50 {connect:>7.3} ms    ADD p50 {add:>9.2} ms"));
    }
    let [alone, among] = &hosts;
    let connect = ratios[ratios.len() / 2];
    let add = among.add.p50().div_duration_f64(alone.add.p50());
    report.goal("connecting to a published port among 5,000, of that to one alone", connect, 1.05);
    report.goal("ADD of a port with 5,000 published by others, of that with none", add, 1.3);
    Ok(())
}

impl Publishing {
    /// A host where so many others publish a thousand ports each.
    fn new(host: Host, others: u16) -> Result<Self> {
        let network = Network::new("ports", "10.95.0.0/16");
        let containers = host.containers("port", 1 + others + ADDS)?;
        let (_, mut attached) = host.add(&network, &containers, 1)?;
        let measured = attached.split_off((1 + others).into());
        let (server, others) = attached.split_first().context("there is a server")?;
        publish(&host, &[(server, mapping(PORT, 1))], Verb::Add)?;
        listen(&server.container)?;
        let ranges: Vec<_> =
            others.iter().zip(1_u16..).map(|(other, number)| (other, mapping(number * 2_000, PORTS))).collect();
        publish(&host, &ranges, Verb::Add)?;
        // The first are slower, whatever is published.
        connect(&host)?;
        adds(&host, &measured)?;
        Ok(Self { host, measured, connect: Samples::default(), add: Samples::default() })
    }

    /// How long its connections took, the one in the middle.
    fn take_turn(&mut self, round: usize) -> Result<Duration> {
        let block = self.measured.len() / ROUNDS;
        let measured = self.measured.chunks(block).nth(round).unwrap_or_default();
        let connections = connect(&self.host)?;
        let took = connections.p50();
        self.connect.extend(connections);
        self.add.extend(adds(&self.host, measured)?);
        Ok(took)
    }
}

fn mapping(port: u16, count: u16) -> Value {
    json!([{"hostPort": port, "containerPort": port, "protocol": "tcp", "range": count}])
}

/// One ADD or DEL of portmap for each of these.
fn publish(host: &Host, ports: &[(&Attachment, Value)], verb: Verb) -> Result<Samples> {
    let calls: Vec<Call<'_>> = ports.iter().map(|(one, ports)| (&one.container, vec![config(one, ports)])).collect();
    Ok(host.run(verb, &calls, 1)?.0)
}

fn config(attachment: &Attachment, ports: &Value) -> Value {
    let mut config = attachment.next("portmap");
    config["runtimeConfig"] = json!({"portMappings": ports});
    config
}

/// ADDs of one port each, of which all are gone afterwards.
fn adds(host: &Host, measured: &[Attachment]) -> Result<Samples> {
    let ports: Vec<_> = measured.iter().zip(20_000..).map(|(one, port)| (one, mapping(port, 1))).collect();
    let samples = publish(host, &ports, Verb::Add)?;
    publish(host, &ports, Verb::Del)?;
    Ok(samples)
}

/// Takes connections in the container, for as long as the bench runs.
fn listen(container: &Container) -> Result<()> {
    let namespace = File::open(&container.netns)?;
    let (told, ready) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let listener = move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(anyhow::Error::from)
            .and_then(|()| Ok(TcpListener::bind(SocketAddr::from(([0, 0, 0, 0], PORT)))?));
        match listener {
            Ok(listener) => {
                told.send(Ok(())).ok();
                listener.incoming().for_each(drop);
            }
            Err(error) => drop(told.send(Err(error))),
        }
    });
    ready.recv().context("the server's thread ended")?
}

/// Connections from the host to its own address.
fn connect(host: &Host) -> Result<Samples> {
    let connections = || -> Result<Vec<Duration>> {
        host.enter()?;
        // Where all of the way is its own work, and none waits for another processor.
        let mut one = CpuSet::new();
        one.set(0);
        sched_setaffinity(None, &one)?;
        let connection = |_| {
            let begin = Instant::now();
            let stream = TcpStream::connect(("192.0.2.1", PORT))?;
            let took = begin.elapsed();
            drop(stream);
            anyhow::Ok(took)
        };
        (0..CONNECTIONS).map(connection).collect()
    };
    let begin = Instant::now();
    let took = thread::scope(|scope| scope.spawn(connections).join().expect("invariant: it does not panic"))?;
    Ok(Samples::new(took, begin.elapsed()))
}
