use serde_json::Value;

use super::*;

/// The committed description is the one of the handlers. After a wanted change, run the tests once with
/// `UPDATE_OPENAPI=1`, and look at the difference: what clients rely on must still be there.
#[test]
fn the_committed_description_is_that_of_the_handlers() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(path, document()).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == document(), "{path} is old; write it anew with `cargo xtask openapi`");
}

#[test]
fn every_operation_is_named_explained_and_says_how_it_fails() {
    let document: Value = serde_json::from_str(&document()).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let name = format!("{method} {path}");
            assert!(operation["operationId"].is_string(), "{name} has no id");
            assert!(operation["summary"].is_string(), "{name} has no text");
            for (status, response) in operation["responses"].as_object().unwrap() {
                let is_problem = response.to_string().contains("schemas/Problem");
                assert_eq!(is_problem, status.starts_with(['4', '5']), "{name} {status}");
            }
        }
    }
}

/// A key goes in, and one that was made here comes out once; nothing else can carry one.
#[test]
fn sec_k02_no_answer_but_that_of_adding_a_device_can_carry_a_key() {
    let document: Value = serde_json::from_str(&document()).unwrap();
    let mut carriers = Vec::new();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let fields = schema["properties"].as_object().into_iter().flat_map(|fields| fields.keys());
        carriers.extend(
            fields
                .filter(|field| {
                    let field = field.to_lowercase();
                    // A permission, not a key.
                    field != "allow_legacy_keys"
                        && ["key", "psk", "secret"].iter().any(|word| field.contains(word))
                })
                .map(|field| format!("{name}.{field}")),
        );
    }
    let (in_requests, in_answers): (Vec<_>, Vec<_>) =
        carriers.into_iter().partition(|carrier| carrier.starts_with("Add") || carrier.starts_with("Put"));
    let (made, in_requests): (Vec<_>, Vec<_>) =
        in_requests.into_iter().partition(|carrier| carrier.starts_with("Added"));
    assert_eq!(in_requests, ["AddBootstrap.key", "AddDevice.key", "PutBootstrapServer.key"]);
    assert_eq!(made, ["AddedDevice.generated_bootstrap_key", "AddedDevice.generated_key"]);
    assert!(in_answers.iter().all(|carrier| carrier.ends_with(".key_prefix")), "{in_answers:?}");
}
