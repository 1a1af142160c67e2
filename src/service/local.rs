//! In-process services: typed handlers over shared state, described by their own types.

use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::model::fault::Fault;
use crate::model::interface::{Interface, Method, Param, Ring};
use crate::service::args::Args;
use crate::service::future::MaybeReady;
use crate::service::rows::RowSet;
use crate::service::{Call, CallFuture, Output, RpcService};

/// A service in this process, made of functions.
///
/// A handler takes the shared state and one record of parameters, and answers anything serde can write, or a
/// `Result` of it with a [`Fault`]. The record's fields are the parameters: serde reads them by position or by
/// name, with their defaults. Names, types, bounds, defaults and documentation come from the types.
///
/// ```
/// use croupier::service::local::Local;
/// use schemars::JsonSchema;
/// use serde::Deserialize;
///
/// /// Adds two numbers.
/// #[derive(Deserialize, JsonSchema)]
/// struct Add {
///     /// The one.
///     a: i32,
///     /// The other; 1 if it is not given.
///     #[serde(default = "one")]
///     b: i32,
/// }
/// fn one() -> i32 { 1 }
///
/// let sums = Local::new("Sums", ())
///     .method("add", |_: &(), add: Add| add.a + add.b)
///     .build()?;
/// # use croupier::service::RpcService;
/// assert_eq!(sums.interface().method("add").unwrap().doc, "Adds two numbers.");
/// # Ok::<(), croupier::service::local::RegistrationError>(())
/// ```
pub struct Local {
    interface: Arc<Interface>,
    /// Few enough for comparing names to be cheaper than hashing them.
    handlers: BTreeMap<Box<str>, Handler>,
}

type Handler = Box<dyn Fn(Args<'_>) -> CallFuture + Send + Sync>;

impl Local {
    /// Begins a service with a title for people and the state that its handlers share.
    #[expect(clippy::new_ret_no_self, reason = "a service is only sound once `build` has looked at it")]
    pub fn new<S: Send + Sync + 'static>(title: impl Into<String>, state: S) -> Builder<S> {
        let generator = SchemaSettings::draft2020_12().with(|settings| settings.meta_schema = None).into_generator();
        Builder {
            state: Arc::new(state),
            interface: Interface { title: title.into(), ..Interface::default() },
            handlers: BTreeMap::new(),
            generator,
            wrong: None,
        }
    }
}

impl RpcService for Local {
    fn interface(&self) -> Arc<Interface> {
        self.interface.clone()
    }

    fn call(&self, call: Call<'_>) -> CallFuture {
        match self.handlers.get(call.method) {
            Some(handler) => handler(call.args),
            None => MaybeReady::now(Err(Fault::no_such_method(call.method))),
        }
    }
}

/// A method was registered under a name that it cannot have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrationError(String);

impl fmt::Display for RegistrationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RegistrationError {}

/// A [`Local`] service that is being put together.
pub struct Builder<S> {
    state: Arc<S>,
    interface: Interface,
    handlers: BTreeMap<Box<str>, Handler>,
    generator: SchemaGenerator,
    wrong: Option<RegistrationError>,
}

