//! Entity tags in conditional requests (RFC 9110, sections 8.8.3 and 13.1.2).

use http::HeaderMap;
use http::header::IF_NONE_MATCH;

/// Whether `If-None-Match` of a request names this entity tag, or all by `*`. Tags are compared weakly: whether they are weak
/// makes no difference. An empty tag stands for a response without one.
pub(crate) fn is_listed(request: &HeaderMap, tag: &[u8]) -> bool {
    let own = opaque(tag);
    let mut lists = request.get_all(IF_NONE_MATCH).iter();
    lists.any(|list| tags(list.as_bytes()).any(|given| given == b"*" || given == own && !own.is_empty()))
}

/// The tag without its mark of being weak.
fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// The tags of a list, without their marks of being weak. What is not a tag ends at the next comma.
fn tags(mut list: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let begin = list.iter().position(|byte| !matches!(byte, b',' | b' ' | b'\t'))?;
        let rest = opaque(list.get(begin..)?);
        let length = match rest {
            // Commas between the quotation marks are a part of the tag.
            [b'"', quoted @ ..] => quoted.iter().position(|byte| *byte == b'"').map_or(rest.len(), |end| end + 2),
            other => other.iter().position(|byte| *byte == b',').unwrap_or(other.len()),
        };
        let (tag, after) = rest.split_at_checked(length)?;
        list = after;
        Some(tag.trim_ascii_end())
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn tags_are_found_in_lists_and_compared_weakly() {
        for (lists, tag, expected) in [
            (vec!["\"a\""], "\"a\"", true),
            (vec!["\"a\""], "W/\"a\"", true),
            (vec!["W/\"a\""], "\"a\"", true),
            (vec!["\"b\", W/\"a\" ,\"c\""], "\"a\"", true),
            (vec!["\"b\"", "\"a\""], "\"a\"", true),
            (vec!["\"x,y\\\", \"a, b\""], "\"a, b\"", true),
            (vec!["*"], "\"a\"", true),
            (vec!["*"], "", true),
            (vec!["\"ab\""], "\"a\"", false),
            (vec!["\"a, b\""], "\"a\"", false),
            (vec!["\"a"], "\"a\"", false),
            (vec!["\"*\""], "\"a\"", false),
            (vec!["", ",", "W/", "W/,W/,", "\"\""], "", false),
            (vec![], "\"a\"", false),
        ] {
            let headers = lists.iter().map(|list| (IF_NONE_MATCH, HeaderValue::from_str(list).unwrap()));
            assert_eq!(is_listed(&headers.collect(), tag.as_bytes()), expected, "{lists:?} {tag}");
        }
    }
}
