//! The servers of a transport: one, several among which `host_set.rs` chooses, or those that DNS says.

use std::sync::Arc;

use http::Response;
use tokio::time::Instant;

use super::address::Address;
#[cfg(feature = "server")]
use super::balancing::ProbeThresholds;
use super::body::Incoming;
use super::changing_servers;
use super::changing_servers::ChangingServers;
use super::error::TransportError;
use super::outgoing::OutgoingRequest;
use super::send_policy::SendPolicy;
#[cfg(feature = "server")]
use super::server::Server;
use super::server_set::{ServerReports, ServerSet, ServerSetup, WeightedAddress};
use super::tls::TlsError;
use super::{Repeat, TransportOptions};

/// The servers of a transport.
pub(super) struct Balancer {
    /// As they are configured.
    addresses: Box<[Address]>,
    servers: Servers,
    policy: Arc<SendPolicy>,
}

enum Servers {
    Fixed(ServerSet),
    Changing(Box<ChangingServers>),
}

impl Balancer {
    pub(super) fn new(addresses: Vec<Address>, options: TransportOptions) -> Result<Balancer, TlsError> {
        let setup = ServerSetup::new(&addresses, &options)?;
        let weights = options.weights.iter().copied().chain(std::iter::repeat(1));
        let weighted = addresses.iter().cloned().zip(weights);
        let weighted: Vec<WeightedAddress> =
            weighted.map(|(address, weight)| WeightedAddress { address, weight }).collect();
        let servers = if changing_servers::is_needed(&addresses, &options) {
            Servers::Changing(Box::new(ChangingServers::new(weighted, setup, &options)))
        } else {
            Servers::Fixed(ServerSet::new(&weighted, &setup, &options))
        };
        Ok(Balancer { addresses: addresses.into(), servers, policy: Arc::new(SendPolicy::new(options)) })
    }

