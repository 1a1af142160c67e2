//! Finds the group of a request by its path: the longest mounted prefix wins.
//!
//! The rules for paths that different programs may read differently:
//!
//! - Paths are compared segment by segment, each percent-decoded: `/wheel/%61merican` is `/wheel/american`.
//! - One slash at the end is ignored: `/wheel/american/` is `/wheel/american`.
//! - An empty segment (`//`) counts as a segment. No group has one, so such a path is not found.
//! - A segment `.` or `..`, an encoded slash, backslash or NUL, and a broken escape are refused: a proxy in
//!   front may have read them in another way.
//! - The query is not part of the path. Upper and lower case differ.

use std::borrow::Cow;
use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

/// Values mounted at paths.
#[derive(Debug)]
pub struct GroupRouter<T> {
    root: Branch<T>,
}

#[derive(Debug)]
struct Branch<T> {
    mounted: Option<T>,
    children: BTreeMap<Box<str>, Branch<T>>,
}

/// Why nothing can be mounted at a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MountError {
    /// The path does not begin with a slash.
    #[error("a path begins with a slash")]
    NoLeadingSlash,
    /// A segment is empty, `.` or `..`, or has a character that no request can address: `%`, `?`, `#`, a backslash,
    /// white space or a control character.
    #[error("{}", if .0.is_empty() { "a path has no empty segment, and no slash at its end".to_owned() } else {
        format!("`{}` cannot be a segment of a path", .0)
    })]
    Segment(String),
    /// Another group or page is mounted there.
    #[error("another group is mounted there")]
    Taken,
}

/// The path of a request can be read in two ways, so the request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ambiguous;

impl<T> Default for GroupRouter<T> {
    fn default() -> Self {
        GroupRouter { root: Branch::default() }
    }
}

impl<T> Default for Branch<T> {
    fn default() -> Self {
        Branch { mounted: None, children: BTreeMap::new() }
    }
}

impl<T> GroupRouter<T> {
    /// Mounts a value at a path.
    ///
    /// # Errors
    /// If the path is malformed or taken.
    pub fn mount(&mut self, path: &str, value: T) -> Result<(), MountError> {
        let inside = path.strip_prefix('/').ok_or(MountError::NoLeadingSlash)?;
        let mut branch = &mut self.root;
        for segment in inside.split('/').filter(|_| !inside.is_empty()) {
            check(segment)?;
            branch = branch.children.entry(segment.into()).or_default();
        }
        match branch.mounted {
            Some(_) => Err(MountError::Taken),
            None => {
                branch.mounted = Some(value);
                Ok(())
            }
        }
    }

    /// The value mounted at the longest prefix of a path, and the rest of the path, without its leading slash.
    ///
    /// # Errors
    /// If the path can be read in two ways.
    pub fn find<'p>(&self, path: &'p str) -> Result<Option<(&T, &'p str)>, Ambiguous> {
        let inside = path.strip_prefix('/').unwrap_or(path);
        let mut found = self.root.mounted.as_ref().map(|value| (value, inside));
        let mut branch = Some(&self.root);
        let mut left = Some(inside);
        while let Some(rest) = left.filter(|rest| !rest.is_empty()) {
            let (name, after) = first_segment(rest)?;
            branch = branch.and_then(|branch| branch.children.get(name.as_ref()));
            if let Some(value) = branch.and_then(|branch| branch.mounted.as_ref()) {
                found = Some((value, after.unwrap_or_default()));
            }
            left = after;
        }
        Ok(found)
    }
}

/// The first segment of a path, decoded, and the part after the slash that follows it.
fn first_segment(path: &str) -> Result<(Cow<'_, str>, Option<&str>), Ambiguous> {
    // The end of the segment, or the first byte that keeps it from being what it looks like.
    let first = path.bytes().position(|byte| ENDS_PLAIN.get(usize::from(byte)) == Some(&true));
    let plain = first.is_none_or(|at| path.as_bytes().get(at) == Some(&b'/'));
    let end = if plain { first } else { path.find('/') };
    let (segment, after) = end.and_then(|at| Some((path.get(..at)?, path.get(at + 1..)))).unwrap_or((path, None));
    Ok((if plain { Cow::Borrowed(segment) } else { decoded(segment)? }, after))
}

/// The bytes that end a segment, or keep it from being what it looks like. A table, because it is asked for each byte of
/// each path.
const ENDS_PLAIN: [bool; 256] = ends_plain();

