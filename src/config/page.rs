//! Pages made from templates: the table of a page in the file, and the page that is made from it.

use std::ops::Range;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::problem::Problem;
use super::resolved::{ResolvedGroup, no_group, no_method};
use super::sources::Folder;
use crate::files;
use crate::model::text::abridge;
use crate::model::units::Period;
use crate::protocol::page::{PageStyle, PageTemplate, TemplatePage};
use crate::server::mount::PageMount;
use crate::service::RpcService;

/// A page that shows the result of a method by a template. `GET` requests it, and the query holds the method's parameters.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct PageFile {
    /// The path of the group whose method is called.
    #[schemars(with = "String")]
    group: Spanned<String>,
    /// The name of the method. Each view of the page calls it, so it should be a method that changes nothing.
    #[schemars(with = "String")]
    method: Spanned<String>,
    /// The template: a file, relative to the folder of the configuration file, or a built-in one such as
    /// `"built-in:table"`.
    #[schemars(with = "String")]
    template: Spanned<String>,
    /// Further files, which the template extends, includes or imports by these names.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    parts: Vec<Spanned<String>>,
    /// A style sheet for the page, applied after that of all pages: a file, or a built-in one.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    style: Option<Spanned<String>>,
    /// The title of the page. Without it, the title of the group.
    #[serde(default)]
    title: Option<String>,
    /// The time after which browsers load the page again. Without it, they never do so by themselves.
    #[serde(default)]
    #[schemars(extend("minimum" = 1000, "maximum" = 30_u64 * 24 * 60 * 60 * 1000))]
    refresh: Option<Period>,
}

/// The prefix of the name of a built-in file.
const BUILT_IN: &str = "built-in:";

/// The built-in files: the name, the template and the style sheet of each.
const BUILT_IN_FILES: [(&str, &str, &str); 1] =
    [("table", include_str!("../../config/table.html"), include_str!("../../config/table.css"))];

/// How many bytes a file may have.
const LARGEST_FILE: usize = 1 << 20;

/// The purpose of a file.
#[derive(Clone, Copy)]
enum FileKind {
    Template,
    Style,
}

/// Makes the page at a path; `None` if the table has problems, which are then in `problems`.
pub(super) fn resolve(
    path: &Spanned<String>,
    file: PageFile,
    groups: &[ResolvedGroup],
    folder: Folder<'_>,
    problems: &mut Vec<Problem>,
) -> Option<PageMount> {
    let template = template(&file, folder, problems);
    let style = file.style.as_ref().map(|name| read(name, FileKind::Style, folder));
    let style = style.transpose().map_err(|problem| problems.push(problem));
    let (service, limits) = called_service(&file, groups, problems)?;
    let title = file.title.unwrap_or_else(|| service.interface().title.clone());
    let page = TemplatePage {
        title: title.into(),
        method: file.method.into_inner().into(),
        template: Arc::new(template?),
        style: style.ok()?.map(|text| PageStyle::new(&text)),
        refresh: file.refresh.map(|Period(time)| time.as_secs()),
        limits,
        public_url: Arc::default(),
    };
    Some(PageMount { path: path.get_ref().clone(), group: file.group.into_inner(), service, page })
}

/// The service whose method is called, and the limits on its values.
fn called_service(
    file: &PageFile,
    groups: &[ResolvedGroup],
    problems: &mut Vec<Problem>,
) -> Option<(Arc<dyn RpcService>, crate::codec::DocumentLimits)> {
    let name = file.group.get_ref().as_str();
    let Some(group) = groups.iter().find(|group| group.is_at(name)) else {
        problems.push(no_group(&file.group, groups));
        return None;
    };
    let service = group.service()?;
    if let Some(interface) = group.interface()
        && interface.method(file.method.get_ref()).is_none()
    {
        problems.push(no_method(&interface, &file.method, &file.group));
        return None;
    }
    let limits = crate::codec::DocumentLimits { depth: group.limits.depth, elements: group.limits.elements };
    Some((service, limits))
}

fn template(file: &PageFile, folder: Folder<'_>, problems: &mut Vec<Problem>) -> Option<PageTemplate> {
    let before = problems.len();
    let mut parts = Vec::with_capacity(file.parts.len());
    for name in &file.parts {
        match read(name, FileKind::Template, folder) {
            Ok(text) => parts.push((name.get_ref().clone(), text)),
            Err(problem) => problems.push(problem),
        }
    }
    let text = read(&file.template, FileKind::Template, folder).map_err(|problem| problems.push(problem)).ok()?;
    if problems.len() > before {
        return None;
    }
    let made = PageTemplate::new(file.template.get_ref(), &text, &parts);
    let place = |name: &str| -> Range<usize> {
        let part = file.parts.iter().find(|part| part.get_ref() == name);
        part.map_or(file.template.span(), Spanned::span)
    };
    made.map_err(|wrong| problems.push(Problem::at(place(&wrong.name), wrong.to_string()))).ok()
}

/// The text of a file.
fn read(name: &Spanned<String>, kind: FileKind, folder: Folder<'_>) -> Result<String, Problem> {
    if let Some(built_in) = name.get_ref().strip_prefix(BUILT_IN) {
        let Some((_, template, style)) = BUILT_IN_FILES.iter().find(|(name, ..)| *name == built_in) else {
            let names: Vec<_> = BUILT_IN_FILES.iter().map(|(name, ..)| format!("`{BUILT_IN}{name}`")).collect();
            let problem = Problem::at(name.span(), format!("there is no built-in file `{}`", abridge(built_in)));
            return Err(problem.hint(format!("there is {}", names.join(", "))));
        };
        return Ok(match kind {
            FileKind::Template => (*template).to_owned(),
            FileKind::Style => (*style).to_owned(),
        });
    }
    let path = folder.join(name.get_ref());
    files::read_text(&path, LARGEST_FILE)
        .map_err(|error| Problem::at(name.span(), format!("`{}` cannot be read: {error}", path.display())))
}
