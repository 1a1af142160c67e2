//! The gateway inside an axum application: mounted under `/rpc`, with the address of each client.
//!
//! ```sh
//! cargo run --example axum
//! curl -i http://127.0.0.1:3000/rpc/wheel/spin
//! ```

use std::error::Error;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::map_request;
use axum::routing::get;
use croupier::PublicUrl;
use croupier::app::App;
use croupier::demo::wheel::{Chance, Family, WheelTable};
use croupier::server::PeerAddress;

/// Gives the gateway the address of the client. Without it, every client counts as one of a unix socket.
async fn with_peer(ConnectInfo(peer): ConnectInfo<SocketAddr>, mut request: Request) -> Request {
    request.extensions_mut().insert(PeerAddress(peer));
    request
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let wheel = WheelTable::new(Family::American, Chance::Entropy).service()?;
    // axum removes `/rpc` before the gateway sees the path, so documents and the links of pages need the whole address.
    let app = App::new().public_url(PublicUrl::at("http://127.0.0.1:3000/rpc")?).mount("/wheel", wheel)?;
    // Kept until the end: it keeps what is known of upstreams up to date.
    let runtime = app.start().await;

    let gateway = Router::new().nest_service("/rpc", runtime.gateway()).layer(map_request(with_peer));
    let router = gateway.route("/", get(async || "The gateway is at /rpc.\n"));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("try curl -i http://127.0.0.1:3000/rpc/wheel/spin");
    axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}
