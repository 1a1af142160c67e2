//! The tools of an endpoint: the methods of its groups, as `tools/list` shows them.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::answer::{JsonObject, RpcError, write_json};
use super::members::Member;
use super::options::ToolOptions;
use super::search::{ToolIndex, ToolText};
use crate::codec::json::{JsonDialect, JsonNonFinite};
use crate::model::fault::Fault;
use crate::model::interface::{Interface, Method, member};
use crate::model::text::excerpt;
use crate::protocol::mcp::names::{NamedGroup, ToolNames};
use crate::protocol::mcp::schema::{input_schema, mismatches, output_schema};

/// The longest description of a tool, in characters.
const LONGEST_DESCRIPTION: usize = 1024;
/// How many tools a page of the list has at most.
const MAX_PAGE_TOOLS: usize = 500;
/// How many bytes a page of the list has before its last tool, at most.
const MAX_PAGE_BYTES: usize = 512 << 10;
/// How many parameters are named in the advice to ask for less.
const MAX_NAMED_PARAMS: usize = 8;

/// The tools of an endpoint in the order of their names, made of one version of each member's interface.
pub(super) struct Tools {
    members: Arc<[Member]>,
    /// The interface of each member.
    pub(super) interfaces: Box<[Arc<Interface>]>,
    tools: Box<[Tool]>,
    /// Made for the first search.
    index: OnceLock<ToolIndex>,
}

struct Tool {
    name: Box<str>,
    /// The index of its group among the members.
    member: usize,
    /// The index of its method among those of its group.
    method: usize,
    /// Made for the first list or call.
    definition: OnceLock<Arc<ToolDefinition>>,
}

/// A tool that has been found by its name.
#[derive(Clone, Copy)]
pub(super) struct FoundTool<'t> {
    /// Its index among the tools.
    pub(super) index: usize,
    pub(super) name: &'t str,
    /// The index of its group among the members.
    pub(super) member_index: usize,
    pub(super) member: &'t Member,
    /// The interface of its group.
    pub(super) interface: &'t Interface,
    pub(super) method: &'t Method,
}

/// The definition of a tool as a list has it, and what its results are written by.
#[derive(Debug)]
pub(super) struct ToolDefinition {
    /// The item of the list.
    pub(super) json: Box<str>,
    pub(super) name: Box<str>,
    pub(super) method: Box<str>,
    /// The names of parameters, for the advice to ask for less.
    pub(super) parameters: Box<str>,
    /// The media type of results, if they are bytes and nothing else.
    pub(super) bytes_type: Option<Box<str>>,
    pub(super) dialect: JsonDialect,
    /// How many bytes of JSON a result may have.
    pub(super) max_result: usize,
    /// Whether a result is wrapped in an object as its member `result`, because its type is not an object.
    pub(super) is_wrapped: bool,
}

/// A part of the list of tools.
pub(super) struct ToolPage {
    /// The items of the array.
    pub(super) items: Vec<u8>,
    /// The cursor of the next page; `None` after the last one.
    pub(super) next: Option<String>,
}

impl Tools {
    /// The tools of these groups. `interfaces` has the interface of each member, in the same order. No tool gets one of the `reserved`
    /// names.
    pub(super) fn new(members: Arc<[Member]>, interfaces: Vec<Arc<Interface>>, reserved: &[&str]) -> Tools {
        let groups = members.iter().zip(&interfaces).map(|(member, interface)| {
            let tools = member.options.tools.iter();
            let given = tools.filter_map(|(method, tool)| Some((method.as_str(), tool.name.as_deref()?))).collect();
            NamedGroup { prefix: &member.prefix, interface, given }
        });
        let names = ToolNames::new(&groups.collect::<Vec<_>>(), reserved);
        let mut tools = Vec::new();
        for (member, (group, interface)) in members.iter().zip(&interfaces).enumerate() {
            tools.extend(interface.methods.iter().enumerate().filter_map(|(method, described)| {
                let name =
                    names.of_method(&group.prefix, &described.name).filter(|_| group.options.has(&described.name))?;
                Some(Tool { name: name.into(), member, method, definition: OnceLock::new() })
            }));
        }
        tools.sort_by(|a, b| a.name.cmp(&b.name));
        Tools { members, interfaces: interfaces.into(), tools: tools.into(), index: OnceLock::new() }
    }

