//! Signed archives in which one thing is not as it was signed.

use std::io::Cursor;

use package::bundle::{self, BundleError, Content, MANIFEST, SIGNATURES};
use package::{
    Algorithm, ArchiveWriter, Limits, Manifest, Payload, PublicKey, Sha256, Signature, write_signatures,
};

use super::rsa::RawKey;
use super::{ecdsa, ed25519};

const FIRMWARE: &[u8] = b"machine code of version two";

/// An archive that must be refused.
pub struct Forged {
    name: &'static str,
    pub archive: Vec<u8>,
    required: usize,
    /// What the error says of itself.
    reason: &'static str,
}

/// What an archive is put together from; the default is right.
#[derive(Clone)]
struct Parts {
    manifest: Vec<u8>,
    signatures: Vec<u8>,
    payloads: Vec<(&'static str, Vec<u8>)>,
}

impl Parts {
    /// A good archive with a changed manifest, signed after the change.
    fn signed(change: impl FnOnce(&mut Manifest)) -> Self {
        let payload = Payload {
            name: "a.bin".to_owned(),
            size_bytes: FIRMWARE.len() as u64,
            sha256: Sha256::of(FIRMWARE),
            bank: None,
        };
        let mut manifest =
            Manifest { version: Some("2".to_owned()), payloads: vec![payload], ..Manifest::default() };
        change(&mut manifest);
        Self::around(manifest.to_bytes())
    }

    fn around(manifest: Vec<u8>) -> Self {
        let signatures = write_signatures(&[by_first(&manifest)]);
        Self { manifest, signatures, payloads: vec![("a.bin", FIRMWARE.to_vec())] }
    }

