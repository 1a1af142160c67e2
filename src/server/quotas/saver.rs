//! The thread that stores the counts of quotas.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::oneshot;

use super::SaveFailures;
use crate::model::fault::BoxError;
use crate::service::quota::{PeriodUnit, QuotaChanges, QuotaCounts, QuotaPeriod, QuotaStore};

/// How often what has changed is stored.
const PERIOD: Duration = Duration::from_secs(1);
/// How often it is said that nothing can be stored.
const INTERVAL: Duration = Duration::from_secs(60);

/// What the thread is asked to do.
pub(super) enum Command {
    /// Load and keep these counts too.
    Follow(Vec<Arc<QuotaCounts>>, oneshot::Sender<Result<(), BoxError>>),
    /// Store all, and end.
    Stop(oneshot::Sender<bool>),
}

/// What the thread has.
pub(super) struct Saver {
    store: Arc<dyn QuotaStore>,
    kept: Vec<Arc<QuotaCounts>>,
    failures: SaveFailures,
    /// When it was last said that nothing can be stored; `None` if the last attempt has succeeded.
    told: Option<Instant>,
    /// The day for which periods that are over were removed.
    cleaned: Option<QuotaPeriod>,
}

impl Saver {
    pub(super) fn new(store: Arc<dyn QuotaStore>, failures: SaveFailures) -> Saver {
        Saver { store, kept: Vec::new(), failures, told: None, cleaned: None }
    }

    pub(super) fn run(mut self, commands: &Receiver<Command>) {
        loop {
            match commands.recv_timeout(PERIOD) {
                Ok(Command::Follow(counts, reply)) => {
                    // The one who has asked may not wait any more.
                    let _ = reply.send(self.follow(counts, SystemTime::now()));
                }
                Ok(Command::Stop(reply)) => {
                    let is_saved = self.save(SystemTime::now());
                    // A file is closed before the process may end.
                    drop(self);
                    let _ = reply.send(is_saved);
                    return;
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.save(SystemTime::now());
                }
                Err(RecvTimeoutError::Disconnected) => {
                    self.save(SystemTime::now());
                    return;
                }
            }
        }
    }

    /// Loads and keeps the counts that are new.
    fn follow(&mut self, counts: Vec<Arc<QuotaCounts>>, now: SystemTime) -> Result<(), BoxError> {
        // A group that was here before, and comes back, is loaded with what it has counted.
        self.save(now);
        for counts in counts {
            if self.kept.iter().any(|kept| Arc::ptr_eq(kept, &counts)) {
                continue;
            }
            let period = counts.unit().period_at(now);
            let load =
                |store: &dyn QuotaStore| store.load(counts.scope(), &mut |stored| counts.add_stored(stored, period));
            guarded(|| load(self.store.as_ref()))?;
            self.kept.push(counts);
        }
        Ok(())
    }

    /// Stores what has changed. Returns whether all of it is stored.
    fn save(&mut self, now: SystemTime) -> bool {
        // Nothing can be counted any more where this is the only owner. Counts that change later have another one still.
        let unused: Vec<_> = self.kept.iter().filter(|kept| Arc::strong_count(kept) == 1).map(Arc::as_ptr).collect();
        let (counts, sent): (Vec<_>, Vec<_>) =
            self.kept.iter().filter_map(|kept| Some((kept.clone(), kept.take_changes()?))).unzip();
        let saved = if sent.is_empty() { Ok(()) } else { self.save_changes(&counts, sent) };
        drop(counts);
        let is_saved = saved.is_ok();
        match saved.and_then(|()| self.clean(now)) {
            Ok(()) => self.note_success(),
            Err(error) => self.note_failure(&error),
        }
        if is_saved {
            self.kept.retain(|kept| !unused.contains(&Arc::as_ptr(kept)));
        }
        is_saved
    }

    fn save_changes(&self, counts: &[Arc<QuotaCounts>], sent: Vec<QuotaChanges>) -> Result<(), BoxError> {
        let mut stored = sent.clone();
        let saved = guarded(|| self.store.save(&mut stored));
        for ((counts, sent), stored) in counts.iter().zip(sent).zip(&stored) {
            match saved {
                Ok(()) => counts.note_stored(&sent, stored),
                Err(_) => counts.return_changes(sent),
            }
        }
        saved
    }

    /// Removes what is over, once a day.
    fn clean(&mut self, now: SystemTime) -> Result<(), BoxError> {
        let today = PeriodUnit::Day.period_at(now);
        if self.cleaned == Some(today) {
            return Ok(());
        }
        guarded(|| self.store.remove(&|period| period.number < period.unit.period_at(now).number))?;
        for kept in &self.kept {
            kept.remove_old(kept.unit().period_at(now));
        }
        self.cleaned = Some(today);
        Ok(())
    }

    fn note_success(&mut self) {
        if self.told.take().is_some() {
            tracing::warn!("the counts of quotas are stored again");
        }
    }

    fn note_failure(&mut self, error: &BoxError) {
        self.failures.add();
        if self.told.is_none_or(|told| told.elapsed() >= INTERVAL) {
            self.told = Some(Instant::now());
            tracing::error!(
                error = error.to_string(),
                "the counts of quotas cannot be stored; calls are served and counted, but a restart forgets what was \
                 counted since"
            );
        }
    }
}

/// Makes a panic of a store an error: it must not end the thread.
fn guarded(work: impl FnOnce() -> Result<(), BoxError>) -> Result<(), BoxError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err("the store has panicked".into()))
}
