//! Probes of the hosts of an upstream, true to its protocol: a call, a GET, or only a connection.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use serde_json::Value as Json;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use super::Upstream;
use super::health_options::{HealthOptions, Probe};
use super::transport::BalancedServer;
use super::transport::balancing::{ProbeThresholds, next_probe};
use super::version::Description;
use crate::model::fault::Fault;
use crate::protocol::Protocol;
use crate::protocol::client_codec::{CallTarget, ClientCodec, ResponseError};
use crate::protocol::mcp::client::message::MessageWriter;
use crate::service::args::{ArgValues, Args};
use crate::service::random::Random;
use crate::service::{Call, Context};

/// The largest response to a probe, in bytes.
const MAX_RESPONSE: usize = 1 << 20;
/// The method by which XML-RPC servers list their methods.
const LIST_METHODS: &str = "system.listMethods";
/// The method by which JSON-RPC servers describe themselves.
const DISCOVER: &str = "rpc.discover";

/// Why a probe has failed, for the log.
struct ProbeError(String);

impl<E: fmt::Display> From<E> for ProbeError {
    fn from(error: E) -> ProbeError {
        ProbeError(error.to_string())
    }
}

impl Upstream {
    /// Probes all hosts again and again, if the options say so and there are several. Never completes: drop it to end the probes.
    pub(super) async fn probe_hosts(&self) {
        let Some(options) = self.inner.options.health.clone().map(Arc::new) else {
            return std::future::pending().await;
        };
        let mut probing = JoinSet::new();
        let mut probed: Vec<(BalancedServer, AbortHandle)> = Vec::new();
        loop {
            let hosts = self.inner.transport.balanced_servers().await;
            let hosts = if hosts.len() > 1 { hosts } else { Vec::new() };
            probed.retain(|(host, task)| {
                let stays = hosts.iter().any(|other| other.is_same(host));
                if !stays {
                    task.abort();
                }
                stays
            });
            for host in hosts {
                if !probed.iter().any(|(other, _)| other.is_same(&host)) {
                    let task = probing.spawn(self.clone().probe_host(host.clone(), options.clone()));
                    probed.push((host, task));
                }
            }
            if !self.inner.transport.is_changing() {
                return std::future::pending().await;
            }
            // Those that were aborted are taken out.
            while probing.try_join_next().is_some() {}
            sleep(options.interval).await;
        }
    }

    async fn probe_host(self, host: BalancedServer, options: Arc<HealthOptions>) {
        let random = Random::new();
        let thresholds = ProbeThresholds { unhealthy: options.unhealthy, healthy: options.healthy };
        loop {
            let probed = match timeout(options.timeout, self.probe(&host, &options)).await {
                Ok(probed) => probed,
                Err(_) => Err(ProbeError(format!("no response within {:?}", options.timeout))),
            };
            let passed = match &probed {
                Ok(Some(())) => Some(None),
                Ok(None) => None,
                Err(ProbeError(error)) => Some(Some(error.as_str())),
            };
            if let Some(error) = passed {
                self.inner.transport.note_probe(&host, error, thresholds);
            }
            sleep(next_probe(options.interval, options.jitter, &random)).await;
        }
    }

    /// Sends one probe; `None` if it is not yet known how a call is written.
    async fn probe(&self, host: &BalancedServer, options: &HealthOptions) -> Result<Option<()>, ProbeError> {
        let deadline = Some((Instant::now() + options.timeout).into_std());
        match &options.probe {
            Probe::Connect => host.try_connect().await?,
            Probe::Get { path, status } => self.probe_by_get(host, path, *status, deadline).await?,
            Probe::Call { method, result } => return self.probe_by_call(host, method, result.as_ref(), deadline).await,
            Probe::Describe => match self.inner.options.protocol {
                Protocol::XmlRpc => return self.probe_by_question(host, LIST_METHODS, deadline).await,
                Protocol::JsonRpc => return self.probe_by_question(host, DISCOVER, deadline).await,
                Protocol::Mcp => return self.probe_by_tools(host, deadline).await,
                Protocol::Soap | Protocol::Rest | Protocol::Page => {
                    let path = self.inner.transport.path().split('?').next().unwrap_or_default();
                    self.probe_by_get(host, &format!("{path}?wsdl"), None, deadline).await?;
                }
            },
        }
        Ok(Some(()))
    }

