//! Hides secrets in the source lines and messages about a configuration, which are printed and logged.
//!
//! A mistake may stand on the line of a secret, and the file need not even be valid TOML. So the text is not parsed, but
//! read word by word: what follows a key such as `password`, and what precedes the `@` of a URL, is hidden. Names of
//! environment variables and files are not.

use std::borrow::Cow;
use std::ops::Range;

use crate::model::text::shorten;

/// Parts of keys whose values are secrets.
const SECRET_KEYS: [&str; 14] = [
    "token",
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "bearer",
    "headers",
    "authorization",
    "credential",
    "apikey",
    "api-key",
    "api_key",
    "cookie",
];
/// Keys whose values are no secrets, although they have a part of `SECRET_KEYS`.
const PLAIN_KEYS: [&str; 9] = [
    "pass-headers",
    "return-headers",
    "pass-cookies",
    "pass-authorization",
    "token-url",
    "allow-headers",
    "expose-headers",
    "allow-credentials",
    "authorization-servers",
];
/// The key of a secret that is in the configuration itself.
const TEXT: &str = "text";
/// Keys whose values say where a secret is.
const SOURCES: [&str; 2] = ["env", "file"];
/// The shortest secret that is hidden in messages, in bytes. A shorter one would hide parts of other words.
const SHORTEST: usize = 3;

/// Whether the name of a header or of an environment variable says that its value is a secret.
pub(super) fn names_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_KEYS.iter().any(|secret| name.contains(secret)) || name.ends_with("-key") || name.ends_with("_key")
}

/// The secrets in the text of a configuration.
pub(super) struct Secrets {
    source: String,
    /// The text of each secret in two forms: as written in the source, with quotes and escapes, and as TOML reads it. The
    /// longest text comes first.
    texts: Vec<String>,
}

impl Secrets {
    /// Finds the secrets in the text of a configuration.
    pub(super) fn find(source: &str) -> Secrets {
        let mut scanner = SecretScanner {
            source,
            at: 0,
            keys: Keys::default(),
            section: false,
            nested: Vec::new(),
            found: Vec::new(),
        };
        scanner.scan();
        let mut hidden = source.as_bytes().to_vec();
        let mut texts = Vec::new();
        for range in scanner.found {
            let Some(text) = source.get(range.clone()) else { continue };
            texts.push(text.to_owned());
            texts.extend(unescaped(text));
            for byte in hidden.get_mut(range).unwrap_or_default() {
                // Positions stay the same.
                if !matches!(byte, b'\r' | b'\n') {
                    *byte = b'*';
                }
            }
        }
        texts.retain(|text| text.len() >= SHORTEST);
        texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        Secrets { source: String::from_utf8_lossy(&hidden).into_owned(), texts }
    }

    /// These secrets, which are in no source.
    pub(super) fn of(texts: &[String]) -> Secrets {
        // Messages have no control characters.
        let shown = texts.iter().map(|text| shorten(text, usize::MAX).into_owned());
        let mut texts: Vec<_> = texts.iter().cloned().chain(shown).filter(|text| text.len() >= SHORTEST).collect();
        texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        Secrets { source: String::new(), texts }
    }

    /// The source with each byte of a secret replaced by an asterisk.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// A message without the secrets, and without the beginning of one that was shortened.
    pub(super) fn hide_in<'m>(&self, message: &'m str) -> Cow<'m, str> {
        let mut text = Cow::Borrowed(message);
        for secret in &self.texts {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), "***").into();
            }
            let Some(end) = text.find('…') else { continue };
            let before = text.get(..end).unwrap_or_default();
            let starts = secret.char_indices().rev().filter_map(|(at, c)| secret.get(..at + c.len_utf8()));
            if let Some(cut) = starts.filter(|start| start.len() >= SHORTEST).find(|start| before.ends_with(start)) {
                let shown = before.get(..end - cut.len()).unwrap_or_default();
                text = format!("{shown}***{}", text.get(end..).unwrap_or_default()).into();
            }
        }
        text
    }
}

/// The value of a string with escapes.
fn unescaped(text: &str) -> Option<String> {
    if !text.contains('\\') {
        return None;
    }
    let table: toml::Table = format!("text = \"{text}\"").parse().ok()?;
    table.get(TEXT)?.as_str().map(str::to_owned)
}

/// The keys to the left of a value.
#[derive(Debug, Default, Clone)]
struct Keys {
    /// Whether one of them is that of a secret.
    secret: bool,
    /// Whether the last of them says where a secret is.
    source: bool,
}

impl Keys {
    fn push(&mut self, key: &str) {
        let key = key.to_ascii_lowercase();
        let is_plain = PLAIN_KEYS.contains(&key.as_str());
        self.secret |= key == TEXT || (!is_plain && SECRET_KEYS.iter().any(|secret| key.contains(secret)));
        self.source = SOURCES.contains(&key.as_str());
    }
}

