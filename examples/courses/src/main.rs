//! Many students want few seats, all at once.

use annals::prelude::*;
use courses::{AnnounceCourse, Enrol};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "memory:".to_owned());
    let app = Annals::open(&address).await?;
    app.send(AnnounceCourse { course: "logic".to_owned(), seats: 5 }).await?;
    let mut students = tokio::task::JoinSet::new();
    for number in 0..20 {
        let app = app.gateway();
        let enrol = Enrol { course: "logic".to_owned(), student: format!("student-{number}") };
        students.spawn(async move { app.send(enrol).await.map_err(|error| error.to_string()) });
    }
    let (mut enrolled, mut refused) = (0, 0);
    while let Some(answer) = students.join_next().await {
        match answer? {
            Ok(_) => enrolled += 1,
            Err(_) => refused += 1,
        }
    }
    println!("{enrolled} students have a seat, {refused} were refused");
    app.shutdown().await?;
    Ok(())
}
