//! Writes responses in the format that the client accepts: JSON, JSON lines, or comma-separated values.

use std::task::{Context as Task, Poll, ready};

use http::{HeaderValue, Response, header};
use serde_json::Value;
use serde_json::value::RawValue;

use super::accept::Media;
use super::csv::Columns;
use crate::codec::json::JsonDialect;
use crate::http::body::{Body, Source};
use crate::model::fault::{BoxError, Fault};
use crate::model::interface::{Interface, Method, member};
use crate::protocol::frontend;
use crate::protocol::frontend::JsonArray;
use crate::service::future::MaybeReady;
use crate::service::{Encode, Format, Output, Rows};

/// The format of a response.
#[derive(Debug)]
pub(super) struct ResponseFormat {
    rows: RowFormat,
    dialect: JsonDialect,
    /// Whether the format depends on `Accept`.
    varies: bool,
}

#[derive(Debug)]
enum RowFormat {
    Json,
    Lines,
    Csv(Columns),
}

/// The schema of the items in the result of a method, if the result is a list of items of one type.
pub(super) fn items<'a>(interface: &'a Interface, method: &'a Method) -> Option<&'a Value> {
    let result = interface.resolve(method.result.as_value());
    member(result, "items").filter(|_| member(result, "prefixItems").is_none())
}

impl ResponseFormat {
    /// The format for a media type. `items` is the schema of the items in the result, if the result is a list.
    pub(super) fn new(
        media: Media,
        interface: &Interface,
        items: Option<&Value>,
        dialect: JsonDialect,
    ) -> ResponseFormat {
        let rows = match media {
            Media::Json => RowFormat::Json,
            Media::Lines => RowFormat::Lines,
            Media::Csv => RowFormat::Csv(items.map_or(Columns::One, |items| Columns::of(interface, items))),
        };
        ResponseFormat { rows, dialect, varies: items.is_some() }
    }

    fn media(&self) -> Media {
        match self.rows {
            RowFormat::Json => Media::Json,
            RowFormat::Lines => Media::Lines,
            RowFormat::Csv(_) => Media::Csv,
        }
    }

    /// The response with a result. For HEAD it has no body, and rows are not made.
    pub(super) fn write(
        self,
        result: Result<Output, Fault>,
        only_head: bool,
    ) -> MaybeReady<Result<Response<Body>, Fault>> {
        let (media, varies) = (self.media(), self.varies);
        let response = move |body| response(media, varies, body);
        match result {
            Err(fault) => MaybeReady::now(Err(fault)),
            Ok(Output::Raw(_)) => MaybeReady::now(Err(Fault::internal())),
            Ok(Output::Many(_)) if only_head => MaybeReady::now(Ok(response(Body::default()))),
            Ok(Output::Many(rows)) => MaybeReady::later(async move {
                let body = match self.rows {
                    RowFormat::Json => Body::gather(JsonArray::new(rows, self.dialect)).await,
                    RowFormat::Lines => Body::gather(JsonLines { rows, dialect: self.dialect }).await,
                    RowFormat::Csv(columns) => {
                        let lines = JsonLines { rows, dialect: self.dialect };
                        Body::gather(CsvTable { lines, columns, rows: Vec::new(), begun: false }).await
                    }
                };
                body.map(response).map_err(frontend::encode_fault)
            }),
            Ok(Output::One(value)) => {
                frontend::write_whole(value, self, ResponseFormat::write_one).map(move |(body, _)| body.map(response))
            }
        }
    }

    fn write_one(&self, value: &dyn Encode) -> Result<Vec<u8>, Fault> {
        let mut bytes = Vec::with_capacity(128);
        frontend::encode(value, Format::Json(self.dialect), &mut bytes)?;
        match &self.rows {
            RowFormat::Json => Ok(bytes),
            RowFormat::Lines => each(&bytes, |item, to| {
                to.extend_from_slice(item.as_bytes());
                to.push(b'\n');
                Ok(())
            }),
            RowFormat::Csv(columns) => {
                let mut head = Vec::new();
                columns.header(&mut head);
                each(&bytes, |item, to| {
                    to.append(&mut head);
                    columns.row(item, to)
                })
            }
        }
    }
}

/// The items of a list that is there as a whole, each written in its own way.
fn each(list: &[u8], mut write: impl FnMut(&str, &mut Vec<u8>) -> Result<(), BoxError>) -> Result<Vec<u8>, Fault> {
    let mut lines = Vec::with_capacity(list.len());
    let items: Vec<&RawValue> = serde_json::from_slice(list).map_err(|error| frontend::encode_fault(error.into()))?;
    items.iter().try_for_each(|item| write(item.get(), &mut lines)).map_err(frontend::encode_fault)?;
    Ok(lines)
}

fn response(media: Media, varies: bool, body: Body) -> Response<Body> {
    let mut response = frontend::ok(media.content_type(), body);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, const { HeaderValue::from_static("no-store") });
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, const { HeaderValue::from_static("nosniff") });
    if varies {
        headers.insert(header::VARY, const { HeaderValue::from_static("accept") });
    }
    response
}

/// Rows as one JSON text a line.
struct JsonLines {
    rows: Rows,
    dialect: JsonDialect,
}

impl JsonLines {
    fn fill(&mut self, to: &mut Vec<u8>, until: usize) -> Result<bool, BoxError> {
        self.rows.fill(Format::JsonLines(self.dialect), to, until)
    }
}

impl Source for JsonLines {
    fn poll_fill(&mut self, cx: &mut Task<'_>, to: &mut Vec<u8>, until: usize) -> Poll<Result<bool, BoxError>> {
        ready!(self.rows.poll_ready(cx))?;
        Poll::Ready(self.fill(to, until))
    }

    fn rows(&mut self) -> Option<&mut Rows> {
        Some(&mut self.rows)
    }
}

/// Rows as comma-separated values, made of their JSON texts.
struct CsvTable {
    lines: JsonLines,
    columns: Columns,
    /// Rows as JSON texts, as many as go into one piece; used again for each.
    rows: Vec<u8>,
    begun: bool,
}

impl Source for CsvTable {
    fn poll_fill(&mut self, cx: &mut Task<'_>, to: &mut Vec<u8>, until: usize) -> Poll<Result<bool, BoxError>> {
        ready!(self.lines.rows.poll_ready(cx))?;
        if !self.begun {
            self.columns.header(to);
            self.begun = true;
        }
        self.rows.clear();
        let more = self.lines.fill(&mut self.rows, until.saturating_sub(to.len()).max(1))?;
        let rows = std::str::from_utf8(&self.rows)?;
        rows.lines().try_for_each(|row| self.columns.row(row, to))?;
        Poll::Ready(Ok(more))
    }

    fn rows(&mut self) -> Option<&mut Rows> {
        Some(&mut self.lines.rows)
    }
}
