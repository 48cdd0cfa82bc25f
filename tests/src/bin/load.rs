//! A crowd that asks netd for names while they change: `load RUN_DIR NETWORKS SECONDS CHANGES ASKERS PAUSE`.
//!
//! It records ten containers with ten names each in every network `n1`, `n2`, .., as the `dns` plugin does, gives one of
//! them another address `CHANGES` times a second, and asks for names from the network namespace it is in, each asker one
//! question at a time and `PAUSE` milliseconds after the last answer. An answer is right if the name had that address between question and answer: not older than what netd had said it serves before the question, not newer than what was written before
//! the answer. At its end it says in JSON what it asked, what was asked again because a second brought no answer, and what
//! was lost or wrong. With the word `ready` on standard error all names are served.
#![allow(clippy::panic, clippy::print_stderr, clippy::print_stdout, clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Error, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use netd_model::attachment::Attachment;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketType, connect, recv, send, socket};
use serde_json::{Value, json};

/// Containers of a network, and names of each.
const CONTAINERS: u32 = 10;
const NAMES: usize = 10;
/// After so long a question is asked again, at most so often.
const PATIENCE: Duration = Duration::from_secs(1);
const TIMES: u32 = 5;
/// Versions of an address that differ in the last octet alone.
const LAST: u32 = 250;

const A: u16 = 1;
const AAAA: u16 = 28;
const NXDOMAIN: u8 = 3;

/// A container, and which version of its address was written, and said to be served.
struct Member {
    network: u32,
    number: u32,
    written: AtomicU32,
    served: AtomicU32,
}

/// What one asker met.
#[derive(Default)]
struct Tally {
    asked: u64,
    again: u64,
    over_tcp: u64,
    again_over_tcp: u64,
    lost: Vec<String>,
    wrong: Vec<String>,
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [run_dir, numbers @ ..] = words.as_slice() else { panic!("{words:?}") };
    let numbers: Vec<u32> = numbers.iter().map(|word| word.parse().unwrap()).collect();
    let [networks, seconds, rate, askers, pause] = numbers.as_slice() else { panic!("{words:?}") };
    let store = Store::new(run_dir.into());
    let members: Vec<Member> =
        (1..=*networks).flat_map(|network| (0..CONTAINERS).map(move |it| of(network, it))).collect();
    for member in &members {
        store.write(member, 0);
    }
    store.poke();
    eprintln!("ready");
    let end = Instant::now() + Duration::from_secs((*seconds).into());
    let (over, told) = channel();
    let (members, files, pause) = (members.as_slice(), &store, Duration::from_millis((*pause).into()));
    let (tallies, done) = thread::scope(|scope| {
        let writer = scope.spawn(move || change(files, members, *rate, &told));
        let askers: Vec<_> = (0..*askers).map(|seed| scope.spawn(move || ask(members, seed, pause, end))).collect();
        let tallies: Vec<Tally> = askers.into_iter().map(|asker| asker.join().unwrap()).collect();
        drop::<Sender<()>>(over);
        (tallies, writer.join().unwrap())
    });
    for member in members {
        store.remove(member);
    }
    println!("{}", said(&tallies, members.len(), done));
}

fn said(tallies: &[Tally], members: usize, (changed, slowest): (u32, Duration)) -> Value {
    let sum = |count: fn(&Tally) -> u64| tallies.iter().map(count).sum::<u64>();
    let all = |texts: fn(&Tally) -> &Vec<String>| tallies.iter().flat_map(texts).cloned().collect::<Vec<_>>();
    json!({
        "names": members * NAMES, "changed": changed, "slowest_change_ms": slowest.as_millis(),
        "asked": sum(|tally| tally.asked), "again": sum(|tally| tally.again),
        "over_tcp": sum(|tally| tally.over_tcp), "again_over_tcp": sum(|tally| tally.again_over_tcp),
        "lost": all(|tally| &tally.lost), "wrong": all(|tally| &tally.wrong),
    })
}

fn of(network: u32, number: u32) -> Member {
    Member { network, number, written: AtomicU32::new(0), served: AtomicU32::new(0) }
}

impl Member {
    /// Its address at a version; no other container ever has it.
    fn address(&self, version: u32) -> Ipv4Addr {
        let third = 1 + self.number * 20 + version / LAST % 20;
        Ipv4Addr::from_bits((10 << 24) | (self.network << 16) | (third << 8) | (1 + version % LAST))
    }

