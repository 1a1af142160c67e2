//! The keys of an upstream that is a program: `command`, `environment` and `directory`.

use std::ops::Range;

use toml::Spanned;

use super::UpstreamFile;
use crate::config::forwarding::PassCookies;
use crate::config::problem::Problem;
use crate::config::secrets::names_secret;
use crate::config::setting_reader::SettingReader;
use crate::model::text::abridge;
use crate::protocol::Protocol;
use crate::upstream::transport::Program;

impl SettingReader<'_> {
    /// The program of an upstream, if it has one.
    pub(super) fn program(&mut self, file: &UpstreamFile) -> Option<Program> {
        let mut env = Vec::new();
        for (name, secret) in &file.environment {
            if name.is_empty() || name.contains(['=', '\0']) {
                let message = format!("`{}` is not a valid name of a variable", abridge(name));
                self.wrong(secret.span(), message);
            }
            let key = format!("environment.{}", abridge(name));
            let text = self.secret(secret.get_ref(), secret.span(), &key, names_secret(name));
            env.extend(text.map(|text| (name.clone(), text)));
        }
        let (first, args) = file.command.split_first()?;
        if first.get_ref().is_empty() {
            self.wrong(first.span(), "the name of the program is empty");
        }
        Some(Program {
            args: args.iter().map(|arg| arg.get_ref().clone()).collect(),
            env,
            directory: file.directory.as_ref().map(|directory| self.folder.join(directory.get_ref())),
            max_line: file.max_response.0,
            ..Program::new(first.get_ref().clone())
        })
    }

    /// Reports an upstream that has neither URLs nor a program, or both; keys of a program without one; and keys that a program does not
    /// use.
    pub(super) fn check_urls_or_command(&mut self, file: &UpstreamFile, path: &Spanned<String>) {
        if file.protocol.span().is_empty() {
            // The table could not be read, which has been reported.
            return;
        }
        let first = match (file.urls().first(), file.command.first()) {
            // What is wrong with URLs that are given has been reported.
            (None, None) if file.urls.is_some() => return,
            (None, None) => {
                let problem = Problem::at(path.span(), "the upstream has neither `urls` nor a `command`");
                self.problem(problem.hint("write such as `urls = [\"http://127.0.0.1:9000/RPC2\"]`"));
                return;
            }
            (Some(_), None) => {
                let of_program = file.environment.values().map(|secret| ("environment", secret.span())).next();
                let of_program = of_program.or_else(|| Some(("directory", file.directory.as_ref()?.span())));
                if let Some((key, span)) = of_program {
                    self.wrong(span, format!("`{key}` needs `command`"));
                }
                return;
            }
            (Some(url), Some(command)) => {
                let problem = Problem::at(command.span(), "`command` cannot be given with `urls`");
                self.problem(problem.related(url.span(), "the other"));
                return;
            }
            (None, Some(command)) => command,
        };
        if *file.protocol.get_ref() != Protocol::Mcp {
            let problem = Problem::at(first.span(), "`command` is for `protocol = \"mcp\"` only");
            self.problem(problem.related(file.protocol.span(), "the protocol"));
        }
        for (key, span) in given_header_keys(file) {
            let problem = Problem::at(span, format!("`{key}` has no effect, because a program gets no headers"));
            self.problem(problem.hint("`environment` carries secrets for a program"));
        }
        for (key, span) in given_http_keys(file, first.span()) {
            self.wrong(span, format!("`{key}` has no effect, because a program gets no HTTP requests"));
        }
    }
}

/// The other given keys about HTTP and its connections. Those whose place is not known are said to be at `command`.
fn given_http_keys(file: &UpstreamFile, command: Range<usize>) -> Vec<(&'static str, Range<usize>)> {
    let tls = [&file.tls.roots, &file.tls.certificate, &file.tls.key].into_iter().flatten().next();
    let keys = [
        file.pass_query.get_ref().then(|| ("pass-query", file.pass_query.span())),
        (!file.dns.span().is_empty()).then(|| ("dns", file.dns.span())),
        tls.map(|file| ("tls", file.span())),
        file.http2.then_some(("http2", command)),
    ];
    keys.into_iter().flatten().collect()
}

/// The given keys about the headers of HTTP requests and responses.
fn given_header_keys(file: &UpstreamFile) -> Vec<(&'static str, Range<usize>)> {
    let given = |span: Option<Range<usize>>, key| span.map(|span| (key, span));
    let passes_cookies = !matches!(file.pass_cookies.get_ref(), PassCookies::All(false));
    let keys = [
        given(file.headers.values().map(Spanned::span).next(), "headers"),
        given(file.set_headers.values().map(Spanned::span).next(), "set-headers"),
        given(file.query.values().map(Spanned::span).next(), "query"),
        given(file.cookies.values().map(Spanned::span).next(), "cookies"),
        given(file.password.as_ref().map(Spanned::span), "password"),
        given(file.bearer.as_ref().map(Spanned::span), "bearer"),
        given(file.oauth2.as_ref().map(Spanned::span), "oauth2"),
        given(file.pass_headers.first().map(Spanned::span), "pass-headers"),
        given(file.pass_authorization.get_ref().then(|| file.pass_authorization.span()), "pass-authorization"),
        given(passes_cookies.then(|| file.pass_cookies.span()), "pass-cookies"),
        given(file.timeout_header.as_ref().map(Spanned::span), "timeout-header"),
        given(file.return_headers.first().map(Spanned::span), "return-headers"),
        given(file.forward_identity.jwt.as_ref().map(Spanned::span), "forward-identity.jwt"),
    ];
    keys.into_iter().flatten().collect()
}
