//! A server that was found, as TOML with comments.

use std::fmt::Write as _;

use super::location::variable;
use super::search::FoundServer;
use super::{names, words};
use crate::codec::soap::SoapVersion;
use crate::model::text::shorten;
use crate::protocol::Protocol;
use crate::protocol::soap::wsdl::read::SoapPort;
use crate::upstream::Batching;

/// The longest line, in characters.
const WIDTH: usize = 100;
/// The most names in a suggestion.
const MAX_NAMES: usize = 200;
/// The longest comment, in characters; the rest is cut off.
const MAX_COMMENT: usize = 500;

/// The path of the new group, and the environment variable for its password.
#[derive(Debug)]
pub(super) struct NewGroup {
    pub(super) path: String,
    /// The environment variable for the password.
    pub(super) password: String,
}

impl NewGroup {
    /// The environment variable for the secret before the parameters.
    pub(super) fn token_variable(&self) -> String {
        variable(&self.path, "TOKEN")
    }
}

/// The TOML of a group in front of the server, with what was found out about the server as comments.
pub(super) fn block(found: &FoundServer, group: &NewGroup) -> String {
    let mut text = String::new();
    comment(&mut text, "", &format!("{} speaks {}.", found.location.url, found.report.protocol.title()));
    comment(&mut text, "", &words::summary(found));
    for note in words::notes(found) {
        comment(&mut text, "- ", &note);
    }
    line(&mut text, format_args!("[group.{}.upstream]", quoted(&group.path)));
    line(&mut text, format_args!("urls = [{}]", quoted(&found.location.url)));
    line(&mut text, format_args!("protocol = {}", quoted(found.report.protocol.name())));
    if let Some(description) = &found.description {
        line(&mut text, format_args!("description = {}", quoted(description)));
    }
    ports(&mut text, found);
    if found.report.by_name {
        line(&mut text, format_args!("param-structure = \"by-name\""));
    }
    credentials(&mut text, found, group);
    suggestions(&mut text, found);
    text
}

/// The ports among which the user can choose, each with its address.
fn ports(text: &mut String, found: &FoundServer) {
    let (ports, used) = (&found.report.ports, found.report.soap_port());
    let ([_, _, ..], Some(used)) = (ports.as_slice(), used) else { return };
    let is_unique = |name: &str| ports.iter().filter(|port| port.name == name).count() == 1;
    let name_of = |port: &SoapPort| match is_unique(&port.name) {
        true => port.name.clone(),
        false => format!("{}/{}", port.service, port.name),
    };
    let several = match ports.iter().all(|port| port.service == used.service) {
        true => "ports",
        false => "services and ports",
    };
    let used = name_of(used);
    comment(
        text,
        "",
        &format!("It has several {several}. Without this key, `{used}` is used; `urls` has its address. One of:"),
    );
    for port in ports.iter().take(MAX_NAMES) {
        let version = if port.version == SoapVersion::V12 { "1.2" } else { "1.1" };
        let address = if port.address.is_empty() { String::new() } else { format!(" at {}", port.address) };
        let described = shorten(&format!("SOAP {version}{address}"), MAX_COMMENT).into_owned();
        line(text, format_args!("# wsdl-port = {}   # {described}", quoted(&name_of(port))));
    }
}

/// The user, and where the secrets are; never the secrets themselves.
fn credentials(text: &mut String, found: &FoundServer, group: &NewGroup) {
    if let Some(user) = &found.location.user {
        line(text, format_args!("user = {}", quoted(user)));
        comment(text, "", &format!("Set the environment variable {} of croupier to the password.", group.password));
        line(text, format_args!("password = {}", secret(&group.password)));
    }
    if found.report.wants_token {
        let variable = group.token_variable();
        comment(
            text,
            "",
            &format!(
                "It requires a secret before the parameters of each call (\"Unauthorized\"). Set the environment \
                 variable {variable} of croupier to the whole text; for aria2, that is `token:` and the secret."
            ),
        );
        line(text, format_args!("token = {}", secret(&variable)));
    }
}

