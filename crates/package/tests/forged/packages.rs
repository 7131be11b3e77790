//! Signed packages with one thing wrong, as archives: what the signature covers is right in most of them.
//! Forged signatures and manifests are in `tests/signatures`.

use std::io::Cursor;

use firmware::{Bank, Crc32, HexWriter, MemoryAddress};
use package::bundle::{self, BundleError, Content, KeyFault, MANIFEST, SIGNATURES};
use package::{
    ArchiveError, Limits, Manifest, Passphrase, Payload, PrivateKey, PublicKey, Sha256, Signature,
    SignatureError, write_signatures,
};

use crate::archives::machine_code;
use crate::forge::{Entry, Forge, deflate};

/// Why nothing of a file is given to a device whose product wants signatures.
#[derive(Debug)]
pub enum Refusal {
    /// Nobody says that it is signed.
    NotSigned,
    Bundle(BundleError),
}

pub struct Case {
    pub name: String,
    pub bytes: Vec<u8>,
    pub expected: &'static str,
    pub is_expected: fn(&Refusal) -> bool,
}

macro_rules! refused {
    ($cases:expr, $name:expr, $bytes:expr, $pattern:pat) => {
        $cases.push(Case {
            name: ($name).to_string(),
            bytes: $bytes,
            expected: stringify!($pattern),
            is_expected: |refusal| matches!(refusal, $pattern),
        })
    };
}

/// An archive that is refused for this reason.
macro_rules! archive {
    ($pattern:pat) => {
        Refusal::Bundle(BundleError::Archive($pattern))
    };
}

/// A package that is refused for this reason.
macro_rules! bundle {
    ($pattern:pat) => {
        Refusal::Bundle($pattern)
    };
}

/// The key that signs all of this.
pub struct Signer(PrivateKey);

impl Signer {
    pub fn new() -> Self {
        let passphrase = Passphrase::new("Quectel123".to_owned().into()).unwrap();
        Self(PrivateKey::from_encrypted_pem(include_str!("key.pem"), &passphrase, None).unwrap())
    }

    pub fn keys(&self) -> [PublicKey; 1] {
        [self.0.public_key().clone()]
    }

    /// A package for both banks of a module, with these images.
    fn package(&self, images: [&[u8]; 2]) -> Forge {
        let payload = |(bank, image): (usize, &&[u8])| Payload {
            name: format!("bank{bank}.hex"),
            size_bytes: image.len() as u64,
            sha256: Sha256::of(image),
            bank: Some(bank as u8),
        };
        let payloads = images.iter().enumerate().map(payload).collect();
        let manifest =
            Manifest { version: Some("0104".to_owned()), payloads, ..Manifest::default() }.to_bytes();
        let public = self.0.public_key();
        let bytes = self.0.sign(&manifest).unwrap();
        let signature = Signature { key_id: public.id(), algorithm: public.algorithm(), bytes };
        Forge::of(vec![
            Entry::deflated(MANIFEST, &manifest),
            Entry::deflated(SIGNATURES, &write_signatures(&[signature])),
            Entry::deflated("bank0.hex", images[0]),
            Entry::deflated("bank1.hex", images[1]),
        ])
    }

    /// The one that all cases begin with.
    pub fn good(&self) -> Forge {
        let [first, second] = images();
        self.package([first.as_bytes(), second.as_bytes()])
    }

    fn with(&self, change: impl FnOnce(&mut Forge)) -> Vec<u8> {
        let mut forge = self.good();
        change(&mut forge);
        forge.bytes()
    }
}

const THE_MANIFEST: usize = 0;
const THE_SIGNATURES: usize = 1;
const BANK_0: usize = 2;
const BANK_1: usize = 3;

/// The same code for each bank, so that the files are of one size.
pub fn images() -> [String; 2] {
    Bank::BOTH.map(|bank| {
        let mut writer = HexWriter::new(String::new());
        let MemoryAddress(start) = bank.linked_at();
        writer.data(MemoryAddress(start), &machine_code(400)).unwrap();
        writer.finish().unwrap()
    })
}

