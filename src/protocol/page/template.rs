//! Templates of the operator: parsed and checked at start-up, and limited in steps and size when they are rendered.

use std::io;

use minijinja::value::Serde;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};
use serde::Serialize;

use super::templates;
use crate::service::log_throttle::LogThrottle;

/// The name of the frame of the built-in pages, which a template may extend.
pub const FRAME: &str = "croupier/page.html";

/// The error page.
const FAILED: &str = "croupier/failed.html";

/// The largest number of steps of a template.
const MAX_STEPS: u64 = 1_000_000;

/// The largest size of a page, in bytes.
const MAX_PAGE: usize = 4 << 20;

/// A template and the parts that it uses.
#[derive(Debug)]
pub struct PageTemplate {
    environment: Environment<'static>,
    name: String,
    /// For the log lines of pages that cannot be rendered.
    pub(super) failures: LogThrottle,
}

/// An error in a template, with its line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}{}: {message}", .line.map(|line| format!(", line {line}")).unwrap_or_default())]
pub struct TemplateError {
    /// The name of the template or part.
    pub name: String,
    /// The line, from 1; `None` if the error has none.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
}

impl PageTemplate {
    /// A template with a name and a text. It may extend, include or import the `parts` and [`FRAME`] by their names.
    ///
    /// ```
    /// use croupier::protocol::page::PageTemplate;
    /// let text = "{% extends \"croupier/page.html\" %}{% block content %}{{ answer.x }}{% endblock %}";
    /// assert!(PageTemplate::new("x.html", text, &[]).is_ok());
    /// let wrong = PageTemplate::new("x.html", "one\n{% if answer %}", &[]).unwrap_err();
    /// assert_eq!((wrong.name.as_str(), wrong.line), ("x.html", Some(2)));
    /// ```
    ///
    /// # Errors
    /// If one of the texts is not a valid template, or refers to a missing part.
    pub fn new(name: &str, text: &str, parts: &[(String, String)]) -> Result<PageTemplate, TemplateError> {
        let own = [(name, text)].into_iter().chain(parts.iter().map(|(name, text)| (name.as_str(), text.as_str())));
        let environment = || -> Result<Environment<'static>, Error> {
            let mut environment = templates::environment()?;
            environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
            environment.add_template(FRAME, include_str!("templates/own.html"))?;
            environment.add_template(FAILED, include_str!("templates/failed.html"))?;
            for (name, text) in own.clone() {
                environment.add_template_owned(name.to_owned(), text.to_owned())?;
            }
            environment.set_fuel(Some(MAX_STEPS));
            Ok(environment)
        };
        let environment = environment().map_err(|error| TemplateError::new(&error, name))?;
        for (name, text) in own.clone() {
            let missing = referenced_parts(text).find(|(_, other)| environment.get_template(other).is_err());
            if let Some((line, other)) = missing {
                let message = format!("there is no part `{other}`");
                return Err(TemplateError { name: name.to_owned(), line: Some(line), message });
            }
        }
        Ok(PageTemplate { environment, name: name.to_owned(), failures: LogThrottle::default() })
    }

    /// Renders the template.
    pub(super) fn render(&self, with: &impl Serialize) -> Result<String, TemplateError> {
        self.render_template(&self.name, with)
    }

    /// Renders the error page.
    pub(super) fn failed(&self, with: &impl Serialize) -> Result<String, TemplateError> {
        self.render_template(FAILED, with)
    }

    fn render_template(&self, name: &str, with: &impl Serialize) -> Result<String, TemplateError> {
        let mut page = PageBuffer(Vec::new());
        let template = self.environment.get_template(name).map_err(|error| TemplateError::new(&error, name))?;
        template.render_captured_to(Serde(with), &mut page).map_err(|error| TemplateError::new(&error, name))?;
        // Templates and values are UTF-8, so the page is too.
        Ok(String::from_utf8(page.0).unwrap_or_default())
    }
}

