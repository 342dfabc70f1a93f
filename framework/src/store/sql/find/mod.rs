//! Builds the statements that find documents by their entries.
//!
//! One table drives a statement, and the others are looked up by key, row by row. An equality drives before anything else:
//! its entries are a run of the primary key, in the order of the documents' keys. Then comes the index of the order,
//! whose entries need no sorting; then any other filter. So no statement with a filter reads a whole view, unless
//! the filter lets it all pass.

use std::ops::Bound;

use crate::store::documents::{DocumentFilter, DocumentQuery, ScanDirection, ValueTest};
use crate::store::error::BoxError;

use super::dialect::{AnyOf, Dialect};
use super::json;
use super::session::Statement;
use super::value::Value;

/// The page of `query`: the value in the order, then the columns of a document.
pub(super) fn page(dialect: &Dialect, query: &DocumentQuery) -> Result<Statement, BoxError> {
    let mut builder = Builder::new(dialect, query);
    let Parts { from, key, value } = builder.parts(true)?;
    let way = if query.direction == ScanDirection::Ascending { "ASC" } else { "DESC" };
    let order = match &value {
        Some(value) => format!("{value} {way}, {key} {way}"),
        None => format!("{key} {way}"),
    };
    let value = value.unwrap_or("''".to_owned());
    let limit = builder.bind(query.limit);
    let text = format!("SELECT {value}, d.document_key, d.revision, d.body FROM {from} ORDER BY {order} LIMIT {limit}");
    Ok(Statement::built(text, builder.values))
}

/// How many documents all pages of `query` have.
pub(super) fn count(dialect: &Dialect, query: &DocumentQuery) -> Result<Statement, BoxError> {
    let mut builder = Builder::new(dialect, query);
    let Parts { from, .. } = builder.parts(false)?;
    Ok(Statement::built(format!("SELECT count(*) FROM {from}"), builder.values))
}

/// What a statement is made of: its tables with their conditions, and the columns of the order.
struct Parts {
    from: String,
    key: &'static str,
    value: Option<String>,
}

struct Builder<'q> {
    dialect: &'q Dialect,
    query: &'q DocumentQuery,
    values: Vec<Value>,
}

