use package::PrivateKey;

use super::*;
use crate::app::tests::start_in;
use crate::store::scratch::{Scratch, on_both_engines};

const SEED: &str = include_str!("../../../../../docs/examples/water-meter.json");

fn key(algorithm: Algorithm) -> PublicKey {
    PrivateKey::generate(algorithm).unwrap().public_key().clone()
}

fn wanted(manufacturer: &str, key: &PublicKey) -> AddSigningKey {
    AddSigningKey {
        manufacturer: manufacturer.to_owned(),
        pem: key.to_pem(),
        algorithm: Some(key.algorithm().code().to_owned()),
        comment: String::new(),
    }
}

fn anna() -> Actor {
    Actor::new("anna").unwrap()
}

on_both_engines!(sec_p01_a_key_is_bound_to_its_algorithm_and_manufacturer);
async fn sec_p01_a_key_is_bound_to_its_algorithm_and_manufacturer(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    app.import_products(SEED, false).await.unwrap();
    for algorithm in [Algorithm::RsaPkcs1v15, Algorithm::RsaPss, Algorithm::EcdsaP256, Algorithm::Ed25519] {
        let added = app.add_signing_key(wanted("Quectel", &key(algorithm)), &anna()).await.unwrap();
        assert_eq!((&*added.key.algorithm, &*added.key.added_by), (algorithm.code(), "anna"));
        assert_eq!(added.warning, None);
        assert_eq!(app.signing_key(&added.key.id).await.unwrap(), Some(added.key));
    }
    assert_eq!(app.signing_keys("Quectel", "", 10).await.unwrap().len(), 4);
    assert!(app.signing_keys("quectel", "", 10).await.unwrap().is_empty());
    // What nobody says is the usual algorithm for such a key.
    let rsa = key(Algorithm::RsaPkcs1v15);
    let unsaid = AddSigningKey { algorithm: None, ..wanted("Quectel", &rsa) };
    let added = app.add_signing_key(unsaid, &anna()).await.unwrap();
    assert_eq!(added.key.algorithm, "rsa2048-sha256-pkcs1v15");
}

on_both_engines!(sec_p02_one_key_is_there_once_whatever_it_is_said_to_be_for);
async fn sec_p02_one_key_is_there_once_whatever_it_is_said_to_be_for(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    let rsa = key(Algorithm::RsaPkcs1v15);
    let first = app.add_signing_key(wanted("Quectel", &rsa), &anna()).await.unwrap().key;
    let as_pss = AddSigningKey {
        algorithm: Some(Algorithm::RsaPss.code().to_owned()),
        ..wanted("Another maker", &rsa)
    };
    for again in [wanted("Quectel", &rsa), as_pss] {
        let refused = app.add_signing_key(again, &anna()).await.unwrap_err();
        let told = refused.to_string();
        assert!(
            told.contains(&first.id) && told.contains("of Quectel") && !told.contains("revoked"),
            "{told}"
        );
    }
    app.revoke_signing_key(&first.id, "lost", &anna()).await.unwrap();
    let told = app.add_signing_key(wanted("Quectel", &rsa), &anna()).await.unwrap_err().to_string();
    assert!(told.ends_with(", revoked"), "{told}");
}

on_both_engines!(a_key_that_cannot_be_trusted_is_refused);
async fn a_key_that_cannot_be_trusted_is_refused(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    let good = wanted("Quectel", &key(Algorithm::Ed25519));
    let add = async |wanted| app.add_signing_key(wanted, &anna()).await.unwrap_err();
    let of_another =
        AddSigningKey { algorithm: Some(Algorithm::EcdsaP256.code().to_owned()), ..good.clone() };
    assert!(matches!(add(of_another).await, AddSigningKeyError::BadKey(KeyError::OtherAlgorithm { .. })));
    let unknown = AddSigningKey { algorithm: Some("rsa".to_owned()), ..good.clone() };
    assert!(matches!(add(unknown).await, AddSigningKeyError::UnknownAlgorithm(_)));
    let no_pem = AddSigningKey { pem: "hello".to_owned(), algorithm: None, ..good.clone() };
    assert!(matches!(add(no_pem).await, AddSigningKeyError::BadKey(_)));
    for manufacturer in ["", "a\nb", &"x".repeat(256)] {
        let bad = AddSigningKey { manufacturer: manufacturer.to_owned(), ..good.clone() };
        assert!(matches!(add(bad).await, AddSigningKeyError::BadText { field: "manufacturer", .. }));
    }
    assert!(app.signing_keys("", "", 10).await.unwrap().is_empty());
}

on_both_engines!(s1_12_a_manufacturer_that_no_product_has_is_warned_about);
async fn s1_12_a_manufacturer_that_no_product_has_is_warned_about(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    app.import_products(SEED, false).await.unwrap();
    for (name, near) in [("quectel", vec!["Quectel"]), (" Quectel ", vec!["Quectel"]), ("Sequans", vec![])] {
        let added = app.add_signing_key(wanted(name, &key(Algorithm::Ed25519)), &anna()).await.unwrap();
        let warning = added.warning.unwrap();
        assert_eq!(
            (&*warning.name, warning.near.clone()),
            (name, near.iter().map(|n| (*n).to_owned()).collect())
        );
        let told = warning.to_string();
        assert_eq!(told.contains("products are of \"Quectel\""), !near.is_empty(), "{told}");
    }
}

on_both_engines!(a_revocation_outlives_the_server_and_cannot_be_taken_back);
async fn a_revocation_outlives_the_server_and_cannot_be_taken_back(scratch: Scratch) {
    let (app, _orders, store) = start_in(&scratch).await;
    let one = app.add_signing_key(wanted("Quectel", &key(Algorithm::Ed25519)), &anna()).await.unwrap().key;
    let two = app.add_signing_key(wanted("Quectel", &key(Algorithm::Ed25519)), &anna()).await.unwrap().key;
    let valid = async |store: &crate::store::Store| {
        let reader = &mut *store.read().await.unwrap();
        let keys = signing_keys::valid_of(reader, ROOT_DOMAIN, "Quectel").await.unwrap();
        keys.into_iter().map(|key| key.id).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(valid(&store).await, [one.id.clone(), two.id.clone()].into());
    for reason in ["", "a\nb"] {
        let refused = app.revoke_signing_key(&one.id, reason, &anna()).await.unwrap_err();
        assert!(matches!(refused, RevokeSigningKeyError::BadReason));
    }
    let revoked = app.revoke_signing_key(&one.id, "the laptop was stolen", &anna()).await.unwrap();
    assert_eq!(revoked.revocation.as_ref().unwrap().by, "anna");
    assert_eq!(valid(&store).await, [two.id.clone()].into());
    store.close().await;
    drop((app, store));
    let (app, _orders, store) = start_in(&scratch).await;
    assert_eq!(valid(&store).await, [two.id].into());
    assert_eq!(app.signing_key(&one.id).await.unwrap(), Some(revoked));
    let again = app.revoke_signing_key(&one.id, "again", &anna()).await.unwrap_err();
    assert!(matches!(again, RevokeSigningKeyError::Revoked { by, .. } if by == "anna"));
    let unknown = app.revoke_signing_key("x", "why", &anna()).await.unwrap_err();
    assert!(matches!(unknown, RevokeSigningKeyError::Unknown(_)));
}
