//! The routes of a group, found by path.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;
use percent_encoding::percent_decode_str;

use super::{RestRoute, Segment};

/// The routes of a group as a tree of segments, in which a literal precedes a variable.
///
/// A table does not know the interface of the service. Routes are checked against the interface at start-up, and again
/// for each request, because the interface of an upstream can change.
#[derive(Debug, Clone, Default)]
pub struct RouteTable {
    routes: Vec<Arc<RestRoute>>,
    root: RouteNode,
}

#[derive(Debug, Clone, Default)]
struct RouteNode {
    literals: BTreeMap<Box<str>, RouteNode>,
    variable: Option<Box<RouteNode>>,
    /// The routes that end here, with different verbs.
    routes: Vec<Arc<RestRoute>>,
}

/// The routes at a path.
#[derive(Debug, Clone)]
pub struct RouteMatch<'t, 'p> {
    /// At least one route; all have different verbs.
    pub routes: &'t [Arc<RestRoute>],
    /// The values of the variables in the path, in order.
    pub values: Vec<Cow<'p, str>>,
}

impl RouteTable {
    /// The table of these routes. Of two routes with the same verb and the same shape of path, the first counts.
    pub fn new(routes: &[RestRoute]) -> RouteTable {
        let mut table = RouteTable::default();
        for route in routes {
            let node = route.template().segments().iter().fold(&mut table.root, |node, segment| match segment {
                Segment::Literal(text) => node.literals.entry(text.clone()).or_default(),
                Segment::Variable { .. } => node.variable.get_or_insert_default(),
            });
            if node.routes.iter().all(|other| other.template().verb() != route.template().verb()) {
                let route = Arc::new(route.clone());
                node.routes.push(route.clone());
                table.routes.push(route);
            }
        }
        table
    }

    /// All routes, in their original order.
    pub fn routes(&self) -> &[Arc<RestRoute>] {
        &self.routes
    }

    /// The routes for a path without its first slash, in which each segment is percent-encoded. A slash at the end is
    /// ignored.
    pub fn find<'p>(&self, tail: &'p str) -> Option<RouteMatch<'_, 'p>> {
        if self.routes.is_empty() {
            return None;
        }
        let mut values = Vec::new();
        let node = self.root.descend(Some(tail.strip_suffix('/').unwrap_or(tail)), &mut values)?;
        Some(RouteMatch { routes: &node.routes, values })
    }
}

impl RouteNode {
    /// The node at the end of a path; appends the values of the variables to `values`. It visits each node once at most,
    /// and the depth of recursion is at most the length of the longest route.
    fn descend<'p>(&self, path: Option<&'p str>, values: &mut Vec<Cow<'p, str>>) -> Option<&RouteNode> {
        let Some(path) = path else { return Some(self).filter(|node| !node.routes.is_empty()) };
        let (segment, rest) = path.split_once('/').map_or((path, None), |(segment, rest)| (segment, Some(rest)));
        let text = percent_decode_str(segment).decode_utf8_lossy();
        if let Some(node) = self.literals.get(text.as_ref()).and_then(|node| node.descend(rest, values)) {
            return Some(node);
        }
        let variable = self.variable.as_deref().filter(|_| !text.is_empty())?;
        values.push(text);
        let found = variable.descend(rest, values);
        if found.is_none() {
            values.pop();
        }
        found
    }
}

impl<'t> RouteMatch<'t, '_> {
    /// The route with a verb. HEAD uses the route of GET.
    pub fn route(&self, verb: &Method) -> Option<&'t Arc<RestRoute>> {
        let verb = if verb == Method::HEAD { &Method::GET } else { verb };
        self.routes.iter().find(|route| route.template().verb() == verb)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table(routes: &[&str]) -> RouteTable {
        let routes: Vec<RestRoute> = routes.iter().map(|route| RestRoute::new(route, *route).unwrap()).collect();
        RouteTable::new(&routes)
    }

    fn found(table: &RouteTable, verb: &Method, tail: &str) -> Option<(String, Vec<String>)> {
        let found = table.find(tail)?;
        let values = found.values.iter().map(|value| value.clone().into_owned()).collect();
        Some((found.route(verb)?.method().to_owned(), values))
    }

    #[test]
    fn literals_precede_variables_and_the_search_backtracks() {
        let table = table(&["GET /a/{x}", "GET /{x}/b", "GET /{x}/{y}", "GET /a/b/c", "PUT /{x}/{z}", "GET /q"]);
        for (tail, route, values) in [
            ("a/b", "GET /a/{x}", vec!["b"]),
            ("a/b/", "GET /a/{x}", vec!["b"]),
            ("%61/%62%20c", "GET /a/{x}", vec!["b c"]),
            ("c/b", "GET /{x}/b", vec!["c"]),
            ("c/d", "GET /{x}/{y}", vec!["c", "d"]),
            ("a/b/c", "GET /a/b/c", vec![]),
            ("q", "GET /q", vec![]),
        ] {
            let values = values.into_iter().map(str::to_owned).collect();
            assert_eq!(found(&table, &Method::GET, tail), Some((route.to_owned(), values)), "{tail}");
        }
        for tail in ["", "a", "a/", "a//", "/a", "a/b/c/d", "a//c", "c/", "q//"] {
            assert!(table.find(tail).is_none(), "{tail}");
        }
        assert!(found(&table, &Method::HEAD, "q").is_some() && found(&table, &Method::POST, "q").is_none());
        assert_eq!(found(&table, &Method::PUT, "c/d").unwrap().0, "PUT /{x}/{z}");
    }

    #[test]
    fn of_two_alike_the_first_counts() {
        let routes = [RestRoute::new("GET /{a}", "one").unwrap(), RestRoute::new("GET /{b}", "other").unwrap()];
        let table = RouteTable::new(&routes);
        assert_eq!((table.routes().len(), found(&table, &Method::GET, "x").unwrap().0.as_str()), (1, "one"));
    }

    proptest! {
        /// The tree against the plainest way to say the same: of all routes that match, the first by its segments.
        #[test]
        fn finds_what_a_search_through_all_routes_finds(
            routes in prop::collection::btree_set("(/([ab]|\\{[xyz]\\})){1,3}", 0..8),
            tail in "[ab](/[ab]){0,3}/?",
        ) {
            let routes: Vec<RestRoute> =
                routes.iter().filter_map(|path| RestRoute::new(&format!("GET {path}"), path.as_str()).ok()).collect();
            let segments: Vec<&str> = tail.strip_suffix('/').unwrap_or(&tail).split('/').collect();
            let fits = |route: &&RestRoute| {
                let own = route.template().segments();
                own.len() == segments.len() && own.iter().zip(&segments).all(|(own, segment)| match own {
                    Segment::Literal(text) => text.as_ref() == *segment,
                    Segment::Variable { .. } => true,
                })
            };
            let rank = |route: &&RestRoute| -> Vec<bool> {
                route.template().segments().iter().map(|own| matches!(own, Segment::Variable { .. })).collect()
            };
            let expected = routes.iter().filter(fits).min_by_key(rank).map(RestRoute::method);
            let table = RouteTable::new(&routes);
            let found = found(&table, &Method::GET, &tail).map(|(method, _)| method);
            prop_assert_eq!(found.as_deref(), expected);
        }
    }
}
