//! Messages on the wire: a request is read, a response is written. Only here and in [`crate::handler`] are hickory's
//! types known, and in what is below.
//!
//! By hickory-proto, for hickory-server's reader makes room for as many questions as a header claims and does not say
//! where the message ends; its writer never points back to the question, and drops OPT when records fill the message.

use hickory_proto::ProtoError;
use hickory_proto::op::{
    Edns, EmitAndCount, Header, Message, MessageType, Metadata, OpCode, Query, ResponseCode, emit_message_parts,
};
use hickory_proto::rr::rdata::{self, CNAME, HINFO, PTR, SRV, TXT};
use hickory_proto::rr::{self, DNSClass, RData};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder, BinEncoder};

mod alias;

use crate::Name;
use crate::name::QuestionName;
use crate::options::{Why, explained, with_unknown_options};
pub(crate) use alias::Alias;

use crate::record::{Data, Kind, Question, Record, Soa};

/// Octets of a message header, RFC 1035 4.1.1.
pub(crate) const HEADER: usize = 12;
/// Octets of an OPT record without options, RFC 6891 6.1.2.
pub(crate) const OPT: u16 = 11;
/// What a client without EDNS can take over UDP, RFC 1035 4.2.1.
pub(crate) const MIN_UDP: u16 = 512;
/// The largest response that we send over UDP of our own accord, and what we say that we can take: it fits every path
/// without fragments (DNS flag day 2020).
pub(crate) const MAX_UDP: u16 = 1232;
/// RFC 2181 8.
pub(crate) const MAX_TTL: u32 = 0x7fff_ffff;
/// Seconds of the intervals of an SOA that only who transfers a zone minds.
pub(crate) const INTERVAL: i32 = 3600;

/// How a message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// In a datagram.
    Udp,
    /// In a connection, with its length before it.
    Tcp,
}

/// A question that deserves an answer, with what its response must repeat.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) question: Question,
    /// Octets of the message up to the end of the question, and of all of it: what follows is not part of it.
    pub(crate) question_end: usize,
    pub(crate) end: usize,
    frame: Frame,
}

/// A packet that gets no answer, or one without looking anything up.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Not a request: an answer could start a quarrel between two servers.
    Silence,
    /// This response.
    Response(Vec<u8>),
}

/// The two codes of answers that come from our own data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    NoError,
    NxDomain,
}

/// What is written after the question.
#[derive(Debug, Default)]
pub(crate) struct Sections {
    /// From the name in the question to the owner of the answers, each leading to the next.
    pub(crate) aliases: Vec<Record>,
    pub(crate) answers: Vec<Record>,
    pub(crate) authority: Option<Soa>,
    /// What the client would ask next, with its owners; left out where there is no room.
    pub(crate) additional: Vec<(Name, Record)>,
}

/// What a response repeats of its request.
#[derive(Debug)]
struct Frame {
    metadata: Metadata,
    query: Option<Query>,
    edns: Option<Edns>,
}

/// What follows the header of a request.
struct Body {
    /// None if there is not exactly one, written in full.
    query: Option<Query>,
    question_end: usize,
    end: usize,
    edns: Option<Edns>,
}

/// The additional section as seen by the encoder. What does not fit is left out, which is no truncation (RFC 2181 9);
/// then the room that was held back for OPT is given free, so that OPT is never what does not fit (RFC 6891 7).
struct Additional {
    records: Vec<rr::Record>,
    limit: u16,
}

impl Request {
    /// Reads a packet.
    ///
    /// # Errors
    /// What to send back instead, by the order of RFC 8906 8: no header, not a request, unknown opcode, malformed,
    /// unknown version of EDNS, nothing that we have.
    pub(crate) fn parse(packet: &[u8]) -> Result<Self, Refusal> {
        let header = Header::read(&mut BinDecoder::new(packet)).map_err(|_| Refusal::Silence)?;
        if header.metadata.message_type == MessageType::Response {
            return Err(Refusal::Silence);
        }
        let mut frame = Frame { metadata: header.metadata, query: None, edns: None };
        if header.metadata.op_code != OpCode::Query {
            // What others mean may be laid out in another way; where it is not, OPT is answered (RFC 6891 6.1.1).
            frame.edns = Body::of(packet).and_then(|body| body.edns);
            return Err(frame.refuse(ResponseCode::NotImp));
        }
        let Some(body) = Body::of(packet) else {
            return Err(frame.refuse(ResponseCode::FormErr));
        };
        frame.edns = body.edns;
        let Some((question, query)) = body.query.and_then(|query| Some((question(&query)?, query))) else {
            return Err(frame.refuse(ResponseCode::FormErr));
        };
        let class = query.query_class;
        frame.query = Some(query);
        if frame.edns.as_ref().is_some_and(|edns| edns.version() > 0) {
            return Err(frame.refuse(ResponseCode::BADVERS));
        }
        if class != DNSClass::IN || question.kind.is_meta() {
            return Err(frame.refuse(ResponseCode::Refused));
        }
        Ok(Self { question, question_end: body.question_end, end: body.end, frame })
    }