    fn archive(&self) -> Vec<u8> {
        let mut archive = ArchiveWriter::new(Vec::new());
        archive.add(MANIFEST, &self.manifest).unwrap();
        archive.add(SIGNATURES, &self.signatures).unwrap();
        self.payloads.iter().for_each(|(name, content)| archive.add(name, content).unwrap());
        archive.finish().unwrap()
    }
}

fn by_first(manifest: &[u8]) -> Signature {
    let key = ed25519::key();
    let bytes = key.sign(manifest).unwrap();
    Signature { key_id: key.public_key().id(), algorithm: Algorithm::Ed25519, bytes }
}

fn by_second(manifest: &[u8]) -> Signature {
    let key = ecdsa::key();
    let bytes = key.sign(manifest).unwrap();
    Signature { key_id: key.public_key().id(), algorithm: Algorithm::EcdsaP256, bytes }
}

/// The keys that are valid: one of each kind, and two with one modulus.
fn keys() -> Vec<PublicKey> {
    let rsa = |exponent| RawKey::new(exponent).public(Algorithm::RsaPkcs1v15);
    vec![ed25519::key().public_key().clone(), ecdsa::key().public_key().clone(), rsa(65_537), rsa(65_539)]
}

fn opened(archive: Vec<u8>, required: usize) -> Result<Vec<u8>, BundleError> {
    match bundle::inspect(Cursor::new(archive), Limits::DEFAULT)? {
        Content::Signed(signed) => signed.verify(&keys(), required)?.payload(None),
        content => panic!("it is no signed archive: {content:?}"),
    }
}

#[test]
fn what_is_signed_rightly_is_opened() {
    let good = Parts::signed(|_| {});
    assert_eq!(opened(good.archive(), 1).unwrap(), FIRMWARE);
    assert_eq!(opened(good.archive(), 0).unwrap(), FIRMWARE);
    let both = write_signatures(&[by_first(&good.manifest), by_second(&good.manifest)]);
    assert_eq!(opened(Parts { signatures: both, ..good }.archive(), 2).unwrap(), FIRMWARE);
}

#[test]
fn p02_no_forged_archive_is_opened() {
    for Forged { name, archive, required, reason } in forged() {
        let error = opened(archive, required).map(|_| ()).expect_err(name);
        assert!(format!("{error:?}").contains(reason), "{name}: {error:?} instead of {reason}");
    }
}

#[test]
fn p05_no_byte_of_a_signed_manifest_can_be_changed() {
    // One with every field there is.
    let mut full = Manifest::parse(include_bytes!("../golden/delta.json")).unwrap();
    full.key_ids = vec![ed25519::key().public_key().id().to_string()];
    let signed = by_first(&full.to_bytes());
    let key = ed25519::key().public_key().clone();
    for position in 0..full.to_bytes().len() {
        let mut manifest = full.to_bytes();
        manifest[position] ^= 1;
        let signatures = write_signatures(std::slice::from_ref(&signed));
        let archive = Parts { manifest, signatures, payloads: vec![] }.archive();
        let Content::Signed(signed) = bundle::inspect(Cursor::new(archive), Limits::DEFAULT).unwrap() else {
            panic!("it is no signed archive");
        };
        let error = signed.verify(std::slice::from_ref(&key), 1).expect_err("a byte was changed");
        assert!(format!("{error:?}").contains("fault: Signature(Wrong)"), "{position}: {error:?}");
    }
}

#[test]
fn p07_a_manifest_is_not_read_before_its_signature_is_good() {
    let mut parts = Parts::signed(|_| {});
    parts.manifest = b"{\"format\":".to_vec();
    assert!(matches!(opened(parts.archive(), 1), Err(BundleError::Key { .. })));
    let nonsense = Parts::around(b"{\"format\":".to_vec());
    assert!(matches!(opened(nonsense.archive(), 1), Err(BundleError::Manifest(_))));
}

pub fn forged() -> Vec<Forged> {
    [lists(), signers(), contents(), policies()].into_iter().flatten().collect()
}

/// `signatures.json` that is not as it must be.
fn lists() -> Vec<Forged> {
    let good = Parts::signed(|_| {});
    let text = String::from_utf8(good.signatures.clone()).unwrap();
    let list = |name, signatures: String, reason| {
        let signatures = signatures.into_bytes();
        Forged { name, archive: Parts { signatures, ..good.clone() }.archive(), required: 1, reason }
    };
    let replaced = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    };
    let id = ed25519::key().public_key().id().to_string();
    let one = text.split_once('[').unwrap().1.rsplit_once(']').unwrap().0.trim().to_owned();
    let many = |count: usize| {
        let signatures = (0..count as u8).map(|number| Signature {
            key_id: package::KeyId([number; 32]),
            algorithm: Algorithm::Ed25519,
            bytes: vec![0; 64],
        });
        String::from_utf8(write_signatures(&signatures.collect::<Vec<_>>())).unwrap()
    };
    vec![
        list("empty file", String::new(), "Signatures(Json"),
        list("no list", "{}".to_owned(), "missing field"),
        list("empty list", "{\"signatures\":[]}".to_owned(), "Count { found: 0 }"),
        list("nine signatures", many(9), "Count { found: 9 }"),
        list("more than 16 KiB", text.clone() + &" ".repeat(16_384), "TooLong"),
        list("null instead of a list", "{\"signatures\":null}".to_owned(), "Signatures(Json"),
        list("a list at the top", format!("[{one}]"), "Signatures(Json"),
        list("a list of lists", format!("{{\"signatures\":[[{one}]]}}"), "Signatures(Json"),
        list("depth of 1,000", format!("{{\"signatures\":{}", "[".repeat(1_000)), "Signatures(Json"),
        list("something behind", format!("{text}{{}}"), "trailing characters"),
        list("a mark in front", format!("\u{feff}{text}"), "Signatures(Json"),
        list("cut off", text[..text.len() / 2].to_owned(), "Signatures(Json"),
        list("unknown field", replaced("\"key_id\"", "\"trusted\":true,\"key_id\""), "unknown field"),
        list("unknown field at the top", replaced("{", "{\"threshold\":0,"), "unknown field"),
        list(
            "key id twice",
            replaced("\"key_id\"", &format!("\"key_id\":\"{id}\",\"key_id\"")),
            "duplicate field",
        ),
        list(
            "signature twice",
            replaced("\"signature\"", "\"signature\":\"\",\"signature\""),
            "duplicate field",
        ),
        list("no key id", replaced(&format!("\"key_id\": \"{id}\","), ""), "missing field"),
        list("the same key twice", format!("{{\"signatures\":[{one},{one}]}}"), "Repeated { index: 1 }"),
        list("key id in capitals", replaced(&id, &id.to_uppercase()), "KeyId { index: 0 }"),
        list("key id cut", replaced(&id, &id[..62]), "KeyId { index: 0 }"),
        list("key id empty", replaced(&id, ""), "KeyId { index: 0 }"),
        list("key id with a blank", replaced(&id, &format!(" {id}")), "KeyId { index: 0 }"),
        list("key id as a number", replaced(&format!("\"{id}\""), "7"), "Signatures(Json"),
        list("algorithm none", replaced("\"ed25519\"", "\"none\""), "Algorithm { index: 0 }"),
        list("algorithm empty", replaced("\"ed25519\"", "\"\""), "Algorithm { index: 0 }"),
        list("algorithm in capitals", replaced("\"ed25519\"", "\"Ed25519\""), "Algorithm { index: 0 }"),
        list("algorithm of another system", replaced("\"ed25519\"", "\"RS256\""), "Algorithm { index: 0 }"),
        list("symmetric algorithm", replaced("\"ed25519\"", "\"hmac-sha256\""), "Algorithm { index: 0 }"),
        list("algorithm null", replaced("\"ed25519\"", "null"), "Signatures(Json"),
        list("signature empty", replaced(&signature(&text), ""), "fault: Signature(Length"),
        list("signature null", replaced(&format!("\"{}\"", signature(&text)), "null"), "Signatures(Json"),
        list("signature without padding", replaced("==\"", "\""), "Base64 { index: 0 }"),
        list("signature with a line end", replaced("==\"", "==\\n\""), "Base64 { index: 0 }"),
        list(
            "signature with a blank in front",
            replaced(&signature(&text), &format!(" {}", signature(&text))),
            "Base64",
        ),
        list("signature in digits", replaced(&signature(&text), &"ab".repeat(64)), "fault: Signature(Length"),
        list(
            "signature with spare bits",
            replaced("==\"", "==\"").replace(&signature(&text), &spare(&text)),
            "Base64",
        ),
    ]
}

