//! The routes of a group, from the file as written to routes that fit the group's methods.

use std::ops::Range;

use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::check::Check;
use super::file::RouteFile;
use super::problem::Problem;
use super::schema::Node;
use crate::http::routes::{PathTemplateError, RestRoute, Segment};
use crate::model::interface::Interface;
use crate::model::option_error::Key;
use crate::model::text::abridge;
use crate::protocol::rest::server::{RouteError, RoutePart};
use crate::protocol::set::ProtocolSet;
use crate::server::group_router::GroupRouter;

/// The key under which a group has its routes.
const ROUTES: &str = "routes";

/// Looks at the routes in a group's table one by one, and takes out those that cannot be read, so that the others can be
/// looked at further. `way` leads to the table.
pub(super) fn check(group: &mut DeTable<'_>, node: Node<'_>, way: &[Key], problems: &mut Vec<Problem>) {
    let Some(DeValue::Array(routes)) = group.get_mut(ROUTES).map(Spanned::get_mut) else { return };
    let Some(node) = node.property(ROUTES).and_then(|node| node.item(0)) else { return };
    let mut sound = DeArray::new();
    for (at, mut route) in std::mem::replace(routes, DeArray::new()).into_iter().enumerate() {
        let mut check = Check::at(way.iter().cloned().chain([Key::from(ROUTES), Key::from(at)]));
        if check.value(&mut route, node) {
            sound.push(route);
        }
        problems.extend(check.problems);
    }
    *routes = sound;
}

/// The routes of one group that could be read, each with where it is written.
pub(super) struct Routes<'t> {
    text: &'t str,
    routes: Vec<RestRoute>,
    files: Vec<RouteFile>,
}