/// Reads a configuration word by word.
struct SecretScanner<'s> {
    source: &'s str,
    at: usize,
    keys: Keys,
    /// Whether the table header above says that all values are secrets.
    section: bool,
    /// For each open bracket, the keys before it.
    nested: Vec<Keys>,
    found: Vec<Range<usize>>,
}

impl<'s> SecretScanner<'s> {
    fn rest(&self) -> &'s str {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn scan(&mut self) {
        let mut at_line_start = true;
        while let Some(next) = self.rest().chars().next() {
            match next {
                '[' if at_line_start && self.header() => {}
                '"' | '\'' => self.string(next),
                '[' | '{' => {
                    self.nested.push(self.keys.clone());
                    self.at += 1;
                }
                ']' | '}' => {
                    self.keys = self.nested.pop().unwrap_or_default();
                    self.at += 1;
                }
                ',' | '\n' => {
                    // Inside brackets, the keys before them still apply.
                    self.keys = self.nested.last().cloned().unwrap_or_default();
                    self.at += 1;
                }
                '=' | ':' | '.' | ' ' | '\t' | '\r' | '#' => self.at += next.len_utf8(),
                _ => self.word(),
            }
            at_line_start = next == '\n' || (at_line_start && next.is_whitespace());
        }
    }

    /// Reads a line such as `[group."/x".upstream.token]`. Returns whether it is one.
    fn header(&mut self) -> bool {
        let line = self.rest().lines().next().unwrap_or_default();
        let content = line.split('#').next().unwrap_or_default().trim_end();
        if !content.ends_with(']') || content.contains(['=', ',', '{']) {
            return false;
        }
        let mut keys = Keys::default();
        content
            .split(['.', '[', ']', '"', '\''])
            .map(str::trim)
            .filter(|key| *key != TEXT)
            .for_each(|key| keys.push(key));
        self.section = keys.secret;
        self.keys = Keys::default();
        self.nested.clear();
        self.at += line.len();
        true
    }

    /// Whether the value that begins here is a secret.
    fn is_secret(&self) -> bool {
        (self.section || self.keys.secret) && !self.keys.source
    }

    /// Reads a string: a key, a secret, or another value, which may be a URL.
    fn string(&mut self, quote: char) {
        let rest = self.rest();
        let triple = quote.to_string().repeat(3);
        let (open, end) = match rest.strip_prefix(triple.as_str()) {
            Some(content) => (3, content.find(triple.as_str()).unwrap_or(content.len())),
            None => (1, end_of_string(rest.get(1..).unwrap_or_default(), quote)),
        };
        let content = self.at + open..self.at + open + end;
        let text = self.source.get(content.clone()).unwrap_or_default();
        self.at = content.end;
        // A string may lack its end.
        if self.rest().starts_with(quote) {
            self.at += open;
        }
        let after = self.rest();
        if open == 1 && after.trim_start_matches([' ', '\t']).starts_with(['=', '.']) {
            self.keys.push(text);
        } else if self.is_secret() {
            self.found.push(content);
        } else if let Some(credentials) = credentials(text) {
            self.found.push(content.start + credentials.start..content.start + credentials.end);
        }
    }

    /// Reads a word without quotes: a key, or a value that lacks them.
    fn word(&mut self) {
        let start = self.at;
        let rest = self.rest();
        let key_end = rest.find(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_')).unwrap_or(rest.len());
        let key = rest.get(..key_end).unwrap_or_default();
        let after = rest.get(key_end..).unwrap_or_default();
        let value = after.trim_start_matches([' ', '\t']);
        let is_key = !after.starts_with("://") && value.starts_with(['=', ':', '.', '"', '\'']);
        if is_key && !key.is_empty() {
            self.keys.push(key);
            self.at = start + key_end;
            return;
        }
        let end = rest.find(['\n', ',', '}', ']', '#', '"', '\'']).unwrap_or(rest.len());
        // The end of a line may have a comment after it, and the user name of a URL a `#` or a `,` in it.
        let line_end = rest.find('\n').unwrap_or(rest.len());
        let line = rest.get(..line_end).unwrap_or_default();
        // A slip such as `credentials = true` says nothing, and to hide `true` would hide it in every message.
        if self.is_secret() && !matches!(key, "true" | "false") {
            let end = start + end.max(1).min(rest.len());
            self.found.push(start..end);
            self.at = end;
        } else if let Some(credentials) = credentials(line).filter(|_| after.starts_with("://")) {
            self.found.push(start + credentials.start..start + credentials.end);
            self.at = start + credentials.end;
        } else {
            self.at = start + key_end.max(rest.chars().next().map_or(1, char::len_utf8));
        }
    }
}

/// The length of a string on one line, up to its closing quote or the end of the line.
fn end_of_string(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '\n' => return at,
            _ if escaped => escaped = false,
            '\\' if quote == '"' => escaped = true,
            _ if c == quote => return at,
            _ => {}
        }
    }
    text.len()
}