    /// Asks for the first page of the list of tools.
    async fn probe_by_tools(
        &self,
        host: &BalancedServer,
        deadline: Option<std::time::Instant>,
    ) -> Result<Option<()>, ProbeError> {
        let description = self.description();
        let Some(ClientCodec::Mcp(codec)) = &description.codec else { return Ok(None) };
        let request = MessageWriter::new(codec.tools.era, "tools/list").into_request();
        let response = self.ask_host(host, request, deadline).await?;
        match codec.decode_message(&response) {
            Ok(_) | Err(ResponseError::Fault(_)) => Ok(Some(())),
            Err(error) => Err(error.into()),
        }
    }

    async fn probe_by_get(
        &self,
        host: &BalancedServer,
        path: &str,
        status: Option<StatusCode>,
        deadline: Option<std::time::Instant>,
    ) -> Result<(), ProbeError> {
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = path.parse()?;
        let response = self.inner.transport.exchange_with(host, request, MAX_RESPONSE, deadline).await?;
        let found = response.status();
        if status.map_or(found.is_success(), |status| status == found) { Ok(()) } else { Err(status_error(found)) }
    }

    async fn probe_by_call(
        &self,
        host: &BalancedServer,
        method: &str,
        expected: Option<&Json>,
        deadline: Option<std::time::Instant>,
    ) -> Result<Option<()>, ProbeError> {
        let description = self.description();
        let Some(codec) = &description.codec else { return Ok(None) };
        let request = self.probe_request(&description, codec, method).map_err(|fault| fault.message)?;
        let target = CallTarget::new(method, self.find(&description, method).ok().flatten());
        let response = self.ask_host(host, request, deadline).await?;
        let result = codec.decode_result(target, &response)?;
        match expected {
            Some(expected) if serde_json::to_value(result.as_ref())? != *expected => {
                Err(ProbeError(format!("the result of {method} is another than {expected}")))
            }
            _ => Ok(Some(())),
        }
    }

    fn probe_request(
        &self,
        description: &Description,
        codec: &ClientCodec,
        method: &str,
    ) -> Result<Request<Bytes>, Fault> {
        let context = Context::default();
        let call = Call::new(method, Args::None, &context);
        let (target, arguments) = self.prepare(description, &call)?;
        codec.encode_call(target, arguments)
    }

    async fn probe_by_question(
        &self,
        host: &BalancedServer,
        method: &str,
        deadline: Option<std::time::Instant>,
    ) -> Result<Option<()>, ProbeError> {
        let description = self.description();
        let Some(codec) = &description.codec else { return Ok(None) };
        let target = CallTarget::new(method, None);
        let request = codec.encode_call(target, ArgValues::default()).map_err(|fault| fault.message)?;
        let response = self.ask_host(host, request, deadline).await?;
        match codec.decode_result(target, &response) {
            Ok(_) | Err(ResponseError::Fault(_)) => Ok(Some(())),
            Err(error) => Err(error.into()),
        }
    }

    async fn ask_host(
        &self,
        host: &BalancedServer,
        mut request: Request<Bytes>,
        deadline: Option<std::time::Instant>,
    ) -> Result<Response<Bytes>, ProbeError> {
        if let Some(token) = &self.inner.options.forwarding.identity_token {
            token.apply_own_to(request.headers_mut());
        }
        Ok(self.inner.transport.exchange_with(host, request, MAX_RESPONSE, deadline).await?)
    }
}

fn status_error(status: StatusCode) -> ProbeError {
    ProbeError(format!("it responds with HTTP status {status}"))
}
