//! What media types are the types of.

/// A media type without its parameters, in lowercase.
pub(crate) fn essence(media: &str) -> String {
    media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether a media type is that of JSON, or of a format that is JSON.
pub(crate) fn is_json(media: &str) -> bool {
    let media = essence(media);
    media == "application/json" || media == "text/json" || media.ends_with("+json")
}

/// Whether a media type is that of JSON texts, one a line.
pub(crate) fn is_json_lines(media: &str) -> bool {
    let media = essence(media);
    let subtype = media.strip_prefix("application/").or_else(|| media.strip_prefix("text/")).unwrap_or_default();
    let format = subtype.rsplit('+').next().unwrap_or_default();
    matches!(format.strip_prefix("x-").unwrap_or(format), "ndjson" | "jsonl" | "jsonlines" | "json-seq")
}

/// Whether a media type is that of text which is not JSON.
pub(crate) fn is_text(media: &str) -> bool {
    let media = essence(media);
    let subtype = media.strip_prefix("application/").unwrap_or_default();
    let format = subtype.rsplit('+').next().unwrap_or_default();
    media.starts_with("text/")
        || media.ends_with("+xml")
        || matches!(
            format.strip_prefix("x-").unwrap_or(format),
            "xml" | "yaml" | "javascript" | "www-form-urlencoded" | "graphql" | "sql"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_known_by_their_types_and_suffixes() {
        for (media, json, lines, text) in [
            ("application/json", true, false, false),
            ("Application/Vnd.A+JSON; v=1", true, false, false),
            ("text/json", true, false, true),
            ("application/x-ndjson", false, true, false),
            ("application/jsonl", false, true, false),
            ("application/vnd.a+jsonl;charset=utf-8", false, true, false),
            ("application/json-seq", false, true, false),
            ("application/geo+json-seq", false, true, false),
            ("text/plain", false, false, true),
            ("application/xml", false, false, true),
            ("image/svg+xml", false, false, true),
            ("application/x-yaml", false, false, true),
            ("application/openapi+yaml", false, false, true),
            ("application/javascript", false, false, true),
            ("application/x-www-form-urlencoded", false, false, true),
            ("application/octet-stream", false, false, false),
            ("application/xmlrpc-archive", false, false, false),
            ("application/jsonlike", false, false, false),
            ("image/png", false, false, false),
            ("", false, false, false),
        ] {
            assert_eq!((is_json(media), is_json_lines(media), is_text(media)), (json, lines, text), "{media}");
        }
    }
}
