//! Decisions whose consistency boundary is a query: nothing is locked that does not matter.

mod enrolment;
mod registration;

pub use enrolment::{
    AnnounceCourse, Announcement, CourseAnnounced, Enrol, EnrolError, Enrolled, Enrolment, Load, MAX_COURSES, Seats,
};
pub use registration::{Register, Registered, Registration, RegistrationError};
