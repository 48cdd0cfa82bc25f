use super::*;
use crate::response::Response;

const QUESTION: &[u8] = b"\x03www\x07example\0\0\x01\0\x01";
const OPT: &[u8] = b"\0\0\x29\x04\xd0\0\0\0\0\0\0";

/// A request with OPT.
fn forward() -> Forward {
    let request = [&[0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1][..], QUESTION, OPT].concat();
    let question_end = request.len() - OPT.len();
    Forward { upstreams: Upstreams::Host, question_end, request, limit: 512, edns: Some(false), alias: None }
}

#[test]
fn a_failure_says_whether_nobody_answered_or_nobody_could_be_asked() {
    let forward = forward();
    for (is_ours, code) in [(false, 22), (true, 23)] {
        let Reply::Failed(octets) = reply(Landed::Failure { said: None, is_ours }, None, &forward) else {
            panic!("it is a failure")
        };
        let (start, option) = octets.split_at(forward.failure().len() - 2);
        assert_eq!((start, option), (&forward.failure()[..start.len()], &[0, 6, 0, 15, 0, 2, 0, code][..]));
    }
}

#[test]
fn what_an_upstream_says_of_its_failure_is_passed_on_as_it_is() {
    let forward = forward();
    let said = [&[0, 1, 0x81, 0x82, 0, 1, 0, 0, 0, 0, 0, 1][..], QUESTION, OPT].concat();
    let said = Response::matching(&said, [0, 1], &Query::relayed(&forward)).map(Arc::new);
    assert!(said.is_some());
    let failed = reply(Landed::Failure { said, is_ours: false }, None, &forward);
    assert_eq!(failed, Reply::Failed(forward.failure()));
}
