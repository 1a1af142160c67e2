//! Spins a wheel ten times.
//!
//! With a gateway running (`cargo run --release`, or the example `seed_server`):
//!
//! ```text
//! cargo run --example seed_client
//! cargo run --example seed_client http://127.0.0.1:8008/wheel/european
//! ```

use std::time::Duration;

use croupier::{CallError, Client};

/// A spin, as every wheel returns it: the number, its color, odd or even, low or high.
type Spin = [String; 4];

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:8008/wheel/american".to_owned());
    let wheel = Client::builder(&url).timeout(Duration::from_secs(5)).build()?;
    for _ in 0..10 {
        // The type on the left decides the type as which the result is read.
        let [number, color, parity, range]: Spin = wheel.call("spin", ()).await?;
        println!("{number:>2} {color} {parity} {range}");
    }

    // What goes wrong is told apart by its kind: here the server refuses, in other cases there is none.
    match wheel.call::<Spin>("spinn", ()).await {
        Err(CallError::Fault(fault)) => println!("fault {}: {}", fault.kind.xmlrpc_code(), fault.message),
        Err(error) => return Err(error.into()),
        Ok(spin) => println!("this server can spinn: {spin:?}"),
    }
    Ok(())
}
