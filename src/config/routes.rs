//! The routes of a group: reads them from the file, and checks them against the group's methods and against each other.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::aggregate::literal::json;
use super::check::Check;
use super::file::RouteFile;
use super::problem::Problem;
use super::schema::SchemaNode;
use super::sources::within;
use super::variables::Environment;
use crate::http::routes::{PathTemplateError, RestRoute, Segment};
use crate::model::interface::Interface;
use crate::model::option_error::Key;
use crate::model::text::abridge;
use crate::protocol::rest::server::{RouteError, RoutePart};
use crate::protocol::set::ProtocolSet;
use crate::server::group_router::GroupRouter;

/// The key under which a group has its routes.
const ROUTES: &str = "routes";

/// Checks the routes in a group's table one by one, and removes those that cannot be read, so that the others can be checked
/// further. `table_path` is the path of the table.
pub(super) fn check<'t>(
    group: &mut DeTable<'t>,
    node: SchemaNode<'_>,
    (table_path, environment): (&[Key], &'t Environment),
    problems: &mut Vec<Problem>,
) {
    let Some(DeValue::Array(routes)) = group.get_mut(ROUTES).map(Spanned::get_mut) else { return };
    let Some(node) = node.property(ROUTES).and_then(|node| node.item(0)) else { return };
    let mut valid = DeArray::new();
    for (index, mut route) in std::mem::replace(routes, DeArray::new()).into_iter().enumerate() {
        let path = table_path.iter().cloned().chain([Key::from(ROUTES), Key::from(index)]);
        let mut check = Check::starting_at(path, environment);
        if check.value(&mut route, node) {
            valid.push(route);
        }
        problems.extend(check.problems);
    }
    *routes = valid;
}

/// The routes of one group that could be read, each with its place in the file.
pub(super) struct Routes<'t> {
    text: &'t str,
    routes: Vec<RestRoute>,
    files: Vec<RouteFile>,
}

impl<'t> Routes<'t> {
    /// Reads the routes one by one, and reports those that are not valid.
    pub(super) fn read(text: &'t str, files: Vec<RouteFile>, problems: &mut Vec<Problem>) -> Routes<'t> {
        let mut read = Routes { text, routes: Vec::new(), files: Vec::new() };
        for file in files {
            match read_route(&file) {
                Ok(route) => {
                    read.routes.push(route);
                    read.files.push(file);
                }
                Err(UnreadableRoute::Template(error)) => {
                    let span = within(text, &file.route, Some(&error.span));
                    problems.push(Problem { hint: error.hint, ..Problem::at(span, error.message) });
                }
                Err(UnreadableRoute::Value(name, span)) => {
                    let message = format!("the parameter `{}` has no form in JSON", abridge(&name));
                    problems.push(Problem::at(span, message));
                }
            }
        }
        read
    }

    /// Reports the problems of the routes, and returns them. Without an interface they are checked only against each other.
    pub(super) fn finish(
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

    /// The fixed beginning of the path of each route, for the group at this path.
    pub(super) fn prefixes(&self, group: &Spanned<String>) -> Vec<RoutePrefix> {
        let base = group.get_ref().trim_end_matches('/');
        let prefixes = self.routes.iter().zip(&self.files).map(|(route, file)| {
            let literals = route.template().segments().iter().map_while(Segment::literal);
            let path = literals.fold(base.to_owned(), |path, segment| path + "/" + segment);
            RoutePrefix { path, route: route.template().to_string(), span: file.route.span(), group: group.clone() }
        });
        prefixes.collect()
    }

    /// The problem of a route, at its place in the file.
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
            RoutePart::Route(place) => Some(within(self.text, &file.route, place.as_ref())),
            RoutePart::Method => Some(file.method.span()),
            RoutePart::Body => file.body.as_ref().map(Spanned::span),
            RoutePart::Arg(name) => arg(name).map(|(key, _)| key.span()),
            RoutePart::Value(name) => arg(name).map(|(_, value)| value.span()),
        }
    }
}

/// The fixed beginning of the path of a route.
pub(super) struct RoutePrefix {
    /// The path of the group and the segments up to the first variable.
    path: String,
    route: String,
    span: Range<usize>,
    /// The path of the group.
    group: Spanned<String>,
}

impl RoutePrefix {
    /// The problem that another group gets the requests of the route, because its path is longer.
    pub(super) fn shadowed(self, mounted: &GroupRouter<Range<usize>>) -> Option<Problem> {
        let mounted_at = |path| mounted.find(path).ok().flatten().map(|(group, _)| group);
        let (own, other) = (mounted_at(self.group.get_ref())?, mounted_at(&self.path)?);
        // A group whose path another group has is reported already.
        if own == other || *own != self.group.span() {
            return None;
        }
        let message = format!("no request reaches `{}`, because another group is mounted there", self.route);
        Some(Problem::at(self.span, message).related(other.clone(), "mounted here"))
    }
}

/// Why a route cannot be read.
enum UnreadableRoute {
    Template(PathTemplateError),
    /// The value of this parameter, at this span, has no form in JSON.
    Value(String, Range<usize>),
}

fn read_route(file: &RouteFile) -> Result<RestRoute, UnreadableRoute> {
    let route = RestRoute::new(file.route.get_ref(), file.method.get_ref()).map_err(UnreadableRoute::Template)?;
    let route = file.body.iter().fold(route, |route, body| route.body(body.get_ref()));
    file.args.iter().try_fold(route, |route, (name, value)| match json(value.get_ref()) {
        Some(json) => Ok(route.arg(name.get_ref(), json)),
        None => Err(UnreadableRoute::Value(name.get_ref().clone(), value.span())),
    })
}
