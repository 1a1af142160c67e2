//! What was found, as TOML with comments.

use std::fmt::Write as _;

use super::look::Found;
use super::names;
use super::place::variable;
use crate::model::text::shorten;

/// How wide lines are, in characters.
const WIDTH: usize = 100;
/// How many names a suggestion has at most.
const NAMES: usize = 200;
/// How many notes' characters are kept.
const NOTE: usize = 500;

/// A group as it is to be called.
#[derive(Debug)]
pub(super) struct Group {
    /// Its path.
    pub(super) path: String,
    /// The variable that holds the password.
    pub(super) password: String,
}

impl Group {
    /// The variable that holds the secret before the parameters.
    pub(super) fn token(&self) -> String {
        variable(&self.path, "TOKEN")
    }
}

/// The TOML of a group whose calls a server answers, with what was found out about that as comments.
pub(super) fn block(found: &Found, group: &Group) -> String {
    let mut text = String::new();
    comment(&mut text, "", &format!("{} speaks {}.", found.place.url, found.protocol.title()));
    comment(&mut text, "", &offered(found));
    for note in &found.notes {
        comment(&mut text, "- ", note);
    }
    line(&mut text, format_args!("[group.{}.upstream]", quoted(&group.path)));
    line(&mut text, format_args!("urls = [{}]", quoted(&found.place.url)));
    line(&mut text, format_args!("protocol = {}", quoted(found.protocol.name())));
    if let Some(path) = &found.description {
        line(&mut text, format_args!("description = {}", quoted(path)));
    }
    if let [_, _, ..] = found.ports.as_slice() {
        comment(&mut text, "", "It has several ports; without this, the first for SOAP 1.1 is meant. One of:");
        for port in &found.ports {
            line(&mut text, format_args!("# wsdl-port = {}", quoted(&port.name)));
        }
    }
    if found.by_name {
        line(&mut text, format_args!("param-structure = \"by-name\""));
    }
    rights(&mut text, found, group);
    suggestions(&mut text, found);
    text
}

fn offered(found: &Found) -> String {
    match &found.interface {
        Some(interface) => {
            let count = interface.methods.len();
            let methods = if count == 1 { "method" } else { "methods" };
            format!("It offers {count} {methods}, {}.", found.how)
        }
        None => format!("It does not say which methods it has: {}. Calls are passed on as they are given.", found.how),
    }
}

/// By what right the server is asked: where its secrets are, and never they themselves.
fn rights(text: &mut String, found: &Found, group: &Group) {
    if let Some(user) = &found.place.user {
        line(text, format_args!("user = {}", quoted(user)));
        comment(text, "", &format!("Set {} in the environment of croupier to the password.", group.password));
        line(text, format_args!("password = {}", secret(&group.password)));
    }
    if found.token {
        let variable = group.token();
        comment(
            text,
            "",
            &format!(
                "It wants a secret before the parameters of each call (\"Unauthorized\"). Set {variable} in the \
                 environment of croupier to the whole text, which is `token:` and the secret for aria2."
            ),
        );
        line(text, format_args!("token = {}", secret(&variable)));
    }
}

/// How the place of a secret is written.
pub(super) fn secret(variable: &str) -> String {
    format!("{{ env = {} }}", quoted(variable))
}

fn suggestions(text: &mut String, found: &Found) {
    if let Some(how) = found.batching {
        comment(text, "", "With this, calls that a client makes in one request travel to it in one:");
        line(text, format_args!("# batching = {}", quoted(how)));
    }
    let Some(interface) = &found.interface else {
        comment(text, "", "Whoever knows their names can say which ones may be called:");
        line(text, format_args!("# allow = [\"*\"]"));
        return;
    };
    let reading = names::reading(&interface.methods);
    if !reading.is_empty() {
        comment(text, "", "By their names these change nothing. If that is so, let HTTP GET ask for them:");
        list(text, "safe", &reading);
    }
    let dangerous = names::dangerous(&interface.methods);
    if !dangerous.is_empty() {
        comment(text, "", "By their names these are not for everybody. This hides them:");
        list(text, "deny", &dangerous);
    }
}

