//! Messages in a TCP stream: two octets of length before each (RFC 1035 4.2.2).

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Reads one message after the other.
#[derive(Debug)]
pub(crate) struct Frames {
    max: usize,
    buffer: Vec<u8>,
}

impl Frames {
    /// Takes messages of at most `max` octets.
    pub(crate) fn new(max: usize) -> Self {
        Self { max, buffer: Vec::with_capacity(512) }
    }

    /// The next message; none at the end of the stream, and when it comes to a length that is zero or too large, after
    /// which nothing can be made of the rest. What was read stays when the call is cancelled.
    pub(crate) async fn next(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some((&length, rest)) = self.buffer.split_first_chunk::<2>() {
                let length = usize::from(u16::from_be_bytes(length));
                if length == 0 || length > self.max {
                    return Ok(None);
                }
                if let Some((message, rest)) = rest.split_at_checked(length) {
                    let message = message.to_vec();
                    self.buffer = rest.to_vec();
                    return Ok(Some(message));
                }
            }
            if stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }
}

/// Writes a message, in one piece: a length that travels alone costs a round trip with some clients (RFC 7766 8).
pub(crate) async fn write(stream: &mut (impl AsyncWrite + Unpin), message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    stream.write_all(&[&length.to_be_bytes(), message].concat()).await
}
