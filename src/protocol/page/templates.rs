//! The built-in templates, and how values are escaped.

use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, Output, State, Value, escape_formatter};
use serde::Serialize;

/// The built-in templates. Only their own text is mark-up; every value is escaped.
static TEMPLATES: LazyLock<Result<Environment<'static>, Error>> = LazyLock::new(|| {
    let mut templates = environment()?;
    templates.add_template("base.html", include_str!("templates/base.html"))?;
    templates.add_template("prose.html", include_str!("templates/prose.html"))?;
    templates.add_template("group.html", include_str!("templates/group.html"))?;
    templates.add_template("method.html", include_str!("templates/method.html"))?;
    templates.add_template("method_page.html", include_str!("templates/method_page.html"))?;
    templates.add_template("list.html", include_str!("templates/list.html"))?;
    templates.add_template("mcp.html", include_str!("templates/mcp.html"))?;
    templates.add_template("outage.html", include_str!("templates/outage.html"))?;
    templates.add_template("tools.html", include_str!("templates/tools.html"))?;
    templates.add_template("directory.html", include_str!("templates/directory.html"))?;
    templates.add_template("refusal.html", include_str!("templates/refusal.html"))?;
    Ok(templates)
});

/// An environment in which every value is escaped, with the template of the head of every page.
pub(super) fn environment() -> Result<Environment<'static>, Error> {
    let mut templates = Environment::new();
    templates.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    templates.set_auto_escape_callback(|_| AutoEscape::Html);
    templates.set_formatter(clean_and_escape);
    templates.add_template("croupier/head.html", include_str!("templates/head.html"))?;
    Ok(templates)
}

/// Renders a built-in template.
pub(super) fn render(name: &str, with: &impl Serialize) -> Result<String, Error> {
    match &*TEMPLATES {
        Ok(templates) => templates.get_template(name)?.render(Serde(with)),
        Err(error) => Err(Error::new(error.kind(), error.to_string())),
    }
}

/// Renders a template given as text.
pub(super) fn render_text(template: &str, with: &impl Serialize) -> Result<String, Error> {
    match &*TEMPLATES {
        Ok(templates) => templates.render_named_str("section.html", template, Serde(with)),
        Err(error) => Err(Error::new(error.kind(), error.to_string())),
    }
}

fn clean_and_escape(to: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    match value.as_str() {
        Some(text) if !value.is_safe() && text.contains(is_misleading) => {
            let clean: String =
                text.chars().map(|c| if is_misleading(c) { char::REPLACEMENT_CHARACTER } else { c }).collect();
            escape_formatter(to, state, &Value::from(clean))
        }
        _ => escape_formatter(to, state, value),
    }
}

/// Whether a character is invisible or changes the direction of the text around it.
pub(super) fn is_misleading(c: char) -> bool {
    let directs = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    directs || (c.is_control() && !matches!(c, '\n' | '\t'))
}

/// A JSON text for an attribute between single quotes. The characters that have a meaning there are escaped as JSON escapes
/// them, which takes fewer bytes than to escape each double quote as HTML does.
pub(super) fn attribute_json(json: &serde_json::Value) -> Value {
    let mut text = String::new();
    for c in escape_misleading(json.to_string()).chars() {
        match c {
            // These are only inside of texts.
            '\'' | '&' | '<' | '>' => text.push_str(&json_escape(c)),
            c => text.push(c),
        }
    }
    Value::from_safe_string(text)
}

fn json_escape(c: char) -> String {
    format!("\\u{:04x}", u32::from(c))
}

/// A JSON text with misleading characters escaped: they become visible in the page and are unchanged for the script.
pub(super) fn escape_misleading(json: String) -> String {
    if !json.contains(is_misleading) {
        return json;
    }
    let escape = |c: char| if is_misleading(c) { json_escape(c) } else { String::from(c) };
    json.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_in_an_attribute_ends_neither_it_nor_its_texts() {
        let value = json!({ "it's": "<b>&quot;</b>\u{202e}", "\"": "\\'" });
        let text = attribute_json(&value).to_string();
        assert!(!text.contains(['\'', '&', '<', '>', '\u{202e}']), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
