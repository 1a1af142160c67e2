//! The variables of the templates of a group's page and of the page of one of its methods, made from the interface.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::json;

use super::assets::{SCRIPT, STYLE};
use super::forms::{Forms, forms};
use super::method_list::{MethodLine, method_list};
use super::method_view::SectionWriter;
use super::outage::OutageView;
use super::prose::{Paragraph, prose};
use super::{GroupSummary, Page, root, templates};
use crate::model::interface::{Interface, Method};

/// The most bytes of the sections of methods on the page of a group, and of the data for the script. Beyond that, the page
/// has a list of the methods, and each method has a page of its own.
const MAX_SECTIONS: usize = 192 << 10;

/// The variables of the templates.
#[derive(Serialize)]
pub(super) struct GroupView<'a> {
    title: Cow<'a, str>,
    /// The title of the group.
    group: &'a str,
    doc: Vec<Paragraph>,
    /// The prefix of all paths.
    root: &'a str,
    /// The path of the group, without a slash at its end.
    here: &'a str,
    /// The group's public address.
    url: String,
    style: Cow<'static, str>,
    script: Cow<'static, str>,
    version: &'a str,
    /// The names of the methods whose sections are shown.
    names: Vec<&'a str>,
    /// The sections of methods.
    sections: Vec<minijinja::Value>,
    /// All methods in the place of their sections, if those are too large.
    list: Option<Vec<MethodLine<'a>>>,
    /// Why the service cannot be used, if it cannot.
    outage: Option<OutageView>,
    /// The rendered section of the service, if it has one.
    section: Option<minijinja::Value>,
    protocols: Vec<ProtocolChoice>,
    /// The names of these protocols.
    protocol_names: Vec<&'static str>,
    /// What clients of MCP call the group; `None` if it is none of their servers.
    mcp_name: Option<String>,
    /// The address of the group for these clients.
    mcp_url: String,
    /// The other groups.
    others: Vec<&'a GroupSummary>,
    /// The data for the script, as JSON in an attribute.
    data: minijinja::Value,
}

/// A protocol that the reader can choose for calls.
#[derive(Serialize)]
struct ProtocolChoice {
    name: &'static str,
    title: &'static str,
}

/// The sections of methods, and the data for the script.
#[derive(Default)]
struct Sections<'a> {
    names: Vec<&'a str>,
    html: Vec<minijinja::Value>,
    data: minijinja::Value,
}

/// A group at the path of a request.
pub(super) struct GroupPage<'a> {
    pub(super) page: &'a Page,
    pub(super) interface: &'a Interface,
    /// The public address of the server.
    pub(super) base: &'a str,
    /// The path of the group in the request.
    pub(super) path: &'a str,
    pub(super) outage: Option<OutageView>,
}

impl<'a> GroupPage<'a> {
    /// The page of the group, as HTML.
    ///
    /// # Errors
    /// If the template of the service's own section is malformed.
    pub(super) fn render(self) -> Result<String, minijinja::Error> {
        let own = self.interface.page_section.as_deref().filter(|_| !self.page.protocols.is_empty());
        let own = own.map(|section| templates::render_text(section.template, &section.data)).transpose()?;
        let (sections, list) = match self.all_sections()? {
            Some(sections) => (sections, None),
            None => {
                let data = self.data(&Forms::default());
                (Sections { data, ..Sections::default() }, Some(method_list(self.interface)))
            }
        };
        let section = own.map(minijinja::Value::from_safe_string);
        let title = self.title();
        templates::render("group.html", &GroupView { section, list, ..self.view(title.into(), sections) })
    }

    /// The page of one method, as HTML. `index` is its index among the methods of the group.
    ///
    /// # Errors
    /// If the template cannot be rendered.
    pub(super) fn render_method(self, method: &'a Method, index: usize) -> Result<String, minijinja::Error> {
        let html = self.writer().render(method, index + 1, 0)?;
        let forms = forms(&self.interface.with_methods(|other| other.name == method.name));
        let sections = Sections {
            names: vec![&method.name],
            html: vec![minijinja::Value::from_safe_string(html)],
            data: self.data(&forms),
        };
        let title = format!("{}: {}", self.title(), method.name);
        templates::render("method_page.html", &self.view(title.into(), sections))
    }

    /// The sections of all methods; `None` if they are too large for one page. The script of a service's own section calls
    /// the methods, so the page of such a service always has all of them.
    fn all_sections(&self) -> Result<Option<Sections<'a>>, minijinja::Error> {
        let limit = if self.interface.page_section.is_some() { usize::MAX } else { MAX_SECTIONS };
        let writer = self.writer();
        let (mut html, mut size) = (Vec::new(), 0);
        for (index, method) in self.interface.methods.iter().enumerate() {
            let section = writer.render(method, index + 1, index)?;
            size += section.len();
            if size > limit {
                return Ok(None);
            }
            html.push(minijinja::Value::from_safe_string(section));
        }
        let forms = forms(self.interface);
        let data = self.data(&forms);
        let data_size = data.as_str().map_or(0, str::len);
        if size + data_size > limit || (forms.is_cut && limit < usize::MAX) {
            return Ok(None);
        }
        let names = self.interface.methods.iter().map(|method| method.name.as_str()).collect();
        Ok(Some(Sections { names, html, data }))
    }

    fn writer(&self) -> SectionWriter<'a> {
        SectionWriter {
            interface: self.interface,
            routes: &self.page.routes,
            calls: !self.page.protocols.is_empty(),
            root: root(self.base),
            here: self.here(),
        }
    }

    fn view(self, title: Cow<'a, str>, sections: Sections<'a>) -> GroupView<'a> {
        let section = self.interface.page_section.as_deref();
        let protocols = &self.page.protocols;
        GroupView {
            title,
            group: self.title(),
            doc: prose(&self.interface.doc),
            root: root(self.base),
            here: self.here(),
            url: self.url(),
            style: STYLE.version_with(section),
            script: SCRIPT.version_with(section),
            version: env!("CARGO_PKG_VERSION"),
            names: sections.names,
            sections: sections.html,
            list: None,
            section: None,
            protocols: protocols.iter().map(|it| ProtocolChoice { name: it.name(), title: it.title() }).collect(),
            protocol_names: protocols.iter().map(|item| item.name()).collect(),
            mcp_name: self.page.has_mcp.then(|| mcp_name(self.here())),
            mcp_url: format!("{}{}/mcp", self.base, self.here()),
            others: self.page.groups.iter().filter(|group| !group.is_at(self.path)).collect(),
            data: sections.data,
            outage: self.outage,
        }
    }

    fn title(&self) -> &'a str {
        if self.interface.title.is_empty() { self.path } else { &self.interface.title }
    }

    fn here(&self) -> &'a str {
        self.path.trim_end_matches('/')
    }

    fn url(&self) -> String {
        format!("{}{}", self.base, self.path)
    }

    /// The data for the script: the types of values, and addresses.
    fn data(&self, forms: &Forms) -> minijinja::Value {
        templates::attribute_json(&json!({
            "url": self.url(),
            "path": format!("{}{}", root(self.base), self.path),
            "namespace": self.page.namespace,
            "methods": forms.methods,
            "definitions": forms.definitions,
            "section": self.interface.page_section.as_ref().map(|section| &section.script_data),
        }))
    }
}

/// The name of a group in the settings of MCP clients: letters, digits and hyphens.
fn mcp_name(path: &str) -> String {
    let name: String =
        path.trim_matches('/').chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    if name.is_empty() { "croupier".to_owned() } else { name }
}