/// The password in a URL, or all that precedes its `@`. The URL need not be valid.
pub(super) fn credentials(text: &str) -> Option<Range<usize>> {
    let end = text.rfind('@')?;
    let before = text.get(..end)?;
    let (start, has_scheme) = match before.find("://") {
        Some(at) => (at + 3, true),
        None => (0, false),
    };
    match before.get(start..)?.find(':') {
        Some(colon) => Some(start + colon + 1..end),
        None => has_scheme.then_some(start..end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(source: &str) -> String {
        let secrets = Secrets::find(source);
        assert_eq!(secrets.source().len(), source.len());
        secrets.source().to_owned()
    }

    #[test]
    fn what_follows_a_secret_key_is_hidden_in_sound_and_unsound_files() {
        for source in [
            "password = { text = \"s3cr3t\" }",
            "password = { env = \"NAME\", txt = \"s3cr3t\" }",
            "password.text = 's3cr3t'",
            "token = \"s3cr3t\" x",
            "token = \"s3cr3t",
            "token = s3cr3t",
            "token = s3cr3t # comment",
            "token: s3cr3t",
            "token \"s3cr3t\"",
            "bearer = [\"s3cr3t\", 's3cr3t']",
            "headers = { x-key = \"s3cr3t\", \"y key\" = { text = 's3cr3t' } }",
            "[group.'/a'.upstream.token]\nvalue = \"s3cr3t\"",
            "[group.'/a'.upstream.headers.x]\ntext = \"s3cr3t\"",
            "[group.'/a'.upstream.headers]\nx = { text = \"s3cr3t\" }",
            "upstream = { protokol = 'x', token = { text = 's3cr3t' }, urls = [",
            "options = { api_key = \"s3cr3t\" }",
            "password = \"\"\"\ns3cr3t\n\"\"\"",
            "password = { text = \"a\\\"s3cr3t\" }",
            "#password = 's3cr3t'",
            "set-headers = { X-Key = 's3cr3t' }",
            "oauth2 = { token-url = 'x', client-id = 'a', client-secret = 's3cr3t' }",
            "[group.'/a'.upstream.oauth2]\nclient-secret.text = 's3cr3t'",
            "= token = 's3cr3t'",
        ] {
            assert!(!hidden(source).contains("s3cr3t"), "{}", hidden(source));
        }
    }

    #[test]
    fn credentials_in_urls_are_hidden() {
        for (source, expected) in [
            ("urls = [\"http://joe:pass@host:1/\"]", "urls = [\"http://joe:****@host:1/\"]"),
            ("urls = ['htp://a/', 'http://joe:p/a\"#s@host/']", "urls = ['htp://a/', 'http://joe:******@host/']"),
            ("urls = ['https://k3y@host/']", "urls = ['https://***@host/']"),
            ("urls = ['http//joe:pass@host/']", "urls = ['http//joe:****@host/']"),
            ("urls = ['joe:pass@host/']", "urls = ['joe:****@host/']"),
            ("urls = http://joe:pass@host/", "urls = http://joe:****@host/"),
            ("urls = [\"http://joe:pass@host/", "urls = [\"http://joe:****@host/"),
        ] {
            assert_eq!(hidden(source), expected);
        }
    }

    #[test]
    fn everything_else_stays() {
        for source in [
            "listen = ['127.0.0.1:8008', \"[::1]:80\", 'unix:/run/x.sock']\n[group.'/a']\nservice = 'wheel'",
            "token = { env = \"ARIA2_TOKEN\" }\npassword.file = 'secrets/password'",
            "[group.'/a'.upstream.token]\nenv = 'NAME'\n[group.'/b']\nservice = 'wheel'",
            "urls = [\"http://127.0.0.1:8080/path\"]\nprotocol = 'soap'",
            "title = 'ask joe@example.org'",
            "pass-headers = ['Accept-Language']\nreturn-headers = ['X-Total']\npass-cookies = ['sid']",
            "pass-authorization = true\noauth2 = { token-url = 'https://login.example/token', scopes = ['a'] }",
            "x = { a = 1, b = [true, 1979-05-27] } # it's",
        ] {
            assert_eq!(hidden(source), source);
        }
        for text in [
            "",
            "[",
            "]",
            "{",
            "'",
            "\"\"\"",
            "=",
            "token",
            "token =",
            "token = '",
            "\u{e9} = \u{e9}\u{e9}",
            "@",
            "://@",
        ] {
            assert_eq!(hidden(text).len(), text.len());
        }
    }

    #[test]
    fn messages_hide_secrets_and_their_beginnings() {
        let secrets = Secrets::find("urls = ['htp://joe:s3cr3t@host/']\ntoken = \"q\\u0075ite\"");
        assert_eq!(secrets.hide_in("`htp://joe:s3cr3t@host/` is wrong"), "`htp://joe:***@host/` is wrong");
        assert_eq!(secrets.hide_in("`htp://joe:s3cr…` is wrong"), "`htp://joe:***…` is wrong");
        assert_eq!(secrets.hide_in("`quite` is wrong"), "`***` is wrong");
        assert_eq!(secrets.hide_in("`other` is wrong"), "`other` is wrong");
    }
}
