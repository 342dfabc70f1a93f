#![allow(unused)]

use annals::prelude::*;

#[derive(Decision, Default, Clone)]
#[decision(boundary(course))]
struct Enrolment {
    closed: bool,
}

#[derive(Event, Serialize, Deserialize, Clone)]
#[event(name = "course.cancelled")]
struct CourseCancelled {
    #[tag]
    course: String,
}

#[derive(Event, Serialize, Deserialize, Clone)]
#[event(name = "course.held")]
struct CourseHeld {
    #[tag]
    course: String,
}

#[event_sourcing]
impl Enrolment {
    #[apply(end)]
    fn cancelled(&mut self, _event: &CourseCancelled) {}

    #[apply]
    fn held(&mut self, _event: &CourseHeld) -> Lifecycle {
        Lifecycle::End
    }
}

fn main() {}