/// The TOML that reads a secret from an environment variable.
fn secret(variable: &str) -> String {
    format!("{{ env = {} }}", quoted(variable))
}

fn suggestions(text: &mut String, found: &FoundServer) {
    let batching = match found.report.batching {
        Some(Batching::On) => Some("on"),
        Some(Batching::BareResults) => Some("bare-results"),
        Some(Batching::Off) | None => None,
    };
    if let Some(batching) = batching {
        comment(text, "", "With this, calls that a client sends in one request are sent on in one request:");
        line(text, format_args!("# batching = {}", quoted(batching)));
    }
    let Some(interface) = &found.report.interface else {
        comment(text, "", "If you know the names of its methods, list those that may be called:");
        line(text, format_args!("# allow = [\"*\"]"));
        return;
    };
    // Of REST the verbs say it.
    let by_verb = found.report.protocol == Protocol::Rest;
    let reading = if by_verb { Vec::new() } else { names::reading(&interface.methods) };
    if !reading.is_empty() {
        comment(text, "", "By their names, these methods change nothing. If that is true, allow HTTP GET for them:");
        list(text, "safe", &reading);
    }
    let dangerous = names::dangerous(&interface.methods);
    if !dangerous.is_empty() {
        comment(text, "", "By their names, these methods are dangerous. This makes them unavailable:");
        list(text, "deny", &dangerous);
    }
}

/// A list of names, commented out.
fn list(text: &mut String, key: &str, names: &[&str]) {
    let items: Vec<String> = names.iter().take(MAX_NAMES).map(|name| quoted(name)).collect();
    let all = items.join(", ");
    if all.chars().count() + key.len() + 8 <= WIDTH {
        line(text, format_args!("# {key} = [{all}]"));
    } else {
        line(text, format_args!("# {key} = ["));
        wrapped(text, "#     ", "#     ", items.iter().map(|item| format!("{item},")));
        line(text, format_args!("# ]"));
    }
    if names.len() > MAX_NAMES {
        comment(text, "", &format!("and {} more.", names.len() - MAX_NAMES));
    }
}

/// A comment, wrapped to lines of `WIDTH`.
fn comment(text: &mut String, mark: &str, sentence: &str) {
    let clean = shorten(sentence, MAX_COMMENT);
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

/// A TOML basic string (TOML 1.0, section "String"). JSON's escapes are a subset of its escapes, except that DEL must be
/// escaped too.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007F")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::add::location::ServerLocation;
    use crate::model::interface::{Interface, Method};
    use crate::upstream::discovery::probe::{ProbeReport, Quirk};

    fn found(names: &[String]) -> FoundServer {
        let method = |name: &String| Method {
            name: name.clone(),
            doc: String::new(),
            params: Vec::new(),
            result: schemars::Schema::default(),
            safe: false,
        };
        let interface = Interface { methods: names.iter().map(method).collect(), ..Interface::default() };
        let location = ServerLocation::parse("http://ann:secret@wheel/RPC2").unwrap();
        let mut report = ProbeReport::new(Protocol::XmlRpc);
        report.interface = Some(interface);
        report.quirks = vec![Quirk::NamesOnly("A \"note\"\nwith\u{7f} all\u{1b}[2J sorts".into())];
        report.wants_token = true;
        FoundServer::new(location, report)
    }

    #[test]
    fn the_text_is_toml_for_every_server_and_so_are_the_suggestions() {
        let names: Vec<String> = (0..300).map(|at| format!("get{at}.\"x\"\u{7f}\\")).collect();
        let group = NewGroup { path: "/a\"b".into(), password: "A_PASSWORD".into() };
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
        let text = block(&found(&names), &NewGroup { path: "/a".into(), password: "A".into() });
        let lines = text.lines().skip_while(|line| !line.starts_with("# safe"));
        let taken: String = lines.map(|line| format!("{}\n", &line[2..])).collect();
        let table: toml::Table = taken.parse().unwrap();
        assert_eq!(table["safe"].as_array().unwrap().len(), 30);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
    }
}
