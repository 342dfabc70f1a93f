//! Two nodes keep a leaderboard; one of them leaves, and a program with another rule takes its place.

use annals::prelude::*;
use annals::processor::ProcessorStatus;
use leaderboard::board::{Standing, best};
use leaderboard::game::{Close, Score};
use leaderboard::{node, version2};

const GAMES: u32 = 4;
const PLAYERS: [&str; 5] = ["ada", "bob", "cem", "dot", "eve"];

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let address = std::env::args().nth(1);
    let address = address.unwrap_or_else(|| format!("sqlite://{}", folder.path().join("leaderboard.db").display()));

    let north = node::open::<Standing>(&address, "north").await?;
    play(&north, 0).await?;
    print_status("north alone", &node::shared::<Standing>(&north, &["north"]).await?);

    let south = node::open::<Standing>(&address, "south").await?;
    node::shared::<Standing>(&south, &["north", "south"]).await?;
    play(&south, 1).await?;
    print_status("north and south", &node::status::<Standing>(&south).await?);
    print_best(&south).await?;

    north.shutdown().await?;
    node::shared::<Standing>(&south, &["south"]).await?;
    play(&south, 2).await?;
    print_status("north has left", &node::status::<Standing>(&south).await?);
    print_best(&south).await?;

    // The next program: its version of the board is built beside the old one, which south goes on to read.
    let next = node::open::<version2::Standing>(&address, "next").await?;
    node::built::<version2::Standing>(&next, print_progress).await?;
    for place in version2::best(&next, 3, None).await?.documents {
        println!("  {:>4} points, {} of the scores large: {}", place.document.points, place.document.large, place.key);
    }
    for version in next.view::<version2::Standing>().versions().await? {
        println!("version {}: {:?}, at {}", version.version, version.state, version.position);
    }
    south.shutdown().await?;
    next.view::<version2::Standing>().drop_version(1).await?;
    next.shutdown().await?;
    Ok(())
}

/// Plays some games to the end, and waits until the board has it.
async fn play(app: &Annals, day: u32) -> Result<(), Box<dyn std::error::Error>> {
    for number in 0..GAMES {
        let game = format!("day-{day}-game-{number}");
        for (seat, player) in (0..).zip(PLAYERS) {
            let points = (day * 7 + number * 5 + seat * seat) % 13;
            app.send(Score { game: game.clone(), player: player.to_owned(), points }).await?;
        }
        let sent = app.send(Close { game }).await?;
        app.view::<Standing>().after(&sent).await?;
    }
    Ok(())
}

fn print_status(title: &str, status: &ProcessorStatus) {
    println!("{title}: at {} of {}, {:?} late", status.position, status.head, status.lag);
    for segment in &status.segments {
        let owner = segment.owner_name.as_deref().unwrap_or("nobody");
        println!("  segment {}: {owner}, at {}", segment.segment, segment.position);
    }
}

/// How much of the new version is built, and how fast that goes.
fn print_progress(status: &ProcessorStatus) {
    let (done, rate) = (status.done() * 100.0, status.rate.unwrap_or_default());
    let remaining = status.remaining.filter(|remaining| !remaining.is_zero());
    let remaining = remaining.map(|remaining| format!(", {:.1} s to go", remaining.as_secs_f64())).unwrap_or_default();
    println!("another rule: {done:.0}% built, {rate:.0} events a second{remaining}");
}

/// All pages, three players on each.
async fn print_best(app: &Annals) -> Result<(), Box<dyn std::error::Error>> {
    let mut next = None;
    loop {
        let page = best(app, 3, next).await?;
        for place in &page.documents {
            println!("  {:>4} points: {}", place.document.points, place.key);
        }
        next = page.next;
        if next.is_none() {
            return Ok(());
        }
        println!("  ----");
    }
}
