//! Statements: JSON and CSV say the same, and what is shown adds up.
use super::world::{World, get, post, units};
use serde_json::{Value, json};

/// An account with every kind of movement on it.
async fn busy(world: &World) {
    world.buy(&world.ada, 1_000, 700).await;
    let path = |what: &str| format!("/accounts/{}/{what}", world.ada.account);
    let deposit = json!({"amount": "7", "reference": "=1+1, \"quoted\"\n", "reason": "-risky"});
    let moved = world.ok(post(&path("deposits"), deposit).by(&world.operator)).await;
    let fix = json!({"amount": "-7", "corrects": moved["position"], "reason": "test"});
    world.ok(post(&path("corrections"), fix).by(&world.operator)).await;
    world.ok(post(&path("payouts"), json!({"amount": "3", "reason": "test"})).by(&world.operator)).await;
    world.buy(&world.ada, 3, 1).await;
}

async fn statement(world: &World, query: &str) -> Value {
    world.ok(get(&format!("/accounts/{}/statement{query}", world.ada.account)).by(&world.ada)).await
}

fn adds_up(statement: &Value) {
    let mut balance = units(&statement["opening"]);
    for line in statement["items"].as_array().unwrap() {
        balance += units(&line["amount"]);
        assert_eq!(units(&line["balance"]), balance, "{line}");
    }
    assert_eq!(units(&statement["closing"]), balance);
}

#[tokio::test(flavor = "multi_thread")]
async fn opening_and_movements_come_to_closing_on_every_page() {
    let world = World::new().await;
    busy(&world).await;
    let whole = statement(&world, "").await;
    adds_up(&whole);
    let kinds: Vec<&str> =
        whole["items"].as_array().unwrap().iter().map(|it| it["kind"].as_str().unwrap()).collect();
    let receipt = ["receipt"; 3];
    let wanted = [&["deposit"][..], &receipt, &["deposit", "correction", "payout"], &receipt].concat();
    assert_eq!(kinds, wanted, "a receipt moves money to three parties");
    let account = world.ok(get(&format!("/accounts/{}", world.ada.account)).by(&world.ada)).await;
    assert_eq!(whole["closing"], account["balance"]);
    assert_eq!(whole["opening"], "0.000000000");
    for limit in [1, 4, 5] {
        let (mut cursor, mut closing, mut shown) = (String::new(), whole["opening"].clone(), Vec::new());
        loop {
            let page = statement(&world, &format!("?limit={limit}{cursor}")).await;
            adds_up(&page);
            assert_eq!(page["opening"], closing, "a page begins where the one before ended");
            closing = page["closing"].clone();
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= limit.max(3), "an entry stays whole, and else the limit holds");
            shown.extend(items.iter().cloned());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!((&closing, &Value::from(shown)), (&whole["closing"], &whole["items"]), "by {limit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_period_begins_with_what_there_was_and_ends_before_its_end() {
    let world = World::new().await;
    busy(&world).await;
    let whole = statement(&world, "").await;
    let items = whole["items"].as_array().unwrap();
    let at = |index: usize| items[index]["at"].as_str().unwrap();
    let period = statement(&world, &format!("?from={}&to={}", at(1), at(5))).await;
    adds_up(&period);
    assert_eq!(period["items"].as_array().unwrap()[..], items[1..5]);
    assert_eq!((&period["opening"], &period["next"]), (&items[0]["balance"], &Value::Null));
    let later = statement(&world, "?from=2500-01-01T00:00:00Z").await;
    assert_eq!((&later["opening"], &later["closing"]), (&whole["closing"], &whole["closing"]));
    let earlier = statement(&world, "?to=2000-01-01T00:00:00Z").await;
    assert_eq!((&earlier["opening"], &earlier["closing"]), (&json!("0.000000000"), &json!("0.000000000")));
}

/// The rows of a CSV text as RFC 4180 reads them.
fn rows(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '"' if quoted && chars.peek() == Some(&'"') => field.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut field)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            other => field.push(other),
        }
    }
    assert!(field.is_empty() && row.is_empty() && !quoted, "the file ends with its last row");
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_says_what_the_pages_say() {
    let world = World::new().await;
    busy(&world).await;
    let whole = statement(&world, "").await;
    let path = format!("/accounts/{}/statement?format=csv", world.ada.account);
    let answer = world.send(get(&path).by(&world.ada)).await;
    assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8");
    let name = format!("attachment; filename=\"statement-{}.csv\"", world.ada.account);
    assert_eq!(answer.header("content-disposition"), name);
    let rows = rows(&answer.text);
    let items = whole["items"].as_array().unwrap();
    assert_eq!(rows.len(), items.len() + 1);
    for (row, item) in rows[1..].iter().zip(items) {
        for (column, value) in rows[0].iter().zip(row) {
            let wanted = match &item[column] {
                Value::Null if column == "asset" => whole["asset"].as_str().unwrap().to_owned(),
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            assert_eq!(value.strip_prefix('\'').unwrap_or(value), wanted, "{column} of {item}");
        }
    }
    let sum: i128 = rows[1..].iter().map(|row| crate::decimal::parse(&row[8], 9).unwrap()).sum();
    assert_eq!(sum, units(&whole["closing"]) - units(&whole["opening"]), "the file's total is the page's");
}

/// A file that ends early would not add up, so there is none.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_whole_or_refused() {
    let world = World::new().await;
    let path = format!("/accounts/{}/statement?format=csv", world.ada.account);
    for _ in 0..(crate::statements::FILE_LINES_MAX - 1) / 3 {
        world.buy(&world.ada, 1_000, 1).await;
    }
    let answer = world.send(get(&path).by(&world.ada)).await;
    assert_eq!(rows(&answer.text).len(), crate::statements::FILE_LINES_MAX - 1);
    world.buy(&world.ada, 1_000, 1).await;
    assert_eq!(world.no(422, get(&path).by(&world.ada)).await["code"], "api.period_too_long");
    let since = statement(&world, "?limit=1").await["items"][0]["at"].as_str().unwrap().to_owned();
    assert_eq!(world.send(get(&format!("{path}&to={since}")).by(&world.ada)).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn words_of_others_are_no_formulas() {
    let world = World::new().await;
    for reference in ["=HYPERLINK(\"http://evil.example\")", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "plain"] {
        let deposit = json!({"amount": "1", "reference": reference, "reason": reference});
        let path = format!("/accounts/{}/deposits", world.ada.account);
        world.ok(post(&path, deposit).by(&world.operator)).await;
    }
    let path = format!("/accounts/{}/statement?format=csv", world.ada.account);
    let rows = rows(&world.send(get(&path).by(&world.ada)).await.text);
    let (reference, reason) = (3, 7);
    assert_eq!((rows[0][reference].as_str(), rows[0][reason].as_str()), ("reference", "reason"));
    for row in &rows[2..] {
        for field in [&row[reference], &row[reason]] {
            assert!(field == "plain" || field.starts_with('\''), "{field:?} would be worked out");
        }
    }
    assert_eq!(rows[2][reference], "'=HYPERLINK(\"http://evil.example\")");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_paid_sees_why() {
    let world = World::new().await;
    let receipt = world.buy(&world.ada, 1_000_000, 1_000).await;
    let path = format!("/accounts/{}/statement", world.provider.account);
    let statement = world.ok(get(&path).by(&world.provider)).await;
    adds_up(&statement);
    let line = &statement["items"][0];
    assert_eq!((&line["role"], &line["reference"]), (&json!("site"), &json!(receipt)));
    assert_eq!(line["counterparty"], "Ada");
}
