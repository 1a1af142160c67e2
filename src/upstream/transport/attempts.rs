//! The attempts to send a request to one of several hosts: to another if nothing was sent, again if that is of use and does no harm, and to a
//! second one beside the first if that takes long.

use std::pin::pin;
use std::sync::Arc;

use http::Response;
use tokio::time::{Instant, sleep, timeout};

use super::backoff;
use super::balancer::Balancer;
use super::balancing::NoHost;
use super::body::Incoming;
use super::error::{Failed, TransportError};
use super::host_options::BalanceKey;
use super::host_set::{HostSet, RunningRequest};
use super::noted_request::count_retry;
use super::outgoing::{OutgoingRequest, arriving};
use super::pending_outcome::{MayBeAnswer, PendingOutcome, is_failure};
use super::server_set::ServerSet;
use super::{Repeat, redirects};

/// How many hosts are tried for one request of which nothing was sent.
const MOST_HOSTS: usize = 8;

/// What a request needs on its way, whatever host it goes to.
struct Attempts<'b> {
    balancer: &'b Balancer,
    servers: &'b ServerSet,
    host_set: &'b Arc<HostSet>,
    key: Option<u64>,
    repeat: Repeat,
    deadline: Option<Instant>,
    /// The hosts that it was sent to.
    tried: Vec<usize>,
    /// How often it was sent, or may have been.
    sent: u32,
    /// How often a host was tried for it.
    tries: u32,
}

impl Balancer {
    /// Sends a request to one of the hosts, and to another if that is of use and does no harm.
    pub(super) async fn send_balanced(
        &self,
        servers: &ServerSet,
        request: OutgoingRequest,
        repeat: Repeat,
        deadline: Option<Instant>,
    ) -> Result<Response<Incoming>, TransportError> {
        let host_set = servers.host_set().ok_or_else(TransportError::no_server)?;
        let key = request.extensions().get::<BalanceKey>().map(|BalanceKey(key)| *key);
        // A body that arrives is there once only.
        let repeat = if arriving(&request).is_some() { Repeat::Unsent } else { repeat };
        let mut attempts =
            Attempts { balancer: self, servers, host_set, key, repeat, deadline, tried: Vec::new(), sent: 0, tries: 0 };
        attempts.run(request).await
    }
}