#[expect(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "the compiler runs this, over all bytes")]
const fn ends_plain() -> [bool; 256] {
    let mut ends = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        ends[byte] = matches!(byte as u8, b'/' | b'%' | b'.' | b'\\');
        byte += 1;
    }
    ends
}

/// A segment of a request's path, decoded.
fn decoded(segment: &str) -> Result<Cow<'_, str>, Ambiguous> {
    let broken =
        segment.split('%').skip(1).any(|escape| !escape.bytes().take(2).filter(u8::is_ascii_hexdigit).count().eq(&2));
    let name = percent_decode_str(segment).decode_utf8().map_err(|_| Ambiguous)?;
    let dots = name == "." || name == "..";
    if broken || dots || name.contains(['/', '\\', '\0']) { Err(Ambiguous) } else { Ok(name) }
}

fn check(segment: &str) -> Result<(), MountError> {
    let odd = |c: char| matches!(c, '%' | '?' | '#' | '\\') || c.is_whitespace() || c.is_control();
    if matches!(segment, "" | "." | "..") || segment.contains(odd) {
        return Err(MountError::Segment(segment.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn router(paths: &[&str]) -> GroupRouter<String> {
        let mut router = GroupRouter::default();
        for path in paths {
            router.mount(path, (*path).to_owned()).unwrap();
        }
        router
    }

    fn found<'r>(router: &'r GroupRouter<String>, path: &'r str) -> Option<(&'r str, &'r str)> {
        router.find(path).unwrap().map(|(what, tail)| (what.as_str(), tail))
    }

    #[test]
    fn the_longest_prefix_wins() {
        let router = router(&["/", "/wheel", "/wheel/american"]);
        for (path, what, tail) in [
            ("/", "/", ""),
            ("/nowhere", "/", "nowhere"),
            ("/wheel", "/wheel", ""),
            ("/wheels", "/", "wheels"),
            ("/wheel/european", "/wheel", "european"),
            ("/wheel/american", "/wheel/american", ""),
            ("/wheel/american/", "/wheel/american", ""),
            ("/wheel/%61merican", "/wheel/american", ""),
            ("/wheel/american/spin/x", "/wheel/american", "spin/x"),
            ("/Wheel/american", "/", "Wheel/american"),
            ("//wheel", "/", "/wheel"),
            ("/wheel//american", "/wheel", "/american"),
        ] {
            assert_eq!(found(&router, path), Some((what, tail)), "{path}");
        }
    }

    #[test]
    fn nothing_is_found_where_nothing_is_mounted() {
        let router = router(&["/wheel/american"]);
        for path in ["/", "/wheel", "/wheel/", "/wheel/americano", "//wheel/american", ""] {
            assert_eq!(found(&router, path), None, "{path}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        let router = router(&["/wheel/american"]);
        for path in [
            "/wheel%2Famerican",
            "/wheel/../wheel",
            "/wheel/./american",
            "/%2e%2e/x",
            "/a%",
            "/a%4",
            "/a%zz",
            "/%00",
            "/%5c",
            "/\\",
            "/%ff",
        ] {
            assert_eq!(router.find(path), Err(Ambiguous), "{path}");
        }
    }

    #[test]
    fn malformed_and_taken_paths_cannot_be_mounted() {
        let mut router = router(&["/a"]);
        assert_eq!(router.mount("a", String::new()), Err(MountError::NoLeadingSlash));
        assert_eq!(router.mount("", String::new()), Err(MountError::NoLeadingSlash));
        assert_eq!(router.mount("/a", String::new()), Err(MountError::Taken));
        for path in ["/a/", "//", "/..", "/a%20b", "/a b", "/a?b"] {
            assert!(matches!(router.mount(path, String::new()), Err(MountError::Segment(_))), "{path}");
        }
    }

    proptest! {
        /// The tree against the plainest implementation: try every prefix, the longest first.
        #[test]
        fn finds_what_a_search_through_all_prefixes_finds(
            mounted in prop::collection::btree_set("(/[ab]{1,2}){1,3}", 0..6),
            path in "(/[ab]{1,2}){0,5}/?",
        ) {
            let paths: Vec<_> = mounted.iter().map(String::as_str).collect();
            let router = router(&paths);
            let asked = path.strip_suffix('/').unwrap_or(&path);
            let ends = asked.match_indices('/').map(|(at, _)| at).chain([asked.len()]).collect::<Vec<_>>();
            let expected = ends.iter().rev().find(|end| mounted.contains(&asked[..**end])).map(|end| &asked[..*end]);
            prop_assert_eq!(found(&router, &path).map(|(what, _)| what), expected);
        }
    }
}
