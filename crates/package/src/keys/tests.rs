use pkcs8::der::asn1::{BitString, UintRef};
use pkcs8::der::{Encode, Header, Tag};
use zeroize::Zeroizing;

use super::*;

const MESSAGE: &[u8] = b"{\"format\":1}\n";

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(Zeroizing::new(text.to_owned())).unwrap()
}

#[test]
fn p01_exactly_the_diagonal_of_keys_and_algorithms_verifies() {
    let keys = Algorithm::ALL.map(|algorithm| PrivateKey::generate(algorithm).unwrap());
    for key in &keys {
        let signature = key.sign(MESSAGE).unwrap();
        for (verifier, bound) in keys.iter().zip(Algorithm::ALL) {
            let same = key.algorithm() == bound;
            assert_eq!(verifier.public_key().verify(MESSAGE, &signature).is_ok(), same, "{key:?} {bound}");
            // The same key bound to another algorithm is no key at all or, for the two paddings of RSA, refuses.
            match PublicKey::from_der(key.public_key().to_der(), bound) {
                Ok(rebound) => {
                    assert_eq!(rebound.verify(MESSAGE, &signature).is_ok(), same, "{key:?} {bound}")
                }
                Err(error) => assert!(matches!(error, KeyError::OtherAlgorithm { .. }) && !same, "{error}"),
            }
        }
    }
}

#[test]
fn p04_a_private_key_opens_with_its_passphrase_only() {
    for algorithm in Algorithm::ALL {
        let key = PrivateKey::generate(algorithm).unwrap();
        let text = key.to_encrypted_pem(&passphrase("Quectel123")).unwrap();
        let read = PrivateKey::from_encrypted_pem(&text, &passphrase("Quectel123"), None).unwrap();
        assert_eq!(read.public_key(), key.public_key());
        key.public_key().verify(MESSAGE, &read.sign(MESSAGE).unwrap()).unwrap();
        assert_eq!(
            PrivateKey::from_encrypted_pem(&text, &passphrase("Quectel124"), None).unwrap_err(),
            KeyError::WrongPassphrase
        );
    }
}

#[test]
fn a_key_of_probabilistic_padding_says_so_above_itself() {
    let key = PrivateKey::generate(Algorithm::RsaPss).unwrap();
    let public = key.public_key().to_pem();
    assert!(
        public.starts_with("Algorithm: rsa2048-sha256-pss-mgf1sha256-salt32\n-----BEGIN PUBLIC KEY-----\n")
    );
    assert_eq!(Algorithm::natural_of(&public), Ok(Algorithm::RsaPss));
    let other = KeyError::OtherAlgorithm { key: Algorithm::RsaPss, asked: Algorithm::RsaPkcs1v15 };
    assert_eq!(PublicKey::from_pem(&public, Algorithm::RsaPkcs1v15).unwrap_err(), other);
    let private = key.to_encrypted_pem(&passphrase("Quectel123")).unwrap();
    let open = |asked| PrivateKey::from_encrypted_pem(&private, &passphrase("Quectel123"), asked);
    assert_eq!(open(None).unwrap().algorithm(), Algorithm::RsaPss);
    assert_eq!(open(Some(Algorithm::RsaPkcs1v15)).unwrap_err(), other);
}

#[test]
fn public_keys_survive_being_text() {
    for algorithm in Algorithm::ALL {
        let key = PrivateKey::generate(algorithm).unwrap();
        let text = key.public_key().to_pem();
        assert_eq!(Algorithm::natural_of(&text), Ok(algorithm));
        let read = PublicKey::from_pem(&text, algorithm).unwrap();
        assert_eq!(&read, key.public_key());
        assert_eq!(KeyId::from_hex(&read.id().to_string()), Some(key.public_key().id()));
        // As other tools and systems write it: other line ends, lines of another length, a text above, spaces.
        let (begin, content) = text.split_once("KEY-----\n").unwrap();
        let (content, end) = content.split_once("-----END").unwrap();
        let one_line = format!("{begin}KEY-----\n{}\n-----END{end}", content.replace('\n', ""));
        for other in
            [text.replace('\n', "\r\n"), format!("{text}\n \n"), format!("from: me\n{text}"), one_line]
        {
            assert_eq!(PublicKey::from_pem(&other, algorithm).map(|key| key.id()), Ok(read.id()), "{other}");
        }
        let damaged = [text.replacen('M', "!", 1), text.replacen("END", "END X", 1), text.repeat(2)];
        for other in damaged {
            assert_eq!(PublicKey::from_pem(&other, algorithm).unwrap_err(), KeyError::Pem, "{other}");
        }
    }
}

#[test]
fn what_is_no_encrypted_private_key_is_refused_with_the_reason() {
    let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
    let open =
        |text: &str| PrivateKey::from_encrypted_pem(text, &passphrase("Quectel123"), None).unwrap_err();
    let plain = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
    assert_eq!(open(plain), KeyError::NotEncrypted);
    let label = |found: &str| KeyError::Label { found: found.to_owned(), wanted: pem::ENCRYPTED };
    assert_eq!(open(&key.public_key().to_pem()), label("PUBLIC KEY"));
    assert_eq!(open(""), KeyError::Pem);
    assert_eq!(open(&"x".repeat(16_385)), KeyError::Size { actual: 16_385, most: 16_384 });
}

