//! Seats in a course, and courses of a student.

use annals::prelude::*;

/// Courses that a student may take.
pub const MAX_COURSES: usize = 3;

/// Why somebody is not enrolled.
#[derive(thiserror::Error, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub enum EnrolError {
    /// Nobody has announced such a course.
    #[error("there is no such course")]
    NoCourse,
    /// All seats are taken.
    #[error("the course is full")]
    Full,
    /// The student has as many courses as allowed.
    #[error("a student takes {MAX_COURSES} courses at most")]
    TooManyCourses,
}

/// Announces a course.
#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "course.announce")]
pub struct AnnounceCourse {
    /// The course.
    #[tag]
    pub course: String,
    /// How many may take it.
    pub seats: usize,
}

/// Enrols a student.
#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "course.enrol", error = EnrolError)]
pub struct Enrol {
    /// The course.
    #[tag]
    pub course: String,
    /// The student.
    #[tag]
    pub student: String,
}

/// A course was announced.
#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[event(name = "course.announced")]
pub struct CourseAnnounced {
    /// The course.
    #[tag]
    pub course: String,
    /// How many may take it.
    pub seats: usize,
}

/// A student was enrolled: a fact about both.
#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[event(name = "course.enrolled")]
pub struct Enrolled {
    /// The course.
    #[tag]
    pub course: String,
    /// The student.
    #[tag]
    pub student: String,
}

/// Whether a course is announced.
#[derive(Decision, Default, Debug, Clone)]
#[decision(name = "course", boundary(course))]
pub struct Announcement {
    announced: bool,
}

#[command_handlers]
impl Announcement {
    /// Announcing it twice changes nothing.
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

/// The seats of one course.
#[derive(Decision, Default, Debug, Clone)]
#[decision(name = "seats", boundary(course))]
pub struct Seats {
    seats: Option<usize>,
    taken: usize,
}

#[event_sourcing]
impl Seats {
    #[apply]
    fn announced(&mut self, event: &CourseAnnounced) {
        self.seats = Some(event.seats);
    }

    #[apply]
    fn enrolled(&mut self, _event: &Enrolled) {
        self.taken += 1;
    }
}

/// The courses of one student.
#[derive(Decision, Default, Debug, Clone)]
#[decision(name = "load", boundary(student))]
pub struct Load {
    courses: usize,
}

#[event_sourcing]
impl Load {
    #[apply]
    fn enrolled(&mut self, _event: &Enrolled) {
        self.courses += 1;
    }
}

/// Whether this student takes this course: events with both tags.
#[derive(Decision, Default, Debug, Clone)]
#[decision(name = "enrolment", boundary(course & student))]
pub struct Enrolment {
    enrolled: bool,
}

#[command_handlers]
impl Enrolment {
    /// Decides by three boundaries at once. Other students in other courses never get in the way.
    #[handle]
    fn enrol(&self, command: Enrol, seats: Model<Seats>, load: Model<Load>) -> Result<Option<Enrolled>, EnrolError> {
        if self.enrolled {
            return Ok(None);
        }
        let Some(places) = seats.seats else { return Err(EnrolError::NoCourse) };
        if seats.taken >= places {
            return Err(EnrolError::Full);
        }
        if load.courses >= MAX_COURSES {
            return Err(EnrolError::TooManyCourses);
        }
        Ok(Some(Enrolled { course: command.course, student: command.student }))
    }
}

#[event_sourcing]
impl Enrolment {
    #[apply]
    fn enrolled(&mut self, _event: &Enrolled) {
        self.enrolled = true;
    }
}
