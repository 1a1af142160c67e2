//! What is wrong with `cors` of a group, beyond the types of its keys.

use std::ops::Range;

use super::problem::Problem;
use crate::http::cors::CorsOptions;

/// Where the keys of `cors` are that a group has or inherits.
pub(super) struct CorsPlaces {
    /// The table of the group itself.
    pub(super) own: Option<Range<usize>>,
    pub(super) origins: Option<Range<usize>>,
    pub(super) credentials: Option<Range<usize>>,
}

/// The name of the table.
pub(super) const CORS: &str = "cors";

impl CorsPlaces {
    /// The problems that the keys have together.
    pub(super) fn check(self, cors: &CorsOptions) -> Option<Problem> {
        if let (None, Some(own)) = (&self.origins, self.own) {
            let message = "`cors` names no origin, so pages of no other origin may call";
            return Some(Problem::at(own, message).hint("such as `origins = [\"https://casino.example\"]`"));
        }
        if !(cors.allow_credentials && cors.allows_any()) {
            return None;
        }
        let message = "with `allow-credentials` the origin `*` is not allowed: every page on the web could call with the credentials \
                       of its reader";
        let problem = Problem::at(self.credentials?, message)
            .hint("name the origins of the pages, or leave `allow-credentials` out");
        Some(
            self.origins
                .into_iter()
                .fold(problem, |problem, origins| problem.related(origins, "all origins are allowed here")),
        )
    }
}