/// What drives a statement.
enum Driver<'q> {
    Documents,
    Order(&'static str),
    Filter(usize, &'q DocumentFilter),
}

impl<'q> Builder<'q> {
    /// The first three parameters name the view.
    fn new(dialect: &'q Dialect, query: &'q DocumentQuery) -> Self {
        let view = &query.view;
        let values = vec![view.tenant.as_str().into(), view.name.as_str().into(), view.version.into()];
        Self { dialect, query, values }
    }

    fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("?{}", self.values.len())
    }

    fn driver(&self) -> Driver<'q> {
        let filters = || self.query.filters.iter().enumerate();
        let equality = filters().find(|(_, filter)| matches!(&filter.test, ValueTest::AnyOf(of) if of.len() <= 1));
        let listed = || filters().find(|(_, filter)| matches!(&filter.test, ValueTest::AnyOf(_)));
        match (equality.or_else(listed), self.query.order, filters().next()) {
            (Some((number, filter)), _, _) => Driver::Filter(number, filter),
            (None, Some(order), _) => Driver::Order(order),
            (None, None, Some((number, filter))) => Driver::Filter(number, filter),
            (None, None, None) => Driver::Documents,
        }
    }

    fn parts(&mut self, paged: bool) -> Result<Parts, BoxError> {
        let driver = self.driver();
        let mut conditions = Vec::new();
        let (first, key) = match &driver {
            Driver::Documents => ("annals_documents d".to_owned(), "d.document_key"),
            Driver::Order(order) => {
                conditions.push(self.entry("o", order));
                ("annals_index_entries o".to_owned(), "o.document_key")
            }
            Driver::Filter(_, filter) => {
                let entry = self.entry("f", filter.index);
                let test = self.test("f", &filter.test)?;
                match &filter.test {
                    ValueTest::AnyOf(of) if of.len() <= 1 => {
                        conditions.push(format!("{entry} AND {test}"));
                        ("annals_index_entries f".to_owned(), "f.document_key")
                    }
                    // A document may have several entries that pass.
                    _ => {
                        let found = format!(
                            "(SELECT DISTINCT f.document_key FROM annals_index_entries f WHERE {entry} AND {test}) k"
                        );
                        (found, "k.document_key")
                    }
                }
            }
        };
        let mut from = first;
        let mut value = None;
        if let Some(order) = self.query.order {
            value = Some("o.indexed_value".to_owned());
            if !matches!(driver, Driver::Order(_)) {
                let condition = self.entry_of("o", order, key);
                let alias = format!("o{}", self.dialect.by_document);
                from = format!("{from} {}", (self.dialect.join)("annals_index_entries", &alias, &condition));
            }
        }
        let document = "d.tenant = ?1 AND d.view = ?2 AND d.view_version = ?3";
        if matches!(driver, Driver::Documents) {
            conditions.push(format!("{document} AND d.body IS NOT NULL"));
        } else {
            let condition = format!("{document} AND d.document_key = {key} AND d.body IS NOT NULL");
            from = format!("{from} {}", (self.dialect.join)("annals_documents", "d", &condition));
        }
        for (number, filter) in self.query.filters.iter().enumerate() {
            match &driver {
                Driver::Filter(driving, _) if *driving == number => {}
                Driver::Order(order) if *order == filter.index => conditions.push(self.test("o", &filter.test)?),
                _ => {
                    let (entry, test) = (self.entry_of("x", filter.index, key), self.test("x", &filter.test)?);
                    let hint = self.dialect.by_document;
                    let query = format!("SELECT 1 FROM annals_index_entries x{hint} WHERE {entry} AND {test}");
                    conditions.push((self.dialect.found)(&query));
                }
            }
        }
        if paged && let Some(condition) = self.ahead(key) {
            conditions.push(condition);
        }
        if !conditions.is_empty() {
            from = format!("{from} WHERE {}", conditions.join(" AND "));
        }
        Ok(Parts { from, key, value })
    }

    /// The condition that an entry is one of the view under `index`.
    fn entry(&mut self, alias: &str, index: &'static str) -> String {
        let index = self.bind(index);
        format!(
            "{alias}.tenant = ?1 AND {alias}.view = ?2 AND {alias}.view_version = ?3 AND {alias}.index_name = {index}"
        )
    }

    /// The condition that an entry is one of the document `key` under `index`.
    fn entry_of(&mut self, alias: &str, index: &'static str, key: &str) -> String {
        let (index, tenant) = (self.bind(index), (self.dialect.entry_tenant)(alias));
        format!(
            "{tenant} = ?1 AND {alias}.view = ?2 AND {alias}.view_version = ?3 AND {alias}.document_key = {key} \
             AND {alias}.index_name = {index}"
        )
    }

    fn test(&mut self, alias: &str, test: &ValueTest) -> Result<String, BoxError> {
        let column = format!("{alias}.indexed_value");
        Ok(match test {
            ValueTest::AnyOf(of) => match (of.len(), of.first()) {
                (0, _) | (_, None) => "1 = 0".to_owned(),
                (1, Some(value)) => format!("{column} = {}", self.bind(value)),
                _ => match self.dialect.any_of {
                    AnyOf::OfJson(any_of) => format!("{column} {}", any_of(&self.bind(json::list(of)?))),
                    AnyOf::Listed => {
                        let mut bound: Vec<String> = of.iter().map(|value| self.bind(value)).collect();
                        let last = bound.last().cloned().unwrap_or_default();
                        bound.resize(bound.len().next_power_of_two(), last);
                        format!("{column} IN ({})", bound.join(", "))
                    }
                },
            },
            ValueTest::Range(from, to) => {
                let mut parts = Vec::new();
                for (bound, included, excluded) in [(from, ">=", ">"), (to, "<=", "<")] {
                    match bound {
                        Bound::Included(value) => parts.push(format!("{column} {included} {}", self.bind(value))),
                        Bound::Excluded(value) => parts.push(format!("{column} {excluded} {}", self.bind(value))),
                        Bound::Unbounded => {}
                    }
                }
                if parts.is_empty() { "1 = 1".to_owned() } else { parts.join(" AND ") }
            }
        })
    }

    /// The condition that a row stands behind the start of the page.
    fn ahead(&mut self, key: &str) -> Option<String> {
        let after = self.query.after.as_ref()?;
        let beyond = if self.query.direction == ScanDirection::Ascending { ">" } else { "<" };
        let last = self.bind(&after.key);
        if self.query.order.is_none() {
            return Some(format!("{key} {beyond} {last}"));
        }
        let value = self.bind(&after.value);
        // The first part is for the index, which is entered there.
        Some(format!(
            "o.indexed_value {beyond}= {value} AND (o.indexed_value {beyond} {value} OR {key} {beyond} {last})"
        ))
    }
}

#[cfg(all(test, feature = "sqlite"))]
mod tests;
