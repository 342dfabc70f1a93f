//! Every workload runs, stores what it was told to, and gives the rows that the file promises.

use clap::Parser;

use super::*;
use crate::arguments::Arguments;
use crate::report::Row;

/// Runs workloads as short as possible.
async fn rows(database: &str, workloads: &[Workload]) -> Vec<Row> {
    let shortest =
        ["bench", "--quick", "--rounds", "1", "--seconds", "0.01", "--events", "1000", "--database", database];
    let arguments = Arguments::parse_from(shortest);
    let mut run = Run::start(&arguments).expect("the servers start");
    for workload in workloads {
        workload.run(&mut run).await.expect("the workload runs");
    }
    reading::read_few(&mut run).await.expect("the reading runs");
    run.rows().to_vec()
}

fn check(rows: &[Row], workload: &str, cases: usize, subjects: &[&str]) {
    let rows = rows.iter().map(|row| serde_json::to_value(row).expect("a row is plain data"));
    let rows: Vec<_> = rows.filter(|row| row["workload"] == workload).collect();
    assert_eq!(rows.len(), cases * subjects.len(), "{workload}");
    for (row, subject) in rows.iter().zip(subjects.iter().cycle()) {
        assert_eq!(row["subject"], *subject);
        assert!(row["ops_per_second"].as_f64() > Some(0.0), "{row}");
        assert!(row["p50_us"].as_f64() <= row["p99_us"].as_f64(), "{row}");
        assert_eq!(row["ratio_to_plain"].is_f64(), *subject == "annals", "{row}");
        assert_eq!(row["ratio_to_batched"].is_f64(), *subject == "annals" && subjects.contains(&"batched"), "{row}");
    }
}

async fn check_all(database: &str) {
    let all = ["annals", "plain", "batched"];
    let writing = [Workload::Commands, Workload::Append, Workload::Dcb, Workload::Tail, Workload::Growth];
    let rows = rows(database, &writing).await;
    check(&rows, "commands", 5, &all);
    check(&rows, "append", 6, &all);
    check(&rows, "dcb", 2, &all);
    check(&rows, "tail", 1, &all);
    check(&rows, "replay", 1, &all);
    check(&rows, "scan", 1, &all);
    check(&rows, "growth", 2, &["annals", "plain"]);
    let tail = rows.iter().find(|row| row.case.workload == "tail").expect("it was checked");
    assert_eq!((tail.extra["lost"], tail.extra["out_of_order"]), (0.0, 0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_workload_runs_on_sqlite() {
    check_all("sqlite").await;
}

#[cfg(feature = "servers")]
#[tokio::test(flavor = "multi_thread")]
async fn every_workload_runs_on_postgres() {
    check_all("postgres").await;
}

#[cfg(feature = "servers")]
#[tokio::test(flavor = "multi_thread")]
async fn every_workload_runs_on_mariadb() {
    check_all("mariadb").await;
}

#[tokio::test]
async fn the_workloads_in_memory_need_no_database() {
    let rows = rows("sqlite", &[Workload::Memory, Workload::Bus]).await;
    check(&rows, "memory", 1, &["annals", "plain"]);
    check(&rows, "bus", 1, &["annals", "plain"]);
}
