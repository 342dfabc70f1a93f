//! Units of work: decisions over boundaries within them.

use annals::SendError;
use annals::prelude::*;

use crate::courses::*;
use crate::meanwhile::{Waiting, Waits, foreign};
use crate::support::in_each_place;

/// Announces a course, and enrols students in it at once.
#[derive(Command, Serialize, Deserialize, Clone, Debug)]
#[command(name = "school.plan", error = EnrolError)]
pub struct Plan {
    course: String,
    seats: usize,
    students: Vec<String>,
}

pub struct School;

#[command_handlers]
impl School {
    #[handle]
    async fn plan(command: Plan, work: &mut UnitOfWork, waits: Waiting) -> Result<(), SendError<EnrolError>> {
        let Plan { course, seats, students } = command;
        work.execute(announce(&course, seats)).await.map_err(SendError::into_failure)?;
        for student in students {
            work.execute(enrol(&course, &student)).await?;
        }
        waits.meet();
        Ok(())
    }
}

async fn school(place: &crate::support::Place, waits: Waits) -> Annals {
    let declare = |app: annals::app::Builder| app.include::<Announcement>().include::<Enrolment>().include::<School>();
    place.start(|app| declare(app).resource(waits)).await
}

fn plan(course: &str, seats: usize, students: &[&str]) -> Plan {
    let students = students.iter().map(|student| (*student).to_owned()).collect();
    Plan { course: course.to_owned(), seats, students }
}

#[tokio::test]
async fn a_decision_in_a_unit_sees_what_was_decided_before_it_in_the_unit() {
    in_each_place(async |place| {
        let app = school(place, Waits::default()).await;
        // Ada twice is one enrolment, for which one seat is enough.
        let planned = app.send(plan("c-1", 1, &["ada", "ada"])).await.unwrap();
        assert_eq!(planned.position, Position::new(2));
        let full = app.send(plan("c-2", 1, &["ada", "bob"])).await.unwrap_err();
        assert_eq!(full.rejection(), Some(EnrolError::Full));
        assert_eq!(app.journal().store().head().await.unwrap(), planned.position, "nothing of a unit that is refused");
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_decision_in_a_unit_rests_on_has_to_hold_when_the_unit_commits() {
    in_each_place(async |place| {
        let meanwhile = |course: &str, student: &str| {
            let event = Enrolled { course: course.to_owned(), student: student.to_owned() };
            foreign(StreamId::new("meanwhile", "m-1"), &event)
        };
        let waits = Waits::storing(place.node().await, meanwhile("c-1", "eve"));
        let runs = waits.runs();
        let app = school(place, waits).await;
        let full = app.send(plan("c-1", 1, &["ada"])).await.unwrap_err();
        assert_eq!((runs(), full.rejection()), (1, Some(EnrolError::Full)), "the last seat was taken meanwhile");
        app.shutdown().await.unwrap();

        let waits = Waits::storing(place.node().await, meanwhile("c-9", "eve"));
        let runs = waits.runs();
        let app = school(place, waits).await;
        app.send(plan("c-2", 1, &["ada"])).await.unwrap();
        assert_eq!(runs(), 1, "another course is outside the boundary");
        app.shutdown().await.unwrap();
    })
    .await;
}
