//! Sources of rows: any iterator, or picks from a small table whose items are encoded once.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::fault::BoxError;
use crate::model::value::{SizeBudget, Value, value_of};
use crate::service::{Encode, Format, RowSource, Rows};

/// A handler's result that is sent item by item.
pub trait RowSet {
    /// The type of the items.
    type Item: JsonSchema;

    /// The rows, ready to be sent.
    fn into_rows(self) -> Rows;
}

impl<I> RowSet for I
where
    I: Iterator + Send + 'static,
    I::Item: Serialize + JsonSchema + Send,
{
    type Item = I::Item;

    fn into_rows(self) -> Rows {
        Rows::new(Each { items: self, first: true })
    }
}

/// Rows that are items of a small table, by index. Each item of the table is encoded only once.
///
/// ```
/// use croupier::service::rows::Picked;
/// # use croupier::service::rows::RowSet;
/// # use croupier::service::Format;
/// # use croupier::codec::json::JsonDialect;
/// let coin = std::sync::Arc::from(["heads", "tails"]);
/// let mut rows = Picked::new(coin, [1, 0, 1].into_iter()).into_rows();
/// let mut text = Vec::new();
/// rows.fill(Format::Json(JsonDialect::default()), &mut text, 1000)?;
/// assert_eq!(text, br#""tails","heads","tails""#);
/// # Ok::<(), croupier::BoxError>(())
/// ```
pub struct Picked<T, I> {
    table: Arc<[T]>,
    picks: I,
}

impl<T, I: Iterator<Item = usize>> Picked<T, I> {
    /// Rows of the table's items, in the order of `picks`; a pick beyond the table ends them with an error.
    pub fn new(table: Arc<[T]>, picks: I) -> Picked<T, I> {
        Picked { table, picks }
    }
}

impl<T, I> RowSet for Picked<T, I>
where
    T: Serialize + JsonSchema + Send + Sync + 'static,
    I: Iterator<Item = usize> + Send + 'static,
{
    type Item = T;

    fn into_rows(self) -> Rows {
        Rows::new(Prepared { table: self.table, picks: self.picks, encoded: Vec::new(), first: true })
    }
}

/// The rows of an iterator.
struct Each<I> {
    items: I,
    first: bool,
}

impl<I> RowSource for Each<I>
where
    I: Iterator + Send,
    I::Item: Serialize + Send,
{
    fn fill(&mut self, format: Format<'_>, to: &mut Vec<u8>, until: usize) -> Result<bool, BoxError> {
        while to.len() < until {
            let Some(item) = self.items.next() else { return Ok(false) };
            separate(format, to, &mut self.first);
            item.encode(format, to)?;
            end(format, to);
        }
        Ok(true)
    }

    fn values(&mut self, to: &mut Vec<Value>, most: usize, room: &mut SizeBudget) -> Result<bool, BoxError> {
        for _ in 0..most {
            let Some(item) = self.items.next() else { return Ok(false) };
            to.push(value_of(&item, room)?);
        }
        Ok(true)
    }
}

/// Picks from a table, whose items are encoded when the format is first known.
struct Prepared<T, I> {
    table: Arc<[T]>,
    picks: I,
    encoded: Vec<Vec<u8>>,
    first: bool,
}

impl<T, I> RowSource for Prepared<T, I>
where
    T: Serialize + Send + Sync,
    I: Iterator<Item = usize> + Send,
{
    fn fill(&mut self, format: Format<'_>, to: &mut Vec<u8>, until: usize) -> Result<bool, BoxError> {
        if self.encoded.is_empty() {
            self.encoded = self.table.iter().map(|item| encoded(item, format)).collect::<Result<_, _>>()?;
        }
        while to.len() < until {
            let Some(pick) = self.picks.next() else { return Ok(false) };
            separate(format, to, &mut self.first);
            to.extend_from_slice(self.encoded.get(pick).ok_or(NOT_THERE)?);
        }
        Ok(true)
    }

    fn values(&mut self, to: &mut Vec<Value>, most: usize, room: &mut SizeBudget) -> Result<bool, BoxError> {
        for _ in 0..most {
            let Some(pick) = self.picks.next() else { return Ok(false) };
            to.push(value_of(self.table.get(pick).ok_or(NOT_THERE)?, room)?);
        }
        Ok(true)
    }
}

const NOT_THERE: &str = "a row was picked that is not in the table";

fn encoded<T: Serialize + Sync>(item: &T, format: Format<'_>) -> Result<Vec<u8>, BoxError> {
    let mut bytes = Vec::new();
    (&item).encode(format, &mut bytes)?;
    end(format, &mut bytes);
    Ok(bytes)
}

/// What a format has between two items.
pub(crate) fn separate(format: Format<'_>, to: &mut Vec<u8>, first: &mut bool) {
    match format {
        Format::Json(_) if !*first => to.push(b','),
        Format::Json(_) | Format::JsonLines(_) | Format::XmlRpc(_) | Format::Soap(_) => {}
    }
    *first = false;
}

/// What a format has after an item.
pub(crate) fn end(format: Format<'_>, to: &mut Vec<u8>) {
    match format {
        Format::JsonLines(_) => to.push(b'\n'),
        Format::Json(_) | Format::XmlRpc(_) | Format::Soap(_) => {}
    }
}
