//! The tools of a group: its methods, as `tools/list` shows them.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::answer::{Members, RpcError, write_json};
use super::options::{McpOptions, ToolOptions};
use crate::codec::json::{JsonDialect, JsonNonFinite};
use crate::model::interface::{Interface, Method};
use crate::model::text::{abridge, excerpt};
use crate::protocol::mcp::names::ToolNames;
use crate::protocol::mcp::schema::{input_schema, output_schema};

/// The longest description of a tool, in characters.
const LONGEST_DESCRIPTION: usize = 1024;
/// How many tools a page of the list has at most, and how many bytes.
const PAGE: (usize, usize) = (500, 512 << 10);
/// How many parameters a text names.
const SHOWN: usize = 8;

/// The tools of one description of a service, in the order of their names.
pub(super) struct Tools {
    pub(super) interface: Arc<Interface>,
    tools: Box<[Tool]>,
    options: BTreeMap<String, ToolOptions>,
    /// Whether results are known to have the types of their methods.
    promises_results: bool,
}

struct Tool {
    name: Box<str>,
    /// The index of its method.
    method: usize,
    /// Made when it is needed for the first time.
    written: OnceLock<WrittenTool>,
}

/// A tool, as it is written.
pub(super) struct WrittenTool {
    json: Box<str>,
    /// Whether a result is the member `result` of an object: its type is none.
    pub(super) is_wrapped: bool,
}

/// A part of the list of tools.
pub(super) struct ToolPage {
    /// The items of the array.
    pub(super) items: Vec<u8>,
    /// Where the list goes on.
    pub(super) next: Option<String>,
}

impl Tools {
    pub(super) fn new(interface: Arc<Interface>, options: &McpOptions, dialect: JsonDialect) -> Tools {
        let given = options.tools.iter().filter_map(|(method, tool)| Some((method.as_str(), tool.name.as_deref()?)));
        let names = ToolNames::new(&interface, &given.collect());
        let tools = interface.methods.iter().enumerate().filter_map(|(index, method)| {
            let name = names.of_method(&method.name).filter(|_| options.has(&method.name))?;
            Some(Tool { name: name.into(), method: index, written: OnceLock::new() })
        });
        let mut tools: Vec<Tool> = tools.collect();
        tools.sort_by(|a, b| a.name.cmp(&b.name));
        // With another dialect, a number may be written as a text or as nothing.
        let promises_results = interface.has_exact_results && dialect.non_finite == JsonNonFinite::Refuse;
        Tools { interface, tools: tools.into(), options: options.tools.clone(), promises_results }
    }

    /// The method of a tool, and its place among the tools.
    ///
    /// # Errors
    /// If there is no such tool.
    pub(super) fn find(&self, name: &str) -> Result<(usize, &Method), RpcError> {
        let index = self.tools.binary_search_by(|tool| (*tool.name).cmp(name)).ok();
        let found = index.and_then(|index| Some((index, self.method(index)?)));
        found.ok_or_else(|| RpcError::invalid_params(format!("Unknown tool: {}", abridge(name))))
    }

    fn method(&self, index: usize) -> Option<&Method> {
        self.interface.methods.get(self.tools.get(index)?.method)
    }

    /// A tool as it is written.
    pub(super) fn written(&self, index: usize) -> Option<&WrittenTool> {
        let (tool, method) = (self.tools.get(index)?, self.method(index)?);
        let write = || self.write(&tool.name, method);
        Some(tool.written.get_or_init(write))
    }

    /// A page of the list, of those tools that are `shown`. The cursor is the name of the last tool before it.
    ///
    /// # Errors
    /// If the cursor is none of such a list.
    pub(super) fn page(&self, cursor: Option<&str>, shown: impl Fn(&Method) -> bool) -> Result<ToolPage, RpcError> {
        let first = match cursor.map(name_in_cursor) {
            None => 0,
            Some(Some(last)) => self.tools.partition_point(|tool| *tool.name <= *last),
            Some(None) => return Err(RpcError::invalid_params("the cursor is not valid")),
        };
        let mut page = ToolPage { items: Vec::new(), next: None };
        let mut count = 0;
        let mut last = "";
        for (index, tool) in self.tools.iter().enumerate().skip(first) {
            if !self.method(index).is_some_and(&shown) {
                continue;
            }
            if count == PAGE.0 || page.items.len() > PAGE.1 {
                page.next = Some(URL_SAFE_NO_PAD.encode(last));
                break;
            }
            let Some(written) = self.written(index) else { continue };
            if count > 0 {
                page.items.push(b',');
            }
            page.items.extend_from_slice(written.json.as_bytes());
            (count, last) = (count + 1, &tool.name);
        }
        Ok(page)
    }

    fn write(&self, name: &str, method: &Method) -> WrittenTool {
        let (interface, options) = (&*self.interface, self.options.get(&method.name));
        let output = output_schema(method, &interface.defs);
        let shown_title = options.and_then(|options| options.title.clone()).unwrap_or_else(|| title(&method.name));
        let shown_doc = options.and_then(|options| options.description.clone()).unwrap_or_else(|| description(method));
        let input = match options.filter(|options| !options.args.is_empty()) {
            Some(options) => {
                let params = method.params.iter().filter(|param| !options.args.contains_key(&param.name));
                let open = Method { params: params.cloned().collect(), ..method.clone() };
                input_schema(&open, &interface.defs)
            }
            None => input_schema(method, &interface.defs),
        };
        let mut tool = Members::new();
        let mut set = |member: &str, value: Value| drop(tool.insert(member.to_owned(), value));
        set("name", name.into());
        set("title", shown_title.as_str().into());
        set("description", shown_doc.into());
        set("inputSchema", input);
        // What an upstream says of its results is no promise, and clients refuse results that do not match.
        if self.promises_results {
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
        WrittenTool { json: json.into(), is_wrapped: output.is_wrapped }
    }
}

/// The name of a tool in a cursor; `None` if that is none.
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

/// The parameters of a method by name, for a caller who is to ask for less.
pub(super) fn parameters(method: &Method) -> String {
    let names: Vec<String> = method.params.iter().take(SHOWN).map(|param| format!("`{}`", param.name)).collect();
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
