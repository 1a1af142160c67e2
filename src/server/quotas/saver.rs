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
    logged: Option<Instant>,
    /// The day for which periods that are over were removed.
    cleaned: Option<QuotaPeriod>,
}

impl Saver {
    pub(super) fn new(store: Arc<dyn QuotaStore>, failures: SaveFailures) -> Saver {
        Saver { store, kept: Vec::new(), failures, logged: None, cleaned: None }
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
        if self.logged.take().is_some() {
            tracing::warn!("the counts of quotas are stored again");
        }
    }

    fn note_failure(&mut self, error: &BoxError) {
        self.failures.add();
        if self.logged.is_none_or(|logged| logged.elapsed() >= INTERVAL) {
            self.logged = Some(Instant::now());
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::service::args::Args;
    use crate::service::layer::layered;
    use crate::service::local::Local;
    use crate::service::quota::{MemoryQuotaStore, QuotaLimit, QuotaOptions, StoredCount};
    use crate::service::{Call, Context, MaybeReady, RpcService};

    /// A group with a quota of ten calls a month.
    struct Limited {
        service: Arc<dyn RpcService>,
        counts: Arc<QuotaCounts>,
    }

    impl Limited {
        fn new() -> Limited {
            let options = QuotaOptions { calls: "10/month".parse().ok(), ..QuotaOptions::default() };
            let limit = QuotaLimit::new("/x", options).unwrap();
            let counts = limit.counts().clone();
            let service = Local::new("X", ()).method("get", |(): &(), (): ()| 1).build().unwrap();
            Limited { service: layered(Arc::new(service), limit), counts }
        }

        fn passed(&self, calls: usize) -> usize {
            let context = Context::default();
            let call = || self.service.call(Call::new("get", Args::None, &context));
            (0..calls).filter(|_| matches!(call(), MaybeReady::Now(Some(Ok(_))))).count()
        }
    }

    /// A store that fails as often as it has to.
    #[derive(Default)]
    struct Failing {
        store: MemoryQuotaStore,
        /// `true` for a panic.
        failures: Mutex<Vec<bool>>,
    }

    impl QuotaStore for Failing {
        fn load(&self, scope: &str, each: &mut dyn FnMut(StoredCount)) -> Result<(), BoxError> {
            self.store.load(scope, each)
        }

        fn save(&self, changes: &mut [QuotaChanges]) -> Result<(), BoxError> {
            let failure = self.failures.lock().unwrap().pop();
            match failure {
                Some(true) => panic!("on purpose"),
                Some(false) => Err("the disk is full".into()),
                None => self.store.save(changes),
            }
        }

        fn remove(&self, is_over: &dyn Fn(QuotaPeriod) -> bool) -> Result<(), BoxError> {
            self.store.remove(is_over)
        }
    }

    fn saver(store: &Arc<Failing>) -> (Saver, SaveFailures) {
        let failures = SaveFailures::default();
        (Saver::new(store.clone(), failures.clone()), failures)
    }

    fn stored(store: &Failing) -> u64 {
        let mut sum = 0;
        store.load("/x month client", &mut |count| sum += count.calls).unwrap();
        sum
    }

    #[test]
    fn counts_are_stored_and_loaded_and_go_with_their_month() {
        let (store, now) = (Arc::new(Failing::default()), SystemTime::now());
        let (mut first, before) = (saver(&store).0, Limited::new());
        first.follow(vec![before.counts.clone()], now).unwrap();
        assert_eq!(before.passed(7), 7);
        assert!(first.save(now));
        assert_eq!((stored(&store), before.passed(1)), (7, 1));

        let (mut second, after) = (saver(&store).0, Limited::new());
        second.follow(vec![after.counts.clone()], now).unwrap();
        assert_eq!(after.passed(9), 3);
        // Both share the store, and each learns of the calls of the other.
        assert!(second.save(now) && first.save(now));
        assert_eq!((stored(&store), before.passed(9)), (11, 0));

        let next = now + Duration::from_secs(32 * 24 * 60 * 60);
        assert!(second.save(next));
        assert_eq!(stored(&store), 0);
    }

    #[test]
    fn what_cannot_be_stored_is_stored_later_and_fails_no_call() {
        let (store, now) = (Arc::new(Failing::default()), SystemTime::now());
        let ((mut saver, failures), limited) = (saver(&store), Limited::new());
        saver.follow(vec![limited.counts.clone()], now).unwrap();
        *store.failures.lock().unwrap() = vec![true, false];
        for (failed, count) in [(1, 0), (2, 0), (2, 3)] {
            assert_eq!(limited.passed(1), 1);
            assert_eq!(saver.save(now), count > 0);
            assert_eq!((failures.count(), stored(&store)), (failed, count));
        }
    }

    #[test]
    fn a_group_that_is_gone_is_forgotten_once_it_is_stored() {
        let (store, now) = (Arc::new(Failing::default()), SystemTime::now());
        let ((mut saver, _), limited) = (saver(&store), Limited::new());
        saver.follow(vec![limited.counts.clone()], now).unwrap();
        assert_eq!(limited.passed(4), 4);
        drop(limited);
        *store.failures.lock().unwrap() = vec![false];
        assert!(!saver.save(now));
        assert_eq!((saver.kept.len(), stored(&store)), (1, 0));
        // It comes back before that.
        let again = Limited::new();
        saver.follow(vec![again.counts.clone()], now).unwrap();
        assert_eq!((saver.kept.len(), again.passed(10)), (1, 6));
    }

    #[test]
    fn periods_that_are_over_are_removed_once_a_day() {
        let store = Arc::new(Failing::default());
        let mut saver = saver(&store).0;
        for seconds in [0, 10] {
            saver.save(UNIX_EPOCH + Duration::from_secs(seconds));
            assert_eq!(saver.cleaned.map(|day| day.number), Some(0));
        }
        saver.save(UNIX_EPOCH + Duration::from_secs(24 * 60 * 60));
        assert_eq!(saver.cleaned.map(|day| day.number), Some(1));
    }
}