    /// The octets that the client takes in one UDP datagram.
    pub(crate) fn udp_limit(&self) -> u16 {
        self.frame.edns.as_ref().map_or(MIN_UDP, |edns| edns.max_payload().max(MIN_UDP))
    }

    /// Whether the client knows EDNS, and if so, whether it takes signatures (DO).
    pub(crate) fn edns(&self) -> Option<bool> {
        self.frame.edns.as_ref().map(|edns| edns.flags().dnssec_ok)
    }

    /// What is told of a name that upstreams are asked for, where these lead to it.
    pub(crate) fn alias(&self, aliases: &[Record]) -> Alias {
        Alias::new(self.frame.query.clone().unwrap_or_default(), aliases, self.server_failure())
    }

    /// A response from our own data.
    pub(crate) fn respond(&self, code: Code, forwards: bool, sections: &Sections, transport: Transport) -> Vec<u8> {
        let limit = match transport {
            Transport::Udp => self.udp_limit().min(MAX_UDP),
            Transport::Tcp => u16::MAX,
        };
        let mut metadata = Metadata::response_from_request(&self.frame.metadata);
        metadata.authoritative = true;
        metadata.recursion_available = forwards;
        metadata.response_code = match code {
            Code::NoError => ResponseCode::NoError,
            Code::NxDomain => ResponseCode::NXDomain,
        };
        self.frame.write(metadata, sections, limit)
    }

    /// The response to a source that is on none of our networks.
    pub(crate) fn refused(&self) -> Vec<u8> {
        explained(self.frame.error(ResponseCode::Refused, false), Why::Prohibited, MIN_UDP.into())
    }

    /// The response when no upstream gave one.
    pub(crate) fn server_failure(&self) -> Vec<u8> {
        self.frame.error(ResponseCode::ServFail, true)
    }
}

impl Frame {
    fn refuse(&self, code: ResponseCode) -> Refusal {
        Refusal::Response(self.error(code, false))
    }

    fn error(&self, code: ResponseCode, forwards: bool) -> Vec<u8> {
        let mut metadata = Metadata::response_from_request(&self.metadata);
        metadata.recursion_available = forwards;
        metadata.response_code = code;
        self.write(metadata, &Sections::default(), MIN_UDP)
    }

    /// Writes as many whole records as fit, and says so if they are not all (RFC 2181 9).
    fn write(&self, metadata: Metadata, sections: &Sections, limit: u16) -> Vec<u8> {
        let mut owner = self.query.as_ref().map(|query| query.name.clone()).unwrap_or_default();
        let mut answers = alias::chain(&mut owner, &sections.aliases);
        answers.extend(sections.answers.iter().map(|record| encodable(owner.clone(), record)));
        let authority = sections
            .authority
            .as_ref()
            .map(|soa| encodable(wire_name(&soa.owner), &Record { ttl: soa.ttl, data: Data::Soa(soa.clone()) }));
        let additional = sections.additional.iter().map(|(owner, record)| encodable(wire_name(owner), record));
        let edns = self.edns.as_ref().map(response_edns);
        let mut octets = Vec::with_capacity(MIN_UDP.into());
        let mut encoder = BinEncoder::new(&mut octets);
        encoder.set_max_size(if edns.is_some() { limit - OPT } else { limit });
        let written = emit_message_parts(
            &metadata,
            &mut self.query.iter(),
            &mut answers.iter(),
            &mut authority.iter(),
            &mut Additional { records: additional.collect(), limit },
            edns.as_ref(),
            None,
            &mut encoder,
        );
        // Of a record that did not fit, octets are left behind.
        encoder.trim();
        debug_assert!(written.is_ok(), "a question always fits: {written:?}");
        octets
    }
}

