//! What manifests and lists of signatures look like in their files, and what is refused in them.
#![expect(clippy::unwrap_used, reason = "a test that cannot make its input fails")]

use package::{
    Algorithm, KeyId, Kind, LONGEST_MANIFEST, Manifest, ManifestError, Payload, ProductIdentity, Sha256,
    Signature, SourceVersion, parse_signatures, write_signatures,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const DELTA: &str = include_str!("golden/delta.json");
const TWO_BANKS: &str = include_str!("golden/two_banks.json");
const SIGNATURES: &str = include_str!("golden/signatures.json");

fn payload(name: &str, bank: Option<u8>) -> Payload {
    Payload { name: name.to_owned(), size_bytes: 3, sha256: Sha256::of(b"abc"), bank }
}

fn delta() -> Manifest {
    Manifest {
        product: Some(ProductIdentity {
            manufacturer: "Quectel".to_owned(),
            model: "NBIoTDevice".to_owned(),
            device_type: "WaterMeter".to_owned(),
            protocol: "CoAP".to_owned(),
        }),
        domain: Some("city/water".to_owned()),
        hardware_revisions: vec!["R1.0".to_owned(), "R1.1".to_owned()],
        kind: Kind::Delta {
            from: SourceVersion { version: "BC35GJBR01A03".to_owned(), sha256: Some(Sha256::of(b"")) },
        },
        version: Some("BC35GJBR01A04".to_owned()),
        payloads: vec![payload("BC35GJBR01A03_TO_BC35GJBR01A04.bin", None)],
        security_counter: Some(u64::MAX),
        sequence: Some(7),
        not_before: Some(1_750_000_000),
        not_after: Some(1_900_000_000),
        allow_downgrade: true,
        key_ids: vec![format!("{}1", "0".repeat(63)), "f".repeat(64)],
    }
}

#[test]
fn p05_manifests_look_as_they_always_did() {
    let two_banks = Manifest {
        version: Some("2.0.1".to_owned()),
        payloads: vec![payload("bank0.hex", Some(0)), payload("bank1.hex", Some(1))],
        ..Manifest::default()
    };
    for (golden, manifest) in [(DELTA, delta()), (TWO_BANKS, two_banks)] {
        assert_eq!(String::from_utf8(manifest.to_bytes()).unwrap(), golden);
        assert_eq!(Manifest::parse(golden.as_bytes()), Ok(manifest));
    }
}

#[test]
fn p05_lists_of_signatures_look_as_they_always_did() {
    let mut one = [0; 32];
    one[31] = 1;
    let signatures = [
        Signature { key_id: KeyId(one), algorithm: Algorithm::RsaPkcs1v15, bytes: vec![0, 1, 2] },
        Signature { key_id: KeyId([0xff; 32]), algorithm: Algorithm::Ed25519, bytes: vec![0xff] },
    ];
    assert_eq!(String::from_utf8(write_signatures(&signatures)).unwrap(), SIGNATURES);
    assert_eq!(parse_signatures(SIGNATURES.as_bytes()).unwrap(), signatures);
}

/// Where the error of a manifest with this value at this place is.
fn refused(pointer: &str, value: Value) -> String {
    let mut manifest: Value = serde_json::from_str(DELTA).unwrap();
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    let parent = manifest.pointer_mut(parent).unwrap();
    match field.parse::<usize>() {
        Ok(index) => parent[index] = value,
        Err(_) => parent[field] = value,
    }
    Manifest::parse(&serde_json::to_vec(&manifest).unwrap()).expect_err(pointer).to_string()
}

#[test]
fn p05_values_without_meaning_are_refused_where_they_are() {
    let long = "x".repeat(129);
    let ids: Vec<String> = (0..33).map(|number| format!("{number:064x}")).collect();
    let cases = [
        ("/format", json!(2), "format: 2 is unknown; 1 is known"),
        ("/format", json!(1.0), "format: invalid type: floating point `1.0`, expected u64"),
        ("/format", json!("1"), "format: invalid type: string \"1\", expected u64"),
        ("/product", json!(null), "product: invalid type: null"),
        ("/product/manufacturer", json!(""), "product.manufacturer: a text of 1 to 128 bytes"),
        ("/product/model", json!("a\nb"), "product.model: a text of 1 to 128 bytes"),
        ("/product/device_type", json!(long), "product.device_type: a text of 1 to 128 bytes"),
        ("/product/protocol", json!(7), "product.protocol: invalid type: integer `7`"),
        ("/product/extra", json!(7), "product.extra: unknown field `extra`"),
        ("/domain", json!(""), "domain: a text"),
        ("/hardware_revisions", json!("R1"), "hardware_revisions: invalid type: string"),
        ("/hardware_revisions/1", json!("R1.0"), "hardware_revisions[1]: it is there twice"),
        ("/hardware_revisions/0", json!(""), "hardware_revisions[0]: a text"),
        ("/kind", json!("full"), "from: only a delta leads from a version"),
        ("/kind", json!("Delta"), "kind: unknown variant `Delta`"),
        ("/from", json!(null), "from: invalid type: null"),
        ("/from/version", json!(""), "from.version: a text"),
        ("/from/sha256", json!("ABC"), "from.sha256: 64 lower-case hexadecimal digits are needed"),
        ("/from/sha256", json!(null), "from.sha256: invalid type: null"),
        ("/version", json!("1\u{0}"), "version: a text"),
        ("/version", json!(4), "version: invalid type: integer `4`"),
        ("/payloads", json!([]), "payloads: one payload without a bank is needed"),
        ("/payloads/0/bank", json!(0), "payloads: one payload without a bank is needed"),
        ("/payloads/0/bank", json!(256), "payloads[0].bank: invalid value: integer `256`"),
        ("/payloads/0/name", json!(""), "payloads[0].name: the name of a file"),
        ("/payloads/0/name", json!("manifest.json"), "payloads[0].name: the name of a file"),
        ("/payloads/0/size_bytes", json!(0), "payloads[0].size_bytes: a payload has at least one byte"),
        ("/payloads/0/size_bytes", json!(-1), "payloads[0].size_bytes: invalid value: integer `-1`"),
        ("/payloads/0/sha256", json!("0".repeat(63)), "payloads[0].sha256: 64 lower-case"),
        ("/payloads/0/sha256", json!("G".repeat(64)), "payloads[0].sha256: 64 lower-case"),
        ("/payloads/0/url", json!("http://x"), "payloads[0].url: unknown field `url`"),
        ("/security_counter", json!(1e3), "security_counter: invalid type: floating point"),
        ("/security_counter", json!(-1), "security_counter: invalid value"),
        ("/sequence", json!(null), "sequence: invalid type: null"),
        ("/not_after", json!(1), "not_after: it ends before it begins"),
        ("/not_before", json!("2026"), "not_before: invalid type: string"),
        ("/allow_downgrade", json!(1), "allow_downgrade: invalid type: integer `1`"),
        ("/key_ids", json!(ids), "key_ids: at most 32 are allowed"),
        ("/key_ids/1", json!("x"), "key_ids[1]: 64 lower-case hexadecimal digits"),
        ("/critical", json!(true), "critical: unknown field `critical`"),
    ];
    for (pointer, value, expected) in cases {
        let text = refused(pointer, value.clone());
        assert!(text.starts_with(expected), "{pointer} = {value}: {text}");
    }
}

#[test]
fn p05_what_must_be_there_is_missed() {
    for field in ["format", "kind", "payloads", "from"] {
        let mut manifest: Value = serde_json::from_str(DELTA).unwrap();
        manifest.as_object_mut().unwrap().remove(field);
        let error = Manifest::parse(&serde_json::to_vec(&manifest).unwrap()).expect_err(field);
        assert!(error.to_string().contains(field), "{error}");
    }
}

#[test]
fn a_manifest_is_bounded_in_size_and_depth() {
    let long = [DELTA.as_bytes(), &vec![b' '; LONGEST_MANIFEST]].concat();
    assert_eq!(Manifest::parse(&long), Err(ManifestError::Size { actual: long.len() as u64 }));
    assert!(Manifest::parse(&long[..LONGEST_MANIFEST]).is_ok());
    for deep in ["[".repeat(60_000), "{\"product\":".repeat(5_000)] {
        assert!(matches!(Manifest::parse(deep.as_bytes()), Err(ManifestError::Json { .. })));
    }
}

#[test]
fn a_manifest_is_utf_8_with_nothing_around_it() {
    for wrong in [format!("\u{feff}{DELTA}"), format!("{DELTA}{DELTA}"), format!("{DELTA}\0"), String::new()]
    {
        assert!(Manifest::parse(wrong.as_bytes()).is_err(), "{wrong}");
    }
    let latin =
        DELTA.replace("Quectel", "Qu\u{e9}ctel").chars().map(|letter| letter as u8).collect::<Vec<_>>();
    assert!(Manifest::parse(&latin).is_err());
}

prop_compose! {
    fn payloads()(
        name in "[a-z]{1,20}\\.bin",
        sizes in (1..u64::MAX, 1..u64::MAX),
        digests in any::<([u8; 32], [u8; 32])>(),
        banks in any::<bool>(),
    ) -> Vec<Payload> {
        let payload = |name: String, size_bytes, digest, bank| {
            Payload { name, size_bytes, sha256: Sha256(digest), bank }
        };
        if banks {
            vec![
                payload(format!("0{name}"), sizes.0, digests.0, Some(0)),
                payload(format!("1{name}"), sizes.1, digests.1, Some(1)),
            ]
        } else {
            vec![payload(name, sizes.0, digests.0, None)]
        }
    }
}

prop_compose! {
    fn manifests()(
        product in proptest::option::of(["\\PC{1,30}", "\\PC{1,30}", "\\PC{1,30}", "\\PC{1,30}"]),
        texts in any::<(Option<()>, Option<()>)>(),
        from in proptest::option::of(("\\PC{1,30}", any::<Option<[u8; 32]>>())),
        payloads in payloads(),
        counters in any::<(Option<u64>, Option<u64>)>(),
        times in any::<(Option<i64>, Option<i64>)>(),
        allow_downgrade in any::<bool>(),
        keys in proptest::collection::btree_set(any::<[u8; 32]>(), 0..4),
    ) -> Manifest {
        let (not_before, not_after) = match times {
            (Some(one), Some(other)) => (Some(one.min(other)), Some(one.max(other))),
            times => times,
        };
        Manifest {
            product: product.map(|[manufacturer, model, device_type, protocol]| {
                ProductIdentity { manufacturer, model, device_type, protocol }
            }),
            domain: texts.0.map(|()| "a/b".to_owned()),
            hardware_revisions: vec![],
            kind: match from {
                Some((version, sha256)) => Kind::Delta { from: SourceVersion { version, sha256: sha256.map(Sha256) } },
                None => Kind::Full,
            },
            version: texts.1.map(|()| "1".to_owned()),
            payloads,
            security_counter: counters.0,
            sequence: counters.1,
            not_before,
            not_after,
            allow_downgrade,
            key_ids: keys.into_iter().map(|key| KeyId(key).to_string()).collect(),
        }
    }
}

proptest! {
    #[test]
    fn every_manifest_is_read_as_it_was_written(manifest in manifests()) {
        prop_assert_eq!(Manifest::parse(&manifest.to_bytes()), Ok(manifest));
    }
}
