//! In-process services: typed handlers over shared state, described by their own types.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use http::HeaderName;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::runtime::Handle;

use crate::model::fault::Fault;
use crate::model::interface::{Interface, Method, PageSection, Param};
use crate::service::args::Args;
use crate::service::future::{MaybeReady, catch_panic, catch_panic_of, run_blocking};
use crate::service::rows::RowSet;
use crate::service::{Call, CallFuture, Context, Output, RpcService};

/// A service in this process, made of functions.
///
/// A handler takes the shared state and one record of parameters. It returns anything that serde can write, or a `Result`
/// of it with a [`Fault`]. The record's fields are the parameters: serde reads them by position or by
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
    /// There are few of them, so comparing names is cheaper than hashing.
    handlers: BTreeMap<Box<str>, Handler>,
}

type Handler = Box<dyn Fn(Args<'_>, &Context) -> CallFuture + Send + Sync>;

impl Local {
    /// Begins a service with a title for people and the state that its handlers share.
    #[expect(clippy::new_ret_no_self, reason = "a service is only sound once `build` has looked at it")]
    pub fn new<S: Send + Sync + 'static>(title: impl Into<String>, state: S) -> Builder<S> {
        let generator = SchemaSettings::draft2020_12().with(|settings| settings.meta_schema = None).into_generator();
        Builder {
            state: Arc::new(state),
            interface: Interface { title: title.into(), has_exact_results: true, ..Interface::default() },
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
            Some(handler) => handler(call.args, call.context),
            None => MaybeReady::now(Err(Fault::no_such_method(call.method))),
        }
    }
}

