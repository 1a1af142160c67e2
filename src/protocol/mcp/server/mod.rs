//! The MCP frontend, for the transport "Streamable HTTP" of the specification. Clients send JSON-RPC messages by POST, to `mcp` below the
//! path of a group, or to an address of its own for several groups. A response is JSON, or a stream of events if a call takes long.
//! There are no sessions: each request says what is needed to serve it.
//!
//! ```text
//! message.rs         a JSON text as a request, a notification or a response
//! revision.rs        the revision of a message, by its headers and its body
//! members.rs         the groups of an endpoint
//! tools.rs           their methods as tools
//! call.rs            the result of a tool, as content and as a value
//! answer.rs          the text of a response
//! options.rs         which methods are tools, and how they are shown
//! search.rs          tools that find and call other tools
//! resources.rs       documents about the groups, as resources
//! prompts.rs         texts of the configuration that clients offer to their users
//! prompt_options.rs  one such text, with its arguments
//! progress.rs        a stream of events with progress reports, as the response to a call that takes long
//! running.rs         the calls that a notification can cancel
//! stdio.rs           messages as lines, for clients that start a program
//! ```

mod answer;
mod call;
mod members;
mod message;
mod options;
mod progress;
mod prompt_options;
mod prompts;
mod resources;
mod revision;
mod running;
mod search;
pub(crate) mod stdio;
mod tools;

use std::borrow::Cow;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::codec::DocumentLimits;
use crate::codec::json::{JsonDialect, check};
use crate::http::accept::{media_ranges, weight};
use crate::http::body::Body;
use crate::http::media_type::{is_json, media_type};
use crate::http::rejection::HttpRejection;
use crate::model::fault::{Fault, Kind};
use crate::model::interface;
use crate::model::interface::Interface;
use crate::model::name_patterns::NamePatterns;
use crate::model::text::{abridge, excerpt};
use crate::protocol::Protocol;
use crate::protocol::frontend;
use crate::protocol::frontend::{
    CallStillRunning, Claim, Frontend, FrontendFuture, FrontendResponse, GroupHead, GroupRequest,
};
use crate::service::args::Args;
use crate::service::future::MaybeReady;
use crate::service::{Call, Context, Output, RpcService};
use answer::{JsonObject, ResultFrame, RpcError, server_info, write_json};
use call::{ToolFault, ToolResult};
use members::Member;
pub use members::{JoinedGroup, JoinedGroups};
use message::{Message, MessageMembers};
pub use options::{McpOptions, ToolOptions, WrongToolName};
use progress::Progress;
#[cfg(feature = "config")]
pub(crate) use prompt_options::MAX_PROMPT_BYTES;
pub use prompt_options::{PromptArgument, PromptOptions, WrongPrompt};
use resources::Documents;
use revision::Revision;
use running::{RunningCalls, SESSION, new_session};
use search::{CallArguments, FindArguments};
use tools::{FoundTool, Tools};

/// The path of the endpoint below that of the group.
const TAIL: &str = "mcp";
/// How many messages a batch has at most. Only one revision has batches, and no client is known to send them.
const MAX_BATCH: usize = 16;
/// How long a client may cache a list or `server/discover`, in milliseconds (`ttlMs`).
const TTL_MS: u64 = 60_000;
/// The longest `instructions`, in characters. Clients add them to the context of their model.
const LONGEST_INSTRUCTIONS: usize = 2000;

/// The MCP frontend of a group, or of several groups at one address.
pub struct Mcp {
    /// The path of the endpoint below that at which the frontend is mounted.
    tail: &'static str,
    /// The limits on the text of a request.
    limits: DocumentLimits,
    /// The groups whose methods are tools.
    members: Arc<[Member]>,
    /// With `find_tools`, the tools that are listed nevertheless; `None` if all tools are listed.
    search: Option<NamePatterns>,
    /// The documents about these groups, which are resources.
    documents: Documents,
    /// The tools, made again when the interface of a group has changed.
    tools: ArcSwapOption<Tools>,
    /// The calls that a notification can cancel.
    running: Arc<RunningCalls>,
}

