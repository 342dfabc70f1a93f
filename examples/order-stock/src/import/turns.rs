//! Which rows wait for which.

use std::collections::{BTreeSet, HashMap};

use super::rows::{Request, Row};
use crate::terms::{CustomerId, OrderId, Sku};

/// For each row the places of the rows before it that it waits for: of each order, article and account that it can change,
/// the last one that can change it too. A cancellation can change what its order was given: its article and account.
///
/// So rows that have nothing in common run side by side, and the outcome is that of running the whole file row by row.
pub(crate) fn sort(rows: &[Row]) -> Vec<BTreeSet<usize>> {
    let mut last = HashMap::new();
    let mut placed: HashMap<&OrderId, BTreeSet<Key<'_>>> = HashMap::new();
    let mut turns = Vec::with_capacity(rows.len());
    for (place, row) in rows.iter().enumerate() {
        let mut keys = keys(&row.request);
        if let Some(order) = row.request.order() {
            let given = placed.entry(order).or_default();
            match row.request {
                Request::Cancel(_) => keys.extend(given.iter().copied()),
                _ => given.extend(keys.iter().copied()),
            }
        }
        turns.push(keys.into_iter().filter_map(|key| last.insert(key, place)).collect());
    }
    turns
}

/// What a row names.
fn keys(request: &Request) -> BTreeSet<Key<'_>> {
    let order = request.order().map(Key::Order);
    let sku = request.sku().map(Key::Article);
    let payer = request.payer().map(Key::Account);
    order.into_iter().chain(sku).chain(payer).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Key<'a> {
    Order(&'a OrderId),
    Article(&'a Sku),
    Account(&'a CustomerId),
}

#[cfg(test)]
mod tests {
    use annals::CommandId;

    use super::*;
    use crate::domain::{Bill, CancelOrder, Money, PlaceOrder};

    fn place(order: &str, sku: &str, payer: Option<&str>) -> Request {
        let bill = payer.map(|payer| Bill { customer: payer.into(), amount: Money::cents(100) });
        Request::Place(PlaceOrder { order: order.into(), sku: sku.into(), quantity: 1, bill })
    }

    fn cancel(order: &str) -> Request {
        Request::Cancel(CancelOrder { order: order.into() })
    }

    #[track_caller]
    fn waits<const N: usize>(requests: [Request; N], expected: [&[usize]; N]) {
        let rows = requests.into_iter().zip(1..).map(|(request, line)| {
            let (file, id, customer) = (String::new(), CommandId::new(), None);
            Row { file, line, id, request, customer }
        });
        let turns = sort(&rows.collect::<Vec<_>>());
        assert_eq!(turns.iter().map(|turn| turn.iter().copied().collect()).collect::<Vec<Vec<_>>>(), expected);
    }

    #[test]
    fn rows_of_one_article_stay_in_order() {
        let rows = [place("o-1", "tea", None), place("o-2", "jam", None), place("o-3", "tea", None)];
        waits(rows, [&[], &[], &[0]]);
    }

    #[test]
    fn rows_of_one_account_stay_in_order() {
        let (ada, bob) = (Some("Ada"), Some("Bob"));
        let rows = [place("o-1", "tea", ada), place("o-2", "jam", bob), place("o-3", "ham", ada)];
        waits(rows, [&[], &[], &[0]]);
    }

    #[test]
    fn a_cancellation_waits_for_its_order_and_what_shares_its_article_or_account_waits_for_it() {
        let ada = Some("Ada");
        let rows = [
            place("o-1", "tea", ada),
            cancel("o-1"),
            place("o-2", "tea", None),
            place("o-3", "jam", ada),
            cancel("o-4"),
            place("o-5", "ham", None),
        ];
        waits(rows, [&[], &[0], &[1], &[1], &[], &[]]);
    }

    #[test]
    fn an_order_under_two_articles_is_decided_by_the_file_and_its_cancellation_may_change_both() {
        let rows = [place("o-1", "tea", None), place("o-1", "jam", None), cancel("o-1"), place("o-2", "tea", None)];
        waits(rows, [&[], &[0], &[0, 1], &[2]]);
    }

    #[test]
    fn an_order_an_article_and_a_customer_of_the_same_name_are_not_the_same() {
        let rows = [place("tea", "jam", Some("ham")), place("jam", "ham", Some("tea")), cancel("ham")];
        waits(rows, [&[], &[], &[]]);
    }
}
