//! The smallest client there is: `cargo run --example three_lines`, with a gateway running.

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let wheel = croupier::Client::new("http://127.0.0.1:8008/wheel/american")?;
    let spin: [String; 4] = wheel.call("spin", ()).await?;
    println!("{}", spin.join(" "));
    Ok(())
}
