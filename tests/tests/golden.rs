//! Golden files: the catalogue of what is stored, and payloads of each revision.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use annals::catalogue::{Catalogue, Kind};
use annals::prelude::*;
use annals::testing::given_stored;
use annals::testing::golden::{self, GoldenError, Update, check_catalogue};
use serde_json::json;

#[derive(Described, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase")]
struct Line {
    sku_code: String,
    #[serde(default)]
    gift: bool,
    inner: Option<Box<Line>>,
}

#[derive(Described, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Payment {
    OnAccount,
    ByCard {
        digits: String,
    },
    #[serde(skip)]
    #[expect(dead_code, reason = "a variant that is never stored")]
    Unknown,
}

#[derive(Identifier, Serialize, Deserialize, Debug, Clone, PartialEq)]
struct OrderId(u64);

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "order.placed", revision = 2)]
struct OrderPlaced {
    #[tag]
    order: OrderId,
    lines: Vec<Line>,
    payment: Payment,
    #[serde(rename = "memo", default)]
    note: String,
    #[serde(skip)]
    cached: u8,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "order.closed")]
struct OrderClosed;

#[derive(Deserialize)]
struct PlacedV1 {
    order: u64,
    sku: String,
}

#[upcasters]
impl OrderPlaced {
    #[upcast(from = 1)]
    fn one_line(old: PlacedV1, pass: &mut Pass) -> OrderPlaced {
        *pass.entry::<u64>() += 1;
        let line = Line { sku_code: old.sku, gift: false, inner: None };
        let note = format!("number {}", pass.entry::<u64>());
        OrderPlaced { order: OrderId(old.order), lines: vec![line], payment: Payment::OnAccount, note, cached: 0 }
    }

    #[upcast(name = "order.sold", from = 1)]
    fn placed_and_closed(old: Json) -> (OrderPlaced, OrderClosed) {
        let order = OrderId(old["order"].as_u64().unwrap_or_default());
        let payment = Payment::ByCard { digits: "1".into() };
        (OrderPlaced { order, lines: Vec::new(), payment, note: String::new(), cached: 0 }, OrderClosed)
    }

    #[upcast(name = "order.viewed", from = 1)]
    fn forget_views(_old: Json) -> Dropped {
        Dropped
    }
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "order.close", revision = 2)]
struct CloseOrder {
    #[target]
    order: OrderId,
}

#[upcasters]
impl CloseOrder {
    #[upcast(from = 1)]
    fn number(mut old: Json) -> Json {
        old["order"] = old["number"].take();
        old
    }
}

#[derive(Aggregate, Serialize, Deserialize, Default, Clone)]
#[aggregate(name = "order", snapshot(revision = 3))]
struct Order {
    closed: bool,
}

#[event_sourcing(ignore("order.placed"))]
impl Order {
    #[apply]
    fn closed(&mut self, _event: &OrderClosed) {
        self.closed = true;
    }
}

#[derive(Saga, Serialize, Deserialize, Default, Clone)]
#[saga(name = "closing")]
struct Closing {
    order: String,
}

#[derive(View, Serialize, Deserialize, Default, Clone)]
#[view(name = "orders", version = 4, key = String)]
struct Orders {
    count: u32,
}

const TEXT: &str = "\
event order.closed@1
event order.placed@2 { order: OrderId, lines: Vec<Line>, payment: Payment, memo?: String }
    Line { skuCode: String, gift?: bool, inner: Option<Box<Line>> }
    OrderId(u64)
    Payment = on_account | by_card { digits: String } [tag = kind]
command order.close@2 { order: OrderId }
    OrderId(u64)
snapshot order@3 { closed: bool }
saga closing@1 { order: String }
view orders@4 { count: u32 }
event order.placed@1 -> order.placed@2
event order.sold@1 -> order.closed@1, order.placed@2
event order.viewed@1 -> nothing
command order.close@1 -> order.close@2
";

#[test]
fn the_catalogue_tells_names_revisions_and_shapes() {
    let catalogue = annals::catalogue();
    assert_eq!(catalogue.to_string(), TEXT);
    assert_eq!(Catalogue::from_json(&catalogue.to_json()).unwrap(), catalogue);
    let orders = catalogue.clone().only(|kind, name| kind == Kind::Event && name == "order.closed");
    assert_eq!(orders.to_string(), "event order.closed@1\n");
}

/// What is said when the golden file was like today's catalogue with `from` replaced by `to`.
fn changes(from: &str, to: &str) -> (Vec<String>, Vec<String>) {
    let now = annals::catalogue();
    let json = serde_json::to_string(&now).unwrap();
    assert!(json.contains(from), "{from} is not in {json}");
    let before = Catalogue::from_json(&json.replacen(from, to, 1)).unwrap();
    let changes = before.compare(&now);
    (changes.faults, changes.growth)
}