/// A SubjectPublicKeyInfo of an RSA key with these numbers.
fn rsa_key(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let mut numbers = Vec::new();
    UintRef::new(modulus).unwrap().encode_to_vec(&mut numbers).unwrap();
    UintRef::new(exponent).unwrap().encode_to_vec(&mut numbers).unwrap();
    let key = BitString::from_bytes(&sequence(&numbers)).unwrap();
    let rsa = [0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
    let mut info = rsa.to_vec();
    key.encode_to_vec(&mut info).unwrap();
    sequence(&info)
}

fn sequence(content: &[u8]) -> Vec<u8> {
    let mut bytes = Header::new(Tag::Sequence, content.len().try_into().unwrap()).to_der().unwrap();
    bytes.extend(content);
    bytes
}

fn modulus(bits: usize) -> Vec<u8> {
    let mut bytes = vec![0xab; bits.div_ceil(8)];
    let spare = bytes.len() * 8 - bits;
    bytes[0] = 0x80 >> spare;
    bytes
}

fn refused(der: &[u8]) -> KeyError {
    PublicKey::from_der(der, Algorithm::RsaPkcs1v15).unwrap_err()
}

#[test]
fn p02_rsa_keys_outside_of_the_bounds_are_refused() {
    const F4: &[u8] = &[1, 0, 1];
    for bits in [512, 1_024, 2_047, 4_097, 8_192, 16_384] {
        assert_eq!(refused(&rsa_key(&modulus(bits), F4)), KeyError::ModulusBits { bits });
    }
    for bits in [2_048, 2_049, 3_072, 4_096] {
        assert!(PublicKey::from_der(&rsa_key(&modulus(bits), F4), Algorithm::RsaPss).is_ok(), "{bits}");
    }
    let weak: [&[u8]; 8] = [&[0], &[1], &[3], &[17], &[1, 0, 0], &[0xff, 0xff], &[1, 0, 2], &[1, 0, 0, 0, 1]];
    for exponent in weak {
        assert_eq!(refused(&rsa_key(&modulus(2_048), exponent)), KeyError::Exponent, "{exponent:?}");
    }
    let mut even = modulus(2_048);
    even[255] = 0xaa;
    assert_eq!(refused(&rsa_key(&even, F4)), KeyError::Invalid);
}

#[test]
fn p02_a_key_has_one_encoding() {
    for algorithm in Algorithm::ALL {
        let key = PrivateKey::generate(algorithm).unwrap();
        let der = key.public_key().to_der();
        let refused = |der: &[u8]| PublicKey::from_der(der, algorithm).unwrap_err();
        assert_eq!(refused(&[der, &[0]].concat()), KeyError::Encoding);
        assert_eq!(refused(&der[..der.len() - 1]), KeyError::Encoding);
        assert_eq!(refused(&[]), KeyError::Encoding);
        // The first bytes of all of them say what follows; flips in the key itself may make another key.
        for position in 0..12 {
            let mut other = der.to_vec();
            other[position] ^= 1;
            assert!(PublicKey::from_der(&other, algorithm).is_err(), "{algorithm} {position}");
        }
    }
}

#[test]
fn p02_keys_with_one_modulus_or_one_point_are_the_same_for_a_rule_of_two() {
    let modulus = modulus(2_048);
    let rsa =
        |exponent: &[u8], algorithm| PublicKey::from_der(&rsa_key(&modulus, exponent), algorithm).unwrap();
    let first = rsa(&[1, 0, 1], Algorithm::RsaPkcs1v15);
    let second = rsa(&[1, 0, 3], Algorithm::RsaPss);
    assert_ne!(first.id(), second.id());
    assert!(first.shares_private_key_with(&second));
    let other = PrivateKey::generate(Algorithm::Ed25519).unwrap();
    assert!(!first.shares_private_key_with(other.public_key()));
    assert!(other.public_key().shares_private_key_with(other.public_key()));
}

#[test]
fn p02_points_of_small_order_and_off_the_curve_are_no_keys() {
    let ed25519 = |y: [u8; 32]| {
        let der = [&[0x30, 42, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 33, 0][..], &y].concat();
        PublicKey::from_der(&der, Algorithm::Ed25519)
    };
    for y in public_key_info::SMALL_ORDER {
        let mut negative = y;
        negative[31] |= 0x80;
        assert_eq!(ed25519(y).unwrap_err(), KeyError::Invalid);
        assert_eq!(ed25519(negative).unwrap_err(), KeyError::Invalid);
    }
    let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let mut off = key.public_key().to_der().to_vec();
    *off.last_mut().unwrap() ^= 1;
    assert_eq!(PublicKey::from_der(&off, Algorithm::EcdsaP256).unwrap_err(), KeyError::Invalid);
}

#[test]
fn secrets_are_not_printed() {
    let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
    assert_eq!(
        format!("{key:?}"),
        format!("PrivateKey(*** of PublicKey(ed25519, {}))", key.public_key().id())
    );
}
