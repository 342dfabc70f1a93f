//! What the leaderboard promises.

use annals::testing::given;
use leaderboard::board::{self, Standing};
use leaderboard::game::{Close, Closed, Game, GameError, Score, Scored};
use leaderboard::{node, version2};

fn score(player: &str, points: u32) -> Score {
    Score { game: "g-1".to_owned(), player: player.to_owned(), points }
}

fn scored(player: &str, points: u32) -> Scored {
    Scored { player: player.to_owned(), points }
}

#[test]
fn nobody_scores_in_a_game_that_is_over() {
    given::<Game>(()).when(score("ada", 3)).then_events(scored("ada", 3));
    given::<Game>((scored("ada", 3), Closed {})).when(score("bob", 1)).then_error(GameError::Over);
    given::<Game>((scored("ada", 3), Closed {})).when(Close { game: "g-1".to_owned() }).then_nothing();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_share_the_board_and_one_takes_over() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("sqlite://{}", folder.path().join("leaderboard.db").display());
    let north = node::open::<Standing>(&address, "north").await.unwrap();
    let south = node::open::<Standing>(&address, "south").await.unwrap();
    node::shared::<Standing>(&south, &["north", "south"]).await.unwrap();
    for (app, player, points) in [(&north, "ada", 3), (&south, "bob", 5), (&north, "cem", 1), (&south, "ada", 4)] {
        let sent = app.send(score(player, points)).await.unwrap();
        south.view::<Standing>().after(&sent).await.unwrap();
    }

    north.shutdown().await.unwrap();
    node::shared::<Standing>(&south, &["south"]).await.unwrap();
    let sent = south.send(score("cem", 9)).await.unwrap();
    south.view::<Standing>().after(&sent).await.unwrap();
    let first = board::best(&south, 2, None).await.unwrap();
    let second = board::best(&south, 2, first.next).await.unwrap();
    assert_eq!(second.next, None);
    let places = [first.documents, second.documents].concat();
    let places: Vec<_> = places.iter().map(|place| (place.key.as_str(), place.document.points)).collect();
    assert_eq!(places, [("cem", 10), ("ada", 7), ("bob", 5)]);
    south.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_version_counts_by_its_own_rule() {
    let app = node::open::<version2::Standing>("memory:", "north").await.unwrap();
    app.send(score("ada", 9)).await.unwrap();
    let sent = app.send(score("bob", 10)).await.unwrap();
    app.view::<version2::Standing>().after(&sent).await.unwrap();
    let best = version2::best(&app, 2, None).await.unwrap().documents;
    let points: Vec<_> = best.iter().map(|place| (place.key.as_str(), place.document.points)).collect();
    assert_eq!(points, [("bob", 15), ("ada", 9)]);
    app.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_version_takes_the_place_of_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("sqlite://{}", folder.path().join("leaderboard.db").display());
    let old = node::open::<Standing>(&address, "old").await.unwrap();
    for (player, points) in [("ada", 9), ("bob", 10)] {
        let sent = old.send(score(player, points)).await.unwrap();
        old.view::<Standing>().after(&sent).await.unwrap();
    }
    let next = node::open::<version2::Standing>(&address, "next").await.unwrap();
    node::built::<version2::Standing>(&next, |_| {}).await.unwrap();
    let best = version2::best(&next, 1, None).await.unwrap().documents;
    assert_eq!((best[0].key.as_str(), best[0].document.points), ("bob", 15));
    assert_eq!(
        board::best(&old, 1, None).await.unwrap().documents[0].document.points,
        10,
        "whoever reads version 1 still does"
    );
    old.shutdown().await.unwrap();
    assert!(next.view::<version2::Standing>().drop_version(1).await.unwrap());
    next.shutdown().await.unwrap();
}