/// What devices get of a file if only signatures of these keys count: one image for each bank.
pub fn take(bytes: &[u8], keys: &[PublicKey]) -> Result<[Vec<u8>; 2], Refusal> {
    match bundle::inspect(Cursor::new(bytes), Limits::DEFAULT).map_err(Refusal::Bundle)? {
        Content::Raw(_) => Err(Refusal::NotSigned),
        Content::Unsigned(mut unsigned) => {
            Err(unsigned.payload().map_or_else(Refusal::Bundle, |_| Refusal::NotSigned))
        }
        Content::Signed(signed) => {
            let mut verified = signed.verify(keys, 1).map_err(Refusal::Bundle)?;
            let mut payload = |bank| verified.payload(Some(bank)).map_err(Refusal::Bundle);
            Ok([payload(0)?, payload(1)?])
        }
    }
}

pub fn all(signer: &Signer) -> Vec<Case> {
    let mut cases = Vec::new();
    cuts(&mut cases, signer);
    entries(&mut cases, signer);
    names(&mut cases, signer);
    payloads(&mut cases, signer);
    manifests(&mut cases, signer);
    signatures(&mut cases, signer);
    unsigned(&mut cases);
    cases
}

/// The same package in other forms that an archive may have.
pub fn good(signer: &Signer) -> Vec<Vec<u8>> {
    let described = |forge: &mut Forge| forge.entries.iter_mut().for_each(|entry| entry.describe(true));
    vec![
        signer.good().bytes(),
        signer.with(|forge| forge.entries.reverse()),
        signer.with(|forge| forge.backwards = true),
        signer.with(described),
        signer.with(|forge| forge.comment = b"for the operator".to_vec()),
    ]
}

fn cuts(cases: &mut Vec<Case>, signer: &Signer) {
    let (parts, whole) = (signer.good().parts(), signer.good().bytes());
    let mut at = 0;
    for (number, part) in parts.iter().enumerate() {
        let title = format!("cut before part {number}");
        match at {
            0 => refused!(cases, title, Vec::new(), Refusal::NotSigned),
            at => refused!(cases, title, whole[..at].to_vec(), archive!(ArchiveError::NoEndRecord)),
        }
        let middle = whole[..at + part.len() / 2].to_vec();
        refused!(cases, format!("cut within part {number}"), middle, archive!(ArchiveError::NoEndRecord));
        at += part.len();
    }
    let shorter = whole[..whole.len() - 1].to_vec();
    refused!(cases, "cut by a byte", shorter, archive!(ArchiveError::NoEndRecord));
    let longer = [&whole[..], b"\0"].concat();
    refused!(cases, "one byte longer", longer, archive!(ArchiveError::WrongEnd { .. }));
    refused!(cases, "one byte in front", [b"\0", &whole[..]].concat(), Refusal::NotSigned);
    let behind_hex = [images()[0].as_bytes(), &whole].concat();
    refused!(cases, "behind a HEX file", behind_hex, Refusal::NotSigned);
    let twice = whole.repeat(2);
    refused!(cases, "twice", twice, archive!(ArchiveError::MisplacedDirectory));
    let inserted = [&whole[..50], b"\0", &whole[50..]].concat();
    refused!(cases, "a byte inserted", inserted, archive!(ArchiveError::MisplacedDirectory));
    refused!(cases, "its first half missing", whole[whole.len() / 2..].to_vec(), Refusal::NotSigned);
    let inside = Forge::of(vec![Entry::stored("signed.zip", &whole)]).bytes();
    refused!(cases, "within an archive", inside, archive!(ArchiveError::Nested { .. }));
}