fn signature(text: &str) -> String {
    text.rsplit_once("\"signature\": \"").unwrap().1.split_once('"').unwrap().0.to_owned()
}

/// The same bytes with another last letter, of which base64 uses two bits only.
fn spare(text: &str) -> String {
    let signature = signature(text);
    let (front, last) = signature.trim_end_matches('=').split_at(85);
    let other = match last {
        "A" => "B",
        "Q" => "R",
        "g" => "h",
        _ => "x",
    };
    format!("{front}{other}==")
}

/// Signatures that are not by whom they must be.
fn signers() -> Vec<Forged> {
    let good = Parts::signed(|_| {});
    let manifest = &good.manifest;
    let (first, second) = (by_first(manifest), by_second(manifest));
    let with = |name, signatures: &[Signature], required, reason| {
        let signatures = write_signatures(signatures);
        Forged { name, archive: Parts { signatures, ..good.clone() }.archive(), required, reason }
    };
    let unknown = package::PrivateKey::generate(Algorithm::Ed25519).unwrap();
    let by_unknown = Signature {
        key_id: unknown.public_key().id(),
        algorithm: Algorithm::Ed25519,
        bytes: unknown.sign(manifest).unwrap(),
    };
    let claimed = Signature { key_id: first.key_id, ..by_unknown.clone() };
    let as_algorithm = |algorithm| Signature { algorithm, ..second.clone() };
    let rsa = |exponent: u32| {
        let raw = RawKey::new(exponent);
        let info = [0x30, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20];
        let content = [&info[..], &Sha256::of(manifest).0].concat();
        let block = [&[0, 1][..], &[0xff; 202], &[0], &content].concat();
        let key_id = raw.public(Algorithm::RsaPkcs1v15).id();
        Signature { key_id, algorithm: Algorithm::RsaPkcs1v15, bytes: raw.unpadded(&block) }
    };
    let as_pss = Signature { algorithm: Algorithm::RsaPss, ..rsa(65_537) };
    let other = by_first(b"something else");
    vec![
        with("by an unknown key", std::slice::from_ref(&by_unknown), 1, "fault: Unknown"),
        with("by an unknown key too", &[first.clone(), by_unknown.clone()], 1, "fault: Unknown"),
        with("by an unknown key under a known name", &[claimed], 1, "fault: Signature(Wrong)"),
        with("one of two is forged", &[first.clone(), by_second(b"other")], 1, "fault: Signature(Wrong)"),
        with(
            "one of two is forged, the first",
            &[other.clone(), second.clone()],
            1,
            "fault: Signature(Wrong)",
        ),
        with("over something else", &[other], 1, "fault: Signature(Wrong)"),
        with("over the firmware", &[by_first(FIRMWARE)], 1, "fault: Signature(Wrong)"),
        with("over the digest", &[by_first(&Sha256::of(manifest).0)], 1, "fault: Signature(Wrong)"),
        with("over nothing", &[by_first(b"")], 1, "fault: Signature(Wrong)"),
        with("another algorithm named", &[as_algorithm(Algorithm::Ed25519)], 1, "fault: Algorithm"),
        with("RSA named for ECDSA", &[as_algorithm(Algorithm::RsaPkcs1v15)], 1, "fault: Algorithm"),
        with("the other padding named", &[as_pss], 1, "fault: Algorithm"),
        with("one signer of two", std::slice::from_ref(&first), 2, "TooFewSigners { found: 1, required: 2 }"),
        with("two signers of three", &[first, second], 3, "TooFewSigners { found: 2, required: 3 }"),
        with(
            "two names of one modulus",
            &[rsa(65_537), rsa(65_539)],
            2,
            "TooFewSigners { found: 1, required: 2 }",
        ),
    ]
}

