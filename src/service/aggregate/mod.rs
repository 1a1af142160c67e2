//! Aggregates: services whose methods call methods of other services at the same time and return their results as the
//! members of one struct.

mod compose;
mod defs;
mod gather;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::value::RawValue;

use crate::model::fault::{Fault, Kind};
use crate::model::interface::Interface;
use crate::model::value::{SizeBudget, Value};
use crate::service::args::{Arg, Args};
use crate::service::future::{MaybeReady, with_deadline};
use crate::service::latest::Latest;
use crate::service::outage::Outage;
use crate::service::result_memory::{ReservedMemory, ResultMemory};
use crate::service::{Call, CallFuture, Context, RpcService};

/// The name of the member that reports failed calls.
pub const ERRORS: &str = "errors";

/// A service whose methods call methods of other services.
///
/// Its interface is made from theirs, and made again when one of them changes. A service whose interface is not known yet
/// is treated as one that takes and returns values of any type.
pub struct Aggregate {
    title: String,
    doc: String,
    methods: Vec<Arc<Composed>>,
    latest: Latest,
}

/// A method of an aggregate.
#[derive(Clone)]
pub struct Composed {
    /// Its name.
    pub name: String,
    /// What it does, for the person who calls it.
    pub doc: String,
    /// Its parameters, in positional order.
    pub params: Vec<Own>,
    /// The calls, in the order of their members in the result.
    pub calls: Vec<Part>,
    /// What happens if a call fails.
    pub on_error: OnError,
}

/// A parameter of a method of an aggregate. Its type is that of the parameters to which its value is passed on.
#[derive(Clone)]
pub struct Own {
    /// Its name.
    pub name: String,
    /// Its documentation. If empty, that of the first parameter to which its value is passed on.
    pub doc: String,
    /// The value to pass on if the caller omits the parameter. Without a default, the parameter is omitted from the call.
    pub default: Option<Box<RawValue>>,
}

/// One call of a method of an aggregate.
#[derive(Clone)]
pub struct Part {
    /// The name of the member of the result.
    pub name: String,
    /// The name of the service in documentation and log lines, such as the path of its group.
    pub path: String,
    /// The service that is called.
    pub service: Arc<dyn RpcService>,
    /// The name of the method that is called.
    pub method: String,
    /// The arguments by name.
    pub args: Vec<(String, Given)>,
    /// How long the call may take. A later result counts as failed.
    pub deadline: Duration,
    /// How many bytes of memory its result may take.
    pub room: usize,
}

/// What is passed on as an argument.
#[derive(Clone)]
pub enum Given {
    /// The argument of the method's own parameter with this index.
    Param(usize),
    /// A fixed value.
    Literal(Box<RawValue>),
}

/// What happens if a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// The method fails with the fault of the call.
    Fail,
    /// The result has the results of the other calls, and a member [`errors`](ERRORS) with the faults. If a call refuses a
    /// parameter that was passed on, the method fails all the same, since the caller can correct it.
    Partial,
}

impl Aggregate {
    /// A service of these methods.
    pub fn new(title: impl Into<String>, doc: impl Into<String>, methods: Vec<Composed>) -> Aggregate {
        let methods: Vec<_> = methods.into_iter().map(Arc::new).collect();
        Aggregate { title: title.into(), doc: doc.into(), methods, latest: Latest::default() }
    }

    fn parts(&self) -> impl Iterator<Item = &Part> {
        self.methods.iter().flat_map(|method| &method.calls)
    }
}

impl RpcService for Aggregate {
    fn interface(&self) -> Arc<Interface> {
        let of_parts = self.parts().map(|part| part.service.interface());
        self.latest.get(of_parts, |of_parts| compose::interface(&self.title, &self.doc, &self.methods, of_parts))
    }

    /// The outage of all parts: while one of them can be called, so can the aggregate.
    fn outage(&self) -> Option<Outage> {
        let outages: Option<Vec<Outage>> = self.parts().map(|part| part.service.outage()).collect();
        outages?.into_iter().max_by_key(|outage| outage.since)
    }

    fn call(&self, call: Call<'_>) -> CallFuture {
        let method = self.methods.iter().find(|method| method.name == call.method);
        let interface = self.interface();
        let (Some(method), Some(described)) = (method, interface.method(call.method)) else {
            return MaybeReady::now(Err(Fault::no_such_method(call.method)));
        };
        let given = match call.args.assign_to(&described.params) {
            Ok(given) => given,
            Err(fault) => return MaybeReady::now(Err(fault)),
        };
        let arguments = method.params.iter().zip(given).map(|(own, arg)| arg.or(own.default.as_deref().map(Arg::Json)));
        let arguments: Vec<Option<Arg<'_>>> = arguments.collect();
        // The results of the parts become one, which takes the memory for all of them.
        let result_memory = call.context.result_memory.as_ref().map(ResultMemory::in_common);
        // Headers of several calls would replace each other.
        let context = Context { result_memory, response_headers: None, ..call.context.clone() };
        let running = method.calls.iter().map(|part| part.begin(&arguments, &context)).collect();
        MaybeReady::later(gather::gather_results(method.clone(), running))
    }
}

/// The result of a part, when it is there, and the memory that is reserved for it.
type PendingPart = MaybeReady<Result<PartResult, Fault>>;
type PartResult = (Value, ReservedMemory);

impl Part {
    /// Begins the call.
    fn begin(&self, given: &[Option<Arg<'_>>], context: &Context) -> PendingPart {
        let passed = self.args.iter().filter_map(|(name, what)| {
            let arg = match what {
                Given::Param(at) => given.get(*at).copied().flatten()?,
                Given::Literal(raw) => Arg::Json(raw),
            };
            Some((name.as_str(), arg))
        });
        let passed: Vec<_> = passed.collect();
        let args = if passed.is_empty() { Args::None } else { Args::Named(&passed) };
        let begun = Instant::now();
        let deadline = context.deadline.into_iter().chain(begun.checked_add(self.deadline)).min();
        let context = Context { begun: Some(begun), deadline, ..context.clone() };
        let pending = self.service.call(Call::new(&self.method, args, &context));
        let room = SizeBudget::new(self.room);
        let limit = self.deadline;
        let mut memory = ReservedMemory::of(context.result_memory.as_ref());
        MaybeReady::later(async move {
            let value = with_deadline(deadline, async move {
                let value = pending.await?.into_reserved_value(room, &mut memory, deadline).await?;
                Ok((value, memory))
            });
            value.await.unwrap_or_else(|| Err(Fault::new(Kind::Late, format!("no result within {limit:?}"))))
        })
    }
}