/// Why a service cannot be built: see [`Builder::build`].
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
    /// A method whose handler returns its result at once.
    ///
    /// The handler runs on the thread that serves the connection, and the other connections of that thread wait
    /// meanwhile. A handler that waits or computes for more than some milliseconds is better registered with
    /// [`method_async`](Builder::method_async) or [`method_blocking`](Builder::method_blocking).
    pub fn method<A, R, M>(
        self,
        method: impl Into<MethodSpec>,
        handler: impl Fn(&S, A) -> R + Send + Sync + 'static,
    ) -> Self
    where
        A: DeserializeOwned + JsonSchema + Send + 'static,
        R: HandlerReturn<M>,
    {
        self.method_with_context(method, move |state: &S, _: &Context, args| handler(state, args))
    }

    /// A method whose handler also takes the context of the call, and returns its result at once.
    ///
    /// ```
    /// use croupier::service::Context;
    /// use croupier::service::local::Local;
    ///
    /// let who = |_: &(), context: &Context, (): ()| match &context.identity {
    ///     Some(identity) => identity.name.clone(),
    ///     None => "a stranger".to_owned(),
    /// };
    /// let greeter = Local::new("Greeter", ()).method_with_context("whoAmI", who).build()?;
    /// # Ok::<(), croupier::service::local::RegistrationError>(())
    /// ```
    pub fn method_with_context<A, R, M>(
        mut self,
        method: impl Into<MethodSpec>,
        handler: impl Fn(&S, &Context, A) -> R + Send + Sync + 'static,
    ) -> Self
    where
        A: DeserializeOwned + JsonSchema + Send + 'static,
        R: HandlerReturn<M>,
    {
        let result = self.generator.subschema_for::<R::Value>();
        let state = self.state.clone();
        self.register::<A>(method.into(), result, move |args, context| {
            let value = catch_panic(|| handler(&state, context, args.read_record()?).into_result());
            MaybeReady::now(value.map(|value| Output::One(Box::new(value))))
        })
    }

    /// A method whose handler is asynchronous.
    ///
    /// Between two `await`s the handler keeps its thread. Divide long work with [`tokio::task::yield_now`], or register
    /// the handler with [`method_blocking`](Builder::method_blocking).
    pub fn method_async<A, F, M>(
        self,
        method: impl Into<MethodSpec>,
        handler: impl Fn(Arc<S>, A) -> F + Send + Sync + 'static,
    ) -> Self
    where
        A: DeserializeOwned + JsonSchema + Send + 'static,
        F: Future + Send + 'static,
        F::Output: HandlerReturn<M>,
    {
        self.register_async(method.into(), move |state: Arc<S>, _: &Context, args| handler(state, args))
    }

    /// A method whose handler is asynchronous and also takes the context of the call.
    pub fn method_async_with_context<A, F, M>(
        self,
        method: impl Into<MethodSpec>,
        handler: impl Fn(Arc<S>, Context, A) -> F + Send + Sync + 'static,
    ) -> Self
    where
        A: DeserializeOwned + JsonSchema + Send + 'static,
        F: Future + Send + 'static,
        F::Output: HandlerReturn<M>,
    {
        self.register_async(method.into(), move |state, context: &Context, args| handler(state, context.clone(), args))
    }

    /// A method whose handler waits or computes for long: it runs on a thread of tokio's blocking pool.
    ///
    /// A handler that has begun runs to its end, also if the call has passed its deadline or the client has gone.
    pub fn method_blocking<A, R, M>(
        self,
        method: impl Into<MethodSpec>,
        handler: impl Fn(&S, A) -> R + Send + Sync + 'static,
    ) -> Self
    where
        A: DeserializeOwned + JsonSchema + Send + 'static,
        R: HandlerReturn<M>,
    {
        self.register_blocking(method.into(), |_| (), move |state: &S, (), args| handler(state, args))
    }

    /// A method whose handler waits or computes for long, and also takes the context of the call. It runs as one of
    /// [`method_blocking`](Builder::method_blocking) does.
    pub fn method_blocking_with_context<A, R, M>(
        self,
        method: impl Into<MethodSpec>,
        handler: impl Fn(&S, &Context, A) -> R + Send + Sync + 'static,
    ) -> Self
    where
        A: DeserializeOwned + JsonSchema + Send + 'static,
        R: HandlerReturn<M>,
    {
        self.register_blocking(method.into(), Context::clone, move |state: &S, context: Context, args| {
            handler(state, &context, args)
        })
    }

    /// A method whose handler returns an array that is made item by item while it is sent, some thousand bytes at a
    /// time. Making these keeps the thread as a handler of [`method`](Builder::method) does.
    pub fn rows<A, R, M>(
        self,
        method: impl Into<MethodSpec>,
        handler: impl Fn(&Arc<S>, A) -> R + Send + Sync + 'static,
    ) -> Self
    where
        A: DeserializeOwned + JsonSchema + Send + 'static,
        R: RowsReturn<M>,
    {
        self.rows_with_context(method, move |state: &Arc<S>, _: &Context, args| handler(state, args))
    }

    /// A method whose handler returns an array made item by item, and also takes the context of the call.
    pub fn rows_with_context<A, R, M>(
        mut self,
        method: impl Into<MethodSpec>,
        handler: impl Fn(&Arc<S>, &Context, A) -> R + Send + Sync + 'static,
    ) -> Self
    where
        A: DeserializeOwned + JsonSchema + Send + 'static,
        R: RowsReturn<M>,
    {
        let item = self.generator.subschema_for::<<R::Rows as RowSet>::Item>();
        let state = self.state.clone();
        let result = json_schema!({ "type": "array", "items": item });
        self.register::<A>(method.into(), result, move |args, context| {
            let rows = catch_panic(|| handler(&state, context, args.read_record()?).into_rows_result());
            MaybeReady::now(rows.map(|rows| Output::Many(rows.into_rows())))
        })
    }

    fn register_async<A, F, M>(
        mut self,
        method: MethodSpec,
        handler: impl Fn(Arc<S>, &Context, A) -> F + Send + Sync + 'static,
    ) -> Self
    where
        A: DeserializeOwned + JsonSchema + Send + 'static,
        F: Future + Send + 'static,
        F::Output: HandlerReturn<M>,
    {
        let result = self.generator.subschema_for::<<F::Output as HandlerReturn<M>>::Value>();
        let state = self.state.clone();
        self.register::<A>(method, result, move |args, context| {
            match catch_panic(|| Ok(handler(state.clone(), context, args.read_record()?))) {
                Ok(running) => MaybeReady::later(async move {
                    let value = catch_panic_of(running).await?.into_result()?;
                    Ok(Output::One(Box::new(value)))
                }),
                Err(fault) => MaybeReady::now(Err(fault)),
            }
        })
    }

    /// `keep` takes from the context what the handler needs of it on its own thread.
    fn register_blocking<A, C, R, M>(
        mut self,
        method: MethodSpec,
        keep: impl Fn(&Context) -> C + Send + Sync + 'static,
        handler: impl Fn(&S, C, A) -> R + Send + Sync + 'static,
    ) -> Self
    where
        A: DeserializeOwned + JsonSchema + Send + 'static,
        C: Send + 'static,
        R: HandlerReturn<M>,
    {
        let result = self.generator.subschema_for::<R::Value>();
        let shared = Arc::new((self.state.clone(), handler));
        self.register::<A>(method, result, move |args, context| match catch_panic(|| args.read_record::<A>()) {
            Ok(args) => {
                let shared = shared.clone();
                let context = keep(context);
                let work = move || {
                    let (state, handler) = shared.as_ref();
                    catch_panic(|| handler(state, context, args).into_result())
                };
                MaybeReady::later(async move {
                    let runtime = Handle::try_current().map_err(|_| Fault::internal())?;
                    let value = run_blocking(&runtime, work).await?;
                    Ok(Output::One(Box::new(value)))
                })
            }
            Err(fault) => MaybeReady::now(Err(fault)),
        })
    }

    /// Sets the documentation of the service.
    pub fn about(mut self, doc: impl Into<String>) -> Self {
        self.interface.doc = doc.into();
        self
    }

    /// Adds a section to the page of the group.
    pub fn page_section(mut self, section: PageSection) -> Self {
        self.interface.page_section = Some(Arc::new(section));
        self
    }

    /// Has the context of each call contain this header of the request, if the request has it: see
    /// [`Context::headers`]. All other headers are left out.
    pub fn request_header(mut self, name: &str) -> Self {
        match HeaderName::try_from(name) {
            Ok(name) => self.interface.request_headers.push(name),
            Err(_) => self.reject(format!("the header name `{name}` is malformed")),
        }
        self
    }

    /// Makes [`build`](Builder::build) fail. The first reason counts.
    fn reject(&mut self, reason: String) {
        self.wrong.get_or_insert(RegistrationError(reason));
    }

    /// The service.
    ///
    /// # Errors
    /// If a method's name is taken, is reserved (`system.`, `rpc.`, a leading `_`), or has characters other than letters,
    /// digits, `_`, `.`, `:` and `/`; if [`MethodSpec::param`] names a parameter that the method does not have; if the
    /// name of a header is malformed.
    pub fn build(mut self) -> Result<Local, RegistrationError> {
        if let Some(wrong) = self.wrong {
            return Err(wrong);
        }
        self.interface.defs = self.generator.take_definitions(true);
        Ok(Local { interface: Arc::new(self.interface), handlers: self.handlers })
    }

    fn register<A: JsonSchema>(
        mut self,
        spec: MethodSpec,
        result: Schema,
        handler: impl Fn(Args<'_>, &Context) -> CallFuture + Send + Sync + 'static,
    ) -> Self {
        let MethodSpec { name, doc, safe, amendments } = spec;
        let record = A::json_schema(&mut self.generator);
        let doc = doc.unwrap_or_else(|| text(&record, "description"));
        let mut params = params_of(&record);
        for (param, amend) in amendments {
            match params.iter_mut().find(|own| own.name == param) {
                Some(own) => amend(&mut own.schema),
                None => self.reject(format!("the method `{name}` has no parameter `{param}`")),
            }
        }
        let taken = self.handlers.insert(name.as_str().into(), Box::new(handler)).is_some();
        if let Some(reason) = unfit(&name).or(taken.then_some("is registered twice")) {
            self.reject(format!("the method name `{name}` {reason}"));
        }
        self.interface.methods.push(Method { name, doc, params, result, safe });
        self
    }
}

