//! A request in flight: what it holds from its head until its response has been sent.

use std::net::SocketAddr;
use std::sync::Arc;

use http::Version;

use super::access_log::{AccessLine, AccessLog};
use super::activity::{Activity, Stream};
use super::clients::ClientAccount;
use super::gateway::Gateway;
use crate::http::audience::Audience;
use crate::service::counters::MeteredRequest;

/// What all connections share.
pub(super) struct ServerState {
    pub(super) gateway: Gateway,
    pub(super) log: Option<AccessLog>,
}

/// One connection, seen from its requests.
pub(super) struct Connection {
    pub(super) shared: Arc<ServerState>,
    pub(super) activity: Arc<Activity>,
    pub(super) client: Arc<ClientAccount>,
    pub(super) peer: Option<SocketAddr>,
    pub(super) audience: Option<Audience>,
}

/// A request that is being served. Dropping it ends it for its client's share and writes its access line.
pub(super) struct InFlight {
    pub(super) connection: Arc<Connection>,
    /// Whether the client had fewer requests than its share.
    pub(super) within_share: bool,
    /// The line for the access log.
    pub(super) line: Option<Box<AccessLine>>,
    /// The measurement of the request, once it has a response; `None` if nothing is counted.
    pub(super) metered: Option<MeteredRequest>,
    /// For HTTP/2: the activity of this stream.
    pub(super) stream: Option<Arc<Stream>>,
}

impl InFlight {
    pub(super) fn begin(connection: &Arc<Connection>, version: Version) -> InFlight {
        let multiplexed = version == Version::HTTP_2;
        connection.activity.begin(multiplexed);
        let stream = multiplexed.then(|| connection.activity.stream());
        let within_share = connection.client.begin_request();
        InFlight { connection: connection.clone(), within_share, line: None, metered: None, stream }
    }
}

impl Drop for InFlight {
    /// Also runs if the client leaves before the response: its request has an access line all the same.
    fn drop(&mut self) {
        let Connection { shared, activity, client, .. } = self.connection.as_ref();
        if let (Some(log), Some(line)) = (&shared.log, self.line.take()) {
            log.close(line);
        }
        client.end_request();
        activity.end();
    }
}
