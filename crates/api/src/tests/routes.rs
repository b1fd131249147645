//! Who may do what: every operation of the document, tried by every kind of caller.
use super::world::{Call, Person, World, call, catalogue, get, post};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Kinds of callers, in the order of the columns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Who {
    Owner,
    Other,
    Provider,
    Auditor,
    Operator,
}

const CALLERS: [Who; 5] = [Who::Owner, Who::Other, Who::Provider, Who::Auditor, Who::Operator];

/// Operations that need no key, with what they answer to anybody.
const PUBLIC: [(&str, u16); 3] = [("health_get", 200), ("session_create", 401), ("session_delete", 204)];

/// What the owner (a consumer), another consumer, a provider, an auditor and an operator are answered, where the things of a
/// path are the owner's.
const TABLE: [(&str, [u16; 5]); 30] = [
    ("accounts_create", [403, 403, 403, 403, 201]),
    ("accounts_get", [200, 403, 403, 200, 200]),
    ("accounts_list", [200, 403, 403, 200, 200]),
    ("catalog_apply", [403, 403, 403, 403, 200]),
    ("catalog_get", [200; 5]),
    ("corrections_create", [403, 403, 403, 403, 201]),
    ("deposits_create", [403, 403, 403, 403, 201]),
    ("keys_create", [201, 403, 403, 403, 201]),
    ("keys_list", [200, 403, 403, 200, 200]),
    ("keys_revoke", [204, 403, 403, 403, 204]),
    ("log_get", [200; 5]),
    ("members_create", [403, 403, 403, 403, 201]),
    ("members_get", [200, 403, 403, 200, 200]),
    ("members_list", [200; 5]),
    ("members_set_standing", [403, 403, 403, 403, 200]),
    ("models_list", [200; 5]),
    ("offers_list", [200; 5]),
    ("overview_follow", [200; 5]),
    ("overview_get", [200; 5]),
    ("payouts_create", [403, 403, 403, 403, 201]),
    // The provider sees it because its site served.
    ("receipts_get", [200, 403, 200, 200, 200]),
    ("receipts_list", [200, 403, 403, 200, 200]),
    ("session_get", [200; 5]),
    ("sites_list", [200; 5]),
    ("statements_get", [200, 403, 403, 200, 200]),
    ("usage_handles_get", [403, 403, 403, 200, 200]),
    ("usage_hours_list", [200, 403, 403, 200, 200]),
    // A meter reports; see `usage::record`.
    ("usage_record", [403; 5]),
    ("usage_sources_create", [403, 403, 403, 403, 201]),
    ("usage_sources_list", [200; 5]),
];

/// The things of the owner that paths and bodies name.
struct Owned {
    receipt: String,
    /// One for each caller to revoke.
    keys: Vec<String>,
    deposit: u64,
    /// A member that may report usage.
    meter: String,
}

fn body(operation: &str, world: &World, who: Who, owned: &Owned) -> Option<Value> {
    let ada = &world.ada;
    Some(match operation {
        "accounts_create" => json!({"member": ada.member, "name": "third", "asset": "CNY", "reason": "test"}),
        "catalog_apply" => catalogue(),
        "corrections_create" => json!({"amount": "-0.5", "corrects": owned.deposit, "reason": "test"}),
        "deposits_create" | "payouts_create" => json!({"amount": "1", "reason": "test"}),
        "keys_create" => json!({"label": "more", "account": ada.account, "reason": "test"}),
        "keys_revoke" => json!({"reason": "test"}),
        "members_create" => json!({"name": format!("New {who:?}"), "roles": ["consumer"], "reason": "test"}),
        "members_set_standing" => json!({"standing": "active", "reason": "test"}),
        "session_create" => json!({"key": "sk-sycee-nobody"}),
        "usage_handles_get" => json!({"keys": [], "offers": []}),
        "usage_sources_create" => json!({"name": "nights", "member": owned.meter, "reason": "test"}),
        _ => return None,
    })
}

fn request(world: &World, operation: &str, method: &str, template: &str, who: Who, owned: &Owned) -> Call {
    let thing = match operation {
        "keys_revoke" => owned.keys[CALLERS.iter().position(|it| *it == who).unwrap()].clone(),
        "receipts_get" => owned.receipt.clone(),
        _ if template.starts_with("/accounts") => world.ada.account.clone(),
        _ => world.ada.member.clone(),
    };
    let query = match operation {
        "accounts_list" => format!("?member={}", world.ada.member),
        "receipts_list" | "usage_hours_list" => format!("?account={}", world.ada.account),
        "catalog_apply" => "?dry_run=true".to_owned(),
        _ => String::new(),
    };
    let call = call(method, &(template.replace("{id}", &thing) + &query));
    match body(operation, world, who, owned) {
        Some(body) => call.json(body),
        None => call,
    }
}