    /// A tool by its name.
    ///
    /// # Errors
    /// If there is no such tool.
    pub(super) fn find(&self, name: &str) -> Result<FoundTool<'_>, RpcError> {
        let index = self.tools.binary_search_by(|tool| (*tool.name).cmp(name)).ok();
        let found = index.and_then(|index| self.found(index));
        found.ok_or_else(|| RpcError::no_such_tool(name))
    }

    fn found(&self, index: usize) -> Option<FoundTool<'_>> {
        let tool = self.tools.get(index)?;
        let (member, interface) = (self.members.get(tool.member)?, self.interfaces.get(tool.member)?);
        let method = interface.methods.get(tool.method)?;
        Some(FoundTool { index, name: &tool.name, member_index: tool.member, member, interface, method })
    }

    /// The tools that match a query, the best first, among those that are `shown`.
    pub(super) fn search(&self, query: &str, shown: impl Fn(&FoundTool<'_>) -> bool) -> Vec<usize> {
        let all = || (0..self.tools.len()).map(|index| self.found(index));
        let index = self.index.get_or_init(|| ToolIndex::new(all().flatten().map(|found| found.text())));
        let shown: Vec<bool> = all().map(|found| found.is_some_and(|found| shown(&found))).collect();
        index.find(query, &shown)
    }

    /// The definition of the tool with this index.
    pub(super) fn definition(&self, index: usize) -> Option<&Arc<ToolDefinition>> {
        let (tool, found) = (self.tools.get(index)?, self.found(index)?);
        Some(tool.definition.get_or_init(|| Arc::new(define(found))))
    }

    /// Adds lines to the message of a fault: where the arguments do not match the schema of the tool.
    pub(super) fn explain(&self, index: usize, arguments: Option<&RawValue>, fault: &mut Fault) {
        let Some(definition) = self.definition(index) else { return };
        let arguments = arguments.map_or("{}", RawValue::get);
        let tool = serde_json::from_str::<Value>(&definition.json);
        let (Ok(tool), Ok(arguments)) = (tool, serde_json::from_str(arguments)) else { return };
        for mismatch in tool.get("inputSchema").into_iter().flat_map(|schema| mismatches(schema, &arguments)) {
            fault.message = format!("{}\n{mismatch}", fault.message).into();
        }
    }

    /// A page of the list, of those tools that are `shown`. The cursor is the name of the last tool before it.
    ///
    /// # Errors
    /// If the cursor is malformed.
    pub(super) fn page(
        &self,
        cursor: Option<&str>,
        shown: impl Fn(&FoundTool<'_>) -> bool,
    ) -> Result<ToolPage, RpcError> {
        let first = match cursor.map(name_in_cursor) {
            None => 0,
            Some(Some(last)) => self.tools.partition_point(|tool| *tool.name <= *last),
            Some(None) => return Err(RpcError::invalid_params("the cursor is not valid")),
        };
        let mut page = ToolPage { items: Vec::new(), next: None };
        let mut count = 0;
        let mut last = "";
        for (index, tool) in self.tools.iter().enumerate().skip(first) {
            if !self.found(index).is_some_and(|found| shown(&found)) {
                continue;
            }
            if count == MAX_PAGE_TOOLS || page.items.len() > MAX_PAGE_BYTES {
                page.next = Some(URL_SAFE_NO_PAD.encode(last));
                break;
            }
            let Some(definition) = self.definition(index) else { continue };
            if count > 0 {
                page.items.push(b',');
            }
            page.items.extend_from_slice(definition.json.as_bytes());
            (count, last) = (count + 1, &tool.name);
        }
        Ok(page)
    }
}

impl<'t> FoundTool<'t> {
    fn options(&self) -> Option<&'t ToolOptions> {
        self.member.options.tools.get(&self.method.name)
    }

    fn title(&self) -> Cow<'t, str> {
        let given = self.options().and_then(|options| options.title.as_deref());
        given.map_or_else(|| title(&self.method.name).into(), Cow::Borrowed)
    }

    fn description(&self) -> Cow<'t, str> {
        let given = self.options().and_then(|options| options.description.as_deref());
        given.map_or_else(|| description(self.method).into(), Cow::Borrowed)
    }

    /// The texts in which a search looks for words.
    fn text(&self) -> ToolText<'t> {
        let is_fixed = |name: &str| self.options().is_some_and(|options| options.args.contains_key(name));
        let params = self.method.params.iter().map(|param| param.name.as_str()).filter(|name| !is_fixed(name));
        let (title, description) = (self.title(), self.description());
        ToolText { name: self.name, title, description, params: params.collect() }
    }
}

