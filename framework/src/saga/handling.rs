//! The handlers of a saga, looked up once.

use std::collections::HashMap;

use crate::message::Upcasters;

use super::course::Course;
use super::handlers::{AnswerFn, BeginFn, EndHandler, SagaHandlers};

/// Everything that handles an input of the saga `S` but events.
pub(crate) struct Handling<S> {
    pub(crate) begin: Option<BeginFn<S>>,
    pub(crate) replies: HashMap<&'static str, AnswerFn<S>>,
    pub(crate) rejections: HashMap<&'static str, AnswerFn<S>>,
    pub(crate) deadlines: HashMap<&'static str, BeginFn<S>>,
    pub(crate) ends: HashMap<&'static str, EndHandler<S>>,
    pub(crate) compensation: Option<BeginFn<S>>,
    pub(crate) course: Option<Box<dyn Course<S>>>,
}

impl<S: SagaHandlers> Handling<S> {
    pub(crate) fn new(upcasters: &Upcasters) -> Self {
        let mut course = S::course();
        if let Some(course) = &mut course {
            course.lifts_with(upcasters);
        }
        Self {
            begin: S::begin(),
            replies: S::replies().into_iter().map(|handler| (handler.command, handler.handle)).collect(),
            rejections: S::rejections().into_iter().map(|handler| (handler.command, handler.handle)).collect(),
            deadlines: S::deadlines().into_iter().map(|handler| (handler.name, handler.handle)).collect(),
            ends: S::ends().into_iter().map(|handler| (handler.saga, handler)).collect(),
            compensation: S::compensation(),
            course,
        }
    }

    /// Whether somebody handles the deadline `name`.
    pub(crate) fn has_deadline(&self, name: &str) -> bool {
        self.deadlines.contains_key(name) || self.course.as_ref().is_some_and(|course| course.has_deadline(name))
    }
}

impl<S> std::fmt::Debug for Handling<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handling")
    }
}