/// The parts to which the tags of a text refer, each with its line, without those that may be missing.
fn referenced_parts(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.match_indices("{%").filter_map(|(at, _)| {
        let tag = text.get(at + 2..)?.split("%}").next()?.trim_start_matches(['-', '+']).trim_start();
        let (word, rest) = tag.split_once(char::is_whitespace)?;
        let quoted = rest.trim_start();
        let quote = quoted.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        let (name, after) = quoted.get(1..)?.split_once(quote)?;
        let names = matches!(word, "extends" | "include" | "import" | "from") && !after.contains("ignore");
        names.then(|| (1 + text.get(..at).unwrap_or_default().matches('\n').count(), name))
    })
}

/// The output of a template. Writing more than [`MAX_PAGE`] bytes fails.
struct PageBuffer(Vec<u8>);

impl io::Write for PageBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > MAX_PAGE.saturating_sub(self.0.len()) {
            return Err(io::Error::other(format!("the page has more than {MAX_PAGE} bytes")));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TemplateError {
    fn new(error: &Error, name: &str) -> TemplateError {
        let message = match (error.kind(), error.detail()) {
            (ErrorKind::OutOfFuel, _) => format!("the template takes more than {MAX_STEPS} steps"),
            (ErrorKind::WriteFailure, _) => {
                let source = std::error::Error::source(error).map(ToString::to_string);
                source.unwrap_or_else(|| error.kind().to_string())
            }
            (kind, Some(detail)) => format!("{kind}: {detail}"),
            (kind, None) => kind.to_string(),
        };
        TemplateError { name: error.name().unwrap_or(name).to_owned(), line: error.line(), message }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filled(text: &str, with: &serde_json::Value) -> Result<String, String> {
        let template = PageTemplate::new("own.html", text, &[]).map_err(|error| error.to_string())?;
        template.render(with).map_err(|error| error.to_string())
    }

    #[test]
    fn values_are_escaped_and_undefined_names_are_errors() {
        let with = json!({"answer": {"name": "<b>\u{202e}&"}});
        assert_eq!(filled("{{ answer.name }}", &with), Ok("&lt;b&gt;\u{fffd}&amp;".into()));
        assert_eq!(filled("{% if answer.none %}a{% else %}b{% endif %}", &with), Ok("b".into()));
        assert_eq!(filled("\n{{ answer.nme }}", &with), Err("own.html, line 2: undefined value".into()));
    }

    #[test]
    fn a_template_is_looked_at_before_it_is_used() {
        for (text, message) in [
            ("a\n{% fi %}", "own.html, line 2: syntax error: unknown statement fi"),
            ("\n\n{% include 'gone.html' %}", "own.html, line 3: there is no part `gone.html`"),
            ("{%- extends \"base.html\" -%}", "own.html, line 1: there is no part `base.html`"),
        ] {
            assert_eq!(filled(text, &json!({})), Err(message.into()));
        }
        assert_eq!(filled("a{% include 'gone.html' ignore missing %}b", &json!({})), Ok("ab".into()));
        let parts = [("part.html".to_owned(), "{% macro m(x) %}[{{ x }}]{% endmacro %}".to_owned())];
        let template = PageTemplate::new("a.html", "{% from 'part.html' import m %}{{ m(1) }}", &parts).unwrap();
        assert_eq!(template.render(&json!({})), Ok("[1]".into()));
    }

    #[test]
    fn neither_its_steps_nor_its_page_are_without_end() {
        let many = "{% for a in range(10000) %}{% for b in range(10000) %}{% endfor %}{% endfor %}";
        assert_eq!(
            filled(many, &json!({})),
            Err("own.html, line 1: the template takes more than 1000000 steps".into())
        );
        let long = "{% for a in range(10000) %}{{ text }}{% endfor %}";
        let wrong = filled(long, &json!({"text": "x".repeat(1000)})).unwrap_err();
        assert!(wrong.contains("the page has more than 4194304 bytes"), "{wrong}");
    }
}