fn define(tool: FoundTool<'_>) -> ToolDefinition {
    let FoundTool { name, member, interface, method, .. } = tool;
    let output = output_schema(method, &interface.defs);
    let (shown_title, shown_doc) = (tool.title(), tool.description());
    let open = member.options.without_fixed_args(method);
    let input = input_schema(&open, &interface.defs);
    let mut tool = JsonObject::new();
    let mut set = |member: &str, value: Value| drop(tool.insert(member.to_owned(), value));
    set("name", name.into());
    set("title", shown_title.as_ref().into());
    set("description", shown_doc.as_ref().into());
    set("inputSchema", input);
    // Clients refuse results that do not match `outputSchema`. Upstreams may return others than they describe, and a dialect may write a
    // number that is not finite as a text or as null.
    if interface.has_exact_results && member.dialect.non_finite == JsonNonFinite::Refuse {
        set("outputSchema", output.schema);
    }
    let mut annotations = json!({
        "title": shown_title,
        "readOnlyHint": method.safe,
        "openWorldHint": !interface.has_exact_results,
    });
    if let Some(hints) = annotations.as_object_mut().filter(|_| !method.safe) {
        hints.insert("destructiveHint".to_owned(), true.into());
    }
    set("annotations", annotations);
    let mut json = Vec::new();
    write_json(&tool, &mut json);
    let json = String::from_utf8(json).unwrap_or_default();
    ToolDefinition {
        json: json.into(),
        name: name.into(),
        method: method.name.as_str().into(),
        parameters: parameters(&open).into(),
        bytes_type: bytes_type(method, interface),
        dialect: member.dialect,
        max_result: member.options.max_result,
        is_wrapped: output.is_wrapped,
    }
}

/// The media type of the result of a method that returns bytes and nothing else.
fn bytes_type(method: &Method, interface: &Interface) -> Option<Box<str>> {
    let schema = interface.resolve(method.result.as_value());
    let is_base64 = member(schema, "contentEncoding").and_then(Value::as_str) == Some("base64");
    let media = member(schema, "contentMediaType").and_then(Value::as_str);
    is_base64.then(|| media.unwrap_or("application/octet-stream").into())
}

/// The name of the tool in a cursor; `None` if the cursor is malformed.
fn name_in_cursor(cursor: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()
}

/// The name of a method as words: `spins.list` is "Spins list".
fn title(method: &str) -> String {
    let mut words = String::with_capacity(method.len());
    let mut before = ' ';
    let mut rest = method.chars().peekable();
    while let Some(c) = rest.next() {
        let begins_word = c.is_uppercase() && before.is_lowercase();
        match c {
            '_' | '.' | ':' | '/' | '-' | ' ' if words.is_empty() || words.ends_with(' ') => {}
            '_' | '.' | ':' | '/' | '-' | ' ' => words.push(' '),
            _ if words.is_empty() => words.extend(c.to_uppercase()),
            // An abbreviation keeps its capitals.
            _ if begins_word && rest.peek().is_some_and(|next| next.is_uppercase()) => words.extend([' ', c]),
            _ if begins_word => {
                words.push(' ');
                words.extend(c.to_lowercase());
            }
            _ => words.push(c),
        }
        before = c;
    }
    words.trim_end().to_owned()
}

/// The documentation of a method; it is never empty.
fn description(method: &Method) -> String {
    let doc = method.doc.trim();
    let doc = if doc.is_empty() { format!("Calls {}.", method.name) } else { doc.to_owned() };
    excerpt(&doc, LONGEST_DESCRIPTION)
}

/// The names of the first parameters of a method, for the advice to ask for less.
fn parameters(method: &Method) -> String {
    let names: Vec<String> =
        method.params.iter().take(MAX_NAMED_PARAMS).map(|param| format!("`{}`", param.name)).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_keep_their_lines_and_are_never_empty() {
        let described = |doc: &str| description(&Method { doc: doc.to_owned(), ..Method::undescribed("wheel.spin") });
        assert_eq!(described(" Spins.\n\n- pays\n"), "Spins.\n\n- pays");
        assert_eq!(described(" \n"), "Calls wheel.spin.");
        assert_eq!(described(&"a".repeat(2000)).chars().count(), LONGEST_DESCRIPTION + 1);
    }

    #[test]
    fn titles_are_words() {
        for (method, expected) in [
            ("spins.list", "Spins list"),
            ("supervisor.getProcessInfo", "Supervisor get process info"),
            ("wheel_spin", "Wheel spin"),
            ("GetURL", "Get URL"),
            ("..x..", "X"),
        ] {
            assert_eq!(title(method), expected);
        }
    }
}