impl<'t> Routes<'t> {
    /// Reads routes one by one, and notes which are none.
    pub(super) fn read(text: &'t str, files: Vec<RouteFile>, problems: &mut Vec<Problem>) -> Routes<'t> {
        let mut read = Routes { text, routes: Vec::new(), files: Vec::new() };
        for file in files {
            match route(&file) {
                Ok(route) => {
                    read.routes.push(route);
                    read.files.push(file);
                }
                Err(Unread::RestRoute(error)) => {
                    let span = read.within(&file.route, Some(&error.span));
                    problems.push(Problem { hint: error.hint, ..Problem::at(span, error.message) });
                }
                Err(Unread::Value(name, span)) => {
                    let message = format!("the parameter `{}` has no form in JSON", abridge(&name));
                    problems.push(Problem::at(span, message));
                }
            }
        }
        read
    }

    /// The routes, once it is noted what is wrong with them. Where the interface is not known, since no service could be
    /// made, it is only looked at how they fit beside each other.
    pub(super) fn settle(
        self,
        protocols: &ProtocolSet,
        interface: Option<&Interface>,
        problems: &mut Vec<Problem>,
    ) -> Vec<RestRoute> {
        let protocols = ProtocolSet { routes: self.routes.clone(), ..protocols.clone() };
        let none = Interface::default();
        let checked = protocols.check_routes(interface.unwrap_or(&none));
        let unknown = checked.unknown.into_iter().filter(|_| interface.is_some());
        problems.extend(checked.wrong.into_iter().chain(unknown).map(|wrong| self.problem(wrong)));
        self.routes
    }

    /// Where the routes of the group at a path lead to, as far as that is always the same.
    pub(super) fn leading(&self, group: &Spanned<String>) -> Vec<Leading> {
        let base = group.get_ref().trim_end_matches('/');
        let leading = self.routes.iter().zip(&self.files).map(|(route, file)| {
            let literals = route.template().segments().iter().map_while(Segment::literal);
            let path = literals.fold(base.to_owned(), |path, segment| path + "/" + segment);
            Leading { path, route: route.template().to_string(), span: file.route.span(), group: group.clone() }
        });
        leading.collect()
    }

    /// What is wrong with a route, where it is written.
    fn problem(&self, wrong: RouteError) -> Problem {
        let problem = match self.span(wrong.route, &wrong.part) {
            Some(span) => Problem::at(span, wrong.message),
            None => Problem::whole(wrong.message),
        };
        let related = wrong.related.and_then(|(route, part, label)| Some((self.span(route, &part)?, label)));
        let problem = related.into_iter().fold(problem, |problem, (span, label)| problem.related(span, label));
        Problem { hint: wrong.hint, ..problem }
    }

    fn span(&self, route: usize, part: &RoutePart) -> Option<Range<usize>> {
        let file = self.files.get(route)?;
        let arg = |name: &str| file.args.iter().find(|(key, _)| key.get_ref() == name);
        match part {
            RoutePart::Route(place) => Some(self.within(&file.route, place.as_ref())),
            RoutePart::Method => Some(file.method.span()),
            RoutePart::Body => file.body.as_ref().map(Spanned::span),
            RoutePart::Arg(name) => arg(name).map(|(key, _)| key.span()),
            RoutePart::Value(name) => arg(name).map(|(_, value)| value.span()),
        }
    }

    /// Where a part of a text is in the file, if it stands there as it is meant; otherwise, where the whole text is.
    fn within(&self, text: &Spanned<String>, part: Option<&Range<usize>>) -> Range<usize> {
        let (span, meant) = (text.span(), text.get_ref());
        let written = self.text.get(span.start + 1..(span.start + 1).saturating_add(meant.len()));
        match part {
            Some(part) if written == Some(meant) && !part.is_empty() => {
                span.start + 1 + part.start..span.start + 1 + part.end
            }
            _ => span,
        }
    }
}

/// Where requests to a route begin.
pub(super) struct Leading {
    /// The path up to its first variable, the group's own included.
    path: String,
    route: String,
    span: Range<usize>,
    /// The path of the group.
    group: Spanned<String>,
}

impl Leading {
    /// Another group takes the requests, since its path is longer.
    pub(super) fn taken(self, mounted: &GroupRouter<Range<usize>>) -> Option<Problem> {
        let at = |path| mounted.find(path).ok().flatten().map(|(group, _)| group);
        let (own, other) = (at(self.group.get_ref())?, at(&self.path)?);
        // A group whose own path is another's is told of already.
        if own == other || *own != self.group.span() {
            return None;
        }
        let message = format!("no request comes to `{}`, since another group is mounted there", self.route);
        Some(Problem::at(self.span, message).related(other.clone(), "mounted here"))
    }
}

/// Why a route cannot be read.
enum Unread {
    RestRoute(PathTemplateError),
    /// A parameter, and where its value is.
    Value(String, Range<usize>),
}

fn route(file: &RouteFile) -> Result<RestRoute, Unread> {
    let route = RestRoute::new(file.route.get_ref(), file.method.get_ref()).map_err(Unread::RestRoute)?;
    let route = file.body.iter().fold(route, |route, body| route.body(body.get_ref()));
    file.args.iter().try_fold(route, |route, (name, value)| match json(value.get_ref()) {
        Some(json) => Ok(route.arg(name.get_ref(), json)),
        None => Err(Unread::Value(name.get_ref().clone(), value.span())),
    })
}

/// A value of the file as JSON has it: a date as its text; `None` for what is no number.
fn json(value: &toml::Value) -> Option<Value> {
    Some(match value {
        toml::Value::String(text) => Value::from(text.as_str()),
        toml::Value::Integer(number) => Value::from(*number),
        toml::Value::Float(number) => Value::Number(Number::from_f64(*number)?),
        toml::Value::Boolean(flag) => Value::from(*flag),
        toml::Value::Datetime(date) => Value::from(date.to_string()),
        toml::Value::Array(items) => Value::Array(items.iter().map(json).collect::<Option<_>>()?),
        toml::Value::Table(members) => {
            let members = members.iter().map(|(name, value)| Some((name.clone(), json(value)?)));
            Value::Object(members.collect::<Option<Map<_, _>>>()?)
        }
    })
}
