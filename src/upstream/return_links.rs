//! The header `Link` of responses that are passed on (RFC 8288): its addresses become those of the group.

use http::header::LINK;
use http::{HeaderMap, HeaderValue};

/// One link: its target, and its parameters with all that is between them.
struct Link<'t> {
    target: &'t str,
    /// The parameters, each from its semicolon on.
    params: Vec<&'t str>,
}

/// Makes the targets of all links, and their anchors, addresses that clients may use. `rewrite` returns `None` for an address that
/// clients do not learn; such a link is removed. So is a header that does not follow the syntax of RFC 8288.
pub(super) fn rewrite_links(headers: &mut HeaderMap, rewrite: impl Fn(&str) -> Option<String>) {
    if !headers.contains_key(LINK) {
        return;
    }
    let given: Vec<HeaderValue> = headers.get_all(LINK).iter().cloned().collect();
    headers.remove(LINK);
    for value in given {
        let links = value.to_str().ok().and_then(read_links).unwrap_or_default();
        let kept: Vec<String> = links.iter().filter_map(|link| link.rewritten(&rewrite)).collect();
        let value = HeaderValue::from_str(&kept.join(", ")).ok().filter(|_| !kept.is_empty());
        headers.extend(value.map(|value| (LINK, value)));
    }
}

impl Link<'_> {
    fn rewritten(&self, rewrite: impl Fn(&str) -> Option<String>) -> Option<String> {
        let mut text = format!("<{}>", rewrite(self.target)?);
        for param in &self.params {
            let (name, value) = param.split_once('=').unwrap_or((param, ""));
            if name.trim_matches([';', ' ', '\t']).eq_ignore_ascii_case("anchor") {
                let anchor = rewrite(&unquoted(value.trim()))?;
                text.push_str(&format!("; anchor=\"{}\"", anchor.replace('\\', "\\\\").replace('"', "\\\"")));
            } else {
                text.push_str(param);
            }
        }
        Some(text)
    }
}

/// The links of one header; `None` if it does not follow the syntax. Empty elements are left out.
fn read_links(text: &str) -> Option<Vec<Link<'_>>> {
    let mut links = Vec::new();
    let mut rest = text.trim_start_matches([' ', '\t', ',']);
    while let Some(inner) = rest.strip_prefix('<') {
        let (target, behind) = inner.split_once('>')?;
        let (params, behind) = read_params(behind)?;
        links.push(Link { target, params });
        rest = behind.trim_start_matches([' ', '\t', ',']);
    }
    rest.is_empty().then_some(links)
}

/// The parameters behind a target, up to the comma before the next link. Commas and semicolons in quotes separate nothing.
fn read_params(text: &str) -> Option<(Vec<&str>, &str)> {
    let (mut params, mut start) = (Vec::new(), 0);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b';' if !is_quoted => {
                add_param(&mut params, text.get(start..at)?)?;
                start = at;
            }
            b',' if !is_quoted => {
                add_param(&mut params, text.get(start..at)?)?;
                return Some((params, text.get(at..)?));
            }
            _ => {}
        }
    }
    add_param(&mut params, text.get(start..)?)?;
    (!is_quoted).then_some((params, ""))
}

/// Adds a parameter that begins with its semicolon; `None` if something else is there. An empty one is left out.
fn add_param<'t>(params: &mut Vec<&'t str>, param: &'t str) -> Option<()> {
    let trimmed = param.trim_end_matches([' ', '\t']);
    match trimmed.trim_start_matches([' ', '\t']) {
        "" | ";" => {}
        param if param.starts_with(';') => params.push(trimmed),
        _ => return None,
    }
    Some(())
}

/// The text of a quoted string, or a token as it is (RFC 9110, section 5.6.4).
fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"') else { return value.to_owned() };
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.strip_suffix('"').unwrap_or(inner).chars();
    while let Some(character) = characters.next() {
        text.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Targets that begin with `/v1` become those of the group, and others that begin with a slash are not shown.
    fn rewritten(values: &[&str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(LINK, value.parse().unwrap());
        }
        rewrite_links(&mut headers, |target| match target.strip_prefix("/v1") {
            Some(rest) => Some(format!("https://casino.example/pets{rest}")),
            None => (!target.starts_with('/')).then(|| target.to_owned()),
        });
        headers.get_all(LINK).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn targets_and_anchors_are_rewritten() {
        for (given, expected) in [
            ("</v1/a>; rel=next", vec!["<https://casino.example/pets/a>; rel=next"]),
            ("</v1/a?x=1,2;3>;rel=\"next last\"", vec!["<https://casino.example/pets/a?x=1,2;3>;rel=\"next last\""]),
            (
                r#"</v1/a>; title="a, <b>; \"c\", d"; rel=next, <?page=2>; rel="last" ,</admin>; rel=up"#,
                vec![r#"<https://casino.example/pets/a>; title="a, <b>; \"c\", d"; rel=next, <?page=2>; rel="last""#],
            ),
            (
                "</v1/a>; Anchor=\"/v1/b\\\"\"; rel=x",
                vec!["<https://casino.example/pets/a>; anchor=\"https://casino.example/pets/b\\\"\"; rel=x"],
            ),
            ("</v1/a>; anchor=\"/admin\"; rel=x, <b>", vec!["<b>"]),
            (", ,<b> ; ; rel = next ;", vec!["<b>; rel = next"]),
            ("</admin>; rel=up", vec![]),
            ("</v1/a", vec![]),
            ("</v1/a>; title=\"open", vec![]),
            ("</v1/a> rel=next", vec![]),
            ("http://inner/v1/a; rel=next", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(rewritten(&[given]), expected, "{given}");
        }
        assert_eq!(rewritten(&["<a>", "</admin>", "<b>"]), ["<a>", "<b>"]);
    }
}
