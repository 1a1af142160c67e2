//! The addresses of upstreams whose URLs have names.
//!
//! ```text
//! ResolvedName::connect
//!   answer.rs   what is known of the name: the addresses are used until their time (TTL) is over, within bounds
//!   dns.rs      looks the name up, in /etc/hosts and at the DNS servers
//!   search.rs   which names that are, by the search domains of the system
//!   dial.rs     connects to one of the addresses (RFC 8305)
//! ```
//!
//! One lookup of a name runs at a time, in a task of its own, so that a request that is given up does not end it. As long as the DNS
//! servers fail, the last good answer is used (RFC 8767).

mod answer;
mod dial;
mod dns;
mod search;

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use answer::{Decision, KnownAnswer, Outcome};
use dns::{Dns, Family};

/// How long a lookup is waited for if there is a last good answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long the other family of addresses is waited for when one is known (RFC 8305, section 3).
const RESOLUTION_DELAY: Duration = Duration::from_millis(50);

/// How names of upstream servers are looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsOptions {
    /// The DNS servers. If there are none, those of the system.
    pub servers: Vec<SocketAddr>,
    /// How long each answer is kept at least (1 s by default). After a lookup without an answer, the next one is made after this time.
    pub min_ttl: Duration,
    /// How long an answer is kept at most (5 min by default).
    pub max_ttl: Duration,
    /// How long the answer that a name has no addresses is kept at most (5 s by default).
    pub negative_ttl: Duration,
}

impl Default for DnsOptions {
    fn default() -> Self {
        DnsOptions {
            servers: Vec::new(),
            min_ttl: Duration::from_secs(1),
            max_ttl: Duration::from_secs(300),
            negative_ttl: Duration::from_secs(5),
        }
    }
}

/// The name of a server, with what is known of its addresses.
pub(super) struct ResolvedName(Arc<NameState>);

struct NameState {
    name: String,
    dns: Dns,
    known: Mutex<Known>,
    /// How many answers there have been.
    answers: watch::Sender<u64>,
    /// How many connections have been opened.
    turn: AtomicUsize,
}

struct Known {
    answer: KnownAnswer,
    is_looked_up: bool,
    /// Whether the last lookup has failed.
    has_failed: bool,
}

impl ResolvedName {
    pub(super) fn new(name: &str, options: &DnsOptions) -> ResolvedName {
        let known = Known { answer: KnownAnswer::new(), is_looked_up: false, has_failed: false };
        ResolvedName(Arc::new(NameState {
            name: name.to_owned(),
            dns: Dns::new(options.clone()),
            known: Mutex::new(known),
            answers: watch::Sender::new(0),
            turn: AtomicUsize::new(0),
        }))
    }

    /// Connects to one of the addresses.
    ///
    /// # Errors
    /// If there are none, or none accepts a connection.
    pub(super) async fn connect(&self, port: u16) -> io::Result<TcpStream> {
        let addresses = self.addresses().await?;
        let turn = self.0.turn.fetch_add(1, Relaxed);
        dial::connect(dial::order(&addresses, turn), port).await
    }

    /// The addresses: those that are known, or those that a lookup finds.
    async fn addresses(&self) -> io::Result<Arc<[IpAddr]>> {
        let mut answers = self.0.answers.subscribe();
        let error = |reason: Arc<str>| io::Error::other(format!("{}: {reason}", self.0.name));
        match self.0.decide() {
            Decision::Use(addresses) => return Ok(addresses),
            Decision::Refuse(reason) => return Err(error(reason)),
            // The sender is in this name, so waiting does not fail.
            Decision::LookUp { last: None } => drop(answers.changed().await),
            Decision::LookUp { last: Some(last) } => {
                if timeout(PATIENCE, answers.changed()).await.is_err() {
                    return Ok(last);
                }
            }
        }
        // What has just been found counts for this request, even if it may not be kept.
        let latest = self.0.lock().answer.latest();
        latest.map_err(error)
    }
}

impl NameState {
    /// What a request does now. Begins a lookup if one is needed and none runs.
    fn decide(self: &Arc<Self>) -> Decision {
        let mut known = self.lock();
        let decision = known.answer.decide(Instant::now());
        if matches!(decision, Decision::LookUp { .. }) && !std::mem::replace(&mut known.is_looked_up, true) {
            let lookup = Lookup(self.clone());
            tokio::spawn(async move { lookup.run().await });
        }
        decision
    }

    fn note(&self, outcome: Outcome) {
        let mut known = self.lock();
        let has_failed = matches!(outcome, Outcome::Failed { .. });
        let name = self.name.as_str();
        match (&outcome, std::mem::replace(&mut known.has_failed, has_failed)) {
            (Outcome::Failed { reason }, false) => {
                tracing::warn!(name, %reason, "the name of an upstream server cannot be looked up");
            }
            (_, true) if !has_failed => tracing::info!(name, "the name of an upstream server can be looked up again"),
            _ => {}
        }
        if known.answer.note(outcome, Instant::now(), &self.dns.options) {
            tracing::debug!(name, answer = ?known.answer, "the addresses of an upstream server have changed");
        }
        drop(known);
        self.answers.send_modify(|count| *count += 1);
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A lookup that runs. When it ends, whatever the reason, another one may begin.
struct Lookup(Arc<NameState>);

impl Lookup {
    /// Looks up both families. What one has found is known soon, even if the other takes long.
    async fn run(self) {
        let NameState { name, dns, .. } = &*self.0;
        let (v4, v6) = (dns.look_up(name, Family::V4), dns.look_up(name, Family::V6));
        tokio::pin!(v4, v6);
        let (first, second) = tokio::select! {
            first = &mut v4 => (first, v6),
            first = &mut v6 => (first, v4),
        };
        self.join(first, second).await;
    }

    async fn join(&self, first: Outcome, second: std::pin::Pin<&mut (impl Future<Output = Outcome> + ?Sized)>) {
        let mut second = second;
        let both = match (&first, timeout(RESOLUTION_DELAY, second.as_mut()).await) {
            (_, Ok(second)) => first.with(second),
            (Outcome::Found { .. }, Err(_)) => {
                self.0.note(first.clone());
                first.with(second.await)
            }
            (_, Err(_)) => first.with(second.await),
        };
        self.0.note(both);
    }
}

impl Drop for Lookup {
    fn drop(&mut self) {
        self.0.lock().is_looked_up = false;
        // If the runtime of the task has ended, those who wait on another one begin a lookup of their own.
        self.0.answers.send_modify(|count| *count += 1);
    }
}

impl fmt::Debug for ResolvedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ResolvedName").field(&self.0.name).finish()
    }
}
