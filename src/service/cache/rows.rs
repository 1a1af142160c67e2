//! Rows that are collected to be kept, and go on as rows if there are too many of them.

use std::collections::VecDeque;
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, Instant};

use crate::model::fault::{BoxError, Fault};
use crate::model::value::{SizeBudget, Value};
use crate::service::future::with_timeout;
use crate::service::result_memory::{ReservedMemory, SMALL};
use crate::service::rows::{end, separate};
use crate::service::{Encode, Format, Output, PORTION, RowSource, Rows, catch_panic};

/// For how long rows are waited for before they are passed on as they come.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
/// How many rows are read at a time, of those that are passed on.
const FEW: usize = 16;

/// Rows that were collected.
pub(super) enum Collected {
    /// All of them, with their size and the memory that is reserved for them.
    All(Value, usize, ReservedMemory),
    /// The rows as they came and come: they are too many, too slow, or there is no memory for them.
    Rest(Output),
}

/// Collects rows of at most `most` bytes.
///
/// # Errors
/// The fault in which the rows end.
pub(super) async fn collect(mut rows: Rows, most: usize, mut memory: ReservedMemory) -> Result<Collected, Fault> {
    let mut values = Vec::new();
    let (mut total, begun) = (0_usize, Instant::now());
    loop {
        let patience = PATIENCE.saturating_sub(begun.elapsed());
        match with_timeout(patience, rows.ready()).await {
            Some(ready) => ready?,
            None => return Ok(Collected::Rest(prefixed(values, rows, memory))),
        }
        let before = values.len();
        // A row above its budget would be an error, so the budget is one that no row exceeds; there are few at a time.
        let mut portion = SizeBudget::new(usize::MAX);
        let more = catch_panic(|| rows.values(&mut values, FEW, &mut portion))?;
        total = total.saturating_add(usize::MAX - portion.left());
        let fits = total <= most && (total <= SMALL || memory.try_extend_to(total.saturating_mul(2)));
        if !fits {
            return Ok(Collected::Rest(prefixed(values, rows, memory)));
        }
        if !more {
            return Ok(Collected::All(Value::Array(values), total, memory));
        }
        if values.len() == before || values.len() % PORTION < FEW {
            tokio::task::yield_now().await;
        }
    }
}

fn prefixed(first: Vec<Value>, rest: Rows, memory: ReservedMemory) -> Output {
    let rows = PrefixedRows { first: first.into(), rest, more: true, memory: Some(memory), is_first: true };
    Output::Many(Rows::new(rows))
}

/// Rows of which the first are values already. The others are read as values, too: a source is read in one way only.
struct PrefixedRows {
    first: VecDeque<Value>,
    rest: Rows,
    /// Whether `rest` may have further rows.
    more: bool,
    memory: Option<ReservedMemory>,
    is_first: bool,
}

impl PrefixedRows {
    /// The next row that is there; `None` if there is none.
    fn next(&mut self) -> Result<Option<Value>, BoxError> {
        if self.first.is_empty() && self.more {
            // What was reserved is of the rows that have been sent.
            self.memory = None;
            let mut values = Vec::new();
            self.more = self.rest.values(&mut values, FEW, &mut SizeBudget::new(usize::MAX))?;
            self.first = values.into();
        }
        Ok(self.first.pop_front())
    }

    fn has_more(&self) -> bool {
        self.more || !self.first.is_empty()
    }
}