/// Files that are not those that were signed.
fn contents() -> Vec<Forged> {
    let good = Parts::signed(|_| {});
    let parts = |name, change: &dyn Fn(&mut Parts), reason| {
        let mut parts = good.clone();
        change(&mut parts);
        Forged { name, archive: parts.archive(), required: 1, reason }
    };
    let flipped = |position: usize| {
        let mut firmware = FIRMWARE.to_vec();
        firmware[position] ^= 1;
        vec![("a.bin", firmware)]
    };
    let longer = [FIRMWARE, &[0]].concat();
    let archive = |entries: &[(&str, &[u8])]| {
        let mut archive = ArchiveWriter::new(Vec::new());
        entries.iter().for_each(|(name, content)| archive.add(name, content).unwrap());
        archive.finish().unwrap()
    };
    let (manifest, signatures) = (good.manifest.as_slice(), good.signatures.as_slice());
    let whole = |name, entries: &[(&str, &[u8])], reason| Forged {
        name,
        archive: archive(entries),
        required: 1,
        reason,
    };
    vec![
        parts("first byte of the firmware", &|parts| parts.payloads = flipped(0), "PayloadHash"),
        parts(
            "last byte of the firmware",
            &|parts| parts.payloads = flipped(FIRMWARE.len() - 1),
            "PayloadHash",
        ),
        parts("other firmware of the same size", &|parts| parts.payloads[0].1.reverse(), "PayloadHash"),
        parts("firmware longer by a zero", &|parts| parts.payloads[0].1 = longer.clone(), "PayloadSize"),
        parts("firmware shorter", &|parts| parts.payloads[0].1.truncate(FIRMWARE.len() - 1), "PayloadSize"),
        parts("firmware empty", &|parts| parts.payloads[0].1.clear(), "PayloadSize"),
        parts("firmware under another name", &|parts| parts.payloads[0].0 = "b.bin", "PayloadMissing"),
        parts("firmware missing", &|parts| parts.payloads.clear(), "PayloadMissing"),
        parts("a file more", &|parts| parts.payloads.push(("b.bin", b"x".to_vec())), "NotInManifest"),
        parts("an empty file more", &|parts| parts.payloads.push(("b", vec![])), "NotInManifest"),
        parts(
            "a file more in front",
            &|parts| parts.payloads.insert(0, ("b.bin", longer.clone())),
            "NotInManifest",
        ),
        parts("a blank behind the manifest", &|parts| parts.manifest.push(b' '), "fault: Signature(Wrong)"),
        parts(
            "no line end behind the manifest",
            &|parts| parts.manifest.truncate(parts.manifest.len() - 1),
            "fault: Signature(Wrong)",
        ),
        parts(
            "manifest written anew",
            &|parts| {
                let value: serde_json::Value = serde_json::from_slice(&parts.manifest).unwrap();
                parts.manifest = serde_json::to_vec(&value).unwrap();
            },
            "fault: Signature(Wrong)",
        ),
        parts(
            "manifest with other line ends",
            &|parts| {
                parts.manifest =
                    String::from_utf8(parts.manifest.clone()).unwrap().replace('\n', "\r\n").into_bytes();
            },
            "fault: Signature(Wrong)",
        ),
        parts(
            "manifest of another archive",
            &|parts| {
                parts.manifest = Parts::signed(|manifest| manifest.version = Some("3".to_owned())).manifest;
            },
            "fault: Signature(Wrong)",
        ),
        parts(
            "signatures of another archive",
            &|parts| {
                parts.signatures =
                    Parts::signed(|manifest| manifest.version = Some("3".to_owned())).signatures;
            },
            "fault: Signature(Wrong)",
        ),
        parts("manifest empty", &|parts| parts.manifest.clear(), "fault: Signature(Wrong)"),
        parts("manifest of 64 KiB and a byte", &|parts| parts.manifest.resize(65_537, b' '), "TooLong"),
        whole("no signatures", &[(MANIFEST, manifest), ("a.bin", FIRMWARE)], "SignaturesMissing"),
        whole("no manifest", &[(SIGNATURES, signatures), ("a.bin", FIRMWARE)], "ManifestMissing"),
    ]
}

