//! The program as a server.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Place, program};
use serde_json::{Value, json};

/// Nothing that a test waits for takes this long.
const DEADLINE: Duration = Duration::from_secs(20);

/// A server on a free port, ended when the test ends.
struct Server {
    child: Child,
    address: String,
    place: Place,
}

impl Server {
    fn start() -> Self {
        let place = Place::new();
        place.import_with_customers("TEA-01,Sencha,10\n", "Ada,50.00\n", "").ok();
        let mut command = program();
        command.args(["serve", "--listen", "127.0.0.1:0", "--db", &place.db()]).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut first).unwrap();
        let address = first.trim().strip_prefix("listening on http://").expect(&first).to_owned();
        Self { child, address, place }
    }

    fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        // HTTP/1.0: the answer ends with the connection and comes in one piece.
        let mut request = format!("{method} {path} HTTP/1.0\r\nhost: test\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = body {
            request
                .push_str(&format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
        } else {
            request.push_str("content-length: 0\r\n\r\n");
        }
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answer {
        let body = body.map(Value::to_string);
        Answer::read(self.request(method, path, headers, body.as_deref()))
    }

    fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], None)
    }

    fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[], Some(body))
    }

    /// Reads the order until it has this status.
    fn until(&self, path: &str, status: &Value) -> Value {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let order = self.get(path).json();
            if order["status"] == *status {
                return order;
            }
            assert!(Instant::now() < deadline, "not {status}: {order}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn read(mut stream: TcpStream) -> Self {
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    #[track_caller]
    fn json(self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    #[track_caller]
    fn problem(self, status: u16, kind: &str) {
        assert_eq!(self.status, status, "{}", self.body);
        assert!(self.head.contains("content-type: application/problem+json"), "{}", self.head);
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert_eq!(problem["type"], kind);
        assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
    }
}

fn order(order: &str, quantity: u32) -> Value {
    json!({ "order": order, "sku": "TEA-01", "quantity": quantity })
}

/// An order that Ada pays.
fn order_for(name: &str, quantity: u32, price: &str) -> Value {
    let mut order = order(name, quantity);
    (order["customer"], order["price"]) = (json!("Ada"), json!(price));
    order
}

#[test]
fn an_order_is_placed_read_and_cancelled() {
    let server = Server::start();
    let placed = server.post("/orders", &order("ö/1", 4));
    assert_eq!(placed.status, 201, "{}", placed.body);
    assert!(placed.head.contains("location: /orders/%c3%b6%2f1"), "{}", placed.head);
    let placed = placed.json();
    assert_eq!((&placed["order"], &placed["sku"], &placed["quantity"]), (&json!("ö/1"), &json!("TEA-01"), &json!(4)));

    let approved = server.until("/orders/%C3%B6%2F1", &json!("Approved"));
    assert_eq!(approved["held"], 4);

    let cancelled = server.send("POST", "/orders/%C3%B6%2F1/cancel", &[], None);
    assert_eq!(cancelled.status, 200, "{}", cancelled.body);
    assert_eq!(cancelled.json()["status"], "Cancelled", "a client reads its own write");
    let again = server.send("POST", "/orders/%C3%B6%2F1/cancel", &[], None);
    assert_eq!(again.status, 200, "{}", again.body);

    let refused = server.post("/orders", &order("o-2", 11));
    assert_eq!(refused.status, 201, "{}", refused.body);
    server.until("/orders/o-2", &json!({ "Rejected": { "TooLittle": { "left": 10 } } }));
    server.send("POST", "/orders/o-2/cancel", &[], None).problem(409, "urn:order-stock:rejected");
}

#[test]
fn an_order_with_a_price_is_paid_or_rejected_and_paid_back_when_it_is_cancelled() {
    let server = Server::start();
    let placed = server.post("/orders", &order_for("o-1", 4, "30"));
    assert_eq!(placed.status, 201, "{}", placed.body);
    assert_eq!(placed.json()["bill"], json!({ "customer": "Ada", "amount": "30.00" }));
    let approved = server.until("/orders/o-1", &json!("Approved"));
    assert_eq!((&approved["held"], &approved["paid"]), (&json!(4), &json!("30.00")));

    assert_eq!(server.post("/orders", &order_for("o-2", 6, "20.01")).status, 201);
    let declined = json!({ "Rejected": { "Declined": { "left": "20.00" } } });
    let rejected = server.until("/orders/o-2", &declined);
    assert_eq!(rejected["paid"], "0.00");
    server.send("POST", "/orders/o-2/cancel", &[], None).problem(409, "urn:order-stock:rejected");

    assert_eq!(server.send("POST", "/orders/o-1/cancel", &[], None).status, 200);
    assert_eq!(server.post("/orders", &order_for("o-3", 10, "50.00")).status, 201);
    let paid = server.until("/orders/o-3", &json!("Approved"));
    assert_eq!(paid["paid"], "50.00", "with the stock and the money of both");
}

#[test]
fn a_price_is_an_amount_and_has_a_customer_who_pays_it() {
    let server = Server::start();
    server.post("/orders", &order_for("o-1", 1, "1.234")).problem(422, "urn:order-stock:unreadable");
    server.post("/orders", &order_for("o-1", 1, "-1")).problem(422, "urn:order-stock:unreadable");
    let nobody_pays = json!({ "order": "o-1", "sku": "TEA-01", "quantity": 1, "price": "1.00" });
    server.post("/orders", &nobody_pays).problem(422, "urn:order-stock:invalid");
    let free = json!({ "order": "o-1", "sku": "TEA-01", "quantity": 1, "customer": "Ada" });
    assert_eq!(server.post("/orders", &free).status, 201);
    assert_eq!(server.until("/orders/o-1", &json!("Approved"))["bill"], json!(null));
}

#[test]
fn what_cannot_be_is_a_problem_with_the_right_status() {
    let server = Server::start();
    server.get("/orders/o-7").problem(404, "urn:order-stock:no-such-order");
    server.get("/orders/o-7/events").problem(404, "urn:order-stock:no-such-order");
    server.send("POST", "/orders/o-7/cancel", &[], None).problem(404, "urn:order-stock:no-such-order");
    server.get("/stock").problem(404, "about:blank");
    server.get("/orders").problem(405, "about:blank");

    server.post("/orders", &order("o-1", 0)).problem(422, "urn:order-stock:invalid");
    server.post("/orders", &order(" ", 1)).problem(422, "urn:order-stock:invalid");
    server.post("/orders", &order(&"x".repeat(101), 1)).problem(422, "urn:order-stock:invalid");
    server
        .post("/orders", &json!({ "order": "o-1", "sku": "TEA-01", "quantity": -1 }))
        .problem(422, "urn:order-stock:unreadable");
    server.post("/orders", &json!({ "order": "o-1" })).problem(422, "urn:order-stock:unreadable");
    let broken = server.request("POST", "/orders", &[], Some("{\"order\":"));
    Answer::read(broken).problem(400, "urn:order-stock:unreadable");
    server.send("POST", "/orders", &[], None).problem(415, "urn:order-stock:unreadable");

    assert_eq!(server.post("/orders", &order("o-1", 1)).status, 201);
    server.post("/orders", &order("o-1", 1)).problem(409, "urn:order-stock:exists");
}

#[test]
fn a_request_with_a_key_may_be_repeated() {
    let server = Server::start();
    let key = [("Idempotency-Key", "\"8e03978e-40d5\"")];
    let place = |quantity| server.send("POST", "/orders", &key, Some(&order("o-1", quantity)));
    assert_eq!(place(3).status, 201);
    server.until("/orders/o-1", &json!("Approved"));
    let again = place(3);
    assert_eq!(again.status, 201, "{}", again.body);
    assert_eq!(again.json()["status"], "Approved", "the order as it is now");
    place(4).problem(422, "urn:order-stock:invalid");
    let with_price = server.send("POST", "/orders", &key, Some(&order_for("o-1", 3, "1.00")));
    with_price.problem(422, "urn:order-stock:invalid");
    let other = server.send("POST", "/orders", &key, Some(&order("o-2", 3)));
    assert!(!other.head.contains("retry-after"), "{}", other.head);
    other.problem(422, "urn:order-stock:invalid");
    server.get("/orders/o-2").problem(404, "urn:order-stock:no-such-order");

    // The same key at another address is another request.
    assert_eq!(server.send("POST", "/orders/o-1/cancel", &key, None).status, 200);
    server.until("/orders/o-1", &json!("Cancelled"));
}

#[test]
fn a_database_is_not_removed_while_it_is_served() {
    let mut server = Server::start();
    assert_eq!(server.post("/orders", &order("o-1", 2)).status, 201);
    server.until("/orders/o-1", &json!("Approved"));

    let url = server.place.db();
    server.place.run(["demo", "--fresh"]).fails(1, [&format!("the database `{url}` is in use by another process")]);
    assert_eq!(server.get("/orders/o-1").json()["status"], "Approved");

    server.child.kill().unwrap();
    server.child.wait().unwrap();
    server.place.run(["demo", "--fresh"]).ok();
    server.place.run(["show", "o-1"]).fails(1, ["there is no order `o-1`"]);
}

#[test]
fn an_order_is_followed_live_until_the_server_ends() {
    let mut server = Server::start();
    assert_eq!(server.post("/orders", &order("o-1", 2)).status, 201);
    let stream = server.request("GET", "/orders/o-1/events", &[("accept", "text/event-stream")], None);
    let mut lines = BufReader::new(stream).lines();
    let mut next = || -> Option<Value> {
        let line = lines.find_map(|line| line.unwrap().strip_prefix("data: ").map(str::to_owned))?;
        Some(serde_json::from_str(&line).unwrap())
    };
    // It may be approved before it is followed, or while it is.
    while next().unwrap()["status"] != "Approved" {}
    assert_eq!(server.send("POST", "/orders/o-1/cancel", &[], None).status, 200);
    let cancelled = json!({
        "order": "o-1", "sku": "TEA-01", "quantity": 2, "held": 0, "bill": null, "paid": "0.00", "status": "Cancelled"
    });
    while next().unwrap() != cancelled {}

    // Ctrl-C ends the stream and then the server, and both without force.
    let interrupted = Command::new("kill").args(["-INT", &server.child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    assert_eq!(next(), None);
    let deadline = Instant::now() + DEADLINE;
    let status = loop {
        match server.child.try_wait().unwrap() {
            Some(status) => break status,
            None => assert!(Instant::now() < deadline, "the server does not end"),
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    assert_eq!(status.code(), Some(0));
}