/// The answer to a message: a status, and a body unless the message needs no response.
struct Answer {
    status: StatusCode,
    body: Option<Body>,
    /// The method that was called; empty if none was.
    method: Box<str>,
    fault: Option<Kind>,
    /// Headers of the response beside its media type, or with one that is not JSON.
    headers: HeaderMap,
    /// `Some` if the call still runs while the response is sent.
    still_running: Option<CallStillRunning>,
}

impl Mcp {
    /// The frontend of a group with these settings.
    pub fn new(dialect: JsonDialect, limits: DocumentLimits, options: McpOptions) -> Mcp {
        let search = options.search();
        Mcp { search, ..Mcp::with_members(TAIL, limits, [Member::own(dialect, options)].into()) }
    }

    /// The frontend of several groups. It is mounted with [`JoinedGroups`] of the same groups as its service, and the endpoint is the path
    /// at which it is mounted. With `search`, only these tools are listed, and the others are found with `find_tools`.
    pub fn joining(groups: Vec<JoinedGroup>, limits: DocumentLimits, search: Option<NamePatterns>) -> Mcp {
        Mcp { search, ..Mcp::with_members("", limits, groups.into_iter().map(Member::joined).collect()) }
    }

    fn with_members(tail: &'static str, limits: DocumentLimits, members: Arc<[Member]>) -> Mcp {
        let (documents, tools) = (Documents::default(), ArcSwapOption::empty());
        Mcp { tail, limits, members, search: None, documents, tools, running: Arc::default() }
    }
}

impl Frontend for Mcp {
    fn protocol(&self) -> Protocol {
        Protocol::Mcp
    }

    fn verbs(&self, _: &Interface, tail: &str) -> &'static [Method] {
        if tail == self.tail { &[Method::POST] } else { &[] }
    }

    fn protected_resource(&self) -> &'static str {
        self.tail
    }

    fn example_command(&self, _: Option<&interface::Method>, url: &str) -> Option<String> {
        let url = format!("{}/{}", url.trim_end_matches('/'), self.tail);
        let url = url.trim_end_matches('/');
        let request = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        Some(format!("curl -H 'Content-Type: application/json' -d '{request}' {url}"))
    }

    /// Claims requests with any verb, so that the REST form of the group does not take the path for a method.
    fn claims(&self, head: &GroupHead<'_>) -> Claim {
        if head.tail == self.tail { Claim::Yes } else { Claim::No }
    }

    fn serve(&self, service: &Arc<dyn RpcService>, request: GroupRequest<'_>) -> FrontendFuture {
        if let Err(rejection) = check_head(request.head) {
            let kind = rejection.fault().kind;
            let response = self.refuse(request.head, rejection);
            return MaybeReady::now(FrontendResponse { response, method: Box::from(""), fault: Some(kind) });
        }
        self.answer_body(service.as_ref(), request).map(|answer| {
            let Answer { status, body, method, fault, headers, still_running } = answer;
            let mut response = match body {
                Some(body) => frontend::ok(CONTENT_TYPE, body),
                None => Response::new(Body::default()),
            };
            response.headers_mut().extend(headers);
            if let Some(still_running) = still_running {
                response.extensions_mut().insert(still_running);
            }
            *response.status_mut() = status;
            FrontendResponse { response, method, fault }
        })
    }

    /// A JSON-RPC error without an `id`: that of the request has not been read.
    fn refuse(&self, _: &Parts, rejection: HttpRejection) -> Response<Body> {
        let error = RpcError::new(-32600, rejection.reason.clone());
        rejection.into_response_with(CONTENT_TYPE, Body::whole(error.text(None)))
    }

    fn request_headers(&self) -> Vec<HeaderName> {
        vec![revision::VERSION, revision::METHOD, revision::NAME, SESSION]
    }

    fn response_headers(&self) -> Vec<HeaderName> {
        vec![SESSION]
    }

    /// Since the revision without a handshake, a client cancels a request by closing the connection.
    fn ends_on_half_close(&self, head: &Parts) -> bool {
        revision::of_head(&head.headers).is_some_and(Revision::is_stateless)
    }

    /// Otherwise a web page could call tools from the machine and network of its reader (specification, "Security Warning" of the
    /// transport).
    fn refuses_foreign_origins(&self) -> bool {
        true
    }
}