impl<S: Send + Sync + 'static> Builder<S> {
    /// A method whose handler answers at once.
    ///
    /// It runs where its connection is served. On a runtime of one thread, as each of a server's workers is, all other
    /// connections of that thread wait meanwhile: what blocks or computes for more than some milliseconds is better a
    /// method that answers later.
    pub fn method<A, R, M>(mut self, name: &str, handler: impl Fn(&S, A) -> R + Send + Sync + 'static) -> Self
    where
        A: DeserializeOwned + JsonSchema + Send + 'static,
        R: Reply<M>,
    {
        let result = self.generator.subschema_for::<R::Value>();
        let state = self.state.clone();
        self.register::<A>(name, result, move |args| {
            let value = guarded(|| handler(&state, args.take()?).into_result());
            MaybeReady::now(value.map(|value| Output::One(Box::new(value))))
        })
    }

    /// A method whose handler answers later.
    ///
    /// Between two of its `await`s it keeps its thread as a handler that answers at once does. Long work gives way
    /// between its portions with [`tokio::task::yield_now`], or goes aside with [`tokio::task::spawn_blocking`].
    pub fn method_async<A, F, M>(mut self, name: &str, handler: impl Fn(Arc<S>, A) -> F + Send + Sync + 'static) -> Self
    where
        A: DeserializeOwned + JsonSchema + Send + 'static,
        F: Future + Send + 'static,
        F::Output: Reply<M>,
    {
        let result = self.generator.subschema_for::<<F::Output as Reply<M>>::Value>();
        let state = self.state.clone();
        self.register::<A>(name, result, move |args| match guarded(|| Ok(handler(state.clone(), args.take()?))) {
            Ok(running) => MaybeReady::later(async move {
                let value = guarded_future(running).await?.into_result()?;
                Ok(Output::One(Box::new(value)))
            }),
            Err(fault) => MaybeReady::now(Err(fault)),
        })
    }

    /// A method whose handler answers an array that is made item by item while it is being sent, some thousand bytes at
    /// a time. Making those keeps the thread as a handler that answers at once does.
    pub fn rows<A, R, M>(mut self, name: &str, handler: impl Fn(&Arc<S>, A) -> R + Send + Sync + 'static) -> Self
    where
        A: DeserializeOwned + JsonSchema + Send + 'static,
        R: RowsReply<M>,
    {
        let item = self.generator.subschema_for::<<R::Rows as RowSet>::Item>();
        let state = self.state.clone();
        self.register::<A>(name, json_schema!({ "type": "array", "items": item }), move |args| {
            let rows = guarded(|| handler(&state, args.take()?).into_rows_result());
            MaybeReady::now(rows.map(|rows| Output::Many(rows.into_rows())))
        })
    }

    /// What the service is for, for people.
    pub fn about(mut self, doc: impl Into<String>) -> Self {
        self.interface.doc = doc.into();
        self
    }

    /// A picture of the service for people.
    pub fn ring(mut self, ring: Ring) -> Self {
        self.interface.ring = Some(ring);
        self
    }

    /// What the method registered last does, if the documentation of its parameter record does not say it.
    pub fn doc(mut self, doc: &str) -> Self {
        if let Some(method) = self.interface.methods.last_mut() {
            doc.clone_into(&mut method.doc);
        }
        self
    }

    /// Declares the method registered last safe: calling it changes nothing, so that HTTP GET may ask for it.
    pub fn safe(mut self) -> Self {
        if let Some(method) = self.interface.methods.last_mut() {
            method.safe = true;
        }
        self
    }

    /// Amends the type of a parameter of the method registered last, for what its Rust type does not know, such as a
    /// bound that is an option.
    ///
    /// ```
    /// # use croupier::service::local::Local;
    /// # use croupier::service::RpcService;
    /// # #[derive(serde::Deserialize, schemars::JsonSchema)]
    /// # struct Roll { dice: u8 }
    /// let most = 5;
    /// let dice = Local::new("Dice", most)
    ///     .method("roll", |most: &u8, Roll { dice }| dice.min(*most))
    ///     .param("dice", |schema| drop(schema.insert("maximum".into(), most.into())))
    ///     .build()?;
    /// assert_eq!(dice.interface().methods[0].params[0].schema.get("maximum"), Some(&most.into()));
    /// # Ok::<(), croupier::service::local::RegistrationError>(())
    /// ```
    pub fn param(mut self, name: &str, amend: impl FnOnce(&mut Schema)) -> Self {
        let params = self.interface.methods.last_mut().map(|method| &mut method.params);
        if let Some(param) = params.and_then(|params| params.iter_mut().find(|param| param.name == name)) {
            amend(&mut param.schema);
        }
        self
    }

    /// The service.
    ///
    /// # Errors
    /// Where a method's name is taken, is reserved (`system.`, `rpc.`, a leading `_`), or has characters other than
    /// letters, digits, `_`, `.`, `:` and `/`.
    pub fn build(mut self) -> Result<Local, RegistrationError> {
        if let Some(wrong) = self.wrong {
            return Err(wrong);
        }
        self.interface.defs = self.generator.take_definitions(true);
        Ok(Local { interface: Arc::new(self.interface), handlers: self.handlers })
    }

    fn register<A: JsonSchema>(
        mut self,
        name: &str,
        result: Schema,
        handler: impl Fn(Args<'_>) -> CallFuture + Send + Sync + 'static,
    ) -> Self {
        let record = A::json_schema(&mut self.generator);
        let doc = text(&record, "description");
        let method = Method { name: name.to_owned(), doc, params: params_of(&record), result, safe: false };
        let taken = self.handlers.insert(name.into(), Box::new(handler)).is_some();
        if let Some(reason) = unfit(name).or(taken.then_some("is registered twice")) {
            self.wrong.get_or_insert(RegistrationError(format!("the method name `{name}` {reason}")));
        }
        self.interface.methods.push(method);
        self
    }
}

/// What a handler may answer: a value, or a `Result` of one. `M` only tells the two apart.
pub trait Reply<M> {
    /// The value's type.
    type Value: Serialize + JsonSchema + Send + 'static;

    /// The value, or why there is none.
    ///
    /// # Errors
    /// The handler's own.
    fn into_result(self) -> Result<Self::Value, Fault>;
}

/// What a handler of rows may answer: the rows, or a `Result` of them. `M` only tells the two apart.
pub trait RowsReply<M> {
    /// The rows' type.
    type Rows: RowSet;

    /// The rows, or why there are none.
    ///
    /// # Errors
    /// The handler's own.
    fn into_rows_result(self) -> Result<Self::Rows, Fault>;
}

/// Marks a reply that always succeeds.
pub struct Plain;
/// Marks a reply that may be a fault.
pub struct Fallible;

impl<T: Serialize + JsonSchema + Send + 'static> Reply<Plain> for T {
    type Value = T;

    fn into_result(self) -> Result<T, Fault> {
        Ok(self)
    }
}

impl<T: Serialize + JsonSchema + Send + 'static> Reply<Fallible> for Result<T, Fault> {
    type Value = T;

    fn into_result(self) -> Result<T, Fault> {
        self
    }
}

impl<R: RowSet> RowsReply<Plain> for R {
    type Rows = R;

    fn into_rows_result(self) -> Result<R, Fault> {
        Ok(self)
    }
}

impl<R: RowSet> RowsReply<Fallible> for Result<R, Fault> {
    type Rows = R;

    fn into_rows_result(self) -> Result<R, Fault> {
        self
    }
}

/// Reads arguments and runs a handler so that a panic is its caller's fault and nobody else's.
fn guarded<T>(call: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| Err(Fault::internal()))
}

