//! What dig(1) printed, as far as tests ask.

use crate::Outcome;

/// The answer to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// `NOERROR`, `NXDOMAIN`, `SERVFAIL`, ..; `silence` when nobody answered.
    pub status: String,
    /// Lines of the answer section: name, TTL, class, type, data.
    pub records: Vec<[String; 5]>,
}

impl Answer {
    pub(crate) fn parse(outcome: &Outcome) -> Self {
        let text = &outcome.stdout;
        let status = text.split("status: ").nth(1).and_then(|rest| rest.split(',').next());
        let section = text.split(";; ANSWER SECTION:\n").nth(1).unwrap_or_default();
        let lines = section.lines().take_while(|line| !line.is_empty());
        Self { status: status.unwrap_or("silence").to_owned(), records: lines.filter_map(record).collect() }
    }

    /// The data of its A and AAAA records, sorted.
    pub fn addresses(&self) -> Vec<String> {
        self.data(&["A", "AAAA"])
    }

    /// The data of its records of these types, sorted.
    pub fn data(&self, types: &[&str]) -> Vec<String> {
        let records = self.records.iter().filter(|record| types.contains(&&*record[3]));
        let mut data: Vec<String> = records.map(|record| record[4].clone()).collect();
        data.sort_unstable();
        data
    }
}

fn record(line: &str) -> Option<[String; 5]> {
    let mut rest = line;
    let mut word = || {
        let (word, after) = rest.trim_start().split_once(char::is_whitespace)?;
        rest = after;
        Some(word.to_owned())
    };
    let (name, ttl, class, kind) = (word()?, word()?, word()?, word()?);
    Some([name, ttl, class, kind, rest.trim().to_owned()])
}
