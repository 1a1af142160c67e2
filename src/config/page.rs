//! Pages of an operator's own: from names of files to templates that have been read and looked at.

use std::fs;
use std::io::Read as _;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::problem::Problem;
use super::resolved::{ResolvedGroup, no_group, no_method};
use crate::model::text::abridge;
use crate::model::units::Period;
use crate::protocol::page::{PageStyle, PageTemplate, TemplatePage};
use crate::server::mount::PageMount;
use crate::service::RpcService;

/// A page that shows what a method answers, by a template. `GET` asks for it; the query has the method's parameters.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct PageFile {
    /// The path of the group whose method is called.
    #[schemars(with = "String")]
    group: Spanned<String>,
    /// The method's name. Whoever looks at the page calls it, so it had better be one that changes nothing.
    #[schemars(with = "String")]
    method: Spanned<String>,
    /// The file with the template, its path being relative to that of this file; or one that is built in, such as
    /// `"built-in:table"`.
    #[schemars(with = "String")]
    template: Spanned<String>,
    /// Further files, which the template extends, includes or imports by these names.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    parts: Vec<Spanned<String>>,
    /// The file with a style sheet for the page, behind that of all pages; or one that is built in.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    style: Option<Spanned<String>>,
    /// What stands above the page; without it, the title of the group.
    #[serde(default)]
    title: Option<String>,
    /// After which time browsers ask for the page anew; without it, they never do by themselves.
    #[serde(default)]
    #[schemars(extend("minimum" = 1000, "maximum" = 30_u64 * 24 * 60 * 60 * 1000))]
    refresh: Option<Period>,
}

/// What stands before the name of a file that is built in.
const BUILT_IN: &str = "built-in:";

/// The files that are built in: the name, the template and the style sheet of each.
const FILES: [(&str, &str, &str); 1] =
    [("table", include_str!("../../config/table.html"), include_str!("../../config/table.css"))];

/// How many bytes a file may have.
const LARGEST: usize = 1 << 20;

/// What a file is for.
#[derive(Clone, Copy)]
enum Use {
    PageTemplate,
    PageStyle,
}

/// The page at a path; `None` where something is wrong with it, which is told.
pub(super) fn resolve(
    path: &Spanned<String>,
    file: PageFile,
    groups: &[ResolvedGroup],
    folder: &Path,
    problems: &mut Vec<Problem>,
) -> Option<PageMount> {
    let template = template(&file, folder, problems);
    let style = file.style.as_ref().map(|name| read(name, Use::PageStyle, folder));
    let style = style.transpose().map_err(|problem| problems.push(problem));
    let (service, limits) = called(&file, groups, problems)?;
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

/// The service whose method is called, and how large its values may be.
fn called(
    file: &PageFile,
    groups: &[ResolvedGroup],
    problems: &mut Vec<Problem>,
) -> Option<(Arc<dyn RpcService>, crate::codec::Limits)> {
    let name = file.group.get_ref().as_str();
    let Some(group) = groups.iter().find(|group| group.is_at(name)) else {
        problems.push(no_group(&file.group, groups));
        return None;
    };
    let service = group.service()?;
    let interface = service.interface();
    // A service that does not know yet what it offers may turn out to have any method.
    let known = interface.methods.is_empty() || interface.method(file.method.get_ref()).is_some();
    if !known {
        problems.push(no_method(&interface, &file.method, &file.group));
        return None;
    }
    let limits = crate::codec::Limits { depth: group.limits.depth, elements: group.limits.elements };
    Some((service, limits))
}

fn template(file: &PageFile, folder: &Path, problems: &mut Vec<Problem>) -> Option<PageTemplate> {
    let told = problems.len();
    let mut parts = Vec::with_capacity(file.parts.len());
    for name in &file.parts {
        match read(name, Use::PageTemplate, folder) {
            Ok(text) => parts.push((name.get_ref().clone(), text)),
            Err(problem) => problems.push(problem),
        }
    }
    let text = read(&file.template, Use::PageTemplate, folder).map_err(|problem| problems.push(problem)).ok()?;
    if problems.len() > told {
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
fn read(name: &Spanned<String>, what: Use, folder: &Path) -> Result<String, Problem> {
    if let Some(built_in) = name.get_ref().strip_prefix(BUILT_IN) {
        let Some((_, template, style)) = FILES.iter().find(|(name, ..)| *name == built_in) else {
            let names: Vec<_> = FILES.iter().map(|(name, ..)| format!("`{BUILT_IN}{name}`")).collect();
            let problem = Problem::at(name.span(), format!("no file `{}` is built in", abridge(built_in)));
            return Err(problem.hint(format!("there is {}", names.join(", "))));
        };
        return Ok(match what {
            Use::PageTemplate => (*template).to_owned(),
            Use::PageStyle => (*style).to_owned(),
        });
    }
    let path = folder.join(name.get_ref());
    let wrong = |reason: String| Problem::at(name.span(), format!("`{}` {reason}", path.display()));
    let mut bytes = Vec::new();
    let read = fs::File::open(&path).and_then(|file| file.take(LARGEST as u64 + 1).read_to_end(&mut bytes));
    read.map_err(|error| wrong(format!("cannot be read: {error}")))?;
    if bytes.len() > LARGEST {
        return Err(wrong(format!("has more than {LARGEST} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| wrong("is not UTF-8".to_owned()))
}