fn entries(cases: &mut Vec<Case>, signer: &Signer) {
    let without = |index: usize| signer.with(|forge| drop(forge.entries.remove(index)));
    refused!(cases, "no manifest", without(THE_MANIFEST), bundle!(BundleError::ManifestMissing));
    refused!(cases, "no signatures", without(THE_SIGNATURES), bundle!(BundleError::SignaturesMissing));
    refused!(cases, "no image for bank 0", without(BANK_0), bundle!(BundleError::PayloadMissing { .. }));
    refused!(cases, "no image for bank 1", without(BANK_1), bundle!(BundleError::PayloadMissing { .. }));
    let neither = signer.with(|forge| drop(forge.entries.drain(..2)));
    refused!(cases, "only the images", neither, bundle!(BundleError::NotOnePayload { found: 2 }));
    let one = signer.with(|forge| drop(forge.entries.drain(..3)));
    refused!(cases, "only one image", one, Refusal::NotSigned);
    let nothing = signer.with(|forge| forge.entries.clear());
    refused!(cases, "no entry at all", nothing, archive!(ArchiveError::Empty));
    let more =
        |name: &str, content: &[u8]| signer.with(|forge| forge.entries.push(Entry::stored(name, content)));
    refused!(cases, "a file more", more("more.bin", b"1"), bundle!(BundleError::NotInManifest { .. }));
    refused!(cases, "an empty file more", more("more", b""), bundle!(BundleError::NotInManifest { .. }));
    refused!(cases, "a folder more", more("more/", b""), archive!(ArchiveError::NotAFile { .. }));
    refused!(cases, "a file above", more("../more", b"1"), archive!(ArchiveError::Name { .. }));
    let many = signer.with(|forge| {
        forge.entries.extend((0..13).map(|number| Entry::stored(&number.to_string(), b"1")));
    });
    refused!(cases, "13 files more", many, archive!(ArchiveError::TooManyEntries { entries: 17, .. }));
    let hidden = signer.with(|forge| {
        let entry = Entry::stored("more.bin", b"1");
        forge.before_directory = [entry.local_header(), entry.content].concat();
    });
    refused!(cases, "a file that is not in the directory", hidden, archive!(ArchiveError::StrayBytes { .. }));
}

fn names(cases: &mut Vec<Case>, signer: &Signer) {
    let second = |name: &str| signer.with(|forge| forge.entries.push(Entry::stored(name, b"{}")));
    for name in [MANIFEST, SIGNATURES, "bank0.hex", "Manifest.json", "mаnifest.json", "BANK1.HEX"] {
        refused!(cases, format!("a second {name}"), second(name), archive!(ArchiveError::SameName { .. }));
    }
    let renamed = |index: usize, name: &str| {
        signer.with(|forge| forge.entries[index] = forge.entries[index].clone().named(name.as_bytes(), 0))
    };
    let capital = renamed(THE_MANIFEST, "MANIFEST.JSON");
    refused!(cases, "a manifest in capitals", capital, bundle!(BundleError::ManifestMissing));
    let capital = renamed(THE_SIGNATURES, "Signatures.json");
    refused!(cases, "signatures with a capital", capital, bundle!(BundleError::SignaturesMissing));
    let capital = renamed(BANK_0, "Bank0.hex");
    refused!(cases, "an image with a capital", capital, bundle!(BundleError::PayloadMissing { .. }));
    let swapped = signer.with(|forge| {
        for (index, name) in [(BANK_0, "bank1.hex"), (BANK_1, "bank0.hex")] {
            forge.entries[index] = forge.entries[index].clone().named(name.as_bytes(), 0);
        }
    });
    refused!(cases, "images that swapped their names", swapped, bundle!(BundleError::PayloadHash { .. }));
    let in_front = signer.with(|forge| {
        forge.entries[BANK_0].local_name = b"bank1.hex".to_vec();
        forge.entries[BANK_1].local_name = b"bank0.hex".to_vec();
    });
    refused!(cases, "names swapped in front", in_front, archive!(ArchiveError::HeadersDiffer { .. }));
    let in_directory = signer.with(|forge| {
        forge.entries[BANK_0].name = b"bank1.hex".to_vec();
        forge.entries[BANK_1].name = b"bank0.hex".to_vec();
    });
    refused!(
        cases,
        "names swapped in the directory",
        in_directory,
        archive!(ArchiveError::HeadersDiffer { .. })
    );
    let both_manifest = signer.with(|forge| forge.entries[BANK_0].local_name = MANIFEST.into());
    refused!(
        cases,
        "an image that is a manifest in front",
        both_manifest,
        archive!(ArchiveError::HeadersDiffer { .. })
    );
}

