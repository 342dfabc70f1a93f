//! Courses with seats and students, and addresses with owners: decisions over events of any stream.

use std::collections::HashSet;

use annals::prelude::*;

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
    pub owner: String,
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

pub fn announce(course: &str, seats: usize) -> AnnounceCourse {
    AnnounceCourse { course: course.to_owned(), seats }
}

pub fn enrol(course: &str, student: &str) -> Enrol {
    Enrol { course: course.to_owned(), student: student.to_owned() }
}
