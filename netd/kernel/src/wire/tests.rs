use super::{
    Body, HEADER, NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_REQUEST, NLMSG_ERROR, Requests,
    answer::{Attributes, Message, Messages, text},
    socket::Refusal,
};
use rustix::io::Errno;

fn written(write: impl FnOnce(&mut Body<'_>)) -> Vec<u8> {
    let mut requests = Requests::new();
    requests.push(16, 0, write);
    requests.numbered(7, 0..1).to_vec()
}

fn messages(bytes: &[u8]) -> Vec<Message<'_>> {
    Messages(bytes).collect()
}

#[test]
fn requests_are_read_as_they_were_written() {
    let mut requests = Requests::new();
    requests.push(16, 0x400, |body| {
        body.fixed(&[1, 2, 3, 4]).text(3, "eth0").u8(4, 1).nest(18, |body| {
            body.u32(5, 0x0102_0304);
        });
    });
    requests.push_forgiving(17, 0, &[Errno::NODEV], |_| {});
    requests.acknowledge(1);
    let bytes = requests.numbered(7, 0..2).to_vec();
    let [first, second] = messages(&bytes)[..] else { panic!("two messages") };
    assert_eq!((first.kind, first.flags, first.sequence), (16, NLM_F_REQUEST | 0x400, 7));
    assert_eq!((second.kind, second.flags, second.sequence), (17, NLM_F_REQUEST | NLM_F_ACK, 8));
    let attributes = Attributes::after(first.body, 4);
    assert_eq!(attributes.find(3).and_then(text), Some("eth0"));
    assert_eq!(attributes.find(4).and_then(super::u8_of), Some(1));
    let nested = attributes.find(18).map(Attributes::of).and_then(|nested| nested.find(5));
    assert_eq!(nested.and_then(super::u32_of), Some(0x0102_0304));
    assert_eq!(attributes.find(6), None);
    assert!(requests.forgives(1, Errno::NODEV) && !requests.forgives(0, Errno::NODEV));
    assert_eq!(requests.numbered(7, 1..2), &bytes[bytes.len() - HEADER..]);
}

#[test]
fn attributes_start_at_multiples_of_four() {
    let bytes = written(|body| {
        body.fixed(&[9]).text(1, "a").bytes(2, &[1, 2, 3, 4, 5]).u8(3, 1);
    });
    assert_eq!(bytes.len() % 4, 0);
    let kinds: Vec<u16> = Attributes::after(&bytes[HEADER..], 1).map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [1, 2, 3]);
}

#[test]
fn a_value_that_no_attribute_can_hold_does_not_reach_the_next() {
    let long = "a".repeat(100_000);
    let bytes = written(|body| {
        body.text(20, &long).bytes(21, long.as_bytes()).u8(4, 1);
    });
    let lengths: Vec<(u16, usize)> =
        Attributes::of(&bytes[HEADER..]).map(|(kind, value)| (kind, value.len())).collect();
    assert_eq!(lengths, [(20, 65_528), (21, 65_527), (4, 1)]);
}

#[test]
fn bytes_from_outside_end_where_they_make_no_sense() {
    let whole = written(|body| {
        body.text(3, "eth0").nest(18, |body| {
            body.u32(5, 1);
        });
    });
    for end in 0..whole.len() {
        assert!(messages(&whole[..end]).is_empty());
        assert!(Attributes::of(&whole[HEADER.min(end)..end]).count() <= 2);
    }
    for (at, byte) in (0..whole.len()).flat_map(|at| [0, 1, 3, 0xff].map(|byte| (at, byte))) {
        let mut broken = whole.clone();
        broken[at] = byte;
        for message in messages(&broken) {
            assert!(Attributes::of(message.body).count() <= broken.len());
        }
    }
}

#[test]
fn a_refusal_is_read_with_the_kernels_words() {
    let request = written(|body| {
        body.u32(5, 1);
    });
    let words = written(|body| {
        body.text(1, "Nexthop has invalid gateway");
    });
    let refusal = |flags, refused: &[u8]| {
        let body = [&[0; 4], refused, &words[HEADER..]].concat();
        Refusal::of(-101, &Message { kind: NLMSG_ERROR, flags, sequence: 1, body: &body })
    };
    let expected = Refusal { errno: Errno::NETUNREACH, said: "Nexthop has invalid gateway".to_owned() };
    assert_eq!(refusal(NLM_F_ACK_TLVS, &request), expected);
    assert_eq!(refusal(NLM_F_ACK_TLVS | NLM_F_CAPPED, &request[..HEADER]), expected);
    assert_eq!(refusal(0, &request).said, "");
    for end in 0..HEADER {
        assert_eq!(refusal(NLM_F_ACK_TLVS, &request[..end]).errno, Errno::NETUNREACH);
    }
}
