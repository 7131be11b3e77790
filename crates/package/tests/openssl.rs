//! Keys and signatures against OpenSSL, both ways.
//!
//! The program `openssl` (Debian: openssl) is needed; `cargo xtask test` installs it.
#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::path::Path;
use std::process::{Command, Output};

use package::{Algorithm, KeyError, Passphrase, PrivateKey, PublicKey};
use tempfile::TempDir;
use zeroize::Zeroizing;

const MESSAGE: &[u8] = b"{\"format\":1}\n";
const PASSPHRASE: &str = "Quectel123";

/// What `openssl` is told to make and check signatures of each kind.
const PSS: [&str; 6] =
    ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32", "-sigopt", "rsa_mgf1_md:sha256"];

/// A folder in which `openssl` works.
struct Bench(TempDir);

impl Bench {
    fn new() -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        bench.write("message", MESSAGE);
        bench
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path().join(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path().join(name)).unwrap()
    }

    fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    fn try_openssl(&self, arguments: &[&str]) -> Output {
        let run = Command::new("openssl").args(arguments).current_dir(self.path()).output();
        run.expect("the program openssl is needed; on Debian: apt-get install openssl")
    }

    fn openssl(&self, arguments: &[&str]) -> String {
        let output = self.try_openssl(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Makes a key pair: `plain.pem` and `public.pem`.
    fn generate(&self, algorithm: Algorithm) {
        let kind: &[&str] = match algorithm {
            Algorithm::RsaPkcs1v15 | Algorithm::RsaPss => &["RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
            Algorithm::EcdsaP256 => &["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
            Algorithm::Ed25519 => &["ed25519"],
        };
        self.generate_as(kind);
    }

    fn generate_as(&self, kind: &[&str]) {
        self.openssl(&[&["genpkey", "-quiet", "-out", "plain.pem", "-algorithm"], kind].concat());
        self.openssl(&["pkey", "-in", "plain.pem", "-pubout", "-out", "public.pem"]);
    }

    /// Protects `plain.pem` as `private.pem`.
    fn encrypt(&self, how: &[&str]) {
        let begin =
            ["pkcs8", "-topk8", "-in", "plain.pem", "-out", "private.pem", "-passout", "pass:Quectel123"];
        self.openssl(&[&begin, how].concat());
    }

    fn open(&self, text: &str, algorithm: Option<Algorithm>) -> Result<PrivateKey, KeyError> {
        PrivateKey::from_encrypted_pem(&self.text("private.pem"), &passphrase(text), algorithm)
    }
}

fn passphrase(text: &str) -> Passphrase {
    Passphrase::of_existing_key(Zeroizing::new(text.to_owned())).unwrap()
}

#[test]
fn p04_openssl_opens_our_private_keys_and_verifies_our_signatures() {
    for algorithm in Algorithm::ALL {
        let bench = Bench::new();
        let key = PrivateKey::generate(algorithm).unwrap();
        bench.write("private.pem", key.to_encrypted_pem(&passphrase(PASSPHRASE)).unwrap().as_bytes());
        bench.write("public.pem", key.public_key().to_pem().as_bytes());
        bench.write("signature", &key.sign(MESSAGE).unwrap());
        let public = bench.openssl(&["pkey", "-in", "private.pem", "-passin", "pass:Quectel123", "-pubout"]);
        assert!(key.public_key().to_pem().ends_with(&public), "{algorithm}");
        let wrong = ["pkey", "-in", "private.pem", "-passin", "pass:Quectel124", "-noout"];
        assert!(!bench.try_openssl(&wrong).status.success(), "{algorithm}");
        verified_by_openssl(&bench, algorithm);
    }
}

fn verified_by_openssl(bench: &Bench, algorithm: Algorithm) {
    let digest = ["dgst", "-sha256", "-verify", "public.pem", "-signature", "signature"];
    let plain = ["pkeyutl", "-verify", "-pubin", "-inkey", "public.pem", "-rawin", "-sigfile", "signature"];
    let verify = match algorithm {
        Algorithm::RsaPkcs1v15 | Algorithm::EcdsaP256 => [&digest[..], &["message"]].concat(),
        Algorithm::RsaPss => [&digest[..], &PSS, &["message"]].concat(),
        Algorithm::Ed25519 => [&plain[..], &["-in", "message"]].concat(),
    };
    bench.openssl(&verify);
    bench.write("message", b"another one");
    assert!(!bench.try_openssl(&verify).status.success(), "{algorithm}");
}

#[test]
fn p04_our_private_keys_are_protected_as_they_should_be() {
    let bench = Bench::new();
    let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
    bench.write("private.pem", key.to_encrypted_pem(&passphrase(PASSPHRASE)).unwrap().as_bytes());
    let parsed = bench.openssl(&["asn1parse", "-in", "private.pem"]);
    // 600,000 is 0927C0.
    for part in [":PBES2", ":PBKDF2", ":0927C0", ":hmacWithSHA256", ":aes-256-cbc"] {
        assert!(parsed.contains(part), "{part} is not in\n{parsed}");
    }
    // Salt and start of each key are its own.
    let again = key.to_encrypted_pem(&passphrase(PASSPHRASE)).unwrap();
    assert_ne!(bench.text("private.pem"), again);
}

#[test]
fn we_open_openssl_s_private_keys_and_verify_its_signatures() {
    for algorithm in Algorithm::ALL {
        let bench = Bench::new();
        bench.generate(algorithm);
        bench.encrypt(&["-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA256"]);
        let key = bench.open(PASSPHRASE, Some(algorithm)).unwrap();
        let public = PublicKey::from_pem(&bench.text("public.pem"), algorithm).unwrap();
        assert_eq!(key.public_key(), &public);
        let sign: Vec<&str> = match algorithm {
            Algorithm::RsaPkcs1v15 | Algorithm::EcdsaP256 => {
                vec!["dgst", "-sha256", "-sign", "plain.pem", "-out", "signature", "message"]
            }
            Algorithm::RsaPss => {
                [&["dgst", "-sha256", "-sign", "plain.pem"], &PSS[..], &["-out", "signature", "message"]]
                    .concat()
            }
            Algorithm::Ed25519 => {
                vec![
                    "pkeyutl",
                    "-sign",
                    "-inkey",
                    "plain.pem",
                    "-rawin",
                    "-in",
                    "message",
                    "-out",
                    "signature",
                ]
            }
        };
        bench.openssl(&sign);
        assert_eq!(public.verify(MESSAGE, &bench.read("signature")), Ok(()), "{algorithm}");
        assert!(public.verify(b"another one", &bench.read("signature")).is_err(), "{algorithm}");
        bench.write("signature", &key.sign(MESSAGE).unwrap());
        verified_by_openssl(&bench, algorithm);
    }
}

#[test]
fn we_open_what_openssl_protects_in_any_way_that_it_still_offers() {
    let bench = Bench::new();
    bench.generate(Algorithm::RsaPkcs1v15);
    let public = PublicKey::from_pem(&bench.text("public.pem"), Algorithm::RsaPkcs1v15).unwrap();
    let check = |how: &[&str]| {
        bench.encrypt(how);
        let opened = bench.open(PASSPHRASE, None).unwrap_or_else(|error| panic!("{how:?}: {error}"));
        assert_eq!(opened.public_key(), &public, "{how:?}");
        assert_eq!(bench.open("Quectel124", None).unwrap_err(), KeyError::WrongPassphrase, "{how:?}");
    };
    for cipher in ["aes-128-cbc", "aes-192-cbc", "aes-256-cbc"] {
        for function in
            ["hmacWithSHA1", "hmacWithSHA224", "hmacWithSHA256", "hmacWithSHA384", "hmacWithSHA512"]
        {
            check(&["-v2", cipher, "-v2prf", function]);
        }
        check(&["-v2", cipher, "-scrypt"]);
    }
    check(&["-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA256", "-iter", "600000"]);
}

#[test]
fn what_protects_badly_or_not_at_all_is_refused_with_the_reason() {
    let bench = Bench::new();
    bench.generate(Algorithm::RsaPkcs1v15);
    for how in [&["-v2", "des3"][..], &["-v1", "PBE-SHA1-3DES"]] {
        bench.encrypt(how);
        assert_eq!(bench.open(PASSPHRASE, None).unwrap_err(), KeyError::Encryption, "{how:?}");
    }
    bench.encrypt(&["-v2", "aes-256-cbc", "-iter", "10000001"]);
    assert_eq!(bench.open(PASSPHRASE, None).unwrap_err(), KeyError::Work);
    bench.write("private.pem", &bench.read("plain.pem"));
    assert_eq!(bench.open(PASSPHRASE, None).unwrap_err(), KeyError::NotEncrypted);
    bench.openssl(&["rsa", "-in", "plain.pem", "-traditional", "-out", "private.pem"]);
    assert!(
        matches!(bench.open(PASSPHRASE, None), Err(KeyError::Label { found, .. }) if found == "RSA PRIVATE KEY")
    );
}

#[test]
fn p02_keys_of_openssl_outside_of_the_bounds_are_refused() {
    let cases = [
        (&["RSA", "-pkeyopt", "rsa_keygen_bits:1024"][..], KeyError::ModulusBits { bits: 1_024 }),
        (&["RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-pkeyopt", "rsa_keygen_pubexp:3"], KeyError::Exponent),
        (&["EC", "-pkeyopt", "ec_paramgen_curve:P-384"], KeyError::Kind),
        (&["EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"], KeyError::Kind),
        (&["ed448"], KeyError::Kind),
        (&["X25519"], KeyError::Kind),
        (&["RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"], KeyError::Kind),
    ];
    for (kind, expected) in cases {
        let bench = Bench::new();
        bench.generate_as(kind);
        assert_eq!(Algorithm::natural_of(&bench.text("public.pem")), Err(expected), "{kind:?}");
        bench.encrypt(&["-v2", "aes-256-cbc"]);
        assert!(bench.open(PASSPHRASE, None).is_err(), "{kind:?}");
    }
}

#[test]
fn longer_rsa_keys_of_openssl_sign_and_verify() {
    for bits in ["rsa_keygen_bits:3072", "rsa_keygen_bits:4096"] {
        let bench = Bench::new();
        bench.generate_as(&["RSA", "-pkeyopt", bits]);
        bench.encrypt(&["-v2", "aes-256-cbc"]);
        let key = bench.open(PASSPHRASE, None).unwrap();
        bench.write("signature", &key.sign(MESSAGE).unwrap());
        verified_by_openssl(&bench, Algorithm::RsaPkcs1v15);
    }
}