/// Manifests that are signed, and still allow nothing.
fn policies() -> Vec<Forged> {
    let signed = |name, change: &dyn Fn(&mut Manifest), reason| Forged {
        name,
        archive: Parts::signed(|manifest| change(manifest)).archive(),
        required: 1,
        reason,
    };
    let text = |name, manifest: &str, reason| Forged {
        name,
        archive: Parts::around(manifest.as_bytes().to_vec()).archive(),
        required: 1,
        reason,
    };
    let good = String::from_utf8(Parts::signed(|_| {}).manifest).unwrap();
    let second = ecdsa::key().public_key().id().to_string();
    let payload = |change: fn(&mut Payload)| move |manifest: &mut Manifest| change(&mut manifest.payloads[0]);
    vec![
        signed(
            "another key may sign",
            &|manifest| manifest.key_ids = vec![second.clone()],
            "fault: NotInManifest",
        ),
        signed("no file", &|manifest| manifest.payloads.clear(), "Banks"),
        signed("one file for one of two banks", &payload(|payload| payload.bank = Some(0)), "Banks"),
        signed(
            "a file that is not there",
            &payload(|payload| payload.name = "b.bin".to_owned()),
            "PayloadMissing",
        ),
        signed("the manifest as firmware", &payload(|payload| payload.name = MANIFEST.to_owned()), "Name"),
        signed(
            "the signatures as firmware",
            &payload(|payload| payload.name = SIGNATURES.to_owned()),
            "Name",
        ),
        signed("a path", &payload(|payload| payload.name = "../a.bin".to_owned()), "PayloadMissing"),
        signed("another size", &payload(|payload| payload.size_bytes += 1), "PayloadSize"),
        signed("size 0", &payload(|payload| payload.size_bytes = 0), "Empty"),
        signed("size 2^63", &payload(|payload| payload.size_bytes = 1 << 63), "PayloadSize"),
        signed("another hash", &payload(|payload| payload.sha256 = Sha256::of(b"")), "PayloadHash"),
        signed(
            "it ends before it begins",
            &|manifest| {
                (manifest.not_before, manifest.not_after) = (Some(2), Some(1));
            },
            "NeverValid",
        ),
        text("unknown field", &good.replacen('{', "{\"critical\":1,", 1), "unknown field"),
        text(
            "version twice",
            &good.replacen("\"version\"", "\"version\":\"9\",\"version\"", 1),
            "duplicate field",
        ),
        text("another format", &good.replacen("\"format\": 1", "\"format\": 2", 1), "Format { found: 2 }"),
        text("something behind", &format!("{good}x"), "trailing characters"),
        text("no JSON", "firmware", "Manifest(Json"),
    ]
}