const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/json");

/// The `Accept` of nearly every client, because the specification requires both types. Comparing it first saves the parser, which takes
/// a fifteenth of the instructions of a short call.
const USUAL_ACCEPT: &str = "application/json, text/event-stream";

/// Checks the verb, `Content-Type` and `Accept` of a request.
fn check_head(head: &Parts) -> Result<(), HttpRejection> {
    if head.method != Method::POST {
        let reason = "messages are sent by POST; there is no stream to open and no session to end";
        let rejection = HttpRejection::new(StatusCode::METHOD_NOT_ALLOWED, reason);
        return Err(HttpRejection { allow: vec![Method::POST], ..rejection });
    }
    if !is_json(media_type(&head.headers)) {
        return Err(HttpRejection::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "MCP has application/json"));
    }
    if head.headers.get(header::ACCEPT).is_some_and(|accept| accept == USUAL_ACCEPT) {
        return Ok(());
    }
    let ranges = media_ranges(&head.headers);
    let accepts = |media| weight(&ranges, media) > 0;
    if !ranges.is_empty() && !accepts("application/json") && !accepts("text/event-stream") {
        return Err(HttpRejection::new(StatusCode::NOT_ACCEPTABLE, "responses are application/json"));
    }
    Ok(())
}

impl Mcp {
    fn answer_body(&self, service: &dyn RpcService, request: GroupRequest<'_>) -> MaybeReady<Answer> {
        let text = match check(request.body, self.limits) {
            Ok(checked) => checked,
            Err(fault) => {
                let code = if fault.kind.jsonrpc_code() == -32700 { -32700 } else { -32600 };
                return MaybeReady::now(Answer::error(None, &RpcError::new(code, fault.message).bad_request()));
            }
        };
        let text = text.text();
        match text.trim_start().as_bytes().first() {
            Some(b'[') => self.answer_batch(service, request, text),
            _ => match serde_json::from_str::<MessageMembers<'_>>(text) {
                Ok(members) => self.answer_message(service, request, members, None),
                Err(error) => {
                    let is_object = text.trim_start().starts_with('{');
                    let error = match error.is_data() {
                        true if !is_object => {
                            RpcError::invalid_request("the body is no message: a message is an object")
                        }
                        true => RpcError::invalid_request(format!("the body is no message: {error}")),
                        false => RpcError::new(-32700, format!("the body is no message: {error}")),
                    };
                    MaybeReady::now(Answer::error(None, &error.bad_request()))
                }
            },
        }
    }

    /// Answers the messages of a batch, which only one revision has.
    fn answer_batch(&self, service: &dyn RpcService, request: GroupRequest<'_>, text: &str) -> MaybeReady<Answer> {
        let refuse = |reason: &'static str| {
            MaybeReady::now(Answer::error(None, &RpcError::invalid_request(reason).bad_request()))
        };
        let revision = revision::of_head(&request.head.headers);
        let Some(revision) = revision.filter(|revision| *revision <= Revision::March2025) else {
            return refuse("this revision of the protocol has no batches");
        };
        let messages = match serde_json::from_str::<Vec<MessageMembers<'_>>>(text) {
            Ok(messages) if (1..=MAX_BATCH).contains(&messages.len()) => messages,
            _ => return refuse("a batch has from 1 to 16 messages"),
        };
        let begun: Vec<MaybeReady<Answer>> = messages
            .into_iter()
            .map(|members| self.answer_message(service, request, members, Some(revision)))
            .collect();
        MaybeReady::later(async move {
            let (mut whole, mut fault) = (vec![b'['], None);
            for answer in begun {
                let answer = answer.await;
                fault = fault.or(answer.fault);
                if let Some(text) = answer.body.as_ref().and_then(Body::as_whole) {
                    whole.extend_from_slice(if whole.len() > 1 { b"," } else { b"" });
                    whole.extend_from_slice(text);
                }
            }
            let is_empty = whole.len() == 1;
            whole.push(b']');
            let status = if is_empty { StatusCode::ACCEPTED } else { StatusCode::OK };
            let body = (!is_empty).then(|| Body::whole(whole));
            Answer { status, body, method: Box::from(""), fault, headers: HeaderMap::new(), still_running: None }
        })
    }

    fn answer_message(
        &self,
        service: &dyn RpcService,
        request: GroupRequest<'_>,
        members: MessageMembers<'_>,
        revision: Option<Revision>,
    ) -> MaybeReady<Answer> {
        let message = match Message::read(members) {
            Ok(message) => message,
            Err((id, error)) => return MaybeReady::now(Answer::error(id, &error)),
        };
        let is_of_batch = revision.is_some();
        let revision = match revision.map_or_else(|| revision::of_message(&request.head.headers, &message), Ok) {
            Ok(revision) => revision,
            Err(error) => return MaybeReady::now(Answer::error(message.id, &error)),
        };
        let Some(id) = message.id else {
            // A notification, or a response to a request that croupier has not made.
            let request_id = message.params.as_ref().and_then(|params| params.request_id);
            if let Some(id) = request_id.filter(|_| message.method == "notifications/cancelled") {
                self.running.cancel(&request.head.headers, id.get());
            }
            return MaybeReady::now(Answer::accepted());
        };
        let interface = service.interface_for(request.context);
        let frame =
            ResultFrame { id: id.get().into(), is_stateless: revision.is_stateless(), interface: interface.clone() };
        let result = match &*message.method {
            "initialize" if !frame.is_stateless => {
                let mut answer = Answer::of(frame.response(&handshake(&interface, self.capabilities(), &message)), "");
                answer.headers.insert(SESSION, new_session());
                return MaybeReady::now(answer);
            }
            "ping" if !frame.is_stateless => Ok(JsonObject::new()),
            "server/discover" if frame.is_stateless => Ok(discovery(&interface, self.capabilities())),
            "tools/list" => return MaybeReady::now(self.list(service, request.context, &message, &frame)),
            "tools/call" => {
                // The response to a batch is one JSON array, so a call in it has no stream of its own.
                let progress = if is_of_batch { None } else { requested_progress(request, &message) };
                return self.call(service, request, &message, frame, progress);
            }
            method if method.starts_with("resources/") => self.answer_resources(service, request, &message, &frame),
            method if method.starts_with("prompts/") => self.answer_prompts(&message, &frame),
            method => Err(RpcError::no_such_method(abridge(method).as_ref(), frame.is_stateless)),
        };
        MaybeReady::now(match result {
            Ok(members) => Answer::of(frame.response(&members), ""),
            Err(error) => Answer::error(Some(id), &error),
        })
    }

    /// The capabilities of the server, without `listChanged`, `subscribe` and `logging`: croupier sends notifications only in the response
    /// to a call.
    fn capabilities(&self) -> Value {
        match self.has_prompts() {
            true => json!({ "tools": {}, "resources": {}, "prompts": {} }),
            false => json!({ "tools": {}, "resources": {} }),
        }
    }

    /// The tools of the current interfaces of the groups.
    fn tools(&self, service: &dyn RpcService) -> Arc<Tools> {
        let interface = |member: &Member| member.group_service(service).interface();
        let is_current = |known: &&Arc<Tools>| {
            self.members.iter().zip(&known.interfaces).all(|(member, known)| Arc::ptr_eq(known, &interface(member)))
        };
        if let Some(known) = self.tools.load().as_ref().filter(is_current) {
            return known.clone();
        }
        let reserved: &[&str] = if self.search.is_some() { &search::RESERVED } else { &[] };
        let interfaces = self.members.iter().map(interface).collect();
        let tools = Arc::new(Tools::new(self.members.clone(), interfaces, reserved));
        self.tools.store(Some(tools.clone()));
        tools
    }

    fn list(&self, service: &dyn RpcService, caller: &Context, message: &Message<'_>, frame: &ResultFrame) -> Answer {
        let tools = self.tools(service);
        let visible = VisibleTools::new(&self.members, service, caller, &tools);
        let is_listed = |name: &str| self.search.as_ref().is_none_or(|listed| listed.has(name));
        let cursor = message.params.as_ref().and_then(|params| params.cursor.as_deref());
        let page = match tools.page(cursor, |tool| is_listed(tool.name) && visible.has(tool)) {
            Ok(page) => page,
            Err(error) => return Answer::error(message.id, &error),
        };
        let mut text = Vec::with_capacity(page.items.len() + 256);
        frame.write_head(&mut text);
        text.extend_from_slice(b"\"tools\":[");
        if self.search.is_some() && cursor.is_none() {
            for (index, tool) in search::own_tools().iter().enumerate() {
                text.extend_from_slice(if index > 0 { b"," } else { b"" });
                write_json(tool, &mut text);
            }
            text.extend_from_slice(if page.items.is_empty() { b"" } else { b"," });
        }
        text.extend_from_slice(&page.items);
        text.push(b']');
        if let Some(next) = page.next {
            text.extend_from_slice(format!(r#","nextCursor":"{next}""#).as_bytes());
        }
        if frame.is_stateless {
            let ttl = if visible.is_incomplete() { 0 } else { TTL_MS };
            text.extend_from_slice(format!(r#","ttlMs":{ttl},"cacheScope":"{CACHE_SCOPE}""#).as_bytes());
        }
        frame.write_tail(None, &mut text);
        Answer::of(text, "")
    }

    fn call(
        &self,
        service: &dyn RpcService,
        request: GroupRequest<'_>,
        message: &Message<'_>,
        frame: ResultFrame,
        progress: Option<Progress>,
    ) -> MaybeReady<Answer> {
        let refuse = |error: &RpcError| MaybeReady::now(Answer::error(message.id, error));
        let params = message.params.as_ref();
        let Some(tool) = params.and_then(|params| params.name()) else {
            return refuse(&RpcError::invalid_params("`params.name` is not the name of a tool"));
        };
        let arguments = params.and_then(|params| params.arguments);
        let (tool, arguments) = match (&self.search, tool) {
            (Some(_), search::FIND_TOOLS) => {
                return MaybeReady::now(self.find_tools(service, request, arguments, &frame));
            }
            (Some(_), search::CALL_TOOL) => match search::read_arguments::<CallArguments<'_>>(arguments) {
                Ok(CallArguments { name, arguments }) => (name, arguments),
                Err(fault) => return MaybeReady::now(Answer::failed(&frame, &fault)),
            },
            _ => (Cow::Borrowed(tool), arguments),
        };
        let tools = self.tools(service);
        let FoundTool { index, member, method, .. } = match tools.find(&tool) {
            Ok(found) => found,
            Err(error) => return refuse(&error),
        };
        let Some(definition) = tools.definition(index) else { return refuse(&RpcError::no_such_tool(&tool)) };
        let fixed = member.options.tools.get(&method.name).map(|options| &options.args);
        let given = arguments;
        let arguments = match call::arguments(given, fixed.filter(|fixed| !fixed.is_empty())) {
            Ok(arguments) => arguments,
            Err(error) => return refuse(&error),
        };
        let args = match arguments.as_deref().map(|arguments| (arguments, arguments.get())) {
            None | Some((_, "{}")) => Args::None,
            Some((arguments, _)) => Args::Json(arguments),
        };
        let result = ToolResult {
            frame,
            tool: definition.clone(),
            bytes_written: progress.as_ref().map(|progress| progress.bytes_written.clone()),
        };
        if !member.may_have_effects(method, request.context) {
            let reason =
                "this tool may change something, and callers without credentials on other machines may not do that";
            return MaybeReady::now(Answer::of_fault(&result, &Fault::new(Kind::Forbidden, reason)));
        }
        let call = Call::new(&method.name, args, request.context);
        let mut called = member.start_call(service, call);
        if let MaybeReady::Now(Some(Err(fault))) = &mut called
            && fault.kind == Kind::BadParams
        {
            tools.explain(index, given, fault);
        }
        let answer = called.and_then(move |called| match called {
            Ok(Output::One(value)) => {
                frontend::write_whole(value, result, ToolResult::write).map(move |(body, result)| match body {
                    Ok(body) => Answer::whole(body, &result.tool.method),
                    Err(fault) => Answer::of_fault(&result, &fault),
                })
            }
            Ok(Output::Many(rows)) => MaybeReady::later(async move {
                match result.write_rows(rows).await {
                    Ok(text) => Answer::of(text, &result.tool.method),
                    Err(fault) => Answer::of_fault(&result, &fault),
                }
            }),
            // Only a passthrough call has such a result.
            Ok(Output::Raw(_)) => MaybeReady::now(Answer::of_fault(&result, &Fault::internal())),
            Err(fault) => MaybeReady::now(Answer::of_fault(&result, &fault)),
        });
        let answer = self.cancellable(answer, request, message);
        match progress {
            Some(progress) => progress.report(answer, &method.name),
            None => answer,
        }
    }

    /// The response to `find_tools`: of the tools that the caller may see, those that match the query best.
    fn find_tools(
        &self,
        service: &dyn RpcService,
        request: GroupRequest<'_>,
        arguments: Option<&RawValue>,
        frame: &ResultFrame,
    ) -> Answer {
        let read = search::read_arguments::<FindArguments<'_>>(arguments);
        let (query, limit) = match read.as_ref().map_err(Fault::clone).and_then(FindArguments::checked) {
            Ok(checked) => checked,
            Err(fault) => return Answer::failed(frame, &fault),
        };
        let tools = self.tools(service);
        let visible = VisibleTools::new(&self.members, service, request.context, &tools);
        let found = tools.search(query, |tool| visible.has(tool));
        let definitions = found.into_iter().take(limit).filter_map(|index| tools.definition(index));
        Answer::of(search::found_response(frame, definitions.map(|tool| &*tool.json)), "")
    }

    /// Lets a notification cancel a call. A cancelled call has no response.
    fn cancellable(
        &self,
        answer: MaybeReady<Answer>,
        request: GroupRequest<'_>,
        message: &Message<'_>,
    ) -> MaybeReady<Answer> {
        let MaybeReady::Later(pending) = answer else { return answer };
        let Some(id) = message.id else { return MaybeReady::Later(pending) };
        let Some(running) = self.running.begin(&request.head.headers, id.get()) else {
            return MaybeReady::Later(pending);
        };
        let record = request.context.record.clone();
        MaybeReady::later(async move {
            tokio::select! {
                biased;
                answer = pending => answer,
                () = running.cancelled() => {
                    if let Some(record) = record {
                        record.note_cancelled();
                    }
                    Answer::accepted()
                }
            }
        })
    }
}

/// The progress reports that a request asks for: it has a progress token, and accepts a stream of events.
fn requested_progress(request: GroupRequest<'_>, message: &Message<'_>) -> Option<Progress> {
    let token = message.params.as_ref()?.progress_token()?;
    let takes_events = weight(&media_ranges(&request.head.headers), "text/event-stream") > 0;
    let has_accept = request.head.headers.contains_key(header::ACCEPT);
    let id = message.id.filter(|_| takes_events && has_accept)?;
    Some(Progress::new(token, id, request.context))
}

/// Which tools of an endpoint a caller may see.
struct VisibleTools<'v> {
    caller: &'v Context,
    /// The part of each member's interface that the caller may see.
    groups: Vec<VisibleGroup>,
}

struct VisibleGroup {
    interface: Arc<Interface>,
    /// Whether the caller may see all methods, so that none has to be looked up.
    is_whole: bool,
}

impl<'v> VisibleTools<'v> {
    fn new(members: &[Member], service: &dyn RpcService, caller: &'v Context, tools: &Tools) -> VisibleTools<'v> {
        let groups = members.iter().zip(&tools.interfaces).map(|(member, whole)| {
            let interface = member.group_service(service).interface_for(caller);
            let is_whole = Arc::ptr_eq(&interface, whole);
            VisibleGroup { interface, is_whole }
        });
        VisibleTools { caller, groups: groups.collect() }
    }

    fn has(&self, tool: &FoundTool<'_>) -> bool {
        let has_method = |group: &VisibleGroup| group.is_whole || group.interface.method(&tool.method.name).is_some();
        let is_visible = self.groups.get(tool.member_index).is_some_and(has_method);
        is_visible && tool.member.may_have_effects(tool.method, self.caller)
    }

    /// Whether the interface of a group is not known yet.
    fn is_incomplete(&self) -> bool {
        self.groups.iter().any(|group| group.interface.incomplete)
    }
}

impl Answer {
    fn whole(body: Body, method: &str) -> Answer {
        Answer {
            status: StatusCode::OK,
            body: Some(body),
            method: method.into(),
            fault: None,
            headers: HeaderMap::new(),
            still_running: None,
        }
    }

    fn of(text: Vec<u8>, method: &str) -> Answer {
        Answer::whole(Body::whole(text), method)
    }

    /// The answer to a message that needs none.
    fn accepted() -> Answer {
        Answer {
            status: StatusCode::ACCEPTED,
            body: None,
            method: Box::from(""),
            fault: None,
            headers: HeaderMap::new(),
            still_running: None,
        }
    }

    fn error(id: Option<&RawValue>, error: &RpcError) -> Answer {
        let text = error.text(id.map(RawValue::get));
        let answer = Answer::of(text, "");
        Answer { status: error.status.unwrap_or(StatusCode::OK), fault: Some(error.kind()), ..answer }
    }

    /// The answer to a call of `find_tools` or `call_tool` with wrong arguments.
    fn failed(frame: &ResultFrame, fault: &Fault) -> Answer {
        Answer { fault: Some(fault.kind), ..Answer::of(call::failed(frame, fault), "") }
    }

    fn of_fault(result: &ToolResult, fault: &Fault) -> Answer {
        let (status, text) = match result.fault(fault) {
            ToolFault::Failed(text) => (StatusCode::OK, text),
            ToolFault::Error(error) => {
                let is_own = fault.kind == Kind::Internal && result.frame.is_stateless;
                let status = if is_own { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
                (status, error.text(Some(&result.frame.id)))
            }
        };
        Answer { status, fault: Some(fault.kind), ..Answer::of(text, &result.tool.method) }
    }
}

fn instructions(interface: &Interface) -> Option<Value> {
    let doc = interface.doc.trim();
    (!doc.is_empty()).then(|| excerpt(doc, LONGEST_INSTRUCTIONS).into())
}

/// The result of `initialize`.
fn handshake(interface: &Interface, capabilities: Value, message: &Message<'_>) -> JsonObject {
    let asked = message.params.as_ref().and_then(|params| params.asked_version.as_deref()).unwrap_or_default();
    let mut result = JsonObject::new();
    result.insert("protocolVersion".to_owned(), Revision::for_handshake(asked).name().into());
    result.insert("capabilities".to_owned(), capabilities);
    result.insert("serverInfo".to_owned(), server_info(&interface.title));
    result.extend(instructions(interface).map(|text| ("instructions".to_owned(), text)));
    result
}

/// The result of `server/discover`: the revisions without a handshake, since a client that wants another begins with one.
fn discovery(interface: &Interface, capabilities: Value) -> JsonObject {
    let mut result = JsonObject::new();
    let versions: Vec<Value> = Revision::stateless().map(|revision| revision.name().into()).collect();
    result.insert("supportedVersions".to_owned(), versions.into());
    result.insert("capabilities".to_owned(), capabilities);
    result.extend(instructions(interface).map(|text| ("instructions".to_owned(), text)));
    result.insert("ttlMs".to_owned(), TTL_MS.into());
    result.insert("cacheScope".to_owned(), CACHE_SCOPE.into());
    result
}

/// Lists must not be cached for several clients: they can differ by caller and by address.
const CACHE_SCOPE: &str = "private";