/// The name of a method, and what its handler's types do not say of it. A method that needs no more than its name is
/// registered with a `&str`.
///
/// ```
/// use croupier::service::RpcService;
/// use croupier::service::local::{Local, named};
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Roll { dice: u8 }
///
/// let most = 5;
/// let roll = named("roll")
///     .doc("Rolls some dice.")
///     .safe()
///     .param("dice", move |schema| drop(schema.insert("maximum".into(), most.into())));
/// let dice = Local::new("Dice", most).method(roll, |most: &u8, Roll { dice }| dice.min(*most)).build()?;
/// assert_eq!(dice.interface().methods[0].params[0].schema.get("maximum"), Some(&most.into()));
/// # Ok::<(), croupier::service::local::RegistrationError>(())
/// ```
pub struct MethodSpec {
    name: String,
    doc: Option<String>,
    safe: bool,
    amendments: Vec<(String, Amendment)>,
}

/// A change of the schema of a parameter.
type Amendment = Box<dyn FnOnce(&mut Schema)>;

/// A method of this name.
pub fn named(name: impl Into<String>) -> MethodSpec {
    MethodSpec { name: name.into(), doc: None, safe: false, amendments: Vec::new() }
}

impl From<&str> for MethodSpec {
    fn from(name: &str) -> MethodSpec {
        named(name)
    }
}

impl MethodSpec {
    /// What the method does. Without this, it is the documentation of the parameter record.
    pub fn doc(self, doc: impl Into<String>) -> MethodSpec {
        MethodSpec { doc: Some(doc.into()), ..self }
    }

    /// Declares that calling the method changes nothing, so that it can be called with HTTP GET.
    pub fn safe(self) -> MethodSpec {
        MethodSpec { safe: true, ..self }
    }

    /// Changes the schema of a parameter, for what its Rust type does not know, such as a bound that is an option of the
    /// service.
    pub fn param(mut self, name: impl Into<String>, amend: impl FnOnce(&mut Schema) + 'static) -> MethodSpec {
        self.amendments.push((name.into(), Box::new(amend)));
        self
    }
}

/// What a handler may return: a value, or a `Result` of one. `M` only tells the two apart.
pub trait HandlerReturn<M> {
    /// The value's type.
    type Value: Serialize + JsonSchema + Send + 'static;

