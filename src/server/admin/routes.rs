//! The requests that the admin listener answers.

use std::net::IpAddr;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use super::{Admin, Reloaded};
use crate::http::body::Body;
use crate::http::rejection::HttpRejection;
use crate::model::text::abridge;
use crate::server::auth::AuthRequest;
use crate::server::metrics::MetricsFormat;

/// The paths, and whether each is a command.
const PATHS: [(&str, bool); 6] =
    [("/live", false), ("/ready", false), ("/metrics", false), ("/status", false), ("/reload", true), ("/drain", true)];

impl Admin {
    /// The response to a request. Its body is not read.
    pub(super) async fn respond(self: Arc<Admin>, head: Parts, client: Option<IpAddr>) -> Response<Body> {
        if let Err(rejection) = check(&head) {
            return rejection.into_response();
        }
        let mut is_known = true;
        if let Some(auth) = &self.gateway.mounts().admin_auth {
            let authenticated = auth.authenticate(&AuthRequest { head: &head, client }, "the admin listener").await;
            if let Err(refusal) = authenticated {
                // A probe has no credentials.
                if !matches!(head.uri.path(), "/live" | "/ready") {
                    return auth.rejection(refusal, None).into_response();
                }
                is_known = false;
            }
        }
        match head.uri.path() {
            "/live" => text(StatusCode::OK, "the process is alive\n".to_owned()),
            "/ready" => {
                let reasons = self.reasons_not_ready();
                let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
                let mut body = json!({ "ready": reasons.is_empty() });
                // They name upstream servers.
                if let Some(body) = body.as_object_mut().filter(|_| is_known) {
                    body.insert("reasons".to_owned(), json!(reasons));
                }
                json_response(status, &body)
            }
            "/metrics" => self.metrics(&head.headers).await,
            "/status" => json_response(StatusCode::OK, &self.status()),
            "/reload" => self.reload().await,
            // `check` has found the path among those that there are.
            _ => {
                self.drain.notify_one();
                json_response(StatusCode::ACCEPTED, &json!({ "draining": true }))
            }
        }
    }

    async fn metrics(&self, headers: &HeaderMap) -> Response<Body> {
        let (format, metrics) = (metrics_format(headers), self.metrics.clone());
        // Many series take milliseconds to write, in which this thread accepts connections.
        match spawn_blocking(move || metrics.encode(format)).await {
            Ok(encoded) => response(StatusCode::OK, format.content_type(), encoded),
            Err(_) => HttpRejection::new(StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be written")
                .into_response(),
        }
    }

    async fn reload(&self) -> Response<Body> {
        let (result, reloaded) = oneshot::channel();
        let stopping = || HttpRejection::new(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping").into_response();
        if self.lifecycle.is_draining() || self.reload.send(result).await.is_err() {
            return stopping();
        }
        match reloaded.await {
            Ok(Ok(Reloaded { generation, groups, needs_restart })) => {
                let body = json!({ "generation": generation, "groups": groups, "needs-restart": needs_restart });
                json_response(StatusCode::OK, &body)
            }
            Ok(Err(problems)) => text(StatusCode::UNPROCESSABLE_ENTITY, format!("{}\n", problems.trim_end())),
            Err(_) => stopping(),
        }
    }
}

/// Checks the path and the method of a request, and that no web page has caused a command.
fn check(head: &Parts) -> Result<(), HttpRejection> {
    let path = head.uri.path();
    let Some((_, is_command)) = PATHS.iter().find(|(known, _)| *known == path) else {
        let known = PATHS.map(|(path, _)| path).join(", ");
        let reason = format!("nothing is at {}; there are {known}", abridge(path));
        return Err(HttpRejection::new(StatusCode::NOT_FOUND, reason));
    };
    let allow = if *is_command { vec![Method::POST] } else { vec![Method::GET, Method::HEAD] };
    if !allow.contains(&head.method) {
        let reason = format!(
            "{path} takes {}, not {}",
            allow.iter().map(Method::as_str).collect::<Vec<_>>().join(" and "),
            abridge(head.method.as_str())
        );
        return Err(HttpRejection { allow, ..HttpRejection::new(StatusCode::METHOD_NOT_ALLOWED, reason) });
    }
    // A browser sends a POST without asking first, also from a page of another site to this machine. It adds `Origin`.
    let from_a_page = head.headers.contains_key(header::ORIGIN) || head.headers.contains_key("sec-fetch-site");
    if *is_command && from_a_page {
        return Err(HttpRejection::new(StatusCode::FORBIDDEN, "commands are not taken from web pages"));
    }
    Ok(())
}

/// OpenMetrics if the client accepts it at least as gladly as the text format (RFC 9110, section 12.5.1).
fn metrics_format(headers: &HeaderMap) -> MetricsFormat {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let (mut open, mut plain) = (0.0, 0.0);
    for range in accepted.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let (mut quality, mut known_version) = (1.0, true);
        for parameter in parts {
            match parameter.split_once('=') {
                Some(("q", value)) => quality = value.trim().parse().unwrap_or(0.0),
                Some(("version", value)) => known_version = matches!(value.trim_matches('"'), "1.0.0" | "0.0.1"),
                _ => {}
            }
        }
        match media {
            "application/openmetrics-text" if known_version => open = f32::max(open, quality),
            "text/plain" | "text/*" | "*/*" => plain = f32::max(plain, quality),
            _ => {}
        }
    }
    if open > 0.0 && open >= plain { MetricsFormat::OpenMetrics } else { MetricsFormat::Prometheus }
}

fn json_response(status: StatusCode, value: &Value) -> Response<Body> {
    response(status, "application/json", format!("{value:#}\n"))
}

fn text(status: StatusCode, body: String) -> Response<Body> {
    response(status, "text/plain; charset=utf-8", body)
}

fn response(status: StatusCode, content_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::whole(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_the_one_that_the_client_prefers() {
        let format = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            metrics_format(&headers)
        };
        assert_eq!(metrics_format(&HeaderMap::new()), MetricsFormat::Prometheus);
        for accept in [
            "*/*",
            "text/plain",
            "text/html",
            "application/openmetrics-text;version=2.0.0",
            "",
            "text/plain;q=0.9,application/openmetrics-text;q=0.5",
        ] {
            assert_eq!(format(accept), MetricsFormat::Prometheus, "{accept}");
        }
        for accept in [
            "application/openmetrics-text",
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "application/openmetrics-text; version=\"1.0.0\"; q=0.5, text/plain; q=0.3",
        ] {
            assert_eq!(format(accept), MetricsFormat::OpenMetrics, "{accept}");
        }
    }
}