fn payloads(cases: &mut Vec<Case>, signer: &Signer) {
    let entry =
        |index: usize, change: &dyn Fn(&mut Entry)| signer.with(|forge| change(&mut forge.entries[index]));
    let content = |index: usize, content: &[u8]| {
        entry(index, &|entry| *entry = Entry::stored(&String::from_utf8_lossy(&entry.name), content))
    };
    let [first, second] = images();
    let other = first.replace("\r\n", "\n");
    let changed = first.replacen('3', "4", 1);
    let hash = |cases: &mut Vec<Case>, what: &str, bytes| {
        refused!(cases, what, bytes, bundle!(BundleError::PayloadHash { .. }));
    };
    hash(cases, "a digit changed", content(BANK_0, changed.as_bytes()));
    hash(cases, "the image of bank 1 for bank 0", content(BANK_0, second.as_bytes()));
    hash(cases, "the image of bank 0 for bank 1", content(BANK_1, first.as_bytes()));
    hash(cases, "noise of the same size", content(BANK_1, &machine_code(first.len())));
    let size = |cases: &mut Vec<Case>, what: &str, bytes| {
        refused!(cases, what, bytes, bundle!(BundleError::PayloadSize { .. }));
    };
    size(cases, "an empty image", content(BANK_0, b""));
    size(cases, "an image with a byte more", content(BANK_0, [&first, "\n"].concat().as_bytes()));
    size(cases, "an image with a byte less", content(BANK_1, &second.as_bytes()[1..]));
    size(cases, "an image with other line ends", content(BANK_0, other.as_bytes()));
    size(cases, "both images in one", content(BANK_0, [first.clone(), second.clone()].concat().as_bytes()));
    let link = entry(BANK_0, &|entry| entry.external_attributes = 0o120_777 << 16);
    refused!(cases, "a link for an image", link, archive!(ArchiveError::NotAFile { .. }));
    let encrypted = entry(BANK_0, &|entry| entry.say(|said| said.flags = 1));
    refused!(cases, "an encrypted image", encrypted, archive!(ArchiveError::Encrypted { .. }));
    let method = entry(BANK_1, &|entry| entry.say(|said| said.method = 14));
    refused!(cases, "an image by LZMA", method, archive!(ArchiveError::UnknownMethod { method: 14, .. }));
    let bomb = entry(BANK_0, &|entry| *entry = Entry::deflated("bank0.hex", &vec![b'0'; 1 << 20]));
    refused!(cases, "a bomb for an image", bomb, archive!(ArchiveError::TooCompressed { .. }));
    let nested = content(BANK_0, &Forge::of(vec![Entry::stored("bank0.hex", first.as_bytes())]).bytes());
    refused!(cases, "an archive for an image", nested, archive!(ArchiveError::Nested { .. }));
    let crc = entry(BANK_0, &|entry| entry.say(|said| said.crc ^= 1));
    refused!(cases, "an image of another checksum", crc, archive!(ArchiveError::WrongChecksum { .. }));
    let behind = entry(BANK_1, &|entry| entry.replace_content([&entry.content, &b"more"[..]].concat()));
    refused!(
        cases,
        "bytes behind an image",
        behind,
        archive!(ArchiveError::BytesBehindContent { length: 4, .. })
    );
    let overlapping = signer.with(|forge| forge.entries[BANK_1].at = Some(0));
    refused!(cases, "an image over the manifest", overlapping, archive!(ArchiveError::Overlap { .. }));
}