    fn version(&self, address: Ipv4Addr) -> Option<u32> {
        let [_, _, third, last] = address.octets().map(u32::from);
        let version = third.checked_sub(1 + self.number * 20)? * LAST + last.checked_sub(1)?;
        (self.address(version) == address).then_some(version)
    }
}

/// Gives containers other addresses, so many a second, until it is over; how many, and how long the slowest was not served.
fn change(store: &Store, members: &[Member], rate: u32, over: &Receiver<()>) -> (u32, Duration) {
    let (started, mut done, mut slowest) = (Instant::now(), 0, Duration::ZERO);
    let mut random = Random(7);
    if rate == 0 {
        return (0, slowest);
    }
    loop {
        let due = Duration::from_secs(1) * (done + 1) / rate;
        if over.recv_timeout(due.saturating_sub(started.elapsed())) == Err(RecvTimeoutError::Disconnected) {
            break;
        }
        // All that is due by now, of which netd then says at once that it serves it.
        let mut changed: BTreeMap<usize, u32> = BTreeMap::new();
        let written = Instant::now();
        while Duration::from_secs(1) * (done + 1) / rate <= started.elapsed() {
            let index = random.below(members.len());
            let version = members[index].written.load(Ordering::SeqCst) + 1;
            members[index].written.store(version, Ordering::SeqCst);
            store.write(&members[index], version);
            changed.insert(index, version);
            done += 1;
        }
        store.poke();
        for (index, version) in changed {
            members[index].served.store(version, Ordering::SeqCst);
        }
        slowest = slowest.max(written.elapsed());
    }
    (done, slowest)
}

/// Asks until the end.
fn ask(members: &[Member], seed: u32, pause: Duration, end: Instant) -> Tally {
    let mut random = Random(u64::from(seed) + 1);
    let mut sockets: BTreeMap<u32, UdpSocket> = BTreeMap::new();
    let mut tally = Tally::default();
    while Instant::now() < end {
        if !pause.is_zero() {
            thread::park_timeout(pause);
        }
        let member = &members[random.below(members.len())];
        let gateway = (Ipv4Addr::from_bits((10 << 24) | (member.network << 16) | 1), 53);
        let name = |word: &str, it: usize| format!("{word}-{}-{it}.n{}.internal", member.number, member.network);
        // Most are there; of some there is nothing of the kind, and some are not there at all.
        let (name, kind) = match random.below(20) {
            0 => (name("nobody", 0), A),
            1 => (name("name", random.below(NAMES)), AAAA),
            _ => (name("name", random.below(NAMES)), A),
        };
        let is_tcp = random.below(50) == 0;
        let question = question(&name, kind, random.id());
        let served = member.served.load(Ordering::SeqCst);
        let asked = Instant::now();
        let mut answer = Err(ErrorKind::Other.into());
        for time in 0..TIMES {
            let again = if is_tcp { &mut tally.again_over_tcp } else { &mut tally.again };
            *again += u64::from(time > 0);
            answer = if is_tcp {
                over_tcp(gateway, &question)
            } else {
                let socket = sockets.entry(member.network).or_insert_with(|| connected(gateway));
                over_udp(socket, &question)
            };
            if answer.is_ok() {
                break;
            }
        }
        let written = member.written.load(Ordering::SeqCst);
        tally.asked += 1;
        tally.over_tcp += u64::from(is_tcp);
        match answer {
            Err(error) => tally.lost.push(format!("{name} after {:?}: {error}", asked.elapsed())),
            Ok(answer) => {
                let right = is_right(&question, &answer, kind, member, served..=written);
                tally.wrong.extend((!right).then(|| format!("{name} {kind}, {served} to {written}: {answer:02x?}")));
            }
        }
    }
    tally
}

fn is_right(
    question: &[u8],
    answer: &[u8],
    kind: u16,
    member: &Member,
    versions: std::ops::RangeInclusive<u32>,
) -> bool {
    let Some((echoed, records)) = answer.split_at_checked(question.len()) else { return false };
    let is_same = echoed[..2] == question[..2] && echoed[12..] == question[12..];
    let (code, count) = (echoed[3] & 0x0f, u16::from_be_bytes([echoed[6], echoed[7]]));
    let is_there = question[13..].starts_with(b"name");
    let expected = match (is_there, kind) {
        (false, _) => (NXDOMAIN, 0),
        (true, AAAA) => (0, 0),
        (true, _) => (0, 1),
    };
    let is_of_time = || {
        // A pointer to the name, type, class, time to live, length, address.
        let address = records.get(12..16).and_then(|octets| <[u8; 4]>::try_from(octets).ok());
        address.and_then(|octets| member.version(octets.into())).is_some_and(|version| versions.contains(&version))
    };
    is_same && (code, count) == expected && (count == 0 || is_of_time())
}

