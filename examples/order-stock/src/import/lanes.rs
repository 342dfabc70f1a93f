//! Which rows wait for one another.

use std::collections::HashMap;

use super::rows::Row;
use crate::domain::{OrderId, Sku};

/// Sorts rows into lanes: rows that share an article or an order are in one lane, in the order of the file; no two
/// lanes have an article or an order in common.
///
/// So lanes can run side by side, and the outcome is that of running the whole file row by row. An order id that is
/// used under two articles joins the lanes of both: which of the rows comes first is then decided by the file.
pub(crate) fn sort(rows: Vec<Row>) -> Vec<Vec<Row>> {
    let lane_of = lane_of_each(&rows);
    let mut numbers = HashMap::new();
    let mut lanes: Vec<Vec<_>> = Vec::new();
    for (row, lane) in rows.into_iter().zip(lane_of) {
        let number = *numbers.entry(lane).or_insert(lanes.len());
        match lanes.get_mut(number) {
            Some(lane) => lane.push(row),
            None => lanes.push(vec![row]),
        }
    }
    // The longest lane decides how long it takes, so it starts first.
    lanes.sort_by_key(|lane| std::cmp::Reverse(lane.len()));
    lanes
}

fn lane_of_each(rows: &[Row]) -> Vec<usize> {
    let mut groups = Groups::default();
    let mut members = Vec::new();
    for Row { request, .. } in rows {
        let order = request.order().map(|order| groups.member(Key::Order(order)));
        let sku = request.sku().map(|sku| groups.member(Key::Article(sku)));
        if let (Some(order), Some(sku)) = (order, sku) {
            groups.join(order, sku);
        }
        members.extend(order.or(sku));
    }
    members.into_iter().map(|member| groups.root(member)).collect()
}

#[derive(PartialEq, Eq, Hash)]
enum Key<'a> {
    Order(&'a OrderId),
    Article(&'a Sku),
}

/// Disjoint sets, each a tree that is named by its root.
#[derive(Default)]
struct Groups<'a> {
    numbers: HashMap<Key<'a>, usize>,
    parents: Vec<usize>,
}

impl<'a> Groups<'a> {
    fn member(&mut self, key: Key<'a>) -> usize {
        *self.numbers.entry(key).or_insert_with(|| {
            self.parents.push(self.parents.len());
            self.parents.len() - 1
        })
    }

    fn root(&mut self, mut member: usize) -> usize {
        while self.parents[member] != member {
            self.parents[member] = self.parents[self.parents[member]];
            member = self.parents[member];
        }
        member
    }

    fn join(&mut self, left: usize, right: usize) {
        let (left, right) = (self.root(left), self.root(right));
        self.parents[right] = left;
    }
}

#[cfg(test)]
mod tests {
    use annals::CommandId;

    use super::*;
    use crate::domain::{CancelOrder, PlaceOrder};
    use crate::import::rows::Request;
    use crate::names;

    fn lanes(rows: &[(&str, Option<&str>)]) -> Vec<Vec<u64>> {
        let rows = rows.iter().zip(1..).map(|((order, sku), line)| {
            let order = names::order(order).unwrap();
            let request = match sku {
                Some(sku) => Request::Place(PlaceOrder { order, sku: names::sku(sku).unwrap(), quantity: 1 }),
                None => Request::Cancel(CancelOrder { order }),
            };
            Row { file: String::new(), line, id: CommandId::new(), request, customer: None }
        });
        sort(rows.collect()).iter().map(|lane| lane.iter().map(|row| row.line).collect()).collect()
    }

    #[test]
    fn rows_of_one_article_and_cancellations_of_its_orders_stay_in_order() {
        let rows = [("o-1", Some("tea")), ("o-2", Some("jam")), ("o-1", None), ("o-3", Some("tea")), ("o-4", None)];
        assert_eq!(lanes(&rows), [vec![1, 3, 4], vec![2], vec![5]]);
    }

    #[test]
    fn an_order_under_two_articles_joins_their_lanes() {
        let rows = [("o-1", Some("tea")), ("o-2", Some("jam")), ("o-3", Some("jam")), ("o-2", Some("tea"))];
        assert_eq!(lanes(&rows), [vec![1, 2, 3, 4]]);
    }

    #[test]
    fn an_order_and_an_article_of_the_same_name_are_not_the_same() {
        assert_eq!(lanes(&[("tea", Some("jam")), ("o-2", Some("tea"))]), [vec![1], vec![2]]);
    }
}