/// A list of names that is commented out.
fn list(text: &mut String, key: &str, names: &[&str]) {
    let items: Vec<String> = names.iter().take(NAMES).map(|name| quoted(name)).collect();
    let all = items.join(", ");
    if all.chars().count() + key.len() + 8 <= WIDTH {
        line(text, format_args!("# {key} = [{all}]"));
    } else {
        line(text, format_args!("# {key} = ["));
        wrapped(text, "#     ", "#     ", items.iter().map(|item| format!("{item},")));
        line(text, format_args!("# ]"));
    }
    if names.len() > NAMES {
        comment(text, "", &format!("and {} more.", names.len() - NAMES));
    }
}

/// A comment of as many lines as it takes.
fn comment(text: &mut String, mark: &str, sentence: &str) {
    let clean = shorten(sentence, NOTE);
    let (first, next) = (format!("# {mark}"), format!("# {}", " ".repeat(mark.len())));
    wrapped(text, &first, &next, clean.split(' ').map(str::to_owned));
}

fn wrapped(text: &mut String, first: &str, next: &str, words: impl Iterator<Item = String>) {
    let (mut row, mut empty) = (first.to_owned(), true);
    for word in words {
        if !empty && row.chars().count() + 1 + word.chars().count() > WIDTH {
            line(text, format_args!("{row}"));
            (row, empty) = (next.to_owned(), true);
        }
        if !empty {
            row.push(' ');
        }
        row.push_str(&word);
        empty = false;
    }
    line(text, format_args!("{row}"));
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    let _ = writeln!(text, "{line}");
}

/// A text on one line, as TOML's basic strings are written (TOML 1.0, section "String"). JSON's escapes are among theirs,
/// but DEL is to be escaped too.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007F")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::add::place::Place;
    use crate::model::interface::{Interface, Method};
    use crate::protocol::Protocol;

    fn found(names: &[String]) -> Found {
        let method = |name: &String| Method {
            name: name.clone(),
            doc: String::new(),
            params: Vec::new(),
            result: schemars::Schema::default(),
            safe: false,
        };
        let interface = Interface { methods: names.iter().map(method).collect(), ..Interface::default() };
        let place = Place::of("http://ann:secret@wheel/RPC2").unwrap();
        Found {
            interface: Some(interface),
            how: "as it says".into(),
            notes: vec!["A \"note\"\nwith\u{7f} all\u{1b}[2J sorts".into()],
            token: true,
            ..Found::new(&place, Protocol::XmlRpc)
        }
    }

    #[test]
    fn whatever_a_server_says_the_text_is_toml_and_the_suggestions_are_too() {
        let names: Vec<String> = (0..300).map(|at| format!("get{at}.\"x\"\u{7f}\\")).collect();
        let group = Group { path: "/a\"b".into(), password: "A_PASSWORD".into() };
        let text = block(&found(&names), &group);
        assert!(!text.contains("secret@") && !text.contains('\u{1b}'), "{text}");
        let table: toml::Table = text.parse().unwrap();
        let upstream = table["group"]["/a\"b"]["upstream"].as_table().unwrap();
        assert_eq!(upstream["user"].as_str(), Some("ann"));
        let taken: Vec<&str> = upstream.keys().map(String::as_str).collect();
        assert_eq!(taken, ["password", "protocol", "token", "urls", "user"]);
    }

    #[test]
    fn a_suggestion_is_taken_by_removing_the_marks() {
        let names: Vec<String> = (0..30).map(|at| format!("a.get_{at}")).collect();
        let text = block(&found(&names), &Group { path: "/a".into(), password: "A".into() });
        let lines = text.lines().skip_while(|line| !line.starts_with("# safe"));
        let taken: String = lines.map(|line| format!("{}\n", &line[2..])).collect();
        let table: toml::Table = taken.parse().unwrap();
        assert_eq!(table["safe"].as_array().unwrap().len(), 30);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
    }
}
