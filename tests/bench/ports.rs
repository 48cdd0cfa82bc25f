//! Published ports: how long a connection and an ADD take with no other port published, and with thousands.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::{Value, json};

use crate::Bench;
use crate::figures::Samples;
use crate::host::{Attachment, Call, Container, Host};
use crate::network::Network;
use crate::plugin::Verb;
use crate::report::{Report, ms};

/// Measured ADDs.
const ADDS: u16 = 100;
/// Rounds in which both take turns, so that what the machine does besides disturbs both alike.
const ROUNDS: usize = 5;
/// Measured connections in each round.
const CONNECTIONS: usize = 1_000;
/// Others, and how many ports each has: a mapping has at most 1,024.
const OTHERS: u16 = 5;
const PORTS: u16 = 1_000;
/// The port that is measured.
const PORT: u16 = 80;

/// With no other port published, and with 5,000.
#[derive(Default)]
struct Ports {
    connect: [Samples; 2],
    add: [Samples; 2],
}

/// Measures our host.
pub(crate) fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    bench.progress("published ports, with 5,000 of others and with none");
    let [_, ours] = &bench.hosts;
    let Ports { connect, add } = ports(ours)?;

    report.line("\npublished ports".to_owned());
    for (title, connect, add) in [("none of others", &connect[0], &add[0]), ("5,000 of others", &connect[1], &add[1])] {
        let (connect, add) = (ms(connect.p50()), ms(add.p50()));
        report.line(format!("  {title:<35}connect p50 {connect:>7.3} ms    ADD p50 {add:>9.2} ms"));
    }
    let among_others = |[alone, among]: &[Samples; 2]| among.p50().div_duration_f64(alone.p50());
    report.goal("connecting to a published port among 5,000, of that to one alone", among_others(&connect), 1.05);
    report.goal("ADD of a port with 5,000 published by others, of that with none", among_others(&add), 1.3);
    Ok(())
}

fn ports(host: &Host) -> Result<Ports> {
    let network = Network::new("ports", "10.95.0.0/16");
    let containers = host.containers("port", 1 + OTHERS + ADDS)?;
    let (_, attached) = host.add(&network, &containers, 1)?;
    let (server, rest) = attached.split_first().context("there is a server")?;
    let (others, measured) = rest.split_at(OTHERS.into());
    publish(host, &[(server, mapping(PORT, 1))], Verb::Add)?;
    listen(&server.container)?;
    // The first are slower, whatever is published.
    connect(host)?;
    connect(host)?;
    adds(host, measured)?;

    let ranges: Vec<_> =
        others.iter().zip(1_u16..).map(|(other, number)| (other, mapping(number * 2_000, PORTS))).collect();
    let mut ports = Ports::default();
    for block in measured.chunks(measured.len() / ROUNDS) {
        ports.connect[0].extend(connect(host)?);
        ports.add[0].extend(adds(host, block)?);
        publish(host, &ranges, Verb::Add)?;
        ports.connect[1].extend(connect(host)?);
        ports.add[1].extend(adds(host, block)?);
        publish(host, &ranges, Verb::Del)?;
    }
    publish(host, &[(server, mapping(PORT, 1))], Verb::Del)?;
    host.del(&attached, 1)?;
    Ok(ports)
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