    /// The value, or the fault.
    ///
    /// # Errors
    /// The handler's own.
    fn into_result(self) -> Result<Self::Value, Fault>;
}

/// What a handler of rows may return: the rows, or a `Result` of them. `M` only tells the two apart.
pub trait RowsReturn<M> {
    /// The rows' type.
    type Rows: RowSet;

    /// The rows, or the fault.
    ///
    /// # Errors
    /// The handler's own.
    fn into_rows_result(self) -> Result<Self::Rows, Fault>;
}

/// Marks a return type that always succeeds.
pub struct Plain;
/// Marks a return type that may be a fault.
pub struct Fallible;

impl<T: Serialize + JsonSchema + Send + 'static> HandlerReturn<Plain> for T {
    type Value = T;

    fn into_result(self) -> Result<T, Fault> {
        Ok(self)
    }
}

impl<T: Serialize + JsonSchema + Send + 'static> HandlerReturn<Fallible> for Result<T, Fault> {
    type Value = T;

    fn into_result(self) -> Result<T, Fault> {
        self
    }
}

impl<R: RowSet> RowsReturn<Plain> for R {
    type Rows = R;

    fn into_rows_result(self) -> Result<R, Fault> {
        Ok(self)
    }
}

impl<R: RowSet> RowsReturn<Fallible> for Result<R, Fault> {
    type Rows = R;

    fn into_rows_result(self) -> Result<R, Fault> {
        self
    }
}

/// Why a method cannot have this name, as the predicate of a sentence; `None` if it can.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::value::SizeBudget;
    use crate::service::Identity;

    #[derive(serde::Deserialize, JsonSchema)]
    struct Roll {
        dice: u8,
    }

    fn error(builder: Builder<()>) -> Option<String> {
        builder.build().err().map(|error| error.to_string())
    }

    #[test]
    fn what_would_have_no_effect_is_an_error() {
        let with = |spec: MethodSpec| error(Local::new("Dice", ()).method(spec, |(): &(), Roll { dice }| dice));
        assert_eq!(
            with(named("roll").param("tpyo", |_| ())),
            Some("the method `roll` has no parameter `tpyo`".to_owned())
        );
        assert_eq!(with(named("roll").param("dice", |_| ()).doc("Rolls.").safe()), None);
        let header = Local::new("Dice", ()).request_header("x tenant");
        assert_eq!(error(header), Some("the header name `x tenant` is malformed".to_owned()));
    }

    async fn result(service: &Local, method: &str, context: &Context) -> Result<String, Fault> {
        let output = service.call(Call::new(method, Args::None, context)).await?;
        let value = output.into_value(SizeBudget::new(1000)).await?;
        Ok(serde_json::to_string(&value).unwrap())
    }

    #[tokio::test]
    async fn handlers_of_each_kind_take_the_context() {
        let name = |context: &Context| context.identity.as_ref().map(|identity| identity.name.clone());
        let service = Local::new("Names", ())
            .method_with_context("now", move |_, context: &Context, (): ()| name(context))
            .method_async_with_context("later", move |_, context: Context, (): ()| async move {
                tokio::task::yield_now().await;
                name(&context)
            })
            .method_blocking_with_context("blocking", move |_, context: &Context, (): ()| name(context))
            .rows_with_context("rows", move |_, context: &Context, (): ()| name(context).into_iter())
            .build()
            .unwrap();
        let context = Context { identity: Some(Arc::new(Identity::new("ada"))), ..Context::default() };
        for method in ["now", "later", "blocking"] {
            assert_eq!(result(&service, method, &context).await.unwrap(), "\"ada\"", "{method}");
        }
        assert_eq!(result(&service, "rows", &context).await.unwrap(), "[\"ada\"]");
    }

    #[tokio::test]
    async fn a_blocking_handler_keeps_no_thread_of_the_runtime() {
        let (send, receive) = std::sync::mpsc::channel::<String>();
        let receive = std::sync::Mutex::new(receive);
        let service = Local::new("Blocking", ())
            .method_blocking("wait", move |_, (): ()| receive.lock().unwrap().recv().unwrap())
            .method_blocking("panic", |_, (): ()| -> bool { panic!("a handler fails") })
            .method_blocking("fail", |_, (): ()| Err::<(), _>(Fault::service(7, "no")))
            .build()
            .unwrap();
        let context = Context::default();
        // This runtime has one thread: if the handler kept it, the message would never be sent.
        let send = async { send.send("sent".to_owned()).unwrap() };
        let (received, ()) = tokio::join!(result(&service, "wait", &context), send);
        assert_eq!(received.unwrap(), "\"sent\"");
        assert_eq!(result(&service, "panic", &context).await, Err(Fault::internal()));
        assert_eq!(result(&service, "fail", &context).await, Err(Fault::service(7, "no")));
    }
}
