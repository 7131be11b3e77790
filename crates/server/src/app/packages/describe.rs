//! What is known of a package: from what was said, from its manifest, its image and the name of its file. What
//! is said twice must be said alike; the name of the file only fills in what nobody says.

use firmware::{ChecksumStream, IMAGE_HEADER_SIZE, IMAGE_MAGIC, ImageHeader};
use package::{Kind as ManifestKind, Manifest};

use super::contents::{Contents, DeviceFile};
use super::target::Target;
use super::{Kind, PackageText, UploadError};
use crate::app::products::{ModuleFamily, Product};
use crate::clock::Moment;
use crate::size::ByteCount;
use crate::store::ROOT_DOMAIN;

/// Why a manifest does not allow its package now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PeriodError {
    /// Too early.
    #[error("its manifest allows the package from {0} on")]
    NotYet(Moment),
    /// Too late.
    #[error("its manifest allows the package until {0}")]
    Over(Moment),
}

/// Checks the dates of a manifest.
///
/// # Errors
/// It is too early or too late.
pub fn check_period(manifest: &Manifest, now: Moment) -> Result<(), PeriodError> {
    let moment = |seconds: i64| Moment(seconds.saturating_mul(1_000_000));
    match (manifest.not_before.map(moment), manifest.not_after.map(moment)) {
        (Some(begin), _) if now < begin => Err(PeriodError::NotYet(begin)),
        (_, Some(end)) if now > end => Err(PeriodError::Over(end)),
        _ => Ok(()),
    }
}

/// What a package is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Description {
    /// What devices report as their model, if the image says it.
    pub model: Option<String>,
    pub version: String,
    pub source_version: Option<String>,
    pub has_header: bool,
}

/// A value, and who says it.
struct Said {
    by: &'static str,
    value: String,
}

/// Puts together what is said of a package, and refuses it if that does not fit.
///
/// # Errors
/// Something is missing, said in two ways, or not of the product.
pub fn describe(
    text: &PackageText,
    contents: &Contents,
    product: &Product,
) -> Result<Description, UploadError> {
    check_files(&contents.files, product)?;
    let header = match &contents.files[..] {
        [file] => header(&file.bytes)?,
        _ => None,
    };
    let manifest = contents.manifest.as_ref().map(|signed| &signed.manifest);
    if let Some(manifest) = manifest {
        check_manifest(manifest, product)?;
    }
    let named = contents.files.first().and_then(|file| file.name.as_deref()).unwrap_or(&text.file_name);
    let from_name = versions_of_name(named).or_else(|| versions_of_name(&text.file_name));
    let version = version(text, manifest, header.as_ref())?;
    let version = version.or_else(|| from_name.map(|(_, to)| to.to_owned())).ok_or(UploadError::NoVersion)?;
    let source = source(text, manifest, header.as_ref(), from_name.map(|(from, _)| from))?;
    product.check_version(&version)?;
    source.as_deref().map_or(Ok(()), |source| product.check_version(source))?;
    let model = header.as_ref().map(|header| header.model.as_str().to_owned());
    check_model(model.as_deref(), product)?;
    Ok(Description { model, version, source_version: source, has_header: header.is_some() })
}

/// A module of two banks needs an image for each, any other one image.
fn check_files(files: &[DeviceFile], product: &Product) -> Result<(), UploadError> {
    match (product.settings.module_family, files.len()) {
        (ModuleFamily::J11, 2) => super::banks::check(files),
        (ModuleFamily::J11, count) => Err(UploadError::TwoFilesNeeded(count)),
        (_, 1) => Ok(()),
        (_, _) => Err(UploadError::OneFileNeeded(product.name())),
    }
}

fn check_manifest(manifest: &Manifest, product: &Product) -> Result<(), UploadError> {
    if let Some(identity) = &manifest.product {
        let said = Target {
            product: None,
            device_type: Some(identity.device_type.clone()),
            manufacturer: Some(identity.manufacturer.clone()),
            model: Some(identity.model.clone()),
            protocol: Some(identity.protocol.clone()),
        };
        said.check(product).map_err(UploadError::ManifestProduct)?;
    }
    match &manifest.domain {
        Some(domain) if domain != ROOT_DOMAIN => {
            Err(contradiction("domain", ROOT_DOMAIN, "the manifest", domain))
        }
        _ => Ok(()),
    }
}

/// The header of an image of ours, checked; `None` for an image of another make.
fn header(bytes: &[u8]) -> Result<Option<ImageHeader>, UploadError> {
    // A file of another form is somebody else's image; one that starts as ours must be whole.
    if !bytes.starts_with(&IMAGE_MAGIC) {
        return Ok(None);
    }
    let (head, payload) = bytes.split_at(IMAGE_HEADER_SIZE.min(bytes.len()));
    let header = ImageHeader::parse(head).map_err(UploadError::BadHeader)?;
    let expected = ByteCount(u64::from(header.payload_length.0) + IMAGE_HEADER_SIZE as u64);
    let found = ByteCount(bytes.len() as u64);
    if found != expected {
        return Err(UploadError::WrongLength { expected, found });
    }
    let mut stream = ChecksumStream::new();
    stream.update(payload);
    if stream.finish() != (header.payload_crc, header.payload_digest) {
        return Err(UploadError::Damaged);
    }
    Ok(Some(header))
}

