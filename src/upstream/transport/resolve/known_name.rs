//! A name, and what is known of its records of one kind.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::answer::{Decision, KnownAnswer, LookupResult};
use super::dns::Dns;
use crate::service::lock::lock;

/// How long a lookup is waited for if there is a last good answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// A record of a name.
pub(in super::super) trait Record: Clone + Ord + fmt::Debug + Send + Sync + 'static {
    /// Says that a name has no such records.
    const ABSENT: &'static str;

    /// Looks the records of a name up. A part of them may be noted before all are known.
    fn look_up(name: &KnownName<Self>) -> impl Future<Output = LookupResult<Self>> + Send;
}

/// A name, with what is known of its records.
pub(in super::super) struct KnownName<R> {
    name: String,
    dns: Arc<Dns>,
    known: Mutex<Known<R>>,
    /// How many answers there have been.
    answers: watch::Sender<u64>,
}

struct Known<R> {
    answer: KnownAnswer<R>,
    is_looked_up: bool,
    /// Whether the last lookup has failed.
    has_failed: bool,
}

impl<R: Record> KnownName<R> {
    pub(in super::super) fn new(name: &str, dns: Arc<Dns>) -> Arc<KnownName<R>> {
        let known = Known { answer: KnownAnswer::new(R::ABSENT), is_looked_up: false, has_failed: false };
        Arc::new(KnownName { name: name.to_owned(), dns, known: Mutex::new(known), answers: watch::Sender::new(0) })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn dns(&self) -> &Dns {
        &self.dns
    }

    /// The records: those that are known, or those that a lookup finds. Records whose time has been over for less than `stale` are
    /// used while they are looked up.
    ///
    /// # Errors
    /// If there are none, or none are known and the DNS servers fail.
    pub(in super::super) async fn records(self: &Arc<Self>, stale: Duration) -> io::Result<Arc<[R]>> {
        let mut answers = self.answers.subscribe();
        let error = |reason: Arc<str>| io::Error::other(format!("{}: {reason}", self.name));
        match self.decide() {
            (Decision::Use(records), _) => return Ok(records),
            (Decision::Refuse(reason), _) => return Err(error(reason)),
            // The sender is in this name, so waiting does not fail.
            (Decision::LookUp { last: None }, _) => drop(answers.changed().await),
            (Decision::LookUp { last: Some(last) }, overdue) if overdue < stale => return Ok(last),
            (Decision::LookUp { last: Some(last) }, _) => {
                if timeout(PATIENCE, answers.changed()).await.is_err() {
                    return Ok(last);
                }
            }
        }
        // What has just been found counts for this request, even if it may not be kept.
        let latest = lock(&self.known).answer.latest();
        latest.map_err(error)
    }

    /// What a request does now, and for how long the time of the answer has been over. Begins a lookup if one is needed and none runs.
    fn decide(self: &Arc<Self>) -> (Decision<R>, Duration) {
        let mut known = lock(&self.known);
        let now = Instant::now();
        let decision = known.answer.decide(now);
        let overdue = known.answer.overdue(now);
        if matches!(decision, Decision::LookUp { .. }) && !std::mem::replace(&mut known.is_looked_up, true) {
            let lookup = RunningLookup(self.clone());
            tokio::spawn(async move { lookup.0.note(R::look_up(&lookup.0).await) });
        }
        (decision, overdue)
    }

    pub(super) fn note(&self, outcome: LookupResult<R>) {
        let mut known = lock(&self.known);
        let has_failed = matches!(outcome, LookupResult::Failed { .. });
        let name = self.name.as_str();
        match (&outcome, std::mem::replace(&mut known.has_failed, has_failed)) {
            (LookupResult::Failed { reason }, false) => {
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
}

/// A lookup that runs. When it ends, whatever the reason, another one may begin.
struct RunningLookup<R>(Arc<KnownName<R>>);

impl<R> Drop for RunningLookup<R> {
    fn drop(&mut self) {
        lock(&self.0.known).is_looked_up = false;
        // If the runtime of the task has ended, those who wait on another one begin a lookup of their own.
        self.0.answers.send_modify(|count| *count += 1);
    }
}

impl<R> fmt::Debug for KnownName<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KnownName").field(&self.name).finish()
    }
}
