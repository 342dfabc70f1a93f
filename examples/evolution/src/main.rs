//! Writes what old programs have left, then reads it with today's.

use annals::prelude::*;
use evolution::domain::Parcel;
use evolution::old_days;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let app = Annals::open("memory:").await?;
    old_days::leave(app.journal().store(), app.journal().now()).await?;
    for parcel in ["p-1", "p-2", "p-3"] {
        for entry in app.aggregate::<Parcel>(parcel).history().await? {
            let stored = &entry.recorded;
            println!("{parcel}: {}@{} is {} {}", stored.name, stored.revision, entry.name, entry.payload);
        }
    }
    println!("\n{}", annals::catalogue());
    app.shutdown().await?;
    Ok(())
}
