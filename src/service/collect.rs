//! Results as values in reserved memory, to be put into another result.

use std::time::Instant;

use crate::model::fault::{Fault, Kind};
use crate::model::value::{SizeBudget, Value};
use crate::service::future::with_deadline;
use crate::service::result_memory::ReservedMemory;
use crate::service::{Output, PORTION, Rows, catch_panic};

/// How many copies of a value are counted: the value itself, and what is written of it.
const COPIES: usize = 2;
/// How many bytes of a value are made before it is known to be larger.
const FIRST_BYTES: usize = 16 << 10;
/// How many bytes of a long array are reserved at a time.
const STEP: usize = 256 << 10;
/// How many rows are collected before an array counts as long.
const FIRST_ROWS: usize = 250;

impl Output {
    /// The result as one value, as [`into_value`](Output::into_value) makes it. Memory is reserved for the value and for
    /// what is written of it, before either is made. The rest of a long array is collected on a blocking thread.
    ///
    /// # Errors
    /// Those of [`into_value`](Output::into_value) and of [`ReservedMemory::extend_to`].
    pub(crate) async fn into_reserved_value(
        self,
        room: SizeBudget,
        memory: &mut ReservedMemory,
        deadline: Option<Instant>,
    ) -> Result<Value, Fault> {
        let whole = room.left();
        let mut reserved = FIRST_BYTES.min(whole);
        memory.extend_to(reserved * COPIES, deadline).await?;
        let rows = match self {
            Output::One(mut value) => {
                // What was reserved for the value is given back when its copy is made.
                let _own = value.take_memory();
                loop {
                    let mut part = SizeBudget::new(reserved);
                    let made = catch_panic(|| Ok(value.value(&mut part)?));
                    if reserved == whole || !made.as_ref().is_err_and(|fault| fault.kind == Kind::Limit) {
                        memory.shrink_to((reserved - part.left()) * COPIES);
                        return made;
                    }
                    reserved = reserved.saturating_mul(2).min(whole);
                    memory.extend_to(reserved.saturating_mul(COPIES), deadline).await?;
                }
            }
            Output::Many(rows) => rows,
            Output::Raw(_) => return Err(Fault::internal()),
        };
        let mut array = GrowingArray { rows, values: Vec::new(), room };
        array.wait(deadline).await?;
        let mut more = array.grow(FIRST_ROWS, whole)?;
        while more {
            let used = whole - array.room.left();
            reserved = used.saturating_add(used.clamp(FIRST_BYTES, STEP)).min(whole);
            memory.extend_to(reserved.saturating_mul(COPIES), deadline).await?;
            array.wait(deadline).await?;
            let grow = move || (array.grow(PORTION, whole - reserved), array);
            let (grown, same) = memory.long_work().run(grow).await;
            (more, array) = (grown?, same);
        }
        memory.shrink_to((whole - array.room.left()).saturating_mul(COPIES));
        Ok(Value::Array(array.values))
    }
}

/// An array whose rows are being collected.
struct GrowingArray {
    rows: Rows,
    values: Vec<Value>,
    room: SizeBudget,
}

impl GrowingArray {
    /// Waits until there are rows, or no more of them.
    async fn wait(&mut self, deadline: Option<Instant>) -> Result<(), Fault> {
        let late = || Fault::new(Kind::Late, "the rest of the result did not arrive in time");
        with_deadline(deadline, self.rows.ready()).await.ok_or_else(late)?
    }

    /// Collects rows, `portion` of them at a time, until at most `left` bytes of the budget are left or it has to wait for
    /// the next row. Returns whether there may be further rows.
    fn grow(&mut self, portion: usize, left: usize) -> Result<bool, Fault> {
        let GrowingArray { rows, values, room } = self;
        loop {
            let before = values.len();
            let more = catch_panic(|| rows.values(values, portion, room))?;
            if !more || room.left() <= left || values.len() == before {
                return Ok(more);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::result_memory::ResultBudget;
    use crate::service::rows::RowSet;

    const BUDGET: usize = 3 << 20;

    async fn collect(output: Output, room: usize) -> (Result<Value, Fault>, usize) {
        let mut memory = ResultBudget::new(BUDGET).of_client(None).begin();
        let value = output.into_reserved_value(SizeBudget::new(room), &mut memory, None).await;
        (value, memory.bytes())
    }

    #[tokio::test]
    async fn values_and_rows_reserve_what_they_take_and_what_is_written_of_them() {
        for rows in [0, 1, 249, 250, 251, 10_000] {
            let expected = Value::Array((0..rows).map(Value::Int).collect());
            let outputs = [Output::Many((0..rows).into_rows()), Output::One(Box::new((0..rows).collect::<Vec<_>>()))];
            for output in outputs {
                let (value, reserved) = collect(output, 1 << 20).await;
                assert_eq!(value, Ok(expected.clone()));
                let items = usize::try_from(rows).unwrap() * size_of::<Value>() * COPIES;
                assert!((items..=items + 200).contains(&reserved), "{rows} rows: {reserved}");
            }
        }
    }

    #[tokio::test]
    async fn a_result_that_is_larger_than_its_room_or_than_any_result_may_be_is_refused() {
        let long = || [Output::Many((0..1_000_000).into_rows()), Output::One(Box::new(vec![0; 1_000_000]))];
        for room in [100, 1 << 20, usize::MAX] {
            for output in long() {
                assert_eq!(collect(output, room).await.0.unwrap_err().kind, Kind::Limit, "{room}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_result_for_which_no_memory_becomes_free_is_refused_as_busy() {
        let budget = ResultBudget::new(64 << 10);
        let mut other = budget.of_client(None).begin();
        other.extend_to(40 << 10, None).await.unwrap();
        let deadline = Some(Instant::now() + std::time::Duration::from_secs(10));
        let mut memory = budget.of_client(None).begin();
        let rows = Output::Many((0..10).into_rows());
        let value = rows.into_reserved_value(SizeBudget::new(1 << 20), &mut memory, deadline).await;
        assert_eq!(value.unwrap_err().kind, Kind::Busy);
        drop(other);
    }
}