async fn guarded_future<T>(running: impl Future<Output = T>) -> Result<T, Fault> {
    let mut running = pin!(running);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(_) => Poll::Ready(Err(Fault::internal())),
    })
    .await
}

/// Why a method cannot have a name, as the predicate of a sentence about it; `None` where it can.
pub(crate) fn unfit(name: &str) -> Option<&'static str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '/');
    if name.is_empty() {
        Some("is empty")
    } else if name.starts_with('_') {
        Some("begins with `_`, which makes it private")
    } else if name.starts_with("system.") || name.starts_with("rpc.") {
        Some("is reserved for the protocols")
    } else if !name.chars().all(fits) {
        Some("has a character other than letters, digits, `_`, `.`, `:` and `/`")
    } else {
        None
    }
}

fn params_of(record: &Schema) -> Vec<Param> {
    let required = |name: &str| {
        let names = record.get("required").and_then(Value::as_array);
        names.is_some_and(|names| names.iter().any(|required| required == name))
    };
    if let Some(properties) = record.get("properties").and_then(Value::as_object) {
        return properties.iter().map(|(name, schema)| param(name.clone(), schema, required(name))).collect();
    }
    let items = record.get("prefixItems").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    items.iter().enumerate().map(|(at, schema)| param(format!("arg{}", at + 1), schema, true)).collect()
}

fn param(name: String, schema: &Value, required: bool) -> Param {
    let schema = Schema::try_from(schema.clone()).unwrap_or_default();
    Param { name, doc: text(&schema, "description"), schema, required }
}

fn text(schema: &Schema, key: &str) -> String {
    schema.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}
