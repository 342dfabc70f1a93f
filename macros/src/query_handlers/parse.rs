use crate::attributes::check_bare;
use crate::block::Block;
use crate::errors::Errors;
use crate::handler::{AsyncRule, Handler, MessageRule, ReceiverRule, Role, Rules};

const ANSWERS: Rules = Rules {
    what: "a query handler",
    receiver: ReceiverRule::SharedOrNone,
    message: Some(MessageRule { kind: "query", by_value: true, example: "query: TopSellers" }),
    asynchronous: AsyncRule::Either,
    mutable: Some(Role::Rows),
    others: true,
};

pub(super) fn handlers(block: &Block, errors: &mut Errors) -> Vec<Handler> {
    let each = block.methods.iter().map(|method| {
        check_bare(&method.attribute, errors);
        Handler::read(method, &ANSWERS, errors)
    });
    each.collect()
}