#[test]
fn what_vanished_or_changed_without_an_upcaster_is_a_fault() {
    let none: [&str; 0] = [];
    let lift = "raise the revision to 3, and lift with `#[upcast(from = 2)]`";
    let (line, placed) = ("`Line` in `order.placed`", "`order.placed`");
    for (from, to, expected) in [
        (
            r#"{"kind":"event","name":"order.closed","revision":1"#,
            r#"{"kind":"event","name":"order.done","revision":1"#,
            "event `order.done` has vanished: lift it from revision 1 with `#[upcast(name = \"order.done\", from = 1)]`, to \
             another event or to `Dropped`"
                .to_owned(),
        ),
        (
            r#"{"name":"order","type":"OrderId"}"#,
            r#"{"name":"order","type":"OrderId"},{"name":"shop","type":"u8"}"#,
            format!("the field `shop` of {placed} has vanished: {lift}"),
        ),
        (
            r#"{"name":"lines","type":"Vec<Line>"}"#,
            r#"{"name":"lines","type":"Vec<Row>"}"#,
            format!("the field `lines` of {placed} was `lines: Vec<Row>` and is `lines: Vec<Line>`: {lift}"),
        ),
        (
            r#"{"name":"lines","type":"Vec<Line>"},"#,
            "",
            format!("the field `lines` of {placed} is new, and stored payloads lack it: {lift}"),
        ),
        (
            r#"{"name":"skuCode","type":"String"}"#,
            r#"{"name":"skuCode","type":"String","presence":"defaulted"}"#,
            format!("the field `skuCode` of {line} may be missing in stored payloads, and must be there now: {lift}"),
        ),
        (
            r#"{"name":"on_account","shape":"unit"}"#,
            r#"{"name":"on_account","shape":"unit"},{"name":"cash","shape":"unit"}"#,
            format!("the variant `cash` of `Payment` in {placed} has vanished: {lift}"),
        ),
        (
            "\"format\":\"tag = kind\"",
            "\"format\":\"tag = type\"",
            format!(
                "`Payment` in {placed} was `= on_account | by_card {{ digits: String }} [tag = type]` and is `= on_account | \
                 by_card {{ digits: String }} [tag = kind]`: {lift}"
            ),
        ),
        (
            r#""name":"order.viewed","revision":1"#,
            r#""name":"order.viewed","revision":2"#,
            "the upcaster of event `order.viewed` from revision 2 has vanished: bring it back, since such a payload may be \
             stored"
                .to_owned(),
        ),
        (
            r#""name":"order.close","revision":2"#,
            r#""name":"order.close","revision":3"#,
            "command `order.close` has gone from revision 3 to 2, and nothing lifts it: add `#[upcast(from = 3)]`".to_owned(),
        ),
        (
            r#""name":"closing""#,
            r#""name":"opening""#,
            "saga `opening` has vanished: instances that are under way would never end".to_owned(),
        ),
        (
            r#"{"name":"count","type":"u32"}"#,
            r#"{"name":"count","type":"u64"}"#,
            "the field `count` of `orders` was `count: u64` and is `count: u32`: raise the version of the view to 5".to_owned(),
        ),
    ] {
        assert_eq!(changes(from, to).0, [expected]);
    }
    assert_eq!(changes("order.placed", "order.placed").0, none);
}

#[test]
fn what_is_lifted_or_made_anew_is_growth() {
    for (from, to, expected) in [
        (
            r#""name":"order.placed","revision":2"#,
            r#""name":"order.placed","revision":1"#,
            "event `order.placed` has gone from revision 1 to 2",
        ),
        (
            r#"{"kind":"event","name":"order.closed","revision":1"#,
            r#"{"kind":"event","name":"order.sold","revision":1"#,
            "event `order.sold` is no longer written, and lifted from revision 1",
        ),
        (
            r#"{"name":"memo","type":"String","presence":"defaulted"}"#,
            r#"{"name":"memo","type":"String"}"#,
            "the field `memo` of `order.placed` may be missing now",
        ),
        (
            r#",{"name":"memo","type":"String","presence":"defaulted"}"#,
            "",
            "the field `memo` of `order.placed` is new, and may be missing",
        ),
        (
            r#"{"name":"on_account","shape":"unit"},"#,
            "",
            "the variant `on_account` of `Payment` in `order.placed` is new",
        ),
        (
            r#""name":"order","revision":3"#,
            r#""name":"order","revision":2"#,
            "snapshot `order` has gone from revision 2 to 3",
        ),
        (
            r#""name":"orders","revision":4"#,
            r#""name":"orders","revision":3"#,
            "view `orders` has gone from revision 3 to 4",
        ),
    ] {
        let (faults, growth) = changes(from, to);
        assert!(faults.is_empty(), "{faults:?}");
        assert!(growth.iter().any(|growth| growth == expected), "{expected} is not among {growth:?}");
    }
}

