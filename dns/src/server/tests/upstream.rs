//! Upstreams that do as they are told.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_proto::rr::Record;
use hickory_proto::rr::rdata::NULL;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;
use crate::Transport;

/// What an upstream sends back for a request: these messages, one after the other.
pub(super) type Script = fn(Transport, &Message) -> Vec<Message>;

/// A server on UDP and TCP, until it is dropped.
pub(super) struct Upstream {
    pub(super) address: SocketAddr,
    asked: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Upstream {
    pub(super) async fn start(address: SocketAddr, script: Script) -> Self {
        let asked = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        tasks.spawn(over_udp(UdpSocket::bind(address).await.unwrap(), script, Arc::clone(&asked)));
        tasks.spawn(over_tcp(TcpListener::bind(address).await.unwrap(), script, Arc::clone(&asked)));
        Self { address, asked, _tasks: tasks }
    }

    /// How many requests came.
    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// 192.0.2.1 for every name.
pub(super) fn answers(_: Transport, request: &Message) -> Vec<Message> {
    vec![answer(request, 1)]
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
    message
}

async fn over_udp(socket: UdpSocket, script: Script, asked: Arc<AtomicUsize>) {
    let mut buffer = vec![0; 4096];
    loop {
        let (length, client) = socket.recv_from(&mut buffer).await.unwrap();
        asked.fetch_add(1, Ordering::SeqCst);
        for message in script(Transport::Udp, &Message::from_vec(&buffer[..length]).unwrap()) {
            socket.send_to(&message.to_vec().unwrap(), client).await.unwrap();
        }
    }
}

async fn over_tcp(listener: TcpListener, script: Script, asked: Arc<AtomicUsize>) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut frames = Frames::new(65_535);
        while let Ok(Some(request)) = frames.next(&mut stream).await {
            asked.fetch_add(1, Ordering::SeqCst);
            for message in script(Transport::Tcp, &Message::from_vec(&request).unwrap()) {
                frame::write(&mut stream, &message.to_vec().unwrap()).await.unwrap();
            }
        }
    }
}
