//! Decisions over more than one aggregate, consistent by the events that carry the tags of their boundary.

use std::sync::Arc;

use annals::prelude::*;
use annals::store::Conflict;
use annals::testing::given;
use annals::{CommandFailure, SendError};

use crate::courses::*;
use crate::support::{Place, in_each_place};

async fn school(place: &Place) -> Annals {
    let declare = |app: annals::app::Builder| {
        app.include::<Announcement>()
            .include::<Enrolment>()
            .include::<AddressClaim>()
            .commands(|commands| commands.conflict_retries = 200)
    };
    place.start(declare).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seats_are_never_oversold() {
    in_each_place(async |place| {
        let nodes = [school(place).await, school(place).await];
        nodes[0].send(announce("c-1", 20)).await.unwrap();
        let go = Arc::new(tokio::sync::Barrier::new(50));
        let mut students = tokio::task::JoinSet::new();
        for number in 0..50 {
            let (node, go) = (nodes[number % 2].clone(), Arc::clone(&go));
            students.spawn(async move {
                go.wait().await;
                node.send(enrol("c-1", &format!("s-{number}"))).await
            });
        }
        let answers = students.join_all().await;
        let refused: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
        assert_eq!(refused.len(), 30);
        assert!(refused.iter().all(|error| matches!(error, SendError::Rejected(EnrolError::Full))), "{refused:?}");
        assert_eq!(nodes[0].journal().store().head().await.unwrap(), Position::new(21));
        for node in nodes {
            node.shutdown().await.unwrap();
        }
    })
    .await;
}

/// The rule about students lies across courses: no lane of a course protects it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_boundary_spans_all_its_tags() {
    in_each_place(async |place| {
        let nodes = [school(place).await, school(place).await];
        for number in 0..10 {
            nodes[0].send(announce(&format!("c-{number}"), 20)).await.unwrap();
        }
        let mut courses = tokio::task::JoinSet::new();
        for number in 0..10 {
            let node = nodes[number % 2].clone();
            courses.spawn(async move { node.send(enrol(&format!("c-{number}"), "s-1")).await });
        }
        let answers = courses.join_all().await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 3);
        let refused = answers.into_iter().filter_map(|answer| answer.err()?.rejection());
        assert!(refused.into_iter().all(|error| error == EnrolError::TooManyCourses));
        for node in nodes {
            node.shutdown().await.unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_is_claimed_once() {
    in_each_place(async |place| {
        let nodes = [school(place).await, school(place).await];
        let mut users = tokio::task::JoinSet::new();
        for number in 0..20 {
            let node = nodes[number % 2].clone();
            let claim = ClaimAddress { email: "ada@example.org".into(), user: format!("u-{number}") };
            users.spawn(async move { node.send(claim).await });
        }
        let answers = users.join_all().await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
        let other = ClaimAddress { email: "bob@example.org".into(), user: "u-0".into() };
        let sent = nodes[1].send(other).await.unwrap();
        assert_eq!(sent.stream, Some(StreamId::new("address", "bob@example.org")));
        for node in nodes {
            node.shutdown().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn the_answer_names_the_stream_of_the_first_tag() {
    in_each_place(async |place| {
        let app = school(place).await;
        let announced = app.send(announce("c-1", 2)).await.unwrap();
        assert_eq!(announced.stream, Some(StreamId::new("course", "c-1")));
        let enrolled = app.send(enrol("c-1", "s-1")).await.unwrap();
        assert_eq!(enrolled.stream, Some(StreamId::new("course+student", "c-1")));
        assert_eq!((enrolled.version, enrolled.position), (Version::new(1), Position::new(2)));
        let again = app.send(enrol("c-1", "s-1")).await.unwrap();
        assert_eq!((again.version, again.position), (None, Position::new(2)), "no event, no version");
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_repeated_command_of_a_decision_gets_the_first_answer() {
    in_each_place(async |place| {
        let app = school(place).await;
        app.send(announce("c-1", 1)).await.unwrap();
        let (won, lost) = (CommandId::new(), CommandId::new());
        let first = app.send(enrol("c-1", "s-1")).id(won).await.unwrap();
        let refused = app.send(enrol("c-1", "s-2")).id(lost).await.unwrap_err().rejection();
        app.shutdown().await.unwrap();
        let app = school(place).await;
        let second = app.send(enrol("c-1", "s-1")).id(won).await.unwrap();
        assert!(second.repeated && !first.repeated);
        assert_eq!((first.version, first.position, first.stream), (second.version, second.position, second.stream));
        assert_eq!(refused, Some(EnrolError::Full));
        assert_eq!(app.send(enrol("c-1", "s-2")).id(lost).await.unwrap_err().rejection(), refused);
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_expected_version_is_that_of_the_stream_the_events_go_to() {
    in_each_place(async |place| {
        let app = school(place).await;
        app.send(announce("c-1", 5)).await.unwrap();
        let sent = app.send(enrol("c-1", "s-1")).await.unwrap();
        app.send(enrol("c-1", "s-2")).expect(sent.version.unwrap()).await.unwrap();
        for student in ["s-3", "s-1"] {
            match app.send(enrol("c-1", student)).expect(sent.version.unwrap()).await {
                Err(SendError::Failed(CommandFailure::Conflict {
                    attempts: 1,
                    source: Conflict::Stream { actual, .. },
                })) => {
                    assert_eq!(actual, Version::new(2));
                }
                other => panic!("expected a conflict, got {other:?}"),
            }
        }
        app.shutdown().await.unwrap();
    })
    .await;
}

#[test]
fn a_course_takes_as_many_as_it_has_seats() {
    let announced = CourseAnnounced { course: "c-1".into(), seats: 1 };
    let taken = Enrolled { course: "c-1".into(), student: "s-1".into() };
    given::<Enrolment>(()).when(enrol("c-1", "s-1")).then_error(EnrolError::NoCourse);
    given::<Enrolment>(announced.clone()).when(enrol("c-1", "s-1")).then_events(taken.clone());
    given::<Enrolment>((announced.clone(), taken.clone())).when(enrol("c-1", "s-1")).then_nothing();
    given::<Enrolment>((announced, taken)).when(enrol("c-1", "s-2")).then_error(EnrolError::Full);
}
