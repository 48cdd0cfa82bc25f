//! Upstreams that do as they are told.

use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_proto::op::Edns;
use hickory_proto::rr::Record;
use hickory_proto::rr::rdata::{NULL, SOA};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;
use crate::Transport;

/// What an upstream sends back for a request: these messages, one after the other.
pub(super) type Script = fn(Transport, &Message) -> Vec<Message>;

/// A server on UDP and TCP, until it is dropped.
pub(super) struct Upstream {
    pub(super) address: SocketAddr,
    role: Arc<Role>,
    _tasks: JoinSet<()>,
}

/// What a server does, and what came to it.
struct Role {
    script: Mutex<(Script, Duration)>,
    asked: AtomicUsize,
    connections: AtomicUsize,
    /// The questions as they were spelled.
    questions: Mutex<Vec<String>>,
    /// The id of each request over UDP, and the port that it came from.
    guesses: Mutex<Vec<(u16, u16)>>,
}

impl Upstream {
    pub(super) async fn start(address: SocketAddr, script: Script) -> Self {
        let role = Arc::new(Role {
            script: Mutex::new((script, Duration::ZERO)),
            asked: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            questions: Mutex::default(),
            guesses: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(over_udp(UdpSocket::bind(address).await.unwrap(), Arc::clone(&role)));
        tasks.spawn(over_tcp(TcpListener::bind(address).await.unwrap(), Arc::clone(&role)));
        Self { address, role, _tasks: tasks }
    }

    /// Does this from now on, after so long a time.
    pub(super) fn becomes(&self, script: Script, after: Duration) {
        *self.role.script.lock().unwrap() = (script, after);
    }

    /// How many requests came.
    pub(super) fn asked(&self) -> usize {
        self.role.asked.load(Ordering::SeqCst)
    }

    /// How many connections came.
    pub(super) fn connections(&self) -> usize {
        self.role.connections.load(Ordering::SeqCst)
    }

    /// The names that were asked for, as they were spelled.
    pub(super) fn questions(&self) -> Vec<String> {
        self.role.questions.lock().unwrap().clone()
    }

    /// What one who does not see the requests would have to guess of each: its id, and the port that it came from.
    pub(super) fn guesses(&self) -> Vec<(u16, u16)> {
        self.role.guesses.lock().unwrap().clone()
    }
}

/// 192.0.2.1 for every name.
pub(super) fn answers(_: Transport, request: &Message) -> Vec<Message> {
    vec![answer(request, 1)]
}

/// The same, and that it is authentic.
pub(super) fn vouches(_: Transport, request: &Message) -> Vec<Message> {
    let mut message = answer(request, 1);
    message.metadata.authentic_data = true;
    vec![message]
}

/// Nothing.
pub(super) fn is_silent(_: Transport, _: &Message) -> Vec<Message> {
    Vec::new()
}

/// SERVFAIL.
pub(super) fn fails(_: Transport, request: &Message) -> Vec<Message> {
    vec![with_code(request, ResponseCode::ServFail)]
}

/// REFUSED.
pub(super) fn refuses(_: Transport, request: &Message) -> Vec<Message> {
    vec![with_code(request, ResponseCode::Refused)]
}

/// NXDOMAIN.
pub(super) fn denies(_: Transport, request: &Message) -> Vec<Message> {
    vec![with_code(request, ResponseCode::NXDomain)]
}

/// Over UDP nothing but TC, over TCP 100 addresses.
pub(super) fn truncates(transport: Transport, request: &Message) -> Vec<Message> {
    let mut message = answer(request, 100);
    if transport == Transport::Udp {
        message.answers.clear();
        message.metadata.truncation = true;
    }
    vec![message]
}

/// 100 addresses, whatever the client can take.
pub(super) fn overflows(_: Transport, request: &Message) -> Vec<Message> {
    vec![answer(request, 100)]
}

/// Its name in lower case, however it was asked.
pub(super) fn lowers(transport: Transport, request: &Message) -> Vec<Message> {
    let mut request = request.clone();
    request.queries[0].name = request.queries[0].name.to_lowercase();
    answers(transport, &request)
}

/// Its name in lower case over UDP, and nothing at all over TCP.
pub(super) fn lowers_over_udp(transport: Transport, request: &Message) -> Vec<Message> {
    if transport == Transport::Udp { lowers(transport, request) } else { Vec::new() }
}

/// Over UDP nothing but TC with one address of 100, over TCP nothing.
pub(super) fn truncates_for_good(transport: Transport, request: &Message) -> Vec<Message> {
    let mut message = answer(request, 1);
    message.metadata.truncation = true;
    if transport == Transport::Udp { vec![message] } else { Vec::new() }
}

/// One address and TC, over UDP and TCP.
pub(super) fn truncates_everywhere(_: Transport, request: &Message) -> Vec<Message> {
    let mut message = answer(request, 1);
    message.metadata.truncation = true;
    vec![message]
}

/// The same answer in other letters, and so a forged one, before the right one.
pub(super) fn is_spoofed_in_another_case(_: Transport, request: &Message) -> Vec<Message> {
    let mut respelled = answer(request, 2);
    let name = respelled.queries[0].name.to_string();
    let turned =
        name.chars().map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() });
    respelled.queries[0].name = Name::from_ascii(turned.collect::<String>()).unwrap();
    vec![respelled, answer(request, 1)]
}