fn manifests(cases: &mut Vec<Case>, signer: &Signer) {
    let content = |content: &[u8]| {
        signer.with(|forge| forge.entries[THE_MANIFEST] = Entry::deflated(MANIFEST, content))
    };
    let wrong = |cases: &mut Vec<Case>, what: &str, bytes| {
        refused!(
            cases,
            what,
            bytes,
            bundle!(BundleError::Key { fault: KeyFault::Signature(SignatureError::Wrong), .. })
        );
    };
    let [first, second] = images();
    let swapped = signer.package([second.as_bytes(), first.as_bytes()]);
    let other = signer.package([b"image 0 of another", b"image 1 of another"]);
    wrong(cases, "an empty manifest", content(b""));
    wrong(cases, "no JSON for a manifest", content(b"{"));
    wrong(cases, "an image for a manifest", content(first.as_bytes()));
    wrong(
        cases,
        "the manifest of another package",
        signer.with(|forge| forge.entries[0] = other.entries[0].clone()),
    );
    wrong(
        cases,
        "the signatures of another package",
        signer.with(|forge| forge.entries[1] = other.entries[1].clone()),
    );
    let both = signer.with(|forge| forge.entries.splice(..2, swapped.entries[..2].to_vec()).for_each(drop));
    refused!(
        cases,
        "both of the package with swapped images",
        both,
        bundle!(BundleError::PayloadHash { .. })
    );
    let both = signer.with(|forge| forge.entries.splice(..2, other.entries[..2].to_vec()).for_each(drop));
    refused!(cases, "both of another package", both, bundle!(BundleError::PayloadSize { .. }));
    let long = content(&machine_code((64 << 10) + 1));
    refused!(
        cases,
        "a manifest of 64 KiB and a byte",
        long,
        archive!(ArchiveError::TooLong { size: 65_537, .. })
    );
    let blank = content(&[b' '; 60_000]);
    refused!(cases, "60,000 blanks for a manifest", blank, archive!(ArchiveError::TooCompressed { .. }));
    let flipped = signer.with(|forge| {
        let entry = &mut forge.entries[THE_MANIFEST];
        entry.say(|said| said.crc ^= 1);
    });
    refused!(cases, "a manifest of another checksum", flipped, archive!(ArchiveError::WrongChecksum { .. }));
    let same_crc = signer.with(|forge| {
        let entry = &mut forge.entries[THE_MANIFEST];
        let size = entry.said.size as usize;
        let content = deflate(&machine_code(size));
        entry.replace_content(content);
        entry.say(|said| said.crc = Crc32::of(&machine_code(size)).0);
    });
    wrong(cases, "noise for a manifest, with its checksum", same_crc);
}

fn signatures(cases: &mut Vec<Case>, signer: &Signer) {
    let content = |content: &[u8]| {
        signer.with(|forge| forge.entries[THE_SIGNATURES] = Entry::stored(SIGNATURES, content))
    };
    let list = |cases: &mut Vec<Case>, what: &str, bytes| {
        refused!(cases, what, bytes, bundle!(BundleError::Signatures(_)));
    };
    list(cases, "empty signatures", content(b""));
    list(cases, "a list of no signatures", content(b"{\"signatures\":[]}"));
    list(cases, "noise for signatures", content(&machine_code(300)));
    list(
        cases,
        "the manifest for signatures",
        signer.with(|forge| {
            let manifest = forge.entries[THE_MANIFEST].clone();
            forge.entries[THE_SIGNATURES] = manifest.named(SIGNATURES.as_bytes(), 0);
        }),
    );
    let long = content(&machine_code((16 << 10) + 1));
    refused!(
        cases,
        "signatures of 16 KiB and a byte",
        long,
        archive!(ArchiveError::TooLong { size: 16_385, .. })
    );
    let link = signer.with(|forge| forge.entries[THE_SIGNATURES].external_attributes = 0o120_777 << 16);
    refused!(cases, "a link for signatures", link, archive!(ArchiveError::NotAFile { .. }));
}

/// FAULTS F25.
fn unsigned(cases: &mut Vec<Case>) {
    refused!(cases, "random bytes", machine_code(2_000), Refusal::NotSigned);
    refused!(cases, "one byte", vec![0], Refusal::NotSigned);
    let files = |count: usize| {
        Forge::of((0..count).map(|number| Entry::stored(&format!("{number}.bin"), b"code")).collect()).bytes()
    };
    refused!(cases, "one unsigned file", files(1), Refusal::NotSigned);
    refused!(cases, "two unsigned files", files(2), bundle!(BundleError::NotOnePayload { found: 2 }));
    refused!(cases, "16 unsigned files", files(16), bundle!(BundleError::NotOnePayload { found: 16 }));
}
