//! Decisions over more than one aggregate, consistent by the events that carry the tags of their boundary.

use std::collections::HashSet;
use std::sync::Arc;

use annals::prelude::*;
use annals::store::Conflict;
use annals::testing::given;
use annals::{CommandFailure, SendError};

use crate::support::{Place, in_each_place};

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, thiserror::Error)]
pub enum EnrolError {
    #[error("there is no such course")]
    NoCourse,
    #[error("the course is full")]
    Full,
    #[error("a student takes three courses at most")]
    TooManyCourses,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "course.announce")]
pub struct AnnounceCourse {
    #[tag]
    pub course: String,
    pub seats: usize,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "course.enrol", error = EnrolError)]
pub struct Enrol {
    #[tag]
    pub course: String,
    #[tag]
    pub student: String,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "course.announced")]
pub struct CourseAnnounced {
    #[tag]
    pub course: String,
    pub seats: usize,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "course.enrolled")]
pub struct Enrolled {
    #[tag]
    pub course: String,
    #[tag]
    pub student: String,
}

#[derive(Decision, Default, Debug, Clone)]
#[decision(boundary(course))]
pub struct Announcement {
    announced: bool,
}

#[command_handlers]
impl Announcement {
    #[handle]
    fn announce(&self, command: AnnounceCourse) -> Option<CourseAnnounced> {
        let AnnounceCourse { course, seats } = command;
        (!self.announced).then_some(CourseAnnounced { course, seats })
    }
}

#[event_sourcing]
impl Announcement {
    #[apply]
    fn announced(&mut self, _event: &CourseAnnounced) {
        self.announced = true;
    }
}

/// The state knows what it is about, since the boundary also holds other courses of the student.
#[derive(Decision, Default, Debug, Clone)]
#[decision(boundary(course, student))]
pub struct Enrolment {
    course: String,
    student: String,
    seats: Option<usize>,
    students: HashSet<String>,
    courses: HashSet<String>,
}

impl From<&Enrol> for Enrolment {
    fn from(command: &Enrol) -> Self {
        Self { course: command.course.clone(), student: command.student.clone(), ..Self::default() }
    }
}

#[command_handlers]
impl Enrolment {
    #[handle]
    fn enrol(&self, command: Enrol) -> Result<Option<Enrolled>, EnrolError> {
        let Enrol { course, student } = command;
        let seats = self.seats.ok_or(EnrolError::NoCourse)?;
        if self.students.contains(&student) {
            return Ok(None);
        }
        if self.students.len() >= seats {
            return Err(EnrolError::Full);
        }
        if self.courses.len() >= 3 {
            return Err(EnrolError::TooManyCourses);
        }
        Ok(Some(Enrolled { course, student }))
    }
}

#[event_sourcing]
impl Enrolment {
    #[apply]
    fn announced(&mut self, event: &CourseAnnounced) {
        self.seats = Some(event.seats);
    }

    #[apply]
    fn enrolled(&mut self, event: &Enrolled) {
        if event.course == self.course {
            self.students.insert(event.student.clone());
        }
        if event.student == self.student {
            self.courses.insert(event.course.clone());
        }
    }
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, thiserror::Error)]
#[error("the address belongs to {owner}")]
pub struct AddressTaken {
    owner: String,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "address.claim", error = AddressTaken)]
pub struct ClaimAddress {
    #[tag]
    pub email: String,
    pub user: String,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "address.claimed")]
pub struct AddressClaimed {
    #[tag]
    pub email: String,
    pub user: String,
}

/// An e-mail address belongs to one user.
#[derive(Decision, Default, Debug, Clone)]
#[decision(name = "address", boundary(email))]
pub struct AddressClaim {
    owner: Option<String>,
}

#[command_handlers]
impl AddressClaim {
    #[handle]
    fn claim(&self, command: ClaimAddress) -> Result<AddressClaimed, AddressTaken> {
        match &self.owner {
            Some(owner) => Err(AddressTaken { owner: owner.clone() }),
            None => Ok(AddressClaimed { email: command.email, user: command.user }),
        }
    }
}

#[event_sourcing]
impl AddressClaim {
    #[apply]
    fn claimed(&mut self, event: &AddressClaimed) {
        self.owner = Some(event.user.clone());
    }
}

fn announce(course: &str, seats: usize) -> AnnounceCourse {
    AnnounceCourse { course: course.to_owned(), seats }
}

fn enrol(course: &str, student: &str) -> Enrol {
    Enrol { course: course.to_owned(), student: student.to_owned() }
}

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