    /// The addresses as they are configured.
    pub(super) fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.addresses.iter()
    }

    pub(super) fn options(&self) -> &TransportOptions {
        &self.policy.options
    }

    pub(super) fn policy(&self) -> &Arc<SendPolicy> {
        &self.policy
    }

    /// Uses the servers that are known without waiting.
    fn with_known<T>(&self, use_set: impl FnOnce(&ServerSet) -> T) -> T {
        match &self.servers {
            Servers::Fixed(set) => use_set(set),
            Servers::Changing(changing) => use_set(&changing.known()),
        }
    }

    /// The servers, with what is known of each from the requests to it.
    pub(super) fn reports(&self) -> ServerReports {
        self.with_known(ServerSet::reports)
    }

    /// How many requests were sent to a second host before the first had responded, and how many were refused because all hosts
    /// were busy.
    #[cfg(feature = "server")]
    pub(super) fn hedged_and_busy(&self) -> (u64, u64) {
        self.with_known(|set| set.host_set().map_or((0, 0), |host_set| (host_set.hedged(), host_set.busy())))
    }

    /// Goes on with the counts of another balancer to the same servers.
    pub(super) fn adopt_stats(&self, known: &Balancer) {
        self.with_known(|set| known.with_known(|known| set.adopt_stats(known)));
    }

    pub(super) async fn send(
        &self,
        request: OutgoingRequest,
        repeat: Repeat,
        deadline: Option<Instant>,
    ) -> Result<Response<Incoming>, TransportError> {
        match &self.servers {
            Servers::Fixed(set) => match set.only() {
                Some(only) => {
                    let sent = only.send(request, repeat, deadline, &self.policy, 0).await;
                    sent.map_err(|(error, _)| error)
                }
                // Boxed, because most upstreams are one server: the future of each of their requests would be as large.
                None => Box::pin(self.send_balanced(set, request, repeat, deadline)).await,
            },
            Servers::Changing(changing) => {
                Box::pin(async {
                    let set = changing.current(self.options()).await?;
                    self.send_balanced(&set, request, repeat, deadline).await
                })
                .await
            }
        }
    }

    /// Sends a request to one server, whether or not it gets others.
    #[cfg(feature = "server")]
    pub(super) async fn send_to(
        &self,
        server: &Arc<Server>,
        request: OutgoingRequest,
        deadline: Option<Instant>,
    ) -> Result<Response<Incoming>, TransportError> {
        let sent = server.send(request, Repeat::Unsent, deadline, &self.policy, 0).await;
        sent.map_err(|(error, _)| error)
    }

    /// The servers among which requests are balanced, as DNS has them; none if there is nothing to choose.
    #[cfg(feature = "server")]
    pub(super) async fn balanced_servers(&self) -> Vec<Arc<Server>> {
        let servers = |set: &ServerSet| set.host_set().map(|_| set.servers().to_vec()).unwrap_or_default();
        match &self.servers {
            Servers::Fixed(set) => servers(set),
            Servers::Changing(changing) => match changing.current(self.options()).await {
                Ok(set) => servers(&set),
                Err(_) => Vec::new(),
            },
        }
    }

    /// Whether the servers may become others.
    #[cfg(feature = "server")]
    pub(super) fn is_changing(&self) -> bool {
        matches!(self.servers, Servers::Changing(_))
    }

    /// Notes the result of a probe of a server.
    #[cfg(feature = "server")]
    pub(super) fn note_probe(&self, server: &Arc<Server>, error: Option<&str>, thresholds: ProbeThresholds) {
        self.with_known(|set| {
            let index = set.servers().iter().position(|other| Arc::ptr_eq(other, server));
            if let (Some(host_set), Some(index)) = (set.host_set(), index) {
                host_set.probed(index, error, thresholds);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::Receiver;

    use bytes::Bytes;
    use http::Request;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::service::request_record::RequestRecord;
    use crate::service::spans::{AttributeValue, RecordedTrace, Span, SpanKind, SpanQueue};
    use crate::service::trace_context::TraceContext;
    use crate::upstream::transport::Balance;

    #[tokio::test]
    async fn a_request_notes_the_servers_that_were_tried() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        });
        let addresses = [closed, open].map(|address| format!("http://{address}/").parse().unwrap());
        let in_turn = TransportOptions { balance: Balance::RoundRobin, ..TransportOptions::default() };
        let balancer = Balancer::new(addresses.to_vec(), in_turn).unwrap();
        let record = Arc::new(RequestRecord::new(false, None));
        let mut request = OutgoingRequest::new(Request::new(Bytes::new()));
        request.extensions_mut().insert(record.clone());
        balancer.send(request, Repeat::Unsent, None).await.unwrap();
        let noted = record.upstream().unwrap();
        assert_eq!((noted.servers, noted.retries), (vec![closed.to_string(), open.to_string()], 1));
    }

    /// What the spans say that wait in a queue: error, resend count and id, in the order of their ends.
    fn told(waiting: &Receiver<Box<Span>>) -> Vec<(Option<AttributeValue>, Option<AttributeValue>, u64)> {
        let attribute = |span: &Span, name: &str| {
            span.attributes.iter().find(|(found, _)| *found == name).map(|(_, value)| value.clone())
        };
        let spans = waiting.try_iter().map(|span| {
            assert_eq!(
                (span.kind, span.parent, span.failed),
                (SpanKind::Client, 9, attribute(&span, "error.type").is_some())
            );
            (attribute(&span, "error.type"), attribute(&span, "http.request.resend_count"), span.id)
        });
        spans.collect()
    }

    #[tokio::test]
    async fn each_attempt_has_a_span_that_its_server_is_told_of() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        let (tell, mut heads) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            // The second request over each connection breaks it.
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                for answered in [true, false] {
                    let mut head = vec![0; 1024];
                    let length = stream.read(&mut head).await.unwrap();
                    tell.send(String::from_utf8_lossy(&head[..length]).into_owned()).unwrap();
                    if answered {
                        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
                    }
                }
            }
        });
        let addresses = [closed, open].map(|address| format!("http://{address}/").parse().unwrap());
        let in_turn = TransportOptions { balance: Balance::RoundRobin, ..TransportOptions::default() };
        let balancer = Balancer::new(addresses.to_vec(), in_turn).unwrap();
        let (queue, waiting) = SpanQueue::new();
        let trace = Arc::new(RecordedTrace::new(Arc::new(TraceContext::begin(7, true)), 9, queue));
        let record = Arc::new(RequestRecord::new(false, Some(trace)));
        let mut request = OutgoingRequest::new(Request::new(Bytes::new()));
        request.extensions_mut().insert(record.clone());

        let response = balancer.send(request.clone(), Repeat::Harmless, None).await.unwrap();
        let first = told(&waiting);
        let [(Some(unreached), None, _), (None, Some(resent), id)] = first.as_slice() else { panic!("{first:?}") };
        assert_eq!((unreached, resent), (&"unreached".into(), &1_u32.into()));
        assert!(heads.recv().await.unwrap().contains(&format!("traceparent: 00-{:032x}-{id:016x}-03", 7)));
        response.into_body().collect(16).await.unwrap();

        balancer.send(request, Repeat::Harmless, None).await.unwrap();
        let second = told(&waiting);
        let [(Some(broken), None, first_id), (None, Some(resent), second_id)] = second.as_slice() else {
            panic!("{second:?}")
        };
        assert_eq!((broken, resent), (&"broken".into(), &1_u32.into()));
        for id in [first_id, second_id] {
            assert!(heads.recv().await.unwrap().contains(&format!("traceparent: 00-{:032x}-{id:016x}-03", 7)));
        }
    }
}