#[test]
fn the_golden_catalogue_is_written_compared_and_never_loosened_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("golden/catalogue.json");
    let now = annals::catalogue();
    assert!(matches!(check_catalogue(&now, &path, Update::Nothing), Err(GoldenError::Missing { .. })));
    check_catalogue(&now, &path, Update::Missing).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), now.to_json());
    check_catalogue(&now, &path, Update::Nothing).unwrap();

    // More is stored than the file says.
    let less = now.clone().only(|kind, _| kind != Kind::View);
    std::fs::write(&path, less.to_json()).unwrap();
    let grown = check_catalogue(&now, &path, Update::Missing).unwrap_err().to_string();
    assert!(
        grown.contains("\n+ new: view orders@4 { count: u32 }\n") && grown.contains("ANNALS_GOLDEN=write"),
        "{grown}"
    );
    check_catalogue(&now, &path, Update::Growth).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), now.to_json());

    // Less is known than the file says.
    let less = now.clone().only(|_, name| name != "order.closed");
    for update in [Update::Missing, Update::Growth, Update::Nothing] {
        let faults = check_catalogue(&less, &path, update).unwrap_err().to_string();
        assert!(faults.contains("- event `order.closed` has vanished"), "{faults}");
    }
    check_catalogue(&less, &path, Update::Everything).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), less.to_json());
    std::fs::write(&path, "[]").unwrap();
    assert!(matches!(check_catalogue(&now, &path, Update::Growth), Err(GoldenError::Foreign { .. })));
}

#[test]
fn golden_payloads_of_every_revision_are_lifted_and_decoded() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    put("order.placed@1.json", "{\"order\":1,\"sku\":\"a\"}\n{\"order\":2,\n\"sku\":\"b\"}");
    put("order.sold@1.json", "{\"order\":1}");
    put("order.viewed@1.json", "7");
    put("order.close@1.json", "{\"number\":3}");
    put("README.md", "no payload");
    let golden = || {
        let golden = golden::payloads(folder.path()).example(OrderClosed);
        golden.example_command(CloseOrder { order: OrderId(1) }).update(Update::Missing)
    };
    golden().try_check().unwrap();
    assert_eq!(std::fs::read_to_string(folder.path().join("order.closed@1.json")).unwrap(), "null\n");
    assert!(folder.path().join("order.close@2.json").exists());

    put("order.placed@1.json", "{\"order\":1,\"sku\":\"a\"}\n{\"order\":2}");
    put("order.placed@3.json", "{}");
    put("order.gone@1.json", "{}");
    put("order.close@2.json", "{\"number\":3}");
    put("order.sold@1.json", "");
    let GoldenError::Payloads { unreadable } = golden().try_check().unwrap_err() else { panic!("another error") };
    let told: Vec<&str> = unreadable.iter().map(|line| line.rsplit('/').next().unwrap()).collect();
    let begins = [
        "order.close@2.json: payload 1: the payload of `order.close` at revision 2 is unreadable",
        "order.gone@1.json: payload 1: nothing in the program is called `order.gone`",
        "order.placed@1.json: payload 2: the payload of `order.placed` at revision 1 is unreadable",
        "order.placed@3.json: payload 1: `order.placed` is stored at revision 3, this program reads revision 2",
        "order.sold@1.json: it is empty",
    ];
    assert_eq!(told.len(), begins.len(), "{told:#?}");
    for (told, begins) in told.iter().zip(begins) {
        assert!(told.starts_with(begins), "{told}");
    }
    assert!(told[2].contains("missing field `sku`"), "{}", told[2]);
    let missing =
        golden::payloads(folder.path().join("empty")).example(OrderClosed).update(Update::Nothing).try_check();
    assert!(matches!(missing, Err(GoldenError::Missing { .. })));
}

#[test]
fn a_stream_of_old_days_is_told_as_the_events_of_today() {
    let placed = |order, sku: &str, note: &str| OrderPlaced {
        order: OrderId(order),
        lines: vec![Line { sku_code: sku.into(), gift: false, inner: None }],
        payment: Payment::OnAccount,
        note: note.into(),
        cached: 0,
    };
    given_stored([
        ("order.placed", 1, json!({ "order": 1, "sku": "a" })),
        ("order.viewed", 1, json!({})),
        ("order.placed", 1, json!({ "order": 2, "sku": "b" })),
        ("order.closed", 1, json!(null)),
    ])
    .then((placed(1, "a", "number 1"), placed(2, "b", "number 2"), OrderClosed));
    let error = given_stored([("order.placed", 1, json!({}))]).then_fails();
    assert!(error.to_string().starts_with("the payload of `order.placed` at revision 1 is unreadable"), "{error}");
}
