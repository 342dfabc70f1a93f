use proc_macro2::{Ident, Span};
use syn::{DeriveInput, LitStr, Type};

use crate::attributes::{Keys, check_name, value};
use crate::errors::Errors;

pub(super) struct Query {
    pub(super) ident: Ident,
    pub(super) name: Option<LitStr>,
    pub(super) answer: Answer,
}

/// What a query is answered with.
pub(super) enum Answer {
    /// A reply; updates are replies too, unless they are stated.
    Reply { reply: Option<Box<Type>>, update: Option<Box<Type>> },
    /// A reply of each handler.
    Gathered { reply: Option<Box<Type>> },
    /// A stream of rows.
    Stream { row: Box<Type> },
}

/// What the attribute says, each with its place.
#[derive(Default)]
struct Written {
    reply: Option<(Span, Type)>,
    stream: Option<(Span, Type)>,
    update: Option<(Span, Type)>,
    gather: Option<Span>,
}

pub(super) fn query(input: &DeriveInput, errors: &mut Errors) -> Query {
    let (mut name, mut written) = (None, Written::default());
    let mut keys =
        Keys::new("query", &["name = \"order.find\"", "reply = Vec<Row>", "update = Change", "gather", "stream = Row"]);
    keys.read_all(&input.attrs, errors, |key, input, errors| {
        match key.word {
            "name" => check_name(name.insert(value(input)?), errors),
            "reply" => written.reply = Some((key.span, value(input)?)),
            "update" => written.update = Some((key.span, value(input)?)),
            "stream" => written.stream = Some((key.span, value(input)?)),
            _ => written.gather = Some(key.span),
        }
        Ok(())
    });
    keys.require("name", &input.ident, errors);
    if !keys.has("stream") {
        keys.require("reply", &input.ident, errors);
    }
    Query { ident: input.ident.clone(), name, answer: answer(written, errors) }
}

fn answer(written: Written, errors: &mut Errors) -> Answer {
    let Written { reply, stream, update, gather } = written;
    if let Some((_, row)) = stream {
        if let Some((span, _)) = reply {
            errors.at_span(span, "the answer is a stream of rows already: expected `reply` or `stream`, not both");
        }
        if let Some((span, _)) = update {
            errors.at_span(span, "a stream of rows has no updates: expected a query with `reply`");
        }
        if let Some(span) = gather {
            errors.at_span(span, "a stream of rows comes from one handler: expected a query with `reply`");
        }
        return Answer::Stream { row: Box::new(row) };
    }
    let reply = reply.map(|(_, reply)| Box::new(reply));
    if gather.is_none() {
        return Answer::Reply { reply, update: update.map(|(_, update)| Box::new(update)) };
    }
    if let Some((span, _)) = update {
        errors
            .at_span(span, "a query that several handlers answer cannot be subscribed to: remove `update` or `gather`");
    }
    Answer::Gathered { reply }
}
