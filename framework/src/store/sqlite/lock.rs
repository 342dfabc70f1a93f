//! The append lock of a file: the right to write.
//!
//! Each statement crosses to the thread of its connection and back, which costs a lone append more than its work. So a
//! batch crosses twice: once to begin and ask, and once to write and commit.

use async_trait::async_trait;
use sqlx::SqlStr;

use crate::store::error::BoxError;
use crate::store::sql::{AppendLock, Failure, Row, Session, Statement};

use super::errors;
use super::writer::{Lent, Writer};

/// A transaction under the append lock. It begins with the first statement that reads; what it writes waits for the
/// commit, and goes there with it.
#[derive(Debug)]
pub(super) struct Batch {
    connection: Lent,
    begun: bool,
    writes: Vec<Statement>,
}

#[async_trait]
impl Session for Batch {
    async fn execute(&mut self, statement: Statement) -> Result<u64, BoxError> {
        self.writes.push(statement);
        Ok(0)
    }

    async fn fetch(&mut self, statement: Statement) -> Result<Vec<Row>, BoxError> {
        let statement = match self.begun {
            true => statement,
            false => Statement::built(format!("BEGIN IMMEDIATE; {}", statement.text.as_str()), statement.values),
        };
        self.begun = true;
        self.connection.leave_open();
        self.connection.fetch(statement).await
    }

    async fn control(&mut self, text: &'static str) -> Result<(), BoxError> {
        self.connection.control(text).await
    }
}

#[async_trait]
impl AppendLock for Writer {
    type Locked = Batch;

    async fn lock(&self) -> Result<Batch, BoxError> {
        Ok(Batch { connection: self.lend().await?, begun: false, writes: Vec::new() })
    }

    async fn commit(&self, mut locked: Batch) -> Result<(), Failure> {
        match locked.connection.execute(together(std::mem::take(&mut locked.writes))).await {
            Ok(_) => {
                locked.connection.is_clean();
                Ok(())
            }
            Err(error) => {
                locked.connection.roll_back().await;
                Err(errors::of_last_statements(error))
            }
        }
    }

    async fn release(&self, locked: Batch) {
        locked.connection.roll_back().await;
    }

    fn failure(&self, error: BoxError) -> Failure {
        errors::of_statement(error)
    }
}

/// The writes and the commit as one statement. The driver counts parameters without a number on from statement to
/// statement, and they begin with the first value: so the values of all of these come first. Those of writes with numbers
/// follow.
fn together(writes: Vec<Statement>) -> Statement {
    let unnumbered = writes.iter().filter(|write| !is_numbered(&write.text));
    let mut values = Vec::with_capacity(writes.iter().map(|write| write.values.len()).sum());
    let mut before: usize = unnumbered.map(|write| write.values.len()).sum();
    let (mut text, mut numbered) = (String::new(), Vec::new());
    for write in writes {
        if is_numbered(&write.text) {
            renumber(&write.text, before, &mut text);
            before += write.values.len();
            numbered.extend(write.values);
        } else {
            text.push_str(write.text.as_str());
            values.extend(write.values);
        }
        text.push_str(";\n");
    }
    values.extend(numbered);
    text.push_str("COMMIT");
    Statement::built(text, values)
}

/// Whether the parameters of `sql` have numbers.
fn is_numbered(sql: &SqlStr) -> bool {
    let after = sql.as_str().split_once('?').map(|(_, after)| after);
    after.is_none_or(|after| after.starts_with(|sign: char| sign.is_ascii_digit()))
}

/// Adds `sql` to `text`, its parameters counted on from `before` and written `$5` for `?5`: SQLite takes `?5` for the fifth
/// parameter of its own statement, and counts four before it that have no value.
fn renumber(sql: &SqlStr, before: usize, text: &mut String) {
    let mut parts = sql.as_str().split('?');
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let digits = part.len() - part.trim_start_matches(|sign: char| sign.is_ascii_digit()).len();
        let number = part[..digits].parse().unwrap_or(0_usize);
        text.push('$');
        text.push_str(&(number + before).to_string());
        text.push_str(&part[digits..]);
    }
}

#[cfg(test)]
mod tests {
    use super::{Statement, together};
    use crate::store::sql::Value;

    #[test]
    fn parameters_are_counted_on_from_statement_to_statement() {
        let one = Statement::new("INSERT INTO a SELECT ?1, ?2").bind("x").bind("y");
        let two = Statement::new("INSERT INTO b SELECT ?1 WHERE ?1 > 0").bind("z");
        let both = together(vec![one, two]);
        let text = "INSERT INTO a SELECT $1, $2;\nINSERT INTO b SELECT $3 WHERE $3 > 0;\nCOMMIT";
        assert_eq!((both.text.as_str(), both.values.len()), (text, 3));
    }

    #[test]
    fn values_without_numbers_come_first() {
        let one = Statement::new("INSERT INTO a SELECT ?1").bind("1");
        let two = Statement::new("INSERT INTO b VALUES (?, ?)").bind("2").bind("3");
        let three = Statement::new("INSERT INTO c SELECT ?1").bind("4");
        let all = together(vec![one, two, three]);
        let text = "INSERT INTO a SELECT $3;\nINSERT INTO b VALUES (?, ?);\nINSERT INTO c SELECT $4;\nCOMMIT";
        assert_eq!((all.text.as_str(), all.values), (text, ["2", "3", "1", "4"].map(Value::from).to_vec()));
    }
}
