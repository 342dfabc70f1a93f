//! What the decisions promise.

use annals::SendError;
use annals::prelude::*;
use annals::testing::given;
use courses::{
    AnnounceCourse, CourseAnnounced, Enrol, EnrolError, Enrolled, Enrolment, Register, Registered, Registration,
    RegistrationError,
};

fn announced(course: &str, seats: usize) -> CourseAnnounced {
    CourseAnnounced { course: course.into(), seats }
}

fn enrol(course: &str, student: &str) -> Enrol {
    Enrol { course: course.into(), student: student.into() }
}

fn enrolled(course: &str, student: &str) -> Enrolled {
    Enrolled { course: course.into(), student: student.into() }
}

#[test]
fn a_student_takes_a_seat_once() {
    let logic = announced("logic", 2);
    given::<Enrolment>(logic.clone()).when(enrol("logic", "ada")).then_events(enrolled("logic", "ada"));
    given::<Enrolment>((logic, enrolled("logic", "ada"))).when(enrol("logic", "ada")).then_nothing();
    given::<Enrolment>(()).when(enrol("logic", "ada")).then_error(EnrolError::NoCourse);
}

#[test]
fn a_course_has_so_many_seats_and_a_student_so_many_courses() {
    let full = (announced("logic", 1), enrolled("logic", "bob"));
    given::<Enrolment>(full).when(enrol("logic", "ada")).then_error(EnrolError::Full);
    let busy = (announced("logic", 9), enrolled("a", "ada"), enrolled("b", "ada"), enrolled("c", "ada"));
    given::<Enrolment>(busy).when(enrol("logic", "ada")).then_error(EnrolError::TooManyCourses);
}

#[test]
fn an_address_belongs_to_one_student() {
    let register = |student: &str, email: &str| Register { student: student.into(), email: email.into() };
    let registered = Registered { student: "ada".into(), email: "ada@x.org".into() };
    given::<Registration>(()).when(register("ada", "Ada@x.org")).then_events(registered.clone());
    given::<Registration>(registered.clone()).when(register("ada", "ada@x.org")).then_nothing();
    given::<Registration>(registered).when(register("bob", "ADA@x.org")).then_error(RegistrationError::Taken);
}

#[tokio::test]
async fn of_many_students_at_once_as_many_get_in_as_there_are_seats() {
    let app = Annals::open("sqlite::memory:").await.unwrap();
    app.send(AnnounceCourse { course: "logic".into(), seats: 3 }).await.unwrap();
    let mut students = tokio::task::JoinSet::new();
    for number in 0..12 {
        let app = app.gateway();
        students.spawn(async move { app.send(enrol("logic", &format!("s-{number}"))).await });
    }
    let answers = students.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 3);
    let full = |answer: &Result<_, _>| matches!(answer, Err(SendError::Rejected(EnrolError::Full)));
    assert_eq!(answers.iter().filter(|answer| full(answer)).count(), 9);
    app.shutdown().await.unwrap();
}