fn version(
    text: &PackageText,
    manifest: Option<&Manifest>,
    header: Option<&ImageHeader>,
) -> Result<Option<String>, UploadError> {
    let said = [
        text.version.clone().map(|value| Said { by: "the upload", value }),
        manifest
            .and_then(|manifest| manifest.version.clone())
            .map(|value| Said { by: "the manifest", value }),
        header.map(|header| Said { by: "the image", value: header.version.as_str().to_owned() }),
    ];
    Ok(agreed("version", said.into_iter().flatten())?.map(|said| said.value))
}

/// The version it must be installed over; `None` if any will do.
fn source(
    text: &PackageText,
    manifest: Option<&Manifest>,
    header: Option<&ImageHeader>,
    from_name: Option<&str>,
) -> Result<Option<String>, UploadError> {
    // "any" is said too: an image for any version contradicts a manifest of a delta.
    const ANY: &str = "any";
    let any = || ANY.to_owned();
    let given = match (&text.source_version, text.kind) {
        (Some(_), Some(Kind::Full)) => return Err(UploadError::FullWithSource),
        (Some(source), _) => Some(source.clone()),
        (None, Some(Kind::Full)) => Some(any()),
        (None, _) => None,
    };
    let said = [
        given.map(|value| Said { by: "the upload", value }),
        manifest.map(|manifest| match &manifest.kind {
            ManifestKind::Full => Said { by: "the manifest", value: any() },
            ManifestKind::Delta { from } => Said { by: "the manifest", value: from.version.clone() },
        }),
        header.map(|header| {
            let source = header.source.as_ref().map_or_else(any, |source| source.as_str().to_owned());
            Said { by: "the image", value: source }
        }),
    ];
    let source = match agreed("source_version", said.into_iter().flatten())? {
        Some(said) => Some(said.value).filter(|source| source != ANY),
        None => from_name.map(str::to_owned),
    };
    if text.kind == Some(Kind::Delta) && source.is_none() {
        return Err(UploadError::DeltaWithoutSource);
    }
    Ok(source)
}

/// What all say, if anybody says anything.
fn agreed(field: &'static str, mut said: impl Iterator<Item = Said>) -> Result<Option<Said>, UploadError> {
    let Some(first) = said.next() else { return Ok(None) };
    match said.find(|other| other.value != first.value) {
        Some(other) => Err(UploadError::Contradiction {
            field,
            one: first.by,
            given: first.value,
            other: other.by,
            found: other.value,
        }),
        None => Ok(Some(first)),
    }
}

/// What devices of the product report and what the image is for must be the same.
fn check_model(model: Option<&str>, product: &Product) -> Result<(), UploadError> {
    let reported = product.settings.reports.as_ref().and_then(|reports| reports.model.as_deref());
    match (model, reported) {
        (Some(model), Some(reported)) if model != reported => {
            Err(contradiction("model", reported, "the image", model))
        }
        _ => Ok(()),
    }
}

fn contradiction(field: &'static str, product: &str, other: &'static str, found: &str) -> UploadError {
    let (given, found) = (product.to_owned(), found.to_owned());
    UploadError::Contradiction { field, one: "the product", given, other, found }
}

/// Both versions of a name such as `BC35GJBR01A03_TO_BC35GJBR01A04.bin` (seed S1-13), however it was packed.
fn versions_of_name(name: &str) -> Option<(&str, &str)> {
    let name = name.strip_suffix(".zip").unwrap_or(name);
    let name = name.strip_suffix("_signed").unwrap_or(name);
    let name = name.strip_suffix(".bin").unwrap_or(name);
    let (from, to) = name.split_once("_TO_")?;
    let is_version = |text: &str| !text.is_empty() && !text.contains("_TO_");
    (is_version(from) && is_version(to)).then_some((from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s1_13_names_of_vendor_files_say_both_versions() {
        let both = Some(("BC35GJBR01A03", "BC35GJBR01A04"));
        for name in ["BC35GJBR01A03_TO_BC35GJBR01A04.bin", "BC35GJBR01A03_TO_BC35GJBR01A04_signed.zip"] {
            assert_eq!(versions_of_name(name), both, "{name}");
        }
        for name in ["image.bin", "_TO_.bin", "A_TO_.bin", "A_TO_B_TO_C.bin", "", "A_to_B.bin"] {
            assert_eq!(versions_of_name(name), None, "{name}");
        }
    }

    #[test]
    fn f39_a_manifest_has_dates() {
        let manifest = Manifest { not_before: Some(10), not_after: Some(20), ..Manifest::default() };
        let check = |seconds: i64| check_period(&manifest, Moment(seconds * 1_000_000));
        assert_eq!(check(9), Err(PeriodError::NotYet(Moment(10_000_000))));
        assert_eq!((check(10), check(20)), (Ok(()), Ok(())));
        assert_eq!(check(21), Err(PeriodError::Over(Moment(20_000_000))));
        assert_eq!(check_period(&Manifest::default(), Moment(0)), Ok(()));
    }
}
