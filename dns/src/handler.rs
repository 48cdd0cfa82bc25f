//! The service behind a server of hickory's, for the transports that we do not have: TLS, HTTPS, QUIC.
//!
//! Requests are its octets, so they go the way of all packets. Responses are messages to it, not octets: ours are read
//! back, and hickory writes them anew.

use async_trait::async_trait;
use fastrand::Rng;
use hickory_proto::op::{Header, HeaderCounts, Metadata, ResponseCode};
use hickory_server::net::NetError;
use hickory_server::net::runtime::Time;
use hickory_server::net::xfer::Protocol;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;

use crate::message::{Transport, response_edns};
use crate::service::{Arrival, Handled, Service, Since};

#[async_trait]
impl RequestHandler for Service {
    async fn handle_request<R: ResponseHandler, T: Time>(&self, request: &Request, client: R) -> ResponseInfo {
        let transport = if request.protocol() == Protocol::Udp { Transport::Udp } else { Transport::Tcp };
        // A socket for both families gives IPv4 addresses as mapped ones.
        let source = request.src().ip().to_canonical();
        let handled = {
            let since = Since::now();
            self.handle(Arrival { octets: request.as_slice(), source, transport, since: &since }, &mut Rng::new())
        };
        let sent = match handled {
            Handled::Silence => return unsent(request),
            Handled::Response(response) => send(response, request, client).await,
            Handled::Later(later) => send(later.await, request, client).await,
        };
        sent.unwrap_or_else(|error| {
            tracing::debug!(client = %request.src(), %error, "answer not sent");
            unsent(request)
        })
    }
}

/// Sends a response. One from an upstream that hickory cannot read is a failure of the upstream.
async fn send(
    response: Vec<u8>,
    request: &Request,
    mut client: impl ResponseHandler,
) -> Result<ResponseInfo, NetError> {
    let Ok(response) = Request::from_bytes(response, request.src(), request.protocol()) else {
        let edns = request.edns.as_ref().map(response_edns);
        let failure = MessageResponseBuilder::new(&request.queries, edns.as_ref());
        return client.send_response(failure.error_msg(&request.metadata, ResponseCode::ServFail)).await;
    };
    let message = MessageResponseBuilder::new(&response.queries, response.edns.as_ref()).build(
        response.metadata,
        &response.answers,
        &response.authorities,
        [],
        &response.additionals,
    );
    client.send_response(message).await
}

/// What hickory is told of a request that got no response.
fn unsent(request: &Request) -> ResponseInfo {
    let metadata = Metadata::response_from_request(&request.metadata);
    Header { metadata, counts: HeaderCounts::default() }.into()
}
