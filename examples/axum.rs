//! The gateway inside an axum application: mounted under `/rpc`, behind a tower layer of one's own.
//!
//! ```sh
//! cargo run --example axum
//! curl -i http://127.0.0.1:3000/rpc/wheel/spin
//! ```

use std::error::Error;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use croupier::PublicUrl;
use croupier::app::App;
use croupier::demo::wheel::{Chance, Family, WheelTable};
use croupier::server::PeerAddress;
use http::{HeaderValue, Request, Response};
use tower::{Layer, Service};

/// Adds `Server-Timing` to each response, and tells the gateway the address of the client.
#[derive(Clone)]
struct Timing;

#[derive(Clone)]
struct TimingService<S>(S);

impl<S> Layer<S> for Timing {
    type Service = TimingService<S>;

    fn layer(&self, inner: S) -> TimingService<S> {
        TimingService(inner)
    }
}

impl<S, B, R> Service<Request<B>> for TimingService<S>
where
    S: Service<Request<B>, Response = Response<R>, Future: Send + 'static>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>().copied() {
            request.extensions_mut().insert(PeerAddress(peer));
        }
        let start = Instant::now();
        let response = self.0.call(request);
        Box::pin(async move {
            let mut response = response.await?;
            let timing = format!("gateway;dur={:.3}", start.elapsed().as_secs_f64() * 1000.0);
            if let Ok(timing) = HeaderValue::try_from(timing) {
                response.headers_mut().insert("server-timing", timing);
            }
            Ok(response)
        })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let wheel = WheelTable::new(Family::American, Chance::Entropy).service()?;
    // axum removes `/rpc` before the gateway sees the path, so the documents need the whole address.
    let base = Some("http://127.0.0.1:3000/rpc".to_owned());
    let app = App::new().public_url(PublicUrl { base, ..PublicUrl::default() }).mount("/wheel", wheel)?;
    // Kept until the end: it keeps what is known of upstreams up to date.
    let runtime = app.start().await;

    let router = Router::new()
        .route("/", get(async || "The gateway is at /rpc.\n"))
        .nest_service("/rpc", Timing.layer(runtime.gateway()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("try curl -i http://127.0.0.1:3000/rpc/wheel/spin");
    axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}