/// No such name, of a zone that says so for a minute.
pub(super) fn denies_for_a_minute(transport: Transport, request: &Message) -> Vec<Message> {
    let mut messages = denies(transport, request);
    let name = || Name::from_ascii("example.com.").unwrap();
    let soa = SOA::new(name(), name(), 1, 1, 1, 1, 60);
    messages[0].add_authority(Record::from_rdata(name(), 3600, RData::SOA(soa)));
    messages
}

/// An address of one octet.
pub(super) fn garbles(_: Transport, request: &Message) -> Vec<Message> {
    let mut message = answer(request, 1);
    message.answers[0].data = RData::Unknown { code: RecordType::A, rdata: NULL::with(vec![1]) };
    vec![message]
}

/// Forged answers before the right one.
pub(super) fn is_spoofed(_: Transport, request: &Message) -> Vec<Message> {
    let mut another_id = answer(request, 2);
    another_id.metadata.id ^= 1;
    let mut another_question = answer(request, 2);
    another_question.queries[0].name = Name::from_ascii("evil.example.").unwrap();
    vec![another_id, another_question, answer(request, 1)]
}

fn answer(request: &Message, addresses: u8) -> Message {
    let mut message = with_code(request, ResponseCode::NoError);
    let name = &request.queries[0].name;
    for last in 1..=addresses {
        let address = Ipv4Addr::new(192, 0, 2, last);
        message.add_answer(Record::from_rdata(name.clone(), 60, RData::A(address.into())));
    }
    message
}

fn with_code(request: &Message, code: ResponseCode) -> Message {
    let mut message = Message::response(request.metadata.id, OpCode::Query);
    message.metadata.response_code = code;
    message.metadata.recursion_available = true;
    message.add_queries(request.queries.clone());
    message.edns = request.edns.as_ref().map(|_| Edns::new());
    message
}

impl Role {
    /// What is sent back for a request.
    async fn play(&self, transport: Transport, request: &[u8]) -> Vec<Vec<u8>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let request = Message::from_vec(request).unwrap();
        self.questions.lock().unwrap().push(request.queries[0].name.to_string());
        let (script, after) = *self.script.lock().unwrap();
        // Nothing happens until then.
        let _ = timeout(after, std::future::pending::<()>()).await;
        script(transport, &request).iter().map(|message| message.to_vec().unwrap()).collect()
    }
}

async fn over_udp(socket: UdpSocket, role: Arc<Role>) {
    let socket = Arc::new(socket);
    let mut answers = JoinSet::new();
    let mut buffer = vec![0; 4096];
    loop {
        let (length, client) = socket.recv_from(&mut buffer).await.unwrap();
        let (request, socket, role) = (buffer[..length].to_vec(), Arc::clone(&socket), Arc::clone(&role));
        role.guesses.lock().unwrap().push((u16::from_be_bytes([request[0], request[1]]), client.port()));
        answers.spawn(async move {
            for message in role.play(Transport::Udp, &request).await {
                // Who asked may wait no more.
                let _ = socket.send_to(&message, client).await;
            }
        });
    }
}

async fn over_tcp(listener: TcpListener, role: Arc<Role>) {
    let mut conversations = JoinSet::new();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        role.connections.fetch_add(1, Ordering::SeqCst);
        let role = Arc::clone(&role);
        conversations.spawn(async move {
            let mut frames = Frames::new(65_535);
            while let Ok(Some(request)) = frames.next(&mut stream).await {
                for message in role.play(Transport::Tcp, &request).await {
                    if frame::write(&mut stream, &message).await.is_err() {
                        return;
                    }
                }
            }
        });
    }
}
