//! Changes how many permits a semaphore has while permits are in use.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// Changes the number of all permits of a semaphore from `before` to `after`. Permits that are in use and too many are taken
/// away when they are given back; until then none is given out. Has to be called inside a tokio runtime.
pub(crate) fn resize(semaphore: &Arc<Semaphore>, before: usize, after: usize) {
    if let Some(more) = after.checked_sub(before) {
        semaphore.add_permits(more);
        return;
    }
    let surplus = before.saturating_sub(after);
    let mut in_use = surplus.saturating_sub(semaphore.forget_permits(surplus));
    if in_use == 0 {
        return;
    }
    let semaphore = semaphore.clone();
    tokio::spawn(async move {
        while in_use > 0 {
            let some = u32::try_from(in_use).unwrap_or(u32::MAX);
            // The semaphore is never closed.
            let Ok(permits) = semaphore.clone().acquire_many_owned(some).await else { return };
            permits.forget();
            in_use = in_use.saturating_sub(some as usize);
        }
    });
}

#[cfg(test)]
mod tests {
    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn permits_in_use_are_taken_away_when_they_come_back() {
        let semaphore = Arc::new(Semaphore::new(10));
        let mut held = Vec::new();
        for _ in 0..8 {
            held.push(semaphore.clone().acquire_owned().await.unwrap());
        }
        resize(&semaphore, 10, 5);
        yield_now().await;
        assert_eq!(semaphore.available_permits(), 0);
        held.truncate(5);
        yield_now().await;
        assert!(semaphore.try_acquire().is_err(), "5 are in use");
        held.pop();
        yield_now().await;
        assert_eq!(semaphore.available_permits(), 1);
        // Raised again while some are still to be taken away.
        resize(&semaphore, 5, 1);
        yield_now().await;
        resize(&semaphore, 1, 6);
        yield_now().await;
        assert_eq!(semaphore.available_permits(), 2);
        held.clear();
        assert_eq!(semaphore.available_permits(), 6);
    }
}