impl Attempts<'_> {
    async fn run(&mut self, request: OutgoingRequest) -> Result<Response<Incoming>, TransportError> {
        let mut unsent = request;
        // What the caller gets if the request cannot be sent again.
        let mut last: Option<Box<Result<Response<Incoming>, TransportError>>> = None;
        let mut is_permitted = false;
        loop {
            let running = match self.host_set.begin(self.key, &self.tried, self.until()).await {
                Ok(running) => running,
                Err(no_host) => {
                    let outcome = last.take().unwrap_or_else(|| Box::new(Err(no_room(no_host))));
                    let again = no_host == NoHost::AllTried && self.tries < self.host_set.attempts();
                    if !again || !(is_permitted || self.may_retry().await) {
                        return *outcome;
                    }
                    (self.tried, last, is_permitted) = (Vec::new(), Some(outcome), true);
                    continue;
                }
            };
            if let Some(Ok(response)) = last.take().map(|last| *last) {
                redirects::discard(response, self.deadline).await;
            }
            if self.tries > 0 {
                count_retry(&unsent);
            }
            self.tried.push(running.host());
            self.tries += 1;
            is_permitted = false;
            let copy = self.may_be_sent_again().then(|| unsent.clone());
            match self.send_hedged(running, unsent).await {
                Ok(mut response) => {
                    let copy = copy.filter(|copy| self.is_to_be_retried(&response, copy.extensions().get().copied()));
                    let Some(copy) = copy else { return Ok(response) };
                    if !self.may_retry().await {
                        return Ok(response);
                    }
                    // Its host has room again, which the request may need.
                    response.body_mut().end_running();
                    (unsent, last, is_permitted) = (copy, Some(Box::new(Ok(response))), true);
                }
                Err((error, Some(request))) if self.tried.len() < MOST_HOSTS => {
                    self.sent -= 1;
                    (unsent, last) = (request, Some(Box::new(Err(error))));
                }
                Err((error, None)) if !error.is_past_deadline() => match copy {
                    Some(copy) if self.may_retry().await => {
                        (unsent, last, is_permitted) = (copy, Some(Box::new(Err(error))), true);
                    }
                    _ => return Err(error),
                },
                Err((error, _)) => return Err(error),
            }
        }
    }

    /// Whether a response is to be replaced by that of another host, by its head: its status is one of the options, or says that the
    /// server has failed while the media type is not one of an answer. `may_be` is that of the request.
    fn is_to_be_retried(&self, response: &Response<Incoming>, may_be: Option<MayBeAnswer>) -> bool {
        let may_be_answer = || may_be.is_none_or(|MayBeAnswer(may_be)| may_be(response.headers()));
        self.balancer.options().retries.statuses.contains(&response.status())
            || is_failure(response.status()) && !may_be_answer()
    }

    /// Until when room on a host is waited for.
    fn until(&self) -> Instant {
        let longest = Instant::now() + self.balancer.options().connect;
        self.deadline.map_or(longest, |deadline| deadline.min(longest))
    }

    fn may_be_sent_again(&self) -> bool {
        self.repeat == Repeat::Harmless && self.sent + 1 < self.host_set.attempts()
    }

    /// Takes a retry from the budget and waits before it. Returns whether there is one, and time for it.
    async fn may_retry(&self) -> bool {
        let options = &self.balancer.options().retries;
        let number = self.tries.saturating_sub(1);
        let wait = backoff::wait(number, options.backoff, options.max_backoff, self.host_set.random());
        let is_in_time = self.deadline.is_none_or(|deadline| Instant::now() + wait < deadline);
        if !is_in_time || !self.balancer.policy().withdraw_retry() {
            return false;
        }
        sleep(wait).await;
        true
    }

    /// Sends a request to a host, and to a second one if the first takes long.
    async fn send_hedged(
        &mut self,
        running: RunningRequest,
        request: OutgoingRequest,
    ) -> Result<Response<Incoming>, Failed> {
        self.sent += 1;
        let resent = self.tries - 1;
        let hedge = self.balancer.options().hedge.filter(|_| self.repeat == Repeat::Harmless);
        let (Some(delay), true) = (self.host_set.hedge_delay(hedge), self.tried.len() < self.host_set.hosts()) else {
            return self.send_to(running, request, resent).await;
        };
        let copy = request.clone();
        let first_host = running.host();
        let mut first = pin!(self.send_to(running, request, resent));
        if let Ok(sent) = timeout(delay, first.as_mut()).await {
            return sent;
        }
        let tried = [self.tried.as_slice(), &[first_host]].concat();
        let second = match self.host_set.try_begin(self.key, &tried) {
            Ok(second) if self.balancer.policy().withdraw_retry() => second,
            _ => return first.await,
        };
        count_retry(&copy);
        self.host_set.count_hedged();
        let may_be = copy.extensions().get().copied();
        let is_answered = |sent: &Result<Response<Incoming>, Failed>| {
            sent.as_ref().is_ok_and(|response| !self.is_to_be_retried(response, may_be))
        };
        let mut second = pin!(self.send_to(second, copy, resent + 1));
        // The one that is not waited for any longer is dropped, which ends it.
        let (ended, other) = tokio::select! {
            sent = first.as_mut() => if is_answered(&sent) { return sent } else { (sent, second.await) },
            sent = second.as_mut() => if is_answered(&sent) { return sent } else { (sent, first.await) },
        };
        match (ended, other) {
            (_, Ok(response)) | (Ok(response), Err(_)) => Ok(response),
            // Both have failed: one of them may have been received.
            (Err(failed), Err((error, unsent))) => Err((error, unsent.filter(|_| failed.1.is_some()))),
        }
    }

    /// Sends a request to the host on which it has begun, and notes what its end tells of the host.
    async fn send_to(
        &self,
        mut running: RunningRequest,
        request: OutgoingRequest,
        resent: u32,
    ) -> Result<Response<Incoming>, Failed> {
        let Some(server) = self.servers.server(running.host()) else {
            return Err((TransportError::no_server(), None));
        };
        let body = arriving(&request);
        let sent = server.send(request, self.repeat, self.deadline, self.balancer.policy(), resent).await;
        match sent {
            Ok(mut response) => {
                running.responded();
                if is_failure(response.status()) {
                    PendingOutcome::on_decided(response.extensions_mut(), running.outcome());
                } else {
                    running.answered();
                }
                Ok(response.map(|body| body.running(running)))
            }
            // The client has broken off the request, and not the host.
            Err(failed) if body.is_some_and(|body| body.has_failed()) => Err(failed),
            Err((error, unsent)) => {
                if error.is_past_deadline() {
                    running.gave_up(self.balancer.options().connect);
                } else if error.has_refused_session() {
                    running.responded();
                    running.answered();
                } else {
                    running.failed(error.connected());
                }
                Err((error, unsent))
            }
        }
    }
}

fn no_room(no_host: NoHost) -> TransportError {
    match no_host {
        NoHost::AllTried => TransportError::no_server(),
        NoHost::Full => TransportError::busy(),
    }
}