impl Sections {
    /// No records, and who says so.
    pub(crate) fn negative(aliases: Vec<Record>, soa: Soa) -> Self {
        Self { aliases, authority: Some(soa), ..Self::default() }
    }
}

impl EmitAndCount for Additional {
    fn emit(&mut self, encoder: &mut BinEncoder<'_>) -> Result<usize, ProtoError> {
        let written = match encoder.emit_all(self.records.iter()) {
            Err(ProtoError::NotAllRecordsWritten { count, .. }) => count,
            written => written?,
        };
        encoder.trim();
        encoder.set_max_size(self.limit);
        Ok(written)
    }
}

impl Body {
    /// What follows the header of a packet. Options are not ours to read: one that is not written as we know it is like one
    /// that we do not know (RFC 6891 6.1.2).
    fn of(packet: &[u8]) -> Option<Self> {
        Self::read(packet).ok().or_else(|| Self::read(&with_unknown_options(packet)?).ok())
    }

    fn read(packet: &[u8]) -> Result<Self, ProtoError> {
        let decoder = &mut BinDecoder::new(packet);
        let Header { metadata: Metadata { op_code: operation, .. }, counts } = Header::read(decoder)?;
        let mut queries = Message::read_queries(decoder, counts.queries.into())?;
        let question_end = decoder.index();
        Message::read_records(decoder, counts.answers.into(), false, operation)?;
        Message::read_records(decoder, counts.authorities.into(), false, operation)?;
        let (_, edns, _) = Message::read_records(decoder, counts.additionals.into(), true, operation)?;
        // RFC 9619: a request has one question. It is echoed and relayed octet by octet, so it must not be compressed:
        // there is nothing before it to point to but the header.
        let in_full = |query: &Query| HEADER + query.name.iter().map(|label| label.len() + 1).sum::<usize>() + 5;
        let query = queries.pop().filter(|query| queries.is_empty() && in_full(query) == question_end);
        Ok(Self { query, question_end, end: decoder.index(), edns })
    }
}

fn question(query: &Query) -> Option<Question> {
    let name = QuestionName::from_labels(query.name.iter())?;
    Some(Question { name, kind: Kind(query.query_type.into()) })
}

/// Our side of EDNS (RFC 6891 6.2): version 0, our size, DO as it came; options and unknown flags are not repeated.
pub(crate) fn response_edns(request: &Edns) -> Edns {
    let mut edns = Edns::new();
    edns.set_max_payload(MAX_UDP).set_version(0).set_dnssec_ok(request.flags().dnssec_ok);
    edns
}

/// The same as it is written.
pub(crate) fn opt_of_ours(dnssec_ok: bool) -> [u8; 11] {
    let [high, low] = MAX_UDP.to_be_bytes();
    [0, 0, 41, high, low, 0, 0, if dnssec_ok { 0x80 } else { 0 }, 0, 0, 0]
}

fn encodable(owner: rr::Name, record: &Record) -> rr::Record {
    let data = match &record.data {
        Data::A(v4) => RData::A((*v4).into()),
        Data::Aaaa(v6) => RData::AAAA((*v6).into()),
        Data::Ptr(name) => RData::PTR(PTR(wire_name(name))),
        Data::Cname(name) => RData::CNAME(CNAME(wire_name(name))),
        Data::Srv(srv) => RData::SRV(SRV::new(0, 0, srv.port, wire_name(&srv.target))),
        Data::Txt(text) => RData::TXT(TXT::from_bytes(vec![text.octets()])),
        Data::Soa(soa) => RData::SOA(start_of_authority(soa)),
        Data::NotAny => RData::HINFO(HINFO::new("RFC8482".into(), String::new())),
    };
    rr::Record::from_rdata(owner, record.ttl.min(MAX_TTL), data)
}

/// Names of server and mailbox as RFC 6303 3 gives them to zones that are served locally. Nobody transfers our zones,
/// so of the intervals only the last counts: how long a negative answer is kept (RFC 2308 5).
fn start_of_authority(soa: &Soa) -> rdata::SOA {
    let mailbox = rr::Name::from_labels(["nobody", "invalid"]).unwrap_or_default();
    rdata::SOA::new(wire_name(&soa.owner), mailbox, soa.serial, INTERVAL, INTERVAL, INTERVAL, soa.ttl)
}

fn wire_name(name: &Name) -> rr::Name {
    rr::Name::from_labels(name.labels()).unwrap_or_default()
}
