//! Two roulette wheels at two paths, in the fewest lines: `cargo run --release --example seed_server`.
//!
//! The client beside it, `seed_client`, spins them; so does any XML-RPC client.

use croupier::app::App;
use croupier::demo::wheel::{Chance, Family, WheelTable};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let american = WheelTable::new(Family::American, Chance::Entropy).service()?;
    let european = WheelTable::new(Family::European, Chance::Entropy).service()?;
    println!("spin at http://127.0.0.1:8008/wheel/american and http://127.0.0.1:8008/wheel/european; Ctrl-C stops");
    App::new()
        .mount("/wheel/american", american)?
        .mount("/wheel/european", european)?
        .serve("127.0.0.1:8008".parse()?, async { tokio::signal::ctrl_c().await.unwrap_or_default() })
        .await?;
    Ok(())
}
