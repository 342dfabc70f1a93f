//! What the macros refuse, and what they say then: each file under `ui` has one fault, `all_faults_at_once.rs` has them
//! all. CONTRIBUTING tells how to write the answers anew.

#[test]
fn ui_faults_are_reported_under_the_words_that_the_user_wrote() {
    let cases = trybuild::TestCases::new();
    cases.pass("ui/pass/*.rs");
    for group in [
        "aggregate",
        "command",
        "command_handlers",
        "decision",
        "entity",
        "described",
        "event",
        "event_handlers",
        "event_sourcing",
        "identifier",
        "query",
        "query_handlers",
        "saga",
        "saga_handlers",
        "upcasters",
        "view",
        "view_handlers",
        "workflow",
        "workflow_handlers",
        "workflow_part",
    ] {
        cases.compile_fail(format!("ui/{group}/*.rs"));
    }
}