fn person(world: &World, who: Who) -> &Person {
    match who {
        Who::Owner => &world.ada,
        Who::Other => &world.bob,
        Who::Provider => &world.provider,
        Who::Auditor => &world.auditor,
        Who::Operator => &world.operator,
    }
}

/// Status of an answer whose body may have no end.
async fn status(world: &World, operation: &str, call: Call) -> u16 {
    if operation == "overview_follow" {
        return world.open(call).await.status().as_u16();
    }
    world.send(call).await.status.as_u16()
}

/// The operations of the document: id, method, path.
fn operations(world: &World) -> Vec<(String, String, String)> {
    let paths = world.document["paths"].as_object().unwrap();
    let of_path = |(path, operations): (&String, &Value)| {
        let operations = operations.as_object().unwrap().iter();
        let named = operations.map(|(method, it)| {
            (it["operationId"].as_str().unwrap().to_owned(), method.clone(), path.clone())
        });
        named.collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
}

async fn owned(world: &World) -> Owned {
    let receipt = world.buy(&world.ada, 1_000, 500).await;
    let mut keys = Vec::new();
    for _ in CALLERS {
        keys.push(world.new_key(&world.ada.member, &world.ada.account).await.0);
    }
    let statement = world.ok(get(&format!("/accounts/{}/statement", world.ada.account)).by(&world.ada)).await;
    let meter = super::usage::meter(world, "Mia").await.member;
    Owned { receipt, keys, deposit: statement["items"][0]["position"].as_u64().unwrap(), meter }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_is_for_those_whom_the_table_names() {
    let world = World::new().await;
    let owned = owned(&world).await;
    let (mut wrong, mut seen) = (Vec::new(), BTreeSet::new());
    for (operation, method, path) in operations(&world) {
        seen.insert(operation.clone());
        if PUBLIC.iter().any(|(name, _)| *name == operation) {
            continue;
        }
        let row = TABLE.iter().find(|(name, _)| *name == operation);
        let (_, wanted) = row.unwrap_or_else(|| panic!("{operation} has no row in the table"));
        for (who, wanted) in CALLERS.into_iter().zip(wanted) {
            let call = request(&world, &operation, &method, &path, who, &owned).by(person(&world, who));
            let found = status(&world, &operation, call).await;
            if found != *wanted {
                wrong.push(format!("{operation} by {who:?}: {found}, not {wanted}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let named = TABLE.iter().map(|(name, _)| *name).chain(PUBLIC.iter().map(|(name, _)| *name));
    let gone: Vec<&str> = named.filter(|name| !seen.contains(*name)).collect();
    assert!(gone.is_empty(), "rows of operations that are no more: {gone:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_refuses_strangers_revoked_keys_and_suspended_members() {
    let world = World::new().await;
    let owned = owned(&world).await;
    let (revoked_id, revoked) = world.new_key(&world.ada.member, &world.ada.account).await;
    world
        .ok(call("DELETE", &format!("/keys/{revoked_id}")).json(json!({"reason": "test"})).by(&world.ada))
        .await;
    let standing = json!({"standing": "suspended", "reason": "test"});
    let path = format!("/members/{}/standing", world.bob.member);
    world.ok(post(&path, standing).by(&world.operator)).await;
    let keys = [None, Some("sk-sycee-unknown"), Some(revoked.as_str()), Some(world.bob.key.as_str())];
    for (operation, method, path) in operations(&world) {
        let public = PUBLIC.iter().find(|(name, _)| *name == operation);
        for key in keys {
            let call = request(&world, &operation, &method, &path, Who::Owner, &owned);
            let call = key.map_or_else(|| call.clone(), |key| call.clone().key(key));
            let found = status(&world, &operation, call).await;
            assert_eq!(found, public.map_or(401, |(_, status)| *status), "{operation} with {key:?}");
        }
    }
}

/// What an account's name leads to is refused to other members, and so is one that does not exist: nobody learns which are there.
#[tokio::test(flavor = "multi_thread")]
async fn accounts_of_others_look_like_accounts_that_are_not_there() {
    let world = World::new().await;
    let nowhere = "acc_00000000000000000000000000000000";
    for account in [world.ada.account.as_str(), nowhere, "house_fees_CNY", "house_outside_CNY"] {
        let paths = [
            format!("/accounts/{account}"),
            format!("/accounts/{account}/statement"),
            format!("/accounts/{account}/statement?format=csv"),
            format!("/receipts?account={account}"),
        ];
        for path in paths {
            let refused = world.no(403, get(&path).by(&world.bob)).await;
            assert_eq!(refused["code"], "membership.not_yours", "{path}");
        }
    }
    world.no(404, get(&format!("/accounts/{nowhere}")).by(&world.operator)).await;
}