impl RowSource for PrefixedRows {
    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), BoxError>> {
        if self.first.is_empty() && self.more { self.rest.poll_ready(cx) } else { Poll::Ready(Ok(())) }
    }

    fn fill(&mut self, format: Format<'_>, to: &mut Vec<u8>, until: usize) -> Result<bool, BoxError> {
        while to.len() < until {
            let Some(value) = self.next()? else { break };
            separate(format, to, &mut self.is_first);
            value.encode(format, to)?;
            end(format, to);
        }
        Ok(self.has_more())
    }

    fn values(&mut self, to: &mut Vec<Value>, most: usize, room: &mut SizeBudget) -> Result<bool, BoxError> {
        for _ in 0..most {
            let Some(value) = self.next()? else { break };
            to.push(Encode::value(&value, room)?);
        }
        Ok(self.has_more())
    }

    fn take_memory(&mut self) -> Option<ReservedMemory> {
        self.memory.take().or_else(|| self.rest.take_memory())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json::JsonDialect;
    use crate::service::rows::RowSet;

    /// Numbers, which are there from the second look on if they are slow.
    struct Numbers {
        next: i64,
        end: i64,
        is_slow: bool,
    }

    impl RowSource for Numbers {
        fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), BoxError>> {
            if self.is_slow && self.next == 40 { Poll::Pending } else { Poll::Ready(Ok(())) }
        }

        fn fill(&mut self, _: Format<'_>, _: &mut Vec<u8>, _: usize) -> Result<bool, BoxError> {
            Err("read in two ways".into())
        }

        fn values(&mut self, to: &mut Vec<Value>, most: usize, room: &mut SizeBudget) -> Result<bool, BoxError> {
            for _ in 0..most {
                if self.next == self.end {
                    return Ok(false);
                }
                to.push(Encode::value(&self.next, room)?);
                self.next += 1;
                if self.is_slow && self.next == 40 {
                    return Ok(true);
                }
            }
            Ok(true)
        }
    }

    fn text(mut rows: Rows) -> String {
        let mut text = Vec::new();
        while rows.fill(Format::Json(JsonDialect::default()), &mut text, usize::MAX).unwrap() {}
        String::from_utf8(text).unwrap()
    }

    fn numbers(count: i64) -> String {
        (0..count).map(|number| number.to_string()).collect::<Vec<_>>().join(",")
    }

    #[tokio::test]
    async fn rows_within_the_bound_become_one_value() {
        for count in [0, 1, 15, 16, 17, 1000] {
            let rows = Numbers { next: 0, end: count, is_slow: false };
            let collected = collect(Rows::new(rows), 1 << 20, ReservedMemory::default()).await.unwrap();
            let Collected::All(Value::Array(values), bytes, _) = collected else { panic!("{count}") };
            assert_eq!(values, (0..count).map(Value::Int).collect::<Vec<_>>());
            assert_eq!(bytes, values.len() * size_of::<Value>());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn more_or_slower_rows_go_on_as_rows_and_none_is_lost() {
        let many = |end, is_slow| Rows::new(Numbers { next: 0, end, is_slow });
        for (rows, most) in [(many(1000, false), 1 << 10), (many(1000, false), 0)] {
            let Collected::Rest(Output::Many(rows)) = collect(rows, most, ReservedMemory::default()).await.unwrap()
            else {
                panic!("kept")
            };
            assert_eq!(text(rows), numbers(1000));
        }
        let slow = collect(many(60, true), 1 << 20, ReservedMemory::default());
        let Collected::Rest(Output::Many(mut rows)) = slow.await.unwrap() else { panic!("kept") };
        let mut values = Vec::new();
        while rows.values(&mut values, 7, &mut SizeBudget::new(1 << 20)).unwrap() && values.len() < 40 {}
        assert_eq!(values[..40], (0..40).map(Value::Int).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn the_fault_in_which_rows_end_is_that_of_the_call() {
        struct Failing;
        impl RowSource for Failing {
            fn fill(&mut self, _: Format<'_>, _: &mut Vec<u8>, _: usize) -> Result<bool, BoxError> {
                Ok(false)
            }

            fn values(&mut self, _: &mut Vec<Value>, _: usize, _: &mut SizeBudget) -> Result<bool, BoxError> {
                Err(Fault::service(7, "no more").into())
            }
        }
        let failed = collect(Rows::new(Failing), 1 << 20, ReservedMemory::default()).await;
        assert_eq!(failed.err(), Some(Fault::service(7, "no more")));
        let even = collect((0..4).into_rows(), 1 << 20, ReservedMemory::default()).await.unwrap();
        assert!(matches!(even, Collected::All(..)));
    }
}