fn connected(server: (Ipv4Addr, u16)) -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    socket.connect(server).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// An answer to another question is a late one, and passed over.
fn over_udp(socket: &UdpSocket, question: &[u8]) -> Result<Vec<u8>, Error> {
    socket.send(question)?;
    let mut octets = [0; 512];
    loop {
        let length = socket.recv(&mut octets)?;
        if octets.get(..2) == question.get(..2) {
            return Ok(octets[..length].to_vec());
        }
    }
}

/// Over a connection of its own.
fn over_tcp(server: (Ipv4Addr, u16), question: &[u8]) -> Result<Vec<u8>, Error> {
    let mut stream = TcpStream::connect_timeout(&server.into(), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = u16::try_from(question.len()).unwrap();
    stream.write_all(&[&length.to_be_bytes(), question].concat())?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

/// RFC 1035 4.1: one question, recursion desired.
fn question(name: &str, kind: u16, id: [u8; 2]) -> Vec<u8> {
    let mut octets = vec![id[0], id[1], 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        octets.push(u8::try_from(label.len()).unwrap());
        octets.extend(label.as_bytes());
    }
    octets.extend([0, 0, u8::try_from(kind).unwrap(), 0, 1]);
    octets
}

/// Documents in a run directory.
struct Store {
    run_dir: PathBuf,
    boot: String,
}

impl Store {
    fn new(run_dir: PathBuf) -> Self {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().trim().to_owned();
        Self { run_dir, boot }
    }

    /// Writes or replaces the document of a container.
    fn write(&self, member: &Member, version: u32) {
        let Member { network, number, .. } = member;
        let names: Vec<String> = (0..NAMES).map(|it| format!("name-{number}-{it}")).collect();
        let gateway = format!("10.{network}.0.1");
        let attachment = attachment(&json!({
            "version": 1,
            "attachment": {"network": format!("n{network}"), "container": format!("c-{number}"), "ifname": "eth0"},
            "progress": "ready",
            "boot": self.boot,
            "sections": {"dns": {"names": {
                "domain": format!("n{network}.internal"), "names": names, "addresses": [member.address(version)],
                "listen": [{"link": format!("br-n{network}"), "address": gateway}],
                "subnets": [format!("10.{network}.0.0/24")], "ttl": 5,
            }}},
        }));
        let path = self.path(member, &attachment);
        let temporary = path.with_extension("new");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&temporary, serde_json::to_vec(&attachment).unwrap()).unwrap();
        fs::rename(temporary, path).unwrap();
    }

    fn remove(&self, member: &Member) {
        let id = json!({"network": format!("n{}", member.network), "container": format!("c-{}", member.number), "ifname": "eth0"});
        let gone =
            attachment(&json!({"version": 1, "attachment": id, "progress": "ready", "boot": "", "sections": {}}));
        fs::remove_file(self.path(member, &gone)).unwrap();
    }

    fn path(&self, member: &Member, attachment: &Attachment) -> PathBuf {
        let folder = self.run_dir.join("attachments").join(format!("n{}", member.network));
        folder.join(Path::new(&attachment.id.hash())).with_extension("json")
    }

    /// Returns when netd serves what was written.
    fn poke(&self) {
        let socket = socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
        connect(&socket, &SocketAddrUnix::new(self.run_dir.join("poke.sock")).unwrap()).unwrap();
        send(&socket, b"live\n", SendFlags::NOSIGNAL).unwrap();
        let (length, _) = recv(&socket, &mut [0; 64], RecvFlags::empty()).unwrap();
        assert!(length > 0, "netd did not say that it serves");
    }
}

fn attachment(document: &Value) -> Attachment {
    serde_json::from_value(document.clone()).unwrap()
}

/// Marsaglia's xorshift: what chance is needed here can be had again.
struct Random(u64);

impl Random {
    fn step(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap();
        usize::try_from((self.step() >> 16) % end).unwrap()
    }

    fn id(&mut self) -> [u8; 2] {
        let [a, b, ..] = self.step().to_le_bytes();
        [a, b]
    }
}
